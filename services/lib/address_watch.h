/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LIB_ADDRESS_WATCH_H
#define LIB_ADDRESS_WATCH_H

/*
 * Being told when addresses of this machine come and go. Which they are, others say (own_address.h): they are asked anew. The kernel
 * also tells of those of containers and of lifetimes that begin again, so whoever asks for much waits a little first.
 */

#include "lib/loop.h"
#include "lib/netlink.h"

struct address_watch {
	struct netlink nl;
	struct loop_io io;
	void (*fn)(struct address_watch *w);
};

#define ADDRESS_WATCH_OFF ((struct address_watch){.nl = NETLINK_CLOSED})

/* @w: ADDRESS_WATCH_OFF. 0 or -errno. */
must_check int address_watch_start(
	struct address_watch *w, struct loop *l, void (*fn)(struct address_watch *w));
void address_watch_stop(struct address_watch *w); /* idempotent */

#endif

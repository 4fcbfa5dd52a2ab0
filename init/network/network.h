/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NETWORK_NETWORK_H
#define NETWORK_NETWORK_H

/*
 * The machine's own interfaces: set up, and followed while the loop runs. The service `network` does it for as long as
 * the node runs, and `config` for as long as it asks for a configuration. One at a time, for they write the same files.
 */

#include "init/network/lease.h"
#include "init/network/netcfg.h"
#include "lib/loop.h"

struct network;

struct network_wanted {
	struct netcfg cfg;	  /* without interfaces: every Ethernet device asks by DHCP */
	void (*ready)(void *arg); /* once: all of it is up, or it was waited for long enough */
	void (*leased)(const struct lease *l, void *arg); /* a lease that is in force now; may be NULL */
	void *arg;
};

/**
 * network_start() - begin
 * @w:	copied; what @w->cfg owns stays the caller's and must outlive it
 *
 * Return: 0 or -errno, logged. What is missing is told by the log and the notice for operators; it never stops trying.
 */
must_check int network_start(struct network **out, struct loop *loop, const struct network_wanted *w);

/* Whether any device has a link. */
bool network_linked(const struct network *w);
/* Whether all that is configured is up; without interfaces that are, whether every device with a link has its lease, and there
 * is one, or no device at all. */
bool network_settled(const struct network *w);

/*
 * Ends the DHCP clients and takes back what leases and routers brought, and what was published. Devices stay up, for a link
 * takes seconds to come again, but have no addresses. Accepts NULL.
 */
void network_end(struct network *w);

#endif

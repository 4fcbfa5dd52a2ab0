/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LIB_CONNTRACK_H
#define LIB_CONNTRACK_H

/*
 * Connections that the kernel remembers. A translation is decided with a flow's first packet and kept as long
 * as the flow lasts, which for UDP is as long as the client goes on sending: without this, what is sent to a
 * published port would go to a container that is gone, and not to the one that has the port now.
 */

#include "lib/ipconf.h"

/* One direction of a flow; what is 0 matches anything. */
struct conntrack_tuple {
	struct ipaddr source; /* its family is the flow's, so it is never AF_UNSPEC */
	uint8_t proto;	      /* IPPROTO_UDP... */
	uint16_t source_port; /* with a proto only */
};

enum conntrack_direction { CONNTRACK_ORIGINAL, CONNTRACK_REPLY };

/* Forgets the flows whose @direction is like @t. @nl: NETLINK_NETFILTER. 0, also when there are none; else -errno. */
must_check int conntrack_forget(
	struct netlink *nl, enum conntrack_direction direction, const struct conntrack_tuple *t);

/* Forgets every flow from or to this address, whatever translation it has; a failure is logged. */
void conntrack_forget_address(struct netlink *nl, const struct ipaddr *a);

#endif

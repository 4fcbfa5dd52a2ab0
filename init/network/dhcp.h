/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NETWORK_DHCP_H
#define NETWORK_DHCP_H

/*
 * One DHCP client: busybox udhcpc as a child, its script's messages as leases. When the child ends it is
 * started again, later each time.
 */

#include "init/network/lease.h"
#include "lib/loop.h"

/* The script's standard input is the socket to us: udhcpc leaves that alone, and takes 3 and up for itself.
 */
enum { DHCP_SCRIPT_FD = STDIN_FILENO };

struct dhcp {
	struct loop *loop;
	char ifname[16];
	bool running;
	bool fresh; /* udhcpc says "deconfig" first of all: that one means nothing */
	pid_t pid;
	int pidfd;	     /* owned, -1 */
	int socket;	     /* owned, -1; our end */
	unsigned fails;	     /* in a row */
	struct in_addr last; /* what to ask for again */
	struct loop_io pid_io, socket_io;
	struct loop_timer retry;
	void (*fn)(struct dhcp *d, const struct lease *l, const char *msg, size_t len);
};

/* @fn: called for each event that was understood; the message is what was understood. */
void dhcp_init(struct dhcp *d, struct loop *l, const char *ifname,
	void (*fn)(struct dhcp *d, const struct lease *l, const char *msg, size_t len));
void dhcp_start(struct dhcp *d); /* idempotent; failures are logged and tried again */
void dhcp_stop(struct dhcp *d);	 /* idempotent */

#endif

/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NETWORK_NETIF_H
#define NETWORK_NETIF_H

/*
 * One device that is ours to set up: from its configuration and what the kernel and DHCP report. It owns the
 * addresses and routes it has put there, nothing else on the device.
 */

#include "init/network/dhcp.h"
#include "init/network/netcfg.h"

struct netif {
	const struct netcfg_interface *cfg;
	const struct netcfg_interface *bond; /* it is a member of this one; then cfg only names it */
	struct link link;		     /* as last reported */
	uint32_t own_mtu;		     /* before any lease */
	unsigned order;			     /* earlier interfaces are preferred: route metrics follow it */
	bool configured;		     /* up, with its fixed addresses */
	bool carrier;
	bool leased;
	bool told; /* that there is no link, or no answer */
	struct lease lease;
	struct dhcp dhcp;
	void (*changed)(struct netif *n, void *arg); /* the lease or its absence */
	void *arg;
	struct netif *next;
};

/* @changed is called from the loop. NULL when there is no memory, logged. */
struct netif *netif_new(struct loop *loop, const struct netcfg_interface *cfg,
	const struct netcfg_interface *bond, const struct link *l, unsigned order,
	void (*changed)(struct netif *n, void *arg), void *arg);
void netif_free(struct netif *n); /* accepts NULL; the device is left as it is */

/* Brings it up and sets what is fixed. @master: the bond's index for a member, else 0. 0 or -errno, logged.
 */
must_check int netif_configure(struct netif *n, struct netlink *nl, int master);

/* The kernel reports the device; may start or stop DHCP. */
void netif_update(struct netif *n, struct netlink *nl, const struct link *l);

/* Takes back what the lease brought: address, routes, MTU, its file. The client goes on. */
void netif_forget_lease(struct netif *n, struct netlink *nl);

/* Whether all that is asked for is there. */
bool netif_settled(const struct netif *n);

/* A lease's routes for a device: metric and device filled in, gateways outside the network marked on-link. */
void netif_lease_routes(const struct lease *l, int index, unsigned order, struct route *out);

#endif

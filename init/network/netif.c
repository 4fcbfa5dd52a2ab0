/* SPDX-License-Identifier: Apache-2.0 */

#include <errno.h>
#include <fcntl.h>
#include <linux/rtnetlink.h>
#include <stdio.h>
#include <string.h>

#include "init/network/netif.h"
#include "init/network/resolv.h"
#include "init/network/sysctl.h"
#include "lib/log.h"

/* Fixed routes are preferred to learned ones, earlier interfaces to later ones. */
enum { METRIC_FIXED = 100, METRIC_DHCP = 300 };

#define LEASE_DIR "/run/network"

static void on_lease(struct dhcp *d, const struct lease *l, const char *msg, size_t len);

static void lease_path(const struct netif *n, char out[64])
{
	snprintf(out, 64, LEASE_DIR "/%s.lease", n->link.name);
}

/* A lease from before this service was restarted: its address is on the device and must be known to be
 * replaced. */
static void recall(struct netif *n)
{
	char path[64], msg[LEASE_MESSAGE_MAX];
	cleanup(closep) int fd = -1;
	ssize_t len;

	lease_path(n, path);
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	len = fd < 0 ? -1 : read(fd, msg, sizeof(msg));
	if (len <= 0 || lease_parse(&n->lease, msg, (size_t)len) < 0 || !n->lease.address.family)
		return;
	n->leased = true;
	n->dhcp.last = n->lease.address.v4;
}

struct netif *netif_new(struct loop *loop, const struct netcfg_interface *cfg,
	const struct netcfg_interface *bond, const struct link *l, unsigned order,
	void (*changed)(struct netif *n, void *arg), void *arg)
{
	struct netif *n = calloc(1, sizeof(*n));

	if (!n) {
		log_errno(ENOMEM, "if=%s op=alloc", l->name);
		return NULL;
	}
	n->cfg = cfg;
	n->bond = bond;
	n->link = *l;
	n->own_mtu = l->mtu;
	n->order = order;
	n->changed = changed;
	n->arg = arg;
	dhcp_init(&n->dhcp, loop, l->name, on_lease);
	if (cfg->dhcp && !bond)
		recall(n);
	return n;
}

void netif_free(struct netif *n)
{
	if (!n)
		return;
	dhcp_stop(&n->dhcp);
	free(n);
}

static int open_route(struct netlink *nl)
{
	int r = netlink_open(nl, NETLINK_ROUTE, -1);

	return r < 0 ? log_errno(-r, "op=netlink") : 0;
}

static int failed(
	const struct netif *n, const struct netlink *nl, int r, const char *op, const struct ipaddr *a)
{
	char text[IPADDR_TEXT_MAX] = "";

	if (a)
		ipaddr_format(a, true, text);
	return log_errno(-r, "if=%s op=%s address=%s kernel=\"%s\"", n->link.name, op, text, nl->text);
}

static void set_mtu(struct netif *n, struct netlink *nl, uint32_t mtu)
{
	struct link_change c = LINK_NO_CHANGE;
	int r;

	if (!mtu || n->link.mtu == mtu)
		return;
	c.mtu = mtu;
	r = link_set(nl, n->link.index, &c);
	if (r < 0)
		failed(n, nl, r, "mtu", NULL);
	else
		n->link.mtu = mtu; /* the kernel's own news of it comes later */
}

static int set_fixed(struct netif *n, struct netlink *nl)
{
	int r, first = 0;

	for (size_t i = 0; i < n->cfg->n_addresses; i++) {
		const struct link_addr a = {.index = n->link.index, .addr = n->cfg->addresses[i]};

		r = addr_set(nl, &a);
		if (r < 0) {
			failed(n, nl, r, "address", &a.addr);
			first = first ? first : r;
		}
	}
	for (size_t i = 0; i < array_len(n->cfg->gateways); i++) {
		const struct ipaddr *gw = &n->cfg->gateways[i];
		const struct route route = {
			.dst = {.family = gw->family},
			.gateway = *gw,
			.index = n->link.index,
			.metric = METRIC_FIXED + n->order,
			.onlink = gw->family == AF_INET,
		};

		if (!gw->family)
			continue;
		r = route_set(nl, &route);
		if (r < 0) {
			failed(n, nl, r, "gateway", gw);
			first = first ? first : r;
		}
	}
	return first;
}

int netif_configure(struct netif *n, struct netlink *nl, int master)
{
	struct link_change up = LINK_NO_CHANGE;
	int r;

	set_mtu(n, nl, n->cfg->mtu);
	if (!n->bond)
		sysctl_ipv6(n->link.name, n->cfg->ipv6);
	else if (n->link.master != master) {
		struct link_change join = LINK_NO_CHANGE;

		/* A bond takes only members that are down. */
		join.up = 0;
		r = link_set(nl, n->link.index, &join);
		join.up = LINK_KEEP;
		join.master = master;
		if (!r)
			r = link_set(nl, n->link.index, &join);
		if (r < 0)
			return failed(n, nl, r, "bond", NULL);
	}
	up.up = 1;
	r = link_set(nl, n->link.index, &up);
	if (r < 0)
		return failed(n, nl, r, "up", NULL);
	n->configured = true;
	return n->bond ? 0 : set_fixed(n, nl);
}

void netif_update(struct netif *n, struct netlink *nl, const struct link *l)
{
	bool had = n->carrier;

	n->link = *l;
	n->carrier = LINK_RUNNING(l);
	if (n->bond || !n->configured || had == n->carrier)
		return;
	log_info("if=%s link=%s", l->name, n->carrier ? "up" : "down");
	if (n->carrier)
		n->told = false;
	/* The kernel forgets routes of a device that was down; IPv6 addresses too. */
	if (n->carrier && set_fixed(n, nl) < 0)
		n->told = true;
	/* A cable that comes back may lead to another network: ask anew. The address stays until there is an
	 * answer. */
	if (n->cfg->dhcp && n->carrier)
		dhcp_start(&n->dhcp);
	else if (n->cfg->dhcp)
		dhcp_stop(&n->dhcp);
}

bool netif_settled(const struct netif *n)
{
	return n->configured && (n->bond || (n->carrier && (!n->cfg->dhcp || n->leased)));
}

void netif_lease_routes(const struct lease *l, int index, unsigned order, struct route *out)
{
	struct ipaddr net = ipaddr_network(&l->address);

	for (size_t i = 0; i < l->n_routes; i++) {
		struct ipaddr gw;

		out[i] = l->routes[i];
		out[i].index = index;
		out[i].metric = METRIC_DHCP + order;
		out[i].protocol = RTPROT_DHCP;
		out[i].source = l->address;
		gw = out[i].gateway;
		gw.prefix = net.prefix;
		gw = ipaddr_network(&gw);
		/* Some clouds hand out a lone address and a gateway outside of it. */
		out[i].onlink = out[i].gateway.family && !ipaddr_equal(&gw, &net);
	}
}

static void remove_lease(struct netif *n, struct netlink *nl)
{
	const struct link_addr a = {.index = n->link.index, .addr = n->lease.address};
	int r;

	/* Its routes go with it: they have the address as their source. */
	r = addr_del(nl, &a);
	if (r < 0 && r != -EADDRNOTAVAIL && r != -ENODEV)
		failed(n, nl, r, "remove", &a.addr);
	n->leased = false;
}

void netif_forget_lease(struct netif *n, struct netlink *nl)
{
	char path[64];

	lease_path(n, path);
	unlink(path);
	if (!n->cfg->mtu)
		set_mtu(n, nl, n->own_mtu);
	if (n->leased)
		remove_lease(n, nl);
}

/* Return: whether the address is on the device. */
static bool apply_lease(struct netif *n, struct netlink *nl, const struct lease *l)
{
	const struct link_addr a = {.index = n->link.index, .addr = l->address};
	struct route routes[LEASE_ROUTES_MAX];
	char text[IPADDR_TEXT_MAX], gw[IPADDR_TEXT_MAX];
	int r;

	if (n->leased && !ipaddr_equal(&n->lease.address, &l->address))
		remove_lease(n, nl);
	if (!n->cfg->mtu)
		set_mtu(n, nl, l->mtu ? l->mtu : n->own_mtu);
	r = addr_set(nl, &a);
	if (r < 0) {
		failed(n, nl, r, "address", &a.addr);
		return false;
	}
	netif_lease_routes(l, n->link.index, n->order, routes);
	/* On-link routes first: gateways of the others may be behind them. */
	for (int pass = 0; pass < 2; pass++)
		for (size_t i = 0; i < l->n_routes; i++) {
			if (!routes[i].gateway.family != !pass)
				continue;
			r = route_set(nl, &routes[i]);
			if (r < 0)
				failed(n, nl, r, "route", &routes[i].dst);
		}
	if (!n->leased || l->event == LEASE_BOUND)
		log_info("if=%s dhcp=bound address=%s gateway=%s seconds=%u", n->link.name,
			ipaddr_format(&l->address, true, text),
			l->n_routes ? ipaddr_format(&l->routes[0].gateway, false, gw) : "none", l->seconds);
	n->lease = *l;
	n->leased = true;
	n->told = false;
	return true;
}

static void on_lease(struct dhcp *d, const struct lease *l, const char *msg, size_t len)
{
	struct netif *n = container_of(d, struct netif, dhcp);
	struct netlink nl = NETLINK_CLOSED;
	char path[64];

	if (open_route(&nl) < 0)
		return;
	lease_path(n, path);
	switch (l->event) {
	case LEASE_BOUND:
	case LEASE_RENEW:
		if (apply_lease(n, &nl, l))
			resolv_write(path, strndup(msg, len));
		break;
	case LEASE_DECONFIG:
		if (n->leased)
			log_warn("if=%s dhcp=expired msg=\"the address is given up\"", n->link.name);
		netif_forget_lease(n, &nl);
		break;
	case LEASE_NAK:
		log_warn("if=%s dhcp=nak msg=\"the server refused the address asked for\"", n->link.name);
		break;
	case LEASE_FAIL:
		if (!n->told)
			log_warn("if=%s dhcp=silent msg=\"no DHCP server answers; trying on\"", n->link.name);
		n->told = true;
		break;
	}
	netlink_close(&nl);
	n->changed(n, n->arg);
}

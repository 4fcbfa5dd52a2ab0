/* SPDX-License-Identifier: Apache-2.0 */

/* The interface of an endpoint: a veth pair into the bridge, or a macvlan or ipvlan interface beside its
 * parent; its addresses and the container's way out. And new network namespaces. */

#include <errno.h>
#include <fcntl.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>

#include "engine/network_int.h"
#include "lib/errno_text.h"
#include "lib/log.h"
#include "lib/netns.h"

enum { ETH_MAX = 256, METRIC_V6 = 1024 };

/* The name that was asked for, or the lowest ethN that the namespace does not have. */
static int choose_name(struct netlink *inside, const char *prefix, const char *wanted, char out[IFNAMSIZ])
{
	cleanup(freep) struct link *links = NULL;
	ssize_t n = link_list(inside, &links);

	if (n < 0)
		return (int)n;
	for (int i = 0; i < (wanted ? 1 : ETH_MAX); i++) {
		bool taken = false;

		if (wanted)
			snprintf(out, IFNAMSIZ, "%s", wanted);
		else
			snprintf(out, IFNAMSIZ, "%s%d", prefix, i);
		for (ssize_t k = 0; k < n && !taken; k++)
			taken = !strcmp(links[k].name, out);
		if (!taken)
			return 0;
	}
	return wanted ? -EEXIST : -ENOSPC;
}

/* ---- the way out */

/* ipvlan on layer 3 has no neighbours: the route is the device. */
static bool is_routed(const struct network *n)
{
	return n->driver == NETWORK_IPVLAN && n->link_mode != IPVLAN_MODE_L2;
}

bool network_has_route(const struct network_endpoint *e, enum network_family f)
{
	const struct network *n = e->network;

	return network_has_link(n) && !n->internal && !(n->own_parent && !strchr(n->bridge, '.')) &&
	       e->ip[f].family && (e->gateway[f].family || is_routed(n));
}

static bool leads_out(const struct network_endpoint *e)
{
	return network_has_route(e, NETWORK_V4) || network_has_route(e, NETWORK_V6);
}

/* The higher priority, else the name that comes first. Networks that lead nowhere come last. */
static bool before(const struct network_endpoint *a, const struct network_endpoint *b)
{
	if (leads_out(a) != leads_out(b))
		return leads_out(a);
	if (a->gw_priority != b->gw_priority)
		return a->gw_priority > b->gw_priority;
	return strcmp(a->network->name, b->network->name) < 0;
}

/* The metric of a default route: when the first network is left, the next one is the way out. */
static uint32_t metric(enum network_family f, uint8_t rank)
{
	/* An IPv6 route without a metric gets 1024 from the kernel. */
	return f == NETWORK_V6 ? METRIC_V6 + rank : rank;
}

static struct route default_route(
	const struct network_endpoint *e, enum network_family f, int index, uint8_t rank)
{
	struct route r = {.dst = {.family = e->ip[f].family}, .index = index, .metric = metric(f, rank)};

	if (!is_routed(e->network))
		r.gateway = e->gateway[f];
	return r;
}

static int move_route(struct netlink *inside, const struct network_endpoint *e, uint8_t rank)
{
	struct link l;
	int r = link_get(inside, e->ifname, &l);

	for (enum network_family f = NETWORK_V4; f < NETWORK_FAMILIES && !r; f++) {
		struct route old = default_route(e, f, l.index, e->rank);
		struct route new = default_route(e, f, l.index, rank);

		if (!network_has_route(e, f))
			continue;
		r = route_set(inside, &new);
		if (!r)
			r = route_del(inside, &old);
		/* The container may have changed its own routes. */
		if (r == -ESRCH)
			r = 0;
	}
	return r;
}

/* The worst of those that @e comes before, moved one further each; from the last to the first. */
static int make_room(struct networks *ns, struct netlink *inside, const struct network_endpoint *e)
{
	for (int rank = ETH_MAX - 2; rank >= e->rank; rank--)
		for (struct network_endpoint *o = ns->endpoints; o; o = o->next) {
			int r;

			if (o == e || o->rank != rank || strcmp(o->container, e->container) != 0 ||
				!network_has_link(o->network))
				continue;
			r = move_route(inside, o, (uint8_t)(rank + 1));
			if (r < 0)
				return r;
			o->rank = (uint8_t)(rank + 1);
			r = network_endpoint_save(ns, o);
			if (r < 0)
				return r;
		}
	return 0;
}

static int way_out(struct networks *ns, struct netlink *inside, struct network_endpoint *e, int index)
{
	int r;

	e->rank = 0;
	for (const struct network_endpoint *o = ns->endpoints; o; o = o->next)
		if (!strcmp(o->container, e->container) && network_has_link(o->network) && before(o, e) &&
			o->rank >= e->rank)
			e->rank = (uint8_t)(o->rank + 1);
	r = make_room(ns, inside, e);
	for (enum network_family f = NETWORK_V4; f < NETWORK_FAMILIES && !r; f++) {
		struct route route = default_route(e, f, index, e->rank);

		if (network_has_route(e, f))
			r = route_set(inside, &route);
	}
	return r;
}

/* ---- inside the container */

/* A new namespace has IPv6 off for devices to come (network_netns_new()). */
static int use_ipv6(const char *ifname, int netns)
{
	char path[128];
	int r;

	snprintf(path, sizeof(path), "/proc/sys/net/ipv6/conf/%s/accept_ra", ifname);
	r = netns_sysctl(netns, path, "0");
	if (r < 0)
		return r;
	snprintf(path, sizeof(path), "/proc/sys/net/ipv6/conf/%s/disable_ipv6", ifname);
	return netns_sysctl(netns, path, "0");
}

static int set_inside(
	struct networks *ns, struct netlink *inside, struct network_endpoint *e, int netns, const char **op)
{
	struct link_change up = LINK_NO_CHANGE;
	struct link l;
	int r;

	*op = "find interface";
	r = link_get(inside, e->ifname, &l);
	if (r < 0)
		return r;
	*op = "use IPv6";
	r = e->ip[NETWORK_V6].family ? use_ipv6(e->ifname, netns) : 0;
	if (r < 0)
		return r;
	*op = "set address";
	for (enum network_family f = NETWORK_V4; f < NETWORK_FAMILIES; f++) {
		struct link_addr a = {.addr = e->ip[f], .index = l.index};

		/* Addresses are given out here, each once. */
		if (f == NETWORK_V6)
			a.flags = IFA_F_NODAD;
		r = a.addr.family ? addr_set(inside, &a) : 0;
		if (r < 0)
			return r;
	}
	*op = "set up";
	up.up = 1;
	r = link_set(inside, l.index, &up);
	if (r < 0)
		return r;
	if (e->network->driver == NETWORK_IPVLAN)
		memcpy(e->mac, l.mac, sizeof(e->mac));
	*op = "set route";
	return way_out(ns, inside, e, l.index);
}

static int add_veth(struct networks *ns, struct network_endpoint *e, int netns, const char **op)
{
	struct link_new pair = {
		.kind = "veth",
		.name = e->peer,
		.mtu = e->network->mtu,
		.up = true,
		.peer = {.name = e->ifname, .mac = e->mac, .netns_fd = netns},
	};
	struct link l;
	int r;

	*op = "find the bridge";
	r = link_get(&ns->route, e->network->bridge, &l);
	if (r < 0)
		return r;
	pair.master = l.index;
	*op = "make a veth pair";
	r = link_add(&ns->route, &pair);
	if (!r)
		r = link_get(&ns->route, e->peer, &l);
	if (r < 0)
		return r;
	/* Only a port of the bridge, with no address of its own. */
	r = network_sysctl("ipv6", e->peer, "disable_ipv6", "1");
	if (r < 0 && r != -ENOENT)
		log_errno(-r, "if=%s op=disable-ipv6", e->peer);
	*op = "isolate the port";
	return e->network->icc ? 0 : link_port_isolate(&ns->route, l.index, true);
}

/* The kernel refuses a name that the node itself has, though the interface is born elsewhere: it is named
 * there. */
static int add_beside(
	struct networks *ns, struct netlink *inside, struct network_endpoint *e, int netns, const char **op)
{
	struct link_change rename = LINK_NO_CHANGE;
	char name[IFNAMSIZ];
	bool mac = e->network->driver == NETWORK_MACVLAN;
	struct link_new own = {
		.kind = network_driver_name(e->network->driver),
		.name = name,
		.mtu = e->network->mtu,
		.mac = mac ? e->mac : NULL,
		.macvlan_mode = e->network->link_mode,
		.ipvlan_mode = (uint16_t)e->network->link_mode,
		.netns_fd = &netns,
	};
	struct link l;
	int r;

	*op = "find the parent device";
	r = link_get(&ns->route, e->network->bridge, &l);
	if (r < 0)
		return r;
	own.parent = l.index;
	*op = mac ? "make a macvlan interface" : "make an ipvlan interface";
	snprintf(name, sizeof(name), "mv%.8s", e->id);
	r = link_add(&ns->route, &own);
	if (!r)
		r = link_get(inside, name, &l);
	rename.name = e->ifname;
	return r < 0 ? r : link_set(inside, l.index, &rename);
}

int network_link_up(struct networks *ns, struct network_endpoint *e, int netns, const char *wanted,
	struct network_error *err)
{
	struct netlink inside = NETLINK_CLOSED;
	const char *op = "open its namespace";
	int r = netlink_open(&inside, NETLINK_ROUTE, netns);

	ns->route.text[0] = '\0';
	if (!r) {
		op = "name the interface";
		r = choose_name(&inside, e->network->ifprefix, wanted, e->ifname);
	}
	if (!r)
		r = e->network->driver == NETWORK_BRIDGE ? add_veth(ns, e, netns, &op)
							 : add_beside(ns, &inside, e, netns, &op);
	if (!r)
		r = set_inside(ns, &inside, e, netns, &op);
	if (r < 0) {
		const char *text = inside.text[0] ? inside.text : ns->route.text;

		log_errno(-r, "container=%s network=%s op=\"%s\" kernel=\"%s\"", e->container,
			e->network->name, op, text);
		network_fail(err, r, "network %s: cannot %s %s: %s%s%s", e->network->name, op, e->ifname,
			errno_text(-r), text[0] ? ": " : "", text);
	}
	netlink_close(&inside);
	return r < 0 ? r : 0;
}

void network_link_down(struct networks *ns, const struct network_endpoint *e, int netns)
{
	struct netlink inside = NETLINK_CLOSED;
	struct link l;
	int r;

	/* The pair is gone with the container's namespace, most of the time. */
	if (e->peer[0] && link_get(&ns->route, e->peer, &l) == 0) {
		r = link_del(&ns->route, l.index);
		if (r < 0 && r != -ENODEV)
			log_errno(-r, "if=%s op=delete kernel=\"%s\"", e->peer, ns->route.text);
	}
	/* Without another end it can be taken only from inside. */
	if (!e->peer[0] && e->ifname[0] && netns >= 0 && netlink_open(&inside, NETLINK_ROUTE, netns) == 0) {
		r = link_get(&inside, e->ifname, &l);
		if (!r)
			r = link_del(&inside, l.index);
		if (r < 0 && r != -ENODEV)
			log_errno(-r, "if=%s op=delete kernel=\"%s\"", e->ifname, inside.text);
		netlink_close(&inside);
	}
}

int network_link_local_parse(const char *text, struct ipaddr *out)
{
	if (strchr(text, '/') || ipaddr_parse(text, out) < 0)
		return -EINVAL;
	out->prefix = out->family == AF_INET ? 16 : 64;
	return (out->family == AF_INET ? ntohl(out->v4.s_addr) >> 16 == 0xa9fe
				       : IN6_IS_ADDR_LINKLOCAL(&out->v6))
		       ? 0
		       : -EINVAL;
}

int network_link_local(int netns, const char *ifname, const char *text)
{
	struct netlink inside = NETLINK_CLOSED;
	struct link_addr a = {};
	struct link l;
	int r = network_link_local_parse(text, &a.addr);

	if (!r && a.addr.family == AF_INET6) {
		a.flags = IFA_F_NODAD;
		r = use_ipv6(ifname, netns);
	}
	if (!r)
		r = netlink_open(&inside, NETLINK_ROUTE, netns);
	if (r < 0)
		return r;
	r = link_get(&inside, ifname, &l);
	a.index = l.index;
	if (!r)
		r = addr_set(&inside, &a);
	netlink_close(&inside);
	return r;
}

int network_link_sysctl(int netns, const char *ifname, const char *line)
{
	static const char *const beginnings[] = {"net.ipv4.conf.IFNAME.", "net.ipv6.conf.IFNAME.",
		"net.ipv4.neigh.IFNAME.", "net.ipv6.neigh.IFNAME."};
	const char *equal = strchr(line, '=');
	char path[192];

	for (size_t i = 0; i < array_len(beginnings) && equal; i++) {
		size_t n = strlen(beginnings[i]);
		const char *key = line + n;
		char part[8], kind[8];

		if (strncmp(line, beginnings[i], n) != 0)
			continue;
		if (equal == key ||
			strspn(key, "abcdefghijklmnopqrstuvwxyz0123456789_") != (size_t)(equal - key) ||
			equal - key > 64 || sscanf(line, "net.%7[a-z0-9].%7[a-z].", part, kind) != 2)
			return -EINVAL;
		snprintf(path, sizeof(path), "/proc/sys/net/%s/%s/%s/%.*s", part, kind, ifname,
			(int)(equal - key), key);
		return netns_sysctl(netns, path, equal + 1);
	}
	return -EINVAL;
}

/* What Docker gives every container: any port and ping without privilege, within its own namespace. */
static void netns_sysctls(void)
{
	static const char *const settings[][2] = {
		{"/proc/sys/net/ipv4/ip_unprivileged_port_start", "0"},
		{"/proc/sys/net/ipv4/ping_group_range", "0 2147483647"},
		/* Devices to come; loopback keeps ::1. */
		{"/proc/sys/net/ipv6/conf/default/disable_ipv6", "1"},
	};

	for (size_t i = 0; i < array_len(settings); i++) {
		int r = netns_sysctl(-1, settings[i][0], settings[i][1]);

		if (r < 0 && r != -ENOENT)
			log_errno(-r, "op=sysctl path=%s", settings[i][0]);
	}
}

/* Settings of its own, and loopback up. @fd is entered for it. */
int network_netns_furnish(int fd)
{
	cleanup(closep) int home = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
	struct netlink nl = NETLINK_CLOSED;
	struct link_change up = LINK_NO_CHANGE;
	int r;

	if (home < 0)
		return log_errno(errno, "op=open path=/proc/thread-self/ns/net");
	if (setns(fd, CLONE_NEWNET) < 0)
		return log_errno(errno, "op=setns-net");
	r = netlink_open(&nl, NETLINK_ROUTE, -1);
	if (!r)
		netns_sysctls();
	if (setns(home, CLONE_NEWNET) < 0) {
		log_errno(errno, "op=setns msg=\"cannot return to the node's network namespace\"");
		abort();
	}
	up.up = 1;
	if (!r)
		r = link_set(&nl, 1, &up); /* loopback is the first device of every namespace */
	netlink_close(&nl);
	return r < 0 ? log_errno(-r, "op=new-netns") : 0;
}

int network_netns_new(int *fd)
{
	cleanup(closep) int home = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC), made = -1;
	int r;

	if (home < 0)
		return log_errno(errno, "op=open path=/proc/thread-self/ns/net");
	if (unshare(CLONE_NEWNET) < 0)
		return log_errno(errno, "op=unshare-net");
	made = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
	r = made < 0 ? log_errno(errno, "op=open path=/proc/thread-self/ns/net") : 0;
	if (setns(home, CLONE_NEWNET) < 0) {
		log_errno(errno, "op=setns msg=\"cannot return to the node's network namespace\"");
		abort();
	}
	if (!r)
		r = network_netns_furnish(made);
	if (!r)
		*fd = take_fd(made);
	return r;
}

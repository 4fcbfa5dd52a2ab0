/* SPDX-License-Identifier: Apache-2.0 */

/* Devices: the bridge of a network, and the veth pair of an endpoint. What is there and right is left alone.
 */

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>

#include "engine/network_int.h"
#include "lib/log.h"

enum { ETH_MAX = 256 };

static int put_sysctl(const char *path, const char *value)
{
	cleanup(closep) int fd = open(path, O_WRONLY | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	return write(fd, value, strlen(value)) < 0 ? -errno : 0;
}

static int device_sysctl(const char *family, const char *device, const char *key, const char *value)
{
	char path[128];

	snprintf(path, sizeof(path), "/proc/sys/net/%s/conf/%s/%s", family, device, key);
	return put_sysctl(path, value);
}

/* A locally administered address made of the IPv4 address: whoever gets the address next gets this one too,
 * so that no neighbour's memory is wrong. */
static void mac_of(struct in_addr a, uint8_t mac[LINK_MAC_LEN])
{
	mac[0] = 0x02;
	mac[1] = 0x42;
	memcpy(mac + 2, &a.s_addr, 4);
}

static int bridge_failed(
	struct networks *ns, const struct network *n, int r, const char *op, struct network_error *err)
{
	log_errno(-r, "network=%s bridge=%s op=%s kernel=\"%s\"", n->name, n->bridge, op, ns->route.text);
	return network_fail(err, r, "network %s: %s %s: %s%s%s", n->name, op, n->bridge, strerror(-r),
		ns->route.text[0] ? ": " : "", ns->route.text);
}

int network_bridge_up(struct networks *ns, const struct network *n, struct network_error *err)
{
	const struct link_addr addr = {.addr = {.family = AF_INET, .prefix = n->prefix, .v4 = n->gateway}};
	struct link_addr with_index = addr;
	struct link_change up = LINK_NO_CHANGE;
	uint8_t mac[LINK_MAC_LEN];
	struct link_new bridge = {.kind = "bridge", .name = n->bridge, .mac = mac, .up = true, .mtu = n->mtu};
	struct link l;
	int r;

	if (n->driver != NETWORK_BRIDGE)
		return 0;
	mac_of(n->gateway, mac);
	r = link_get(&ns->route, n->bridge, &l);
	if (r == -ENODEV) {
		r = link_add(&ns->route, &bridge);
		if (!r)
			r = link_get(&ns->route, n->bridge, &l);
	}
	if (r < 0)
		return bridge_failed(ns, n, r, "make bridge", err);
	if (strcmp(l.kind, "bridge") != 0)
		return network_fail(err, -EEXIST, "network %s: there is a device %s and it is not a bridge",
			n->name, n->bridge);
	/* No address of its own on the link: nothing here speaks IPv6 yet. Absent when the kernel has none.
	 */
	r = device_sysctl("ipv6", n->bridge, "disable_ipv6", "1");
	if (r < 0 && r != -ENOENT)
		log_errno(-r, "bridge=%s op=disable-ipv6", n->bridge);
	/* So that 127.0.0.1:PORT on the node reaches the container; the guard chain closes it to everybody
	 * else. */
	r = device_sysctl("ipv4", n->bridge, "route_localnet", "1");
	if (r < 0)
		log_errno(-r, "bridge=%s op=route-localnet msg=\"published ports do not answer on loopback\"",
			n->bridge);
	with_index.index = l.index;
	r = addr_set(&ns->route, &with_index);
	if (r < 0)
		return bridge_failed(ns, n, r, "address", err);
	up.up = 1;
	r = l.flags & IFF_UP ? 0 : link_set(&ns->route, l.index, &up);
	return r < 0 ? bridge_failed(ns, n, r, "up", err) : 0;
}

void network_bridge_down(struct networks *ns, const struct network *n)
{
	struct link l;
	int r;

	if (n->driver != NETWORK_BRIDGE || link_get(&ns->route, n->bridge, &l) < 0 ||
		strcmp(l.kind, "bridge") != 0)
		return;
	r = link_del(&ns->route, l.index);
	if (r < 0 && r != -ENODEV)
		log_errno(-r, "network=%s bridge=%s op=delete kernel=\"%s\"", n->name, n->bridge,
			ns->route.text);
}

/* The lowest ethN that the namespace does not have; the number is returned. */
static int free_name(struct netlink *inside, char out[IFNAMSIZ])
{
	cleanup(freep) struct link *links = NULL;
	ssize_t n = link_list(inside, &links);

	if (n < 0)
		return (int)n;
	for (int i = 0; i < ETH_MAX; i++) {
		bool taken = false;

		snprintf(out, IFNAMSIZ, "eth%d", i);
		for (ssize_t k = 0; k < n && !taken; k++)
			taken = !strcmp(links[k].name, out);
		if (!taken)
			return i;
	}
	return -ENOSPC;
}

/* Address, link and way out, inside the container. */
static int set_inside(struct netlink *inside, const struct network_endpoint *e, int number, const char **op)
{
	struct link_addr addr = {.addr = {.family = AF_INET, .prefix = e->prefix, .v4 = e->ip}};
	struct link_change up = LINK_NO_CHANGE;
	struct route way_out = {
		.dst = {.family = AF_INET},
		.gateway = {.family = AF_INET, .prefix = 32, .v4 = e->gateway},
		/* With several networks the first is the way out, and when it is left the next one is. */
		.metric = (uint32_t)number,
	};
	struct link l;
	int r = link_get(inside, e->ifname, &l);

	*op = "find interface";
	if (r < 0)
		return r;
	addr.index = way_out.index = l.index;
	*op = "set address";
	r = addr_set(inside, &addr);
	if (r < 0)
		return r;
	up.up = 1;
	*op = "set up";
	r = link_set(inside, l.index, &up);
	if (r < 0 || e->network->internal)
		return r;
	*op = "set route";
	return route_set(inside, &way_out);
}

int network_veth_up(struct networks *ns, struct network_endpoint *e, int netns, struct network_error *err)
{
	struct netlink inside = NETLINK_CLOSED;
	struct link_new pair = {
		.kind = "veth",
		.name = e->peer,
		.mtu = e->network->mtu,
		.up = true,
		.peer = {.name = e->ifname, .mac = e->mac, .netns_fd = netns},
	};
	struct link l;
	const char *op = "open its namespace";
	int r = netlink_open(&inside, NETLINK_ROUTE, netns), number = 0;

	if (r < 0)
		goto out;
	op = "choose an interface name";
	r = number = free_name(&inside, e->ifname);
	if (r < 0)
		goto out;
	op = "find the bridge";
	r = link_get(&ns->route, e->network->bridge, &l);
	if (r < 0)
		goto out;
	pair.master = l.index;
	op = "make a veth pair";
	r = link_add(&ns->route, &pair);
	if (!r)
		r = link_get(&ns->route, e->peer, &l);
	if (r < 0)
		goto out;
	r = device_sysctl("ipv6", e->peer, "disable_ipv6", "1");
	if (r < 0 && r != -ENOENT)
		log_errno(-r, "if=%s op=disable-ipv6", e->peer);
	if (!e->network->icc) {
		op = "isolate the port";
		r = link_port_isolate(&ns->route, l.index, true);
		if (r < 0)
			goto out;
	}
	r = set_inside(&inside, e, number, &op);
out:
	if (r < 0) {
		const char *text = inside.text[0] ? inside.text : ns->route.text;

		log_errno(-r, "container=%s network=%s op=\"%s\" kernel=\"%s\"", e->container,
			e->network->name, op, text);
		network_fail(err, r, "network %s: cannot %s: %s%s%s", e->network->name, op, strerror(-r),
			text[0] ? ": " : "", text);
	}
	netlink_close(&inside);
	return r < 0 ? r : 0;
}

void network_veth_down(struct networks *ns, const struct network_endpoint *e)
{
	struct link l;
	int r;

	/* The pair is gone with the container's namespace, most of the time. */
	if (!e->peer[0] || link_get(&ns->route, e->peer, &l) < 0)
		return;
	r = link_del(&ns->route, l.index);
	if (r < 0 && r != -ENODEV)
		log_errno(-r, "if=%s op=delete kernel=\"%s\"", e->peer, ns->route.text);
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
		int r = put_sysctl(settings[i][0], settings[i][1]);

		if (r < 0 && r != -ENOENT)
			log_errno(-r, "op=sysctl path=%s", settings[i][0]);
	}
}

int network_netns_new(int *fd)
{
	cleanup(closep) int home = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
	struct netlink nl = NETLINK_CLOSED;
	struct link_change up = LINK_NO_CHANGE;
	int made, r;

	if (home < 0)
		return log_errno(errno, "op=open path=/proc/thread-self/ns/net");
	if (unshare(CLONE_NEWNET) < 0)
		return log_errno(errno, "op=unshare-net");
	made = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
	r = made < 0 ? -errno : netlink_open(&nl, NETLINK_ROUTE, -1);
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
	if (r < 0) {
		closep(&made);
		return log_errno(-r, "op=new-netns");
	}
	*fd = made;
	return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */

/* The device of a network: its bridge, or what macvlan and ipvlan interfaces share. What is there and right
 * is left alone. */

#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_addr.h>
#include <linux/rtnetlink.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "engine/network_int.h"
#include "lib/errno_text.h"
#include "lib/log.h"
#include "lib/netns.h"

enum { LOOPBACK_METRIC = 4096 };

int network_sysctl(const char *family, const char *device, const char *key, const char *value)
{
	char path[128];

	snprintf(path, sizeof(path), "/proc/sys/net/%s/conf/%s/%s", family, device, key);
	return netns_sysctl(-1, path, value);
}

/* A locally administered address made of the IP address: whoever gets the address next gets this one too, so
 * that no neighbour's memory is wrong. */
void network_mac_of(const struct ipaddr *a, uint8_t mac[LINK_MAC_LEN])
{
	mac[0] = 0x02;
	mac[1] = 0x42;
	memcpy(mac + 2, a->bytes + ipaddr_len(a) - 4, 4);
}

/* One that is locally administered, and nobody else's. */
void network_mac_random(uint8_t mac[LINK_MAC_LEN])
{
	if (getrandom(mac, LINK_MAC_LEN, 0) != LINK_MAC_LEN)
		abort();
	mac[0] = (uint8_t)((mac[0] & 0xfc) | 0x02);
}

static int failed(
	struct networks *ns, const struct network *n, int r, const char *op, struct network_error *err)
{
	log_errno(-r, "network=%s device=%s op=\"%s\" kernel=\"%s\"", n->name, n->bridge, op, ns->route.text);
	return network_fail(err, r, "network %s: %s %s: %s%s%s", n->name, op, n->bridge, errno_text(-r),
		ns->route.text[0] ? ": " : "", ns->route.text);
}

/* Absent when the kernel has no IPv6. */
static void try_sysctl(const struct network *n, const char *family, const char *key, const char *value)
{
	int r = network_sysctl(family, n->bridge, key, value);

	if (r < 0 && r != -ENOENT)
		log_errno(-r, "device=%s op=sysctl key=%s.%s", n->bridge, family, key);
}

static void bridge_settings(const struct network *n)
{
	if (n->ipv6 && network_node_is_in(n, NETWORK_V6)) {
		try_sysctl(n, "ipv6", "accept_ra", "0");
		try_sysctl(n, "ipv6", "disable_ipv6", "0");
	} else {
		try_sysctl(n, "ipv6", "disable_ipv6", "1");
	}
	/* So that 127.0.0.1:PORT on the node reaches the container; the guard chain closes it to everybody
	 * else. */
	try_sysctl(n, "ipv4", "route_localnet", "1");
}

static int bridge_addresses(
	struct networks *ns, const struct network *n, int index, struct network_error *err)
{
	for (size_t i = 0; i < n->n_pools; i++) {
		struct link_addr a = {.index = index, .addr = n->pools[i].gateway};
		int r;

		if (!network_node_is_in(n, network_family_of(&n->pools[i].subnet)))
			continue;
		a.addr.prefix = n->pools[i].subnet.prefix;
		/* Nobody else on this link can have it, and no carrier to ask through. */
		if (a.addr.family == AF_INET6)
			a.flags = IFA_F_NODAD;
		r = addr_set(&ns->route, &a);
		if (r < 0)
			return failed(ns, n, r, "give an address to", err);
	}
	return 0;
}

/*
 * [::1]:PORT on the node reaches the container as 127.0.0.1 does, but answers to it come in by the bridge,
 * where the kernel looks for a loopback address on that very device (rt6_need_strict()). Whoever is outside
 * still cannot use it: what arrives with such an address is dropped before any rule.
 */
static void loopback_v6(struct networks *ns, const struct network *n, int index)
{
	const struct route here = {
		.dst = {.family = AF_INET6, .prefix = 128, .v6 = IN6ADDR_LOOPBACK_INIT},
		.index = index,
		.metric = LOOPBACK_METRIC, /* after the one of lo */
		.table = RT_TABLE_LOCAL,
		.type = RTN_LOCAL,
	};
	int r = n->ipv6 && network_node_is_in(n, NETWORK_V6) ? route_set(&ns->route, &here) : 0;

	if (r < 0)
		log_errno(-r,
			"device=%s op=loopback kernel=\"%s\" msg=\"published ports do not answer on ::1\"",
			n->bridge, ns->route.text);
}

static int bridge_up(struct networks *ns, const struct network *n, struct network_error *err)
{
	struct link_change up = LINK_NO_CHANGE;
	uint8_t mac[LINK_MAC_LEN];
	struct link_new bridge = {.kind = "bridge", .name = n->bridge, .mac = mac, .up = true, .mtu = n->mtu};
	struct link l;
	int r;

	/* Without a gateway its addresses are all of containers, and so is what is made of them. */
	if (n->pools[0].gateway.family)
		network_mac_of(&n->pools[0].gateway, mac);
	else
		network_mac_random(mac);
	r = link_get(&ns->route, n->bridge, &l);
	if (r == -ENODEV) {
		r = link_add(&ns->route, &bridge);
		if (!r)
			r = link_get(&ns->route, n->bridge, &l);
	}
	if (r < 0)
		return failed(ns, n, r, "make bridge", err);
	if (strcmp(l.kind, "bridge") != 0)
		return network_fail(err, -EEXIST, "network %s: there is a device %s and it is not a bridge",
			n->name, n->bridge);
	bridge_settings(n);
	r = bridge_addresses(ns, n, l.index, err);
	if (r < 0)
		return r;
	up.up = 1;
	r = l.flags & IFF_UP ? 0 : link_set(&ns->route, l.index, &up);
	if (r < 0)
		return failed(ns, n, r, "open", err);
	loopback_v6(ns, n, l.index);
	return 0;
}

/* "eth0.20": the device behind the dot's left, and the VLAN. */
static bool is_vlan(const char *name, char base[IFNAMSIZ], uint16_t *id)
{
	const char *dot = strrchr(name, '.');
	int used = 0;

	if (!dot || dot == name || sscanf(dot, ".%4hu%n", id, &used) != 1 || dot[used] || !*id || *id > 4094)
		return false;
	snprintf(base, IFNAMSIZ, "%.*s", (int)(dot - name), name);
	return true;
}

bool network_parent_is_vlan(struct networks *ns, const struct network *n)
{
	char base[IFNAMSIZ];
	struct link l;
	uint16_t id;

	return link_get(&ns->route, n->bridge, &l) == -ENODEV && is_vlan(n->bridge, base, &id) &&
	       link_get(&ns->route, base, &l) == 0;
}

static int parent_up(struct networks *ns, const struct network *n, struct network_error *err)
{
	struct link_new made = {.kind = "dummy", .name = n->bridge, .up = true, .mtu = n->mtu};
	char base[IFNAMSIZ];
	struct link l;
	int r = link_get(&ns->route, n->bridge, &l);

	if (r != -ENODEV || !n->own_parent)
		return r < 0 ? failed(ns, n, r, "find the parent device", err) : 0;
	if (is_vlan(n->bridge, base, &made.vlan_id)) {
		made.kind = "vlan";
		r = link_get(&ns->route, base, &l);
		if (r < 0)
			return failed(ns, n, r, "find the device of VLAN", err);
		made.parent = l.index;
	}
	r = link_add(&ns->route, &made);
	return r < 0 ? failed(ns, n, r, "make the parent device", err) : 0;
}

int network_device_up(struct networks *ns, const struct network *n, struct network_error *err)
{
	if (!network_has_link(n))
		return 0;
	return n->driver == NETWORK_BRIDGE ? bridge_up(ns, n, err) : parent_up(ns, n, err);
}

void network_device_down(struct networks *ns, const struct network *n)
{
	struct link l;
	int r;

	if (!network_has_link(n) || link_get(&ns->route, n->bridge, &l) < 0 ||
		(n->driver == NETWORK_BRIDGE ? strcmp(l.kind, "bridge") != 0 : !n->own_parent))
		return;
	r = link_del(&ns->route, l.index);
	if (r < 0 && r != -ENODEV)
		log_errno(-r, "network=%s device=%s op=delete kernel=\"%s\"", n->name, n->bridge,
			ns->route.text);
}

/* SPDX-License-Identifier: Apache-2.0 */

#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>
#include <string.h>
#include <sys/socket.h>

#include "lib/link.h"

enum { LINKS_MAX = 65536 };

bool link_name_valid(const char *name)
{
	size_t len = strlen(name);

	if (!len || len >= IFNAMSIZ || !strcmp(name, ".") || !strcmp(name, ".."))
		return false;
	for (const char *p = name; *p; p++)
		if (*p == '/' || *p == ':' || isspace((unsigned char)*p))
			return false;
	return true;
}

static void put_kind(struct nlmsg *m, const struct link_new *n)
{
	size_t info = nlmsg_nest(m, IFLA_LINKINFO), data;

	nlmsg_put_str(m, IFLA_INFO_KIND, n->kind);
	data = nlmsg_nest(m, IFLA_INFO_DATA);
	if (!strcmp(n->kind, "veth")) {
		/* Never up: the kernel makes it before the other end and refuses to open half a pair
		 * (ENOTCONN). */
		const struct ifinfomsg peer = {};
		size_t nest = nlmsg_nest(m, VETH_INFO_PEER);

		nlmsg_put_raw(m, &peer, sizeof(peer));
		nlmsg_put_str(m, IFLA_IFNAME, n->peer.name);
		if (n->peer.mac)
			nlmsg_put(m, IFLA_ADDRESS, n->peer.mac, LINK_MAC_LEN);
		if (n->mtu)
			nlmsg_put_u32(m, IFLA_MTU, n->mtu);
		if (n->peer.netns_fd >= 0)
			nlmsg_put_u32(m, IFLA_NET_NS_FD, (uint32_t)n->peer.netns_fd);
		nlmsg_nest_end(m, nest);
	} else if (!strcmp(n->kind, "vlan")) {
		nlmsg_put_u16(m, IFLA_VLAN_ID, n->vlan_id);
	} else if (!strcmp(n->kind, "macvlan")) {
		nlmsg_put_u32(m, IFLA_MACVLAN_MODE, n->macvlan_mode ? n->macvlan_mode : MACVLAN_MODE_BRIDGE);
	} else if (!strcmp(n->kind, "ipvlan")) {
		nlmsg_put_u16(m, IFLA_IPVLAN_MODE, n->ipvlan_mode);
	} else if (!strcmp(n->kind, "bond")) {
		nlmsg_put_u8(m, IFLA_BOND_MODE, n->bond_mode);
		if (n->bond_miimon_ms)
			nlmsg_put_u32(m, IFLA_BOND_MIIMON, n->bond_miimon_ms);
	}
	nlmsg_nest_end(m, data);
	nlmsg_nest_end(m, info);
}

void link_build_add(struct nlmsg *m, const struct link_new *n)
{
	const struct ifinfomsg head = {.ifi_flags = n->up ? IFF_UP : 0, .ifi_change = n->up ? IFF_UP : 0};

	nlmsg_begin(m, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, &head, sizeof(head));
	nlmsg_put_str(m, IFLA_IFNAME, n->name);
	if (n->mtu)
		nlmsg_put_u32(m, IFLA_MTU, n->mtu);
	if (n->mac)
		nlmsg_put(m, IFLA_ADDRESS, n->mac, LINK_MAC_LEN);
	if (n->parent)
		nlmsg_put_u32(m, IFLA_LINK, (uint32_t)n->parent);
	if (n->netns_fd)
		nlmsg_put_u32(m, IFLA_NET_NS_FD, (uint32_t)*n->netns_fd);
	if (n->master)
		nlmsg_put_u32(m, IFLA_MASTER, (uint32_t)n->master);
	put_kind(m, n);
	nlmsg_end(m);
}

void link_build_set(struct nlmsg *m, int index, const struct link_change *c)
{
	const struct ifinfomsg head = {
		.ifi_index = index,
		.ifi_flags = c->up == 1 ? IFF_UP : 0,
		.ifi_change = c->up == LINK_KEEP ? 0 : IFF_UP,
	};

	nlmsg_begin(m, RTM_NEWLINK, 0, &head, sizeof(head));
	if (c->name)
		nlmsg_put_str(m, IFLA_IFNAME, c->name);
	if (c->alias)
		nlmsg_put_str(m, IFLA_IFALIAS, c->alias);
	if (c->mtu)
		nlmsg_put_u32(m, IFLA_MTU, c->mtu);
	if (c->mac)
		nlmsg_put(m, IFLA_ADDRESS, c->mac, LINK_MAC_LEN);
	if (c->master != LINK_KEEP)
		nlmsg_put_u32(m, IFLA_MASTER, (uint32_t)c->master);
	if (c->netns_fd != LINK_KEEP)
		nlmsg_put_u32(m, IFLA_NET_NS_FD, (uint32_t)c->netns_fd);
	nlmsg_end(m);
}

int link_add(struct netlink *nl, const struct link_new *n)
{
	cleanup(nlmsg_fini) struct nlmsg m = {};

	if (!link_name_valid(n->name))
		return -EINVAL;
	link_build_add(&m, n);
	return netlink_request(nl, &m);
}

int link_set(struct netlink *nl, int index, const struct link_change *c)
{
	cleanup(nlmsg_fini) struct nlmsg m = {};

	if (c->name && !link_name_valid(c->name))
		return -EINVAL;
	link_build_set(&m, index, c);
	return netlink_request(nl, &m);
}

int link_del(struct netlink *nl, int index)
{
	const struct ifinfomsg head = {.ifi_index = index};
	cleanup(nlmsg_fini) struct nlmsg m = {};

	nlmsg_begin(&m, RTM_DELLINK, 0, &head, sizeof(head));
	nlmsg_end(&m);
	return netlink_request(nl, &m);
}

int link_set_bond(struct netlink *nl, int index, uint8_t mode, uint32_t miimon_ms)
{
	const struct ifinfomsg head = {.ifi_index = index};
	cleanup(nlmsg_fini) struct nlmsg m = {};
	size_t info, data;

	nlmsg_begin(&m, RTM_NEWLINK, 0, &head, sizeof(head));
	info = nlmsg_nest(&m, IFLA_LINKINFO);
	nlmsg_put_str(&m, IFLA_INFO_KIND, "bond");
	data = nlmsg_nest(&m, IFLA_INFO_DATA);
	nlmsg_put_u8(&m, IFLA_BOND_MODE, mode);
	nlmsg_put_u32(&m, IFLA_BOND_MIIMON, miimon_ms);
	nlmsg_nest_end(&m, data);
	nlmsg_nest_end(&m, info);
	nlmsg_end(&m);
	return netlink_request(nl, &m);
}

int link_port_isolate(struct netlink *nl, int index, bool isolated)
{
	const struct ifinfomsg head = {.ifi_family = AF_BRIDGE, .ifi_index = index};
	cleanup(nlmsg_fini) struct nlmsg m = {};
	size_t nest;

	nlmsg_begin(&m, RTM_SETLINK, 0, &head, sizeof(head));
	nest = nlmsg_nest(&m, IFLA_PROTINFO);
	nlmsg_put_u8(&m, IFLA_BRPORT_ISOLATED, isolated);
	nlmsg_nest_end(&m, nest);
	nlmsg_end(&m);
	return netlink_request(nl, &m);
}

int link_parse(const struct nlmsg_view *v, struct link *out)
{
	struct nla t[IFLA_PERM_ADDRESS + 1], info[IFLA_INFO_DATA + 1], data[8];
	static_assert(
		IFLA_VLAN_ID < array_len(data) && IFLA_BOND_MIIMON < array_len(data), "room for both kinds");
	struct ifinfomsg head;
	struct link l = {};
	int r = nlmsg_attrs(v, sizeof(head), t, array_len(t));

	if (r < 0)
		return r;
	memcpy(&head, v->data, sizeof(head));
	l.index = head.ifi_index;
	l.arp_type = head.ifi_type;
	l.flags = head.ifi_flags;
	if (l.index <= 0 || !nla_str(&t[IFLA_IFNAME], l.name, sizeof(l.name)))
		return -EBADMSG;
	nla_str(&t[IFLA_IFALIAS], l.alias, sizeof(l.alias));
	l.mtu = nla_u32(&t[IFLA_MTU]);
	l.master = (int)nla_u32(&t[IFLA_MASTER]);
	/* A link into another namespace is an index over there: it says nothing here. */
	if (!t[IFLA_LINK_NETNSID].data)
		l.parent = (int)nla_u32(&t[IFLA_LINK]);
	l.has_mac = t[IFLA_ADDRESS].data && t[IFLA_ADDRESS].len == LINK_MAC_LEN;
	if (l.has_mac)
		memcpy(l.mac, t[IFLA_ADDRESS].data, LINK_MAC_LEN);
	l.has_permanent_mac = t[IFLA_PERM_ADDRESS].data && t[IFLA_PERM_ADDRESS].len == LINK_MAC_LEN;
	if (l.has_permanent_mac)
		memcpy(l.permanent_mac, t[IFLA_PERM_ADDRESS].data, LINK_MAC_LEN);
	if (t[IFLA_LINKINFO].data) {
		r = nla_parse(info, array_len(info), t[IFLA_LINKINFO].data, t[IFLA_LINKINFO].len);
		if (r < 0)
			return r;
		nla_str(&info[IFLA_INFO_KIND], l.kind, sizeof(l.kind));
		if ((!strcmp(l.kind, "vlan") || !strcmp(l.kind, "bond")) && info[IFLA_INFO_DATA].data) {
			r = nla_parse(
				data, array_len(data), info[IFLA_INFO_DATA].data, info[IFLA_INFO_DATA].len);
			if (r < 0)
				return r;
			if (l.kind[0] == 'v') {
				l.vlan_id = nla_u16(&data[IFLA_VLAN_ID]);
			} else {
				l.bond_mode = nla_u8(&data[IFLA_BOND_MODE]);
				l.bond_miimon_ms = nla_u32(&data[IFLA_BOND_MIIMON]);
			}
		}
	}
	*out = l;
	return 0;
}

static int take_one(const struct nlmsg_view *v, void *arg)
{
	return v->type == RTM_NEWLINK ? link_parse(v, arg) : 0;
}

static int get(struct netlink *nl, int index, const char *name, struct link *out)
{
	const struct ifinfomsg head = {.ifi_index = index};
	cleanup(nlmsg_fini) struct nlmsg m = {};
	struct link l = {};
	int r;

	nlmsg_begin(&m, RTM_GETLINK, 0, &head, sizeof(head));
	if (name)
		nlmsg_put_str(&m, IFLA_IFNAME, name);
	nlmsg_end(&m);
	r = netlink_get(nl, &m, take_one, &l);
	if (r < 0)
		return r;
	if (!l.index)
		return -ENODEV;
	*out = l;
	return 0;
}

int link_get(struct netlink *nl, const char *name, struct link *out)
{
	return link_name_valid(name) ? get(nl, 0, name, out) : -ENODEV;
}

int link_get_index(struct netlink *nl, int index, struct link *out)
{
	return get(nl, index, NULL, out);
}

struct list {
	struct link *links;
	size_t n, cap;
};

static int take_many(const struct nlmsg_view *v, void *arg)
{
	struct list *l = arg;

	if (!v) {
		l->n = 0;
		return 0;
	}
	if (v->type != RTM_NEWLINK)
		return 0;
	if (l->n == l->cap) {
		size_t cap = l->cap ? l->cap * 2 : 16;
		struct link *bigger;

		if (cap > LINKS_MAX)
			return -E2BIG;
		bigger = realloc(l->links, cap * sizeof(*bigger));
		if (!bigger)
			return -ENOMEM;
		l->links = bigger;
		l->cap = cap;
	}
	/* One device that cannot be read does not hide the others. */
	if (link_parse(v, &l->links[l->n]) == 0)
		l->n++;
	return 0;
}

ssize_t link_list(struct netlink *nl, struct link **out)
{
	const struct ifinfomsg head = {};
	cleanup(nlmsg_fini) struct nlmsg m = {};
	struct list l = {};
	int r;

	nlmsg_begin(&m, RTM_GETLINK, 0, &head, sizeof(head));
	nlmsg_end(&m);
	r = netlink_dump(nl, &m, take_many, &l);
	if (r < 0) {
		free(l.links);
		return r;
	}
	*out = l.links;
	return (ssize_t)l.n;
}

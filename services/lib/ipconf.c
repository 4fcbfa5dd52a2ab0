/* SPDX-License-Identifier: Apache-2.0 */

#include <arpa/inet.h>
#include <endian.h>
#include <errno.h>
#include <linux/fib_rules.h>
#include <linux/if_addr.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <stdio.h>
#include <string.h>

#include "lib/ipconf.h"

enum { LIST_MAX = 1 << 20 };

/* ---- addresses as values */

size_t ipaddr_len(const struct ipaddr *a)
{
	return a->family == AF_INET ? 4 : a->family == AF_INET6 ? 16 : 0;
}

int ipaddr_parse(const char *text, struct ipaddr *out)
{
	const char *slash = strchr(text, '/');
	size_t len = slash ? (size_t)(slash - text) : strlen(text);
	char address[INET6_ADDRSTRLEN];
	struct ipaddr a = {};

	if (len >= sizeof(address))
		return -EINVAL;
	memcpy(address, text, len);
	address[len] = '\0';
	if (inet_pton(AF_INET, address, &a.v4) == 1)
		a.family = AF_INET;
	else if (inet_pton(AF_INET6, address, &a.v6) == 1)
		a.family = AF_INET6;
	else
		return -EINVAL;
	a.prefix = (uint8_t)(ipaddr_len(&a) * 8);
	if (slash) {
		unsigned prefix = 0;
		const char *p = slash + 1;

		if (!*p)
			return -EINVAL;
		for (; *p; p++) {
			if (*p < '0' || *p > '9')
				return -EINVAL;
			prefix = prefix * 10 + (unsigned)(*p - '0');
			if (prefix > a.prefix)
				return -EINVAL;
		}
		a.prefix = (uint8_t)prefix;
	}
	*out = a;
	return 0;
}

const char *ipaddr_format(const struct ipaddr *a, bool with_prefix, char out[IPADDR_TEXT_MAX])
{
	if (!ipaddr_len(a) || !inet_ntop(a->family, a->bytes, out, INET6_ADDRSTRLEN)) {
		out[0] = '\0';
		return out;
	}
	if (with_prefix) {
		size_t len = strlen(out);

		snprintf(out + len, IPADDR_TEXT_MAX - len, "/%u", a->prefix);
	}
	return out;
}

bool ipaddr_equal(const struct ipaddr *a, const struct ipaddr *b)
{
	return a->family == b->family && a->prefix == b->prefix && !memcmp(a->bytes, b->bytes, ipaddr_len(a));
}

struct ipaddr ipaddr_network(const struct ipaddr *a)
{
	struct ipaddr n = *a;

	for (size_t i = 0; i < ipaddr_len(a); i++) {
		unsigned kept = a->prefix > i * 8 ? a->prefix - (unsigned)i * 8 : 0;

		if (kept < 8)
			n.bytes[i] &= (uint8_t)(0xff00 >> kept);
	}
	return n;
}

bool ipaddr_overlap(const struct ipaddr *a, const struct ipaddr *b)
{
	struct ipaddr x = *a, y = *b;

	if (a->family != b->family)
		return false;
	x.prefix = y.prefix = a->prefix < b->prefix ? a->prefix : b->prefix;
	x = ipaddr_network(&x);
	y = ipaddr_network(&y);
	return ipaddr_equal(&x, &y);
}

static void put_addr(struct nlmsg *m, uint16_t type, const struct ipaddr *a)
{
	nlmsg_put(m, type, a->bytes, ipaddr_len(a));
}

static void get_addr(const struct nla *a, uint8_t family, struct ipaddr *out)
{
	struct ipaddr v = {.family = family};
	size_t len = ipaddr_len(&v);

	if (!len || !a->data || a->len != len)
		return;
	memcpy(v.bytes, a->data, len);
	v.prefix = (uint8_t)(len * 8);
	*out = v;
}

/* A growing array of what a dump yields. */
struct list {
	void *items;
	size_t n, cap, size;
	int (*parse)(const struct nlmsg_view *v, void *item); /* 1: keep, 0: skip */
};

static int take_item(const struct nlmsg_view *v, void *arg)
{
	struct list *l = arg;

	if (!v) {
		l->n = 0;
		return 0;
	}
	if (l->n == l->cap) {
		size_t cap = l->cap ? l->cap * 2 : 32;
		void *bigger;

		if (cap > LIST_MAX)
			return -E2BIG;
		bigger = realloc(l->items, cap * l->size);
		if (!bigger)
			return -ENOMEM;
		l->items = bigger;
		l->cap = cap;
	}
	if (l->parse(v, (char *)l->items + l->n * l->size) == 1)
		l->n++;
	return 0;
}

static ssize_t dump(struct netlink *nl, struct nlmsg *m, struct list *l, void **out)
{
	int r = netlink_dump(nl, m, take_item, l);

	if (r < 0) {
		free(l->items);
		return r;
	}
	*out = l->items;
	return (ssize_t)l->n;
}

/* ---- addresses of devices */

static void build_addr(struct nlmsg *m, uint16_t type, uint16_t flags, const struct link_addr *a)
{
	const struct ifaddrmsg head = {
		.ifa_family = a->addr.family,
		.ifa_prefixlen = a->addr.prefix,
		.ifa_scope = a->scope,
		.ifa_index = (uint32_t)a->index,
	};

	nlmsg_begin(m, type, flags, &head, sizeof(head));
	put_addr(m, IFA_LOCAL, &a->addr);
	if (a->addr.family == AF_INET) {
		put_addr(m, IFA_ADDRESS, &a->addr);
		if (type == RTM_NEWADDR && a->addr.prefix < 31) {
			uint32_t b = a->addr.v4.s_addr | htobe32(0xffffffffU >> a->addr.prefix);

			nlmsg_put(m, IFA_BROADCAST, &b, sizeof(b));
		}
	}
	if (a->flags)
		nlmsg_put_u32(m, IFA_FLAGS, a->flags);
	if (a->valid_s) {
		const struct ifa_cacheinfo c = {.ifa_valid = a->valid_s, .ifa_prefered = a->preferred_s};

		nlmsg_put(m, IFA_CACHEINFO, &c, sizeof(c));
	}
	nlmsg_end(m);
}

int addr_set(struct netlink *nl, const struct link_addr *a)
{
	cleanup(nlmsg_fini) struct nlmsg m = {};

	if (!ipaddr_len(&a->addr))
		return -EAFNOSUPPORT;
	build_addr(&m, RTM_NEWADDR, NLM_F_CREATE | NLM_F_REPLACE, a);
	return netlink_request(nl, &m);
}

int addr_del(struct netlink *nl, const struct link_addr *a)
{
	cleanup(nlmsg_fini) struct nlmsg m = {};

	build_addr(&m, RTM_DELADDR, 0, a);
	return netlink_request(nl, &m);
}

int addr_parse(const struct nlmsg_view *v, struct link_addr *out)
{
	struct nla t[IFA_FLAGS + 1];
	struct ifaddrmsg head;
	struct link_addr a = {};
	int r = nlmsg_attrs(v, sizeof(head), t, array_len(t));

	if (r < 0)
		return r;
	memcpy(&head, v->data, sizeof(head));
	a.index = (int)head.ifa_index;
	a.scope = head.ifa_scope;
	a.flags = t[IFA_FLAGS].data ? nla_u32(&t[IFA_FLAGS]) : head.ifa_flags;
	get_addr(t[IFA_LOCAL].data ? &t[IFA_LOCAL] : &t[IFA_ADDRESS], head.ifa_family, &a.addr);
	if (!a.addr.family || head.ifa_prefixlen > a.addr.prefix)
		return -EBADMSG;
	a.addr.prefix = head.ifa_prefixlen;
	if (t[IFA_CACHEINFO].data && t[IFA_CACHEINFO].len >= sizeof(struct ifa_cacheinfo)) {
		struct ifa_cacheinfo c;

		memcpy(&c, t[IFA_CACHEINFO].data, sizeof(c));
		a.valid_s = c.ifa_valid;
		a.preferred_s = c.ifa_prefered;
	}
	*out = a;
	return 0;
}

static int keep_addr(const struct nlmsg_view *v, void *item)
{
	return v->type == RTM_NEWADDR && addr_parse(v, item) == 0;
}

ssize_t addr_list(struct netlink *nl, struct link_addr **out)
{
	const struct ifaddrmsg head = {};
	cleanup(nlmsg_fini) struct nlmsg m = {};
	struct list l = {.size = sizeof(struct link_addr), .parse = keep_addr};

	nlmsg_begin(&m, RTM_GETADDR, 0, &head, sizeof(head));
	nlmsg_end(&m);
	return dump(nl, &m, &l, (void **)out);
}

/* ---- routes */

static void build_route(struct nlmsg *m, uint16_t type, uint16_t flags, const struct route *r)
{
	uint32_t table = r->table ? r->table : RT_TABLE_MAIN;
	const struct rtmsg head = {
		.rtm_family = r->dst.family,
		.rtm_dst_len = r->dst.prefix,
		.rtm_table = table < 256 ? (uint8_t)table : RT_TABLE_COMPAT,
		.rtm_protocol = r->protocol ? r->protocol : RTPROT_STATIC,
		/* A deletion names no scope: it matches any. */
		.rtm_scope = type == RTM_DELROUTE			      ? RT_SCOPE_NOWHERE
			     : r->gateway.family || r->dst.family == AF_INET6 ? RT_SCOPE_UNIVERSE
									      : RT_SCOPE_LINK,
		.rtm_type = r->type ? r->type : RTN_UNICAST,
		.rtm_flags = r->onlink ? RTNH_F_ONLINK : 0,
	};

	nlmsg_begin(m, type, flags, &head, sizeof(head));
	if (r->dst.prefix)
		put_addr(m, RTA_DST, &r->dst);
	nlmsg_put_u32(m, RTA_TABLE, table);
	if (r->gateway.family)
		put_addr(m, RTA_GATEWAY, &r->gateway);
	if (r->source.family)
		put_addr(m, RTA_PREFSRC, &r->source);
	if (r->index)
		nlmsg_put_u32(m, RTA_OIF, (uint32_t)r->index);
	if (r->metric)
		nlmsg_put_u32(m, RTA_PRIORITY, r->metric);
	nlmsg_end(m);
}

int route_set(struct netlink *nl, const struct route *r)
{
	cleanup(nlmsg_fini) struct nlmsg m = {};

	if (!ipaddr_len(&r->dst))
		return -EAFNOSUPPORT;
	build_route(&m, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_REPLACE, r);
	return netlink_request(nl, &m);
}

int route_del(struct netlink *nl, const struct route *r)
{
	cleanup(nlmsg_fini) struct nlmsg m = {};

	build_route(&m, RTM_DELROUTE, 0, r);
	return netlink_request(nl, &m);
}

/* The first hop of a multipath route: its device and gateway. */
static void first_hop(const struct nla *multipath, struct route *out)
{
	struct nla t[RTA_GATEWAY + 1];
	struct rtnexthop hop;

	if (multipath->len < sizeof(hop))
		return;
	memcpy(&hop, multipath->data, sizeof(hop));
	if (hop.rtnh_len < sizeof(hop) || hop.rtnh_len > multipath->len)
		return;
	out->index = hop.rtnh_ifindex;
	if (nla_parse(t, array_len(t), multipath->data + sizeof(hop), hop.rtnh_len - sizeof(hop)) == 0)
		get_addr(&t[RTA_GATEWAY], out->dst.family, &out->gateway);
}

int route_parse(const struct nlmsg_view *v, struct route *out)
{
	struct nla t[RTA_TABLE + 1];
	struct rtmsg head;
	struct route route = {};
	int r = nlmsg_attrs(v, sizeof(head), t, array_len(t));

	if (r < 0)
		return r;
	memcpy(&head, v->data, sizeof(head));
	route.dst.family = head.rtm_family;
	if (!ipaddr_len(&route.dst))
		return -EBADMSG;
	get_addr(&t[RTA_DST], head.rtm_family, &route.dst);
	if (head.rtm_dst_len > ipaddr_len(&route.dst) * 8)
		return -EBADMSG;
	route.dst.prefix = head.rtm_dst_len;
	get_addr(&t[RTA_GATEWAY], head.rtm_family, &route.gateway);
	get_addr(&t[RTA_PREFSRC], head.rtm_family, &route.source);
	route.index = (int)nla_u32(&t[RTA_OIF]);
	route.metric = nla_u32(&t[RTA_PRIORITY]);
	route.table = t[RTA_TABLE].data ? nla_u32(&t[RTA_TABLE]) : head.rtm_table;
	route.protocol = head.rtm_protocol;
	route.type = head.rtm_type;
	route.onlink = head.rtm_flags & RTNH_F_ONLINK;
	if (t[RTA_MULTIPATH].data)
		first_hop(&t[RTA_MULTIPATH], &route);
	*out = route;
	return 0;
}

static int keep_route(const struct nlmsg_view *v, void *item)
{
	struct route *r = item;

	return v->type == RTM_NEWROUTE && route_parse(v, r) == 0 && r->type == RTN_UNICAST;
}

ssize_t route_list(struct netlink *nl, struct route **out)
{
	const struct rtmsg head = {};
	cleanup(nlmsg_fini) struct nlmsg m = {};
	struct list l = {.size = sizeof(struct route), .parse = keep_route};

	nlmsg_begin(&m, RTM_GETROUTE, 0, &head, sizeof(head));
	nlmsg_end(&m);
	return dump(nl, &m, &l, (void **)out);
}

/* ---- policy rules and neighbours */

static void build_rule(struct nlmsg *m, uint16_t type, uint16_t flags, const struct iprule *r)
{
	const struct fib_rule_hdr head = {
		.family = r->family,
		.src_len = r->src.family ? r->src.prefix : 0,
		.table = r->table < 256 ? (uint8_t)r->table : RT_TABLE_COMPAT,
		.action = FR_ACT_TO_TBL,
	};

	nlmsg_begin(m, type, flags, &head, sizeof(head));
	if (r->src.family)
		put_addr(m, FRA_SRC, &r->src);
	nlmsg_put_u32(m, FRA_TABLE, r->table);
	nlmsg_put_u32(m, FRA_PRIORITY, r->priority);
	if (r->mark_mask) {
		nlmsg_put_u32(m, FRA_FWMARK, r->mark);
		nlmsg_put_u32(m, FRA_FWMASK, r->mark_mask);
	}
	if (r->iif[0])
		nlmsg_put_str(m, FRA_IIFNAME, r->iif);
	nlmsg_end(m);
}

int iprule_add(struct netlink *nl, const struct iprule *r)
{
	cleanup(nlmsg_fini) struct nlmsg m = {};

	build_rule(&m, RTM_NEWRULE, NLM_F_CREATE | NLM_F_EXCL, r);
	return netlink_request(nl, &m);
}

int iprule_del(struct netlink *nl, const struct iprule *r)
{
	cleanup(nlmsg_fini) struct nlmsg m = {};

	build_rule(&m, RTM_DELRULE, 0, r);
	return netlink_request(nl, &m);
}

static int neigh(struct netlink *nl, uint16_t type, uint16_t flags, int index, const struct ipaddr *a,
	const uint8_t *mac)
{
	const struct ndmsg head = {.ndm_family = a->family, .ndm_ifindex = index, .ndm_state = NUD_PERMANENT};
	cleanup(nlmsg_fini) struct nlmsg m = {};

	nlmsg_begin(&m, type, flags, &head, sizeof(head));
	put_addr(&m, NDA_DST, a);
	if (mac)
		nlmsg_put(&m, NDA_LLADDR, mac, 6);
	nlmsg_end(&m);
	return netlink_request(nl, &m);
}

int neigh_set(struct netlink *nl, int index, const struct ipaddr *a, const uint8_t mac[6])
{
	return neigh(nl, RTM_NEWNEIGH, NLM_F_CREATE | NLM_F_REPLACE, index, a, mac);
}

int neigh_del(struct netlink *nl, int index, const struct ipaddr *a)
{
	return neigh(nl, RTM_DELNEIGH, 0, index, a, NULL);
}

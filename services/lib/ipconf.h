/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LIB_IPCONF_H
#define LIB_IPCONF_H

/*
 * Addresses, routes, rules and neighbours (rtnetlink), IPv4 and IPv6 alike.
 */

#include <netinet/in.h>

#include "lib/netlink.h"

/* An address, or with a prefix a network. family AF_UNSPEC: none. */
struct ipaddr {
	uint8_t family;
	uint8_t prefix;
	union {
		struct in_addr v4;
		struct in6_addr v6;
		uint8_t bytes[16];
	};
};

/* "192.0.2.1", "192.0.2.1/24", "2001:db8::1/64"; without a prefix it is the longest one. 0 or -EINVAL. */
must_check int ipaddr_parse(const char *text, struct ipaddr *out);
enum { IPADDR_TEXT_MAX = INET6_ADDRSTRLEN + 4 };
/* With the prefix, or only the address. */
const char *ipaddr_format(const struct ipaddr *a, bool with_prefix, char out[IPADDR_TEXT_MAX]);
bool ipaddr_equal(const struct ipaddr *a, const struct ipaddr *b); /* prefix included */
size_t ipaddr_len(const struct ipaddr *a);			   /* 4, 16 or 0 */
/* The network @a is in: host bits cleared. */
struct ipaddr ipaddr_network(const struct ipaddr *a);
bool ipaddr_overlap(const struct ipaddr *a, const struct ipaddr *b);

/* An address on a device. */
struct link_addr {
	int index;
	struct ipaddr addr;
	uint32_t valid_s; /* lifetimes; 0 when adding: for ever */
	uint32_t preferred_s;
	uint32_t flags; /* IFA_F_* */
	uint8_t scope;
};

/* Adds, or renews the lifetimes of what is there. IPv4 gets its broadcast address. */
must_check int addr_set(struct netlink *nl, const struct link_addr *a);
must_check int addr_del(struct netlink *nl, const struct link_addr *a); /* -EADDRNOTAVAIL: was not there */
/* Of all devices, both families; *out is malloc'ed. Return: how many, or -errno. */
must_check ssize_t addr_list(struct netlink *nl, struct link_addr **out);
must_check int addr_parse(const struct nlmsg_view *v, struct link_addr *out);

/* A route. dst.family is needed even for the default route, whose prefix is 0. */
struct route {
	struct ipaddr dst;
	struct ipaddr gateway; /* AF_UNSPEC: on the link */
	struct ipaddr source;  /* preferred source; AF_UNSPEC: the kernel chooses */
	int index;
	uint32_t metric;
	uint32_t table;	  /* 0: main */
	uint8_t protocol; /* 0: RTPROT_STATIC */
	uint8_t type;	  /* 0: RTN_UNICAST */
	bool onlink;	  /* the gateway need not be in a connected network */
};

must_check int route_set(
	struct netlink *nl, const struct route *r); /* adds or replaces the one with this dst and metric */
must_check int route_del(struct netlink *nl, const struct route *r); /* -ESRCH: was not there */
must_check ssize_t route_list(
	struct netlink *nl, struct route **out); /* unicast; multipath routes give their first hop */
must_check int route_parse(const struct nlmsg_view *v, struct route *out);

/* A policy rule: packets from @src (AF_UNSPEC with family in @family: all) with @mark look into @table. */
struct iprule {
	uint8_t family;
	struct ipaddr src;
	uint32_t priority;
	uint32_t table;
	uint32_t mark, mark_mask; /* mask 0: any */
	char iif[16];		  /* "": any */
};

must_check int iprule_add(struct netlink *nl, const struct iprule *r); /* -EEXIST */
must_check int iprule_del(struct netlink *nl, const struct iprule *r); /* -ENOENT */

/* A permanent neighbour entry. */
must_check int neigh_set(struct netlink *nl, int index, const struct ipaddr *a, const uint8_t mac[6]);
must_check int neigh_del(struct netlink *nl, int index, const struct ipaddr *a);

#endif

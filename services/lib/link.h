/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LIB_LINK_H
#define LIB_LINK_H

/*
 * Network devices (rtnetlink links): make, change, list. Indexes belong to the network namespace of the
 * socket. Failures are logged by the caller, who knows why it asked; nl->text has the kernel's words.
 */

#include <net/if.h>

#include "lib/netlink.h"

enum { LINK_MAC_LEN = 6, LINK_KIND_MAX = 16, LINK_ALIAS_MAX = 256 };

/* A device as the kernel describes it. */
struct link {
	int index;
	char name[IFNAMSIZ];
	char kind[LINK_KIND_MAX];   /* "veth", "bridge", ...; "" for hardware */
	char alias[LINK_ALIAS_MAX]; /* a note of whoever made it */
	uint16_t arp_type;	    /* ARPHRD_* */
	unsigned flags;		    /* IFF_* */
	uint32_t mtu;
	uint8_t mac[LINK_MAC_LEN];
	bool has_mac;
	uint8_t permanent_mac[LINK_MAC_LEN]; /* burnt in; a bond's member still has it */
	bool has_permanent_mac;
	int master;	   /* index of its bridge or bond, 0: none */
	int parent;	   /* index of a VLAN's parent, of a veth's peer; 0: none, or in another namespace */
	uint16_t vlan_id;  /* kind "vlan" */
	uint8_t bond_mode; /* kind "bond" */
	uint32_t bond_miimon_ms;
};

#define LINK_RUNNING(l) (((l)->flags & (IFF_UP | IFF_RUNNING)) == (IFF_UP | IFF_RUNNING))

/* A device to be made. Zero means the kernel's default. */
struct link_new {
	const char *kind; /* "veth", "bridge", "bond", "vlan", "dummy", "macvlan", "ipvlan" */
	const char *name;
	uint32_t mtu;
	const uint8_t *mac;
	int master;
	int parent;	     /* vlan, macvlan, ipvlan */
	const int *netns_fd; /* borrowed: it is born in that namespace, its parent is in ours. NULL: ours */
	bool up;
	uint16_t vlan_id;
	uint32_t macvlan_mode; /* MACVLAN_MODE_*; 0: bridge mode */
	uint16_t ipvlan_mode;  /* IPVLAN_MODE_*; 0: layer 2 */
	uint8_t bond_mode;     /* BOND_MODE_* */
	uint32_t bond_miimon_ms;
	struct { /* the other end of a veth pair, in the namespace netns_fd (-1: the same one); born down */
		const char *name;
		const uint8_t *mac;
		int netns_fd;
	} peer;
};

/* A change. What is NULL, 0 or LINK_KEEP stays. */
enum { LINK_KEEP = -1 };
struct link_change {
	int up;	    /* LINK_KEEP, 0, 1 */
	int master; /* LINK_KEEP, 0 (out of any), index */
	const char *name;
	const char *alias; /* less than LINK_ALIAS_MAX bytes */
	uint32_t mtu;
	const uint8_t *mac;
	int netns_fd; /* LINK_KEEP or a namespace to move to */
};
#define LINK_NO_CHANGE {.up = LINK_KEEP, .master = LINK_KEEP, .netns_fd = LINK_KEEP}

must_check int link_add(struct netlink *nl, const struct link_new *n);
must_check int link_set(struct netlink *nl, int index, const struct link_change *c);
must_check int link_del(struct netlink *nl, int index);

/* 0, -ENODEV or -errno. */
must_check int link_get(struct netlink *nl, const char *name, struct link *out);
must_check int link_get_index(struct netlink *nl, int index, struct link *out);

/* All devices; *out is malloc'ed. Return: how many, or -errno. */
must_check ssize_t link_list(struct netlink *nl, struct link **out);

/* Read RTM_NEWLINK or RTM_DELLINK. 0 or -EBADMSG. */
must_check int link_parse(const struct nlmsg_view *v, struct link *out);

/* The builders behind the verbs, for tests that look at the bytes. */
void link_build_add(struct nlmsg *m, const struct link_new *n);
void link_build_set(struct nlmsg *m, int index, const struct link_change *c);

/* A bond's mode and link check; the kernel wants it down and, for the mode, without members. */
must_check int link_set_bond(struct netlink *nl, int index, uint8_t mode, uint32_t miimon_ms);

/* Bridge port settings: isolated ports reach only ports that are not. */
must_check int link_port_isolate(struct netlink *nl, int index, bool isolated);

/* 1..15 bytes, no '/', no space, not "." or "..", no ':' (kernel rule: dev_valid_name). */
bool link_name_valid(const char *name);

#endif

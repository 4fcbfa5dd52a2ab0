/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NETWORK_NETCFG_H
#define NETWORK_NETCFG_H

/*
 * The network part of the machine configuration, read from the rendered JSON. That file was checked by
 * init/config; what is read here is bounded all the same, and a value that makes no sense is refused with its
 * name.
 */

#include "lib/ipconf.h"
#include "lib/link.h"

enum {
	NETCFG_INTERFACES_MAX = 64,
	NETCFG_ADDRESSES_MAX = 64,
	NETCFG_MEMBERS_MAX = 16,
	NETCFG_SERVERS_MAX = 8,
	NETCFG_SEARCH_MAX = 16,
	NETCFG_NAME_MAX = 254,
};

struct netcfg_interface {
	char name[IFNAMSIZ]; /* "": whatever it is called */
	bool has_mac;
	uint8_t mac[LINK_MAC_LEN]; /* which device; with a name, the name it is given */
	bool dhcp;
	bool ipv6; /* listen to routers; false: no IPv6 on this device */
	uint32_t mtu;
	struct ipaddr addresses[NETCFG_ADDRESSES_MAX];
	size_t n_addresses;
	struct ipaddr gateways[2]; /* IPv4, IPv6; AF_UNSPEC: none */
	uint16_t vlan_id;	   /* 0: not a VLAN */
	char parent[IFNAMSIZ];
	uint8_t bond_mode;
	char members[NETCFG_MEMBERS_MAX][IFNAMSIZ];
	size_t n_members; /* more than 0: a bond */
};

struct netcfg {
	struct netcfg_interface *interfaces; /* owned */
	size_t n_interfaces;		     /* 0: every Ethernet device, by DHCP */
	char nameservers[NETCFG_SERVERS_MAX][INET6_ADDRSTRLEN];
	size_t n_nameservers;
	char search[NETCFG_SEARCH_MAX][NETCFG_NAME_MAX];
	size_t n_search;
};

/* @why: what is wrong, when -EINVAL is returned. 0 or -errno. */
must_check int netcfg_parse(struct netcfg *out, const char *json, size_t len, char why[256]);
void netcfg_fini(struct netcfg *c);

/* The interface that describes this device, or NULL. A MAC address counts before a name. */
const struct netcfg_interface *netcfg_match(const struct netcfg *c, const struct link *l);
/* The bond whose member this device is, or NULL. */
const struct netcfg_interface *netcfg_bond_of(const struct netcfg *c, const char *name);

/* The interface used for every Ethernet device when none is configured. */
extern const struct netcfg_interface netcfg_default;

#endif

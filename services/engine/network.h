/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ENGINE_NETWORK_H
#define ENGINE_NETWORK_H

/*
 * Docker networks: bridges with NAT, published ports, addresses and names.
 *
 * Networks are written to disk (one file each, replaced whole). Endpoints describe kernel state, so they are
 * kept on tmpfs and live exactly as long as the kernel that holds the devices. A network namespace is a
 * descriptor: network_netns_new() makes it, the engine stores it in init's descriptor store and hands it in
 * again with every call that must look inside.
 *
 * Calls are synchronous netlink and small files: none waits for anything outside this machine. A failure
 * returns -errno and fills struct network_error with the sentence to show to the client. -ENOENT answers 404,
 * -EEXIST and -EBUSY 409, -EPERM 403, -EINVAL 400, everything else 500.
 */

#include <net/if.h>
#include <netinet/in.h>

#include "lib/ipconf.h"
#include "lib/util.h"

struct loop;
struct networks; /* all networks of this node */

enum {
	NETWORK_ID_LEN = 64,
	NETWORK_NAME_MAX = 127,
	NETWORK_PORTS_MAX = 4096,
	NETWORK_ALIASES_MAX = 66, /* 64 that a client may name, the short id and the hostname */
	NETWORK_DNS_MAX = 3,
	NETWORK_POOLS_MAX = 16,
	NETWORK_RESERVED_MAX = 4,
	NETWORK_SYSCTLS_MAX = 32
};

enum network_driver { NETWORK_BRIDGE, NETWORK_HOST, NETWORK_NONE, NETWORK_MACVLAN, NETWORK_IPVLAN };
/* As the API names it: "bridge", "host", "null", "macvlan", "ipvlan". */
const char *network_driver_name(enum network_driver d);

/* What there is once a family is an array with these indexes. */
enum network_family { NETWORK_V4, NETWORK_V6, NETWORK_FAMILIES };

/* How a bridge network meets the outside, by family (com.docker.network.bridge.gateway_mode_ipv4, _ipv6). */
enum network_gateway_mode {
	NETWORK_NAT, /* published ports are translated, outbound traffic takes the node's address */
	NETWORK_NAT_UNPROTECTED, /* the same, and whoever routes here reaches every port */
	NETWORK_ROUTED,	  /* nothing is translated; published ports are reached at the container's address */
	NETWORK_ISOLATED, /* of internal networks: the node has no address there, either */
};

struct network_error {
	char text[512];
};

/* A label or a driver option. */
struct network_pair {
	char *key;
	char *value;
};

/* A subnet as a client asks for it. */
struct network_pool_config {
	const char *subnet;		/* "10.1.0.0/24", "2001:db8::/64" */
	const char *gateway;		/* NULL: the first address of the subnet */
	const char *ip_range;		/* where unrequested addresses come from; NULL: the subnet */
	const struct network_pair *aux; /* addresses that are somebody else's, by name */
	size_t n_aux;
};

/* What a client may ask of a new network. Everything is borrowed by network_create(). */
struct network_config {
	const char *name;
	const char *driver; /* NULL: "bridge"; "macvlan", "ipvlan" */
	const struct network_pool_config *
		pools; /* a family that is on and has none gets the next free pool; of one that is not they are kept */
	size_t n_pools;
	bool no_ipv4; /* macvlan and ipvlan can have neither family */
	bool ipv6;
	bool internal;	 /* no way out, no masquerade */
	bool attachable; /* kept and shown */
	const struct network_pair *labels;
	size_t n_labels;
	const struct network_pair *options; /* network_options.c has the list */
	size_t n_options;
};

/* One subnet of a network. */
struct network_pool {
	struct ipaddr subnet;
	struct ipaddr gateway; /* without prefix; AF_UNSPEC: none */
	struct ipaddr range;
	bool chosen;	    /* here, not by the client: containers cannot ask for an address in it */
	bool gateway_given; /* the client chose it: shown as it gave it */
	bool range_given;
	struct network_pair *aux;
	size_t n_aux;
	struct network_ipam *ipam; /* private */
};

/* One network. Read it, never write it. Lives until network_delete(). */
struct network {
	char id[NETWORK_ID_LEN + 1];
	char name[NETWORK_NAME_MAX + 1];
	enum network_driver driver;
	int64_t created_ns; /* CLOCK_REALTIME */
	bool internal;
	bool attachable;
	bool ipv4, ipv6;
	bool icc;			   /* containers of this network may talk to each other */
	bool masquerade[NETWORK_FAMILIES]; /* outbound traffic takes the node's address */
	enum network_gateway_mode mode[NETWORK_FAMILIES];
	bool inhibit_ipv4; /* its bridge gets no address of IPv4: the gateway is somebody else's to make */
	struct ipaddr binding; /* where ports are published that name no address; AF_UNSPEC: everywhere */
	uint32_t mtu;	       /* 0: the kernel's default */
	char bridge[IFNAMSIZ]; /* the bridge; for macvlan and ipvlan the parent device */
	bool own_parent;       /* the parent is a dummy device of the network's own */
	uint32_t link_mode;    /* MACVLAN_MODE_*, IPVLAN_MODE_* */
	char ifprefix[IFNAMSIZ - 3];		      /* of interfaces inside containers: "eth" */
	struct network_pool pools[NETWORK_POOLS_MAX]; /* none for host, for none, and where no family is on */
	size_t n_pools;
	struct network_pool
		unused[NETWORK_POOLS_MAX]; /* of a family that is not on: kept as given, and shown */
	size_t n_unused;
	struct network_pair *labels;
	size_t n_labels;
	struct network_pair *options;
	size_t n_options;
	struct network *next;
};

/* A published port, as asked for and, in an endpoint, as it came out. */
struct network_port {
	uint8_t proto;		 /* IPPROTO_TCP or IPPROTO_UDP */
	uint16_t container_port; /* host byte order, as all ports here */
	struct ipaddr host_ip;	 /* AF_UNSPEC: every address of the node; in an endpoint 0.0.0.0 or :: */
	uint16_t host_port;	 /* 0: any free one; in an endpoint the one that was taken */
	uint16_t host_port_last; /* 0, or the end of a range of which the first free one is taken */
	bool twin; /* the same wish as the port before it, for the other family: the same number */
	int held;  /* private: the bound socket that keeps the port ours; -1 */
};

/* A container's place in one network. Read it, never write it. Lives until network_detach(). */
struct network_endpoint {
	char id[NETWORK_ID_LEN + 1];
	char container[NETWORK_ID_LEN + 1];
	char name[NETWORK_NAME_MAX + 1]; /* the container's name, without '/' */
	struct network *network;
	char ifname[IFNAMSIZ];		    /* inside the container: eth0, eth1, ...; "" for host and none */
	char peer[IFNAMSIZ];		    /* the node's end of the veth pair; "" for macvlan and ipvlan */
	struct ipaddr ip[NETWORK_FAMILIES]; /* with the subnet's prefix; AF_UNSPEC where it has none */
	struct ipaddr gateway[NETWORK_FAMILIES];
	uint8_t mac[6];
	int32_t gw_priority; /* the highest has the way out; among equals the network's name decides */
	char **aliases;
	size_t n_aliases;
	char **links; /* "CONTAINER:NAME": what the container, and only it, calls others in the network */
	size_t n_links;
	struct network_port *ports;
	size_t n_ports;
	bool published; /* private: its ports are in the rules */
	uint8_t rank;	/* private: how many of the container's networks come before it as way out */
	char dns[NETWORK_DNS_MAX][INET6_ADDRSTRLEN]; /* private: --dns, for the resolver */
	size_t n_dns;
	struct network_endpoint *next; /* of all endpoints */
};

struct network_attach {
	const char *container;		  /* its ID */
	const char *name;		  /* its name, without '/' */
	int netns;			  /* borrowed; -1 only for the host network */
	const char *ip[NETWORK_FAMILIES]; /* NULL: any free address */
	const char *const *link_local;	  /* beside them; network_link_local_parse() */
	size_t n_link_local;
	const uint8_t *mac;	    /* NULL: derived from the address */
	const char *ifname;	    /* NULL: the lowest ethN that is free */
	const char *const *sysctls; /* "net.ipv4.conf.IFNAME.log_martians=1": IFNAME is literal */
	size_t n_sysctls;
	int32_t gw_priority;
	const char *const *aliases;
	size_t n_aliases;
	const char *const *links; /* "CONTAINER:NAME", the container by name or by the beginning of its ID */
	size_t n_links;
	const struct network_port *ports;
	size_t n_ports;
};

/**
 * networks_open() - load the networks and bring the kernel in line
 * @loop:	borrowed; name resolution for containers is served on it
 * @dir:	on disk, made when missing (/data/engine/networks)
 * @run:	on tmpfs, made when missing (/run/engine/networks)
 *
 * Makes the networks `bridge`, `host` and `none` on first use, and every bridge device, address and nftables
 * rule that is missing; what exists and is right is not touched, so traffic of running containers never
 * stops. A network file that cannot be read is reported and set aside as NAME.bad. Without nftables in the
 * kernel this fails with -EOPNOTSUPP. Call networks_restore() next. Return: 0 or -errno, logged.
 */
must_check int networks_open(struct networks **out, struct loop *loop, const char *dir, const char *run);

/* From now on no new network has a subnet in @range ("10.0.0.0/8"), which is @whose ("the cluster's services"; borrowed). At
 * most NETWORK_RESERVED_MAX; those that are there already stay. */
void networks_reserve(struct networks *ns, const char *range, const char *whose);

/* Closes descriptors and frees memory; devices and rules stay, they belong to running containers. Accepts
 * NULL. */
void networks_close(struct networks *ns);

/**
 * networks_restore() - after an engine restart: keep what lives, release the rest
 * @netns:	returns the network namespace of a running container as a new descriptor, owned by this call,
 *		or -1 when that container does not run. Kept, with @arg: detaching looks inside, too
 *
 * Return: 0 or -errno, logged; one broken endpoint does not stop the others.
 */
must_check int networks_restore(
	struct networks *ns, int (*netns)(const char *container, void *arg), void *arg);

/* By name, ID, or unambiguous beginning of an ID. Return: 0, -ENOENT or -EINVAL (ambiguous). */
must_check int networks_find(
	struct networks *ns, const char *name, struct network **out, struct network_error *err);
/* The same without beginnings of an ID. Return: 0 or -ENOENT. */
must_check int networks_find_whole(
	struct networks *ns, const char *name, struct network **out, struct network_error *err);
struct network *networks_first(struct networks *ns); /* then ->next, oldest first */

must_check int network_create(
	struct networks *ns, const struct network_config *c, struct network **out, struct network_error *err);
/* -EBUSY while endpoints exist, -EPERM for the three predefined ones. */
must_check int network_delete(struct networks *ns, struct network *n, struct network_error *err);

/* A new network namespace with loopback up. @fd: owned by the caller. Return: 0 or -errno, logged. */
must_check int network_netns_new(int *fd);
/* The same for one that was made elsewhere, and stays the caller's. */
must_check int network_netns_furnish(int fd);

/**
 * network_attach() - give a container an interface, an address, names and published ports
 * @out:	receives the endpoint, owned by @ns
 *
 * The namespace may be empty (before start) or in use (docker network connect). All or nothing: after a
 * failure nothing is left behind. For the host network and `none` only the membership is kept.
 */
must_check int network_attach(struct networks *ns, struct network *n, const struct network_attach *a,
	struct network_endpoint **out, struct network_error *err);

/* May a client ask for the address @wanted of family @f? Only in subnets that a client has named, used or not; as long as the
 * network is not there (NULL) it must be an address. 0, or -EINVAL with the sentence. */
must_check int network_address_check(
	const struct network *n, enum network_family f, const char *wanted, struct network_error *err);

/* "169.254.1.2" or "fe80::2", with the prefix that it has on an interface. 0 or -EINVAL. */
must_check int network_link_local_parse(const char *text, struct ipaddr *out);

/* Release one endpoint; its devices, address, names and ports. Never fails: what the kernel no longer has is
 * fine. */
void network_detach(struct networks *ns, struct network_endpoint *e);
/* All endpoints of a container, when it has ended. */
void network_detach_all(struct networks *ns, const char *container);

/**
 * network_republish() - other published ports for an endpoint that is there
 *
 * What is in both lists stays untouched, with the port of the node that it has. All or nothing: after a
 * failure the old ports are published as before. Return: 0 or -errno with a sentence.
 */
must_check int network_republish(struct networks *ns, struct network_endpoint *e,
	const struct network_port *ports, size_t n_ports, struct network_error *err);

/* docker rename. */
void network_rename(struct networks *ns, const char *container, const char *name);

struct network_endpoint *networks_endpoints(struct networks *ns); /* then ->next */
/* The endpoint of @container in @n, or, when @n is NULL, the one with its way out; NULL: none. */
struct network_endpoint *network_endpoint_of(
	struct networks *ns, const char *container, const struct network *n);

/* Whether a default route of its container leads out by it. */
bool network_has_route(const struct network_endpoint *e, enum network_family f);

/* What the client may set for a container's name resolution; all borrowed. */
struct network_names {
	const char *hostname;
	const char *domainname; /* NULL or "" */
	const char *const *dns; /* --dns */
	size_t n_dns;
	const char *const *search; /* --dns-search */
	size_t n_search;
	const char *const *options; /* --dns-option */
	size_t n_options;
	const char *const
		*extra_hosts; /* "name:address"; the address host-gateway is the network's gateway */
	size_t n_extra_hosts;
};

/* The text of /etc/resolv.conf and /etc/hosts for a container with these endpoints. *out is malloc'ed. 0 or
 * -errno. */
must_check int network_resolv_conf(
	struct networks *ns, const char *container, const struct network_names *names, char **out);
must_check int network_hosts(struct networks *ns, const char *container, const struct network_names *names,
	char **out, struct network_error *err);

/* Whether containers in this network find each other by name: all but the predefined ones. */
bool network_names_served(const struct network *n);

/* "80/tcp" for messages and API keys. */
const char *network_proto_name(uint8_t proto);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ENGINE_NETWORK_INT_H
#define ENGINE_NETWORK_INT_H

/* What the network*.c files share. */

#include "engine/network.h"
#include "lib/ipconf.h"
#include "lib/link.h"
#include "lib/nft.h"

struct network_resolver;

/* A range that is somebody else's. */
struct network_reserved {
	struct ipaddr range;
	const char *whose; /* borrowed */
};

struct networks {
	struct loop *loop;		    /* borrowed */
	int dir;			    /* owned; network files */
	int run;			    /* owned; endpoint files */
	struct network *list;		    /* owned, oldest first */
	struct network_endpoint *endpoints; /* owned */
	struct netlink route, filter;	    /* this node's namespace */
	struct network_resolver *resolvers; /* owned; network_dns.c */
	struct network_reserved reserved[NETWORK_RESERVED_MAX];
	size_t n_reserved;
	struct dns_asker *asker; /* owned; of nameservers */
	const char *host_resolv; /* /run/resolv.conf; tests have their own */
	int (*netns)(
		const char *container, void *arg); /* networks_restore() has the contract; NULL before it */
	void *netns_arg;
};

/* Fills @err (which may be NULL) and returns @r. */
int network_fail(struct network_error *err, int r, const char *fmt, ...) printf_like(3, 4);

/* A copy, of which *n_out are there even when 0 is not returned: the caller frees them. 0 or -ENOMEM. */
must_check int network_pairs_copy(
	struct network_pair **out, size_t *n_out, const struct network_pair *in, size_t n);
void network_random_id(char out[NETWORK_ID_LEN + 1]);
void network_free(struct network *n);			/* accepts NULL */
void network_endpoint_free(struct network_endpoint *e); /* closes what holds its ports; accepts NULL */
/* Has a device and addresses in the container. */
static inline bool network_has_link(const struct network *n)
{
	return n->driver != NETWORK_HOST && n->driver != NETWORK_NONE;
}
/* The node itself has an address of this family in it. */
static inline bool network_node_is_in(const struct network *n, enum network_family f)
{
	return n->driver == NETWORK_BRIDGE && n->mode[f] != NETWORK_ISOLATED &&
	       !(f == NETWORK_V4 && n->inhibit_ipv4);
}
static inline void network_freep(struct network **n)
{
	network_free(*n);
}
static inline void network_endpoint_freep(struct network_endpoint **e)
{
	network_endpoint_free(*e);
}

/* network_options.c: what -o means. */
void network_defaults(struct network *n); /* as if nobody gave an option */
/* @option is one of the network's; -EINVAL with a sentence naming it. */
must_check int network_option_apply(
	struct network *n, const struct network_pair *option, struct network_error *err);

/* network_pools.c: the subnets of a new network. */
must_check int network_pools_choose(
	struct networks *ns, struct network *n, const struct network_config *c, struct network_error *err);
/* Whether a subnet, its gateway, its range fit each other. */
bool network_pool_sound(const struct network_pool *p);

/* network_ipam.c: addresses of one network. */
enum network_family network_family_of(const struct ipaddr *a);
bool network_contains(const struct ipaddr *net, const struct ipaddr *a);
struct ipaddr network_first_address(const struct ipaddr *subnet);
must_check int network_ipam_init(struct network_pool *p); /* 0 or -ENOMEM */
/* The lowest free one, with the subnet's prefix and its gateway, or -ENOSPC. */
must_check int network_ipam_any(
	struct network *n, enum network_family f, struct ipaddr *out, struct ipaddr *gateway);
/* One that was asked for; its prefix becomes the subnet's. -EINVAL: not in the network or not for hosts;
 * -EADDRINUSE */
must_check int network_ipam_take(struct network *n, struct ipaddr *a, struct ipaddr *gateway);
void network_ipam_release(struct network *n, const struct ipaddr *a);
struct network_pool *network_pool_of(struct network *n, const struct ipaddr *a); /* NULL: none has it */
/* A subnet that is free in @used. 0 or -ENOSPC. @node: makes the addresses of this node its own. */
must_check int network_pool_v4(const struct ipaddr *used, size_t n_used, struct ipaddr *out);
must_check int network_pool_v6(
	const char *node, const struct ipaddr *used, size_t n_used, struct ipaddr *out);

/* network_file.c: networks and endpoints as files. */
must_check int network_save(struct networks *ns, const struct network *n);
void network_forget(struct networks *ns, const struct network *n);
must_check int network_load_all(struct networks *ns);
must_check int network_endpoint_save(struct networks *ns, const struct network_endpoint *e);
void network_endpoint_forget(struct networks *ns, const struct network_endpoint *e);
must_check int network_endpoint_load_all(struct networks *ns); /* networks must be loaded */
/* The texts behind them, for the fuzzer: malloc'ed objects or -EINVAL, -ENOMEM. */
must_check int network_parse(struct network **out, const char *json, size_t len);
must_check int network_endpoint_parse(
	struct networks *ns, struct network_endpoint **out, const char *json, size_t len);

/* network_rules.c: the nftables side. */
must_check int network_rules_install(struct networks *ns); /* the whole table, from what is loaded */
must_check int network_rules_add(struct networks *ns, const struct network *n);
void network_rules_remove(struct networks *ns, const struct network *n);
must_check int network_rules_publish(struct networks *ns, struct network_endpoint *e);
void network_rules_unpublish(struct networks *ns, struct network_endpoint *e);

/* The rules follow from one list of ports to another, in one transaction. */
must_check int network_rules_replace_ports(
	struct networks *ns, struct network_endpoint *e, const struct network_port *ports, size_t n_ports);

/* network_port.c: who has which port of the node. */
/* The wishes as ports of this endpoint: what names no address becomes one a family. *out: malloc'ed. */
must_check int network_ports_copy(struct network_port **out, size_t *n_out, const struct network_endpoint *e,
	const struct network_port *in, size_t n, struct network_error *err);
/* Those that are not held yet. After a failure the caller drops. */
must_check int network_ports_hold(struct networks *ns, const struct network_endpoint *e,
	struct network_port *ports, size_t n, struct network_error *err);
void network_ports_drop(struct network_port *ports, size_t n);
/* After a restart: hold again what is ours. */
void network_ports_resume(struct network_endpoint *e);

/* network_bridge.c: the device of a network. */
must_check int network_device_up(struct networks *ns, const struct network *n, struct network_error *err);
void network_device_down(struct networks *ns, const struct network *n);
/* The parent that was named is not there, but can be made: eth0.20, with eth0 there. */
bool network_parent_is_vlan(struct networks *ns, const struct network *n);
void network_mac_of(const struct ipaddr *a, uint8_t mac[LINK_MAC_LEN]);
void network_mac_random(uint8_t mac[LINK_MAC_LEN]);

/* network_link.c: the interface of an endpoint. @wanted: its name, or NULL. */
must_check int network_link_up(struct networks *ns, struct network_endpoint *e, int netns, const char *wanted,
	struct network_error *err);
/* @netns: -1 when there is none any more. */
void network_link_down(struct networks *ns, const struct network_endpoint *e, int netns);
must_check int network_sysctl(const char *family, const char *device, const char *key, const char *value);
/* One more address of an interface; network_link_local_parse(). */
must_check int network_link_local(int netns, const char *ifname, const char *text);
/* One line of com.docker.network.endpoint.sysctls. -EINVAL: not of that form, or not an interface's. */
must_check int network_link_sysctl(int netns, const char *ifname, const char *line);

/* network_dns.c: names in networks of the user's making. */
must_check int network_dns_join(
	struct networks *ns, const struct network_endpoint *e, int netns); /* idempotent */
void network_dns_leave(
	struct networks *ns, const char *container); /* when it is in no such network any more */
bool network_dns_serves(const struct networks *ns, const char *container);
/* Whom its resolver asks in place of the node's nameservers; the first NETWORK_DNS_MAX. -EINVAL: not an
 * address. */
must_check int network_dns_servers(
	struct networks *ns, const char *container, const char *const *servers, size_t n);
void network_dns_close(struct networks *ns);

/* network_sweep.c: devices of networks and endpoints that are in no file go. */
void network_sweep(struct networks *ns);

#endif

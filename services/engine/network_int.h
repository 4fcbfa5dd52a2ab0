/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ENGINE_NETWORK_INT_H
#define ENGINE_NETWORK_INT_H

/* What the network*.c files share. */

#include "engine/network.h"
#include "lib/ipconf.h"
#include "lib/link.h"
#include "lib/nft.h"

struct network_resolver;

struct networks {
	struct loop *loop;		    /* borrowed */
	int dir;			    /* owned; network files */
	int run;			    /* owned; endpoint files */
	struct network *list;		    /* owned, oldest first */
	struct network_endpoint *endpoints; /* owned */
	struct netlink route, filter;	    /* this node's namespace */
	struct network_resolver *resolvers; /* owned; network_dns.c */
	const char *host_resolv;	    /* /run/resolv.conf; tests have their own */
};

/* Fills @err (which may be NULL) and returns @r. */
int network_fail(struct network_error *err, int r, const char *fmt, ...) printf_like(3, 4);

void network_random_id(char out[NETWORK_ID_LEN + 1]);
void network_free(struct network *n);			/* accepts NULL */
void network_endpoint_free(struct network_endpoint *e); /* closes what holds its ports; accepts NULL */
static inline void network_freep(struct network **n)
{
	network_free(*n);
}
static inline void network_endpoint_freep(struct network_endpoint **e)
{
	network_endpoint_free(*e);
}

/* network_ipam.c: addresses of one network. Host byte order stays inside. */
must_check int network_ipam_init(struct network *n);			 /* 0 or -ENOMEM */
must_check int network_ipam_any(struct network *n, struct in_addr *out); /* the lowest free one, or -ENOSPC */
/* One that was asked for. -EINVAL: not in the network or not for hosts; -EADDRINUSE */
must_check int network_ipam_take(struct network *n, struct in_addr a);
void network_ipam_release(struct network *n, struct in_addr a);
/* A subnet that is free in @used. @first: try that one before all others. 0 or -ENOSPC. */
must_check int network_pool(const struct ipaddr *used, size_t n_used, struct ipaddr *out);

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

/* network_port.c: who has which port of the node. */
must_check int network_ports_hold(struct networks *ns, struct network_endpoint *e, struct network_error *err);
void network_ports_drop(struct network_endpoint *e);
/* After a restart: hold again what is ours. */
void network_ports_resume(struct network_endpoint *e);

/* network_bridge.c: devices. */
must_check int network_bridge_up(struct networks *ns, const struct network *n, struct network_error *err);
void network_bridge_down(struct networks *ns, const struct network *n);
must_check int network_veth_up(
	struct networks *ns, struct network_endpoint *e, int netns, struct network_error *err);
void network_veth_down(struct networks *ns, const struct network_endpoint *e);

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

/* network_conntrack.c: the kernel forgets the flows from and to a container's address. */
void network_conntrack_forget(struct networks *ns, struct in_addr a);

#endif

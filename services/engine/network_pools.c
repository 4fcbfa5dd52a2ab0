/* SPDX-License-Identifier: Apache-2.0 */

/* The subnets of a new network: as the client gave them, checked, or the next free ones. */

#include <errno.h>
#include <string.h>

#include "engine/network_int.h"
#include "lib/errno_text.h"
#include "lib/log.h"

static bool on(const struct network *n, enum network_family f)
{
	return f == NETWORK_V4 ? n->ipv4 : n->ipv6;
}

/* Room for two: a gateway and a container, or two containers where there is no gateway (RFC 3021). */
static uint8_t longest_prefix(const struct ipaddr *a)
{
	return a->family == AF_INET ? 31 : 126;
}

/* As in Docker there is one that nobody asked for only on a bridge, where the node has its address or a route leads there.
 * Beside the node's own interfaces it would be a stranger's. */
static bool needs_gateway(const struct network *n, enum network_family f)
{
	return n->driver == NETWORK_BRIDGE && (!n->internal || network_node_is_in(n, f));
}

/* The gateway of a bridge is the bridge; elsewhere there may be none. */
bool network_pool_sound(const struct network_pool *p)
{
	const struct ipaddr net = ipaddr_network(&p->subnet), range = ipaddr_network(&p->range);

	return ipaddr_len(&p->subnet) && p->subnet.prefix >= 1 &&
	       p->subnet.prefix <= longest_prefix(&p->subnet) && ipaddr_equal(&net, &p->subnet) &&
	       network_contains(&p->subnet, &p->range) && ipaddr_equal(&range, &p->range) &&
	       (!p->gateway.family || (p->gateway.prefix == 8 * ipaddr_len(&p->gateway) &&
					      network_contains(&p->subnet, &p->gateway)));
}

void networks_reserve(struct networks *ns, const char *range, const char *whose)
{
	struct network_reserved r = {.whose = whose};

	if (ns->n_reserved == array_len(ns->reserved) || ipaddr_parse(range, &r.range) < 0)
		abort();
	ns->reserved[ns->n_reserved++] = r;
}

/* What this node is connected or routed to, every other Docker network, and what is reserved. */
static int gather_used(struct networks *ns, const struct network *n, struct ipaddr **out, size_t *n_out)
{
	cleanup(freep) struct route *routes = NULL;
	ssize_t n_routes = route_list(&ns->route, &routes);
	size_t n_used = 0, most = NETWORK_POOLS_MAX + NETWORK_RESERVED_MAX;
	struct ipaddr *used;

	if (n_routes < 0)
		return log_errno((int)-n_routes, "op=list-routes");
	for (const struct network *w = ns->list; w; w = w->next)
		most += w->n_pools;
	used = calloc((size_t)n_routes + most, sizeof(*used));
	if (!used)
		return -ENOMEM;
	for (const struct network *w = ns->list; w; w = w->next)
		for (size_t i = 0; i < w->n_pools; i++)
			used[n_used++] = w->pools[i].subnet;
	for (size_t i = 0; i < n->n_pools; i++)
		used[n_used++] = n->pools[i].subnet;
	for (size_t i = 0; i < ns->n_reserved; i++)
		used[n_used++] = ns->reserved[i].range;
	for (ssize_t i = 0; i < n_routes; i++)
		if (routes[i].dst.prefix)
			used[n_used++] = routes[i].dst;
	*out = used;
	*n_out = n_used;
	return 0;
}

/* What makes the unique local addresses of this node its own: the ID of its first network. */
static const char *node_mark(const struct networks *ns, const struct network *n)
{
	for (const struct network *w = ns->list; w; w = w->next)
		if (!strcmp(w->name, "bridge"))
			return w->id;
	return n->id;
}

static int next_free(struct networks *ns, struct network *n, enum network_family f, struct network_error *err)
{
	struct network_pool *p = &n->pools[n->n_pools];
	cleanup(freep) struct ipaddr *used = NULL;
	size_t n_used = 0;
	int r = gather_used(ns, n, &used, &n_used);

	if (!r && f == NETWORK_V4)
		r = network_pool_v4(used, n_used, &p->subnet);
	else if (!r)
		r = network_pool_v6(node_mark(ns, n), used, n_used, &p->subnet);
	if (r == -ENOSPC)
		return network_fail(err, r,
			"all predefined address pools have been fully subnetted; name a subnet for network %s",
			n->name);
	if (r < 0)
		return network_fail(
			err, r, "network %s: cannot choose a subnet: %s", n->name, errno_text(-r));
	p->chosen = true;
	p->range = p->subnet;
	if (needs_gateway(n, f))
		p->gateway = network_first_address(&p->subnet);
	n->n_pools++;
	return 0;
}

static int check_overlap(
	struct networks *ns, const struct network *n, const struct ipaddr *subnet, struct network_error *err)
{
	char text[IPADDR_TEXT_MAX];

	for (size_t i = 0; i < n->n_pools; i++)
		if (ipaddr_overlap(subnet, &n->pools[i].subnet))
			return network_fail(err, -EINVAL, "network %s: two of its subnets overlap", n->name);
	for (size_t i = 0; i < ns->n_reserved; i++)
		if (ipaddr_overlap(subnet, &ns->reserved[i].range))
			return network_fail(err, -EPERM,
				"Pool overlaps with other one on this address space: %s is the range of %s",
				ipaddr_format(&ns->reserved[i].range, true, text), ns->reserved[i].whose);
	for (const struct network *w = ns->list; w; w = w->next)
		for (size_t i = 0; i < w->n_pools; i++)
			if (ipaddr_overlap(subnet, &w->pools[i].subnet))
				return network_fail(err, -EPERM,
					"Pool overlaps with other one on this address space: network %s has that subnet",
					w->name);
	return 0;
}

static int copy_pairs(struct network_pool *p, const struct network_pool_config *c, struct network_error *err)
{
	return network_pairs_copy(&p->aux, &p->n_aux, c->aux, c->n_aux) < 0
		       ? network_fail(err, -ENOMEM, "out of memory")
		       : 0;
}

static int copy_aux(struct network_pool *p, const struct network_pool_config *c, struct network_error *err)
{
	struct ipaddr a;

	for (size_t i = 0; i < c->n_aux; i++)
		if (strchr(c->aux[i].value, '/') || ipaddr_parse(c->aux[i].value, &a) < 0 ||
			!network_contains(&p->subnet, &a))
			return network_fail(err, -EINVAL, "invalid auxiliary address %s=%s for subnet %s",
				c->aux[i].key, c->aux[i].value, c->subnet);
	return copy_pairs(p, c, err);
}

/* As in Docker a subnet of a family that is not on has no effect, so that nothing about it can be wrong. */
static int keep_unused(struct network *n, const struct network_pool_config *c, const struct ipaddr *subnet,
	struct network_error *err)
{
	struct network_pool *p = &n->unused[n->n_unused++];

	p->subnet = *subnet;
	p->gateway_given = c->gateway;
	p->range_given = c->ip_range;
	if ((c->gateway && ipaddr_parse(c->gateway, &p->gateway) < 0) ||
		(c->ip_range && ipaddr_parse(c->ip_range, &p->range) < 0))
		return network_fail(
			err, -EINVAL, "subnet %s: its gateway or address range is not an address", c->subnet);
	return copy_pairs(p, c, err);
}

static int as_given(struct networks *ns, struct network *n, const struct network_pool_config *c,
	struct network_error *err)
{
	struct network_pool *p = &n->pools[n->n_pools];
	struct ipaddr net;
	int r;

	if (ipaddr_parse(c->subnet, &net) == 0 && !on(n, network_family_of(&net)))
		return keep_unused(n, c, &net, err);
	if (ipaddr_parse(c->subnet, &p->subnet) < 0 || p->subnet.prefix < 1 ||
		p->subnet.prefix > longest_prefix(&p->subnet))
		return network_fail(err, -EINVAL,
			"invalid subnet %s: a network with a prefix of 1 to 31 (IPv6: 126) is needed",
			c->subnet);
	net = ipaddr_network(&p->subnet);
	if (!ipaddr_equal(&net, &p->subnet))
		return network_fail(err, -EINVAL, "invalid subnet %s: it has host bits set", c->subnet);
	r = check_overlap(ns, n, &p->subnet, err);
	if (r < 0)
		return r;
	p->range = p->subnet;
	p->gateway_given = c->gateway;
	p->range_given = c->ip_range;
	if (needs_gateway(n, network_family_of(&p->subnet)))
		p->gateway = network_first_address(&p->subnet);
	if (c->gateway && (strchr(c->gateway, '/') || ipaddr_parse(c->gateway, &p->gateway) < 0 ||
				  !network_contains(&p->subnet, &p->gateway) ||
				  (p->subnet.prefix < 31 && !memcmp(p->gateway.bytes, p->subnet.bytes,
								    ipaddr_len(&p->subnet)))))
		return network_fail(err, -EINVAL, "invalid gateway %s for subnet %s", c->gateway, c->subnet);
	if (c->ip_range) {
		if (ipaddr_parse(c->ip_range, &p->range) < 0 || !network_contains(&p->subnet, &p->range))
			return network_fail(err, -EINVAL, "invalid address range %s for subnet %s",
				c->ip_range, c->subnet);
		p->range = ipaddr_network(&p->range);
	}
	n->n_pools++; /* network_free() sees it from here on */
	return copy_aux(p, c, err);
}

int network_pools_choose(
	struct networks *ns, struct network *n, const struct network_config *c, struct network_error *err)
{
	bool has[NETWORK_FAMILIES] = {};
	int r;

	if (c->n_pools > NETWORK_POOLS_MAX - NETWORK_FAMILIES)
		return network_fail(err, -EINVAL, "network %s: more than %d subnets", n->name,
			NETWORK_POOLS_MAX - NETWORK_FAMILIES);
	for (size_t i = 0; i < c->n_pools; i++) {
		const struct network_pool_config *pool = &c->pools[i];

		if (!pool->subnet && (pool->gateway || pool->ip_range || pool->n_aux))
			return network_fail(err, -EINVAL,
				"network %s: a gateway, an address range or an auxiliary address needs a subnet",
				n->name);
		if (!pool->subnet)
			continue;
		r = as_given(ns, n, pool, err);
		if (r < 0)
			return r;
	}
	for (size_t i = 0; i < n->n_pools; i++)
		has[network_family_of(&n->pools[i].subnet)] = true;
	for (enum network_family f = NETWORK_V4; f < NETWORK_FAMILIES; f++) {
		r = on(n, f) && !has[f] ? next_free(ns, n, f, err) : 0;
		if (r < 0)
			return r;
	}
	for (size_t i = 0; i < n->n_pools; i++)
		if (network_ipam_init(&n->pools[i]) < 0)
			return network_fail(err, -ENOMEM, "network %s: out of memory", n->name);
	return 0;
}

/* Whether a client has named subnets of @a's family among @pools, and whether one of them has it. */
static void look_for(
	const struct ipaddr *a, const struct network_pool *pools, size_t n_pools, bool *named, bool *inside)
{
	for (size_t i = 0; i < n_pools; i++)
		if (!pools[i].chosen && pools[i].subnet.family == a->family) {
			*named = true;
			*inside = *inside || network_contains(&pools[i].subnet, a);
		}
}

int network_address_check(
	const struct network *n, enum network_family f, const char *wanted, struct network_error *err)
{
	bool named = false, inside = false;
	struct ipaddr a;

	if (strchr(wanted, '/') || ipaddr_parse(wanted, &a) < 0 || network_family_of(&a) != f)
		return network_fail(
			err, -EINVAL, "invalid %s address: %.64s", f == NETWORK_V4 ? "IPv4" : "IPv6", wanted);
	if (!n)
		return 0;
	look_for(&a, n->pools, n->n_pools, &named, &inside);
	look_for(&a, n->unused, n->n_unused, &named, &inside);
	if (!named)
		return network_fail(err, -EINVAL,
			"user specified IP address is supported only when connecting to networks with user configured subnets");
	return inside ? 0
		      : network_fail(err, -EINVAL,
				"no configured subnet or ip-range contain the IP address %s", wanted);
}

/* SPDX-License-Identifier: Apache-2.0 */

/* Endpoints: a container's place in a network, made, restored and released. */

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "engine/network_int.h"
#include "lib/errno_text.h"
#include "lib/conntrack.h"
#include "lib/fault.h"
#include "lib/log.h"

static bool on_a_bridge(const struct network_endpoint *e)
{
	return e->network->driver == NETWORK_BRIDGE;
}

static bool address_used(const struct networks *ns, const struct network *n, const struct ipaddr *a)
{
	for (const struct network_endpoint *e = ns->endpoints; e; e = e->next)
		for (enum network_family f = NETWORK_V4; f < NETWORK_FAMILIES; f++)
			if (e->network == n && e->ip[f].family == a->family &&
				!memcmp(e->ip[f].bytes, a->bytes, ipaddr_len(a)))
				return true;
	return false;
}

static int take_wanted(struct networks *ns, struct network_endpoint *e, enum network_family f,
	const char *wanted, struct network_error *err)
{
	struct network *n = e->network;
	struct ipaddr a;
	int r;

	if (strchr(wanted, '/') || ipaddr_parse(wanted, &a) < 0 || network_family_of(&a) != f)
		return network_fail(
			err, -EINVAL, "invalid %s address: %s", f == NETWORK_V4 ? "IPv4" : "IPv6", wanted);
	r = address_used(ns, n, &a) ? -EADDRINUSE : network_ipam_take(n, &a, &e->gateway[f]);
	if (r == -EADDRINUSE)
		return network_fail(
			err, r, "Address already in use: %s is taken in network %s", wanted, n->name);
	if (r < 0)
		return network_fail(err, r,
			"invalid address %s: it does not belong to network %s or is not for containers",
			wanted, n->name);
	e->ip[f] = a;
	return 0;
}

static int take_addresses(struct networks *ns, struct network_endpoint *e, const char *const wanted[],
	struct network_error *err)
{
	struct network *n = e->network;

	for (enum network_family f = NETWORK_V4; f < NETWORK_FAMILIES; f++) {
		bool want = wanted[f] && *wanted[f], on = f == NETWORK_V4 ? n->ipv4 : n->ipv6;
		int r = 0;

		/* Where the network has none: as in Docker one of a subnet that was named all the same is not had. */
		if (want)
			r = on ? take_wanted(ns, e, f, wanted[f], err)
			       : network_address_check(n, f, wanted[f], err);
		if (r < 0)
			return r;
		if (!want && on && network_ipam_any(n, f, &e->ip[f], &e->gateway[f]) < 0)
			return network_fail(err, -ENOSPC,
				"no available %s addresses on this network's address pools: %s (%s)",
				f == NETWORK_V4 ? "IPv4" : "IPv6", n->name, n->id);
	}
	return 0;
}

static int copy_texts(char ***out, size_t *n_out, const char *const *texts, size_t n)
{
	*out = calloc(n + 1, sizeof(**out));
	if (!*out)
		return -ENOMEM;
	for (; *n_out < n; ++*n_out) {
		(*out)[*n_out] = strdup(texts[*n_out]);
		if (!(*out)[*n_out])
			return -ENOMEM;
	}
	return 0;
}

static int copy_request(struct network_endpoint *e, const struct network_attach *a, struct network_error *err)
{
	if (a->n_aliases > NETWORK_ALIASES_MAX || a->n_links > NETWORK_ALIASES_MAX ||
		a->n_sysctls > NETWORK_SYSCTLS_MAX)
		return network_fail(err, -EINVAL,
			"container %s: more than %d aliases or links or %d settings in a network", a->name,
			NETWORK_ALIASES_MAX, NETWORK_SYSCTLS_MAX);
	if (a->ifname && !link_name_valid(a->ifname))
		return network_fail(err, -EINVAL, "invalid interface name %.64s", a->ifname);
	if (strlen(a->container) > NETWORK_ID_LEN || strlen(a->name) > NETWORK_NAME_MAX)
		return network_fail(err, -EINVAL, "container name %.64s is too long", a->name);
	snprintf(e->container, sizeof(e->container), "%s", a->container);
	snprintf(e->name, sizeof(e->name), "%s", a->name);
	e->gw_priority = a->gw_priority;
	if (copy_texts(&e->aliases, &e->n_aliases, a->aliases, a->n_aliases) ||
		copy_texts(&e->links, &e->n_links, a->links, a->n_links))
		return network_fail(err, -ENOMEM, "container %s: out of memory", a->name);
	return 0;
}

static int add_link_local(
	const struct network_endpoint *e, const struct network_attach *a, struct network_error *err)
{
	for (size_t i = 0; i < a->n_link_local; i++) {
		int r = network_link_local(a->netns, e->ifname, a->link_local[i]);

		if (r < 0)
			return network_fail(err, r,
				"container %s: cannot add the link-local address %.64s: %s", a->name,
				a->link_local[i], errno_text(-r));
	}
	return 0;
}

static int set_sysctls(
	const struct network_endpoint *e, const struct network_attach *a, struct network_error *err)
{
	for (size_t i = 0; i < a->n_sysctls; i++) {
		int r = network_link_sysctl(a->netns, e->ifname, a->sysctls[i]);

		if (r < 0)
			return network_fail(err, r,
				"container %s: cannot set %.128s: %s (net.ipv4.conf.IFNAME.KEY=VALUE is the form)",
				a->name, a->sysctls[i], errno_text(-r));
	}
	return 0;
}

/* Devices, ports and rules of an endpoint; what was done before a failure is undone by release(). */
static int build(struct networks *ns, struct network_endpoint *e, const struct network_attach *a,
	struct network_error *err)
{
	int r = take_addresses(ns, e, a->ip, err);

	if (r < 0)
		return r;
	if (a->mac)
		memcpy(e->mac, a->mac, sizeof(e->mac));
	else if (e->ip[NETWORK_V4].family || e->ip[NETWORK_V6].family)
		network_mac_of(&e->ip[e->ip[NETWORK_V4].family ? NETWORK_V4 : NETWORK_V6], e->mac);
	else
		network_mac_random(e->mac);
	if (a->mac && e->network->driver == NETWORK_IPVLAN)
		return network_fail(err, -EINVAL,
			"container %s: an interface of network %s (ipvlan) has its parent's MAC address",
			a->name, e->network->name);
	if (on_a_bridge(e)) {
		r = network_ports_copy(&e->ports, &e->n_ports, e, a->ports, a->n_ports, err);
		if (!r)
			r = network_ports_hold(ns, e, e->ports, e->n_ports, err);
		if (r < 0)
			return r;
		snprintf(e->peer, sizeof(e->peer), "veth%.8s", e->id);
	}
	r = network_link_up(ns, e, a->netns, a->ifname, err);
	fault_point("endpoint-linked");
	if (!r)
		r = add_link_local(e, a, err);
	if (!r)
		r = set_sysctls(e, a, err);
	if (r < 0)
		return r;
	r = network_dns_join(ns, e, a->netns);
	if (r < 0)
		return network_fail(err, r, "container %s: cannot serve names in network %s: %s", a->name,
			e->network->name, errno_text(-r));
	r = network_rules_publish(ns, e);
	return r < 0 ? network_fail(
			       err, r, "container %s: cannot publish its ports: %s", a->name, errno_text(-r))
		     : 0;
}

/* Takes away what is there; what is not is fine. The memory is the caller's. @netns: -1 when it is not known. */
static void release(struct networks *ns, struct network_endpoint *e, int netns)
{
	network_endpoint_forget(ns, e);
	fault_point("endpoint-forgotten");
	if (!network_has_link(e->network))
		return;
	network_rules_unpublish(ns, e);
	network_link_down(ns, e, netns);
	network_ports_drop(e->ports, e->n_ports);
	network_dns_leave(ns, e->container);
	for (enum network_family f = NETWORK_V4; f < NETWORK_FAMILIES; f++) {
		if (!e->ip[f].family)
			continue;
		conntrack_forget_address(&ns->filter, &e->ip[f]);
		network_ipam_release(e->network, &e->ip[f]);
	}
}

int network_attach(struct networks *ns, struct network *n, const struct network_attach *a,
	struct network_endpoint **out, struct network_error *err)
{
	cleanup(network_endpoint_freep) struct network_endpoint *e = calloc(1, sizeof(*e));
	int r;

	if (!e)
		return network_fail(err, -ENOMEM, "container %s: out of memory", a->name);
	e->network = n;
	if (network_endpoint_of(ns, a->container, n))
		return network_fail(
			err, -EPERM, "endpoint with name %s already exists in network %s", a->name, n->name);
	network_random_id(e->id);
	r = copy_request(e, a, err);
	if (r < 0)
		return r;
	/* Ports are translated only into bridges: the host network has the node's, others have their own
	 * address outside or no way in. */
	if (network_has_link(n))
		r = build(ns, e, a, err);
	fault_point("endpoint-published");
	if (!r) {
		r = network_endpoint_save(ns, e);
		if (r < 0)
			network_fail(err, r, "container %s: its endpoint cannot be saved: %s", a->name,
				errno_text(-r));
	}
	if (r < 0) {
		release(ns, e, a->netns);
		return r;
	}
	e->next = ns->endpoints;
	ns->endpoints = e;
	*out = e;
	take(e);
	return 0;
}

static bool same_port(const struct network_port *a, const struct network_port *b)
{
	return a->proto == b->proto && a->container_port == b->container_port &&
	       ipaddr_equal(&a->host_ip, &b->host_ip) && (!b->host_port || a->host_port == b->host_port);
}

/* What is published already keeps its socket and its number. */
static void keep_held(struct network_port *ports, size_t n_ports, struct network_port *old, size_t n_old)
{
	for (size_t i = 0; i < n_ports; i++)
		for (size_t k = 0; k < n_old && ports[i].held < 0; k++)
			if (old[k].held >= 0 && same_port(&old[k], &ports[i])) {
				ports[i].host_port = old[k].host_port;
				ports[i].host_port_last = 0;
				ports[i].held = take_fd(old[k].held);
			}
}

int network_republish(struct networks *ns, struct network_endpoint *e, const struct network_port *ports,
	size_t n_ports, struct network_error *err)
{
	struct network_port *new = NULL, *old = e->ports;
	size_t n_new = 0, n_old = e->n_ports;
	int r;

	if (!on_a_bridge(e))
		return 0;
	r = network_ports_copy(&new, &n_new, e, ports, n_ports, err);
	if (r < 0) {
		free(new);
		return r;
	}
	keep_held(new, n_new, old, n_old);
	r = network_ports_hold(ns, e, new, n_new, err);
	if (!r) {
		r = network_rules_replace_ports(ns, e, new, n_new);
		if (r < 0)
			network_fail(err, r, "container %s: cannot publish its ports: %s", e->name,
				errno_text(-r));
	}
	if (r < 0) {
		keep_held(old, n_old, new, n_new);
		network_ports_drop(new, n_new);
		free(new);
		return r;
	}
	network_ports_drop(old, n_old);
	free(old);
	e->ports = new;
	e->n_ports = n_new;
	/* Only an engine restart reads it; logged there. */
	(void)!network_endpoint_save(ns, e);
	return 0;
}

void network_detach(struct networks *ns, struct network_endpoint *e)
{
	cleanup(closep) int netns = ns->netns ? ns->netns(e->container, ns->netns_arg) : -1;

	for (struct network_endpoint **p = &ns->endpoints; *p; p = &(*p)->next)
		if (*p == e) {
			*p = e->next;
			break;
		}
	release(ns, e, netns);
	network_endpoint_free(e);
}

void network_detach_all(struct networks *ns, const char *container)
{
	struct network_endpoint *next;

	for (struct network_endpoint *e = ns->endpoints; e; e = next) {
		next = e->next;
		if (!strcmp(e->container, container))
			network_detach(ns, e);
	}
}

void network_rename(struct networks *ns, const char *container, const char *name)
{
	for (struct network_endpoint *e = ns->endpoints; e; e = e->next) {
		if (strcmp(e->container, container) != 0)
			continue;
		snprintf(e->name, sizeof(e->name), "%s", name);
		/* Only the name after an engine restart depends on it; logged there. */
		(void)!network_endpoint_save(ns, e);
	}
}

int networks_restore(struct networks *ns, int (*netns)(const char *container, void *arg), void *arg)
{
	struct network_endpoint *next;

	ns->netns = netns;
	ns->netns_arg = arg;
	for (struct network_endpoint *e = ns->endpoints; e; e = next) {
		cleanup(closep) int fd = netns(e->container, arg);
		struct link l;

		next = e->next;
		if (fd < 0) {
			log_info(
				"container=%.12s network=%s event=release msg=\"ended while the engine was away\"",
				e->container, e->network->name);
			network_detach(ns, e);
			continue;
		}
		if (!network_has_link(e->network))
			continue;
		network_ports_resume(e);
		/* Logged there; the container runs on without names. */
		(void)!network_dns_join(ns, e, fd);
		if (on_a_bridge(e) && link_get(&ns->route, e->peer, &l) < 0)
			log_warn(
				"container=%.12s network=%s if=%s msg=\"its device is gone; reconnect it to the network\"",
				e->container, e->network->name, e->peer);
	}
	return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */

/* Endpoints: a container's place in a network, made, restored and released. */

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "engine/network_int.h"
#include "lib/log.h"

static bool on_a_bridge(const struct network_endpoint *e)
{
	return e->network->driver == NETWORK_BRIDGE;
}

static bool address_used(const struct networks *ns, const struct network *n, struct in_addr a)
{
	for (const struct network_endpoint *e = ns->endpoints; e; e = e->next)
		if (e->network == n && e->ip.s_addr == a.s_addr)
			return true;
	return false;
}

static int take_address(
	struct networks *ns, struct network_endpoint *e, const char *wanted, struct network_error *err)
{
	struct network *n = e->network;
	struct in_addr a;
	int r;

	if (!wanted || !*wanted) {
		r = network_ipam_any(n, &e->ip);
		return r < 0 ? network_fail(err, r,
				       "no available IPv4 addresses on this network's address pools: %s (%s)",
				       n->name, n->id)
			     : 0;
	}
	if (inet_pton(AF_INET, wanted, &a) != 1)
		return network_fail(err, -EINVAL, "invalid IPv4 address: %s", wanted);
	r = address_used(ns, n, a) ? -EADDRINUSE : network_ipam_take(n, a);
	if (r == -EADDRINUSE)
		return network_fail(
			err, r, "Address already in use: %s is taken in network %s", wanted, n->name);
	if (r < 0)
		return network_fail(err, r,
			"invalid address %s: it does not belong to network %s or is not for containers",
			wanted, n->name);
	e->ip = a;
	return 0;
}

static int copy_request(struct network_endpoint *e, const struct network_attach *a, struct network_error *err)
{
	if (a->n_ports > NETWORK_PORTS_MAX || a->n_aliases > NETWORK_ALIASES_MAX)
		return network_fail(err, -EINVAL,
			"container %s: more than %d ports or %d aliases in a network", a->name,
			NETWORK_PORTS_MAX, NETWORK_ALIASES_MAX);
	if (strlen(a->container) > NETWORK_ID_LEN || strlen(a->name) > NETWORK_NAME_MAX)
		return network_fail(err, -EINVAL, "container name %.64s is too long", a->name);
	snprintf(e->container, sizeof(e->container), "%s", a->container);
	snprintf(e->name, sizeof(e->name), "%s", a->name);
	e->ports = calloc(a->n_ports + 1, sizeof(*e->ports));
	e->aliases = calloc(a->n_aliases + 1, sizeof(*e->aliases));
	if (!e->ports || !e->aliases)
		return network_fail(err, -ENOMEM, "container %s: out of memory", a->name);
	for (; e->n_ports < a->n_ports; e->n_ports++) {
		struct network_port *p = &e->ports[e->n_ports];

		*p = a->ports[e->n_ports];
		p->held = -1;
		if (!p->container_port || (p->proto != IPPROTO_TCP && p->proto != IPPROTO_UDP))
			return network_fail(err, -EINVAL,
				"container %s: only TCP and UDP ports from 1 to 65535 can be published",
				a->name);
	}
	for (; e->n_aliases < a->n_aliases; e->n_aliases++) {
		e->aliases[e->n_aliases] = strdup(a->aliases[e->n_aliases]);
		if (!e->aliases[e->n_aliases])
			return network_fail(err, -ENOMEM, "container %s: out of memory", a->name);
	}
	return 0;
}

/* Devices, ports and rules of an endpoint; what was done before a failure is undone by release(). */
static int build(struct networks *ns, struct network_endpoint *e, const struct network_attach *a,
	struct network_error *err)
{
	int r = take_address(ns, e, a->ip, err);

	if (r < 0)
		return r;
	e->prefix = e->network->prefix;
	e->gateway = e->network->gateway;
	if (a->mac) {
		memcpy(e->mac, a->mac, sizeof(e->mac));
	} else {
		e->mac[0] = 0x02;
		e->mac[1] = 0x42;
		memcpy(e->mac + 2, &e->ip.s_addr, 4);
	}
	r = network_ports_hold(ns, e, err);
	if (r < 0)
		return r;
	snprintf(e->peer, sizeof(e->peer), "veth%.8s", e->id);
	r = network_veth_up(ns, e, a->netns, err);
	if (r < 0)
		return r;
	r = network_dns_join(ns, e, a->netns);
	if (r < 0)
		return network_fail(err, r, "container %s: cannot serve names in network %s: %s", a->name,
			e->network->name, strerror(-r));
	r = network_rules_publish(ns, e);
	return r < 0 ? network_fail(
			       err, r, "container %s: cannot publish its ports: %s", a->name, strerror(-r))
		     : 0;
}

/* Takes away what is there; what is not is fine. The memory is the caller's. */
static void release(struct networks *ns, struct network_endpoint *e)
{
	network_endpoint_forget(ns, e);
	if (!on_a_bridge(e))
		return;
	network_rules_unpublish(ns, e);
	network_veth_down(ns, e);
	network_ports_drop(e);
	network_dns_leave(ns, e->container);
	if (e->ip.s_addr) {
		network_conntrack_forget(ns, e->ip);
		network_ipam_release(e->network, e->ip);
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
	if (!on_a_bridge(e))
		e->n_ports = 0; /* nothing to translate: the host network has the node's ports, none has no
				   way in */
	else
		r = build(ns, e, a, err);
	if (!r) {
		r = network_endpoint_save(ns, e);
		if (r < 0)
			network_fail(err, r, "container %s: its endpoint cannot be saved: %s", a->name,
				strerror(-r));
	}
	if (r < 0) {
		release(ns, e);
		return r;
	}
	e->next = ns->endpoints;
	ns->endpoints = e;
	*out = e;
	take(e);
	return 0;
}

void network_detach(struct networks *ns, struct network_endpoint *e)
{
	for (struct network_endpoint **p = &ns->endpoints; *p; p = &(*p)->next)
		if (*p == e) {
			*p = e->next;
			break;
		}
	release(ns, e);
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
		if (!on_a_bridge(e))
			continue;
		network_ports_resume(e);
		/* Logged there; the container runs on without names. */
		(void)!network_dns_join(ns, e, fd);
		if (link_get(&ns->route, e->peer, &l) < 0)
			log_warn(
				"container=%.12s network=%s if=%s msg=\"its device is gone; reconnect it to the network\"",
				e->container, e->network->name, e->peer);
	}
	return 0;
}

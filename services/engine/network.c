/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Docker networks: the verbs. State is in three places that must agree: files (network_file.c), devices
 * (network_bridge.c) and rules (network_rules.c). Every verb goes files last when it adds and first-come when
 * it takes away, each step can be repeated, and the undoing of half an attachment is the detachment of it.
 */

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>

#include "engine/network_int.h"
#include "lib/errno_text.h"
#include "lib/dns_ask.h"
#include "lib/fault.h"
#include "lib/log.h"
#include "lib/netns.h"

enum { NETWORKS_MAX = 512 };

int network_fail(struct network_error *err, int r, const char *fmt, ...)
{
	va_list ap;

	if (err) {
		va_start(ap, fmt);
		vsnprintf(err->text, sizeof(err->text), fmt, ap);
		va_end(ap);
	}
	return r;
}

void network_random_id(char out[NETWORK_ID_LEN + 1])
{
	uint8_t raw[NETWORK_ID_LEN / 2];

	/* Up to 256 bytes come whole, and after boot it does not wait. */
	if (getrandom(raw, sizeof(raw), 0) != (ssize_t)sizeof(raw))
		abort();
	for (size_t i = 0; i < sizeof(raw); i++)
		snprintf(out + 2 * i, 3, "%02x", raw[i]);
}

static void free_pairs(struct network_pair *p, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		free(p[i].key);
		free(p[i].value);
	}
	free(p);
}

void network_free(struct network *n)
{
	if (!n)
		return;
	free_pairs(n->labels, n->n_labels);
	free_pairs(n->options, n->n_options);
	for (size_t i = 0; i < array_len(n->pools); i++) {
		free_pairs(n->pools[i].aux, n->pools[i].n_aux);
		free(n->pools[i].ipam);
	}
	for (size_t i = 0; i < n->n_unused; i++)
		free_pairs(n->unused[i].aux, n->unused[i].n_aux);
	free(n);
}

static void free_texts(char **texts, size_t n)
{
	for (size_t i = 0; i < n; i++)
		free(texts[i]);
	free(texts);
}

void network_endpoint_free(struct network_endpoint *e)
{
	if (!e)
		return;
	network_ports_drop(e->ports, e->n_ports);
	free_texts(e->aliases, e->n_aliases);
	free_texts(e->links, e->n_links);
	free(e->ports);
	free(e);
}

int network_pairs_copy(struct network_pair **out, size_t *n_out, const struct network_pair *in, size_t n)
{
	if (!n)
		return 0;
	*out = calloc(n, sizeof(**out));
	if (!*out)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++) {
		(*out)[i].key = strdup(in[i].key);
		(*out)[i].value = strdup(in[i].value);
		*n_out = i + 1;
		if (!(*out)[i].key || !(*out)[i].value)
			return -ENOMEM;
	}
	return 0;
}

/* ---- looking up */

struct network *networks_first(struct networks *ns)
{
	return ns->list;
}

struct network_endpoint *networks_endpoints(struct networks *ns)
{
	return ns->endpoints;
}

int networks_find_whole(
	struct networks *ns, const char *name, struct network **out, struct network_error *err)
{
	for (struct network *n = ns->list; n; n = n->next)
		if (!strcmp(n->name, name) || !strcmp(n->id, name)) {
			*out = n;
			return 0;
		}
	return network_fail(err, -ENOENT, "network %s not found", name);
}

int networks_find(struct networks *ns, const char *name, struct network **out, struct network_error *err)
{
	struct network *found = NULL;
	int r = networks_find_whole(ns, name, out, err);

	if (!r)
		return 0;
	for (struct network *n = ns->list; n && *name; n = n->next) {
		if (strncmp(n->id, name, strlen(name)) != 0)
			continue;
		if (found)
			return network_fail(
				err, -EINVAL, "network %s is ambiguous (2 matches found on ID prefix)", name);
		found = n;
	}
	if (!found)
		return r;
	*out = found;
	return 0;
}

struct network_endpoint *network_endpoint_of(
	struct networks *ns, const char *container, const struct network *n)
{
	struct network_endpoint *found = NULL;

	for (struct network_endpoint *e = ns->endpoints; e; e = e->next) {
		if (strcmp(e->container, container) != 0 || (n && e->network != n))
			continue;
		if (!found || e->rank < found->rank)
			found = e;
	}
	return found;
}

/* ---- creating and deleting */

/* As in Docker nearly any: files and devices are called by the ID. What is logged stays one line, though. */
static bool name_valid(const char *s)
{
	bool blank = true;

	if (strlen(s) > NETWORK_NAME_MAX)
		return false;
	for (; *s; s++) {
		if ((unsigned char)*s < ' ' || *s == 0x7f)
			return false;
		blank = blank && *s == ' ';
	}
	return !blank;
}

/* What a container's NetworkMode says without a network of that name. */
static bool name_predefined(const char *s)
{
	static const char *const modes[] = {"bridge", "host", "none", "default"};

	for (size_t i = 0; i < array_len(modes); i++)
		if (!strcmp(s, modes[i]))
			return true;
	return !strncmp(s, "container:", 10);
}

static void append(struct networks *ns, struct network *n)
{
	struct network **p = &ns->list;

	while (*p)
		p = &(*p)->next;
	*p = n;
}

static void unlink_network(struct networks *ns, struct network *n)
{
	struct network **p = &ns->list;

	while (*p && *p != n)
		p = &(*p)->next;
	if (*p)
		*p = n->next;
}

/* The bridge, or the device that macvlan and ipvlan share. */
static int name_device(struct networks *ns, struct network *n, struct network_error *err)
{
	/* Only this node's own containers meet there: a device of its own, with nothing behind it. */
	if (n->driver != NETWORK_BRIDGE && (!n->bridge[0] || n->internal)) {
		if (n->bridge[0])
			return network_fail(err, -EINVAL,
				"network %s: an internal network of the driver %s has no parent device",
				n->name, network_driver_name(n->driver));
		n->own_parent = true;
		snprintf(n->bridge, sizeof(n->bridge), "dm-%.12s", n->id);
	} else if (!n->bridge[0]) {
		snprintf(n->bridge, sizeof(n->bridge), "br-%.12s", n->id);
	} else if (n->driver != NETWORK_BRIDGE) {
		n->own_parent = network_parent_is_vlan(ns, n);
	}
	for (const struct network *w = ns->list; w; w = w->next)
		if (!strcmp(w->bridge, n->bridge) &&
			(n->driver == NETWORK_BRIDGE || w->driver == NETWORK_BRIDGE ||
				w->driver != n->driver))
			return network_fail(
				err, -EPERM, "network %s already has the device %s", w->name, n->bridge);
	return 0;
}

/* A network of any driver, linked in and saved; devices and rules are the caller's. */
static int add_network(struct networks *ns, enum network_driver driver, const struct network_config *c,
	const char *bridge, struct network **out, struct network_error *err)
{
	cleanup(network_freep) struct network *n = calloc(1, sizeof(*n));
	struct timespec now;
	int r;

	if (!n)
		return network_fail(err, -ENOMEM, "network %s: out of memory", c->name);
	clock_gettime(CLOCK_REALTIME, &now);
	n->created_ns = (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
	network_random_id(n->id);
	snprintf(n->name, sizeof(n->name), "%s", c->name);
	n->driver = driver;
	n->internal = c->internal;
	n->attachable = c->attachable;
	n->ipv4 = !c->no_ipv4;
	n->ipv6 = c->ipv6;
	network_defaults(n);
	if (bridge)
		snprintf(n->bridge, sizeof(n->bridge), "%s", bridge);
	for (size_t i = 0; i < c->n_options; i++) {
		r = network_option_apply(n, &c->options[i], err);
		if (r < 0)
			return r;
	}
	if (!n->internal &&
		(n->mode[NETWORK_V4] == NETWORK_ISOLATED || n->mode[NETWORK_V6] == NETWORK_ISOLATED))
		return network_fail(err, -EINVAL,
			"network %s: gateway mode 'isolated' can only be used for an internal network",
			n->name);
	r = network_has_link(n) ? name_device(ns, n, err) : 0;
	if (!r && network_has_link(n))
		r = network_pools_choose(ns, n, c, err);
	if (r < 0)
		return r;
	if (network_pairs_copy(&n->labels, &n->n_labels, c->labels, c->n_labels) < 0 ||
		network_pairs_copy(&n->options, &n->n_options, c->options, c->n_options) < 0)
		return network_fail(err, -ENOMEM, "network %s: out of memory", c->name);
	r = network_save(ns, n);
	if (r < 0)
		return network_fail(err, r, "network %s: cannot be saved: %s", c->name, errno_text(-r));
	append(ns, n);
	*out = take(n);
	return 0;
}

const char *network_driver_name(enum network_driver d)
{
	static const char *const names[] = {[NETWORK_BRIDGE] = "bridge",
		[NETWORK_HOST] = "host",
		[NETWORK_NONE] = "null",
		[NETWORK_MACVLAN] = "macvlan",
		[NETWORK_IPVLAN] = "ipvlan"};

	return names[d];
}

/* Of a network to be made. */
static int driver_of(const char *name, enum network_driver *out)
{
	if (!name || !*name || !strcmp(name, "default"))
		return 0;
	for (enum network_driver d = NETWORK_BRIDGE; d <= NETWORK_IPVLAN; d++)
		if (!strcmp(network_driver_name(d), name)) {
			*out = d;
			return d == NETWORK_HOST || d == NETWORK_NONE ? -EPERM : 0;
		}
	return -ENOENT;
}

int network_create(
	struct networks *ns, const struct network_config *c, struct network **out, struct network_error *err)
{
	enum network_driver driver = NETWORK_BRIDGE;
	struct network *n;
	size_t count = 0;
	int r;

	if (!name_valid(c->name))
		return network_fail(err, -EINVAL,
			"invalid network name \"%.64s\": 1 to %d bytes that can be printed are needed",
			c->name, NETWORK_NAME_MAX);
	if (name_predefined(c->name))
		return network_fail(
			err, -EPERM, "operation is not permitted on predefined %s network ", c->name);
	r = driver_of(c->driver, &driver);
	if (r < 0)
		return network_fail(err, r,
			"network driver %s cannot make networks here: bridge, macvlan and ipvlan can",
			c->driver);
	/* An interface beside the node's can do without; a bridge is there for its addresses. */
	if (driver == NETWORK_BRIDGE && c->no_ipv4 && !c->ipv6)
		return network_fail(err, -EINVAL, "network %s: neither IPv4 nor IPv6 is enabled", c->name);
	for (n = ns->list; n; n = n->next) {
		if (!strcmp(n->name, c->name))
			return network_fail(err, -EEXIST, "network with name %s already exists", c->name);
		count++;
	}
	if (count >= NETWORKS_MAX)
		return network_fail(
			err, -ENOSPC, "there are %zu networks already, more are not supported", count);
	r = add_network(ns, driver, c, NULL, &n, err);
	if (r < 0)
		return r;
	fault_point("network-saved");
	r = network_device_up(ns, n, err);
	fault_point("network-device");
	if (!r) {
		r = network_rules_add(ns, n);
		if (r < 0)
			network_fail(err, r, "network %s: cannot add its rules: %s", c->name, errno_text(-r));
	}
	if (r < 0) {
		network_device_down(ns, n);
		network_forget(ns, n);
		unlink_network(ns, n);
		network_free(n);
		return r;
	}
	log_info("network=%s id=%.12s bridge=%s event=create", n->name, n->id, n->bridge);
	*out = n;
	return 0;
}

static bool predefined(const struct network *n)
{
	return !strcmp(n->name, "bridge") || !network_has_link(n);
}

int network_delete(struct networks *ns, struct network *n, struct network_error *err)
{
	if (predefined(n))
		return network_fail(
			err, -EPERM, "%s is a pre-defined network and cannot be removed", n->name);
	for (const struct network_endpoint *e = ns->endpoints; e; e = e->next)
		if (e->network == n)
			return network_fail(err, -EBUSY,
				"error while removing network: network %s id %s has active endpoints",
				n->name, n->id);
	/* The file first: what is left of a network without one is swept by the next start. */
	network_forget(ns, n);
	fault_point("network-forgotten");
	network_rules_remove(ns, n);
	network_device_down(ns, n);
	log_info("network=%s id=%.12s event=delete", n->name, n->id);
	unlink_network(ns, n);
	network_free(n);
	return 0;
}

/* ---- opening */

static int make_dir(const char *path, int *out)
{
	char copy[256];

	if ((size_t)snprintf(copy, sizeof(copy), "%s", path) >= sizeof(copy))
		return log_errno(ENAMETOOLONG, "op=mkdir path=%s", path);
	for (char *p = copy + 1; *p; p++)
		if (*p == '/') {
			*p = '\0';
			if (mkdir(copy, 0711) < 0 && errno != EEXIST)
				return log_errno(errno, "op=mkdir path=%s", copy);
			*p = '/';
		}
	if (mkdir(copy, 0700) < 0 && errno != EEXIST)
		return log_errno(errno, "op=mkdir path=%s", copy);
	*out = open(copy, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return *out < 0 ? log_errno(errno, "op=open path=%s", copy) : 0;
}

static int add_predefined(
	struct networks *ns, const char *name, enum network_driver driver, const char *bridge)
{
	const struct network_config c = {.name = name};
	struct network_error err = {};
	struct network *n;
	int r;

	for (n = ns->list; n; n = n->next)
		if (!strcmp(n->name, name))
			return 0;
	r = add_network(ns, driver, &c, bridge, &n, &err);
	return r < 0 ? log_errno(-r, "network=%s op=make msg=\"%s\"", name, err.text) : 0;
}

static void node_settings(void)
{
	static const char *const bridge_settings[] = {"/proc/sys/net/bridge/bridge-nf-call-iptables",
		"/proc/sys/net/bridge/bridge-nf-call-ip6tables"};

	/* Packets pass between bridges and the outside only when the node forwards; the forward chain says
	 * which. */
	int r = netns_sysctl(-1, "/proc/sys/net/ipv4/ip_forward", "1");

	if (r < 0)
		log_errno(-r, "op=ip-forward msg=\"containers have no way out\"");
	/* Kernels with br_netfilter would show us traffic within a bridge as if it were routed. Ours have
	 * none. */
	for (size_t i = 0; i < array_len(bridge_settings); i++) {
		r = netns_sysctl(-1, bridge_settings[i], "0");
		if (r < 0 && r != -ENOENT)
			log_errno(-r, "op=sysctl path=%s", bridge_settings[i]);
	}
}

static int bring_in_line(struct networks *ns)
{
	int r;

	if ((r = netlink_open(&ns->route, NETLINK_ROUTE, -1)) < 0 ||
		(r = netlink_open(&ns->filter, NETLINK_NETFILTER, -1)) < 0)
		return log_errno(-r, "op=netlink");
	if ((r = network_load_all(ns)) < 0 ||
		(r = add_predefined(ns, "bridge", NETWORK_BRIDGE, "docker0")) < 0 ||
		(r = add_predefined(ns, "host", NETWORK_HOST, NULL)) < 0 ||
		(r = add_predefined(ns, "none", NETWORK_NONE, NULL)) < 0 ||
		(r = network_endpoint_load_all(ns)) < 0)
		return r;
	node_settings();
	network_sweep(ns);
	/* The rules before the devices: no moment in which a bridge stands open. */
	r = network_rules_install(ns);
	if (r < 0)
		return r == -EPROTONOSUPPORT || r == -EINVAL ? -EOPNOTSUPP : r;
	for (const struct network *n = ns->list; n; n = n->next)
		/* One bridge that cannot be made, logged, is no reason to have none. */
		(void)!network_device_up(ns, n, NULL);
	return 0;
}

int networks_open(struct networks **out, struct loop *loop, const char *dir, const char *run)
{
	struct networks *ns = calloc(1, sizeof(*ns));
	int r;

	if (!ns)
		return log_errno(ENOMEM, "op=networks");
	ns->loop = loop;
	ns->dir = ns->run = -1;
	ns->route = ns->filter = NETLINK_CLOSED;
	ns->host_resolv = "/run/resolv.conf";
	r = dns_asker_new(&ns->asker, loop);
	if (!r)
		r = make_dir(dir, &ns->dir);
	if (!r)
		r = make_dir(run, &ns->run);
	if (!r)
		r = bring_in_line(ns);
	if (r < 0) {
		networks_close(ns);
		return r;
	}
	*out = ns;
	return 0;
}

void networks_close(struct networks *ns)
{
	if (!ns)
		return;
	network_dns_close(ns);
	dns_asker_free(ns->asker);
	while (ns->endpoints) {
		struct network_endpoint *e = ns->endpoints;

		ns->endpoints = e->next;
		network_endpoint_free(e);
	}
	while (ns->list) {
		struct network *n = ns->list;

		ns->list = n->next;
		network_free(n);
	}
	netlink_close(&ns->route);
	netlink_close(&ns->filter);
	closep(&ns->dir);
	closep(&ns->run);
	free(ns);
}

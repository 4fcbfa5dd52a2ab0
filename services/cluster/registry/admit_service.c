/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Addresses and node ports of Services. What is stored is claimed by an informer; a write that is on its way claims from its
 * check until it is settled. So two creations at once never get one address, and a write that fails leaves nothing behind. An
 * IPAddress that is no Service's claims its address, too. A node's address is given to no Service; one that had it before keeps it.
 */

#include <errno.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "cluster/registry/admission.h"
#include "cluster/registry/chance.h"
#include "cluster/registry/claims.h"
#include "cluster/registry/node_addresses.h"
#include "cluster/registry/registry_int.h"
#include "cluster/registry/service_ranges.h"
#include "cluster/registry/services.h"
#include "cluster/schema/meta.h"
#include "lib/json.h"
#include "lib/kube_names.h"
#include "lib/log.h"

enum { PORTS_MAX = 128, CLAIMS_MAX = PORTS_MAX + 8 };

struct services {
	struct claims *addresses, *ports;
	struct service_ranges *ranges;
	struct node_addresses *nodes;
	struct informer informer, others; /* of Services, of IPAddresses */
	int port_min, port_max;
};

/* ---- what a Service holds */

struct held {
	bool is_port;
	char text[INET6_ADDRSTRLEN];
};

static void hold(struct held *h, size_t *n, bool is_port, const char *text)
{
	if (*n < CLAIMS_MAX && text && *text && strcmp(text, "None") != 0) {
		h[*n].is_port = is_port;
		snprintf(h[(*n)++].text, sizeof(h->text), "%s", text);
	}
}

static void hold_port(struct held *h, size_t *n, int64_t port)
{
	char text[24];

	snprintf(text, sizeof(text), "%" PRId64, port);
	if (port > 0)
		hold(h, n, true, text);
}

static size_t holds(yyjson_mut_val *root, struct held h[CLAIMS_MAX])
{
	yyjson_mut_val *spec = yyjson_mut_obj_get(root, "spec"), *v;
	yyjson_mut_val *addresses = yyjson_mut_obj_get(spec, "clusterIPs");
	size_t i, max, n = 0;

	if (!yyjson_mut_arr_size(addresses))
		hold(h, &n, false, yyjson_mut_get_str(yyjson_mut_obj_get(spec, "clusterIP")));
	yyjson_mut_arr_foreach(addresses, i, max, v) hold(h, &n, false, yyjson_mut_get_str(v));
	yyjson_mut_arr_foreach(yyjson_mut_obj_get(spec, "ports"), i, max, v)
		hold_port(h, &n, yyjson_mut_get_sint(yyjson_mut_obj_get(v, "nodePort")));
	hold_port(h, &n, yyjson_mut_get_sint(yyjson_mut_obj_get(spec, "healthCheckNodePort")));
	return n;
}

static struct claims *of(const struct services *s, const struct held *h)
{
	return h->is_port ? s->ports : s->addresses;
}

static void on_service(
	struct informer *i, enum event_type type, const struct object *old, const struct object *now)
{
	struct services *s = container_of(i, struct services, informer);
	struct held h[CLAIMS_MAX];
	yyjson_mut_doc *doc;
	size_t n;

	/* First the new, so that what stays is never free in between. */
	if (type != EVENT_DELETED) {
		doc = object_mut_doc(now);
		n = holds(yyjson_mut_doc_get_root(doc), h);
		for (size_t k = 0; k < n; k++)
			if (claims_take(of(s, &h[k]), h[k].text, now->key))
				log_warn("registry service=%s/%s claim=%s msg=\"another service has it too\"",
					now->ns, now->name, h[k].text);
		yyjson_mut_doc_free(doc);
	}
	if (old || type == EVENT_DELETED) {
		doc = object_mut_doc(old ? old : now);
		n = holds(yyjson_mut_doc_get_root(doc), h);
		for (size_t k = 0; k < n; k++)
			claims_give(of(s, &h[k]), h[k].text, now->key);
		yyjson_mut_doc_free(doc);
	}
}

/* What a Service has already is claimed already. */
static void on_address(
	struct informer *i, enum event_type type, const struct object *old, const struct object *now)
{
	struct services *s = container_of(i, struct services, others);

	if (type == EVENT_DELETED)
		claims_give(s->addresses, now->name, now->key);
	else if (type == EVENT_ADDED && claims_take(s->addresses, now->name, now->key) == -ENOMEM)
		log_errno(ENOMEM, "registry ipaddress=%s msg=\"a service may get it too\"", now->name);
}

int services_open(struct services **out, struct registry *r)
{
	struct services *s = calloc(1, sizeof(*s));
	int err;

	if (!s)
		return -ENOMEM;
	s->port_min = r->opts.node_port_min ? r->opts.node_port_min : 30000;
	s->port_max = r->opts.node_port_max ? r->opts.node_port_max : 32767;
	err = service_ranges_open(
		&s->ranges, r, r->opts.service_cidr ? r->opts.service_cidr : KUBE_SERVICE_CIDR);
	if (!err)
		err = node_addresses_open(&s->nodes, r);
	if (!err)
		err = claims_new(&s->addresses);
	if (!err)
		err = claims_new(&s->ports);
	if (err) {
		services_close(s);
		return err;
	}
	s->informer = (struct informer){.kind = schema_find("", "v1", "services"), .event = on_service};
	registry_inform(r, &s->informer);
	s->others = (struct informer){
		.kind = schema_find("networking.k8s.io", "v1", "ipaddresses"), .event = on_address};
	registry_inform(r, &s->others);
	*out = s;
	return 0;
}

void services_close(struct services *s)
{
	if (!s)
		return;
	registry_uninform(&s->informer);
	registry_uninform(&s->others);
	service_ranges_close(s->ranges);
	node_addresses_close(s->nodes);
	claims_free(s->addresses);
	claims_free(s->ports);
	free(s);
}

/* ---- choosing */

static int free_port(const struct services *s, const int64_t *taken, size_t n_taken)
{
	int size = s->port_max - s->port_min + 1, from = (int)chance((uint32_t)size);

	for (int i = 0; i < size; i++) {
		int port = s->port_min + (from + i) % size;
		char text[16];
		bool ours = false;

		for (size_t k = 0; k < n_taken; k++)
			ours |= taken[k] == port;
		snprintf(text, sizeof(text), "%d", port);
		if (!ours && !claims_holder(s->ports, text))
			return port;
	}
	return 0;
}

/* ---- changing */

static struct status *no_memory(void)
{
	return status_errno(-ENOMEM, "service");
}

static const char *text_of(yyjson_mut_val *spec, const char *key)
{
	const char *s = yyjson_mut_get_str(yyjson_mut_obj_get(spec, key));

	return s ? s : "";
}

static struct status *invalid(
	const struct attempt *a, const char *path, yyjson_mut_val *value, const char *why)
{
	struct field_errors e = {0};
	struct status *s;

	field_error(&e, FIELD_INVALID, path, value, "%s", why);
	s = field_errors_status(&e, a->kind, a->name);
	field_errors_fini(&e);
	return s;
}

static bool set_address(struct attempt *a, yyjson_mut_val *spec, const char *text)
{
	yyjson_mut_val *list;

	if (!meta_put(a->doc, spec, "clusterIP", yyjson_mut_strcpy(a->doc, text)))
		return false;
	list = yyjson_mut_arr(a->doc);
	return list && yyjson_mut_arr_add_strcpy(a->doc, list, text) &&
	       meta_put(a->doc, spec, "clusterIPs", list);
}

static bool set_families(struct attempt *a, yyjson_mut_val *spec)
{
	yyjson_mut_val *list;

	if (!*text_of(spec, "ipFamilyPolicy") &&
		!meta_put(a->doc, spec, "ipFamilyPolicy", yyjson_mut_str(a->doc, "SingleStack")))
		return false;
	if (yyjson_mut_arr_size(yyjson_mut_obj_get(spec, "ipFamilies")))
		return true;
	list = yyjson_mut_arr(a->doc);
	return list && yyjson_mut_arr_add_str(a->doc, list, "IPv4") &&
	       meta_put(a->doc, spec, "ipFamilies", list);
}

static struct status *address(
	struct attempt *a, struct services *s, yyjson_mut_val *spec, yyjson_mut_val *was)
{
	yyjson_mut_val *list = yyjson_mut_obj_get(spec, "clusterIPs");
	const char *said = text_of(spec, "clusterIP"), *before = text_of(was, "clusterIP");
	char text[IPADDR_TEXT_MAX];

	if (!*said && yyjson_mut_arr_size(list))
		said = yyjson_mut_get_str(yyjson_mut_arr_get_first(list));
	if (!said || !*said)
		said = before;
	if (!*said) {
		if (!service_ranges_free(s->ranges, s->addresses, s->nodes, chance(UINT32_MAX), text))
			return status_internal(
				"no address of a service range is free: another ServiceCIDR would have some");
		said = text;
	}
	/* A second family of a Service that has one already is the client's to keep. */
	if (yyjson_mut_arr_size(list) < 2 && !set_address(a, spec, said))
		return no_memory();
	return set_families(a, spec) ? NULL : no_memory();
}

static int64_t port_before(yyjson_mut_val *was, yyjson_mut_val *port)
{
	size_t i, max;
	yyjson_mut_val *p;

	yyjson_mut_arr_foreach(yyjson_mut_obj_get(was, "ports"), i, max,
		p) if (yyjson_mut_get_sint(yyjson_mut_obj_get(p, "port")) ==
			       yyjson_mut_get_sint(yyjson_mut_obj_get(port, "port")) &&
		       !strcmp(text_of(p, "protocol"),
			       text_of(port, "protocol"))) return yyjson_mut_get_sint(yyjson_mut_obj_get(p,
		"nodePort"));
	return 0;
}

static struct status *ports(struct attempt *a, struct services *s, yyjson_mut_val *spec, yyjson_mut_val *was)
{
	int64_t taken[PORTS_MAX];
	size_t i, max, n = 0;
	yyjson_mut_val *p;

	yyjson_mut_arr_foreach(yyjson_mut_obj_get(spec, "ports"), i, max, p)
	{
		int64_t port = yyjson_mut_get_sint(yyjson_mut_obj_get(p, "nodePort"));

		if (port && n < PORTS_MAX)
			taken[n++] = port;
	}
	yyjson_mut_arr_foreach(yyjson_mut_obj_get(spec, "ports"), i, max, p)
	{
		int64_t port = yyjson_mut_get_sint(yyjson_mut_obj_get(p, "nodePort"));

		if (port || n == PORTS_MAX)
			continue;
		port = port_before(was, p);
		if (!port)
			port = free_port(s, taken, n);
		if (!port)
			return status_internal("no node port is free");
		taken[n++] = port;
		if (!meta_put(a->doc, p, "nodePort", yyjson_mut_sint(a->doc, port)))
			return no_memory();
	}
	return NULL;
}

static void drop_ports(yyjson_mut_val *spec, yyjson_mut_val *was)
{
	size_t i, max;
	yyjson_mut_val *p;

	yyjson_mut_arr_foreach(yyjson_mut_obj_get(spec, "ports"), i, max,
		p) if (yyjson_mut_get_sint(yyjson_mut_obj_get(p, "nodePort")) == port_before(was, p))
		yyjson_mut_obj_remove_key(p, "nodePort");
	yyjson_mut_obj_remove_key(spec, "healthCheckNodePort");
}

static bool wants_ports(yyjson_mut_val *spec)
{
	const char *type = text_of(spec, "type");

	return !strcmp(type, "NodePort") ||
	       (!strcmp(type, "LoadBalancer") &&
		       !yyjson_mut_is_false(yyjson_mut_obj_get(spec, "allocateLoadBalancerNodePorts")));
}

static struct status *assign_spec(struct attempt *a, yyjson_mut_val *spec, yyjson_mut_val *was)
{
	struct services *s = a->registry->services;
	struct status *err = NULL;

	if (!strcmp(text_of(spec, "type"), "ExternalName")) {
		if (was && strcmp(text_of(was, "type"), "ExternalName") != 0) {
			yyjson_mut_obj_remove_key(spec, "clusterIP");
			yyjson_mut_obj_remove_key(spec, "clusterIPs");
			drop_ports(spec, was);
		}
		return NULL;
	}
	err = address(a, s, spec, was);
	if (err)
		return err;
	if (wants_ports(spec)) {
		err = ports(a, s, spec, was);
	} else if (was && wants_ports(was)) {
		drop_ports(spec, was);
	}
	if (err || strcmp(text_of(spec, "type"), "LoadBalancer") != 0 ||
		strcmp(text_of(spec, "externalTrafficPolicy"), "Local") != 0 ||
		yyjson_mut_get_sint(yyjson_mut_obj_get(spec, "healthCheckNodePort")))
		return err;

	int64_t port = yyjson_mut_get_sint(yyjson_mut_obj_get(was, "healthCheckNodePort"));

	if (!port)
		port = free_port(s, NULL, 0);
	return port && meta_put(a->doc, spec, "healthCheckNodePort", yyjson_mut_sint(a->doc, port))
		       ? NULL
		       : no_memory();
}

static struct status *assign(struct attempt *a)
{
	yyjson_mut_val *spec = yyjson_mut_obj_get(a->root, "spec");
	yyjson_mut_doc *old = NULL;
	struct status *err;

	if (!attempt_is(a, "", "Service") || *a->subresource || !spec)
		return NULL;
	if (a->old) {
		old = object_mut_doc(a->old);
		if (!old)
			return no_memory();
	}
	err = assign_spec(a, spec, yyjson_mut_obj_get(yyjson_mut_doc_get_root(old), "spec"));
	yyjson_mut_doc_free(old);
	return err;
}

/* ---- claiming */

static bool concerns(const struct attempt *a)
{
	return attempt_is(a, "", "Service") && !*a->subresource && a->verb != ADMIT_DELETE && a->root;
}

static void who_of(const struct attempt *a, char *who, size_t size)
{
	snprintf(who, size, "services/%s/%s", a->ns, a->name);
}

/* 0, -ERANGE, or -EADDRINUSE: a node has it. */
static int can_be_had(const struct services *s, const struct held *h)
{
	long port = h->is_port ? strtol(h->text, NULL, 10) : 0;

	if (h->is_port)
		return port >= s->port_min && port <= s->port_max ? 0 : -ERANGE;
	if (!service_ranges_have(s->ranges, h->text))
		return -ERANGE;
	return node_addresses_have(s->nodes, h->text) ? -EADDRINUSE : 0;
}

static struct status *refused(const struct attempt *a, const struct held *h, int reason)
{
	yyjson_mut_val *value;
	bool busy = reason == -EBUSY;
	char why[128];

	if (h->is_port) {
		const struct services *s = a->registry->services;

		snprintf(why, sizeof(why),
			"provided port is not in the valid range. The range of valid ports is %d-%d",
			s->port_min, s->port_max);
		value = yyjson_mut_sint(a->doc, strtol(h->text, NULL, 10));
		return invalid(a, "spec.ports[0].nodePort", value,
			busy ? "provided port is already allocated" : why);
	}
	value = yyjson_mut_strcpy(a->doc, h->text);
	snprintf(why, sizeof(why), "failed to allocate IP %s: %s", h->text,
		busy			? "provided IP is already allocated"
		: reason == -EADDRINUSE ? "the provided IP is an address of a node"
					: "the provided IP is not in a range of the cluster's ServiceCIDRs");
	return invalid(a, "spec.clusterIPs", value, why);
}

static struct status *check(const struct attempt *a)
{
	struct services *s = a->registry->services;
	struct held h[CLAIMS_MAX];
	char who[STORE_KEY_MAX];
	size_t n, taken = 0;
	struct status *err = NULL;

	if (!concerns(a))
		return NULL;
	who_of(a, who, sizeof(who));
	n = holds(a->root, h);
	for (; taken < n; taken++) {
		struct claims *c = of(s, &h[taken]);
		const char *holder = claims_holder(c, h[taken].text);
		bool ours = holder && !strcmp(holder, who);
		int r = ours ? 0 : can_be_had(s, &h[taken]);

		if (!r)
			r = claims_take(c, h[taken].text, who);
		if (r) {
			err = r == -ENOMEM ? no_memory() : refused(a, &h[taken], r);
			break;
		}
	}
	while (err && taken)
		taken--, claims_give(of(s, &h[taken]), h[taken].text, who);
	return err;
}

static void settled(const struct attempt *a, bool written)
{
	struct held h[CLAIMS_MAX];
	char who[STORE_KEY_MAX];
	size_t n;

	if (!concerns(a))
		return;
	/* Written or not: what is stored has been claimed by the informer. */
	who_of(a, who, sizeof(who));
	n = holds(a->root, h);
	for (size_t i = 0; i < n; i++)
		claims_give(of(a->registry->services, &h[i]), h[i].text, who);
}

/* ---- who asks what is claimed */

static const char services_prefix[] = "services/";

/* Of the key of a claim; NULL: it is no Service's, or of one that is on its way. */
static const struct object *service_of(const struct registry *r, const char *who)
{
	const char *name = strrchr(who, '/');
	char ns[64];

	if (strncmp(who, services_prefix, strlen(services_prefix)) != 0)
		return NULL;
	who += strlen(services_prefix);
	snprintf(ns, sizeof(ns), "%.*s", (int)(name - who), who);
	return registry_get(r, schema_find("", "v1", "services"), ns, name + 1);
}

/* As it is stored: a write on its way may have claimed the address, and may fail. No memory: as if not. */
static bool has_address(const struct object *service, const char *address)
{
	struct held h[CLAIMS_MAX];
	yyjson_mut_doc *doc = object_mut_doc(service);
	size_t n = holds(yyjson_mut_doc_get_root(doc), h);
	bool found = false;

	for (size_t i = 0; i < n; i++)
		found |= !h[i].is_port && !strcmp(h[i].text, address);
	yyjson_mut_doc_free(doc);
	return found;
}

const struct object *services_holder(const struct registry *r, const char *address)
{
	const char *who = claims_holder(r->services->addresses, address);
	const struct object *service = who ? service_of(r, who) : NULL;

	return service && has_address(service, address) ? service : NULL;
}

struct use {
	const struct registry *r;
	const struct ipaddr *range;
	enum service_range_use found;
};

static bool look_at_claim(const char *what, const char *who, void *arg)
{
	struct use *u = arg;
	const struct object *service;
	struct ipaddr a;

	if (strncmp(who, services_prefix, strlen(services_prefix)) != 0 || ipaddr_parse(what, &a) ||
		!ipaddr_overlap(&a, u->range) || service_ranges_have(u->r->services->ranges, what))
		return true;
	service = service_of(u->r, who);
	u->found = service && has_address(service, what) ? SERVICE_RANGE_USED : SERVICE_RANGE_ASKED;
	return u->found != SERVICE_RANGE_USED;
}

enum service_range_use services_use(const struct registry *r, const struct ipaddr *range)
{
	struct use u = {r, range, SERVICE_RANGE_UNUSED};

	claims_each(r->services->addresses, look_at_claim, &u);
	return u.found;
}

struct ipaddr services_own_range(const struct registry *r)
{
	return service_ranges_own(r->services->ranges);
}

const struct admission admission_service = {
	.name = "ServiceAddresses", .assign = assign, .check = check, .settled = settled};

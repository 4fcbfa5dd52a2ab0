/* SPDX-License-Identifier: Apache-2.0 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cluster/controllers/backends.h"
#include "cluster/schema/conditions.h"
#include "cluster/schema/meta.h"
#include "cluster/schema/schema.h"
#include "cluster/schema/selector.h"
#include "lib/json.h"

/* ---- ports */

/* The number of a named port in a pod's containers; 0: it has none of that name. */
static int64_t named_port(yyjson_val *pod, const char *name, const char *protocol)
{
	yyjson_val *containers = meta_get(pod, "spec", "containers", NULL), *container, *port;
	size_t i, n, k, m;

	yyjson_arr_foreach (containers, i, n, container) {
		yyjson_val *ports = json_arr(container, "ports");

		yyjson_arr_foreach (ports, k, m, port)
			if (yyjson_equals_str(yyjson_obj_get(port, "name"), name) &&
				!strcmp(json_str(port, "protocol") ?: "TCP", protocol))
				return json_int(port, "containerPort", 0);
	}
	return 0;
}

/* The ports of the Service as this pod serves them; @pod NULL: those that need no pod to be known. */
static yyjson_mut_val *ports_of(yyjson_mut_doc *doc, yyjson_val *service, yyjson_val *pod)
{
	yyjson_val *ports = meta_get(service, "spec", "ports", NULL), *each;
	yyjson_mut_val *out = yyjson_mut_arr(doc);
	size_t i, n;

	yyjson_arr_foreach (ports, i, n, each) {
		const char *protocol = json_str(each, "protocol") ?: "TCP",
			   *app = json_text(each, "appProtocol");
		yyjson_val *target = yyjson_obj_get(each, "targetPort");
		int64_t number = json_int(each, "port", 0);
		yyjson_mut_val *o;

		if (yyjson_is_int(target) && yyjson_get_sint(target))
			number = yyjson_get_sint(target);
		else if (yyjson_is_str(target))
			number = pod ? named_port(pod, yyjson_get_str(target), protocol) : 0;
		if (!number)
			continue;
		o = yyjson_mut_arr_add_obj(doc, out);
		if (!o || !yyjson_mut_obj_add_strcpy(doc, o, "name", json_str(each, "name") ?: "") ||
			!yyjson_mut_obj_add_strcpy(doc, o, "protocol", protocol) ||
			!yyjson_mut_obj_add_int(doc, o, "port", number) ||
			(app && !yyjson_mut_obj_add_strcpy(doc, o, "appProtocol", app)))
			return NULL;
	}
	return out;
}

/* ---- grouping */

static struct backend_group *group_of(struct backends *b, bool ipv6, yyjson_mut_val *ports)
{
	struct backend_group *more;

	if (!ports)
		return NULL;
	for (size_t i = 0; i < b->n; i++)
		if (b->groups[i].ipv6 == ipv6 && meta_equal(b->groups[i].ports, ports))
			return &b->groups[i];
	more = reallocarray(b->groups, b->n + 1, sizeof(*more));
	if (!more)
		return NULL;
	b->groups = more;
	b->groups[b->n] = (struct backend_group){.ipv6 = ipv6, .ports = ports};
	return &b->groups[b->n++];
}

static bool add(struct backend_group *g, const struct backend *backend)
{
	if (g->n == g->cap) {
		size_t cap = g->cap ? 2 * g->cap : 16;
		struct backend *more = reallocarray(g->items, cap, sizeof(*more));

		if (!more)
			return false;
		g->items = more;
		g->cap = cap;
	}
	g->items[g->n++] = *backend;
	return true;
}

struct gather {
	struct turn *t;
	struct backends *b;
	struct selector *selector;
	bool families[2]; /* IPv4, IPv6 */
	bool failed;
};

static bool ended(yyjson_val *pod)
{
	return phase_is_final(json_str(json_obj(pod, "status"), "phase"));
}

static const char *keep(struct backends *b, const char *text)
{
	return yyjson_mut_get_str(yyjson_mut_strcpy(b->doc, text));
}

/* Every address of a pod that the Service has a family for. */
static bool gather_addresses(struct gather *g, const struct object *o, yyjson_val *root)
{
	yyjson_val *spec = json_obj(root, "spec"), *status = json_obj(root, "status");
	yyjson_val *list = json_arr(status, "podIPs"), *each;
	const char *subdomain = json_str(spec, "subdomain") ?: "",
		   *hostname = json_str(spec, "hostname") ?: "";
	size_t i, n;

	yyjson_arr_foreach (list, i, n, each) {
		const char *ip = json_text(each, "ip");
		bool ipv6 = ip && strchr(ip, ':');
		struct backend_group *group;
		struct backend b = {
			.serving = condition_is(root, "Ready", "True"), .terminating = o->deleted};

		if (!ip || !g->families[ipv6])
			continue;
		b.node = keep(g->b, json_str(spec, "nodeName") ?: "");
		b.hostname = keep(g->b, strcmp(subdomain, g->t->name) ? "" : hostname);
		if (!b.node || !b.hostname)
			return false;
		b.pod = object_ref(o);
		snprintf(b.address, sizeof(b.address), "%s", ip);
		group = group_of(g->b, ipv6, ports_of(g->b->doc, g->t->root, root));
		if (!group || !add(group, &b)) {
			object_unref(b.pod);
			return false;
		}
	}
	return true;
}

static bool gather_pod(const struct object *o, void *arg)
{
	struct gather *g = arg;
	yyjson_doc *doc;

	if (!selector_matches(g->selector, object_label_of, o))
		return true;
	doc = object_doc(o);
	if (!doc || (!ended(yyjson_doc_get_root(doc)) && !gather_addresses(g, o, yyjson_doc_get_root(doc))))
		g->failed = true;
	yyjson_doc_free(doc);
	return !g->failed;
}

static int by_address(const void *a, const void *b)
{
	const struct backend *x = a, *y = b;

	return strcmp(x->address, y->address);
}

static void read_families(struct gather *g)
{
	yyjson_val *list = meta_get(g->t->root, "spec", "ipFamilies", NULL), *each;
	size_t i, n;

	yyjson_arr_foreach (list, i, n, each)
		g->families[yyjson_equals_str(each, "IPv6")] = true;
	if (!g->families[0] && !g->families[1])
		g->families[0] = true;
}

bool backends_of(struct turn *t, struct backends *out)
{
	struct gather g = {.t = t, .b = out};

	*out = (struct backends){.doc = yyjson_mut_doc_new(NULL),
		.publish_not_ready = json_bool(json_obj(t->root, "spec"), "publishNotReadyAddresses")};
	g.selector = selector_of_map(meta_get(t->root, "spec", "selector", NULL));
	if (!out->doc || !g.selector) {
		selector_free(g.selector);
		backends_fini(out);
		return false;
	}
	read_families(&g);
	registry_each(t->r, schema_find_kind("v1", "Pod"), t->ns, gather_pod, &g);
	for (int family = 0; family < 2 && !g.failed; family++) {
		bool have = !g.families[family];

		for (size_t i = 0; i < out->n; i++)
			have |= out->groups[i].ipv6 == family;
		if (!have && !group_of(out, family, ports_of(out->doc, t->root, NULL)))
			g.failed = true;
	}
	selector_free(g.selector);
	for (size_t i = 0; i < out->n; i++)
		if (out->groups[i].n)
			qsort(out->groups[i].items, out->groups[i].n, sizeof(struct backend), by_address);
	if (g.failed)
		backends_fini(out);
	return !g.failed;
}

void backends_fini(struct backends *b)
{
	for (size_t i = 0; i < b->n; i++) {
		for (size_t k = 0; k < b->groups[i].n; k++) {
			object_unref(b->groups[i].items[k].pod);
		}
		free(b->groups[i].items);
	}
	free(b->groups);
	yyjson_mut_doc_free(b->doc);
	*b = (struct backends){0};
}

/* ---- watching pods */

struct change {
	const struct object *old, *now;
};

static bool selects(const struct object *service, const void *arg)
{
	const struct change *c = arg;
	yyjson_doc *doc = object_doc(service);
	struct selector *s =
		doc ? selector_of_map(meta_get(yyjson_doc_get_root(doc), "spec", "selector", NULL)) : NULL;
	bool yes = s && !s->nothing &&
		   (selector_matches(s, object_label_of, c->now) ||
			   (c->old && selector_matches(s, object_label_of, c->old)));

	selector_free(s);
	yyjson_doc_free(doc);
	return yes;
}

static bool same_labels(const struct object *a, const struct object *b)
{
	if (a->n_labels != b->n_labels)
		return false;
	for (size_t i = 0; i < a->n_labels; i++) {
		const char *v = object_label(b, a->labels[i].key);

		if (!v || strcmp(v, a->labels[i].value) != 0)
			return false;
	}
	return true;
}

/* What a backend is made of. */
static bool same_backend(const struct object *old, const struct object *now)
{
	/* without an address it was none, and is none */
	if (!*object_field(old, "status.podIP") && !*object_field(now, "status.podIP"))
		return same_labels(old, now);

	yyjson_doc *a = object_doc(old), *b = object_doc(now);
	yyjson_val *x = yyjson_doc_get_root(a), *y = yyjson_doc_get_root(b);
	bool same = a && b && !old->deleted == !now->deleted && same_labels(old, now) &&
		    condition_is(x, "Ready", "True") == condition_is(y, "Ready", "True") &&
		    ended(x) == ended(y) &&
		    yyjson_equals(meta_get(x, "status", "podIPs", NULL) ?: x,
			    meta_get(y, "status", "podIPs", NULL) ?: x);

	yyjson_doc_free(a);
	yyjson_doc_free(b);
	return same;
}

void backends_pod_event(
	struct controller *c, enum event_type type, const struct object *old, const struct object *now)
{
	if (type == EVENT_MODIFIED && same_backend(old, now))
		return;
	controller_queue_where(c, now->ns, selects, &(struct change){old, now});
}

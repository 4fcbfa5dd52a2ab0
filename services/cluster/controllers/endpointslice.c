/* SPDX-License-Identifier: Apache-2.0 */

/*
 * EndpointSlices of a Service with a selector. An endpoint stays in the slice it is in, so that a change of one pod is a
 * change of one slice; new ones go where there is room, at most 100 in a slice. Slices without endpoints go, but for one of each
 * address family, which tells clients that there is nobody.
 */

#include <stdio.h>
#include <string.h>

#include "cluster/controllers/backends.h"
#include "cluster/controllers/controllers.h"
#include "cluster/controllers/slices.h"
#include "cluster/schema/meta.h"
#include "cluster/schema/schema.h"
#include "lib/json.h"

#define HEADLESS_LABEL "service.kubernetes.io/headless"
#define MANAGER	       "endpointslice-controller.k8s.io"
#define ZONE_LABEL     "topology.kubernetes.io/zone"

enum { SLICE_MAX = 100 };

/* A slice there is, and who will be in it. */
struct slice {
	struct object *o;	   /* held */
	yyjson_doc *doc;	   /* owned */
	yyjson_mut_val *endpoints; /* in backends.doc */
	bool taken;		   /* by a group */
};

struct slices {
	struct turn *t;
	struct slice *items;
	size_t n;
	bool failed;
};

static bool gather_slice(const struct object *o, void *arg)
{
	struct slices *s = arg;
	struct slice *more;

	if (!slice_is_of(o, s->t->name, MANAGER))
		return true;
	more = reallocarray(s->items, s->n + 1, sizeof(*more));
	if (!more)
		return !(s->failed = true);
	s->items = more;
	s->items[s->n] = (struct slice){.doc = object_doc(o)};
	if (!s->items[s->n].doc)
		return !(s->failed = true);
	s->items[s->n++].o = object_ref(o);
	return true;
}

static void slices_fini(struct slices *s)
{
	for (size_t i = 0; i < s->n; i++) {
		yyjson_doc_free(s->items[i].doc);
		object_unref(s->items[i].o);
	}
	free(s->items);
}

/* ---- endpoints */

static const char *zone_of(const struct turn *t, const char *node)
{
	const struct object *o = *node ? registry_get(t->r, schema_find_kind("v1", "Node"), "", node) : NULL;

	return o ? object_label(o, ZONE_LABEL) : NULL;
}

static yyjson_mut_val *endpoint_of(const struct turn *t, struct backends *b, const struct backend *e)
{
	yyjson_mut_doc *doc = b->doc;
	yyjson_mut_val *o = yyjson_mut_obj(doc), *addresses, *conditions, *ref;
	const char *zone = zone_of(t, e->node);

	addresses = o ? yyjson_mut_obj_add_arr(doc, o, "addresses") : NULL;
	conditions = o ? yyjson_mut_obj_add_obj(doc, o, "conditions") : NULL;
	if (!addresses || !conditions || !yyjson_mut_arr_add_strcpy(doc, addresses, e->address) ||
		!yyjson_mut_obj_add_bool(
			doc, conditions, "ready", b->publish_not_ready || (e->serving && !e->terminating)) ||
		!yyjson_mut_obj_add_bool(doc, conditions, "serving", e->serving) ||
		!yyjson_mut_obj_add_bool(doc, conditions, "terminating", e->terminating) ||
		(*e->hostname && !yyjson_mut_obj_add_strcpy(doc, o, "hostname", e->hostname)) ||
		(*e->node && !yyjson_mut_obj_add_strcpy(doc, o, "nodeName", e->node)) ||
		(zone && !yyjson_mut_obj_add_strcpy(doc, o, "zone", zone)))
		return NULL;
	ref = yyjson_mut_obj_add_obj(doc, o, "targetRef");
	if (ref && yyjson_mut_obj_add_str(doc, ref, "kind", "Pod") &&
		yyjson_mut_obj_add_strcpy(doc, ref, "namespace", e->pod->ns) &&
		yyjson_mut_obj_add_strcpy(doc, ref, "name", e->pod->name) &&
		yyjson_mut_obj_add_strcpy(doc, ref, "uid", e->pod->uid))
		return o;
	return NULL;
}

static bool names_pod(yyjson_val *endpoint, const struct backend *b)
{
	return yyjson_equals_str(yyjson_obj_get(json_obj(endpoint, "targetRef"), "uid"), b->pod->uid) &&
	       yyjson_equals_str(yyjson_arr_get_first(json_arr(endpoint, "addresses")), b->address);
}

static bool slice_has(const struct slice *s, const struct backend *b)
{
	yyjson_val *list = json_arr(yyjson_doc_get_root(s->doc), "endpoints"), *each;
	size_t i, n;

	yyjson_arr_foreach (list, i, n, each)
		if (names_pod(each, b))
			return true;
	return false;
}

/* ---- slices of one group */

static bool fits(struct backends *b, const struct backend_group *g, const struct slice *s)
{
	yyjson_val *root = yyjson_doc_get_root(s->doc), *ports = json_arr(root, "ports");

	return yyjson_equals_str(yyjson_obj_get(root, "addressType"), g->ipv6 ? "IPv6" : "IPv4") &&
	       meta_equal(ports ? yyjson_val_mut_copy(b->doc, ports) : yyjson_mut_arr(b->doc), g->ports);
}

static yyjson_mut_val *labels_of(struct turn *t, yyjson_mut_doc *doc)
{
	yyjson_val *from = meta_get(t->root, "metadata", "labels", NULL);
	yyjson_mut_val *labels = from ? yyjson_val_mut_copy(doc, from) : yyjson_mut_obj(doc);
	bool headless = yyjson_equals_str(meta_get(t->root, "spec", "clusterIP", NULL), "None");

	if (labels && meta_put(doc, labels, SERVICE_LABEL, yyjson_mut_strcpy(doc, t->name)) &&
		meta_put(doc, labels, MANAGER_LABEL, yyjson_mut_str(doc, MANAGER)) &&
		(!headless || meta_put(doc, labels, HEADLESS_LABEL, yyjson_mut_str(doc, ""))))
		return labels;
	return NULL;
}

static void make_slice(struct turn *t, const struct backend_group *g, yyjson_mut_val *endpoints)
{
	const struct schema_kind *kind = schema_find_kind("discovery.k8s.io/v1", "EndpointSlice");
	yyjson_mut_doc *doc = new_object(kind);
	yyjson_mut_val *root = yyjson_mut_doc_get_root(doc), *meta = yyjson_mut_obj_get(root, "metadata");
	char prefix[300];

	snprintf(prefix, sizeof(prefix), "%s-", t->name);
	if (doc && meta_set_text(doc, root, "generateName", prefix) && set_controller(doc, root, t->object) &&
		meta_put(doc, meta, "labels", labels_of(t, doc)) &&
		yyjson_mut_obj_add_str(doc, root, "addressType", g->ipv6 ? "IPv6" : "IPv4") &&
		yyjson_mut_obj_add_val(doc, root, "endpoints", yyjson_mut_val_mut_copy(doc, endpoints)) &&
		yyjson_mut_obj_add_val(doc, root, "ports", yyjson_mut_val_mut_copy(doc, g->ports))) {
		turn_create(t, kind, t->ns, doc);
		return;
	}
	yyjson_mut_doc_free(doc);
	turn_failed(t);
}

static void place(struct turn *t, struct backends *b, struct backend_group *g, struct slices *s)
{
	yyjson_mut_val *fresh = yyjson_mut_arr(b->doc);
	bool any = false;

	for (size_t i = 0; i < s->n; i++)
		if (!s->items[i].taken && fits(b, g, &s->items[i])) {
			s->items[i].taken = true;
			s->items[i].endpoints = yyjson_mut_arr(b->doc);
		}
	for (size_t k = 0; k < g->n; k++) {
		yyjson_mut_val *endpoint = endpoint_of(t, b, &g->items[k]), *into = NULL;

		for (size_t i = 0; i < s->n && !into; i++)
			if (s->items[i].endpoints && fits(b, g, &s->items[i]) &&
				slice_has(&s->items[i], &g->items[k]))
				into = s->items[i].endpoints;
		for (size_t i = 0; i < s->n && !into; i++)
			if (s->items[i].endpoints && fits(b, g, &s->items[i]) &&
				yyjson_mut_arr_size(s->items[i].endpoints) < SLICE_MAX)
				into = s->items[i].endpoints;
		if (!endpoint || !yyjson_mut_arr_append(into ? into : fresh, endpoint)) {
			turn_failed(t);
			return;
		}
		if (yyjson_mut_arr_size(fresh) == SLICE_MAX) {
			make_slice(t, g, fresh);
			fresh = yyjson_mut_arr(b->doc);
		}
	}
	for (size_t i = 0; i < s->n; i++)
		any |= s->items[i].endpoints && fits(b, g, &s->items[i]);
	if (yyjson_mut_arr_size(fresh) || (!g->n && !any))
		make_slice(t, g, fresh);
}

/* Writes what changed; slices nobody needs go. */
static void settle(struct turn *t, struct backends *b, struct slices *s)
{
	bool kept[2] = {false, false}; /* a slice of this family stays */

	for (size_t i = 0; i < b->n; i++)
		kept[b->groups[i].ipv6] |= b->groups[i].n > 0;
	for (size_t i = 0; i < s->n; i++) {
		struct slice *each = &s->items[i];
		bool ipv6 = yyjson_equals_str(
			yyjson_obj_get(yyjson_doc_get_root(each->doc), "addressType"), "IPv6");

		if (!each->endpoints || (!yyjson_mut_arr_size(each->endpoints) && kept[ipv6])) {
			turn_delete(t, each->o, NULL);
			continue;
		}
		kept[ipv6] = true;
		turn_set(t, each->o, NULL, "endpoints", each->endpoints);
	}
}

static void sync_service(struct turn *t)
{
	struct slices s = {.t = t};
	struct backends b;

	if (!t->object || t->object->deleted || json_blank(meta_get(t->root, "spec", "selector", NULL)) ||
		yyjson_equals_str(meta_get(t->root, "spec", "type", NULL), "ExternalName"))
		return; /* without a selector its slices are somebody else's; a Service that is gone takes its own along */
	if (!backends_of(t, &b)) {
		turn_failed(t);
		return;
	}
	registry_each(
		t->r, schema_find_kind("discovery.k8s.io/v1", "EndpointSlice"), t->ns, gather_slice, &s);
	for (size_t i = 0; i < b.n && !s.failed; i++)
		place(t, &b, &b.groups[i], &s);
	if (s.failed)
		turn_failed(t);
	else
		settle(t, &b, &s);
	slices_fini(&s);
	backends_fini(&b);
}

/* Somebody changed or removed a slice of ours. */
static void on_slice(
	struct controller *c, enum event_type type, const struct object *old, const struct object *now)
{
	slice_event(c, type, now, MANAGER);
}

const struct controller_type endpointslice_controller = {
	.name = "endpointslice-controller",
	.api_version = "v1",
	.kind = "Service",
	.sync = sync_service,
	.watches = {{"v1", "Pod", backends_pod_event}, {"discovery.k8s.io/v1", "EndpointSlice", on_slice}},
};

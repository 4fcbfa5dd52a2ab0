/* SPDX-License-Identifier: Apache-2.0 */

/* Endpoints: the older way to write down who serves a Service, one object of its name, which many programs still read. */

#include <stdio.h>
#include <string.h>

#include "cluster/controllers/backends.h"
#include "cluster/controllers/controllers.h"
#include "cluster/schema/meta.h"
#include "cluster/schema/schema.h"
#include "lib/json.h"

#define MANAGED	 "endpoints.kubernetes.io/managed-by"
#define MANAGER	 "endpoint-controller"
#define HEADLESS "service.kubernetes.io/headless"
#define OVER	 "endpoints.kubernetes.io/over-capacity"
enum { ADDRESSES_MAX = 1000 };

static yyjson_mut_val *address_of(yyjson_mut_doc *doc, const struct backend *e)
{
	yyjson_mut_val *o = yyjson_mut_obj(doc), *ref;

	if (!o || !yyjson_mut_obj_add_strcpy(doc, o, "ip", e->address) ||
		(*e->hostname && !yyjson_mut_obj_add_strcpy(doc, o, "hostname", e->hostname)) ||
		(*e->node && !yyjson_mut_obj_add_strcpy(doc, o, "nodeName", e->node)))
		return NULL;
	ref = yyjson_mut_obj_add_obj(doc, o, "targetRef");
	return ref && yyjson_mut_obj_add_str(doc, ref, "kind", "Pod") &&
			       yyjson_mut_obj_add_strcpy(doc, ref, "namespace", e->pod->ns) &&
			       yyjson_mut_obj_add_strcpy(doc, ref, "name", e->pod->name) &&
			       yyjson_mut_obj_add_strcpy(doc, ref, "uid", e->pod->uid)
		       ? o
		       : NULL;
}

/* A port without a name has none, here. */
static yyjson_mut_val *ports_of(yyjson_mut_doc *doc, yyjson_mut_val *from)
{
	yyjson_mut_val *ports = yyjson_mut_val_mut_copy(doc, from), *p;
	size_t i, n;

	yyjson_mut_arr_foreach(ports, i, n, p) if (yyjson_mut_equals_str(yyjson_mut_obj_get(p, "name"), ""))
		yyjson_mut_obj_remove_key(p, "name");
	return ports;
}

/* One group as a subset; *left: how many more addresses there is room for. false: no memory. */
static bool add_subset(yyjson_mut_doc *doc, yyjson_mut_val *subsets, const struct backends *b,
	const struct backend_group *g, size_t *left)
{
	yyjson_mut_val *ready = yyjson_mut_arr(doc), *not_ready = yyjson_mut_arr(doc), *subset;

	for (size_t i = 0; i < g->n && *left; i++) {
		const struct backend *e = &g->items[i];

		if (e->terminating && !b->publish_not_ready)
			continue;
		if (!yyjson_mut_arr_append(
			    e->serving || b->publish_not_ready ? ready : not_ready, address_of(doc, e)))
			return false;
		--*left;
	}
	if (!yyjson_mut_arr_size(ready) && !yyjson_mut_arr_size(not_ready))
		return true;
	subset = yyjson_mut_arr_add_obj(doc, subsets);
	return subset &&
	       (!yyjson_mut_arr_size(ready) || yyjson_mut_obj_add_val(doc, subset, "addresses", ready)) &&
	       (!yyjson_mut_arr_size(not_ready) ||
		       yyjson_mut_obj_add_val(doc, subset, "notReadyAddresses", not_ready)) &&
	       (!yyjson_mut_arr_size(g->ports) ||
		       yyjson_mut_obj_add_val(doc, subset, "ports", ports_of(doc, g->ports)));
}

static yyjson_mut_val *subsets_of(struct turn *t, struct backends *b, bool *over)
{
	yyjson_mut_val *list = yyjson_mut_arr(b->doc);
	bool ipv6 = yyjson_equals_str(
		yyjson_arr_get_first(meta_get(t->root, "spec", "ipFamilies", NULL)), "IPv6");
	size_t left = ADDRESSES_MAX, all = 0;

	for (size_t i = 0; list && i < b->n; i++) {
		if (b->groups[i].ipv6 != ipv6)
			continue;
		all += b->groups[i].n;
		if (!add_subset(b->doc, list, b, &b->groups[i], &left))
			return NULL;
	}
	*over = all > ADDRESSES_MAX;
	return list;
}

static yyjson_mut_val *labels_of(struct turn *t, yyjson_mut_doc *doc)
{
	yyjson_val *from = meta_get(t->root, "metadata", "labels", NULL);
	yyjson_mut_val *labels = from ? yyjson_val_mut_copy(doc, from) : yyjson_mut_obj(doc);
	bool headless = yyjson_equals_str(meta_get(t->root, "spec", "clusterIP", NULL), "None");

	return labels && meta_put(doc, labels, MANAGED, yyjson_mut_str(doc, MANAGER)) &&
			       (!headless || meta_put(doc, labels, HEADLESS, yyjson_mut_str(doc, "")))
		       ? labels
		       : NULL;
}

static void make(struct turn *t, struct backends *b, yyjson_mut_val *subsets, bool over)
{
	const struct schema_kind *kind = schema_find_kind("v1", "Endpoints");
	yyjson_mut_doc *doc = new_object(kind);
	yyjson_mut_val *root = yyjson_mut_doc_get_root(doc), *meta = yyjson_mut_obj_get(root, "metadata"),
		       *notes;

	notes = doc && over ? meta_make(doc, root, "metadata", "annotations", NULL) : NULL;
	if (doc && meta_set_text(doc, root, "name", t->name) &&
		meta_put(doc, meta, "labels", labels_of(t, doc)) &&
		(!over || (notes && meta_put(doc, notes, OVER, yyjson_mut_str(doc, "truncated")))) &&
		meta_put(doc, root, "subsets", yyjson_mut_val_mut_copy(doc, subsets))) {
		turn_create(t, kind, t->ns, doc);
		return;
	}
	yyjson_mut_doc_free(doc);
	turn_failed(t);
}

static void sync_endpoints(struct turn *t)
{
	const struct object *o = registry_get(t->r, schema_find_kind("v1", "Endpoints"), t->ns, t->name);
	const char *manager = o ? object_label(o, MANAGED) : NULL;
	yyjson_mut_val *subsets;
	struct backends b;
	bool over;

	if (!t->object || t->object->deleted) {
		if (manager && !strcmp(manager, MANAGER))
			turn_delete(t, o, NULL);
		return;
	}
	if (json_blank(meta_get(t->root, "spec", "selector", NULL)) ||
		yyjson_equals_str(meta_get(t->root, "spec", "type", NULL), "ExternalName"))
		return; /* the user's own */
	if (!backends_of(t, &b)) {
		turn_failed(t);
		return;
	}
	subsets = subsets_of(t, &b, &over);
	if (!subsets)
		turn_failed(t);
	else if (!o)
		make(t, &b, subsets, over);
	else
		turn_set(t, o, NULL, "subsets", subsets);
	backends_fini(&b);
}

static void on_endpoints(
	struct controller *c, enum event_type type, const struct object *old, const struct object *now)
{
	if (type != EVENT_ADDED)
		controller_queue(c, now->ns, now->name);
}

const struct controller_type endpoints_controller = {
	.name = "endpoint-controller",
	.api_version = "v1",
	.kind = "Service",
	.sync = sync_endpoints,
	.watches = {{"v1", "Pod", backends_pod_event}, {"v1", "Endpoints", on_endpoints}},
};

/* SPDX-License-Identifier: Apache-2.0 */

/*
 * EndpointSlices of Endpoints that somebody writes by hand, for a Service without a selector: who serves a service is
 * read from slices alone, so without a mirror such a service would lead nowhere. A subset becomes a slice for each
 * address family; the slice of the same family and ports is changed, others come and go. Endpoints labelled
 * endpointslice.kubernetes.io/skip-mirror are left alone.
 */

#include <stdio.h>
#include <string.h>

#include "cluster/controllers/controllers.h"
#include "cluster/controllers/slices.h"
#include "cluster/schema/meta.h"
#include "cluster/schema/schema.h"
#include "lib/json.h"

#define SKIP_LABEL "endpointslice.kubernetes.io/skip-mirror"
#define MANAGER	   "endpointslicemirroring-controller.k8s.io"
#define LEADER	   "control-plane.alpha.kubernetes.io/leader"

enum { ADDRESSES_MAX = 1000, SLICES_MAX = 64 };

struct slice {
	struct object *o; /* held */
	yyjson_doc *doc;  /* owned */
	bool kept;
};

struct mirror {
	struct turn *t;
	yyjson_mut_doc *doc; /* what is wanted */
	struct slice slices[SLICES_MAX];
	size_t n;
	bool failed;
};

/* ---- whether */

static bool is_mirrored(struct turn *t)
{
	const struct object *service =
		t->object && !t->object->deleted
			? registry_get(t->r, schema_find_kind("v1", "Service"), t->ns, t->name)
			: NULL;
	const char *skip = service ? object_label(t->object, SKIP_LABEL) : NULL;
	cleanup(json_docp) yyjson_doc *doc = service ? object_doc(service) : NULL;

	return doc && !service->deleted && !(skip && !strcmp(skip, "true")) &&
	       !meta_get(t->root, "metadata", "annotations", LEADER, NULL) &&
	       json_blank(meta_get(yyjson_doc_get_root(doc), "spec", "selector", NULL));
}

static bool gather(const struct object *o, void *arg)
{
	struct mirror *m = arg;

	if (!slice_is_of(o, m->t->name, MANAGER))
		return true;
	if (m->n == SLICES_MAX)
		return false;
	m->slices[m->n].doc = object_doc(o);
	if (!m->slices[m->n].doc)
		return !(m->failed = true);
	m->slices[m->n++].o = object_ref(o);
	return true;
}

/* ---- what */

static bool is_ipv6(yyjson_val *address)
{
	const char *ip = json_str(address, "ip");

	return ip && strchr(ip, ':');
}

static void add_addresses(struct mirror *m, yyjson_mut_val *list, yyjson_val *from, bool ipv6, bool ready)
{
	yyjson_mut_doc *doc = m->doc;
	yyjson_val *a;
	size_t i, n;

	yyjson_arr_foreach (from, i, n, a) {
		const char *host = json_text(a, "hostname"), *node = json_text(a, "nodeName");
		yyjson_mut_val *o, *ips, *conditions;

		if (is_ipv6(a) != ipv6 || !json_str(a, "ip") || yyjson_mut_arr_size(list) == ADDRESSES_MAX)
			continue;
		o = yyjson_mut_arr_add_obj(doc, list);
		ips = o ? yyjson_mut_obj_add_arr(doc, o, "addresses") : NULL;
		conditions = o ? yyjson_mut_obj_add_obj(doc, o, "conditions") : NULL;
		if (!ips || !conditions || !yyjson_mut_arr_add_strcpy(doc, ips, json_str(a, "ip")) ||
			!yyjson_mut_obj_add_bool(doc, conditions, "ready", ready) ||
			(host && !yyjson_mut_obj_add_strcpy(doc, o, "hostname", host)) ||
			(node && !yyjson_mut_obj_add_strcpy(doc, o, "nodeName", node)) ||
			(yyjson_obj_get(a, "targetRef") &&
				!json_copy(doc, o, "targetRef", yyjson_obj_get(a, "targetRef"))))
			m->failed = true;
	}
}

static yyjson_mut_val *ports_of(struct mirror *m, yyjson_val *subset)
{
	yyjson_mut_val *list = yyjson_mut_arr(m->doc), *o;
	yyjson_val *p;
	size_t i, n;

	yyjson_arr_foreach (json_arr(subset, "ports"), i, n, p) {
		o = yyjson_mut_arr_add_obj(m->doc, list);
		if (!o || !yyjson_mut_obj_add_strcpy(m->doc, o, "name", json_str(p, "name") ?: "") ||
			!yyjson_mut_obj_add_int(m->doc, o, "port", json_int(p, "port", 0)) ||
			!yyjson_mut_obj_add_strcpy(m->doc, o, "protocol", json_str(p, "protocol") ?: "TCP") ||
			(json_text(p, "appProtocol") && !yyjson_mut_obj_add_strcpy(m->doc, o, "appProtocol",
								json_text(p, "appProtocol"))))
			m->failed = true;
	}
	return list;
}

static yyjson_mut_val *labels_of(struct turn *t, yyjson_mut_doc *doc)
{
	yyjson_val *from = meta_get(t->root, "metadata", "labels", NULL);
	yyjson_mut_val *labels = from ? yyjson_val_mut_copy(doc, from) : yyjson_mut_obj(doc);

	return labels && meta_put(doc, labels, SERVICE_LABEL, yyjson_mut_strcpy(doc, t->name)) &&
			       meta_put(doc, labels, MANAGER_LABEL, yyjson_mut_str(doc, MANAGER))
		       ? labels
		       : NULL;
}

static void make(struct turn *t, const char *family, yyjson_mut_val *ports, yyjson_mut_val *endpoints)
{
	const struct schema_kind *kind = schema_find_kind("discovery.k8s.io/v1", "EndpointSlice");
	yyjson_mut_doc *doc = new_object(kind);
	yyjson_mut_val *root = yyjson_mut_doc_get_root(doc);
	char prefix[300];

	snprintf(prefix, sizeof(prefix), "%s-", t->name);
	if (doc && meta_set_text(doc, root, "generateName", prefix) && set_controller(doc, root, t->object) &&
		meta_put(doc, yyjson_mut_obj_get(root, "metadata"), "labels", labels_of(t, doc)) &&
		yyjson_mut_obj_add_str(doc, root, "addressType", family) &&
		yyjson_mut_obj_add_val(doc, root, "endpoints", yyjson_mut_val_mut_copy(doc, endpoints)) &&
		yyjson_mut_obj_add_val(doc, root, "ports", yyjson_mut_val_mut_copy(doc, ports))) {
		turn_create(t, kind, t->ns, doc);
		return;
	}
	yyjson_mut_doc_free(doc);
	turn_failed(t);
}

static struct slice *slice_for(struct mirror *m, const char *family, yyjson_mut_val *ports)
{
	for (size_t i = 0; i < m->n; i++) {
		yyjson_val *root = yyjson_doc_get_root(m->slices[i].doc), *has = json_arr(root, "ports");

		if (!m->slices[i].kept && yyjson_equals_str(yyjson_obj_get(root, "addressType"), family) &&
			meta_equal(has ? yyjson_val_mut_copy(m->doc, has) : yyjson_mut_arr(m->doc), ports))
			return &m->slices[i];
	}
	return NULL;
}

static void mirror_subset(struct mirror *m, yyjson_val *subset, bool ipv6)
{
	yyjson_mut_val *ports = ports_of(m, subset), *endpoints = yyjson_mut_arr(m->doc);
	const char *family = ipv6 ? "IPv6" : "IPv4";
	struct slice *s;

	add_addresses(m, endpoints, json_arr(subset, "addresses"), ipv6, true);
	add_addresses(m, endpoints, json_arr(subset, "notReadyAddresses"), ipv6, false);
	if (m->failed || !yyjson_mut_arr_size(endpoints))
		return;
	s = slice_for(m, family, ports);
	if (s) {
		s->kept = true;
		turn_set(m->t, s->o, NULL, "endpoints", endpoints);
	} else {
		make(m->t, family, ports, endpoints);
	}
}

static void sync_endpoints(struct turn *t)
{
	struct mirror m = {.t = t, .doc = yyjson_mut_doc_new(NULL)};
	yyjson_val *subset;
	size_t i, n;

	registry_each(t->r, schema_find_kind("discovery.k8s.io/v1", "EndpointSlice"), t->ns, gather, &m);
	if (m.doc && is_mirrored(t))
		yyjson_arr_foreach (json_arr(t->root, "subsets"), i, n, subset) {
			mirror_subset(&m, subset, false);
			mirror_subset(&m, subset, true);
		}
	for (i = 0; m.doc && !m.failed && i < m.n; i++)
		if (!m.slices[i].kept)
			turn_delete(t, m.slices[i].o, NULL);
	if (!m.doc || m.failed)
		turn_failed(t);
	for (i = 0; i < m.n; i++) {
		yyjson_doc_free(m.slices[i].doc);
		object_unref(m.slices[i].o);
	}
	yyjson_mut_doc_free(m.doc);
}

/* A service comes, goes, or gets a selector: its endpoints have its name. */
static void on_service(
	struct controller *c, enum event_type type, const struct object *old, const struct object *now)
{
	controller_queue(c, now->ns, now->name);
}

/* Somebody changed or removed a slice of ours. */
static void on_slice(
	struct controller *c, enum event_type type, const struct object *old, const struct object *now)
{
	slice_event(c, type, now, MANAGER);
}

const struct controller_type endpointslice_mirror_controller = {
	.name = "endpointslicemirroring-controller",
	.api_version = "v1",
	.kind = "Endpoints",
	.sync = sync_endpoints,
	.watches = {{"v1", "Service", on_service}, {"discovery.k8s.io/v1", "EndpointSlice", on_slice}},
};

/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Generic ephemeral volumes: a claim for each, made out of its template and owned by the pod, so that it goes with it. A claim of
 * that name that is not the pod's own is never taken for it: the pod waits until it is gone.
 */

#include <stdio.h>
#include <string.h>

#include "cluster/controllers/controllers.h"
#include "cluster/registry/pod_claims.h"
#include "cluster/schema/meta.h"
#include "cluster/schema/schema.h"
#include "lib/json.h"

static bool has_ephemeral(const struct object *pod)
{
	return strstr(pod->json, "\"ephemeral\":");
}

static bool copy(yyjson_mut_doc *doc, yyjson_mut_val *to, yyjson_val *from, const char *key)
{
	yyjson_val *v = yyjson_obj_get(from, key);

	return !v || meta_put(doc, to, key, yyjson_val_mut_copy(doc, v));
}

static yyjson_mut_doc *claim_of(const struct object *pod, const struct schema_kind *kind,
	yyjson_val *claim_template, const char *name)
{
	yyjson_mut_doc *doc = new_object(kind);
	yyjson_mut_val *root = yyjson_mut_doc_get_root(doc), *meta = yyjson_mut_obj_get(root, "metadata");
	yyjson_val *given = json_obj(claim_template, "metadata");

	if (doc && meta_set_text(doc, root, "name", name) && copy(doc, meta, given, "labels") &&
		copy(doc, meta, given, "annotations") && copy(doc, root, claim_template, "spec") &&
		set_controller(doc, root, pod))
		return doc;
	yyjson_mut_doc_free(doc);
	return NULL;
}

static void sync_pod(struct turn *t)
{
	const struct schema_kind *claims = schema_find_kind("v1", "PersistentVolumeClaim");
	char name[POD_CLAIM_MAX];
	yyjson_val *v;
	size_t i, n;
	bool own;

	if (!t->object || t->object->deleted || !has_ephemeral(t->object))
		return;
	yyjson_arr_foreach (json_arr(json_obj(t->root, "spec"), "volumes"), i, n, v) {
		const struct object *there;

		if (!pod_claim(t->name, v, name, &own) || !own)
			continue;
		there = registry_get(t->r, claims, t->ns, name);
		if (!there)
			turn_create(t, claims, t->ns,
				claim_of(t->object, claims,
					json_obj(json_obj(v, "ephemeral"), "volumeClaimTemplate"), name));
		else if (!pod_owns_claim(t->object, there))
			turn_event(t, t->object, true, "FailedBinding",
				"ephemeral volume %s: PVC %s/%s was not created for pod %s/%s (pod is not owner)",
				json_str(v, "name") ?: "", t->ns, name, t->ns, t->name);
	}
}

static bool wants(enum event_type type, const struct object *old, const struct object *now)
{
	/* volumes of a pod never change */
	return type == EVENT_ADDED && has_ephemeral(now);
}

/* Whose pod's it may be, by its name: "a-b-c" is for the volume "b-c" of the pod "a", or "c" of "a-b". */
static void on_claim(
	struct controller *c, enum event_type type, const struct object *old, const struct object *now)
{
	const struct schema_kind *pods = schema_find_kind("v1", "Pod");
	char pod[POD_CLAIM_MAX];

	for (const char *dash = type == EVENT_MODIFIED ? NULL : strchr(now->name, '-'); dash;
		dash = strchr(dash + 1, '-')) {
		const struct object *o;

		snprintf(pod, sizeof(pod), "%.*s", (int)(dash - now->name), now->name);
		o = registry_get(controller_registry(c), pods, now->ns, pod);
		if (o && has_ephemeral(o))
			controller_queue_object(c, o);
	}
}

const struct controller_type ephemeral_volume_controller = {
	.name = "ephemeral-volume-controller",
	.api_version = "v1",
	.kind = "Pod",
	.wants = wants,
	.sync = sync_pod,
	.watches = {{"v1", "PersistentVolumeClaim", on_claim}},
};

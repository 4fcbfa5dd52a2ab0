/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Volumes: available, bound, or released when their claim is gone; then they stay (Retain) or go (Delete, when they were made here). One
 * that is being deleted stays while it is bound.
 */

#include <string.h>

#include "cluster/controllers/controllers.h"
#include "cluster/controllers/volumes.h"
#include "cluster/schema/meta.h"
#include "cluster/schema/schema.h"
#include "lib/json.h"

static void write_phase(struct turn *t, const char *phase, const char *message)
{
	yyjson_val *was = json_obj(t->root, "status");
	yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
	yyjson_mut_val *status = doc ? yyjson_mut_obj(doc) : NULL;
	char now[META_TIME_MAX];
	bool same = yyjson_equals_str(yyjson_obj_get(was, "phase"), phase);

	meta_time(now, (time_t)t->now_s);
	if (status && yyjson_mut_obj_add_str(doc, status, "phase", phase) &&
		(!message || yyjson_mut_obj_add_str(doc, status, "message", message)) &&
		yyjson_mut_obj_add_strcpy(doc, status, "lastPhaseTransitionTime",
			same ? json_text(was, "lastPhaseTransitionTime") ?: now : now))
		turn_set(t, t->object, "status", "status", status);
	else
		turn_failed(t);
	yyjson_mut_doc_free(doc);
}

static void reclaim(struct turn *t)
{
	yyjson_val *spec = json_obj(t->root, "spec");
	const char *policy = json_str(spec, "persistentVolumeReclaimPolicy") ?: "Retain";
	yyjson_val *by = meta_get(t->root, "metadata", "annotations", PROVISIONED_BY, NULL);

	if (!strcmp(policy, "Retain"))
		write_phase(t, "Released", NULL);
	else if (!strcmp(policy, "Delete") && yyjson_equals_str(by, LOCAL_PROVISIONER))
		turn_delete(t, t->object, NULL);
	else if (!strcmp(policy, "Delete") && by)
		write_phase(t, "Released", NULL); /* whoever made it deletes it */
	else
		write_phase(t, "Failed",
			!strcmp(policy, "Delete")
				? "nobody here made this volume, so nobody can delete what is in it"
				: "the reclaim policy Recycle is not supported");
}

/* Its data went with its node: nobody is left who could take the finalizer off. */
static bool node_is_gone(const struct turn *t)
{
	const char *node = json_text(meta_get(t->root, "metadata", "labels", NULL), LOCAL_NODE);

	return !node || !registry_get(t->r, schema_find_kind("v1", "Node"), "", node);
}

static void sync_volume(struct turn *t)
{
	yyjson_val *ref;
	const struct object *claim = NULL;
	const char *ns, *name;
	bool bound, named;

	if (!t->object)
		return;
	ref = meta_get(t->root, "spec", "claimRef", NULL);
	ns = json_text(ref, "namespace");
	name = json_text(ref, "name");
	named = json_text(ref, "uid");
	if (ns && name)
		claim = registry_get(t->r, schema_find_kind("v1", "PersistentVolumeClaim"), ns, name);
	bound = claim && named && volume_is_for(t->root, claim);
	if (t->object->deleted) {
		if (!bound && object_has_finalizer(t->object, VOLUME_PROTECTION))
			turn_remove(t, t->object, NULL, "metadata", VOLUME_PROTECTION);
		else if (!bound && object_has_finalizer(t->object, LOCAL_DATA) && node_is_gone(t))
			turn_remove(t, t->object, NULL, "metadata", LOCAL_DATA);
	} else if (bound) {
		write_phase(t, "Bound", NULL);
	} else if (named) {
		reclaim(t);
	} else {
		write_phase(t, "Available", NULL);
	}
}

static void on_claim(
	struct controller *c, enum event_type type, const struct object *old, const struct object *now)
{
	yyjson_doc *doc = object_doc(now);
	const char *volume = json_text(json_obj(yyjson_doc_get_root(doc), "spec"), "volumeName");

	if (volume)
		controller_queue(c, "", volume);
	yyjson_doc_free(doc);
}

static bool queue_if_leaving(const struct object *o, void *arg)
{
	if (o->deleted && object_has_finalizer(o, LOCAL_DATA))
		controller_queue(arg, "", o->name);
	return true;
}

static void on_node(
	struct controller *c, enum event_type type, const struct object *old, const struct object *now)
{
	if (type == EVENT_DELETED)
		registry_each(controller_registry(c), schema_find_kind("v1", "PersistentVolume"), NULL,
			queue_if_leaving, c);
}

const struct controller_type volume_controller = {
	.name = "persistent-volume-controller",
	.api_version = "v1",
	.kind = "PersistentVolume",
	.sync = sync_volume,
	.watches = {{"v1", "PersistentVolumeClaim", on_claim}, {"v1", "Node", on_node}},
};

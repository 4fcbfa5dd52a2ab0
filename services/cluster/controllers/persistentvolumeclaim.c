/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Claims: each is bound to the smallest volume that meets it, or has one made for it; one of a class that waits, when a pod that
 * uses it has a node. A claim that is being deleted stays until no pod uses it.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cluster/controllers/controllers.h"
#include "cluster/controllers/persistentvolumeclaim_int.h"
#include "cluster/registry/pod_claims.h"
#include "cluster/scheduler/cycle.h"
#include "cluster/schema/meta.h"
#include "cluster/schema/schema.h"
#include "cluster/schema/status.h"
#include "lib/json.h"

/* ---- who uses it */

static bool look_at_pod(const struct object *o, void *arg)
{
	struct claim *c = arg;
	cleanup(json_docp) yyjson_doc *doc = pod_may_use_claims(o) ? object_doc(o) : NULL;
	yyjson_val *root = yyjson_doc_get_root(doc), *spec = json_obj(root, "spec");
	const char *node = json_text(spec, "nodeName");

	if (!pod_uses_claim(o, spec, c->t->object))
		return true;
	c->used |= !phase_is_final(json_str(json_obj(root, "status"), "phase"));
	if (node)
		snprintf(c->node, sizeof(c->node), "%s", node);
	return true;
}

/* ---- finding a volume */

struct search {
	struct claim *c;
	const struct object *best;
	struct quantity best_size;
	bool taken; /* best has this claim's name already */
};

/* Can the pod's node, where there is one, reach it? */
static bool reaches(const struct claim *c, yyjson_val *volume)
{
	const struct object *node =
		*c->node ? registry_get(c->t->r, schema_find_kind("v1", "Node"), "", c->node) : NULL;
	struct sched_node n = {.o = (struct object *)(uintptr_t)node, .name = (char *)(uintptr_t)c->node};
	yyjson_val *terms = meta_get(volume, "spec", "nodeAffinity", "required", "nodeSelectorTerms", NULL);

	return *c->wish.volume || !terms || !node || node_matches_terms(&n, terms);
}

static bool look_at_volume(const struct object *o, void *arg)
{
	struct search *s = arg;
	cleanup(json_docp) yyjson_doc *doc = object_doc(o);
	yyjson_val *root = yyjson_doc_get_root(doc);
	struct quantity size = volume_capacity(json_obj(root, "spec"));
	enum wish_match match = doc ? wish_match(&s->c->wish, o, root) : WISH_NOT;

	if (match == WISH_MINE || (match == WISH_FREE && reaches(s->c, root) &&
					  (!s->best || quantity_compare(&size, &s->best_size) < 0))) {
		s->best = o;
		s->best_size = size;
		s->taken = match == WISH_MINE;
	}
	return !s->taken;
}

/* ---- binding */

struct binding {
	struct claim_ref ref;
	char volume[256];
};

static struct binding *binding_of(const struct claim *c, const char *volume)
{
	struct binding *b = calloc(1, sizeof(*b));

	if (!b) {
		turn_failed(c->t);
		return NULL;
	}
	claim_ref_of(&b->ref, c->t->object);
	snprintf(b->volume, sizeof(b->volume), "%s", volume);
	return b;
}

static enum modify no_memory(struct status **error)
{
	*error = status_internal("out of memory");
	return MODIFY_FAIL;
}

/* Unless another claim was quicker. */
static enum modify bind_volume(
	const struct object *old, yyjson_mut_doc **doc, struct status **error, void *arg)
{
	const struct binding *b = arg;

	switch (claim_ref_take(&b->ref, old, *doc)) {
	case TAKEN_NOW:
		return MODIFY_WRITE;
	case TAKEN_NO_MEMORY:
		return no_memory(error);
	case TAKEN_BEFORE:
	case TAKEN_BY_ANOTHER:
		break;
	}
	return MODIFY_NOTHING;
}

static enum modify bind_claim(
	const struct object *old, yyjson_mut_doc **doc, struct status **error, void *arg)
{
	const struct binding *b = arg;
	yyjson_mut_val *root = yyjson_mut_doc_get_root(*doc), *spec = yyjson_mut_obj_get(root, "spec");
	yyjson_mut_val *notes = meta_make(*doc, root, "metadata", "annotations", NULL);
	const char *had = yyjson_mut_get_str(yyjson_mut_obj_get(spec, "volumeName"));

	if (!notes || !meta_put(*doc, spec, "volumeName", yyjson_mut_strcpy(*doc, b->volume)) ||
		!meta_put(*doc, notes, BIND_COMPLETED, yyjson_mut_str(*doc, "yes")) ||
		(!had && !meta_put(*doc, notes, BOUND_BY_US, yyjson_mut_str(*doc, "yes"))))
		return no_memory(error);
	return MODIFY_WRITE;
}

/* ---- turns */

/* The volume that it names is not there, is another's, or is not what it asks for. */
static void go_without_named(struct claim *c)
{
	const char *name = c->wish.volume;
	const struct object *v = registry_get(c->t->r, schema_find_kind("v1", "PersistentVolume"), "", name);
	cleanup(json_docp) yyjson_doc *doc = v ? object_doc(v) : NULL;
	yyjson_val *root = yyjson_doc_get_root(doc);

	if (!root)
		turn_event(c->t, c->t->object, true, "FailedBinding",
			"volume \"%s\" that the claim names is not there", name);
	else if (json_obj(json_obj(root, "spec"), "claimRef"))
		turn_event(c->t, c->t->object, true, "FailedBinding",
			"volume \"%s\" already bound to a different claim.", name);
	else
		turn_event(c->t, c->t->object, true, "VolumeMismatch",
			"Cannot bind to requested volume \"%s\": %s", name,
			wish_mismatch(&c->wish, v, root) ?: "try again");
}

/* No volume is there for it: one is made, or it waits, and is told for what. */
static void go_without(struct claim *c)
{
	const struct object *o = c->t->object;

	if (*c->wish.volume)
		go_without_named(c);
	else if (c->waits && !*c->node)
		turn_event(c->t, o, false, "WaitForFirstConsumer",
			"waiting for first consumer to be created before binding");
	else if (!*c->wish.class)
		turn_event(c->t, o, false, "FailedBinding",
			"no persistent volumes available for this claim and no storage class is set");
	else if (!c->class_doc)
		turn_event(c->t, o, true, "ProvisioningFailed",
			"storageclass.storage.k8s.io \"%s\" not found", c->wish.class);
	else if (!strcmp(c->provisioner, LOCAL_PROVISIONER))
		claim_provision(c);
	else if (!strcmp(c->provisioner, NO_PROVISIONER))
		turn_event(c->t, o, true, "ProvisioningFailed",
			"no volume that is there meets the claim, and class \"%s\" has no provisioner",
			c->wish.class);
	else
		claim_ask_provisioner(c);
	claim_write_status(c, "Pending", NULL);
}

static void find_volume(struct claim *c)
{
	struct search s = {.c = c};
	struct binding *b;

	registry_each(c->t->r, schema_find_kind("v1", "PersistentVolume"), NULL, look_at_volume, &s);
	if (!s.best || (!s.taken && !*c->wish.volume && c->waits && !*c->node)) {
		go_without(c);
		return;
	}

	yyjson_doc *doc = object_doc(s.best);
	bool ours = json_text(meta_get(yyjson_doc_get_root(doc), "spec", "claimRef", NULL), "uid");

	yyjson_doc_free(doc);
	b = binding_of(c, s.best->name);
	/* first the volume says whose it is, then, in a later turn, the claim */
	if (b)
		turn_modify(c->t, s.taken && ours ? c->t->object : s.best, NULL,
			s.taken && ours ? bind_claim : bind_volume, b);
}

static void look_after_binding(struct claim *c)
{
	const struct object *o =
		registry_get(c->t->r, schema_find_kind("v1", "PersistentVolume"), "", c->wish.volume);
	yyjson_doc *doc = o ? object_doc(o) : NULL;
	yyjson_val *root = yyjson_doc_get_root(doc);

	if (root && volume_is_for(root, c->t->object)) {
		claim_grow(c, o, root);
		claim_write_status(c, "Bound", root);
	} else {
		claim_write_status(c, "Lost", NULL);
	}
	yyjson_doc_free(doc);
}

static void read_class(struct claim *c)
{
	const struct object *o =
		*c->wish.class ? registry_get(c->t->r, schema_find_kind("storage.k8s.io/v1", "StorageClass"),
					 "", c->wish.class)
			       : NULL;

	c->class_doc = o ? object_doc(o) : NULL;
	c->provisioner = json_str(yyjson_doc_get_root(c->class_doc), "provisioner") ?: "";
	c->waits = yyjson_equals_str(yyjson_obj_get(yyjson_doc_get_root(c->class_doc), "volumeBindingMode"),
		"WaitForFirstConsumer");
}

static void sync_claim(struct turn *t)
{
	struct claim c = {.t = t};
	bool bound = meta_get(t->root, "metadata", "annotations", BIND_COMPLETED, NULL);

	if (!t->object)
		return;
	if (!wish_read(&c.wish, t->object, json_obj(t->root, "spec"))) {
		turn_failed(t);
		return;
	}
	read_class(&c);
	if (t->object->deleted || !bound)
		registry_each(t->r, schema_find_kind("v1", "Pod"), t->ns, look_at_pod, &c);
	if (t->object->deleted && !c.used && object_has_finalizer(t->object, CLAIM_PROTECTION))
		turn_remove(t, t->object, NULL, "metadata", CLAIM_PROTECTION);
	else if (bound)
		look_after_binding(&c);
	else if (!t->object->deleted)
		find_volume(&c);
	wish_fini(&c.wish);
	yyjson_doc_free(c.class_doc);
}

/* ---- watching */

static bool same_field(const struct object *a, const struct object *b, const char *path)
{
	return !strcmp(object_field(a, path), object_field(b, path));
}

/* Which claims a pod has never changes, but where it is and whether it has ended. */
static void on_pod(
	struct controller *c, enum event_type type, const struct object *old, const struct object *now)
{
	if (type == EVENT_MODIFIED && same_field(old, now, "spec.nodeName") &&
		same_field(old, now, "status.phase"))
		return;

	yyjson_doc *doc = pod_may_use_claims(now) ? object_doc(now) : NULL;
	char buf[POD_CLAIM_MAX];
	yyjson_val *v;
	size_t i, n;
	bool own;

	yyjson_arr_foreach (json_arr(json_obj(yyjson_doc_get_root(doc), "spec"), "volumes"), i, n, v) {
		const char *name = pod_claim(now->name, v, buf, &own);

		if (name)
			controller_queue(c, now->ns, name);
	}
	yyjson_doc_free(doc);
}

static bool is_unbound(const struct object *o, const void *arg)
{
	return !strstr(o->json, "\"" BIND_COMPLETED "\"");
}

/* A volume queues its claim; a new one, all that look for one. */
static void on_volume(
	struct controller *c, enum event_type type, const struct object *old, const struct object *now)
{
	yyjson_doc *doc = object_doc(now);
	yyjson_val *ref = meta_get(yyjson_doc_get_root(doc), "spec", "claimRef", NULL);
	const char *ns = json_text(ref, "namespace"), *name = json_text(ref, "name");

	if (ns && name)
		controller_queue(c, ns, name);
	else if (type != EVENT_DELETED)
		controller_queue_where(c, NULL, is_unbound, NULL);
	yyjson_doc_free(doc);
}

static void on_class(
	struct controller *c, enum event_type type, const struct object *old, const struct object *now)
{
	controller_queue_where(c, NULL, is_unbound, NULL);
}

/* What says whether volumes may be made there: its labels, cordon and taints. */
static bool same_place(const struct object *a, const struct object *b)
{
	cleanup(json_docp) yyjson_doc *x = object_doc(a), *y = object_doc(b);
	yyjson_val *v = yyjson_doc_get_root(x), *w = yyjson_doc_get_root(y);

	return yyjson_equals(json_obj(v, "spec"), json_obj(w, "spec")) &&
	       yyjson_equals(
		       meta_get(v, "metadata", "labels", NULL), meta_get(w, "metadata", "labels", NULL));
}

static void on_node(
	struct controller *c, enum event_type type, const struct object *old, const struct object *now)
{
	if (type == EVENT_ADDED || (type == EVENT_MODIFIED && !same_place(old, now)))
		controller_queue_where(c, NULL, is_unbound, NULL);
}

const struct controller_type claim_controller = {
	.name = "persistent-volume-binder",
	.api_version = "v1",
	.kind = "PersistentVolumeClaim",
	.sync = sync_claim,
	.watches = {{"v1", "Pod", on_pod}, {"v1", "PersistentVolume", on_volume},
		{"storage.k8s.io/v1", "StorageClass", on_class}, {"v1", "Node", on_node}},
};

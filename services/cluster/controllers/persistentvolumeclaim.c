/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Claims: each is bound to the smallest volume that meets it, or has one made for it; one of a class that waits, when a pod that
 * uses it has a node. A claim that is being deleted stays until no pod uses it.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cluster/controllers/controllers.h"
#include "cluster/controllers/volumes.h"
#include "cluster/scheduler/cycle.h"
#include "cluster/schema/meta.h"
#include "cluster/schema/schema.h"
#include "cluster/schema/selector.h"
#include "cluster/schema/status.h"
#include "lib/json.h"
#include "lib/quantity.h"

struct claim {
	struct turn *t;
	yyjson_val *spec;
	const char *class, *volume; /* "" none */
	struct quantity size;
	struct selector *selector;
	bool waits; /* the class binds when the first pod has a node */
	const char *provisioner;
	yyjson_doc *class_doc; /* owned */
	char node[256];	       /* of a pod that uses it; "" none has one */
	bool used;	       /* a pod that has not ended uses it */
};

bool volume_is_for(yyjson_val *volume, const struct object *claim)
{
	yyjson_val *ref = json_obj(json_obj(volume, "spec"), "claimRef");
	const char *uid = json_text(ref, "uid");

	return ref && yyjson_equals_str(yyjson_obj_get(ref, "name"), claim->name) &&
	       yyjson_equals_str(yyjson_obj_get(ref, "namespace"), claim->ns) &&
	       (!uid || !strcmp(uid, claim->uid));
}

static struct quantity quantity_of(yyjson_val *v)
{
	struct quantity q = {0};

	if (!yyjson_is_str(v) || quantity_parse(&q, yyjson_get_str(v), yyjson_get_len(v)))
		q = (struct quantity){0};
	return q;
}

/* ---- who uses it */

static bool look_at_pod(const struct object *o, void *arg)
{
	struct claim *c = arg;
	yyjson_doc *doc = strstr(o->json, "\"claimName\":") ? object_doc(o) : NULL;
	yyjson_val *root = yyjson_doc_get_root(doc), *spec = json_obj(root, "spec"), *v;
	const char *phase = json_str(json_obj(root, "status"), "phase") ?: "",
		   *node = json_text(spec, "nodeName");
	size_t i, n;

	yyjson_arr_foreach (json_arr(spec, "volumes"), i, n, v) {
		if (!yyjson_equals_str(
			    yyjson_obj_get(json_obj(v, "persistentVolumeClaim"), "claimName"), c->t->name))
			continue;
		c->used |= strcmp(phase, "Succeeded") != 0 && strcmp(phase, "Failed") != 0;
		if (node)
			snprintf(c->node, sizeof(c->node), "%s", node);
	}
	yyjson_doc_free(doc);
	return true;
}

/* ---- finding a volume */

struct search {
	struct claim *c;
	const struct object *best;
	struct quantity best_size;
	bool taken; /* best has this claim's name already */
};

static bool has_modes(yyjson_val *volume, yyjson_val *wanted)
{
	yyjson_val *have = json_arr(json_obj(volume, "spec"), "accessModes"), *mode;
	size_t i, n;

	yyjson_arr_foreach (wanted, i, n, mode)
		if (!json_arr_has(have, yyjson_get_str(mode) ?: ""))
			return false;
	return true;
}

static bool fits(const struct claim *c, const struct object *o, yyjson_val *root)
{
	yyjson_val *spec = json_obj(root, "spec");
	const char *mode = json_text(spec, "volumeMode") ?: "Filesystem";
	const struct object *node =
		*c->node ? registry_get(c->t->r, schema_find_kind("v1", "Node"), "", c->node) : NULL;
	struct sched_node n = {.o = (struct object *)(uintptr_t)node, .name = (char *)(uintptr_t)c->node};
	yyjson_val *terms = meta_get(spec, "nodeAffinity", "required", "nodeSelectorTerms", NULL);
	struct quantity size = quantity_of(yyjson_obj_get(json_obj(spec, "capacity"), "storage"));

	if (o->deleted || strcmp(json_str(spec, "storageClassName") ?: "", c->class) != 0 ||
		strcmp(mode, json_text(c->spec, "volumeMode") ?: "Filesystem") != 0 ||
		quantity_compare(&size, &c->size) < 0 || !has_modes(root, json_arr(c->spec, "accessModes")) ||
		(c->selector && !selector_matches(c->selector, object_label_of, o)))
		return false;
	return !terms || !node || node_matches_terms(&n, terms);
}

static bool look_at_volume(const struct object *o, void *arg)
{
	struct search *s = arg;
	yyjson_doc *doc = object_doc(o);
	yyjson_val *root = yyjson_doc_get_root(doc), *spec = json_obj(root, "spec");
	struct quantity size = quantity_of(yyjson_obj_get(json_obj(spec, "capacity"), "storage"));
	bool ref = json_obj(spec, "claimRef"), mine = ref && volume_is_for(root, s->c->t->object);
	bool named = *s->c->volume;

	if (s->taken || !doc)
		;
	else if (named ? !strcmp(o->name, s->c->volume) && (mine || !ref)
		       : mine || (!ref && fits(s->c, o, root) &&
					 (!s->best || quantity_compare(&size, &s->best_size) < 0))) {
		s->best = o;
		s->best_size = size;
		s->taken = mine;
	}
	yyjson_doc_free(doc);
	return !s->taken;
}

/* ---- binding */

struct binding {
	char ns[256], name[256], uid[64], volume[256];
};

static struct binding *binding_of(const struct claim *c, const char *volume)
{
	struct binding *b = calloc(1, sizeof(*b));

	if (!b) {
		turn_failed(c->t);
		return NULL;
	}
	snprintf(b->ns, sizeof(b->ns), "%s", c->t->ns);
	snprintf(b->name, sizeof(b->name), "%s", c->t->name);
	snprintf(b->uid, sizeof(b->uid), "%s", c->t->object->uid);
	snprintf(b->volume, sizeof(b->volume), "%s", volume);
	return b;
}

static bool put_ref(yyjson_mut_doc *doc, yyjson_mut_val *spec, const struct binding *b)
{
	yyjson_mut_val *ref = yyjson_mut_obj(doc);

	return ref && yyjson_mut_obj_add_str(doc, ref, "kind", "PersistentVolumeClaim") &&
	       yyjson_mut_obj_add_strcpy(doc, ref, "namespace", b->ns) &&
	       yyjson_mut_obj_add_strcpy(doc, ref, "name", b->name) &&
	       yyjson_mut_obj_add_strcpy(doc, ref, "uid", b->uid) &&
	       yyjson_mut_obj_add_str(doc, ref, "apiVersion", "v1") && meta_put(doc, spec, "claimRef", ref);
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
	yyjson_mut_val *root = yyjson_mut_doc_get_root(*doc), *spec = yyjson_mut_obj_get(root, "spec");
	yyjson_mut_val *ref = yyjson_mut_obj_get(spec, "claimRef"), *notes;
	const char *uid = yyjson_mut_get_str(yyjson_mut_obj_get(ref, "uid"));
	bool named = ref && yyjson_mut_equals_str(yyjson_mut_obj_get(ref, "name"), b->name) &&
		     yyjson_mut_equals_str(yyjson_mut_obj_get(ref, "namespace"), b->ns);

	if (old->deleted || (ref && !named) || (uid && *uid))
		return MODIFY_NOTHING;
	if (!put_ref(*doc, spec, b))
		return no_memory(error);
	notes = named ? NULL : meta_make(*doc, root, "metadata", "annotations", NULL);
	if (notes && !meta_put(*doc, notes, BOUND_BY_US, yyjson_mut_str(*doc, "yes")))
		return no_memory(error);
	return MODIFY_WRITE;
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

static void write_status(const struct claim *c, const char *phase, yyjson_val *volume)
{
	yyjson_val *was = json_obj(c->t->root, "status"), *spec = json_obj(volume, "spec");
	yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
	yyjson_mut_val *status = !doc ? NULL : was ? yyjson_val_mut_copy(doc, was) : yyjson_mut_obj(doc);

	if (status && meta_put(doc, status, "phase", yyjson_mut_str(doc, phase)) &&
		(!volume || (meta_put(doc, status, "accessModes",
				     yyjson_val_mut_copy(doc, yyjson_obj_get(spec, "accessModes"))) &&
				    meta_put(doc, status, "capacity",
					    yyjson_val_mut_copy(doc, yyjson_obj_get(spec, "capacity"))))))
		turn_set(c->t, c->t->object, "status", "status", status);
	else
		turn_failed(c->t);
	yyjson_mut_doc_free(doc);
}

/* ---- making a volume */

static bool put_node(yyjson_mut_doc *doc, yyjson_mut_val *spec, const char *hostname)
{
	yyjson_mut_val *required = meta_make(doc, spec, "nodeAffinity", "required", NULL);
	yyjson_mut_val *terms = required ? yyjson_mut_obj_add_arr(doc, required, "nodeSelectorTerms") : NULL;
	yyjson_mut_val *term = terms ? yyjson_mut_arr_add_obj(doc, terms) : NULL;
	yyjson_mut_val *list = term ? yyjson_mut_obj_add_arr(doc, term, "matchExpressions") : NULL;
	yyjson_mut_val *e = list ? yyjson_mut_arr_add_obj(doc, list) : NULL, *values;

	if (!e || !yyjson_mut_obj_add_str(doc, e, "key", "kubernetes.io/hostname") ||
		!yyjson_mut_obj_add_str(doc, e, "operator", "In"))
		return false;
	values = yyjson_mut_obj_add_arr(doc, e, "values");
	return values && yyjson_mut_arr_add_strcpy(doc, values, hostname);
}

static bool fill_volume(yyjson_mut_doc *doc, const struct claim *c, const char *name, const char *hostname)
{
	yyjson_mut_val *root = yyjson_mut_doc_get_root(doc);
	yyjson_mut_val *notes = meta_make(doc, root, "metadata", "annotations", NULL);
	yyjson_mut_val *labels = meta_make(doc, root, "metadata", "labels", NULL);
	yyjson_mut_val *meta = yyjson_mut_obj_get(root, "metadata"),
		       *finalizers = meta ? yyjson_mut_obj_add_arr(doc, meta, "finalizers") : NULL;
	yyjson_mut_val *spec = yyjson_mut_obj_add_obj(doc, root, "spec"), *path;
	yyjson_val *class = yyjson_doc_get_root(c->class_doc), *options = json_arr(class, "mountOptions");
	yyjson_val *size = meta_get(c->spec, "resources", "requests", "storage", NULL);
	struct binding b = {0};
	char folder[400];
	yyjson_mut_val *capacity = spec ? yyjson_mut_obj_add_obj(doc, spec, "capacity") : NULL;

	snprintf(folder, sizeof(folder), LOCAL_FOLDER "/%s", name);
	snprintf(b.ns, sizeof(b.ns), "%s", c->t->ns);
	snprintf(b.name, sizeof(b.name), "%s", c->t->name);
	snprintf(b.uid, sizeof(b.uid), "%s", c->t->object->uid);
	if (!notes || !labels || !finalizers || !yyjson_mut_arr_add_str(doc, finalizers, LOCAL_DATA) ||
		!meta_put(doc, labels, LOCAL_NODE, yyjson_mut_strcpy(doc, c->node)) || !capacity ||
		!meta_set_text(doc, root, "name", name) ||
		!meta_put(doc, notes, PROVISIONED_BY, yyjson_mut_str(doc, LOCAL_PROVISIONER)) ||
		!meta_put(doc, capacity, "storage", yyjson_val_mut_copy(doc, size)) ||
		!meta_put(doc, spec, "accessModes",
			yyjson_val_mut_copy(doc, json_arr(c->spec, "accessModes"))) ||
		!put_ref(doc, spec, &b) || !put_node(doc, spec, hostname) ||
		(options && !meta_put(doc, spec, "mountOptions", yyjson_val_mut_copy(doc, options))) ||
		!meta_put(doc, spec, "persistentVolumeReclaimPolicy",
			yyjson_mut_strcpy(doc, json_text(class, "reclaimPolicy") ?: "Delete")) ||
		!meta_put(doc, spec, "storageClassName", yyjson_mut_strcpy(doc, c->class)))
		return false;
	path = yyjson_mut_obj_add_obj(doc, spec, "local");
	return path && yyjson_mut_obj_add_strcpy(doc, path, "path", folder);
}

static bool any_node(const struct object *o, void *arg)
{
	snprintf(arg, 256, "%s", o->name);
	return false;
}

static void provision(struct claim *c)
{
	const struct schema_kind *kind = schema_find_kind("v1", "PersistentVolume"),
				 *nodes = schema_find_kind("v1", "Node");
	const struct object *node;
	const char *hostname;
	yyjson_mut_doc *doc;
	char name[80];

	if (strcmp(json_text(c->spec, "volumeMode") ?: "Filesystem", "Filesystem") != 0) {
		turn_event(c->t, c->t->object, true, "ProvisioningFailed",
			"volumes of class %s are folders: volumeMode Block is not supported", c->class);
		return;
	}
	if (json_obj(c->spec, "dataSource") || json_obj(c->spec, "dataSourceRef")) {
		turn_event(c->t, c->t->object, true, "ProvisioningFailed",
			"volumes of class %s begin empty: dataSource is not supported", c->class);
		return;
	}
	/* with Immediate, nobody has said where: any node will do */
	if (!*c->node)
		registry_each(c->t->r, nodes, NULL, any_node, c->node);
	node = *c->node ? registry_get(c->t->r, nodes, "", c->node) : NULL;
	if (!node) {
		turn_event(c->t, c->t->object, true, "ProvisioningFailed", "there is no node for the volume");
		return;
	}
	hostname = object_label(node, "kubernetes.io/hostname") ?: node->name;
	snprintf(name, sizeof(name), "pvc-%s", c->t->object->uid);
	doc = new_object(kind);
	if (doc && fill_volume(doc, c, name, hostname)) {
		turn_create(c->t, kind, "", doc);
		turn_event(c->t, c->t->object, false, "ProvisioningSucceeded",
			"Successfully provisioned volume %s", name);
		return;
	}
	yyjson_mut_doc_free(doc);
	turn_failed(c->t);
}

/* ---- turns */

static void find_volume(struct claim *c)
{
	struct search s = {.c = c};
	const char *why = NULL;
	struct binding *b;

	registry_each(c->t->r, schema_find_kind("v1", "PersistentVolume"), NULL, look_at_volume, &s);
	if (s.best && (s.taken || *c->volume || !c->waits || *c->node)) {
		yyjson_doc *doc = object_doc(s.best);
		bool ours = json_text(meta_get(yyjson_doc_get_root(doc), "spec", "claimRef", NULL), "uid");

		yyjson_doc_free(doc);
		b = binding_of(c, s.best->name);
		/* first the volume says whose it is, then, in a later turn, the claim */
		if (b)
			turn_modify(c->t, s.taken && ours ? c->t->object : s.best, NULL,
				s.taken && ours ? bind_claim : bind_volume, b);
		return;
	}
	if (*c->volume)
		turn_event(c->t, c->t->object, true, "FailedBinding",
			"volume \"%s\" that the claim names is not there or is another's", c->volume);
	else if (c->waits && !*c->node)
		why = "waiting for first consumer to be created before binding";
	else if (!strcmp(c->provisioner, LOCAL_PROVISIONER))
		provision(c);
	else if (*c->provisioner && strcmp(c->provisioner, "kubernetes.io/no-provisioner") != 0)
		why = "Waiting for a volume to be created either by the external provisioner or manually by the "
		      "system administrator";
	else
		why = "no persistent volumes available for this claim and no storage class is set";
	if (why)
		turn_event(c->t, c->t->object, false,
			c->waits && !*c->node ? "WaitForFirstConsumer" : "FailedBinding", "%s", why);
	write_status(c, "Pending", NULL);
}

static void look_after_binding(struct claim *c)
{
	const struct object *o =
		registry_get(c->t->r, schema_find_kind("v1", "PersistentVolume"), "", c->volume);
	yyjson_doc *doc = o ? object_doc(o) : NULL;
	yyjson_val *root = yyjson_doc_get_root(doc);

	if (root && volume_is_for(root, c->t->object))
		write_status(c, "Bound", root);
	else
		write_status(c, "Lost", NULL);
	yyjson_doc_free(doc);
}

static void read_class(struct claim *c)
{
	const struct object *o =
		*c->class ? registry_get(c->t->r, schema_find_kind("storage.k8s.io/v1", "StorageClass"), "",
				    c->class)
			  : NULL;

	c->class_doc = o ? object_doc(o) : NULL;
	c->provisioner = json_str(yyjson_doc_get_root(c->class_doc), "provisioner") ?: "";
	c->waits = yyjson_equals_str(yyjson_obj_get(yyjson_doc_get_root(c->class_doc), "volumeBindingMode"),
		"WaitForFirstConsumer");
}

static void sync_claim(struct turn *t)
{
	struct claim c = {.t = t};
	yyjson_val *selector;
	bool bound = meta_get(t->root, "metadata", "annotations", BIND_COMPLETED, NULL);

	if (!t->object)
		return;
	c.spec = json_obj(t->root, "spec");
	c.class = json_str(c.spec, "storageClassName") ?: "";
	c.volume = json_str(c.spec, "volumeName") ?: "";
	c.size = quantity_of(meta_get(c.spec, "resources", "requests", "storage", NULL));
	selector = json_obj(c.spec, "selector");
	c.selector = selector ? selector_of(selector) : NULL;
	read_class(&c);
	if (t->object->deleted || !bound)
		registry_each(t->r, schema_find_kind("v1", "Pod"), t->ns, look_at_pod, &c);
	if (t->object->deleted && !c.used && object_has_finalizer(t->object, CLAIM_PROTECTION))
		turn_remove(t, t->object, NULL, "metadata", CLAIM_PROTECTION);
	else if (bound)
		look_after_binding(&c);
	else if (!t->object->deleted)
		find_volume(&c);
	selector_free(c.selector);
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

	yyjson_doc *doc = strstr(now->json, "\"claimName\":") ? object_doc(now) : NULL;
	yyjson_val *v;
	size_t i, n;

	yyjson_arr_foreach (json_arr(json_obj(yyjson_doc_get_root(doc), "spec"), "volumes"), i, n, v) {
		const char *name = json_text(json_obj(v, "persistentVolumeClaim"), "claimName");

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

const struct controller_type claim_controller = {
	.name = "persistent-volume-binder",
	.api_version = "v1",
	.kind = "PersistentVolumeClaim",
	.sync = sync_claim,
	.watches = {{"v1", "Pod", on_pod}, {"v1", "PersistentVolume", on_volume},
		{"storage.k8s.io/v1", "StorageClass", on_class}},
};

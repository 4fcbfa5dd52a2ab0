/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Making a volume for a claim: a folder on the node of the pod that uses it, or, when the class does not wait for one, on a node
 * that takes pods and that the class allows. Provisioners from outside are told by annotations, as they are upstream.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cluster/controllers/persistentvolumeclaim_int.h"
#include "cluster/schema/meta.h"
#include "cluster/schema/schema.h"
#include "cluster/schema/status.h"
#include "lib/json.h"

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

static bool fill_volume(
	yyjson_mut_doc *doc, const struct claim *c, const char *name, const struct object *node)
{
	yyjson_mut_val *root = yyjson_mut_doc_get_root(doc);
	yyjson_mut_val *notes = meta_make(doc, root, "metadata", "annotations", NULL);
	yyjson_mut_val *labels = meta_make(doc, root, "metadata", "labels", NULL);
	yyjson_mut_val *meta = yyjson_mut_obj_get(root, "metadata"),
		       *finalizers = meta ? yyjson_mut_obj_add_arr(doc, meta, "finalizers") : NULL;
	yyjson_mut_val *spec = yyjson_mut_obj_add_obj(doc, root, "spec"), *path;
	yyjson_val *class = yyjson_doc_get_root(c->class_doc), *options = json_arr(class, "mountOptions");
	yyjson_val *size = meta_get(c->wish.spec, "resources", "requests", "storage", NULL);
	struct claim_ref ref;
	char folder[400];
	yyjson_mut_val *capacity = spec ? yyjson_mut_obj_add_obj(doc, spec, "capacity") : NULL;

	snprintf(folder, sizeof(folder), LOCAL_FOLDER "/%s", name);
	claim_ref_of(&ref, c->t->object);
	if (!notes || !labels || !finalizers || !yyjson_mut_arr_add_str(doc, finalizers, LOCAL_DATA) ||
		!meta_put(doc, labels, LOCAL_NODE, yyjson_mut_strcpy(doc, node->name)) || !capacity ||
		!meta_set_text(doc, root, "name", name) ||
		!meta_put(doc, notes, PROVISIONED_BY, yyjson_mut_str(doc, LOCAL_PROVISIONER)) ||
		!meta_put(doc, capacity, "storage", yyjson_val_mut_copy(doc, size)) ||
		!meta_put(doc, spec, "accessModes",
			yyjson_val_mut_copy(doc, json_arr(c->wish.spec, "accessModes"))) ||
		!claim_ref_put(doc, spec, &ref) ||
		!put_node(doc, spec, object_label(node, "kubernetes.io/hostname") ?: node->name) ||
		(options && !meta_put(doc, spec, "mountOptions", yyjson_val_mut_copy(doc, options))) ||
		!meta_put(doc, spec, "persistentVolumeReclaimPolicy",
			yyjson_mut_strcpy(doc, json_text(class, "reclaimPolicy") ?: "Delete")) ||
		!meta_put(doc, spec, "storageClassName", yyjson_mut_strcpy(doc, c->wish.class)))
		return false;
	path = yyjson_mut_obj_add_obj(doc, spec, "local");
	return path && yyjson_mut_obj_add_strcpy(doc, path, "path", folder);
}

/* ---- where */

struct places {
	yyjson_val *topologies;
	size_t n, wanted; /* nodes that will do; which of them */
	const struct object *found;
};

/* A volume is of no use where no pod comes to it. */
static bool takes_pods(const struct object *node)
{
	cleanup(json_docp) yyjson_doc *doc = object_doc(node);
	yyjson_val *spec = json_obj(yyjson_doc_get_root(doc), "spec"), *taint;
	size_t i, n;

	if (!doc || json_bool(spec, "unschedulable"))
		return false;
	yyjson_arr_foreach (json_arr(spec, "taints"), i, n, taint)
		if (!yyjson_equals_str(yyjson_obj_get(taint, "effect"), "PreferNoSchedule"))
			return false;
	return true;
}

static bool look_at_node(const struct object *o, void *arg)
{
	struct places *p = arg;

	if (!o->deleted && topologies_allow(p->topologies, o) && takes_pods(o)) {
		if (p->n == p->wanted)
			p->found = o;
		p->n++;
	}
	return !p->found;
}

/* Claims are spread over the nodes that will do, by their uids. NULL: none will. */
static const struct object *any_place(const struct claim *c, yyjson_val *topologies)
{
	const struct schema_kind *nodes = schema_find_kind("v1", "Node");
	struct places all = {.topologies = topologies, .wanted = SIZE_MAX}, one = {.topologies = topologies};
	uint32_t h = hash_bytes(HASH_BEGIN, c->t->object->uid, strlen(c->t->object->uid));

	registry_each(c->t->r, nodes, NULL, look_at_node, &all);
	if (!all.n)
		return NULL;
	one.wanted = h % all.n;
	registry_each(c->t->r, nodes, NULL, look_at_node, &one);
	return one.found;
}

/* ---- those of others */

struct request {
	char provisioner[256], node[256];
};

static enum modify ask(const struct object *old, yyjson_mut_doc **doc, struct status **error, void *arg)
{
	const struct request *q = arg;
	const char *const notes[][2] = {{"volume.kubernetes.io/storage-provisioner", q->provisioner},
		{"volume.beta.kubernetes.io/storage-provisioner", q->provisioner},
		{"volume.kubernetes.io/selected-node", q->node}};
	yyjson_mut_val *to = meta_make(*doc, yyjson_mut_doc_get_root(*doc), "metadata", "annotations", NULL);
	bool ok = to, changed = false;

	for (size_t i = 0; ok && i < array_len(notes); i++) {
		if (!*notes[i][1] || yyjson_mut_equals_str(yyjson_mut_obj_get(to, notes[i][0]), notes[i][1]))
			continue;
		ok = meta_put(*doc, to, notes[i][0], yyjson_mut_strcpy(*doc, notes[i][1]));
		changed = true;
	}
	if (ok)
		return changed ? MODIFY_WRITE : MODIFY_NOTHING;
	*error = status_internal("out of memory");
	return MODIFY_FAIL;
}

void claim_ask_provisioner(struct claim *c)
{
	struct request *q = calloc(1, sizeof(*q));

	turn_event(c->t, c->t->object, false, "ExternalProvisioning",
		"Waiting for a volume to be created either by the external provisioner '%s' or manually by the "
		"system administrator. If volume creation is delayed, please verify that the provisioner is running "
		"and correctly registered.",
		c->provisioner);
	if (!q) {
		turn_failed(c->t);
		return;
	}
	snprintf(q->provisioner, sizeof(q->provisioner), "%s", c->provisioner);
	snprintf(q->node, sizeof(q->node), "%s", c->waits ? c->node : "");
	turn_modify(c->t, c->t->object, NULL, ask, q);
}

/* ---- our own */

static void failed(const struct claim *c, const char *why)
{
	turn_event(c->t, c->t->object, true, "ProvisioningFailed", "class %s: %s", c->wish.class, why);
}

void claim_provision(struct claim *c)
{
	const struct schema_kind *kind = schema_find_kind("v1", "PersistentVolume"),
				 *nodes = schema_find_kind("v1", "Node");
	yyjson_val *topologies = json_arr(yyjson_doc_get_root(c->class_doc), "allowedTopologies");
	const struct object *node =
		*c->node ? registry_get(c->t->r, nodes, "", c->node) : any_place(c, topologies);
	yyjson_mut_doc *doc;
	char name[80];

	if (strcmp(json_text(c->wish.spec, "volumeMode") ?: "Filesystem", "Filesystem") != 0) {
		failed(c, "its volumes are folders, volumeMode Block is not supported");
		return;
	}
	if (json_obj(c->wish.spec, "dataSource") || json_obj(c->wish.spec, "dataSourceRef")) {
		failed(c, "its volumes begin empty, dataSource is not supported");
		return;
	}
	if (!node) {
		failed(c, "there is no node for the volume that takes pods and that allowedTopologies allow");
		return;
	}
	if (*c->node && !topologies_allow(topologies, node)) {
		failed(c, "allowedTopologies do not allow the node of the pod that uses the claim");
		return;
	}
	snprintf(name, sizeof(name), "pvc-%s", c->t->object->uid);
	doc = new_object(kind);
	if (doc && fill_volume(doc, c, name, node)) {
		turn_create(c->t, kind, "", doc);
		turn_event(c->t, c->t->object, false, "ProvisioningSucceeded",
			"Successfully provisioned volume %s", name);
		return;
	}
	yyjson_mut_doc_free(doc);
	turn_failed(c->t);
}

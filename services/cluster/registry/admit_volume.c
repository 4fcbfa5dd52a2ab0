/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Claims that name no class get the default one (DefaultStorageClass); claims and volumes are kept while they are in use
 * (StorageObjectInUseProtection); claims grow where their class lets them (PersistentVolumeClaimResize).
 */

#include <errno.h>
#include <string.h>

#include "cluster/registry/admission.h"
#include "cluster/registry/registry_int.h"
#include "cluster/schema/meta.h"
#include "lib/json.h"
#include "lib/quantity.h"

#define DEFAULT_CLASS "storageclass.kubernetes.io/is-default-class"

/* The newest of those that say so. */
static bool newest_default(const struct object *o, void *arg)
{
	const struct object **best = arg;
	cleanup(json_docp) yyjson_doc *doc = strstr(o->json, DEFAULT_CLASS) ? object_doc(o) : NULL;
	yyjson_val *notes = meta_get(yyjson_doc_get_root(doc), "metadata", "annotations", NULL);

	if (!yyjson_equals_str(yyjson_obj_get(notes, DEFAULT_CLASS), "true"))
		return true;
	if (!*best || strcmp(o->created ? o->created : "", (*best)->created ? (*best)->created : "") > 0)
		*best = o;
	return true;
}

static struct status *give_class(struct attempt *a)
{
	yyjson_mut_val *spec = meta_make(a->doc, a->root, "spec", NULL);
	const struct object *best = NULL;

	/* "" is a choice: none */
	if (!spec || yyjson_mut_obj_get(spec, "storageClassName"))
		return NULL;
	registry_each(a->registry, schema_find("storage.k8s.io", "v1", "storageclasses"), NULL,
		newest_default, &best);
	if (best && !meta_put(a->doc, spec, "storageClassName", yyjson_mut_strcpy(a->doc, best->name)))
		return status_errno(-ENOMEM, "claim");
	return NULL;
}

static struct status *change(struct attempt *a)
{
	struct status *err;

	if (a->verb != ADMIT_CREATE)
		return NULL;
	if (attempt_is(a, "", "PersistentVolume"))
		return attempt_protect(a, "kubernetes.io/pv-protection");
	if (!attempt_is(a, "", "PersistentVolumeClaim"))
		return NULL;
	err = give_class(a);
	return err ? err : attempt_protect(a, "kubernetes.io/pvc-protection");
}

/* ---- growing */

static __int128 size_of(yyjson_val *claim)
{
	yyjson_val *v = meta_get(claim, "spec", "resources", "requests", "storage", NULL);
	struct quantity q;

	return yyjson_is_str(v) && !quantity_parse(&q, yyjson_get_str(v), yyjson_get_len(v)) ? q.nano : 0;
}

static bool class_grows(const struct registry *r, const char *name)
{
	const struct object *o =
		name ? registry_get(r, schema_find("storage.k8s.io", "v1", "storageclasses"), "", name)
		     : NULL;
	cleanup(json_docp) yyjson_doc *doc = o ? object_doc(o) : NULL;

	return json_bool(yyjson_doc_get_root(doc), "allowVolumeExpansion");
}

static struct status *check(const struct attempt *a)
{
	cleanup(json_docp) yyjson_doc *now = NULL, *was = NULL;
	yyjson_val *claim, *old;
	const char *class, *had;

	if (a->verb != ADMIT_UPDATE || *a->subresource || !attempt_is(a, "", "PersistentVolumeClaim"))
		return NULL;
	now = yyjson_mut_val_imut_copy(a->root, NULL);
	was = object_doc(a->old);
	if (!now || !was)
		return status_errno(-ENOMEM, "claim");
	claim = yyjson_doc_get_root(now);
	old = yyjson_doc_get_root(was);
	if (size_of(claim) <= size_of(old))
		return NULL;
	if (!yyjson_equals_str(meta_get(old, "status", "phase", NULL), "Bound"))
		return status_forbidden(
			a->kind, a->name, "Only bound persistent volume claims can be expanded");
	class = json_text(json_obj(claim, "spec"), "storageClassName");
	had = json_text(json_obj(old, "spec"), "storageClassName");
	if (class && had && !strcmp(class, had) && class_grows(a->registry, class))
		return NULL;
	return status_forbidden(a->kind, a->name,
		"only dynamically provisioned pvc can be resized and the storageclass that provisions the pvc must "
		"support resize");
}

const struct admission admission_volume = {.name = "Storage", .change = change, .check = check};

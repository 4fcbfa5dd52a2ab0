/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Claims that name no class get the default one (DefaultStorageClass); claims and volumes are kept while they are in use
 * (StorageObjectInUseProtection).
 */

#include <errno.h>
#include <string.h>

#include "cluster/registry/admission.h"
#include "cluster/registry/registry_int.h"
#include "cluster/schema/meta.h"
#include "lib/json.h"

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

static struct status *protect(struct attempt *a, const char *finalizer)
{
	yyjson_mut_val *meta = meta_make(a->doc, a->root, "metadata", NULL), *v;
	yyjson_mut_val *list = yyjson_mut_obj_get(meta, "finalizers");
	size_t i, n;

	if (!list)
		list = yyjson_mut_obj_add_arr(a->doc, meta, "finalizers");
	yyjson_mut_arr_foreach(list, i, n, v) if (yyjson_mut_equals_str(v, finalizer)) return NULL;
	return list && yyjson_mut_arr_add_strcpy(a->doc, list, finalizer) ? NULL
									  : status_errno(-ENOMEM, "volume");
}

static struct status *change(struct attempt *a)
{
	struct status *err;

	if (a->verb != ADMIT_CREATE)
		return NULL;
	if (attempt_is(a, "", "PersistentVolume"))
		return protect(a, "kubernetes.io/pv-protection");
	if (!attempt_is(a, "", "PersistentVolumeClaim"))
		return NULL;
	err = give_class(a);
	return err ? err : protect(a, "kubernetes.io/pvc-protection");
}

const struct admission admission_volume = {.name = "Storage", .change = change};

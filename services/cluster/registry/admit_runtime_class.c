/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Pods of a RuntimeClass (RuntimeClass): the class is there, its handler is one that nodes have, and the pod gets its overhead, its
 * nodes and its tolerations. Nodes have one runtime, which stands in for those of the same kind.
 */

#include <errno.h>
#include <string.h>

#include "cluster/registry/admission.h"
#include "cluster/registry/registry_int.h"
#include "cluster/schema/meta.h"
#include "lib/json.h"

static struct status *no_memory(void)
{
	return status_errno(-ENOMEM, "pod");
}

static struct status *check_handler(const struct attempt *a, const char *class, const char *handler)
{
	static const char *const handlers[] = {"wherry", "runc", "crun"};

	for (size_t i = 0; i < array_len(handlers); i++)
		if (!strcmp(handler, handlers[i]))
			return NULL;
	return status_forbidden(a->kind, a->name,
		"pod rejected: RuntimeClass \"%s\" wants the handler \"%s\", which no node has: they run pods as runc does "
		"(handlers wherry, runc, crun)",
		class, handler);
}

static struct status *set_overhead(struct attempt *a, yyjson_mut_val *spec, yyjson_val *wanted)
{
	yyjson_mut_val *said = yyjson_mut_obj_get(spec, "overhead"), *copy;

	if (!yyjson_obj_size(wanted))
		return said ? status_forbidden(a->kind, a->name,
				      "pod rejected: Pod Overhead set without corresponding RuntimeClass defined Overhead")
			    : NULL;
	copy = yyjson_val_mut_copy(a->doc, wanted);
	if (!copy)
		return no_memory();
	if (said && !meta_equal(said, copy))
		return status_forbidden(a->kind, a->name,
			"pod rejected: Pod's Overhead doesn't match RuntimeClass's defined Overhead");
	return meta_put(a->doc, spec, "overhead", copy) ? NULL : no_memory();
}

static struct status *choose_nodes(struct attempt *a, yyjson_mut_val *spec, yyjson_val *wanted)
{
	yyjson_mut_val *labels =
		yyjson_obj_size(wanted) ? meta_make(a->doc, spec, "nodeSelector", NULL) : NULL;
	yyjson_val *key, *value;
	size_t i, n;

	json_obj_foreach (wanted, i, n, key, value) {
		yyjson_mut_val *said = yyjson_mut_obj_get(labels, yyjson_get_str(key));

		if (said && !yyjson_mut_equals_str(said, yyjson_get_str(value)))
			return status_forbidden(a->kind, a->name,
				"pod rejected: conflict: runtimeClass.scheduling.nodeSelector[%s] = %s; "
				"pod.spec.nodeSelector[%s] = %s",
				yyjson_get_str(key), yyjson_get_str(value), yyjson_get_str(key),
				yyjson_mut_get_str(said));
		if (!said && (!labels || !yyjson_mut_obj_add(labels, yyjson_val_mut_copy(a->doc, key),
						 yyjson_val_mut_copy(a->doc, value))))
			return no_memory();
	}
	return NULL;
}

static bool has(yyjson_mut_val *list, yyjson_mut_val *item)
{
	yyjson_mut_val *v;
	size_t i, n;

	yyjson_mut_arr_foreach(list, i, n, v) if (meta_equal(v, item)) return true;
	return false;
}

static struct status *tolerate(struct attempt *a, yyjson_mut_val *spec, yyjson_val *wanted)
{
	yyjson_mut_val *list = yyjson_mut_obj_get(spec, "tolerations"), *copy;
	yyjson_val *v;
	size_t i, n;

	if (!yyjson_arr_size(wanted))
		return NULL;
	if (!list)
		list = yyjson_mut_obj_add_arr(a->doc, spec, "tolerations");
	yyjson_arr_foreach (wanted, i, n, v) {
		copy = yyjson_val_mut_copy(a->doc, v);
		if (!list || !copy || (!has(list, copy) && !yyjson_mut_arr_append(list, copy)))
			return no_memory();
	}
	return NULL;
}

static struct status *change(struct attempt *a)
{
	cleanup(json_docp) yyjson_doc *doc = NULL;
	yyjson_mut_val *spec;
	const struct object *class;
	const char *name;
	struct status *err;
	yyjson_val *root, *scheduling;

	if (a->verb != ADMIT_CREATE || !attempt_is(a, "", "Pod") || *a->subresource)
		return NULL;
	spec = yyjson_mut_obj_get(a->root, "spec");
	name = yyjson_mut_get_str(yyjson_mut_obj_get(spec, "runtimeClassName"));
	if (!name || !*name)
		return set_overhead(a, spec, NULL);
	class = registry_get(a->registry, schema_find("node.k8s.io", "v1", "runtimeclasses"), "", name);
	if (!class)
		return status_forbidden(
			a->kind, a->name, "pod rejected: RuntimeClass \"%s\" not found", name);
	doc = object_doc(class);
	root = yyjson_doc_get_root(doc);
	if (!root)
		return no_memory();
	scheduling = json_obj(root, "scheduling");
	err = check_handler(a, name, json_str(root, "handler") ?: "");
	if (!err)
		err = set_overhead(a, spec, json_obj(json_obj(root, "overhead"), "podFixed"));
	if (!err)
		err = choose_nodes(a, spec, json_obj(scheduling, "nodeSelector"));
	return err ? err : tolerate(a, spec, json_arr(scheduling, "tolerations"));
}

const struct admission admission_runtime_class = {.name = "RuntimeClass", .change = change};

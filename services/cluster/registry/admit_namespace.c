/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Namespaces: what has one is created only where one is, and is not going (NamespaceLifecycle). Those that the system needs
 * are not deleted. A new one is active, has its name as a label, and the finalizer that lets it be emptied first.
 */

#include <errno.h>
#include <string.h>

#include "cluster/registry/admission.h"
#include "cluster/registry/registry_int.h"
#include "cluster/schema/meta.h"

bool attempt_is(const struct attempt *a, const char *group, const char *kind)
{
	return !strcmp(a->kind->kind, kind) && !strcmp(a->kind->group, group);
}

static struct status *change(struct attempt *a)
{
	yyjson_mut_val *labels, *finalizers;

	if (!attempt_is(a, "", "Namespace") || *a->subresource)
		return NULL;
	labels = meta_make(a->doc, a->root, "metadata", "labels", NULL);
	if (!labels ||
		!meta_put(a->doc, labels, "kubernetes.io/metadata.name", yyjson_mut_strcpy(a->doc, a->name)))
		return status_errno(-ENOMEM, "namespace");
	if (a->verb != ADMIT_CREATE)
		return NULL;

	yyjson_mut_val *spec = meta_make(a->doc, a->root, "spec", NULL);
	yyjson_mut_val *status = meta_make(a->doc, a->root, "status", NULL);

	if (!spec || !status || !meta_put(a->doc, status, "phase", yyjson_mut_str(a->doc, "Active")))
		return status_errno(-ENOMEM, "namespace");
	finalizers = yyjson_mut_obj_get(spec, "finalizers");
	if (!finalizers)
		finalizers = yyjson_mut_obj_add_arr(a->doc, spec, "finalizers");
	for (size_t i = 0; i < yyjson_mut_arr_size(finalizers); i++)
		if (yyjson_mut_equals_str(yyjson_mut_arr_get(finalizers, i), "kubernetes"))
			return NULL;
	return yyjson_mut_arr_add_str(a->doc, finalizers, "kubernetes") ? NULL
									: status_errno(-ENOMEM, "namespace");
}

static struct status *check(const struct attempt *a)
{
	static const char *const kept[] = {"default", "kube-system", "kube-public"};
	const struct schema_kind *namespaces = schema_find("", "v1", "namespaces");
	const struct object *ns;

	if (a->verb == ADMIT_DELETE && attempt_is(a, "", "Namespace"))
		for (size_t i = 0; i < array_len(kept); i++)
			if (!strcmp(a->name, kept[i]))
				return status_forbidden(
					a->kind, a->name, "this namespace may not be deleted");
	if (a->verb != ADMIT_CREATE || !(a->kind->flags & SCHEMA_NAMESPACED))
		return NULL;
	ns = registry_get(a->registry, namespaces, "", a->ns);
	if (!ns)
		return status_not_found(namespaces, a->ns);
	if (ns->deleted) {
		struct status *s = status_forbidden(a->kind, a->name,
			"unable to create new content in namespace %s because it is being terminated", a->ns);
		char text[320];

		snprintf(text, sizeof(text), "namespace %s is being terminated", a->ns);
		status_add_cause(s, "NamespaceTerminating", text, "metadata.namespace");
		return s;
	}
	return NULL;
}

const struct admission admission_namespace = {.name = "NamespaceLifecycle", .change = change, .check = check};

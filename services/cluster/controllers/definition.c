/* SPDX-License-Identifier: Apache-2.0 */

/*
 * CustomResourceDefinitions: says in their status whether their names were accepted and whether their kinds are served (custom.c of the
 * registry serves them), and empties those that are being deleted.
 */

#include <stdio.h>
#include <string.h>

#include "cluster/controllers/controllers.h"
#include "cluster/schema/meta.h"
#include "cluster/schema/schema.h"
#include "lib/json.h"

#define CLEANUP "customresourcecleanup.apiextensions.k8s.io"

/* The kind in which its objects are kept, or NULL while it is not served. */
static const struct schema_kind *kind_of(yyjson_val *root)
{
	yyjson_val *spec = json_obj(root, "spec"), *version;
	const char *group = json_str(spec, "group") ?: "",
		   *plural = json_str(json_obj(spec, "names"), "plural") ?: "";
	size_t i, n;

	yyjson_arr_foreach (json_arr(spec, "versions"), i, n, version) {
		const struct schema_kind *k = schema_find(group, json_str(version, "name") ?: "", plural);

		if (k && k->flags & SCHEMA_CUSTOM)
			return k;
	}
	return NULL;
}

static bool serves_any(yyjson_val *root)
{
	yyjson_val *version;
	size_t i, n;

	yyjson_arr_foreach (json_arr(json_obj(root, "spec"), "versions"), i, n, version)
		if (json_bool(version, "served"))
			return true;
	return false;
}

static yyjson_mut_val *stored_versions(yyjson_mut_doc *doc, yyjson_val *root)
{
	yyjson_val *was = meta_get(root, "status", "storedVersions", NULL), *version;
	yyjson_mut_val *list = was ? yyjson_val_mut_copy(doc, was) : yyjson_mut_arr(doc);
	size_t i, n;

	yyjson_arr_foreach (json_arr(json_obj(root, "spec"), "versions"), i, n, version) {
		const char *name = json_str(version, "name");

		if (json_bool(version, "storage") && name && !json_arr_has(was, name) &&
			!yyjson_mut_arr_add_strcpy(doc, list, name))
			return NULL;
	}
	return list;
}

static void write_status(struct turn *t, bool served, bool leaving)
{
	yyjson_val *was = meta_get(t->root, "status", "conditions", NULL);
	yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
	yyjson_mut_val *status = doc ? yyjson_mut_obj(doc) : NULL, *list, *names;

	list = !status ? NULL : was ? yyjson_val_mut_copy(doc, was) : yyjson_mut_arr(doc);
	names = list ? yyjson_val_mut_copy(doc, meta_get(t->root, "spec", "names", NULL)) : NULL;
	if (!names) {
		yyjson_mut_doc_free(doc);
		turn_failed(t);
		return;
	}
	condition_set(doc, list, "NamesAccepted", served ? "True" : "False",
		served ? "NoConflicts" : "KindConflict",
		served ? "no conflicts found"
		       : "another definition of this group has the same kind or list kind",
		t->now_s);
	condition_set(doc, list, "Established", served ? "True" : "False",
		served ? "InitialNamesAccepted" : "NotAccepted",
		served ? "the initial names have been accepted" : "not all names are accepted", t->now_s);
	if (leaving)
		condition_set(doc, list, "Terminating", "True", "InstanceDeletionInProgress",
			"CustomResource deletion is in progress", t->now_s);
	if (yyjson_mut_obj_add_val(doc, status, "conditions", list) &&
		yyjson_mut_obj_add_val(doc, status, "acceptedNames", names) &&
		meta_put(doc, status, "storedVersions", stored_versions(doc, t->root)))
		turn_set(t, t->object, "status", "status", status);
	else
		turn_failed(t);
	yyjson_mut_doc_free(doc);
}

struct emptying {
	struct turn *t;
	size_t left;
};

static bool end_one(const struct object *o, void *arg)
{
	struct emptying *e = arg;

	e->left++;
	if (!o->deleted)
		turn_delete(e->t, o, NULL);
	return true;
}

static void sync_definition(struct turn *t)
{
	const struct schema_kind *kind;
	struct emptying e = {.t = t};

	if (!t->object)
		return;
	kind = kind_of(t->root);
	write_status(t, kind || !serves_any(t->root), t->object->deleted);
	if (!t->object->deleted)
		return;
	if (kind)
		registry_each(t->r, kind, NULL, end_one, &e);
	if (!e.left)
		turn_remove(t, t->object, NULL, "metadata", CLEANUP);
}

/* One less of a definition that is being emptied. */
static void on_any(
	struct controller *c, enum event_type type, const struct object *old, const struct object *now)
{
	char name[512];

	if (type != EVENT_DELETED || !(now->kind->flags & SCHEMA_CUSTOM))
		return;
	snprintf(name, sizeof(name), "%s.%s", now->kind->plural, now->kind->group);
	controller_queue(c, "", name);
}

const struct controller_type definition_controller = {
	.name = "customresourcedefinition-controller",
	.api_version = "apiextensions.k8s.io/v1",
	.kind = "CustomResourceDefinition",
	.sync = sync_definition,
	.watches = {{.api_version = "*", .event = on_any}},
};

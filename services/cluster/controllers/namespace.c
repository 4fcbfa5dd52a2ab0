/* SPDX-License-Identifier: Apache-2.0 */

/*
 * A namespace that is being deleted is emptied, and goes when it is empty. Pods first, since everything else may be what they
 * stand on; meanwhile its conditions say what is left.
 */

#include <stdio.h>
#include <string.h>

#include "cluster/controllers/controllers.h"
#include "cluster/schema/meta.h"
#include "cluster/schema/custom.h"
#include "cluster/schema/schema.h"

#define FINALIZER "kubernetes"

struct emptying {
	struct turn *t;
	const struct schema_kind *kind;
	size_t left, with_finalizers; /* of this kind */
};

static bool empty(const struct object *o, void *arg)
{
	struct emptying *e = arg;

	e->left++;
	e->with_finalizers += o->deleted && o->n_finalizers;
	if (!o->deleted)
		turn_delete(e->t, o,
			&(struct delete_options){.grace_seconds = -1, .propagation = PROPAGATE_BACKGROUND});
	return true;
}

struct remains {
	size_t objects, finalizers;
	char text[512]; /* "pods. has 3 resource instances, ..." */
};

static void add_kind(struct remains *all, struct turn *t, const struct schema_kind *k)
{
	struct emptying e = {.t = t, .kind = k};
	size_t n = strlen(all->text);
	char name[256];

	if (!schema_is_main(k) || !(k->flags & SCHEMA_NAMESPACED) ||
		k->flags & (SCHEMA_REVIEW | SCHEMA_METRICS))
		return;
	registry_each(t->r, k, t->name, empty, &e);
	if (!e.left)
		return;
	all->objects += e.left;
	all->finalizers += e.with_finalizers;
	snprintf(all->text + n, sizeof(all->text) - n, "%s%s has %zu resource instances", n ? ", " : "",
		schema_resource_name(k, name, sizeof(name)), e.left);
}

static void say(struct turn *t, const struct remains *left)
{
	yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
	yyjson_mut_val *root = doc ? yyjson_mut_obj(doc) : NULL, *status, *list;
	char text[600];

	status = root ? yyjson_mut_obj_add_obj(doc, root, "status") : NULL;
	list = conditions_of(doc, root);
	if (status && list && yyjson_mut_obj_add_str(doc, status, "phase", "Terminating")) {
		snprintf(text, sizeof(text), "Some resources are remaining: %s", left->text);
		condition_set(doc, list, "NamespaceContentRemaining", left->objects ? "True" : "False",
			left->objects ? "SomeResourcesRemain" : "ContentRemoved",
			left->objects ? text : "All content successfully removed", t->now_s);
		condition_set(doc, list, "NamespaceFinalizersRemaining", left->finalizers ? "True" : "False",
			left->finalizers ? "SomeFinalizersRemain" : "ContentHasNoFinalizers",
			left->finalizers ? "Some content in the namespace has finalizers remaining"
					 : "All content-preserving finalizers finished",
			t->now_s);
		turn_set(t, t->object, "status", "status", status);
	} else {
		turn_failed(t);
	}
	yyjson_mut_doc_free(doc);
}

static void sync_namespace(struct turn *t)
{
	struct remains left = {0};
	size_t n;
	const struct schema_kind *const *kinds;

	if (!t->object || !t->object->deleted)
		return;
	kinds = custom_all(&n);
	add_kind(&left, t, schema_find_kind("v1", "Pod"));
	for (size_t i = 0; kinds && !left.objects && i < n; i++)
		add_kind(&left, t, kinds[i]);
	if (left.objects)
		say(t, &left);
	else
		turn_remove(t, t->object, "finalize", "spec", FINALIZER);
}

/* One less in a namespace that is being emptied. */
static void on_any(
	struct controller *c, enum event_type type, const struct object *old, const struct object *now)
{
	const struct object *ns;

	if (type == EVENT_ADDED || !*now->ns)
		return;
	ns = registry_get(controller_registry(c), schema_find_kind("v1", "Namespace"), "", now->ns);
	if (ns && ns->deleted)
		controller_queue_object(c, ns);
}

const struct controller_type namespace_controller = {
	.name = "namespace-controller",
	.api_version = "v1",
	.kind = "Namespace",
	.sync = sync_namespace,
	.watches = {{.api_version = "*", .event = on_any}},
};

/* SPDX-License-Identifier: Apache-2.0 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cluster/controllers/revisions.h"
#include "cluster/schema/meta.h"
#include "cluster/schema/schema.h"
#include "lib/json.h"

struct gather {
	struct turn *t;
	struct revisions *out;
	size_t cap;
	bool no_memory;
};

static bool gather(const struct object *o, void *arg)
{
	struct gather *g = arg;
	struct revisions *out = g->out;
	const struct object_owner *owner = object_controller(o);
	struct revision *v;

	if (strcmp(o->kind->kind, "ControllerRevision") != 0 || !owner || o->deleted ||
		strcmp(owner->uid, g->t->object->uid) != 0)
		return true;
	if (out->n == g->cap) {
		size_t cap = g->cap ? 2 * g->cap : 8;

		v = reallocarray(out->items, cap, sizeof(*v));
		if (!v)
			return !(g->no_memory = true);
		out->items = v;
		g->cap = cap;
	}
	v = &out->items[out->n];
	*v = (struct revision){.doc = object_doc(o)};
	if (!v->doc)
		return !(g->no_memory = true);
	out->n++;
	v->o = object_ref(o);
	v->pod_template = meta_get(yyjson_doc_get_root(v->doc), "data", "spec", "template", NULL);
	v->hash = object_label(v->o, REVISION_HASH) ?: "";
	v->number = json_int(yyjson_doc_get_root(v->doc), "revision", 0);
	return true;
}

static int by_number(const void *a, const void *b)
{
	const struct revision *x = a, *y = b;

	if (x->number != y->number)
		return x->number < y->number ? -1 : 1;
	return strcmp(x->o->name, y->o->name);
}

/* Of the present template, as a value to compare with. NULL: no memory. */
static yyjson_mut_val *patch_of(yyjson_mut_doc *doc, yyjson_val *pod_template)
{
	yyjson_mut_val *data = yyjson_mut_obj(doc), *spec = yyjson_mut_obj(doc);
	yyjson_mut_val *copy = pod_template ? yyjson_val_mut_copy(doc, pod_template) : NULL;

	if (!data || !spec || !copy || !meta_put(doc, copy, "$patch", yyjson_mut_str(doc, "replace")) ||
		!meta_put(doc, spec, "template", copy) || !meta_put(doc, data, "spec", spec))
		return NULL;
	return data;
}

static struct revision *same_data(const struct revisions *r, yyjson_mut_val *data)
{
	for (size_t i = r->n; i-- > 0;) {
		yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
		yyjson_val *was = yyjson_obj_get(yyjson_doc_get_root(r->items[i].doc), "data");
		yyjson_mut_val *copy = doc && was ? yyjson_val_mut_copy(doc, was) : NULL;
		bool same = copy && meta_equal(copy, data);

		yyjson_mut_doc_free(doc);
		if (same)
			return &r->items[i];
	}
	return NULL;
}

static void make(struct turn *t, const struct revisions *r, yyjson_mut_val *data)
{
	const struct schema_kind *kind = schema_find_kind("apps/v1", "ControllerRevision");
	yyjson_val *pod_template = meta_get(t->root, "spec", "template", NULL);
	yyjson_val *from = meta_get(pod_template, "metadata", "labels", NULL);
	yyjson_mut_doc *doc = new_object(kind);
	yyjson_mut_val *root = yyjson_mut_doc_get_root(doc), *meta = yyjson_mut_obj_get(root, "metadata"),
		       *labels;
	int64_t number = r->n ? r->items[r->n - 1].number + 1 : 1;
	char hash[HASH_MAX], name[300];
	bool ok = doc != NULL;

	/* the first name that nobody has */
	for (int64_t salt = 0; ok; salt++) {
		ok = value_hash(pod_template, salt, hash);
		snprintf(name, sizeof(name), "%s-%s", t->name, hash);
		if (!registry_get(t->r, kind, t->ns, name))
			break;
	}
	labels = !ok ? NULL : from ? yyjson_val_mut_copy(doc, from) : yyjson_mut_obj(doc);
	if (labels && meta_put(doc, labels, REVISION_HASH, yyjson_mut_strcpy(doc, hash)) &&
		meta_put(doc, meta, "labels", labels) && meta_set_text(doc, root, "name", name) &&
		set_controller(doc, root, t->object) &&
		meta_put(doc, root, "data", yyjson_mut_val_mut_copy(doc, data)) &&
		meta_put(doc, root, "revision", yyjson_mut_int(doc, number))) {
		turn_create(t, kind, t->ns, doc);
		return;
	}
	yyjson_mut_doc_free(doc);
	turn_failed(t);
}

bool revisions_of(struct turn *t, struct revisions *out)
{
	struct gather g = {.t = t, .out = out};
	yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
	yyjson_mut_val *data = doc ? patch_of(doc, meta_get(t->root, "spec", "template", NULL)) : NULL;

	*out = (struct revisions){0};
	registry_each_owned(t->r, t->object->uid, gather, &g);
	if (!data || g.no_memory) {
		yyjson_mut_doc_free(doc);
		revisions_fini(out);
		return false;
	}
	if (out->n)
		qsort(out->items, out->n, sizeof(*out->items), by_number);
	out->update = same_data(out, data);
	if (!out->update) {
		make(t, out, data);
	} else if (out->update != &out->items[out->n - 1]) {
		/* gone back to: it is the newest now */
		yyjson_mut_val *n = yyjson_mut_int(doc, out->items[out->n - 1].number + 1);

		turn_set(t, out->update->o, NULL, "revision", n);
	}
	yyjson_mut_doc_free(doc);
	return true;
}

void revisions_fini(struct revisions *r)
{
	for (size_t i = 0; i < r->n; i++) {
		yyjson_doc_free(r->items[i].doc);
		object_unref(r->items[i].o);
	}
	free(r->items);
	*r = (struct revisions){0};
}

struct revision *revision_named(const struct revisions *r, const char *name)
{
	for (size_t i = 0; name && i < r->n; i++)
		if (!strcmp(r->items[i].o->name, name))
			return &r->items[i];
	return NULL;
}

void revisions_truncate(struct turn *t, const struct revisions *r, int64_t limit,
	bool (*in_use)(const struct revision *v, const void *arg), const void *arg)
{
	int64_t old = 0;

	for (size_t i = 0; i < r->n; i++)
		old += &r->items[i] != r->update && !in_use(&r->items[i], arg);
	for (size_t i = 0; i < r->n && old > limit; i++)
		if (&r->items[i] != r->update && !in_use(&r->items[i], arg)) {
			turn_delete(t, r->items[i].o, NULL);
			old--;
		}
}

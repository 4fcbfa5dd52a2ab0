/* SPDX-License-Identifier: Apache-2.0 */

#include <stdlib.h>
#include <string.h>

#include "cluster/controllers/pods.h"
#include "cluster/schema/meta.h"
#include "cluster/schema/schema.h"
#include "cluster/schema/selector.h"
#include "cluster/schema/status.h"
#include "lib/json.h"

/* ---- reading */

static bool read_pod(struct pod *p, const struct object *o)
{
	yyjson_val *status, *ready, *list, *each;
	size_t i, n;

	p->doc = object_doc(o);
	if (!p->doc)
		return false;
	p->o = object_ref(o);
	p->root = yyjson_doc_get_root(p->doc);
	status = json_obj(p->root, "status");
	p->phase = json_str(status, "phase") ?: "";
	p->node = json_str(json_obj(p->root, "spec"), "nodeName") ?: "";
	p->active = !o->deleted && !phase_is_final(p->phase);
	ready = condition_of(p->root, "Ready");
	p->ready = yyjson_equals_str(yyjson_obj_get(ready, "status"), "True");
	if (p->ready)
		p->ready_since_s = time_of(yyjson_obj_get(ready, "lastTransitionTime"));
	list = json_arr(status, "containerStatuses");
	yyjson_arr_foreach (list, i, n, each) {
		int64_t r = json_int(each, "restartCount", 0);

		if (r > p->restarts)
			p->restarts = r;
	}
	return true;
}

void pods_fini(struct pods *p)
{
	for (size_t i = 0; i < p->n; i++) {
		yyjson_doc_free(p->items[i].doc);
		object_unref(p->items[i].o);
	}
	free(p->items);
	*p = (struct pods){0};
}

/* ---- adopting and letting go */

/* Another's uid, so that one free() ends it. */
struct claim {
	struct object *owner; /* held by the turn, which outlives its writes */
};

static enum modify adopt(const struct object *old, yyjson_mut_doc **doc, struct status **error, void *arg)
{
	const struct claim *c = arg;
	yyjson_mut_val *root = yyjson_mut_doc_get_root(*doc);

	/*
	 * Somebody was quicker, or it is on its way out. The turn has counted it among its pods, and nothing that happens to it
	 * from here on is this controller's to hear: a conflict has the turn again.
	 */
	if (object_controller(old) || old->deleted) {
		*error = status_modified(old->kind, old->name);
		return MODIFY_FAIL;
	}

	yyjson_mut_val *others = meta_mut_get(root, "metadata", "ownerReferences", NULL);

	if (yyjson_mut_is_arr(others))
		others = yyjson_mut_val_mut_copy(*doc, others);
	if (!set_controller(*doc, root, c->owner)) {
		*error = status_internal("out of memory");
		return MODIFY_FAIL;
	}

	yyjson_mut_val *list = meta_mut_get(root, "metadata", "ownerReferences", NULL), *each;
	size_t i, n;

	yyjson_mut_arr_foreach(others, i, n, each)
		yyjson_mut_arr_append(list, yyjson_mut_val_mut_copy(*doc, each));
	return MODIFY_WRITE;
}

static enum modify let_go(const struct object *old, yyjson_mut_doc **doc, struct status **error, void *arg)
{
	const struct claim *c = arg;
	yyjson_mut_val *list = meta_mut_get(
			       yyjson_mut_doc_get_root(*doc), "metadata", "ownerReferences", NULL),
		       *each;
	yyjson_mut_arr_iter it;
	bool changed = false;

	if (!yyjson_mut_arr_iter_init(list, &it))
		return MODIFY_NOTHING;
	while ((each = yyjson_mut_arr_iter_next(&it)))
		if (yyjson_mut_equals_str(yyjson_mut_obj_get(each, "uid"), c->owner->uid)) {
			json_mut_arr_iter_remove(&it);
			changed = true;
		}
	return changed ? MODIFY_WRITE : MODIFY_NOTHING;
}

static void claim(struct turn *t, const struct object *pod, registry_modifier *fn)
{
	struct claim *c = malloc(sizeof(*c));

	if (!c) {
		turn_failed(t);
		return;
	}
	c->owner = (struct object *)(uintptr_t)t->object;
	turn_modify(t, pod, NULL, fn, c);
}

struct collect {
	struct turn *t;
	const struct selector *selector;
	bool (*mine)(const struct turn *t, const struct object *pod); /* NULL: all */
	struct pods *out;
	size_t cap;
	bool failed;
};

static bool collect(struct collect *c, const struct object *o)
{
	if (c->out->n == c->cap) {
		size_t cap = c->cap ? 2 * c->cap : 16;
		struct pod *more = reallocarray(c->out->items, cap, sizeof(*more));

		if (!more)
			return !(c->failed = true);
		c->out->items = more;
		c->cap = cap;
	}
	c->out->items[c->out->n] = (struct pod){0};
	if (!read_pod(&c->out->items[c->out->n], o))
		return !(c->failed = true);
	c->out->n++;
	return true;
}

static bool collect_owned(const struct object *o, void *arg)
{
	struct collect *c = arg;
	const struct object_owner *owner = object_controller(o);

	if (strcmp(o->kind->kind, "Pod") != 0 || *o->kind->group || !owner ||
		strcmp(owner->uid, c->t->object->uid) != 0)
		return true;
	if (c->selector && !o->deleted && !selector_matches(c->selector, object_label_of, o)) {
		claim(c->t, o, let_go);
		return true;
	}
	return collect(c, o);
}

static bool adopt_orphan(const struct object *o, void *arg)
{
	struct collect *c = arg;

	if (!object_controller(o) && !o->deleted && selector_matches(c->selector, object_label_of, o) &&
		(!c->mine || c->mine(c->t, o))) {
		claim(c->t, o, adopt);
		return collect(c, o);
	}
	return true;
}

bool pods_of(struct turn *t, const struct selector *selector, struct pods *out)
{
	return pods_of_mine(t, selector, NULL, out);
}

bool pods_of_mine(struct turn *t, const struct selector *selector,
	bool (*mine)(const struct turn *t, const struct object *pod), struct pods *out)
{
	struct collect c = {.t = t, .selector = selector, .mine = mine, .out = out};

	*out = (struct pods){0};
	registry_each_owned(t->r, t->object->uid, collect_owned, &c);
	if (selector && !selector->nothing && !t->object->deleted && !c.failed)
		registry_each(t->r, schema_find_kind("v1", "Pod"), t->ns, adopt_orphan, &c);
	if (c.failed)
		pods_fini(out);
	return !c.failed;
}

/* ---- making */

static bool copy_meta(yyjson_mut_doc *doc, yyjson_mut_val *meta, yyjson_val *from, const char *key)
{
	yyjson_val *v = yyjson_obj_get(from, key);

	return !v || meta_put(doc, meta, key, yyjson_val_mut_copy(doc, v));
}

yyjson_mut_doc *pod_from_template(const struct object *owner, yyjson_val *pod_template, const char *name)
{
	yyjson_mut_doc *doc = new_object(schema_find_kind("v1", "Pod"));
	yyjson_mut_val *root = yyjson_mut_doc_get_root(doc), *meta = yyjson_mut_obj_get(root, "metadata");
	yyjson_val *from = json_obj(pod_template, "metadata"), *spec = json_obj(pod_template, "spec");
	char prefix[300];

	snprintf(prefix, sizeof(prefix), "%s-", owner->name);
	if (doc && copy_meta(doc, meta, from, "labels") && copy_meta(doc, meta, from, "annotations") &&
		copy_meta(doc, meta, from, "finalizers") &&
		meta_set_text(doc, root, name ? "name" : "generateName", name ? name : prefix) &&
		set_controller(doc, root, owner) &&
		meta_put(doc, root, "spec", spec ? yyjson_val_mut_copy(doc, spec) : yyjson_mut_obj(doc)))
		return doc;
	yyjson_mut_doc_free(doc);
	return NULL;
}

/* ---- ranking */

struct ranked {
	struct pod pod;
	int64_t cost, neighbours, created_s;
	int phase;
};

static int order(int64_t a, int64_t b)
{
	return a < b ? -1 : a > b;
}

static int compare(const void *a, const void *b)
{
	const struct ranked *x = a, *y = b;
	int d;

	if ((d = order(!!*x->pod.node, !!*y->pod.node)) || (d = order(x->phase, y->phase)) ||
		(d = order(x->pod.ready, y->pod.ready)) || (d = order(x->cost, y->cost)) ||
		(d = order(y->neighbours, x->neighbours)))
		return d;
	/* the one that has been ready for a shorter time goes first */
	if (x->pod.ready && (d = order(y->pod.ready_since_s, x->pod.ready_since_s)))
		return d;
	if ((d = order(y->pod.restarts, x->pod.restarts)))
		return d;
	return order(y->created_s, x->created_s);
}

void pods_sort_for_deletion(struct pods *p)
{
	struct ranked *r = calloc(p->n ? p->n : 1, sizeof(*r));

	if (!r)
		return; /* any order is right, some are kinder */
	for (size_t i = 0; i < p->n; i++) {
		const struct pod *pod = &p->items[i];
		yyjson_val *cost = meta_get(pod->root, "metadata", "annotations",
			"controller.kubernetes.io/pod-deletion-cost", NULL);

		r[i] = (struct ranked){.pod = *pod,
			.cost = cost ? strtoll(yyjson_get_str(cost) ?: "", NULL, 10) : 0,
			.created_s = time_of(meta_get(pod->root, "metadata", "creationTimestamp", NULL)),
			.phase = !strcmp(pod->phase, "Running") ? 2 : !strcmp(pod->phase, "Unknown")};
		for (size_t k = 0; *pod->node && k < p->n; k++)
			r[i].neighbours += p->items[k].active && !strcmp(p->items[k].node, pod->node);
	}
	qsort(r, p->n, sizeof(*r), compare);
	for (size_t i = 0; i < p->n; i++)
		p->items[i] = r[i].pod;
	free(r);
}

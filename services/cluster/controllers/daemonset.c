/* SPDX-License-Identifier: Apache-2.0 */

/*
 * DaemonSet: a pod on each node that it fits. It makes the pods, pinned, and the scheduler binds them like any other. An update
 * takes down so many at a time (maxUnavailable), or puts so many new ones beside the old first (maxSurge); what does not work is
 * replaced at once.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cluster/controllers/controllers.h"
#include "cluster/controllers/daemonset_int.h"
#include "cluster/schema/meta.h"
#include "cluster/schema/schema.h"
#include "cluster/schema/selector.h"
#include "lib/json.h"

enum { FAILED_PAUSE_S = 1, BURST = 250 };

/* ---- reading */

static bool gather_node(const struct object *o, void *arg)
{
	struct daemonset *d = arg;
	yyjson_doc *doc = object_doc(o);
	struct daemonset_node *n;

	if (doc && d->n == d->cap) {
		size_t cap = d->cap ? 2 * d->cap : 16;

		n = reallocarray(d->nodes, cap, sizeof(*n));
		if (n) {
			d->nodes = n;
			d->cap = cap;
		}
	}
	if (!doc || d->n == d->cap) {
		yyjson_doc_free(doc);
		return !(d->no_memory = true);
	}
	n = &d->nodes[d->n++];
	*n = (struct daemonset_node){.o = object_ref(o)};
	daemonset_judge(d, o, yyjson_doc_get_root(doc), &n->run, &n->stay);
	yyjson_doc_free(doc);
	return true;
}

static struct daemonset_node *node_named(const struct daemonset *d, const char *name)
{
	size_t low = 0, high = d->n;

	/* the view gives them in order of names */
	while (low < high) {
		size_t mid = (low + high) / 2;
		int c = strcmp(d->nodes[mid].o->name, name);

		if (!c)
			return &d->nodes[mid];
		if (c < 0)
			low = mid + 1;
		else
			high = mid;
	}
	return NULL;
}

static int64_t bound(yyjson_val *v, int64_t of, int64_t absent)
{
	if (yyjson_is_int(v))
		return yyjson_get_sint(v);
	return yyjson_is_str(v) ? (strtoll(yyjson_get_str(v), NULL, 10) * of + 99) / 100 : absent;
}

static int64_t wanted(const struct daemonset *d)
{
	int64_t n = 0;

	for (size_t i = 0; i < d->n; i++)
		n += d->nodes[i].run;
	return n;
}

static bool daemonset_read(struct daemonset *d, struct turn *t)
{
	struct selector *selector = selector_of(meta_get(t->root, "spec", "selector", NULL));
	yyjson_val *strategy, *rolling;
	bool ok;

	*d = (struct daemonset){
		.t = t, .spec = json_obj(t->root, "spec"), .status = json_obj(t->root, "status")};
	d->pod_spec = meta_get(d->spec, "template", "spec", NULL);
	d->min_ready_s = json_int(d->spec, "minReadySeconds", 0);
	strategy = json_obj(d->spec, "updateStrategy");
	rolling = json_obj(strategy, "rollingUpdate");
	d->on_delete = yyjson_equals_str(yyjson_obj_get(strategy, "type"), "OnDelete");
	ok = selector && pods_of(t, selector, &d->pods) && revisions_of(t, &d->revisions);
	selector_free(selector);
	if (!ok)
		return false;
	registry_each(t->r, schema_find_kind("v1", "Node"), NULL, gather_node, d);
	d->max_surge = bound(yyjson_obj_get(rolling, "maxSurge"), wanted(d), 0);
	d->max_unavailable = bound(yyjson_obj_get(rolling, "maxUnavailable"), wanted(d), 1);
	if (!d->max_surge && d->max_unavailable < 1)
		d->max_unavailable = 1;
	return !d->no_memory;
}

static void daemonset_fini(struct daemonset *d)
{
	revisions_fini(&d->revisions);
	for (size_t i = 0; i < d->n; i++)
		object_unref(d->nodes[i].o);
	free(d->nodes);
	pods_fini(&d->pods);
}

/* ---- pods on their nodes */

static void end_pod(struct daemonset *d, const struct pod *p)
{
	turn_delete(d->t, p->o, NULL);
	turn_event(d->t, d->t->object, false, "SuccessfulDelete", "Deleted pod: %s", p->o->name);
}

static bool is_fresh(const struct daemonset *d, const struct pod *p)
{
	const char *label = object_label(p->o, REVISION_LABEL);

	return label && !strcmp(label, d->revisions.update->hash);
}

static bool is_available(struct daemonset *d, const struct pod *p)
{
	if (!p || !p->ready)
		return false;
	if (pod_available(p, d->min_ready_s, d->t->now_s))
		return true;
	turn_again_in(d->t, (p->ready_since_s + d->min_ready_s - d->t->now_s) * 1000);
	return false;
}

/* A failed pod makes room for another, but not without a breath between. */
static bool end_failed(struct daemonset *d, const struct pod *p)
{
	int64_t made = time_of(meta_get(p->root, "metadata", "creationTimestamp", NULL));

	if (!phase_is_final(p->phase))
		return false;
	if (made + FAILED_PAUSE_S > d->t->now_s)
		turn_again_in(d->t, FAILED_PAUSE_S * 1000);
	else {
		turn_event(d->t, d->t->object, true, "FailedDaemonPod",
			"Found failed daemon pod %s/%s on node %s, will try to kill it", p->o->ns, p->o->name,
			daemonset_node_of(p));
		end_pod(d, p);
	}
	return true;
}

static void put_on_node(struct daemonset *d, struct pod *p)
{
	struct daemonset_node *n = node_named(d, daemonset_node_of(p));
	struct pod **slot;

	if (p->o->deleted) {
		if (n)
			n->leaving = true;
		return;
	}
	if (!n || !n->stay) {
		end_pod(d, p);
		return;
	}
	if (end_failed(d, p)) {
		n->leaving = true;
		return;
	}
	slot = is_fresh(d, p) ? &n->fresh : &n->old;
	if (!*slot) {
		*slot = p;
		return;
	}
	/* one is enough: the older stays, or the one that is bound */
	if (*p->node && !*(*slot)->node) {
		end_pod(d, *slot);
		*slot = p;
	} else {
		end_pod(d, p);
	}
}

/* ---- updating */

/* Takes old pods down: those that do not work, and of the others as many as may be missing. */
static void replace(struct daemonset *d)
{
	int64_t missing = 0;

	for (size_t i = 0; i < d->n; i++)
		missing += d->nodes[i].run && !is_available(d, d->nodes[i].fresh) &&
			   !is_available(d, d->nodes[i].old);
	for (size_t i = 0; i < d->n; i++) {
		struct daemonset_node *n = &d->nodes[i];

		if (!n->run || !n->old)
			continue;
		if (is_available(d, n->old) && !n->fresh && missing >= d->max_unavailable)
			continue;
		missing += is_available(d, n->old) && !n->fresh;
		end_pod(d, n->old);
		n->old = NULL;
		n->leaving = true;
	}
}

/* Puts new pods beside old ones, which go when the new ones are available. */
static void surge(struct daemonset *d)
{
	int64_t more = 0;

	for (size_t i = 0; i < d->n; i++) {
		struct daemonset_node *n = &d->nodes[i];

		if (!n->run || !n->old || !n->fresh)
			continue;
		if (is_available(d, n->fresh)) {
			end_pod(d, n->old);
			n->old = NULL;
			n->leaving = true;
		} else if (is_available(d, n->old)) {
			more++;
		}
	}
	for (size_t i = 0; i < d->n; i++) {
		struct daemonset_node *n = &d->nodes[i];

		if (!n->run || !n->old || n->fresh || n->leaving)
			continue;
		n->surging = !is_available(d, n->old) || more++ < d->max_surge;
	}
}

static void manage(struct daemonset *d)
{
	int burst = 0;

	if (!d->on_delete && d->max_surge)
		surge(d);
	else if (!d->on_delete)
		replace(d);
	for (size_t i = 0; i < d->n && burst < BURST; i++) {
		struct daemonset_node *n = &d->nodes[i];

		if (n->surging || (n->run && !n->fresh && !n->old && !n->leaving)) {
			daemonset_make(d, n->o->name);
			burst++;
		}
	}
}

/* ---- status */

static bool add(yyjson_mut_doc *doc, yyjson_mut_val *status, const char *key, int64_t n, bool always)
{
	return (!n && !always) || yyjson_mut_obj_add_int(doc, status, key, n);
}

static void write_status(struct daemonset *d)
{
	yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
	yyjson_mut_val *status = doc ? yyjson_mut_obj(doc) : NULL;
	yyjson_val *conditions = json_arr(d->status, "conditions");
	int64_t current = 0, wrong = 0, ready = 0, updated = 0, available = 0, all = wanted(d);
	bool ok = status;

	for (size_t i = 0; i < d->n; i++) {
		const struct daemonset_node *n = &d->nodes[i];
		bool there = n->fresh || n->old;

		if (!n->run) {
			wrong += there;
			continue;
		}
		current += there;
		ready += (n->fresh && n->fresh->ready) || (n->old && n->old->ready);
		available += is_available(d, n->fresh) || is_available(d, n->old);
		updated += n->fresh != NULL;
	}
	if (ok && conditions)
		ok = yyjson_mut_obj_add_val(doc, status, "conditions", yyjson_val_mut_copy(doc, conditions));
	ok = ok && add(doc, status, "currentNumberScheduled", current, true) &&
	     add(doc, status, "numberMisscheduled", wrong, true) &&
	     add(doc, status, "desiredNumberScheduled", all, true) &&
	     add(doc, status, "numberReady", ready, true) &&
	     add(doc, status, "observedGeneration", d->t->object->generation, true) &&
	     add(doc, status, "updatedNumberScheduled", updated, false) &&
	     add(doc, status, "numberAvailable", available, false) &&
	     add(doc, status, "numberUnavailable", all - available, false);
	if (ok)
		turn_set(d->t, d->t->object, "status", "status", status);
	else
		turn_failed(d->t);
	yyjson_mut_doc_free(doc);
}

/* ---- turns */

static bool in_use(const struct revision *v, const void *arg)
{
	const struct daemonset *d = arg;

	for (size_t i = 0; i < d->pods.n; i++) {
		const char *label = object_label(d->pods.items[i].o, REVISION_LABEL);

		if (label && !strcmp(label, v->hash))
			return true;
	}
	return false;
}

static void sync_daemonset(struct turn *t)
{
	struct daemonset d;

	if (!t->object)
		return;
	if (!daemonset_read(&d, t)) {
		turn_failed(t);
	} else if (d.revisions.update && !t->object->deleted) {
		for (size_t i = 0; i < d.pods.n; i++)
			put_on_node(&d, &d.pods.items[i]);
		manage(&d);
		write_status(&d);
		revisions_truncate(t, &d.revisions, json_int(d.spec, "revisionHistoryLimit", 10), in_use, &d);
	}
	daemonset_fini(&d);
}

static bool any(const struct object *o, const void *arg)
{
	return !o->deleted;
}

static void on_pod(
	struct controller *c, enum event_type type, const struct object *old, const struct object *now)
{
	controller_queue_owner(c, type, old, now);
	if (type != EVENT_DELETED && !object_controller(now) && !now->deleted)
		controller_queue_where(c, now->ns, any, NULL);
}

/* What a set looks at in a node: its labels, whether it is on its way out, and its spec; not its heartbeat. */
static void on_node(
	struct controller *c, enum event_type type, const struct object *old, const struct object *now)
{
	bool same = old && type == EVENT_MODIFIED && old->generation == now->generation &&
		    old->n_labels == now->n_labels && !old->deleted == !now->deleted;
	const char *was, *is;

	for (size_t i = 0; same && i < now->n_labels; i++) {
		const char *before = object_label(old, now->labels[i].key);

		same = before && !strcmp(before, now->labels[i].value);
	}
	/* a node has no generation that counts its spec: compare the text of it, which is written in one order */
	was = same ? strstr(old->json, "\"spec\":") : NULL;
	is = same ? strstr(now->json, "\"spec\":") : NULL;
	if (same && (was || is)) {
		const char *end = is ? strstr(is, ",\"status\":") : NULL;

		same = was && end && !strncmp(was, is, (size_t)(end - is));
	}
	if (!same)
		controller_queue_where(c, NULL, any, NULL);
}

const struct controller_type daemonset_controller = {
	.name = "daemonset-controller",
	.api_version = "apps/v1",
	.kind = "DaemonSet",
	.sync = sync_daemonset,
	.watches = {{"v1", "Pod", on_pod}, {"v1", "Node", on_node},
		{"apps/v1", "ControllerRevision", controller_queue_owner}},
};

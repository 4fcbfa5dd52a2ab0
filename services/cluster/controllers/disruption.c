/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Disruption budgets: how many of the pods a budget speaks of are healthy, how many must be, and so how many may be evicted now. What the
 * eviction subresource has taken (disruptedPods) counts as gone until it is, or for two minutes.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cluster/controllers/controllers.h"
#include "cluster/schema/meta.h"
#include "cluster/schema/schema.h"
#include "cluster/schema/selector.h"
#include "lib/json.h"

enum { DISRUPTED_S = 120, OWNERS_MAX = 256 };

struct budget {
	struct turn *t;
	yyjson_val *spec, *status;
	struct selector *selector;
	int64_t pods, healthy;
	struct {
		const char *uid; /* in the view, for the turn */
		int64_t replicas;
	} owners[OWNERS_MAX];
	size_t n_owners;
	char failure[300]; /* why it cannot be told how many there should be; "" */
	yyjson_mut_doc *doc;
	yyjson_mut_val *disrupted; /* those that still count */
};

/* ---- how many there should be */

static int64_t replicas_of(const struct object *o)
{
	yyjson_doc *doc = object_doc(o);
	int64_t n = json_int(json_obj(yyjson_doc_get_root(doc), "spec"), "replicas", 1);

	yyjson_doc_free(doc);
	return n;
}

/* The topmost controller of a pod that has a scale. */
static const struct object *scaled_by(const struct budget *b, const struct object *pod)
{
	const struct object_owner *owner = object_controller(pod);
	const struct object *o = owner ? registry_by_uid(b->t->r, owner->uid) : NULL, *above;

	if (!o || !schema_subresource(o->kind, "scale"))
		return NULL;
	owner = object_controller(o);
	above = owner ? registry_by_uid(b->t->r, owner->uid) : NULL;
	return above && schema_subresource(above->kind, "scale") ? above : o;
}

static void add_owner(struct budget *b, const struct object *pod)
{
	const struct object *o = scaled_by(b, pod);

	if (!o) {
		if (!*b->failure)
			snprintf(b->failure, sizeof(b->failure), "found no controllers for pod \"%s\"",
				pod->name);
		return;
	}
	for (size_t i = 0; i < b->n_owners; i++)
		if (!strcmp(b->owners[i].uid, o->uid))
			return;
	if (b->n_owners == OWNERS_MAX) {
		snprintf(b->failure, sizeof(b->failure), "more than %d controllers", OWNERS_MAX);
		return;
	}
	b->owners[b->n_owners].uid = o->uid;
	b->owners[b->n_owners++].replicas = replicas_of(o);
}

/* ---- the pods */

/* Taken by an eviction not long ago, and not gone yet. */
static bool is_disrupted(struct budget *b, const struct object *pod)
{
	yyjson_val *when = yyjson_obj_get(json_obj(b->status, "disruptedPods"), pod->name);
	int64_t left = time_of(when) + DISRUPTED_S - b->t->now_s;

	if (!when || left <= 0)
		return false;
	turn_again_in(b->t, left * 1000);
	yyjson_mut_obj_add(
		b->disrupted, yyjson_mut_strcpy(b->doc, pod->name), yyjson_val_mut_copy(b->doc, when));
	return true;
}

static bool count_pod(const struct object *o, void *arg)
{
	struct budget *b = arg;
	cleanup(json_docp) yyjson_doc *doc = NULL;
	yyjson_val *root;

	if (!selector_matches(b->selector, object_label_of, o))
		return true;
	doc = object_doc(o);
	root = yyjson_doc_get_root(doc);
	if (phase_is_final(json_str(json_obj(root, "status"), "phase")))
		return true;
	b->pods++;
	add_owner(b, o);
	if (!o->deleted && !is_disrupted(b, o))
		b->healthy += condition_is(root, "Ready", "True");
	return true;
}

/* ---- the sum */

static int64_t part(yyjson_val *v, int64_t of)
{
	if (yyjson_is_str(v))
		return (strtoll(yyjson_get_str(v), NULL, 10) * of + 99) / 100;
	return yyjson_get_sint(v);
}

static void write_status(struct budget *b, int64_t expected, int64_t desired)
{
	yyjson_mut_doc *doc = b->doc;
	yyjson_mut_val *status = yyjson_mut_obj(doc), *list;
	yyjson_val *was = json_arr(b->status, "conditions");
	int64_t allowed = expected > 0 && b->healthy > desired && !*b->failure ? b->healthy - desired : 0;

	list = was ? yyjson_val_mut_copy(doc, was) : yyjson_mut_arr(doc);
	if (!status || !list) {
		turn_failed(b->t);
		return;
	}
	condition_set(doc, list, "DisruptionAllowed", allowed ? "True" : "False",
		*b->failure ? "SyncFailed"
		: allowed   ? "SufficientPods"
			    : "InsufficientPods",
		b->failure, b->t->now_s);
	if (yyjson_mut_obj_add_int(doc, status, "observedGeneration", b->t->object->generation) &&
		(!yyjson_mut_obj_size(b->disrupted) ||
			yyjson_mut_obj_add_val(doc, status, "disruptedPods", b->disrupted)) &&
		yyjson_mut_obj_add_int(doc, status, "disruptionsAllowed", allowed) &&
		yyjson_mut_obj_add_int(doc, status, "currentHealthy", b->healthy) &&
		yyjson_mut_obj_add_int(doc, status, "desiredHealthy", desired) &&
		yyjson_mut_obj_add_int(doc, status, "expectedPods", expected) &&
		yyjson_mut_obj_add_val(doc, status, "conditions", list))
		turn_set(b->t, b->t->object, "status", "status", status);
	else
		turn_failed(b->t);
}

static void sum_up(struct budget *b)
{
	yyjson_val *most = yyjson_obj_get(b->spec, "maxUnavailable"),
		   *least = yyjson_obj_get(b->spec, "minAvailable");
	int64_t expected = 0, desired;

	for (size_t i = 0; i < b->n_owners; i++)
		expected += b->owners[i].replicas;
	if (most) {
		desired = expected - part(most, expected);
	} else if (yyjson_is_str(least)) {
		desired = part(least, expected);
	} else {
		/* a plain number needs nobody to say how many there should be */
		expected = b->pods;
		desired = part(least, expected);
		*b->failure = 0;
	}
	write_status(b, expected, desired > 0 ? desired : 0);
}

static void sync_budget(struct turn *t)
{
	struct budget b = {.t = t};
	yyjson_val *selector;

	if (!t->object || t->object->deleted)
		return;
	b.spec = json_obj(t->root, "spec");
	b.status = json_obj(t->root, "status");
	selector = json_obj(b.spec, "selector");
	b.selector = selector ? selector_of(selector) : NULL;
	b.doc = yyjson_mut_doc_new(NULL);
	b.disrupted = b.doc ? yyjson_mut_obj(b.doc) : NULL;
	if (b.disrupted && b.selector)
		registry_each(t->r, schema_find_kind("v1", "Pod"), t->ns, count_pod, &b);
	if (b.disrupted && (b.selector || !selector))
		sum_up(&b);
	else
		turn_failed(t);
	selector_free(b.selector);
	yyjson_mut_doc_free(b.doc);
}

static bool selects(const struct object *o, const void *arg)
{
	const struct object *pod = arg;
	cleanup(json_docp) yyjson_doc *doc = object_doc(o);
	yyjson_val *selector = json_obj(json_obj(yyjson_doc_get_root(doc), "spec"), "selector");
	cleanup(selectorp) struct selector *s = selector ? selector_of(selector) : NULL;

	return s && selector_matches(s, object_label_of, pod);
}

static void on_pod(
	struct controller *c, enum event_type type, const struct object *old, const struct object *now)
{
	controller_queue_where(c, now->ns, selects, now);
	if (old && old != now)
		controller_queue_where(c, now->ns, selects, old);
}

static bool any(const struct object *o, const void *arg)
{
	return true;
}

/* How many there should be has changed. */
static void on_scaled(
	struct controller *c, enum event_type type, const struct object *old, const struct object *now)
{
	if (!old || old->generation != now->generation)
		controller_queue_where(c, now->ns, any, NULL);
}

const struct controller_type disruption_controller = {
	.name = "disruption-controller",
	.api_version = "policy/v1",
	.kind = "PodDisruptionBudget",
	.sync = sync_budget,
	.watches = {{"v1", "Pod", on_pod}, {"apps/v1", "Deployment", on_scaled},
		{"apps/v1", "ReplicaSet", on_scaled}, {"apps/v1", "StatefulSet", on_scaled},
		{"v1", "ReplicationController", on_scaled}},
};

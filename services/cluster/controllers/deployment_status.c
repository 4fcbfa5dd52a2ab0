/* SPDX-License-Identifier: Apache-2.0 */

/*
 * What a Deployment says of itself: counts, and three conditions. Available: enough pods serve. Progressing: the way to
 * the present template goes on, is done, or has taken longer than the deadline. ReplicaFailure: pods could not be made.
 */

#include <stdio.h>
#include <string.h>

#include "cluster/controllers/deployment_int.h"
#include "cluster/schema/meta.h"
#include "lib/json.h"

struct counts {
	int64_t replicas, updated, ready, available, wanted;
};

static struct counts count(const struct deployment *d)
{
	struct counts c = {0};

	for (size_t i = 0; i < d->rollout.n; i++) {
		const struct rollout_set *s = &d->rollout.sets[i];

		c.replicas += s->actual;
		c.ready += s->ready;
		c.available += s->available;
		c.wanted += s->replicas;
		if ((ssize_t)i == d->rollout.current)
			c.updated = s->actual;
	}
	return c;
}

/* lastUpdateTime is when something moved; the deadline runs from there. */
static void set_condition(yyjson_mut_doc *doc, yyjson_mut_val *list, const char *type, const char *status,
	const char *reason, const char *message, bool moved, int64_t now_s)
{
	bool changed = condition_set(doc, list, type, status, reason, message, now_s);
	char now[META_TIME_MAX];
	yyjson_mut_val *each;
	size_t i, n;

	if (!changed && !moved)
		return;
	meta_time(now, (time_t)now_s);
	yyjson_mut_arr_foreach(list, i, n,
		each) if (yyjson_mut_equals_str(yyjson_mut_obj_get(each, "type"), type))(void) !meta_put(doc,
		each, "lastUpdateTime", yyjson_mut_strcpy(doc, now));
}

static void drop_condition(yyjson_mut_val *list, const char *type)
{
	yyjson_mut_arr_iter it;
	yyjson_mut_val *each;

	yyjson_mut_arr_iter_init(list, &it);
	while ((each = yyjson_mut_arr_iter_next(&it)))
		if (yyjson_mut_equals_str(yyjson_mut_obj_get(each, "type"), type))
			json_mut_arr_iter_remove(&it);
}

static void say_available(
	const struct deployment *d, const struct counts *c, yyjson_mut_doc *doc, yyjson_mut_val *list)
{
	if (c->available >= d->rollout.replicas - d->rollout.max_unavailable)
		set_condition(doc, list, "Available", "True", "MinimumReplicasAvailable",
			"Deployment has minimum availability.", false, d->t->now_s);
	else
		set_condition(doc, list, "Available", "False", "MinimumReplicasUnavailable",
			"Deployment does not have minimum availability.", false, d->t->now_s);
}

static bool complete(const struct deployment *d, const struct counts *c)
{
	return d->rollout.current >= 0 && c->updated == d->rollout.replicas &&
	       c->replicas == d->rollout.replicas && c->available == d->rollout.replicas;
}

static bool moved(const struct deployment *d, const struct counts *c)
{
	yyjson_val *before = json_obj(d->t->root, "status");
	int64_t updated = json_int(before, "updatedReplicas", 0);

	return c->updated > updated || c->replicas - c->updated < json_int(before, "replicas", 0) - updated ||
	       c->ready > json_int(before, "readyReplicas", 0) ||
	       c->available > json_int(before, "availableReplicas", 0);
}

/* Seconds until the deadline, from when something last moved; 0 or less: it has passed. */
static int64_t time_left(const struct deployment *d, yyjson_val *progressing)
{
	int64_t since = time_of(yyjson_obj_get(progressing, "lastUpdateTime"));

	return (since ? since : d->t->now_s) + d->deadline_s - d->t->now_s;
}

static void say_progress(
	const struct deployment *d, const struct counts *c, yyjson_mut_doc *doc, yyjson_mut_val *list)
{
	const struct deployment_set *set = deployment_current(d);
	yyjson_val *was = condition_of(d->t->root, "Progressing");
	bool was_paused = yyjson_equals_str(yyjson_obj_get(was, "reason"), "DeploymentPaused");
	bool was_late = yyjson_equals_str(yyjson_obj_get(was, "reason"), "ProgressDeadlineExceeded");
	bool was_done = yyjson_equals_str(yyjson_obj_get(was, "reason"), "NewReplicaSetAvailable");
	char text[400];

	if (!d->deadline_s)
		return;
	if (d->paused) {
		set_condition(doc, list, "Progressing", "Unknown", "DeploymentPaused", "Deployment is paused",
			false, d->t->now_s);
	} else if (was_paused) {
		set_condition(doc, list, "Progressing", "Unknown", "DeploymentResumed",
			"Deployment is resumed", true, d->t->now_s);
	} else if (complete(d, c)) {
		snprintf(text, sizeof(text), "ReplicaSet \"%s\" has successfully progressed.", set->o->name);
		set_condition(
			doc, list, "Progressing", "True", "NewReplicaSetAvailable", text, false, d->t->now_s);
	} else if (was_done && c->replicas == c->updated) {
		/* it was complete: pods that fail later are a matter of availability */
	} else if (moved(d, c) || !was) {
		snprintf(text, sizeof(text),
			set ? "ReplicaSet \"%s\" is progressing." : "Deployment is progressing.",
			set ? set->o->name : "");
		set_condition(doc, list, "Progressing", "True", "ReplicaSetUpdated", text, true, d->t->now_s);
		turn_again_in(d->t, (d->deadline_s + 1) * 1000);
	} else if (was_late || time_left(d, was) <= 0) {
		snprintf(text, sizeof(text),
			set ? "ReplicaSet \"%s\" has timed out progressing."
			    : "Deployment has timed out progressing.",
			set ? set->o->name : "");
		set_condition(doc, list, "Progressing", "False", "ProgressDeadlineExceeded", text, false,
			d->t->now_s);
	} else {
		turn_again_in(d->t, (time_left(d, was) + 1) * 1000);
	}
}

/* A set that could not make its pods says why; the Deployment repeats it. */
static void say_failure(const struct deployment *d, yyjson_mut_doc *doc, yyjson_mut_val *list)
{
	for (ssize_t i = (ssize_t)d->rollout.n - 1; i >= 0; i--) {
		yyjson_val *failure = condition_of(d->sets[i].root, "ReplicaFailure");

		if (!failure)
			continue;
		set_condition(doc, list, "ReplicaFailure", json_str(failure, "status") ?: "True",
			json_str(failure, "reason") ?: "", json_str(failure, "message") ?: "", false,
			d->t->now_s);
		return;
	}
	drop_condition(list, "ReplicaFailure");
}

void deployment_write_status(struct deployment *d)
{
	yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
	yyjson_val *had = json_arr(json_obj(d->t->root, "status"), "conditions");
	yyjson_mut_val *status = doc ? yyjson_mut_obj(doc) : NULL, *list;
	struct counts c = count(d);
	int64_t unavailable = c.wanted > c.available ? c.wanted - c.available : 0;
	const struct {
		const char *key;
		int64_t n;
	} numbers[] = {
		{"observedGeneration", d->t->object->generation},
		{"replicas", c.replicas},
		{"updatedReplicas", c.updated},
		{"readyReplicas", c.ready},
		{"availableReplicas", c.available},
		{"unavailableReplicas", unavailable},
		{"collisionCount", d->collisions},
	};

	list = doc ? (had ? yyjson_val_mut_copy(doc, had) : yyjson_mut_arr(doc)) : NULL;
	if (!status || !list) {
		yyjson_mut_doc_free(doc);
		turn_failed(d->t);
		return;
	}
	for (size_t i = 0; i < array_len(numbers); i++)
		if (numbers[i].n)
			yyjson_mut_obj_add_int(doc, status, numbers[i].key, numbers[i].n);
	say_available(d, &c, doc, list);
	say_progress(d, &c, doc, list);
	say_failure(d, doc, list);
	yyjson_mut_obj_add_val(doc, status, "conditions", list);
	turn_set(d->t, d->t->object, "status", "status", status);
	yyjson_mut_doc_free(doc);
}

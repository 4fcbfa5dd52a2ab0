/* SPDX-License-Identifier: Apache-2.0 */

/*
 * CronJob: a Job at each time of its schedule. A Job's name says for which time it is, so it is made once whatever happens; of
 * times that were missed only the last is made up for. The turn after a Job was made finds it and writes down its time. What is over is
 * kept up to the limits of history.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cluster/controllers/controllers.h"
#include "cluster/schema/cron.h"
#include "cluster/schema/meta.h"
#include "cluster/schema/schema.h"
#include "lib/json.h"

enum { MISSED_MAX = 100 };

#define SCHEDULED "batch.kubernetes.io/cronjob-scheduled-timestamp"

struct run {
	struct object *o; /* held */
	yyjson_doc *doc;  /* owned */
	yyjson_val *root;
	int64_t start_s, scheduled_s;
	bool complete, failed;
};

struct cronjob {
	struct turn *t;
	yyjson_val *spec, *status;
	struct cron cron;
	struct run *runs; /* oldest first */
	size_t n, cap;
	size_t active;
	int64_t last_s; /* lastScheduleTime; 0: none */
	bool no_memory;
};

/* ---- its Jobs */

static bool gather(const struct object *o, void *arg)
{
	struct cronjob *c = arg;
	const struct object_owner *owner = object_controller(o);
	struct run *r;

	if (strcmp(o->kind->kind, "Job") != 0 || !owner || strcmp(owner->uid, c->t->object->uid) != 0)
		return true;
	if (c->n == c->cap) {
		size_t cap = c->cap ? 2 * c->cap : 8;

		r = reallocarray(c->runs, cap, sizeof(*r));
		if (!r)
			return !(c->no_memory = true);
		c->runs = r;
		c->cap = cap;
	}
	r = &c->runs[c->n];
	*r = (struct run){.doc = object_doc(o)};
	if (!r->doc)
		return !(c->no_memory = true);
	c->n++;
	r->o = object_ref(o);
	r->root = yyjson_doc_get_root(r->doc);
	r->complete = condition_is(r->root, "Complete", "True");
	r->failed = condition_is(r->root, "Failed", "True");
	r->start_s = time_of(yyjson_obj_get(json_obj(r->root, "status"), "startTime"));
	if (!r->start_s)
		r->start_s = time_of(meta_get(r->root, "metadata", "creationTimestamp", NULL));
	r->scheduled_s = time_of(meta_get(r->root, "metadata", "annotations", SCHEDULED, NULL));
	c->active += !r->complete && !r->failed;
	return true;
}

static int by_start(const void *a, const void *b)
{
	const struct run *x = a, *y = b;

	if (x->start_s != y->start_s)
		return x->start_s < y->start_s ? -1 : 1;
	return strcmp(x->o->name, y->o->name);
}

static void cronjob_fini(struct cronjob *c)
{
	for (size_t i = 0; i < c->n; i++) {
		yyjson_doc_free(c->runs[i].doc);
		object_unref(c->runs[i].o);
	}
	free(c->runs);
}

static void end_job(struct cronjob *c, const struct run *r)
{
	turn_delete(c->t, r->o,
		&(struct delete_options){.grace_seconds = -1, .propagation = PROPAGATE_BACKGROUND});
	turn_event(c->t, c->t->object, false, "SuccessfulDelete", "Deleted job %s", r->o->name);
}

static void clean(struct cronjob *c, bool complete, int64_t keep)
{
	int64_t n = 0;

	for (size_t i = 0; i < c->n; i++)
		n += complete ? c->runs[i].complete : c->runs[i].failed;
	for (size_t i = 0; i < c->n && n > keep; i++)
		if (complete ? c->runs[i].complete : c->runs[i].failed) {
			if (!c->runs[i].o->deleted)
				end_job(c, &c->runs[i]);
			n--;
		}
}

/* ---- status */

static bool add_active(yyjson_mut_doc *doc, yyjson_mut_val *status, const struct cronjob *c)
{
	yyjson_mut_val *list = c->active ? yyjson_mut_obj_add_arr(doc, status, "active") : NULL;

	for (size_t i = 0; list && i < c->n; i++) {
		const struct object *o = c->runs[i].o;
		yyjson_mut_val *ref;

		if (c->runs[i].complete || c->runs[i].failed)
			continue;
		ref = yyjson_mut_arr_add_obj(doc, list);
		if (!ref || !yyjson_mut_obj_add_str(doc, ref, "kind", "Job") ||
			!yyjson_mut_obj_add_strcpy(doc, ref, "namespace", o->ns) ||
			!yyjson_mut_obj_add_strcpy(doc, ref, "name", o->name) ||
			!yyjson_mut_obj_add_strcpy(doc, ref, "uid", o->uid) ||
			!yyjson_mut_obj_add_str(doc, ref, "apiVersion", "batch/v1"))
			return false;
	}
	return list || !c->active;
}

static bool add_time(yyjson_mut_doc *doc, yyjson_mut_val *status, const char *key, int64_t t)
{
	char text[META_TIME_MAX];

	meta_time(text, (time_t)t);
	return !t || yyjson_mut_obj_add_strcpy(doc, status, key, text);
}

static void write_status(struct cronjob *c)
{
	yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
	yyjson_mut_val *status = doc ? yyjson_mut_obj(doc) : NULL;
	int64_t success_s = time_of(yyjson_obj_get(c->status, "lastSuccessfulTime"));

	for (size_t i = 0; i < c->n; i++) {
		int64_t at = time_of(meta_get(c->runs[i].root, "status", "completionTime", NULL));

		if (c->runs[i].complete && at > success_s)
			success_s = at;
	}
	if (status && add_active(doc, status, c) && add_time(doc, status, "lastScheduleTime", c->last_s) &&
		add_time(doc, status, "lastSuccessfulTime", success_s))
		turn_set(c->t, c->t->object, "status", "status", status);
	else
		turn_failed(c->t);
	yyjson_mut_doc_free(doc);
}

/* ---- the next Job */

static bool copy_meta(yyjson_mut_doc *doc, yyjson_mut_val *meta, yyjson_val *from, const char *key)
{
	yyjson_val *v = json_obj(from, key);

	return !v || meta_put(doc, meta, key, yyjson_val_mut_copy(doc, v));
}

static void make_job(struct cronjob *c, const char *name, int64_t scheduled_s)
{
	const struct schema_kind *kind = schema_find_kind("batch/v1", "Job");
	yyjson_val *from = json_obj(c->spec, "jobTemplate");
	yyjson_mut_doc *doc = new_object(kind);
	yyjson_mut_val *root = yyjson_mut_doc_get_root(doc), *meta = yyjson_mut_obj_get(root, "metadata"),
		       *notes;
	char text[META_TIME_MAX];

	meta_time(text, (time_t)scheduled_s);
	if (doc && copy_meta(doc, meta, json_obj(from, "metadata"), "labels") &&
		copy_meta(doc, meta, json_obj(from, "metadata"), "annotations") &&
		(notes = meta_make(doc, root, "metadata", "annotations", NULL)) &&
		meta_put(doc, notes, SCHEDULED, yyjson_mut_strcpy(doc, text)) &&
		meta_set_text(doc, root, "name", name) && set_controller(doc, root, c->t->object) &&
		meta_put(doc, root, "spec", yyjson_val_mut_copy(doc, json_obj(from, "spec")))) {
		turn_create(c->t, kind, c->t->ns, doc);
		turn_event(c->t, c->t->object, false, "SuccessfulCreate", "Created job %s", name);
		return;
	}
	yyjson_mut_doc_free(doc);
	turn_failed(c->t);
}

static size_t missed(const struct cronjob *c, int64_t from_s)
{
	size_t n = 0;

	for (int64_t at = cron_next(&c->cron, from_s); at >= 0 && at <= c->t->now_s && n <= MISSED_MAX; n++)
		at = cron_next(&c->cron, at);
	return n;
}

static void start_due(struct cronjob *c)
{
	int64_t deadline = json_int(c->spec, "startingDeadlineSeconds", -1), now = c->t->now_s;
	int64_t from = c->last_s, due, next;
	const char *policy = json_str(c->spec, "concurrencyPolicy") ?: "Allow";
	char name[256];

	if (!from)
		from = time_of(meta_get(c->t->root, "metadata", "creationTimestamp", NULL));
	due = cron_last(&c->cron, from, now);
	next = cron_next(&c->cron, due >= 0 ? due : from);
	if (next > now)
		turn_again_in(c->t, (next - now) * 1000 + 100);
	if (due < 0)
		return;
	if (deadline >= 0 && due + deadline < now) {
		turn_event(c->t, c->t->object, true, "MissSchedule",
			"Missed scheduled time to start a job: %lld s late", (long long)(now - due));
		return;
	}
	if (missed(c, from) > MISSED_MAX)
		turn_event(c->t, c->t->object, true, "TooManyMissedTimes",
			"too many missed start times. Set or decrease .spec.startingDeadlineSeconds or check clock skew");
	snprintf(name, sizeof(name), "%.52s-%lld", c->t->name, (long long)(due / 60));
	if (registry_get(c->t->r, schema_find_kind("batch/v1", "Job"), c->t->ns, name))
		return; /* another's of this name: there is nothing to be done but wait for the next time */
	if (c->active && !strcmp(policy, "Forbid")) {
		turn_event(c->t, c->t->object, false, "JobAlreadyActive",
			"Not starting job because prior execution is running and concurrency policy is Forbid");
		return;
	}
	for (size_t i = 0; !strcmp(policy, "Replace") && i < c->n; i++)
		if (!c->runs[i].complete && !c->runs[i].failed && !c->runs[i].o->deleted)
			end_job(c, &c->runs[i]);
	make_job(c, name, due);
}

/* ---- turns */

static void sync_cronjob(struct turn *t)
{
	struct cronjob c = {.t = t};
	const struct zone *zone;
	char why[320];

	if (!t->object)
		return;
	c.spec = json_obj(t->root, "spec");
	c.status = json_obj(t->root, "status");
	c.last_s = time_of(yyjson_obj_get(c.status, "lastScheduleTime"));
	registry_each_owned(t->r, t->object->uid, gather, &c);
	if (c.no_memory) {
		turn_failed(t);
		cronjob_fini(&c);
		return;
	}
	if (c.n)
		qsort(c.runs, c.n, sizeof(*c.runs), by_start);
	for (size_t i = 0; i < c.n; i++)
		if (c.runs[i].scheduled_s > c.last_s)
			c.last_s = c.runs[i].scheduled_s;
	clean(&c, true, json_int(c.spec, "successfulJobsHistoryLimit", 3));
	clean(&c, false, json_int(c.spec, "failedJobsHistoryLimit", 1));
	write_status(&c);
	if (t->object->deleted || json_bool(c.spec, "suspend")) {
		; /* nothing is due */
	} else if (!(zone = zone_find(json_text(c.spec, "timeZone") ?: "UTC"))) {
		turn_event(t, t->object, true, "UnknownTimeZone", "invalid timeZone: %s",
			json_text(c.spec, "timeZone"));
	} else if (cron_parse(&c.cron, json_str(c.spec, "schedule") ?: "", why, sizeof(why))) {
		c.cron.zone = zone;
		start_due(&c);
	} else {
		turn_event(t, t->object, true, "UnparseableSchedule", "unparseable schedule: %s", why);
	}
	cronjob_fini(&c);
}

const struct controller_type cronjob_controller = {
	.name = "cronjob-controller",
	.api_version = "batch/v1",
	.kind = "CronJob",
	.sync = sync_cronjob,
	.watches = {{"batch/v1", "Job", controller_queue_owner}},
};

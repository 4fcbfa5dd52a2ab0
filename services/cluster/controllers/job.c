/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Job: pods of a template until so many have succeeded, or too many have failed. Each turn counts what has ended, decides whether
 * this is the end, and if it is not makes or ends pods until as many run as may. An indexed Job has a pod for each number below
 * completions. How it ends is decided before it has ended: the pods that are left are ended first.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cluster/controllers/controllers.h"
#include "cluster/controllers/job_int.h"
#include "cluster/schema/meta.h"
#include "cluster/schema/schema.h"
#include "cluster/schema/selector.h"
#include "lib/json.h"

enum { BURST = 500 };

#define BUILT_IN "kubernetes.io/job-controller"

/* ---- the end */

static void end_with(struct job *j, bool success, const char *reason, const char *message)
{
	if (j->end.decided)
		return;
	j->end = (struct job_end){.decided = true, .success = success, .reason = reason};
	snprintf(j->end.message, sizeof(j->end.message), "%s", message);
}

/* What an earlier turn has decided stays so. */
static void read_end(struct job *j)
{
	static const char *const types[] = {"FailureTarget", "SuccessCriteriaMet"};
	static const char *const reasons[] = {"BackoffLimitExceeded", "DeadlineExceeded", "PodFailurePolicy",
		"MaxFailedIndexesExceeded", "FailedIndexes", "CompletionsReached", "SuccessPolicy"};

	for (size_t i = 0; i < array_len(types); i++) {
		yyjson_val *c = condition_of(j->t->root, types[i]);

		if (!job_condition(j, types[i]))
			continue;
		end_with(j, i == 1, "", json_str(c, "message") ?: "");
		for (size_t k = 0; k < array_len(reasons); k++)
			if (yyjson_equals_str(yyjson_obj_get(c, "reason"), reasons[k]))
				j->end.reason = reasons[k];
	}
}

/* Restarts in place count as failures for pods that restart themselves. */
static bool restarts_exceed(const struct job *j, int64_t limit)
{
	yyjson_val *policy = meta_get(j->spec, "template", "spec", "restartPolicy", NULL);
	int64_t sum = 0;

	if (!yyjson_equals_str(policy, "OnFailure"))
		return false;
	for (size_t i = 0; i < j->pods.n; i++) {
		static const char *const lists[] = {"initContainerStatuses", "containerStatuses"};
		yyjson_val *each;
		size_t k, n;

		for (size_t l = 0; j->pods.items[i].active && l < array_len(lists); l++)
			yyjson_arr_foreach (
				json_arr(json_obj(j->pods.items[i].root, "status"), lists[l]), k, n, each)
				sum += json_int(each, "restartCount", 0);
	}
	return limit ? sum >= limit : sum > 0;
}

static void check_deadline(struct job *j)
{
	int64_t limit = json_int(j->spec, "activeDeadlineSeconds", -1);
	int64_t start = time_of(yyjson_obj_get(j->status, "startTime")), left;

	if (limit < 0 || j->suspended)
		return;
	left = (start ? start : j->t->now_s) + limit - j->t->now_s;
	if (left <= 0)
		end_with(j, false, "DeadlineExceeded", "Job was active longer than specified deadline");
	else
		turn_again_in(j->t, left * 1000);
}

static void check_indexes(struct job *j)
{
	int64_t most = json_int(j->spec, "maxFailedIndexes", -1);

	if (!j->per_index)
		return;
	if (most >= 0 && j->lost.n > most)
		end_with(j, false, "MaxFailedIndexesExceeded",
			"Job has exceeded the specified maximal number of failed indexes");
	else if (j->lost.n && j->lost.n + j->done.n >= j->completions)
		end_with(j, false, "FailedIndexes", "Job has failed indexes");
}

static void check_success_policy(struct job *j)
{
	yyjson_val *rules = meta_get(j->spec, "successPolicy", "rules", NULL), *rule;
	size_t i, n;

	yyjson_arr_foreach (rules, i, n, rule) {
		const char *text = json_text(rule, "succeededIndexes");
		int64_t wanted = json_int(rule, "succeededCount", -1), have = 0, of = j->completions;
		struct indexes some;
		char message[64];

		if (indexes_init(&some, j->completions)) {
			turn_failed(j->t);
			return;
		}
		indexes_read(&some, text);
		if (text)
			of = some.n;
		for (int64_t k = 0; k < j->completions; k++)
			have += indexes_has(&j->done, k) && (!text || indexes_has(&some, k));
		indexes_fini(&some);
		if (have < (wanted >= 0 ? wanted : of))
			continue;
		snprintf(message, sizeof(message), "Matched rules at index %zu", i);
		end_with(j, true, "SuccessPolicy", message);
	}
}

static void decide(struct job *j)
{
	int64_t limit = json_int(j->spec, "backoffLimit", 6), done = job_total_succeeded(j);

	check_success_policy(j);
	if (job_total_failed(j) > limit || restarts_exceed(j, limit))
		end_with(j, false, "BackoffLimitExceeded", "Job has reached the specified backoff limit");
	check_deadline(j);
	check_indexes(j);
	if (j->completions < 0 ? done > 0 && !j->active : done >= j->completions)
		end_with(j, true, "CompletionsReached", "Reached expected number of succeeded pods");
}

/* ---- pods */

/* @forget: their end is no failure. */
static void end_pod(struct job *j, const struct pod *p, bool forget)
{
	if (forget && object_has_finalizer(p->o, JOB_TRACKING))
		turn_remove(j->t, p->o, NULL, "metadata", JOB_TRACKING);
	turn_delete(j->t, p->o, NULL);
	turn_event(j->t, j->t->object, false, "SuccessfulDelete", "Deleted pod: %s", p->o->name);
	j->active--;
	j->ready -= p->ready;
	j->terminating++;
}

static void end_all(struct job *j, bool forget)
{
	for (size_t i = 0; i < j->pods.n; i++)
		if (j->pods.items[i].active)
			end_pod(j, &j->pods.items[i], forget);
}

static bool set_index(yyjson_mut_doc *doc, const struct job *j, int64_t index)
{
	static const char *const lists[] = {"initContainers", "containers"};
	yyjson_mut_val *root = yyjson_mut_doc_get_root(doc), *spec = yyjson_mut_obj_get(root, "spec");
	yyjson_mut_val *labels = meta_make(doc, root, "metadata", "labels", NULL);
	yyjson_mut_val *notes = meta_make(doc, root, "metadata", "annotations", NULL), *c;
	char number[24], hostname[256], failures[24];
	size_t i, n;

	snprintf(number, sizeof(number), "%lld", (long long)index);
	snprintf(failures, sizeof(failures), "%lld", (long long)job_index_failures(j, index));
	snprintf(hostname, sizeof(hostname), "%.63s-%s", j->t->name, number);
	if (!labels || !notes || !meta_put(doc, labels, JOB_INDEX, yyjson_mut_strcpy(doc, number)) ||
		!meta_put(doc, notes, JOB_INDEX, yyjson_mut_strcpy(doc, number)) ||
		(j->per_index &&
			!meta_put(doc, notes, JOB_INDEX_FAILURE, yyjson_mut_strcpy(doc, failures))) ||
		!meta_put(doc, spec, "hostname", yyjson_mut_strcpy(doc, hostname)))
		return false;
	for (size_t l = 0; l < array_len(lists); l++) {
		yyjson_mut_val *list = yyjson_mut_obj_get(spec, lists[l]);

		yyjson_mut_arr_foreach(list, i, n, c)
		{
			yyjson_mut_val *env = yyjson_mut_obj_get(c, "env"), *var, *ref;

			if (!env)
				env = yyjson_mut_obj_add_arr(doc, c, "env");
			var = env ? yyjson_mut_arr_add_obj(doc, env) : NULL;
			if (!var || !yyjson_mut_obj_add_str(doc, var, "name", "JOB_COMPLETION_INDEX"))
				return false;
			ref = meta_make(doc, var, "valueFrom", "fieldRef", NULL);
			if (!ref || !yyjson_mut_obj_add_str(
					    doc, ref, "fieldPath", "metadata.annotations['" JOB_INDEX "']"))
				return false;
		}
	}
	return true;
}

/* @index -1: a pod like any other. */
static void make_pod(struct job *j, int64_t index)
{
	yyjson_mut_doc *doc = pod_from_template(j->t->object, json_obj(j->spec, "template"), NULL);
	yyjson_mut_val *root = yyjson_mut_doc_get_root(doc), *list;
	char prefix[300];
	bool ok = doc && meta_make(doc, root, "metadata", NULL);

	list = meta_mut_get(root, "metadata", "finalizers", NULL);
	if (ok && !list)
		list = yyjson_mut_obj_add_arr(doc, yyjson_mut_obj_get(root, "metadata"), "finalizers");
	ok = ok && list && yyjson_mut_arr_add_str(doc, list, JOB_TRACKING);
	if (ok && index >= 0) {
		snprintf(prefix, sizeof(prefix), "%s-%lld-", j->t->name, (long long)index);
		ok = set_index(doc, j, index) && meta_set_text(doc, root, "generateName", prefix);
	}
	if (ok) {
		turn_create(j->t, schema_find_kind("v1", "Pod"), j->t->ns, doc);
		j->active++;
		return;
	}
	yyjson_mut_doc_free(doc);
	turn_failed(j->t);
}

/* Numbers that have no pod and need one, the lowest first. */
static void make_indexed(struct job *j, int64_t missing)
{
	struct indexes busy;

	if (indexes_init(&busy, j->completions)) {
		turn_failed(j->t);
		return;
	}
	for (size_t i = 0; i < j->pods.n; i++)
		if (j->pods.items[i].active || (j->only_failed && j->pods.items[i].o->deleted &&
						       strcmp(j->pods.items[i].phase, "Failed") != 0))
			indexes_add(&busy, job_index_of(j, &j->pods.items[i]));
	for (int64_t i = 0; i < j->completions && missing > 0; i++) {
		int64_t ms;

		if (indexes_has(&busy, i) || indexes_has(&j->done, i) || indexes_has(&j->lost, i))
			continue;
		if (j->per_index && job_index_waits(j, i, &ms)) {
			turn_again_in(j->t, ms);
			continue;
		}
		make_pod(j, i);
		missing--;
	}
	indexes_fini(&busy);
}

/* A second pod of a number, or one of a number beyond the last. */
static void end_superfluous(struct job *j)
{
	struct indexes seen;

	if (indexes_init(&seen, j->completions)) {
		turn_failed(j->t);
		return;
	}
	for (size_t i = 0; i < j->pods.n; i++) {
		struct pod *p = &j->pods.items[i];
		int64_t index = job_index_of(j, p);

		if (!p->active)
			continue;
		if (index < 0 || indexes_has(&seen, index) || indexes_has(&j->done, index)) {
			end_pod(j, p, true);
			p->active = false;
		}
		indexes_add(&seen, index);
	}
	indexes_fini(&seen);
}

static void end_some(struct job *j, int64_t surplus)
{
	pods_sort_for_deletion(&j->pods);
	for (size_t i = 0; i < j->pods.n && surplus > 0; i++)
		if (j->pods.items[i].active) {
			end_pod(j, &j->pods.items[i], true);
			surplus--;
		}
}

static void manage(struct job *j)
{
	int64_t left = j->completions - job_total_succeeded(j) - j->lost.n, wanted = j->parallelism, missing;

	if (j->indexed)
		end_superfluous(j);
	if (j->completions < 0)
		wanted = job_total_succeeded(j) && j->active < wanted ? j->active : wanted;
	else if (wanted > left)
		wanted = left > 0 ? left : 0;
	if (j->active > wanted) {
		end_some(j, j->active - wanted);
		return;
	}
	missing = wanted - j->active - (j->only_failed ? j->terminating : 0);
	if (missing > BURST)
		missing = BURST;
	if (missing <= 0)
		return;
	if (j->retry_ms) {
		turn_again_in(j->t, j->retry_ms);
		return;
	}
	if (j->indexed) {
		make_indexed(j, missing);
		return;
	}
	for (int64_t i = 0; i < missing; i++)
		make_pod(j, -1);
}

/* ---- turns */

static void job_fini(struct job *j)
{
	pods_fini(&j->pods);
	indexes_fini(&j->done);
	indexes_fini(&j->lost);
	yyjson_mut_doc_free(j->doc);
}

static bool job_read(struct job *j, struct turn *t)
{
	struct selector *selector = selector_of(meta_get(t->root, "spec", "selector", NULL));
	bool ok;

	*j = (struct job){.t = t, .spec = json_obj(t->root, "spec"), .status = json_obj(t->root, "status")};
	j->indexed = yyjson_equals_str(yyjson_obj_get(j->spec, "completionMode"), "Indexed");
	j->suspended = json_bool(j->spec, "suspend");
	j->only_failed = yyjson_equals_str(yyjson_obj_get(j->spec, "podReplacementPolicy"), "Failed");
	j->per_index = j->indexed && yyjson_obj_get(j->spec, "backoffLimitPerIndex");
	j->completions = json_int(j->spec, "completions", -1);
	j->parallelism = json_int(j->spec, "parallelism", 1);
	j->doc = yyjson_mut_doc_new(NULL);
	j->new_succeeded = j->doc ? yyjson_mut_arr(j->doc) : NULL;
	j->new_failed = j->doc ? yyjson_mut_arr(j->doc) : NULL;
	ok = selector && j->new_succeeded && j->new_failed &&
	     !indexes_init(&j->done, j->indexed ? j->completions : 0) &&
	     !indexes_init(&j->lost, j->indexed ? j->completions : 0) && pods_of(t, selector, &j->pods);
	selector_free(selector);
	if (!ok)
		return false;
	indexes_read(&j->done, json_str(j->status, "completedIndexes"));
	indexes_read(&j->lost, json_str(j->status, "failedIndexes"));
	return true;
}

/* It is over: what is left of its pods is let go, and it goes itself when its time has come. */
static void after_the_end(struct job *j)
{
	yyjson_val *ttl = yyjson_obj_get(j->spec, "ttlSecondsAfterFinished");
	yyjson_val *end = condition_of(j->t->root, job_condition(j, "Complete") ? "Complete" : "Failed");
	int64_t left =
		time_of(yyjson_obj_get(end, "lastTransitionTime")) + yyjson_get_sint(ttl) - j->t->now_s;

	for (size_t i = 0; i < j->pods.n; i++)
		if (!j->pods.items[i].active && object_has_finalizer(j->pods.items[i].o, JOB_TRACKING))
			turn_remove(j->t, j->pods.items[i].o, NULL, "metadata", JOB_TRACKING);
	if (!ttl || j->t->object->deleted)
		return;
	if (left > 0)
		turn_again_in(j->t, left * 1000);
	else
		turn_delete(j->t, j->t->object,
			&(struct delete_options){.grace_seconds = -1, .propagation = PROPAGATE_BACKGROUND});
}

/* Pods of a Job that is no more: nobody will count them. */
static bool release(const struct object *o, void *arg)
{
	struct turn *t = arg;
	const struct object_owner *owner = object_controller(o);

	if (object_has_finalizer(o, JOB_TRACKING) &&
		(!owner || (!strcmp(owner->kind, "Job") && !registry_by_uid(t->r, owner->uid))))
		turn_remove(t, o, NULL, "metadata", JOB_TRACKING);
	return true;
}

static void sync_job(struct turn *t)
{
	const char *manager;
	struct job j;

	if (!t->object) {
		registry_each(t->r, schema_find_kind("v1", "Pod"), t->ns, release, t);
		return;
	}
	manager = json_text(json_obj(t->root, "spec"), "managedBy");
	if (manager && strcmp(manager, BUILT_IN) != 0)
		return;
	if (!job_read(&j, t)) {
		turn_failed(t);
	} else if (job_finished(&j)) {
		after_the_end(&j);
	} else {
		read_end(&j);
		if (!job_count(&j))
			turn_failed(t);
		decide(&j);
		if (j.end.decided)
			end_all(&j, j.end.success);
		else if (j.suspended)
			end_all(&j, true);
		else if (!t->object->deleted)
			manage(&j);
		job_write_status(&j);
	}
	job_fini(&j);
}

/* One that has lost its Job has a turn of that name all the same, to be let go. */
static void on_pod(
	struct controller *c, enum event_type type, const struct object *old, const struct object *now)
{
	const struct object_owner *owner = object_controller(now);

	controller_queue_owner(c, type, old, now);
	if (type != EVENT_DELETED && object_has_finalizer(now, JOB_TRACKING) &&
		(!owner || !registry_by_uid(controller_registry(c), owner->uid)))
		controller_queue(c, now->ns, "");
}

const struct controller_type job_controller = {
	.name = "job-controller",
	.api_version = "batch/v1",
	.kind = "Job",
	.sync = sync_job,
	.watches = {{"v1", "Pod", on_pod}},
};

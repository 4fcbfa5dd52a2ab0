/* SPDX-License-Identifier: Apache-2.0 */

/* The pods of a Job: which of them have ended and how, what the policy says to a failure, and when to try again. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cluster/controllers/job_int.h"
#include "cluster/schema/meta.h"
#include "lib/json.h"

enum { BACKOFF_MS = 10 * 1000, BACKOFF_MAX_MS = 600 * 1000 };

static int64_t annotation(const struct pod *p, const char *key, int64_t absent)
{
	const char *s = yyjson_get_str(meta_get(p->root, "metadata", "annotations", key, NULL));
	char *end;
	int64_t n = s ? strtoll(s, &end, 10) : absent;

	return s && (end == s || *end || n < 0 || n > INT32_MAX) ? absent : n;
}

int64_t job_index_of(const struct job *j, const struct pod *p)
{
	int64_t i = annotation(p, JOB_INDEX, -1);

	return i < j->completions ? i : -1;
}

static bool has_succeeded(const struct pod *p)
{
	return !strcmp(p->phase, "Succeeded");
}

/*
 * A pod that is being deleted has failed: it may never come to say so. With the policy Failed it is waited for, until its node is
 * through with it.
 */
static bool has_failed(const struct job *j, const struct pod *p)
{
	if (!strcmp(p->phase, "Failed"))
		return true;
	return p->o->deleted && !has_succeeded(p) && (!j->only_failed || p->o->deletion_grace <= 0);
}

/* ---- the policy for failures */

enum verdict { COUNT, IGNORE, FAIL_JOB, FAIL_INDEX };

/* The first container that ended as the requirement says, or NULL. */
static yyjson_val *exited_so(yyjson_val *pod, yyjson_val *want)
{
	static const char *const lists[] = {"initContainerStatuses", "containerStatuses"};
	const char *name = json_text(want, "containerName");
	bool in = !strcmp(json_str(want, "operator") ?: "", "In");
	yyjson_val *values = json_arr(want, "values"), *c, *v;
	size_t i, n, k, m;

	for (size_t l = 0; l < array_len(lists); l++)
		yyjson_arr_foreach (json_arr(json_obj(pod, "status"), lists[l]), i, n, c) {
			yyjson_val *ended = json_obj(json_obj(c, "state"), "terminated");
			int64_t code = json_int(ended, "exitCode", 0);
			bool there = false;

			if (!code || (name && !yyjson_equals_str(yyjson_obj_get(c, "name"), name)))
				continue;
			yyjson_arr_foreach (values, k, m, v)
				there |= yyjson_get_sint(v) == code;
			if (there == in)
				return c;
		}
	return NULL;
}

static yyjson_val *condition_like(yyjson_val *pod, yyjson_val *patterns)
{
	yyjson_val *p;
	size_t i, n;

	yyjson_arr_foreach (patterns, i, n, p)
		if (condition_is(pod, json_str(p, "type") ?: "", json_str(p, "status") ?: "True"))
			return p;
	return NULL;
}

static enum verdict judge(struct job *j, const struct pod *p)
{
	yyjson_val *rules = meta_get(j->spec, "podFailurePolicy", "rules", NULL), *rule;
	size_t i, n;

	yyjson_arr_foreach (rules, i, n, rule) {
		const char *action = json_str(rule, "action") ?: "";
		yyjson_val *container = exited_so(p->root, json_obj(rule, "onExitCodes"));
		yyjson_val *pattern = condition_like(p->root, json_arr(rule, "onPodConditions"));

		if (!container && !pattern)
			continue;
		if (!strcmp(action, "Ignore"))
			return IGNORE;
		if (!strcmp(action, "FailIndex"))
			return FAIL_INDEX;
		if (strcmp(action, "FailJob") != 0)
			return COUNT;
		if (j->end.decided)
			return FAIL_JOB;
		j->end = (struct job_end){.decided = true, .reason = "PodFailurePolicy"};
		if (container)
			snprintf(j->end.message, sizeof(j->end.message),
				"Container %s for pod %s/%s failed with exit code %lld matching FailJob rule at index %zu",
				json_str(container, "name") ?: "", p->o->ns, p->o->name,
				(long long)json_int(
					json_obj(json_obj(container, "state"), "terminated"), "exitCode", 0),
				i);
		else
			snprintf(j->end.message, sizeof(j->end.message),
				"Pod %s/%s has condition %s matching FailJob rule at index %zu", p->o->ns,
				p->o->name, json_str(pattern, "type") ?: "", i);
		return FAIL_JOB;
	}
	return COUNT;
}

/* ---- counting */

static bool in_list(yyjson_mut_val *list, const char *uid)
{
	size_t i, n;
	yyjson_mut_val *v;

	yyjson_mut_arr_foreach(list, i, n, v) if (yyjson_mut_equals_str(v, uid)) return true;
	return false;
}

static void take_off(const struct job *j, const struct pod *p)
{
	turn_remove(j->t, p->o, NULL, "metadata", JOB_TRACKING);
}

/* Uids that were written down: those whose pod is free of its finalizer are counted now. */
static bool settle(struct job *j, const char *key, yyjson_mut_val *list, int64_t *counter)
{
	yyjson_val *uids = json_arr(json_obj(j->status, "uncountedTerminatedPods"), key), *uid;
	size_t i, n;

	yyjson_arr_foreach (uids, i, n, uid) {
		const struct object *pod = registry_by_uid(j->t->r, yyjson_get_str(uid) ?: "");

		if (!pod || !object_has_finalizer(pod, JOB_TRACKING)) {
			++*counter;
			continue;
		}
		if (!yyjson_mut_arr_append(list, yyjson_val_mut_copy(j->doc, uid)))
			return false;
		turn_remove(j->t, pod, NULL, "metadata", JOB_TRACKING);
	}
	return true;
}

static bool count_success(struct job *j, const struct pod *p)
{
	int64_t index = job_index_of(j, p);

	if (!j->indexed)
		return in_list(j->new_succeeded, p->o->uid) ||
		       yyjson_mut_arr_add_strcpy(j->doc, j->new_succeeded, p->o->uid);
	/* written down before, or of no index that counts: nothing more to learn from it */
	if (index < 0 || indexes_has(&j->done, index))
		take_off(j, p);
	return true;
}

static bool count_failure(struct job *j, const struct pod *p)
{
	enum verdict v;
	int64_t index = job_index_of(j, p);

	if (in_list(j->new_failed, p->o->uid))
		return true;
	v = judge(j, p);
	if (v == IGNORE) {
		take_off(j, p);
		return true;
	}
	if (j->per_index && index >= 0 &&
		(v == FAIL_INDEX ||
			annotation(p, JOB_INDEX_FAILURE, 0) >= json_int(j->spec, "backoffLimitPerIndex", 0)))
		indexes_add(&j->lost, index);
	return yyjson_mut_arr_add_strcpy(j->doc, j->new_failed, p->o->uid);
}

static bool count_pod(struct job *j, const struct pod *p)
{
	bool tracked = object_has_finalizer(p->o, JOB_TRACKING);

	if (p->active) {
		j->active++;
		j->ready += p->ready;
		return true;
	}
	if (p->o->deleted && !has_succeeded(p) && strcmp(p->phase, "Failed") != 0)
		j->terminating++;
	if (!tracked)
		return true;
	if (has_succeeded(p))
		return count_success(j, p);
	return !has_failed(j, p) || count_failure(j, p);
}

/* ---- back-off */

static int64_t ended_s(const struct pod *p)
{
	yyjson_val *list = json_arr(json_obj(p->root, "status"), "containerStatuses"), *c;
	int64_t end = 0;
	size_t i, n;

	yyjson_arr_foreach (list, i, n, c) {
		int64_t at =
			time_of(yyjson_obj_get(json_obj(json_obj(c, "state"), "terminated"), "finishedAt"));

		end = at > end ? at : end;
	}
	if (!end)
		end = time_of(yyjson_obj_get(condition_of(p->root, "Ready"), "lastTransitionTime"));
	return end ? end : time_of(meta_get(p->root, "metadata", "creationTimestamp", NULL));
}

static int64_t delay_ms(const struct job *j, int64_t failures)
{
	int64_t first =
		j->t->context && j->t->context->job_backoff_ms ? j->t->context->job_backoff_ms : BACKOFF_MS;
	int64_t ms = failures < 12 ? first << (failures - 1) : BACKOFF_MAX_MS;

	return ms < BACKOFF_MAX_MS ? ms : BACKOFF_MAX_MS;
}

/* What is left of a wait that began at @from_s. */
static int64_t left_ms(const struct job *j, int64_t from_s, int64_t wait_ms)
{
	int64_t left = from_s * 1000 + wait_ms - j->t->now_s * 1000;

	return left > 0 ? left : 0;
}

/* Failures since the last success double the wait. */
static void back_off(struct job *j)
{
	int64_t success_s = 0, failure_s = 0, failures = 0;

	for (size_t i = 0; i < j->pods.n; i++)
		if (has_succeeded(&j->pods.items[i])) {
			int64_t at = ended_s(&j->pods.items[i]);

			success_s = at > success_s ? at : success_s;
		}
	for (size_t i = 0; i < j->pods.n; i++) {
		const struct pod *p = &j->pods.items[i];
		int64_t at = !strcmp(p->phase, "Failed") ? ended_s(p) : 0;

		failures += at > success_s;
		failure_s = at > failure_s ? at : failure_s;
	}
	j->retry_ms = failures ? left_ms(j, failure_s, delay_ms(j, failures)) : 0;
}

int64_t job_index_failures(const struct job *j, int64_t index)
{
	int64_t most = 0;

	for (size_t i = 0; i < j->pods.n; i++) {
		const struct pod *p = &j->pods.items[i];
		int64_t n = annotation(p, JOB_INDEX_FAILURE, 0) + 1;

		if (job_index_of(j, p) == index && has_failed(j, p) && n > most)
			most = n;
	}
	return most;
}

bool job_index_waits(const struct job *j, int64_t index, int64_t *ms)
{
	int64_t failures = job_index_failures(j, index), at = 0;

	for (size_t i = 0; failures && i < j->pods.n; i++)
		if (job_index_of(j, &j->pods.items[i]) == index && has_failed(j, &j->pods.items[i])) {
			int64_t end = ended_s(&j->pods.items[i]);

			at = end > at ? end : at;
		}
	*ms = failures ? left_ms(j, at, delay_ms(j, failures)) : 0;
	return *ms > 0;
}

bool job_count(struct job *j)
{
	j->succeeded = json_int(j->status, "succeeded", 0);
	j->failed = json_int(j->status, "failed", 0);
	if (!settle(j, "succeeded", j->new_succeeded, &j->succeeded) ||
		!settle(j, "failed", j->new_failed, &j->failed))
		return false;
	for (size_t i = 0; i < j->pods.n; i++)
		if (!count_pod(j, &j->pods.items[i]))
			return false;
	/* only now: until the status has an index, its pod keeps its finalizer */
	for (size_t i = 0; j->indexed && i < j->pods.n; i++)
		if (has_succeeded(&j->pods.items[i]) &&
			object_has_finalizer(j->pods.items[i].o, JOB_TRACKING))
			indexes_add(&j->done, job_index_of(j, &j->pods.items[i]));
	if (!j->per_index)
		back_off(j);
	return true;
}

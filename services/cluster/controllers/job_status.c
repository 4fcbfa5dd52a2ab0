/* SPDX-License-Identifier: Apache-2.0 */

/* What is written down of a Job: counts, and conditions that say how it goes and how it ended. */

#include <stdlib.h>
#include <string.h>

#include "cluster/controllers/job_int.h"
#include "cluster/schema/meta.h"
#include "lib/json.h"

bool job_condition(const struct job *j, const char *type)
{
	return condition_is(j->t->root, type, "True");
}

static bool keep(yyjson_mut_doc *doc, yyjson_mut_val *status, const struct job *j, const char *key)
{
	yyjson_val *was = yyjson_obj_get(j->status, key);

	return !was || yyjson_mut_obj_add_val(doc, status, key, yyjson_val_mut_copy(doc, was));
}

static bool add_time(yyjson_mut_doc *doc, yyjson_mut_val *status, const struct job *j, const char *key)
{
	char now[META_TIME_MAX];

	meta_time(now, (time_t)j->t->now_s);
	return yyjson_mut_obj_add_strcpy(doc, status, key, now);
}

static bool add_count(yyjson_mut_doc *doc, yyjson_mut_val *status, const char *key, int64_t n, bool always)
{
	return (!n && !always) || yyjson_mut_obj_add_int(doc, status, key, n);
}

static bool add_indexes(
	yyjson_mut_doc *doc, yyjson_mut_val *status, const char *key, const struct indexes *set, bool always)
{
	char *text = indexes_text(set);
	bool ok = text && ((!*text && !always) || yyjson_mut_obj_add_strcpy(doc, status, key, text));

	free(text);
	return ok;
}

static bool add_uncounted(yyjson_mut_doc *doc, yyjson_mut_val *status, const struct job *j)
{
	yyjson_mut_val *o = yyjson_mut_obj_add_obj(doc, status, "uncountedTerminatedPods");

	return o &&
	       (!yyjson_mut_arr_size(j->new_succeeded) ||
		       yyjson_mut_obj_add_val(
			       doc, o, "succeeded", yyjson_mut_val_mut_copy(doc, j->new_succeeded))) &&
	       (!yyjson_mut_arr_size(j->new_failed) ||
		       yyjson_mut_obj_add_val(doc, o, "failed", yyjson_mut_val_mut_copy(doc, j->new_failed)));
}

/* Suspended comes when it is, and stays, False, once it has been. */
static void say_suspended(yyjson_mut_doc *doc, yyjson_mut_val *list, const struct job *j)
{
	if (j->suspended)
		condition_set(doc, list, "Suspended", "True", "JobSuspended", "Job suspended", j->t->now_s);
	else if (job_condition(j, "Suspended"))
		condition_set(doc, list, "Suspended", "False", "JobResumed", "Job resumed", j->t->now_s);
}

/* Is all that it had accounted for? Then the end is the end. */
static bool is_over(const struct job *j)
{
	return j->end.decided && !j->active && !j->terminating && !yyjson_mut_arr_size(j->new_succeeded) &&
	       !yyjson_mut_arr_size(j->new_failed);
}

static bool add_conditions(yyjson_mut_doc *doc, yyjson_mut_val *status, const struct job *j, bool over)
{
	yyjson_val *was = json_arr(j->status, "conditions");
	yyjson_mut_val *list = was ? yyjson_val_mut_copy(doc, was) : yyjson_mut_arr(doc);

	if (!list)
		return false;
	if (!j->end.decided)
		say_suspended(doc, list, j);
	if (j->end.decided)
		condition_set(doc, list, j->end.success ? "SuccessCriteriaMet" : "FailureTarget", "True",
			j->end.reason, j->end.message, j->t->now_s);
	if (over)
		condition_set(doc, list, j->end.success ? "Complete" : "Failed", "True", j->end.reason,
			j->end.message, j->t->now_s);
	return !yyjson_mut_arr_size(list) || yyjson_mut_obj_add_val(doc, status, "conditions", list);
}

static bool add_start(yyjson_mut_doc *doc, yyjson_mut_val *status, const struct job *j)
{
	if (j->suspended && !j->end.decided)
		return true;
	return json_text(j->status, "startTime") ? keep(doc, status, j, "startTime")
						 : add_time(doc, status, j, "startTime");
}

void job_write_status(struct job *j)
{
	yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
	yyjson_mut_val *status = doc ? yyjson_mut_obj(doc) : NULL;
	bool over = is_over(j);

	if (status && add_conditions(doc, status, j, over) && add_start(doc, status, j) &&
		(!over || !j->end.success || add_time(doc, status, j, "completionTime")) &&
		add_count(doc, status, "active", j->active, false) &&
		add_count(doc, status, "succeeded", j->indexed ? j->done.n : j->succeeded, false) &&
		add_count(doc, status, "failed", j->failed, false) &&
		add_count(doc, status, "terminating", j->terminating, true) &&
		add_count(doc, status, "ready", j->ready, true) && add_uncounted(doc, status, j) &&
		(!j->indexed || add_indexes(doc, status, "completedIndexes", &j->done, false)) &&
		(!j->per_index || add_indexes(doc, status, "failedIndexes", &j->lost, true)))
		turn_set(j->t, j->t->object, "status", "status", status);
	else
		turn_failed(j->t);
	yyjson_mut_doc_free(doc);
	if (over && j->end.success)
		turn_event(j->t, j->t->object, false, "Completed", "Job completed");
	else if (over)
		turn_event(j->t, j->t->object, true, *j->end.reason ? j->end.reason : "Failed", "%s",
			j->end.message);
}

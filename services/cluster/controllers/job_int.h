/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLUSTER_JOB_INT_H
#define CLUSTER_JOB_INT_H

/*
 * What the files of the Job controller share: one turn's picture of a Job. job.c decides, job_pods.c counts and judges the pods,
 * job_status.c writes down.
 *
 * A pod of a Job is counted exactly once, whatever is killed in between: it has a finalizer; when it has ended its uid is written
 * to status.uncountedTerminatedPods; then the finalizer is taken off; then it is counted and its uid goes. Of an indexed Job the
 * indexes that succeeded are written down instead, which can be done twice without harm.
 */

#include "cluster/controllers/controller.h"
#include "cluster/controllers/indexes.h"
#include "cluster/controllers/pods.h"

#define JOB_TRACKING	  "batch.kubernetes.io/job-tracking"
#define JOB_INDEX	  "batch.kubernetes.io/job-completion-index"
#define JOB_INDEX_FAILURE "batch.kubernetes.io/job-index-failure-count"

enum { JOB_MESSAGE_MAX = 512 };

/* How it ends: first what has been decided, then, when no pod is left, that it is so. */
struct job_end {
	bool decided, success;
	const char *reason; /* constant; "" when it is none of ours */
	char message[JOB_MESSAGE_MAX];
};

struct job {
	struct turn *t;
	yyjson_val *spec, *status;
	bool indexed, suspended, only_failed; /* podReplacementPolicy: Failed */
	bool per_index;			      /* backoffLimitPerIndex is given */
	int64_t completions;		      /* -1: until one succeeds */
	int64_t parallelism;
	struct pods pods;
	struct indexes done, lost; /* of an indexed job: succeeded, failed for good */
	int64_t active, ready, terminating;
	int64_t succeeded, failed;		    /* counted before, and in this turn */
	yyjson_mut_doc *doc;			    /* of the next two */
	yyjson_mut_val *new_succeeded, *new_failed; /* uids that are not counted yet */
	int64_t retry_ms;			    /* back-off: no new pod for so long; 0: now */
	struct job_end end;
};

static inline int64_t job_total_failed(const struct job *j)
{
	return j->failed + (int64_t)yyjson_mut_arr_size(j->new_failed);
}

static inline int64_t job_total_succeeded(const struct job *j)
{
	return j->indexed ? j->done.n : j->succeeded + (int64_t)yyjson_mut_arr_size(j->new_succeeded);
}

/* job_pods.c: fills in all counts, takes off finalizers that are due. false: no memory. */
must_check bool job_count(struct job *j);
/* The index of a pod; -1: none that counts. */
int64_t job_index_of(const struct job *j, const struct pod *p);
/* How often the index of a pod to come has failed. */
int64_t job_index_failures(const struct job *j, int64_t index);
/* Is it too early to try this index again? */
bool job_index_waits(const struct job *j, int64_t index, int64_t *ms);

/* job_status.c */
void job_write_status(struct job *j);
bool job_condition(const struct job *j, const char *type);
static inline bool job_finished(const struct job *j)
{
	return job_condition(j, "Complete") || job_condition(j, "Failed");
}

#endif

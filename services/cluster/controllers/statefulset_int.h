/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLUSTER_STATEFULSET_INT_H
#define CLUSTER_STATEFULSET_INT_H

/* What the files of the StatefulSet controller share: one turn's picture of a set, its pods in their places. */

#include "cluster/controllers/controller.h"
#include "cluster/controllers/pods.h"
#include "cluster/controllers/revisions.h"

struct statefulset {
	struct turn *t;
	yyjson_val *spec, *status;
	int64_t replicas, start; /* numbers are start ... start + replicas - 1 */
	int64_t min_ready_s;
	bool ordered, on_delete;
	int64_t partition;	 /* from this number on pods get the new template */
	int64_t max_unavailable; /* in a rolling update */
	struct pods pods;
	struct pod **places; /* owned array of `replicas`: the pod of that number, or NULL */
	struct pod **others; /* owned: pods of numbers that are not wanted, highest first */
	size_t n_others;
	struct revisions revisions;
	struct revision *current; /* of status.currentRevision; the update's when that is gone */
};

/* The number of a pod of this set; -1: its name is not one of the set's. */
int64_t statefulset_number(const char *set, const char *pod);
static inline bool statefulset_is_of(const struct pod *p, const struct revision *r)
{
	const char *label = object_label(p->o, REVISION_LABEL);

	return label && !strcmp(label, r->o->name);
}

/* statefulset_pods.c: makes the pod of a number, and its claims first. */
void statefulset_make(struct statefulset *s, int64_t number);
/*
 * The claims of a pod have the owners that the retention policy says: the set's with whenDeleted: Delete, the pod's when it is
 * on its way out with whenScaled: Delete. false: not yet, a write is on its way.
 */
bool statefulset_own_claims(struct statefulset *s, int64_t number, const struct pod *leaving);

#endif

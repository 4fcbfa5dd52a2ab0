/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLUSTER_SCHEDULER_QUEUE_H
#define CLUSTER_SCHEDULER_QUEUE_H

/*
 * Pods that wait for a node. Active ones, the most important first and then the oldest; those that were tried and found none,
 * until something changes that may help; and then for a moment more, one second doubling to ten, so that a pod that fits
 * nowhere does not keep the others waiting.
 */

#include "cluster/scheduler/cache.h"

struct sched_queue {
	struct sched_pod **active; /* a heap */
	size_t n, cap;
	struct sched_pod **waiting; /* SCHED_BACKOFF and SCHED_UNSCHEDULABLE, in no order */
	size_t n_waiting, cap_waiting;
	size_t n_asleep;  /* of them: SCHED_UNSCHEDULABLE */
	size_t n_minding; /* of these: minds_pods */
	uint64_t arrivals;
};

/* A new or changed pod. 0 or -ENOMEM. */
must_check int queue_add(struct sched_queue *q, struct sched_pod *p);
/* It was tried and found nothing. Its back-off runs from now. */
must_check int queue_put_off(struct sched_queue *q, struct sched_pod *p, int64_t now_ms);
void queue_remove(struct sched_queue *q, struct sched_pod *p); /* wherever it is */
struct sched_pod *queue_pop(struct sched_queue *q);	       /* NULL: none is active */

/* Something changed: whoever found nothing may try again, once its back-off is over. */
void queue_wake(struct sched_queue *q);
void queue_wake_one(struct sched_queue *q, struct sched_pod *p); /* only this one, wherever it is */
/* Pods are where they were not: only those that mind pods may try again. */
void queue_wake_minding(struct sched_queue *q);
/* Moves those whose back-off is over; returns when the next one's is, or -1. */
int64_t queue_tick(struct sched_queue *q, int64_t now_ms);
void queue_fini(struct sched_queue *q);

#endif

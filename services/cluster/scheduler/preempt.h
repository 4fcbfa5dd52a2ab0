/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLUSTER_SCHEDULER_PREEMPT_H
#define CLUSTER_SCHEDULER_PREEMPT_H

#include "cluster/scheduler/cycle.h"

/* As whom pods are ended. */
struct preempt_by {
	struct registry *r;
	const struct caller *who;
	/* One of them could not be, and nothing else will tell: @pod, for which they leave, is to be tried again. */
	void (*failed)(const struct object *pod, void *arg);
	void *arg;
};

/**
 * preempt() - make room for a pod that found no node, by ending less important ones
 * @node:	receives the node that is promised to it, now or before, or ""
 * @message:	what was tried is added to it
 *
 * Of all nodes where ending pods of lower priority would let it in, that is chosen where the fewest disruption budgets are
 * broken, then where the least important pods go, then the fewest. Nothing is done for a pod whose policy is Never, or
 * while victims of an earlier try are still ending. A pod is ended once its status says why, and stays when that could not
 * be written.
 */
void preempt(const struct preempt_by *by, struct cycle *c, char *node, size_t node_size, char *message,
	size_t message_size);

#endif

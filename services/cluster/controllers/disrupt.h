/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLUSTER_DISRUPT_H
#define CLUSTER_DISRUPT_H

/*
 * Pods that a controller ends for what is not their fault. Their status says so first (the condition DisruptionTarget), so that
 * whoever counts failures, as a Job's podFailurePolicy, can tell.
 */

#include "cluster/controllers/controller.h"

struct disruption {
	const char *reason, *message; /* of the condition; must last */
	bool failed; /* nobody will say how it ended: it has failed, unless it is over; else it says so itself */
	int64_t grace_seconds; /* as of delete_options */
};

/* The turn's object, a pod: its status, then its deletion. */
void turn_disrupt(struct turn *t, const struct disruption *d);

/* Its phase is one that it does not leave. */
bool pod_has_ended(const struct object *pod);
/* For controller_queue_where(): @node is a name. */
bool pod_is_on_node(const struct object *pod, const void *node);
/* It comes to its node, or its spec changes. */
bool pod_comes_or_changes(enum event_type type, const struct object *old, const struct object *now);

#endif

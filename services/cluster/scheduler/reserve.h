/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLUSTER_SCHEDULER_RESERVE_H
#define CLUSTER_SCHEDULER_RESERVE_H

/*
 * Volumes that were chosen for the claims of a pod: each is told whose it is, and when all of them are, the pod is bound. Until the view
 * shows it, a volume is promised, so that no other pod's claim gets it.
 */

#include "cluster/scheduler/cycle.h"

enum { RESERVE_NOTHING, RESERVE_UNDER_WAY };
/**
 * reserve_volumes() - as cycle_volumes() chose them last
 * @done:	called from the loop, once; not @ok: one was another's in the meantime
 *
 * Return: RESERVE_NOTHING: there was nothing to write, and @done is not called; RESERVE_UNDER_WAY; or -ENOMEM.
 */
must_check int reserve_volumes(struct cycle *c, struct registry *r, const struct caller *who,
	void (*done)(bool ok, void *arg), void *arg);

/* Is it promised to a claim? */
bool volume_promised(const struct sched_cache *c, const struct object *volume);
/* What is promised to the claim; NULL: nothing. */
const struct object *volume_promised_to(const struct sched_cache *c, const struct object *claim);

#endif

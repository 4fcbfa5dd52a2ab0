/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLUSTER_ROLLOUT_H
#define CLUSTER_ROLLOUT_H

/*
 * A Deployment and its ReplicaSets as numbers, and the arithmetic of changing from one to another. No objects in here, so that
 * every rule can be tested as a table.
 */

#include <stddef.h>
#include <sys/types.h>
#include <stdint.h>

#include "lib/util.h"

struct rollout_set {
	int64_t replicas; /* spec.replicas */
	int64_t actual;	  /* status.replicas */
	int64_t ready, available;
	int64_t terminating; /* on their way out, and in no other number */
	int64_t desired,
		max; /* what the annotations say the Deployment wanted when this was last scaled; -1: absent */
	int64_t created_s;
	int64_t target; /* out: what replicas should become */
	bool shared;	/* rollout_scale()'s own: has had its part */
};

/* Recreate waits for all of them: wanted, there, or ending. */
static inline bool rollout_has_pods(const struct rollout_set *s)
{
	return s->replicas > 0 || s->actual > 0 || s->terminating > 0;
}

struct rollout {
	int64_t replicas;		    /* of the Deployment */
	int64_t max_surge, max_unavailable; /* absolute */
	bool recreate;
	struct rollout_set *sets; /* oldest first */
	size_t n;
	ssize_t current; /* index of the set with the Deployment's template, -1: none yet */
};

/* maxSurge and maxUnavailable in absolute numbers: percentages of @replicas, surge rounded up, unavailable down; never both 0. */
struct rollout_bound {
	int64_t n;
	bool percent;
};
void rollout_bounds(struct rollout *r, struct rollout_bound surge, struct rollout_bound unavailable);

/* How many replicas a new set begins with. */
int64_t rollout_first_replicas(const struct rollout *r);

/* Was the Deployment scaled since its sets were? Then rollout_scale() before any further step of a rolling update. */
bool rollout_scaled(const struct rollout *r);

/*
 * Each sets every `target`. scale: shares a new number of replicas among the sets in proportion; step: one step of the
 * strategy, at most so far as available pods allow.
 */
void rollout_scale(struct rollout *r);
void rollout_step(struct rollout *r);

#endif

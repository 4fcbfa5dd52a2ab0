/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLUSTER_SCHEDULER_RESOURCES_H
#define CLUSTER_SCHEDULER_RESOURCES_H

/* What a pod asks for, what a node has and what is used of it, in numbers. */

#include <yyjson.h>

#include "lib/util.h"

struct sched_cache;
struct sched_node;
struct sched_pod;

struct sched_extended {
	const char *name; /* interned in the cache */
	int64_t n;
};

struct sched_resources {
	int64_t cpu_milli, memory_bytes, ephemeral_bytes, pods;
	/* Owned, by name. As many as are named: one that is left out is given away twice. */
	struct sched_extended *extended;
	size_t n_extended;
};

/*
 * Reads {"cpu": "100m", ...}. What is no quantity is left out: validation has refused it before. So is an extended resource of which
 * there is none: a pod that asks for 0 of it fits also where more is given away than there is. 0 or -ENOMEM.
 */
must_check int resources_read(struct sched_cache *c, struct sched_resources *r, yyjson_val *list);

/*
 * p->asks, which is empty before: its containers and sidecars together, or one init container with the sidecars before it, whichever
 * is more; and the overhead of its runtime class. 0 or -ENOMEM.
 */
must_check int resources_asked(struct sched_cache *c, struct sched_pod *p);
void resources_fini(struct sched_resources *r); /* leaves it empty */

/* What @r would leave of @has after @used; false: does not fit. */
bool resources_fit(const struct sched_resources *asks, const struct sched_node *n);
/* @to has a place for whatever @r names: 0 or -ENOMEM. */
must_check int resources_reserve(struct sched_resources *to, const struct sched_resources *r);
/* @sign times @r; there is a place for it. */
void resources_add(struct sched_resources *to, const struct sched_resources *r, int sign);
int64_t resources_extended(const struct sched_resources *r, const char *name);

#endif

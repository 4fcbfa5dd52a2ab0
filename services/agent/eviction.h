/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AGENT_EVICTION_H
#define AGENT_EVICTION_H

/*
 * When a machine runs short of what its pods share, and which of them leaves: the kubelet's rules, as decisions about numbers.
 * Nothing here asks or does anything; pressure.c does.
 */

#include <stddef.h>
#include <stdint.h>
#include <yyjson.h>

#include "lib/util.h"

/*
 * The kubelet's signals, in the order in which they are attended to. Images, containers and volumes share one file system here: when
 * that runs short (IMAGEFS), images that nobody uses go; when it is shorter (NODEFS), pods go, too.
 */
enum eviction_signal {
	EVICTION_MEMORY,
	EVICTION_NODEFS,
	EVICTION_NODEFS_INODES,
	EVICTION_PIDS,
	EVICTION_IMAGEFS,
	EVICTION_IMAGEFS_INODES,
	EVICTION_SIGNALS
};

/* The least that must be available: a part of what there is, but no more than @bytes where that is given. */
struct eviction_threshold {
	int percent;   /* 0: none */
	int64_t bytes; /* or a count, of what is no memory; 0: none */
};

struct eviction_rules {
	struct eviction_threshold of[EVICTION_SIGNALS];
	int64_t transition_ms; /* how long a condition stays true after the last sign of it */
};

/*
 * The rules of a configuration's mapping "cluster.eviction", whose values are like "5%" or "100Mi"; NULL: the defaults. What is not
 * given has its default, what is no threshold was refused by who read the configuration.
 */
struct eviction_rules eviction_rules(yyjson_val *config);

struct eviction_amount {
	int64_t available, capacity; /* capacity 0: unknown, and never short */
};

/* What must be available of @capacity. */
int64_t eviction_least(const struct eviction_threshold *t, int64_t capacity);
/* The signals of which less is available than must be: bit 1 << signal. */
unsigned eviction_short(
	const struct eviction_rules *rules, const struct eviction_amount amounts[EVICTION_SIGNALS]);

/* "memory.available", and the resource that a signal is about: "memory". */
const char *eviction_signal_name(enum eviction_signal s);
const char *eviction_resource(enum eviction_signal s);

/* ---- conditions of the node */

struct node_pressure {
	bool memory, disk, pids;
};

struct eviction_memory {
	int64_t last_ms[3]; /* memory, disk, pids: the last sign; 0: none yet */
};

/* A condition is true at once, and no more only when there was no sign of it for the time of transition. */
struct node_pressure eviction_conditions(
	struct eviction_memory *m, const struct eviction_rules *rules, unsigned met, int64_t now_ms);

/* ---- who leaves */

struct eviction_pod {
	void *pod;
	int64_t usage, request; /* of the resource */
	int64_t priority;
	bool critical; /* never evicted: static, or of a system priority */
};

enum { EVICTION_CRITICAL_PRIORITY = 2000000000 };

/*
 * Sorts, those that leave first in front: who uses more than was requested before who does not, then the lower priority, then who
 * uses more beyond the request. Of process ids nothing is requested: the priority, then who has most.
 */
void eviction_rank(struct eviction_pod *pods, size_t n, enum eviction_signal s);

/* ---- what is said of it */

struct eviction_container {
	const char *name;
	int64_t usage, request;
};

/*
 * Why @who leaves, in the kubelet's words, cut to fit @buf: what the node was short of, then the containers that use more than
 * they requested. Where it is none of them (volumes, inodes, process ids), the pod as a whole.
 */
void eviction_message(char *buf, size_t size, enum eviction_signal s, int64_t least, int64_t available,
	const struct eviction_pod *who, const struct eviction_container *containers, size_t n);

#endif

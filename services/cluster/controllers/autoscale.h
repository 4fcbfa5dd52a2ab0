/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLUSTER_AUTOSCALE_H
#define CLUSTER_AUTOSCALE_H

/*
 * How many pods a load needs, as numbers alone: what was measured of each pod makes a proposal, and what was proposed and
 * done in the last minutes makes it a decision. The rules are upstream's (autoscaling/v2, HorizontalPodAutoscaler):
 *
 *	proposal = ceil(pods x measured / wanted), or as many as there are while that is within the tolerance
 *
 * A pod that is not measured counts against every change, so that it is never larger than what is known asks for.
 *
 * Amounts are in thousandths: of a processor, of a byte.
 */

#include <stdint.h>

#include "lib/util.h"

enum autoscale_state {
	AUTOSCALE_IGNORED, /* has ended, or is ending */
	AUTOSCALE_MISSING, /* should be measured, and is not */
	AUTOSCALE_UNREADY, /* is too young for its numbers to mean anything */
	AUTOSCALE_READY,
	AUTOSCALE_STRANGER, /* is measured, and none of the load's: an adapter's word counts, the pod does not */
};

struct autoscale_pod {
	enum autoscale_state state;
	int64_t usage, request; /* usage of AUTOSCALE_READY and _STRANGER alone */
};

/* What is known of one pod, in seconds since the epoch. */
struct autoscale_facts {
	bool deleted, failed, pending;
	bool measured, is_cpu;
	bool has_ready, ready; /* the condition Ready is there; it is True */
	int64_t started_s;     /* 0: not yet */
	int64_t ready_changed_s, measured_s, window_s;
};

enum autoscale_state autoscale_state(const struct autoscale_facts *f, int64_t now_s);

/* By how much a ratio may be off before anything is done. */
struct autoscale_tolerance {
	double down, up;
};

struct autoscale_aim {
	bool utilization; /* @target is percent of what pods request; else an amount each */
	int64_t target;	  /* above 0 */
	struct autoscale_tolerance tolerance;
};

struct autoscale_proposal {
	int64_t replicas;
	int64_t utilization; /* percent; -1: of an amount */
	int64_t average;     /* of the pods that were measured */
};

/* @current: replicas there should be now. NULL, or why nothing can be proposed. */
const char *autoscale_propose(const struct autoscale_pod *pods, size_t n, const struct autoscale_aim *aim,
	int64_t current, struct autoscale_proposal *out);

/* One amount for all pods together: of another object, or from outside. */
struct autoscale_total {
	int64_t amount, target; /* target above 0 */
	bool average;		/* @target is of each pod */
	int64_t current, seen;	/* replicas there should be now, and are */
	int64_t ready;		/* pods that run and are ready; -1: there are no pods */
	struct autoscale_tolerance tolerance;
};

/* @out: average is of the replicas that there are. NULL, or why nothing can be proposed. */
const char *autoscale_propose_total(const struct autoscale_total *t, struct autoscale_proposal *out);

/* ---- from proposals to a decision */

struct autoscale_policy {
	bool percent; /* of the replicas at the beginning of the period; else that many pods */
	int64_t value, period_s;
};

struct autoscale_rules {
	enum { AUTOSCALE_MAX, AUTOSCALE_MIN, AUTOSCALE_DISABLED } select;
	int64_t window_s; /* how far back proposals count */
	const struct autoscale_policy *policies;
	size_t n_policies;
};

/* Those of an autoscaler that has none of its own. */
extern const struct autoscale_rules autoscale_up_default, autoscale_down_default;

struct autoscale_limits {
	struct autoscale_rules up, down;
	int64_t min, max;
};

/* Longest time that any rule looks back. */
enum { AUTOSCALE_MEMORY_S = 3600, AUTOSCALE_MARKS_MAX = 1024 };

/* What was proposed, or by how much it was scaled, and when, on any clock that only goes forward. */
struct autoscale_mark {
	int64_t n, at_s;
};

struct autoscale_marks {
	struct autoscale_mark *items; /* owned; in order of time */
	size_t n;
};

struct autoscale_history {
	struct autoscale_marks proposed, up, down;
};

void autoscale_history_fini(struct autoscale_history *h);

struct autoscale_decision {
	int64_t replicas;
	bool limited;
	const char *able_reason, *able_message;	      /* of the condition AbleToScale */
	const char *limited_reason, *limited_message; /* of ScalingLimited */
};

/* A proposal is remembered. 0, or -ENOMEM: nothing is decided. */
must_check int autoscale_decide(const struct autoscale_limits *l, struct autoscale_history *h,
	int64_t current, int64_t proposed, int64_t now_s, struct autoscale_decision *out);
/* It was scaled. Without memory the rates forget it. */
void autoscale_scaled(struct autoscale_history *h, int64_t from, int64_t to, int64_t now_s);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLUSTER_ADAPTERS_H
#define CLUSTER_ADAPTERS_H

/*
 * What metrics adapters say, for autoscalers: extension API servers of custom.metrics.k8s.io and external.metrics.k8s.io. A turn asks
 * what it needs to know, and has another when all of that is answered; what is answered is kept until that turn has forgotten it.
 * A question takes a few seconds at most, and few are asked at once: the others wait, and keys take turns. A key has so many
 * questions in a turn: the answer to any further one is that they are too many.
 */

#include "cluster/controllers/metric_list.h"
#include "lib/util.h"

struct adapters;
struct controller;
struct registry;

enum { ADAPTERS_AT_ONCE = 5, ADAPTERS_PER_KEY = 64, ADAPTERS_LIMIT_MS = 5000, ADAPTERS_ANSWER_MAX = 2 << 20 };

must_check int adapters_new(struct adapters **out, struct registry *r); /* 0 or -ENOMEM */
void adapters_free(struct adapters *a); /* before the controllers are stopped; accepts NULL */

/* Of which object's turn it is. */
struct adapters_turn {
	struct controller *c; /* in whose name it is asked, and whose key is queued */
	const char *ns, *name;
};

/* One question; copied. */
struct adapter_question {
	const char *group;
	const char *path; /* below /apis/GROUP/VERSION/, with its query; encoded */
	/* as who may what is written: in the turn's namespace */
	const char *verb, *resource, *subresource, *name; /* "" for none */
};

struct adapter_answer {
	char why[METRIC_WHY_MAX]; /* it is none; "": it is one */
	struct metric_list list;
};

/*
 * A turn's questions are between adapters_begin() and adapters_settle(). NULL: it is on its way. What is answered is borrowed until
 * adapters_forget().
 */
void adapters_begin(struct adapters *a, const struct adapters_turn *t);
const struct adapter_answer *adapters_ask(
	struct adapters *a, const struct adapters_turn *t, const struct adapter_question *q);
/* What was not asked for again is dropped. true: everything is answered; false: the key is queued when it is. */
must_check bool adapters_settle(struct adapters *a, const struct adapters_turn *t);
/* Nothing of this key is asked or kept any more. */
void adapters_forget(struct adapters *a, const char *ns, const char *name);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLUSTER_HORIZONTALPODAUTOSCALER_INT_H
#define CLUSTER_HORIZONTALPODAUTOSCALER_INT_H

/*
 * One turn of an autoscaler: horizontalpodautoscaler.c finds what is scaled and decides, horizontalpodautoscaler_metrics.c
 * measures, horizontalpodautoscaler_status.c says what was seen and done.
 */

#include "cluster/controllers/autoscale.h"
#include "cluster/controllers/controllers.h"

struct selector;
struct usage;

enum { SCALING_TEXT_MAX = 600 };

/* A pod of the load. */
struct scaled_pod {
	struct object *o; /* held */
	yyjson_doc *doc;  /* owned */
	yyjson_val *root;
	yyjson_val *summary; /* of its node; NULL: none, or it has no node */
};

struct scaling {
	struct turn *t;
	yyjson_val *spec, *status;
	int64_t min, max;

	/* what is scaled */
	const struct object *target;
	const struct schema_subresource *scale;
	int64_t current; /* replicas it asks for now */
	int64_t seen;	 /* and has */
	struct selector *selector;
	struct scaled_pod *pods;
	size_t n_pods;

	/* the status in the making */
	yyjson_mut_doc *doc;
	yyjson_mut_val *conditions, *metrics;
	bool scaled;
};

/* ---- horizontalpodautoscaler_metrics.c */

/* The nodes of the pods say what they use. false: not all have answered; the turn's key is queued when they have. */
bool scaling_measure(struct scaling *s, struct usage *u);
/*
 * The largest proposal of the metrics, put with what was measured into s->metrics; @name: which metric it was of. Says in
 * condition and events what could not be had. -1: nothing can be proposed.
 */
int64_t scaling_propose(struct scaling *s, char name[static SCALING_TEXT_MAX]);
/* By how much a ratio may be off. */
struct autoscale_tolerance scaling_tolerance(const struct scaling *s);

/* ---- horizontalpodautoscaler_status.c */

void scaling_condition(struct scaling *s, const char *type, bool is, const char *reason, const char *format,
	...) printf_like(5, 6);
void scaling_write_status(struct scaling *s, int64_t desired);

#endif

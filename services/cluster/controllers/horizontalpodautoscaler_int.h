/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLUSTER_HORIZONTALPODAUTOSCALER_INT_H
#define CLUSTER_HORIZONTALPODAUTOSCALER_INT_H

/*
 * One turn of an autoscaler: horizontalpodautoscaler.c finds what is scaled and decides, horizontalpodautoscaler_metrics.c
 * measures, horizontalpodautoscaler_adapters.c has others measure, horizontalpodautoscaler_status.c says what was seen and done.
 */

#include "cluster/controllers/autoscale.h"
#include "cluster/controllers/controllers.h"

struct adapters;
struct selector;
struct usage;
struct usage_sample;

/* Of conditions and events, which have some more words around it. */
enum { SCALING_TEXT_MAX = 800 };

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
	bool waits; /* for answers, which give it a turn */
};

/* What became of one metric. */
struct measured {
	char name[SCALING_TEXT_MAX];   /* what it is called in conditions and events */
	char why[SCALING_TEXT_MAX];    /* it could not be had */
	char during[SCALING_TEXT_MAX]; /* and what for; "": nothing more is said */
};

/* ---- horizontalpodautoscaler_metrics.c */

/* The nodes of the pods say what they use. false: not all have answered; the turn's key is queued when they have. */
bool scaling_measure(struct scaling *s, struct usage *u);
/*
 * The largest proposal of the metrics, put with what was measured into s->metrics; @name: which metric it was of. Says in
 * condition and events what could not be had. -1: nothing can be proposed.
 */
int64_t scaling_propose(struct scaling *s, struct adapters *a, char name[static SCALING_TEXT_MAX]);
/* By how much a ratio may be off. */
struct autoscale_tolerance scaling_tolerance(const struct scaling *s);

/* The value a quantity of a target has, in thousandths; 0: none. */
int64_t scaling_milli(yyjson_val *target, const char *key);
/* What is known of a pod; @usage: what was measured of it, NULL: nothing was. */
struct autoscale_pod scaling_pod(const struct scaling *s, const struct scaled_pod *p, const char *resource,
	const struct usage_sample *usage);
/* A new entry of s->metrics for a metric of this type; its member @source. NULL: the turn has failed. */
yyjson_mut_val *scaling_put_metric(struct scaling *s, const char *type, const char *source);
must_check bool scaling_put_amount(
	yyjson_mut_doc *doc, yyjson_mut_val *current, const char *key, int64_t milli);

/* ---- horizontalpodautoscaler_adapters.c */

/* Adapters say what the metrics are that they serve. false: not all have answered, as above. */
bool scaling_ask(struct scaling *s, struct adapters *a);
/* The proposal of a metric that an adapter serves, or -1; after scaling_ask(). */
int64_t scaling_propose_adapted(
	struct scaling *s, struct adapters *a, yyjson_val *metric, struct measured *m);

/* ---- horizontalpodautoscaler_status.c */

void scaling_condition(struct scaling *s, const char *type, bool is, const char *reason, const char *format,
	...) printf_like(5, 6);
void scaling_write_status(struct scaling *s, int64_t desired);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLUSTER_USAGE_H
#define CLUSTER_USAGE_H

/*
 * What pods use, for controllers: the summaries of the nodes, asked for when somebody wants to know and kept for some seconds, so
 * that ten autoscalers of one node ask it once. A node that does not answer has a summary of nothing until it is asked again.
 */

#include <yyjson.h>

#include "cluster/http/node_summary.h"
#include "lib/util.h"

struct controller;
struct registry;
struct usage;

/* @trust: borrowed; its ca NULL: nobody is asked, and only usage_set() says anything. 0 or -ENOMEM. */
must_check int usage_new(struct usage **out, struct registry *r, const struct node_trust *trust);
void usage_free(struct usage *u); /* before the controllers are stopped; accepts NULL */

/**
 * usage_ask() - the summary of a node
 * @out:	borrowed until the loop turns; NULL: it did not answer
 * @c, @ns, @name:	the key that is queued when the answer is there
 *
 * Return: true when @out is what there is to know now; false: it is on its way.
 */
must_check bool usage_ask(struct usage *u, const char *node, struct controller *c, const char *ns,
	const char *name, yyjson_val **out);

/* What a node says of itself now; @root is copied. 0 or -ENOMEM. */
must_check int usage_set(struct usage *u, const char *node, yyjson_val *root);

/* What one pod, or one of its containers, uses of a resource. */
struct usage_sample {
	int64_t milli;
	int64_t measured_s, window_s;
};

/* @resource: cpu or memory; @container: NULL for all of them. false: it is not measured. */
must_check bool usage_of(yyjson_val *summary, const char *ns, const char *pod, const char *container,
	const char *resource, struct usage_sample *out);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLUSTER_NODE_SUMMARY_H
#define CLUSTER_NODE_SUMMARY_H

/* What a node and its pods use now, as its agent says (/stats/summary). */

#include <yyjson.h>

#include "lib/util.h"

struct loop;
struct registry;
struct node_summary;

/* Where a node's agent is: a numeric address of at least 64 bytes. NULL, or why it is nowhere. */
struct status *node_place(const struct registry *r, const char *node, char *address, size_t size, int *port);

/* Who nodes are, and what is shown to them: PEM files, borrowed. */
struct node_trust {
	const char *ca, *cert, *key;
};

/* Of one question. @root: borrowed; NULL when the node did not answer, which was logged. */
typedef void node_summary_fn(yyjson_val *root, void *arg);

/* @fn is called once, from the loop, unless it is freed before. 0 or -errno (logged): it is not called. */
must_check int node_summary_ask(struct node_summary **out, struct loop *l, const struct registry *r,
	const struct node_trust *trust, const char *node, node_summary_fn *fn, void *arg);
void node_summary_free(struct node_summary *s); /* not from inside its own callback; accepts NULL */

#endif

/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLUSTER_DAEMONSET_INT_H
#define CLUSTER_DAEMONSET_INT_H

/* What the files of the DaemonSet controller share: one turn's picture of a set, its pods by node. */

#include "cluster/controllers/controller.h"
#include "cluster/controllers/pods.h"
#include "cluster/controllers/revisions.h"

struct daemonset_node {
	struct object *o;	 /* held */
	bool run, stay;		 /* should a pod be made here; may one that is here stay */
	struct pod *fresh, *old; /* the oldest of the present template, and of an earlier one; NULL: none */
	bool leaving;		 /* a pod that is here is on its way out */
	bool surging;		 /* a new one is wanted beside the old */
};

struct daemonset {
	struct turn *t;
	yyjson_val *spec, *status, *pod_spec;
	int64_t min_ready_s;
	bool on_delete;
	int64_t max_unavailable, max_surge; /* absolute */
	struct pods pods;
	struct revisions revisions;
	struct daemonset_node *nodes; /* owned */
	size_t n, cap;
	bool no_memory;
};

/* daemonset_nodes.c */
void daemonset_judge(
	const struct daemonset *d, const struct object *o, yyjson_val *root, bool *run, bool *stay);
const char *daemonset_node_of(const struct pod *p); /* where it runs or is meant to; "" nowhere */
void daemonset_make(struct daemonset *d, const char *node);

#endif

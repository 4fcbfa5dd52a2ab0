/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLUSTER_REVISIONS_H
#define CLUSTER_REVISIONS_H

/*
 * The templates that a StatefulSet or DaemonSet has had, as ControllerRevisions: what pods were made from, and what `kubectl
 * rollout undo` goes back to. data is the patch that would bring the template back: {"spec":{"template":{..., "$patch":"replace"}}}.
 */

#include "cluster/controllers/controller.h"

#define REVISION_HASH  "controller.kubernetes.io/hash"
#define REVISION_LABEL "controller-revision-hash"

struct revision {
	struct object *o; /* held */
	yyjson_doc *doc;  /* owned */
	yyjson_val *pod_template;
	const char *hash;
	int64_t number;
};

struct revisions {
	struct revision *items; /* oldest first */
	size_t n;
	struct revision *update; /* of the template as it is now; NULL: it is being made in this turn */
};

/**
 * revisions_of() - those of the turn's object; what is missing of the present template is written
 *
 * The turn goes on when `update` is there. false: no memory.
 */
must_check bool revisions_of(struct turn *t, struct revisions *out);
void revisions_fini(struct revisions *r);
struct revision *revision_named(const struct revisions *r, const char *name); /* NULL: none */

/* Deletes the oldest beyond @limit of those that @in_use says no to. */
void revisions_truncate(struct turn *t, const struct revisions *r, int64_t limit,
	bool (*in_use)(const struct revision *v, const void *arg), const void *arg);

#endif

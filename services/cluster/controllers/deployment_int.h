/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLUSTER_DEPLOYMENT_INT_H
#define CLUSTER_DEPLOYMENT_INT_H

/* What the files of the Deployment controller share: one turn's picture of a Deployment. */

#include "cluster/controllers/controller.h"
#include "cluster/controllers/rollout.h"

#define REVISION_ANNOTATION "deployment.kubernetes.io/revision"
#define DESIRED_ANNOTATION  "deployment.kubernetes.io/desired-replicas"
#define MAX_ANNOTATION	    "deployment.kubernetes.io/max-replicas"

struct deployment_set {
	struct object *o; /* held */
	yyjson_doc *doc;  /* owned */
	yyjson_val *root;
	int64_t revision;
};

struct deployment {
	struct turn *t;
	yyjson_val *spec;
	bool paused;
	int64_t deadline_s;	     /* 0: none */
	int64_t collisions;	     /* status.collisionCount, counted up when a name was taken */
	struct deployment_set *sets; /* oldest first, as in rollout.sets */
	struct rollout rollout;
};

/* deployment_status.c: counts and conditions, written when they differ. @name of the current set, or NULL. */
void deployment_write_status(struct deployment *d);

static inline const struct deployment_set *deployment_current(const struct deployment *d)
{
	return d->rollout.current >= 0 ? &d->sets[d->rollout.current] : NULL;
}

#endif

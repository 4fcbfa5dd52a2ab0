/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLUSTER_CONTROLLER_INT_H
#define CLUSTER_CONTROLLER_INT_H

/* The inside of a controller: controller.c has the keys and gives them their turns, turn.c is what a turn may do. */

#include "cluster/controllers/controller.h"

/* A key that is queued, has its turn, or waits for one. */
struct item {
	struct turn turn; /* valid during a turn */
	yyjson_doc *doc;  /* what turn.root points into */
	struct object *held;
	struct controller *c;
	char *ns, *name;
	bool queued, running, dirty, failed, conflict;
	unsigned writes, failures;
	int64_t again_ms; /* asked for in this turn; 0: not */
	struct loop_timer timer;
	struct item *next; /* of the queue */
};

struct subscription {
	struct informer informer;
	struct controller *c;
	const struct controller_watch *watch; /* NULL: the controller's own kind */
};

struct controller {
	const struct controller_type *type;
	const struct schema_kind *kind; /* NULL: any */
	const struct cluster_context *context;
	struct registry *r;
	struct loop *loop;
	struct loop_task task;
	void *items; /* tsearch, by namespace and name */
	struct item *first, **last;
	struct caller who;
	char user[128];
	struct subscription subscriptions[array_len(((struct controller_type *)0)->watches) + 1];
	bool stopping;
	void *kept; /* the type's own */
};

/* One of the item's writes is answered, or sync has returned: with the last of them the turn is over. */
void turn_release(struct item *i);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
#ifndef INIT_NODE_H
#define INIT_NODE_H

/* All of init's state: one of it, in init.c. */

#include "init/control.h"
#include "init/exits.h"
#include "init/power.h"
#include "init/shutdown.h"
#include "init/fdstore.h"
#include "init/services.h"
#include "init/watchdog.h"

struct node {
	const char *root; /* "" on a machine */
	bool real;
	char banner[128]; /* first line of /etc/issue: name and version */
	struct loop *loop;
	struct fdstore store;
	struct exits exits;
	struct services sup;
	struct control control;
	struct shutdown shutdown;
	struct watchdog watchdog;
	struct power power;
	struct loop_task more;
	int cgroup_root;
	/* What the console has been told last. */
	enum service_state told[SERVICES_MAX];
	const char *told_state;
};

/* "starting", "up", "degraded" (a service has failed or is being retried) or "stopping". */
const char *node_state(const struct node *n);

#endif

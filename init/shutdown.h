/* SPDX-License-Identifier: Apache-2.0 */
#ifndef INIT_SHUTDOWN_H
#define INIT_SHUTDOWN_H

/*
 * The way down, each step bounded: services in reverse order (the engine is told by its shutdown-signal, and stops
 * its containers before it ends), containers that are left because their engine was not there to do so (SIGTERM, then
 * cgroup.kill), everything else, unmount and sync in a child, and out.
 */

#include "lib/loop.h"

struct services;
struct exits;

enum shutdown_how { SHUTDOWN_REBOOT, SHUTDOWN_POWEROFF };

struct shutdown {
	struct loop *loop; /* borrowed, as are the next two */
	struct services *sup;
	struct exits *exits;
	bool real; /* false in a test root: nothing is unmounted */
	enum shutdown_how how;
	enum {
		SHUTDOWN_NOT,
		SHUTDOWN_SERVICES,
		SHUTDOWN_CONTAINERS,
		SHUTDOWN_REST,
		SHUTDOWN_UNMOUNT,
		SHUTDOWN_END
	} phase;
	struct loop_timer timer;
	pid_t unmounter;
};

/* Begin. False: it has begun before. The loop is quit with enum shutdown_how when everything is done. */
bool shutdown_begin(struct shutdown *s, enum shutdown_how how);

/* Something has ended that may have been waited for. */
void shutdown_progress(struct shutdown *s);

/* Reap @pid if it is the child that unmounts. */
bool shutdown_reap(struct shutdown *s, pid_t pid);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ENGINE_SUPERVISOR_H
#define ENGINE_SUPERVISOR_H

/*
 * The engine's side of init: containers and execs are init's children, their descriptors lie in init's store,
 * and their exits come from there. An exit is acknowledged once its status is on disk.
 */

#include "lib/initctl.h"
#include "lib/util.h"

struct engine;
struct supervisor;

/* Connects; subscribes to nothing yet. 0 or -errno, logged. */
must_check int supervisor_open(struct engine *e);
/* Exits of containers and execs arrive from now on, those not acknowledged first. Call after containers are
 * loaded. */
must_check int supervisor_subscribe(struct engine *e);
void supervisor_replay(struct engine *e); /* takes what has arrived already */
void supervisor_close(struct engine *e);

/* Exit @seq of a container is on disk (or nobody wants it). */
void supervisor_ack(struct engine *e, const char *kind, uint64_t seq);

/* What init says of @kind/@id now: 1 and *out when it runs, 0, or -errno. */
must_check int supervisor_running(
	struct engine *e, const char *kind, const char *id, struct initctl_exit *out);
void supervisor_unwatch(struct engine *e, const char *kind, const char *id);

/* The store, under kind/id/what. All log their failures. */
must_check int supervisor_put(
	struct engine *e, const char *kind, const char *id, const char *what, const int *fds, size_t n);
must_check ssize_t supervisor_get(struct engine *e, const char *kind, const char *id, const char *what,
	int *fds, size_t max); /* -ENOENT is not logged */
void supervisor_drop(struct engine *e, const char *kind, const char *id, const char *what);
/* Drops what is stored for containers that hold nothing (any more). */
void supervisor_sweep(struct engine *e, bool (*holds)(struct engine *e, const char *id));

#endif

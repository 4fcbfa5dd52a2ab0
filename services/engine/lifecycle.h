/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ENGINE_LIFECYCLE_H
#define ENGINE_LIFECYCLE_H

/*
 * What happens to a container: requests, the runtime's answers, init's word. One table, state x event ->
 * action, is in lifecycle.c; this is how the rest of the engine raises events and hears of the outcome.
 */

#include "engine/container.h"
#include "lib/util.h"

struct initctl_exit;

enum life_event {
	LIFE_START,    /* docker start, a restart timer */
	LIFE_STARTED,  /* the gate is open */
	LIFE_FAILED,   /* could not be started */
	LIFE_EXIT,     /* init has reaped it */
	LIFE_RELEASED, /* what it held is released */
	LIFE_REMOVE,
	LIFE_EVENTS
};

/*
 * The end of what was asked for. @err: 0, or -errno with a sentence. Called once, perhaps before the call
 * that asked returns; @c may have gone by the next turn of the loop.
 */
typedef void life_done(struct container *c, int err, const char *msg, void *arg);

void lifecycle_start(struct container *c, life_done *done, void *arg); /* -EALREADY: it runs */
/* @timeout_s: then SIGKILL; < 0: never. While it is being started: after that. -EALREADY: it does not run. */
void lifecycle_stop(struct container *c, int signal, int64_t timeout_s, life_done *done, void *arg);
void lifecycle_restart(struct container *c, int signal, int64_t timeout_s, life_done *done, void *arg);
/* The machine goes down: as `docker stop`, but nobody has stopped it, so its policy brings it back. Then SIGKILL, after
 * @limit_s (0: now) or its own timeout, whichever is less. Asked once. */
void lifecycle_down(struct container *c, int64_t limit_s);
/* While it is being started or ends: when that is over, whatever came of it. */
void lifecycle_when_settled(struct container *c, life_done *done, void *arg);
/* @done may be NULL. */
void lifecycle_remove(struct container *c, bool force, bool volumes, life_done *done, void *arg);

/* While it is being started: after that. Only SIGKILL, which nothing survives, is over when the container has ended. */
void lifecycle_kill(struct container *c, int signal, life_done *done, void *arg);

/* This answers at once; *msg is malloc'ed on failure. */
must_check int lifecycle_freeze(struct container *c, bool frozen, char **msg);

/* From init. */
void lifecycle_exited(struct engine *e, const char *id, const struct initctl_exit *x);

/* At start of the engine: finish what the last one left unfinished. Exits arrive by themselves afterwards. */
void lifecycle_recover(struct engine *e);
/* On the first start since the node booted: exits that init wrote to @path on the last boot's way down. */
void lifecycle_last_boot(struct engine *e, const char *path);
/* After the exits were replayed: restart policies. */
void lifecycle_autostart(struct engine *e);

/*
 * It has ended, and its policy or a `docker restart` has it started again: from its exit on until it runs, as clients see it. In
 * between are states of ours in which it is no more at rest than while it waits.
 */
bool lifecycle_restarts(const struct container *c);

void lifecycle_released(struct container *c);	 /* from start.c: what it held is released */
void lifecycle_restart_due(struct container *c); /* from restart.c */

void lifecycle_forget(struct container *c); /* drops callbacks and children; from container_free() */

/* Signal names and numbers as Docker takes them: "SIGTERM", "term", "15". 0 or -EINVAL. */
must_check int signal_parse(const char *s, int *out);
int container_stop_signal(const struct container *c);
int64_t container_stop_timeout_s(const struct container *c);
bool container_auto_remove(const struct container *c);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ENGINE_LIFECYCLE_INT_H
#define ENGINE_LIFECYCLE_INT_H

/*
 * Shared by the three parts of a container's life: lifecycle.c is the table and what its actions do,
 * lifecycle_ask.c what clients ask for, lifecycle_recover.c what init says and the last engine left.
 */

#include "engine/lifecycle.h"
#include "lib/initctl.h"
#include "lib/loop.h"

enum callback_kind { ON_STARTED, ON_STOPPED, ON_REMOVED };

struct callback {
	enum callback_kind kind;
	life_done *fn;
	void *arg;
	struct callback *next;
};

struct lifecycle {
	struct callback *callbacks; /* in order of request */
	struct start *start;	    /* owned: the runtime at work */
	struct loop_timer kill_timer;
	struct initctl_exit early; /* an exit that came before the start was over */
	bool has_early;
	bool start_failed;
	bool restart_wanted, remove_wanted, remove_volumes;
	bool stop_asked;    /* its end is that of a `docker stop` or of a `docker restart` */
	bool restart_asked; /* the next start is the end of a `docker restart` */
	bool going_down;    /* has been asked to end, with the machine */
	int64_t kill_after_s;
	struct container *c;
};

struct lifecycle *life_of(struct container *c); /* made when absent; NULL without memory */
void life_event(struct container *c, enum life_event ev);
/* The state, in memory and on disk. @flags: FILE_DURABLE or 0. */
void life_enter(struct container *c, enum container_state state, unsigned flags);

/* Remembers who waits for @kind. false: without memory, and @fn has heard. */
bool life_when(struct container *c, enum callback_kind kind, life_done *fn, void *arg);
void life_tell(struct container *c, enum callback_kind kind, int err, const char *msg);

/* Actions that are taken up after a restart of the engine, too. */
void life_on_start_step(struct container *c, int err, const char *msg);
void life_now_running(struct container *c);
void life_do_remove(struct container *c);

extern const char life_node_goes_down[], life_removed[];

#endif

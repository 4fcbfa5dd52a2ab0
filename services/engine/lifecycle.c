/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The life of a container.
 *
 *	created --start--> starting --started--> running <-> paused
 *	                      |failed               |exit
 *	                      v                     v
 *	            created/exited <--released-- exiting --released--> exited | restarting
 *
 * An exit is written to disk and acknowledged to init in `exiting`, before anything is released: a kill of
 * the engine at any point finds either init's record or the file. What is released can be released twice.
 *
 * A request that does not fit now but will soon (remove while exiting) waits in `struct lifecycle` for the
 * next stable state.
 */

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "engine/archive/copy.h"
#include "engine/attach.h"
#include "engine/cgroup.h"
#include "engine/container.h"
#include "engine/down.h"
#include "engine/engine.h"
#include "engine/events.h"
#include "engine/exec.h"
#include "engine/files.h"
#include "engine/health.h"
#include "engine/lifecycle_int.h"
#include "engine/output.h"
#include "engine/pod.h"
#include "engine/restart.h"
#include "engine/start.h"
#include "engine/stats.h"
#include "engine/stdio.h"
#include "engine/supervisor.h"
#include "engine/trash.h"
#include "engine/volumes.h"
#include "engine/wait.h"
#include "lib/errno_text.h"
#include "lib/log.h"

struct lifecycle *life_of(struct container *c)
{
	if (!c->life) {
		c->life = calloc(1, sizeof(*c->life));
		if (c->life)
			c->life->c = c;
	}
	return c->life;
}

/* Without memory the caller hears at once; what was asked for is then not done. */
bool life_when(struct container *c, enum callback_kind kind, life_done *fn, void *arg)
{
	struct callback *cb = life_of(c) ? calloc(1, sizeof(*cb)) : NULL;

	if (!cb) {
		if (fn)
			fn(c, -ENOMEM, "out of memory", arg);
		return false;
	}
	*cb = (struct callback){.kind = kind, .fn = fn, .arg = arg};

	struct callback **end = &c->life->callbacks;

	while (*end)
		end = &(*end)->next;
	*end = cb;
	return true;
}

void life_tell(struct container *c, enum callback_kind kind, int err, const char *msg)
{
	struct callback *due = NULL, **tail = &due;

	if (!c->life)
		return;
	for (struct callback **p = &c->life->callbacks; *p;) {
		struct callback *cb = *p;

		if (cb->kind != kind) {
			p = &cb->next;
			continue;
		}
		*p = cb->next;
		cb->next = NULL;
		*tail = cb;
		tail = &cb->next;
	}
	while (due) {
		struct callback *cb = due;

		due = cb->next;
		if (cb->fn)
			cb->fn(c, err, msg, cb->arg);
		free(cb);
	}
}

void lifecycle_forget(struct container *c)
{
	struct lifecycle *l = c->life;

	if (!l)
		return;
	loop_timer_del(&l->kill_timer);
	start_free(l->start);
	while (l->callbacks) {
		struct callback *cb = l->callbacks;

		l->callbacks = cb->next;
		free(cb);
	}
	free(l);
	c->life = NULL;
}

void life_enter(struct container *c, enum container_state state, unsigned flags)
{
	c->state = state;
	/* A failed write is logged there; the container goes on, and the next write tells the truth again. */
	(void)!container_save_state(c, flags);
}

const char life_node_goes_down[] = "the node is going down: nothing is started any more";

const char life_removed[] = "container is marked for removal and cannot be started";

/* ---- starting */

void life_on_start_step(struct container *c, int err, const char *msg)
{
	if (err) {
		container_set_error(c, "%s", msg);
		life_event(c, LIFE_FAILED);
	} else {
		life_event(c, LIFE_STARTED);
	}
}

static void begin_start(struct container *c)
{
	struct lifecycle *l = life_of(c);

	if (!l) {
		life_tell(c, ON_STARTED, -ENOMEM, "out of memory");
		return;
	}
	loop_timer_del(&c->restart_timer);
	copy_container_busy(c);
	l->has_early = l->start_failed = l->going_down = false;
	container_set_error(c, NULL);
	c->oom_killed = false;
	life_enter(c, CONTAINER_STARTING, 0);
	fault_point("starting");
	start_begin(&l->start, c, life_on_start_step);
}

void life_now_running(struct container *c)
{
	struct lifecycle *l = c->life;

	start_free(take(l->start));
	c->started_ns = wall_ns();
	c->finished_ns = 0;
	c->exit_code = 0;
	c->has_run = true;
	c->stopped_by_user = false;
	life_enter(c, CONTAINER_RUNNING, restart_policy_set(c) ? FILE_DURABLE : 0);
	fault_point("running");
	events_container(c, "start", NULL);
	if (l->restart_asked)
		events_container(c, "restart", NULL);
	l->restart_asked = false;
	attach_input_ready(c);
	health_start(c);
	pods_container_running(c);
	life_tell(c, ON_STARTED, 0, NULL);
	if (l->has_early) {
		l->has_early = false;
		life_event(c, LIFE_EXIT);
	} else if (l->remove_wanted || l->restart_wanted) {
		/* Asked for while it was starting. */
		(void)!container_cgroup_kill(c);
	}
	down_progress(c->e);
}

/* The exit that came too early waits until the start is over. */
static void keep_exit(struct container *c)
{
	c->life->has_early = true;
}

static void start_failed(struct container *c)
{
	struct lifecycle *l = c->life;

	c->exit_code = start_error_code(c->error);
	c->pid = 0;
	if (l->has_early)
		supervisor_ack(c->e, "container", l->early.seq);
	else
		supervisor_unwatch(c->e, "container", c->id);
	l->has_early = l->restart_asked = false;
	l->start_failed = true;
	if (c->output)
		output_end(c->output);
	stdio_free(take(c->io));
	life_enter(c, CONTAINER_EXITING, 0);
	start_free(take(l->start));
	start_release(&l->start, c);
}

/* ---- ending */

/* Once for each stop, and never for a kill, a removal or an exit of its own. */
static void tell_stopped(struct container *c)
{
	if (c->life->stop_asked)
		events_container(c, "stop", NULL);
	c->life->stop_asked = false;
}

static void tell_died(struct container *c)
{
	char code[16], seconds[24];
	const struct event_attribute more[] = {{"exitCode", code}, {"execDuration", seconds}};
	int64_t ran_ns = c->finished_ns - c->started_ns;

	snprintf(code, sizeof(code), "%d", c->exit_code);
	/* The clock may have been set back meanwhile. */
	snprintf(seconds, sizeof(seconds), "%lld", (long long)(ran_ns > 0 ? ran_ns : 0) / 1000000000);
	events_container_more(c, "die", more, array_len(more));
}

static void ended(struct container *c)
{
	struct lifecycle *l = c->life;
	const struct initctl_exit *x = &l->early;

	loop_timer_del(&l->kill_timer);
	health_stop(c);
	exec_container_ended(c);
	if (c->io)
		stdio_drain(c->io);
	c->pid = 0;
	closep(&c->pidfd);
	c->exit_code = WIFSIGNALED(x->status) ? 128 + WTERMSIG(x->status) : WEXITSTATUS(x->status);
	c->oom_killed = container_cgroup_oom_killed(c);
	c->finished_ns = x->exit_realtime_ns ? x->exit_realtime_ns : wall_ns();
	fault_point("exit-seen");
	life_enter(c, CONTAINER_EXITING, container_auto_remove(c) ? 0 : FILE_DURABLE);
	fault_point("exit-saved");
	supervisor_ack(c->e, "container", x->seq);
	fault_point("exit-acked");
	if (c->output)
		output_end(c->output);
	stdio_free(take(c->io));
	if (c->oom_killed)
		events_container(c, "oom", NULL);
	/* Docker's order, though there it is a matter of who comes first: clients and upstream's tests know this one. */
	tell_stopped(c);
	tell_died(c);
	start_release(&l->start, c);
}

static void released(struct container *c)
{
	struct lifecycle *l = c->life;
	bool failed = l->start_failed;

	start_free(take(l->start));
	l->start_failed = false;
	life_enter(c, c->has_run ? CONTAINER_EXITED : CONTAINER_CREATED, 0);
	fault_point("released");
	wait_notify(c, WAIT_STOPPED);
	tell_stopped(c);
	if (failed && !l->restart_wanted)
		life_tell(c, ON_STARTED, c->exit_code == 128 ? -EIO : -EINVAL,
			c->error ? c->error : "the container could not be started");
	life_tell(c, ON_STOPPED, 0, NULL);
	down_progress(c->e);
	pods_container_ended(c);

	if (l->restart_wanted && c->e->going_down) {
		l->restart_wanted = l->restart_asked = false;
		life_tell(c, ON_STARTED, -EBUSY, life_node_goes_down);
	}
	if (l->remove_wanted || (container_auto_remove(c) && !l->restart_wanted)) {
		if (container_auto_remove(c))
			l->remove_volumes = true;
		life_do_remove(c);
		return;
	}
	if (l->restart_wanted) {
		l->restart_wanted = false;
		life_event(c, LIFE_START);
		return;
	}
	if (restart_plan(c, failed))
		life_enter(c, CONTAINER_RESTARTING, 0);
}

/* ---- removal */

void life_do_remove(struct container *c)
{
	struct engine *e = c->e;
	cleanup(freep) char *trash = text_make("%s/trash/%s", e->data_dir, c->id);
	bool volumes = c->life && c->life->remove_volumes;

	loop_timer_del(&c->restart_timer);
	copy_container_gone(c);
	life_enter(c, CONTAINER_REMOVING, 0);
	if (!trash || rename(c->dir, trash) < 0) {
		int err = trash ? -errno : -ENOMEM;

		log_errno(-err, "container=%.12s op=remove", c->id);
		container_set_error(c, "the container could not be removed: %s", errno_text(-err));
		if (c->life)
			c->life->remove_wanted = false; /* it may be asked for again */
		life_enter(c, CONTAINER_DEAD, 0);
		life_tell(c, ON_REMOVED, err, c->error);
		return;
	}
	fault_point("removed");
	container_list_remove(c);
	volumes_release(c, volumes);
	exec_container_gone(c);
	wait_notify(c, WAIT_REMOVED);
	events_container(c, "destroy", NULL);
	attach_container_gone(c);
	stats_container_gone(c);
	pods_container_gone(c);
	/* Clients may still be reading its log: the files go with the last of them. */
	if (!c->output || output_trash(c->output, trash, trash_remove, e))
		trash_remove(trash, e);
	/* Whoever still waits for a start: it had ended, and was to be removed before it could begin again. */
	life_tell(c, ON_STARTED, -EBUSY, life_removed);
	life_tell(c, ON_REMOVED, 0, NULL);
	container_free(c);
}

static void remove_later(struct container *c)
{
	if (life_of(c))
		c->life->remove_wanted = true;
}

/* ---- the table */

typedef void action(struct container *c);

/* An empty cell: the event means nothing there. lifecycle_test.c lists them. */
static action *const step[CONTAINER_STATES][LIFE_EVENTS] = {
	[CONTAINER_CREATED] = {[LIFE_START] = begin_start, [LIFE_REMOVE] = life_do_remove},
	[CONTAINER_STARTING] = {[LIFE_STARTED] = life_now_running,
		[LIFE_FAILED] = start_failed,
		[LIFE_EXIT] = keep_exit,
		[LIFE_REMOVE] = remove_later},
	[CONTAINER_RUNNING] = {[LIFE_EXIT] = ended, [LIFE_REMOVE] = remove_later},
	[CONTAINER_PAUSED] = {[LIFE_EXIT] = ended, [LIFE_REMOVE] = remove_later},
	[CONTAINER_EXITING] = {[LIFE_RELEASED] = released, [LIFE_REMOVE] = remove_later},
	[CONTAINER_EXITED] = {[LIFE_START] = begin_start, [LIFE_REMOVE] = life_do_remove},
	[CONTAINER_RESTARTING] = {[LIFE_START] = begin_start, [LIFE_REMOVE] = life_do_remove},
	[CONTAINER_DEAD] = {[LIFE_REMOVE] = life_do_remove},
};

void life_event(struct container *c, enum life_event ev)
{
	action *a = step[c->state][ev];

	if (a)
		a(c);
	else
		log_info("container=%.12s state=%s event=%d msg=\"ignored\"", c->id,
			container_state_name(c->state), ev);
}

void lifecycle_released(struct container *c)
{
	life_event(c, LIFE_RELEASED);
}

bool lifecycle_restarts(const struct container *c)
{
	const struct lifecycle *l = c->life;

	switch (c->state) {
	case CONTAINER_EXITING:
		return l && !l->remove_wanted &&
		       (l->restart_asked || (!l->restart_wanted && restart_comes(c, l->start_failed)));
	case CONTAINER_RESTARTING:
		return true;
	case CONTAINER_STARTING:
		/* Who starts it by hand begins to count anew. */
		return c->restarts > 0 || (l && l->restart_asked);
	default:
		return false;
	}
}

void lifecycle_restart_due(struct container *c)
{
	if (c->state != CONTAINER_RESTARTING)
		return;
	c->restarts++;
	life_event(c, LIFE_START);
}

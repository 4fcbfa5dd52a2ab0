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

#include "engine/attach.h"
#include "engine/cgroup.h"
#include "engine/container.h"
#include "engine/down.h"
#include "engine/engine.h"
#include "engine/events.h"
#include "engine/exec.h"
#include "engine/files.h"
#include "engine/lifecycle.h"
#include "engine/output.h"
#include "engine/restart.h"
#include "engine/start.h"
#include "engine/stdio.h"
#include "engine/supervisor.h"
#include "engine/trash.h"
#include "engine/volumes.h"
#include "engine/wait.h"
#include "lib/log.h"

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
	bool going_down; /* has been asked to end, with the machine */
	int64_t kill_after_s;
	struct container *c;
};

static struct lifecycle *life(struct container *c)
{
	if (!c->life) {
		c->life = calloc(1, sizeof(*c->life));
		if (c->life)
			c->life->c = c;
	}
	return c->life;
}

/* Without memory the caller hears at once; what was asked for is then not done. */
static bool when(struct container *c, enum callback_kind kind, life_done *fn, void *arg)
{
	struct callback *cb = life(c) ? calloc(1, sizeof(*cb)) : NULL;

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

static void tell(struct container *c, enum callback_kind kind, int err, const char *msg)
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

static void enter(struct container *c, enum container_state state, unsigned flags)
{
	c->state = state;
	/* A failed write is logged there; the container goes on, and the next write tells the truth again. */
	(void)!container_save_state(c, flags);
}

static const char node_goes_down[] = "the node is going down: nothing is started any more";

static void life_event(struct container *c, enum life_event ev);

/* ---- starting */

static void on_start_step(struct container *c, int err, const char *msg)
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
	struct lifecycle *l = life(c);

	if (!l) {
		tell(c, ON_STARTED, -ENOMEM, "out of memory");
		return;
	}
	loop_timer_del(&c->restart_timer);
	l->has_early = l->start_failed = l->going_down = false;
	container_set_error(c, NULL);
	c->exit_code = 0;
	c->oom_killed = false;
	enter(c, CONTAINER_STARTING, 0);
	fault_point("starting");
	start_begin(&l->start, c, on_start_step);
}

static void now_running(struct container *c)
{
	struct lifecycle *l = c->life;

	start_free(take(l->start));
	c->started_ns = wall_ns();
	c->finished_ns = 0;
	c->has_run = true;
	c->stopped_by_user = false;
	enter(c, CONTAINER_RUNNING, restart_policy_set(c) ? FILE_DURABLE : 0);
	fault_point("running");
	events_container(c, "start", NULL);
	attach_input_ready(c);
	tell(c, ON_STARTED, 0, NULL);
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

static int code_of_start_error(const char *msg)
{
	if (msg && (strstr(msg, "executable file not found") || strstr(msg, "no such file or directory") ||
			   strstr(msg, "No such file or directory")))
		return 127;
	if (msg && (strstr(msg, "permission denied") || strstr(msg, "Permission denied") ||
			   strstr(msg, "is a directory")))
		return 126;
	return 128;
}

static void start_failed(struct container *c)
{
	struct lifecycle *l = c->life;

	c->exit_code = code_of_start_error(c->error);
	c->pid = 0;
	if (l->has_early)
		supervisor_ack(c->e, "container", l->early.seq);
	else
		supervisor_unwatch(c->e, "container", c->id);
	l->has_early = false;
	l->start_failed = true;
	if (c->output)
		output_end(c->output);
	stdio_free(take(c->io), true);
	enter(c, CONTAINER_EXITING, 0);
	start_free(take(l->start));
	start_release(&l->start, c);
}

/* ---- ending */

static void ended(struct container *c)
{
	struct lifecycle *l = c->life;
	const struct initctl_exit *x = &l->early;
	char code[16];

	loop_timer_del(&l->kill_timer);
	if (c->io)
		stdio_drain(c->io);
	c->pid = 0;
	closep(&c->pidfd);
	c->exit_code = WIFSIGNALED(x->status) ? 128 + WTERMSIG(x->status) : WEXITSTATUS(x->status);
	c->oom_killed = container_cgroup_oom_killed(c);
	c->finished_ns = x->exit_realtime_ns ? x->exit_realtime_ns : wall_ns();
	fault_point("exit-seen");
	enter(c, CONTAINER_EXITING, container_auto_remove(c) ? 0 : FILE_DURABLE);
	fault_point("exit-saved");
	supervisor_ack(c->e, "container", x->seq);
	fault_point("exit-acked");
	if (c->output)
		output_end(c->output);
	stdio_free(take(c->io), true);
	if (c->oom_killed)
		events_container(c, "oom", NULL);
	snprintf(code, sizeof(code), "%d", c->exit_code);
	events_container_with(c, "die", "exitCode", code);
	start_release(&l->start, c);
}

static void do_remove(struct container *c);

static void released(struct container *c)
{
	struct lifecycle *l = c->life;
	bool failed = l->start_failed;

	start_free(take(l->start));
	l->start_failed = false;
	enter(c, c->has_run ? CONTAINER_EXITED : CONTAINER_CREATED, 0);
	fault_point("released");
	wait_notify(c, WAIT_STOPPED);
	if (!failed && c->stopped_by_user)
		events_container(c, "stop", NULL);

	if (failed && !l->restart_wanted)
		tell(c, ON_STARTED, -EIO, c->error ? c->error : "the container could not be started");
	tell(c, ON_STOPPED, 0, NULL);
	down_progress(c->e);

	if (l->restart_wanted && c->e->going_down) {
		l->restart_wanted = false;
		tell(c, ON_STARTED, -EBUSY, node_goes_down);
	}
	if (l->remove_wanted || (container_auto_remove(c) && !l->restart_wanted)) {
		if (container_auto_remove(c))
			l->remove_volumes = true;
		do_remove(c);
		return;
	}
	if (l->restart_wanted) {
		l->restart_wanted = false;
		life_event(c, LIFE_START);
		return;
	}
	if (restart_plan(c, failed))
		enter(c, CONTAINER_RESTARTING, 0);
}

/* ---- removal */

static void do_remove(struct container *c)
{
	struct engine *e = c->e;
	cleanup(freep) char *trash = text_make("%s/trash/%s", e->data_dir, c->id);
	bool volumes = c->life && c->life->remove_volumes;

	loop_timer_del(&c->restart_timer);
	enter(c, CONTAINER_REMOVING, 0);
	if (!trash || rename(c->dir, trash) < 0) {
		int err = trash ? -errno : -ENOMEM;

		log_errno(-err, "container=%.12s op=remove", c->id);
		container_set_error(c, "the container could not be removed: %s", strerror(-err));
		enter(c, CONTAINER_DEAD, 0);
		tell(c, ON_REMOVED, err, c->error);
		return;
	}
	fault_point("removed");
	container_list_remove(c);
	volumes_release(c, volumes);
	exec_container_gone(c);
	wait_notify(c, WAIT_REMOVED);
	events_container(c, "destroy", NULL);
	attach_container_gone(c);
	/* Clients may still be reading its log: the files go with the last of them. */
	if (!c->output || output_trash(c->output, trash, trash_remove, e))
		trash_remove(trash, e);
	tell(c, ON_REMOVED, 0, NULL);
	container_free(c);
}

static void remove_later(struct container *c)
{
	if (life(c))
		c->life->remove_wanted = true;
}

/* ---- the table */

typedef void action(struct container *c);

/* An empty cell: the event means nothing there. lifecycle_test lists them. */
static action *const step[CONTAINER_STATES][LIFE_EVENTS] = {
	[CONTAINER_CREATED] = {[LIFE_START] = begin_start, [LIFE_REMOVE] = do_remove},
	[CONTAINER_STARTING] = {[LIFE_STARTED] = now_running,
		[LIFE_FAILED] = start_failed,
		[LIFE_EXIT] = keep_exit,
		[LIFE_REMOVE] = remove_later},
	[CONTAINER_RUNNING] = {[LIFE_EXIT] = ended, [LIFE_REMOVE] = remove_later},
	[CONTAINER_PAUSED] = {[LIFE_EXIT] = ended, [LIFE_REMOVE] = remove_later},
	[CONTAINER_EXITING] = {[LIFE_RELEASED] = released, [LIFE_REMOVE] = remove_later},
	[CONTAINER_EXITED] = {[LIFE_START] = begin_start, [LIFE_REMOVE] = do_remove},
	[CONTAINER_RESTARTING] = {[LIFE_START] = begin_start, [LIFE_REMOVE] = do_remove},
	[CONTAINER_DEAD] = {[LIFE_REMOVE] = do_remove},
};

static void life_event(struct container *c, enum life_event ev)
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

void lifecycle_restart_due(struct container *c)
{
	if (c->state != CONTAINER_RESTARTING)
		return;
	c->restarts++;
	life_event(c, LIFE_START);
}

/* ---- requests */

void lifecycle_start(struct container *c, life_done *done, void *arg)
{
	if (c->e->going_down) {
		if (done)
			done(c, -EBUSY, node_goes_down, arg);
		return;
	}
	switch (c->state) {
	case CONTAINER_CREATED:
	case CONTAINER_EXITED:
	case CONTAINER_RESTARTING:
		c->restarts = 0;
		c->restart_delay_ms = 0;
		if (when(c, ON_STARTED, done, arg))
			life_event(c, LIFE_START);
		return;
	case CONTAINER_STARTING:
		(void)when(c, ON_STARTED, done, arg);
		return;
	case CONTAINER_EXITING:
		if (when(c, ON_STARTED, done, arg))
			c->life->restart_wanted = true;
		return;
	case CONTAINER_PAUSED:
		done(c, -EBUSY, "cannot start a paused container, try unpause instead", arg);
		return;
	case CONTAINER_RUNNING:
		done(c, -EALREADY, "the container is running already", arg);
		return;
	default:
		done(c, -EBUSY, "container is marked for removal and cannot be started", arg);
	}
}

static void on_kill_timer(struct loop_timer *t)
{
	struct container *c = container_of(t, struct lifecycle, kill_timer)->c;

	(void)!container_cgroup_kill(c);
}

static void send_stop(struct container *c, int signal, int64_t timeout_s)
{
	struct lifecycle *l = c->life;

	if (c->state == CONTAINER_PAUSED)
		(void)!container_cgroup_freeze(c, false);
	if (signal == SIGKILL || !timeout_s || c->pidfd < 0) {
		if (signal != SIGKILL && c->pidfd >= 0)
			syscall(SYS_pidfd_send_signal, c->pidfd, signal, NULL, 0);
		(void)!container_cgroup_kill(c);
		return;
	}
	syscall(SYS_pidfd_send_signal, c->pidfd, signal, NULL, 0);
	if (timeout_s > 0 && loop_timer_set(c->e->loop, &l->kill_timer,
				     loop_now_ms(c->e->loop) + timeout_s * 1000, on_kill_timer))
		(void)!container_cgroup_kill(c);
}

static void mark_stopped(struct container *c)
{
	if (c->stopped_by_user)
		return;
	c->stopped_by_user = true;
	(void)!container_save_state(c, restart_policy_set(c) ? FILE_DURABLE : 0);
}

void lifecycle_stop(struct container *c, int signal, int64_t timeout_s, life_done *done, void *arg)
{
	switch (c->state) {
	case CONTAINER_RESTARTING:
		loop_timer_del(&c->restart_timer);
		c->stopped_by_user = true;
		enter(c, CONTAINER_EXITED, FILE_DURABLE);
		wait_notify(c, WAIT_STOPPED);
		done(c, 0, NULL, arg);
		return;
	case CONTAINER_RUNNING:
	case CONTAINER_PAUSED:
		if (!when(c, ON_STOPPED, done, arg))
			return;
		mark_stopped(c);
		send_stop(c, signal, timeout_s);
		return;
	case CONTAINER_EXITING:
		c->stopped_by_user = true;
		(void)when(c, ON_STOPPED, done, arg);
		return;
	case CONTAINER_STARTING:
		done(c, -EBUSY, "the container is just being started", arg);
		return;
	default:
		done(c, -EALREADY, "the container does not run", arg);
	}
}

void lifecycle_down(struct container *c, int64_t limit_s)
{
	int64_t timeout_s = container_stop_timeout_s(c);
	struct lifecycle *l = life(c);

	if (!limit_s || !l) {
		(void)!container_cgroup_kill(c);
		return;
	}
	/* A second signal makes many programs give up what they were saving. */
	if (l->going_down || l->kill_timer.loop)
		return;
	l->going_down = true;
	send_stop(c, container_stop_signal(c), timeout_s < 0 || timeout_s > limit_s ? limit_s : timeout_s);
}

void lifecycle_restart(struct container *c, int64_t timeout_s, life_done *done, void *arg)
{
	if (!container_is_up(c)) {
		lifecycle_start(c, done, arg);
		return;
	}
	if (!when(c, ON_STARTED, done, arg))
		return;
	c->life->restart_wanted = true;
	c->restarts = 0;
	send_stop(c, container_stop_signal(c), timeout_s);
}

void lifecycle_remove(struct container *c, bool force, bool volumes, life_done *done, void *arg)
{
	cleanup(freep) char *msg = NULL;

	if (c->state == CONTAINER_REMOVING || (c->life && c->life->remove_wanted)) {
		msg = text_make("removal of container %s is already in progress", c->name);
		done(c, -EBUSY, msg ? msg : "already in progress", arg);
		return;
	}
	if (!force && (container_is_up(c) || c->state == CONTAINER_RESTARTING)) {
		msg = text_make(
			"cannot remove container \"/%s\": container is %s: stop the container before removing or force "
			"remove",
			c->name, container_state_name(c->state));
		done(c, -EBUSY, msg ? msg : "the container is running", arg);
		return;
	}
	if (!when(c, ON_REMOVED, done, arg))
		return;
	c->life->remove_volumes = volumes;
	if (container_is_up(c)) {
		mark_stopped(c);
		send_stop(c, SIGKILL, 0);
	}
	life_event(c, LIFE_REMOVE);
}

int lifecycle_kill(struct container *c, int signal, char **msg)
{
	if (!container_is_up(c) || c->pidfd < 0) {
		*msg = text_make("cannot kill container: %s: container %.12s is not running", c->name, c->id);
		return -EBUSY;
	}
	if (signal == SIGKILL || signal == container_stop_signal(c))
		mark_stopped(c);

	char text[16];

	snprintf(text, sizeof(text), "%d", signal);
	events_container_with(c, "kill", "signal", text);
	if (signal == SIGKILL) {
		int err = container_cgroup_kill(c);

		if (err)
			*msg = text_make("cannot kill container %s: %s", c->name, strerror(-err));
		return err;
	}
	if (syscall(SYS_pidfd_send_signal, c->pidfd, signal, NULL, 0) < 0 && errno != ESRCH) {
		int err = -errno;

		*msg = text_make("cannot signal container %s: %s", c->name, strerror(-err));
		return err;
	}
	return 0;
}

int lifecycle_freeze(struct container *c, bool frozen, char **msg)
{
	enum container_state want = frozen ? CONTAINER_RUNNING : CONTAINER_PAUSED;

	if (c->state != want) {
		*msg = frozen && c->state == CONTAINER_PAUSED
			       ? text_make("container %s is already paused", c->name)
		       : frozen ? text_make("container %s is not running", c->name)
				: text_make("container %s is not paused", c->name);
		return -EBUSY;
	}

	int err = container_cgroup_freeze(c, frozen);

	if (err) {
		*msg = text_make(
			"cannot %s container %s: %s", frozen ? "pause" : "unpause", c->name, strerror(-err));
		return err;
	}
	enter(c, frozen ? CONTAINER_PAUSED : CONTAINER_RUNNING, 0);
	events_container(c, frozen ? "pause" : "unpause", NULL);
	return 0;
}

/* ---- init's word, and what the last engine left */

void lifecycle_exited(struct engine *e, const char *id, const struct initctl_exit *x)
{
	struct container *c = NULL;

	if (container_find(e, id, &c) || strcmp(c->id, id) != 0 || !life(c)) {
		supervisor_ack(e, "container", x->seq);
		return;
	}
	/* An exit of an earlier run, whose acknowledgement was lost with the engine. */
	if (c->state != CONTAINER_STARTING && !container_is_up(c)) {
		supervisor_ack(e, "container", x->seq);
		return;
	}
	if (c->pid && x->pid != c->pid) {
		supervisor_ack(e, "container", x->seq);
		return;
	}
	c->life->early = *x;
	life_event(c, LIFE_EXIT);
}

static void recover_running(struct container *c)
{
	struct initctl_exit x;
	int got = supervisor_running(c->e, "container", c->id, &x);

	if (start_open_output(c))
		log_error("container=%.12s op=recover msg=\"its log cannot be opened\"", c->id);
	if (c->output)
		output_resume(c->output);

	int err = c->output ? stdio_restore(&c->io, c) : -EIO;

	if (!err)
		err = stdio_run(c->io);
	if (err && err != -ENOENT)
		log_errno(-err, "container=%.12s op=recover msg=\"its streams are lost\"", c->id);
	if (got > 0) {
		c->pid = x.pid;
		c->pidfd = start_open_pid(x.pid, x.start_ticks);
		log_info("container=%.12s op=recover pid=%d msg=\"runs on\"", c->id, c->pid);
	}
	/* Not running: its exit is about to be replayed, or the machine was restarted and nobody knows: see
	 * lost(). */
}

/*
 * The engine died between "starting" and "running". What init has seen end has run; of what init holds the
 * runtime says whether its gate is open; anything else is undone.
 */
static void recover_starting(struct container *c)
{
	struct lifecycle *l = life(c);

	if (!l)
		return;
	if (l->has_early) {
		now_running(c);
		return;
	}
	start_probe(&l->start, c, on_start_step);
}

void lifecycle_recover(struct engine *e)
{
	for (size_t i = 0; i < e->n_containers; i++) {
		struct container *c = e->containers[i];

		if (container_is_up(c) || c->state == CONTAINER_STARTING)
			recover_running(c);
	}
}

/* Neither running nor replayed: the machine went down under it. */
static void on_lost(struct loop_timer *t)
{
	struct container *c = container_of(t, struct container, restart_timer);

	if (!container_is_up(c) || c->pidfd >= 0)
		return;
	if (!life(c))
		return;
	c->life->early = (struct initctl_exit){.status = 255 << 8, .exit_realtime_ns = c->started_ns};
	container_set_error(c, "the node was restarted while the container ran");
	life_event(c, LIFE_EXIT);
}

/* In the same boot its exit must be on its way from init; give that a moment. */
static void lost(struct container *c)
{
	int64_t grace_ms = access(c->run, F_OK) ? 0 : 3000;

	(void)!loop_timer_set(c->e->loop, &c->restart_timer, loop_now_ms(c->e->loop) + grace_ms, on_lost);
}

void lifecycle_autostart(struct engine *e)
{
	/* Removal changes the list: walk over a copy of the ids. */
	size_t n = e->n_containers;
	cleanup(freep) struct container **all = n ? malloc(n * sizeof(*all)) : NULL;

	if (!all)
		return;
	memcpy(all, e->containers, n * sizeof(*all));
	for (size_t i = 0; i < n; i++) {
		struct container *c = all[i];

		switch (c->state) {
		case CONTAINER_RUNNING:
		case CONTAINER_PAUSED:
			if (c->pidfd < 0)
				lost(c);
			break;
		case CONTAINER_STARTING:
			recover_starting(c);
			break;
		case CONTAINER_EXITING:
			if (life(c))
				start_release(&c->life->start, c);
			break;
		case CONTAINER_REMOVING:
			do_remove(c);
			break;
		case CONTAINER_RESTARTING:
			c->state = CONTAINER_EXITED;
			if (restart_plan(c, false))
				enter(c, CONTAINER_RESTARTING, 0);
			break;
		case CONTAINER_EXITED:
			if (restart_at_boot(c))
				lifecycle_start(c, NULL, NULL);
			break;
		default:
			break;
		}
	}
}

/* SPDX-License-Identifier: Apache-2.0 */

/* What clients ask of a container: start, stop, restart, remove, kill, pause. */

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>

#include "engine/cgroup.h"
#include "engine/container.h"
#include "engine/engine.h"
#include "engine/events.h"
#include "engine/files.h"
#include "engine/health.h"
#include "engine/lifecycle_int.h"
#include "engine/restart.h"
#include "engine/wait.h"
#include "lib/errno_text.h"
#include "lib/log.h"

void lifecycle_start(struct container *c, life_done *done, void *arg)
{
	if (c->e->going_down) {
		if (done)
			done(c, -EBUSY, life_node_goes_down, arg);
		return;
	}
	switch (c->state) {
	case CONTAINER_CREATED:
	case CONTAINER_EXITED:
	case CONTAINER_RESTARTING:
		c->restarts = 0;
		c->restart_delay_ms = 0;
		if (life_when(c, ON_STARTED, done, arg))
			life_event(c, LIFE_START);
		return;
	case CONTAINER_STARTING:
		(void)life_when(c, ON_STARTED, done, arg);
		return;
	case CONTAINER_EXITING:
		if (life_when(c, ON_STARTED, done, arg))
			c->life->restart_wanted = true;
		return;
	case CONTAINER_PAUSED:
		done(c, -EBUSY, "cannot start a paused container, try unpause instead", arg);
		return;
	case CONTAINER_RUNNING:
		done(c, -EALREADY, "the container is running already", arg);
		return;
	default:
		done(c, -EBUSY, life_removed, arg);
	}
}

static void kill_event(struct container *c, int signal)
{
	char text[16];

	snprintf(text, sizeof(text), "%d", signal);
	events_container_with(c, "kill", "signal", text);
}

/* The second signal of a stop. */
static void kill_at_last(struct container *c)
{
	kill_event(c, SIGKILL);
	(void)!container_cgroup_kill(c);
}

static void on_kill_timer(struct loop_timer *t)
{
	kill_at_last(container_of(t, struct lifecycle, kill_timer)->c);
}

static void send_stop(struct container *c, int signal, int64_t timeout_s)
{
	struct lifecycle *l = c->life;

	kill_event(c, signal);
	if (c->state == CONTAINER_PAUSED || c->copies)
		(void)!container_cgroup_freeze(c, false);
	if (signal == SIGKILL || c->pidfd < 0) {
		(void)!container_cgroup_kill(c);
		return;
	}
	syscall(SYS_pidfd_send_signal, c->pidfd, signal, NULL, 0);
	fault_point("signalled");
	if (!timeout_s ||
		(timeout_s > 0 && loop_timer_set(c->e->loop, &l->kill_timer,
					  loop_now_ms(c->e->loop) + timeout_s * 1000, on_kill_timer)))
		kill_at_last(c);
}

static void mark_stopped(struct container *c)
{
	if (c->stopped_by_user)
		return;
	c->stopped_by_user = true;
	(void)!container_save_state(c, restart_policy_set(c) ? FILE_DURABLE : 0);
}

/* It is between two starts, of which its policy brings the next. */
static bool begins_again(const struct container *c)
{
	return lifecycle_restarts(c) && !(c->life && c->life->restart_wanted);
}

/* There will be no next start. @done when the last one has come to its end. */
static void give_up_restart(struct container *c, life_done *done, void *arg)
{
	if (c->state == CONTAINER_EXITING) {
		if (life_when(c, ON_STOPPED, done, arg))
			c->stopped_by_user = true;
		return;
	}
	loop_timer_del(&c->restart_timer);
	c->stopped_by_user = true;
	life_enter(c, CONTAINER_EXITED, FILE_DURABLE);
	wait_notify(c, WAIT_STOPPED);
	done(c, 0, NULL, arg);
}

/* Asked for while it is being started: that comes to its end first, as in Docker, and what it came to is asked. */
typedef void ask_fn(struct container *c, int signal, int64_t timeout_s, life_done *done, void *arg);

struct late {
	ask_fn *ask;
	int signal;
	int64_t timeout_s;
	life_done *done;
	void *arg;
};

/* Is it a signal that says that there is to be no next start either? */
static bool is_last(const struct container *c, int signal)
{
	return signal == SIGKILL || signal == container_stop_signal(c);
}

static void settled(struct container *c, int err, const char *msg, void *arg)
{
	struct late late = *(struct late *)arg;
	bool stop = late.ask == lifecycle_stop;

	free(arg);
	if (c->state == CONTAINER_STARTING) {
		late.done(c, err, msg, late.arg); /* without memory to wait */
	} else if ((stop || is_last(c, late.signal)) && c->state == CONTAINER_EXITED &&
		   restart_comes(c, true)) {
		/* the start has failed, and its policy would bring the next one now: that is what is given up */
		mark_stopped(c);
		if (stop)
			events_container(c, "stop", NULL);
		late.done(c, 0, NULL, late.arg);
	} else {
		late.ask(c, late.signal, late.timeout_s, late.done, late.arg);
	}
}

static void ask_later(
	struct container *c, ask_fn *ask, int signal, int64_t timeout_s, life_done *done, void *arg)
{
	struct late *late = malloc(sizeof(*late));

	if (!late) {
		done(c, -ENOMEM, "out of memory", arg);
		return;
	}
	*late = (struct late){ask, signal, timeout_s, done, arg};
	lifecycle_when_settled(c, settled, late);
}

void lifecycle_stop(struct container *c, int signal, int64_t timeout_s, life_done *done, void *arg)
{
	switch (c->state) {
	case CONTAINER_RESTARTING:
		events_container(c, "stop", NULL);
		give_up_restart(c, done, arg);
		return;
	case CONTAINER_RUNNING:
	case CONTAINER_PAUSED:
		if (!life_when(c, ON_STOPPED, done, arg))
			return;
		c->life->stop_asked = true;
		mark_stopped(c);
		send_stop(c, signal, timeout_s);
		return;
	case CONTAINER_EXITING:
		/* What is stopped is what its policy would have begun again; else it has ended by itself. */
		if (life_of(c) && begins_again(c))
			c->life->stop_asked = true;
		give_up_restart(c, done, arg);
		return;
	case CONTAINER_STARTING:
		ask_later(c, lifecycle_stop, signal, timeout_s, done, arg);
		return;
	default:
		done(c, -EALREADY, "the container does not run", arg);
	}
}

void lifecycle_down(struct container *c, int64_t limit_s)
{
	int64_t timeout_s = container_stop_timeout_s(c);
	struct lifecycle *l = life_of(c);

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

void lifecycle_when_settled(struct container *c, life_done *done, void *arg)
{
	(void)life_when(c, c->state == CONTAINER_STARTING ? ON_STARTED : ON_STOPPED, done, arg);
}

void lifecycle_restart(struct container *c, int signal, int64_t timeout_s, life_done *done, void *arg)
{
	if (!container_is_up(c)) {
		lifecycle_start(c, done, arg);
		return;
	}
	if (!life_when(c, ON_STARTED, done, arg))
		return;
	c->life->restart_wanted = c->life->restart_asked = c->life->stop_asked = true;
	c->restarts = 0;
	send_stop(c, signal, timeout_s);
}

void lifecycle_remove(struct container *c, bool force, bool volumes, life_done *done, void *arg)
{
	cleanup(freep) char *msg = NULL;

	if (c->state == CONTAINER_REMOVING || (c->life && c->life->remove_wanted)) {
		msg = text_make("removal of container %s is already in progress", c->name);
		if (done)
			done(c, -EBUSY, msg ? msg : "already in progress", arg);
		return;
	}
	if (!force && (container_is_up(c) || lifecycle_restarts(c))) {
		msg = text_make(
			"cannot remove container \"/%s\": container is %s: stop the container before removing or force "
			"remove",
			c->name, container_state_name(c->state));
		if (done)
			done(c, -EBUSY, msg ? msg : "the container is running", arg);
		return;
	}
	if (!life_when(c, ON_REMOVED, done, arg))
		return;
	c->life->remove_volumes = volumes;
	if (container_is_up(c)) {
		mark_stopped(c);
		send_stop(c, SIGKILL, 0);
	}
	life_event(c, LIFE_REMOVE);
}

/* A container whose process or group has gone meanwhile is about to be seen to end. */
static int send_signal(struct container *c, int signal)
{
	int err;

	if (signal == SIGKILL)
		err = container_cgroup_kill(c);
	else
		err = syscall(SYS_pidfd_send_signal, c->pidfd, signal, NULL, 0) < 0 ? -errno : 0;
	return err == -ESRCH || err == -ENOENT ? 0 : err;
}

static void kill_now(struct container *c, int signal, int64_t unused, life_done *done, void *arg)
{
	bool ends = is_last(c, signal);
	cleanup(freep) char *msg = NULL;
	int err;

	/* There is nothing to signal, but an end was asked for, as Docker has it. */
	if (ends && begins_again(c)) {
		give_up_restart(c, done, arg);
		return;
	}
	if (!container_is_up(c) || c->pidfd < 0) {
		msg = text_make("cannot kill container: %s: container %.12s is not running", c->name, c->id);
		done(c, -EBUSY, msg ? msg : "the container is not running", arg);
		return;
	}
	if (ends)
		mark_stopped(c);
	kill_event(c, signal);
	err = send_signal(c, signal);
	if (err) {
		msg = text_make("cannot kill container %s: %s", c->name, errno_text(-err));
		done(c, err, msg ? msg : "out of memory", arg);
	} else if (signal == SIGKILL) {
		(void)life_when(c, ON_STOPPED, done, arg);
	} else {
		done(c, 0, NULL, arg);
	}
}

void lifecycle_kill(struct container *c, int signal, life_done *done, void *arg)
{
	if (c->state == CONTAINER_STARTING)
		ask_later(c, kill_now, signal, 0, done, arg);
	else
		kill_now(c, signal, 0, done, arg);
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
		*msg = text_make("cannot %s container %s: %s", frozen ? "pause" : "unpause", c->name,
			errno_text(-err));
		return err;
	}
	life_enter(c, frozen ? CONTAINER_PAUSED : CONTAINER_RUNNING, 0);
	if (frozen)
		health_pause(c);
	else
		health_resume(c);
	events_container(c, frozen ? "pause" : "unpause", NULL);
	return 0;
}

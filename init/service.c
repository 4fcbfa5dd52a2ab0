/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The life of a service as one table, state x event -> action. An empty cell means the event is ignored
 * there; service_test.c lists them.
 *
 * A run ends in one place whatever ended it: the main process is reaped, its cgroup is killed, and once that
 * is empty finish() decides what comes next from three facts: is it wanted, must it run again, was it a
 * failure.
 */

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "init/cgroup.h"
#include "init/launch.h"
#include "init/service.h"
#include "init/services.h"
#include "lib/log.h"

enum { KILL_TIMEOUT_MS = 10000, BACKOFF_FIRST_MS = 100, BACKOFF_LAST_MS = 30000, GOOD_RUN_MS = 60000 };

typedef void action(struct service *s);

static const char *const state_names[SERVICE_STATES] = {
	[OFF] = "off",
	[WAITING] = "waiting",
	[STARTING] = "starting",
	[UP] = "up",
	[STOPPING] = "stopping",
	[KILLING] = "killing",
	[BACKOFF] = "backoff",
	[DONE] = "done",
	[FAILED] = "failed",
	[SKIPPED] = "skipped",
};

const char *service_state_name(enum service_state s)
{
	return state_names[s];
}

static void on_timer(struct loop_timer *t)
{
	service_event(container_of(t, struct service, timer), EV_TIMER);
}

static void arm(struct service *s, int64_t ms)
{
	/* The supervisor made the loop remember room for every timer, so this cannot fail. */
	int err = loop_timer_set(s->sup->loop, &s->timer, loop_now_ms(s->sup->loop) + ms, on_timer);

	if (err)
		log_errno(-err, "svc=%s op=timer", s->unit.name);
}

static void move(struct service *s, enum service_state state)
{
	s->state = state;
	s->since_ms = loop_now_ms(s->sup->loop);
	services_moved(s->sup);
}

static void ready_end(struct service *s)
{
	int fd = s->ready.loop ? s->ready.fd : -1;

	loop_io_del(&s->ready);
	closep(&fd);
}

int64_t service_backoff_ms(unsigned n)
{
	int64_t ms = BACKOFF_FIRST_MS;

	while (--n > 0 && ms < BACKOFF_LAST_MS)
		ms *= 2;
	return ms < BACKOFF_LAST_MS ? ms : BACKOFF_LAST_MS;
}

static void back_off(struct service *s)
{
	int64_t ms;

	if (loop_now_ms(s->sup->loop) - s->started_ms >= GOOD_RUN_MS)
		s->failures_in_row = 0;
	ms = service_backoff_ms(++s->failures_in_row);
	log_warn("svc=%s state=backoff delay_ms=%d msg=\"%s\"", s->unit.name, (int)ms, s->reason);
	arm(s, ms);
	move(s, BACKOFF);
}

/* ---- start */

static void on_ready(struct loop_io *io, uint32_t events)
{
	struct service *s = container_of(io, struct service, ready);
	char c;
	ssize_t n = read(io->fd, &c, 1);

	if (n < 0 && errno == EAGAIN)
		return;
	ready_end(s);
	/* Closed without a word: it will exit, or its time to start will pass. */
	if (n == 1 && c == '\n')
		service_event(s, EV_READY);
}

/* The pipe that READY_FD will name; *end is -1 when the unit has none. 0 or -errno. */
static int ready_begin(struct service *s, int *end)
{
	int p[2], err;

	if (!s->unit.ready)
		return 0;
	if (pipe2(p, O_CLOEXEC) < 0)
		return -errno;
	fcntl(p[0], F_SETFL, O_NONBLOCK);
	err = loop_io_add(s->sup->loop, &s->ready, p[0], EPOLLIN, on_ready);
	if (err) {
		close(p[0]);
		close(p[1]);
		return err;
	}
	*end = p[1];
	return 0;
}

static void run(struct service *s)
{
	cleanup(closep) int ready = -1;
	pid_t pid = ready_begin(s, &ready);

	if (!pid)
		pid = unit_launch(&(struct launch){&s->unit, s->cgroup, s->output, ready});
	s->started_ms = loop_now_ms(s->sup->loop);
	s->failed = s->again = false;
	if (pid < 0) {
		/* The machine is short of something. That passes: try again, whatever the unit says. */
		ready_end(s);
		snprintf(s->reason, sizeof(s->reason), "cannot make a process: %s", strerror(-pid));
		back_off(s);
		return;
	}
	s->pid = pid;
	s->reason[0] = '\0';
	arm(s, s->unit.start_timeout_ms);
	move(s, STARTING);
	if (s->unit.type == UNIT_SERVICE && !s->unit.ready)
		service_event(s, EV_READY);
}

static bool skipped(const struct service *s)
{
	char full[512];

	return s->unit.when &&
	       (snprintf(full, sizeof(full), "%s%s", s->sup->root, s->unit.when) >= (int)sizeof(full) ||
		       access(full, F_OK) < 0);
}

static void try_start(struct service *s)
{
	if (!services_may_start(s->sup, s))
		return;
	if (skipped(s)) {
		snprintf(s->reason, sizeof(s->reason), "there is no %.90s", s->unit.when);
		move(s, SKIPPED);
	} else if (access(s->unit.exec[0], X_OK) < 0) {
		snprintf(s->reason, sizeof(s->reason), "cannot run %.60s: %.30s", s->unit.exec[0],
			strerror(errno));
		log_warn("svc=%s state=failed msg=\"%s\"", s->unit.name, s->reason);
		move(s, FAILED);
	} else {
		run(s);
	}
}

static void retry(struct service *s)
{
	move(s, WAITING);
	try_start(s);
}

static void want(struct service *s)
{
	s->want = true;
	s->failures_in_row = 0;
	s->reason[0] = '\0';
	retry(s);
}

static void up(struct service *s)
{
	loop_timer_del(&s->timer);
	log_info("svc=%s state=up ms=%d", s->unit.name, (int)(loop_now_ms(s->sup->loop) - s->started_ms));
	move(s, UP);
}

/* ---- end */

static void finish(struct service *s)
{
	const struct unit *u = &s->unit;

	loop_timer_del(&s->timer);
	ready_end(s);
	if (s->sup->stopping || !s->want) {
		move(s, OFF);
	} else if (s->again) {
		retry(s);
	} else if (u->type == UNIT_ONESHOT && !s->failed) {
		s->reason[0] = '\0';
		log_info(
			"svc=%s state=done ms=%d", u->name, (int)(loop_now_ms(s->sup->loop) - s->started_ms));
		move(s, DONE);
	} else if (u->restart == UNIT_ALWAYS || (u->restart == UNIT_ON_FAILURE && s->failed)) {
		s->restarts++;
		back_off(s);
	} else if (s->failed) {
		log_warn("svc=%s state=failed msg=\"%s\"", u->name, s->reason);
		move(s, FAILED);
	} else {
		move(s, OFF);
	}
}

/* Goes on once the main process is reaped and nothing of it is left. */
static void settle(struct service *s)
{
	if (s->pid || (s->events.loop && cgroup_populated(s->events.fd)))
		return;
	finish(s);
}

static void kill_all(struct service *s)
{
	int err = s->cgroup >= 0 ? cgroup_kill_all(s->cgroup) : -ENOENT;

	if (err && s->cgroup >= 0)
		log_errno(-err, "svc=%s op=cgroup.kill", s->unit.name);
	if (err && s->pid)
		kill(s->pid, SIGKILL);
	arm(s, KILL_TIMEOUT_MS);
	move(s, KILLING);
	settle(s);
}

static void kill_stuck(struct service *s)
{
	if (s->pid) {
		log_error("svc=%s pid=%d msg=\"killed, and still there: held by the kernel\"", s->unit.name,
			(int)s->pid);
		arm(s, KILL_TIMEOUT_MS);
		return;
	}
	log_error(
		"svc=%s msg=\"processes of it are killed, and still there: going on without\"", s->unit.name);
	finish(s);
}

static void ended(struct service *s)
{
	if (WIFSIGNALED(s->status))
		snprintf(s->reason, sizeof(s->reason), "ended by signal %d (%.40s)", WTERMSIG(s->status),
			strsignal(WTERMSIG(s->status)));
	else
		snprintf(s->reason, sizeof(s->reason), "ended with status %d", WEXITSTATUS(s->status));
	s->failed = s->status != 0;
	kill_all(s);
}

/* In STOPPING the reason to stop is told already, and how it ended does not matter. */
static void ended_as_told(struct service *s)
{
	kill_all(s);
}

static void terminate(struct service *s)
{
	const struct unit *u = &s->unit;

	kill(s->pid, s->sup->stopping ? u->shutdown_signal : u->stop_signal);
	arm(s, s->sup->stopping ? u->shutdown_timeout_ms : u->stop_timeout_ms);
	move(s, STOPPING);
}

static void start_late(struct service *s)
{
	s->failed = true;
	snprintf(s->reason, sizeof(s->reason), "was not %s within %d s",
		s->unit.type == UNIT_ONESHOT ? "done" : "ready", (int)(s->unit.start_timeout_ms / 1000));
	log_warn("svc=%s msg=\"%s\"", s->unit.name, s->reason);
	terminate(s);
}

static void stop_late(struct service *s)
{
	log_warn("svc=%s msg=\"did not end within %d s of being asked: killed\"", s->unit.name,
		(int)((loop_now_ms(s->sup->loop) - s->since_ms) / 1000));
	kill_all(s);
}

static void stop(struct service *s)
{
	s->want = false;
	snprintf(s->reason, sizeof(s->reason), "stopped");
	terminate(s);
}

static void restart(struct service *s)
{
	s->want = s->again = true;
	terminate(s);
}

static void off(struct service *s)
{
	s->want = false;
	loop_timer_del(&s->timer);
	snprintf(s->reason, sizeof(s->reason), "stopped");
	move(s, OFF);
}

static void unwant(struct service *s)
{
	s->want = s->again = false;
}

/* It is ending: when it has ended, it is to run again. */
static void want_again(struct service *s)
{
	s->want = s->again = true;
}

static action *const step[SERVICE_STATES][SERVICE_EVENTS] = {
	[OFF] = {[EV_START] = want, [EV_RESTART] = want},
	[WAITING] = {[EV_STOP] = off, [EV_SETTLED] = try_start},
	[STARTING] = {[EV_STOP] = stop,
		[EV_RESTART] = restart,
		[EV_READY] = up,
		[EV_EXIT] = ended,
		[EV_TIMER] = start_late},
	[UP] = {[EV_STOP] = stop, [EV_RESTART] = restart, [EV_EXIT] = ended},
	[STOPPING] = {[EV_START] = want_again,
		[EV_STOP] = unwant,
		[EV_RESTART] = want_again,
		[EV_EXIT] = ended_as_told,
		[EV_TIMER] = stop_late},
	[KILLING] = {[EV_START] = want_again,
		[EV_STOP] = unwant,
		[EV_RESTART] = want_again,
		[EV_EXIT] = settle,
		[EV_EMPTY] = settle,
		[EV_TIMER] = kill_stuck},
	[BACKOFF] = {[EV_START] = want, [EV_STOP] = off, [EV_RESTART] = want, [EV_TIMER] = retry},
	[DONE] = {[EV_START] = want, [EV_STOP] = off, [EV_RESTART] = want},
	[FAILED] = {[EV_START] = want, [EV_STOP] = off, [EV_RESTART] = want},
	[SKIPPED] = {[EV_START] = want, [EV_STOP] = off, [EV_RESTART] = want},
};

bool service_handles(enum service_state s, enum service_event e)
{
	return step[s][e];
}

void service_event(struct service *s, enum service_event e)
{
	action *a = step[s->state][e];

	if (a)
		a(s);
}

bool service_settled(const struct service *s)
{
	return s->state != WAITING && s->state != STARTING && s->state != STOPPING && s->state != KILLING;
}

bool service_active(const struct service *s)
{
	return s->state == STARTING || s->state == UP || s->state == STOPPING || s->state == KILLING;
}

/* ---- life */

static void on_cgroup(struct loop_io *io, uint32_t events)
{
	if (!cgroup_populated(io->fd))
		service_event(container_of(io, struct service, events), EV_EMPTY);
}

static int init_cgroup(struct service *s)
{
	int fd;

	if (s->sup->cgroup_root < 0)
		return 0;
	s->cgroup = cgroup_of_unit(s->sup->cgroup_root, &s->unit);
	if (s->cgroup < 0)
		return s->cgroup;
	fd = cgroup_events(s->cgroup);
	if (fd < 0)
		return fd;
	int err = loop_io_add(s->sup->loop, &s->events, fd, EPOLLPRI, on_cgroup);

	if (err)
		close(fd);
	return err;
}

int service_init(struct service *s, struct services *sup)
{
	s->sup = sup;
	s->state = OFF;
	s->cgroup = s->output = -1;
	s->since_ms = loop_now_ms(sup->loop);
	return init_cgroup(s);
}

void service_fini(struct service *s)
{
	int events = s->events.loop ? s->events.fd : -1;

	loop_timer_del(&s->timer);
	ready_end(s);
	loop_io_del(&s->events);
	closep(&events);
	closep(&s->cgroup);
	closep(&s->output);
	unit_fini(&s->unit);
}

/* SPDX-License-Identifier: Apache-2.0 */

/* Init's word about a container, and what the last engine left of one. */

#include <errno.h>
#include <string.h>

#include "engine/cgroup.h"
#include "engine/container.h"
#include "engine/engine.h"
#include "engine/files.h"
#include "engine/health.h"
#include "engine/lifecycle_int.h"
#include "engine/output.h"
#include "engine/restart.h"
#include "engine/start.h"
#include "engine/stdio.h"
#include "engine/supervisor.h"
#include "engine/update.h"
#include "lib/last_exits.h"
#include "lib/log.h"

/* A line each for as many containers as init watches. */
enum { LAST_EXITS_MAX = 4 << 20 };

void lifecycle_exited(struct engine *e, const char *id, const struct initctl_exit *x)
{
	struct container *c = NULL;

	if (container_find(e, id, &c) || strcmp(c->id, id) != 0 || !life_of(c)) {
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
		container_update_resume(c);
		/* The last engine may have died while it copied. */
		if (c->state == CONTAINER_RUNNING)
			(void)!container_cgroup_freeze(c, false);
	}
	/* An unpause that was cut short before it was on record: what is on record holds. */
	if (got > 0 && c->state == CONTAINER_PAUSED && container_cgroup_freeze(c, true))
		log_warn("container=%.12s op=recover msg=\"cannot be frozen\"", c->id);
	/* A commit pauses without saying so; one that was cut short leaves that to be undone. */
	if (got > 0 && c->state == CONTAINER_RUNNING && container_cgroup_freeze(c, false))
		log_warn("container=%.12s op=recover msg=\"cannot be thawed\"", c->id);
	/* Not running: its exit is about to be replayed, or the machine was restarted and nobody knows: see
	 * lost(). */
}

/*
 * The engine died between "starting" and "running". What init has seen end has run, unless it ended before its gate was
 * opened: it is killed with the runtime that sets it up. Of what init holds the runtime says whether its gate is open;
 * anything else is undone.
 */
static void recover_starting(struct container *c)
{
	struct lifecycle *l = life_of(c);

	if (!l)
		return;
	if (l->has_early && start_at_gate(c)) {
		life_on_start_step(c, -EIO, "the engine was restarted while it started this container");
		return;
	}
	if (l->has_early) {
		life_now_running(c);
		return;
	}
	start_probe(&l->start, c, life_on_start_step);
}

void lifecycle_recover(struct engine *e)
{
	for (size_t i = 0; i < e->n_containers; i++) {
		struct container *c = e->containers[i];

		if (container_is_up(c) || c->state == CONTAINER_STARTING)
			recover_running(c);
		if (c->state != CONTAINER_STARTING && c->has_run)
			health_resume(c);
	}
}

/*
 * Those that ended with the machine while there was no engine to see it. A line is taken for the run it is about only:
 * lifecycle_exited() compares the pid, and the time tells a run of another boot that had the same one.
 */
void lifecycle_last_boot(struct engine *e, const char *path)
{
	cleanup(freep) char *text = NULL;
	size_t len;
	int err = disk_read(path, LAST_EXITS_MAX, &text, &len);

	if (err && err != -ENOENT)
		log_errno(-err, "op=last-exits path=%s", path);
	if (err)
		return;
	for (char *save = NULL, *line = strtok_r(text, "\n", &save); line;
		line = strtok_r(NULL, "\n", &save)) {
		struct initctl_exit x;
		struct container *c;

		if (!last_exits_parse(line, &x) || strncmp(x.name, "container/", 10) != 0)
			continue;
		if (!container_find(e, x.name + 10, &c) && c->pid == x.pid &&
			x.exit_realtime_ns >= c->started_ns)
			lifecycle_exited(e, x.name + 10, &x);
	}
}

/* Neither running nor replayed: the machine went down under it. */
static void on_lost(struct loop_timer *t)
{
	struct container *c = container_of(t, struct container, restart_timer);

	if (!container_is_up(c) || c->pidfd >= 0)
		return;
	if (!life_of(c))
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
			if (life_of(c))
				start_release(&c->life->start, c);
			break;
		case CONTAINER_REMOVING:
			life_do_remove(c);
			break;
		case CONTAINER_RESTARTING:
			c->state = CONTAINER_EXITED;
			if (restart_plan(c, false))
				life_enter(c, CONTAINER_RESTARTING, 0);
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

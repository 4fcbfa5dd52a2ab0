/* SPDX-License-Identifier: Apache-2.0 */

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#include "init/cgroup.h"
#include "init/consoles.h"
#include "init/exits.h"
#include "init/machine.h"
#include "init/shutdown.h"
#include "init/services.h"
#include "lib/file.h"
#include "lib/last_exits.h"
#include "lib/log.h"

/* Longest for each phase: together four minutes, whatever hangs. A unit's shutdown-timeout is below the first. */
static const int limit_ms[] = {
	[SHUTDOWN_SERVICES] = 180000,
	[SHUTDOWN_CONTAINERS] = 10000,
	[SHUTDOWN_REST] = 5000,
	[SHUTDOWN_UNMOUNT] = 45000,
};

static void enter(struct shutdown *s, int phase);

static void on_limit(struct loop_timer *t)
{
	struct shutdown *s = container_of(t, struct shutdown, timer);

	static const char *const late[] = {
		[SHUTDOWN_SERVICES] = "some services did not stop",
		[SHUTDOWN_CONTAINERS] = "some containers did not end: killed",
		[SHUTDOWN_REST] = "some processes are held by the kernel",
		[SHUTDOWN_UNMOUNT] = "unmounting takes too long: given up",
	};

	consoles_say("shutdown: %s", late[s->phase]);
	enter(s, (int)s->phase + 1);
}

static void kill_containers(const struct shutdown *s)
{
	static const char *const groups[] = {"docker", "pods", "services"};
	int root = s->sup->cgroup_root;

	for (size_t i = 0; root >= 0 && i < array_len(groups); i++) {
		int err = cgroup_kill_path(root, groups[i]);

		if (err)
			log_errno(-err, "op=cgroup.kill group=%s", groups[i]);
	}
}

/* Nothing of init's own is left to reap: every process is gone, or is not a child yet of a process that is.
 */
static bool childless(void)
{
	siginfo_t si;

	return waitid(P_ALL, 0, &si, WEXITED | WNOHANG | WNOWAIT) < 0 && errno == ECHILD;
}

/* Exits that no engine was there to write down: the next boot's finds them. Without any, an older file stays. */
static void save_exits(const struct exits *x)
{
	cleanup(freep) char *text = NULL;
	struct initctl_exit exit;
	size_t len = 0;
	FILE *f = open_memstream(&text, &len);
	int err = f ? 0 : -ENOMEM;

	for (uint64_t seq = 0; f && exits_next(x, seq, "container/", &exit); seq = exit.seq)
		last_exits_print(f, &exit);
	if (f && (ferror(f) | fclose(f)))
		err = -ENOMEM;
	if (!err && len)
		err = file_replace(AT_FDCWD, LAST_EXITS_PATH, text, len, 0600);
	if (err)
		log_errno(-err, "op=save-exits path=%s", LAST_EXITS_PATH);
}

static void begin_unmount(struct shutdown *s)
{
	pid_t pid = fork();

	if (pid == 0) {
		save_exits(s->exits);
		machine_unmount();
		_exit(0);
	}
	if (pid < 0) {
		/* Not even one process: do it here, the watchdog bounds it. */
		log_errno(errno, "op=fork");
		save_exits(s->exits);
		machine_unmount();
		enter(s, SHUTDOWN_END);
		return;
	}
	s->unmounter = pid;
}

static void enter(struct shutdown *s, int phase)
{
	s->phase = phase;
	loop_timer_del(&s->timer);
	if (phase == SHUTDOWN_END) {
		loop_quit(s->loop, s->how);
		return;
	}
	if (loop_timer_set(s->loop, &s->timer, loop_now_ms(s->loop) + limit_ms[phase], on_limit) < 0)
		log_error("op=shutdown msg=\"no limit for this step: out of memory\"");
	switch (phase) {
	case SHUTDOWN_SERVICES:
		services_stop(s->sup);
		break;
	case SHUTDOWN_CONTAINERS:
		exits_signal(s->exits, SIGTERM);
		shutdown_progress(s);
		break;
	case SHUTDOWN_REST:
		kill_containers(s);
		kill(-1, SIGKILL); /* all but init itself */
		shutdown_progress(s);
		break;
	case SHUTDOWN_UNMOUNT:
		if (!s->real)
			enter(s, SHUTDOWN_END);
		else
			begin_unmount(s);
		break;
	default: /* nothing is begun in the others */
		break;
	}
}

bool shutdown_begin(struct shutdown *s, enum shutdown_how how)
{
	if (s->phase != SHUTDOWN_NOT)
		return false;
	s->how = how;
	log_info("op=shutdown how=%s", how == SHUTDOWN_REBOOT ? "reboot" : "poweroff");
	consoles_say("shutdown: %s", how == SHUTDOWN_REBOOT ? "restarting" : "powering off");
	enter(s, SHUTDOWN_SERVICES);
	return true;
}

void shutdown_progress(struct shutdown *s)
{
	if (s->phase == SHUTDOWN_SERVICES && services_stopped(s->sup))
		enter(s, SHUTDOWN_CONTAINERS);
	else if (s->phase == SHUTDOWN_CONTAINERS && !s->exits->running.count)
		enter(s, SHUTDOWN_REST);
	else if (s->phase == SHUTDOWN_REST && childless())
		enter(s, SHUTDOWN_UNMOUNT);
}

bool shutdown_reap(struct shutdown *s, pid_t pid)
{
	if (!s->unmounter || pid != s->unmounter)
		return false;
	waitpid(pid, NULL, WNOHANG);
	s->unmounter = 0;
	if (s->phase == SHUTDOWN_UNMOUNT)
		enter(s, SHUTDOWN_END);
	return true;
}

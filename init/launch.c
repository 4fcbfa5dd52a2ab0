/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The few steps between fork and exec of a service. Init is small and single-threaded, so this is a plain
 * fork (by clone3, to be born in the right cgroup): it cannot hold init up the way a vfork can.
 */

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "init/launch.h"
#include "init/unit.h"

enum { READY_AT = 3 };

static pid_t fork_into(int cgroup)
{
	struct clone_args a = {.exit_signal = SIGCHLD};

	if (cgroup >= 0) {
		a.flags = CLONE_INTO_CGROUP;
		a.cgroup = (uint64_t)cgroup;
	}
	long pid = syscall(SYS_clone3, &a, sizeof(a));

	if (pid < 0 && errno == ENOSYS && cgroup < 0)
		pid = fork();
	return pid < 0 ? -errno : (pid_t)pid;
}

/* The reason goes to the service's own log, and the exit status says the rest. */
static _Noreturn void fail(const struct unit *u, const char *what)
{
	dprintf(STDERR_FILENO, "level=error svc=%s op=%s error=\"%s\"\n", u->name, what, strerror(errno));
	_exit(127);
}

static void reset_signals(void)
{
	struct sigaction dfl = {.sa_handler = SIG_DFL};
	sigset_t none;

	for (int sig = 1; sig < NSIG; sig++)
		sigaction(sig, &dfl, NULL); /* the few that refuse are at their default */
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

static void set_descriptors(const struct launch *l)
{
	/* All of init's are above 2 and close on exec: places 0..3 can be written over once these two are
	 * safe. */
	int ready = l->ready >= 0 ? fcntl(l->ready, F_DUPFD_CLOEXEC, 16) : -1;
	int out = fcntl(l->output, F_DUPFD_CLOEXEC, 16);
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	if (out >= 0) {
		dup2(out, STDOUT_FILENO);
		dup2(out, STDERR_FILENO);
	}
	if (out < 0 || null < 0 || (l->ready >= 0 && ready < 0))
		fail(l->unit, "descriptors");
	dup2(null, STDIN_FILENO);
	if (ready >= 0 && dup2(ready, READY_AT) < 0)
		fail(l->unit, "ready");
	if (syscall(SYS_close_range, ready >= 0 ? READY_AT + 1 : READY_AT, ~0U, 0U) < 0)
		fail(l->unit, "close_range");
}

static void set_limits(const struct unit *u)
{
	struct rlimit files = {(rlim_t)u->nofile, (rlim_t)u->nofile}, core = {0, 0};
	cleanup(closep) int fd = -1;
	char text[16];
	int n;

	if (setrlimit(RLIMIT_NOFILE, &files) < 0 || setrlimit(RLIMIT_CORE, &core) < 0)
		fail(u, "rlimit");
	if (!u->oom_score_adj)
		return; /* as init's own */
	n = snprintf(text, sizeof(text), "%d", u->oom_score_adj);
	fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
	if (fd < 0 || write(fd, text, (size_t)n) != n)
		fail(u, "oom_score_adj");
}

static void set_user(const struct unit *u)
{
	if (u->no_new_privs && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		fail(u, "no_new_privs");
	if (!u->uid && !u->gid)
		return;
	if (setgroups(0, NULL) < 0 || setgid(u->gid) < 0 || setuid(u->uid) < 0)
		fail(u, "user");
}

static _Noreturn void child(const struct launch *l)
{
	const struct unit *u = l->unit;
	char ready[32];
	char *env[UNIT_WORDS_MAX + 4];
	size_t n = 0;

	snprintf(ready, sizeof(ready), "READY_FD=%d", READY_AT);
	env[n++] = (char *)"PATH=/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin";
	env[n++] = (char *)"HOME=/";
	if (l->ready >= 0)
		env[n++] = ready;
	for (size_t i = 0; u->env[i]; i++)
		env[n++] = u->env[i];
	env[n] = NULL;

	set_descriptors(l);
	reset_signals();
	setsid();
	umask(022);
	if (chdir("/") < 0)
		fail(u, "chdir");
	set_limits(u);
	set_user(u);
	execve(u->exec[0], u->exec, env);
	fail(u, "exec");
}

pid_t unit_launch(const struct launch *l)
{
	pid_t pid = fork_into(l->cgroup);

	if (pid == 0)
		child(l);
	return pid;
}

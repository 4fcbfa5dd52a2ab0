/* SPDX-License-Identifier: Apache-2.0 */

/*
 * docker run --init: the first process of a container whose program does not want to be one. It starts the
 * program, hands every signal on to it, reaps whatever dies, and ends as the program ends. Mounted read-only into
 * the container as /sbin/docker-init and started there as `docker-init -- PROGRAM [ARGUMENT...]`; no more than
 * system calls, so that it costs a few pages. As /pause it is the first process of a pod: it is there, and takes in orphans.
 */

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

enum { NOT_FOUND = 127, NOT_EXECUTABLE = 126, BY_SIGNAL = 128 };

static void say(const char *program, const char *why)
{
	const char *parts[] = {"docker-init: cannot run ", program, ": ", why, "\n"};

	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
		if (write(2, parts[i], strlen(parts[i])) < 0)
			return;
}

/* The program: a process group of its own, in front if there is a terminal. */
static void become(char **argv, const sigset_t *before)
{
	setpgid(0, 0);
	if (isatty(0))
		tcsetpgrp(0, getpid());
	sigprocmask(SIG_SETMASK, before, NULL);
	execvp(argv[0], argv);

	int err = errno;

	say(argv[0], err == ENOENT ? "not found" : strerror(err));
	_exit(err == ENOENT ? NOT_FOUND : NOT_EXECUTABLE);
}

/* Reaps all that are dead. The exit code once @child is among them, else -1. */
static int reap(pid_t child)
{
	int status, code = -1;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
		if (pid == child)
			code = WIFSIGNALED(status) ? BY_SIGNAL + WTERMSIG(status) : WEXITSTATUS(status);
	return code;
}

/* Whoever is told to ignore the end of children has them reaped by the kernel. */
_Noreturn static void be_first(void)
{
	prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
	prctl(PR_SET_NAME, "pause", 0, 0, 0);
	signal(SIGCHLD, SIG_IGN);
	for (;;)
		pause();
}

int main(int argc, char **argv)
{
	sigset_t all, before;
	siginfo_t si;
	pid_t child;

	if (argc > 0 && !strcmp(argv[0], "/pause"))
		be_first();
	argv++;
	if (*argv && !strcmp(*argv, "--"))
		argv++;
	if (!*argv) {
		say("nothing", "usage: docker-init -- PROGRAM [ARGUMENT...]");
		return NOT_FOUND;
	}
	/* In the node's process namespace orphans would go to the node's init instead. */
	if (getpid() != 1)
		prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
	sigfillset(&all);
	/* Not these: a fault of our own must end us, not spin. */
	for (size_t i = 0; i < 5; i++)
		sigdelset(&all, (const int[]){SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT}[i]);
	sigprocmask(SIG_BLOCK, &all, &before);
	child = fork();
	if (child < 0) {
		say(argv[0], strerror(errno));
		return NOT_EXECUTABLE;
	}
	if (!child)
		become(argv, &before);
	for (;;) {
		int code, signal = sigwaitinfo(&all, &si);

		if (signal < 0)
			continue;
		if (signal == SIGCHLD) {
			code = reap(child);
			if (code >= 0)
				return code;
		} else if (signal != SIGTTIN && signal != SIGTTOU) {
			kill(child, signal);
		}
	}
}

/* SPDX-License-Identifier: Apache-2.0 */

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "lib/spawn.h"

/* Runs a shell line with its output in a pipe; returns what it printed and how it ended. */
static int run(const char *script, const int *fds, size_t n_fds, unsigned flags, char *out, size_t size)
{
	int pipefd[2], all[8], status, pidfd = -1;
	size_t got = 0;
	ssize_t n;

	assert_int_equal(pipe2(pipefd, O_CLOEXEC), 0);
	memcpy(all, fds, n_fds * sizeof(*fds));
	for (size_t i = 0; i < n_fds; i++)
		if (all[i] == -2)
			all[i] = pipefd[1];

	char *argv[] = {(char[]){"sh"}, (char[]){"-c"}, (char *)(uintptr_t)script, NULL};
	struct spawn s = {
		.path = "/bin/sh", .argv = argv, .fds = all, .n_fds = n_fds, .cgroup_fd = -1, .flags = flags};
	pid_t pid = spawn(&s, &pidfd);

	assert_true(pid > 0);
	assert_true(fcntl(pidfd, F_GETFD) & FD_CLOEXEC);
	close(pipefd[1]);
	while ((n = read(pipefd[0], out + got, size - 1 - got)) > 0)
		got += (size_t)n;
	out[got] = 0;
	close(pipefd[0]);

	struct pollfd p = {.fd = pidfd, .events = POLLIN};

	assert_int_equal(poll(&p, 1, 10000), 1);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	close(pidfd);
	return status;
}

static void its_output_and_status_come_back(void **state)
{
	char out[100];
	int status = run("echo hello; exit 7", (int[]){-1, -2, 2}, 3, 0, out, sizeof(out));

	assert_string_equal(out, "hello\n");
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 7);
}

static void only_the_given_descriptors_are_open(void **state)
{
	char out[200];
	int leak = open("/dev/zero", O_RDONLY); /* without O_CLOEXEC */
	int high = fcntl(leak, F_DUPFD, 200);

	/* ls itself opens one: the directory, at the lowest free number. */
	run("ls /proc/self/fd", (int[]){-1, -2, 2, leak}, 4, 0, out, sizeof(out));
	assert_string_equal(out, "0\n1\n2\n3\n4\n");
	/* None given: three that lead nowhere. */
	run("ls /proc/self/fd", (int[]){-1, -2}, 2, 0, out, sizeof(out));
	assert_string_equal(out, "0\n1\n2\n3\n");
	close(leak);
	close(high);
}

/* Every order of three small numbers, where each is in another's way. */
static void descriptors_may_trade_places(void **state)
{
	const int orders[][3] = {
		{0, 1, 2}, {0, 2, 1}, {1, 0, 2}, {1, 2, 0}, {2, 0, 1}, {2, 1, 0}, {0, 0, 0}, {1, 1, 2}};

	for (size_t o = 0; o < array_len(orders); o++) {
		int pipes[3][2], fds[4] = {-1}, pidfd;
		char *argv[] = {
			(char[]){"sh"}, (char[]){"-c"}, (char[]){"echo a >&1; echo b >&2; echo c >&3"}, NULL};
		char want[3][16] = {""}, got[16];

		for (int i = 0; i < 3; i++)
			assert_int_equal(pipe2(pipes[i], O_CLOEXEC), 0);
		for (int i = 0; i < 3; i++) {
			fds[i + 1] = pipes[orders[o][i]][1];
			strcat(want[orders[o][i]], (const char *[]){"a\n", "b\n", "c\n"}[i]);
		}

		struct spawn s = {.path = "/bin/sh", .argv = argv, .fds = fds, .n_fds = 4, .cgroup_fd = -1};
		pid_t pid = spawn(&s, &pidfd);

		assert_true(pid > 0);
		assert_int_equal(waitpid(pid, NULL, 0), pid);
		close(pidfd);
		for (int i = 0; i < 3; i++) {
			close(pipes[i][1]);
			ssize_t n = read(pipes[i][0], got, sizeof(got) - 1);

			assert_true(n >= 0);
			got[n] = 0;
			assert_string_equal(got, want[i]);
			close(pipes[i][0]);
		}
	}
}

/* The numbers it is given are themselves among 0..n-1 and must swap. */
static void low_descriptors_swap(void **state)
{
	int a = open("/dev/null", O_RDONLY | O_CLOEXEC), b = open("/dev/zero", O_RDONLY | O_CLOEXEC);
	int want = a < b ? b : a;

	assert_true(want < 8);

	int fds[8], pidfd, status;

	for (int i = 0; i < 8; i++)
		fds[i] = -1;
	fds[a] = b;
	fds[b] = a;

	char script[200];

	snprintf(script, sizeof(script),
		"[ $(readlink /proc/self/fd/%d) = /dev/zero ] && [ $(readlink /proc/self/fd/%d) = /dev/null ]",
		a, b);
	/* The command substitution reads the subshell's own table, which it inherits. */
	char *argv[] = {(char[]){"sh"}, (char[]){"-c"}, script, NULL};
	struct spawn s = {.path = "/bin/sh", .argv = argv, .fds = fds, .n_fds = 8, .cgroup_fd = -1};
	pid_t pid = spawn(&s, &pidfd);

	assert_true(pid > 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	close(pidfd);
	close(a);
	close(b);
}

static void a_failed_exec_is_an_errno(void **state)
{
	char *argv[] = {(char[]){"x"}, NULL};
	struct spawn s = {.path = "/nonexistent", .argv = argv, .cgroup_fd = -1};
	int pidfd = -5;

	assert_int_equal(spawn(&s, &pidfd), -ENOENT);
	s.path = "/";
	assert_int_equal(spawn(&s, &pidfd), -EACCES);
	assert_int_equal(pidfd, -5);
	/* and leaves no zombie */
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
	assert_int_equal(errno, ECHILD);
}

static void bad_descriptors_and_cgroups_are_refused(void **state)
{
	char *argv[] = {(char[]){"true"}, NULL};
	int closed[] = {0, 1, 999}, pidfd;
	struct spawn s = {.path = "/bin/true", .argv = argv, .fds = closed, .n_fds = 3, .cgroup_fd = -1};

	assert_int_equal(spawn(&s, &pidfd), -EBADF);
	s.n_fds = SPAWN_FDS_MAX + 1;
	assert_int_equal(spawn(&s, &pidfd), -EINVAL);
	s.n_fds = 2;
	s.cgroup_fd = open("/", O_DIRECTORY | O_CLOEXEC);
	assert_true(spawn(&s, &pidfd) < 0); /* not a cgroup */
	close(s.cgroup_fd);
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
}

static void signals_start_at_their_defaults(void **state)
{
	char out[2000];
	sigset_t set, saved;

	signal(SIGPIPE, SIG_IGN);
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGCHLD);
	sigprocmask(SIG_BLOCK, &set, &saved);
	run("grep -E '^Sig(Blk|Ign)' /proc/self/status", (int[]){-1, -2, 2}, 3, 0, out, sizeof(out));
	assert_string_equal(out, "SigBlk:\t0000000000000000\nSigIgn:\t0000000000000000\n");

	/* ours are as they were */
	sigset_t now;

	sigprocmask(SIG_SETMASK, &saved, &now);
	assert_int_equal(sigismember(&now, SIGTERM), 1);
	assert_int_equal(sigismember(&now, SIGUSR1), 0);
	assert_ptr_equal(signal(SIGPIPE, SIG_DFL), SIG_IGN);
}

/* It dies with its parent, unless it is to outlive it. */
static void outlives(unsigned flags, bool want)
{
	int alive[2], gate[2];
	char c;

	assert_int_equal(pipe2(alive, O_CLOEXEC), 0);
	assert_int_equal(pipe2(gate, O_CLOEXEC), 0);

	pid_t middle = fork();

	if (!middle) {
		char *argv[] = {(char[]){"sh"}, (char[]){"-c"}, (char[]){"read x; echo y"}, NULL};
		int fds[] = {gate[0], alive[1], 2}, pidfd;
		struct spawn s = {.path = "/bin/sh",
			.argv = argv,
			.fds = fds,
			.n_fds = 3,
			.cgroup_fd = -1,
			.flags = flags};

		_exit(spawn(&s, &pidfd) > 0 ? 0 : 1);
	}

	int status;

	assert_int_equal(waitpid(middle, &status, 0), middle);
	assert_int_equal(status, 0);
	close(alive[1]);
	close(gate[0]);
	/* If it was to die, its end of the pipe closes without the gate being opened. */
	if (want)
		assert_int_equal(write(gate[1], "\n", 1), 1);
	assert_int_equal(read(alive[0], &c, 1), want ? 1 : 0);
	close(gate[1]);
	close(alive[0]);
}

static void it_dies_with_its_parent_unless_told(void **state)
{
	outlives(0, false);
	outlives(SPAWN_OUTLIVE, true);
}

static void a_new_session_is_its_own(void **state)
{
	char out[100];
	int status = run("[ $(cut -d' ' -f6 /proc/$$/stat) = $$ ]", (int[]){-1, -2, 2}, 3, SPAWN_NEW_SESSION,
		out, sizeof(out));

	assert_int_equal(status, 0);
	status = run("[ $(cut -d' ' -f6 /proc/$$/stat) = $$ ]", (int[]){-1, -2, 2}, 3, 0, out, sizeof(out));
	assert_int_not_equal(status, 0);
}

static void the_environment_is_given_or_inherited(void **state)
{
	char *argv[] = {(char[]){"sh"}, (char[]){"-c"}, (char[]){"[ \"$A\" = 1 ] && [ -z \"$B\" ]"}, NULL};
	char *envp[] = {(char[]){"A=1"}, NULL};
	struct spawn s = {.path = "/bin/sh", .argv = argv, .envp = envp, .cgroup_fd = -1};
	int pidfd, status;
	pid_t pid;

	setenv("B", "2", 1);
	pid = spawn(&s, &pidfd);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	close(pidfd);

	argv[2] = (char[]){"[ \"$B\" = 2 ]"};
	s.envp = NULL;
	pid = spawn(&s, &pidfd);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	close(pidfd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(its_output_and_status_come_back),
		cmocka_unit_test(only_the_given_descriptors_are_open),
		cmocka_unit_test(descriptors_may_trade_places),
		cmocka_unit_test(low_descriptors_swap),
		cmocka_unit_test(a_failed_exec_is_an_errno),
		cmocka_unit_test(bad_descriptors_and_cgroups_are_refused),
		cmocka_unit_test(signals_start_at_their_defaults),
		cmocka_unit_test(it_dies_with_its_parent_unless_told),
		cmocka_unit_test(a_new_session_is_its_own),
		cmocka_unit_test(the_environment_is_given_or_inherited),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

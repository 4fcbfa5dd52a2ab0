/* SPDX-License-Identifier: Apache-2.0 */

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "runtime/fail.h"
#include "runtime/hooks.h"
#include "runtime/sys.h"

/* A file that holds the state: unlike a pipe it cannot stall on a hook that never reads. */
static int state_file(const char *state)
{
	cleanup(closep) int fd = memfd_create("state", MFD_CLOEXEC);
	size_t len = strlen(state);

	if (fd < 0 || write(fd, state, len) != (ssize_t)len || lseek(fd, 0, SEEK_SET) < 0)
		return rt_fail(errno, "hand the state to a hook");
	return take_fd(fd);
}

static int one(const struct oci_hook *h, const char *kind, const char *state)
{
	static const char *const no_env[] = {NULL};
	const char *self[] = {h->path, NULL};
	cleanup(closep) int in = state_file(state);
	cleanup(closep) int pidfd = -1;
	int status, n;

	if (in < 0)
		return in;
	pid_t pid = fork();

	if (pid < 0)
		return rt_fail(errno, "start %s hook %s", kind, h->path);
	if (pid == 0) {
		dup2(in, 0);
		sys_close_range(3, ~0U, 0);
		execve(h->path, (char *const *)(h->args && h->args[0] ? h->args : self),
			(char *const *)(h->env ? h->env : no_env));
		_exit(127);
	}
	pidfd = sys_pidfd_open(pid);
	struct pollfd p = {.fd = pidfd, .events = POLLIN};

	do
		n = poll(&p, 1, h->timeout_s ? (int)(h->timeout_s * 1000) : -1);
	while (n < 0 && errno == EINTR);
	if (n == 0)
		kill(pid, SIGKILL);
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return rt_fail(errno, "wait for %s hook %s", kind, h->path);
	if (n == 0)
		return rt_refuse(
			"%s hook %s did not end within %lld s", kind, h->path, (long long)h->timeout_s);
	if (WIFSIGNALED(status))
		return rt_refuse("%s hook %s was ended by signal %d", kind, h->path, WTERMSIG(status));
	if (WEXITSTATUS(status))
		return rt_refuse("%s hook %s ended with status %d", kind, h->path, WEXITSTATUS(status));
	return 0;
}

int rt_hooks_run(const struct oci_hooks *h, const char *kind, const char *state)
{
	for (size_t i = 0; i < h->n; i++) {
		int r = one(&h->v[i], kind, state);

		if (r < 0)
			return r;
	}
	return 0;
}

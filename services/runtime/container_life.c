/* SPDX-License-Identifier: Apache-2.0 */

/* A container that was made: its start gate is opened, and at its end it is removed. */

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "runtime/cgroup.h"
#include "runtime/container.h"
#include "runtime/fail.h"
#include "runtime/hooks.h"
#include "runtime/state.h"
#include "runtime/sys.h"
#include "lib/errno_text.h"

/* What the container's process left in the fifo: nothing when its program runs, since exec closed its end. */
static int start_result(int dir)
{
	cleanup(closep) int fd = openat(dir, "exec.opened", O_RDONLY | O_NONBLOCK | O_CLOEXEC | O_NOFOLLOW);
	char text[RT_FAIL_MAX];
	ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);

	if (n < 0 && errno == EAGAIN)
		return 0;
	if (n < 0)
		return rt_fail(errno, "read the start gate");
	if (n == 0)
		return 0;
	text[n] = '\0';
	if (n == 1)
		return rt_refuse("the container's process has ended");
	rt_reason_set(text);
	return rt_while(-EINVAL, "unable to start container process");
}

static int open_gate(const struct rt_state *s)
{
	/* First the name, so that whoever finds the container after this start was killed knows what has happened. */
	if (renameat(s->dir, "exec.fifo", s->dir, "exec.opened") < 0 && errno != ENOENT)
		return rt_fail(errno, "name the start gate");

	cleanup(closep) int fd =
		openat(s->dir, "exec.opened", O_WRONLY | O_NONBLOCK | O_CLOEXEC | O_NOFOLLOW);
	int r;

	if (fd < 0 && errno == ENXIO)
		return rt_refuse("the container's process has ended");
	if (fd < 0)
		return rt_fail(errno, "open the start gate");
	/* A reader that has just died makes this EPIPE; SIGPIPE is ignored. */
	if (write(fd, "g", 1) != 1)
		return rt_fail(errno, "pass the start gate");
	struct pollfd p = {.fd = fd};

	/* The last reader goes when the program is executed, or when that failed. */
	do
		r = poll(&p, 1, -1);
	while (r < 0 && errno == EINTR);
	if (r < 0)
		return rt_fail(errno, "wait for the program");
	r = start_result(s->dir);
	if (unlinkat(s->dir, "exec.opened", 0) < 0)
		return rt_fail(errno, "remove the start gate");
	return r;
}

int rt_container_start(const char *root, const char *id)
{
	cleanup(closep) int dir = rt_root_open(root, false);
	struct rt_state s;
	enum rt_status status;
	int r = dir < 0 ? dir : rt_state_load(&s, dir, id, LOCK_EX);

	if (dir < 0)
		return r;
	if (r == 0)
		r = rt_state_status(&s, &status, NULL);
	if (r == 0 && status != RT_CREATED) {
		if (status == RT_STOPPED)
			r = rt_refuse("cannot start a container that has stopped");
		else
			r = rt_refuse("cannot start a container in the %s state", rt_status_name(status));
	}
	if (r == 0)
		r = open_gate(&s);
	if (r == 0 && s.poststart.n) {
		cleanup(freep) char *text =
			rt_state_oci(s.version, s.id, "running", s.pid, s.bundle, s.annotations);

		r = text ? rt_hooks_run(&s.poststart, "poststart", text)
			 : rt_fail(ENOMEM, "describe the state");
		/* The program runs already; as runc does, it does not survive a failed hook. */
		if (r < 0 && kill(s.pid, SIGKILL) < 0)
			rt_warn("process %ld: %s", (long)s.pid, errno_text(errno));
	}
	rt_state_fini(&s);
	return r;
}

static int kill_and_wait(const struct rt_state *s, int pidfd)
{
	cleanup(closep) int group = rt_cgroup_open(s->cgroup);
	struct pollfd p = {.fd = pidfd, .events = POLLIN};
	int r;

	if (group < 0 && group != -ENOENT)
		return group;
	if (group >= 0) {
		r = rt_cgroup_kill(group);
		if (r < 0)
			return r;
	} else if (sys_pidfd_send_signal(pidfd, SIGKILL) < 0 && errno != ESRCH) {
		return rt_fail(errno, "kill process %ld", (long)s->pid);
	}
	do
		r = poll(&p, 1, 10000);
	while (r < 0 && errno == EINTR);
	return r == 1 ? 0 : rt_refuse("process %ld does not end", (long)s->pid);
}

/* Of a create that was itself killed: a directory without a state. */
static int delete_remains(int root, const char *id)
{
	cleanup(closep) int dir = openat(root, id, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);

	return dir < 0 ? 0 : rt_state_remove(root, id);
}

int rt_container_delete(const char *root_path, const char *id, bool force)
{
	cleanup(closep) int root = rt_root_open(root_path, false);
	cleanup(closep) int pidfd = -1;
	struct rt_state s;
	enum rt_status status = RT_STOPPED;
	int r = root < 0 ? root : rt_state_load(&s, root, id, LOCK_EX);

	if (root < 0)
		return force && root == -ENOENT ? 0 : r;
	if (r == 0)
		r = rt_state_status(&s, &status, &pidfd);
	if (r == 0 && status != RT_STOPPED && status != RT_CREATED && !force)
		r = rt_refuse(
			"cannot delete container %s that is not stopped: %s", id, rt_status_name(status));
	else if (r == 0 && status != RT_STOPPED)
		r = kill_and_wait(&s, pidfd);
	if (r == 0)
		r = rt_cgroup_remove(s.cgroup);
	if (r == 0 && s.poststop.n) {
		cleanup(freep) char *text =
			rt_state_oci(s.version, s.id, "stopped", 0, s.bundle, s.annotations);

		/* The container is gone either way (runtime specification, "Poststop"). */
		if (text && rt_hooks_run(&s.poststop, "poststop", text) < 0)
			rt_warn("%s", rt_reason());
	}
	if (r == 0)
		r = rt_state_remove(root, id);
	else if (r == -ENOENT && force && rt_id_check(id) == 0)
		r = delete_remains(root, id);
	rt_state_fini(&s);
	return r;
}

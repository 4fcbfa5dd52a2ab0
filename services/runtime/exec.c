/* SPDX-License-Identifier: Apache-2.0 */

/*
 * exec: a process is born into the container's cgroup and pid namespace, joins the other namespaces in one
 * setns() on the first process's pidfd, and goes the way of process.c. It has nothing of the container's to
 * trust: it resolves no name of the container's before it has given up its rights, except its own working
 * directory and terminal.
 */

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "lib/errno_text.h"
#include "lib/initctl.h"
#include "runtime/cgroup.h"
#include "runtime/container.h"
#include "runtime/exec.h"
#include "runtime/fail.h"
#include "runtime/fdpass.h"
#include "runtime/process.h"
#include "runtime/procfs.h"
#include "runtime/pty.h"
#include "runtime/sys.h"

struct job {
	const struct rt_exec *e;
	struct rt_seccomp seccomp;
	char *oci; /* owned: the state a seccomp listener is told */
	int sock, peer, listener, cgroup, init;
	pid_t pid;
	int pidfd;
	bool watched;
};

static int take_console(const struct job *j)
{
	const struct oci_process *p = j->e->process;
	cleanup(closep) int root = -1, slave = -1, master = -1;

	if (!p->terminal)
		return 0;
	root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (root < 0)
		return rt_fail(errno, "open the container's root");
	master = rt_pty_open(root, &slave);
	return master < 0 ? master : rt_pty_take(master, slave, j->e->console, p);
}

static int enter(const struct job *j)
{
	const struct oci_process *p = j->e->process;
	int flags = (int)(j->e->state->ns & ~(uint32_t)CLONE_NEWPID);
	struct rt_word w;
	int r;

	if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || setsid() < 0)
		return rt_fail(errno, "begin a session");
	/* init has to hold this process before it does anything. */
	r = rt_word_recv(j->peer, &w);
	if (r < 0)
		return rt_fail(-r, "the command is gone");
	if (setns(j->e->init, flags) < 0)
		return rt_fail(errno, "join the container's namespaces");
	if (flags & CLONE_NEWUSER) {
		if (setresgid(0, 0, 0) < 0 || setresuid(0, 0, 0) < 0)
			return rt_fail(errno, "become root of the user namespace");
		if (prctl(PR_SET_DUMPABLE, 0) < 0)
			return rt_fail(errno, "stay undumpable");
	}
	if (chdir("/") < 0)
		return rt_fail(errno, "enter the container's root");
	r = take_console(j);
	if (r == 0 && p->affinity_final)
		r = rt_affinity_apply(p->affinity_final);
	return r;
}

_Noreturn static void child(struct job *j)
{
	struct rt_process p = {
		.spec = j->e->process,
		.seccomp = &j->seccomp,
		.personality = j->e->state->personality,
		.preserve_fds = j->e->preserve_fds,
		.listener_metadata = j->e->state->listener_metadata,
		.listener_socket = j->listener,
	};
	int r = enter(j);

	if (r == 0)
		r = rt_process_prepare(&p);
	if (r == 0 && prctl(PR_SET_PDEATHSIG, 0) < 0)
		r = rt_fail(errno, "prctl");
	if (r == 0)
		r = rt_process_exec(&p, j->oci ? j->oci : "{}");
	/* The socket closes at exec, which is how success is told. */
	_exit(rt_word_send(j->peer, -r, 0, rt_reason()) < 0 ? 125 : r == -ENOENT ? 127 : 126);
}

/* Of the host, before any namespace is joined: only there may the value be lowered. */
static int oom_score(const struct oci_process *p)
{
	char path[40], text[16];

	if (!p->has_oom_score_adj)
		return 0;
	cleanup(closep) int proc = rt_procfs_open();

	if (proc < 0)
		return proc;
	snprintf(path, sizeof(path), "%ld/oom_score_adj", (long)getpid());
	snprintf(text, sizeof(text), "%lld", (long long)p->oom_score_adj);
	return rt_procfs_write(proc, path, text);
}

/* Where the container's first process is: it may have moved below its group to manage groups of its own. */
static int cgroup_of(const struct rt_state *s)
{
	cleanup(closep) int proc = rt_procfs_open();
	cleanup(closep) int fd = -1;
	char path[40], text[RT_CGROUP_PATH_MAX];
	size_t n = strlen(s->cgroup);

	if (proc < 0)
		return proc;
	snprintf(path, sizeof(path), "%ld/cgroup", (long)s->pid);
	fd = rt_procfs_openat(proc, path, O_RDONLY);
	ssize_t len = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);

	if (len < 5)
		return rt_fail(ESRCH, "find the cgroup of process %ld", (long)s->pid);
	text[len] = '\0';
	text[strcspn(text, "\n")] = '\0';
	if (strncmp(text, "0::/", 4) || strncmp(text + 4, s->cgroup, n) ||
		(text[4 + n] && text[4 + n] != '/'))
		return rt_refuse("process %ld has left the container's cgroup", (long)s->pid);
	return rt_cgroup_open(text + 4);
}

static int open_cgroup(const struct rt_exec *e)
{
	char path[RT_CGROUP_PATH_MAX], whole[RT_CGROUP_PATH_MAX];
	int fd, r;

	if (!e->cgroup)
		return rt_cgroup_open(e->state->cgroup);
	if (snprintf(whole, sizeof(whole), "%s/%s", e->state->cgroup, e->cgroup) >= (int)sizeof(whole))
		return rt_refuse("--cgroup is too long");
	r = rt_cgroup_path(path, whole, "");
	fd = r < 0 ? r : rt_cgroup_open(path);
	return fd == -ENOENT ? rt_refuse("--cgroup: the container has no group %s", e->cgroup) : fd;
}

static int bear(struct job *j)
{
	struct clone_args a = {
		.flags = CLONE_PIDFD | CLONE_INTO_CGROUP,
		.pidfd = (uintptr_t)&j->pidfd,
		.exit_signal = SIGCHLD,
	};

	if ((j->e->state->ns & CLONE_NEWPID) && setns(j->e->init, CLONE_NEWPID) < 0)
		return rt_fail(errno, "join the container's pid namespace");
	for (int again = 0;; again++) {
		a.cgroup = (uint64_t)j->cgroup;
		j->pid = sys_clone3(&a);
		/* A group with groups below it takes no processes itself. */
		if (j->pid >= 0 || errno != EBUSY || again || j->e->cgroup)
			break;
		closep(&j->cgroup);
		j->cgroup = cgroup_of(j->e->state);
		if (j->cgroup < 0)
			return j->cgroup;
	}
	if (j->pid < 0)
		return rt_fail(errno, "start a process in the container");
	if (j->pid == 0) {
		closep(&j->sock);
		closep(&j->cgroup);
		child(j);
	}
	closep(&j->peer);
	return 0;
}

static int prepare(struct job *j)
{
	const struct rt_exec *e = j->e;
	const struct rt_state *s = e->state;
	int pair[2], r = rt_seccomp_read(&j->seccomp, s->dir);

	if (r < 0)
		return r;
	if (j->seccomp.notify) {
		if (!s->listener_path)
			return rt_refuse("the container's filter notifies a listener that is not known");
		j->listener = rt_unix_connect(s->listener_path, "seccomp listener");
		j->oci = rt_state_oci(s->version, s->id, "running", s->pid, s->bundle, s->annotations);
		if (j->listener < 0 || !j->oci)
			return j->listener < 0 ? j->listener : rt_fail(ENOMEM, "describe the state");
	}
	r = oom_score(e->process);
	if (r < 0)
		return r;
	if (e->supervise) {
		j->init = initctl_open();
		if (j->init < 0)
			return rt_fail(-j->init, "reach init, which is to supervise the process");
	}
	j->cgroup = open_cgroup(e);
	if (j->cgroup < 0)
		return j->cgroup == -ENOENT ? rt_refuse("container not running") : j->cgroup;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return rt_fail(errno, "socketpair");
	j->sock = pair[0];
	j->peer = pair[1];
	return 0;
}

/* Silence is success. */
static int result(struct job *j)
{
	struct rt_word w;
	int r = rt_word_recv(j->sock, &w);

	if (r < 0)
		return 0;
	rt_reason_set(w.text);
	return rt_while(w.err ? -w.err : -EINVAL, "exec failed: unable to start container process");
}

static int steps(struct job *j)
{
	const char *cpus = j->e->process->affinity_initial;
	int r = prepare(j);

	/* The new process has it from here, as the container's group need not have these processors. */
	if (r == 0 && cpus)
		r = rt_affinity_apply(cpus);
	if (r == 0)
		r = bear(j);
	if (r < 0)
		return r;
	if (j->e->supervise) {
		r = initctl_watch(j->init, j->e->supervise, j->pidfd);
		if (r < 0)
			return rt_fail(-r, "let init supervise the process as %s", j->e->supervise);
		j->watched = true;
	}
	r = j->e->state->ns & CLONE_NEWUSER ? rt_process_raise_limits(j->pid, j->e->process) : 0;
	if (r < 0)
		return r;
	r = rt_word_send(j->sock, 0, 0, "");
	/* It may have died before; then it said why. */
	if (r < 0 && result(j) == 0)
		return rt_fail(-r, "the new process is lost");
	return r < 0 ? -EINVAL : result(j);
}

pid_t rt_exec(const struct rt_exec *e, int *pidfd)
{
	struct job j = {
		.e = e, .sock = -1, .peer = -1, .listener = -1, .cgroup = -1, .init = -1, .pidfd = -1};
	int r = steps(&j);

	if (r < 0 && j.pid > 0) {
		sys_pidfd_send_signal(j.pidfd, SIGKILL);
		while (waitpid(j.pid, NULL, 0) < 0 && errno == EINTR)
			;
		if (j.watched) {
			int u = initctl_unwatch(j.init, e->supervise);

			if (u < 0 && u != -ENOENT)
				rt_warn("init still holds %s: %s", e->supervise, errno_text(-u));
		}
	}
	if (r == 0)
		*pidfd = take_fd(j.pidfd);
	closep(&j.sock);
	closep(&j.peer);
	closep(&j.listener);
	closep(&j.cgroup);
	closep(&j.init);
	closep(&j.pidfd);
	free(j.oci);
	rt_seccomp_fini(&j.seccomp);
	return r < 0 ? r : j.pid;
}

/* SPDX-License-Identifier: Apache-2.0 */

/* The command's half of making a container; container.h tells the whole story. */

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
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
#include "runtime/fail.h"
#include "runtime/fdpass.h"
#include "runtime/hooks.h"
#include "runtime/ns.h"
#include "runtime/pidfile.h"
#include "runtime/process.h"
#include "runtime/seccomp.h"
#include "runtime/sources.h"
#include "runtime/state.h"
#include "runtime/sys.h"

/* What has been made so far: what undo() takes away. */
struct making {
	const struct rt_create *c;
	const struct oci_spec *spec;
	int root, dir, fifo, cgroup, sock, child_sock, init, console, listener, pidfd_socket, host_pidns;
	int *sources; /* owned; see sources.h */
	struct rt_seccomp seccomp;
	struct rt_namespaces ns;
	char cgroup_path[RT_CGROUP_PATH_MAX];
	unsigned cgroup_made;
	bool state_made, watched, pid_file_made;
	pid_t pid;
	int pidfd;
};

static void making_init(struct making *m, const struct rt_create *c, const struct oci_spec *spec)
{
	memset(m, 0, sizeof(*m));
	m->c = c;
	m->spec = spec;
	m->root = m->dir = m->fifo = m->cgroup = m->sock = m->child_sock = m->init = m->console = -1;
	m->listener = m->pidfd_socket = m->pidfd = m->host_pidns = -1;
	rt_ns_init(&m->ns);
}

static void making_fini(struct making *m)
{
	int *const fds[] = {&m->root, &m->dir, &m->fifo, &m->cgroup, &m->sock, &m->child_sock, &m->init,
		&m->console, &m->listener, &m->pidfd_socket, &m->pidfd, &m->host_pidns};

	for (size_t i = 0; i < array_len(fds); i++)
		closep(fds[i]);
	rt_sources_close(m->sources, m->spec);
	rt_seccomp_fini(&m->seccomp);
	rt_ns_fini(&m->ns);
}

/* In reverse; the first reason stays, because it is why. */
static void undo(struct making *m)
{
	char why[RT_FAIL_MAX];
	int r = 0;

	snprintf(why, sizeof(why), "%s", rt_reason());
	if (m->pid_file_made && unlink(m->c->pid_file) < 0)
		rt_warn("%s stays behind: %s", m->c->pid_file, errno_text(errno));
	if (m->pid > 0) {
		sys_pidfd_send_signal(m->pidfd, SIGKILL);
		while (waitpid(m->pid, NULL, 0) < 0 && errno == EINTR)
			;
	}
	if (m->watched)
		r = initctl_unwatch(m->init, m->c->supervise);
	if (r < 0 && r != -ENOENT)
		rt_warn("init still holds %s: %s", m->c->supervise, errno_text(-r));
	r = 0;
	if (m->cgroup >= 0 && m->cgroup_made) {
		closep(&m->cgroup);
		r = rt_cgroup_remove(m->cgroup_path);
		if (m->cgroup_made > 1)
			rt_cgroup_unmake(m->cgroup_path, m->cgroup_made);
	}
	if (r == 0 && m->state_made)
		r = rt_state_remove(m->root, m->c->id);
	if (r < 0)
		rt_warn("undo: %s", rt_reason());
	rt_reason_set(why);
}

static int make_gate(struct making *m)
{
	/* Private to root: whoever can write to it starts the container. */
	if (mkfifoat(m->dir, "exec.fifo", 0600) < 0)
		return rt_fail(errno, "make the start gate");
	m->fifo = openat(m->dir, "exec.fifo", O_RDWR | O_CLOEXEC | O_NOFOLLOW);
	return m->fifo < 0 ? rt_fail(errno, "open the start gate") : 0;
}

static int prepare(struct making *m)
{
	const struct rt_create *c = m->c;
	int r;

	m->root = rt_root_open(c->root, true);
	if (m->root < 0)
		return m->root;
	m->dir = rt_state_make(m->root, c->id);
	if (m->dir < 0)
		return m->dir;
	m->state_made = true;
	r = make_gate(m);
	if (r == 0)
		r = rt_seccomp_compile(&m->seccomp, &m->spec->seccomp, m->root, m->dir);
	if (r == 0)
		r = rt_ns_open(&m->ns, m->spec);
	if (r == 0)
		r = rt_cgroup_path(m->cgroup_path, m->spec->cgroups_path, c->id);
	if (r < 0)
		return r;
	m->cgroup = rt_cgroup_create(m->cgroup_path, &m->cgroup_made);
	if (m->cgroup < 0)
		return m->cgroup;
	r = rt_cgroup_apply(m->cgroup, &m->spec->resources, true, !m->cgroup_made);
	if (r == 0)
		r = rt_sources_open(&m->sources, m->spec, m->ns.join[NS_USER]);
	if (r < 0)
		return r;
	if (m->spec->process.terminal) {
		if (c->console_fd >= 0)
			m->console = fcntl(c->console_fd, F_DUPFD_CLOEXEC, 3);
		else if (c->console_socket)
			m->console = rt_unix_connect(c->console_socket, "console socket");
		else
			return rt_refuse(
				"cannot allocate tty if runtime will detach without setting console socket");
		if (m->console < 0)
			return m->console;
	} else if (c->console_socket && *c->console_socket) {
		return rt_refuse("cannot use console socket if runtime will not detach or allocate tty");
	}
	if (m->seccomp.notify) {
		m->listener = rt_unix_connect(m->spec->seccomp.listener_path, "seccomp listener");
		if (m->listener < 0)
			return m->listener;
	}
	if (c->pidfd_socket) {
		m->pidfd_socket = rt_unix_connect(c->pidfd_socket, "pidfd socket");
		if (m->pidfd_socket < 0)
			return m->pidfd_socket;
	}
	if (c->supervise) {
		m->init = initctl_open();
		if (m->init < 0)
			return rt_fail(-m->init, "reach init, which is to supervise the container");
	}
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return rt_fail(errno, "socketpair");
	m->sock = pair[0];
	m->child_sock = pair[1];
	return 0;
}

/* In the new process; does not return. */
_Noreturn static void born(struct making *m, struct rt_child *child)
{
	/* The lock on the state directory, and the command's end of the socket, must not live on in the child. */
	closep(&m->dir);
	closep(&m->root);
	closep(&m->sock);
	closep(&m->init);
	closep(&m->pidfd_socket);
	rt_child_main(child);
}

static pid_t clone_child(struct making *m, uint64_t more, int exit_signal)
{
	struct clone_args a = {
		.flags = (m->ns.fresh & ~(uint64_t)(CLONE_NEWCGROUP | CLONE_NEWTIME)) | CLONE_PIDFD |
			 CLONE_INTO_CGROUP | more,
		.pidfd = (uintptr_t)&m->pidfd,
		.exit_signal = (uint64_t)exit_signal,
		.cgroup = (uint64_t)m->cgroup,
	};

	return sys_clone3(&a);
}

struct midwife_word {
	pid_t pid;
	int pidfd, err;
};

/*
 * New namespaces belong to the user namespace of who makes them, and procfs and sysfs can be mounted only where
 * that is the container's. So a process between enters the user namespace that is joined, and bears the
 * container's there, as a child of the command (CLONE_PARENT). It shares the command's descriptors, and thereby
 * the pidfd; it ends before the command goes on.
 */
_Noreturn static void midwife(struct making *m, struct rt_child *child, int out)
{
	struct midwife_word w = {.pidfd = -1};

	if ((m->ns.join[NS_PID] >= 0 && setns(m->ns.join[NS_PID], CLONE_NEWPID) < 0) ||
		setns(m->ns.join[NS_USER], CLONE_NEWUSER) < 0) {
		w.err = errno;
	} else {
		w.pid = clone_child(m, CLONE_PARENT, 0);
		if (w.pid == 0) {
			child->in_userns = true;
			born(m, child);
		}
		w.err = w.pid < 0 ? errno : 0;
		w.pidfd = m->pidfd;
	}
	_exit(write(out, &w, sizeof(w)) == sizeof(w) ? 0 : 1);
}

static int bear_in_userns(struct making *m, struct rt_child *child)
{
	struct clone_args a = {.flags = CLONE_FILES, .exit_signal = SIGCHLD};
	struct midwife_word w;
	int pair[2];

	if (pipe2(pair, O_CLOEXEC) < 0)
		return rt_fail(errno, "pipe");
	cleanup(closep) int in = pair[0], out = pair[1];
	pid_t between = sys_clone3(&a);

	if (between < 0)
		return rt_fail(errno, "start the container's process");
	if (between == 0)
		midwife(m, child, out);
	while (waitpid(between, NULL, 0) < 0 && errno == EINTR)
		;
	/* The descriptor table is shared: only here may the writing end go. */
	closep(&out);
	if (read(in, &w, sizeof(w)) != sizeof(w))
		return rt_refuse("the process that enters the user namespace died");
	if (w.err)
		return rt_fail(w.err, "start the container's process in the user namespace that it joins");
	m->pid = w.pid;
	m->pidfd = w.pidfd;
	return 0;
}

/* Born into its cgroup and its namespaces. In the child this does not return. */
static int bear(struct making *m, struct rt_child *child)
{
	if (m->ns.join[NS_USER] >= 0) {
		int r = bear_in_userns(m, child);

		closep(&m->child_sock);
		return r;
	}
	if (m->ns.join[NS_PID] >= 0) {
		m->host_pidns = open("/proc/self/ns/pid", O_RDONLY | O_CLOEXEC);
		if (m->host_pidns < 0 || setns(m->ns.join[NS_PID], CLONE_NEWPID) < 0)
			return rt_fail(errno, "join the pid namespace");
	}
	m->pid = clone_child(m, 0, SIGCHLD);
	if (m->pid < 0)
		return rt_fail(errno, "start the container's process");
	if (m->pid == 0)
		born(m, child);
	closep(&m->child_sock);
	/* Hooks are the host's. */
	if (m->host_pidns >= 0 && setns(m->host_pidns, CLONE_NEWPID) < 0)
		return rt_fail(errno, "return to the pid namespace");
	return 0;
}

static int write_state(struct making *m)
{
	struct rt_state_new n = {
		.spec = m->spec,
		.id = m->c->id,
		.bundle = m->c->bundle,
		.cgroup = m->cgroup_path,
		.supervise = m->c->supervise,
		.pid = m->pid,
		.pid_inode = rt_pidfd_inode(m->pidfd),
		.ns = (uint32_t)m->ns.differ,
	};
	char rootfs[PATH_MAX];

	if (m->spec->root_path[0] == '/')
		n.rootfs = m->spec->root_path;
	else if (snprintf(rootfs, sizeof(rootfs), "%s/%s", m->c->bundle, m->spec->root_path) < PATH_MAX)
		n.rootfs = rootfs;
	else
		return rt_refuse("root.path is too long");
	return rt_state_write(m->dir, &n);
}

static int runtime_hooks(struct making *m)
{
	const struct oci_spec *s = m->spec;
	cleanup(freep) char *state = NULL;
	int r;

	if (!s->prestart.n && !s->create_runtime.n)
		return 0;
	state = rt_state_oci(s->version, m->c->id, "creating", m->pid, m->c->bundle, s->annotations);
	if (!state)
		return rt_fail(ENOMEM, "describe the state");
	r = rt_hooks_run(&s->prestart, "prestart", state);
	return r < 0 ? r : rt_hooks_run(&s->create_runtime, "createRuntime", state);
}

static int write_pid_file(struct making *m)
{
	int r = m->c->pid_file ? rt_pid_file_write(m->c->pid_file, m->pid) : 0;

	m->pid_file_made = r == 0 && m->c->pid_file;
	return r;
}

/* The child's answer; when it died without one, how. */
static int await_ready(struct making *m)
{
	struct rt_word w;
	int r = rt_word_recv(m->sock, &w), status;

	if (r == 0 && w.err == 0)
		return 0;
	if (r == 0) {
		rt_reason_set(w.text);
		return -w.err;
	}
	if (waitpid(m->pid, &status, 0) != m->pid)
		return rt_fail(-r, "the container's process is lost");
	m->pid = 0;
	if (WIFSIGNALED(status))
		rt_refuse("the container's process was ended by signal %d while being set up%s",
			WTERMSIG(status),
			WTERMSIG(status) == SIGKILL ? ": its memory limit may be too low" : "");
	else
		rt_refuse("the container's process ended with status %d while being set up",
			WEXITSTATUS(status));
	return -ECHILD;
}

static int run_steps(struct making *m)
{
	const struct oci_spec *s = m->spec;
	char oom[16];
	struct rt_child child = {
		.c = m->c,
		.spec = s,
		.seccomp = &m->seccomp,
		.ns = &m->ns,
		.wait_hooks = s->prestart.n || s->create_runtime.n || s->create_container.n ||
			      s->start_container.n || m->seccomp.notify,
	};
	int r = prepare(m);

	if (r < 0)
		return r;
	child.sources = m->sources;
	/* Maps, limits and the OOM score come from outside a user namespace, be it made or joined. */
	child.wait_early = m->ns.differ & CLONE_NEWUSER;
	child.wait_hooks |= m->seccomp.notify;
	child.sock = m->child_sock;
	child.fifo = m->fifo;
	child.cgroup = m->cgroup_path;
	child.console = m->console;
	child.listener = m->listener;
	r = bear(m, &child);
	if (r < 0)
		return r;
	if (m->c->supervise) {
		r = initctl_watch(m->init, m->c->supervise, m->pidfd);
		if (r < 0)
			return rt_fail(-r, "let init supervise the container as %s", m->c->supervise);
		m->watched = true;
	}
	snprintf(oom, sizeof(oom), "%lld", (long long)s->process.oom_score_adj);
	if (m->ns.differ & CLONE_NEWUSER) {
		static const struct oci_idmaps none;
		bool fresh = m->ns.fresh & CLONE_NEWUSER; /* one that is joined has its maps */

		r = rt_ns_map_ids(m->pid, fresh ? &s->uids : &none, fresh ? &s->gids : &none,
			s->process.has_oom_score_adj ? oom : NULL);
		if (r == 0)
			r = rt_process_raise_limits(m->pid, &s->process);
		if (r < 0)
			return r;
	}
	if (child.wait_early) {
		r = rt_word_send(m->sock, 0, m->pid, "");
		if (r < 0)
			return await_ready(m) ?: rt_fail(-r, "the container's process is lost");
	}
	r = write_state(m);
	if (r == 0)
		r = runtime_hooks(m);
	if (r < 0)
		return r;
	if (child.wait_hooks) {
		r = rt_word_send(m->sock, 0, m->pid, "");
		if (r < 0)
			return await_ready(m) ?: rt_fail(-r, "the container's process is lost");
	}
	r = await_ready(m);
	if (r < 0)
		return rt_while(r, "unable to start container process");
	r = m->pidfd_socket < 0 ? 0 : rt_pidfd_send(m->pidfd_socket, m->pidfd, "standard");
	return r < 0 ? r : write_pid_file(m);
}

int rt_container_create(const struct rt_create *c, const struct oci_spec *spec, struct rt_created *out)
{
	struct making m;
	int r;

	making_init(&m, c, spec);
	r = run_steps(&m);
	if (r < 0) {
		undo(&m);
	} else {
		out->pid = m.pid;
		out->pidfd = take_fd(m.pidfd);
	}
	making_fini(&m);
	return r;
}

/* SPDX-License-Identifier: Apache-2.0 */

/* The container's first process, from birth to the execution of its program. */

#include <errno.h>
#include <grp.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>

#include "runtime/container.h"
#include "runtime/fail.h"
#include "runtime/hooks.h"
#include "runtime/ns.h"
#include "runtime/process.h"
#include "runtime/procfs.h"
#include "runtime/pty.h"
#include "runtime/rootfs.h"
#include "runtime/state.h"
#include "runtime/sys.h"
#include "runtime/sysctl.h"

int rt_word_send(int sock, int err, pid_t pid, const char *text)
{
	struct rt_word w = {.err = err, .pid = pid};
	ssize_t n;

	snprintf(w.text, sizeof(w.text), "%s", text);
	do
		n = send(sock, &w, offsetof(struct rt_word, text) + strlen(w.text) + 1, MSG_NOSIGNAL);
	while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : 0;
}

int rt_word_recv(int sock, struct rt_word *w)
{
	ssize_t n;

	memset(w, 0, sizeof(*w));
	do
		n = recv(sock, w, sizeof(*w) - 1, 0);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	return n < (ssize_t)offsetof(struct rt_word, text) ? -EPIPE : 0;
}

static int go(struct rt_child *ch, pid_t *pid)
{
	struct rt_word w;
	int r = rt_word_recv(ch->sock, &w);

	if (r == 0)
		*pid = w.pid;
	return r < 0 ? rt_fail(-r, "the command is gone") : 0;
}

static int time_offsets(struct rt_rootfs *root, const struct oci_spec *s)
{
	char text[128], path[40];
	int n = 0, proc;

	if (s->monotonic.set)
		n += snprintf(text, sizeof(text), "monotonic %lld %u\n", (long long)s->monotonic.secs,
			s->monotonic.nanosecs);
	if (s->boottime.set)
		n += snprintf(text + n, sizeof(text) - (size_t)n, "boottime %lld %u\n",
			(long long)s->boottime.secs, s->boottime.nanosecs);
	if (!n)
		return 0;
	proc = rt_rootfs_proc(root);
	if (proc < 0)
		return proc;
	snprintf(path, sizeof(path), "%ld/timens_offsets", (long)getpid());
	return rt_procfs_write(proc, path, text);
}

/* Namespaces that clone3() could not make, and the names that live in them. */
static int namespaces(struct rt_child *ch, struct rt_rootfs *root)
{
	const struct oci_spec *s = ch->spec;
	/* A cgroup namespace begins at its maker's group, which clone3() has not entered yet when it makes
	 * them. */
	uint64_t late = ch->ns->fresh & (CLONE_NEWCGROUP | CLONE_NEWTIME);
	int r;

	r = rt_ns_join(ch->ns, ch->in_userns);
	if (r < 0)
		return r;
	if (late && syscall(SYS_unshare, late) < 0)
		return rt_fail(errno, "make namespaces");
	if (ch->ns->differ & CLONE_NEWUSER) {
		if ((setgroups(0, NULL) < 0 && errno != EPERM) || setresgid(0, 0, 0) < 0 ||
			setresuid(0, 0, 0) < 0)
			return rt_fail(errno, "become root of the user namespace");
		if (prctl(PR_SET_DUMPABLE, 0) < 0)
			return rt_fail(errno, "stay undumpable");
	}
	if (ch->ns->fresh & CLONE_NEWTIME) {
		r = time_offsets(root, s);
		if (r < 0)
			return r;
	}
	if (ch->ns->fresh & CLONE_NEWNET) {
		r = rt_ns_loopback_up();
		if (r < 0)
			return r;
	}
	if (s->hostname && *s->hostname) {
		if (!(ch->ns->differ & CLONE_NEWUTS))
			return rt_refuse("hostname needs a UTS namespace");
		if (sethostname(s->hostname, strlen(s->hostname)) < 0)
			return rt_fail(errno, "set the host name %s", s->hostname);
	}
	if (s->domainname && *s->domainname) {
		if (!(ch->ns->differ & CLONE_NEWUTS))
			return rt_refuse("domainname needs a UTS namespace");
		if (setdomainname(s->domainname, strlen(s->domainname)) < 0)
			return rt_fail(errno, "set the domain name %s", s->domainname);
	}
	return 0;
}

static int kernel_settings(struct rt_child *ch, struct rt_rootfs *root)
{
	char text[16];
	int proc, r;

	if (!ch->spec->sysctl && !ch->spec->process.has_oom_score_adj)
		return 0;
	proc = rt_rootfs_proc(root);
	if (proc < 0)
		return proc;
	r = rt_sysctl_apply(proc, ch->spec->sysctl, ch->ns->differ, ch->spec->hostname != NULL);
	if (r < 0 || !ch->spec->process.has_oom_score_adj || (ch->ns->differ & CLONE_NEWUSER))
		return r;
	char path[40];

	snprintf(path, sizeof(path), "%ld/oom_score_adj", (long)getpid());
	snprintf(text, sizeof(text), "%lld", (long long)ch->spec->process.oom_score_adj);
	return rt_procfs_write(proc, path, text);
}

static int console(struct rt_child *ch, struct rt_rootfs *root)
{
	const struct oci_process *p = &ch->spec->process;
	cleanup(closep) int slave = -1;

	if (!p->terminal)
		return 0;
	cleanup(closep) int master = rt_rootfs_console(root, &slave);

	if (master < 0)
		return master;
	return rt_pty_take(master, slave, ch->console, p);
}

static int build_root(struct rt_child *ch, struct rt_rootfs *root, const char *state)
{
	int r = rt_rootfs_open(root);

	if (r == 0)
		r = rt_rootfs_mounts(root);
	if (r == 0)
		r = rt_rootfs_devices(root);
	if (r == 0)
		r = console(ch, root);
	if (r == 0 && ch->spec->create_container.n)
		r = rt_hooks_run(&ch->spec->create_container, "createContainer", state);
	if (r == 0)
		r = rt_rootfs_masks(root);
	if (r == 0)
		r = rt_rootfs_enter(root);
	return r;
}

/* Waits for start. The fifo is open for reading and writing, so this neither blocks at open nor sees an end.
 */
static int gate(int fifo)
{
	char c;
	ssize_t n;

	do
		n = read(fifo, &c, 1);
	while (n < 0 && errno == EINTR);
	return n == 1 ? 0 : rt_fail(n < 0 ? errno : EPIPE, "wait at the start gate");
}

/* Everything up to the gate. */
static int set_up(struct rt_child *ch, struct rt_process *p, char **state)
{
	struct rt_rootfs root;
	pid_t pid = 0;
	int r;

	rt_rootfs_init(&root);
	root.spec = ch->spec;
	root.bundle = AT_FDCWD;
	root.cgroup = ch->cgroup;
	root.own_cgroup_ns = ch->ns->differ & CLONE_NEWCGROUP;
	root.userns = ch->ns->differ & CLONE_NEWUSER;
	root.no_pivot = ch->c->no_pivot;
	root.sources = ch->sources;

	if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0)
		return rt_fail(errno, "prctl");
	if (setsid() < 0)
		return rt_fail(errno, "setsid");
	umask(0);
	if (!ch->c->no_new_keyring && syscall(SYS_keyctl, 1 /* KEYCTL_JOIN_SESSION_KEYRING */, NULL) < 0 &&
		errno != ENOSYS)
		return rt_fail(errno, "join a session keyring of its own");
	if (ch->wait_early) {
		r = go(ch, &pid);
		if (r < 0)
			return r;
	}
	r = namespaces(ch, &root);
	if (r == 0)
		r = kernel_settings(ch, &root);
	if (r == 0 && ch->wait_hooks)
		r = go(ch, &pid);
	if (r == 0 && pid) {
		*state = rt_state_oci(
			ch->spec->version, ch->c->id, "created", pid, ch->c->bundle, ch->spec->annotations);
		if (!*state)
			r = rt_fail(ENOMEM, "describe the state");
	}
	if (r == 0)
		r = build_root(ch, &root, *state ? *state : "");
	if (r == 0)
		r = rt_process_prepare(p);
	rt_rootfs_fini(&root);
	return r;
}

_Noreturn static void fail_early(struct rt_child *ch, int r)
{
	/* When the command is gone there is nobody to tell. */
	_exit(rt_word_send(ch->sock, -r, 0, rt_reason()) < 0 ? 2 : 1);
}

_Noreturn void rt_child_main(struct rt_child *ch)
{
	struct rt_process p = {
		.spec = &ch->spec->process,
		.seccomp = ch->seccomp,
		.personality = ch->spec->personality,
		.makes_cwd = true,
		.preserve_fds = ch->c->preserve_fds,
		.listener_metadata = ch->spec->seccomp.listener_metadata,
		.listener_socket = ch->listener,
	};
	char *state = NULL;
	int r = set_up(ch, &p, &state);

	if (r < 0)
		fail_early(ch, r);
	if (prctl(PR_SET_PDEATHSIG, 0) < 0)
		fail_early(ch, rt_fail(errno, "prctl"));
	if (rt_word_send(ch->sock, 0, 0, "") < 0)
		_exit(1);
	close(ch->sock);

	r = gate(ch->fifo);
	if (r == 0 && ch->spec->start_container.n)
		r = rt_hooks_run(&ch->spec->start_container, "startContainer", state ? state : "{}");
	if (r == 0)
		r = rt_process_exec(&p, state ? state : "{}");

	/* start reads the reason once the last reader of the fifo, this process, has gone. */
	if (write(ch->fifo, rt_reason(), strlen(rt_reason())) < 0)
		_exit(126);
	_exit(r == -ENOENT ? 127 : 126);
}

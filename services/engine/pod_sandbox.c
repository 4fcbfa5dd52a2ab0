/* SPDX-License-Identifier: Apache-2.0 */

/*
 * A pod's namespaces and its /dev/shm. A child makes the namespaces and sets them up, so that nothing that fails there can
 * leave the engine in a namespace that is not its own; the engine binds their files, which keeps them when the child has gone
 * (and the first process of a shared PID namespace stays).
 */

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include "engine/engine.h"
#include "engine/files.h"
#include "engine/pod.h"
#include "engine/shm.h"
#include "engine/userns.h"
#include "lib/errno_text.h"
#include "lib/json.h"
#include "lib/link.h"
#include "lib/log.h"
#include "lib/netlink.h"

#define NSFS_MAGIC 0x6e736673

static const struct kind {
	const char *name, *file; /* as in /proc/self/ns, and below the pod's run directory */
	int flag;
} kinds[] = {
	{"user", "userns", CLONE_NEWUSER},
	{"net", "netns", CLONE_NEWNET},
	{"uts", "utsns", CLONE_NEWUTS},
	{"ipc", "ipcns", CLONE_NEWIPC},
	{"pid", "pidns", CLONE_NEWPID},
};

/* The UTS namespace goes with the network: a pod on the node's network has the node's name. */
static bool has(const struct pod *p, const struct kind *k)
{
	return k->flag == CLONE_NEWUSER	 ? p->id_base != 0
	       : k->flag == CLONE_NEWPID ? p->share_pid
	       : k->flag == CLONE_NEWIPC ? !p->host_ipc
					 : !p->host_network;
}

char *pod_ns_path(const struct pod *p, const char *kind)
{
	for (size_t i = 0; i < array_len(kinds); i++)
		if (!strcmp(kinds[i].name, kind) && has(p, &kinds[i]))
			return text_make("%s/%s", p->run, kinds[i].file);
	return NULL;
}

bool pod_sandbox_there(const struct pod *p)
{
	for (size_t i = 0; i < array_len(kinds); i++) {
		cleanup(freep) char *path = pod_ns_path(p, kinds[i].name);
		struct statfs fs;

		if (has(p, &kinds[i]) && (!path || statfs(path, &fs) < 0 || fs.f_type != NSFS_MAGIC))
			return false;
	}
	return !p->share_pid || pod_first_alive(p);
}

/* ---- in the child: each says what failed, once */

_Noreturn static void give_up(int out, const char *what, const char *which)
{
	char text[256];
	int n = snprintf(text, sizeof(text), "%s%s%s: %s", what, *which ? " " : "", which, errno_text(errno));

	_exit(write(out, text, (size_t)n) == n ? 1 : 2);
}

static void set_sysctl(int out, const char *key, const char *value)
{
	char path[256] = "/proc/sys/";
	size_t n = strlen(path);

	/* As sysctl(8) does: whichever separator comes first is it, and the other stands for itself. */
	bool dots = key[strcspn(key, "./")] == '.';

	for (; *key && n < sizeof(path) - 1; key++)
		path[n++] = (char)(dots && *key == '.' ? '/' : dots && *key == '/' ? '.' : *key);
	path[n] = 0;

	cleanup(closep) int fd = open(path, O_WRONLY | O_CLOEXEC);

	if (fd < 0 || write(fd, value, strlen(value)) < 0)
		give_up(out, "sysctl", path + strlen("/proc/sys/"));
}

static void set_up(const struct pod *p, int out)
{
	yyjson_val *sysctls = json_obj(p->spec, "Sysctls"), *k, *v;
	const char *host = json_str(p->spec, "Hostname"), *domain = json_str(p->spec, "Domainname");
	size_t i, n;

	if (!p->host_network) {
		struct netlink nl = NETLINK_CLOSED;
		struct link_change up = LINK_NO_CHANGE;

		up.up = 1;
		errno = -netlink_open(&nl, NETLINK_ROUTE, -1);
		if (errno)
			give_up(out, "netlink", "");
		errno = -link_set(&nl, 1, &up);
		if (errno)
			give_up(out, "set the loopback device up", "");
		if (sethostname(host, strlen(host)) < 0)
			give_up(out, "set the host name", host);
		if (*domain && setdomainname(domain, strlen(domain)) < 0)
			give_up(out, "set the domain name", domain);
		/* In a network of its own a container may ping and use low ports without capabilities. */
		set_sysctl(out, "net.ipv4.ip_unprivileged_port_start", "0");
		set_sysctl(out, "net.ipv4.ping_group_range", p->id_base ? "0 65535" : "0 2147483647");
	}
	json_obj_foreach (sysctls, i, n, k, v)
		set_sysctl(out, yyjson_get_str(k), yyjson_get_str(v));
}

/* Until it has begun, which closes the pipe; what it could not do, it has said itself. */
static void first_process(int program, int out)
{
	const char *what;
	int pair[2];
	char none;

	if (pipe2(pair, O_CLOEXEC) < 0)
		give_up(out, "pipe", "");

	pid_t pid = fork();

	if (pid < 0)
		give_up(out, "start the first process", "");
	if (pid == 0) {
		what = pod_first_become(program);
		give_up(out, what, "");
	}
	close(pair[1]);
	while (read(pair[0], &none, 1) < 0 && errno == EINTR)
		;
	if (waitpid(pid, NULL, WNOHANG) != 0)
		_exit(1);
}

/* Says so, with an empty string, when all are made, and keeps them until it is ended. @userns: -1: the node's. */
_Noreturn static void make(const struct pod *p, int userns, int out)
{
	int flags = 0, program = -1;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	errno = p->share_pid ? -pod_first_prepare(p, &program) : 0;
	if (errno)
		give_up(out, "prepare the first process", "");
	for (size_t i = 0; i < array_len(kinds); i++)
		flags |= has(p, &kinds[i]) && kinds[i].flag != CLONE_NEWUSER ? kinds[i].flag : 0;
	/* the others are to belong to it, and its root sets them up */
	if (userns >= 0 && (setns(userns, CLONE_NEWUSER) < 0 || setgroups(0, NULL) < 0 ||
				   setresgid(0, 0, 0) < 0 || setresuid(0, 0, 0) < 0))
		give_up(out, "enter namespace", "user");
	if (unshare(flags) < 0)
		give_up(out, "make namespaces", "");
	set_up(p, out);
	if (p->share_pid)
		first_process(program, out);
	if (write(out, "", 1) != 1)
		_exit(2);
	for (;;)
		pause();
}

/* ---- in the engine */

static int bind_all(const struct pod *p, pid_t pid, char **msg)
{
	for (size_t i = 0; i < array_len(kinds); i++) {
		char from[64];
		cleanup(freep) char *to = pod_ns_path(p, kinds[i].name);

		if (!has(p, &kinds[i]))
			continue;
		/* a process does not enter the PID namespace that it makes: its children do */
		snprintf(from, sizeof(from), "/proc/%d/ns/%s", (int)pid,
			kinds[i].flag == CLONE_NEWPID ? "pid_for_children" : kinds[i].name);
		cleanup(closep) int file =
			to ? open(to, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0444) : -1;

		if (file >= 0 && mount(from, to, NULL, MS_BIND, NULL) == 0)
			continue;

		int err = -errno;

		*msg = text_make("cannot make the namespaces of pod %s: bind namespace %s: %s", p->uid,
			kinds[i].name, errno_text(-err));
		return err;
	}
	return 0;
}

static int namespaces(const struct pod *p, char **msg)
{
	cleanup(closep) int userns = -1;
	char text[257];
	int pair[2], err = p->id_base ? userns_new(p->id_base, &userns) : 0;

	if (p->host_network && p->host_ipc && !p->share_pid)
		return 0;
	if (err || pipe2(pair, O_CLOEXEC) < 0)
		return err ? err : -errno;

	cleanup(closep) int in = pair[0], out = pair[1];
	pid_t pid = fork();

	if (pid < 0)
		return -errno;
	if (pid == 0)
		make(p, userns, out);
	closep(&out);
	out = -1;

	ssize_t n = read(in, text, sizeof(text) - 1);

	if (n > 0 && !*text) {
		err = bind_all(p, pid, msg);
	} else if (n > 0) {
		text[n] = 0;
		*msg = text_make("cannot make the namespaces of pod %s: %s", p->uid, text);
		err = -EIO;
	} else {
		*msg = text_make(
			"cannot make the namespaces of pod %s: the process that makes them died", p->uid);
		err = -EIO;
	}
	kill(pid, SIGKILL);
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
	return err;
}

static int shared_memory(const struct pod *p)
{
	cleanup(freep) char *path = text_make("%s/shm", p->run);

	if (p->host_ipc)
		return 0;
	return path ? shm_mount(path, json_int(p->spec, "ShmSize", SHM_DEFAULT_BYTES)) : -ENOMEM;
}

int pod_sandbox_up(struct pod *p, char **msg)
{
	int err;

	pod_sandbox_down(p);
	err = dir_make(p->run, 0711);
	if (!err)
		err = pod_files(p);
	if (!err)
		err = pod_cgroup_up(p, msg);
	fault_point("pod-cgroup");
	if (!err)
		err = namespaces(p, msg);
	fault_point("pod-namespaces");
	if (!err)
		err = shared_memory(p);
	if (!err)
		return 0;
	if (!*msg)
		*msg = text_make("cannot make pod %s: %s", p->uid, errno_text(-err));
	pod_sandbox_down(p);
	return err;
}

void pod_sandbox_down(struct pod *p)
{
	static const char *const mounts[] = {"userns", "netns", "utsns", "ipcns", "pidns", "shm"};

	for (size_t i = 0; i < array_len(mounts); i++) {
		cleanup(freep) char *path = text_make("%s/%s", p->run, mounts[i]);

		/* Twice mounted by an engine that was killed between: until there is none. */
		while (path && umount2(path, MNT_DETACH | UMOUNT_NOFOLLOW) == 0)
			;
	}
	int err = dir_remove(p->run);

	if (err && err != -ENOENT)
		log_errno(-err, "pod=%s op=release dir=%s", p->uid, p->run);
	pod_cgroup_down(p);
}

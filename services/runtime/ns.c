/* SPDX-License-Identifier: Apache-2.0 */

#include <errno.h>
#include <fcntl.h>
#include <linux/nsfs.h>
#include <net/if.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "runtime/fail.h"
#include "runtime/ns.h"
#include "runtime/procfs.h"
#include "runtime/sys.h"

static const struct {
	uint64_t flag;
	const char *name;
} kinds[NS_KINDS] = {
	[NS_USER] = {CLONE_NEWUSER, "user"},
	[NS_MOUNT] = {CLONE_NEWNS, "mnt"},
	[NS_PID] = {CLONE_NEWPID, "pid"},
	[NS_NET] = {CLONE_NEWNET, "net"},
	[NS_IPC] = {CLONE_NEWIPC, "ipc"},
	[NS_UTS] = {CLONE_NEWUTS, "uts"},
	[NS_CGROUP] = {CLONE_NEWCGROUP, "cgroup"},
	[NS_TIME] = {CLONE_NEWTIME, "time"},
};

uint64_t rt_ns_flag(enum oci_ns_kind k)
{
	return kinds[k].flag;
}

const char *rt_ns_name(enum oci_ns_kind k)
{
	return kinds[k].name;
}

void rt_ns_init(struct rt_namespaces *n)
{
	memset(n, 0, sizeof(*n));
	for (int k = 0; k < NS_KINDS; k++)
		n->join[k] = -1;
}

void rt_ns_fini(struct rt_namespaces *n)
{
	for (int k = 0; k < NS_KINDS; k++)
		closep(&n->join[k]);
}

int rt_ns_open(struct rt_namespaces *n, const struct oci_spec *s)
{
	for (int k = 0; k < NS_KINDS; k++) {
		if (!s->ns[k].listed)
			continue;
		n->differ |= kinds[k].flag;
		if (!s->ns[k].path) {
			n->fresh |= kinds[k].flag;
			continue;
		}
		n->join[k] = open(s->ns[k].path, O_RDONLY | O_CLOEXEC);
		if (n->join[k] < 0)
			return rt_fail(errno, "open the %s namespace %s", kinds[k].name, s->ns[k].path);
		int type = ioctl(n->join[k], NS_GET_NSTYPE);

		if (type < 0 || (uint64_t)(unsigned)type != kinds[k].flag)
			return rt_refuse("%s is not a %s namespace", s->ns[k].path, kinds[k].name);
	}
	if (!s->ns[NS_MOUNT].listed)
		return rt_refuse("linux.namespaces: a container without a mount namespace is not supported");
	return 0;
}

int rt_ns_join(const struct rt_namespaces *n, bool in_userns)
{
	/* NS_USER is the first kind: its rights are needed for the others. The mount namespace changes the
	 * root. */
	for (int k = 0; k < NS_KINDS; k++) {
		if (n->join[k] < 0 || k == NS_PID || k == NS_MOUNT || (k == NS_USER && in_userns))
			continue;
		if (setns(n->join[k], (int)kinds[k].flag) < 0)
			return rt_fail(errno, "join the %s namespace", kinds[k].name);
	}
	if (n->join[NS_MOUNT] >= 0 && setns(n->join[NS_MOUNT], CLONE_NEWNS) < 0)
		return rt_fail(errno, "join the mount namespace");
	return 0;
}

int rt_ns_loopback_up(void)
{
	cleanup(closep) int s = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct ifreq r = {.ifr_name = "lo", .ifr_flags = IFF_UP | IFF_RUNNING};

	if (s < 0 && errno == EAFNOSUPPORT)
		return 0; /* no IPv4 in this kernel, so no loopback address either */
	if (s < 0 || ioctl(s, SIOCSIFFLAGS, &r) < 0)
		return rt_fail(errno, "set the loopback device up");
	return 0;
}

static int write_map(int proc, pid_t pid, const char *file, const struct oci_idmaps *m)
{
	char path[64];
	char *text = malloc(m->n * 36 + 1);
	size_t n = 0;

	if (!text)
		return rt_fail(ENOMEM, "%s", file);
	for (size_t i = 0; i < m->n; i++)
		n += (size_t)sprintf(text + n, "%u %u %u\n", m->v[i].inside, m->v[i].outside, m->v[i].count);
	text[n] = '\0';
	snprintf(path, sizeof(path), "%ld/%s", (long)pid, file);
	cleanup(closep) int fd = rt_procfs_openat(proc, path, O_WRONLY);
	int r = fd < 0 ? fd : write(fd, text, n) < 0 ? -errno : 0;

	free(text);
	return r < 0 ? rt_fail(-r, "write %s", file) : 0;
}

int rt_ns_map_ids(pid_t pid, const struct oci_idmaps *uids, const struct oci_idmaps *gids, const char *oom)
{
	cleanup(closep) int proc = rt_procfs_open();
	char path[40];
	int r = proc;

	if (r >= 0 && gids->n)
		r = write_map(proc, pid, "gid_map", gids);
	if (r >= 0 && uids->n)
		r = write_map(proc, pid, "uid_map", uids);
	if (r >= 0 && oom) {
		snprintf(path, sizeof(path), "%ld/oom_score_adj", (long)pid);
		r = rt_procfs_write(proc, path, oom);
	}
	return r < 0 ? r : 0;
}

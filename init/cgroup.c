/* SPDX-License-Identifier: Apache-2.0 */

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysinfo.h>

#include "init/cgroup.h"
#include "init/unit.h"
#include "lib/log.h"

enum { PROMISED_PART = 8 }; /* of the machine's memory, to all services */

static int write_file(int dir, const char *path, const char *value)
{
	cleanup(closep) int fd = openat(dir, path, O_WRONLY | O_CLOEXEC);
	size_t len = strlen(value);

	if (fd < 0)
		return -errno;
	if (write(fd, value, len) != (ssize_t)len)
		return -errno;
	return 0;
}

/* One by one: a kernel without one controller still has the others. */
static void enable_controllers(int root, const char *group)
{
	static const char *const controllers[] = {"+cpuset", "+cpu", "+io", "+memory", "+pids"};

	for (size_t i = 0; i < array_len(controllers); i++) {
		char path[64];

		snprintf(path, sizeof(path), "%s/cgroup.subtree_control", group);
		int err = write_file(root, path, controllers[i]);

		if (err)
			log_errno(-err, "op=cgroup group=%s controller=%s", group, controllers[i] + 1);
	}
}

int cgroup_setup(void)
{
	static const char *const inner[] = {"services", "docker", "pods"};
	cleanup(closep) int root = open(CGROUP_ROOT, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int err;

	if (root < 0)
		return -errno;
	if (mkdirat(root, "init", 0755) < 0 && errno != EEXIST)
		return -errno;
	err = write_file(root, "init/cgroup.procs", "0");
	if (err)
		return err;
	enable_controllers(root, ".");
	for (size_t i = 0; i < array_len(inner); i++) {
		if (mkdirat(root, inner[i], 0755) < 0 && errno != EEXIST)
			return -errno;
		enable_controllers(root, inner[i]);
	}
	return take_fd(root);
}

static void set_limit(int dir, const struct unit *u, const char *file, int64_t value)
{
	char text[32];

	snprintf(text, sizeof(text), "%" PRId64, value);
	int err = write_file(dir, file, text);

	if (err)
		log_errno(-err, "svc=%s op=cgroup file=%s", u->name, file);
}

int cgroup_of_unit(int root, const struct unit *u)
{
	cleanup(closep) int dir = -1;
	char path[64];

	snprintf(path, sizeof(path), "services/%s", u->name);
	if (mkdirat(root, path, 0755) < 0 && errno != EEXIST)
		return -errno;
	dir = openat(root, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0)
		return -errno;
	if (u->memory_min)
		set_limit(dir, u, "memory.min", u->memory_min);
	if (u->memory_max)
		set_limit(dir, u, "memory.max", u->memory_max);
	set_limit(dir, u, "pids.max", u->pids_max);
	set_limit(dir, u, "cpu.weight", u->cpu_weight);
	return take_fd(dir);
}

void cgroup_protect_services(int root, int64_t memory_min)
{
	struct sysinfo si;
	char text[32];
	int64_t most = sysinfo(&si) ? memory_min : (int64_t)(si.totalram * si.mem_unit / PROMISED_PART);

	snprintf(text, sizeof(text), "%" PRId64, memory_min < most ? memory_min : most);
	int err = write_file(root, "services/memory.min", text);

	if (err)
		log_errno(-err, "op=cgroup file=services/memory.min");
}

int cgroup_kill_all(int group)
{
	return write_file(group, "cgroup.kill", "1");
}

int cgroup_kill_path(int root, const char *path)
{
	cleanup(closep) int dir = openat(root, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	return dir < 0 ? -errno : cgroup_kill_all(dir);
}

int cgroup_events(int group)
{
	int fd = openat(group, "cgroup.events", O_RDONLY | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

bool cgroup_populated(int events)
{
	char buf[128];
	ssize_t n = pread(events, buf, sizeof(buf) - 1, 0);

	if (n < 0)
		return true; /* unknown: the timer decides */
	buf[n] = '\0';
	return !strstr(buf, "populated 0");
}

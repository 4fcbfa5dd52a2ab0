/* SPDX-License-Identifier: Apache-2.0 */

/* A pod's control group, /pods/QOS/UID: no process lies in it, its containers' groups are below. */

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "engine/cgroup.h"
#include "engine/files.h"
#include "engine/pod.h"
#include "lib/errno_text.h"
#include "lib/json.h"
#include "lib/log.h"

enum { GROUP_FILE_MAX = 64 << 10, REMOVE_TRIES = 20 };

static int write_group(const char *dir, const char *file, const char *value)
{
	cleanup(freep) char *path = text_make("%s/%s", dir, file);
	cleanup(closep) int fd = path ? open(path, O_WRONLY | O_CLOEXEC) : -1;

	if (fd < 0)
		return path ? -errno : -ENOMEM;
	return write(fd, value, strlen(value)) < 0 ? -errno : 0;
}

/* Lets groups below @dir be limited by everything that @dir has. */
static int share_controllers(const char *dir)
{
	cleanup(freep) char *path = text_make("%s/cgroup.controllers", dir), *have = NULL;
	int err = path ? disk_read(path, GROUP_FILE_MAX, &have, NULL) : -ENOMEM;

	for (char *save = NULL, *c = err ? NULL : strtok_r(have, " \n", &save); !err && c;
		c = strtok_r(NULL, " \n", &save)) {
		char word[40];

		snprintf(word, sizeof(word), "+%.32s", c);
		err = write_group(dir, "cgroup.subtree_control", word);
		/* Some (perf_event) are on by themselves, some cannot be handed down: not ours to need. */
		if (err == -EINVAL || err == -ENOENT || err == -EOPNOTSUPP)
			err = 0;
	}
	return err;
}

/* @zero: what 0 stands for. A kernel without the file is fine as long as nothing is asked of it. */
static int limit(const char *dir, const char *file, int64_t value, const char *zero)
{
	char text[32];
	int err;

	snprintf(text, sizeof(text), "%lld", (long long)value);
	err = write_group(dir, file, value ? text : zero);
	return err == -ENOENT && !value ? 0 : err;
}

static int limits(const char *dir, yyjson_val *r)
{
	int64_t shares = json_int(r, "CpuShares", 0), quota = json_int(r, "CpuQuota", 0);
	int64_t period = json_int(r, "CpuPeriod", 0);
	char text[64];
	size_t i, n;
	yyjson_val *v;
	int err;

	/* From v1's shares to v2's weight, as the OCI runtimes do. */
	err = limit(dir, "cpu.weight", shares ? 1 + (shares - 2) * 9999 / 262142 : 0, "100");
	if (quota)
		snprintf(text, sizeof(text), "%lld %lld", (long long)quota,
			(long long)(period ? period : 100000));
	else
		snprintf(text, sizeof(text), "max %lld", (long long)(period ? period : 100000));
	if (!err)
		err = write_group(dir, "cpu.max", text);
	if (!err)
		err = limit(dir, "memory.min", json_int(r, "MemoryMin", 0), "0");
	if (!err)
		err = limit(dir, "memory.high", json_int(r, "MemoryHigh", 0), "max");
	if (!err)
		err = limit(dir, "memory.max", json_int(r, "Memory", 0), "max");
	if (!err)
		err = limit(dir, "pids.max", json_int(r, "PidsLimit", 0), "max");
	yyjson_arr_foreach (json_arr(r, "HugepageLimits"), i, n, v) {
		snprintf(text, sizeof(text), "hugetlb.%.15s.max", json_str(v, "PageSize"));
		/* Here 0 means none: that is what a pod that asks for no huge pages gets. */
		if (!err)
			err = limit(dir, text, json_int(v, "Limit", 0), "0");
	}
	return err;
}

int pod_cgroup_up(const struct pod *p, char **msg)
{
	cleanup(freep) char *path = text_make("%s%s", CGROUP_FS, p->cgroup);
	int err = path ? share_controllers(CGROUP_FS) : -ENOMEM;

	/* "/pods", "/pods/QOS", "/pods/QOS/UID", each with its controllers. */
	for (char *slash = path ? path + strlen(CGROUP_FS) : NULL; !err && slash;) {
		slash = strchr(slash + 1, '/');
		if (slash)
			*slash = 0;
		if (mkdir(path, 0755) < 0 && errno != EEXIST)
			err = -errno;
		if (!err)
			err = share_controllers(path);
		if (slash)
			*slash = '/';
	}
	if (!err)
		err = limits(path, json_obj(p->spec, "Resources"));
	if (err && !*msg)
		*msg = text_make("cannot set up the control group %s: %s", p->cgroup, errno_text(-err));
	return err;
}

char *pod_cgroup_read(const struct pod *p, const char *file)
{
	cleanup(freep) char *path = text_make("%s%s/%s", CGROUP_FS, p->cgroup, file);
	char *text = NULL;

	return path && !disk_read(path, GROUP_FILE_MAX, &text, NULL) ? text : NULL;
}

/* Containers have removed their own; what a killed one left goes with the pod. */
static int remove_group(const char *path, int depth)
{
	if (rmdir(path) == 0 || errno == ENOENT)
		return 0;

	DIR *d = depth < 32 ? opendir(path) : NULL;

	if (!d)
		return -errno;
	for (struct dirent *ent; (ent = readdir(d));) {
		cleanup(freep) char *child = NULL;

		if (ent->d_type != DT_DIR || ent->d_name[0] == '.')
			continue;
		child = text_make("%s/%s", path, ent->d_name);
		if (child)
			remove_group(child, depth + 1);
	}
	closedir(d);
	return rmdir(path) < 0 && errno != ENOENT ? -errno : 0;
}

void pod_cgroup_down(const struct pod *p)
{
	cleanup(freep) char *path = text_make("%s%s", CGROUP_FS, p->cgroup);
	int err = -EBUSY;

	if (!path || access(path, F_OK) < 0)
		return;
	(void)!write_group(path, "cgroup.kill", "1");
	for (int i = 0; i < REMOVE_TRIES && err == -EBUSY; i++) {
		err = remove_group(path, 0);
		if (err == -EBUSY)
			usleep(1000);
	}
	if (err)
		log_errno(-err, "pod=%s op=cgroup-remove", p->uid);
	/* The groups above go with the last pod in them. */
	for (char *slash; (slash = strrchr(path, '/')) && slash > path + strlen(CGROUP_FS);) {
		*slash = 0;
		if (rmdir(path) < 0)
			break;
	}
}

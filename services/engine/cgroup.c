/* SPDX-License-Identifier: Apache-2.0 */

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "engine/cgroup.h"
#include "engine/container.h"
#include "engine/engine.h"
#include "engine/files.h"
#include "engine/paths.h"
#include "lib/json.h"
#include "engine/pod.h"
#include "lib/log.h"

enum { CGROUP_FILE_MAX = 256 << 10 };

const char *container_cgroup_parent(const struct container *c)
{
	const char *own = json_text(c->host, "CgroupParent");

	return own ? own : c->e->cgroup;
}

int cgroup_parent_check(const char *parent, char **msg)
{
	static const char *const inner[] = {"/init", "/services"};
	cleanup(freep) char *clean = text_make("/%s", parent);
	size_t len = strlen(parent);

	if (!clean)
		return -ENOMEM;
	if (len > CGROUP_PARENT_MAX || strstr(parent, "..") || !path_clean(clean) || !strcmp(clean, "/")) {
		*msg = text_make(
			"invalid CgroupParent \"%.128s\": the path of a control group, without ..", parent);
		return -EINVAL;
	}
	for (size_t i = 0; i < array_len(inner); i++) {
		size_t n = strlen(inner[i]);

		if (!strncmp(clean, inner[i], n) && (clean[n] == '/' || !clean[n])) {
			*msg = text_make(
				"invalid CgroupParent \"%s\": %s is the node's own", parent, inner[i]);
			return -EINVAL;
		}
	}
	return 0;
}

char *container_cgroup_path(const struct container *c)
{
	cleanup(freep) char *name = container_cgroup_name(c);

	return name ? text_make("%s%s", CGROUP_FS, name) : NULL;
}

int container_cgroup_write(const struct container *c, const char *file, const char *value)
{
	cleanup(freep) char *name = container_cgroup_name(c);
	cleanup(freep) char *path = name ? text_make("%s%s/%s", CGROUP_FS, name, file) : NULL;

	if (!path)
		return -ENOMEM;

	cleanup(closep) int fd = open(path, O_WRONLY | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	return write(fd, value, strlen(value)) < 0 ? -errno : 0;
}

int container_cgroup_kill(const struct container *c)
{
	int err = container_cgroup_write(c, "cgroup.kill", "1");

	fault_point("cgroup-killed");
	if (err && err != -ENOENT)
		log_errno(-err, "container=%.12s op=cgroup-kill", c->id);
	return err;
}

int container_cgroup_freeze(const struct container *c, bool frozen)
{
	int err = container_cgroup_write(c, "cgroup.freeze", frozen ? "1" : "0");

	fault_point(frozen ? "cgroup-frozen" : "cgroup-thawed");
	return err;
}

char *container_cgroup_read(const struct container *c, const char *file)
{
	cleanup(freep) char *name = container_cgroup_name(c);
	cleanup(freep) char *path = name ? text_make("%s%s/%s", CGROUP_FS, name, file) : NULL;
	char *text = NULL;

	if (!path || disk_read(path, CGROUP_FILE_MAX, &text, NULL))
		return NULL;
	return text;
}

/* Appends the pids of one group and those below it. */
static void add_pids(const char *path, char **text, int depth)
{
	cleanup(freep) char *file = text_make("%s/cgroup.procs", path), *more = NULL;
	DIR *d = depth < 32 ? opendir(path) : NULL;

	/* A threaded group answers EOPNOTSUPP: its processes are listed in the one above it. */
	if (file && !disk_read(file, CGROUP_FILE_MAX, &more, NULL)) {
		char *both = text_make("%s%s", *text ? *text : "", more);

		if (both) {
			free(*text);
			*text = both;
		}
	}
	for (struct dirent *ent; d && (ent = readdir(d));) {
		cleanup(freep) char *child = NULL;

		if (ent->d_type != DT_DIR || ent->d_name[0] == '.')
			continue;
		child = text_make("%s/%s", path, ent->d_name);
		if (child)
			add_pids(child, text, depth + 1);
	}
	if (d)
		closedir(d);
}

char *container_cgroup_pids(const struct container *c)
{
	cleanup(freep) char *path = container_cgroup_path(c);
	char *text = NULL;

	if (path)
		add_pids(path, &text, 0);
	return text;
}

uint64_t container_cgroup_field(const char *text, const char *key)
{
	size_t n = strlen(key);

	for (const char *p = text; p && *p; p = strchr(p, '\n') ? strchr(p, '\n') + 1 : NULL)
		if (!strncmp(p, key, n) && p[n] == ' ')
			return strtoull(p + n + 1, NULL, 10);
	return 0;
}

bool container_cgroup_oom_killed(const struct container *c)
{
	cleanup(freep) char *text = container_cgroup_read(c, "memory.events");

	return text && container_cgroup_field(text, "oom_kill") > 0;
}

/* Children first; containers may have made groups of their own. */
static int remove_tree(const char *path, int depth)
{
	if (!rmdir(path) || errno == ENOENT)
		return 0;
	if (depth > 32)
		return -ELOOP;

	DIR *d = opendir(path);

	if (!d)
		return -errno;
	for (struct dirent *ent; (ent = readdir(d));) {
		if (ent->d_type != DT_DIR || ent->d_name[0] == '.')
			continue;
		cleanup(freep) char *child = text_make("%s/%s", path, ent->d_name);

		if (child)
			remove_tree(child, depth + 1);
	}
	closedir(d);
	return rmdir(path) < 0 && errno != ENOENT ? -errno : 0;
}

/* A parent that was made for the container and is empty now; one of the pods' is the agent's to remove. */
static void remove_parents(const struct container *c)
{
	const char *parent = container_cgroup_parent(c);
	cleanup(freep) char *path = text_make("%s%s", CGROUP_FS, parent);

	if (!path || !strcmp(parent, c->e->cgroup) || !strncmp(parent, "/pods", 5))
		return;
	while (strlen(path) > strlen(CGROUP_FS) && strcmp(path + strlen(CGROUP_FS), c->e->cgroup) != 0 &&
		!rmdir(path))
		*strrchr(path, '/') = 0;
}

void container_cgroup_remove(const struct container *c)
{
	cleanup(freep) char *path = container_cgroup_path(c);

	if (path && !access(path, F_OK)) {
		(void)!container_cgroup_kill(c);
		/* Killed processes take a moment to leave; what stays is an empty group, found again at the next
		 * start. */
		int err = -EBUSY;

		for (int i = 0; i < 20 && err == -EBUSY; i++) {
			err = remove_tree(path, 0);
			if (err == -EBUSY)
				usleep(1000);
		}
		if (err)
			log_errno(-err, "container=%.12s op=cgroup-remove", c->id);
	}
	remove_parents(c);
}

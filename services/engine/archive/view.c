/* SPDX-License-Identifier: Apache-2.0 */

/* See view.h. */

#include <errno.h>
#include <fcntl.h>
#include <linux/mount.h>
#include <string.h>
#include <sys/syscall.h>

#include "engine/archive/view.h"
#include "engine/container.h"
#include "engine/engine.h"
#include "engine/files.h"
#include "engine/image.h"
#include "engine/userns.h"
#include "lib/errno_text.h"
#include "lib/json.h"

#ifndef AT_RECURSIVE
#define AT_RECURSIVE 0x8000
#endif

static int clone_tree(const char *path, unsigned flags)
{
	int fd = (int)syscall(SYS_open_tree, AT_FDCWD, path, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | flags);

	return fd < 0 ? -errno : fd;
}

static int read_only(int fd)
{
	struct mount_attr attr = {.attr_set = MOUNT_ATTR_RDONLY};

	return syscall(SYS_mount_setattr, fd, "", AT_EMPTY_PATH | AT_RECURSIVE, &attr, sizeof(attr)) < 0
		       ? -errno
		       : 0;
}

static int map_ids(int fd, int userns)
{
	struct mount_attr attr = {.attr_set = MOUNT_ATTR_IDMAP, .userns_fd = (uint64_t)userns};

	return syscall(SYS_mount_setattr, fd, "", AT_EMPTY_PATH, &attr, sizeof(attr)) < 0 ? -errno : 0;
}

/* The overlay: a second mount of the running container's, or one of our own. */
static int open_root(struct view *v, struct container *c, char **msg)
{
	const struct image *img = NULL;
	int err;

	if (container_is_up(c)) {
		cleanup(freep) char *path = text_make("%s/rootfs", c->run);

		v->root = path ? clone_tree(path, 0) : -ENOMEM;
		if (v->root >= 0 && userns_base(c)) {
			err = userns_open_of(c, &v->userns);
			if (err) {
				*msg = text_make("the user namespace of container %s cannot be opened: %s",
					c->name, errno_text(-err));
				return err;
			}
		}
	} else {
		cleanup(freep) char *upper = text_make("%s/upper", c->dir),
				    *work = text_make("%s/work", c->dir);

		err = image_store_find(c->e->images, c->image_id, &img);
		if (err) {
			*msg = text_make("the image of container %s was removed: %s", c->name, c->image_id);
			return err;
		}
		err = upper && work ? 0 : -ENOMEM;
		if (!err)
			err = dir_make(upper, 0755);
		if (!err)
			err = dir_make(work, 0700);
		v->root = err ? err : image_mount(img, upper, work);
		v->own_overlay = true;
		image_unref(img);
	}
	v->read_only = json_bool(c->host, "ReadonlyRootfs");
	err = v->root < 0 ? v->root : 0;
	if (err)
		*msg = text_make("the files of container %s cannot be opened: %s", c->name, errno_text(-err));
	return err;
}

static int add(struct view *v, const char *source, const char *dest, bool rw, char **msg)
{
	if (v->n == VIEW_MOUNTS_MAX) {
		*msg = text_make(
			"the container has more than %d mounts: its files cannot be copied", VIEW_MOUNTS_MAX);
		return -E2BIG;
	}

	int fd = clone_tree(source, AT_RECURSIVE);
	int err = fd < 0 ? fd : rw ? 0 : read_only(fd);

	if (!err && v->userns >= 0 && userns_can_map(source))
		err = map_ids(fd, v->userns);

	char *where = err ? NULL : text_make("%s:%s", rw ? "rw" : "ro", dest);

	if (!err && !where)
		err = -ENOMEM;
	if (err) {
		closep(&fd);
		*msg = text_make(
			"%s, which is mounted at %s, cannot be opened: %s", source, dest, errno_text(-err));
		return err;
	}
	v->mounts[v->n] = fd;
	v->where[v->n++] = where;
	return 0;
}

static unsigned depth(const char *path)
{
	unsigned n = 0;

	for (; *path; path++)
		n += *path == '/' && path[1];
	return n;
}

/* Outer paths first. */
static int add_mounts(struct view *v, struct container *c, char **msg)
{
	static const char *const files[] = {"hostname", "hosts", "resolv.conf"};
	size_t i, n;
	yyjson_val *m;
	int err = 0;

	for (i = 0; !err && i < array_len(files); i++) {
		cleanup(freep) char *source = text_make("%s/%s", c->dir, files[i]),
				    *dest = text_make("/etc/%s", files[i]);

		if (!source || !dest)
			err = -ENOMEM;
		else if (!access(source, F_OK)) /* not before its first start */
			err = add(v, source, dest, true, msg);
	}
	for (unsigned level = 0, left = 1; !err && left && level < 64; level++) {
		left = 0;
		yyjson_arr_foreach (c->mounts, i, n, m) {
			const char *type = json_str(m, "Type"), *source = json_text(m, "Source"),
				   *dest = json_text(m, "Destination");

			if (err || !type || !source || !dest ||
				(strcmp(type, "bind") != 0 && strcmp(type, "volume") != 0))
				continue;
			left |= depth(dest) > level;
			if (depth(dest) == level)
				err = add(v, source, dest, json_bool(m, "RW"), msg);
		}
	}
	return err;
}

int view_open(struct view *v, struct container *c, bool mounts, char **msg)
{
	*v = (struct view){.root = -1, .userns = -1};

	int err = open_root(v, c, msg);

	if (!err && mounts)
		err = add_mounts(v, c, msg);
	if (err)
		view_close(v);
	return err;
}

void view_close(struct view *v)
{
	closep(&v->root);
	closep(&v->userns);
	v->root = v->userns = -1;
	for (size_t i = 0; i < v->n; i++) {
		closep(&v->mounts[i]);
		free(v->where[i]);
	}
	v->n = 0;
}

/* SPDX-License-Identifier: Apache-2.0 */

/*
 * /dev: the nodes that every container has (runtime specification, "Default Devices"), those it asks for, the
 * usual links. Parents are resolved to descriptors; a /dev that is a symlink is refused, so that an image
 * cannot make the runtime write elsewhere.
 */

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/sysmacros.h>

#include "runtime/fail.h"
#include "runtime/pty.h"
#include "runtime/resolve.h"
#include "runtime/rootfs.h"
#include "runtime/sys.h"

static const struct oci_device defaults[] = {
	{"/dev/null", 'c', 1, 3, 0666, 0, 0},
	{"/dev/zero", 'c', 1, 5, 0666, 0, 0},
	{"/dev/full", 'c', 1, 7, 0666, 0, 0},
	{"/dev/random", 'c', 1, 8, 0666, 0, 0},
	{"/dev/urandom", 'c', 1, 9, 0666, 0, 0},
	{"/dev/tty", 'c', 5, 0, 0666, 0, 0},
};

static const struct {
	const char *name, *target;
} links[] = {{"fd", "/proc/self/fd"}, {"stdin", "/proc/self/fd/0"}, {"stdout", "/proc/self/fd/1"},
	{"stderr", "/proc/self/fd/2"}, {"ptmx", "pts/ptmx"}};

static bool is_node(const struct stat *st, const struct oci_device *d)
{
	mode_t type = d->type == 'b' ? S_IFBLK : d->type == 'p' ? S_IFIFO : S_IFCHR;

	return (st->st_mode & S_IFMT) == type &&
	       (d->type == 'p' || st->st_rdev == makedev(d->major, d->minor));
}

static int bind_node(int parent, const char *name, const struct oci_device *d)
{
	cleanup(closep) int tree = sys_open_tree(AT_FDCWD, d->path, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
	struct stat st;

	if (tree < 0 || fstat(tree, &st) < 0)
		return rt_fail(errno, "bind device %s of the host", d->path);
	if (!is_node(&st, d))
		return rt_refuse(
			"device %s of the host is not %c %u:%u", d->path, d->type, d->major, d->minor);
	cleanup(closep) int file =
		openat(parent, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);

	if (file < 0 && errno != EEXIST)
		return rt_fail(errno, "make device %s", d->path);
	cleanup(closep) int target = openat(parent, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);

	if (target < 0)
		return rt_fail(errno, "make device %s", d->path);
	int e = rt_attach(tree, target);

	return e < 0 ? rt_fail(-e, "bind device %s", d->path) : 0;
}

static int make_node(struct rt_rootfs *r, int parent, const char *name, const struct oci_device *d)
{
	mode_t type = d->type == 'b' ? S_IFBLK : d->type == 'p' ? S_IFIFO : S_IFCHR;
	struct stat st;

	if (r->userns && d->type != 'p')
		return bind_node(parent, name, d);
	if (mknodat(parent, name, type | d->mode, makedev(d->major, d->minor)) < 0) {
		if (errno == EEXIST) {
			/* An image's or an earlier mount's own: fine when it is the same device, refused
			 * otherwise. */
			if (fstatat(parent, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && is_node(&st, d))
				return 0;
			return rt_refuse("%s exists in the image and is another thing", d->path);
		}
		if (errno == EPERM)
			return bind_node(parent, name, d);
		return rt_fail(errno, "make device %s", d->path);
	}
	if ((d->uid || d->gid) && fchownat(parent, name, d->uid, d->gid, AT_SYMLINK_NOFOLLOW) < 0)
		return rt_fail(errno, "set the owner of device %s", d->path);
	return 0;
}

static int device(struct rt_rootfs *r, int dev, const struct oci_device *d)
{
	char name[256];

	if (!strncmp(d->path, "/dev/", 5) && !strchr(d->path + 5, '/') && d->path[5] && d->path[5] != '.')
		return make_node(r, dev, d->path + 5, d);
	cleanup(closep) int parent = rt_resolve_parent(r->root, d->path, name);

	if (parent < 0)
		return rt_fail(-parent, "make device %s", d->path);
	return make_node(r, parent, name, d);
}

/* The container's /dev itself: below the root, and no symlink on the way. */
static int open_dev(struct rt_rootfs *r)
{
	int fd;

	if (mkdirat(r->root, "dev", 0755) < 0 && errno != EEXIST)
		return rt_fail(errno, "make /dev");
	fd = sys_openat2(r->root, "dev", O_PATH | O_DIRECTORY, 0, RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS);
	return fd < 0 ? rt_fail(errno, "open the container's /dev") : fd;
}

static bool listed(const struct oci_spec *s, const char *path)
{
	for (size_t i = 0; i < s->n_devices; i++)
		if (!strcmp(s->devices[i].path, path))
			return true;
	return false;
}

int rt_rootfs_devices(struct rt_rootfs *r)
{
	const struct oci_spec *s = r->spec;
	struct mount_attr ro = {.attr_set = MOUNT_ATTR_RDONLY};
	struct stat st;
	int e = 0;

	if (r->dev_bound)
		return 0;
	cleanup(closep) int dev = open_dev(r);

	if (dev < 0)
		return dev;
	for (size_t i = 0; e == 0 && i < array_len(defaults); i++)
		if (!listed(s, defaults[i].path))
			e = device(r, dev, &defaults[i]);
	for (size_t i = 0; e == 0 && i < s->n_devices; i++)
		e = device(r, dev, &s->devices[i]);
	if (e < 0)
		return e;
	for (size_t i = 0; i < array_len(links); i++) {
		if (symlinkat(links[i].target, dev, links[i].name) == 0)
			continue;
		if (errno != EEXIST)
			return rt_fail(errno, "make /dev/%s", links[i].name);
		/* Left by an image: only /dev/ptmx has to be ours, or terminals would be the host's. */
		if (!strcmp(links[i].name, "ptmx") &&
			(unlinkat(dev, "ptmx", 0) < 0 || symlinkat("pts/ptmx", dev, "ptmx") < 0))
			return rt_fail(errno, "make /dev/ptmx");
	}
	if (stat("/proc/kcore", &st) == 0 && symlinkat("/proc/kcore", dev, "core") < 0 && errno != EEXIST)
		return rt_fail(errno, "make /dev/core");
	if (r->dev_readonly && !s->process.terminal && sys_mount_setattr(dev, "", AT_EMPTY_PATH, &ro) < 0)
		return rt_fail(errno, "make /dev read-only");
	return 0;
}

int rt_rootfs_console(struct rt_rootfs *r, int *slave)
{
	struct mount_attr ro = {.attr_set = MOUNT_ATTR_RDONLY};
	cleanup(closep) int peer = -1;
	cleanup(closep) int master = rt_pty_open(r->root, &peer);
	cleanup(closep) int dev =
		sys_openat2(r->root, "dev", O_PATH | O_DIRECTORY, 0, RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS);

	if (master < 0)
		return master;
	cleanup(closep) int tree =
		sys_open_tree(peer, "", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH);
	cleanup(closep) int file =
		openat(dev, "console", O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	cleanup(closep) int target = openat(dev, "console", O_PATH | O_NOFOLLOW | O_CLOEXEC);
	int e = tree < 0 || target < 0 ? -errno : rt_attach(tree, target);

	if (e < 0)
		return rt_fail(-e, "bind the terminal to /dev/console");
	if (r->dev_readonly && sys_mount_setattr(dev, "", AT_EMPTY_PATH, &ro) < 0)
		return rt_fail(errno, "make /dev read-only");
	*slave = take_fd(peer);
	return take_fd(master);
}

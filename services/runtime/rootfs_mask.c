/* SPDX-License-Identifier: Apache-2.0 */

/*
 * maskedPaths and readonlyPaths. What covers a file is the host's /dev/null, taken by descriptor and looked
 * at: a container's own /dev/null may have been replaced (CVE-2025-31133).
 */

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/sysmacros.h>

#include "runtime/fail.h"
#include "runtime/resolve.h"
#include "runtime/rootfs.h"
#include "runtime/sys.h"

static int null_tree(void)
{
	cleanup(closep) int fd = open("/dev/null", O_PATH | O_NOFOLLOW | O_CLOEXEC);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return rt_fail(errno, "open /dev/null");
	if (!S_ISCHR(st.st_mode) || st.st_rdev != makedev(1, 3))
		return rt_refuse("the host's /dev/null is not the null device");
	int tree = sys_open_tree(fd, "", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH);

	return tree < 0 ? rt_fail(errno, "copy /dev/null") : tree;
}

static int empty_fs(void)
{
	cleanup(closep) int fs = sys_fsopen("tmpfs");

	if (fs < 0 || sys_fsconfig(fs, FSCONFIG_SET_STRING, "mode", "0755", 0) < 0 ||
		sys_fsconfig(fs, FSCONFIG_SET_STRING, "nr_inodes", "1", 0) < 0 ||
		sys_fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
		return rt_fail(errno, "make an empty tmpfs");
	int fd =
		sys_fsmount(fs, MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC);

	return fd < 0 ? rt_fail(errno, "make an empty tmpfs") : fd;
}

/* Linux before 6.15 clones attached mounts only: the first directory gets the tmpfs, the others copies of it.
 */
static int empty_tree(struct rt_rootfs *r)
{
	if (r->masked_dir < 0)
		return r->masked_dir = empty_fs();
	int tree = sys_open_tree(r->masked_dir, "", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH);

	return tree < 0 ? rt_fail(errno, "copy the empty tmpfs") : tree;
}

static int mask(struct rt_rootfs *r, const char *path)
{
	cleanup(closep) int target = rt_resolve(r->root, path);
	cleanup(closep) int tree = -1;
	struct stat st;
	int e, mount;

	if (target == -ENOENT || target == -ENOTDIR)
		return 0;
	if (target < 0 || fstat(target, &st) < 0)
		return rt_fail(target < 0 ? -target : errno, "mask %s", path);
	if (S_ISDIR(st.st_mode)) {
		mount = empty_tree(r);
		if (mount >= 0 && mount != r->masked_dir)
			tree = mount;
	} else {
		mount = tree = null_tree();
	}
	if (mount < 0)
		return rt_while(mount, "mask %s", path);
	e = rt_attach(mount, target);
	return e < 0 ? rt_fail(-e, "mask %s", path) : 0;
}

static int readonly(struct rt_rootfs *r, const char *path)
{
	struct mount_attr ro = {.attr_set = MOUNT_ATTR_RDONLY};
	cleanup(closep) int target = rt_resolve(r->root, path);

	if (target == -ENOENT || target == -ENOTDIR)
		return 0;
	if (target < 0)
		return rt_fail(-target, "make %s read-only", path);
	cleanup(closep) int tree =
		sys_open_tree(target, "", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH | AT_RECURSIVE);

	if (tree < 0 || sys_mount_setattr(tree, "", AT_EMPTY_PATH | AT_RECURSIVE, &ro) < 0)
		return rt_fail(errno, "make %s read-only", path);
	int e = rt_attach(tree, target);

	return e < 0 ? rt_fail(-e, "make %s read-only", path) : 0;
}

int rt_rootfs_masks(struct rt_rootfs *r)
{
	int e = 0;

	for (size_t i = 0; e == 0 && i < r->spec->n_readonly; i++)
		e = readonly(r, r->spec->readonly[i]);
	for (size_t i = 0; e == 0 && i < r->spec->n_masked; i++)
		e = mask(r, r->spec->masked[i]);
	return e;
}

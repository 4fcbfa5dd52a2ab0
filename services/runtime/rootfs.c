/* SPDX-License-Identifier: Apache-2.0 */

/* The root itself: cutting it off from the host, and entering it. */

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "runtime/fail.h"
#include "runtime/procfs.h"
#include "runtime/rootfs.h"
#include "runtime/sys.h"

void rt_rootfs_init(struct rt_rootfs *r)
{
	memset(r, 0, sizeof(*r));
	r->bundle = r->root = r->proc = r->masked_dir = -1;
}

void rt_rootfs_fini(struct rt_rootfs *r)
{
	closep(&r->root);
	closep(&r->proc);
	closep(&r->masked_dir);
}

int rt_attach(int mount, int target)
{
	return sys_move_mount(mount, "", target, "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) < 0
		       ? -errno
		       : 0;
}

int rt_rootfs_proc(struct rt_rootfs *r)
{
	if (r->proc < 0)
		r->proc = rt_procfs_open();
	return r->proc;
}

static int propagate(int dir, const char *path, uint64_t kind, unsigned flags)
{
	struct mount_attr a = {.propagation = kind};

	return sys_mount_setattr(dir, path, flags, &a) < 0 ? -errno : 0;
}

static uint64_t mount_id(int fd)
{
	/* struct statx in words: the C library's may be too old to name stx_mnt_id, which lies at 0x90. */
	uint64_t stx[0x100 / sizeof(uint64_t)] = {0};

	if (syscall(SYS_statx, fd, "", AT_EMPTY_PATH, RT_STATX_MNT_ID, stx) < 0)
		return 0;
	return stx[0x90 / sizeof(uint64_t)];
}

/*
 * pivot_root(2) refuses a root below a shared mount. When the host's sharing is to be kept, only the mount
 * that holds the root is made private: it is found by climbing until the mount's number changes.
 */
static int parent_private(const char *path)
{
	cleanup(closep) int dir = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);

	for (unsigned depth = 0; dir >= 0 && depth < PATH_MAX; depth++) {
		cleanup(closep) int up = openat(dir, "..", O_PATH | O_DIRECTORY | O_CLOEXEC);
		struct stat a, b;

		if (up < 0)
			break;
		if (mount_id(up) != mount_id(dir) || (fstat(up, &a) == 0 && fstat(dir, &b) == 0 &&
							     a.st_ino == b.st_ino && a.st_dev == b.st_dev))
			return propagate(dir, "", MS_PRIVATE, AT_EMPTY_PATH);
		int t = dir;

		dir = up;
		up = t;
	}
	return -errno;
}

int rt_rootfs_open(struct rt_rootfs *r)
{
	const struct oci_spec *s = r->spec;
	bool shared = s->propagation == MS_SHARED;
	char path[PATH_MAX];
	int e;

	e = snprintf(path, sizeof(path), "%s", s->root_path);
	if (e >= PATH_MAX)
		return rt_refuse("root.path is too long");
	/* Relative to the bundle, which is the working directory here. */
	e = shared ? parent_private(path) : propagate(AT_FDCWD, "/", MS_SLAVE, AT_RECURSIVE);
	if (e < 0)
		return rt_fail(-e, "cut the mounts off from the host's");

	cleanup(closep) int tree =
		sys_open_tree(AT_FDCWD, path, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE);

	if (tree < 0)
		return rt_fail(errno, "open the root %s", path);
	struct stat st;

	if (fstat(tree, &st) == 0 && !S_ISDIR(st.st_mode))
		return rt_fail(ENOTDIR, "the root %s", path);
	if (shared) {
		e = propagate(tree, "", MS_PRIVATE, AT_EMPTY_PATH);
		if (e < 0)
			return rt_fail(-e, "make the root private");
	}
	if (sys_move_mount(tree, "", AT_FDCWD, path, MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_SYMLINKS) < 0)
		return rt_fail(errno, "mount the root %s", path);
	r->root = take_fd(tree);
	return 0;
}

int rt_rootfs_mounts(struct rt_rootfs *r)
{
	for (size_t i = 0; i < r->spec->n_mounts; i++) {
		int e = rt_rootfs_mount(r, i);

		if (e < 0)
			return rt_while(e, "mount %s", r->spec->mounts[i].destination);
	}
	return 0;
}

/* The old root ends up on top of the new one (pivot_root(2), "."), from where it is detached with all below
 * it. */
static int pivot(struct rt_rootfs *r)
{
	cleanup(closep) int old = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);

	if (old < 0 || fchdir(r->root) < 0)
		return rt_fail(errno, "enter the root");
	if (sys_pivot_root(".", ".") < 0)
		return rt_fail(errno, "pivot_root");
	if (r->spec->propagation == MS_SHARED) {
		/* By descriptor: "." is the new root, whose mounts keep what they were given. */
		int e = propagate(old, "", MS_SLAVE, AT_EMPTY_PATH | AT_RECURSIVE);

		if (e < 0)
			return rt_fail(-e, "cut off the old root");
	}
	if (sys_umount(".", RT_MNT_DETACH) < 0)
		return rt_fail(errno, "detach the old root");
	return 0;
}

/* For an initial root that cannot be pivoted away from (--no-pivot): everything else is hidden below the
 * root. */
static int move_root(struct rt_rootfs *r)
{
	if (fchdir(r->root) < 0 || sys_move_mount(r->root, "", AT_FDCWD, "/", MOVE_MOUNT_F_EMPTY_PATH) < 0 ||
		chroot(".") < 0)
		return rt_fail(errno, "move the root to /");
	return 0;
}

int rt_rootfs_enter(struct rt_rootfs *r)
{
	const struct oci_spec *s = r->spec;
	struct mount_attr ro = {.attr_set = MOUNT_ATTR_RDONLY};
	int e = r->no_pivot ? move_root(r) : pivot(r);

	if (e < 0)
		return e;
	if (chdir("/") < 0)
		return rt_fail(errno, "enter the root");
	if (s->root_readonly && sys_mount_setattr(r->root, "", AT_EMPTY_PATH, &ro) < 0)
		return rt_fail(errno, "make the root read-only");
	if (s->propagation && s->propagation != MS_SLAVE) {
		e = propagate(r->root, "", s->propagation, AT_EMPTY_PATH);
		if (e < 0)
			return rt_fail(-e, "linux.rootfsPropagation");
	}
	return 0;
}

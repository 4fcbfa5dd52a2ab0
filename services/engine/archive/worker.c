/* SPDX-License-Identifier: Apache-2.0 */

/* See worker.h: its arguments, its view, its walls. */

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <linux/mount.h>
#include <linux/openat2.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "engine/archive/view.h"
#include "engine/archive/worker.h"
#include "lib/errno_text.h"
#include "lib/sandbox.h"

int mount(const char *source, const char *target, const char *type, unsigned long flags, const void *data);
/* <sys/mount.h> and <linux/mount.h> contradict each other */
enum { ROOT_FD = 3, FIRST_MOUNT_FD = 4 };
#define MS_REC_PRIVATE (16384UL | (1UL << 18))
#ifndef AT_RECURSIVE
#define AT_RECURSIVE 0x8000
#endif

/* Where the view is put together, in the namespace of this process alone: any folder of the root's own that nothing is
 * read from any more. */
#define SCAFFOLD "/tmp"

int worker_fail(enum worker_end end, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	return end;
}

enum worker_end worker_end_of(int err)
{
	return err == -ENOENT			  ? WORKER_NOT_FOUND
	       : err == -ENOTDIR || err == -ELOOP ? WORKER_BAD
	       : err == -EROFS			  ? WORKER_READ_ONLY
						  : WORKER_FAILED;
}

int worker_open(int root, const char *path, int flags)
{
	struct open_how how = {
		.flags = (uint64_t)(flags | O_CLOEXEC),
		.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS,
	};
	int fd = (int)syscall(SYS_openat2, root, path, &how, sizeof(how));

	return fd < 0 ? -errno : fd;
}

/* The place something is mounted at; made when it is not there. */
static int mount_point(int root, const char *dest, bool dir)
{
	char path[PATH_MAX];
	size_t len = strlen(dest);

	for (size_t i = 1; i <= len && len < sizeof(path); i++) {
		char *slash;
		int fd;

		if (dest[i] && dest[i] != '/')
			continue;
		memcpy(path, dest, i);
		path[i] = 0;
		fd = worker_open(root, path, O_PATH);
		if (fd >= 0 && i == len)
			return fd;
		if (fd < 0 && fd != -ENOENT)
			return fd;
		if (fd >= 0) {
			close(fd);
			continue;
		}
		slash = strrchr(path, '/');

		cleanup(closep) int parent = -1;
		cleanup(closep) int made = -1;

		*slash = 0;
		parent = worker_open(root, *path ? path : "/", O_PATH | O_DIRECTORY);
		if (parent < 0)
			return parent;
		if (i < len || dir) {
			if (mkdirat(parent, slash + 1, 0755) < 0 && errno != EEXIST)
				return -errno;
		} else {
			made = openat(parent, slash + 1, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
				0644);
			if (made < 0 && errno != EEXIST)
				return -errno;
		}
		*slash = '/';
		if (i == len)
			return worker_open(root, path, O_PATH);
	}
	return -ENAMETOOLONG;
}

static int put_mount(int root, int fd, const char *dest)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return -errno;

	cleanup(closep) int at = mount_point(root, dest, S_ISDIR(st.st_mode));

	if (at < 0)
		return at;
	return syscall(SYS_move_mount, fd, "", at, "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) < 0
		       ? -errno
		       : 0;
}

/* A copy of a mount that is shared is its peer: what is mounted on it would be mounted on the original, too,
 * which is the engine's, or the node's. */
static int leave_peers(int fd)
{
	struct mount_attr attr = {.propagation = MS_PRIVATE};

	return syscall(SYS_mount_setattr, fd, "", AT_EMPTY_PATH | AT_RECURSIVE, &attr, sizeof(attr)) < 0
		       ? -errno
		       : 0;
}

static int make_read_only(int fd)
{
	struct mount_attr attr = {.attr_set = MOUNT_ATTR_RDONLY};

	return syscall(SYS_mount_setattr, fd, "", AT_EMPTY_PATH, &attr, sizeof(attr)) < 0 ? -errno : 0;
}

/* Return: the root of the view as one tree, a new descriptor, or -errno. */
static int assemble(char *const *where, size_t n, bool read_only)
{
	int err = 0;

	if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC_PRIVATE, NULL) < 0)
		return -errno;
	for (size_t i = 0; i <= n && !err; i++)
		err = leave_peers(ROOT_FD + (int)i);
	if (err)
		return err;
	if (syscall(SYS_move_mount, ROOT_FD, "", AT_FDCWD, SCAFFOLD, MOVE_MOUNT_F_EMPTY_PATH) < 0)
		return -errno;

	int root = open(SCAFFOLD, O_PATH | O_DIRECTORY | O_CLOEXEC);

	for (size_t i = 0; root >= 0 && i < n; i++) {
		err = put_mount(root, FIRST_MOUNT_FD + (int)i, where[i] + 3);

		/* A place that cannot be had hides nothing: inside a mount that is read-only. */
		if (err && err != -EROFS) {
			close(root);
			return err;
		}
	}
	if (root < 0)
		return -errno;
	/* Last: a container that never ran may have no place yet for what is mounted over its root. */
	err = read_only ? make_read_only(ROOT_FD) : 0;
	if (err)
		close(root);
	return err ? err : root;
}

static bool number(const char *text, unsigned *out)
{
	char *end;
	unsigned long n = strtoul(text, &end, 10);

	if (end == text || *end || n >= UINT_MAX)
		return false;
	*out = (unsigned)n;
	return true;
}

struct view_options {
	bool userns, read_only;
	char *where[VIEW_MOUNTS_MAX];
	size_t n;
};

/* keep-kinds, uid=N, gid=N; read-only (the root), userns (behind the mounts' descriptors); the rest are mounts, in order. */
static bool parse(int argc, char **argv, struct put_options *o, struct view_options *v)
{
	for (int i = 0; i < argc; i++) {
		if (!strcmp(argv[i], "keep-kinds"))
			o->keep_kinds = true;
		else if (!strcmp(argv[i], "userns"))
			v->userns = true;
		else if (!strcmp(argv[i], "read-only"))
			v->read_only = true;
		else if (!strncmp(argv[i], "uid=", 4) && number(argv[i] + 4, &o->uid))
			o->own = true;
		else if (!strncmp(argv[i], "gid=", 4) && number(argv[i] + 4, &o->gid))
			o->own = true;
		else if ((!strncmp(argv[i], "rw:/", 4) || !strncmp(argv[i], "ro:/", 4)) &&
			 v->n < VIEW_MOUNTS_MAX)
			v->where[v->n++] = argv[i];
		else
			return false;
	}
	return true;
}

static int walled(int root, const char *verb, const char *path, const struct put_options *o)
{
	bool write = !strcmp(verb, "put");
	const int keep[] = {0, 1, 2, ROOT_FD, FIRST_MOUNT_FD};
	size_t n = array_len(keep) - !!strcmp(verb, "changes");
	int err;

	/* the assembled root in the place of its first part */
	if (root != ROOT_FD && dup2(root, ROOT_FD) < 0)
		return worker_fail(WORKER_FAILED, "cannot place the root: %s", errno_text(errno));
	err = write ? sandbox_unpacker(ROOT_FD, keep, n) : sandbox_packer(ROOT_FD, keep, n);
	if (err)
		return worker_fail(
			WORKER_FAILED, "the worker cannot give up its rights: %s", errno_text(-err));
	if (write)
		return worker_put(ROOT_FD, path, o);
	if (!strcmp(verb, "stat"))
		return worker_stat(ROOT_FD, path);
	if (!strcmp(verb, "get"))
		return worker_get(ROOT_FD, path);
	if (!strcmp(verb, "export"))
		return worker_export(ROOT_FD);
	return worker_changes(ROOT_FD, FIRST_MOUNT_FD);
}

int engine_archive_main(int argc, char **argv)
{
	static const char *const verbs[] = {"stat", "get", "put", "export", "changes"};
	struct view_options v = {0};
	struct put_options o = {0};
	bool known = false;
	int root = ROOT_FD;

	if (argc == 2 && !strcmp(argv[1], "size"))
		return worker_size();
	for (size_t i = 0; argc > 2 && i < array_len(verbs); i++)
		known = known || !strcmp(verbs[i], argv[1]);
	if (!known || *argv[2] != '/' || !parse(argc - 3, argv + 3, &o, &v))
		return worker_fail(WORKER_FAILED, "usage: engine_archive VERB PATH [OPTION...]");
	if (strcmp(argv[1], "changes") != 0) {
		root = assemble(v.where, v.n, v.read_only);
		if (root < 0)
			return worker_fail(WORKER_FAILED, "the container's files cannot be put together: %s",
				errno_text(-root));
		/* What has ids of its own is seen, and written, as its own root does it. */
		if (v.userns &&
			(setns(FIRST_MOUNT_FD + (int)v.n, CLONE_NEWUSER) < 0 || setgroups(0, NULL) < 0 ||
				setresgid(0, 0, 0) < 0 || setresuid(0, 0, 0) < 0))
			return worker_fail(WORKER_FAILED,
				"the container's user namespace cannot be entered: %s", errno_text(errno));
	}
	return walled(root, argv[1], argv[2], &o);
}

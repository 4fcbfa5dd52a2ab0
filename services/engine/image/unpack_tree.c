/* SPDX-License-Identifier: Apache-2.0 */

/* How the entries of a layer come to be on the disk: see unpack.h for the rules. */

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>

#include <archive_entry.h>

#include "engine/image/disk.h"
#include "engine/image/unpack_int.h"
#include "lib/errno_text.h"

int tree_refuse(struct tree *t, int err, const char *fmt, ...)
{
	va_list ap;

	if (!*t->out->error) {
		va_start(ap, fmt);
		vsnprintf(t->out->error, sizeof(t->out->error), fmt, ap);
		va_end(ap);
	}
	return err;
}

static int fail(struct tree *t, int err, const char *what, const char *path)
{
	return tree_refuse(t, -err, "%s \"%.400s\": %s", what, path, errno_text(err));
}

static int beneath(int root, const char *path, uint64_t flags)
{
	struct open_how how = {
		.flags = flags | O_CLOEXEC,
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_XDEV,
	};

	return (int)syscall(SYS_openat2, root, *path ? path : ".", &how, sizeof(how));
}

static void forget_parent(struct tree *t)
{
	closep(&t->parent_fd);
	t->parent_fd = -1;
}

/* Directories that the stream never named: root's, 0755. */
static int make_parents(struct tree *t, const char *path)
{
	int at = dup(t->root), next;
	char name[NAME_MAX + 1];

	while (at >= 0 && *path) {
		size_t n = strcspn(path, "/");

		if (n > NAME_MAX) {
			close(at);
			errno = ENAMETOOLONG;
			return -1;
		}
		memcpy(name, path, n);
		name[n] = '\0';
		path += n + (path[n] == '/');
		if (mkdirat(at, name, 0755) < 0 && errno != EEXIST)
			next = -1;
		else
			next = openat(at, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		closep(&at);
		at = next;
	}
	return at;
}

static int open_parent(struct tree *t, const char *path)
{
	int fd;

	if (t->parent_fd >= 0 && !strcmp(t->parent_path, path))
		return 0;
	fd = beneath(t->root, path, O_PATH | O_DIRECTORY);
	if (fd < 0 && errno == ENOENT)
		fd = make_parents(t, path);
	if (fd < 0) {
		if (errno == ELOOP || errno == ENOTDIR)
			return tree_refuse(t, -EPERM,
				"its directory \"%.400s\" goes through a link or a file of the same layer",
				path);
		return fail(t, errno, "cannot make the directory", path);
	}
	forget_parent(t);
	t->parent_fd = fd;
	strcpy(t->parent_path, path);
	return 0;
}

/* Opens the parent; *name is the last component. */
static int enter(struct tree *t, const char *path, const char **name)
{
	const char *slash = strrchr(path, '/');
	char parent[PATH_MAX];
	size_t n = slash ? (size_t)(slash - path) : 0;

	memcpy(parent, path, n);
	parent[n] = '\0';
	*name = slash ? slash + 1 : path;
	return open_parent(t, parent);
}

static bool is_whiteout(const struct stat *st)
{
	return S_ISCHR(st->st_mode) && st->st_rdev == 0;
}

static int add_opaque(struct tree *t, const char *path)
{
	char **more = realloc(t->out->opaque, (t->out->n_opaque + 1) * sizeof(char *));

	if (!more)
		return tree_refuse(t, -ENOMEM, "out of memory");
	t->out->opaque = more;
	more[t->out->n_opaque] = strdup(path);
	if (!more[t->out->n_opaque])
		return tree_refuse(t, -ENOMEM, "out of memory");
	t->out->n_opaque++;
	return 0;
}

/* The later entry of a name wins: makes room for it. */
static int replace(struct tree *t, const char *path, const char *name)
{
	int r;

	if (unlinkat(t->parent_fd, name, 0) == 0)
		return 0;
	if (errno != EISDIR)
		return fail(t, errno, "cannot replace", path);
	r = disk_remove_tree(t->parent_fd, name);
	forget_parent(t);
	if (r < 0)
		return fail(t, -r, "cannot replace", path);
	return enter(t, path, &name);
}

static int set_xattrs(struct tree *t, int fd, struct archive_entry *e, bool file)
{
	const char *name;
	const void *value;
	size_t size;

	if (archive_entry_xattr_reset(e) == 0)
		return 0;
	while (archive_entry_xattr_next(e, &name, &value, &size) == 0) {
		bool cap = file && name && !strcmp(name, "security.capability");

		if (!name || (!cap && strncmp(name, "user.", 5)))
			continue;
		if (fsetxattr(fd, name, value, size, 0) < 0 && (cap || errno != EOPNOTSUPP))
			return fail(t, errno, "cannot set the attribute", name);
	}
	return 0;
}

int tree_attrs(struct tree *t, int fd, struct archive_entry *e, bool file)
{
	uid_t uid = (uid_t)archive_entry_uid(e);
	gid_t gid = (gid_t)archive_entry_gid(e);
	mode_t mode = archive_entry_perm(e) & 07777;
	int r;

	if ((uid || gid) && fchown(fd, uid, gid) < 0)
		return tree_refuse(t, -errno, "cannot give it to %u:%u: %s", uid, gid, errno_text(errno));
	if (fchmod(fd, mode) < 0)
		return tree_refuse(t, -errno, "cannot set its mode: %s", errno_text(errno));
	r = set_xattrs(t, fd, e, file);
	if (r == 0 && file) {
		struct timespec ts[2] = {
			{.tv_nsec = UTIME_OMIT}, {archive_entry_mtime(e), archive_entry_mtime_nsec(e)}};

		if (archive_entry_mtime_is_set(e) && futimens(fd, ts) < 0)
			return tree_refuse(t, -errno, "cannot set its time: %s", errno_text(errno));
	}
	return r;
}

static int remember_time(struct tree *t, const char *path, struct archive_entry *e)
{
	if (!archive_entry_mtime_is_set(e))
		return 0;
	if (t->n_times == t->max_times) {
		size_t max = t->max_times ? t->max_times * 2 : 64;
		struct unpack_dir_time *more = realloc(t->times, max * sizeof(*more));

		if (!more)
			return tree_refuse(t, -ENOMEM, "out of memory");
		t->times = more;
		t->max_times = max;
	}
	t->times[t->n_times] = (struct unpack_dir_time){
		strdup(path),
		{archive_entry_mtime(e), archive_entry_mtime_nsec(e)},
	};
	if (!t->times[t->n_times].path)
		return tree_refuse(t, -ENOMEM, "out of memory");
	t->n_times++;
	return 0;
}

int tree_dir(struct tree *t, const char *path, struct archive_entry *e)
{
	cleanup(closep) int fd = -1;
	const char *name = ".";
	struct stat st;
	int r = 0;

	if (*path) {
		r = enter(t, path, &name);
		if (r < 0)
			return r;
		if (mkdirat(t->parent_fd, name, 0700) < 0) {
			if (errno != EEXIST)
				return fail(t, errno, "cannot make the directory", path);
			if (fstatat(t->parent_fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
				return fail(t, errno, "cannot look at", path);
			if (!S_ISDIR(st.st_mode)) {
				r = replace(t, path, name);
				if (r == 0 && mkdirat(t->parent_fd, name, 0700) < 0)
					r = fail(t, errno, "cannot make the directory", path);
				/* whited out and made anew: nothing of the lower one may show through */
				if (r == 0 && is_whiteout(&st))
					r = add_opaque(t, path);
				if (r < 0)
					return r;
			}
		}
	}
	fd = openat(*path ? t->parent_fd : t->root, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return fail(t, errno, "cannot open", path);
	r = tree_attrs(t, fd, e, false);
	if (r == 0)
		r = remember_time(t, path, e);
	if (r < 0)
		return r;
	/* what follows is most often inside */
	forget_parent(t);
	t->parent_fd = take_fd(fd);
	strcpy(t->parent_path, path);
	return 0;
}

int tree_file(struct tree *t, const char *path, int *fd)
{
	const char *name;
	int r = enter(t, path, &name);

	for (int tries = 0; r == 0 && tries < 2; tries++) {
		*fd = openat(t->parent_fd, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
		if (*fd >= 0)
			return 0;
		if (errno != EEXIST || tries)
			return fail(t, errno, "cannot make the file", path);
		r = replace(t, path, name);
	}
	return r;
}

/* Owner and time of what cannot be opened. */
static int attrs_at(struct tree *t, const char *name, struct archive_entry *e)
{
	struct timespec ts[2] = {
		{.tv_nsec = UTIME_OMIT}, {archive_entry_mtime(e), archive_entry_mtime_nsec(e)}};
	uid_t uid = (uid_t)archive_entry_uid(e);
	gid_t gid = (gid_t)archive_entry_gid(e);

	if ((uid || gid) && fchownat(t->parent_fd, name, uid, gid, AT_SYMLINK_NOFOLLOW) < 0)
		return tree_refuse(t, -errno, "cannot give it to %u:%u: %s", uid, gid, errno_text(errno));
	if (archive_entry_mtime_is_set(e) && utimensat(t->parent_fd, name, ts, AT_SYMLINK_NOFOLLOW) < 0)
		return tree_refuse(t, -errno, "cannot set its time: %s", errno_text(errno));
	return 0;
}

int tree_symlink(struct tree *t, const char *path, struct archive_entry *e, const char *target)
{
	const char *name;
	int r = enter(t, path, &name);

	if (r == 0 && symlinkat(target, t->parent_fd, name) < 0) {
		if (errno == EEXIST)
			r = replace(t, path, name);
		if (r == 0 && symlinkat(target, t->parent_fd, name) < 0)
			r = fail(t, errno, "cannot make the link", path);
	}
	return r == 0 ? attrs_at(t, name, e) : r;
}

int tree_link(struct tree *t, const char *path, const char *target)
{
	cleanup(closep) int from = -1;
	const char *slash = strrchr(target, '/'), *name;
	char dir[PATH_MAX];
	size_t n = slash ? (size_t)(slash - target) : 0;
	int r;

	if (!strcmp(path, target))
		return 0; /* a link to itself, as some tars have it, changes nothing */
	r = enter(t, path, &name);
	if (r < 0)
		return r;
	memcpy(dir, target, n);
	dir[n] = '\0';
	from = beneath(t->root, dir, O_PATH | O_DIRECTORY);
	if (from < 0)
		return tree_refuse(t, -EPERM, "hard link to \"%.400s\", which is not in this layer: %s",
			target, errno_text(errno));
	target = slash ? slash + 1 : target;
	if (linkat(from, target, t->parent_fd, name, 0) == 0)
		return 0;
	if (errno == EEXIST) {
		r = replace(t, path, name);
		if (r < 0 || linkat(from, target, t->parent_fd, name, 0) == 0)
			return r;
	}
	return tree_refuse(t, -EPERM, "hard link to \"%.400s\": %s", target, errno_text(errno));
}

int tree_node(struct tree *t, const char *path, struct archive_entry *e)
{
	mode_t type = archive_entry_filetype(e), mode = type | (archive_entry_perm(e) & 07777);
	dev_t dev = type == S_IFIFO ? 0
				    : makedev((unsigned)archive_entry_rdevmajor(e),
					      (unsigned)archive_entry_rdevminor(e));
	const char *name;
	int r = enter(t, path, &name);

	if (r == 0 && mknodat(t->parent_fd, name, mode, dev) < 0) {
		if (errno == EEXIST)
			r = replace(t, path, name);
		if (r == 0 && mknodat(t->parent_fd, name, mode, dev) < 0)
			r = fail(t, errno, "cannot make the node", path);
	}
	return r == 0 ? attrs_at(t, name, e) : r;
}

int tree_whiteout(struct tree *t, const char *path)
{
	const char *name, *target;
	char shown[PATH_MAX];
	struct stat st;
	int r = enter(t, path, &name);

	if (r < 0)
		return r;
	target = name + 4;
	if (!strcmp(target, ".wh..opq"))
		return add_opaque(t, t->parent_path);
	if (!strncmp(target, ".wh.", 4))
		return 0; /* aufs' own bookkeeping, without meaning here */
	if (!*target || !strcmp(target, ".") || !strcmp(target, ".."))
		return tree_refuse(t, -EPERM, "a whiteout that names no entry of its directory");

	/* It hides what lies below; what this layer itself has there stays. */
	if (fstatat(t->parent_fd, target, &st, AT_SYMLINK_NOFOLLOW) == 0) {
		if (!S_ISDIR(st.st_mode))
			return 0;
		if ((size_t)snprintf(shown, sizeof(shown), "%s%s%s", t->parent_path,
			    *t->parent_path ? "/" : "", target) >= sizeof(shown))
			return tree_refuse(t, -E2BIG, "its name is longer than the limit");
		return add_opaque(t, shown);
	}
	if (errno != ENOENT)
		return fail(t, errno, "cannot look at", path);
	if (mknodat(t->parent_fd, target, S_IFCHR, makedev(0, 0)) < 0)
		return fail(t, errno, "cannot make the whiteout", path);
	return 0;
}

void tree_set_times(struct tree *t)
{
	for (size_t i = t->n_times; i > 0; i--) {
		cleanup(closep) int fd = beneath(t->root, t->times[i - 1].path, O_RDONLY | O_DIRECTORY);
		struct timespec ts[2] = {{.tv_nsec = UTIME_OMIT}, t->times[i - 1].mtime};

		/* it may have been replaced since; then there is nothing to set */
		if (fd >= 0 && futimens(fd, ts) < 0)
			continue;
	}
}

void tree_fini(struct tree *t)
{
	forget_parent(t);
	for (size_t i = 0; i < t->n_times; i++)
		free(t->times[i].path);
	free(t->times);
}

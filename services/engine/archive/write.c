/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The worker's writing side: a tar stream becomes files below a directory of the container. The process sees no more
 * than the container's root (lib/sandbox.h), so a link in the way leads to where it would lead the container itself;
 * names that climb are refused, hard links lead to names of the same stream only.
 */

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <locale.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>

#include <archive.h>
#include <archive_entry.h>

#include "engine/archive/worker.h"
#include "engine/image/inflate.h"
#include "lib/errno_text.h"
#include "lib/tree.h"

struct dir_time {
	char *path; /* owned */
	struct timespec mtime;
	struct dir_time *next;
};

struct target {
	const struct put_options *o;
	int dest;
	struct inflate *in;
	struct dir_time *times; /* set at the end: making entries changes them */
};

static ssize_t from_stdin(void *buf, size_t len, void *arg)
{
	ssize_t n;

	do
		n = read(0, buf, len);
	while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : n;
}

static la_ssize_t on_read(struct archive *a, void *arg, const void **buf)
{
	struct target *t = arg;
	ssize_t n = inflate_next(t->in, buf);

	if (n < 0)
		archive_set_error(a, -(int)n, "%s", inflate_error(t->in));
	return n < 0 ? ARCHIVE_FATAL : n;
}

/* Relative, without empty and `.` parts; `..` is refused. */
static int clean(const char *name, char *out, size_t size)
{
	size_t len = 0;

	*out = 0;
	while (name && *name) {
		size_t n = strcspn(name, "/");

		if (n == 2 && !strncmp(name, "..", 2))
			return -EPERM;
		if (n && !(n == 1 && *name == '.')) {
			if (n > NAME_MAX || len + n + 2 > size)
				return -ENAMETOOLONG;
			if (len)
				out[len++] = '/';
			memcpy(out + len, name, n);
			len += n;
			out[len] = 0;
		}
		name += n + (name[n] == '/');
	}
	return name ? 0 : -EINVAL;
}

/* The directory of @path, made when it is not there; *name is the last part. */
static int enter(struct target *t, char *path, const char **name)
{
	char *slash = strrchr(path, '/');
	int at;

	*name = slash ? slash + 1 : path;
	if (!slash)
		return fcntl(t->dest, F_DUPFD_CLOEXEC, 10);
	*slash = 0;
	at = openat(t->dest, path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (at < 0 && errno == ENOENT) {
		const char *last;
		char *copy = strdup(path);
		int parent = copy ? enter(t, copy, &last) : -1;

		if (parent >= 0 && mkdirat(parent, last, 0755) < 0 && errno != EEXIST)
			closep(&parent);
		at = parent < 0 ? -1 : openat(parent, last, O_PATH | O_DIRECTORY | O_CLOEXEC);
		closep(&parent);
		free(copy);
	}
	*slash = '/';
	return at < 0 ? -errno : at;
}

/* Makes room for an entry: what is there goes, unless both are directories. 1: a directory stays. */
static int make_room(struct target *t, int dir, const char *name, bool is_dir)
{
	struct stat st;

	if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0 : -errno;
	if (S_ISDIR(st.st_mode) && is_dir)
		return 1;
	if (t->o->keep_kinds && S_ISDIR(st.st_mode) != is_dir)
		return S_ISDIR(st.st_mode) ? -EISDIR : -ENOTDIR;
	if (!S_ISDIR(st.st_mode))
		return unlinkat(dir, name, 0) < 0 ? -errno : 0;
	return tree_remove(dir, name);
}

static void owner(const struct target *t, struct archive_entry *e, uid_t *uid, gid_t *gid)
{
	*uid = t->o->own ? t->o->uid : (uid_t)archive_entry_uid(e);
	*gid = t->o->own ? t->o->gid : (gid_t)archive_entry_gid(e);
}

static int set_attributes(struct target *t, int fd, struct archive_entry *e, bool file)
{
	const char *name;
	const void *value;
	size_t size;
	uid_t uid;
	gid_t gid;

	owner(t, e, &uid, &gid);
	if (fchown(fd, uid, gid) < 0 || fchmod(fd, archive_entry_perm(e) & 07777) < 0)
		return -errno;
	archive_entry_xattr_reset(e);
	while (archive_entry_xattr_next(e, &name, &value, &size) == 0) {
		bool cap = file && name && !strcmp(name, "security.capability");

		if (name && (cap || !strncmp(name, "user.", 5)) && fsetxattr(fd, name, value, size, 0) < 0 &&
			errno != EOPNOTSUPP)
			return -errno;
	}
	if (file && archive_entry_mtime_is_set(e)) {
		struct timespec ts[2] = {
			{.tv_nsec = UTIME_OMIT}, {archive_entry_mtime(e), archive_entry_mtime_nsec(e)}};

		if (futimens(fd, ts) < 0)
			return -errno;
	}
	return 0;
}

static int put_file(struct target *t, struct archive *a, struct archive_entry *e, int dir, const char *name)
{
	cleanup(closep) int fd =
		openat(dir, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	int64_t size = archive_entry_size(e);
	const void *buf;
	size_t len;
	la_int64_t at;
	int r = ARCHIVE_EOF;

	if (fd < 0)
		return -errno;
	while (size > 0 && (r = archive_read_data_block(a, &buf, &len, &at)) == ARCHIVE_OK) {
		if (at < 0 || len > (uint64_t)size || at > size - (int64_t)len)
			return -EBADMSG;
		for (size_t done = 0; done < len;) {
			ssize_t n = pwrite(fd, (const char *)buf + done, len - done, at + (off_t)done);

			if (n < 0 && errno == EINTR)
				continue;
			if (n < 0)
				return -errno;
			done += (size_t)n;
		}
	}
	if (r != ARCHIVE_EOF)
		return -EBADMSG;
	if (size > 0 && ftruncate(fd, size) < 0)
		return -errno;
	return set_attributes(t, fd, e, true);
}

static int put_dir(
	struct target *t, struct archive_entry *e, int dir, const char *name, const char *path, bool there)
{
	struct dir_time *time;

	if (!there && mkdirat(dir, name, 0700) < 0)
		return -errno;

	cleanup(closep) int fd = openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	time = archive_entry_mtime_is_set(e) ? calloc(1, sizeof(*time)) : NULL;
	if (time) {
		time->path = strdup(path);
		time->mtime = (struct timespec){archive_entry_mtime(e), archive_entry_mtime_nsec(e)};
		time->next = t->times;
		t->times = time;
	}
	return set_attributes(t, fd, e, false);
}

static int put_other(struct target *t, struct archive_entry *e, int dir, const char *name)
{
	struct timespec ts[2] = {
		{.tv_nsec = UTIME_OMIT}, {archive_entry_mtime(e), archive_entry_mtime_nsec(e)}};
	const char *target = archive_entry_symlink(e);
	mode_t mode = archive_entry_perm(e) & 07777;
	bool link = archive_entry_filetype(e) == AE_IFLNK;
	uid_t uid;
	gid_t gid;
	int r;

	if (link)
		r = target && *target ? symlinkat(target, dir, name) : (errno = EINVAL, -1);
	else
		r = mknodat(dir, name, archive_entry_filetype(e) | mode,
			makedev((unsigned)archive_entry_rdevmajor(e), (unsigned)archive_entry_rdevminor(e)));
	owner(t, e, &uid, &gid);
	if (r < 0 || fchownat(dir, name, uid, gid, AT_SYMLINK_NOFOLLOW) < 0)
		return -errno;
	if (archive_entry_mtime_is_set(e) && utimensat(dir, name, ts, AT_SYMLINK_NOFOLLOW) < 0)
		return -errno;
	return 0;
}

/* To a name of this stream, below the same directory and through no link. */
static int put_link(struct target *t, const char *to, int dir, const char *name)
{
	char path[PATH_MAX];
	const char *last;
	int r = clean(to, path, sizeof(path)), from;

	if (r || !*path)
		return r ? r : -EINVAL;
	from = enter(t, path, &last);
	if (from < 0)
		return from;
	r = linkat(from, last, dir, name, 0) < 0 ? -errno : 0;
	close(from);
	return r;
}

static int put_entry(struct target *t, struct archive *a, struct archive_entry *e)
{
	bool is_dir = archive_entry_filetype(e) == AE_IFDIR && !archive_entry_hardlink(e);
	char path[PATH_MAX];
	const char *name;
	int r = clean(archive_entry_pathname(e), path, sizeof(path)), there;

	if (r)
		return r;
	if (!*path) /* the directory itself: what it is stays as it is */
		return is_dir ? 0 : -EINVAL;

	cleanup(closep) int dir = enter(t, path, &name);

	if (dir < 0)
		return dir;
	there = make_room(t, dir, name, is_dir);
	if (there < 0)
		return there;
	if (archive_entry_hardlink(e))
		return put_link(t, archive_entry_hardlink(e), dir, name);
	switch (archive_entry_filetype(e)) {
	case AE_IFDIR:
		return put_dir(t, e, dir, name, path, there);
	case AE_IFREG:
		return put_file(t, a, e, dir, name);
	case AE_IFLNK:
	case AE_IFCHR:
	case AE_IFBLK:
	case AE_IFIFO:
		return put_other(t, e, dir, name);
	default:
		return -EINVAL;
	}
}

static void set_times(struct target *t)
{
	while (t->times) {
		struct dir_time *d = t->times;
		struct timespec ts[2] = {{.tv_nsec = UTIME_OMIT}, d->mtime};

		t->times = d->next;
		/* A time that cannot be set is no reason to fail. */
		(void)!utimensat(t->dest, d->path ? d->path : "", ts, AT_SYMLINK_NOFOLLOW);
		free(d->path);
		free(d);
	}
}

/* What could upset a terminal is shown as `?`. */
static void shown_name(struct archive_entry *e, char out[160])
{
	const char *name = archive_entry_pathname(e);
	size_t n = 0;

	for (; name && name[n] && n < 159; n++)
		out[n] = name[n] >= ' ' && name[n] < 127 && name[n] != '"' ? name[n] : '?';
	out[n] = 0;
}

static int walk(struct target *t, struct archive *a)
{
	struct archive_entry *e;
	char shown[160];
	int r, err;

	if (archive_read_support_format_tar(a) != ARCHIVE_OK ||
		archive_read_support_format_empty(a) != ARCHIVE_OK ||
		archive_read_open(a, t, NULL, on_read, NULL) != ARCHIVE_OK)
		return worker_fail(WORKER_BAD, "not a tar archive: %s", archive_error_string(a));
	while ((r = archive_read_next_header(a, &e)) == ARCHIVE_OK || r == ARCHIVE_WARN) {
		err = put_entry(t, a, e);
		if (!err)
			continue;
		shown_name(e, shown);
		if (err == -EBADMSG)
			return worker_fail(WORKER_BAD, "\"%s\": %s", shown,
				archive_error_string(a) ? archive_error_string(a) : "damaged archive");
		if (err == -EISDIR || err == -ENOTDIR)
			return worker_fail(WORKER_BAD,
				err == -EISDIR ? "cannot overwrite directory \"%s\" with non-directory"
					       : "cannot overwrite non-directory \"%s\" with directory",
				shown);
		return worker_fail(err == -EROFS ? WORKER_READ_ONLY
				   : err == -EPERM || err == -EINVAL || err == -ENAMETOOLONG ? WORKER_BAD
											     : WORKER_FAILED,
			"cannot write \"%s\": %s", shown,
			err == -EPERM ? "its name climbs out, or it may not be" : errno_text(-err));
	}
	if (r != ARCHIVE_EOF)
		return worker_fail(WORKER_BAD, "damaged tar archive: %s", archive_error_string(a));
	/* The client is let say its last word. */
	const void *rest;

	while (inflate_next(t->in, &rest) > 0)
		;
	return WORKER_OK;
}

/* Whether it may be written is asked first, as in Docker: an empty stream is refused, too. */
static int open_dest(struct target *t, int root, const char *path)
{
	struct statvfs fs;
	struct stat there, top;

	t->dest = worker_open(root, path, O_RDONLY | O_DIRECTORY);
	if (t->dest == -ENOTDIR)
		return worker_fail(WORKER_BAD, "extraction point is not a directory");
	if (t->dest < 0)
		return worker_fail(worker_end_of(t->dest), "cannot open %s in the container: %s", path,
			errno_text(-t->dest));
	if (fstatvfs(t->dest, &fs) < 0 || fstat(t->dest, &there) < 0 || fstat(root, &top) < 0)
		return worker_fail(
			WORKER_FAILED, "cannot look at %s in the container: %s", path, errno_text(errno));
	if (!(fs.f_flag & ST_RDONLY))
		return WORKER_OK;
	/* the overlay's directories have its device, whatever layer they are of */
	return worker_fail(WORKER_BAD, "%s is marked read-only",
		there.st_dev == top.st_dev ? "container rootfs" : "mounted volume");
}

int worker_put(int root, const char *path, const struct put_options *o)
{
	struct target *t = calloc(1, sizeof(*t));
	struct archive *a = t ? archive_read_new() : NULL;
	int end;

	if (!a) {
		free(t);
		return worker_fail(WORKER_FAILED, "out of memory");
	}
	umask(0);
	/* without it libarchive takes the process to speak ASCII, and writes ? for the rest */
	setlocale(LC_CTYPE, "C.UTF-8");
	t->o = o;
	end = open_dest(t, root, path);
	if (!end && inflate_new(&t->in, INFLATE_ALL, from_stdin, NULL) < 0)
		end = worker_fail(WORKER_FAILED, "out of memory");
	if (!end)
		end = walk(t, a);
	set_times(t);
	archive_read_free(a);
	if (t->in)
		inflate_free(t->in);
	closep(&t->dest);
	free(t);
	return end;
}

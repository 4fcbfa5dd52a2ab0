/* SPDX-License-Identifier: Apache-2.0 */

/* See tree_tar.h. */

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include <archive.h>
#include <archive_entry.h>

#include "engine/image/tree_tar.h"

enum { DEPTH_MAX = 64 };

struct walk {
	struct archive *a;
	int (*write)(const void *buf, size_t len, void *arg);
	void *arg;
	uint64_t size_bytes;
	int err;
};

static la_ssize_t on_write(struct archive *a, void *arg, const void *buf, size_t len)
{
	struct walk *w = arg;

	w->err = w->write(buf, len, w->arg);
	if (w->err < 0) {
		archive_set_error(a, -w->err, "write");
		return -1;
	}
	return (la_ssize_t)len;
}

static int put_header(struct walk *w, const char *path, const struct stat *st, const char *target)
{
	struct archive_entry *e = archive_entry_new();
	int r;

	if (!e)
		return -ENOMEM;
	archive_entry_set_pathname(e, path);
	archive_entry_set_mode(e, st->st_mode);
	archive_entry_set_mtime(e, st->st_mtime, 0);
	archive_entry_set_size(e, S_ISREG(st->st_mode) ? st->st_size : 0);
	if (target)
		archive_entry_set_symlink(e, target);
	r = archive_write_header(w->a, e) == ARCHIVE_OK ? 0 : -EIO;
	archive_entry_free(e);
	return r;
}

static int put_file(struct walk *w, int fd, uint64_t left)
{
	static char buf[65536];

	while (left) {
		ssize_t n = read(fd, buf, left < sizeof(buf) ? left : sizeof(buf));

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			return -EIO; /* shorter than it said */
		if (archive_write_data(w->a, buf, (size_t)n) != n)
			return -EIO;
		left -= (uint64_t)n;
	}
	return 0;
}

static int put_dir(struct walk *w, int fd, const char *path, unsigned depth);

static int put_one(struct walk *w, int dir, const char *parent, const char *name, unsigned depth)
{
	cleanup(closep) int fd = -1;
	char path[PATH_MAX], target[PATH_MAX];
	struct stat st;
	ssize_t n;
	int r;

	if ((size_t)snprintf(path, sizeof(path), "%s%s%s", parent, *parent ? "/" : "", name) >= sizeof(path))
		return -ENAMETOOLONG;
	if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return -errno;
	if (S_ISLNK(st.st_mode)) {
		n = readlinkat(dir, name, target, sizeof(target) - 1);
		if (n < 0)
			return -errno;
		target[n] = '\0';
		return put_header(w, path, &st, target);
	}
	if (!S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode))
		return -EOPNOTSUPP;
	fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	r = put_header(w, path, &st, NULL);
	if (r < 0)
		return r;
	if (S_ISDIR(st.st_mode))
		return put_dir(w, fd, path, depth + 1);
	w->size_bytes += (uint64_t)st.st_size;
	return put_file(w, fd, (uint64_t)st.st_size);
}

static int by_name(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

static int put_dir(struct walk *w, int fd, const char *path, unsigned depth)
{
	struct dirent **list;
	int n, r = 0;
	char self[32];

	if (depth > DEPTH_MAX)
		return -ELOOP;
	snprintf(self, sizeof(self), "/proc/self/fd/%d", fd);
	n = scandir(self, &list, NULL, by_name);
	if (n < 0)
		return -errno;
	for (int i = 0; i < n; i++) {
		if (r == 0 && strcmp(list[i]->d_name, ".") && strcmp(list[i]->d_name, ".."))
			r = put_one(w, fd, path, list[i]->d_name, depth);
		free(list[i]);
	}
	free(list);
	return r;
}

int tree_tar(int dirfd, int (*write)(const void *buf, size_t len, void *arg), void *arg, uint64_t *size_bytes)
{
	struct walk w = {.a = archive_write_new(), .write = write, .arg = arg};
	int r = -ENOMEM;

	if (!w.a)
		return r;
	archive_write_set_format_pax_restricted(w.a);
	archive_write_set_bytes_in_last_block(w.a, 1);
	if (archive_write_open(w.a, &w, NULL, on_write, NULL) == ARCHIVE_OK)
		r = put_dir(&w, dirfd, "", 0);
	if (archive_write_close(w.a) != ARCHIVE_OK && r == 0)
		r = -EIO;
	archive_write_free(w.a);
	if (r < 0)
		return w.err < 0 ? w.err : r;
	*size_bytes = w.size_bytes;
	return 0;
}

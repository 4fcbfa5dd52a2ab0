/* SPDX-License-Identifier: Apache-2.0 */

/* See tree_tar.h. Each step down is an openat() that follows nothing. */

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>

#include "engine/image.h"
#include "engine/image/tar_write.h"
#include "engine/image/tree_tar.h"

enum { DEPTH_MAX = 512, XATTRS_MAX = 64, XATTR_BYTES = 256 << 10 };

/* Files with several names, by device and inode; open addressing. */
struct links {
	struct link {
		dev_t dev;
		ino_t ino;
		char *path; /* owned; NULL: free */
	} *slots;
	size_t n, max;
};

struct walk {
	const struct tree_tar_opts *opts;
	struct tar_out out;
	struct links links;
	uint64_t size_bytes;
	char *buf;     /* for data and attributes */
	char *targets; /* of symbolic links */
};

enum { BUF = 1 << 18 };

static struct link *link_slot(struct links *l, dev_t dev, ino_t ino)
{
	size_t i = (size_t)((uint64_t)ino * 0x9e3779b97f4a7c15ULL >> 32) & (l->max - 1);

	while (l->slots[i].path && (l->slots[i].dev != dev || l->slots[i].ino != ino))
		i = (i + 1) & (l->max - 1);
	return &l->slots[i];
}

/* The name it already has in the stream; else @path is remembered and NULL returned. -ENOMEM in *err. */
static const char *link_known(struct links *l, const struct stat *st, const char *path, int *err)
{
	struct link *s;

	if (l->n * 2 >= l->max) {
		struct links bigger = {.max = l->max ? l->max * 2 : 256, .n = l->n};

		bigger.slots = calloc(bigger.max, sizeof(*bigger.slots));
		if (!bigger.slots) {
			*err = -ENOMEM;
			return NULL;
		}
		for (size_t i = 0; i < l->max; i++)
			if (l->slots[i].path)
				*link_slot(&bigger, l->slots[i].dev, l->slots[i].ino) = l->slots[i];
		free(l->slots);
		*l = bigger;
	}
	s = link_slot(l, st->st_dev, st->st_ino);
	if (s->path)
		return s->path;
	*s = (struct link){st->st_dev, st->st_ino, strdup(path)};
	if (!s->path)
		*err = -ENOMEM;
	l->n++;
	return NULL;
}

static int64_t time_of(const struct walk *w, const struct stat *st)
{
	int64_t t = st->st_mtime;

	return w->opts->newest_s && t > w->opts->newest_s ? w->opts->newest_s : t;
}

static int marker(struct walk *w, const char *dir, const char *name)
{
	char path[PATH_MAX + NAME_MAX];
	struct tar_entry e = {.path = path, .mode = S_IFREG};

	snprintf(path, sizeof(path), "%s%s.wh.%s", dir, *dir ? "/" : "", name);
	return tar_header(&w->out, &e);
}

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct tar_xattr *)a)->name, ((const struct tar_xattr *)b)->name);
}

/* @fd: an open file or directory; -1: what cannot be opened has none. */
static int put_header(struct walk *w, int fd, const struct tar_entry *bare)
{
	struct tar_entry e = *bare;
	struct tar_xattr xattrs[XATTRS_MAX];
	char names[65536];
	size_t n = 0, used = 0;
	ssize_t len = fd < 0 ? 0 : flistxattr(fd, names, sizeof(names));

	if (len < 0 && errno != EOPNOTSUPP)
		return -errno;
	for (ssize_t i = 0; i < len; i += (ssize_t)strlen(names + i) + 1) {
		const char *name = names + i;
		ssize_t size;

		if (w->opts->layer && (!strcmp(name, "trusted.overlay.redirect") ||
					      !strcmp(name, "trusted.overlay.metacopy")))
			return -EXDEV;
		if (strncmp(name, "user.", 5) && strcmp(name, "security.capability"))
			continue;
		if (n == XATTRS_MAX)
			return -E2BIG;
		size = fgetxattr(fd, name, w->buf + used, XATTR_BYTES - used);
		if (size < 0)
			return -errno;
		xattrs[n++] = (struct tar_xattr){name, w->buf + used, (size_t)size};
		used += (size_t)size;
	}
	qsort(xattrs, n, sizeof(*xattrs), by_name);
	e.xattrs = xattrs;
	e.n_xattrs = n;
	return tar_header(&w->out, &e);
}

static int put_data(struct walk *w, int fd, uint64_t left)
{
	while (left) {
		ssize_t n = read(fd, w->buf, left < BUF ? (size_t)left : BUF);
		int r;

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0) {
			/* it was cut while it was read; the header has said its size */
			n = left < BUF ? (ssize_t)left : BUF;
			memset(w->buf, 0, (size_t)n);
		}
		r = tar_data(&w->out, w->buf, (size_t)n);
		if (r < 0)
			return r;
		left -= (uint64_t)n;
	}
	return 0;
}

static bool ignored(const struct walk *w, const char *path)
{
	for (const char *const *p = w->opts->ignore; p && *p; p++)
		if (!strcmp(*p, path))
			return true;
	return false;
}

static int compare(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

/* Does not keep a descriptor of its own open while it goes down. */
static int names_of(int fd, struct dirent ***list)
{
	char self[32];
	int n;

	snprintf(self, sizeof(self), "/proc/self/fd/%d", fd);
	n = scandir(self, list, NULL, compare);
	return n < 0 ? -errno : n;
}

static bool opaque(const struct walk *w, int fd)
{
	char value;

	return w->opts->layer && fgetxattr(fd, "trusted.overlay.opaque", &value, 1) == 1 && value == 'y';
}

/* Is the directory as it was before the container, or as the runtime makes one for the engine's files? */
static bool unchanged(const struct walk *w, const char *path, const struct stat *now)
{
	struct stat before = {.st_mode = S_IFDIR | 0755};

	for (size_t i = w->opts->n_below; i > 0; i--) {
		char whole[PATH_MAX];

		if (snprintf(whole, sizeof(whole), "%s/%s", w->opts->below[i - 1].dir, path) <
				(int)sizeof(whole) &&
			lstat(whole, &before) == 0)
			break;
	}
	return before.st_mode == now->st_mode && before.st_uid == now->st_uid && before.st_gid == now->st_gid;
}

/* May something that the engine has put there lie in this directory? */
static bool holds_ours(const struct walk *w, const char *path)
{
	size_t n = strlen(path);

	for (const char *const *p = w->opts->ignore; p && *p; p++)
		if (!strncmp(*p, path, n) && (!(*p)[n] || (*p)[n] == '/'))
			return true;
	return false;
}

/* A directory that is in the layer for nothing but what the engine has put there. 1, 0 or -errno. */
static int only_ours(const struct walk *w, int fd, const char *path, const struct stat *st)
{
	struct dirent **list;
	bool more = false;
	int n;

	if (!holds_ours(w, path) || !unchanged(w, path, st) || opaque(w, fd))
		return 0;
	if (ignored(w, path))
		return 1;
	n = names_of(fd, &list);
	if (n < 0)
		return n;
	for (int i = 0; i < n; i++) {
		cleanup(freep) char *child = NULL;
		struct stat in;

		if (asprintf(&child, "%s/%s", path, list[i]->d_name) < 0)
			child = NULL;
		more |= strcmp(list[i]->d_name, ".") && strcmp(list[i]->d_name, "..") &&
			(!child || !ignored(w, child) ||
				fstatat(fd, list[i]->d_name, &in, AT_SYMLINK_NOFOLLOW) < 0 ||
				(S_ISREG(in.st_mode) && in.st_size));
		free(list[i]);
	}
	free(list);
	return !more;
}

static int put_dir(struct walk *w, int fd, const char *path, unsigned depth);

static int put_regular(struct walk *w, int fd, struct tar_entry *e, const struct stat *st)
{
	int r = 0;

	if (st->st_size == 0 && ignored(w, e->path))
		return 0;
	if (st->st_nlink > 1)
		e->link = link_known(&w->links, st, e->path, &r);
	if (r < 0)
		return r;
	if (e->link)
		return tar_header(&w->out, e);
	e->size_bytes = (uint64_t)st->st_size;
	r = put_header(w, fd, e);
	w->size_bytes += e->size_bytes;
	return r ? r : put_data(w, fd, e->size_bytes);
}

static int put_node(struct walk *w, int dir, const char *parent, const char *name, struct tar_entry *e,
	const struct stat *st)
{
	ssize_t n;

	switch (st->st_mode & S_IFMT) {
	case S_IFLNK:
		n = readlinkat(dir, name, w->targets, PATH_MAX - 1);
		if (n < 0)
			return -errno;
		w->targets[n] = '\0';
		e->link = w->targets;
		return tar_header(&w->out, e);
	case S_IFCHR:
		if (w->opts->layer && st->st_rdev == 0)
			return marker(w, parent, name);
		/* fallthrough */
	case S_IFBLK:
		e->major = major(st->st_rdev);
		e->minor = minor(st->st_rdev);
		/* fallthrough */
	case S_IFIFO:
		return tar_header(&w->out, e);
	default:
		return 0; /* a socket is nothing without its server */
	}
}

static int put_one(struct walk *w, int dir, const char *parent, const char *name, unsigned depth)
{
	cleanup(closep) int fd = -1;
	cleanup(freep) char *path = NULL;
	struct tar_entry e = {0};
	struct stat st;
	int r;

	if (asprintf(&path, "%s%s%s", parent, *parent ? "/" : "", name) < 0) {
		path = NULL;
		return -ENOMEM;
	}
	if (strlen(path) >= PATH_MAX)
		return -ENAMETOOLONG;
	if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0 : -errno;
	if (S_ISREG(st.st_mode) || S_ISDIR(st.st_mode)) {
		fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
		if (fd < 0 || fstat(fd, &st) < 0)
			return errno == ENOENT ? 0 : -errno;
	}
	e.path = path;
	e.mode = st.st_mode;
	e.uid = st.st_uid;
	e.gid = st.st_gid;
	e.mtime_s = time_of(w, &st);
	if (S_ISREG(st.st_mode))
		return put_regular(w, fd, &e, &st);
	if (!S_ISDIR(st.st_mode))
		return put_node(w, dir, parent, name, &e, &st);
	r = only_ours(w, fd, path, &st);
	if (r)
		return r < 0 ? r : 0;
	r = put_header(w, fd, &e);
	return r || ignored(w, path) ? r : put_dir(w, fd, path, depth + 1);
}

static int put_dir(struct walk *w, int fd, const char *path, unsigned depth)
{
	struct dirent **list;
	int n, r = 0;

	if (depth > DEPTH_MAX)
		return -ELOOP;
	if (opaque(w, fd))
		r = marker(w, path, ".wh..opq");
	if (r < 0)
		return r;
	n = names_of(fd, &list);
	if (n < 0)
		return n;
	for (int i = 0; i < n; i++) {
		if (r == 0 && strcmp(list[i]->d_name, ".") && strcmp(list[i]->d_name, ".."))
			r = put_one(w, fd, path, list[i]->d_name, depth);
		free(list[i]);
	}
	free(list);
	return r;
}

int tree_tar(int dirfd, const struct tree_tar_opts *o, int (*write)(const void *buf, size_t len, void *arg),
	void *arg, uint64_t *size_bytes)
{
	struct walk w = {.opts = o, .out = {.write = write, .arg = arg}};
	int r = -ENOMEM;

	w.buf = malloc(BUF);
	w.targets = malloc(PATH_MAX);
	if (w.buf && w.targets)
		r = put_dir(&w, dirfd, "", 0);
	if (r == 0)
		r = tar_end(&w.out);
	for (size_t i = 0; i < w.links.max; i++)
		free(w.links.slots[i].path);
	free(w.links.slots);
	free(w.buf);
	free(w.targets);
	*size_bytes = w.size_bytes;
	return r;
}

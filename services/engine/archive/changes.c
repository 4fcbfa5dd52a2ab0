/* SPDX-License-Identifier: Apache-2.0 */

/*
 * docker diff: the overlay's upper directory against the image. As in Docker, a directory that is in the upper directory has
 * not changed by that: it is shown when its mode or owner differ, or for what is shown below it; so a container that only runs
 * shows nothing. And how much there is in a directory.
 */

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <yyjson.h>

#include "engine/archive/worker.h"
#include "engine/files.h"
#include "lib/errno_text.h"

enum { CHANGE_MODIFIED, CHANGE_ADDED, CHANGE_DELETED };
enum { DEPTH_MAX = 256, CHANGES_MAX = 1 << 20, CAPABILITY_MAX = 64 };

struct diff {
	int lower;
	yyjson_mut_doc *doc;
	yyjson_mut_val *list;
	size_t n_made; /* also of those taken back */
};

static bool whiteout(const struct stat *st)
{
	return S_ISCHR(st->st_mode) && !st->st_rdev;
}

/* What the engine and the runtime put into every container. */
static bool ours(const char *path, const struct stat *st)
{
	static const char *const dirs[] = {"/dev", "/proc", "/sys"}, *const files[] = {"/etc/hostname",
									     "/etc/hosts", "/etc/resolv.conf",
									     "/sbin/docker-init"};

	for (size_t i = 0; S_ISDIR(st->st_mode) && i < array_len(dirs); i++)
		if (!strcmp(dirs[i], path))
			return true;
	for (size_t i = 0; S_ISREG(st->st_mode) && !st->st_size && i < array_len(files); i++)
		if (!strcmp(files[i], path))
			return true;
	return false;
}

static int report(struct diff *f, const char *path, int kind)
{
	yyjson_mut_val *o = yyjson_mut_arr_add_obj(f->doc, f->list);

	return ++f->n_made <= CHANGES_MAX && o && yyjson_mut_obj_add_strcpy(f->doc, o, "Path", path) &&
			       yyjson_mut_obj_add_int(f->doc, o, "Kind", kind)
		       ? 0
		       : -ENOMEM;
}

static ssize_t capability(int dir, const char *name, char value[CAPABILITY_MAX])
{
	cleanup(closep) int fd = openat(dir, name, O_RDONLY | O_NONBLOCK | O_NOFOLLOW | O_CLOEXEC);

	return fd < 0 ? -1 : fgetxattr(fd, "security.capability", value, CAPABILITY_MAX);
}

/* A program's rights change without its time. @name, in @dir, is the file in the upper directory, @path that of the image. */
static bool same_capability(struct diff *f, int dir, const char *name, const char *path)
{
	char now[CAPABILITY_MAX], was[CAPABILITY_MAX];
	cleanup(closep) int fd = worker_open(f->lower, path, O_RDONLY | O_NONBLOCK | O_NOFOLLOW);
	ssize_t n = capability(dir, name, now),
		m = fd < 0 ? -1 : fgetxattr(fd, "security.capability", was, sizeof(was));

	return n == m && (n <= 0 || !memcmp(now, was, (size_t)n));
}

static bool same(const struct stat *a, const struct stat *b)
{
	if (a->st_mode != b->st_mode || a->st_uid != b->st_uid || a->st_gid != b->st_gid ||
		a->st_rdev != b->st_rdev)
		return false;
	return S_ISDIR(a->st_mode) || (a->st_size == b->st_size && a->st_mtim.tv_sec == b->st_mtim.tv_sec &&
					      a->st_mtim.tv_nsec == b->st_mtim.tv_nsec);
}

struct names {
	char **list; /* owned, and each */
	size_t n;
};

static void names_fini(struct names *names)
{
	while (names->n)
		free(names->list[--names->n]);
	free(names->list);
	names->list = NULL;
}

static int by_bytes(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static int names_read(struct names *out, int dir)
{
	int copy = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), err = 0;
	DIR *d = copy < 0 ? NULL : fdopendir(copy);

	if (!d) {
		err = -errno;
		closep(&copy);
		return err;
	}
	for (struct dirent *ent; !err && (ent = readdir(d));) {
		if (!strcmp(ent->d_name, ".") || !strcmp(ent->d_name, ".."))
			continue;
		if (!(out->n & (out->n - 1))) {
			char **more = realloc(out->list, (out->n ? out->n * 2 : 1) * sizeof(*more));

			err = more ? 0 : -ENOMEM;
			out->list = more ? more : out->list;
		}
		if (!err && !(out->list[out->n] = strdup(ent->d_name)))
			err = -ENOMEM;
		if (!err && ++out->n > CHANGES_MAX)
			err = -E2BIG;
	}
	closedir(d);
	if (!err && out->n)
		qsort(out->list, out->n, sizeof(*out->list), by_bytes);
	return err;
}

static int walk(struct diff *f, int dir, const char *path, bool *held, int depth);

/* A directory is shown before what is below it, and taken back when that was no reason. */
static int directory(
	struct diff *f, int dir, const char *name, const char *path, int kind, bool differs, int depth)
{
	cleanup(closep) int sub = openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	bool held = false; /* something of ours: then it was not made for its own sake */
	size_t n;
	int err = report(f, path, kind);

	n = yyjson_mut_arr_size(f->list);
	if (!err && sub >= 0)
		err = walk(f, sub, path, &held, depth + 1);
	if (!err && yyjson_mut_arr_size(f->list) == n && (kind == CHANGE_ADDED ? held : !differs))
		yyjson_mut_arr_remove_last(f->list);
	return err;
}

static int entry(struct diff *f, int dir, const char *name, const char *path, bool *held, int depth)
{
	struct stat st, below;
	bool was, differs;

	if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return 0; /* gone meanwhile */
	if (ours(path, &st)) {
		*held = true;
		return 0;
	}
	/* The path below the upper directory has no links in it; below the image it may. */
	cleanup(closep) int fd = worker_open(f->lower, path, O_PATH | O_NOFOLLOW);

	was = fd >= 0 && !fstat(fd, &below);
	if (whiteout(&st))
		return was ? report(f, path, CHANGE_DELETED) : 0;
	differs = !was || !same(&st, &below) || (S_ISREG(st.st_mode) && !same_capability(f, dir, name, path));
	if (S_ISDIR(st.st_mode))
		return directory(f, dir, name, path, was ? CHANGE_MODIFIED : CHANGE_ADDED, differs, depth);
	return differs ? report(f, path, was ? CHANGE_MODIFIED : CHANGE_ADDED) : 0;
}

static int walk(struct diff *f, int dir, const char *path, bool *held, int depth)
{
	cleanup(names_fini) struct names names = {0};
	int err = depth > DEPTH_MAX ? -ELOOP : names_read(&names, dir);

	for (size_t i = 0; !err && i < names.n; i++) {
		cleanup(freep) char *child = text_make("%s/%s", path, names.list[i]);

		err = child ? entry(f, dir, names.list[i], child, held, depth) : -ENOMEM;
	}
	return err;
}

int worker_changes(int upper, int lower)
{
	struct diff f = {.lower = lower, .doc = yyjson_mut_doc_new(NULL)};
	cleanup(freep) char *text = NULL;
	bool held = false;
	size_t len = 0;
	int err = f.doc ? 0 : -ENOMEM;

	if (!err) {
		f.list = yyjson_mut_arr(f.doc);
		yyjson_mut_doc_set_root(f.doc, f.list);
		err = walk(&f, upper, "", &held, 0);
	}
	if (!err) {
		text = yyjson_mut_write(f.doc, YYJSON_WRITE_ALLOW_INVALID_UNICODE, &len);
		err = text ? file_write_all(1, "\n", 1) : -ENOMEM;
	}
	if (!err)
		err = file_write_all(1, text, len);
	yyjson_mut_doc_free(f.doc);
	return err ? worker_fail(WORKER_FAILED, "the changes cannot be read: %s", errno_text(-err))
		   : WORKER_OK;
}

/* ---- sizes */

/* Files with several names count once: by inode, in a table that grows. */
struct inodes {
	ino_t *slots; /* 0: free */
	size_t n, max;
};

static bool seen(struct inodes *s, ino_t ino)
{
	size_t i;

	if (s->n * 2 >= s->max) {
		struct inodes more = {.max = s->max ? s->max * 2 : 1024};

		more.slots = calloc(more.max, sizeof(*more.slots));
		if (!more.slots)
			return false;
		for (i = 0; i < s->max; i++)
			if (s->slots[i])
				(void)!seen(&more, s->slots[i]);
		free(s->slots);
		*s = more;
	}
	i = (size_t)(((uint64_t)ino * 0x9e3779b97f4a7c15ULL) >> 32) & (s->max - 1);
	while (s->slots[i] && s->slots[i] != ino)
		i = (i + 1) & (s->max - 1);
	if (s->slots[i])
		return true;
	s->slots[i] = ino;
	s->n++;
	return false;
}

static int sum(int dir, struct inodes *inodes, int64_t *total, int depth)
{
	int copy = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = copy < 0 ? NULL : fdopendir(copy);

	if (!d) {
		closep(&copy);
		return -errno;
	}
	for (struct dirent *ent; depth < DEPTH_MAX && (ent = readdir(d));) {
		struct stat st;

		if (!strcmp(ent->d_name, ".") || !strcmp(ent->d_name, "..") ||
			fstatat(dir, ent->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
			continue;
		if (S_ISDIR(st.st_mode)) {
			cleanup(closep) int sub =
				openat(dir, ent->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

			if (sub >= 0)
				(void)!sum(sub, inodes, total, depth + 1);
		} else if (st.st_nlink < 2 || !seen(inodes, st.st_ino)) {
			*total += st.st_size;
		}
	}
	closedir(d);
	return 0;
}

int worker_size(void)
{
	char path[PATH_MAX];

	while (fgets(path, sizeof(path), stdin)) {
		struct inodes inodes = {0};
		int64_t total = 0;

		path[strcspn(path, "\n")] = 0;

		cleanup(closep) int dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);

		if (dir < 0 && errno == ENOENT)
			total = 0; /* nothing has been written yet */
		else if (dir < 0 || sum(dir, &inodes, &total, 0))
			total = -1;
		free(inodes.slots);
		printf("%lld\n", (long long)total);
	}
	return fflush(stdout) ? WORKER_FAILED : WORKER_OK;
}

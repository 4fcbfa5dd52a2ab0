/* SPDX-License-Identifier: Apache-2.0 */

/*
 * See payload.h. The directory of the files is named by a digest of all that they are, so that "has it changed" is one
 * readlink, and a directory that a kill left half-made is never mistaken for a whole one: only ..data says which is.
 */

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "agent/payload.h"
#include "lib/file.h"
#include "lib/sha256.h"
#include "lib/tree.h"

enum { NAME_LEN = 2 + 32 };

bool payload_path_ok(const char *path)
{
	size_t len = strlen(path);

	if (!len || len > PAYLOAD_PATH_MAX || path[0] == '/')
		return false;
	for (const char *p = path;; p++) {
		size_t n = strcspn(p, "/");

		if (!n || n > 255 || (n == 1 && *p == '.') || (p[0] == '.' && p[1] == '.'))
			return false;
		p += n;
		if (!*p)
			return true;
	}
}

int payload_add(struct payload *p, const char *path, char *data, size_t len, mode_t mode, uid_t uid)
{
	struct payload_file *f = NULL;
	int err = !data								    ? -ENOMEM
		  : !payload_path_ok(path)					    ? -EINVAL
		  : len > PAYLOAD_BYTES_MAX - p->bytes || p->n == PAYLOAD_FILES_MAX ? -E2BIG
										    : 0;

	for (size_t i = 0; !err && i < p->n && !f; i++)
		if (!strcmp(p->files[i].path, path))
			f = &p->files[i];
	if (!err && !f && p->n == p->cap) {
		size_t cap = p->cap ? 2 * p->cap : 8;
		struct payload_file *more = realloc(p->files, cap * sizeof(*more));

		if (more) {
			p->files = more;
			p->cap = cap;
		} else {
			err = -ENOMEM;
		}
	}
	if (!err && !f) {
		f = &p->files[p->n];
		*f = (struct payload_file){.path = strdup(path)};
		if (f->path)
			p->n++;
		else
			err = -ENOMEM;
	}
	if (err) {
		free(data);
		return err;
	}
	p->bytes = p->bytes - f->len + len;
	free(f->data);
	f->data = data;
	f->len = len;
	f->mode = mode;
	f->uid = uid;
	return 0;
}

void payload_fini(struct payload *p)
{
	for (size_t i = 0; i < p->n; i++) {
		free(p->files[i].path);
		free(p->files[i].data);
	}
	free(p->files);
	*p = (struct payload){0};
}

static int by_path(const void *a, const void *b)
{
	return strcmp(((const struct payload_file *)a)->path, ((const struct payload_file *)b)->path);
}

static void name_of(const struct payload *p, gid_t gid, char name[NAME_LEN + 1])
{
	uint8_t sum[SHA256_SIZE];
	struct sha256 s;

	sha256_init(&s);
	for (size_t i = 0; i < p->n; i++) {
		const struct payload_file *f = &p->files[i];
		uint64_t numbers[4] = {f->len, f->mode, f->uid, gid};

		sha256_update(&s, f->path, strlen(f->path) + 1);
		sha256_update(&s, numbers, sizeof(numbers));
		sha256_update(&s, f->data, f->len);
	}
	sha256_final(&s, sum);
	name[0] = name[1] = '.';
	for (size_t i = 0; i < (NAME_LEN - 2) / 2; i++)
		snprintf(name + 2 + 2 * i, 3, "%02x", sum[i]);
}

/* ---- the files */

static int give_dir(int fd, gid_t gid)
{
	if (gid == (gid_t)-1)
		return 0;
	return fchown(fd, (uid_t)-1, gid) < 0 || fchmod(fd, 02755) < 0 ? -errno : 0;
}

/* The directory that the last part of @path is in, made where it is not there. */
static int parent_of(int top, const char *path, gid_t gid)
{
	int dir = openat(top, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), r;
	const char *slash;

	while (dir >= 0 && (slash = strchr(path, '/'))) {
		cleanup(freep) char *part = strndup(path, (size_t)(slash - path));
		int next = -ENOMEM;

		if (part && mkdirat(dir, part, 0755) < 0 && errno != EEXIST)
			next = -errno;
		else if (part)
			next = openat(dir, part, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (next == -1)
			next = -errno;
		r = next >= 0 ? give_dir(next, gid) : 0;
		if (r)
			closep(&next);
		close(dir);
		dir = r ? r : next;
		path = slash + 1;
	}
	return dir == -1 ? -errno : dir;
}

static int write_file(int top, const struct payload_file *f, gid_t gid)
{
	const char *slash = strrchr(f->path, '/');
	cleanup(closep) int dir = parent_of(top, f->path, gid), fd = -1;
	mode_t mode = gid == (gid_t)-1 ? f->mode : f->mode | 0440;
	int r;

	if (dir < 0)
		return dir;
	fd = openat(
		dir, slash ? slash + 1 : f->path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	r = file_write_all(fd, f->data, f->len);
	if (!r && (f->uid || gid != (gid_t)-1) && fchown(fd, f->uid, gid) < 0)
		r = -errno;
	if (!r &&
		fchmod(fd, mode) < 0) /* after the owner, which takes bits away; and whatever the umask is */
		r = -errno;
	return r;
}

static int write_files(int dir, const char *name, const struct payload *p, gid_t gid)
{
	cleanup(closep) int top = -1;
	int r = tree_remove(dir, name);

	if (!r && mkdirat(dir, name, 0755) < 0)
		r = -errno;
	if (r)
		return r;
	top = openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	r = top < 0 ? -errno : fchmod(top, 0755) < 0 ? -errno : give_dir(top, gid);
	for (size_t i = 0; !r && i < p->n; i++)
		r = write_file(top, &p->files[i], gid);
	return r;
}

/* ---- the links */

static bool links_to(int dir, const char *name, const char *target)
{
	char was[PAYLOAD_PATH_MAX + 16];
	ssize_t n = readlinkat(dir, name, was, sizeof(was) - 1);

	if (n < 0)
		return false;
	was[n] = 0;
	return !strcmp(was, target);
}

static int put_link(int dir, const char *target, const char *name, const char *temporary)
{
	if (links_to(dir, name, target))
		return 0;
	if ((unlinkat(dir, temporary, 0) < 0 && errno != ENOENT) || symlinkat(target, dir, temporary) < 0 ||
		renameat(dir, temporary, dir, name) < 0)
		return -errno;
	return 0;
}

static int put_links(int dir, const struct payload *p)
{
	char first[256], target[PAYLOAD_PATH_MAX + 16];
	int r = 0;

	for (size_t i = 0; !r && i < p->n; i++) {
		snprintf(first, sizeof(first), "%.*s", (int)strcspn(p->files[i].path, "/"), p->files[i].path);
		snprintf(target, sizeof(target), "..data/%s", first);
		r = put_link(dir, target, first, "..link_tmp");
	}
	return r;
}

static bool wanted(const struct payload *p, const char *now, const char *name)
{
	if (!strcmp(name, ".") || !strcmp(name, "..") || !strcmp(name, "..data") || !strcmp(name, now))
		return true;
	for (size_t i = 0; i < p->n; i++)
		if (strlen(name) == strcspn(p->files[i].path, "/") &&
			!strncmp(name, p->files[i].path, strlen(name)))
			return true;
	return false;
}

/* Links to files that are no more, and directories that ..data has left. */
static int sweep(int dir, const struct payload *p, const char *now)
{
	int fd = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), r = 0;
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *e;

	if (!d) {
		r = -errno;
		closep(&fd);
		return r;
	}
	while (!r && (e = readdir(d)))
		if (!wanted(p, now, e->d_name))
			r = tree_remove(dir, e->d_name);
	closedir(d);
	return r;
}

int payload_write(int dir, struct payload *p, gid_t gid)
{
	char name[NAME_LEN + 1];
	bool same;
	int r = 0;

	if (p->n)
		qsort(p->files, p->n, sizeof(*p->files), by_path);
	name_of(p, gid, name);
	same = links_to(dir, "..data", name);
	if (!same)
		r = write_files(dir, name, p, gid);
	if (!r)
		r = put_link(dir, name, "..data", "..data_tmp");
	if (!r)
		r = put_links(dir, p);
	if (!r)
		r = sweep(dir, p, name);
	return r ? r : !same;
}

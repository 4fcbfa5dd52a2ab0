/* SPDX-License-Identifier: Apache-2.0 */

/*
 * tmpcopyup: a tmpfs that begins with what the image has at its place. The image is not trusted: nothing is
 * followed, other mounts are not entered, and depth and number are bounded. The bytes are the tmpfs's and the
 * container's group's to bound.
 */

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/sendfile.h>

#include "runtime/fail.h"
#include "runtime/rootfs.h"
#include "runtime/sys.h"

enum { DEPTH_MAX = 64, ENTRIES_MAX = 1 << 20 };

struct copy {
	dev_t dev;
	unsigned depth, entries;
};

static int copy_dir(struct copy *c, int from, int to);

/* Owner first: changing it clears the set-user-id bit. */
static int same_meta(int dir, const char *name, const struct stat *st)
{
	struct timespec times[2] = {st->st_atim, st->st_mtim};

	if (fchownat(dir, name, st->st_uid, st->st_gid, AT_SYMLINK_NOFOLLOW) < 0)
		return rt_fail(errno, "tmpcopyup: owner of %s", name);
	if (!S_ISLNK(st->st_mode) && fchmodat(dir, name, st->st_mode & 07777, 0) < 0)
		return rt_fail(errno, "tmpcopyup: mode of %s", name);
	if (utimensat(dir, name, times, AT_SYMLINK_NOFOLLOW) < 0)
		return rt_fail(errno, "tmpcopyup: times of %s", name);
	return 0;
}

static int copy_file(int from, int to, const char *name)
{
	cleanup(closep) int in = openat(from, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	cleanup(closep) int out =
		openat(to, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	ssize_t n;

	if (in < 0 || out < 0)
		return rt_fail(errno, "tmpcopyup: open %s", name);
	do
		n = sendfile(out, in, NULL, 1 << 20);
	while (n > 0 || (n < 0 && errno == EINTR));
	return n < 0 ? rt_fail(errno, "tmpcopyup: copy %s", name) : 0;
}

static int copy_link(int from, int to, const char *name)
{
	char target[PATH_MAX];
	ssize_t n = readlinkat(from, name, target, sizeof(target) - 1);

	if (n < 0)
		return rt_fail(errno, "tmpcopyup: read link %s", name);
	target[n] = '\0';
	return symlinkat(target, to, name) < 0 ? rt_fail(errno, "tmpcopyup: make link %s", name) : 0;
}

static int copy_below(struct copy *c, int from, int to, const char *name)
{
	cleanup(closep) int in = openat(from, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	if (in < 0 || mkdirat(to, name, 0700) < 0)
		return rt_fail(errno, "tmpcopyup: directory %s", name);
	cleanup(closep) int out = openat(to, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	if (out < 0)
		return rt_fail(errno, "tmpcopyup: directory %s", name);
	if (++c->depth > DEPTH_MAX)
		return rt_refuse("tmpcopyup: more than %d directories deep", DEPTH_MAX);
	int r = copy_dir(c, in, out);

	c->depth--;
	return r;
}

static int copy_one(struct copy *c, int from, int to, const char *name)
{
	struct stat st;
	int r;

	if (fstatat(from, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return rt_fail(errno, "tmpcopyup: %s", name);
	if (st.st_dev != c->dev)
		return 0;
	if (++c->entries > ENTRIES_MAX)
		return rt_refuse("tmpcopyup: more than %d files", ENTRIES_MAX);
	switch (st.st_mode & S_IFMT) {
	case S_IFDIR:
		r = copy_below(c, from, to, name);
		break;
	case S_IFREG:
		r = copy_file(from, to, name);
		break;
	case S_IFLNK:
		r = copy_link(from, to, name);
		break;
	default:
		/* Sockets, pipes and devices of an image mean nothing without the process that made them. */
		return 0;
	}
	return r < 0 ? r : same_meta(to, name, &st);
}

static int copy_dir(struct copy *c, int from, int to)
{
	int own = fcntl(from, F_DUPFD_CLOEXEC, 3), r = 0;
	DIR *d = own < 0 ? NULL : fdopendir(own);

	if (!d) {
		r = rt_fail(errno, "tmpcopyup");
		closep(&own);
		return r;
	}
	for (struct dirent *e; r == 0 && (errno = 0, e = readdir(d));)
		if (strcmp(e->d_name, ".") && strcmp(e->d_name, ".."))
			r = copy_one(c, from, to, e->d_name);
	if (r == 0 && errno)
		r = rt_fail(errno, "tmpcopyup: read a directory");
	closedir(d);
	return r;
}

int rt_copy_up(int from_path, int to)
{
	cleanup(closep) int from = openat(from_path, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	cleanup(closep) int top = openat(to, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct stat st;

	if (from < 0 || top < 0 || fstat(from, &st) < 0)
		return rt_fail(errno, "tmpcopyup");
	struct copy c = {.dev = st.st_dev};

	return copy_dir(&c, from, top);
}

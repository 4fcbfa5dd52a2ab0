/* SPDX-License-Identifier: Apache-2.0 */

/* See copy_place.h. */

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "engine/build/copy_place.h"

enum { LINKS_MAX = 40 }; /* as many as the kernel follows */

int copy_in_root(int root, const char *path, uint64_t flags)
{
	struct open_how how = {
		.flags = flags | O_CLOEXEC,
		.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS,
	};
	int fd;

	path += strspn(path, "/");
	fd = (int)syscall(SYS_openat2, root, *path ? path : ".", &how, sizeof(how));
	return fd < 0 ? -errno : fd;
}

const char *copy_split(const char *path, char *dir)
{
	const char *slash = strrchr(path, '/');
	size_t n = slash ? (size_t)(slash - path) : 0;

	memcpy(dir, path, n);
	dir[n] = '\0';
	return slash ? slash + 1 : path;
}

static int make_dirs_at(const struct copy_place *p, const char *path, unsigned links);

/*
 * Where the link @name of @dir, whose path is @prefix without its last part, points to, as a path of the root. @out has PATH_MAX
 * bytes. 1, 0: it is no link, or -errno.
 */
static int link_target(int dir, const char *prefix, const char *name, char *out)
{
	char target[PATH_MAX];
	ssize_t n = readlinkat(dir, name, target, sizeof(target) - 1);

	*out = '\0';
	if (n < 0)
		return errno == EINVAL || errno == ENOENT ? 0 : -errno;
	target[n] = '\0';
	n = snprintf(
		out, PATH_MAX, "%s%s%s", *target == '/' ? "" : prefix, *target == '/' ? "" : "/", target);
	return n < PATH_MAX ? 1 : -ENAMETOOLONG;
}

/* A directory that is not there: made, or, where a link points to nothing, what that points to. */
static int make_dir(
	const struct copy_place *p, int parent, const char *prefix, const char *name, unsigned links)
{
	char above[PATH_MAX], target[PATH_MAX];
	int r;

	if (mkdirat(parent, name, 0755) == 0) {
		if (fchownat(parent, name, p->uid, p->gid, AT_SYMLINK_NOFOLLOW) < 0)
			return -errno;
		return copy_in_root(p->root, prefix, O_PATH | O_DIRECTORY);
	}
	if (errno != EEXIST)
		return -errno;
	copy_split(prefix, above);
	r = link_target(parent, above, name, target);
	if (r <= 0)
		return r < 0 ? r : -ENOTDIR;
	return links < LINKS_MAX ? make_dirs_at(p, target, links + 1) : -ELOOP;
}

static int make_dirs_at(const struct copy_place *p, const char *path, unsigned links)
{
	char prefix[PATH_MAX] = "";
	size_t len = 0;
	int fd = copy_in_root(p->root, "/", O_PATH | O_DIRECTORY);

	while (fd >= 0 && *path) {
		size_t n;
		int next;
		char name[NAME_MAX + 1];

		path += strspn(path, "/");
		n = strcspn(path, "/");
		if (!n)
			break;
		if (n > NAME_MAX || len + n + 2 > sizeof(prefix)) {
			close(fd);
			return -ENAMETOOLONG;
		}
		memcpy(name, path, n);
		name[n] = '\0';
		prefix[len++] = '/';
		memcpy(prefix + len, name, n + 1);
		len += n;
		path += n;
		next = copy_in_root(p->root, prefix, O_PATH | O_DIRECTORY);
		if (next == -ENOENT) {
			next = make_dir(p, fd, prefix, name, links);
			*p->entries += next >= 0;
		}
		close(fd);
		fd = next;
	}
	return fd;
}

int copy_make_dirs(const struct copy_place *p, const char *path)
{
	return make_dirs_at(p, path, 0);
}

int copy_make_place(const struct copy_place *p, const char *path, char *whole, const char **name)
{
	char dir[PATH_MAX], target[PATH_MAX];

	if (snprintf(whole, PATH_MAX, "%s", path) >= PATH_MAX)
		return -ENAMETOOLONG;
	for (unsigned links = 0; links < LINKS_MAX; links++) {
		int to, r;

		*name = copy_split(whole, dir);
		to = copy_make_dirs(p, dir);
		if (to < 0)
			return to;
		r = link_target(to, dir, *name, target);
		if (r == 0)
			return to;
		close(to);
		if (r < 0)
			return r;
		memcpy(whole, target, PATH_MAX);
	}
	return -ELOOP;
}

/* SPDX-License-Identifier: Apache-2.0 */

#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "runtime/fail.h"
#include "runtime/resolve.h"
#include "runtime/sys.h"

enum { LINKS_MAX = 40 };

int rt_resolve(int root, const char *path)
{
	int fd = sys_openat2(root, path, O_PATH, 0, RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS);

	return fd < 0 ? -errno : fd;
}

static int open_dir(int root, const char *path)
{
	int fd = sys_openat2(root, path, O_PATH | O_DIRECTORY, 0, RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS);

	return fd < 0 ? -errno : fd;
}

/* @path becomes what it means once the symlink @name in its directory part [0, @dir_len) is followed. */
static int follow(int parent, const char *name, char *path, size_t dir_len, const char *rest)
{
	char target[PATH_MAX], next[PATH_MAX];
	ssize_t n = readlinkat(parent, name, target, sizeof(target) - 1);
	int len;

	if (n < 0)
		return -errno;
	target[n] = '\0';
	if (target[0] == '/')
		len = snprintf(next, sizeof(next), "%s%s", target, rest);
	else
		len = snprintf(next, sizeof(next), "%.*s/%s%s", (int)dir_len, path, target, rest);
	if (len < 0 || len >= PATH_MAX)
		return -ENAMETOOLONG;
	memcpy(path, next, (size_t)len + 1);
	return 0;
}

/* Makes the missing directories of @path, which it rewrites where symlinks dangle. Stops before the last
 * part. */
static int make_dirs(int root, char *path, unsigned *links)
{
	for (size_t at = 0;;) {
		size_t begin = at + strspn(path + at, "/");
		size_t end = begin + strcspn(path + begin, "/");
		char name[256];

		if (!path[end + strspn(path + end, "/")])
			return 0;
		at = end;
		char saved = path[end];

		path[end] = '\0';
		cleanup(closep) int fd = open_dir(root, path);

		path[end] = saved;
		if (fd >= 0)
			continue;
		if (fd != -ENOENT || end - begin > 255)
			return fd == -ENOENT ? -ENAMETOOLONG : fd;
		memcpy(name, path + begin, end - begin);
		name[end - begin] = '\0';

		saved = path[begin];
		path[begin] = '\0';
		cleanup(closep) int parent = open_dir(root, begin ? path : ".");

		path[begin] = saved;
		if (parent < 0)
			return parent;
		if (mkdirat(parent, name, 0755) == 0)
			continue;
		if (errno != EEXIST)
			return -errno;
		if ((*links)++ == LINKS_MAX)
			return -ELOOP;
		char rest[PATH_MAX];

		snprintf(rest, sizeof(rest), "%s", path + end);
		int r = follow(parent, name, path, begin, rest);

		if (r < 0)
			return r;
		at = 0;
	}
}

int rt_resolve_parent(int root, const char *path, char name[256])
{
	char buf[PATH_MAX];
	unsigned links = 0;
	size_t n = strlen(path);

	while (n && path[n - 1] == '/')
		n--;
	if (n >= sizeof(buf))
		return -ENAMETOOLONG;
	memcpy(buf, path, n);
	buf[n] = '\0';

	int r = make_dirs(root, buf, &links);

	if (r < 0)
		return r;
	char *slash = strrchr(buf, '/');
	const char *last = slash ? slash + 1 : buf;

	if (!*last || !strcmp(last, ".") || !strcmp(last, ".."))
		return -EINVAL;
	if (strlen(last) > 255)
		return -ENAMETOOLONG;
	strcpy(name, last);
	if (slash)
		slash[slash == buf] = '\0';
	return open_dir(root, slash ? buf : ".");
}

int rt_resolve_make(int root, const char *path, bool dir)
{
	char buf[PATH_MAX];
	unsigned links = 0;
	int fd = rt_resolve(root, path);

	if (fd >= 0 || fd != -ENOENT)
		return fd;
	if (strlen(path) >= sizeof(buf))
		return -ENAMETOOLONG;
	strcpy(buf, path);
	for (;;) {
		char name[256];
		int r = make_dirs(root, buf, &links);

		if (r < 0)
			return r;
		cleanup(closep) int parent = rt_resolve_parent(root, buf, name);

		if (parent < 0)
			return parent;
		if (dir)
			r = mkdirat(parent, name, 0755);
		else
			r = openat(parent, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);
		if (r >= 0 && !dir)
			close(r);
		if (r < 0 && errno != EEXIST)
			return -errno;
		fd = rt_resolve(root, buf);
		if (fd != -ENOENT)
			return fd;
		/* The last part is a symlink to nowhere. */
		if (links++ >= LINKS_MAX)
			return -ELOOP;
		size_t len = strlen(buf);

		while (len && buf[len - 1] == '/')
			buf[--len] = '\0';
		while (len && buf[len - 1] != '/')
			len--;
		r = follow(parent, name, buf, len, "");
		if (r < 0)
			return r;
	}
}

/* SPDX-License-Identifier: Apache-2.0 */

/* hostPath: something that is on the node, checked or made as its type says. */

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "agent/volumes_int.h"
#include "lib/places.h"

static const struct type {
	const char *name;
	mode_t is; /* 0: anything */
	mode_t make;
	mode_t mode;
	const char *words;
} types[] = {
	{"", 0, S_IFDIR, 0755, ""}, /* made as container runtimes do */
	{"DirectoryOrCreate", S_IFDIR, S_IFDIR, 0755, "a directory"},
	{"Directory", S_IFDIR, 0, 0, "a directory"},
	{"FileOrCreate", S_IFREG, S_IFREG, 0644, "a file"},
	{"File", S_IFREG, 0, 0, "a file"},
	{"Socket", S_IFSOCK, 0, 0, "a socket"},
	{"CharDevice", S_IFCHR, 0, 0, "a character device"},
	{"BlockDevice", S_IFBLK, 0, 0, "a block device"},
};

static int make(const char *path, const struct type *t)
{
	int fd;

	if (t->make == S_IFDIR)
		return volume_make_dirs(path, t->mode);
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, t->mode);
	if (fd < 0)
		return -errno;
	close(fd);
	return 0;
}

/* "a/../b" as a path of the node is nothing the API lets pass. */
static bool path_ok(const char *path)
{
	for (const char *p = path; *p; p += strspn(p, "/")) {
		size_t n = strcspn(p, "/");

		if (n == 2 && p[0] == '.' && p[1] == '.')
			return false;
		p += n;
	}
	return path[0] == '/' && strlen(path) < 4096;
}

int volume_host(struct volume *v, const char *path, const char *type)
{
	const struct type *t = NULL;
	struct stat st;
	int r;

	for (size_t i = 0; i < array_len(types) && !t; i++)
		if (!strcmp(types[i].name, type))
			t = &types[i];
	if (!t)
		return volume_fail(v, -EINVAL, "type %s of hostPath is unknown", type);
	if (!path_ok(path))
		return volume_fail(
			v, -EINVAL, "path %s of hostPath is not absolute, or has \"..\" in it", path);
	r = stat(path, &st) < 0 ? -errno : 0;
	if (r == -ENOENT && t->make) {
		r = make(path, t);
		if (!r && stat(path, &st) < 0)
			r = -errno;
	}
	if (r) {
		cleanup(freep) char *advice = r == -EROFS ? places_advice() : NULL;

		return volume_fail(v, r, "hostPath %s: %s", path, advice ? advice : strerror(-r));
	}
	if (t->is && (st.st_mode & S_IFMT) != t->is)
		return volume_fail(v, -EINVAL, "hostPath type check failed: %s is not %s", path, t->words);
	free(v->path);
	v->path = strdup(path);
	return v->path ? 0 : volume_fail(v, -ENOMEM, "out of memory");
}

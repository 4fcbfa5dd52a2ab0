/* SPDX-License-Identifier: Apache-2.0 */

/* See tree.h. */

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "lib/tree.h"

/*
 * Depth costs neither stack nor descriptors: a directory met inside another is moved up beside the first
 * one's children, under a name of ours, and emptied in its turn.
 */
static int empty_into(int top, int dir, unsigned *serial)
{
	int fd = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *e;
	int r = 0;

	if (!d) {
		r = -errno;
		closep(&fd);
		return r;
	}
	while (errno = 0, r == 0 && (e = readdir(d))) {
		char name[32];

		if (!strcmp(e->d_name, ".") || !strcmp(e->d_name, ".."))
			continue;
		if (unlinkat(dir, e->d_name, 0) == 0)
			continue;
		if (errno != EISDIR && errno != EPERM) {
			r = -errno;
			break;
		}
		if (unlinkat(dir, e->d_name, AT_REMOVEDIR) == 0)
			continue;
		if (errno != ENOTEMPTY && errno != EEXIST) {
			r = -errno;
			break;
		}
		if (dir == top)
			continue; /* its turn comes */
		do
			snprintf(name, sizeof(name), ".gone-%u", (*serial)++);
		while (renameat2(dir, e->d_name, top, name, 1 /* RENAME_NOREPLACE */) < 0 && errno == EEXIST);
	}
	if (r == 0 && errno)
		r = -errno;
	closedir(d);
	return r;
}

/* Takes any one directory out of @top; 1 when there was one, 0 when there is none. */
static int empty_one(int top, unsigned *serial)
{
	int fd = openat(top, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *e;
	int r = 0;

	if (!d) {
		r = -errno;
		closep(&fd);
		return r;
	}
	while (r == 0 && (e = readdir(d))) {
		cleanup(closep) int sub = -1;

		if (!strcmp(e->d_name, ".") || !strcmp(e->d_name, ".."))
			continue;
		sub = openat(top, e->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (sub < 0) {
			r = -errno;
			break;
		}
		/* a file system may skip names while others go: look again, a bounded number of times */
		for (int tries = 0; tries < 100; tries++) {
			r = empty_into(top, sub, serial);
			if (r < 0)
				break;
			r = unlinkat(top, e->d_name, AT_REMOVEDIR) < 0 ? -errno : 1;
			if (r != -ENOTEMPTY && r != -EEXIST)
				break;
		}
	}
	closedir(d);
	return r;
}

int tree_remove(int dirfd, const char *name)
{
	cleanup(closep) int top = -1;
	unsigned serial = 0;
	int r;

	if (unlinkat(dirfd, name, 0) == 0 || errno == ENOENT)
		return 0;
	if (errno != EISDIR && errno != EPERM)
		return -errno;
	top = openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (top < 0)
		return -errno;
	r = empty_into(top, top, &serial);
	if (r == 0)
		while ((r = empty_one(top, &serial)) == 1)
			;
	if (r < 0)
		return r;
	return unlinkat(dirfd, name, AT_REMOVEDIR) < 0 ? -errno : 0;
}

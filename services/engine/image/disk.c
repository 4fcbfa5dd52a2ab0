/* SPDX-License-Identifier: Apache-2.0 */

/* See disk.h. */

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "engine/image/disk.h"

static int write_all(int fd, const char *p, size_t len)
{
	while (len) {
		ssize_t r = write(fd, p, len);

		if (r < 0 && errno == EINTR)
			continue;
		if (r < 0)
			return -errno;
		p += r;
		len -= (size_t)r;
	}
	return 0;
}

static int put(int dirfd, const char *name, const void *data, size_t len, bool sync)
{
	cleanup(closep) int fd = -1;
	char tmp[300];
	int r;

	/* One writer a name: the engine or, while a pull of it runs, that pull. The pid keeps two apart all
	 * the same. */
	r = snprintf(tmp, sizeof(tmp), ".new-%s-%d", name, (int)getpid());
	if ((size_t)r >= sizeof(tmp))
		return -ENAMETOOLONG;
	fd = openat(dirfd, tmp, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	r = write_all(fd, data, len);
	if (r == 0 && sync && fsync(fd) < 0)
		r = -errno;
	if (r == 0 && renameat(dirfd, tmp, dirfd, name) < 0)
		r = -errno;
	if (r < 0) {
		unlinkat(dirfd, tmp, 0);
		return r;
	}
	return sync && fsync(dirfd) < 0 ? -errno : 0;
}

int disk_write(int dirfd, const char *name, const void *data, size_t len)
{
	return put(dirfd, name, data, len, true);
}

int disk_write_unsynced(int dirfd, const char *name, const void *data, size_t len)
{
	return put(dirfd, name, data, len, false);
}

int disk_mkdir_open(int dirfd, const char *name)
{
	int fd;

	if (mkdirat(dirfd, name, 0700) < 0 && errno != EEXIST)
		return -errno;
	fd = openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

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

int disk_remove_tree(int dirfd, const char *name)
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

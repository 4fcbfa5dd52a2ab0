/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ENGINE_IMAGE_DISK_H
#define ENGINE_IMAGE_DISK_H

/* The few ways in which this folder changes the disk, in the words of lib. */

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "lib/file.h"
#include "lib/tree.h"
#include "lib/util.h"

/* Several pulls may write the same name at once. */
must_check static inline int disk_write(int dirfd, const char *name, const void *data, size_t len)
{
	return file_put(dirfd, name, data, len, 0600, FILE_DURABLE | FILE_SHARED);
}

/* The same, for what a syncfs() of the caller's makes last before anything refers to it. */
must_check static inline int disk_write_unsynced(int dirfd, const char *name, const void *data, size_t len)
{
	return file_put(dirfd, name, data, len, 0600, FILE_SHARED);
}

/* Descriptor, or -errno. */
must_check static inline int disk_mkdir_open(int dirfd, const char *name)
{
	int fd;

	if (mkdirat(dirfd, name, 0700) < 0 && errno != EEXIST)
		return -errno;
	fd = openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

must_check static inline int disk_remove_tree(int dirfd, const char *name)
{
	return tree_remove(dirfd, name);
}

#endif

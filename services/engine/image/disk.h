/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ENGINE_IMAGE_DISK_H
#define ENGINE_IMAGE_DISK_H

/*
 * The few ways in which this folder touches the disk: read a small file whole, write one so that a power cut leaves the
 * old or the new, remove a tree without ever following a link.
 */

#include "lib/util.h"

/* Whole file, NUL added; -EFBIG beyond @max. */
must_check int disk_read(int dirfd, const char *name, size_t max, char **out, size_t *len);

/* Write new, fsync, rename, fsync the directory. */
must_check int disk_write(int dirfd, const char *name, const void *data, size_t len);

must_check int disk_mkdir_open(int dirfd, const char *name); /* descriptor, or -errno */

/**
 * disk_remove_tree() - remove @name below @dirfd, whatever it is
 *
 * Never follows a link or leaves the file system; deep trees do not recurse. Return: 0 or -errno.
 */
must_check int disk_remove_tree(int dirfd, const char *name);

#endif

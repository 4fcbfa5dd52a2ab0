/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ENGINE_IMAGE_DISK_H
#define ENGINE_IMAGE_DISK_H

/*
 * The few ways in which this folder changes the disk: write a small file so that a power cut leaves the old
 * or the new, remove a tree without ever following a link.
 */

#include "lib/util.h"

/*
 * Write new, fsync, rename, fsync the directory. Unlike lib/file.h's it has a temporary file of its own for
 * each process: several pulls may write the same name at once.
 */
must_check int disk_write(int dirfd, const char *name, const void *data, size_t len);

/* The same, for what a syncfs() of the caller's makes last before anything refers to it. */
must_check int disk_write_unsynced(int dirfd, const char *name, const void *data, size_t len);

must_check int disk_mkdir_open(int dirfd, const char *name); /* descriptor, or -errno */

/**
 * disk_remove_tree() - remove @name below @dirfd, whatever it is
 *
 * Never follows a link or leaves the file system; deep trees do not recurse. Return: 0 or -errno.
 */
must_check int disk_remove_tree(int dirfd, const char *name);

#endif

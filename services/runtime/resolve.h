/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RUNTIME_RESOLVE_H
#define RUNTIME_RESOLVE_H

#include <sys/types.h>

#include "lib/util.h"

/*
 * Names inside a container's root. Nothing there is trusted: every lookup is the kernel's (openat2 with
 * RESOLVE_IN_ROOT and without magic links), its result is a descriptor, and only the descriptor is used
 * afterwards.
 */

/* O_PATH descriptor of what @path names inside @root, symlinks followed inside. -errno without a sentence. */
must_check int rt_resolve(int root, const char *path);

/**
 * rt_resolve_make() - the same, making what is missing
 * @dir:	a directory is wanted; else a regular, empty file
 *
 * Dangling symlinks are followed inside the root, as often as the kernel would. Return: a descriptor or
 * -errno.
 */
must_check int rt_resolve_make(int root, const char *path, bool dir);

/**
 * rt_resolve_parent() - the directory in which @path's last part would be
 * @name:	receives the last part, at most 255 bytes
 *
 * Missing directories are made. Return: a descriptor that can be used with *at() calls, or -errno.
 */
must_check int rt_resolve_parent(int root, const char *path, char name[256]);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ENGINE_IMAGE_TREE_TAR_H
#define ENGINE_IMAGE_TREE_TAR_H

#include <stdint.h>
#include <sys/types.h>

#include "lib/util.h"

/**
 * tree_tar() - write a directory as a tar stream that is the same each time
 * @dirfd:	borrowed; files, directories, links; anything else is -EOPNOTSUPP
 * @write:	takes the bytes in order; 0 or -errno, which ends it
 * @size_bytes:	receives the sum of the files' sizes
 *
 * Sorted by name, owner root, times as they are in whole seconds. Return: 0 or -errno.
 */
must_check int tree_tar(
	int dirfd, int (*write)(const void *buf, size_t len, void *arg), void *arg, uint64_t *size_bytes);

#endif

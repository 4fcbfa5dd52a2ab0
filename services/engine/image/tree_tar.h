/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ENGINE_IMAGE_TREE_TAR_H
#define ENGINE_IMAGE_TREE_TAR_H

#include <stdint.h>
#include <sys/types.h>

#include "lib/util.h"

struct image_layer;

struct tree_tar_opts {
	/*
	 * An overlay's upper or lower directory: whiteouts become .wh.NAME, opaque directories get
	 * .wh..wh..opq; a directory that overlay has moved or a file without its data is -EXDEV.
	 */
	bool layer;
	/* No time is later than this (SOURCE_DATE_EPOCH); 0: as they are. */
	int64_t newest_s;
	/*
	 * What the engine itself has put there: NULL-terminated paths. A directory's content, or an empty file. A directory that
	 * is there only for them is left out, unless it is another than that of the layers below.
	 */
	const char *const *ignore;
	const struct image_layer *below; /* lowest first */
	size_t n_below;
};

/**
 * tree_tar() - write a directory as a tar stream that is the same each time
 * @dirfd:	borrowed; it may change meanwhile, which never leads out of it
 * @write:	takes the bytes in order; 0 or -errno, which ends it
 * @size_bytes:	receives the sum of the files' sizes
 *
 * Sorted by name, times in whole seconds, hard links kept, of extended attributes user.* and
 * security.capability; sockets are left out. Return: 0 or -errno.
 */
must_check int tree_tar(int dirfd, const struct tree_tar_opts *o,
	int (*write)(const void *buf, size_t len, void *arg), void *arg, uint64_t *size_bytes);

#endif

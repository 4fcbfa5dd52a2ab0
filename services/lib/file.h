/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LIB_FILE_H
#define LIB_FILE_H

/* Whole small files: read with a bound, replaced so that a power cut leaves the old or the new one. */

#include <sys/types.h>

#include "lib/util.h"

/**
 * file_read() - read a whole file
 * @dir:	a directory, or AT_FDCWD
 * @out:	receives malloc'ed bytes with a NUL after them
 * @max:	-EFBIG when it is larger
 *
 * Works for files in sysfs, which do not know their size. Return: 0 or -errno.
 */
must_check int file_read(int dir, const char *path, size_t max, char **out, size_t *len);

enum {
	FILE_DURABLE = 1 << 0, /* fsync the file and its folder: it must survive a power cut */
	FILE_SHARED = 1 << 1,  /* other processes may write the same name at the same time */
};

/**
 * file_put() - write @path anew: a temporary file beside it, rename
 *
 * The temporary is PATH.new, with FILE_SHARED PATH.new-PID; one left by a cut is overwritten. Fault points:
 * file-written, file-renamed. Return: 0 or -errno, and the old file stays.
 */
must_check int file_put(int dir, const char *path, const void *buf, size_t len, mode_t mode, unsigned flags);

/* file_put() with FILE_DURABLE. */
must_check int file_replace(int dir, const char *path, const void *buf, size_t len, mode_t mode);

/* As many bytes as fit, or as there are before the end; how many, or -errno. */
must_check ssize_t file_fill(int fd, void *buf, size_t size);

/* All of it, however often write(2) takes only a part. 0 or -errno. */
must_check int file_write_all(int fd, const void *buf, size_t len);

#endif

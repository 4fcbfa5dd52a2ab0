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

/**
 * file_replace() - write @path anew: a temporary file beside it, fsync, rename, fsync of the folder
 *
 * The temporary is PATH.new; one left by a power cut is overwritten. Return: 0 or -errno, and the old file
 * stays.
 */
must_check int file_replace(int dir, const char *path, const void *buf, size_t len, mode_t mode);

#endif

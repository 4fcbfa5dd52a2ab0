/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STORAGE_BDEV_H
#define STORAGE_BDEV_H

/*
 * A disk as the partition code sees it: whole sectors, read, written, flushed. The seam at which tests record
 * what is written and replay it up to any point.
 */

#include "lib/util.h"

enum { SECTOR_MIN = 512, SECTOR_MAX = 4096 };

struct bdev {
	uint32_t sector;  /* bytes; a power of two from SECTOR_MIN to SECTOR_MAX */
	uint64_t sectors; /* of the whole disk */

	/* Whole sectors at @lba. 0 or -errno; a short transfer is -EIO. */
	int (*read)(struct bdev *b, uint64_t lba, void *buf, uint32_t count);
	int (*write)(struct bdev *b, uint64_t lba, const void *buf, uint32_t count);
	int (*flush)(struct bdev *b); /* what was written before is on the medium when this returns */
};

/* A disk of the kernel's, or an image file. */
struct bdev_file {
	struct bdev b;
	int fd; /* owned */
};

/**
 * bdev_open() - open a disk
 * @out:	release with bdev_close()
 * @write:	for writing too
 *
 * Return: 0, -EROFS when it is to be written and is write-protected, or -errno. Not logged.
 */
must_check int bdev_open(struct bdev_file *out, const char *path, bool write);
void bdev_close(struct bdev_file *f);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STORAGE_PREPARE_H
#define STORAGE_PREPARE_H

/*
 * From whatever a disk holds to a table with STATE and DATA, both formatted. What has been done is told by
 * the table alone, so that a boot cut anywhere is taken up by the next one.
 */

#include "init/storage/gpt.h"

/* Partition types of our own, and the attribute that says "formatted": set only after the file system is on
 * the medium. */
#define STATE_TYPE     "33e8590a-a399-4737-98b2-6bd0c6faf768"
#define DATA_TYPE      "e4ffc659-7ccb-4853-8794-c30809931225"
#define ATTR_FORMATTED (1ull << 48)

#define STATE_BYTES    (64ull << 20)
#define DATA_BYTES_MIN (64ull << 20)

struct prepare_want {
	bool booted;	    /* this disk was booted from: STATE and DATA may be added to its table */
	bool wipe;	    /* what else it holds may go */
	uint64_t data_size; /* bytes; 0: all there is */
};

/* What the partition code cannot do itself. */
struct prepare_ops {
	/* The table has changed; make the kernel see it. 0 or -errno. */
	int (*reread)(void *arg, const struct gpt *g);
	/* Put an ext4 on entry @index and flush it. 0 or -errno. */
	int (*format)(void *arg, const struct gpt *g, unsigned index);
	void *arg;
};

/* Outcomes the caller handles. */
enum { PREPARE_OK, PREPARE_FOREIGN, PREPARE_TOO_SMALL };

struct prepared {
	unsigned state, data; /* entries */
	bool made;	      /* partitions were made on this boot */
	bool formatted;	      /* a file system was */
	bool grown;	      /* DATA is larger than before */
	bool mended;	      /* one copy of the table was broken */
};

/**
 * prepare_disk() - find or make STATE and DATA
 * @g:	receives the table in force
 * @why: receives a few words on what the disk holds when PREPARE_FOREIGN is returned; borrowed
 *
 * Nothing is written to a disk that holds something else, unless @want allows it; a disk is empty when its
 * first and last MiB are zero. Return: an outcome, or -errno.
 */
must_check int prepare_disk(struct bdev *b, const struct prepare_want *want, const struct prepare_ops *ops,
	struct gpt *g, struct prepared *out, const char **why);

#endif

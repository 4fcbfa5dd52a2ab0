/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LIB_QUOTA_H
#define LIB_QUOTA_H

/* Size limits of directories, and what they hold: project quotas of ext4 (or XFS), as init prepares the data file system for them. */

#include <stdint.h>

#include "lib/util.h"

/* Who gives out which projects of a file system: each has the 2^24 from its first. */
enum {
	QUOTA_OF_VOLUMES = 0x57000000,
	QUOTA_OF_PODS = 0x41000000,
	QUOTA_OF_CLAIMS = 0x43000000,
	QUOTA_RANGE = 1 << 24
};

struct quota_usage {
	int64_t bytes, inodes;
};

/**
 * quota_set() - everything below an empty directory counts, and is bounded; of one that counts so already, the bound is changed
 * @dir:	borrowed
 * @project:	nobody else's on this file system
 * @size_bytes:	0: it counts, without a bound
 *
 * Return: 0; -EOPNOTSUPP: the file system has no project quotas; or -errno.
 */
must_check int quota_set(int dir, uint32_t project, int64_t size_bytes);
/* Takes the limit away again: the number may be given out anew. @dir: anything on that file system. */
void quota_clear(int dir, uint32_t project);

/* The project that @dir belongs to, 0: none. 0, or -errno where there are none. */
must_check int quota_project(int dir, uint32_t *project);
/* What is counted for @project on the file system of @dir; nothing for one that nobody has. 0, -EOPNOTSUPP, or -errno. */
must_check int quota_usage(int dir, uint32_t project, struct quota_usage *usage);

#endif

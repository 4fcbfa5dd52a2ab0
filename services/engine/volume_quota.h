/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ENGINE_VOLUME_QUOTA_H
#define ENGINE_VOLUME_QUOTA_H

/* Size limits of directories: project quotas of ext4 (or XFS), as init prepares the data file system for
 * them. */

#include <stdint.h>

#include "lib/util.h"

/* Projects of volumes; others may have those below. */
enum { VOLUME_PROJECT_FIRST = 0x57000000 };

/**
 * volume_quota_set() - everything below an empty directory counts, and is bounded
 * @dir:	borrowed
 * @project:	nobody else's on this file system
 *
 * Return: 0; -EOPNOTSUPP: the file system has no project quotas; or -errno.
 */
must_check int volume_quota_set(int dir, uint32_t project, int64_t size_bytes);
/* Takes the limit away again: the number may be given out anew. @dir: anything on that file system. */
void volume_quota_clear(int dir, uint32_t project);

#endif

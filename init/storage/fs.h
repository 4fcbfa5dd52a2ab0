/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STORAGE_FS_H
#define STORAGE_FS_H

/* ext4, by the programs of e2fsprogs: made, checked, grown, mounted. What they say goes to this service's
 * log. */

#include "lib/util.h"

/* @quota: with project quotas ready. Flushed when it returns. 0, or -EIO when mke2fs failed (logged). */
must_check int fs_make(const char *device, const char *label, bool quota);

enum { FS_CLEAN, FS_REPAIRED };

/**
 * fs_check() - check before mounting
 *
 * Repairs what is safe to repair; when that is not enough, everything, which can lose files and is said on
 * the console. Return: FS_CLEAN, FS_REPAIRED, or -EIO when it cannot be repaired.
 */
must_check int fs_check(const char *device, const char *name);

/* Mounts and, when the device is larger than the file system, grows it. 0 or -errno (logged). */
must_check int fs_mount(const char *device, const char *where, unsigned long flags, const char *options);

/* A bounded tmpfs in its place. 0 or -errno (logged). */
must_check int fs_mount_memory(const char *where, unsigned long flags, const char *options);

#endif

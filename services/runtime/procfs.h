/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RUNTIME_PROCFS_H
#define RUNTIME_PROCFS_H

#include "lib/util.h"

/*
 * A procfs instance of our own, mounted nowhere: no name in a container's root, and nothing mounted over
 * parts of /proc, can redirect what is written through it. (CVE-2019-19921, CVE-2019-16884, CVE-2023-28642,
 * CVE-2025-52881.)
 */

/* Of the caller's PID namespace. Return: a directory descriptor or -errno. */
must_check int rt_procfs_open(void);

/* @path below the instance, without symlinks and mounts on the way. 0 or -errno. */
must_check int rt_procfs_write(int proc, const char *path, const char *text);

/* As an open descriptor; -errno without a sentence, so that the caller can tell absence from failure. */
must_check int rt_procfs_openat(int proc, const char *path, int flags);

#endif

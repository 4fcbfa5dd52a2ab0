/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RUNTIME_CGROUP_H
#define RUNTIME_CGROUP_H

#include "runtime/spec.h"

/*
 * A container's cgroup, version 2 only. Its path is relative to the root of the hierarchy and begins with no
 * slash.
 */
#define RT_CGROUP_ROOT "/sys/fs/cgroup"
enum { RT_CGROUP_PATH_MAX = 1024 };

/* The path for a container: linux.cgroupsPath, or the container's id. 0 or -EINVAL for one that escapes. */
must_check int rt_cgroup_path(char out[RT_CGROUP_PATH_MAX], const char *cgroups_path, const char *id);

/**
 * rt_cgroup_create() - make it, enabling the controllers that exist on the way down
 * @made:	set to how many directories, counted from the leaf upward, did not exist before
 *
 * One that exists and holds no process is taken over; a populated one is refused.
 * Return: an open directory, owned by the caller, or -errno.
 */
must_check int rt_cgroup_create(const char *path, unsigned *made);

/* Applies limits; only those set. @update: replace the device program instead of adding one. 0 or -errno. */
must_check int rt_cgroup_apply(int dir, const struct oci_resources *r, bool devices, bool update);

must_check int rt_cgroup_open(const char *path); /* -ENOENT silently when it does not exist */
must_check int rt_cgroup_write(int dir, const char *file, const char *value);
must_check int rt_cgroup_kill(int dir);		       /* SIGKILL to everything in it and below, at once */
must_check int rt_cgroup_freeze(int dir, bool freeze); /* waits until it is so */
must_check int rt_cgroup_frozen(int dir);	       /* 1, 0 or -errno */

/* The processes in it and below; *out is malloc'ed. How many, or -errno. */
must_check ssize_t rt_cgroup_procs(int dir, pid_t **out);

/* Removes it with everything below, killing what still runs there. Absent is success. 0 or -errno. */
must_check int rt_cgroup_remove(const char *path);
/* Removes @made directories from the leaf upward, as far as they are empty. */
void rt_cgroup_unmake(const char *path, unsigned made);

#endif

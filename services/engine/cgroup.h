/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ENGINE_CGROUP_H
#define ENGINE_CGROUP_H

/* A container's control group, /docker/ID, from the outside: the runtime makes it, the engine reads it and
 * stops it. */

#include <stddef.h>
#include <stdint.h>

#include "lib/util.h"

struct container;

#define CGROUP_FS "/sys/fs/cgroup"
enum { CGROUP_PARENT_MAX = 512 };

/* "/docker", or what --cgroup-parent says: "/a/b". */
const char *container_cgroup_parent(const struct container *c);
/* 0, or -EINVAL with *msg. */
must_check int cgroup_parent_check(const char *parent, char **msg);

char *container_cgroup_path(const struct container *c); /* malloc'ed, absolute; NULL without memory */
must_check int container_cgroup_kill(
	const struct container *c); /* every process in it; -ENOENT: it is gone already */
must_check int container_cgroup_freeze(const struct container *c, bool frozen);
must_check int container_cgroup_write(const struct container *c, const char *file, const char *value);
bool container_cgroup_oom_killed(const struct container *c);
void container_cgroup_remove(const struct container *c); /* kills what is left; failure is logged */

/* A file of it. malloc'ed, or NULL. */
char *container_cgroup_read(const struct container *c, const char *file);
/* The processes in it and below, one pid a line; malloc'ed, or NULL. */
char *container_cgroup_pids(const struct container *c);
/* The number after "@key " in text of lines, or 0. */
uint64_t container_cgroup_field(const char *text, const char *key);

#endif

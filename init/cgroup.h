/* SPDX-License-Identifier: Apache-2.0 */
#ifndef INIT_CGROUP_H
#define INIT_CGROUP_H

/*
 * The cgroup v2 tree: /init, /services/NAME, /docker, /pods. Inner nodes hold no process, so that every
 * controller can be on in them. A machine without cgroups (or init in a test root) has fd -1 everywhere, and
 * then only main processes can be killed.
 */

#include "lib/util.h"

struct unit;

#define CGROUP_ROOT "/sys/fs/cgroup"

/* Make the inner nodes, move init into /init. Return: a directory descriptor of the root, or -errno. */
must_check int cgroup_setup(void);

/* The service's own group with its limits set. Return: a directory descriptor, or -errno. */
must_check int cgroup_of_unit(int root, const struct unit *u);

/*
 * /services is promised what its units are together, but no more than an eighth of the machine's memory: the kernel drops nothing of
 * what is promised, not even what it can read again, and would rather end a process.
 */
void cgroup_protect_services(int root, int64_t memory_min);

must_check int cgroup_kill_all(int group);		     /* everything in it and below: 0 or -errno */
must_check int cgroup_kill_path(int root, const char *path); /* 0 or -errno */
must_check int cgroup_events(int group);		     /* descriptor of cgroup.events, or -errno */
bool cgroup_populated(int events);			     /* reads it, which also silences EPOLLPRI */

#endif

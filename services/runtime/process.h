/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RUNTIME_PROCESS_H
#define RUNTIME_PROCESS_H

#include "runtime/seccomp.h"
#include "runtime/spec.h"

/*
 * What a process is before it becomes the container's program: the same for the first one and for exec's.
 * Everything that can fail for a reason of the caller's happens in rt_process_prepare(), before the gate.
 */
struct rt_process {
	const struct oci_process *spec;	  /* borrowed */
	const struct rt_seccomp *seccomp; /* borrowed */
	long personality;
	bool makes_cwd; /* when it is missing: the first process does, those beside it fail */
	unsigned preserve_fds;
	const char *listener_path, *listener_metadata; /* for a filter that notifies, or NULL */
	char path[4096];			       /* of the program, found by rt_process_prepare() */
	const char **env;			       /* owned: the specification's, with HOME */
	char home[512];
	int listener_socket; /* owned; connected before the root was entered, or -1 */
};

/* Limits, priorities, user, groups, working directory; finds the program. Inside the container's namespaces.
 */
must_check int rt_process_prepare(struct rt_process *p);

/*
 * Hard limits that are above what @pid has, raised by the command: inside a user namespace nobody may. The limits
 * themselves are set by rt_process_prepare(). 0 or -errno.
 */
must_check int rt_process_raise_limits(pid_t pid, const struct oci_process *s);

/* Drops the last privileges, installs the filter and executes. Returns only on failure: -errno. */
must_check int rt_process_exec(struct rt_process *p, const char *state);

#endif

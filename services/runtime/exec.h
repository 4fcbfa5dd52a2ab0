/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RUNTIME_EXEC_H
#define RUNTIME_EXEC_H

#include "runtime/spec.h"
#include "runtime/state.h"

/* One more process in a running container. */
struct rt_exec {
	const struct rt_state *state;	   /* borrowed */
	const struct oci_process *process; /* borrowed */
	int init;			   /* pidfd of the container's first process, borrowed */
	int console;			   /* a socket for the terminal, borrowed, or -1 */
	const char *cgroup;		   /* below the container's, or NULL */
	const char *supervise;		   /* name for init, or NULL */
	unsigned preserve_fds;
};

/**
 * rt_exec() - start it
 *
 * Returns once the program has been executed, or could not be. With supervision init holds it before it does
 * anything. Return: its pid (and @pidfd, owned by the caller), or -errno.
 */
must_check pid_t rt_exec(const struct rt_exec *e, int *pidfd);

/* A list of CPUs ("0-3,7") as sched_setaffinity() takes it, applied to the caller. 0 or -errno. */
must_check int rt_affinity_apply(const char *list);

#endif

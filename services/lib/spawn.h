/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LIB_SPAWN_H
#define LIB_SPAWN_H

#include <sys/types.h>

#include "util.h"

/*
 * Start a program with exactly the descriptors it is given: they are dup'ed to 0..n-1, everything above is
 * closed, signals are reset to default and unblocked, PR_SET_PDEATHSIG is SIGKILL unless SPAWN_OUTLIVE. The
 * program dies with the thread that called spawn(), so call it from one that lives as long as the process.
 */
enum { SPAWN_OUTLIVE = 1 << 0, SPAWN_NEW_SESSION = 1 << 1 };
enum { SPAWN_FDS_MAX = 64 };

struct spawn {
	const char *path; /* executable; argv[0] is used as given */
	char *const *argv;
	char *const *envp; /* NULL: inherit */
	const int *fds;	   /* fds[i] becomes descriptor i; -1: /dev/null */
	size_t n_fds;	   /* at most SPAWN_FDS_MAX; what is missing of 0, 1 and 2 is /dev/null too */
	int cgroup_fd;	   /* directory to be born in (CLONE_INTO_CGROUP), or -1 */
	unsigned flags;
};

/**
 * spawn() - start it
 * @pidfd:	receives a pidfd, owned by the caller
 *
 * An exec that fails is reported here, with its errno, and its process is reaped here; so is the lack of a
 * cgroup
 * (-EBADF, -EBUSY, ...). Return: pid or -errno.
 */
must_check pid_t spawn(const struct spawn *s, int *pidfd);

#endif

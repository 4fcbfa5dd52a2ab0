/* SPDX-License-Identifier: Apache-2.0 */
#ifndef INIT_PROC_H
#define INIT_PROC_H

/* What /proc tells of one process. Also of a zombie: these are read between waitid(WNOWAIT) and the reap. */

#include <sys/types.h>

#include "lib/util.h"

/* The process behind a pidfd: pid, -ESRCH when it is already reaped, -EINVAL when @fd is no pidfd, or -errno.
 */
must_check pid_t proc_of_pidfd(int fd);

/* Field 22 of stat: clock ticks after boot; 0 when it cannot be had. */
uint64_t proc_start_ticks(pid_t pid);

/* The cgroup v2 path; "" when it cannot be had. A longer path is cut. */
void proc_cgroup(pid_t pid, char *out, size_t size);

/* The same, on text already read; separate for their tests. */
uint64_t proc_parse_start_ticks(const char *stat);
void proc_parse_cgroup(const char *text, char *out, size_t size);

#endif

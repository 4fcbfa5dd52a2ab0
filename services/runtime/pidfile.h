/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RUNTIME_PIDFILE_H
#define RUNTIME_PIDFILE_H

#include <sys/types.h>

#include "lib/util.h"

/* Writes a process id to a file by rename, so that a reader sees all of it or nothing. 0 or -errno. */
must_check int rt_pid_file_write(const char *path, pid_t pid);

#endif

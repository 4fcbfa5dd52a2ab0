/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RUNTIME_FAIL_H
#define RUNTIME_FAIL_H

/*
 * The reason a command failed, as one sentence. It is made where the failure happens, gets its context in
 * front on the way up, crosses from the container's process to the command's, and is printed once by main().
 */

#include "lib/util.h"

enum { RT_FAIL_MAX = 1024 };

/* The sentence and `: <what errno means>`. Replaces what was there. Return: -@err. */
int rt_fail(int err, const char *fmt, ...) printf_like(2, 3);

/* The sentence alone, for what is wrong with the input. Return: -EINVAL. */
int rt_refuse(const char *fmt, ...) printf_like(1, 2);

/* Puts `<what was being done>: ` in front. Return: @r. */
int rt_while(int r, const char *fmt, ...) printf_like(2, 3);

const char *rt_reason(void);	      /* "" while nothing failed */
void rt_reason_set(const char *text); /* as received from another process */

/* Where messages go beside stderr: --log, --log-format. 0 or -errno. */
must_check int rt_log_open(const char *path, bool json);
void rt_log_debug_on(void);
void rt_debug(const char *fmt, ...) printf_like(1, 2);
void rt_warn(const char *fmt, ...) printf_like(1, 2);
void rt_log_reason(const char *command); /* the last word of a command that failed */

#endif

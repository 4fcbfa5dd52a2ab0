/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RUNTIME_TERMINAL_H
#define RUNTIME_TERMINAL_H

#include <sys/types.h>

#include "lib/util.h"

/* Waiting in the foreground: signals go to the container, its terminal is ours, its exit status too. */

must_check int rt_foreground_begin(void); /* blocks the signals that will be forwarded; 0 or -errno */

/**
 * rt_foreground_wait() - until the process has ended
 * @console:	socket on which the terminal's master arrives, or -1
 *
 * Return: its exit status, 128 + the signal that ended it, or -errno.
 */
must_check int rt_foreground_wait(pid_t pid, int pidfd, int console);

#endif

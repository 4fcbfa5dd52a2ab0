/* SPDX-License-Identifier: Apache-2.0 */
#ifndef INIT_LAUNCH_H
#define INIT_LAUNCH_H

#include <sys/types.h>

#include "lib/util.h"

struct unit;

struct launch {
	const struct unit *unit;
	int cgroup; /* directory to be born in, or -1 */
	int output; /* becomes stdout and stderr */
	int ready;  /* write end that READY_FD will name, or -1 */
};

/**
 * unit_launch() - start a unit's main process
 *
 * Descriptors are borrowed. What fails in the child, exec included, is said on its stderr and ends it with
 * 127. Return: pid, or -errno when there is no child.
 */
must_check pid_t unit_launch(const struct launch *l);

#endif

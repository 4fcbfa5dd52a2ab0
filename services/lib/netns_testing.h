/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LIB_NETNS_TESTING_H
#define LIB_NETNS_TESTING_H

/*
 * For tests that need a kernel to talk to: a network namespace of their own, so that nothing of the machine
 * is touched and no packet can leave it. Where the machine grants none the test is skipped, which cmocka
 * prints and counts.
 */

#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* Moves the process into a new network namespace, once. Return: whether it is in one. */
static inline int netns_testing_enter(void)
{
	static int state; /* 0: not tried, 1: inside, -1: refused */

	if (!state) {
		state = unshare(CLONE_NEWNET) == 0 || unshare(CLONE_NEWUSER | CLONE_NEWNET) == 0 ? 1 : -1;
		if (state < 0)
			fprintf(stderr, "SKIPPED: no network namespace for tests: %s\n", strerror(errno));
	}
	return state > 0;
}

#define NEED_NETNS()                                                                                         \
	do {                                                                                                 \
		if (!netns_testing_enter())                                                                  \
			skip();                                                                              \
	} while (0)

#endif

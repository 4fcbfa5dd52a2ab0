/* SPDX-License-Identifier: Apache-2.0 */
#ifndef INIT_WATCHDOG_H
#define INIT_WATCHDOG_H

/*
 * The hardware watchdog, armed as early as /dev is there and fed by a timer of the loop: when the loop stands
 * still, so does the feeding, and the machine restarts. A machine without one has the kernel's, which is a timer.
 */

#include "lib/loop.h"

struct watchdog {
	int fd; /* owned; -1: none */
	int timeout_s;
	struct loop_timer timer;
	struct loop *loop;
};

void watchdog_arm(struct watchdog *w); /* before there is a loop */
void watchdog_run(struct watchdog *w, struct loop *loop);

/* Before reboot(2). A restart is watched to its end; a machine that is to stay off must not be woken. */
void watchdog_last(struct watchdog *w, bool stay_off);

#endif

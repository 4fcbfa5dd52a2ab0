/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LIB_CLOCK_WATCH_H
#define LIB_CLOCK_WATCH_H

/*
 * Steps of the wall clock: a machine that has come up without the time is told it later. What was counted in its seconds before is
 * worth nothing then, while timers of the loop go on as if nothing had happened. Slewing moves both clocks and is no step.
 */

#include "lib/loop.h"

enum { CLOCK_STEP_MS = 5000 }; /* what is less does not matter to anybody here */

/*
 * By how much the wall clock was stepped since @offset_ms was set; 0: it was not. Sets it. With *offset_ms 0, as it may begin, all
 * of the time there is.
 */
int64_t clock_step_ms(int64_t *offset_ms, int64_t wall_ms, int64_t monotonic_ms);

/* Told by the kernel; nothing is asked meanwhile. */
struct clock_watch {
	int64_t offset_ms;
	struct loop_io io;
	void (*fn)(struct clock_watch *w, int64_t by_ms);
};

#define CLOCK_WATCH_OFF ((struct clock_watch){.io.fd = -1})

/* @w: CLOCK_WATCH_OFF. 0 or -errno. */
must_check int clock_watch_start(
	struct clock_watch *w, struct loop *l, void (*fn)(struct clock_watch *w, int64_t by_ms));
void clock_watch_stop(struct clock_watch *w); /* idempotent */

#endif

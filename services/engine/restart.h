/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ENGINE_RESTART_H
#define ENGINE_RESTART_H

/* Restart policies: no, always, unless-stopped, on-failure[:max], with a pause that doubles from 100 ms to a
 * minute. */

#include "lib/util.h"

struct container;

enum restart_policy { RESTART_NO, RESTART_ALWAYS, RESTART_UNLESS_STOPPED, RESTART_ON_FAILURE };
enum { RESTART_FIRST_MS = 100, RESTART_LAST_MS = 60000, RESTART_CALM_MS = 10000 };

/* 0 or -EINVAL; NULL and "" are `no`. */
must_check int restart_policy_parse(const char *name, enum restart_policy *out);
bool restart_policy_set(const struct container *c);

/* The decision alone, for tests. @ran_ms: how long it ran; *delay_ms: the last pause, and the next. */
bool restart_decide(enum restart_policy policy, int max, unsigned restarts, int exit_code,
	bool stopped_by_user, int64_t ran_ms, int64_t *delay_ms);

/* It has ended: is it to be started again? */
bool restart_comes(const struct container *c, bool start_failed);
/* restart_comes(), and arms the timer when so. */
bool restart_plan(struct container *c, bool start_failed);
/* The node has booted: is it to be started? The decision alone is for tests. */
bool restart_at_boot(const struct container *c);
bool restart_boot_decide(
	enum restart_policy policy, int max, unsigned restarts, int exit_code, bool stopped_by_user);

#endif

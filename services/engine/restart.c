/* SPDX-License-Identifier: Apache-2.0 */

#include <errno.h>
#include <string.h>

#include "engine/container.h"
#include "engine/engine.h"
#include "lib/json.h"
#include "engine/lifecycle.h"
#include "engine/restart.h"

int restart_policy_parse(const char *name, enum restart_policy *out)
{
	static const char *const names[] = {
		[RESTART_NO] = "no",
		[RESTART_ALWAYS] = "always",
		[RESTART_UNLESS_STOPPED] = "unless-stopped",
		[RESTART_ON_FAILURE] = "on-failure",
	};

	*out = RESTART_NO;
	if (!name || !*name)
		return 0;
	for (size_t i = 0; i < array_len(names); i++) {
		if (!strcmp(names[i], name)) {
			*out = (enum restart_policy)i;
			return 0;
		}
	}
	return -EINVAL;
}

static enum restart_policy policy_of(const struct container *c)
{
	enum restart_policy p;

	return restart_policy_parse(json_str(json_obj(c->host, "RestartPolicy"), "Name"), &p) ? RESTART_NO
											      : p;
}

static int max_of(const struct container *c)
{
	return (int)json_int(json_obj(c->host, "RestartPolicy"), "MaximumRetryCount", 0);
}

bool restart_policy_set(const struct container *c)
{
	return policy_of(c) != RESTART_NO;
}

static bool applies(
	enum restart_policy policy, int max, unsigned restarts, int exit_code, bool stopped_by_user)
{
	if (policy == RESTART_NO || stopped_by_user)
		return false;
	return policy != RESTART_ON_FAILURE || (exit_code && (max <= 0 || restarts < (unsigned)max));
}

bool restart_decide(enum restart_policy policy, int max, unsigned restarts, int exit_code,
	bool stopped_by_user, int64_t ran_ms, int64_t *delay_ms)
{
	if (!applies(policy, max, restarts, exit_code, stopped_by_user))
		return false;
	if (!*delay_ms || ran_ms >= RESTART_CALM_MS)
		*delay_ms = RESTART_FIRST_MS;
	else
		*delay_ms = *delay_ms * 2 > RESTART_LAST_MS ? RESTART_LAST_MS : *delay_ms * 2;
	return true;
}

static void on_timer(struct loop_timer *t)
{
	lifecycle_restart_due(container_of(t, struct container, restart_timer));
}

bool restart_comes(const struct container *c, bool start_failed)
{
	/* A container that never started for its user stays where it is: the user has seen why. */
	return !(start_failed && !c->restarts) && !c->e->going_down &&
	       applies(policy_of(c), max_of(c), c->restarts, c->exit_code, c->stopped_by_user);
}

bool restart_plan(struct container *c, bool start_failed)
{
	int64_t ran_ms = start_failed ? 0 : (c->finished_ns - c->started_ns) / 1000000;

	if (!restart_comes(c, start_failed) ||
		!restart_decide(policy_of(c), max_of(c), c->restarts, c->exit_code, c->stopped_by_user,
			ran_ms, &c->restart_delay_ms))
		return false;
	return !loop_timer_set(
		c->e->loop, &c->restart_timer, loop_now_ms(c->e->loop) + c->restart_delay_ms, on_timer);
}

/*
 * As Docker does when its daemon starts: `always` means always, `unless-stopped` what it says, and a failure that has
 * retries left is one that the way down cut short.
 */
bool restart_boot_decide(
	enum restart_policy policy, int max, unsigned restarts, int exit_code, bool stopped_by_user)
{
	switch (policy) {
	case RESTART_ALWAYS:
		return true;
	case RESTART_UNLESS_STOPPED:
		return !stopped_by_user;
	case RESTART_ON_FAILURE:
		return exit_code && !stopped_by_user && (max <= 0 || restarts < (unsigned)max);
	default:
		return false;
	}
}

bool restart_at_boot(const struct container *c)
{
	return c->e->booted && c->has_run &&
	       restart_boot_decide(policy_of(c), max_of(c), c->restarts, c->exit_code, c->stopped_by_user);
}

/* SPDX-License-Identifier: Apache-2.0 */

#include "cluster/controllers/rollout.h"

static int64_t min(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

static int64_t max(int64_t a, int64_t b)
{
	return a > b ? a : b;
}

static int64_t total(const struct rollout *r)
{
	int64_t n = 0;

	for (size_t i = 0; i < r->n; i++)
		n += r->sets[i].replicas;
	return n;
}

void rollout_bounds(struct rollout *r, struct rollout_bound surge, struct rollout_bound unavailable)
{
	r->max_surge = surge.percent ? (surge.n * r->replicas + 99) / 100 : surge.n;
	r->max_unavailable = unavailable.percent ? unavailable.n * r->replicas / 100 : unavailable.n;
	if (!r->max_surge && !r->max_unavailable)
		r->max_unavailable = 1; /* else it could not move */
	if (r->max_unavailable > r->replicas)
		r->max_unavailable = r->replicas;
	if (r->recreate)
		r->max_surge = r->max_unavailable = 0;
}

/* What the current set may grow to: never more pods in all than replicas + surge. */
static int64_t grown(const struct rollout *r, int64_t have)
{
	int64_t room = r->replicas + r->max_surge - total(r);

	if (r->recreate)
		return r->replicas;
	if (room <= 0)
		return have;
	return have + min(room, max(r->replicas - have, 0));
}

int64_t rollout_first_replicas(const struct rollout *r)
{
	return grown(r, 0);
}

bool rollout_scaled(const struct rollout *r)
{
	for (size_t i = 0; i < r->n; i++)
		if (r->sets[i].replicas > 0 && r->sets[i].desired >= 0 && r->sets[i].desired != r->replicas)
			return true;
	return false;
}

static void keep(struct rollout *r)
{
	for (size_t i = 0; i < r->n; i++)
		r->sets[i].target = r->sets[i].replicas;
}

/* The one set that has replicas; failing that, the current or newest. -1: several have. */
static ssize_t only_active(const struct rollout *r)
{
	ssize_t found = -1;

	for (size_t i = 0; i < r->n; i++) {
		if (!r->sets[i].replicas)
			continue;
		if (found >= 0)
			return -1;
		found = (ssize_t)i;
	}
	return found >= 0 ? found : r->current >= 0 ? r->current : (ssize_t)r->n - 1;
}

static bool saturated(const struct rollout *r)
{
	const struct rollout_set *s = r->current >= 0 ? &r->sets[r->current] : NULL;

	return s && s->replicas == r->replicas && s->desired == r->replicas && s->available == r->replicas;
}

/* Rounded half away from zero, as it was always done. */
static int64_t rounded(int64_t numerator, int64_t denominator)
{
	return (2 * numerator + denominator) / (2 * denominator);
}

/* A set's part of @change, at most what is @left of it. */
static int64_t share(const struct rollout *r, const struct rollout_set *s, int64_t change, int64_t left)
{
	int64_t was = s->max > 0 ? s->max : r->replicas;
	int64_t part;

	if (!s->replicas || !change || !left || was <= 0)
		return 0;
	part = rounded(s->replicas * (r->replicas + r->max_surge), was) - s->replicas;
	return change > 0 ? min(max(part, 0), left) : max(min(part, 0), left);
}

void rollout_scale(struct rollout *r)
{
	ssize_t only = r->n ? only_active(r) : -1;
	int64_t change, left;

	keep(r);
	if (!r->n)
		return;
	if (only >= 0) {
		r->sets[only].target = r->replicas;
		return;
	}
	if (saturated(r)) {
		for (size_t i = 0; i < r->n; i++)
			if ((ssize_t)i != r->current)
				r->sets[i].target = 0;
		return;
	}
	if (r->recreate)
		return;
	left = change = (r->replicas > 0 ? r->replicas + r->max_surge : 0) - total(r);

	/* The largest sets first; of equals the newer when growing, the older when shrinking. */
	ssize_t first = -1;

	for (size_t i = 0; i < r->n; i++)
		r->sets[i].shared = !r->sets[i].replicas;
	for (;;) {
		ssize_t best = -1;

		for (size_t i = 0; i < r->n; i++) {
			if (r->sets[i].shared)
				continue;
			if (best < 0 || r->sets[i].replicas > r->sets[best].replicas ||
				(r->sets[i].replicas == r->sets[best].replicas && change > 0))
				best = (ssize_t)i;
		}
		if (best < 0)
			break;
		if (first < 0)
			first = best;
		r->sets[best].shared = true;

		int64_t part = share(r, &r->sets[best], change, left);

		r->sets[best].target += part;
		left -= part;
	}
	/* What rounding left over. */
	if (first >= 0)
		r->sets[first].target = max(r->sets[first].target + left, 0);
}

static void step_recreate(struct rollout *r)
{
	bool left = false;

	for (size_t i = 0; i < r->n; i++) {
		if ((ssize_t)i == r->current)
			continue;
		r->sets[i].target = 0;
		left |= rollout_has_pods(&r->sets[i]);
	}
	if (r->current >= 0 && !left)
		r->sets[r->current].target = r->replicas;
}

/* Pods of old sets that are not available serve nobody: they go first. Returns how many of @most went. */
static int64_t drop_unhealthy(struct rollout *r, int64_t most)
{
	int64_t gone = 0;

	for (size_t i = 0; i < r->n && gone < most; i++) {
		struct rollout_set *s = &r->sets[i];

		if ((ssize_t)i == r->current || !s->target || s->target <= s->available)
			continue;

		int64_t n = min(most - gone, s->target - s->available);

		s->target -= n;
		gone += n;
	}
	return gone;
}

static void shrink_old(struct rollout *r, int64_t least)
{
	int64_t available = 0;

	for (size_t i = 0; i < r->n; i++)
		available += r->sets[i].available;
	for (size_t i = 0; i < r->n && available > least; i++) {
		struct rollout_set *s = &r->sets[i];

		if ((ssize_t)i == r->current || !s->target)
			continue;

		int64_t n = min(s->target, available - least);

		s->target -= n;
		available -= n;
	}
}

void rollout_step(struct rollout *r)
{
	struct rollout_set *now = r->current >= 0 ? &r->sets[r->current] : NULL;
	int64_t least = r->replicas - r->max_unavailable, room;

	keep(r);
	if (r->recreate) {
		step_recreate(r);
		return;
	}
	if (!now)
		return;
	if (now->replicas > r->replicas)
		now->target = r->replicas;
	else if (now->replicas < r->replicas)
		now->target = grown(r, now->replicas);
	if (now->target != now->replicas)
		return; /* first this */
	room = total(r) - least - (now->replicas - now->available);
	if (room <= 0)
		return;
	drop_unhealthy(r, room);
	shrink_old(r, least);
}

/* SPDX-License-Identifier: Apache-2.0 */

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cluster/controllers/autoscale.h"

/* How long a pod may be starting up, and how long one that was never ready is not believed. */
enum { STARTUP_S = 300, FIRST_READY_S = 30 };

enum autoscale_state autoscale_state(const struct autoscale_facts *f, int64_t now_s)
{
	bool unready;

	if (f->deleted || f->failed)
		return AUTOSCALE_IGNORED;
	if (f->pending)
		return AUTOSCALE_UNREADY;
	if (!f->measured)
		return AUTOSCALE_MISSING;
	if (!f->is_cpu)
		return AUTOSCALE_READY;
	if (!f->has_ready || !f->started_s)
		unready = true;
	else if (f->started_s + STARTUP_S > now_s)
		/* what is measured must have begun after it was ready */
		unready = !f->ready || f->measured_s < f->ready_changed_s + f->window_s;
	else
		unready = !f->ready && f->started_s + FIRST_READY_S > f->ready_changed_s;
	return unready ? AUTOSCALE_UNREADY : AUTOSCALE_READY;
}

/* ---- the proposal */

struct sum {
	__int128 usage, request;
	int64_t n;
};

static void add(struct sum *s, int64_t usage, int64_t request)
{
	s->usage += usage;
	s->request += request;
	s->n++;
}

static double ratio(const struct sum *s, const struct autoscale_aim *aim)
{
	if (aim->utilization)
		return (double)(int64_t)(s->usage * 100 / s->request) / (double)aim->target;
	return (double)(int64_t)(s->usage / s->n) / (double)aim->target;
}

static bool is_within(const struct autoscale_tolerance *t, double r)
{
	return r >= 1 - t->down && r <= 1 + t->up;
}

static int64_t round_up(double v)
{
	enum { MOST = INT32_MAX };

	if (v >= MOST)
		return MOST;
	if (v <= 0) /* nothing needs fewer than none */
		return 0;
	return (int64_t)v + ((double)(int64_t)v < v);
}

/* What a pod that was not measured would have to use for the change to be as small as it can be. */
static int64_t assumed(const struct autoscale_pod *p, const struct autoscale_aim *aim, double first)
{
	int64_t percent = aim->target > 100 ? aim->target : 100;

	if (p->state == AUTOSCALE_UNREADY || first > 1)
		return 0;
	return aim->utilization ? (int64_t)((__int128)p->request * percent / 100) : aim->target;
}

/* Those that count beside the ones that were measured. */
static bool counts(enum autoscale_state s, double first)
{
	return (s == AUTOSCALE_MISSING && first != 1) || (s == AUTOSCALE_UNREADY && first > 1);
}

const char *autoscale_propose(const struct autoscale_pod *pods, size_t n, const struct autoscale_aim *aim,
	int64_t current, struct autoscale_proposal *out)
{
	struct sum s = {0};
	int64_t ready = 0;
	bool more = false;
	double first, second;

	for (size_t i = 0; i < n; i++)
		if (pods[i].state == AUTOSCALE_READY || pods[i].state == AUTOSCALE_STRANGER) {
			add(&s, pods[i].usage, pods[i].request);
			ready += pods[i].state == AUTOSCALE_READY;
		}
	if (!s.n)
		return "did not receive metrics for targeted pods (pods might be unready)";
	if (aim->utilization && !s.request)
		return "no metrics returned matched known pods";
	first = ratio(&s, aim);
	*out = (struct autoscale_proposal){.replicas = current,
		.utilization = aim->utilization ? (int64_t)(s.usage * 100 / s.request) : -1,
		.average = (int64_t)(s.usage / s.n)};
	for (size_t i = 0; i < n; i++)
		more |= pods[i].state == AUTOSCALE_MISSING || counts(pods[i].state, first);
	if (!more) {
		if (!is_within(&aim->tolerance, first))
			out->replicas = round_up(first * (double)ready);
		return NULL;
	}
	for (size_t i = 0; i < n; i++)
		if (counts(pods[i].state, first))
			add(&s, assumed(&pods[i], aim, first), pods[i].request);
	second = ratio(&s, aim);
	/* the pods that are not known never turn it round */
	if (is_within(&aim->tolerance, second) || (first < 1) != (second < 1))
		return NULL;

	int64_t want = round_up(second * (double)s.n);

	if (second < 1 ? want < current : want > current)
		out->replicas = want;
	return NULL;
}

/* Of each of the replicas that there are, rounded up; of all of it while there are none. */
static int64_t share_of(const struct autoscale_total *t)
{
	int64_t n = t->seen > 0 ? t->seen : 1;

	return t->amount / n + (t->amount % n > 0);
}

const char *autoscale_propose_total(const struct autoscale_total *t, struct autoscale_proposal *out)
{
	double ratio = (double)t->amount / (double)t->target;

	*out = (struct autoscale_proposal){.utilization = -1, .average = share_of(t)};
	if (t->average) {
		bool stays = t->seen > 0 && is_within(&t->tolerance, ratio / (double)t->seen);

		out->replicas = stays ? t->seen : round_up(ratio);
	} else if (!t->current) {
		out->replicas = round_up(ratio);
	} else if (is_within(&t->tolerance, ratio)) {
		out->replicas = t->current;
	} else if (t->ready < 0) {
		return "unable to calculate ready pods: no pods returned by selector while calculating replica count";
	} else {
		out->replicas = round_up(ratio * (double)t->ready);
	}
	return NULL;
}

/* ---- what was before */

void autoscale_history_fini(struct autoscale_history *h)
{
	free(h->proposed.items);
	free(h->up.items);
	free(h->down.items);
	*h = (struct autoscale_history){0};
}

static int mark(struct autoscale_marks *m, int64_t n, int64_t now_s)
{
	struct autoscale_mark *items;
	size_t old = 0;

	while (old < m->n &&
		(m->items[old].at_s + AUTOSCALE_MEMORY_S < now_s || m->n - old >= AUTOSCALE_MARKS_MAX))
		old++;
	if (old)
		memmove(m->items, m->items + old, (m->n - old) * sizeof(*m->items));
	m->n -= old;
	items = realloc(m->items, (m->n + 1) * sizeof(*items));
	if (!items)
		return -ENOMEM;
	m->items = items;
	m->items[m->n++] = (struct autoscale_mark){n, now_s};
	return 0;
}

static int64_t since(const struct autoscale_marks *m, int64_t period_s, int64_t now_s)
{
	int64_t sum = 0;

	for (size_t i = 0; i < m->n; i++)
		if (m->items[i].at_s > now_s - period_s)
			sum += m->items[i].n;
	return sum;
}

void autoscale_scaled(struct autoscale_history *h, int64_t from, int64_t to, int64_t now_s)
{
	if (to != from)
		(void)!mark(to > from ? &h->up : &h->down, llabs(to - from), now_s);
}

/* ---- the decision */

static const struct autoscale_policy up_policies[] = {{false, 4, 15}, {true, 100, 15}},
				     down_policies[] = {{true, 100, 15}};
const struct autoscale_rules autoscale_up_default = {AUTOSCALE_MAX, 0, up_policies, array_len(up_policies)};
const struct autoscale_rules autoscale_down_default = {
	AUTOSCALE_MAX, 300, down_policies, array_len(down_policies)};

static int64_t at_end(const struct autoscale_policy *p, int64_t start, int sign)
{
	if (!p->percent)
		return start + sign * p->value;
	/* percent: up is rounded up, down is rounded down, so that both move */
	return sign > 0 ? (start * (100 + p->value) + 99) / 100 : start * (100 - p->value) / 100;
}

/* How far the policies let it go from @current: up (@sign 1) or down (-1), and never the other way. */
static int64_t farthest(const struct autoscale_rules *r, const struct autoscale_history *h, int64_t current,
	int sign, int64_t now_s)
{
	int64_t limit = current;

	if (r->select == AUTOSCALE_DISABLED)
		return current;
	for (size_t i = 0; i < r->n_policies; i++) {
		const struct autoscale_policy *p = &r->policies[i];
		int64_t start =
			current - since(&h->up, p->period_s, now_s) + since(&h->down, p->period_s, now_s);
		int64_t to = at_end(p, start, sign);
		bool is_farther = sign > 0 ? to > limit : to < limit;

		if (!i || (r->select == AUTOSCALE_MAX) == is_farther)
			limit = to;
	}
	return (sign > 0) == (limit > current) ? limit : current;
}

/* The proposals of the windows: down only to the highest of them, up only to the lowest. */
static int64_t settle(const struct autoscale_limits *l, const struct autoscale_history *h, int64_t current,
	int64_t proposed, int64_t now_s)
{
	int64_t least = proposed, most = proposed, n = current;

	for (size_t i = 0; i < h->proposed.n; i++) {
		const struct autoscale_mark *m = &h->proposed.items[i];

		if (m->at_s > now_s - l->up.window_s && m->n < least)
			least = m->n;
		if (m->at_s > now_s - l->down.window_s && m->n > most)
			most = m->n;
	}
	if (n < least)
		n = least;
	return n > most ? most : n;
}

static void limit(const struct autoscale_limits *l, const struct autoscale_history *h, int64_t current,
	int64_t now_s, struct autoscale_decision *d)
{
	int64_t to;

	d->limited_reason = "DesiredWithinRange";
	d->limited_message = "the desired count is within the acceptable range";
	if (d->replicas > current) {
		to = farthest(&l->up, h, current, 1, now_s);
		d->limited = d->replicas > (to < l->max ? to : l->max);
		if (d->limited && l->max > to) {
			d->limited_reason = "ScaleUpLimit";
			d->limited_message =
				"the desired replica count is increasing faster than the maximum scale rate";
		} else if (d->limited) {
			to = l->max;
			d->limited_reason = "TooManyReplicas";
			d->limited_message =
				"the desired replica count is more than the maximum replica count";
		}
	} else {
		to = d->replicas < current ? farthest(&l->down, h, current, -1, now_s) : l->min;
		d->limited = d->replicas < (to > l->min ? to : l->min);
		if (d->limited && l->min < to) {
			d->limited_reason = "ScaleDownLimit";
			d->limited_message =
				"the desired replica count is decreasing faster than the maximum scale rate";
		} else if (d->limited) {
			to = l->min;
			d->limited_reason = "TooFewReplicas";
			d->limited_message =
				"the desired replica count is less than the minimum replica count";
		}
	}
	if (d->limited)
		d->replicas = to;
}

int autoscale_decide(const struct autoscale_limits *l, struct autoscale_history *h, int64_t current,
	int64_t proposed, int64_t now_s, struct autoscale_decision *out)
{
	/* after a start nothing is remembered: what there is counts as proposed, so nothing shrinks at once */
	int err = h->proposed.n ? 0 : mark(&h->proposed, current, now_s);

	*out = (struct autoscale_decision){
		.able_reason = "ReadyForNewScale", .able_message = "recommended size matches current size"};
	out->replicas = settle(l, h, current, proposed, now_s);
	if (!err)
		err = mark(&h->proposed, proposed, now_s);
	if (err)
		return err;
	if (out->replicas != proposed && proposed >= current) {
		out->able_reason = "ScaleUpStabilized";
		out->able_message =
			"recent recommendations were lower than current one, applying the lowest recent recommendation";
	} else if (out->replicas != proposed) {
		out->able_reason = "ScaleDownStabilized";
		out->able_message =
			"recent recommendations were higher than current one, applying the highest recent recommendation";
	}
	limit(l, h, current, now_s, out);
	return 0;
}

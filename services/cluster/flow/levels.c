/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Levels and their seats. A level is asked in constant time while its own seats suffice, and otherwise looks at the
 * others, which are few. One that is gone stays until those it has let in and those that wait in it have
 * left.
 */

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "cluster/access/access.h"
#include "cluster/flow/flow_int.h"
#include "cluster/flow/objects.h"
#include "lib/json.h"

const char *const flow_refusals[N_FLOW_REFUSALS] = {
	[FLOW_REFUSED_LIMIT] = "concurrency-limit",
	[FLOW_REFUSED_QUEUE] = "queue-full",
	[FLOW_REFUSED_TIME] = "time-out",
	[FLOW_REFUSED_GONE] = "cancelled",
};

/* ---- seats */

static unsigned kept(const struct flow_level *l)
{
	return l->nominal - l->lendable;
}

/* What it has of the pool, of which the exempt level takes no more than its own. */
static unsigned taken(const struct flow_level *l)
{
	unsigned n = l->executing > kept(l) ? l->executing - kept(l) : 0;

	return l->exempt && n > l->lendable ? l->lendable : n;
}

static bool pool_has_one(const struct flow *f)
{
	unsigned pool = 0, out = 0;

	for (const struct flow_level *l = f->levels; l; l = l->next) {
		pool += l->lendable;
		out += taken(l);
	}
	return out < pool;
}

static bool has_seat(const struct flow *f, const struct flow_level *l)
{
	return l->exempt || l->executing < kept(l) ||
	       (l->executing < (uint64_t)l->nominal + l->borrowable && pool_has_one(f));
}

/* So many hundredths of @n, rounded, and @most at most. */
static unsigned part(unsigned n, int64_t percent, unsigned most)
{
	uint64_t seats = ((uint64_t)n * (uint64_t)percent + 50) / 100;

	return seats < most ? (unsigned)seats : most;
}

/* Everybody's part, after a level has come, gone or changed. */
static void share(struct flow *f)
{
	uint64_t all = 0;

	for (const struct flow_level *l = f->levels; l; l = l->next)
		all += l->gone ? 0 : l->shares;
	for (struct flow_level *l = f->levels; l; l = l->next) {
		/* it goes on with what it had, and lends and borrows nothing */
		if (l->gone) {
			l->lendable = l->borrowable = 0;
			continue;
		}
		l->nominal = all ? (unsigned)(((uint64_t)f->seats * l->shares + all - 1) / all) : 0;
		l->lendable = part(l->nominal, l->lendable_percent, l->nominal);
		l->borrowable =
			l->borrow_percent < 0 ? f->seats : part(l->nominal, l->borrow_percent, f->seats);
	}
}

/* ---- in and out */

static void seat(struct flow_level *l, struct flow_ticket *t)
{
	t->level = l;
	l->executing++;
	l->dispatched++;
}

enum flow_word flow_enter(
	struct flow *f, struct flow_ticket *t, const struct access_question *q, struct flow_names *names)
{
	const struct flow_schema *s = flow_classify(f, q);
	struct flow_level *l = s->level;

	*names = (struct flow_names){s->uid, l->uid};
	/* nobody overtakes those who wait */
	if (!l->waiting && has_seat(f, l)) {
		seat(l, t);
		return FLOW_GO;
	}
	if (l->queues_requests)
		return flow_enqueue(l, t, flow_hash(s, q));
	l->refused[FLOW_REFUSED_LIMIT]++;
	return FLOW_FULL;
}

static void free_level(struct flow *f, struct flow_level *l)
{
	struct flow_level **at = &f->levels;

	while (*at != l)
		at = &(*at)->next;
	*at = l->next;
	free(l->name);
	free(l);
}

static bool somebody_waits(const struct flow *f)
{
	for (const struct flow_level *l = f->levels; l; l = l->next)
		if (l->waiting)
			return true;
	return false;
}

static void leave(struct flow *f, struct flow_ticket *t, enum flow_refusal waited)
{
	struct flow_level *l = t->level;

	if (!l)
		return;
	if (t->queue) {
		l->refused[waited]++;
		flow_dequeue(t);
	} else {
		l->executing--;
	}
	t->level = NULL;
	if (l->gone && !l->executing && !l->waiting)
		free_level(f, l);
	if (somebody_waits(f))
		f->wake(f->arg);
}

void flow_leave(struct flow *f, struct flow_ticket *t)
{
	leave(f, t, FLOW_REFUSED_GONE);
}

void flow_give_up(struct flow *f, struct flow_ticket *t)
{
	leave(f, t, FLOW_REFUSED_TIME);
}

/* Who is next: of levels that have not all of their own seats before those that borrow. NULL: nobody. */
static struct flow_level *next_level(const struct flow *f)
{
	struct flow_level *borrower = NULL;

	for (struct flow_level *l = f->levels; l; l = l->next) {
		if (!l->waiting || !has_seat(f, l))
			continue;
		if (l->executing < l->nominal)
			return l;
		/* of those, the one that has borrowed the least */
		if (!borrower || l->executing - l->nominal < borrower->executing - borrower->nominal)
			borrower = l;
	}
	return borrower;
}

void flow_turn(struct flow *f)
{
	struct flow_level *l;

	while ((l = next_level(f))) {
		struct flow_ticket *t = flow_next_ticket(l);

		flow_dequeue(t);
		seat(l, t);
		t->go(t);
	}
}

/* ---- coming and going */

struct flow_level *flow_find_level(const struct flow *f, const char *name)
{
	for (struct flow_level *l = f->levels; l; l = l->next)
		if (!l->gone && !strcmp(l->name, name))
			return l;
	return NULL;
}

static struct flow_level *new_level(struct flow *f, const char *name)
{
	struct flow_level *l = calloc(1, sizeof(*l));

	if (!l)
		return NULL;
	l->name = strdup(name);
	if (!l->name) {
		free(l);
		return NULL;
	}
	l->last = &l->first;
	l->next = f->levels;
	f->levels = l;
	return l;
}

static void read_level(struct flow_level *l, yyjson_val *spec)
{
	yyjson_val *limited = json_obj(spec, "limited"), *part = limited ?: json_obj(spec, "exempt");
	yyjson_val *response = json_obj(limited, "limitResponse"), *queuing = json_obj(response, "queuing");

	l->exempt = !limited;
	l->shares = (unsigned)json_int(part, "nominalConcurrencyShares", 0);
	l->lendable_percent = (unsigned)json_int(part, "lendablePercent", 0);
	l->borrow_percent = json_int(part, "borrowingLimitPercent", -1);
	l->queues_requests = queuing != NULL;
	l->queues = (unsigned)json_int(queuing, "queues", 1);
	l->hand = (unsigned)json_int(queuing, "handSize", 1);
	l->queue_length = (unsigned)json_int(queuing, "queueLengthLimit", 1);
}

static void changed(struct flow *f)
{
	share(f);
	flow_link_schemas(f);
	if (somebody_waits(f))
		f->wake(f->arg);
}

int flow_set_level(struct flow *f, const char *name, const char *uid, yyjson_val *spec)
{
	struct flow_level *l = flow_find_level(f, name) ?: new_level(f, name);

	if (!l)
		return -ENOMEM;
	snprintf(l->uid, sizeof(l->uid), "%s", uid);
	read_level(l, spec);
	changed(f);
	return 0;
}

int flow_unset_level(struct flow *f, const char *name)
{
	const struct flow_object *fixed = flow_object_find("PriorityLevelConfiguration", name);
	cleanup(json_docp) yyjson_doc *spec = NULL;
	struct flow_level *l;

	if (fixed && fixed->mandatory) {
		spec = flow_object_spec(fixed);
		return spec ? flow_set_level(f, name, "", yyjson_doc_get_root(spec)) : -ENOMEM;
	}
	l = flow_find_level(f, name);
	if (!l)
		return 0;
	l->gone = true;
	if (!l->executing && !l->waiting)
		free_level(f, l);
	changed(f);
	return 0;
}

void flow_free_levels(struct flow *f)
{
	while (f->levels)
		free_level(f, f->levels);
}

/* ---- the whole */

int flow_new(struct flow **out, unsigned seats, void (*wake)(void *arg), void *arg)
{
	struct flow *f = calloc(1, sizeof(*f));
	int err = f ? 0 : -ENOMEM;

	if (!err)
		*f = (struct flow){.seats = seats, .wake = wake, .arg = arg};
	for (size_t i = 0; !err && i < flow_objects_n; i++) {
		const struct flow_object *o = &flow_objects[i];

		if (o->mandatory)
			err = !strcmp(o->kind, "FlowSchema") ? flow_unset_schema(f, o->name)
							     : flow_unset_level(f, o->name);
	}
	if (err)
		flow_free(f);
	else
		*out = f;
	return err;
}

void flow_free(struct flow *f)
{
	if (!f)
		return;
	flow_unfollow(f);
	flow_free_schemas(f);
	flow_free_levels(f);
	free(f);
}

void flow_each_level(const struct flow *f, void (*fn)(const struct flow_level_state *s, void *arg), void *arg)
{
	for (const struct flow_level *l = f->levels; l; l = l->next) {
		struct flow_level_state s = {.name = l->name,
			.exempt = l->exempt,
			.seats = l->nominal,
			.executing = l->executing,
			.waiting = l->waiting,
			.dispatched = l->dispatched};

		memcpy(s.refused, l->refused, sizeof(s.refused));
		if (!l->gone)
			fn(&s, arg);
	}
}

/* SPDX-License-Identifier: Apache-2.0 */

/* The queues of a level: those in which somebody waits, by turns. */

#include <stdlib.h>
#include <string.h>

#include "cluster/flow/flow_int.h"

/* Of a hash of 60 bits no more can be dealt (check_flow.c). */
enum { HAND_MAX = 15 };

/* A hand of the level's queues, no two the same, that the hash says. */
static size_t deal(const struct flow_level *l, uint64_t hash, unsigned hand[HAND_MAX])
{
	size_t n = 0;

	while (n < l->hand && n < HAND_MAX) {
		unsigned left = l->queues - (unsigned)n, card = (unsigned)(hash % left);
		size_t at = 0;

		hash /= left;
		/* the card-th of those that are not dealt yet, which the hand is kept in order for */
		while (at < n && hand[at] <= card) {
			card++;
			at++;
		}
		memmove(&hand[at + 1], &hand[at], (n - at) * sizeof(*hand));
		hand[at] = card;
		n++;
	}
	return n;
}

/* The one of a hand where the fewest wait; made when nobody waits there. NULL: no memory. */
static struct flow_queue *choose(struct flow_level *l, uint64_t hash)
{
	unsigned hand[HAND_MAX + 1];
	size_t n = deal(l, hash, hand), empty = n;
	struct flow_queue *best = NULL;
	bool used[HAND_MAX] = {false};

	for (struct flow_queue *q = l->first; q; q = q->next)
		for (size_t i = 0; i < n; i++)
			if (hand[i] == q->index) {
				used[i] = true;
				if (!best || q->waiting < best->waiting)
					best = q;
			}
	while (empty && used[empty - 1])
		empty--;
	if (!empty)
		return best;
	best = calloc(1, sizeof(*best));
	if (!best)
		return NULL;
	best->index = hand[empty - 1];
	best->last = &best->first;
	*l->last = best;
	l->last = &best->next;
	return best;
}

static void drop_queue(struct flow_level *l, struct flow_queue *q)
{
	struct flow_queue **at = &l->first;

	while (*at != q)
		at = &(*at)->next;
	*at = q->next;
	if (!q->next)
		l->last = at;
	free(q);
}

void flow_dequeue(struct flow_ticket *t)
{
	struct flow_queue *q = t->queue;

	*t->prev = t->next;
	if (t->next)
		t->next->prev = t->prev;
	else
		q->last = t->prev;
	t->queue = NULL;
	t->level->waiting--;
	if (!--q->waiting)
		drop_queue(t->level, q);
}

enum flow_word flow_enqueue(struct flow_level *l, struct flow_ticket *t, uint64_t hash)
{
	struct flow_queue *q = choose(l, hash);

	if (!q || q->waiting >= l->queue_length) {
		l->refused[FLOW_REFUSED_QUEUE]++;
		return FLOW_FULL;
	}
	t->level = l;
	t->queue = q;
	t->next = NULL;
	t->prev = q->last;
	*q->last = t;
	q->last = &t->next;
	q->waiting++;
	l->waiting++;
	return FLOW_WAIT;
}

struct flow_ticket *flow_next_ticket(struct flow_level *l)
{
	struct flow_queue *q = l->first;

	/* to the end of the turns, if more wait in it */
	if (q->next) {
		l->first = q->next;
		q->next = NULL;
		*l->last = q;
		l->last = &q->next;
	}
	return q->first;
}

/* SPDX-License-Identifier: Apache-2.0 */

#include <errno.h>

#include "cluster/scheduler/queue.h"

enum { BACKOFF_MIN_MS = 1000, BACKOFF_MAX_MS = 10000 };

static bool before(const struct sched_pod *a, const struct sched_pod *b)
{
	return a->priority != b->priority ? a->priority > b->priority : a->order < b->order;
}

static void put(struct sched_queue *q, size_t i, struct sched_pod *p)
{
	q->active[i] = p;
	p->heap = i;
}

static void up(struct sched_queue *q, size_t i)
{
	struct sched_pod *p = q->active[i];

	while (i && before(p, q->active[(i - 1) / 2])) {
		put(q, i, q->active[(i - 1) / 2]);
		i = (i - 1) / 2;
	}
	put(q, i, p);
}

static void down(struct sched_queue *q, size_t i)
{
	struct sched_pod *p = q->active[i];

	for (;;) {
		size_t child = 2 * i + 1;

		if (child >= q->n)
			break;
		if (child + 1 < q->n && before(q->active[child + 1], q->active[child]))
			child++;
		if (!before(q->active[child], p))
			break;
		put(q, i, q->active[child]);
		i = child;
	}
	put(q, i, p);
}

static int grow(struct sched_pod ***list, size_t *cap, size_t n)
{
	size_t more = *cap ? 2 * *cap : 64;
	struct sched_pod **fresh;

	if (n < *cap)
		return 0;
	fresh = reallocarray(*list, more, sizeof(struct sched_pod *));
	if (!fresh)
		return -ENOMEM;
	*list = fresh;
	*cap = more;
	return 0;
}

static int activate(struct sched_queue *q, struct sched_pod *p)
{
	int err = grow(&q->active, &q->cap, q->n);

	if (err)
		return err;
	p->place = SCHED_ACTIVE;
	q->active[q->n] = p;
	up(q, q->n++);
	return 0;
}

int queue_add(struct sched_queue *q, struct sched_pod *p)
{
	queue_remove(q, p);
	p->order = ++q->arrivals;
	return activate(q, p);
}

int queue_put_off(struct sched_queue *q, struct sched_pod *p, int64_t now_ms)
{
	int64_t wait = p->tries < 4 ? (int64_t)BACKOFF_MIN_MS << p->tries : BACKOFF_MAX_MS;
	int err = grow(&q->waiting, &q->cap_waiting, q->n_waiting);

	if (err)
		return err;
	p->tries++;
	p->ready_ms = now_ms + wait;
	p->place = SCHED_UNSCHEDULABLE;
	q->n_asleep++;
	q->n_minding += p->minds_pods;
	p->heap = q->n_waiting;
	q->waiting[q->n_waiting++] = p;
	return 0;
}

void queue_wake_one(struct sched_queue *q, struct sched_pod *p)
{
	if (p->place != SCHED_UNSCHEDULABLE)
		return;
	p->place = SCHED_BACKOFF;
	q->n_asleep--;
	q->n_minding -= p->minds_pods;
}

static void unlist(struct sched_queue *q, struct sched_pod *p)
{
	queue_wake_one(q, p);
	q->waiting[p->heap] = q->waiting[--q->n_waiting];
	q->waiting[p->heap]->heap = p->heap;
}

void queue_remove(struct sched_queue *q, struct sched_pod *p)
{
	if (p->place == SCHED_ACTIVE) {
		size_t i = p->heap;

		if (i != --q->n) {
			put(q, i, q->active[q->n]);
			up(q, i);
			down(q, q->active[i]->heap == i ? i : q->active[i]->heap);
		}
	} else if (p->place == SCHED_BACKOFF || p->place == SCHED_UNSCHEDULABLE) {
		unlist(q, p);
	}
	p->place = SCHED_NOWHERE;
}

struct sched_pod *queue_pop(struct sched_queue *q)
{
	struct sched_pod *p = q->n ? q->active[0] : NULL;

	if (p)
		queue_remove(q, p);
	return p;
}

void queue_wake(struct sched_queue *q)
{
	for (size_t i = 0; q->n_asleep && i < q->n_waiting; i++)
		queue_wake_one(q, q->waiting[i]);
}

void queue_wake_minding(struct sched_queue *q)
{
	for (size_t i = 0; q->n_minding && i < q->n_waiting; i++)
		if (q->waiting[i]->minds_pods)
			queue_wake_one(q, q->waiting[i]);
}

int64_t queue_tick(struct sched_queue *q, int64_t now_ms)
{
	int64_t next = -1;

	for (size_t i = 0; i < q->n_waiting;) {
		struct sched_pod *p = q->waiting[i];

		if (p->place == SCHED_BACKOFF && p->ready_ms <= now_ms && !grow(&q->active, &q->cap, q->n)) {
			unlist(q, p);
			(void)!activate(q, p); /* there is room */
			continue;
		}
		if (p->place == SCHED_BACKOFF && (next < 0 || p->ready_ms < next))
			next = p->ready_ms;
		i++;
	}
	return next;
}

void queue_fini(struct sched_queue *q)
{
	free(q->active);
	free(q->waiting);
	*q = (struct sched_queue){0};
}

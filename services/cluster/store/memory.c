/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The store of tests: a sorted array. Plain on purpose, so that it can serve as the model the others are compared with.
 */

#include <errno.h>
#include <string.h>

#include "cluster/store/store.h"
#include "lib/loop.h"

struct entry {
	char *key;
	void *value;
	size_t len;
	int64_t revision;
};

/* What the loop still has to say. */
struct answer {
	int err;
	int64_t revision;
	struct entry event; /* key NULL: none */
	store_done *done;
	store_snapshot_done *snapshot_done;
	void *arg;
	struct answer *next;
};

struct memory {
	struct store store;
	struct loop *loop;
	struct loop_task task;
	struct entry *entries; /* sorted by key */
	size_t n, cap;
	int64_t revision;
	struct answer *first, **last;
};

static void entry_fini(struct entry *e)
{
	free(e->key);
	free(e->value);
}

static bool entry_set(struct entry *e, const struct store_write *w, int64_t revision)
{
	*e = (struct entry){.key = strdup(w->key), .len = w->value ? w->len : 0, .revision = revision};
	if (w->value) {
		e->value = malloc(w->len ? w->len : 1);
		if (e->value)
			memcpy(e->value, w->value, w->len);
	}
	if (e->key && (e->value || !w->value))
		return true;
	entry_fini(e);
	*e = (struct entry){0};
	return false;
}

/* Where @key is, or belongs. */
static size_t place(const struct memory *m, const char *key, bool *found)
{
	size_t low = 0, high = m->n;

	while (low < high) {
		size_t mid = (low + high) / 2;

		if (strcmp(m->entries[mid].key, key) < 0)
			low = mid + 1;
		else
			high = mid;
	}
	*found = low < m->n && !strcmp(m->entries[low].key, key);
	return low;
}

static int apply(struct memory *m, const struct store_write *w)
{
	bool found;
	size_t i = place(m, w->key, &found);
	struct entry fresh = {0};

	if (w->value && !entry_set(&fresh, w, m->revision))
		return -ENOMEM;
	if (found) {
		entry_fini(&m->entries[i]);
		if (w->value)
			m->entries[i] = fresh;
		else
			memmove(&m->entries[i], &m->entries[i + 1], (--m->n - i) * sizeof(*m->entries));
		return 0;
	}
	if (m->n == m->cap) {
		size_t cap = m->cap ? 2 * m->cap : 64;
		struct entry *more = reallocarray(m->entries, cap, sizeof(*more));

		if (!more) {
			entry_fini(&fresh);
			return -ENOMEM;
		}
		m->entries = more;
		m->cap = cap;
	}
	memmove(&m->entries[i + 1], &m->entries[i], (m->n++ - i) * sizeof(*m->entries));
	m->entries[i] = fresh;
	return 0;
}

static void answer(struct loop_task *t)
{
	struct memory *m = container_of(t, struct memory, task);
	struct answer *a = m->first;

	m->first = NULL;
	m->last = &m->first;
	while (a) {
		struct answer *next = a->next;

		if (a->event.key && m->store.events->item)
			m->store.events->item(
				&(struct store_item){a->event.key, a->event.value, a->event.len, a->revision},
				m->store.arg);
		if (a->done)
			a->done(a->err, a->revision, a->arg);
		if (a->snapshot_done)
			a->snapshot_done(a->err, a->arg);
		entry_fini(&a->event);
		free(a);
		a = next;
	}
}

static void queue(struct memory *m, struct answer *a)
{
	*m->last = a;
	m->last = &a->next;
	loop_defer(m->loop, &m->task, answer);
}

static int memory_write(struct store *s, const struct store_write *w, store_done *done, void *arg)
{
	struct memory *m = container_of(s, struct memory, store);
	struct answer *a = calloc(1, sizeof(*a));
	bool found;
	size_t i = place(m, w->key, &found);
	int64_t has = found ? m->entries[i].revision : 0;

	if (!a)
		return -ENOMEM;
	a->done = done;
	a->arg = arg;
	if (has != w->expect || (!found && !w->value)) {
		a->err = -ESTALE;
		a->revision = has;
	} else if (!entry_set(&a->event, w, m->revision + 1)) {
		a->err = -ENOMEM;
	} else {
		m->revision++;
		a->err = apply(m, w);
		a->revision = m->revision;
	}
	queue(m, a);
	return 0;
}

static int memory_load(
	struct store *s, void (*fn)(const struct store_item *item, void *arg), void *arg, int64_t *revision)
{
	struct memory *m = container_of(s, struct memory, store);

	for (size_t i = 0; i < m->n; i++)
		fn(&(struct store_item){m->entries[i].key, m->entries[i].value, m->entries[i].len,
			   m->entries[i].revision},
			arg);
	*revision = m->revision;
	return 0;
}

static int memory_snapshot(struct store *s, const char *path, store_snapshot_done *done, void *arg)
{
	struct memory *m = container_of(s, struct memory, store);
	struct answer *a = calloc(1, sizeof(*a));

	if (!a)
		return -ENOMEM;
	*a = (struct answer){.err = -EOPNOTSUPP, .snapshot_done = done, .arg = arg};
	queue(m, a);
	return 0;
}

static void memory_close(struct store *s)
{
	struct memory *m = container_of(s, struct memory, store);

	loop_defer_del(&m->task);
	while (m->first) {
		struct answer *a = m->first;

		m->first = a->next;
		entry_fini(&a->event);
		free(a);
	}
	for (size_t i = 0; i < m->n; i++)
		entry_fini(&m->entries[i]);
	free(m->entries);
	free(m);
}

static const struct store_ops memory_ops = {
	.load = memory_load,
	.write = memory_write,
	.snapshot = memory_snapshot,
	.close = memory_close,
};

int store_memory_open(struct store **out, struct loop *l, const struct store_events *events, void *arg)
{
	struct memory *m = calloc(1, sizeof(*m));

	if (!m)
		return -ENOMEM;
	m->store = (struct store){.ops = &memory_ops, .events = events, .arg = arg};
	m->loop = l;
	m->revision = 1; /* 0 means "no such key" */
	m->last = &m->first;
	*out = &m->store;
	return 0;
}

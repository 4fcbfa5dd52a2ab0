/* SPDX-License-Identifier: Apache-2.0 */

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "agent/eviction.h"
#include "lib/json.h"
#include "lib/quantity.h"

enum { TRANSITION_S = 300 };

/*
 * The defaults are the kubelet's, but for memory: its 100 MiB would be all of a small machine, so there it is a part, at most those
 * 100 MiB; and for process ids, for which it has none.
 */
static const struct {
	const char *name, *resource, *key;
	struct eviction_threshold least;
} signals[EVICTION_SIGNALS] = {
	[EVICTION_MEMORY] = {"memory.available", "memory", "memory", {5, 100 << 20}},
	[EVICTION_NODEFS] = {"nodefs.available", "ephemeral-storage", "disk", {10, 0}},
	[EVICTION_NODEFS_INODES] = {"nodefs.inodesFree", "inodes", "inodes", {5, 0}},
	[EVICTION_PIDS] = {"pid.available", "pids", "pids", {5, 0}},
	[EVICTION_IMAGEFS] = {"imagefs.available", "ephemeral-storage", "images", {15, 0}},
	[EVICTION_IMAGEFS_INODES] = {"imagefs.inodesFree", "inodes", NULL, {5, 0}},
};

const char *eviction_signal_name(enum eviction_signal s)
{
	return signals[s].name;
}

const char *eviction_resource(enum eviction_signal s)
{
	return signals[s].resource;
}

/* ---- rules */

static void read_threshold(struct eviction_threshold *t, const char *text)
{
	size_t len = strlen(text);
	struct quantity q;

	if (len && text[len - 1] == '%')
		*t = (struct eviction_threshold){.percent = atoi(text)};
	else if (!quantity_parse(&q, text, len))
		*t = (struct eviction_threshold){.bytes = quantity_value(&q)};
}

struct eviction_rules eviction_rules(yyjson_val *config)
{
	struct eviction_rules r = {
		.transition_ms = json_int(config, "transitionSeconds", TRANSITION_S) * 1000};

	for (size_t i = 0; i < EVICTION_SIGNALS; i++) {
		const char *text = signals[i].key ? json_text(config, signals[i].key) : NULL;

		r.of[i] = signals[i].least;
		if (text)
			read_threshold(&r.of[i], text);
	}
	return r;
}

int64_t eviction_least(const struct eviction_threshold *t, int64_t capacity)
{
	int64_t part = (int64_t)((__int128)capacity * t->percent / 100);

	if (!t->percent)
		return t->bytes;
	return t->bytes && t->bytes < part ? t->bytes : part;
}

unsigned eviction_short(
	const struct eviction_rules *rules, const struct eviction_amount amounts[EVICTION_SIGNALS])
{
	unsigned met = 0;

	for (size_t i = 0; i < EVICTION_SIGNALS; i++)
		if (amounts[i].capacity > 0 &&
			amounts[i].available < eviction_least(&rules->of[i], amounts[i].capacity))
			met |= 1u << i;
	return met;
}

/* ---- conditions */

struct node_pressure eviction_conditions(
	struct eviction_memory *m, const struct eviction_rules *rules, unsigned met, int64_t now_ms)
{
	static const unsigned of[] = {1u << EVICTION_MEMORY,
		1u << EVICTION_NODEFS | 1u << EVICTION_NODEFS_INODES, 1u << EVICTION_PIDS};
	bool on[array_len(of)];

	for (size_t i = 0; i < array_len(of); i++) {
		if (met & of[i])
			m->last_ms[i] = now_ms;
		on[i] = met & of[i] || (m->last_ms[i] && now_ms - m->last_ms[i] < rules->transition_ms);
	}
	return (struct node_pressure){on[0], on[1], on[2]};
}

/* ---- who leaves */

static int descending(int64_t a, int64_t b)
{
	return (a < b) - (a > b);
}

static int by_request(const void *va, const void *vb)
{
	const struct eviction_pod *a = va, *b = vb;
	int r = descending(a->usage > a->request, b->usage > b->request);

	if (!r)
		r = descending(b->priority, a->priority);
	return r ? r : descending(a->usage - a->request, b->usage - b->request);
}

static int by_count(const void *va, const void *vb)
{
	const struct eviction_pod *a = va, *b = vb;
	int r = descending(b->priority, a->priority);

	return r ? r : descending(a->usage, b->usage);
}

void eviction_rank(struct eviction_pod *pods, size_t n, enum eviction_signal s)
{
	if (n)
		qsort(pods, n, sizeof(*pods), s == EVICTION_PIDS ? by_count : by_request);
}

/* ---- what is said of it */

static const char *amount_text(enum eviction_signal s, int64_t amount, char buf[static QUANTITY_TEXT_MAX])
{
	bool bytes = s == EVICTION_MEMORY || s == EVICTION_NODEFS;
	struct quantity q = {(__int128)amount * 1000000000, bytes ? QUANTITY_BINARY : QUANTITY_DECIMAL};

	return quantity_text(&q, buf);
}

/* A sentence after the others, if there is room for it. */
static void printf_like(3, 4) say(char *buf, size_t size, const char *format, ...)
{
	size_t len = strlen(buf);
	va_list ap;

	va_start(ap, format);
	if ((size_t)vsnprintf(buf + len, size - len, format, ap) >= size - len)
		buf[len] = 0;
	va_end(ap);
}

void eviction_message(char *buf, size_t size, enum eviction_signal s, int64_t least, int64_t available,
	const struct eviction_pod *who, const struct eviction_container *containers, size_t n)
{
	const char *resource = signals[s].resource;
	char a[QUANTITY_TEXT_MAX], b[QUANTITY_TEXT_MAX];
	bool named = false;

	buf[0] = 0;
	say(buf, size, "The node was low on resource: %s. Threshold quantity: %s, available: %s.", resource,
		amount_text(s, least, a), amount_text(s, available, b));
	for (size_t i = 0; i < n; i++) {
		if (containers[i].usage <= containers[i].request)
			continue;
		named = true;
		say(buf, size, " Container %s was using %s, request is %s, has larger consumption of %s.",
			containers[i].name, amount_text(s, containers[i].usage, a),
			amount_text(s, containers[i].request, b), resource);
	}
	if (!named)
		say(buf, size, " The pod was using %s, request is %s.", amount_text(s, who->usage, a),
			amount_text(s, who->request, b));
}

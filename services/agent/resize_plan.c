/* SPDX-License-Identifier: Apache-2.0 */

/* What a resize means here, as decisions about numbers. */

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "agent/resize.h"
#include "lib/json.h"

/* ---- is there room */

static void say(char *why, size_t size, const char *format, ...) printf_like(3, 4);

/* One sentence after the other. */
static void say(char *why, size_t size, const char *format, ...)
{
	size_t at = strlen(why);
	va_list ap;

	if (at && at + 3 < size) {
		memcpy(why + at, ", ", 3);
		at += 2;
	}
	va_start(ap, format);
	vsnprintf(why + at, size - at, format, ap);
	va_end(ap);
}

enum resize_verdict resize_judge(const struct resources *asked, const struct resources *had,
	const struct resize_room *node, const struct resize_room *used, char why[static RESIZE_WHY_MAX])
{
	const struct {
		const char *name;
		int64_t asked, had, capacity, used;
	} amounts[] = {
		{"memory", asked->memory_request_bytes, had->memory_request_bytes, node->memory_bytes,
			used->memory_bytes},
		{"cpu", asked->cpu_request_milli, had->cpu_request_milli, node->cpu_milli, used->cpu_milli},
	};

	why[0] = 0;
	for (size_t i = 0; i < array_len(amounts); i++)
		if (amounts[i].asked > amounts[i].had && amounts[i].asked > amounts[i].capacity) {
			say(why, RESIZE_WHY_MAX,
				"Node didn't have enough capacity: %s, requested: %lld, capacity: %lld",
				amounts[i].name, (long long)amounts[i].asked, (long long)amounts[i].capacity);
			return RESIZE_INFEASIBLE;
		}
	for (size_t i = array_len(amounts); i-- > 0;)
		if (amounts[i].asked > amounts[i].had &&
			amounts[i].asked > amounts[i].capacity - amounts[i].used)
			say(why, RESIZE_WHY_MAX,
				"Node didn't have enough resource: %s, requested: %lld, used: %lld, capacity: %lld",
				amounts[i].name, (long long)amounts[i].asked, (long long)amounts[i].used,
				(long long)amounts[i].capacity);
	return *why ? RESIZE_DEFERRED : RESIZE_FITS;
}

/* ---- which containers */

/* What must not change in place is what it was made with, or it has to be made anew. */
static bool needs_restart(const struct pod *p, const struct pod_container *c)
{
	return c->now.made_known &&
	       (resources_restart_for(p->spec, c->spec, &c->now.made, RESOURCE_CPU) ||
		       resources_restart_for(p->spec, c->spec, &c->now.made, RESOURCE_MEMORY));
}

/* A limit is never taken away: the API refuses that. */
static bool differs(const struct limits *now, const struct limits *to)
{
	return now->cpu_shares != to->cpu_shares ||
	       (to->cpu_quota_us && now->cpu_quota_us != to->cpu_quota_us) ||
	       (to->memory_bytes && now->memory_bytes != to->memory_bytes);
}

static struct limits wanted(const struct pod *p, const struct pod_container *c)
{
	struct resources r = resources_in_pod(p->spec, c->spec);

	return limits_of(&r);
}

static bool runs_on(const struct pod_container *c)
{
	return c->running && (c->class == CONTAINER_APP || c->class == CONTAINER_SIDECAR);
}

static bool in_place(const struct pod *p, const struct pod_container *c)
{
	struct limits to = wanted(p, c);

	return runs_on(c) && !needs_restart(p, c) && c->now.limits.cpu_shares && differs(&c->now.limits, &to);
}

/* Less of a limit; none (0) is the most. */
static bool is_less(int64_t to, int64_t now)
{
	return to && (!now || to < now);
}

static bool gives_back(const struct pod *p, const struct pod_container *c)
{
	struct limits to = wanted(p, c);

	return is_less(to.memory_bytes, c->now.limits.memory_bytes) ||
	       is_less(to.cpu_quota_us, c->now.limits.cpu_quota_us);
}

/* ---- the next step */

static int64_t wider(int64_t a, int64_t b)
{
	return !a || !b ? 0 : a > b ? a : b;
}

static bool same(const struct limits *a, const struct limits *b)
{
	return a->cpu_shares == b->cpu_shares && a->cpu_quota_us == b->cpu_quota_us &&
	       a->memory_bytes == b->memory_bytes;
}

struct resize_step resize_next(const struct pod *p)
{
	struct resources sum = resources_of_group(p->spec);
	struct limits end = limits_of(&sum), hold = end;
	struct pod_container *first = NULL, *again = NULL;
	bool restarting = false;

	if (p->sandbox != SANDBOX_READY || !p->limits.cpu_shares)
		return (struct resize_step){.what = RESIZE_NOTHING};
	for (size_t i = 0; i < p->n_containers; i++) {
		struct pod_container *c = &p->containers[i];

		if (in_place(p, c) && (!first || (gives_back(p, c) && !gives_back(p, first))))
			first = c;
		if (!runs_on(c) || !needs_restart(p, c))
			continue;
		restarting = true;
		if (!c->killing && !again)
			again = c;
	}
	if (!first && !restarting)
		return (struct resize_step){
			.what = same(&p->limits, &end) ? RESIZE_NOTHING : RESIZE_POD, .to = end};
	hold.cpu_shares = end.cpu_shares > p->limits.cpu_shares ? end.cpu_shares : p->limits.cpu_shares;
	hold.cpu_quota_us = wider(end.cpu_quota_us, p->limits.cpu_quota_us);
	hold.memory_bytes = wider(end.memory_bytes, p->limits.memory_bytes);
	if (!same(&hold, &p->limits))
		return (struct resize_step){.what = RESIZE_POD, .to = hold};
	if (first)
		return (struct resize_step){.what = RESIZE_CONTAINER, .c = first, .to = wanted(p, first)};
	return (struct resize_step){.what = again ? RESIZE_RESTART : RESIZE_WAIT, .c = again};
}

/* ---- memory that is in use */

static bool shrinks(const struct pod *p, const struct pod_container *c)
{
	return in_place(p, c) && is_less(wanted(p, c).memory_bytes, c->now.limits.memory_bytes);
}

bool resize_takes_memory(const struct pod *p, const struct resize_step *s)
{
	bool any = s->what == RESIZE_POD && is_less(s->to.memory_bytes, p->limits.memory_bytes);

	for (size_t i = 0; s->what == RESIZE_CONTAINER && i < p->n_containers; i++)
		any |= shrinks(p, &p->containers[i]);
	return any;
}

static int64_t used_by(yyjson_val *stats)
{
	return json_int(json_obj(stats, "Memory"), "UsageBytes", 0);
}

bool resize_memory_is_free(
	const struct pod *p, const struct resize_step *s, yyjson_val *stats, char *why, size_t size)
{
	yyjson_val *each;
	size_t i, n;

	why[0] = 0;
	if (s->what == RESIZE_POD && used_by(stats) > s->to.memory_bytes)
		say(why, size, "attempting to set pod memory limit (%lld) below current usage (%lld)",
			(long long)s->to.memory_bytes, (long long)used_by(stats));
	yyjson_arr_foreach (json_arr(stats, "Containers"), i, n, each)
		for (size_t k = 0; s->what == RESIZE_CONTAINER && k < p->n_containers; k++) {
			const struct pod_container *c = &p->containers[k];

			if (!shrinks(p, c) || !yyjson_equals_str(yyjson_obj_get(each, "Id"), c->now.id) ||
				used_by(each) <= wanted(p, c).memory_bytes)
				continue;
			say(why, size,
				"attempting to set container \"%s\" memory limit (%lld) below current usage (%lld)",
				c->name, (long long)wanted(p, c).memory_bytes, (long long)used_by(each));
		}
	return !*why;
}

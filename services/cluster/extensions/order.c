/* SPDX-License-Identifier: Apache-2.0 */

#include <string.h>

#include "cluster/extensions/extensions_int.h"
#include "cluster/extensions/order.h"
#include "cluster/schema/custom.h"
#include "cluster/schema/schema.h"

/* The first group has what upstream's first has; each other so much less. */
enum { FIRST_GROUP = 18000, GROUP_STEP = 100, FIRST_VERSION = 30, CUSTOM_GROUP = 1000, CUSTOM_VERSION = 100 };

static bool built_in(const char *group, const char *version, struct priority *out)
{
	size_t n;
	const struct schema_group_version *gv = schema_group_versions(&n);
	struct priority p = {FIRST_GROUP, FIRST_VERSION};

	for (size_t i = 0; i < n; i++) {
		if (i && strcmp(gv[i].group, gv[i - 1].group) != 0)
			p = (struct priority){p.group - GROUP_STEP, FIRST_VERSION};
		else if (i)
			p.version--;
		if (!strcmp(gv[i].group, group) && !strcmp(gv[i].version, version)) {
			*out = p;
			return true;
		}
	}
	return false;
}

bool own_priority(const char *group, const char *version, struct priority *out, bool *custom)
{
	size_t n;
	const struct schema_group_version *gv = custom_group_versions(&n);

	*custom = false;
	if (built_in(group, version, out))
		return true;
	for (size_t i = 0; gv && i < n; i++)
		if (!strcmp(gv[i].group, group) && !strcmp(gv[i].version, version)) {
			*out = (struct priority){CUSTOM_GROUP, CUSTOM_VERSION};
			*custom = true;
			return true;
		}
	return false;
}

/* ---- both together */

struct entry {
	const char *group, *version;
	struct priority p;
};

/* A group comes where its most important version puts it; who was there first stays before its equals. */
static bool group_is_before(const struct entry *all, size_t n, const char *group, int priority)
{
	for (size_t i = 0; i < n; i++)
		if (!strcmp(all[i].group, group) && all[i].p.group >= priority)
			return true;
	return false;
}

static size_t count_of(const struct entry *all, size_t n, const char *group, int *highest)
{
	size_t count = 0;

	*highest = 0;
	for (size_t i = 0; i < n; i++)
		if (!strcmp(all[i].group, group)) {
			count++;
			if (all[i].p.group > *highest)
				*highest = all[i].p.group;
		}
	return count;
}

/* Where in its group, or else where among the groups. */
static size_t place_of(const struct entry *all, size_t n, const struct entry *e)
{
	size_t i = 0;

	while (i < n && strcmp(all[i].group, e->group) != 0)
		i++;
	if (i < n) {
		while (i < n && !strcmp(all[i].group, e->group) && all[i].p.version >= e->p.version)
			i++;
		return i;
	}
	for (i = 0; i < n && group_is_before(all, n, all[i].group, e->p.group);)
		i++;
	return i;
}

static void insert(struct entry *all, size_t *n, const struct entry *e)
{
	size_t at = place_of(all, *n, e);

	memmove(&all[at + 1], &all[at], (*n - at) * sizeof(*all));
	all[at] = *e;
	++*n;
}

/* An extension's version can put a group of which there were others further to the front. */
static void move_group(struct entry *all, size_t n, const char *group)
{
	struct entry *copy = calloc(n, sizeof(*copy));
	size_t first = 0, to = 0, count;
	int highest;

	if (!copy)
		return;
	while (strcmp(all[first].group, group) != 0)
		first++;
	count = count_of(all, n, group, &highest);
	while (to < first && group_is_before(all, n, all[to].group, highest))
		to++;
	memcpy(copy, &all[first], count * sizeof(*all));
	memmove(&all[to + count], &all[to], (first - to) * sizeof(*all));
	memcpy(&all[to], copy, count * sizeof(*all));
	free(copy);
}

static size_t own_entries(
	const struct schema_group_version *gv, size_t n, const struct extensions *x, struct entry *out)
{
	size_t kept = 0;
	bool custom;

	for (size_t i = 0; i < n; i++) {
		struct entry e = {.group = gv[i].group, .version = gv[i].version};

		if (!extensions_find(x, e.group, e.version) &&
			own_priority(e.group, e.version, &e.p, &custom))
			out[kept++] = e;
	}
	return kept;
}

const struct schema_group_version *extensions_group_versions(struct extensions *x, size_t *n)
{
	const struct schema_group_version *own = custom_group_versions(n);
	cleanup(freep) struct entry *all = NULL;
	size_t more = 0, kept;

	if (!x->first || !own)
		return own;
	if (x->versions && x->made_of == custom_changes()) {
		*n = x->n_versions;
		return x->versions;
	}
	for (const struct extension *e = x->first; e; e = e->next)
		more++;
	free(x->versions);
	all = calloc(*n + more, sizeof(*all));
	x->versions = calloc(*n + more, sizeof(*x->versions));
	if (!all || !x->versions) {
		free(x->versions);
		x->versions = NULL;
		return NULL;
	}
	kept = own_entries(own, *n, x, all);
	for (const struct extension *e = x->first; e; e = e->next) {
		insert(all, &kept,
			&(struct entry){e->group, e->version, {e->group_priority, e->version_priority}});
		move_group(all, kept, e->group);
	}
	for (size_t i = 0; i < kept; i++)
		x->versions[i] = (struct schema_group_version){
			all[i].group, all[i].version, !i || strcmp(all[i].group, all[i - 1].group) != 0};
	x->made_of = custom_changes();
	x->n_versions = *n = kept;
	return x->versions;
}

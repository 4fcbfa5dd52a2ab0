/* SPDX-License-Identifier: Apache-2.0 */

/* Who asks. A copy is one block: counted in a first pass, filled in a second. */

#include <string.h>

#include "cluster/registry/caller.h"

const struct caller caller_self = {
	.user = "system:apiserver",
	.uid = "",
	.groups = (const char *const[]){"system:masters", "system:authenticated"},
	.n_groups = 2,
};

bool caller_in_group(const struct caller *c, const char *group)
{
	for (size_t i = 0; i < c->n_groups; i++)
		if (!strcmp(c->groups[i], group))
			return true;
	return false;
}

struct block {
	char *base; /* NULL: counting */
	size_t used;
};

static void *room(struct block *b, size_t size, size_t align)
{
	b->used = (b->used + align - 1) & ~(align - 1);
	b->used += size;
	return b->base ? b->base + b->used - size : NULL;
}

static const char *text(struct block *b, const char *s)
{
	size_t len = strlen(s) + 1;
	char *at = room(b, len, 1);

	return at ? memcpy(at, s, len) : NULL;
}

static const char *const *texts(struct block *b, const char *const *list, size_t n)
{
	const char **at = room(b, n * sizeof(*at), _Alignof(char *));

	for (size_t i = 0; i < n; i++) {
		const char *s = text(b, list[i]);

		if (at)
			at[i] = s;
	}
	return at;
}

/* The struct itself is first in the block. */
static void copy(struct block *b, const struct caller *from)
{
	struct caller *c = room(b, sizeof(*c), _Alignof(struct caller)), scratch;
	struct caller_extra *extra = room(b, from->n_extra * sizeof(*extra), _Alignof(struct caller_extra));

	if (!c)
		c = &scratch;
	*c = (struct caller){.user = text(b, from->user),
		.uid = text(b, from->uid ? from->uid : ""),
		.groups = texts(b, from->groups, from->n_groups),
		.n_groups = from->n_groups,
		.extra = extra,
		.n_extra = from->n_extra};
	for (size_t i = 0; i < from->n_extra; i++) {
		struct caller_extra e = {.key = text(b, from->extra[i].key),
			.values = texts(b, from->extra[i].values, from->extra[i].n_values),
			.n_values = from->extra[i].n_values};

		if (extra)
			extra[i] = e;
	}
}

struct caller *caller_copy(const struct caller *c)
{
	struct block b = {0};

	copy(&b, c);
	b.base = malloc(b.used);
	b.used = 0;
	if (!b.base)
		return NULL;
	copy(&b, c);
	return (struct caller *)(void *)b.base;
}

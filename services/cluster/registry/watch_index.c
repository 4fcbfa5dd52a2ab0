/* SPDX-License-Identifier: Apache-2.0 */

/* Chains in as many slots as there are links, at least: doubled when there are more, given back with the last. */

#include <errno.h>
#include <stdlib.h>

#include "cluster/registry/watch_index.h"

enum { ROOM_MIN = 16 };

/* FNV-1a, with the end of each text. */
static uint64_t mix(uint64_t h, const char *s)
{
	do
		h = (h ^ (unsigned char)*s) * 0x100000001b3;
	while (*s++);
	return h;
}

uint64_t watch_hash(const char *field, const char *value)
{
	return mix(mix(0xcbf29ce484222325, field), value);
}

static struct watch_link **slot(const struct watch_index *ix, uint64_t hash)
{
	return &ix->slots[(hash ^ hash >> 32) & (ix->room - 1)];
}

static void put(struct watch_index *ix, struct watch_link *link)
{
	struct watch_link **at = slot(ix, link->hash);

	link->next = *at;
	*at = link;
}

static int grow(struct watch_index *ix)
{
	struct watch_index more = {.room = ix->room ? 2 * ix->room : ROOM_MIN, .n = ix->n};

	more.slots = calloc(more.room, sizeof(*more.slots));
	if (!more.slots)
		return -ENOMEM;
	for (size_t i = 0; i < ix->room; i++)
		for (struct watch_link *l = ix->slots[i], *next; l; l = next) {
			next = l->next;
			put(&more, l);
		}
	free(ix->slots);
	*ix = more;
	return 0;
}

int watch_index_add(struct watch_index *ix, struct watch_link *link)
{
	if (ix->n == ix->room && grow(ix) < 0)
		return -ENOMEM;
	put(ix, link);
	link->linked = true;
	ix->n++;
	return 0;
}

void watch_index_remove(struct watch_index *ix, struct watch_link *link)
{
	struct watch_link **at;

	if (!link->linked)
		return;
	at = slot(ix, link->hash);
	while (*at != link)
		at = &(*at)->next;
	*at = link->next;
	link->linked = false;
	if (!--ix->n)
		watch_index_fini(ix);
}

static struct watch_link *with_hash(struct watch_link *l, uint64_t hash)
{
	while (l && l->hash != hash)
		l = l->next;
	return l;
}

struct watch_link *watch_index_first(const struct watch_index *ix, uint64_t hash)
{
	return ix->room ? with_hash(*slot(ix, hash), hash) : NULL;
}

struct watch_link *watch_index_next(const struct watch_link *link)
{
	return with_hash(link->next, link->hash);
}

void watch_index_fini(struct watch_index *ix)
{
	free(ix->slots);
	*ix = (struct watch_index){0};
}

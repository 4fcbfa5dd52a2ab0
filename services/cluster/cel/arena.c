/* SPDX-License-Identifier: Apache-2.0 */

/* Memory that is given back all at once, and no more of it than was agreed. */

#include <stdalign.h>
#include <stdlib.h>

#include "cluster/cel/cel_int.h"

enum { BLOCK = 4096 - 64 };

struct arena_block {
	struct arena_block *next;
	size_t used, size;
	alignas(max_align_t) char data[];
};

void *arena_get(struct arena *a, size_t size)
{
	struct arena_block *b = a->blocks;
	size_t room = size > BLOCK ? size : BLOCK;

	if (size > a->left) {
		a->full = true;
		return NULL;
	}
	size = (size + alignof(max_align_t) - 1) & ~(alignof(max_align_t) - 1);
	if (!b || b->size - b->used < size) {
		room = (room + alignof(max_align_t) - 1) & ~(alignof(max_align_t) - 1);
		b = calloc(1, sizeof(*b) + room);
		if (!b) {
			a->full = true;
			return NULL;
		}
		b->size = room;
		b->next = a->blocks;
		a->blocks = b;
	}
	b->used += size;
	a->left -= size < a->left ? size : a->left;
	return b->data + b->used - size;
}

void arena_free(struct arena *a)
{
	while (a->blocks) {
		struct arena_block *next = a->blocks->next;

		free(a->blocks);
		a->blocks = next;
	}
}

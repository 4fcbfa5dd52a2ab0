/* SPDX-License-Identifier: Apache-2.0 */

#include <string.h>

#include "runtime/arena.h"

enum { BLOCK = 16 * 1024 };

struct rt_arena_block {
	struct rt_arena_block *next;
	size_t used, size;
	max_align_t data[];
};

void *rt_arena_zalloc(struct rt_arena *a, size_t size)
{
	struct rt_arena_block *b = a->blocks;

	if (size > SIZE_MAX / 2)
		return NULL;
	size = (size + sizeof(max_align_t) - 1) & ~(sizeof(max_align_t) - 1);
	if (!b || b->size - b->used < size) {
		size_t room = size > BLOCK ? size : BLOCK;

		b = malloc(sizeof(*b) + room);
		if (!b)
			return NULL;
		b->next = a->blocks;
		b->used = 0;
		b->size = room;
		a->blocks = b;
	}
	void *p = (char *)b->data + b->used;

	b->used += size;
	return memset(p, 0, size);
}

void rt_arena_fini(struct rt_arena *a)
{
	while (a->blocks) {
		struct rt_arena_block *b = a->blocks;

		a->blocks = b->next;
		free(b);
	}
}

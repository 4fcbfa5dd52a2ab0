/* SPDX-License-Identifier: Apache-2.0 */

/* Four sizes each time it doubles, from 2 to 128 KiB, each with a list of blocks. What is smaller or larger is the allocator's. */

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "cluster/registry/doc_memory.h"

enum { LEAST = 2048, NO_CLASS = DOC_MEMORY_CLASSES };

/* Before what the document has of it; as long as the strictest alignment. */
struct doc_block {
	_Alignas(16) size_t size; /* of what follows */
	union {
		size_t class;
		struct doc_block *next; /* while it is kept */
	};
};

static size_t size_of(size_t class)
{
	return (size_t)(LEAST / 4) * (4 + class % 4 + 1) << class / 4;
}

static size_t class_of(size_t size)
{
	size_t class = 0;

	if (size <= LEAST)
		return NO_CLASS;
	while (class < DOC_MEMORY_CLASSES && size_of(class) < size)
		class ++;
	return class;
}

static struct doc_block *block_of(void *p)
{
	return (struct doc_block *)p - 1;
}

static void *get(void *ctx, size_t size)
{
	struct doc_memory *m = ctx;
	size_t class = class_of(size);
	struct doc_block *b = class == NO_CLASS ? NULL : m->blocks[class];

	if (b) {
		m->blocks[class] = b->next;
		m->kept -= b->size;
	} else {
		size_t whole = class == NO_CLASS ? size : size_of(class);

		if (whole > SIZE_MAX - sizeof(*b))
			return NULL;
		b = malloc(sizeof(*b) + whole);
		if (!b)
			return NULL;
		b->size = whole;
	}
	b->class = class;
	return b + 1;
}

static void put(void *ctx, void *p)
{
	struct doc_memory *m = ctx;
	struct doc_block *b = block_of(p);
	size_t class = b->class;

	if (class == NO_CLASS || m->kept + b->size > m->limit) {
		free(b);
		return;
	}
	b->next = m->blocks[class];
	m->blocks[class] = b;
	m->kept += b->size;
}

static void *resize(void *ctx, void *p, size_t old_size, size_t size)
{
	void *moved;

	if (size <= block_of(p)->size && size >= block_of(p)->size / 2)
		return p;
	moved = get(ctx, size);
	if (!moved)
		return NULL;
	memcpy(moved, p, old_size < size ? old_size : size);
	put(ctx, p);
	return moved;
}

yyjson_alc doc_memory_alc(struct doc_memory *m)
{
	return (yyjson_alc){.malloc = get, .realloc = resize, .free = put, .ctx = m};
}

void doc_memory_drop(struct doc_memory *m)
{
	for (size_t i = 0; i < DOC_MEMORY_CLASSES; i++)
		while (m->blocks[i]) {
			struct doc_block *b = m->blocks[i];

			m->blocks[i] = b->next;
			free(b);
		}
	m->kept = 0;
}

const yyjson_alc *doc_alc(void)
{
/* The sanitizer shall see who uses a document that is gone. */
#ifdef __SANITIZE_ADDRESS__
	static struct doc_memory all;
#else
	static struct doc_memory all = {.limit = 512 << 10};
#endif
	static yyjson_alc alc;

	if (!alc.malloc)
		alc = doc_memory_alc(&all);
	return &alc;
}

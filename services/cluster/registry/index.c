/* SPDX-License-Identifier: Apache-2.0 */

/* A chunk that is full is cut in two; one that is empty goes. */

#include <errno.h>
#include <string.h>

#include "cluster/registry/index.h"

enum { CHUNK_MAX = 128 };

struct index_chunk {
	size_t n;
	struct index_entry e[CHUNK_MAX];
};

void index_fini(struct index *ix)
{
	for (size_t i = 0; i < ix->n_chunks; i++)
		free(ix->chunks[i]);
	free(ix->chunks);
	*ix = (struct index){0};
}

/* The first chunk whose last key is not less; n_chunks: none. */
static size_t find_chunk(const struct index *ix, const char *key)
{
	size_t lo = 0, hi = ix->n_chunks;

	while (lo < hi) {
		size_t mid = (lo + hi) / 2;
		const struct index_chunk *c = ix->chunks[mid];

		if (strcmp(c->e[c->n - 1].key, key) < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

static size_t find_entry(const struct index_chunk *c, const char *key)
{
	size_t lo = 0, hi = c->n;

	while (lo < hi) {
		size_t mid = (lo + hi) / 2;

		if (strcmp(c->e[mid].key, key) < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

struct index_pos index_seek(const struct index *ix, const char *key)
{
	struct index_pos pos = {.chunk = find_chunk(ix, key)};

	if (pos.chunk < ix->n_chunks)
		pos.at = find_entry(ix->chunks[pos.chunk], key);
	return pos;
}

const struct index_entry *index_next(const struct index *ix, struct index_pos *pos)
{
	const struct index_entry *e;

	if (pos->chunk >= ix->n_chunks)
		return NULL;
	e = &ix->chunks[pos->chunk]->e[pos->at];
	if (++pos->at == ix->chunks[pos->chunk]->n) {
		pos->chunk++;
		pos->at = 0;
	}
	return e;
}

static struct index_entry *exact(const struct index *ix, const char *key, struct index_pos *pos)
{
	struct index_entry *e;

	*pos = index_seek(ix, key);
	if (pos->chunk >= ix->n_chunks)
		return NULL;
	e = &ix->chunks[pos->chunk]->e[pos->at];
	return strcmp(e->key, key) ? NULL : e;
}

void *index_get(const struct index *ix, const char *key)
{
	struct index_pos pos;
	const struct index_entry *e = exact(ix, key, &pos);

	return e ? e->object : NULL;
}

static int add_chunk(struct index *ix, size_t at)
{
	struct index_chunk *c = malloc(sizeof(*c));

	if (!c)
		return -ENOMEM;
	c->n = 0;
	if (ix->n_chunks == ix->room) {
		size_t room = ix->room ? ix->room * 2 : 4;
		struct index_chunk **p = realloc(ix->chunks, room * sizeof(struct index_chunk *));

		if (!p) {
			free(c);
			return -ENOMEM;
		}
		ix->chunks = p;
		ix->room = room;
	}
	memmove(ix->chunks + at + 1, ix->chunks + at, (ix->n_chunks - at) * sizeof(struct index_chunk *));
	ix->chunks[at] = c;
	ix->n_chunks++;
	return 0;
}

/* Keys often come in order: what is added at the very end starts a new chunk rather than two half full ones. */
static int split(struct index *ix, struct index_pos *pos)
{
	struct index_chunk *c = ix->chunks[pos->chunk];
	size_t keep = pos->chunk + 1 == ix->n_chunks && pos->at == c->n ? c->n : CHUNK_MAX / 2;
	int r = add_chunk(ix, pos->chunk + 1);

	if (r)
		return r;

	struct index_chunk *next = ix->chunks[pos->chunk + 1];

	next->n = c->n - keep;
	memcpy(next->e, c->e + keep, next->n * sizeof(struct index_entry));
	c->n = keep;
	if (pos->at > keep || keep == CHUNK_MAX) {
		pos->chunk++;
		pos->at -= keep;
	}
	return 0;
}

int index_put(struct index *ix, const char *key, void *o, struct index_entry *was)
{
	struct index_pos pos;
	struct index_entry *e = exact(ix, key, &pos);
	int r = 0;

	*was = (struct index_entry){0};
	if (e) {
		*was = *e;
		*e = (struct index_entry){key, o};
		return 0;
	}
	if (!ix->n_chunks)
		r = add_chunk(ix, 0);
	if (r)
		return r;
	if (pos.chunk >= ix->n_chunks) {
		pos.chunk = ix->n_chunks - 1;
		pos.at = ix->chunks[pos.chunk]->n;
	}
	if (ix->chunks[pos.chunk]->n == CHUNK_MAX)
		r = split(ix, &pos);
	if (r)
		return r;

	struct index_chunk *c = ix->chunks[pos.chunk];

	memmove(c->e + pos.at + 1, c->e + pos.at, (c->n - pos.at) * sizeof(struct index_entry));
	c->e[pos.at] = (struct index_entry){key, o};
	c->n++;
	ix->count++;
	return 0;
}

struct index_entry index_remove(struct index *ix, const char *key)
{
	struct index_pos pos;
	struct index_entry *e = exact(ix, key, &pos), was;

	if (!e)
		return (struct index_entry){0};
	was = *e;

	struct index_chunk *c = ix->chunks[pos.chunk];

	memmove(e, e + 1, (c->n - pos.at - 1) * sizeof(struct index_entry));
	ix->count--;
	if (!--c->n) {
		free(c);
		memmove(ix->chunks + pos.chunk, ix->chunks + pos.chunk + 1,
			(ix->n_chunks - pos.chunk - 1) * sizeof(struct index_chunk *));
		ix->n_chunks--;
	}
	return was;
}

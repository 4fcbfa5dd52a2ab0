/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLUSTER_INDEX_H
#define CLUSTER_INDEX_H

/*
 * Things, objects mostly, in the order of a text: a sorted list of sorted chunks. A lookup is two binary searches, an insertion moves at
 * most one chunk's entries, and walking is walking arrays. The index holds no reference: who puts an object in keeps it.
 */

#include "lib/util.h"

struct index_chunk;

struct index {
	struct index_chunk **chunks;
	size_t n_chunks, room;
	size_t count;
};

struct index_pos {
	size_t chunk, at;
};

struct index_entry {
	const char *key;
	void *object; /* whatever is indexed */
};

void index_fini(struct index *ix);
void *index_get(const struct index *ix, const char *key);
/*
 * @key must live as long as the entry. An entry of the same key is replaced, key included; it goes to *was (key NULL: there
 * was none). 0 or -ENOMEM.
 */
must_check int index_put(struct index *ix, const char *key, void *o, struct index_entry *was);
/* The entry that was there; key NULL: none. */
struct index_entry index_remove(struct index *ix, const char *key);

/* At the first key that is not less. */
struct index_pos index_seek(const struct index *ix, const char *key);
/* The entry at @pos, and one step on; NULL at the end. */
const struct index_entry *index_next(const struct index *ix, struct index_pos *pos);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLUSTER_REGISTRY_WATCH_INDEX_H
#define CLUSTER_REGISTRY_WATCH_INDEX_H

/*
 * Watchers by the value they demand of a field: each node's agent watches the pods with its own spec.nodeName, so that of
 * thousands of watchers an event concerns one or two. Whoever is found is told to look and decides for himself: two values that
 * fall together cost a look, no more.
 */

#include <stdint.h>

#include "lib/util.h"

struct watch_link {
	uint64_t hash;
	struct watch_link *next; /* of the same slot */
	bool linked;
};

struct watch_index {
	struct watch_link **slots; /* room of them, a power of two */
	size_t room, n;
};

/* Of a field and its value. */
uint64_t watch_hash(const char *field, const char *value);

/* Under link->hash. 0, or -ENOMEM: it is not in. */
must_check int watch_index_add(struct watch_index *ix, struct watch_link *link);
void watch_index_remove(struct watch_index *ix, struct watch_link *link); /* nothing when it is not in */

/* All with this hash: the first, and the one after @link. NULL: no more. */
struct watch_link *watch_index_first(const struct watch_index *ix, uint64_t hash);
struct watch_link *watch_index_next(const struct watch_link *link);
void watch_index_fini(struct watch_index *ix); /* the links are their owners' */

#endif

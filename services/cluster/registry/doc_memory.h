/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLUSTER_REGISTRY_DOC_MEMORY_H
#define CLUSTER_REGISTRY_DOC_MEMORY_H

/*
 * Where documents of objects are made. They are of a few kilobytes to a few dozen, and live for one step of a write, so at any rate
 * worth measuring a general allocator maps and unmaps pages for each of them: that was a fifth of the time of a pod that is
 * scheduled. Blocks that were given back are kept for the next document, up to a limit. For the loop's thread only.
 */

#include <stddef.h>

#include <yyjson.h>

enum { DOC_MEMORY_CLASSES = 24 };

struct doc_memory {
	size_t limit, kept; /* bytes that are kept at most, and are now */
	struct doc_block *blocks[DOC_MEMORY_CLASSES];
};

yyjson_alc doc_memory_alc(struct doc_memory *m);
void doc_memory_drop(struct doc_memory *m); /* what is kept, to the system; what is in use stays */

/* The process's own, for yyjson's functions. */
const yyjson_alc *doc_alc(void);

#endif

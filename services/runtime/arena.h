/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RUNTIME_ARENA_H
#define RUNTIME_ARENA_H

/* Memory that is freed all at once: what a parsed configuration consists of. */

#include <stdlib.h>

#include "lib/util.h"

struct rt_arena {
	struct rt_arena_block *blocks; /* owned, newest first */
};

void *rt_arena_zalloc(struct rt_arena *a, size_t size); /* NULL when out of memory */
void rt_arena_fini(struct rt_arena *a);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ENGINE_TRASH_H
#define ENGINE_TRASH_H

/*
 * What is removed is renamed into DATA/engine/trash first, so that it is gone at once and for good; then a
 * worker deletes it.
 */

#include "lib/util.h"

struct engine;

void trash_remove(const char *path, void *engine);
/* What an earlier engine had not finished. */
void trash_sweep(struct engine *e);

/* The worker: engine_remove PATH. */
int engine_remove_main(int argc, char **argv);

#endif

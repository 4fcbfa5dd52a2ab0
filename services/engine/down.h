/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ENGINE_DOWN_H
#define ENGINE_DOWN_H

/*
 * The machine goes down. A plain end of the engine (SIGTERM, a crash) touches no container; on SIGPWR, which init sends
 * only when everything ends, it stops them all first and records how each ended.
 */

#include "lib/util.h"

struct container;
struct engine;

/* Longest for all containers together, whatever their own stop timeouts say; then they are killed. */
enum { DOWN_LIMIT_S = 120 };

/* Begin: nothing is started any more, everything stops, and the loop is quit once all is recorded. Again: nothing. */
void down_begin(struct engine *e);

/* Some container has come to rest, or has just come up all the same: looked at in the next turn of the loop. */
void down_progress(struct engine *e);

/* Has @c something of @other's: namespaces or volumes? Then it is stopped first. */
bool down_uses(const struct container *c, const struct container *other);

/* Is each that is left used by another one, and none of them about to come up or to end? Waiting would not change that: a name
 * that one joins may be another container's by now, which joins it. */
bool down_is_circle(const struct engine *e);

#endif

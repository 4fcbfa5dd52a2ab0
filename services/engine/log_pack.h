/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ENGINE_LOG_PACK_H
#define ENGINE_LOG_PACK_H

/* --log-opt compress=true: segments of a log that are full are packed by a worker, one after the other. */

struct engine;
struct output;

void log_pack(struct engine *e, struct output *l);

#endif

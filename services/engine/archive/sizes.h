/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ENGINE_ARCHIVE_SIZES_H
#define ENGINE_ARCHIVE_SIZES_H

/* How much containers have written and volumes hold: counted by a worker, for `ps --size`, `inspect --size`, `system
 * df`. */

#include <stdint.h>

#include "lib/util.h"

struct container;
struct engine;
struct http_req;
struct sizes;

enum { SIZES_CONTAINERS = 1 << 0, SIZES_VOLUMES = 1 << 1 };

/**
 * sizes_count() - count, then answer the request
 * @what:	bits of SIZES_
 * @only:	NULL, or the one container that is asked for
 * @fn:		called once, later, unless the client leaves; it answers @r
 *
 * When counting cannot begin it is answered here.
 */
void sizes_count(struct engine *e, struct http_req *r, unsigned what, const struct container *only,
	void (*fn)(struct engine *e, struct http_req *r, const struct sizes *s));

/* The id of the one container that was asked for. */
const char *sizes_only(const struct sizes *s);
/* Bytes; -1: not known, among them what came after the counting began. */
int64_t sizes_container(const struct sizes *s, const struct container *c);
int64_t sizes_volume(const struct sizes *s, const char *name);

#endif

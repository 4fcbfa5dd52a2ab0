/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ENGINE_ARCHIVE_SIZES_H
#define ENGINE_ARCHIVE_SIZES_H

/* How much containers have written and volumes hold: counted by a worker, for `ps --size`, `inspect --size`, `system df`, and
 * the prunes. */

#include <stdint.h>

#include "lib/util.h"

struct container;
struct engine;
struct http_req;
struct sizes;
struct volume;

/* What is to be counted; NULL: none of them. Asked before sizes_count() returns. */
struct sizes_wanted {
	bool (*container)(const struct container *c, void *arg);
	bool (*volume)(const struct volume *v, void *arg);
	void *arg;
};
bool sizes_every_container(const struct container *c, void *arg);
bool sizes_every_volume(const struct volume *v, void *arg);
/* @arg is the one. */
bool sizes_this_container(const struct container *c, void *arg);

/**
 * sizes_count() - count, then answer the request
 * @wanted:	borrowed
 * @fn:		called once, later, unless the client leaves; it answers @r
 *
 * When counting cannot begin it is answered here.
 */
void sizes_count(struct engine *e, struct http_req *r, const struct sizes_wanted *wanted,
	void (*fn)(struct engine *e, struct http_req *r, const struct sizes *s));

/* The id of the first container that was asked for. */
const char *sizes_only(const struct sizes *s);
/* Bytes; -1: not known, among them what came after the counting began. */
int64_t sizes_container(const struct sizes *s, const struct container *c);
int64_t sizes_volume(const struct sizes *s, const char *name);
/* Was it among those that were to be counted? */
bool sizes_asked_container(const struct sizes *s, const struct container *c);
bool sizes_asked_volume(const struct sizes *s, const char *name);

#endif

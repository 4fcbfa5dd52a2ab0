/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ENGINE_ARCHIVE_COPY_H
#define ENGINE_ARCHIVE_COPY_H

/*
 * docker cp, export, diff: the endpoints, each with a worker (worker.h) on one side and the client on the other.
 *
 * A running container is frozen while its files are looked at, so that what is copied is of one moment; but no
 * longer than COPY_FREEZE_MS, since the client on the other side may be slow for ever. Safety does not rest on it.
 */

struct container;
struct engine;
struct http_req;

enum { COPY_FREEZE_MS = 10000 };

void copy_head(struct engine *e, struct http_req *r, const char *name);
void copy_get(struct engine *e, struct http_req *r, const char *name);
void copy_put(struct engine *e, struct http_req *r, const char *name);
void copy_export(struct engine *e, struct http_req *r, const char *name);
void copy_changes(struct engine *e, struct http_req *r, const char *name);

/* The path inside the container that a client means: absolute and clean, with the "/" or "/." at its end that says how; owned,
 * NULL without memory. */
char *copy_path(const char *asked);

/* It is being started or removed: workers that have its overlay mounted end now. */
void copy_container_busy(struct container *c);
/* It is gone: all of them end. */
void copy_container_gone(struct container *c);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ENGINE_UPDATE_H
#define ENGINE_UPDATE_H

struct container;
struct engine;
struct http_req;

/* POST /containers/ID/update: limits, restart policy and published ports of an existing container. */
void container_update(struct engine *e, struct http_req *r, const char *name);

/* After an engine restart, of a container that runs: an update that was cut short has happened, or it has not. */
void container_update_resume(struct container *c);

#endif

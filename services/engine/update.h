/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ENGINE_UPDATE_H
#define ENGINE_UPDATE_H

struct engine;
struct http_req;

/* POST /containers/ID/update: limits, restart policy and published ports of an existing container. */
void container_update(struct engine *e, struct http_req *r, const char *name);

#endif

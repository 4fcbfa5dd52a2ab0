/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ENGINE_UPDATE_H
#define ENGINE_UPDATE_H

#include <yyjson.h>

struct container;
struct engine;
struct http_req;

/* POST /containers/ID/update: limits, restart policy and published ports of an existing container. */
void container_update(struct engine *e, struct http_req *r, const char *name);

/* What @update says goes into @host, the container's HostConfig; @minor: of the API that the client speaks. */
void update_merge(yyjson_mut_doc *doc, yyjson_mut_val *host, yyjson_val *update, int minor);

/* After an engine restart, of a container that runs: an update that was cut short has happened, or it has not. */
void container_update_resume(struct container *c);

#endif

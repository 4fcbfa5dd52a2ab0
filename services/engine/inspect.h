/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ENGINE_INSPECT_H
#define ENGINE_INSPECT_H

/* Containers as the API shows them. */

#include <yyjson.h>

#include "lib/util.h"

struct container;
struct engine;
struct http_req;
struct sizes;

yyjson_mut_val *container_json(struct container *c, yyjson_mut_doc *doc);    /* inspect */
yyjson_mut_val *container_summary(struct container *c, yyjson_mut_doc *doc); /* list */
/* SizeRw and SizeRootFs, as far as they are known. */
void container_add_sizes(struct container *c, yyjson_mut_doc *doc, yyjson_mut_val *o, const struct sizes *s);
/* "Up 3 minutes", "Exited (0) 2 hours ago": as docker ps shows it. */
void container_status_text(struct container *c, int64_t now_ns, char out[96]);
/* The state's name as clients know it. */
const char *container_public_state(const struct container *c);

void containers_list(struct engine *e, struct http_req *r, const char *arg);
void container_inspect(struct engine *e, struct http_req *r, const char *name);

#endif

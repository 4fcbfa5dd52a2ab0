/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ENGINE_STATS_H
#define ENGINE_STATS_H

/* GET /containers/ID/stats: the control group's numbers and the interfaces' counters, as one JSON object a second. */

struct engine;
struct http_req;
struct container;

void stats_handle(struct engine *e, struct http_req *r, const char *name);
/* It has been removed: its streams end. */
void stats_container_gone(struct container *c);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ENGINE_WAIT_H
#define ENGINE_WAIT_H

/* POST /containers/ID/wait: the headers go at once, the status when it is known. */

struct container;
struct engine;
struct http_req;

enum wait_event { WAIT_STOPPED, WAIT_REMOVED };

void wait_notify(struct container *c, enum wait_event ev);
void wait_handle(struct engine *e, struct http_req *r, const char *name);

#endif

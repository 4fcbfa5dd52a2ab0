/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ENGINE_ATTACH_H
#define ENGINE_ATTACH_H

/*
 * POST /containers/ID/attach: the client's bytes go to stdin, the log files' new bytes go to the client.
 * Reading the files instead of the pipes means that a slow client slows nobody, and that nothing depends on a
 * client being there.
 */

#include "lib/util.h"

struct container;
struct engine;
struct http_req;
struct stream;

void attach_handle(struct engine *e, struct http_req *r, const char *name);
/* GET attach/ws: both streams as binary frames, input as the payload of messages. */
void attach_websocket(struct engine *e, struct http_req *r, const char *name);

void attach_input_ready(struct container *c);	 /* stdin takes more */
void attach_container_gone(struct container *c); /* it is removed; clients read what is left */

/* Takes the connection over as the client asked: 101 when it sent Upgrade, else 200. NULL: it has gone. */
struct stream *attach_hijack(struct http_req *r, bool tty);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ENGINE_PUMP_H
#define ENGINE_PUMP_H

/*
 * Bytes between a request and a worker, through a pipe, without ever waiting: whoever is slow holds the other up.
 */

#include "lib/util.h"

struct http_req;
struct loop;
struct pump;

/**
 * pump_body() - the request's body goes to a descriptor
 * @to:		owned from here on; closed when the body has ended
 *
 * @end:	called when the body has ended, all of it passed on or its reader gone
 *
 * When the reader goes away the rest of the body is read and dropped, so that the client comes to read the answer.
 * Return: the pump, or NULL without memory.
 */
struct pump *pump_body(struct loop *l, struct http_req *r, int to, void (*end)(void *arg), void *arg);

/**
 * pump_reply() - a descriptor becomes the body of the answer
 * @from:	owned from here on
 * @first:	called before the first byte is sent: it starts the reply
 * @end:	called when the descriptor has ended; the reply is not ended by the pump. May free the pump
 *
 * Return: the pump, or NULL without memory.
 */
struct pump *pump_reply(struct loop *l, struct http_req *r, int from, void (*first)(void *arg),
	void (*end)(void *arg), void *arg);

void pump_free(struct pump *p); /* accepts NULL; also when the request has gone */

#endif

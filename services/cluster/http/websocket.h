/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLUSTER_HTTP_WEBSOCKET_H
#define CLUSTER_HTTP_WEBSOCKET_H

/*
 * Answers as messages of a WebSocket: watches and logs, for clients that cannot read an answer while it comes; and the token that a
 * browser can only send as the name of a protocol.
 */

#include "cluster/http/http_int.h"

/**
 * websocket_offered() - what a client offers in Sec-WebSocket-Protocol
 * @q:		q->protocols receives it without tokens
 * @authorization: malloc'ed "Bearer TOKEN", or NULL: there was no token
 *
 * The token is base64url.bearer.authorization.k8s.io.TOKEN, of the URL's alphabet, and never alone.
 * Return: NULL, or 400. Does nothing for other requests.
 */
must_check struct status *websocket_offered(struct request *q, char **authorization);

/* How an answer is sent. */
struct websocket_plan {
	char protocol[64]; /* "": none */
	enum http_message_kind kind;
};

/* Of a watch: a message an event, of text or of protobuf, whatever protocol is offered. */
struct websocket_plan websocket_plan_watch(const struct request *q);
/* Of what a container wrote: binary.k8s.io and no protocol at all are bytes, base64.binary.k8s.io is base64. NULL, or 403. */
must_check struct status *websocket_plan_logs(const struct request *q, struct websocket_plan *out);
/* In the place of http_reply_start(). NULL, or why not, and nothing was sent. */
must_check struct status *websocket_start(struct request *q, const struct websocket_plan *p);

#endif

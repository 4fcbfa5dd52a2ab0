/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AGENT_SPDY_H
#define AGENT_SPDY_H

/*
 * SPDY/3.1 framing (draft-mbelshe-httpbis-spdy-00 with 3.1's session window), the server's side, as Kubernetes' clients use it:
 * they open streams, we answer. The connection is the caller's.
 *
 * Windows are neither kept nor asked for: the clients that speak this (client-go, by way of spdystream) keep none, and would
 * wait for ever for someone who does. Back-pressure is the connection's.
 */

#include <stddef.h>
#include <stdint.h>

#include "lib/util.h"

struct spdy;
struct spdy_head;

enum {
	SPDY_FRAME_MAX = 64 * 1024,
	SPDY_HEAD_MAX = 32 * 1024,
	SPDY_HEADERS_MAX = 64,
	SPDY_DATA_MAX = 32 * 1024
};

struct spdy_events {
	/* A stream of the client's; answer with spdy_reply() or spdy_reset(). fin: nothing will come on it. */
	void (*opened)(uint32_t id, const struct spdy_head *head, bool fin, void *arg);
	/* In pieces; of any stream, known or not. */
	void (*data)(uint32_t id, const void *buf, size_t len, void *arg);
	void (*eof)(uint32_t id, void *arg); /* the client's half has ended */
	void (*reset)(uint32_t id, void *arg);
	void (*write)(const void *buf, size_t len, void *arg); /* bytes for the client: whole frames */
};

/* 0 or -ENOMEM. */
must_check int spdy_new(struct spdy **out, const struct spdy_events *events, void *arg);
void spdy_free(struct spdy *s); /* accepts NULL; not from inside an event */

/* Bytes of the client, in any pieces. 0, or -EPROTO for what breaks the protocol, or -ENOMEM: nothing more may be fed. */
must_check int spdy_feed(struct spdy *s, const void *buf, size_t len);

/* The value of a header of the stream that is being opened; names are lower case. NULL: absent. */
const char *spdy_header(const struct spdy_head *head, const char *name);

enum spdy_status { SPDY_PROTOCOL_ERROR = 1, SPDY_REFUSED = 3, SPDY_CANCEL = 5 };

void spdy_reply(struct spdy *s, uint32_t id);
void spdy_reset(struct spdy *s, uint32_t id, enum spdy_status status);
void spdy_data(struct spdy *s, uint32_t id, const void *buf, size_t len, bool fin);
void spdy_goaway(struct spdy *s);

#endif

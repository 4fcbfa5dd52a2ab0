/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LIB_WEBSOCKET_H
#define LIB_WEBSOCKET_H

/*
 * WebSocket framing (RFC 6455), the server's side: the handshake's answer, frames out, and a parser of what a client
 * sends, which takes any pieces. No extensions. The connection is the caller's.
 */

#include <stddef.h>
#include <stdint.h>

#include "lib/util.h"

enum websocket_op {
	WEBSOCKET_CONTINUATION = 0,
	WEBSOCKET_TEXT = 1,
	WEBSOCKET_BINARY = 2,
	WEBSOCKET_CLOSE = 8,
	WEBSOCKET_PING = 9,
	WEBSOCKET_PONG = 10,
};

enum { WEBSOCKET_HEADER_MAX = 10, WEBSOCKET_ACCEPT_LEN = 28, WEBSOCKET_CONTROL_MAX = 125 };

/* Sec-WebSocket-Accept for the client's Sec-WebSocket-Key. 0, or -EINVAL when that is none. */
must_check int websocket_accept(const char *key, char out[WEBSOCKET_ACCEPT_LEN + 1]);

/* The header of one whole unmasked frame. Return: its length. */
size_t websocket_header(unsigned char out[WEBSOCKET_HEADER_MAX], enum websocket_op op, uint64_t len);

struct websocket {
	unsigned char head[14];
	size_t have;
	uint64_t left;	  /* of the frame's payload */
	uint32_t at;	  /* how far into the mask */
	unsigned char op; /* of the frame */
	bool in_frame, in_message, closed;
	bool first; /* for data(): what it gets begins a message */
	unsigned char control[WEBSOCKET_CONTROL_MAX];
	size_t control_len;
	/* Payload of text and binary messages, unmasked in place, in pieces. */
	void (*data)(struct websocket *w, void *buf, size_t len);
	/* Whole: ping, pong, close. */
	void (*control_frame)(struct websocket *w, enum websocket_op op, const void *buf, size_t len);
};

/**
 * websocket_feed() - bytes of the client
 * @buf: changed in place
 *
 * Return: 0, or -EPROTO for what breaks the protocol: a frame without a mask, reserved bits, a fragment out of order, a
 * long control frame, anything after close.
 */
must_check int websocket_feed(struct websocket *w, void *buf, size_t len);

#endif

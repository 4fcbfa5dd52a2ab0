/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AGENT_WIRE_H
#define AGENT_WIRE_H

/*
 * The connection under exec, attach and port-forward once HTTP is over: a WebSocket, whose messages are told apart, or plain
 * bytes of SPDY.
 */

#include <sys/uio.h>

#include "lib/util.h"

struct http_req;
struct wire;

enum wire_protocol {
	WIRE_V4,	  /* channels in a WebSocket: the first byte of a message says which */
	WIRE_V5,	  /* likewise; a message of 255 and a channel ends that channel */
	WIRE_SPDY,	  /* SPDY after an upgrade */
	WIRE_SPDY_TUNNEL, /* SPDY inside the messages of a WebSocket */
};

/* What this end can do, best first. */
struct wire_offer {
	const char *name; /* of Sec-WebSocket-Protocol or X-Stream-Protocol-Version */
	enum wire_protocol protocol;
};

struct wire_events {
	/* @first: it begins a message of a WebSocket. */
	void (*data)(const void *buf, size_t len, bool first, void *arg);
	void (*drain)(void *arg);
	void (*gone)(
		void *arg); /* the client; nothing follows. The wire is the owner's to free, not from inside */
};

/**
 * wire_accept() - agree and take the connection over
 *
 * Return: 0; or -EPROTO, and the request has been answered with what was wrong.
 */
must_check int wire_accept(struct wire **out, struct http_req *r, const struct wire_offer *offers, size_t n,
	const struct wire_events *events, void *arg);
void wire_free(struct wire *w); /* accepts NULL */

enum wire_protocol wire_protocol(const struct wire *w);
bool wire_is_spdy(const struct wire *w);
/* One message. What cannot be written belongs to a client that has gone, which `gone` says. */
void wire_write(struct wire *w, const struct iovec *iov, int n);
size_t wire_pending(const struct wire *w);
void wire_read(struct wire *w, bool on);
/* What was written goes out, then the connection ends; `gone` follows when it has. */
void wire_finish(struct wire *w);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AGENT_REMOTE_H
#define AGENT_REMOTE_H

/*
 * A client's end of exec and attach: standard streams, the channel on which the outcome is said, and the size of its terminal; the
 * same over channels of a WebSocket (v4 and v5.channel.k8s.io) and over streams of SPDY.
 */

#include <stddef.h>

#include "lib/util.h"

struct http_req;
struct loop;
struct remote;

enum remote_channel {
	REMOTE_STDIN,
	REMOTE_STDOUT,
	REMOTE_STDERR,
	REMOTE_ERROR,
	REMOTE_RESIZE,
	REMOTE_CHANNELS,
	REMOTE_CLOSE = 255, /* v5: the next byte says which channel has ended */
};

enum { REMOTE_PENDING_MAX = 512 * 1024, REMOTE_STREAMS_TIMEOUT_MS = 30 * 1000 };

struct remote_events {
	void (*ready)(void *arg); /* all channels are there. From the loop */
	void (*input)(const void *buf, size_t len, void *arg);
	void (*input_end)(void *arg);
	void (*resize)(unsigned width, unsigned height, void *arg);
	void (*drain)(void *arg); /* remote_pending() has fallen */
	void (*gone)(void *arg);  /* the client, or it broke the protocol; nothing follows */
};

struct remote_wants {
	bool in, out, err, tty;
};

/**
 * remote_accept() - take the request over
 *
 * Return: 0; or -errno, and the request has been answered.
 */
must_check int remote_accept(struct remote **out, struct loop *l, struct http_req *r,
	const struct remote_wants *wants, const struct remote_events *events, void *arg);
void remote_free(struct remote *r); /* accepts NULL; not from inside an event */

void remote_send(struct remote *r, enum remote_channel channel, const void *buf, size_t len);
size_t remote_pending(const struct remote *r);
void remote_read(struct remote *r, bool on); /* off until `ready` has come and this is called */
/* The outcome, a Status as JSON; then everything ends, and `gone` follows. */
void remote_finish(struct remote *r, const char *status);

#endif

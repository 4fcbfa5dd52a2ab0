/* SPDX-License-Identifier: Apache-2.0 */

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "agent/server_int.h"
#include "agent/wire.h"
#include "lib/http.h"
#include "lib/stream.h"
#include "lib/websocket.h"

enum { IOV_MAX_ = 4 };

struct wire {
	struct websocket ws;
	enum wire_protocol protocol;
	bool finished, gone;
	struct stream *s; /* owned */
	const struct wire_events *events;
	void *arg;
};

/* ---- the handshake */

/* Is @name in a list of words that commas part? */
static bool listed(const char *list, const char *name)
{
	size_t len = strlen(name), n;
	const char *word;

	while ((word = http_list_next(&list, &n)))
		if (n == len && !strncmp(word, name, n))
			return true;
	return false;
}

static bool is_spdy(enum wire_protocol p)
{
	return p == WIRE_SPDY;
}

static const struct wire_offer *agree(const struct wire_offer *offers, size_t n, bool spdy, const char *asked)
{
	for (size_t i = 0; i < n; i++)
		if (is_spdy(offers[i].protocol) == spdy && listed(asked, offers[i].name))
			return &offers[i];
	return NULL;
}

static const char *prepare_websocket(struct http_req *r, const struct wire_offer *o)
{
	const char *version = http_header(r, "Sec-WebSocket-Version");
	char accept[WEBSOCKET_ACCEPT_LEN + 1];

	if (!version || strcmp(version, "13") != 0 ||
		websocket_accept(http_header(r, "Sec-WebSocket-Key"), accept))
		return "this is no WebSocket handshake of version 13 (RFC 6455)";
	if (http_set_header(r, "Sec-WebSocket-Accept", accept) ||
		http_set_header(r, "Sec-WebSocket-Protocol", o->name))
		return "out of memory";
	return NULL;
}

static const char *prepare(
	struct http_req *r, const struct wire_offer *offers, size_t n, const struct wire_offer **out)
{
	const char *upgrade = http_header(r, "Upgrade");
	bool websocket = upgrade && !strcasecmp(upgrade, "websocket");
	const char *asked =
		http_header(r, websocket ? "Sec-WebSocket-Protocol" : "X-Stream-Protocol-Version");

	if (!websocket && (!upgrade || strcasecmp(upgrade, "SPDY/3.1") != 0))
		return "an upgrade to WebSocket or SPDY/3.1 is required";
	*out = agree(offers, n, !websocket, asked);
	if (!*out)
		return "none of the client's stream protocols is supported";
	if (websocket)
		return prepare_websocket(r, *out);
	return http_set_header(r, "X-Stream-Protocol-Version", (*out)->name) ? "out of memory" : NULL;
}

/* ---- in */

static void end(struct wire *w)
{
	if (w->gone)
		return;
	w->gone = true;
	stream_read_enable(w->s, false);
	w->events->gone(w->arg);
}

static void on_payload(struct websocket *ws, void *buf, size_t len)
{
	struct wire *w = container_of(ws, struct wire, ws);

	if (!w->gone)
		w->events->data(buf, len, ws->first, w->arg);
}

static void on_control(struct websocket *ws, enum websocket_op op, const void *buf, size_t len)
{
	struct wire *w = container_of(ws, struct wire, ws);
	unsigned char h[WEBSOCKET_HEADER_MAX];
	size_t n;
	struct iovec iov[2];

	if (op == WEBSOCKET_PONG || (op == WEBSOCKET_CLOSE && w->finished))
		return;
	/* A ping is answered with the same bytes, a close with a close. */
	n = websocket_header(h, op == WEBSOCKET_PING ? WEBSOCKET_PONG : WEBSOCKET_CLOSE, len);
	iov[0] = (struct iovec){h, n};
	iov[1] = (struct iovec){(void *)(uintptr_t)buf, len};
	(void)!stream_writev(w->s, iov, len ? 2 : 1);
	if (op == WEBSOCKET_CLOSE) {
		w->finished = true;
		stream_shutdown(w->s);
		end(w);
	}
}

static void on_data(struct stream *s, const void *buf, size_t len, void *arg)
{
	struct wire *w = arg;
	cleanup(freep) void *copy = NULL;

	if (w->gone)
		return;
	if (w->protocol == WIRE_SPDY) {
		w->events->data(buf, len, false, w->arg);
		return;
	}
	copy = malloc(len);
	if (copy)
		memcpy(copy, buf, len);
	if (!copy || websocket_feed(&w->ws, copy, len))
		end(w);
}

/* Neither protocol has a use for half a connection. */
static void on_eof(struct stream *s, void *arg)
{
	end(arg);
}

static void on_drain(struct stream *s, void *arg)
{
	struct wire *w = arg;

	if (!w->gone)
		w->events->drain(w->arg);
}

static void on_closed(struct stream *s, int err, void *arg)
{
	end(arg);
}

static const struct stream_events stream_events = {on_data, on_eof, on_drain, on_closed};

int wire_accept(struct wire **out, struct http_req *r, const struct wire_offer *offers, size_t n,
	const struct wire_events *events, void *arg)
{
	const struct wire_offer *chosen = NULL;
	const char *wrong = prepare(r, offers, n, &chosen);
	struct wire *w = wrong ? NULL : calloc(1, sizeof(*w));

	if (!w) {
		server_refuse(r, 400, "BadRequest", "unable to upgrade: %s", wrong ? wrong : "out of memory");
		return -EPROTO;
	}
	*w = (struct wire){.ws = {.data = on_payload, .control_frame = on_control},
		.protocol = chosen->protocol,
		.events = events,
		.arg = arg};
	w->s = http_hijack(r, 101, NULL);
	if (!w->s) {
		free(w);
		return -EPROTO;
	}
	stream_set_events(w->s, &stream_events, w);
	*out = w;
	return 0;
}

void wire_free(struct wire *w)
{
	if (!w)
		return;
	stream_free(w->s);
	free(w);
}

enum wire_protocol wire_protocol(const struct wire *w)
{
	return w->protocol;
}

bool wire_is_spdy(const struct wire *w)
{
	return w->protocol == WIRE_SPDY || w->protocol == WIRE_SPDY_TUNNEL;
}

/* ---- out */

void wire_write(struct wire *w, const struct iovec *iov, int n)
{
	unsigned char h[WEBSOCKET_HEADER_MAX];
	struct iovec all[IOV_MAX_];
	uint64_t len = 0;

	if (w->gone || w->finished)
		return;
	for (int i = 0; i < n; i++) {
		len += iov[i].iov_len;
		all[i + 1] = iov[i];
	}
	if (w->protocol == WIRE_SPDY) {
		(void)!stream_writev(w->s, iov, n);
		return;
	}
	all[0] = (struct iovec){h, websocket_header(h, WEBSOCKET_BINARY, len)};
	(void)!stream_writev(w->s, all, n + 1);
}

size_t wire_pending(const struct wire *w)
{
	return stream_pending(w->s);
}

void wire_read(struct wire *w, bool on)
{
	if (!w->gone)
		stream_read_enable(w->s, on);
}

void wire_finish(struct wire *w)
{
	static const unsigned char normal[] = {0x88, 2, 0x03, 0xe8}; /* 1000 */

	if (w->finished || w->gone)
		return;
	w->finished = true;
	if (w->protocol != WIRE_SPDY)
		(void)!stream_write(w->s, normal, sizeof(normal));
	stream_shutdown(w->s);
	stream_read_enable(w->s, true);
}

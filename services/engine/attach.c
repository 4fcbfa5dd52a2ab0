/* SPDX-License-Identifier: Apache-2.0 */

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "engine/api.h"
#include "engine/attach.h"
#include "engine/container.h"
#include "engine/engine.h"
#include "engine/events.h"
#include "engine/files.h"
#include "engine/output.h"
#include "engine/start.h"
#include "engine/stdcopy.h"
#include "engine/stdio.h"
#include "lib/log.h"
#include "lib/stream.h"
#include "lib/websocket.h"

enum { ATTACH_CHUNK = 32 << 10, ATTACH_PENDING_MAX = 512 << 10 };

/* The WebSocket around an attachment. */
struct attach_ws {
	struct websocket w;
	struct attach *a;
};

struct attach {
	struct container *c; /* NULL once it is removed */
	struct stream *s;    /* owned */
	struct output_reader reader;
	struct detach detach;
	bool tty, in, out, err;
	struct attach_ws *ws; /* owned; NULL: Docker's own stream */
	bool over;	      /* the container has ended: close after the last byte */
	bool input_ended;
	struct attach *next, **link;
};

static void attach_free(struct attach *a)
{
	if (a->link) {
		*a->link = a->next;
		if (a->next)
			a->next->link = a->link;
	}
	output_reader_fini(&a->reader);
	stream_free(a->s);
	free(a->ws);
	free(a);
}

/* ---- to the client */

/* Over a WebSocket the end is a frame: normal closure. */
static void say_goodbye(struct attach *a)
{
	static const unsigned char normal[] = {0x88, 2, 0x03, 0xe8};

	if (a->ws && !a->ws->w.closed) {
		a->ws->w.closed = true;
		(void)!stream_write(a->s, normal, sizeof(normal));
	}
	stream_shutdown(a->s);
}

static void pump(struct attach *a)
{
	unsigned char buf[STDCOPY_HEADER + ATTACH_CHUNK];

	while (stream_pending(a->s) < ATTACH_PENDING_MAX) {
		struct output_chunk chunk;
		int got = output_read(&a->reader, &chunk, buf + STDCOPY_HEADER, ATTACH_CHUNK);

		if (got < 0)
			log_errno(-got, "op=attach");
		if (got <= 0) {
			if (a->over || got < 0)
				say_goodbye(a);
			return;
		}
		if (!(chunk.stream == OUTPUT_STDERR ? a->err : a->out) || !chunk.len)
			continue;
		if (a->ws) {
			unsigned char h[WEBSOCKET_HEADER_MAX];
			size_t n = websocket_header(h, WEBSOCKET_BINARY, chunk.len);
			struct iovec iov[2] = {{h, n}, {buf + STDCOPY_HEADER, chunk.len}};

			got = stream_writev(a->s, iov, 2);
		} else if (a->tty) {
			got = stream_write(a->s, buf + STDCOPY_HEADER, chunk.len);
		} else {
			stdcopy_header(buf, chunk.stream, (uint32_t)chunk.len);
			got = stream_write(a->s, buf, STDCOPY_HEADER + chunk.len);
		}
		if (got)
			return; /* the peer has gone; `closed` follows */
	}
}

static void on_wake(struct output_reader *r)
{
	struct attach *a = container_of(r, struct attach, reader);

	if (output_ended(r->output))
		a->over = true;
	pump(a);
}

static void on_drain(struct stream *s, void *arg)
{
	pump(arg);
}

/* ---- from the client */

static void end_input(struct attach *a)
{
	if (a->input_ended)
		return;
	a->input_ended = true;
	/* Docker: the first client's end of input is the container's when it asked for that (-i, not -d -i).
	 */
	if (a->in && a->c && a->c->io && a->c->stdin_once && !a->tty)
		stdio_close_stdin(a->c->io);
}

static void flow(struct attach *a)
{
	bool ready = a->c && a->c->io && (container_is_up(a->c)) && stdio_pending(a->c->io) < STDIN_QUEUE_MAX;

	stream_read_enable(a->s, !a->in || a->over || !a->c || ready);
}

static void input(struct attach *a, const void *buf, size_t len)
{
	bool detached = false;
	int err = 0;

	if (!a->in || !a->c || !a->c->io)
		return;
	if (a->tty) {
		cleanup(freep) unsigned char *out = malloc(len + DETACH_KEYS_MAX);

		if (!out) {
			log_errno(ENOMEM, "op=attach");
			say_goodbye(a);
			return;
		}
		len = detach_feed(&a->detach, buf, len, out, &detached);
		if (len)
			err = stdio_write(a->c->io, out, len);
	} else {
		err = stdio_write(a->c->io, buf, len);
	}
	if (err && err != -EPIPE)
		log_errno(-err, "container=%.12s op=attach-stdin", a->c->id);
	if (detached) {
		events_container(a->c, "detach", NULL);
		a->in = a->out = a->err = false;
		say_goodbye(a);
		return;
	}
	flow(a);
}

static struct attach *of_websocket(struct websocket *w)
{
	return container_of(w, struct attach_ws, w)->a;
}

static void on_payload(struct websocket *w, void *buf, size_t len)
{
	input(of_websocket(w), buf, len);
}

static void on_control(struct websocket *w, enum websocket_op op, const void *buf, size_t len)
{
	struct attach *a = of_websocket(w);
	unsigned char h[WEBSOCKET_HEADER_MAX];

	if (op == WEBSOCKET_PONG)
		return;

	/* A ping is answered with the same bytes, a close with a close. */
	size_t n = websocket_header(h, op == WEBSOCKET_PING ? WEBSOCKET_PONG : WEBSOCKET_CLOSE, len);
	struct iovec iov[2] = {{h, n}, {(void *)(uintptr_t)buf, len}};

	(void)!stream_writev(a->s, iov, 2);
	if (op == WEBSOCKET_CLOSE) {
		a->in = a->out = a->err = false;
		stream_shutdown(a->s);
	}
}

static void on_data(struct stream *s, const void *buf, size_t len, void *arg)
{
	struct attach *a = arg;

	if (!a->ws) {
		input(a, buf, len);
		return;
	}

	cleanup(freep) void *copy = malloc(len);

	if (copy)
		memcpy(copy, buf, len);
	if (!copy || websocket_feed(&a->ws->w, copy, len)) {
		a->in = a->out = a->err = false;
		say_goodbye(a);
	}
}

static void on_eof(struct stream *s, void *arg)
{
	end_input(arg);
}

static void on_closed(struct stream *s, int err, void *arg)
{
	struct attach *a = arg;

	end_input(a);
	attach_free(a);
}

static const struct stream_events events = {
	.data = on_data, .eof = on_eof, .drain = on_drain, .closed = on_closed};

void attach_input_ready(struct container *c)
{
	for (struct attach *a = c->attached; a; a = a->next)
		flow(a);
}

void attach_container_gone(struct container *c)
{
	while (c->attached) {
		struct attach *a = c->attached;

		c->attached = a->next;
		if (a->next)
			a->next->link = &c->attached;
		a->next = NULL;
		a->link = NULL;
		a->c = NULL;
		a->over = true;
		flow(a);
		pump(a);
	}
}

static bool has_token(const char *value, const char *token)
{
	size_t n = strlen(token);

	for (const char *p = value; p && *p; p++)
		if (!strncasecmp(p, token, n))
			return true;
	return false;
}

struct stream *attach_hijack(struct http_req *r, bool tty)
{
	bool upgrade = has_token(http_header(r, "Upgrade"), "tcp");
	const char *type = tty || api_minor(r) < 42 ? CONTENT_RAW : CONTENT_MULTIPLEXED;

	return http_hijack(r, upgrade ? 101 : 200, type);
}

/* Takes the connection over as a WebSocket. The answer to a bad handshake is given here: NULL. */
static struct stream *upgrade(struct http_req *r, struct attach *a)
{
	const char *version = http_header(r, "Sec-WebSocket-Version");
	char accept[WEBSOCKET_ACCEPT_LEN + 1];

	if (!has_token(http_header(r, "Upgrade"), "websocket") || !version || strcmp(version, "13") != 0 ||
		websocket_accept(http_header(r, "Sec-WebSocket-Key"), accept)) {
		api_error(r, 400, "this endpoint speaks WebSocket (RFC 6455, version 13) only");
		return NULL;
	}
	a->ws = calloc(1, sizeof(*a->ws));
	if (!a->ws || http_set_header(r, "Sec-WebSocket-Accept", accept)) {
		api_error(r, 500, "out of memory");
		return NULL;
	}
	*a->ws = (struct attach_ws){.w = {.data = on_payload, .control_frame = on_control}, .a = a};
	return http_hijack(r, 101, NULL);
}

/* As Docker does it: where a stream was wanted a line of text comes instead. Over a WebSocket it is JSON as elsewhere. */
static void refuse(struct http_req *r, bool websocket, int status, const char *fmt, ...) printf_like(4, 5);
static void refuse(struct http_req *r, bool websocket, int status, const char *fmt, ...)
{
	cleanup(freep) char *why = NULL, *line = NULL;
	va_list ap;

	va_start(ap, fmt);
	if (vasprintf(&why, fmt, ap) < 0)
		why = NULL;
	va_end(ap);
	line = why && !websocket ? text_make("%s\r\n", why) : NULL;
	if (line)
		http_reply(r, status, CONTENT_RAW, line, strlen(line));
	else
		api_error(r, status, "%s", why ? why : "out of memory");
}

static void attach(struct engine *e, struct http_req *r, const char *name, bool websocket)
{
	const char *keys = http_query(r, "detachKeys");
	struct container *c = NULL;
	struct detach detach;
	struct attach *a;
	int err;

	if (detach_parse(&detach, keys)) {
		refuse(r, websocket, 400, "Invalid detach keys (%s) provided", keys);
		return;
	}
	err = container_find(e, name, &c);
	if (err) {
		cleanup(freep) char *why = container_find_fault(err, name);

		refuse(r, websocket, api_status_of(err), "%s", why ? why : "out of memory");
		return;
	}
	if (c->state == CONTAINER_PAUSED) {
		refuse(r, websocket, 409, "container %s is paused, unpause the container before attach",
			name);
		return;
	}
	a = calloc(1, sizeof(*a));
	if (!a || start_open_output(c)) {
		free(a);
		refuse(r, websocket, 500, "the log of container %s cannot be opened", c->name);
		return;
	}

	bool stream = api_query_bool(r, "stream", false), logs = api_query_bool(r, "logs", false);

	a->c = c;
	a->detach = detach;
	a->tty = c->tty;
	a->in = api_query_bool(r, "stdin", false) && c->open_stdin && stream;
	a->out = api_query_bool(r, "stdout", false);
	a->err = api_query_bool(r, "stderr", false);
	output_reader_init(&a->reader, c->output);
	if (!logs)
		output_reader_to_end(&a->reader);
	a->s = websocket ? upgrade(r, a) : attach_hijack(r, c->tty);
	if (!a->s) {
		attach_free(a);
		return;
	}
	stream_set_events(a->s, &events, a);
	a->next = c->attached;
	a->link = &c->attached;
	if (a->next)
		a->next->link = &a->next;
	c->attached = a;
	if (stream)
		output_reader_follow(&a->reader, on_wake);
	else
		a->over = true;
	events_container(c, "attach", NULL);
	flow(a);
	pump(a);
}

void attach_handle(struct engine *e, struct http_req *r, const char *name)
{
	attach(e, r, name, false);
}

void attach_websocket(struct engine *e, struct http_req *r, const char *name)
{
	attach(e, r, name, true);
}

/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The relay is a client of the other server on the same loop. An answer of 101 ends HTTP on both sides and the two streams are
 * tied together, each direction with its own end and its own back-pressure.
 */

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "cluster/http/relay.h"
#include "cluster/http/websocket.h"
#include "lib/http_client.h"
#include "lib/log.h"
#include "lib/stream.h"
#include "lib/tls.h"

enum { PENDING_MAX = 256 * 1024, HEADERS_MAX = 24, CONNECT_MS = 30 * 1000 };

struct relay {
	struct request *q; /* NULL once the client is tied or has gone */
	struct api *api;
	struct http_client *client;
	struct http_call *call;
	struct tls_config *tls;
	struct stream *up, *down; /* after an upgrade */
	struct loop_task bury;
	bool started, paused, messages;
	struct websocket_plan plan; /* of messages */
	char where[80];
	char *target; /* owned */
};

/* A client is not freed from inside what it calls. */
static void bury(struct loop_task *t)
{
	struct relay *r = container_of(t, struct relay, bury);

	http_client_free(r->client);
	tls_config_free(r->tls);
	free(r->target);
	free(r);
}

static void relay_end(struct relay *r)
{
	http_call_cancel(take(r->call));
	stream_free(take(r->up));
	stream_free(take(r->down));
	loop_defer(r->api->loop, &r->bury, bury);
}

/* The request is gone, by itself or by us. */
static void own_gone(void *own)
{
	struct relay *r = own;

	r->q = NULL;
	relay_end(r);
}

static void fail(struct relay *r, const char *why)
{
	struct request *q = r->q;

	if (!q || !q->http)
		return;
	if (r->started)
		http_end(q->http);
	else
		reply_status(q, status_new(502, "BadGateway", "error trying to reach %s: %s", r->where, why));
}

/* ---- the answer */

static void pass_headers(struct relay *r, const struct http_call *call)
{
	static const char *const passed[] = {"Location", "ETag", "Last-Modified", "Cache-Control",
		"Content-Encoding", "Sec-WebSocket-Accept", "Sec-WebSocket-Protocol",
		"X-Stream-Protocol-Version", "Set-Cookie", "Vary"};

	for (size_t i = 0; i < array_len(passed); i++) {
		const char *value = http_call_header(call, passed[i]);

		if (value && http_set_header(r->q->http, passed[i], value))
			log_warn("api op=relay to=%s header=%s msg=\"left out\"", r->where, passed[i]);
	}
}

static void begin_messages(struct relay *r)
{
	struct status *err = websocket_start(r->q, &r->plan);

	/* What the other side has to say comes to nobody then: the request is gone, and this with it. */
	if (err) {
		reply_status(r->q, err);
		return;
	}
	r->started = true;
	/* An empty message, as upstream: it has begun. The request says itself when its peer has gone. */
	(void)!http_write(r->q->http, "", 0);
}

static void on_head(struct http_call *call, int status, void *arg)
{
	struct relay *r = arg;
	struct request *q = r->q;

	if (!q || !q->http)
		return;
	if (r->messages && status == 200) {
		begin_messages(r);
		return;
	}
	pass_headers(r, call);
	r->started = true;
	q->api->served[status / 100 < 6 ? status / 100 : 5]++;
	http_reply_start(q->http, status, http_call_header(call, "Content-Type"));
}

static void on_data(struct http_call *call, const void *buf, size_t len, void *arg)
{
	struct relay *r = arg;

	if (!r->q || !r->q->http || http_write(r->q->http, buf, len))
		return; /* the request says itself when its peer has gone */
	if (http_pending(r->q->http) > PENDING_MAX) {
		r->paused = true;
		http_call_pause(call, true);
	}
}

static void on_done(struct http_call *call, int err, const char *why, void *arg)
{
	struct relay *r = arg;

	r->call = NULL;
	if (err)
		fail(r, why);
	else if (r->q && r->q->http && r->started)
		http_end(r->q->http);
}

static void down_drain(struct http_req *h, void *arg)
{
	struct relay *r = arg;

	if (r->call && r->paused) {
		r->paused = false;
		http_call_pause(r->call, false);
	}
}

/* ---- tied together */

static void tie_data(struct stream *s, const void *buf, size_t len, void *arg)
{
	struct relay *r = arg;
	struct stream *to = s == r->up ? r->down : r->up;

	if (!to || stream_write(to, buf, len)) {
		relay_end(r);
		return;
	}
	if (stream_pending(to) > PENDING_MAX)
		stream_read_enable(s, false);
}

static void tie_eof(struct stream *s, void *arg)
{
	struct relay *r = arg;
	struct stream *to = s == r->up ? r->down : r->up;

	if (to)
		stream_shutdown(to);
}

static void tie_drain(struct stream *s, void *arg)
{
	struct relay *r = arg;
	struct stream *from = s == r->up ? r->down : r->up;

	/* The other side is over already, and this was what it had left. */
	if (!from)
		relay_end(r);
	else
		stream_read_enable(from, true);
}

static void tie_closed(struct stream *s, int err, void *arg)
{
	struct relay *r = arg;
	struct stream **side = s == r->up ? &r->up : &r->down, *other = s == r->up ? r->down : r->up;

	stream_free(take(*side));
	/* What the other side was given still goes out. */
	if (err || !other || !stream_pending(other))
		relay_end(r);
	else
		stream_shutdown(other);
}

static const struct stream_events tie_events = {tie_data, tie_eof, tie_drain, tie_closed};

static void on_upgraded(struct http_call *call, struct stream *stream, void *arg)
{
	struct relay *r = arg;
	struct request *q = r->q;

	if (!q || !q->http) {
		stream_free(stream);
		return;
	}
	pass_headers(r, call);
	request_ref(q);
	q->own_free = NULL;
	r->q = NULL;
	r->up = stream;
	stream_set_events(r->up, &tie_events, r);
	q->api->served[1]++;
	r->down = http_hijack(q->http, 101, NULL);
	request_unref(q);
	if (r->down)
		stream_set_events(r->down, &tie_events, r);
	else
		relay_end(r);
}

/* ---- asking */

static const struct http_call_events call_events = {on_head, on_data, on_upgraded, on_done};

static void ask(struct request *q)
{
	static const char *const passed[] = {"Accept", "Accept-Language", "Cookie", "If-None-Match",
		"If-Modified-Since", "Origin", "Range", "Referer", "User-Agent", "Sec-WebSocket-Key",
		"Sec-WebSocket-Version", "Sec-WebSocket-Protocol", "X-Stream-Protocol-Version"};
	struct relay *r = q->own;
	struct http_header_field headers[HEADERS_MAX];
	struct http_request rq = {.method = http_method_name(q->http),
		.target = r->target,
		.content_type = http_header(q->http, "Content-Type"),
		.body = q->body_len ? q->body : NULL,
		.len = q->body_len,
		.headers = headers,
		.upgrade = r->messages ? NULL : http_header(q->http, "Upgrade"),
		.timeout_ms = CONNECT_MS};
	int err;

	for (size_t i = 0; i < array_len(passed); i++) {
		const char *value = http_header(q->http, passed[i]);
		bool of_websocket = !strncmp(passed[i], "Sec-WebSocket-", 14);

		if (of_websocket && r->messages)
			continue;
		/* A token is for us. */
		if (value && http_is_websocket(q->http) && !strcmp(passed[i], "Sec-WebSocket-Protocol"))
			value = q->protocols;
		if (value)
			headers[rq.n_headers++] = (struct http_header_field){passed[i], value};
	}
	loop_timer_del(&q->timer);
	http_on_drain(q->http, down_drain, r);
	err = http_call_start(&r->call, r->client, &rq, &call_events, r);
	if (err)
		fail(r, strerror(-err));
}

void relay_start(struct request *q, const struct relay_target *to)
{
	struct api *a = q->api;
	struct tls_files files = {
		.ca = a->opts.kubelet_ca, .cert = a->opts.kubelet_cert, .key = a->opts.kubelet_key};
	struct relay *r = calloc(1, sizeof(*r));
	struct http_peer peer = {.address = to->address, .port = (uint16_t)to->port, .host = to->host};
	int err = 0;

	if (!r) {
		reply_status(q, status_errno(-ENOMEM, "relay"));
		return;
	}
	r->q = q;
	r->api = a;
	r->messages = to->messages;
	if (to->messages)
		r->plan = *to->messages;
	r->target = strdup(to->target);
	snprintf(r->where, sizeof(r->where), "%s", to->host);
	q->own = r;
	q->own_free = own_gone;
	if (!r->target)
		err = -ENOMEM;
	else if (to->tls)
		err = files.ca ? tls_client_new(&r->tls, &files, to->address) : -ENOTSUP;
	peer.tls = r->tls;
	if (!err)
		err = http_client_new(&r->client, a->loop, &peer);
	if (err)
		fail(r, strerror(-err));
	else if (http_header(q->http, "Upgrade") || http_method(q->http) == HTTP_GET_ ||
		 http_method(q->http) == HTTP_HEAD_)
		ask(q);
	else
		request_read_body(q, ask);
}

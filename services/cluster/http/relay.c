/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The relay is a client of the other server on the same loop. An answer of 101 ends HTTP on both sides and the two streams are
 * tied together, each direction with its own end and its own back-pressure.
 */

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "cluster/extensions/extensions.h"
#include "cluster/http/identity.h"
#include "cluster/http/links.h"
#include "cluster/http/relay.h"
#include "cluster/http/websocket.h"
#include "lib/http_client.h"
#include "lib/log.h"
#include "lib/stream.h"
#include "lib/tls.h"

enum { PENDING_MAX = 256 * 1024, HEADERS_MAX = 130, AGENT_MS = 30 * 1000 };

struct relay {
	struct request *q; /* NULL once the client is tied or has gone */
	struct api *api;
	struct http_client *client;
	struct http_call *call;
	struct tls_config *tls;
	struct stream *up, *down; /* after an upgrade */
	struct loop_task bury;
	bool started, paused, messages, extension, upgrade;
	struct websocket_plan plan; /* of messages */
	char address[64], where[80];
	char *target, *prefix; /* owned; prefix NULL: nothing is led back */
	struct links_rule rule;
	struct links *page; /* owned: HTML that is led back */
};

/* A client is not freed from inside what it calls. */
static void bury(struct loop_task *t)
{
	struct relay *r = container_of(t, struct relay, bury);

	http_client_free(r->client);
	tls_config_free(r->tls);
	free(r->target);
	free(r->prefix);
	free(r->page);
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
	if (r->started && (r->prefix || r->extension))
		http_abort(q->http);
	else if (r->started)
		http_end(q->http);
	else if (r->prefix || r->extension)
		reply_status(q, status_unavailable("error trying to reach service: %s: %s", r->where, why));
	else
		reply_status(q, status_new(502, "BadGateway", "error trying to reach %s: %s", r->where, why));
}

/* ---- headers: all go on but those of one connection (RFC 9110, 7.6.1), and those that are for us */

static const char *const of_connections[] = {"Connection", "Content-Length", "Keep-Alive",
	"Proxy-Authenticate", "Proxy-Authorization", "Proxy-Connection", "TE", "Trailer", "Transfer-Encoding",
	"Upgrade", NULL};
/* Encodings would hide what is to be led back. */
static const char *const for_us[] = {
	"Accept-Encoding", "Authorization", "Expect", "Host", "X-Forwarded-Uri", NULL};

static bool listed(const char *const *list, const char *name)
{
	for (; *list; list++)
		if (!strcasecmp(*list, name))
			return true;
	return false;
}

/* A list that commas part, as of Connection, names others that go no further. */
static bool named_in(const char *list, const char *name)
{
	size_t len = strlen(name), n;
	const char *word;

	while ((word = http_list_next(&list, &n)))
		if (n == len && !strncasecmp(word, name, n))
			return true;
	return false;
}

static bool begins(const char *name, const char *with)
{
	return !strncasecmp(name, with, strlen(with));
}

static bool is_asked_on(const struct relay *r, const struct request *q, const char *name)
{
	return !listed(of_connections, name) && !listed(for_us, name) && !begins(name, "Impersonate-") &&
	       !(r->extension && begins(name, "X-Remote-")) &&
	       !(r->messages && begins(name, "Sec-WebSocket-")) &&
	       !named_in(http_header(q->http, "Connection"), name);
}

/* Who may read what of another server is not for it to say: to a browser it is ours. */
static bool is_answered_on(const struct relay *r, const struct http_call *call, const char *name)
{
	return !listed(of_connections, name) && strcasecmp(name, "Date") != 0 &&
	       !((r->prefix || r->extension) && begins(name, "Access-Control-")) &&
	       !named_in(http_call_header(call, "Connection"), name);
}

/* What it asks to change the protocol to, as upstream: a header that Connection does not name is for nobody. */
static const char *upgrade_of(const struct request *q)
{
	const char *to = http_header(q->http, "Upgrade");

	return to && named_in(http_header(q->http, "Connection"), "Upgrade") ? to : NULL;
}

/* ---- the answer */

static void pass_header(struct relay *r, const char *name, const char *value)
{
	struct text led = {0};
	int err;

	if (r->prefix && !strcasecmp(name, "Location")) {
		links_add(&r->rule, value, strlen(value), &led);
		err = led.failed ? -ENOMEM : http_set_header(r->q->http, name, led.bytes ? led.bytes : "");
		text_fini(&led);
	} else {
		err = http_set_header(r->q->http, name, value);
	}
	if (err)
		log_warn("api op=relay to=%s header=%s msg=\"left out\"", r->where, name);
}

static void pass_headers(struct relay *r, const struct http_call *call)
{
	const char *name, *value;

	for (size_t i = 0; http_call_header_at(call, i, &name, &value); i++)
		if (is_answered_on(r, call, name))
			pass_header(r, name, value);
}

/* Of a part of a page the places are counted in what the other has; what is encoded is not read. */
static bool is_page(const struct relay *r, const struct http_call *call, int status)
{
	static const char html[] = "text/html";
	const char *type = http_call_header(call, "Content-Type");

	return r->prefix && status != 206 && type && begins(type, html) &&
	       strchr("; \t", type[sizeof(html) - 1]) && !http_call_header(call, "Content-Encoding");
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
	if (r->extension && r->upgrade && status < 400) {
		/* as upstream's aggregator: whoever speaks another protocol from now on would misread it */
		char why[64];

		snprintf(why, sizeof(why), "invalid upgrade response: status code %d\n", status);
		reply_plain(q, 503, "text/plain; charset=utf-8", why);
		return;
	}
	if (is_page(r, call, status)) {
		r->page = calloc(1, sizeof(*r->page));
		if (!r->page) {
			fail(r, "out of memory");
			return;
		}
		r->page->rule = &r->rule;
	}
	request_answers(q);
	pass_headers(r, call);
	r->started = true;
	q->api->served[status / 100 < 6 ? status / 100 : 5]++;
	http_reply_start(q->http, status, NULL);
}

/* false: the request is over, or will say so. */
static bool put_page(struct relay *r, const void *buf, size_t len)
{
	struct text led = {0};
	bool ok;

	if (buf)
		links_feed(r->page, buf, len, &led);
	else
		links_end(r->page, &led);
	ok = !led.failed && !http_write(r->q->http, led.bytes, led.len);
	if (led.failed)
		fail(r, "out of memory");
	text_fini(&led);
	return ok;
}

static void on_data(struct http_call *call, const void *buf, size_t len, void *arg)
{
	struct relay *r = arg;

	if (!r->q || !r->q->http || (r->page ? !put_page(r, buf, len) : http_write(r->q->http, buf, len)))
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
	else if (r->q && r->q->http && r->started && (!r->page || put_page(r, NULL, 0)))
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

/* The headers of the request that are the other's, and of what; @uri: as which path it came. The count. */
static size_t asked_headers(
	const struct relay *r, const struct request *q, struct http_header_field *out, const char *uri)
{
	const char *name, *value;
	size_t n = 0;

	for (size_t i = 0; n + 1 < HEADERS_MAX && http_header_at(q->http, i, &name, &value); i++) {
		if (!is_asked_on(r, q, name))
			continue;
		/* A token is for us. */
		if (http_is_websocket(q->http) && !strcasecmp(name, "Sec-WebSocket-Protocol"))
			value = q->protocols;
		if (value)
			out[n++] = (struct http_header_field){name, value};
	}
	if (uri)
		out[n++] = (struct http_header_field){"X-Forwarded-Uri", uri};
	return n;
}

static void ask(struct request *q)
{
	struct relay *r = q->own;
	struct http_header_field headers[HEADERS_MAX + IDENTITY_MAX];
	struct identity identity = {0};
	struct http_request rq = {.method = http_method_name(q->http),
		.target = r->target,
		.body = q->body_len ? q->body : NULL,
		.len = q->body_len,
		.headers = headers,
		.upgrade = r->messages ? NULL : upgrade_of(q),
		.timeout_ms = r->prefix	     ? -1
			      : r->extension ? API_TIMEOUT_S * 1000
					     : AGENT_MS};
	cleanup(freep) char *uri = NULL;
	int err = 0;

	if (r->prefix && asprintf(&uri, "%s%.*s", r->prefix, (int)strcspn(r->target, "?"), r->target) < 0) {
		uri = NULL;
		err = -ENOMEM;
	}
	rq.n_headers = asked_headers(r, q, headers, uri);
	if (!err && r->extension)
		err = identity_of(&identity, q->who);
	for (size_t i = 0; i < identity.n; i++)
		headers[rq.n_headers++] = identity.fields[i];
	r->upgrade = rq.upgrade;
	loop_timer_del(&q->timer);
	http_on_drain(q->http, down_drain, r);
	if (!err)
		err = http_call_start(&r->call, r->client, &rq, &call_events, r);
	if (err)
		fail(r, strerror(-err));
	identity_fini(&identity);
}

/* By which names the other knows itself: ours for it, and what its client calls us. */
static void know_hosts(struct relay *r, const struct request *q, const struct relay_target *to)
{
	bool usual = to->port == (to->tls ? 443 : 80);

	snprintf(r->address, sizeof(r->address), strchr(to->address, ':') ? "[%s]" : "%s", to->address);
	snprintf(r->where, sizeof(r->where), "%s:%d", r->address, to->port);
	r->rule = (struct links_rule){
		r->prefix, {r->where, usual ? r->address : NULL, http_header(q->http, "Host")}};
}

static int open_tls(struct relay *r, const struct relay_target *to)
{
	const struct api_options *o = &r->api->opts;
	struct tls_files files = {.ca = o->kubelet_ca, .cert = o->kubelet_cert, .key = o->kubelet_key};

	switch (to->tls) {
	case RELAY_NODE:
		return files.ca ? tls_client_new(&r->tls, &files, to->address) : -ENOTSUP;
	case RELAY_ANYBODY:
		return tls_client_unverified(&r->tls, NULL);
	case RELAY_EXTENSION:
		return extension_tls(registry_extensions(r->api->registry), to->extension, &r->tls);
	default:
		return 0;
	}
}

void relay_start(struct request *q, const struct relay_target *to)
{
	struct api *a = q->api;
	struct relay *r = calloc(1, sizeof(*r));
	struct http_peer peer = {.address = to->address, .port = (uint16_t)to->port};
	int err;

	if (!r) {
		reply_status(q, status_errno(-ENOMEM, "relay"));
		return;
	}
	r->q = q;
	r->api = a;
	r->messages = to->messages;
	r->extension = to->extension;
	if (to->messages)
		r->plan = *to->messages;
	r->target = strdup(to->target);
	r->prefix = to->prefix ? strdup(to->prefix) : NULL;
	know_hosts(r, q, to);
	q->own = r;
	q->own_free = own_gone;
	err = !r->target || !r->prefix != !to->prefix ? -ENOMEM : open_tls(r, to);
	peer.host = r->where;
	peer.tls = r->tls;
	if (!err)
		err = http_client_new(&r->client, a->loop, &peer);
	if (err)
		fail(r, strerror(-err));
	else if (upgrade_of(q) || http_method(q->http) == HTTP_GET_ || http_method(q->http) == HTTP_HEAD_)
		ask(q);
	else
		request_read_body(q, ask);
}

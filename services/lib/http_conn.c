/* SPDX-License-Identifier: Apache-2.0 */

/*
 * From bytes to requests. llhttp is stopped after each head and after each message, so that the handler is
 * called outside of it and may do anything, freeing the server included; what it left unparsed is kept in
 * order in rest.
 *
 * The end of the peer's direction while a request is open counts as the peer having left (for TCP there is no
 * other sign), except for a request to upgrade: its bytes are not read until it is hijacked or answered.
 */

#include <errno.h>
#include <string.h>
#include <strings.h>

#include "lib/http_int.h"
#include "lib/log.h"

/* ---- the request's own memory */

static int text_add(struct http_req *r, const char *p, size_t len, size_t max)
{
	if (len >= max || r->text_len > max - len)
		return -E2BIG;
	if (r->text_len + len + 1 > r->text_size) {
		size_t size = r->text_size ? r->text_size : 512;
		char *text;

		while (size < r->text_len + len + 1)
			size *= 2;
		text = realloc(r->text, size);
		if (!text)
			return -ENOMEM;
		r->text = text;
		r->text_size = size;
	}
	if (len)
		memcpy(r->text + r->text_len, p, len);
	r->text_len += len;
	r->text[r->text_len] = 0;
	return 0;
}

static void req_free(struct http_req *r)
{
	if (!r)
		return;
	free(r->text);
	free(r->raw_path);
	free(r->path);
	free(r->query);
	free(r->body);
	free(r->extra);
	free(r);
}

static void bury(struct loop_task *t)
{
	struct http_server *s = container_of(t, struct http_server, bury);
	struct http_req *r;

	while ((r = s->ended)) {
		s->ended = r->next_ended;
		req_free(r);
	}
}

void http_req_ended(struct http_req *r, bool ok)
{
	struct conn *c = r->conn;
	struct http_server *s = r->server;

	if (!c)
		return;
	c->req = NULL;
	r->conn = NULL;
	if (!r->announced) {
		req_free(r);
		return;
	}
	r->next_ended = s->ended;
	s->ended = r;
	loop_defer(s->loop, &s->bury, bury);
	if (r->closed)
		r->closed(r, ok, r->closed_arg);
}

/* ---- the connection */

static void enter(struct conn *c)
{
	c->depth++;
}

static void leave(struct conn *c)
{
	if (--c->depth == 0 && c->dead)
		free(c);
}

void http_conn_free(struct conn *c)
{
	if (c->dead)
		return;
	enter(c);
	c->dead = true;
	http_server_forget(c);
	loop_timer_del(&c->timer);
	loop_defer_del(&c->again);
	stream_free(take(c->stream));
	if (c->req)
		http_req_ended(c->req, false);
	free(take(c->backlog));
	c->rest_len = 0;
	leave(c);
}

static void set_timeout(struct conn *c, int seconds);

static void on_timeout(struct loop_timer *t)
{
	struct conn *c = container_of(t, struct conn, timer);

	size_t left = stream_pending(c->stream);

	enter(c);
	if (left && left < c->pending_seen && !c->req) {
		/* Slow, but it does read what it asked for. */
		c->pending_seen = left;
		set_timeout(c, HTTP_HEADER_TIMEOUT_S);
	} else if (c->req && !c->req->announced) {
		http_refuse(c, 408, "the request did not arrive in time");
	} else {
		http_conn_free(c);
	}
	leave(c);
}

static void set_timeout(struct conn *c, int seconds)
{
	if (!seconds) {
		loop_timer_del(&c->timer);
		return;
	}
	if (loop_timer_set(c->server->loop, &c->timer, loop_now_ms(c->server->loop) + seconds * 1000LL,
		    on_timeout) < 0)
		log_errno(ENOMEM, "http op=timer");
}

void http_conn_close(struct conn *c)
{
	if (c->dead || c->closing)
		return;
	c->closing = true;
	free(take(c->backlog));
	c->rest_len = 0;
	stream_shutdown(c->stream);
	/* What arrives is read and dropped: closing on unread bytes would reset, and destroy our answer. */
	stream_read_enable(c->stream, true);
	c->pending_seen = SIZE_MAX;
	set_timeout(c, stream_pending(c->stream) ? HTTP_HEADER_TIMEOUT_S : HTTP_LINGER_S);
}

/* ---- parser callbacks; they only record */

static int refuse(struct conn *c, int status)
{
	c->refused = status;
	return -1;
}

static int refuse_for(struct conn *c, int err, int too_big)
{
	return refuse(c, err == -ENOMEM ? 503 : too_big);
}

static int on_message_begin(llhttp_t *p)
{
	struct conn *c = p->data;
	struct http_req *r = calloc(1, sizeof(*r));

	if (!r)
		return refuse(c, 503);
	r->conn = c;
	r->server = c->server;
	r->content_length = -1;
	c->req = r;
	c->message_open = true;
	c->discarded = 0;
	set_timeout(c, HTTP_HEADER_TIMEOUT_S);
	return 0;
}

static int on_url(llhttp_t *p, const char *at, size_t len)
{
	struct conn *c = p->data;
	int err = text_add(c->req, at, len, HTTP_TARGET_MAX);

	return err < 0 ? refuse_for(c, err, 414) : 0;
}

/* Each part ends with its NUL. */
static int end_part(struct conn *c)
{
	int err = text_add(c->req, "", 1, HTTP_HEAD_MAX);

	return err < 0 ? refuse_for(c, err, 431) : 0;
}

static int on_url_complete(llhttp_t *p)
{
	return end_part(p->data);
}

static int on_header_field(llhttp_t *p, const char *at, size_t len)
{
	struct conn *c = p->data;
	struct http_req *r = c->req;

	if (!r || r->place == IN_BODY)
		return 0; /* a trailer; nobody asks for those */
	if (r->place != IN_NAME) {
		if (r->n_fields == HTTP_HEADERS_MAX)
			return refuse(c, 431);
		r->place = IN_NAME;
		r->fields[r->n_fields].name = (uint32_t)r->text_len;
		r->fields[r->n_fields++].value = 0;
	}

	int err = text_add(r, at, len, HTTP_HEAD_MAX);

	return err < 0 ? refuse_for(c, err, 431) : 0;
}

static int on_header_field_complete(llhttp_t *p)
{
	struct conn *c = p->data;
	struct http_req *r = c->req;

	if (!r || r->place != IN_NAME)
		return 0;
	if (end_part(c) < 0)
		return -1;
	r->place = IN_VALUE;
	r->fields[r->n_fields - 1].value = (uint32_t)r->text_len;
	return 0;
}

static int on_header_value(llhttp_t *p, const char *at, size_t len)
{
	struct conn *c = p->data;
	struct http_req *r = c->req;

	if (!r || r->place != IN_VALUE)
		return 0;

	int err = text_add(r, at, len, HTTP_HEAD_MAX);

	return err < 0 ? refuse_for(c, err, 431) : 0;
}

static int on_header_value_complete(llhttp_t *p)
{
	struct conn *c = p->data;
	struct http_req *r = c->req;

	if (!r || r->place != IN_VALUE)
		return 0;
	r->place = IN_TARGET; /* between two fields */
	/* Space after the value is no part of it (RFC 9112, 5.1). */
	while (r->text_len > r->fields[r->n_fields - 1].value && strchr(" \t", r->text[r->text_len - 1]))
		r->text_len--;
	return end_part(c);
}

/* Takes the request target apart: origin-form, absolute-form (its authority is dropped), `*`, or authority.
 */
static int parse_target(struct http_req *r)
{
	const char *t = r->text, *scheme = strstr(t, "://"), *mark;
	ssize_t n;

	if (*t != '/' && scheme && r->method != HTTP_CONNECT) {
		t = scheme + 3;
		t += strcspn(t, "/?");
	}
	mark = t + strcspn(t, "?");
	r->raw_path = mark == t ? strdup("/") : strndup(t, (size_t)(mark - t));
	r->path = r->raw_path ? strdup(r->raw_path) : NULL;
	r->query = strdup(*mark ? mark + 1 : "");
	if (!r->path || !r->query)
		return -ENOMEM;
	n = uri_decode(r->path, strlen(r->path), false);
	if (n < 0)
		return (int)n;
	r->path[n] = 0;
	n = uri_query(r->query, r->pairs, HTTP_QUERY_MAX);
	if (n < 0)
		return (int)n;
	r->n_pairs = (size_t)n;
	return 0;
}

static int check_head(struct http_req *r)
{
	size_t hosts = 0;
	const char *expect = http_header(r, "expect");
	int err;

	for (size_t i = 0; i < r->n_fields; i++)
		hosts += !strcasecmp(r->text + r->fields[i].name, "host");
	if (hosts > 1 || (!hosts && !r->http_1_0))
		return 400;
	if (expect && strcasecmp(expect, "100-continue") != 0)
		return 417;
	r->expects_continue = expect && !r->http_1_0;
	err = parse_target(r);
	return err == -ENOMEM ? 503 : err == -E2BIG ? 414 : err < 0 ? 400 : 0;
}

static int on_headers_complete(llhttp_t *p)
{
	struct conn *c = p->data;
	struct http_req *r = c->req;
	bool has_body = (p->flags & F_CHUNKED) || ((p->flags & F_CONTENT_LENGTH) && p->content_length > 0);
	int status;

	r->place = IN_BODY;
	r->method = p->method;
	r->http_1_0 = p->http_minor == 0;
	r->keep_alive = !r->http_1_0 && llhttp_should_keep_alive(p);
	r->upgrade = p->upgrade;
	if (p->http_major != 1)
		return refuse(c, 505);
	if ((p->flags & F_CONTENT_LENGTH) && p->content_length > INT64_MAX)
		return refuse(c, 413);
	if (p->flags & F_CONTENT_LENGTH)
		r->content_length = (int64_t)p->content_length;
	status = check_head(r);
	if (status)
		return refuse(c, status);
	/* Without a body the stop is in on_message_complete(), at once. */
	return has_body ? HPE_PAUSED : 0;
}

static int body_into_buffer(struct http_req *r, const char *at, size_t len)
{
	if (len > r->body_max - r->body_len)
		return 413;
	if (r->body_len + len + 1 > r->body_size) {
		size_t size = r->body_size ? r->body_size : 4096;
		char *p;

		if (r->content_length > 0 && size < (size_t)r->content_length + 1)
			size = (size_t)r->content_length + 1; /* at most body_max */
		while (size < r->body_len + len + 1)
			size *= 2;
		p = realloc(r->body, size);
		if (!p)
			return 503;
		r->body = p;
		r->body_size = size;
	}
	memcpy(r->body + r->body_len, at, len);
	r->body_len += len;
	r->body[r->body_len] = 0;
	return 0;
}

static int on_body(llhttp_t *p, const char *at, size_t len)
{
	struct conn *c = p->data;
	struct http_req *r = c->req;

	if (!len) /* llhttp ends an input inside a body so, also an empty input after a pause */
		return 0;
	if (!r) { /* the rest of one that is answered already */
		c->discarded += len;
		return c->discarded > HTTP_DISCARD_MAX ? HPE_PAUSED : 0;
	}
	if (r->done) {
		int status = body_into_buffer(r, at, len);

		return status ? refuse(c, status) : 0;
	}
	/* Should it take the connection over, this is where its bytes go on. */
	c->rest_len -= (size_t)(at + len - c->rest);
	c->rest = at + len;
	r->data(r, at, len, r->body_arg);
	if (c->dead)
		return -1;
	/* It may have paused, ended or lost the connection: look before going on. */
	return HPE_PAUSED;
}

static int on_message_complete(llhttp_t *p)
{
	struct conn *c = p->data;

	if (c->req)
		c->req->complete = true;
	c->message_open = false;
	return HPE_PAUSED;
}

static const llhttp_settings_t settings = {
	.on_message_begin = on_message_begin,
	.on_url = on_url,
	.on_url_complete = on_url_complete,
	.on_header_field = on_header_field,
	.on_header_field_complete = on_header_field_complete,
	.on_header_value = on_header_value,
	.on_header_value_complete = on_header_value_complete,
	.on_headers_complete = on_headers_complete,
	.on_body = on_body,
	.on_message_complete = on_message_complete,
};

/* ---- going on */

static bool may_parse(const struct conn *c)
{
	const struct http_req *r = c->req;

	if (c->dead || c->closing)
		return false;
	if (!r)
		return c->message_open || stream_pending(c->stream) < HTTP_OUT_MAX;
	if (!r->announced)
		return true;
	return !r->complete && !r->paused && !r->too_big && (r->data || r->done);
}

/* Calls whoever is to be called now, outside of the parser. */
static void progress(struct conn *c)
{
	struct http_req *r = c->req;

	if (c->dead || c->closing)
		return;
	if (!r && c->discarded > HTTP_DISCARD_MAX) {
		http_conn_close(c);
		return;
	}
	if (r && !r->announced && r->place == IN_BODY) {
		r->announced = true;
		set_timeout(c, 0);
		c->server->fn(r, c->server->arg);
		r = c->dead ? NULL : c->req;
	}
	if (r && r->too_big) {
		http_refuse(c, 413, "the body is larger than this request may have");
		return;
	}
	if (r && r->complete && !r->end_told && !r->paused && (r->end || r->done)) {
		r->end_told = true;
		if (r->done)
			r->done(r, r->body ? r->body : (char[]){""}, r->body_len, r->done_arg);
		else
			r->end(r, r->body_arg);
	}
}

static void parse(struct conn *c)
{
	while (may_parse(c) && (c->rest_len || c->parser_paused)) {
		const char *start = c->rest_len ? c->rest : "", *end = start + c->rest_len;
		enum llhttp_errno e;

		if (c->parser_paused)
			llhttp_resume(&c->parser);
		c->parser_paused = false;
		e = llhttp_execute(&c->parser, start, (size_t)(end - start));
		if (c->dead || c->closing)
			return; /* and what start points at may be gone */
		if (e == HPE_OK) {
			c->rest = end;
		} else if (e == HPE_PAUSED || e == HPE_PAUSED_UPGRADE) {
			c->rest = llhttp_get_error_pos(&c->parser);
			c->parser_paused = e == HPE_PAUSED;
			/* An upgrade that nobody wanted: what follows is HTTP still. */
			if (e == HPE_PAUSED_UPGRADE)
				llhttp_resume_after_upgrade(&c->parser);
		} else {
			int status = c->refused ? c->refused : 400;

			http_refuse(c, status,
				c->refused ? http_status_text(status) : llhttp_get_error_reason(&c->parser));
			return;
		}
		c->rest_len = (size_t)(end - c->rest);
		progress(c);
	}
}

/* Keeps what was not parsed, and reads on only if there is room and a use for it. */
static void settle(struct conn *c, bool in_backlog)
{
	const struct http_req *r = c->req;
	bool on = true;

	if (c->dead || c->closing)
		return;
	if (c->rest_len && !in_backlog) {
		c->backlog = malloc(c->rest_len);
		if (!c->backlog) {
			http_conn_free(c);
			return;
		}
		memcpy(c->backlog, c->rest, c->rest_len);
		c->rest = c->backlog;
	}
	if (!c->rest_len)
		free(take(c->backlog));

	if (c->rest_len)
		on = false;
	else if (r && r->announced && r->complete)
		on = !r->upgrade;
	else if (!may_parse(c))
		on = false;
	stream_read_enable(c->stream, on);
}

static void on_again(struct loop_task *t)
{
	struct conn *c = container_of(t, struct conn, again);

	enter(c);
	progress(c);
	parse(c);
	settle(c, true);
	leave(c);
}

void http_conn_continue(struct conn *c)
{
	loop_defer(c->server->loop, &c->again, on_again);
}

bool http_conn_reusable(const struct http_req *r)
{
	/* A body that is not read to its end stands in the way, unless what is left is worth reading. */
	return r->keep_alive &&
	       (r->complete || (r->content_length >= 0 && r->content_length <= HTTP_DISCARD_MAX &&
				       !r->expects_continue));
}

void http_conn_answered(struct http_req *r)
{
	struct conn *c = r->conn;
	bool keep = r->keep_alive;

	enter(c);
	http_req_ended(r, true);
	if (!c->dead && !keep) {
		http_conn_close(c);
	} else if (!c->dead) {
		c->pending_seen = SIZE_MAX;
		set_timeout(c, HTTP_IDLE_TIMEOUT_S);
		http_conn_continue(c);
	}
	leave(c);
}

/* ---- the stream's events */

static void on_data(struct stream *s, const void *buf, size_t len, void *arg)
{
	struct conn *c = arg;
	bool in_backlog = c->rest_len > 0;

	if (c->closing)
		return;
	enter(c);
	if (in_backlog) {
		char *p = malloc(c->rest_len + len);

		if (!p) {
			http_conn_free(c);
			leave(c);
			return;
		}
		memcpy(p, c->rest, c->rest_len);
		memcpy(p + c->rest_len, buf, len);
		free(c->backlog);
		c->rest = c->backlog = p;
		c->rest_len += len;
	} else {
		c->rest = buf;
		c->rest_len = len;
	}
	parse(c);
	settle(c, in_backlog);
	leave(c);
}

static void on_eof(struct stream *s, void *arg)
{
	struct conn *c = arg;

	if (c->closing)
		return;
	if (c->req)
		http_conn_free(c);
	else
		http_conn_close(c);
}

static void on_drain(struct stream *s, void *arg)
{
	struct conn *c = arg;
	struct http_req *r = c->req;

	if (!r)
		http_conn_continue(c);
	else if (r->started && r->drain)
		r->drain(r, r->drain_arg);
}

static void on_closed(struct stream *s, int err, void *arg)
{
	http_conn_free(arg);
}

static const struct stream_events events = {on_data, on_eof, on_drain, on_closed};

int http_conn_new(struct http_server *s, int fd, struct tls_config *tls)
{
	struct conn *c = calloc(1, sizeof(*c));
	int r;

	if (!c) {
		closep(&fd);
		return -ENOMEM;
	}
	c->server = s;
	llhttp_init(&c->parser, HTTP_REQUEST, &settings);
	c->parser.data = c;
	r = stream_new(&c->stream, s->loop, fd, tls, &events, c);
	if (r < 0) {
		free(c);
		return r;
	}
	c->next = s->conns;
	c->prev = &s->conns;
	if (c->next)
		c->next->prev = &c->next;
	s->conns = c;
	s->n_conns++;
	set_timeout(c, HTTP_HEADER_TIMEOUT_S);
	return 0;
}

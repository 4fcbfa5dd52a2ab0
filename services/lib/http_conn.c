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

#include "lib/http_int.h"
#include "lib/log.h"

/* ---- the request's own memory */

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
	free(r->messages);
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

static void on_timeout(struct loop_timer *t)
{
	struct conn *c = container_of(t, struct conn, timer);

	size_t left = stream_pending(c->stream);

	enter(c);
	if (left && left < c->pending_seen && !c->req) {
		/* Slow, but it does read what it asked for. */
		c->pending_seen = left;
		http_conn_timeout(c, HTTP_HEADER_TIMEOUT_S);
	} else if (c->req && !c->req->announced) {
		http_refuse(c, 408, "the request did not arrive in time");
	} else {
		http_conn_free(c);
	}
	leave(c);
}

void http_conn_timeout(struct conn *c, int seconds)
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
	http_conn_timeout(c, stream_pending(c->stream) ? HTTP_HEADER_TIMEOUT_S : HTTP_LINGER_S);
}

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
		http_conn_timeout(c, 0);
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
		on = !r->upgrade || r->messages;
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
		http_conn_timeout(c, HTTP_IDLE_TIMEOUT_S);
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
	if (c->req && c->req->messages) {
		http_messages_feed(c->req, buf, len);
		leave(c);
		return;
	}
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
	llhttp_init(&c->parser, HTTP_REQUEST, &http_parser_settings);
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
	http_conn_timeout(c, HTTP_HEADER_TIMEOUT_S);
	return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */

/*
 * llhttp's callbacks. They record the head in the request, take its target apart, and stop the parser where
 * somebody else is to go on (http_conn.c); only pieces of a streamed body are handed on from here.
 */

#include <errno.h>
#include <string.h>
#include <strings.h>

#include "lib/http_int.h"

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
	http_conn_timeout(c, HTTP_HEADER_TIMEOUT_S);
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

const llhttp_settings_t http_parser_settings = {
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

/* SPDX-License-Identifier: Apache-2.0 */

/* What handlers call: reading the request, answering it. Every call on a request that has ended does nothing.
 */

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "lib/http_int.h"

enum { HEAD_SIZE = 768, EXTRA_MAX = 16 * 1024 };

/* ---- the request */

enum http_method http_method(const struct http_req *r)
{
	switch (r->method) {
	case HTTP_GET:
		return HTTP_GET_;
	case HTTP_HEAD:
		return HTTP_HEAD_;
	case HTTP_POST:
		return HTTP_POST_;
	case HTTP_PUT:
		return HTTP_PUT_;
	case HTTP_DELETE:
		return HTTP_DELETE_;
	case HTTP_PATCH:
		return HTTP_PATCH_;
	case HTTP_OPTIONS:
		return HTTP_OPTIONS_;
	default:
		return HTTP_OTHER_;
	}
}

const char *http_method_name(const struct http_req *r)
{
	return llhttp_method_name((llhttp_method_t)r->method);
}

const char *http_path(const struct http_req *r)
{
	return r->path;
}

const char *http_raw_path(const struct http_req *r)
{
	return r->raw_path;
}

const char *http_raw_query(const struct http_req *r)
{
	/* The head's text begins with the target. */
	const char *mark = r->text + strcspn(r->text, "?");

	return *mark ? mark + 1 : "";
}

const char *http_query(const struct http_req *r, const char *key)
{
	for (size_t i = 0; i < r->n_pairs; i++)
		if (!strcmp(r->pairs[i].key, key))
			return r->pairs[i].value;
	return NULL;
}

size_t http_query_all(const struct http_req *r, const char *key, const char **values, size_t max)
{
	size_t n = 0;

	for (size_t i = 0; i < r->n_pairs && n < max; i++)
		if (!strcmp(r->pairs[i].key, key))
			values[n++] = r->pairs[i].value;
	return n;
}

const char *http_header(const struct http_req *r, const char *name)
{
	for (size_t i = 0; i < r->n_fields; i++)
		if (!strcasecmp(r->text + r->fields[i].name, name))
			return r->text + r->fields[i].value;
	return NULL;
}

bool http_header_at(const struct http_req *r, size_t i, const char **name, const char **value)
{
	if (i >= r->n_fields)
		return false;
	*name = r->text + r->fields[i].name;
	*value = r->text + r->fields[i].value;
	return true;
}

const char *http_list_next(const char **list, size_t *len)
{
	static const char between[] = ", \t";
	const char *word = *list ? *list + strspn(*list, between) : "";

	*list = word + strcspn(word, ",");
	*len = (size_t)(*list - word);
	while (*len && strchr(" \t", word[*len - 1]))
		(*len)--;
	return *len ? word : NULL;
}

int64_t http_content_length(const struct http_req *r)
{
	return r->content_length;
}

struct stream *http_stream(const struct http_req *r)
{
	return r->conn ? r->conn->stream : NULL;
}

void http_on_closed(struct http_req *r, void (*closed)(struct http_req *r, bool ok, void *arg), void *arg)
{
	if (r->conn) {
		r->closed = closed;
		r->closed_arg = arg;
	} else if (closed) {
		closed(r, false, arg);
	}
}

/* ---- its body */

static void want_body(struct http_req *r)
{
	if (r->expects_continue && !r->complete && !r->started) {
		static const char go[] = "HTTP/1.1 100 Continue\r\n\r\n";

		r->expects_continue = false;
		if (stream_write(r->conn->stream, go, sizeof(go) - 1) < 0)
			return; /* the stream tells the connection */
	}
	http_conn_continue(r->conn);
}

void http_body_stream(struct http_req *r,
	void (*data)(struct http_req *r, const void *buf, size_t len, void *arg),
	void (*end)(struct http_req *r, void *arg), void *arg)
{
	if (!r->conn)
		return;
	r->data = data;
	r->end = end;
	r->body_arg = arg;
	want_body(r);
}

void http_body_pause(struct http_req *r, bool paused)
{
	if (!r->conn)
		return;
	r->paused = paused;
	http_conn_continue(r->conn);
}

void http_body_read(struct http_req *r, size_t max,
	void (*done)(struct http_req *r, char *body, size_t len, void *arg), void *arg)
{
	if (!r->conn)
		return;
	r->done = done;
	r->done_arg = arg;
	r->body_max = max;
	if (r->content_length > 0 && (uint64_t)r->content_length > max) {
		r->too_big = true;
		http_conn_continue(r->conn);
	} else {
		want_body(r);
	}
}

/* ---- heads */

static const struct {
	int status;
	const char *text;
} texts[] = {
	{100, "Continue"},
	{101, "UPGRADED"}, /* Docker's word; the standard's clients do not look */
	{200, "OK"},
	{201, "Created"},
	{202, "Accepted"},
	{204, "No Content"},
	{206, "Partial Content"},
	{301, "Moved Permanently"},
	{302, "Found"},
	{304, "Not Modified"},
	{307, "Temporary Redirect"},
	{308, "Permanent Redirect"},
	{400, "Bad Request"},
	{401, "Unauthorized"},
	{403, "Forbidden"},
	{404, "Not Found"},
	{405, "Method Not Allowed"},
	{406, "Not Acceptable"},
	{408, "Request Timeout"},
	{409, "Conflict"},
	{410, "Gone"},
	{411, "Length Required"},
	{412, "Precondition Failed"},
	{413, "Content Too Large"},
	{414, "URI Too Long"},
	{415, "Unsupported Media Type"},
	{416, "Range Not Satisfiable"},
	{417, "Expectation Failed"},
	{422, "Unprocessable Content"},
	{426, "Upgrade Required"},
	{429, "Too Many Requests"},
	{431, "Request Header Fields Too Large"},
	{500, "Internal Server Error"},
	{501, "Not Implemented"},
	{502, "Bad Gateway"},
	{503, "Service Unavailable"},
	{504, "Gateway Timeout"},
	{505, "HTTP Version Not Supported"},
};

const char *http_status_text(int status)
{
	for (size_t i = 0; i < array_len(texts); i++)
		if (texts[i].status == status)
			return texts[i].text;
	return "Unknown";
}

/* Made once a second. */
static const char *date_now(void)
{
	static char text[40];
	static time_t made = -1;
	time_t now = time(NULL);
	struct tm tm;

	if (now != made && gmtime_r(&now, &tm)) {
		static const char day[][4] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
		static const char month[][4] = {
			"Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};

		snprintf(text, sizeof(text), "%s, %02d %s %04d %02d:%02d:%02d GMT", day[tm.tm_wday],
			tm.tm_mday, month[tm.tm_mon], (tm.tm_year + 1900) % 10000, tm.tm_hour, tm.tm_min,
			tm.tm_sec);
		made = now;
	}
	return text;
}

static bool is_field_value(const char *s)
{
	for (; *s; s++)
		if (((unsigned char)*s < ' ' && *s != '\t') || *s == 0x7f)
			return false;
	return true;
}

static bool is_token(const char *s)
{
	return *s &&
	       strspn(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789!#$%&'*+-.^_`|~") ==
		       strlen(s);
}

int http_set_header(struct http_req *r, const char *name, const char *value)
{
	static const char *const ours[] = {"connection", "content-length", "transfer-encoding", "date"};
	size_t len = strlen(name) + strlen(value) + 4;
	char *p;

	if (!r->conn)
		return 0;
	if (r->started || !is_token(name) || !is_field_value(value) || r->extra_len + len > EXTRA_MAX)
		return -EINVAL;
	for (size_t i = 0; i < array_len(ours); i++)
		if (!strcasecmp(name, ours[i]))
			return -EINVAL;
	p = realloc(r->extra, r->extra_len + len + 1);
	if (!p)
		return -ENOMEM;
	r->extra = p;
	snprintf(p + r->extra_len, len + 1, "%s: %s\r\n", name, value);
	r->extra_len += len;
	return 0;
}

struct head {
	char text[HEAD_SIZE];
	size_t len;
};

static void printf_like(2, 3) head_add(struct head *h, const char *fmt, ...)
{
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(h->text + h->len, sizeof(h->text) - h->len, fmt, ap);
	va_end(ap);
	assert(n >= 0 && (size_t)n < sizeof(h->text) - h->len);
	h->len += (size_t)n;
}

static void head_begin(struct head *h, int status, const char *content_type)
{
	h->len = 0;
	head_add(h, "HTTP/1.1 %d %s\r\nDate: %s\r\n", status, http_status_text(status), date_now());
	if (content_type) {
		assert(strlen(content_type) < 256 && is_field_value(content_type));
		head_add(h, "Content-Type: %s\r\n", content_type);
	}
}

/* One write for head and body. */
static int send_head(struct http_req *r, const struct head *h, const void *body, size_t len)
{
	struct iovec iov[] = {
		{(void *)(uintptr_t)h->text, h->len},
		{r->extra, r->extra_len},
		{(char[]){"\r\n"}, 2},
		{(void *)(uintptr_t)body, len},
	};

	return stream_writev(r->conn->stream, iov, 4);
}

static bool has_no_body(const struct http_req *r, int status)
{
	return r->method == HTTP_HEAD || status < 200 || status == 204 || status == 304;
}

void http_reply(struct http_req *r, int status, const char *content_type, const void *body, size_t len)
{
	struct head h;

	if (!r->conn)
		return;
	assert(!r->started);
	head_begin(&h, status, content_type);
	r->started = true;
	r->keep_alive = http_conn_reusable(r);
	if (status >= 200 && status != 204 && status != 304)
		head_add(&h, "Content-Length: %zu\r\n", len);
	if (!r->keep_alive)
		head_add(&h, "Connection: close\r\n");
	if (has_no_body(r, status))
		len = 0;
	/* A stream that is broken says so itself, from the loop: then the request ends as not ok. */
	if (send_head(r, &h, body, len) == 0)
		http_conn_answered(r);
}

void http_reply_start(struct http_req *r, int status, const char *content_type)
{
	struct head h;

	if (!r->conn)
		return;
	assert(!r->started);
	head_begin(&h, status, content_type);
	r->started = true;
	r->no_body = has_no_body(r, status);
	r->chunked = !r->http_1_0 && status >= 200 && status != 204 && status != 304;
	r->keep_alive = http_conn_reusable(r);
	if (r->chunked)
		head_add(&h, "Transfer-Encoding: chunked\r\n");
	if (!r->keep_alive)
		head_add(&h, "Connection: close\r\n");
	if (send_head(r, &h, NULL, 0) < 0)
		return;
}

int http_write(struct http_req *r, const void *buf, size_t len)
{
	char size[20];

	if (!r->conn)
		return -EPIPE;
	assert(r->started);
	if (r->messages)
		return http_messages_write(r, buf, len);
	if (!len || r->no_body)
		return 0;
	if (!r->chunked)
		return stream_write(r->conn->stream, buf, len);

	struct iovec iov[] = {
		{size, (size_t)snprintf(size, sizeof(size), "%zx\r\n", len)},
		{(void *)(uintptr_t)buf, len},
		{(char[]){"\r\n"}, 2},
	};

	return stream_writev(r->conn->stream, iov, 3);
}

size_t http_pending(const struct http_req *r)
{
	return r->conn ? stream_pending(r->conn->stream) : 0;
}

void http_on_drain(struct http_req *r, void (*drain)(struct http_req *r, void *arg), void *arg)
{
	r->drain = drain;
	r->drain_arg = arg;
}

void http_end(struct http_req *r)
{
	if (!r->conn)
		return;
	assert(r->started);
	if (r->messages && http_messages_end(r) < 0)
		return;
	if (r->chunked && !r->no_body && stream_write(r->conn->stream, "0\r\n\r\n", 5) < 0)
		return;
	http_conn_answered(r);
}

void http_abort(struct http_req *r)
{
	if (r->conn)
		http_conn_free(r->conn);
}

/* ---- taking the connection over */

int http_send_upgrade(struct http_req *r, int status, const char *content_type)
{
	const char *protocol = http_header(r, "upgrade");
	struct head h;

	assert(!r->started);
	head_begin(&h, status, content_type);
	if (status == 101)
		head_add(&h, "Connection: Upgrade\r\nUpgrade: %.64s\r\n", protocol ? protocol : "tcp");
	r->started = true;
	return send_head(r, &h, NULL, 0);
}

struct stream *http_hijack(struct http_req *r, int status, const char *content_type)
{
	struct conn *c = r->conn;
	struct stream *s;

	if (!c)
		return NULL;
	if (http_send_upgrade(r, status, content_type) < 0 ||
		stream_unread(c->stream, c->rest, c->rest_len) < 0)
		return NULL;
	s = take(c->stream);
	stream_read_enable(s, true);
	http_req_ended(r, true);
	http_conn_free(c);
	return s;
}

/* ---- answers of our own */

void http_refuse(struct conn *c, int status, const char *why)
{
	struct http_req *r = c->req;
	char body[256];
	struct head h;
	int len;

	if (r && r->started) { /* too late to say anything */
		http_conn_free(c);
		return;
	}
	/* The reasons are ours and the parser's, plain words. */
	len = snprintf(
		body, sizeof(body), "{\"message\":\"%.200s\"}\n", why ? why : http_status_text(status));
	head_begin(&h, status, "application/json");
	head_add(&h, "Content-Length: %d\r\nConnection: close\r\n\r\n", len);

	bool head_only = r && r->place == IN_BODY && r->method == HTTP_HEAD;
	struct iovec iov[] = {{h.text, h.len}, {body, head_only ? 0 : (size_t)len}};

	if (stream_writev(c->stream, iov, 2) < 0) {
		http_conn_free(c);
		return;
	}
	if (r)
		http_req_ended(r, true);
	http_conn_close(c);
}

/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The server is driven through a socket by a client on the same loop. Most conversations are run twice: in
 * one piece and byte by byte, which must make no difference.
 */

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <cmocka.h>

#include "lib/http_int.h"

static struct loop *l;
static struct http_server *server;
static struct loop_timer limit;
static struct sockaddr_un address;

/* ---- the handler: the path says what it does */

static struct http_req *parked; /* by /park */
static int n_closed, n_ok;	/* calls of closed */
static char body_seen[1 << 16];
static size_t n_body;
static struct stream *hijacked;
static char hijack_got[1024];
static int drains;

static void on_req_closed(struct http_req *r, bool ok, void *arg)
{
	assert_ptr_equal(arg, &n_closed);
	n_closed++;
	n_ok += ok;
	if (parked == r)
		parked = NULL;
}

static void echo_body(struct http_req *r, char *body, size_t len, void *arg)
{
	assert_int_equal(body[len], 0);
	http_reply(r, 200, "text/plain", body, len);
}

static void stream_data(struct http_req *r, const void *buf, size_t len, void *arg)
{
	assert_true(n_body + len < sizeof(body_seen));
	memcpy(body_seen + n_body, buf, len);
	n_body += len;
	body_seen[n_body] = 0;
	/* every piece costs a pause */
	http_body_pause(r, true);
	http_body_pause(r, false);
}

static void stream_end(struct http_req *r, void *arg)
{
	http_reply(r, 200, "text/plain", body_seen, n_body);
}

static void early_data(struct http_req *r, const void *buf, size_t len, void *arg)
{
	http_reply(r, 403, NULL, "no", 2);
}

static void more(struct http_req *r, void *arg)
{
	static char block[10000];
	static int left;

	if (arg) {
		left = 100;
		memset(block, 'z', sizeof(block));
	} else {
		drains++;
	}
	while (left && http_pending(r) < 100 * 1000) {
		assert_int_equal(http_write(r, block, sizeof(block)), 0);
		left--;
	}
	if (!left)
		http_end(r);
}

static void hijack_data(struct stream *s, const void *buf, size_t len, void *arg)
{
	strncat(hijack_got, buf, len);
	assert_int_equal(stream_write(s, buf, len), 0);
}

static void hijack_eof(struct stream *s, void *arg)
{
	assert_int_equal(stream_write(s, "END", 3), 0);
	stream_shutdown(s);
}

static void hijack_closed(struct stream *s, int err, void *arg)
{
	stream_free(s);
	hijacked = NULL;
}

static const struct stream_events hijack_events = {hijack_data, hijack_eof, NULL, hijack_closed};

static void take_over(struct http_req *r, char *body, size_t len, void *arg)
{
	hijacked = http_hijack(r, http_header(r, "Upgrade") ? 101 : 200, "application/x-raw");
	assert_non_null(hijacked);
	stream_set_events(hijacked, &hijack_events, NULL);
	assert_int_equal(stream_write(hijacked, body, len), 0);
}

/* What is asked for says which kind, and whether it ends. */
static void send_messages(struct http_req *r)
{
	const char *kind = http_query(r, "kind"), *protocol = http_query(r, "protocol");
	int err = http_reply_messages(r, protocol,
		!kind			? HTTP_MESSAGES_BINARY
		: !strcmp(kind, "text") ? HTTP_MESSAGES_TEXT
					: HTTP_MESSAGES_BASE64);

	if (err == -EINVAL) {
		http_reply(r, 400, NULL, "no handshake", 12);
		return;
	}
	assert_int_equal(err, 0);
	assert_int_equal(http_write(r, "one", 3), 0);
	if (http_query(r, "park")) {
		parked = r;
		return;
	}
	assert_int_equal(http_write(r, "twotwotwotwotwotwo", 18), 0);
	http_end(r);
	assert_int_equal(http_write(r, "x", 1), -EPIPE);
}

static bool is(struct http_req *r, const char *path)
{
	return !strcmp(http_path(r), path);
}

static void handler(struct http_req *r, void *arg)
{
	char text[300];

	assert_ptr_equal(arg, &server);
	http_on_closed(r, on_req_closed, &n_closed);
	if (is(r, "/hello")) {
		http_reply(r, 200, "text/plain", "hello", 5);
	} else if (is(r, "/show me")) {
		const char *a = http_query(r, "a"), *all[3];
		size_t n = http_query_all(r, "a", all, 3);

		snprintf(text, sizeof(text), "%s %s a=%s x%zu X-Two=%s", http_method_name(r),
			http_raw_path(r), a ? a : "-", n,
			http_header(r, "x-two") ? http_header(r, "x-two") : "-");
		http_reply(r, 200, NULL, text, strlen(text));
	} else if (is(r, "/none")) {
		http_reply(r, 204, NULL, NULL, 0);
	} else if (is(r, "/park")) {
		parked = r;
	} else if (is(r, "/echo")) {
		http_body_read(r, 1000, echo_body, NULL);
	} else if (is(r, "/stream")) {
		n_body = 0;
		http_body_stream(r, stream_data, stream_end, NULL);
	} else if (is(r, "/early")) {
		http_body_stream(r, early_data, stream_end, NULL);
	} else if (is(r, "/ignore")) {
		http_reply(r, 200, NULL, "ignored", 7);
	} else if (is(r, "/chunks")) {
		assert_int_equal(http_set_header(r, "X-A", "b c"), 0);
		assert_int_equal(http_set_header(r, "X-B", "1\r\nEvil: 2"), -EINVAL);
		assert_int_equal(http_set_header(r, "Bad Name", "1"), -EINVAL);
		assert_int_equal(http_set_header(r, "Content-Length", "1"), -EINVAL);
		http_reply_start(r, 200, "text/plain");
		assert_int_equal(http_write(r, "one", 3), 0);
		assert_int_equal(http_write(r, "", 0), 0);
		assert_int_equal(http_write(r, "twotwotwotwotwotwo", 18), 0);
		http_end(r);
		/* ended: everything about it is harmless now */
		assert_int_equal(http_write(r, "x", 1), -EPIPE);
		http_reply(r, 200, NULL, NULL, 0);
		http_end(r);
		assert_null(http_stream(r));
		http_on_closed(r, NULL, NULL);
	} else if (is(r, "/messages")) {
		send_messages(r);
	} else if (is(r, "/big")) {
		http_reply_start(r, 200, NULL);
		http_on_drain(r, more, NULL);
		more(r, &n_closed);
	} else if (is(r, "/hijack")) {
		http_body_read(r, 1000, take_over, NULL);
	} else if (is(r, "/huge")) {
		char *huge = calloc(1, 32 * 1024 * 1024);

		http_reply(r, 200, NULL, huge, 32 * 1024 * 1024);
		free(huge);
	} else if (is(r, "/die")) {
		http_server_free(take(server));
	} else {
		http_reply(r, 404, "application/json", "{\"message\":\"no such path\"}", 26);
	}
}

/* ---- the client */

static struct client {
	struct stream *s;
	char got[1 << 21];
	size_t n;
	size_t stop_after;
	bool eof;
	const char *until;
	const char *send;
	size_t left, step;
	struct loop_task more;
} c;

static void check(void)
{
	if (c.eof || (c.until && strstr(c.got, c.until)))
		loop_quit(l, 0);
}

static void c_data(struct stream *s, const void *buf, size_t len, void *arg)
{
	if (c.stop_after) { /* only the amount is looked at */
		c.n += len;
		if (c.n > c.stop_after)
			stream_read_enable(s, false);
		return;
	}
	assert_true(c.n + len < sizeof(c.got));
	memcpy(c.got + c.n, buf, len);
	c.n += len;
	c.got[c.n] = 0;
	check();
}

static void c_eof(struct stream *s, void *arg)
{
	c.eof = true;
	check();
}

static void c_closed(struct stream *s, int err, void *arg)
{
	c.eof = true;
	stream_free(take(c.s));
	check();
}

static const struct stream_events c_events = {c_data, c_eof, NULL, c_closed};

static void c_more(struct loop_task *t)
{
	size_t n = c.left < c.step ? c.left : c.step;

	if (!c.s || stream_write(c.s, c.send, n) < 0)
		return;
	c.send += n;
	c.left -= n;
	if (c.left)
		loop_defer(l, t, c_more);
}

static void too_late(struct loop_timer *t)
{
	loop_quit(l, -1);
}

static void connect_client(void)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	loop_defer_del(&c.more);
	stream_free(c.s);
	memset(&c, 0, offsetof(struct client, got));
	c.got[c.n = 0] = 0;
	c.eof = false;
	c.left = c.stop_after = 0;
	assert_int_equal(stream_new(&c.s, l, fd, NULL, &c_events, &c), 0);
}

/* Dates differ; the rest is to be compared. */
static const char *without_dates(void)
{
	char *d;

	while ((d = strstr(c.got, "Date: "))) {
		char *end = strstr(d, "\r\n");

		assert_int_equal(end - d, 6 + 29);
		memmove(d, end + 2, strlen(end + 2) + 1);
	}
	return c.got;
}

static void say(const char *bytes, size_t step)
{
	c.send = bytes;
	c.left = strlen(bytes);
	c.step = step;
	loop_defer(l, &c.more, c_more);
}

static void wait_for(const char *until)
{
	c.until = until;
	if (c.eof || (until && strstr(c.got, until)))
		return;
	assert_int_equal(loop_timer_set(l, &limit, loop_now_ms(l) + 10000, too_late), 0);
	assert_int_equal(loop_run(l), 0);
	loop_timer_del(&limit);
}

/* A few turns, to let happen what will. */
static void turns(void)
{
	for (int i = 0; i < 2; i++) {
		assert_int_equal(loop_timer_set(l, &limit, loop_now_ms(l) + 10, too_late), 0);
		assert_int_equal(loop_run(l), -1);
	}
}

static void new_server(void)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	address.sun_family = AF_UNIX;
	snprintf(address.sun_path + 1, sizeof(address.sun_path) - 1, "http-test-%d", getpid());
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(listen(fd, 10), 0);
	assert_int_equal(http_server_new(&server, l, handler, &server), 0);
	assert_int_equal(http_server_listen(server, fd, NULL), 0);
}

static int setup(void **state)
{
	assert_int_equal(loop_new(&l), 0);
	n_closed = n_ok = drains = 0;
	parked = NULL;
	hijack_got[0] = 0;
	new_server();
	return 0;
}

static int teardown(void **state)
{
	loop_defer_del(&c.more);
	stream_free(take(c.s));
	stream_free(take(hijacked));
	http_server_free(take(server));
	loop_timer_del(&limit);
	loop_free(l);
	return 0;
}

/* Says it whole and in bytes; expects exactly this back, up to where want ends. */
static void talk(const char *say_this, const char *want)
{
	for (int whole = 1; whole >= 0; whole--) {
		connect_client();
		say(say_this, whole ? 1 << 20 : 1);
		c.until = NULL;
		while (strlen(without_dates()) < strlen(want) && !c.eof) {
			size_t before = c.n;

			assert_int_equal(loop_timer_set(l, &limit, loop_now_ms(l) + 5, too_late), 0);
			loop_run(l);
			c.n = strlen(without_dates());
			if (c.n == before && !c.left && !c.more.loop) {
				static int idle;

				if (++idle > 2000)
					break;
			}
		}
		loop_timer_del(&limit);
		assert_string_equal(without_dates(), want);
	}
}

#define GET(path) "GET " path " HTTP/1.1\r\nHost: x\r\n\r\n"
#define HELLO	  "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 5\r\n\r\nhello"

/* ---- tests */

static void a_request_is_answered(void **state)
{
	talk(GET("/hello"), HELLO);
	assert_int_equal(n_closed, 2);
	assert_int_equal(n_ok, 2);
}

static void a_connection_serves_many_in_order(void **state)
{
	talk(GET("/hello") GET("/none") GET("/nowhere") GET("/hello"),
		HELLO "HTTP/1.1 204 No Content\r\n\r\n"
		      "HTTP/1.1 404 Not Found\r\nContent-Type: application/json\r\nContent-Length: 26\r\n\r\n"
		      "{\"message\":\"no such path\"}" HELLO);
	assert_int_equal(n_ok, 8);
}

static void a_late_answer_keeps_the_order(void **state)
{
	connect_client();
	say(GET("/park") GET("/hello"), 1 << 20);
	turns();
	assert_non_null(parked);
	assert_int_equal(c.n, 0);
	http_reply(parked, 200, NULL, "late", 4);
	wait_for("hello");
	assert_string_equal(without_dates(), "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nlate" HELLO);
}

static void the_target_is_decoded(void **state)
{
	talk("PATCH /show%20me?a=%C3%A4&b=2&a=3 HTTP/1.1\r\nHost: x\r\nX-two:  v w \r\n\r\n",
		"HTTP/1.1 200 OK\r\nContent-Length: 34\r\n\r\nPATCH /show%20me a=\xc3\xa4 x2 X-Two=v w");
	/* what a proxy's client sends */
	talk("GET http://node:2375/hello?x HTTP/1.1\r\nHost: x\r\n\r\n", HELLO);
}

static void head_has_no_body(void **state)
{
	talk("HEAD /hello HTTP/1.1\r\nHost: x\r\n\r\n" GET("/hello"),
		"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 5\r\n\r\n" HELLO);
	talk("HEAD /chunks HTTP/1.1\r\nHost: x\r\n\r\n" GET("/hello"),
		"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nTransfer-Encoding: chunked\r\nX-A: b c\r\n\r\n" HELLO);
}

static void bodies_are_read_whole(void **state)
{
	talk("POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nping" GET("/hello"),
		"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 4\r\n\r\nping" HELLO);
	talk("POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3;x=y\r\nabc\r\n1\r\nd\r\n0\r\n"
	     "Trailer: t\r\n\r\n" GET("/hello"),
		"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 4\r\n\r\nabcd" HELLO);
	talk("POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n",
		"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 0\r\n\r\n");
	talk("POST /echo HTTP/1.1\r\nHost: x\r\n\r\n",
		"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 0\r\n\r\n");
}

static void bodies_are_streamed_and_pause(void **state)
{
	talk("PUT /stream HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nping pong" GET("/hello"),
		"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 9\r\n\r\nping pong" HELLO);
	talk("PUT /stream HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n",
		"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 5\r\n\r\nabcde");
	talk("PUT /stream HTTP/1.1\r\nHost: x\r\n\r\n",
		"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 0\r\n\r\n");
}

#define TOO_LARGE                                                                                            \
	"HTTP/1.1 413 Content Too Large\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n"        \
	"Connection: close\r\n\r\n%s"

static void a_body_over_the_limit_is_413(void **state)
{
	static const char json[] = "{\"message\":\"the body is larger than this request may have\"}\n";
	char request[2000], want[500];

	snprintf(want, sizeof(want), TOO_LARGE, sizeof(json) - 1, json);
	talk("POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 1001\r\n\r\nxx", want);
	assert_int_equal(n_closed, 2);

	/* chunked: found out on the way */
	snprintf(want, sizeof(want), TOO_LARGE, (size_t)32, "{\"message\":\"Content Too Large\"}\n");
	snprintf(request, sizeof(request),
		"POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3e8\r\n%01000d\r\n1\r\nx\r\n",
		7);
	talk(request, want);
}

static void expectations_are_met(void **state)
{
	talk("POST /echo HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\nok" GET(
		     "/hello"),
		"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n"
		"Content-Length: 2\r\n\r\nok" HELLO);
	/* refused without reading: who waits for 100 would send no body, so the connection cannot be kept */
	talk("POST /nowhere HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n",
		"HTTP/1.1 404 Not Found\r\nContent-Type: application/json\r\nContent-Length: 26\r\n"
		"Connection: close\r\n\r\n{\"message\":\"no such path\"}");
	talk("POST /echo HTTP/1.1\r\nHost: x\r\nExpect: magic\r\nContent-Length: 2\r\n\r\n",
		"HTTP/1.1 417 Expectation Failed\r\nContent-Type: application/json\r\nContent-Length: 33\r\n"
		"Connection: close\r\n\r\n{\"message\":\"Expectation Failed\"}\n");
}

static void a_body_nobody_reads_is_skipped(void **state)
{
	talk("POST /ignore HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nping" GET("/hello"),
		"HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\nignored" HELLO);
	/* answered in the middle of it; how much is left of a chunked one is not known */
	talk("POST /early HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nping" GET("/hello"),
		"HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno" HELLO);
	talk("POST /early HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n" GET(
		     "/hello"),
		"HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\nConnection: close\r\n\r\nno");
}

static void answers_are_streamed_in_chunks(void **state)
{
	talk(GET("/chunks") GET("/hello"),
		"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nTransfer-Encoding: chunked\r\nX-A: b c\r\n\r\n"
		"3\r\none\r\n12\r\ntwotwotwotwotwotwo\r\n0\r\n\r\n" HELLO);
}

static void a_large_answer_is_drained(void **state)
{
	connect_client();
	say(GET("/big") GET("/hello"), 1 << 20);
	wait_for("hello");
	assert_true(drains > 1);
	assert_true(c.n > 100 * 10000);
	assert_int_equal(n_ok, 2);
}

static void old_clients_get_it_until_close(void **state)
{
	talk("GET /chunks HTTP/1.0\r\n\r\n",
		"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nConnection: close\r\nX-A: b c\r\n\r\nonetwotwotwotwotwotwo");
	wait_for(NULL);
	assert_true(c.eof);
	talk("GET /hello HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n" GET("/hello"),
		"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello");
	wait_for(NULL);
	assert_true(c.eof);
}

static void malformed_requests_are_400(void **state)
{
	static const char *const bad[] = {
		"nonsense\r\n\r\n",
		"GET / HTTP/1.1\r\n\r\n", /* no Host */
		"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
		"GET /%zz HTTP/1.1\r\nHost: a\r\n\r\n",
		"GET /%00 HTTP/1.1\r\nHost: a\r\n\r\n",
		"GET /?a=%q HTTP/1.1\r\nHost: a\r\n\r\n",
		"GET / HTTP/1.1\r\nHost : a\r\n\r\n",
		"GET / HTTP/1.1\r\nHost: a\nX: b\n\r\n",
		"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
		"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
		"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\n\r\n",
		"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n",
		"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999999999999\r\n\r\n",
		"POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
	};

	for (size_t i = 0; i < array_len(bad); i++) {
		for (size_t step = 1; step <= 1 << 20; step <<= 20) {
			connect_client();
			say(bad[i], step);
			wait_for(NULL);
			if (strncmp(c.got, "HTTP/1.1 400 Bad Request\r\n", 26))
				fail_msg("%s -> %s", bad[i], c.got);
			assert_non_null(strstr(c.got, "\r\nConnection: close\r\n"));
		}
	}
}

static void heads_are_bounded(void **state)
{
	char *big = malloc(100 * 1024), *p;

	p = big + sprintf(big, "GET /%016000d?", 7);
	p += sprintf(p, "%01000d HTTP/1.1\r\nHost: x\r\n\r\n", 7);
	connect_client();
	say(big, 1 << 20);
	wait_for(NULL);
	assert_memory_equal(c.got, "HTTP/1.1 414 ", 13);

	sprintf(big, "GET / HTTP/1.1\r\nHost: x\r\nX: %070000d\r\n\r\n", 7);
	connect_client();
	say(big, 1 << 20);
	wait_for(NULL);
	assert_memory_equal(c.got, "HTTP/1.1 431 ", 13);

	p = big + sprintf(big, "GET /hello HTTP/1.1\r\nHost: x\r\n");
	for (int i = 0; i < 127; i++)
		p += sprintf(p, "a%d: b\r\n", i);
	strcpy(p, "\r\n");
	connect_client();
	say(big, 1 << 20);
	wait_for("hello");
	assert_memory_equal(c.got, "HTTP/1.1 200 ", 13);
	strcpy(p, "more: x\r\n\r\n");
	connect_client();
	say(big, 1 << 20);
	wait_for(NULL);
	assert_memory_equal(c.got, "HTTP/1.1 431 ", 13);
	free(big);

	talk("GET / HTTP/2.0\r\nHost: x\r\n\r\n",
		"HTTP/1.1 505 HTTP Version Not Supported\r\nContent-Type: application/json\r\nContent-Length: 41\r\n"
		"Connection: close\r\n\r\n{\"message\":\"HTTP Version Not Supported\"}\n");
}

static void a_connection_is_handed_over(void **state)
{
	/* The body first, then bytes that came along, then those that come later. */
	connect_client();
	say("POST /hijack HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: tcp\r\nContent-Length: 2\r\n\r\n{}EARLY",
		1 << 20);
	wait_for("EARLY");
	say("LATE", 1 << 20);
	wait_for("LATE");
	stream_shutdown(c.s);
	wait_for(NULL);
	assert_string_equal(without_dates(),
		"HTTP/1.1 101 UPGRADED\r\nContent-Type: application/x-raw\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n"
		"{}EARLYLATEEND");
	assert_string_equal(hijack_got, "EARLYLATE");
	assert_int_equal(n_ok, 1);

	/* without asking, in bytes */
	connect_client();
	say("POST /hijack HTTP/1.1\r\nHost: x\r\n\r\nraw", 1);
	wait_for("\r\n\r\nraw");
	stream_shutdown(c.s);
	wait_for(NULL);
	assert_string_equal(
		without_dates(), "HTTP/1.1 200 OK\r\nContent-Type: application/x-raw\r\n\r\nrawEND");
}

/* The client ends its direction before the handler takes over: nothing is lost, and it is told. */
static void an_upgrade_survives_an_early_end(void **state)
{
	connect_client();
	say("POST /park HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n", 1 << 20);
	turns();
	say("in", 100);
	turns();
	stream_shutdown(c.s);
	turns();
	assert_non_null(parked);
	take_over(parked, (char[]){""}, 0, NULL);
	wait_for(NULL);
	assert_string_equal(hijack_got, "in");
	assert_non_null(strstr(c.got, "inEND"));
}

static void an_upgrade_may_be_ignored(void **state)
{
	talk("GET /hello HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n" GET("/hello"),
		HELLO HELLO);
}

#define WEBSOCKET(target)                                                                                    \
	"GET " target " HTTP/1.1\r\nHost: x\r\nConnection: keep-alive, Upgrade\r\nUpgrade: WebSocket\r\n"    \
	"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
#define AGREED(more)                                                                                         \
	"HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\nUpgrade: WebSocket\r\n"                             \
	"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n" more "\r\n"

static void a_streamed_answer_may_be_messages(void **state)
{
	talk(WEBSOCKET("/messages"), AGREED("") "\x82\x03one\x82\x12twotwotwotwotwotwo\x88\x02\x03\xe8");
	talk(WEBSOCKET("/messages?kind=text&protocol=p.q"),
		AGREED("Sec-WebSocket-Protocol: p.q\r\n") "\x81\x03one\x81\x12twotwotwotwotwotwo\x88\x02\x03\xe8");
	talk(WEBSOCKET("/messages?kind=base64"), AGREED("") "\x81\x04"
							    "b25l\x81\x18"
							    "dHdvdHdvdHdvdHdvdHdvdHdv\x88\x02\x03\xe8");
	assert_int_equal(n_ok, 6);
	/* without a key, and of an older version */
	talk("GET /messages HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
	     "Sec-WebSocket-Version: 13\r\n\r\n",
		"HTTP/1.1 400 Bad Request\r\nContent-Length: 12\r\n\r\nno handshake");
	talk("GET /messages HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
	     "Sec-WebSocket-Version: 8\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
		"HTTP/1.1 400 Bad Request\r\nContent-Length: 12\r\n\r\nno handshake");
	talk(GET("/messages"), "HTTP/1.1 400 Bad Request\r\nContent-Length: 12\r\n\r\nno handshake");
}

static void who_gets_messages_may_ping_and_close(void **state)
{
	/* a ping with "hi", a text that nobody wants, a close with 1000, and what is too late */
	talk(WEBSOCKET("/messages?park") "\x89\x82\x01\x01\x01\x01\x69\x68"
					 "\x81\x81\x01\x01\x01\x01x"
					 "\x88\x82\x01\x01\x01\x01\x02\xe9"
					 "\x81\x81\x01\x01\x01\x01x",
		AGREED("") "\x82\x03one\x8a\x02hi\x88\x02\x03\xe8");
	assert_int_equal(n_closed, 2);
	assert_int_equal(n_ok, 0);
	assert_null(parked);
	/* a frame without a mask breaks the protocol, and with it the connection */
	connect_client();
	say(WEBSOCKET("/messages?park") "\x81\x01x", 1 << 20);
	wait_for(NULL);
	assert_int_equal(n_closed, 3);
	assert_int_equal(n_ok, 0);
}

static void a_client_that_leaves_is_noticed(void **state)
{
	connect_client();
	say(GET("/park"), 1 << 20);
	turns();
	assert_non_null(parked);
	stream_free(take(c.s));
	turns();
	assert_null(parked);
	assert_int_equal(n_closed, 1);
	assert_int_equal(n_ok, 0);
}

static void connections_over_the_limit_wait(void **state)
{
	struct sockaddr_un a = address;
	int other;

	http_server_max_conns(server, 1);
	connect_client();
	say(GET("/hello"), 1 << 20);
	wait_for("hello");

	other = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(connect(other, (struct sockaddr *)&a, sizeof(a)), 0);
	assert_int_equal(write(other, GET("/hello"), strlen(GET("/hello"))), (ssize_t)strlen(GET("/hello")));
	turns();

	char buf[500];

	assert_int_equal(recv(other, buf, sizeof(buf), MSG_DONTWAIT), -1);
	stream_free(take(c.s));
	turns();
	assert_true(recv(other, buf, sizeof(buf), MSG_DONTWAIT) > 0);
	close(other);
}

/* The time is up for the only connection. */
static void time_is_up(void)
{
	struct loop_timer *t = &server->conns->timer;

	assert_non_null(t->loop);
	loop_timer_del(t);
	t->fn(t);
}

static void a_head_that_does_not_come_is_408(void **state)
{
	connect_client();
	say("GET /hello HTT", 1 << 20);
	turns();
	time_is_up();
	wait_for(NULL);
	assert_memory_equal(c.got, "HTTP/1.1 408 ", 13);

	/* nothing said, nothing answered */
	connect_client();
	turns();
	time_is_up();
	wait_for(NULL);
	assert_int_equal(c.n, 0);
	assert_null(server->conns);
}

static void a_slow_reader_has_the_time_it_uses(void **state)
{
	connect_client();
	c.stop_after = 1;
	say("GET /huge HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", 1 << 20);
	turns();
	time_is_up();
	assert_non_null(server->conns); /* a first look */
	c.stop_after = 1000 * 1000;
	stream_read_enable(c.s, true);
	turns();
	assert_true(c.n > 1000 * 1000);
	time_is_up();
	assert_non_null(server->conns); /* it went on */
	time_is_up();
	assert_null(server->conns); /* it stood still */
}

static void the_server_may_go_inside_a_handler(void **state)
{
	connect_client();
	say(GET("/hello") GET("/die") GET("/hello"), 1 << 20);
	wait_for(NULL);
	assert_null(server);
	assert_int_equal(n_closed, 2);
	assert_int_equal(n_ok, 1);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(a_request_is_answered),
		T(a_connection_serves_many_in_order),
		T(a_late_answer_keeps_the_order),
		T(the_target_is_decoded),
		T(head_has_no_body),
		T(bodies_are_read_whole),
		T(bodies_are_streamed_and_pause),
		T(a_body_over_the_limit_is_413),
		T(expectations_are_met),
		T(a_body_nobody_reads_is_skipped),
		T(answers_are_streamed_in_chunks),
		T(a_large_answer_is_drained),
		T(old_clients_get_it_until_close),
		T(malformed_requests_are_400),
		T(heads_are_bounded),
		T(a_connection_is_handed_over),
		T(an_upgrade_survives_an_early_end),
		T(an_upgrade_may_be_ignored),
		T(a_streamed_answer_may_be_messages),
		T(who_gets_messages_may_ping_and_close),
		T(a_client_that_leaves_is_noticed),
		T(connections_over_the_limit_wait),
		T(a_head_that_does_not_come_is_408),
		T(a_slow_reader_has_the_time_it_uses),
		T(the_server_may_go_inside_a_handler),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */

/* The client against our own server, and against a peer that answers whatever a test wants. */

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <cmocka.h>

#include "lib/http.h"
#include "lib/http_client.h"
#include "lib/loop.h"
#include "lib/stream.h"

static struct loop *l;
static struct http_server *server;
static struct http_client *client;
static struct loop_timer limit;
static int connections;

/* ---- our server */

static void echo(struct http_req *r, char *body, size_t len, void *arg)
{
	char text[256];

	snprintf(text, sizeof(text), "%s %s %s %s", http_method_name(r), http_path(r),
		http_header(r, "X-Test") ?: "-", body);
	http_reply(r, 200, "text/plain", text, strlen(text));
}

static struct http_req *endless;

static void hijacked_data(struct stream *s, const void *buf, size_t len, void *arg)
{
	assert_int_equal(stream_write(s, buf, len), 0);
	stream_shutdown(s);
}

static void hijacked_eof(struct stream *s, void *arg) {}

static int n_ends; /* of the stream both sides took over */

static void end_of_stream(struct stream *s, int err, void *arg)
{
	stream_free(s);
	if (++n_ends == 2)
		loop_quit(l, 0);
}

static const struct stream_events hijacked_events = {hijacked_data, hijacked_eof, NULL, end_of_stream};

static void on_endless_closed(struct http_req *r, bool ok, void *arg)
{
	endless = NULL;
}

static void handler(struct http_req *r, void *arg)
{
	const char *path = http_path(r);

	if (!strcmp(path, "/stream")) {
		endless = r;
		http_on_closed(r, on_endless_closed, NULL);
		http_reply_start(r, 200, "application/json");
		assert_int_equal(http_write(r, "one", 3), 0);
	} else if (!strcmp(path, "/upgrade")) {
		struct stream *s;

		(void)!http_set_header(r, "Connection", "Upgrade");
		(void)!http_set_header(r, "Upgrade", "echo");
		s = http_hijack(r, 101, NULL);
		stream_set_events(s, &hijacked_events, NULL);
	} else if (!strcmp(path, "/never")) {
		endless = r;
		http_on_closed(r, on_endless_closed, NULL);
	} else {
		http_body_read(r, 1000, echo, NULL);
	}
}

static void on_limit(struct loop_timer *t)
{
	fail_msg("the loop did not end");
}

static int open_server(const char *path)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	snprintf(a.sun_path, sizeof(a.sun_path), "%s", path);
	unlink(path);
	assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	assert_int_equal(listen(fd, 16), 0);
	return fd;
}

#define OURS  "/tmp/http-client-test.ours"
#define THEIR "/tmp/http-client-test.their"

static int setup(void **state)
{
	struct http_peer peer = {.unix_path = OURS, .host = "test"};

	assert_int_equal(loop_new(&l), 0);
	assert_int_equal(http_server_new(&server, l, handler, NULL), 0);
	assert_int_equal(http_server_listen(server, open_server(OURS), NULL), 0);
	assert_int_equal(http_client_new(&client, l, &peer), 0);
	assert_int_equal(loop_timer_set(l, &limit, loop_now_ms(l) + 20000, on_limit), 0);
	return 0;
}

static int teardown(void **state)
{
	loop_timer_del(&limit);
	http_client_free(client);
	http_server_free(server);
	loop_free(l);
	unlink(OURS);
	return 0;
}

/* ---- what a call says */

static int n_done, got_err, got_status;
static char got[4096], got_why[512];

static void on_answer(int err, const char *why, int status, const char *body, size_t len, void *arg)
{
	n_done++;
	got_err = err;
	got_status = status;
	snprintf(got, sizeof(got), "%s", body);
	snprintf(got_why, sizeof(got_why), "%s", why ?: "");
	loop_quit(l, 0);
}

static void ask(struct http_client *c, const char *method, const char *target, const char *body)
{
	struct http_request rq = {.method = method,
		.target = target,
		.body = body,
		.len = body ? strlen(body) : 0,
		.content_type = "text/plain"};

	got[0] = 0;
	assert_int_equal(http_call_whole(NULL, c, &rq, 2000, on_answer, NULL, NULL), 0);
	assert_int_equal(loop_run(l), 0);
}

static void test_whole_answers(void **state)
{
	for (int i = 0; i < 3; i++) {
		ask(client, "GET", "/a", NULL);
		assert_int_equal(got_err, 0);
		assert_int_equal(got_status, 200);
		assert_string_equal(got, "GET /a - ");
	}
	assert_int_equal(http_client_set_header(client, "X-Test", "yes"), 0);
	ask(client, "POST", "/b", "body");
	assert_string_equal(got, "POST /b yes body");
	assert_int_equal(http_client_set_header(client, "x-test", "again"), 0);
	ask(client, "PUT", "/b", "body");
	assert_string_equal(got, "PUT /b again body");
	assert_int_equal(http_client_set_header(client, "X-Test", NULL), 0);
	ask(client, "DELETE", "/b", NULL);
	assert_string_equal(got, "DELETE /b - ");
}

static void test_bad_requests_are_not_sent(void **state)
{
	struct http_request rq = {.method = "GET", .target = "/a\r\nX: y"};

	assert_int_equal(http_call_whole(NULL, client, &rq, 10, on_answer, NULL, NULL), -EINVAL);
	rq.target = "a";
	assert_int_equal(http_call_whole(NULL, client, &rq, 10, on_answer, NULL, NULL), -EINVAL);
	assert_int_equal(http_client_set_header(client, "A", "b\nc"), -EINVAL);
}

/* ---- streams */

static char streamed[256];
static int heads;

static void on_head(struct http_call *call, int status, void *arg)
{
	heads++;
	assert_int_equal(status, 200);
	assert_string_equal(http_call_header(call, "content-type"), "application/json");
	assert_null(http_call_header(call, "X-None"));
}

static void on_data(struct http_call *call, const void *buf, size_t len, void *arg)
{
	strncat(streamed, buf, len);
	if (!strcmp(streamed, "one")) {
		assert_int_equal(http_write(endless, "two", 3), 0);
	} else if (arg) {
		http_call_cancel(call);
		loop_quit(l, 0);
	} else {
		http_end(endless);
	}
}

static void on_done(struct http_call *call, int err, const char *why, void *arg)
{
	n_done++;
	got_err = err;
	loop_quit(l, 0);
}

static void test_streams(void **state)
{
	static const struct http_call_events events = {.head = on_head, .data = on_data, .done = on_done};
	struct http_request rq = {.method = "GET", .target = "/stream"};

	for (int cancel = 0; cancel < 2; cancel++) {
		streamed[0] = 0;
		n_done = heads = 0;
		assert_int_equal(http_call_start(NULL, client, &rq, &events, cancel ? &cancel : NULL), 0);
		assert_int_equal(loop_run(l), 0);
		assert_string_equal(streamed, "onetwo");
		assert_int_equal(heads, 1);
		assert_int_equal(n_done, !cancel);
	}
	ask(client, "GET", "/a", NULL); /* the next is not disturbed */
	assert_string_equal(got, "GET /a - ");
}

static void up_data(struct stream *s, const void *buf, size_t len, void *arg)
{
	strncat(streamed, buf, len);
}

static void up_eof(struct stream *s, void *arg)
{
	stream_shutdown(s);
}

static void on_upgraded(struct http_call *call, struct stream *s, void *arg)
{
	static const struct stream_events events = {up_data, up_eof, NULL, end_of_stream};

	stream_set_events(s, &events, NULL);
	assert_int_equal(stream_write(s, "hello", 5), 0);
}

static void on_up_done(struct http_call *call, int err, const char *why, void *arg)
{
	n_done++;
	got_err = err;
	if (err)
		loop_quit(l, 0);
}

static const struct http_call_events up_events = {.upgraded = on_upgraded, .done = on_up_done};

static void test_upgrade(void **state)
{
	struct http_request rq = {.method = "POST", .target = "/upgrade", .upgrade = "echo"};

	streamed[0] = 0;
	n_done = n_ends = 0;
	assert_int_equal(http_call_start(NULL, client, &rq, &up_events, NULL), 0);
	assert_int_equal(loop_run(l), 0);
	assert_int_equal(got_err, 0);
	assert_int_equal(n_done, 1);
	assert_string_equal(streamed, "hello");
}

static void test_timeout(void **state)
{
	struct http_request rq = {.method = "GET", .target = "/never", .timeout_ms = 50};

	assert_int_equal(http_call_whole(NULL, client, &rq, 10, on_answer, NULL, NULL), 0);
	loop_run(l);
	assert_int_equal(got_err, -ETIMEDOUT);
	assert_string_equal(got_why, "GET /never: no answer in time");
}

static void test_nobody_there(void **state)
{
	struct http_peer peer = {.unix_path = "/tmp/http-client-test.none", .host = "x"},
			 wrong = {.address = "a.name", .host = "x"};
	struct http_client *c;

	assert_int_equal(http_client_new(&c, l, &peer), 0);
	ask(c, "GET", "/a", NULL);
	assert_int_equal(got_err, -ENOENT);
	http_client_free(c);
	assert_int_equal(http_client_new(&c, l, &wrong), -EINVAL);
}

/* ---- a peer with answers of its own */

static const char *const *script; /* one a connection; the connection is closed after it */
static struct loop_io their;

static void on_their(struct loop_io *io, uint32_t events)
{
	int fd = accept(io->fd, NULL, NULL);
	char buf[4096];
	const char *say = *script;

	assert_true(fd >= 0);
	connections++;
	if (say) {
		script++;
		assert_true(recv(fd, buf, sizeof(buf), 0) > 0);
		assert_int_equal(send(fd, say, strlen(say), MSG_NOSIGNAL), strlen(say));
	}
	close(fd);
}

static void with_their(const char *const *lines, void (*fn)(struct http_client *c))
{
	struct http_peer peer = {.unix_path = THEIR, .host = "x"};
	struct http_client *c;
	int fd = open_server(THEIR);

	script = lines;
	connections = 0;
	assert_int_equal(loop_io_add(l, &their, fd, EPOLLIN, on_their), 0);
	assert_int_equal(http_client_new(&c, l, &peer), 0);
	fn(c);
	http_client_free(c);
	loop_io_del(&their);
	close(fd);
	unlink(THEIR);
}

static void until_close(struct http_client *c)
{
	ask(c, "GET", "/a", NULL);
	assert_int_equal(got_err, 0);
	assert_string_equal(got, "all of it");
}

static void cut_short(struct http_client *c)
{
	ask(c, "GET", "/a", NULL);
	assert_int_equal(got_err, -ECONNRESET);
}

static void garbage(struct http_client *c)
{
	ask(c, "GET", "/a", NULL);
	assert_int_equal(got_err, -EPROTO);
}

static void reused_and_closed(struct http_client *c)
{
	ask(c, "GET", "/a", NULL);
	assert_string_equal(got, "1");
	ask(c, "GET", "/a", NULL);
	assert_int_equal(got_err, 0);
	assert_string_equal(got, "2");
	assert_int_equal(connections, 2);
}

static void too_big(struct http_client *c)
{
	struct http_request rq = {.method = "GET", .target = "/a"};

	assert_int_equal(http_call_whole(NULL, c, &rq, 3, on_answer, NULL, NULL), 0);
	loop_run(l);
	assert_int_equal(got_err, -EMSGSIZE);
}

static void unasked(struct http_client *c)
{
	struct http_request rq = {.method = "GET", .target = "/a"};
	static const struct http_call_events events = {.done = on_done};

	assert_int_equal(http_call_start(NULL, c, &rq, &events, NULL), 0);
	loop_run(l);
	assert_int_equal(got_err, -EPROTO);
}

static void interim(struct http_client *c)
{
	ask(c, "GET", "/a", NULL);
	assert_int_equal(got_status, 204);
}

static void test_peers(void **state)
{
	static const char *const ends[] = {"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nall of it", NULL};
	static const char *const cut[] = {"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nall", NULL};
	static const char *const bad[] = {"SSH-2.0-x\r\n", NULL};
	static const char *const twice[] = {"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n1",
		"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n2", NULL};
	static const char *const big[] = {"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n1234", NULL};
	static const char *const upgrade[] = {
		"HTTP/1.1 101 X\r\nConnection: upgrade\r\nUpgrade: y\r\n\r\nz", NULL};
	static const char *const first[] = {
		"HTTP/1.1 100 Continue\r\nA: b\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n", NULL};
	static const struct {
		const char *const *lines;
		void (*fn)(struct http_client *c);
	} rows[] = {{ends, until_close}, {cut, cut_short}, {bad, garbage}, {twice, reused_and_closed},
		{big, too_big}, {upgrade, unasked}, {first, interim}};

	for (size_t i = 0; i < array_len(rows); i++)
		with_their(rows[i].lines, rows[i].fn);
}

/* ---- connections are kept */

static struct loop_io kept;

static void on_kept_data(struct loop_io *io, uint32_t events)
{
	static const char say[] = "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n1";
	char buf[4096];

	if (recv(io->fd, buf, sizeof(buf), 0) > 0)
		assert_int_equal(send(io->fd, say, sizeof(say) - 1, MSG_NOSIGNAL), sizeof(say) - 1);
}

static void on_kept(struct loop_io *io, uint32_t events)
{
	int fd = accept(io->fd, NULL, NULL);

	assert_true(fd >= 0);
	assert_int_equal(connections++, 0);
	assert_int_equal(loop_io_add(l, &kept, fd, EPOLLIN, on_kept_data), 0);
}

/* What may not be repeated, too, goes over the connection that has just answered: a handshake a call would be dear. */
static void test_one_connection(void **state)
{
	static const char *const methods[] = {"POST", "PATCH", "GET", "POST"};
	struct http_peer peer = {.unix_path = THEIR, .host = "x"};
	struct http_client *c;
	int fd = open_server(THEIR);

	connections = 0;
	assert_int_equal(loop_io_add(l, &their, fd, EPOLLIN, on_kept), 0);
	assert_int_equal(http_client_new(&c, l, &peer), 0);
	for (size_t i = 0; i < array_len(methods); i++) {
		ask(c, methods[i], "/a", "body");
		assert_int_equal(got_err, 0);
		assert_string_equal(got, "1");
	}
	assert_int_equal(connections, 1);
	http_client_free(c);
	loop_io_del(&their);
	close(fd);
	fd = kept.fd;
	loop_io_del(&kept);
	close(fd);
	unlink(THEIR);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_whole_answers, setup, teardown),
		cmocka_unit_test_setup_teardown(test_bad_requests_are_not_sent, setup, teardown),
		cmocka_unit_test_setup_teardown(test_streams, setup, teardown),
		cmocka_unit_test_setup_teardown(test_upgrade, setup, teardown),
		cmocka_unit_test_setup_teardown(test_timeout, setup, teardown),
		cmocka_unit_test_setup_teardown(test_nobody_there, setup, teardown),
		cmocka_unit_test_setup_teardown(test_peers, setup, teardown),
		cmocka_unit_test_setup_teardown(test_one_connection, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */

/* What goes through a proxy, both ways: a port of a node, which is a small server of this test, asked through the API's own. */

#include <stdlib.h>

#include "lib/netns_testing.h"

#include "cluster/http/api_testing.h"
#include "lib/http.h"
#include "lib/json.h"
#include "lib/json_call.h"
#include "lib/stream.h"

#define ADDRESS "192.0.2.1" /* one that is not of loopback's, on a loopback of our own */
#define NODE	"/api/v1/nodes/n:8080/proxy"

static struct api_under_test t;
static struct http_server *other;

/* ---- the other side */

static struct http_req *parked;
static char got[1024]; /* the request as it arrived: headers in their order, and the body */

static void on_echo(struct stream *s, const void *buf, size_t len, void *arg)
{
	assert_int_equal(stream_write(s, buf, len), 0);
}

static void on_echo_eof(struct stream *s, void *arg)
{
	stream_shutdown(s);
}

static void on_echo_closed(struct stream *s, int err, void *arg)
{
	stream_free(s);
}

static const struct stream_events echo = {on_echo, on_echo_eof, NULL, on_echo_closed};

static void note(struct http_req *q)
{
	const char *name, *value;
	size_t len = (size_t)snprintf(got, sizeof(got), "%s %s", http_method_name(q), http_raw_path(q));

	for (size_t i = 0; http_header_at(q, i, &name, &value); i++)
		len += (size_t)snprintf(got + len, sizeof(got) - len, "|%s: %s", name, value);
}

static void on_body(struct http_req *q, char *body, size_t len, void *arg)
{
	strncat(got, body, sizeof(got) - strlen(got) - 1);
	http_reply(q, 200, "text/html; charset=utf-8", "<a href=/a>", 11);
}

static void reply_headers(struct http_req *q)
{
	static const char *const all[][2] = {{"Set-Cookie", "a=1"}, {"Set-Cookie", "b=2"}, {"X-Any", "any"},
		{"Access-Control-Allow-Origin", "*"}, {"Location", "http://" ADDRESS ":8080/there"}};
	char type[300];

	for (size_t i = 0; i < array_len(all); i++)
		assert_int_equal(http_set_header(q, all[i][0], all[i][1]), 0);
	memset(type, 'x', sizeof(type) - 1);
	type[sizeof(type) - 1] = '\0';
	assert_int_equal(http_set_header(q, "Content-Type", type), 0);
	http_reply(q, 302, NULL, NULL, 0);
}

static void serve(struct http_req *q, void *arg)
{
	const char *path = http_path(q);

	note(q);
	if (!strcmp(path, "/up")) {
		stream_set_events(http_hijack(q, 101, NULL), &echo, NULL);
	} else if (!strcmp(path, "/headers")) {
		reply_headers(q);
	} else if (!strcmp(path, "/whole")) {
		http_body_read(q, 1000, on_body, NULL);
	} else if (!strcmp(path, "/encoded")) {
		assert_int_equal(http_set_header(q, "Content-Encoding", "x"), 0);
		http_reply(q, 200, "text/html", "<a href=/a>", 11);
	} else {
		/* a page in two pieces, of which the second is the test's */
		http_reply_start(q, 200, "text/html");
		assert_int_equal(http_write(q, "<p><a hre", 9), 0);
		parked = q;
	}
}

/* ---- asking */

static struct {
	int status, err;
	char body[600], headers[1200];
	struct stream *stream;
	bool over;
} c;

static void on_head(struct http_call *call, int status, void *arg)
{
	const char *name, *value;
	size_t len = 0;

	c.status = status;
	for (size_t i = 0; http_call_header_at(call, i, &name, &value); i++)
		len += (size_t)snprintf(c.headers + len, sizeof(c.headers) - len, "%s: %s|", name, value);
}

static void on_piece(struct http_call *call, const void *buf, size_t len, void *arg)
{
	assert_true(strlen(c.body) + len < sizeof(c.body));
	strncat(c.body, buf, len);
	loop_quit(t.loop, 0);
}

static void on_back(struct stream *s, const void *buf, size_t len, void *arg)
{
	strncat(c.body, buf, len);
	loop_quit(t.loop, 0);
}

static void on_back_eof(struct stream *s, void *arg)
{
	c.over = true;
	loop_quit(t.loop, 0);
}

static void on_back_closed(struct stream *s, int err, void *arg)
{
	on_back_eof(s, arg);
}

static const struct stream_events back = {on_back, on_back_eof, NULL, on_back_closed};

static void on_upgraded(struct http_call *call, struct stream *s, void *arg)
{
	c.status = 101;
	c.stream = s;
	stream_set_events(s, &back, NULL);
}

static void on_done(struct http_call *call, int err, const char *why, void *arg)
{
	c.err = err;
	c.over = !c.stream;
	loop_quit(t.loop, 0);
}

static const struct http_call_events events = {on_head, on_piece, on_upgraded, on_done};

static void begin(const struct http_request *rq)
{
	memset(&c, 0, sizeof(c));
	got[0] = '\0';
	parked = NULL;
	assert_int_equal(http_call_start(NULL, t.client, rq, &events, NULL), 0);
}

static int ask(const char *method, const char *target)
{
	begin(&(struct http_request){.method = method, .target = target});
	while (!c.over)
		loop_run(t.loop);
	return c.status;
}

static void on_made(int status, const char *why, yyjson_val *root, void *arg)
{
	*(int *)arg = status;
	loop_quit(t.loop, 0);
}

static void make_node(void)
{
	static const char text[] =
		"{\"metadata\":{\"name\":\"n\"},\"status\":{\"addresses\":[{\"type\":\"InternalIP\","
		"\"address\":\"" ADDRESS "\"}]}}";
	cleanup(json_docp) yyjson_doc *read = yyjson_read(text, strlen(text), 0);
	cleanup(json_mut_docp) yyjson_mut_doc *doc = json_mut_copy(read);
	struct json_request rq = {.method = "POST", .target = "/api/v1/nodes", .doc = doc};
	int status = -1;

	assert_int_equal(json_call(NULL, t.client, &rq, on_made, &status), 0);
	while (status < 0)
		loop_run(t.loop);
	assert_int_equal(status, 201);
}

static int setup(void **state)
{
	if (!netns_testing_enter())
		return 0;
	netns_testing_loopback(ADDRESS);
	api_test_open(&t, NULL);
	api_test_client(&t);
	assert_int_equal(http_server_new(&other, t.loop, serve, NULL), 0);
	assert_int_equal(http_server_listen(other, server_on(-1, ADDRESS, SOCK_STREAM, 8080), NULL), 0);
	make_node();
	return 0;
}

static int teardown(void **state)
{
	if (!t.loop)
		return 0;
	http_server_free(other);
	return api_test_close(&t);
}

/* ---- tests */

static void test_a_request_and_its_answer(void **state)
{
	const struct http_header_field headers[] = {{"Accept-Encoding", "gzip"}, {"Connection", "X-Hop"},
		{"X-Hop", "y"}, {"Impersonate-User", "operator"}, {"Impersonate-Group", "system:masters"},
		{"Content-Type", "x/y"}, {"Cookie", "k=v"}};

	NEED_NETNS();
	begin(&(struct http_request){
		.method = "POST", .target = NODE "/whole?q=/r", .body = "body", .len = 4});
	while (!c.over)
		loop_run(t.loop);
	assert_int_equal(c.status, 200);
	assert_string_equal(c.body, "<a href=" NODE "/a>");
	assert_string_equal(got,
		"POST /whole|Host: " ADDRESS ":8080|X-Forwarded-Uri: " NODE "/whole|Content-Length: 4body");
	begin(&(struct http_request){.method = "OPTIONS",
		.target = NODE "/whole",
		.headers = headers,
		.n_headers = array_len(headers)});
	while (!c.over)
		loop_run(t.loop);
	assert_int_equal(c.status, 200);
	assert_string_equal(got,
		"OPTIONS /whole|Host: " ADDRESS ":8080|Content-Type: x/y|Cookie: k=v|X-Forwarded-Uri: " NODE
		"/whole|Content-Length: 0");
}

static void test_headers_of_an_answer(void **state)
{
	NEED_NETNS();
	assert_int_equal(ask("GET", NODE "/headers"), 302);
	assert_non_null(
		strstr(c.headers, "Set-Cookie: a=1|Set-Cookie: b=2|X-Any: any|Location: " NODE "/there|"));
	assert_null(strstr(c.headers, "Access-Control"));
	assert_non_null(strstr(c.headers, "Content-Type: xxx")); /* longer than any real one */
	assert_int_equal(ask("GET", NODE "/encoded"), 200);
	assert_string_equal(c.body, "<a href=/a>");
}

static void test_the_root_has_a_slash(void **state)
{
	NEED_NETNS();
	assert_int_equal(ask("GET", NODE "?x=y"), 301);
	assert_non_null(strstr(c.headers, "Location: " NODE "/?x=y|"));
	assert_string_equal(got, "");
}

static void test_a_page_as_it_comes(void **state)
{
	NEED_NETNS();
	begin(&(struct http_request){.method = "GET", .target = NODE "/page"});
	while (!*c.body)
		loop_run(t.loop);
	assert_string_equal(c.body, "<p><a hre");
	assert_int_equal(http_write(parked, "f='/x", 5), 0);
	http_end(parked);
	while (!c.over)
		loop_run(t.loop);
	assert_int_equal(c.err, 0);
	assert_string_equal(c.body, "<p><a href='" NODE "/x"); /* a page may end anywhere */
}

static void test_a_page_that_is_cut_is_not_whole(void **state)
{
	NEED_NETNS();
	begin(&(struct http_request){.method = "GET", .target = NODE "/page"});
	while (!*c.body)
		loop_run(t.loop);
	http_abort(parked);
	while (!c.over)
		loop_run(t.loop);
	assert_int_not_equal(c.err, 0);
}

static void test_an_upgrade(void **state)
{
	NEED_NETNS();
	begin(&(struct http_request){.method = "GET", .target = NODE "/up", .upgrade = "echo"});
	while (!c.stream)
		loop_run(t.loop);
	assert_int_equal(stream_write(c.stream, "there", 5), 0);
	while (strcmp(c.body, "there") != 0)
		loop_run(t.loop);
	stream_shutdown(c.stream);
	while (!c.over)
		loop_run(t.loop);
	stream_free(take(c.stream));
}

static void test_nobody_is_there(void **state)
{
	NEED_NETNS();
	assert_int_equal(ask("GET", "/api/v1/nodes/n:8081/proxy/"), 503);
	assert_non_null(strstr(c.body, "error trying to reach service: " ADDRESS ":8081: "));
	assert_int_equal(ask("GET", "/api/v1/nodes/m:8081/proxy/"), 404);
	assert_int_equal(ask("GET", "/api/v1/nodes/ftp:n:8080/proxy/"), 400);
	assert_int_equal(ask("GET", "/api/v1/nodes/https:n:8080/proxy/"), 503); /* it has no TLS */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_request_and_its_answer),
		cmocka_unit_test(test_headers_of_an_answer),
		cmocka_unit_test(test_the_root_has_a_slash),
		cmocka_unit_test(test_a_page_as_it_comes),
		cmocka_unit_test(test_a_page_that_is_cut_is_not_whole),
		cmocka_unit_test(test_an_upgrade),
		cmocka_unit_test(test_nobody_is_there),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}

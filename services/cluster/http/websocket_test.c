/* SPDX-License-Identifier: Apache-2.0 */

/* Watches as messages, tokens as names of protocols, and what a client of logs may offer. */

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "cluster/http/api_testing.h"
#include "cluster/http/websocket.h"
#include "lib/json.h"
#include "lib/json_call.h"
#include "lib/stream.h"

#define TOKEN "base64url.bearer.authorization.k8s.io."

static struct api_under_test t;

static int setup(void **state)
{
	api_test_open(&t, NULL);
	api_test_client(&t);
	return 0;
}

static int teardown(void **state)
{
	return api_test_close(&t);
}

/* ---- a client */

static const char *accept_header = "*/*";

static struct {
	int status;
	char protocol[64], type[64];
	struct stream *stream;
	unsigned char got[8192];
	size_t n, want;
} c;

static void on_data(struct stream *s, const void *buf, size_t len, void *arg)
{
	assert_true(c.n + len < sizeof(c.got));
	memcpy(c.got + c.n, buf, len);
	c.n += len;
	if (c.n >= c.want)
		loop_quit(t.loop, 0);
}

static void on_eof(struct stream *s, void *arg)
{
	loop_quit(t.loop, 0);
}

static void on_closed(struct stream *s, int err, void *arg)
{
	loop_quit(t.loop, 0);
}

static const struct stream_events stream_events = {on_data, on_eof, NULL, on_closed};

static void on_upgraded(struct http_call *call, struct stream *s, void *arg)
{
	const char *protocol = http_call_header(call, "Sec-WebSocket-Protocol");

	c.stream = s;
	snprintf(c.protocol, sizeof(c.protocol), "%s", protocol ? protocol : "");
	stream_set_events(s, &stream_events, NULL);
}

static void on_head(struct http_call *call, int status, void *arg)
{
	c.status = status;
}

static void on_body(struct http_call *call, const void *buf, size_t len, void *arg) {}

static void on_done(struct http_call *call, int err, const char *why, void *arg)
{
	assert_int_equal(err, 0);
	loop_quit(t.loop, 0);
}

/* The status of the answer, 101 with c.stream. */
static int open_websocket(const char *target, const char *protocols)
{
	static const struct http_call_events events = {
		.head = on_head, .data = on_body, .upgraded = on_upgraded, .done = on_done};
	const struct http_header_field headers[] = {{"Sec-WebSocket-Version", "13"},
		{"Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="}, {"Accept", accept_header},
		{"Sec-WebSocket-Protocol", protocols}};
	const struct http_request rq = {.method = "GET",
		.target = target,
		.headers = headers,
		.n_headers = protocols ? 4 : 3,
		.upgrade = "websocket"};

	memset(&c, 0, sizeof(c));
	assert_int_equal(http_call_start(NULL, t.client, &rq, &events, NULL), 0);
	loop_run(t.loop);
	return c.stream ? 101 : c.status;
}

static void close_websocket(void)
{
	stream_free(take(c.stream));
}

static void on_answer(int status, const char *why, yyjson_val *root, void *arg)
{
	*(int *)arg = status;
	loop_quit(t.loop, 0);
}

static void make_namespace(const char *name)
{
	cleanup(json_mut_docp) yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
	yyjson_mut_val *root = yyjson_mut_obj(doc);
	struct json_request rq = {.method = "POST", .target = "/api/v1/namespaces", .doc = doc};
	int status = -1;

	yyjson_mut_doc_set_root(doc, root);
	assert_true(yyjson_mut_obj_add_str(doc, yyjson_mut_obj_add_obj(doc, root, "metadata"), "name", name));
	assert_int_equal(json_call(NULL, t.client, &rq, on_answer, &status), 0);
	while (status < 0)
		loop_run(t.loop);
	assert_int_equal(status, 201);
}

/*
 * The next message, of text (1) or of bytes (2); its length is of two bytes, as that of every event. NUL-terminated, malloc'ed, *size
 * bytes long.
 */
static char *next_message_of(unsigned char opcode, size_t *size)
{
	size_t len;
	char *text;

	for (c.want = 4; c.n < c.want;)
		loop_run(t.loop);
	assert_int_equal(c.got[0], 0x80 | opcode);
	assert_int_equal(c.got[1], 126);
	len = (size_t)c.got[2] << 8 | c.got[3];
	for (c.want = 4 + len; c.n < c.want;)
		loop_run(t.loop);
	text = malloc(len + 1);
	assert_non_null(text);
	memcpy(text, c.got + 4, len);
	text[len] = '\0';
	*size = len;
	c.n -= c.want;
	memmove(c.got, c.got + c.want, c.n);
	return text;
}

static char *next_message(void)
{
	size_t len;

	return next_message_of(1, &len);
}

static void each_event_is_a_message(void **state)
{
	static const char *const names[] = {"one", "two", "three"};

	make_namespace(names[0]);
	make_namespace(names[1]);
	assert_int_equal(open_websocket("/api/v1/namespaces?watch=true", NULL), 101);
	assert_string_equal(c.protocol, "");
	for (size_t i = 0; i < 3; i++) {
		cleanup(freep) char *text = NULL;
		char want[64];

		if (i == 2)
			make_namespace(names[i]);
		text = next_message();
		snprintf(want, sizeof(want), "\"name\":\"%s\"", names[i]);
		assert_int_equal(strncmp(text, "{\"type\":\"ADDED\",\"object\":{", 26), 0);
		assert_non_null(strstr(text, want));
		assert_string_equal(text + strlen(text) - 2, "}\n");
		assert_null(strstr(text, "}\n{"));
	}
	close_websocket();

	/* it ends as it began, politely; whatever was offered is agreed to */
	assert_int_equal(open_websocket("/api/v1/namespaces?watch=true&fieldSelector=metadata.name=none&"
					"timeoutSeconds=1",
				 "any.thing"),
		101);
	assert_string_equal(c.protocol, "any.thing");
	for (c.want = 4; c.n < c.want;)
		loop_run(t.loop);
	assert_int_equal(c.n, 4);
	assert_memory_equal(c.got, "\x88\x02\x03\xe8", 4);
	close_websocket();

	/* what cannot be watched is said in HTTP */
	assert_int_equal(open_websocket("/api/v1/namespaces?watch=true&labelSelector=%21%21", NULL), 400);
}

/* An event of protobuf has a message of bytes to itself, without its length before it. */
static void protobuf_is_bytes(void **state)
{
	cleanup(freep) char *event = NULL;
	size_t len;

	accept_header = CONTENT_PROTOBUF ";stream=watch";
	assert_int_equal(
		open_websocket("/api/v1/namespaces?watch=true&fieldSelector=metadata.name%3Done", NULL), 101);
	event = next_message_of(2, &len);
	close_websocket();
	accept_header = "*/*";
	assert_true(len > 40);
	assert_memory_equal(event,
		"\x0a\5"
		"ADDED\x12",
		8);
	assert_non_null(memmem(event, len, "k8s\0\x0a\x0f\x0a\2v1\x12\x09Namespace", 21));
}

static void a_token_may_be_a_protocol(void **state)
{
	static const struct {
		const char *protocols;
		int status;
	} cases[] = {
		/* "nobody", who is nobody */
		{TOKEN "bm9ib2R5, x", 401},
		{"x," TOKEN "bm9ib2R5", 401},
		{TOKEN "bm9ib2R5", 400},
		{TOKEN "bm9ib2R5, " TOKEN "bm9ib2R5, x", 400},
		{TOKEN "bm9ib2R5Lg==, x", 400},
		{TOKEN "!, x", 400},
		/* without what it stands before, it is a name like others */
		{TOKEN, 101},
	};

	for (size_t i = 0; i < array_len(cases); i++) {
		int status = open_websocket("/api/v1/namespaces?watch=true", cases[i].protocols);

		if (status != cases[i].status)
			fail_msg("%s: %d", cases[i].protocols, status);
		close_websocket();
	}
}

static void logs_are_bytes_or_base64(void **state)
{
	static const struct {
		const char *offered;
		const char *agreed; /* NULL: refused */
		enum http_message_kind kind;
	} cases[] = {
		{NULL, "", HTTP_MESSAGES_BINARY},
		{"binary.k8s.io", "binary.k8s.io", HTTP_MESSAGES_BINARY},
		{"base64.binary.k8s.io", "base64.binary.k8s.io", HTTP_MESSAGES_BASE64},
		{"other, base64.binary.k8s.io, binary.k8s.io", "base64.binary.k8s.io", HTTP_MESSAGES_BASE64},
		{"other", NULL, HTTP_MESSAGES_BINARY},
		{"binary.k8s.i", NULL, HTTP_MESSAGES_BINARY},
	};

	for (size_t i = 0; i < array_len(cases); i++) {
		cleanup(freep) char *offered = cases[i].offered ? strdup(cases[i].offered) : NULL;
		const struct request q = {.protocols = offered};
		struct websocket_plan plan;
		struct status *err = websocket_plan_logs(&q, &plan);

		if (cases[i].agreed) {
			assert_null(err);
			assert_string_equal(plan.protocol, cases[i].agreed);
			assert_int_equal(plan.kind, cases[i].kind);
			continue;
		}
		assert_non_null(err);
		assert_int_equal(err->code, 403);
		assert_non_null(strstr(err->message, cases[i].offered));
		status_free(err);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_event_is_a_message),
		cmocka_unit_test(protobuf_is_bytes),
		cmocka_unit_test(a_token_may_be_a_protocol),
		cmocka_unit_test(logs_are_bytes_or_base64),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}

/* SPDX-License-Identifier: Apache-2.0 */

/* Probes' parsers: where a redirection leads, and what a gRPC server answers. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <string.h>

#include "agent/grpc_health.h"
#include "agent/probe_url.h"

static void test_redirects(void **state)
{
	static const struct {
		const char *text, *host, *target;
		bool https;
		uint16_t port;
	} good[] = {
		{"/other?x=1", "10.1.0.5", "/other?x=1", false, 8080},
		{"other", "10.1.0.5", "/other", false, 8080},
		{"http://10.1.0.5/", "10.1.0.5", "/", false, 80},
		{"HTTPS://10.1.0.5:8443/x#part", "10.1.0.5", "/x", true, 8443},
		{"https://example.com", "example.com", "/", true, 443},
		{"//example.com:81?q", "example.com", "/?q", false, 81},
		{"http://[fd00::1]:90/a", "fd00::1", "/a", false, 90},
	};
	static const char *const bad[] = {"http://", "http://:80/", "http://h:0/", "http://h:x/",
		"http://h:70000/", "http://u@h/", "http://[fd00::1/", "ftp://h/", "/a b", "/a\r\nX: y"};
	const struct probe_url base = {.host = "10.1.0.5", .port = 8080, .target = "/"};
	struct probe_url u;

	for (size_t i = 0; i < array_len(good); i++) {
		assert_int_equal(probe_url_parse(&u, &base, good[i].text), 0);
		assert_string_equal(u.host, good[i].host);
		assert_string_equal(u.target, good[i].target);
		assert_int_equal(u.https, good[i].https);
		assert_int_equal(u.port, good[i].port);
	}
	for (size_t i = 0; i < array_len(bad); i++)
		if (probe_url_parse(&u, &base, bad[i]) != -EINVAL)
			fail_msg("%s was taken", bad[i]);
}

/* ---- gRPC */

static unsigned char answered[64];
static size_t answered_len;

static void answer(const void *buf, size_t len, void *arg)
{
	assert_true(answered_len + len <= sizeof(answered));
	memcpy(answered + answered_len, buf, len);
	answered_len += len;
}

/* Settings, a ping, headers, the message, trailers. */
#define SETTINGS  "\0\0\6\4\0\0\0\0\0\0\3\0\0\0\x64"
#define PING	  "\0\0\x08\6\0\0\0\0\0pingpong"
#define HEADERS	  "\0\0\1\1\4\0\0\0\1\x88"
#define TRAILERS  "\0\0\1\1\5\0\0\0\1\x88"
#define STATUS(n) "\0\0\7\0\0\0\0\0\1\0\0\0\0\2\x08" n

static int feed(struct grpc_health *g, const char *bytes, size_t len, size_t piece)
{
	int r = 0;

	*g = (struct grpc_health){.answer = answer};
	answered_len = 0;
	for (size_t at = 0; !r && at < len; at += piece)
		r = grpc_health_feed(g, bytes + at, len - at < piece ? len - at : piece);
	return r;
}

static void test_serving(void **state)
{
	static const char whole[] = SETTINGS PING HEADERS STATUS("\1") TRAILERS;
	struct grpc_health g;

	for (size_t piece = 1; piece < 80; piece += 13) {
		assert_int_equal(feed(&g, whole, sizeof(whole) - 1, piece), 1);
		assert_null(grpc_health_verdict(&g));
		/* both were acknowledged */
		assert_int_equal(answered_len, 9 + 17);
		assert_memory_equal(answered, "\0\0\0\4\1\0\0\0\0\0\0\x08\6\1\0\0\0\0pingpong", 26);
	}
}

static void test_not_serving(void **state)
{
	static const struct {
		const char *bytes;
		size_t len;
		const char *why;
	} cases[] = {
		{STATUS("\2") TRAILERS, 26, "NOT_SERVING"},
		{STATUS("\3") TRAILERS, 26, "SERVICE_UNKNOWN"},
		{STATUS("\x9") TRAILERS, 26, "no health status"},
		{TRAILERS, 10, "has no health checks"},
		{"\0\0\5\0\0\0\0\0\1\0\0\0\0\0" TRAILERS, 24, "UNKNOWN"},
		{"\0\0\5\0\0\0\0\0\1\1\0\0\0\0" TRAILERS, 24, "compressed"},
	};
	struct grpc_health g;

	for (size_t i = 0; i < array_len(cases); i++) {
		assert_int_equal(feed(&g, cases[i].bytes, cases[i].len, 100), 1);
		assert_non_null(grpc_health_verdict(&g));
		assert_non_null(strstr(grpc_health_verdict(&g), cases[i].why));
	}
	assert_int_equal(feed(&g, "HTTP/1.1 400 Bad Request\r\n", 26, 100), -EPROTO);
	assert_non_null(strstr(g.why, "may not speak gRPC"));
	assert_int_equal(feed(&g, "\0\0\4\3\0\0\0\0\1\0\0\0\2", 13, 100), -EPROTO);
	assert_int_equal(feed(&g, "\0\0\x08\7\0\0\0\0\0\0\0\0\0\0\0\0\0", 17, 100), -EPROTO);
}

static void test_request(void **state)
{
	unsigned char out[GRPC_REQUEST_MAX];
	char longest[GRPC_SERVICE_MAX + 2];
	ssize_t n = grpc_health_request(out, "10.1.0.5:90", "");

	assert_memory_equal(out, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0", 33);
	assert_memory_equal(out + n - 14, "\0\0\5\0\1\0\0\0\1\0\0\0\0\0", 14);
	n = grpc_health_request(out, "10.1.0.5:90", "a.B");
	assert_memory_equal(out + n - 19, "\0\0\x0a\0\1\0\0\0\1\0\0\0\0\5\x0a\3a.B", 19);
	memset(longest, 'x', sizeof(longest) - 1);
	longest[sizeof(longest) - 1] = 0;
	assert_int_equal(grpc_health_request(out, "a", longest), -EINVAL);
	longest[GRPC_SERVICE_MAX] = 0;
	assert_true(grpc_health_request(out, longest, longest) > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_redirects),
		cmocka_unit_test(test_serving),
		cmocka_unit_test(test_not_serving),
		cmocka_unit_test(test_request),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

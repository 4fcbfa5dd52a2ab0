/* SPDX-License-Identifier: Apache-2.0 */

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "lib/websocket.h"

static char got[512];
static size_t got_len;
static int last_op;
static char last_control[128];

static void on_data(struct websocket *w, void *buf, size_t len)
{
	assert_true(got_len + len <= sizeof(got));
	memcpy(got + got_len, buf, len);
	got_len += len;
}

static void on_control(struct websocket *w, enum websocket_op op, const void *buf, size_t len)
{
	last_op = (int)op;
	memcpy(last_control, buf, len);
	last_control[len] = 0;
}

static struct websocket fresh(void)
{
	got_len = 0;
	last_op = -1;
	return (struct websocket){.data = on_data, .control_frame = on_control};
}

/* A masked frame as a client sends it. */
static size_t frame(unsigned char *out, unsigned first, const char *text)
{
	static const unsigned char mask[4] = {0x37, 0xfa, 0x21, 0x3d};
	size_t len = strlen(text), n = 2;

	out[0] = (unsigned char)first;
	if (len < 126) {
		out[1] = (unsigned char)(0x80 | len);
	} else {
		out[1] = 0x80 | 126;
		out[2] = (unsigned char)(len >> 8);
		out[3] = (unsigned char)len;
		n = 4;
	}
	memcpy(out + n, mask, 4);
	n += 4;
	for (size_t i = 0; i < len; i++)
		out[n + i] = (unsigned char)text[i] ^ mask[i & 3];
	return n + len;
}

/* RFC 6455, 1.3. */
static void handshake(void **state)
{
	char out[WEBSOCKET_ACCEPT_LEN + 1];

	assert_int_equal(websocket_accept("dGhlIHNhbXBsZSBub25jZQ==", out), 0);
	assert_string_equal(out, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
	assert_int_equal(websocket_accept("short", out), -EINVAL);
	assert_int_equal(websocket_accept(NULL, out), -EINVAL);
}

static void headers(void **state)
{
	unsigned char h[WEBSOCKET_HEADER_MAX];

	assert_int_equal(websocket_header(h, WEBSOCKET_BINARY, 125), 2);
	assert_memory_equal(h, "\x82\x7d", 2);
	assert_int_equal(websocket_header(h, WEBSOCKET_BINARY, 256), 4);
	assert_memory_equal(h, "\x82\x7e\x01\x00", 4);
	assert_int_equal(websocket_header(h, WEBSOCKET_BINARY, 65536), 10);
	assert_memory_equal(h, "\x82\x7f\0\0\0\0\0\1\0\0", 10);
}

static void any_pieces(void **state)
{
	unsigned char all[600], copy[600];
	char text[201];
	size_t n = 0;

	memset(text, 'x', 200);
	text[200] = 0;
	n += frame(all + n, 0x02, "Hello ");
	n += frame(all + n, 0x89, "are you there?");
	n += frame(all + n, 0x80, "world");
	n += frame(all + n, 0x82, text);
	n += frame(all + n, 0x88, "");
	for (size_t step = 1; step <= n; step++) {
		struct websocket w = fresh();

		memcpy(copy, all, n);
		for (size_t at = 0; at < n; at += step)
			assert_int_equal(websocket_feed(&w, copy + at, n - at < step ? n - at : step), 0);
		assert_int_equal(got_len, 211);
		assert_memory_equal(got, "Hello worldxxx", 14);
		assert_int_equal(last_op, WEBSOCKET_CLOSE);
		assert_true(w.closed);
	}
}

static void breaches(void **state)
{
	static const struct {
		const char *bytes;
		size_t len;
	} bad[] = {
		{"\x82\x05Hello", 7},	       /* no mask */
		{"\xc2\x80\0\0\0\0", 6},       /* a reserved bit */
		{"\x80\x80\0\0\0\0", 6},       /* continues nothing */
		{"\x09\x80\0\0\0\0", 6},       /* a control frame in pieces */
		{"\x89\xfe\0\x7e\0\0\0\0", 8}, /* a long one */
		{"\x83\x80\0\0\0\0", 6},       /* an unknown kind */
		{"\x8b\x80\0\0\0\0", 6},
		{"\x02\x80\0\0\0\0\x82\x80\0\0\0\0", 12}, /* a message within a message */
		{"\x88\x80\0\0\0\0\x82\x80\0\0\0\0", 12}, /* after the end */
	};

	for (size_t i = 0; i < array_len(bad); i++) {
		struct websocket w = fresh();
		unsigned char copy[16];

		memcpy(copy, bad[i].bytes, bad[i].len);
		assert_int_equal(websocket_feed(&w, copy, bad[i].len), -EPROTO);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(handshake),
		cmocka_unit_test(headers),
		cmocka_unit_test(any_pieces),
		cmocka_unit_test(breaches),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

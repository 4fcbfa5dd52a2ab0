/* SPDX-License-Identifier: Apache-2.0 */

/* SPDY as a client of Kubernetes speaks it; the client's side is made here, by zlib alone. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <zlib.h>

#include "agent/frames.h"
#include "agent/spdy.h"
#include "agent/terminal_size.h"

static char seen[4096];
static unsigned char sent[SPDY_DATA_MAX + 100];
static size_t sent_len;
static struct spdy *session;

static void note(const char *format, ...) printf_like(1, 2);
static void note(const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	vsnprintf(seen + strlen(seen), sizeof(seen) - strlen(seen), format, ap);
	va_end(ap);
}

static void on_opened(uint32_t id, const struct spdy_head *head, bool fin, void *arg)
{
	const char *type = spdy_header(head, "streamtype"), *port = spdy_header(head, "port");

	note("open %u %s %s%s\n", id, type ? type : "-", port ? port : "-", fin ? " fin" : "");
	spdy_reply(session, id);
}

static void on_data(uint32_t id, const void *buf, size_t len, void *arg)
{
	note("data %u %.*s\n", id, (int)len, (const char *)buf);
}

static void on_eof(uint32_t id, void *arg)
{
	note("eof %u\n", id);
}

static void on_reset(uint32_t id, void *arg)
{
	note("reset %u\n", id);
}

static void on_write(const void *buf, size_t len, void *arg)
{
	assert_true(sent_len + len <= sizeof(sent));
	memcpy(sent + sent_len, buf, len);
	sent_len += len;
}

static const struct spdy_events events = {on_opened, on_data, on_eof, on_reset, on_write};

/* ---- the client */

/* The dictionary as the draft prints it has this Adler-32, which every zlib stream made with it names. */
enum { DICTIONARY_ADLER = 0xe3c6a7c2 };

static size_t put32(unsigned char *p, uint32_t v)
{
	p[0] = (unsigned char)(v >> 24);
	p[1] = (unsigned char)(v >> 16);
	p[2] = (unsigned char)(v >> 8);
	p[3] = (unsigned char)v;
	return 4;
}

static size_t put_text(unsigned char *p, const char *text)
{
	size_t n = put32(p, (uint32_t)strlen(text));

	memcpy(p + n, text, strlen(text));
	return n + strlen(text);
}

/* A whole SYN_STREAM; pairs of names and values, NULL at the end. */
static size_t syn_stream(
	z_stream *z, unsigned char *out, uint32_t id, unsigned flags, const char *const *pairs)
{
	unsigned char block[1024];
	size_t n = 4, count = 0;

	for (; pairs[2 * count]; count++) {
		n += put_text(block + n, pairs[2 * count]);
		n += put_text(block + n, pairs[2 * count + 1]);
	}
	put32(block, (uint32_t)count);
	put32(out, 0x80030001);
	put32(out + 8, id);
	put32(out + 12, 0);
	out[16] = out[17] = 0;
	z->next_in = block;
	z->avail_in = (unsigned)n;
	z->next_out = out + 18;
	z->avail_out = 1024;
	assert_int_equal(deflate(z, Z_SYNC_FLUSH), Z_OK);
	put32(out + 4, flags << 24 | (uint32_t)(10 + 1024 - z->avail_out));
	return 18 + 1024 - z->avail_out;
}

static const char *const error_stream[] = {"streamtype", "error", "port", "8080", "requestid", "0", NULL};
static const char *const data_stream[] = {"Streamtype", "data", "port", "8080", NULL};

static void feed_pieces(const unsigned char *p, size_t len, size_t piece)
{
	for (size_t at = 0; at < len; at += piece)
		assert_int_equal(spdy_feed(session, p + at, len - at < piece ? len - at : piece), 0);
}

static void begin(void)
{
	seen[0] = 0;
	sent_len = 0;
	assert_int_equal(spdy_new(&session, &events, NULL), 0);
}

static void test_streams(void **state)
{
	static const unsigned char data[] = {0, 0, 0, 3, 0, 0, 0, 5, 'h', 'e', 'l', 'l', 'o'},
				   last[] = {0, 0, 0, 3, 1, 0, 0, 0},
				   ping[] = {0x80, 3, 0, 6, 0, 0, 0, 4, 0, 0, 0, 1},
				   reset[] = {0x80, 3, 0, 3, 0, 0, 0, 8, 0, 0, 0, 1, 0, 0, 0, 5},
				   settings[] = {0x80, 3, 0, 4, 0, 0, 0, 4, 0, 0, 0, 0};
	unsigned char out[4096];

	for (size_t piece = 1; piece < 40; piece += 6) {
		z_stream z = {0};
		size_t n;

		begin();
		assert_int_equal(deflateInit(&z, 6), Z_OK);
		n = syn_stream(&z, out, 1, 0, error_stream);
		n += syn_stream(&z, out + n, 3, 0, data_stream);
		feed_pieces(out, n, piece);
		feed_pieces(settings, sizeof(settings), piece);
		feed_pieces(data, sizeof(data), piece > 12 ? piece : 100);
		feed_pieces(last, sizeof(last), piece);
		feed_pieces(ping, sizeof(ping), piece);
		feed_pieces(reset, sizeof(reset), piece);
		assert_non_null(strstr(seen, "open 1 error 8080\nopen 3 data 8080\ndata 3 hello"));
		assert_non_null(strstr(seen, "eof 3\nreset 1\n"));
		/* two replies, the first with the head of a zlib stream, each with a flush; and the ping's echo */
		assert_int_equal(sent_len, (8 + 4 + 2 + 14) + (8 + 4 + 14) + sizeof(ping));
		assert_memory_equal(sent + sent_len - sizeof(ping), ping, sizeof(ping));
		deflateEnd(&z);
		spdy_free(session);
	}
}

/* What we answer is one zlib stream that anybody's inflate reads. */
static void test_replies_inflate(void **state)
{
	unsigned char text[64];
	z_stream z = {0};

	begin();
	spdy_reply(session, 1);
	spdy_reply(session, 3);
	assert_int_equal(inflateInit(&z), Z_OK);
	for (size_t at = 0, i = 0; i < 2; i++) {
		size_t len = (size_t)sent[at + 6] << 8 | sent[at + 7];

		z.next_in = sent + at + 12;
		z.avail_in = (unsigned)(len - 4);
		z.next_out = text;
		z.avail_out = sizeof(text);
		assert_int_equal(inflate(&z, Z_SYNC_FLUSH), Z_OK);
		assert_int_equal(sizeof(text) - z.avail_out, 4);
		assert_memory_equal(text, "\0\0\0\0", 4);
		/* the mark at which a reader hands out what it has */
		assert_memory_equal(sent + at + 8 + len - 5, "\0\0\0\xff\xff", 5);
		at += 8 + len;
	}
	inflateEnd(&z);
	spdy_free(session);
}

static void test_dictionary(void **state)
{
	/* a stream that asks for the dictionary: deflate of four zero bytes, after its identifier */
	unsigned char frame[64] = {0x80, 3, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0x78, 0xbb},
		      *p = frame + 20;

	p += put32(p, DICTIONARY_ADLER);
	memcpy(p, "\0\4\0\xfb\xff\0\0\0\0", 9);
	frame[7] = (unsigned char)(p + 9 - frame - 8);
	begin();
	assert_int_equal(spdy_feed(session, frame, (size_t)(p + 9 - frame)), 0);
	assert_string_equal(seen, "open 1 - -\n");
	spdy_free(session);

	frame[21] ^= 1; /* another dictionary */
	begin();
	assert_int_equal(spdy_feed(session, frame, (size_t)(p + 9 - frame)), -EPROTO);
	assert_int_equal(spdy_feed(session, frame, 1), -EPROTO);
	spdy_free(session);
}

static void test_refused(void **state)
{
	static const struct {
		const char *what;
		size_t len;
		unsigned char bytes[24];
	} bad[] = {
		{"version", 8, {0x80, 2, 0, 6, 0, 0, 0, 4}},
		{"a stream of ours", 12, {0x80, 3, 0, 2, 0, 0, 0, 4, 0, 0, 0, 1}},
		{"stream 0", 8, {0, 0, 0, 0, 0, 0, 0, 1}},
		{"too large", 8, {0x80, 3, 0, 1, 0, 1, 0, 1}},
		{"even", 18, {0x80, 3, 0, 1, 0, 0, 0, 10, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0}},
		{"short ping", 10, {0x80, 3, 0, 6, 0, 0, 0, 2, 0, 0}},
		{"no header count", 18, {0x80, 3, 0, 1, 0, 0, 0, 10, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0}},
	};

	for (size_t i = 0; i < array_len(bad); i++) {
		begin();
		if (spdy_feed(session, bad[i].bytes, bad[i].len) != -EPROTO)
			fail_msg("%s was taken", bad[i].what);
		spdy_free(session);
	}
}

static void test_out(void **state)
{
	static unsigned char large[SPDY_DATA_MAX + 10];

	begin();
	sent_len = 0;
	spdy_data(session, 5, "abc", 3, true);
	assert_int_equal(sent_len, 11);
	assert_memory_equal(sent, "\0\0\0\5\1\0\0\3abc", 11);
	sent_len = 0;
	spdy_data(session, 5, "", 0, true);
	assert_memory_equal(sent, "\0\0\0\5\1\0\0\0", 8);
	sent_len = 0;
	spdy_data(session, 7, large, sizeof(large), true);
	assert_int_equal(sent_len, sizeof(large) + 16);
	assert_memory_equal(sent, "\0\0\0\7\0\0\x80\0", 8);
	assert_memory_equal(sent + 8 + SPDY_DATA_MAX, "\0\0\0\7\1\0\0\n", 8);
	spdy_free(session);
}

/* ---- the engine's frames, and sizes of terminals */

static void on_frame(int stream, const void *buf, size_t len, void *arg)
{
	note("%d:%.*s;", stream, (int)len, (const char *)buf);
}

static void test_frames(void **state)
{
	static const unsigned char two[] = {
		1, 0, 0, 0, 0, 0, 0, 2, 'h', 'i', 2, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 1, '!'};
	struct frames f = {0};

	seen[0] = 0;
	assert_int_equal(frames_feed(&f, two, sizeof(two), on_frame, NULL), 0);
	assert_string_equal(seen, "1:hi;2:!;");
	seen[0] = 0;
	for (size_t i = 0; i < sizeof(two); i++)
		assert_int_equal(frames_feed(&f, two + i, 1, on_frame, NULL), 0);
	assert_string_equal(seen, "1:h;1:i;2:!;");
	assert_int_equal(frames_feed(&f, "GET / HTTP/1.1", 14, on_frame, NULL), -EPROTO);
}

static void test_sizes(void **state)
{
	struct terminal_size s = {0};
	unsigned w = 0, h = 0;

	assert_false(terminal_size_feed(&s, "{\"Width\":12", 11, &w, &h));
	assert_true(terminal_size_feed(&s, "0,\"Height\":40}\n", 15, &w, &h));
	assert_int_equal(w, 120);
	assert_int_equal(h, 40);
	assert_true(
		terminal_size_feed(&s, "{\"Width\":1,\"Height\":2}{\"Width\":3,\"Height\":4}", 44, &w, &h));
	assert_int_equal(w, 3);
	assert_false(terminal_size_feed(&s, "{\"Width\":-1,\"Height\":99999}", 27, &w, &h));
	for (int i = 0; i < 1000; i++)
		assert_false(terminal_size_feed(&s, "xxxx", 4, &w, &h));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_streams),
		cmocka_unit_test(test_replies_inflate),
		cmocka_unit_test(test_dictionary),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_out),
		cmocka_unit_test(test_frames),
		cmocka_unit_test(test_sizes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

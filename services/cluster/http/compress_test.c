/* SPDX-License-Identifier: Apache-2.0 */

/* What is compressed piece by piece is what comes out again, whole. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include <cmocka.h>

#include "cluster/http/http_int.h"

enum { SIZE = 300000 };

static char *noise(void)
{
	char *bytes = malloc(SIZE);
	uint32_t dice = 1;

	assert_non_null(bytes);
	for (size_t i = 0; i < SIZE; i++) {
		dice = dice * 1664525 + 1013904223;
		/* half of it is text, the other half gets larger */
		bytes[i] = (char)(i % 2 ? 'a' : dice >> 24);
	}
	return bytes;
}

static void test_pieces(void **state)
{
	static const size_t pieces[] = {1, 1000, 65536, SIZE};

	for (size_t n = 0; n < array_len(pieces); n++) {
		cleanup(freep) char *bytes = noise(), *back = malloc(SIZE + 1);
		struct gzip *g = gzip_new();
		struct text out = {0};
		z_stream z = {0};

		assert_non_null(g);
		for (size_t at = 0; at < SIZE; at += pieces[n]) {
			size_t len = SIZE - at < pieces[n] ? SIZE - at : pieces[n];

			gzip_add(g, &out, bytes + at, len, at + len == SIZE);
		}
		gzip_free(g);
		assert_false(out.failed);
		assert_true(out.len < SIZE);
		assert_int_equal(inflateInit2(&z, 15 + 16), Z_OK);
		z.next_in = (Bytef *)out.bytes;
		z.avail_in = (uInt)out.len;
		z.next_out = (Bytef *)back;
		z.avail_out = SIZE + 1;
		assert_int_equal(inflate(&z, Z_FINISH), Z_STREAM_END);
		assert_int_equal(z.total_out, SIZE);
		assert_int_equal(z.avail_in, 0);
		inflateEnd(&z);
		assert_memory_equal(back, bytes, SIZE);
		text_fini(&out);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_pieces)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include <mbedtls/sha256.h>

#include "lib/sha256.h"

static const char *hex(const uint8_t sum[SHA256_SIZE])
{
	static char text[2 * SHA256_SIZE + 1];

	for (size_t i = 0; i < SHA256_SIZE; i++)
		sprintf(text + 2 * i, "%02x", sum[i]);
	return text;
}

static const char *of(const void *data, size_t len)
{
	uint8_t sum[SHA256_SIZE];

	sha256(data, len, sum);
	return hex(sum);
}

/* FIPS 180-4's examples. */
static void known_answers(void **state)
{
	char *million = malloc(1000000);

	assert_string_equal(of("", 0), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
	assert_string_equal(of("abc", 3), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
	assert_string_equal(of("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq", 56),
		"248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
	memset(million, 'a', 1000000);
	assert_string_equal(
		of(million, 1000000), "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
	free(million);
}

/* Every length around the block's edges, in pieces of every size, against another implementation. */
static void pieces_make_no_difference(void **state)
{
	uint8_t data[300], want[32], got[32];

	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = (uint8_t)(i * 7 + i / 3);
	for (size_t len = 0; len <= sizeof(data); len++) {
		assert_int_equal(mbedtls_sha256(data, len, want, 0), 0);
		for (size_t piece = 1; piece <= 130; piece += piece < 5 ? 1 : 21) {
			struct sha256 s;

			sha256_init(&s);
			for (size_t at = 0; at < len; at += piece)
				sha256_update(&s, data + at, len - at < piece ? len - at : piece);
			sha256_final(&s, got);
			assert_memory_equal(got, want, 32);
		}
	}
}

static void all_ways_agree(void **state)
{
	size_t n, tried = 0;
	const struct sha256_way *ways = sha256_ways(&n);
	uint8_t data[20 * SHA256_BLOCK + 1];
	unsigned r = 1;

	for (int round = 0; round < 50; round++) {
		uint32_t start[8], want[8];

		for (size_t i = 0; i < sizeof(data); i++)
			data[i] = (uint8_t)((r = r * 1103515245 + 12345) >> 16);
		memcpy(start, data, sizeof(start));
		memcpy(want, start, sizeof(want));
		/* off by one: no way may need alignment */
		ways[n - 1].blocks(want, data + 1, (size_t)round % 21);
		for (size_t w = 0; w + 1 < n; w++) {
			uint32_t got[8];

			if (!ways[w].usable())
				continue;
			memcpy(got, start, sizeof(got));
			ways[w].blocks(got, data + 1, (size_t)round % 21);
			assert_memory_equal(got, want, sizeof(got));
			tried++;
		}
	}
	print_message("ways beside C that this processor has: %s\n", tried ? ways[0].name : "none");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(known_answers),
		cmocka_unit_test(pieces_make_no_difference),
		cmocka_unit_test(all_ways_agree),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

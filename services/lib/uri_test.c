/* SPDX-License-Identifier: Apache-2.0 */

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "lib/uri.h"

static const char *decoded(const char *in, bool plus)
{
	static char buf[100];
	ssize_t n;

	snprintf(buf, sizeof(buf), "%s", in);
	n = uri_decode(buf, strlen(buf), plus);
	if (n < 0)
		return n == -EINVAL ? "EINVAL" : "?";
	buf[n] = 0;
	return buf;
}

static void escapes_decode(void **state)
{
	assert_string_equal(decoded("/a%2Fb%20c", false), "/a/b c");
	assert_string_equal(decoded("%e2%82%AC", false), "\xe2\x82\xac");
	assert_string_equal(decoded("a+b", false), "a+b");
	assert_string_equal(decoded("a+b%2B", true), "a b+");
	assert_string_equal(decoded("", true), "");
}

static void bad_escapes_are_refused(void **state)
{
	static const char *const bad[] = {
		"%", "a%", "%2", "a%2", "%zz", "%2z", "%%41", "%00", "x%00y", "% 1", "%-1"};

	for (size_t i = 0; i < array_len(bad); i++)
		assert_string_equal(decoded(bad[i], false), "EINVAL");
}

static void queries_come_apart(void **state)
{
	char q[] = "a=1&b&&c=x%3Dy+z&=v&a=2&d=";
	struct uri_pair p[8];

	assert_int_equal(uri_query(q, p, 8), 6);
	assert_string_equal(p[0].key, "a");
	assert_string_equal(p[0].value, "1");
	assert_string_equal(p[1].key, "b");
	assert_string_equal(p[1].value, "");
	assert_string_equal(p[2].value, "x=y z");
	assert_string_equal(p[3].key, "");
	assert_string_equal(p[4].value, "2");
	assert_string_equal(p[5].value, "");

	assert_int_equal(uri_query((char[]){""}, p, 8), 0);
	assert_int_equal(uri_query((char[]){"&&"}, p, 8), 0);
	assert_int_equal(uri_query((char[]){"a&b&c"}, p, 2), -E2BIG);
	assert_int_equal(uri_query((char[]){"a=%0"}, p, 2), -EINVAL);
	assert_int_equal(uri_query((char[]){"%=1"}, p, 2), -EINVAL);
}

static void every_byte_survives_encoding(void **state)
{
	char all[256];

	for (int i = 1; i < 256; i++)
		all[i - 1] = (char)i;
	all[255] = 0;

	char *enc = uri_encode(all);
	ssize_t n = uri_decode(enc, strlen(enc), false);

	assert_int_equal(n, 255);
	assert_memory_equal(enc, all, 255);
	free(enc);
	enc = uri_encode("a b/c~");
	assert_string_equal(enc, "a%20b%2Fc~");
	free(enc);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(escapes_decode),
		cmocka_unit_test(bad_escapes_are_refused),
		cmocka_unit_test(queries_come_apart),
		cmocka_unit_test(every_byte_survives_encoding),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

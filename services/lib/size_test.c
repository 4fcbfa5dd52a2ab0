/* SPDX-License-Identifier: Apache-2.0 */

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "lib/size.h"

static void test_sizes(void **state)
{
	static const struct {
		const char *text;
		int64_t bytes;
	} cases[] = {{"0", 0}, {"512", 512}, {"512b", 512}, {"1k", 1024}, {"64M", 64 << 20},
		{"64m", 64 << 20}, {"64MB", 64 << 20}, {"64mib", 64 << 20}, {"64 MiB", 64 << 20},
		{"2g", INT64_C(2) << 30}, {"3t", INT64_C(3) << 40}, {"1P", INT64_C(1) << 50},
		{"1.5g", INT64_C(3) << 29}, {"0.5k", 512}, {"1.0000000009", 1}, {"2.k", 2048},
		{"0.9999999999k", 1023}, {"8191p", INT64_C(8191) << 50}, {"9223372036854775807", INT64_MAX}};

	for (size_t i = 0; i < array_len(cases); i++) {
		int64_t n = -1;

		if (size_parse(cases[i].text, &n) < 0)
			fail_msg("%s", cases[i].text);
		assert_int_equal(n, cases[i].bytes);
	}
}

static void test_what_is_none(void **state)
{
	static const char *const cases[] = {"", " ", "-1", "+1", " 1", "1 ", "1  k", "k", ".5g", "1x", "1kk",
		"1bb", "1kbb", "1bib", "1ki", "1.5.5k", "1e3", "0x10", "12 3", "8192p", "9223372036854775808",
		"99999999999999999999", "9007199254740992k", "9223372036854775807.5k"};

	for (size_t i = 0; i < array_len(cases); i++) {
		int64_t n = -1;

		if (size_parse(cases[i], &n) != -EINVAL)
			fail_msg("\"%s\" is %lld", cases[i], (long long)n);
		assert_int_equal(n, -1);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sizes),
		cmocka_unit_test(test_what_is_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

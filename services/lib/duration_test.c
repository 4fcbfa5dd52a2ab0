/* SPDX-License-Identifier: Apache-2.0 */

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "lib/duration.h"

static void test_spans(void **state)
{
	static const struct {
		const char *text;
		long long seconds;
		long nano;
	} cases[] = {{"0", 0, 0}, {"-0", 0, 0}, {"30s", 30, 0}, {"1h30m5.5s", 5405, 500000000},
		{"300ms", 0, 300000000}, {"-2s", -2, 0}, {"+1m", 60, 0}, {"7us", 0, 7000},
		{"7\xc2\xb5s", 0, 7000}, {"7\xce\xbcs", 0, 7000}, {"1ns", 0, 1}, {".5s", 0, 500000000},
		{"-1.5s", -1, -500000000}, {"2562047h", 9223369200, 0}};

	for (size_t i = 0; i < array_len(cases); i++) {
		struct timespec t = {-1, -1};

		if (duration_parse(cases[i].text, &t) < 0)
			fail_msg("%s", cases[i].text);
		assert_int_equal(t.tv_sec, cases[i].seconds);
		assert_int_equal(t.tv_nsec, cases[i].nano);
	}
}

static void test_what_is_none(void **state)
{
	static const char *const cases[] = {"", "-", "zz", "30", "00", "s", "1x", "1s ", " 1s", "1.2.3s",
		"0x1s", "1e3s", "infs", ".s", "--1s", "2562048h", "1d"};

	for (size_t i = 0; i < array_len(cases); i++) {
		struct timespec t;

		if (duration_parse(cases[i], &t) != -EINVAL)
			fail_msg("\"%s\"", cases[i]);
	}
}

static void test_printed(void **state)
{
	static const struct {
		int64_t ns;
		const char *text;
	} cases[] = {{0, "0s"}, {1, "1ns"}, {999, "999ns"}, {1500, "1.5\xc2\xb5s"}, {50000000, "50ms"},
		{1000001, "1.000001ms"}, {1000000000, "1s"}, {1000000001, "1.000000001s"},
		{30000000000, "30s"}, {60000000000, "1m0s"}, {3605500000000, "1h0m5.5s"},
		{-1500000000, "-1.5s"}, {INT64_MAX, "2562047h47m16.854775807s"},
		{INT64_MIN, "-2562047h47m16.854775808s"}};
	char out[40];

	for (size_t i = 0; i < array_len(cases); i++)
		assert_string_equal(duration_print(out, cases[i].ns), cases[i].text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_spans),
		cmocka_unit_test(test_what_is_none),
		cmocka_unit_test(test_printed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

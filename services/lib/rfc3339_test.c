/* SPDX-License-Identifier: Apache-2.0 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "lib/rfc3339.h"
#include "lib/util.h"

static void test_texts(void **state)
{
	static const struct {
		time_t s;
		long ns;
		unsigned fraction;
		const char *text;
	} cases[] = {
		{0, 0, 0, "1970-01-01T00:00:00Z"},
		{1767323045, 987654321, 0, "2026-01-02T03:04:05Z"},
		{1767323045, 987654321, 3, "2026-01-02T03:04:05.987Z"},
		{1767323045, 987654321, 6, "2026-01-02T03:04:05.987654Z"},
		{1767323045, 7, 9, "2026-01-02T03:04:05.000000007Z"},
		{1767323045, 7, 12, "2026-01-02T03:04:05.000000007Z"},
		{1709164800, 0, 0, "2024-02-29T00:00:00Z"},
		{-1, 500000000, 1, "1969-12-31T23:59:59.5Z"},
		{-62135596800, 0, 0, "0001-01-01T00:00:00Z"},
		{253402300799, 999999999, 9, "9999-12-31T23:59:59.999999999Z"},
		{253402300800, 0, 9, "0001-01-01T00:00:00Z"},
		{INT64_MAX, 0, 9, "0001-01-01T00:00:00Z"},
		{INT64_MIN, 0, 0, "0001-01-01T00:00:00Z"},
	};
	char buf[RFC3339_MAX];

	for (size_t i = 0; i < array_len(cases); i++)
		assert_string_equal(
			rfc3339_text(buf, &(struct timespec){.tv_sec = cases[i].s, .tv_nsec = cases[i].ns},
				cases[i].fraction),
			cases[i].text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_texts)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

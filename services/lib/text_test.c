/* SPDX-License-Identifier: Apache-2.0 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "lib/text.h"
#include "lib/util.h"

static void test_whole_ends(void **state)
{
	static const struct {
		const char *text, *want;
	} table[] = {{"", ""}, {"a", "a"}, {"a\xc3", "a"}, {"a\xc3\xa4", "a\xc3\xa4"}, {"\xe2\x82", ""},
		{"\xe2\x82\xac", "\xe2\x82\xac"}, {"x\xf0\x9f\x9a", "x"},
		{"x\xf0\x9f\x9a\xa2", "x\xf0\x9f\x9a\xa2"}};

	for (size_t i = 0; i < array_len(table); i++) {
		char text[16];

		strcpy(text, table[i].text);
		text_end_whole(text);
		assert_string_equal(text, table[i].want);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_whole_ends),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

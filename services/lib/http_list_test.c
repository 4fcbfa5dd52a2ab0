/* SPDX-License-Identifier: Apache-2.0 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "lib/http.h"

static void test_lists(void **state)
{
	static const struct {
		const char *list, *words; /* each with a bar behind it */
	} cases[] = {{NULL, ""}, {"", ""}, {" ,\t, ", ""}, {"gzip", "gzip|"}, {"gzip, br", "gzip|br|"},
		{"\ta ,b\t,,c ", "a|b|c|"}, {"gzip;q=0", "gzip;q=0|"}, {"gzip ; q=0,x", "gzip ; q=0|x|"}};

	for (size_t i = 0; i < array_len(cases); i++) {
		const char *list = cases[i].list, *word;
		char got[64] = "";
		size_t len;

		while ((word = http_list_next(&list, &len)))
			snprintf(got + strlen(got), sizeof(got) - strlen(got), "%.*s|", (int)len, word);
		assert_string_equal(got, cases[i].words);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lists),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

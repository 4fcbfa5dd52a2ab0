/* SPDX-License-Identifier: Apache-2.0 */

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "lib/truth.h"

static void test_truth(void **state)
{
	static const char *const yes[] = {"1", "t", "T", "true", "True", "TRUE"},
				 *const no[] = {"0", "f", "F", "false", "False", "FALSE"},
				 *const neither[] = {"", "2", "tr", "tRUE", "yes", "true "};

	for (size_t i = 0; i < array_len(yes); i++) {
		assert_int_equal(truth_parse(yes[i], strlen(yes[i])), 1);
		assert_int_equal(truth_parse(no[i], strlen(no[i])), 0);
		assert_int_equal(truth_parse(neither[i], strlen(neither[i])), -EINVAL);
	}
	assert_int_equal(truth_parse("t\0x", 3), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_truth),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

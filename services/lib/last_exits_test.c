/* SPDX-License-Identifier: Apache-2.0 */

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "lib/last_exits.h"

static void test_what_is_printed_is_read(void **state)
{
	struct initctl_exit x = {.seq = 9, .pid = 4711, .start_ticks = UINT64_MAX, .status = 41 << 8}, y;
	char *text = NULL;
	size_t len;
	FILE *f = open_memstream(&text, &len);

	memset(x.name, 'n', INITCTL_NAME_MAX); /* the longest there is */
	x.exit_realtime_ns = INT64_MAX;
	last_exits_print(f, &x);
	fclose(f);
	assert_true(last_exits_parse(text, &y));
	assert_string_equal(y.name, x.name);
	assert_int_equal(y.pid, x.pid);
	assert_true(y.start_ticks == x.start_ticks && y.exit_realtime_ns == x.exit_realtime_ns);
	assert_int_equal(y.status, x.status);
	assert_int_equal(y.seq, 0);
	free(text);
}

static void test_other_lines_are_none(void **state)
{
	static const char *const none[] = {
		"", "container/1", "container/1 2 3 4", "container/1 x 3 4 5", " 1 2 3 4"};
	struct initctl_exit x;

	for (size_t i = 0; i < sizeof(none) / sizeof(*none); i++)
		assert_false(last_exits_parse(none[i], &x));
	assert_true(last_exits_parse("container/1 2 3 4 5 more", &x));
	/* A name that is too long is another line's beginning, not a shorter name. */
	char long_name[300] = "";

	memset(long_name, 'n', 200);
	strcat(long_name, " 2 3 4 5");
	assert_false(last_exits_parse(long_name, &x));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_is_printed_is_read),
		cmocka_unit_test(test_other_lines_are_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

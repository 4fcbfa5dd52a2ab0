/* SPDX-License-Identifier: Apache-2.0 */

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "lib/cmdline.h"

static void test_words(void **state)
{
	static const struct {
		const char *line, *value; /* NULL: not there */
	} cases[] = {
		{"", NULL},
		{"\n", NULL},
		{"quiet console=ttyS0\n", NULL},
		{"wherry.disk", NULL},
		{"wherry.disks=/dev/a xwherry.disk=/dev/b", NULL},
		{"note=\"a wherry.disk=/dev/vda\"", NULL},
		{"wherry.disk=", ""},
		{"wherry.disk=/dev/vda", "/dev/vda"},
		{"quiet wherry.disk=/dev/vda\n", "/dev/vda"},
		{"wherry.disk=/dev/vda\twherry.disk=serial:x y", "serial:x"},
		{"wherry.disk=\"a b\" y", "a b"},
		{"\"wherry.disk=a b\" y", "a b"},
		{"wherry.disk=\"open to the end", "open to the end"},
		{"wherry.disk=a=b?c=d#e", "a=b?c=d#e"},
	};
	char out[CMDLINE_VALUE_MAX];

	for (size_t i = 0; i < array_len(cases); i++) {
		int rc = cmdline_word(cases[i].line, "wherry.disk", out);

		assert_int_equal(rc, cases[i].value ? 0 : -ENOENT);
		if (cases[i].value)
			assert_string_equal(out, cases[i].value);
	}
}

static void test_length(void **state)
{
	char line[CMDLINE_VALUE_MAX + 3] = "a=", out[CMDLINE_VALUE_MAX];

	memset(line + 2, 'x', CMDLINE_VALUE_MAX);
	assert_int_equal(cmdline_word(line, "a", out), -E2BIG);
	line[2 + CMDLINE_VALUE_MAX - 1] = '\0';
	assert_int_equal(cmdline_word(line, "a", out), 0);
	assert_int_equal(strlen(out), CMDLINE_VALUE_MAX - 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_words), cmocka_unit_test(test_length)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

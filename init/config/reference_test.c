/* SPDX-License-Identifier: Apache-2.0 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <fcntl.h>
#include <string.h>

#include "init/config/reference.h"
#include "lib/file.h"

/* Runs in the project's top folder, as `make check` does. */
static void readme_has_the_table(void **state)
{
	cleanup(freep) char *table = config_reference(), *readme = NULL;
	size_t len;

	assert_non_null(table);
	assert_int_equal(file_read(AT_FDCWD, "init/config/README.md", 1 << 20, &readme, &len), 0);
	if (!strstr(readme, table)) {
		print_error("%s", table);
		fail_msg("init/config/README.md does not have the table above");
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(readme_has_the_table),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "cluster/access/authority.h"
#include "lib/tree.h"

/* Nothing is left of the caller's list when the certificate is looked at again, a minute later. */
static struct authority *opened(const char *dir)
{
	char name[] = "cluster.example";
	const char *names[] = {name, "192.0.2.7"};
	struct authority_options o = {.data_dir = dir,
		.run_dir = dir,
		.hostname = "node1",
		.service_address = "10.96.0.1",
		.names = names,
		.n_names = 2,
		.port = 6443};
	struct authority *a;

	assert_int_equal(authority_open(&a, &o), 0);
	memset(name, 'x', sizeof(name) - 1);
	memset(names, 0, sizeof(names));
	return a;
}

static void test_names_outlive_the_caller(void **state)
{
	char dir[] = "/tmp/authority-XXXXXX";
	struct authority *a;

	assert_non_null(mkdtemp(dir));
	a = opened(dir);
	assert_int_equal(authority_renew(a), 0); /* they are the same: no other certificate */
	authority_close(a);
	assert_int_equal(tree_remove(AT_FDCWD, dir), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names_outlive_the_caller),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */

/* Who asks, as an extension API server is told. */

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "cluster/http/identity.h"
#include "cluster/registry/registry.h"

static void test_headers(void **state)
{
	static const char *const groups[] = {"devs", "ops"}, *const values[] = {"a", "b"};
	static const struct caller_extra extra[] = {{"acme.com/Team", values, 2}};
	static const struct caller who = {
		.user = "jane", .uid = "17", .groups = groups, .n_groups = 2, .extra = extra, .n_extra = 1};
	static const struct http_header_field wanted[] = {{"X-Remote-User", "jane"}, {"X-Remote-Uid", "17"},
		{"X-Remote-Group", "devs"}, {"X-Remote-Group", "ops"},
		{"X-Remote-Extra-acme.com%2F%54eam", "a"}, {"X-Remote-Extra-acme.com%2F%54eam", "b"}};
	struct identity i;

	assert_int_equal(identity_of(&i, &who), 0);
	assert_int_equal(i.n, array_len(wanted));
	for (size_t k = 0; k < array_len(wanted); k++) {
		assert_string_equal(i.fields[k].name, wanted[k].name);
		assert_string_equal(i.fields[k].value, wanted[k].value);
	}
	identity_fini(&i);
}

/* Nobody is said to be in fewer groups than he is in. */
static void test_too_many(void **state)
{
	const char *groups[IDENTITY_MAX];
	struct caller who = {.user = "jane", .uid = "", .groups = groups, .n_groups = array_len(groups)};
	struct identity i;

	for (size_t k = 0; k < array_len(groups); k++)
		groups[k] = "g";
	assert_int_equal(identity_of(&i, &who), -E2BIG);
	identity_fini(&i);
	who.n_groups--;
	assert_int_equal(identity_of(&i, &who), 0);
	identity_fini(&i);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_headers), cmocka_unit_test(test_too_many)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

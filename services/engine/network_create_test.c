/* SPDX-License-Identifier: Apache-2.0 */

/* What a new network may be: its name, its families, whether it has a gateway. */

#include <unistd.h>

#include "engine/network_testing.h"

static void test_names_of_networks(void **state)
{
	static const char *const good[] = {"test@#$", "kiwl$%^", "a b", "../x", "-", "Bridge", "container"};
	static const struct {
		const char *name;
		int r;
		const char *said;
	} bad[] = {
		{"", -EINVAL, "invalid network name \"\""},
		{"  ", -EINVAL, "invalid network name \"  \""},
		{"two\nlines", -EINVAL, "invalid network name"},
		{"bridge", -EPERM, "operation is not permitted on predefined bridge network "},
		{"host", -EPERM, "operation is not permitted on predefined host network "},
		{"none", -EPERM, "operation is not permitted on predefined none network "},
		{"default", -EPERM, "operation is not permitted on predefined default network "},
		{"container:c", -EPERM, "operation is not permitted on predefined container:c network "},
	};
	char longest[NETWORK_NAME_MAX + 2];
	struct network_config c = {.name = longest};
	struct network_error err = {};
	struct networks *ns;
	struct network *n;

	NEED_NETNS();
	ns = open_networks();
	for (size_t i = 0; i < array_len(bad); i++) {
		c.name = bad[i].name;
		assert_int_equal(network_create(ns, &c, &n, &err), bad[i].r);
		assert_non_null(strstr(err.text, bad[i].said));
	}
	memset(longest, 'x', sizeof(longest));
	longest[sizeof(longest) - 1] = '\0';
	c.name = longest;
	assert_int_equal(network_create(ns, &c, &n, &err), -EINVAL);
	for (size_t i = 0; i < array_len(good); i++) {
		c.name = good[i];
		make(ns, &c);
	}
	networks_close(ns);
	ns = open_networks();
	for (size_t i = 0; i < array_len(good); i++)
		assert_int_equal(network_delete(ns, find(ns, good[i]), &err), 0);
	networks_close(ns);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names_of_networks),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}

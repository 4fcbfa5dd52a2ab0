/* SPDX-License-Identifier: Apache-2.0 */

/* Hosts that `wherryctl kubeconfig` takes and refuses, and what becomes of them. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "ctl/kubeconfig.c"

static void test_hosts(void **state)
{
	static const struct {
		const char *given, *out; /* NULL: refused */
		bool has_port;
	} table[] = {
		{"node1", "node1", false},
		{"10.0.0.1", "10.0.0.1", false},
		{"127.0.0.1:16443", "127.0.0.1:16443", true},
		{"fd00::1", "[fd00::1]", false},
		{"[fd00::1]", "[fd00::1]", false},
		{"[fd00::1]:443", "[fd00::1]:443", true},
		{"", NULL, false},
		{"a b", NULL, false},
		{"a/b", NULL, false},
		{"a\nserver: b", NULL, false},
		{"node1:", NULL, false},
		{"node1:x", NULL, false},
		{"node1:0", NULL, false},
		{"node1:65536", NULL, false},
	};

	for (size_t i = 0; i < array_len(table); i++) {
		char out[HOST_MAX] = "";
		bool has_port = false, taken = host_of(table[i].given, out, &has_port);

		if (taken != (table[i].out != NULL) ||
			(taken && (strcmp(out, table[i].out) != 0 || has_port != table[i].has_port)))
			fail_msg("row %zu: %s", i, out);
	}
}

static void test_where_it_was_reached(void **state)
{
	char out[HOST_MAX];

	setenv("SSH_CONNECTION", "192.0.2.1 5000 192.0.2.7 22", 1);
	reached_at(out);
	assert_string_equal(out, "192.0.2.7");
	setenv("SSH_CONNECTION", "2001:db8::1 5000 2001:db8::7 22", 1);
	reached_at(out);
	assert_string_equal(out, "[2001:db8::7]");
	setenv("SSH_CONNECTION", "nonsense", 1);
	reached_at(out);
	assert_true(*out);
	unsetenv("SSH_CONNECTION");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_hosts),
		cmocka_unit_test(test_where_it_was_reached),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

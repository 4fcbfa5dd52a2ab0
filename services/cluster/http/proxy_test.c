/* SPDX-License-Identifier: Apache-2.0 */

/* Whom a proxy is about, and where it does not lead. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "cluster/http/proxy.h"

static void test_names(void **state)
{
	static const struct {
		const char *text, *name, *port;
		bool https;
	} cases[] = {
		{"web", "web", "", false},
		{"web:80", "web", "80", false},
		{"web:", "web", "", false},
		{"http:web:80", "web", "80", false},
		{"https:web:", "web", "", true},
		{"https:web:tls", "web", "tls", true},
		{":web:80", "web", "80", false},
		{"https:443", "https", "443", false}, /* two parts: a service may have that name */
		{"ftp:web:21", NULL, NULL, false},
		{"httpss:web:1", NULL, NULL, false},
		{"https::443", NULL, NULL, false},
		{":80", NULL, NULL, false},
		{"", NULL, NULL, false},
		{"http:a:b:c", NULL, NULL, false},
	};
	struct proxy_name n;
	char text[400];

	for (size_t i = 0; i < array_len(cases); i++) {
		assert_int_equal(proxy_name_read(&n, cases[i].text), cases[i].name != NULL);
		if (!cases[i].name)
			continue;
		assert_string_equal(n.name, cases[i].name);
		assert_string_equal(n.port, cases[i].port);
		assert_int_equal(n.https, cases[i].https);
	}
	memset(text, 'a', sizeof(text));
	text[256] = '\0';
	assert_false(proxy_name_read(&n, text));
	text[255] = '\0';
	assert_true(proxy_name_read(&n, text));
}

static void test_addresses(void **state)
{
	static const char *const allowed[] = {"10.244.0.2", "192.168.1.1", "fd00::1", "2001:db8::1"};
	static const char *const not_allowed[] = {"127.0.0.1", "127.9.9.9", "169.254.169.254", "0.0.0.0",
		"224.0.0.1", "255.255.255.255", "::", "::1", "fe80::1", "ff02::1", "::ffff:127.0.0.1", "web",
		""};

	for (size_t i = 0; i < array_len(allowed); i++)
		assert_true(proxy_address_is_allowed(allowed[i]));
	for (size_t i = 0; i < array_len(not_allowed); i++)
		assert_false(proxy_address_is_allowed(not_allowed[i]));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_addresses),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "init/config/remote_int.h"

#define HEX32 "000102030405060708090a0b0c0d0e0fF0F1F2F3F4F5F6F7F8F9FAFBFCFDFEFF"

static void test_split(void **state)
{
	static const struct {
		const char *url;
		int rc;
	} cases[] = {
		{"http://a/b", 0},
		{"http://a/b?c=d", 0},
		{"http://a/b#sha256=" HEX32, 1},
		{"http://a/b#", -EINVAL},
		{"http://a/b#top", -EINVAL},
		{"http://a/b#sha256=", -EINVAL},
		{"http://a/b#sha512=" HEX32, -EINVAL},
		{"http://a/b#sha256=" HEX32 "00", -EINVAL},
		{"http://a/b#sha256=0" HEX32, -EINVAL},
		{"http://a/b#sha256=g00102030405060708090a0b0c0d0e0fF0F1F2F3F4F5F6F7F8F9FAFBFCFDFEFF",
			-EINVAL},
		{"#sha", -EINVAL},
	};
	uint8_t digest[SHA256_SIZE];
	char url[256];

	for (size_t i = 0; i < array_len(cases); i++) {
		snprintf(url, sizeof(url), "%s", cases[i].url);
		assert_int_equal(remote_split(url, digest), cases[i].rc);
	}
	snprintf(url, sizeof(url), "http://a/b#sha256=" HEX32);
	assert_int_equal(remote_split(url, digest), 1);
	assert_string_equal(url, "http://a/b");
	for (unsigned i = 0; i < 16; i++) {
		assert_int_equal(digest[i], i);
		assert_int_equal(digest[16 + i], 0xf0 + i);
	}
}

static void test_judge(void **state)
{
	static const struct {
		const char *url;
		bool good;
	} cases[] = {
		{"http://a/b", true},
		{"https://a/b#sha256=" HEX32, true},
		{"", false},
		{"none ", false},
		{"ftp://a/b", false},
		{"http:/a", false},
		{"http://a#top", false},
		{"http://me:secret@a/b", false},
		{"http://me@a", false},
		{"http://", false},
		{"http:///b", false},
		{"http://a:99999/b", false},
		{"http://a:b/c", false},
		{"http://a:8080/b?c=d@e", true},
		{"http://[fd00::1]/b", true},
	};
	char why[128];

	for (size_t i = 0; i < array_len(cases); i++) {
		why[0] = '\0';
		assert_int_equal(remote_judge(cases[i].url, why, sizeof(why)), cases[i].good);
		assert_int_equal(!*why, cases[i].good);
	}
}

static void test_show(void **state)
{
	static const char *const cases[][2] = {
		{"http://a/b?key=secret#sha256=x", "http://a/b"},
		{"http://a/b#sha256=x?y", "http://a/b"},
		{"http://a/b@c", "http://a/b@c"},
		{"http://a?x@y", "http://a"},
		{"no URL", "no URL"},
		{"", ""},
	};
	char name[64], small[16];

	for (size_t i = 0; i < array_len(cases); i++) {
		remote_show(cases[i][0], name, sizeof(name));
		assert_string_equal(name, cases[i][1]);
	}
	remote_show("http://example.org/long", small, sizeof(small));
	assert_string_equal(small, "http://example.");
}

static void test_words(void **state)
{
	static const char *const cases[][2] = {
		{"http://a/b: the server answered 404", "the server answered 404"},
		{"http://a/b?key=secret: the server answered 404", "the server answered 404"},
		{"http://c/d?key=a:b?secret: it stalls", "http://c/d: it stalls"},
		{"redirect refused: http://c/d?secret", "redirect refused: http://c/d"},
		{"http://a/bc: it stalls", "http://a/bc: it stalls"},
		{"", ""},
	};
	char out[64], small[8];

	for (size_t i = 0; i < array_len(cases); i++) {
		remote_words("http://a/b", cases[i][0], out, sizeof(out));
		assert_string_equal(out, cases[i][1]);
	}
	remote_words("x", "1234567890", small, sizeof(small));
	assert_string_equal(small, "1234567");
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_split), cmocka_unit_test(test_judge),
		cmocka_unit_test(test_show), cmocka_unit_test(test_words)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */

/* Platforms as people write them. */

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "engine/image/manifest.h"

static void read_as(const char *text, const char *os, const char *architecture, const char *variant)
{
	struct image_platform p;

	assert_int_equal(image_platform_parse(&p, text, NULL), 0);
	assert_string_equal(p.os, os);
	assert_string_equal(p.architecture, architecture);
	assert_string_equal(p.variant, variant);
}

static void platforms(void **state)
{
	struct image_platform here;

	assert_int_equal(image_platform_parse(&here, NULL, NULL), 0);
	assert_string_equal(here.os, "linux");
	assert_string_not_equal(here.architecture, "x86_64");
	read_as("", "linux", here.architecture, here.variant);
	read_as("linux", "linux", here.architecture, "");
	read_as("LINUX", "linux", here.architecture, "");
	read_as("macos", "darwin", here.architecture, "");
	read_as("s390x", "linux", "s390x", "");
	read_as("x86_64", "linux", "amd64", "");
	read_as("aarch64", "linux", "arm64", "");
	read_as("linux/sparc64", "linux", "sparc64", "");
	read_as("linux/x86_64", "linux", "amd64", "");
	read_as("linux/AMD64/v1", "linux", "amd64", "");
	read_as("linux/arm64/v8", "linux", "arm64", "");
	read_as("linux/arm64/v9", "linux", "arm64", "v9");
	read_as("linux/arm", "linux", "arm", "v7");
	read_as("linux/armhf", "linux", "arm", "v7");
	read_as("linux/arm/6", "linux", "arm", "v6");
	read_as("nintendo64/any.thing", "nintendo64", "any.thing", "");
}

static void none(void **state)
{
	static const struct {
		const char *text, *why;
	} cases[] = {
		{"nintendo64", "\"nintendo64\": unknown operating system or architecture"},
		{"       ", "\"       \" is an invalid OS component of \"       \""},
		{"/", "\"\" is an invalid OS component of \"/\""},
		{"linux/", "\"\" is an invalid component of \"linux/\""},
		{"linux/a b", "\"a b\" is an invalid component of \"linux/a b\""},
		{"linux/arm/v7/x", "\"linux/arm/v7/x\": cannot parse platform specifier"},
		{"linux/a123456789012345678901234567890b",
			"\"linux/a123456789012345678901234567890b\": cannot parse platform specifier"},
	};

	for (size_t i = 0; i < array_len(cases); i++) {
		struct image_platform p;
		struct image_reason why = {0};

		assert_int_equal(image_platform_parse(&p, cases[i].text, &why), -EINVAL);
		assert_string_equal(why.text, cases[i].why);
	}
}

int main(void)
{
	const struct CMUnitTest t[] = {cmocka_unit_test(platforms), cmocka_unit_test(none)};

	return cmocka_run_group_tests(t, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "engine/image/manifest.h"

#define DIGEST "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

/* Of an image without layers Docker writes null, other builders [], and some nothing. */
static void layers_of_a_configuration(void **state)
{
	static const struct {
		const char *config;
		ssize_t n;
	} cases[] = {
		{"{\"rootfs\":{\"type\":\"layers\",\"diff_ids\":[\"" DIGEST "\"]}}", 1},
		{"{\"rootfs\":{\"type\":\"layers\",\"diff_ids\":[]}}", 0},
		{"{\"rootfs\":{\"type\":\"layers\",\"diff_ids\":null}}", 0},
		{"{\"rootfs\":{\"type\":\"layers\"}}", 0},
		{"{\"rootfs\":{\"diff_ids\":\"none\"}}", -EINVAL},
		{"{\"rootfs\":{}}", -EINVAL},
		{"{}", -EINVAL},
	};

	for (size_t i = 0; i < array_len(cases); i++) {
		char(*ids)[IMAGE_DIGEST_LEN + 1] = NULL;
		struct image_reason why = {""};
		ssize_t n = image_config_diff_ids(cases[i].config, strlen(cases[i].config), &ids, &why);

		if (n != cases[i].n)
			fail_msg("%s: %zd, %s", cases[i].config, n, why.text);
		free(ids);
	}
}

static void times(void **state)
{
	static const struct {
		const char *text;
		int64_t s;
		long ns;
	} cases[] = {
		{"1970-01-01T00:00:01Z", 1, 0},
		{"1970-01-01T00:00:01.5Z", 1, 500000000},
		{"1970-01-01T00:00:01.000000001Z", 1, 1},
		{"1970-01-01T00:00:01.0000000019Z", 1, 1},
		{"1970-01-01T01:00:01.25+01:00", 1, 250000000},
		{"0001-01-01T00:00:00Z", -62135596800, 0},
		{"yesterday", 0, 0},
		{"", 0, 0},
	};

	for (size_t i = 0; i < array_len(cases); i++) {
		struct timespec t = image_time(cases[i].text);

		if (t.tv_sec != cases[i].s || t.tv_nsec != cases[i].ns)
			fail_msg("%s: %lld.%09ld", cases[i].text, (long long)t.tv_sec, t.tv_nsec);
	}
	assert_int_equal(image_time(NULL).tv_sec, 0);
	assert_true(image_time_compare(&(struct timespec){1, 2}, &(struct timespec){1, 3}) < 0);
	assert_true(image_time_compare(&(struct timespec){2, 0}, &(struct timespec){1, 3}) > 0);
	assert_int_equal(image_time_compare(&(struct timespec){2, 1}, &(struct timespec){2, 1}), 0);
}

int main(void)
{
	const struct CMUnitTest t[] = {
		cmocka_unit_test(layers_of_a_configuration),
		cmocka_unit_test(times),
	};

	return cmocka_run_group_tests(t, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "init/time/clock.h"
#include "init/time/servers.h"

enum { BUILT = 1790000000 };

static int parse(const char *text, int64_t *out)
{
	return clock_parse(text, strlen(text), BUILT, out);
}

static void test_parse(void **state)
{
	int64_t s = 7;

	assert_int_equal(parse("1790000001\n", &s), 0);
	assert_int_equal(s, 1790000001);
	assert_int_equal(parse("0\n", &s), 0);
	s = 7;
	assert_int_equal(parse("1790000001", &s), -EINVAL); /* cut off: maybe more digits were there */
	assert_int_equal(parse("\n", &s), -EINVAL);
	assert_int_equal(parse("", &s), -EINVAL);
	assert_int_equal(parse("-5\n", &s), -EINVAL);
	assert_int_equal(parse("17900 00001\n", &s), -EINVAL);
	assert_int_equal(parse("99999999999999999999999999\n", &s), -EINVAL);
	assert_int_equal(parse("9790000000\n", &s), -EINVAL); /* in two centuries: spoilt */
	assert_int_equal(s, 7);
}

static void test_floor(void **state)
{
	assert_int_equal(clock_floor(BUILT + 10, BUILT, 0), BUILT + 10);
	assert_int_equal(clock_floor(0, BUILT, 0), BUILT);
	assert_int_equal(clock_floor(0, BUILT, BUILT + 5), BUILT + 5);
	assert_int_equal(clock_floor(BUILT + 3, BUILT, BUILT + 5), BUILT + 5);
	assert_int_equal(clock_floor(BUILT + 9, BUILT, BUILT + 5), BUILT + 9);
	assert_int_equal(clock_floor(0, BUILT, 3), BUILT); /* saved before the build */
}

static void test_save(void **state)
{
	char dir[] = "/tmp/time_test.XXXXXX", path[64], text[64] = "";
	int64_t s = 0;
	FILE *f;

	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/clock", dir);
	assert_int_equal(clock_save(path), 0);
	f = fopen(path, "r");
	assert_non_null(f);
	assert_non_null(fgets(text, sizeof(text), f));
	fclose(f);
	assert_int_equal(parse(text, &s), 0);
	assert_true(s > 1700000000);
	unlink(path);
	rmdir(dir);
	assert_true(clock_save(path) < 0);
}

static void test_servers(void **state)
{
	static const char json[] = "{\"time\":{\"servers\":[\"10.0.0.1\",\"ntp.example\",7,\"-x\",\"a b\"]}}";
	char lines[] = "10.0.0.9\n10.0.0.1\n\n$(reboot)\n";
	struct servers s = {}, t = {};

	servers_add_lines(&s, lines);
	assert_int_equal(s.n, 2);
	assert_int_equal(servers_add_config(&s, json, strlen(json)), 0);
	assert_int_equal(s.n, 3);
	assert_string_equal(s.names[0], "10.0.0.9");
	assert_string_equal(s.names[2], "ntp.example");
	assert_false(servers_equal(&s, &t));
	t = s;
	assert_true(servers_equal(&s, &t));
	t = (struct servers){};
	assert_int_equal(servers_add_config(&t, "{\"time\":{\"servers\":[]}}", 23), 0);
	assert_int_equal(t.n, 0);
	assert_int_equal(servers_add_config(&t, "{", 1), -EINVAL);
	for (int i = 0; i < 20; i++) {
		char name[32];

		snprintf(name, sizeof(name), "s%d.example", i);
		servers_add(&t, name);
	}
	assert_int_equal(t.n, SERVERS_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_parse),
		cmocka_unit_test(test_floor),
		cmocka_unit_test(test_save),
		cmocka_unit_test(test_servers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

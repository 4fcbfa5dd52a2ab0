/* SPDX-License-Identifier: Apache-2.0 */

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "lib/service.h"

static const char *dir;
static int port;
static bool memory;

static int parse(const char *a, const char *b, const char *c)
{
	const struct service_option options[] = {{.name = "data", .text = &dir},
		{.name = "port", .port = &port}, {.name = "memory", .flag = &memory}, {0}};
	char *argv[] = {(char *)"s", (char *)a, (char *)b, (char *)c, NULL};
	int argc = 1;

	dir = "/data";
	port = 6443;
	memory = false;
	while (argv[argc])
		argc++;
	return service_options(options, "s [--data DIR] [--port N] [--memory]\n", argc, argv);
}

static void test_options(void **state)
{
	assert_int_equal(parse(NULL, NULL, NULL), -1);
	assert_string_equal(dir, "/data");
	assert_int_equal(parse("--data", "/else", "--memory"), -1);
	assert_string_equal(dir, "/else");
	assert_int_equal(port, 6443);
	assert_true(memory);
	assert_int_equal(parse("--port=80", NULL, NULL), -1);
	assert_int_equal(port, 80);
	assert_int_equal(parse("--help", NULL, NULL), 0);
}

static void test_what_is_wrong(void **state)
{
	static const char *const wrong[][3] = {{"--port", "0"}, {"--port", "65536"}, {"--port", "8o"},
		{"--port", ""}, {"--port"}, {"--none"}, {"--memory=yes"}, {"word"}};

	for (size_t i = 0; i < array_len(wrong); i++)
		assert_int_equal(parse(wrong[i][0], wrong[i][1], wrong[i][2]), 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_options),
		cmocka_unit_test(test_what_is_wrong),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

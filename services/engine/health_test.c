/* SPDX-License-Identifier: Apache-2.0 */

/* How health checks are read and judged, and how detailed ps arguments are understood. */

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "engine/health.h"
#include "engine/top.h"
#include "lib/json.h"

#define S INT64_C(1000000000)

static yyjson_doc *parse(const char *text)
{
	yyjson_doc *doc = yyjson_read(text, strlen(text), 0);

	assert_non_null(doc);
	return doc;
}

static void defaults(void **state)
{
	cleanup(json_docp) yyjson_doc *doc = parse("{\"Test\":[\"CMD\",\"x\"],\"Interval\":5000000000}");
	struct health_config h;

	health_config_read(yyjson_doc_get_root(doc), &h);
	assert_true(h.checked);
	assert_int_equal(h.interval_ns, 5 * S);
	assert_int_equal(h.timeout_ns, 30 * S);
	assert_int_equal(h.start_interval_ns, 5 * S);
	assert_int_equal(h.retries, 3);

	cleanup(json_docp) yyjson_doc *none = parse("{\"Test\":[\"NONE\"]}");

	health_config_read(yyjson_doc_get_root(none), &h);
	assert_false(h.checked);
	health_config_read(NULL, &h);
	assert_false(h.checked);
}

static void judged(void **state)
{
	struct health_config h = {.retries = 2, .start_period_ns = 10 * S};
	int streak = 0;

	/* within the start period failures do not count, a success does */
	assert_int_equal(health_judge(HEALTH_STARTING, &h, 5 * S, 1, &streak), HEALTH_STARTING);
	assert_int_equal(streak, 0);
	assert_int_equal(health_judge(HEALTH_STARTING, &h, 5 * S, 0, &streak), HEALTH_HEALTHY);
	assert_int_equal(health_judge(HEALTH_HEALTHY, &h, 6 * S, 1, &streak), HEALTH_HEALTHY);
	assert_int_equal(health_judge(HEALTH_HEALTHY, &h, 7 * S, -1, &streak), HEALTH_UNHEALTHY);
	assert_int_equal(streak, 2);
	assert_int_equal(health_judge(HEALTH_UNHEALTHY, &h, 8 * S, 0, &streak), HEALTH_HEALTHY);
	assert_int_equal(streak, 0);
	/* after it they do */
	assert_int_equal(health_judge(HEALTH_STARTING, &h, 11 * S, 1, &streak), HEALTH_STARTING);
	assert_int_equal(health_judge(HEALTH_STARTING, &h, 12 * S, 1, &streak), HEALTH_UNHEALTHY);
}

static void merged(void **state)
{
	cleanup(json_docp) yyjson_doc *image =
		parse("{\"Test\":[\"CMD\",\"image\"],\"Retries\":7,\"Interval\":1000000000}");
	cleanup(json_docp) yyjson_doc *user = parse("{\"Test\":[],\"Retries\":2}");
	cleanup(json_mut_docp) yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
	yyjson_mut_val *o = health_config_merge(doc, yyjson_doc_get_root(user), yyjson_doc_get_root(image));

	assert_non_null(o);
	assert_int_equal(yyjson_mut_get_int(yyjson_mut_obj_get(o, "Retries")), 2);
	assert_int_equal(yyjson_mut_arr_size(yyjson_mut_obj_get(o, "Test")), 2);
	assert_int_equal(yyjson_mut_get_sint(yyjson_mut_obj_get(o, "Interval")), S);
	assert_null(health_config_merge(doc, NULL, NULL));
}

static void refused(void **state)
{
	static const char *const bad[] = {"{\"Test\":\"x\"}", "{\"Test\":[1]}", "{\"Test\":[\"RUN\",\"x\"]}",
		"{\"Test\":[\"CMD\"]}", "{\"Test\":[\"CMD-SHELL\",\"a\",\"b\"]}", "{\"Interval\":1000}",
		"{\"Timeout\":-1}", "{\"Retries\":-1}"};

	for (size_t i = 0; i < array_len(bad); i++) {
		cleanup(json_docp) yyjson_doc *doc = parse(bad[i]);
		cleanup(freep) char *msg = NULL;

		assert_int_equal(health_config_check(yyjson_doc_get_root(doc), &msg), -EINVAL);
		assert_non_null(msg);
	}
}

static void ps_arguments(void **state)
{
	struct top_columns c;
	char *msg = NULL;

	assert_int_equal(top_parse("-ef", &c, &msg), 0);
	assert_int_equal(c.n, 8);
	assert_string_equal(c.title[0], "UID");
	assert_int_equal(top_parse("aux", &c, &msg), 0);
	assert_string_equal(c.title[10], "COMMAND");
	assert_int_equal(top_parse("-eo pid=,args=WHAT IS IT", &c, &msg), -EINVAL);
	free(msg);
	msg = NULL;
	assert_int_equal(top_parse("-eo pid=,args=WHAT", &c, &msg), 0);
	assert_string_equal(c.title[0], "");
	assert_string_equal(c.title[1], "WHAT");
	assert_int_equal(top_parse("-o", &c, &msg), -EINVAL);
	free(msg);
	msg = NULL;
	assert_int_equal(top_parse("-o comm", &c, &msg), -EINVAL);
	assert_string_equal(msg, "Couldn't find PID field in ps output");
	free(msg);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(defaults),
		cmocka_unit_test(judged),
		cmocka_unit_test(merged),
		cmocka_unit_test(refused),
		cmocka_unit_test(ps_arguments),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

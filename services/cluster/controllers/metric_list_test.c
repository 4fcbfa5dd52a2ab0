/* SPDX-License-Identifier: Apache-2.0 */

/* What adapters may answer, and what is read of it. */

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "cluster/controllers/metric_list.h"

#define CUSTOM(items)                                                                                        \
	"{\"kind\":\"MetricValueList\",\"apiVersion\":\"custom.metrics.k8s.io/v1beta2\",\"items\":" items "}"
#define EXTERNAL(items)                                                                                             \
	"{\"kind\":\"ExternalMetricValueList\",\"apiVersion\":\"external.metrics.k8s.io/v1beta1\",\"items\":" items \
	"}"
#define OF(name, more) "{\"describedObject\":{\"kind\":\"Pod\",\"name\":\"" name "\"}," more "}"

static void test_what_is_read(void **state)
{
	static const struct {
		bool external;
		const char *body;
		size_t n;
		int64_t sum;
	} table[] = {
		{false, CUSTOM("[]"), 0, 0},
		{false, CUSTOM("null"), 0, 0},
		{false, CUSTOM("[" OF("a", "\"value\":\"1500m\"") "," OF("b", "\"value\":\"2\"") "]"), 2,
			3500},
		/* of any version, and numbers without quotes are quantities as others */
		{false,
			"{\"kind\":\"MetricValueList\",\"apiVersion\":\"custom.metrics.k8s.io/v1beta1\",\"items\":[" OF(
				"a",
				"\"metricName\":\"m\",\"timestamp\":\"2026-01-01T00:00:00Z\",\"windowSeconds\":60,\"value\":1.5") "]}",
			1, 1500},
		{false, CUSTOM("[" OF("a", "\"timestamp\":null,\"windowSeconds\":null,\"value\":\"-2\"") "]"),
			1, -2000},
		{true, EXTERNAL("[{\"metricName\":\"q\",\"metricLabels\":{},\"window\":30,\"value\":\"3k\"},{\"value\":\"1\"}]"),
			2, 3001000},
		/* more than can be counted is as much as can be */
		{true, EXTERNAL("[{\"value\":\"9E\"},{\"value\":\"9E\"}]"), 2, INT64_MAX},
	};

	for (size_t i = 0; i < array_len(table); i++) {
		struct metric_list l;
		char why[METRIC_WHY_MAX];
		const char *group = table[i].external ? "external.metrics.k8s.io" : "custom.metrics.k8s.io";
		int err = metric_list_read(&l, group, table[i].body, strlen(table[i].body), why);

		if (err || *why || l.n != table[i].n || metric_list_sum(&l) != table[i].sum)
			fail_msg("row %zu: %d %s %zu %lld", i, err, why, l.n, (long long)metric_list_sum(&l));
		metric_list_fini(&l);
	}
}

static void test_what_is_refused(void **state)
{
	static const struct {
		const char *body, *why;
	} table[] = {
		{"", "the answer is no MetricValueList of custom.metrics.k8s.io"},
		{"[]", "is no MetricValueList"},
		{EXTERNAL("[]"), "is no MetricValueList"},
		{"{\"kind\":\"MetricValueList\",\"apiVersion\":\"custom.metrics.k8s.iox/v1\",\"items\":[]}",
			"is no MetricValueList"},
		{CUSTOM("{}"), "is no MetricValueList"},
		{CUSTOM("[1]"), "items[0] is no object"},
		{CUSTOM("[{\"value\":\"1\"}]"), "items[0].describedObject has no name"},
		{CUSTOM("[" OF("a\\u0000b", "\"value\":\"1\"") "]"), "items[0].describedObject has no name"},
		{CUSTOM("[" OF("a", "\"value\":\"1\"") "," OF("a", "\"value\":\"much\"") "]"),
			"the answer cannot be read: items[1].value is no quantity"},
		{CUSTOM("[" OF("a", "\"value\":null") "]"), "items[0].value is no quantity"},
		{CUSTOM("[" OF("a", "\"timestamp\":\"today\",\"value\":\"1\"") "]"),
			"items[0].timestamp is no time"},
		{CUSTOM("[" OF("a", "\"timestamp\":1,\"value\":\"1\"") "]"), "items[0].timestamp is no time"},
		{CUSTOM("[" OF("a", "\"windowSeconds\":\"60\",\"value\":\"1\"") "]"),
			"items[0].windowSeconds is no number of seconds"},
		{CUSTOM("[" OF("a", "\"windowSeconds\":-1,\"value\":\"1\"") "]"),
			"items[0].windowSeconds is no number of seconds"},
	};

	for (size_t i = 0; i < array_len(table); i++) {
		struct metric_list l;
		char why[METRIC_WHY_MAX];
		int err = metric_list_read(
			&l, "custom.metrics.k8s.io", table[i].body, strlen(table[i].body), why);

		if (err != -EINVAL || !strstr(why, table[i].why))
			fail_msg("row %zu: %d %s", i, err, why);
		metric_list_fini(&l);
	}
}

/* Of several of one name the last counts; others are found by name. */
static void test_names(void **state)
{
	static const char body[] = CUSTOM("[" OF("c", "\"value\":1") "," OF("a", "\"value\":2") "," OF(
		"c", "\"value\":3") "," OF("b", "\"value\":4") "," OF("c", "\"value\":5") "]");
	struct metric_list l;
	char why[METRIC_WHY_MAX];
	size_t counting = 0;

	assert_int_equal(metric_list_read(&l, "custom.metrics.k8s.io", body, strlen(body), why), 0);
	assert_int_equal(metric_list_find(&l, "a")->milli, 2000);
	assert_int_equal(metric_list_find(&l, "b")->milli, 4000);
	assert_int_equal(metric_list_find(&l, "c")->milli, 5000);
	assert_null(metric_list_find(&l, ""));
	assert_null(metric_list_find(&l, "bb"));
	assert_null(metric_list_find(&l, "d"));
	for (size_t i = 0; i < l.n; i++)
		counting += metric_list_counts(&l, i);
	assert_int_equal(counting, 3);
	metric_list_fini(&l);
}

static void test_refusals(void **state)
{
	static const char status[] =
		"{\"kind\":\"Status\",\"message\":\"no\\nsuch\\u0007 metric\",\"code\":404}";
	static const char other[] = "{\"kind\":\"Thing\",\"message\":\"no\"}";
	char why[METRIC_WHY_MAX], large[1000], *at;

	assert_true(metric_list_refusal(status, strlen(status), why));
	assert_string_equal(why, "no such  metric");
	assert_false(metric_list_refusal(other, strlen(other), why));
	assert_false(metric_list_refusal("no", 2, why));
	/* cut between characters */
	at = stpcpy(large, "{\"kind\":\"Status\",\"message\":\"");
	for (int i = 0; i < 150; i++)
		at = stpcpy(at, "\xe2\x82\xac");
	stpcpy(at, "\"}");
	assert_true(metric_list_refusal(large, strlen(large), why));
	assert_int_equal(strlen(why), (METRIC_WHY_MAX - 1) / 3 * 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_what_is_read),
		cmocka_unit_test(test_what_is_refused), cmocka_unit_test(test_names),
		cmocka_unit_test(test_refusals)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "agent/resources.h"
#include "lib/json.h"

#define CPU(r, l)                                                                                            \
	"{\"resources\":{\"requests\":{\"cpu\":\"" r "\",\"memory\":\"64Mi\"},\"limits\":{\"cpu\":\"" l      \
	"\",\"memory\":\"64Mi\"}}}"

static yyjson_doc *doc_of(const char *text)
{
	yyjson_doc *doc = yyjson_read(text, strlen(text), 0);

	assert_non_null(doc);
	return doc;
}

static void test_qos(void **state)
{
	static const struct {
		const char *spec, *qos;
	} cases[] = {
		{"{\"containers\":[{}]}", "besteffort"},
		{"{\"containers\":[" CPU("1", "1") "]}", "guaranteed"},
		{"{\"containers\":[" CPU("1", "1000m") "]}", "guaranteed"},
		{"{\"containers\":[" CPU("500m", "1") "]}", "burstable"},
		{"{\"containers\":[" CPU("1", "1") ",{}]}", "burstable"},
		{"{\"containers\":[" CPU("1", "1") "],\"initContainers\":[{}]}", "burstable"},
		{"{\"containers\":[{\"resources\":{\"limits\":{\"memory\":\"1Mi\"},\"requests\":{\"memory\":\"1Mi\"}}}]}",
			"burstable"},
	};

	for (size_t i = 0; i < array_len(cases); i++) {
		yyjson_doc *doc = doc_of(cases[i].spec);

		assert_string_equal(resources_qos(yyjson_doc_get_root(doc)), cases[i].qos);
		yyjson_doc_free(doc);
	}
}

/* Init containers run one after the other, beside the sidecars before them; the containers beside all sidecars. */
static void test_sums(void **state)
{
	yyjson_doc *doc = doc_of("{\"containers\":[" CPU("100m", "200m") "," CPU("100m",
		"200m") "],"
			"\"initContainers\":[" CPU("150m",
				"150m") ",{\"restartPolicy\":\"Always\",\"resources\":{\"requests\":{\"cpu\":\"50m\"},\"limits\":{\"cpu\":"
					"\"50m\",\"memory\":\"16Mi\"}}}," CPU("400m", "400m") "]}");
	struct resources r = resources_of_pod(yyjson_doc_get_root(doc));

	assert_int_equal(r.cpu_request_milli, 450); /* the last init container beside the sidecar */
	assert_int_equal(r.cpu_limit_milli, 450);
	assert_int_equal(r.memory_limit_bytes, 144 << 20);
	yyjson_doc_free(doc);
}

static void test_a_limit_counts_only_if_all_have_one(void **state)
{
	yyjson_doc *doc = doc_of("{\"containers\":[" CPU("100m", "200m") ",{}]}");
	struct resources r = resources_of_pod(yyjson_doc_get_root(doc));

	assert_int_equal(r.cpu_request_milli, 100);
	assert_int_equal(r.cpu_limit_milli, 0);
	assert_int_equal(r.memory_limit_bytes, 0);
	yyjson_doc_free(doc);
}

static void test_kernel_numbers(void **state)
{
	assert_int_equal(cpu_shares(0), 2);
	assert_int_equal(cpu_shares(1000), 1024);
	assert_int_equal(cpu_shares(1000000000), 262144);
	assert_int_equal(cpu_quota_us(0), 0);
	assert_int_equal(cpu_quota_us(1), 1000);
	assert_int_equal(cpu_quota_us(250), 25000);
	assert_int_equal(oom_score_adj("guaranteed", 1, 1), -997);
	assert_int_equal(oom_score_adj("besteffort", 0, 1 << 30), 1000);
	assert_int_equal(oom_score_adj("burstable", 512 << 20, 1 << 30), 500);
	assert_int_equal(oom_score_adj("burstable", 0, 1 << 30), 999);
	assert_int_equal(oom_score_adj("burstable", 1 << 30, 1 << 30), 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_qos),
		cmocka_unit_test(test_sums),
		cmocka_unit_test(test_a_limit_counts_only_if_all_have_one),
		cmocka_unit_test(test_kernel_numbers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

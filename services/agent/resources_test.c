/* SPDX-License-Identifier: Apache-2.0 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "agent/resources.h"
#include "lib/json.h"

#define CPU(r, l)                                                                                            \
	"{\"resources\":{\"requests\":{\"cpu\":\"" r "\",\"memory\":\"64Mi\"},\"limits\":{\"cpu\":\"" l      \
	"\",\"memory\":\"64Mi\"}}}"

#define WHOLE(r, l)                                                                                          \
	"\"resources\":{\"requests\":{\"cpu\":\"" r "\",\"memory\":\"640Mi\"},\"limits\":{\"cpu\":\"" l      \
	"\",\"memory\":\"640Mi\"}}"

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
		/* what is limited and says no more is requested as much, which files of static pods do not say */
		{"{\"containers\":[{\"resources\":{\"limits\":{\"cpu\":\"1\",\"memory\":\"1Mi\"}}}]}",
			"guaranteed"},
		/* the pod as a whole counts, and its containers no more */
		{"{\"containers\":[{}]," WHOLE("1", "1") "}", "guaranteed"},
		{"{\"containers\":[" CPU("1", "1") "]," WHOLE("1", "2") "}", "burstable"},
		{"{\"containers\":[{}],\"resources\":{\"limits\":{\"cpu\":\"1\",\"memory\":\"1Mi\"}}}",
			"guaranteed"},
		{"{\"containers\":[" CPU(
			 "1", "1") "],\"resources\":{\"limits\":{\"cpu\":\"2\",\"memory\":\"64Mi\"}}}",
			"burstable"},
		{"{\"containers\":[" CPU("1", "1") "],\"resources\":{}}", "guaranteed"},
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

/* What the pod says as a whole is its group's, and holds containers that have no limit of their own. */
static void test_whole(void **state)
{
	yyjson_doc *doc = doc_of("{\"containers\":[" CPU("100m", "200m") ",{}]," WHOLE("1", "2") "}");
	yyjson_val *spec = yyjson_doc_get_root(doc), *list = json_arr(spec, "containers");
	struct resources r = resources_of_pod(spec), own = resources_in_pod(spec, yyjson_arr_get(list, 0)),
			 none = resources_in_pod(spec, yyjson_arr_get(list, 1));

	assert_int_equal(r.cpu_request_milli, 1000);
	assert_int_equal(r.cpu_limit_milli, 2000);
	assert_int_equal(r.memory_request_bytes, 640 << 20);
	assert_int_equal(r.memory_limit_bytes, 640 << 20);
	assert_int_equal(own.cpu_limit_milli, 200);
	assert_int_equal(own.memory_limit_bytes, 64 << 20);
	assert_int_equal(none.cpu_limit_milli, 2000);
	assert_int_equal(none.memory_limit_bytes, 640 << 20);
	yyjson_doc_free(doc);

	/* a static pod's: requests follow from its containers, then from limits */
	doc = doc_of(
		"{\"containers\":[{\"resources\":{\"requests\":{\"cpu\":\"100m\"}}},{\"resources\":{\"limits\":{\"cpu\":"
		"\"50m\"}}}],\"resources\":{\"limits\":{\"cpu\":\"1\",\"memory\":\"1Mi\"}}}");
	r = resources_of_pod(yyjson_doc_get_root(doc));
	assert_int_equal(r.cpu_request_milli, 150);
	assert_int_equal(r.cpu_limit_milli, 1000);
	assert_int_equal(r.memory_request_bytes, 1 << 20);
	yyjson_doc_free(doc);
}

/* Who does not say what cpu it requests weighs as much as its limit, be that its pod's. */
static void test_weights(void **state)
{
	static const struct {
		const char *container, *whole;
		int64_t milli;
	} cases[] = {
		{"{}", WHOLE("1", "2"), 2000},
		{"{\"resources\":{\"limits\":{\"cpu\":\"500m\"}}}", WHOLE("1", "2"), 500},
		{"{\"resources\":{\"requests\":{\"memory\":\"1Mi\"}}}", WHOLE("1", "2"), 2000},
		{"{\"resources\":{\"requests\":{\"cpu\":\"100m\"}}}", WHOLE("1", "2"), 100},
		{"{\"resources\":{\"requests\":{\"cpu\":\"0\"}}}", WHOLE("1", "2"), 0},
		{"{}", "\"resources\":{\"requests\":{\"cpu\":\"1\"}}", 0},
		{"{}", "\"resources\":{\"limits\":{\"memory\":\"1Mi\"}}", 0},
	};

	for (size_t i = 0; i < array_len(cases); i++) {
		cleanup(freep) char *text = NULL;
		yyjson_doc *doc;
		yyjson_val *spec;

		assert_true(
			asprintf(&text, "{\"containers\":[%s],%s}", cases[i].container, cases[i].whole) > 0);
		doc = doc_of(text);
		spec = yyjson_doc_get_root(doc);
		assert_int_equal(resources_in_pod(spec, yyjson_arr_get(json_arr(spec, "containers"), 0))
					 .cpu_request_milli,
			cases[i].milli);
		yyjson_doc_free(doc);
	}
}

/* The overhead of a runtime class is requested, widens limits that there are, and gives a best-effort pod nothing. */
static void test_overhead(void **state)
{
#define OVER(containers) "{" containers ",\"overhead\":{\"cpu\":\"100m\",\"memory\":\"16Mi\"}}"
	static const struct {
		const char *spec;
		struct resources with, group;
		int64_t eviction;
	} cases[] = {
		{OVER("\"containers\":[" CPU("100m", "200m") "]"), {200, 300, 80 << 20, 80 << 20},
			{200, 300, 80 << 20, 80 << 20}, 80 << 20},
		{OVER("\"containers\":[{}]," WHOLE("1", "2")), {1100, 2100, 656 << 20, 656 << 20},
			{1100, 2100, 656 << 20, 656 << 20}, 656 << 20},
		/* one that is not limited */
		{OVER("\"containers\":[" CPU("100m", "200m") ",{}]"), {200, 0, 80 << 20, 0},
			{200, 0, 80 << 20, 0}, 80 << 20},
		/* one that requests no memory */
		{OVER("\"containers\":[{\"resources\":{\"requests\":{\"cpu\":\"1\"}}}]"),
			{1100, 0, 16 << 20, 0}, {1100, 0, 16 << 20, 0}, 0},
		{OVER("\"containers\":[{}]"), {100, 0, 16 << 20, 0}, {0}, 0},
		{"{\"containers\":[" CPU("100m", "200m") "]}", {100, 200, 64 << 20, 64 << 20},
			{100, 200, 64 << 20, 64 << 20}, 64 << 20},
	};

	for (size_t i = 0; i < array_len(cases); i++) {
		yyjson_doc *doc = doc_of(cases[i].spec);
		yyjson_val *spec = yyjson_doc_get_root(doc);
		struct resources with = resources_with_overhead(spec), group = resources_of_group(spec);

		assert_memory_equal(&with, &cases[i].with, sizeof(with));
		assert_memory_equal(&group, &cases[i].group, sizeof(group));
		assert_int_equal(eviction_memory_bytes(spec), cases[i].eviction);
		yyjson_doc_free(doc);
	}
}

/* What the pod requests beyond its containers is shared by all of them, upstream's examples among the cases. */
static void test_memory_of_scores(void **state)
{
#define MEM(n)	   "{\"resources\":{\"requests\":{\"memory\":\"" n "\"}}}"
#define ALL(n)	   ",\"resources\":{\"requests\":{\"memory\":\"" n "\"}}}"
#define SIDECAR(n) "{\"restartPolicy\":\"Always\",\"resources\":{\"requests\":{\"memory\":\"" n "\"}}}"
	static const struct {
		const char *spec, *list;
		size_t index;
		int64_t bytes;
	} cases[] = {
		{"{\"containers\":[" MEM("50") "," MEM("100") ",{}]}", "containers", 0, 50},
		{"{\"containers\":[{},{},{}]" ALL("180"), "containers", 2, 60},
		{"{\"containers\":[" MEM("50") "," MEM("100") ",{}]" ALL("180"), "containers", 0, 60},
		{"{\"containers\":[" MEM("50") "," MEM("100") ",{}]" ALL("180"), "containers", 1, 110},
		{"{\"containers\":[" MEM("50") "," MEM("100") ",{}]" ALL("180"), "containers", 2, 10},
		{"{\"initContainers\":[{}],\"containers\":[{}]" ALL("100"), "initContainers", 0, 50},
		{"{\"initContainers\":[" SIDECAR("10") "],\"containers\":[" MEM("50") "," MEM("40") "]}",
			"initContainers", 0, 40},
		{"{\"initContainers\":[" SIDECAR("60") "],\"containers\":[" MEM("50") "]}", "initContainers",
			0, 60},
		{"{\"initContainers\":[" SIDECAR("10") "],\"containers\":[" MEM("40") "]" ALL("90"),
			"initContainers", 0, 60},
		{"{\"overhead\":{\"memory\":\"100\"},\"containers\":[" MEM("50") "]}", "containers", 0, 50},
	};

	for (size_t i = 0; i < array_len(cases); i++) {
		yyjson_doc *doc = doc_of(cases[i].spec);
		yyjson_val *spec = yyjson_doc_get_root(doc);

		assert_int_equal(
			oom_memory_bytes(spec, yyjson_arr_get(json_arr(spec, cases[i].list), cases[i].index)),
			cases[i].bytes);
		yyjson_doc_free(doc);
	}
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
		cmocka_unit_test(test_whole),
		cmocka_unit_test(test_weights),
		cmocka_unit_test(test_overhead),
		cmocka_unit_test(test_memory_of_scores),
		cmocka_unit_test(test_kernel_numbers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */

/* Conditions of pods: what is said of one that is set, changed, there already, or that there is no memory for. */

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "cluster/schema/conditions.h"
#include "cluster/schema/meta.h"
#include "lib/json.h"

/* Memory that is over after so many times. */
static size_t left;

static void *get(void *ctx, size_t size)
{
	return left ? left--, malloc(size) : NULL;
}

static void *resize(void *ctx, void *p, size_t old_size, size_t size)
{
	return left ? left--, realloc(p, size) : NULL;
}

static void put(void *ctx, void *p)
{
	free(p);
}

static int ready(yyjson_mut_doc *doc, const char *status)
{
	return pod_condition_set(doc, yyjson_mut_doc_get_root(doc), "Ready", status, "Because", "of it", 1);
}

static yyjson_mut_doc *pod(const yyjson_alc *alc)
{
	static const char json[] = "{\"metadata\":{\"generation\":7}}";
	yyjson_mut_doc *doc = yyjson_mut_doc_new(alc);
	cleanup(json_docp) yyjson_doc *read = yyjson_read(json, strlen(json), 0);

	/* each text and each few values ask for memory of their own */
	assert_true(yyjson_mut_doc_set_str_pool_size(doc, 1) && yyjson_mut_doc_set_val_pool_size(doc, 1));
	yyjson_mut_doc_set_root(doc, yyjson_val_mut_copy(doc, yyjson_doc_get_root(read)));
	assert_non_null(yyjson_mut_doc_get_root(doc));
	return doc;
}

static void test_three_results(void **state)
{
	cleanup(json_mut_docp) yyjson_mut_doc *doc = pod(NULL);
	yyjson_mut_val *c;

	assert_int_equal(ready(doc, "True"), 1);
	assert_int_equal(ready(doc, "True"), 0);
	assert_int_equal(ready(doc, "False"), 1);
	assert_int_equal(ready(doc, "False"), 0);
	c = yyjson_mut_arr_get_first(
		meta_mut_get(yyjson_mut_doc_get_root(doc), "status", "conditions", NULL));
	assert_int_equal(yyjson_mut_get_sint(yyjson_mut_obj_get(c, "observedGeneration")), 7);
	/* the same of another generation is news */
	assert_true(meta_put(doc, meta_mut_get(yyjson_mut_doc_get_root(doc), "metadata", NULL), "generation",
		yyjson_mut_sint(doc, 8)));
	assert_int_equal(ready(doc, "False"), 1);
	assert_int_equal(ready(doc, "False"), 0);
}

/* The n-th piece of memory is not there, for each n that it takes: never is half of it said as if it were all. */
static void test_without_memory(void **state)
{
	const yyjson_alc alc = {get, resize, put, NULL};
	static const char *const members[] = {
		"type", "status", "reason", "message", "lastTransitionTime", "observedGeneration"};
	size_t n = 0, refused = 0;

	for (int r = -ENOMEM; r < 0; n++) {
		cleanup(json_mut_docp) yyjson_mut_doc *doc = NULL;
		yyjson_mut_val *c;

		left = SIZE_MAX;
		doc = pod(&alc);
		left = n;
		r = ready(doc, "True");
		refused += r == -ENOMEM;
		if (r < 0)
			continue;
		assert_int_equal(r, 1);
		c = yyjson_mut_arr_get_first(
			meta_mut_get(yyjson_mut_doc_get_root(doc), "status", "conditions", NULL));
		for (size_t i = 0; i < array_len(members); i++)
			assert_non_null(yyjson_mut_obj_get(c, members[i]));
	}
	assert_in_range(refused, 3, 100);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_three_results),
		cmocka_unit_test(test_without_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

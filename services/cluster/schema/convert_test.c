/* SPDX-License-Identifier: Apache-2.0 */

/* An autoscaler is the same in both of its versions. */

#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <cmocka.h>
#include <string.h>

#include "cluster/schema/convert.h"
#include "cluster/schema/doc_testing.h"
#include "cluster/schema/meta.h"
#include "cluster/schema/schema.h"

static void test_convert(void **state)
{
	const struct schema_kind *v1 = schema_find("autoscaling", "v1", "horizontalpodautoscalers");
	const struct schema_kind *v2 = schema_find("autoscaling", "v2", "horizontalpodautoscalers");
	yyjson_mut_doc *doc = doc_of_yaml(
		"apiVersion: autoscaling/v2\nkind: HorizontalPodAutoscaler\nmetadata: {name: a}\nspec: {metrics: "
		"[{type: Resource, resource: {name: cpu, target: {type: Utilization, averageUtilization: 80}}}, "
		"{type: Resource, resource: {name: memory, target: {type: Utilization, averageUtilization: "
		"50}}}]}\nstatus: {}");
	yyjson_mut_doc *before = yyjson_mut_doc_mut_copy(doc, NULL);

	assert_ptr_equal(v1->stored, v2);
	assert_true(convert_object(doc, v2, v1));
	assert_int_equal(
		yyjson_mut_get_sint(meta_mut_get(doc->root, "spec", "targetCPUUtilizationPercentage", NULL)),
		80);
	assert_null(meta_mut_get(doc->root, "spec", "metrics", NULL));
	assert_true(convert_object(doc, v1, v2));
	assert_true(meta_equal(doc->root, before->root));
	yyjson_mut_doc_free(doc);
	yyjson_mut_doc_free(before);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_convert),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

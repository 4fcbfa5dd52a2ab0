/* SPDX-License-Identifier: Apache-2.0 */

/* The OpenAPI document of a group: what kubectl looks for, references that lead somewhere, and its hash. */

#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "cluster/schema/openapi.h"
#include "cluster/schema/schema.h"
#include "lib/json.h"

static void test_openapi(void **state)
{
	const struct schema_kind *kinds[64];
	size_t n, all, len, count = 0;
	const struct schema_kind *table = schema_kinds(&all);
	char hash[65], again[65];
	yyjson_doc *doc;
	yyjson_val *schemas, *key, *v;

	for (size_t i = 0; i < all; i++)
		if (!strcmp(table[i].api_version, "apps/v1"))
			kinds[count++] = &table[i];
	cleanup(freep) char *text = openapi_document(kinds, count, &len);

	doc = yyjson_read(text, len, 0);
	assert_non_null(doc);
	v = yyjson_ptr_get(yyjson_doc_get_root(doc),
		"/paths/~1apis~1apps~1v1~1namespaces~1{namespace}~1deployments~1{name}/patch/x-kubernetes-group-version-kind/kind");
	assert_string_equal(yyjson_get_str(v), "Deployment");
	schemas = yyjson_ptr_get(yyjson_doc_get_root(doc), "/components/schemas");
	v = yyjson_ptr_get(
		schemas, "/io.k8s.api.core.v1.PodSpec/properties/containers/x-kubernetes-patch-merge-key");
	assert_string_equal(yyjson_get_str(v), "name");
	/* every reference leads somewhere */
	size_t i, max, refs = 0;

	for (const char *p = text; (p = strstr(p, "#/components/schemas/")); refs++) {
		char name[256];

		p += strlen("#/components/schemas/");
		n = strcspn(p, "\"");
		snprintf(name, sizeof(name), "%.*s", (int)n, p);
		if (!yyjson_obj_get(schemas, name))
			fail_msg("no component %s", name);
	}
	assert_true(refs > 100);
	json_obj_foreach (schemas, i, max, key, v)
		assert_true(yyjson_is_obj(v));
	print_message("apps/v1: %zu bytes, %zu components\n", len, yyjson_obj_size(schemas));
	openapi_hash(kinds, count, hash);
	openapi_hash(kinds, count, again);
	assert_string_equal(hash, again);
	openapi_hash(kinds, count - 1, again);
	assert_string_not_equal(hash, again);
	yyjson_doc_free(doc);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_openapi),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

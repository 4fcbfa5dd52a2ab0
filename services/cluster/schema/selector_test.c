/* SPDX-License-Identifier: Apache-2.0 */

/* Selectors of labels and fields, as queries have them. */

#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <cmocka.h>
#include <string.h>

#include "cluster/schema/schema.h"
#include "cluster/schema/selector.h"
#include "cluster/schema/status.h"
#include "lib/json.h"

static void test_selectors(void **state)
{
	static const struct {
		const char *query, *labels;
		bool matches;
	} table[] = {
		{"", "{}", true},
		{"a=b", "{\"a\":\"b\"}", true},
		{"a==b", "{\"a\":\"c\"}", false},
		{"a!=b", "{}", true},
		{"a in (b, c)", "{\"a\":\"c\"}", true},
		{"a notin (b,c)", "{\"a\":\"c\"}", false},
		{"a", "{\"a\":\"\"}", true},
		{"!a", "{\"a\":\"\"}", false},
		{"a>1", "{\"a\":\"2\"}", true},
		{"a<1", "{\"a\":\"2\"}", false},
		{"a=b,c in (d),!e", "{\"a\":\"b\",\"c\":\"d\"}", true},
		{"x.y/a = b", "{\"x.y/a\":\"b\"}", true},
		{"a=", "{\"a\":\"\"}", true},
	};
	static const char *const bad[] = {
		"a=b,", ",", "a in b", "a in (b", "a b", "(", "a=b=c", "!a=b", "a>b", "-a=b", "a=b c"};

	for (size_t i = 0; i < array_len(table); i++) {
		cleanup(json_docp) yyjson_doc *d = yyjson_read(table[i].labels, strlen(table[i].labels), 0);
		struct selector *s = NULL;

		assert_null(selector_parse_labels(&s, table[i].query));
		assert_int_equal(selector_matches_labels(s, yyjson_doc_get_root(d)), table[i].matches);
		selector_free(s);
	}
	for (size_t i = 0; i < array_len(bad); i++) {
		struct selector *s = NULL;
		struct status *err = selector_parse_labels(&s, bad[i]);

		if (!err)
			fail_msg("accepted: %s", bad[i]);
		assert_int_equal(err->code, 400);
		status_free(err);
	}
}

static void test_field_selectors(void **state)
{
	static const char pod[] =
		"{\"kind\":\"Pod\",\"metadata\":{\"name\":\"a\"},\"spec\":{\"nodeName\":\"n\"},\"status\":{\"phase\":\"Running\"}}";
	const struct schema_kind *k = schema_find("", "v1", "pods");
	cleanup(json_docp) yyjson_doc *d = yyjson_read(pod, strlen(pod), 0);
	struct selector *s = NULL;
	struct status *err;

	assert_null(selector_parse_fields(
		&s, "metadata.name=a,spec.nodeName!=m,status.phase==Running,spec.hostNetwork=false", k));
	assert_true(selector_matches_fields(s, yyjson_doc_get_root(d)));
	assert_string_equal(selector_demands(s, "metadata.name"), "a");
	selector_free(s);
	err = selector_parse_fields(&s, "spec.other=a", k);
	assert_string_equal(err->message, "field label not supported: spec.other");
	status_free(err);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_selectors),
		cmocka_unit_test(test_field_selectors),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */

/* Which pods hold more than limits.ephemeral-storage lets them, and what is said of them. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "agent/storage_limit.h"
#include "lib/json.h"

#define SIZES                                                                                                              \
	"[{\"SizeRw\": 3000000, \"Labels\": {\"io.kubernetes.pod.uid\": \"u\", \"io.kubernetes.container.name\": \"a\"}}," \
	" {\"SizeRw\": 1000000, \"Labels\": {\"io.kubernetes.pod.uid\": \"u\", \"io.kubernetes.container.name\": \"b\"}}," \
	" {\"SizeRw\": 9000000, \"Labels\": {\"io.kubernetes.pod.uid\": \"v\", \"io.kubernetes.container.name\": \"a\"}}," \
	" {\"SizeRw\": 9000000, \"Labels\": null}]"

#define LIMITED(name, limit)                                                                                 \
	"{\"name\": \"" name "\", \"resources\": {\"limits\": {\"ephemeral-storage\": \"" limit "\"}}}"

static void test_limits(void **state)
{
	static const struct {
		const char *containers;
		int64_t volumes;
		const char *said; /* "": it may */
	} rows[] = {
		{"{\"name\": \"a\"}", 1 << 30, ""},
		{LIMITED("a", "4M"), 0, ""},
		{LIMITED("a", "2Mi"), 0, "Container a exceeded its local ephemeral storage limit \"2Mi\". "},
		{LIMITED("a", "4M") "," LIMITED("b", "500k"), 0,
			"Container b exceeded its local ephemeral storage limit \"500k\". "},
		{LIMITED("a", "4Mi") "," LIMITED("b", "1Mi"), 1000000, ""},
		{LIMITED("a", "4Mi") "," LIMITED("b", "1Mi"), 2000000,
			"Pod ephemeral local storage usage exceeds the total limit of containers 5Mi. "},
		{LIMITED("a", "3M") ", {\"name\": \"b\"}", 0,
			"Pod ephemeral local storage usage exceeds the total limit of containers 3M. "},
	};
	cleanup(json_docp) yyjson_doc *sizes = yyjson_read(SIZES, strlen(SIZES), 0);

	for (size_t i = 0; i < array_len(rows); i++) {
		char text[1000], said[300];
		yyjson_doc *spec;

		snprintf(text, sizeof(text), "{\"containers\": [%s]}", rows[i].containers);
		spec = yyjson_read(text, strlen(text), 0);
		assert_non_null(spec);
		assert_int_equal(storage_limit_exceeded(yyjson_doc_get_root(spec), "u",
					 yyjson_doc_get_root(sizes), rows[i].volumes, said, sizeof(said)),
			*rows[i].said != 0);
		assert_string_equal(said, rows[i].said);
		yyjson_doc_free(spec);
	}
}

/* Sidecars have their part of what all may hold, and so has the runtime class. */
static void test_limits_of_all(void **state)
{
	static const struct {
		const char *spec;
		int64_t volumes;
		bool exceeded;
	} rows[] = {
		{"{\"containers\": [" LIMITED("a", "4M") "]}", 0, false},
		{"{\"containers\": [" LIMITED("a", "4M") "]}", 1, true},
		{"{\"containers\": [" LIMITED("a", "4M") "], \"overhead\": {\"ephemeral-storage\": \"1M\"}}",
			1000000, false},
		{"{\"containers\": [" LIMITED("a", "4M") "], \"overhead\": {\"ephemeral-storage\": \"1M\"}}",
			1000001, true},
		{"{\"containers\": [" LIMITED("a",
			 "4M") "], \"initContainers\": [{\"name\": \"s\", \"restartPolicy\": "
			       "\"Always\", \"resources\": {\"limits\": {\"ephemeral-storage\": \"2M\"}}}]}",
			2000000, false},
		{"{\"containers\": [" LIMITED("a", "4M") "], \"initContainers\": [" LIMITED("i", "5M") "]}",
			1000000, false},
		{"{\"containers\": [" LIMITED("a", "4M") "], \"initContainers\": [" LIMITED("i", "5M") "]}",
			1000001, true},
		/* what is not limited is not limited by that */
		{"{\"containers\": [{\"name\": \"a\"}], \"overhead\": {\"ephemeral-storage\": \"1M\"}}", 0,
			false},
	};
	cleanup(json_docp) yyjson_doc *sizes = yyjson_read(SIZES, strlen(SIZES), 0);

	for (size_t i = 0; i < array_len(rows); i++) {
		cleanup(json_docp) yyjson_doc *spec = yyjson_read(rows[i].spec, strlen(rows[i].spec), 0);
		char said[300];

		assert_non_null(spec);
		assert_int_equal(storage_limit_exceeded(yyjson_doc_get_root(spec), "u",
					 yyjson_doc_get_root(sizes), rows[i].volumes, said, sizeof(said)),
			rows[i].exceeded);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_limits), cmocka_unit_test(test_limits_of_all)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

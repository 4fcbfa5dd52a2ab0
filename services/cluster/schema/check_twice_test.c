/* SPDX-License-Identifier: Apache-2.0 */

/* What is there twice in a list: against comparing each with each, and as many items as a body has room for. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "cluster/schema/check_int.h"
#include "cluster/schema/meta.h"
#include "cluster/schema/verdict_testing.h"

static const char *const name_only[] = {"name", NULL}, *const two[] = {"port", "protocol", NULL};
static const struct schema_rules by_name = {.keys = name_only}, by_two = {.keys = two};

/* How many errors, and that each is of an item that is like an earlier one. */
static size_t naive(yyjson_mut_val *list, const struct schema_rules *r, bool *again)
{
	size_t n = yyjson_mut_arr_size(list), found = 0;

	for (size_t i = 0; i < n; i++) {
		again[i] = false;
		for (size_t j = 0; j < i && !again[i]; j++) {
			yyjson_mut_val *a = yyjson_mut_arr_get(list, i), *b = yyjson_mut_arr_get(list, j);

			again[i] = !r && meta_equal(a, b);
			if (!r)
				continue;
			again[i] = true;
			for (const char *const *k = r->keys; *k; k++) {
				yyjson_mut_val *x = yyjson_mut_obj_get(a, *k), *y = yyjson_mut_obj_get(b, *k);

				again[i] &= (!x && !y) || meta_equal(x, y);
			}
		}
		found += again[i];
	}
	return found;
}

static yyjson_mut_val *scalar(yyjson_mut_doc *d, unsigned dice)
{
	static const char *const texts[] = {"", "a", "b", "ab"};

	switch (dice % 8) {
	case 0:
		return yyjson_mut_uint(d, dice / 8 % 3);
	case 1:
		return yyjson_mut_sint(d, (int)(dice / 8 % 3));
	case 2:
		return yyjson_mut_real(d, dice / 8 % 3);
	case 3:
		return yyjson_mut_bool(d, dice / 8 % 2);
	case 4:
		return yyjson_mut_strn(d, "a\0b", 3);
	default:
		return yyjson_mut_str(d, texts[dice / 8 % 4]);
	}
}

static yyjson_mut_val *item(yyjson_mut_doc *d, const struct schema_rules *r)
{
	yyjson_mut_val *o = yyjson_mut_obj(d);

	if (!r && rand() % 4)
		return scalar(d, (unsigned)rand());
	for (const char *const *k = r ? r->keys : name_only; *k; k++)
		if (rand() % 4)
			yyjson_mut_obj_add_val(d, o, *k, scalar(d, (unsigned)rand()));
	yyjson_mut_obj_add_int(d, o, "other", r ? rand() : rand() % 2);
	return o;
}

static void test_against_comparing_each(void **state)
{
	static const struct schema_rules *const rules[] = {NULL, &by_name, &by_two};

	srand(1);
	for (int round = 0; round < 3000; round++) {
		const struct schema_rules *r = rules[round % 3];
		yyjson_mut_doc *d = yyjson_mut_doc_new(NULL);
		yyjson_mut_val *list = yyjson_mut_arr(d);
		struct field_errors errors = {0};
		struct check c = {.errors = &errors};
		bool again[24];
		size_t at = 0;

		for (int n = rand() % 24; n > 0; n--)
			yyjson_mut_arr_append(list, item(d, r));
		check_twice(&c, list, r);
		assert_int_equal(errors.n, naive(list, r, again));
		for (size_t i = 0; i < yyjson_mut_arr_size(list); i++) {
			char field[32];

			if (!again[i])
				continue;
			snprintf(field, sizeof(field), r == &by_name ? "[%zu].name" : "[%zu]", i);
			assert_string_equal(errors.items[at++].field, field);
		}
		field_errors_fini(&errors);
		yyjson_mut_doc_free(d);
	}
}

/* 200,000 that differ, then 200,000 that do not: each with each would be 20 thousand million comparisons. */
static void test_very_many(void **state)
{
	for (int alike = 0; alike < 2; alike++) {
		yyjson_mut_doc *d = yyjson_mut_doc_new(NULL);
		yyjson_mut_val *list = yyjson_mut_arr(d);
		struct field_errors errors = {0};
		struct check c = {.errors = &errors};
		struct status *s;

		for (int i = 0; i < 200000; i++) {
			yyjson_mut_val *o = yyjson_mut_arr_add_obj(d, list);
			char name[16];

			snprintf(name, sizeof(name), "%06d", alike ? 0 : (i * 7919) % 200000);
			yyjson_mut_obj_add_strcpy(d, o, "name", name);
		}
		check_twice(&c, list, &by_name);
		assert_int_equal(errors.n, alike ? FIELD_ERRORS_MAX : 0);
		assert_int_equal(errors.more, alike ? 199999 - FIELD_ERRORS_MAX : 0);
		s = field_errors_status(&errors, schema_find_kind("v1", "Pod"), "p");
		if (alike)
			assert_non_null(strstr(s->message, ", and 199499 more]"));
		else
			assert_null(s);
		status_free(s);
		field_errors_fini(&errors);
		yyjson_mut_doc_free(d);
	}
}

/* Objects as long as each other, as items that count as a whole: the last is the first, written in another way. */
static void test_objects_as_a_whole(void **state)
{
	yyjson_mut_doc *d = yyjson_mut_doc_new(NULL);
	yyjson_mut_val *list = yyjson_mut_arr(d), *o;
	struct field_errors errors = {0};
	struct check c = {.errors = &errors};

	for (int i = 0; i < 50000; i++) {
		o = yyjson_mut_arr_add_obj(d, list);
		yyjson_mut_obj_add_int(d, o, "a", i);
		yyjson_mut_obj_add_int(d, yyjson_mut_obj_add_obj(d, o, "b"), "c", 1);
	}
	check_twice(&c, list, NULL);
	assert_int_equal(errors.n, 0);
	o = yyjson_mut_arr_add_obj(d, list);
	yyjson_mut_obj_add_real(d, yyjson_mut_obj_add_obj(d, o, "b"), "c", 1.0);
	yyjson_mut_obj_add_int(d, o, "a", 0);
	check_twice(&c, list, NULL);
	assert_int_equal(errors.n, 1);
	field_errors_fini(&errors);
	yyjson_mut_doc_free(d);
}

/* Members that are empty, and items of an earlier list. */
static void test_once(void **state)
{
	static const struct {
		enum check_empty empty;
		const char *const wrong[4];
	} cases[] = {
		{CHECK_EMPTY_IS_NONE, {"a[3].name", "b[0].name"}},
		{CHECK_EMPTY_IS_ABSENT, {"a[2].name", "a[3].name", "b[0].name", "b[1].name"}},
		{CHECK_EMPTY_IS_A_VALUE, {"a[3].name", "b[0].name", "b[1].name"}},
	};
	static const char *const names[2][4] = {{"x", "", NULL, "x"}, {"x", NULL, "y", "z"}};
	yyjson_mut_doc *d = yyjson_mut_doc_new(NULL);
	struct check_list lists[] = {{yyjson_mut_arr(d), ".a"}, {yyjson_mut_arr(d), ".b"}};

	for (size_t l = 0; l < 2; l++)
		for (size_t i = 0; i < 4; i++) {
			yyjson_mut_val *o = yyjson_mut_arr_add_obj(d, lists[l].items);

			if (names[l][i])
				yyjson_mut_obj_add_str(d, o, "name", names[l][i]);
		}
	for (size_t i = 0; i < array_len(cases); i++) {
		const struct check_once rule = {
			CHECK_KEYS("name"), cases[i].empty, FIELD_DUPLICATE, "name", NULL};
		struct field_errors errors = {0};
		struct check c = {.errors = &errors};
		size_t n = 0;

		check_once(&c, lists, 2, &rule);
		for (; n < errors.n; n++)
			assert_string_equal(errors.items[n].field, cases[i].wrong[n]);
		assert_true(n == array_len(cases[i].wrong) || !cases[i].wrong[n]);
		field_errors_fini(&errors);
	}
	yyjson_mut_doc_free(d);
}

/* @text with @n for each #. */
static void number(FILE *f, const char *text, int n)
{
	for (; *text; text++)
		if (*text == '#')
			fprintf(f, "%d", n);
		else
			putc(*text, f);
}

struct long_list {
	const char *api_version, *kind, *head, *item, *between, *other, *tail;
	int n;
	const char *wrong;
};

static void check_long_lists(const struct long_list *cases, size_t n_cases)
{
	for (size_t i = 0; i < n_cases; i++) {
		cleanup(freep) char *body = NULL, *got = NULL;
		const char *items[] = {cases[i].item, cases[i].other};
		size_t len;
		FILE *f = open_memstream(&body, &len);

		assert_non_null(f);
		fprintf(f, "{\"metadata\":{\"name\":\"a\",\"namespace\":\"n\"},%s", cases[i].head);
		for (size_t l = 0; l < 2 && items[l]; l++) {
			for (int n = 1; n <= cases[i].n; n++) {
				fputs(n == 1 ? (l ? cases[i].between : "") : ",", f);
				number(f, items[l], n);
			}
		}
		fprintf(f, "%s}", cases[i].tail);
		assert_int_equal(fclose(f), 0);
		got = verdict_of(cases[i].api_version, cases[i].kind, NULL, body, VALIDATE_MAIN);
		if (!cases[i].wrong)
			assert_string_equal(got, "valid");
		else if (!strstr(got, cases[i].wrong))
			fail_msg("%.300s", got);
	}
}

/* Lists as long as a body has room for them: each with each would be minutes. */
static void test_long_lists(void **state)
{
	static const struct long_list cases[] = {
		{"v1", "Service", "\"spec\":{\"ports\":[", "{\"name\":\"p#\",\"port\":#}", "", NULL, "]}",
			50000},
		{"v1", "Node", "\"spec\":{\"taints\":[", "{\"key\":\"k#\",\"effect\":\"NoSchedule\"}", "",
			NULL, "]}", 50000},
		{"discovery.k8s.io/v1", "EndpointSlice",
			"\"addressType\":\"IPv4\",\"endpoints\":[],\"ports\":[", "{\"name\":\"p#\"}", "",
			NULL, "]", 20000},
		{"v1", "Pod", "\"spec\":{\"volumes\":[", "{\"name\":\"v#\",\"emptyDir\":{}}",
			"],\"containers\":[{\"name\":\"c\",\"image\":\"i\",\"volumeMounts\":[",
			"{\"name\":\"v#\",\"mountPath\":\"/#\"}", "]}]}", 30000},
		{"v1", "Pod", "\"spec\":{\"containers\":[",
			"{\"name\":\"c#\",\"image\":\"i\",\"ports\":[{\"containerPort\":1,\"hostPort\":#}]}",
			"", NULL, "]}", 10000},
		{"v1", "Pod", "\"spec\":{\"containers\":[{\"name\":\"c\",\"image\":\"i\",\"ports\":[",
			"{\"name\":\"p#\",\"containerPort\":1,\"hostPort\":#}", "", NULL, "]}]}", 50000},
		{"v1", "Pod",
			"\"spec\":{\"containers\":[{\"name\":\"c\",\"image\":\"i\",\"resources\":{\"limits\":{",
			"\"a.b/k#\":\"1\"", "", NULL, "}}}]}", 256},
		{"v1", "Pod",
			"\"spec\":{\"containers\":[{\"name\":\"c\",\"image\":\"i\",\"resources\":{\"limits\":{",
			"\"a.b/k#\":\"1\"", "", NULL, "}}}]}", 50000,
			"Too many: 50000: must have at most 256 items"},
	};

	check_long_lists(cases, array_len(cases));
}

#define CONTAINER "\"spec\":{\"containers\":[{\"name\":\"c\",\"image\":\"i\"}],"
#define REQUIRED  "\"requiredDuringSchedulingIgnoredDuringExecution\":"
#define PREFERRED "\"preferredDuringSchedulingIgnoredDuringExecution\":"
#define TERM(key) "{\"topologyKey\":\"" key "\"}"
#define LIKED	  "{\"weight\":1,\"podAffinityTerm\":" TERM("a#") "}"
#define SPREAD	  "{\"maxSkew\":1,\"whenUnsatisfiable\":\"DoNotSchedule\",\"topologyKey\":\"a#\"}"
#define SELECTOR                                                                                             \
	CONTAINER "\"affinity\":{\"podAffinity\":{" REQUIRED "[{\"topologyKey\":\"a\",\"labelSelector\":"

/* What goes where others are is read for each pod that looks for a node. */
static void test_lists_of_terms(void **state)
{
	static const struct long_list cases[] = {
		{"v1", "Pod", CONTAINER "\"affinity\":{\"podAffinity\":{" REQUIRED "[", TERM("a#"), "", NULL,
			"]}}}", 128},
		{"v1", "Pod", CONTAINER "\"affinity\":{\"podAffinity\":{" REQUIRED "[", TERM("a#"), "", NULL,
			"]}}}", 129,
			"spec.affinity.podAffinity.requiredDuringSchedulingIgnoredDuringExecution: Too many: 129: must have at "
			"most 128 items"},
		{"v1", "Pod", CONTAINER "\"affinity\":{\"podAntiAffinity\":{" REQUIRED "[", TERM("a#"), "",
			NULL, "]}}}", 129,
			"spec.affinity.podAntiAffinity.requiredDuringSchedulingIgnoredDuringExecution: Too many: 129: "},
		{"v1", "Pod", CONTAINER "\"affinity\":{\"podAffinity\":{" PREFERRED "[", LIKED, "", NULL,
			"]}}}", 129,
			"spec.affinity.podAffinity.preferredDuringSchedulingIgnoredDuringExecution: Too many: 129: "},
		{"v1", "Pod", CONTAINER "\"affinity\":{\"podAntiAffinity\":{" PREFERRED "[", LIKED, "", NULL,
			"]}}}", 129,
			"spec.affinity.podAntiAffinity.preferredDuringSchedulingIgnoredDuringExecution: Too many: 129: "},
		{"v1", "Pod", CONTAINER "\"topologySpreadConstraints\":[", SPREAD, "", NULL, "]}", 128},
		{"v1", "Pod", CONTAINER "\"topologySpreadConstraints\":[", SPREAD, "", NULL, "]}", 129,
			"spec.topologySpreadConstraints: Too many: 129: must have at most 128 items"},
		{"v1", "Pod", SELECTOR "{\"matchExpressions\":[", "{\"key\":\"k#\",\"operator\":\"Exists\"}",
			"", NULL, "]}}]}}}", 1000},
		{"v1", "Pod", SELECTOR "{\"matchExpressions\":[", "{\"key\":\"k#\",\"operator\":\"Exists\"}",
			"", NULL, "]}}]}}}", 1001,
			"Execution[0].labelSelector: Too many: 1001: must have at most 1000 items"},
		/* both count */
		{"v1", "Pod",
			SELECTOR
			"{\"matchExpressions\":[{\"key\":\"k\",\"operator\":\"Exists\"}],\"matchLabels\":{",
			"\"k#\":\"v\"", "", NULL, "}}}]}}}", 1000,
			"Execution[0].labelSelector: Too many: 1001: must have at most 1000 items"},
		{"v1", "Pod",
			SELECTOR "{\"matchExpressions\":[{\"key\":\"k\",\"operator\":\"In\",\"values\":[",
			"\"v#\"", "", NULL, "]}]}}]}}}", 10000},
		{"v1", "Pod",
			SELECTOR "{\"matchExpressions\":[{\"key\":\"k\",\"operator\":\"In\",\"values\":[",
			"\"v#\"", "", NULL, "]}]}}]}}}", 10001,
			"labelSelector.matchExpressions[0].values: Too many: 10001: must have at most 10000 items"},
	};

	check_long_lists(cases, array_len(cases));
}

/* Of what another version has accepted the rest may change. */
static void test_too_many_that_are_there(void **state)
{
	static const char *const heads[] = {"containers: [{name: c, image: i}], affinity: {podAffinity: {"
					    "requiredDuringSchedulingIgnoredDuringExecution: [",
		"containers: [{name: c, image: i}], affinity: {podAffinity: {"
		"requiredDuringSchedulingIgnoredDuringExecution: [{topologyKey: a, labelSelector: {matchExpressions: ["};
	static const char *const items[] = {"{topologyKey: a}", "{key: a, operator: Exists}"},
				 *const tails[] = {"]}}", "]}}]}}"};

	for (size_t i = 0; i < array_len(heads); i++) {
		cleanup(freep) char *body = NULL, *before = NULL, *got = NULL, *fresh = NULL;
		size_t len;
		FILE *f = open_memstream(&body, &len);

		assert_non_null(f);
		fprintf(f, "metadata: {name: a, namespace: n, finalizers: [a.b/c]}\nspec: {%s", heads[i]);
		for (int n = 0; n < 1001; n++)
			fprintf(f, "%s%s", n ? "," : "", items[i]);
		fprintf(f, "%s}", tails[i]);
		assert_int_equal(fclose(f), 0);
		before = strdup(body);
		assert_non_null(before);
		memcpy(strstr(body, "a.b/c"), "a.b/d", 5);
		got = verdict_of("v1", "Pod", before, body, VALIDATE_MAIN);
		assert_string_equal(got, "valid");
		fresh = verdict_of("v1", "Pod", NULL, body, VALIDATE_MAIN);
		assert_non_null(strstr(fresh, "Too many: 1001"));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_against_comparing_each),
		cmocka_unit_test(test_very_many),
		cmocka_unit_test(test_objects_as_a_whole),
		cmocka_unit_test(test_once),
		cmocka_unit_test(test_lists_of_terms),
		cmocka_unit_test(test_too_many_that_are_there),
		cmocka_unit_test(test_long_lists),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

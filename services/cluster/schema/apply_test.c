/* SPDX-License-Identifier: Apache-2.0 */

/* Server-side apply: the stories that its users know, and bounds of what is large. */

#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "cluster/schema/apply_testing.h"
#include "cluster/schema/meta.h"

static void update(yyjson_mut_doc **live, const char *manager, const char *pointer, const char *value)
{
	struct apply_manager m = {.name = manager, .subresource = "", .time = TIME};
	yyjson_mut_doc *doc = yyjson_mut_doc_mut_copy(*live, NULL);
	cleanup(json_docp) yyjson_doc *v = yyjson_read(value, strlen(value), 0);

	assert_true(yyjson_mut_doc_ptr_set(doc, pointer, yyjson_val_mut_copy(doc, yyjson_doc_get_root(v))));
	assert_null(apply_update(doc, (*live)->root, deployment(), &m));
	yyjson_mut_doc_free(*live);
	*live = doc;
}

static void assert_object(yyjson_mut_doc *live, const char *want)
{
	cleanup(json_mut_docp) yyjson_mut_doc *expected = doc_of_yaml(want);
	yyjson_mut_val *copy = yyjson_mut_val_mut_copy(live, live->root);

	yyjson_mut_obj_remove_key(yyjson_mut_obj_get(copy, "metadata"), "managedFields");
	if (!meta_equal(copy, expected->root)) {
		char *got = yyjson_mut_val_write(copy, 0, NULL);

		fail_msg("want %s\n got %s", want, got);
	}
}

static void assert_fields(yyjson_mut_doc *live, const char *manager, const char *want)
{
	size_t i, n;
	yyjson_mut_val *v;
	cleanup(json_mut_docp) yyjson_mut_doc *expected = want ? doc_of_yaml(want) : NULL;

	yyjson_mut_arr_foreach(meta_mut_get(live->root, "metadata", "managedFields", NULL), i, n, v)
	{
		cleanup(freep) char *got = NULL;

		if (!yyjson_mut_equals_str(yyjson_mut_obj_get(v, "manager"), manager))
			continue;
		got = yyjson_mut_val_write(yyjson_mut_obj_get(v, "fieldsV1"), 0, NULL);
		if (!want || !meta_equal(yyjson_mut_obj_get(v, "fieldsV1"), expected->root))
			fail_msg("%s: want %s\n got %s", manager, want ? want : "nothing", got);
		return;
	}
	if (want)
		fail_msg("%s owns nothing", manager);
}

#define HEAD "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: a}\n"

/* kubectl makes what it applied by updates its own, maps and lists as such included, and then applies for the first time. */
static void test_from_updates(void **state)
{
	static const char text[] = HEAD
		"spec: {selector: {matchLabels: {app: a}}, template: {metadata: {labels: {app: a, more: b}}, spec: {containers: "
		"[{name: c, image: i, ports: [{containerPort: 80, protocol: TCP}]}]}}}";
	yyjson_mut_doc *live = doc_of_yaml(text), *none = doc_of_yaml("{}");
	struct apply_manager m = {.name = "kubectl", .subresource = "", .time = TIME};
	yyjson_mut_val *entry;

	assert_null(apply_update(live, none->root, deployment(), &m));
	entry = yyjson_mut_arr_get_first(meta_mut_get(live->root, "metadata", "managedFields", NULL));
	assert_non_null(
		meta_mut_get(entry, "fieldsV1", "f:spec", "f:template", "f:metadata", "f:labels", ".", NULL));
	yyjson_mut_obj_remove_key(entry, "operation");
	yyjson_mut_obj_add_str(live, entry, "operation", "Apply");
	applies(live, "kubectl", false, text);
	assert_object(live, text);

	/* and what is applied no more goes as ever */
	applies(live, "kubectl", false,
		HEAD
		"spec: {selector: {matchLabels: {app: a}}, template: {metadata: {labels: {app: a}}, spec: {containers: "
		"[{name: c, image: i}]}}}");
	assert_object(live, HEAD
		"spec: {selector: {matchLabels: {app: a}}, template: {metadata: {labels: {app: a}}, spec: {containers: "
		"[{name: c, image: i}]}}}");
	yyjson_mut_doc_free(none);
	yyjson_mut_doc_free(live);
}

static void test_create_and_shrink(void **state)
{
	yyjson_mut_doc *live = doc_of_yaml("{}");

	applies(live, "kubectl", false,
		"apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: a, labels: {x: '1', y: '2'}}\nspec: {replicas: 2, template: "
		"{spec: {containers: [{name: c, image: i}, {name: d, image: j}]}}}");
	assert_fields(live, "kubectl",
		"{\"f:metadata\":{\"f:labels\":{\"f:x\":{},\"f:y\":{}}},\"f:spec\":{\"f:replicas\":{},\"f:template\":{\"f:spec\":{"
		"\"f:containers\":{\"k:{\\\"name\\\":\\\"c\\\"}\":{\".\":{},\"f:name\":{},\"f:image\":{}},\"k:{\\\"name\\\":\\\"d\\\"}\":{"
		"\".\":{},\"f:name\":{},\"f:image\":{}}}}}}}");
	/* what is left out goes: a label, a container, the replicas */
	applies(live, "kubectl", false,
		"apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: a, labels: {x: '1'}}\nspec: {template: {spec: {containers: "
		"[{name: d, image: k}]}}}");
	assert_object(live,
		"apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: a, labels: {x: '1'}}\nspec: {template: {spec: {containers: "
		"[{name: d, image: k}]}}}");
	yyjson_mut_doc_free(live);
}

static void test_conflict_and_force(void **state)
{
	yyjson_mut_doc *live = doc_of_yaml("{}");
	cleanup(freep) char *why = NULL, *two = NULL;

	applies(live, "kubectl", false, HEAD "spec: {replicas: 2, paused: true}");
	update(&live, "scaler", "/spec/replicas", "5");
	assert_fields(live, "scaler", "{\"f:spec\":{\"f:replicas\":{}}}");
	assert_fields(live, "kubectl", "{\"f:spec\":{\"f:paused\":{}}}");
	why = apply(live, "kubectl", false, HEAD "spec: {replicas: 3, paused: true}");
	assert_string_equal(
		why, "Apply failed with 1 conflict: conflict with \"scaler\" using apps/v1: .spec.replicas");
	update(&live, "scaler", "/spec/minReadySeconds", "7");
	two = apply(live, "kubectl", false, HEAD "spec: {replicas: 3, minReadySeconds: 1}");
	assert_string_equal(two,
		"Apply failed with 2 conflicts: conflicts with \"scaler\" using apps/v1:\n- .spec.replicas\n- .spec.minReadySeconds");
	yyjson_mut_doc_free(live);

	/* forced: taken. And the same value is shared without a word. */
	live = doc_of_yaml("{}");
	applies(live, "kubectl", false, HEAD "spec: {replicas: 2, paused: true}");
	update(&live, "scaler", "/spec/replicas", "5");
	applies(live, "other", false, HEAD "spec: {replicas: 5}");
	applies(live, "kubectl", true, HEAD "spec: {replicas: 3, paused: true}");
	assert_object(live, HEAD "spec: {replicas: 3, paused: true}");
	assert_fields(live, "scaler", NULL);
	assert_fields(live, "other", NULL);
	yyjson_mut_doc_free(live);
}

/* A container stays while somebody else owns a part of it. */
static void test_shared_item(void **state)
{
	yyjson_mut_doc *live = doc_of_yaml("{}");

	applies(live, "a", false, HEAD "spec: {template: {spec: {containers: [{name: c, image: i}]}}}");
	applies(live, "b", false, HEAD "spec: {template: {spec: {containers: [{name: c, workingDir: /w}]}}}");
	applies(live, "a", false, HEAD);
	assert_object(live, HEAD "spec: {template: {spec: {containers: [{name: c, workingDir: /w}]}}}");
	yyjson_mut_doc_free(live);
}

static void test_refusals(void **state)
{
	yyjson_mut_doc *live = doc_of_yaml("{}");
	cleanup(freep) char *managed = NULL, *unknown = NULL;

	managed = apply(live, "a", false,
		"apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: a, managedFields: [{}]}");
	assert_string_equal(managed, "metadata.managedFields must be nil");
	unknown = apply(live, "a", false, HEAD "spec: {foo: 1}");
	assert_non_null(
		strstr(unknown, "failed to create typed patch object (/a; apps/v1, Kind=Deployment): "));
	assert_non_null(strstr(unknown, "unknown field \"spec.foo\""));
	yyjson_mut_doc_free(live);
}

static void test_update_by_hand(void **state)
{
	struct apply_manager m = {.name = "kubectl-create", .subresource = "", .time = TIME};
	yyjson_mut_doc *doc = doc_of_yaml(
		"apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: a, labels: {x: '1'}}\nspec: {replicas: 1}");

	assert_null(apply_update(doc, NULL, deployment(), &m));
	assert_fields(doc, "kubectl-create",
		"{\"f:metadata\":{\"f:labels\":{\".\":{},\"f:x\":{}}},\"f:spec\":{\"f:replicas\":{}}}");
	yyjson_mut_doc_free(doc);
}

/* Numbers that are one number are one item, and one key, however they are written. */
static void test_forms_of_numbers(void **state)
{
	static const char *const keys[] = {"port", "a", NULL};
	static const struct schema_rules by_port = {.keys = keys};
	static const struct schema_field in_item[] = {
		{.name = "a", .base = SCHEMA_STRING}, {.name = "port", .base = SCHEMA_DOUBLE}};
	static const struct schema_type item = {
		.name = "Item", .package = "v1", .fields = in_item, .n_fields = 2, .flags = SCHEMA_EXACT};
	static const struct schema_field fields[] = {{.name = "m",
							     .base = SCHEMA_OBJECT,
							     .type = &item,
							     .shape = SCHEMA_LIST,
							     .list = SCHEMA_LIST_MAP,
							     .rules = &by_port},
		{.name = "s", .base = SCHEMA_DOUBLE, .shape = SCHEMA_LIST, .list = SCHEMA_SET}};
	static const struct schema_type type = {
		.name = "T", .package = "v1", .fields = fields, .n_fields = 2, .flags = SCHEMA_EXACT};
	static const struct schema_kind kind = {
		.group = "x.io", .version = "v1", .api_version = "x.io/v1", .kind = "T", .type = &type};
	const struct apply_manager m = {.name = "a", .subresource = "", .time = TIME};
	cleanup(json_mut_docp)
		yyjson_mut_doc *live = doc_of("{\"s\":[1.0,2],\"m\":[{\"port\":80.0,\"a\":\"x\"}]}"),
			       *wish = doc_of("{\"s\":[1,2.0],\"m\":[{\"a\":\"x\",\"port\":80}]}");
	cleanup(freep) char *set = NULL, *map = NULL, *owned = NULL;

	assert_null(apply_object(live, wish->root, &kind, &m));
	set = yyjson_mut_val_write(yyjson_mut_obj_get(live->root, "s"), 0, NULL);
	map = yyjson_mut_val_write(yyjson_mut_obj_get(live->root, "m"), 0, NULL);
	owned = yyjson_mut_val_write(
		yyjson_mut_doc_ptr_get(live, "/metadata/managedFields/0/fieldsV1"), 0, NULL);
	assert_string_equal(set, "[1.0,2]");
	assert_string_equal(map, "[{\"port\":80,\"a\":\"x\"}]");
	assert_string_equal(owned,
		"{\"f:s\":{\"v:1\":{},\"v:2\":{}},\"f:m\":{\"k:{\\\"port\\\":80,\\\"a\\\":\\\"x\\\"}\":"
		"{\".\":{},\"f:a\":{},\"f:port\":{}}}}");
}

/* A deployment in YAML with as many labels: k0: v, k1: v ... Owned. */
static char *labelled(int n)
{
	char *text = NULL;
	size_t len;
	FILE *f = open_memstream(&text, &len);

	assert_non_null(f);
	fputs("apiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: d\n  labels:\n", f);
	for (int i = 0; i < n; i++)
		fprintf(f, "    k%d: v\n", i);
	assert_int_equal(fclose(f), 0);
	return text;
}

#define WITH_ENV(env)                                                                                        \
	"apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: d}\nspec: {template: {spec: {containers: "  \
	"[{name: c, env: [" env "]}]}}}"

/* Whoever names a label twice is refused, be they few or many. */
static void test_named_twice(void **state)
{
	static const int sizes[] = {1, 40};

	for (size_t i = 0; i < array_len(sizes); i++) {
		cleanup(freep) char *body = labelled(sizes[i]), *yaml = NULL, *json = NULL, *labels = NULL,
				    *why = NULL, *other = NULL;
		cleanup(json_mut_docp) yyjson_mut_doc *live = doc_of_yaml(body);

		labels = yyjson_mut_val_write(yyjson_mut_doc_ptr_get(live, "/metadata/labels"), 0, NULL);
		assert_true(asprintf(&yaml, "%s    k0: w\n", body) > 0);
		assert_true(
			asprintf(&json,
				"{\"apiVersion\":\"apps/v1\",\"kind\":\"Deployment\",\"metadata\":{\"name\":\"d\",\"labels\":"
				"{\"k0\":\"w\",%s}}",
				labels + 1) > 0);
		why = apply(live, "a", true, yaml);
		other = apply(live, "a", true, json);
		assert_non_null(strstr(why ?: "", "duplicate field \"metadata.labels.k0\""));
		assert_non_null(strstr(other ?: "", "duplicate field \"metadata.labels.k0\""));
	}
}

/* Of items that there are twice under a key, an apply of that key leaves one; of those it does not name all. */
static void test_there_twice(void **state)
{
	static const struct {
		const char *live, *want, *made;
	} table[] = {
		{"{name: A, value: '1'}, {name: B}, {name: A, value: '2'}", "{name: A, value: '3'}",
			"[{\"name\":\"A\",\"value\":\"3\"},{\"name\":\"B\"}]"},
		{"{name: A, value: '1'}, {name: B}, {name: A, value: '2'}",
			"{name: B, value: '3'}, {name: A, value: '3'}",
			"[{\"name\":\"B\",\"value\":\"3\"},{\"name\":\"A\",\"value\":\"3\"}]"},
		{"{name: A, value: '1'}, {name: A, value: '2'}", "{name: C, value: '3'}",
			"[{\"name\":\"A\",\"value\":\"1\"},{\"name\":\"A\",\"value\":\"2\"},{\"name\":\"C\",\"value\":\"3\"}]"},
	};

	for (size_t i = 0; i < array_len(table); i++) {
		cleanup(freep) char *live = NULL, *wish = NULL, *made = NULL;
		cleanup(json_mut_docp) yyjson_mut_doc *doc = NULL;

		assert_true(asprintf(&live, WITH_ENV("%s"), table[i].live) > 0);
		assert_true(asprintf(&wish, WITH_ENV("%s"), table[i].want) > 0);
		doc = doc_of_yaml(live);
		applies(doc, "a", true, wish);
		made = yyjson_mut_val_write(
			yyjson_mut_doc_ptr_get(doc, "/spec/template/spec/containers/0/env"), 0, NULL);
		assert_string_equal(made, table[i].made);
	}
}

/* ---- what is large */

/* Past a number of members a map is one's as a whole: 100,000 would be looked for one by one. */
static void test_very_many(void **state)
{
	const struct apply_manager creator = {.name = "creator", .subresource = "", .time = TIME};
	static const int sizes[] = {2048, 2049, 100000};

	for (size_t i = 0; i < array_len(sizes); i++) {
		cleanup(freep) char *body = labelled(sizes[i]), *why = NULL;
		cleanup(json_mut_docp) yyjson_mut_doc *live = doc_of_yaml(body),
						      *none = yyjson_mut_doc_new(NULL);
		yyjson_mut_val *labels;

		assert_null(apply_update(live, NULL, deployment(), &creator));
		assert_int_equal(yyjson_mut_obj_size(yyjson_mut_doc_ptr_get(
					 live, "/metadata/managedFields/0/fieldsV1/f:metadata/f:labels")),
			sizes[i] > 2048 ? 0 : 2049);
		/* one more of somebody else's, and all stay */
		applies(live, "other", false,
			"apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: d, labels: {another: one}}");
		labels = yyjson_mut_doc_ptr_get(live, "/metadata/labels");
		assert_int_equal(yyjson_mut_obj_size(labels), sizes[i] + 1);
		applies(live, "other", false,
			"apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: d, labels: {k5: v}}");
		assert_null(yyjson_mut_obj_get(labels, "another"));
		assert_int_equal(yyjson_mut_obj_size(labels), sizes[i]);

		yyjson_mut_doc_set_root(none, yyjson_mut_obj(none));
		why = apply(none, "other", false, body);
		if (sizes[i] > 2048)
			assert_non_null(strstr(why ?: "", "metadata.labels has "));
		else
			assert_null(why);
	}
}

/* A deployment with one container that has variables from @from to @to, backwards if @to is less; @more: of each. */
static char *with_env(int from, int to, const char *more)
{
	char *text = NULL;
	size_t len;
	int step = from < to ? 1 : -1;
	FILE *f = open_memstream(&text, &len);

	fputs(HEAD "spec: {template: {spec: {containers: [{name: c, env: [", f);
	for (int i = from; i != to; i += step)
		fprintf(f, "%s{name: E%03d%s}", i == from ? "" : ", ", i, more);
	fputs("]}]}}}", f);
	assert_int_equal(fclose(f), 0);
	return text;
}

/* How often @part is in what is written of it. */
static size_t how_often(yyjson_mut_val *v, const char *part)
{
	cleanup(freep) char *text = yyjson_mut_val_write(v, 0, NULL);
	size_t n = 0;

	for (const char *p = text; (p = strstr(p, part)); p++)
		n++;
	return n;
}

static size_t owned(yyjson_mut_doc *live, const char *manager, const char *part)
{
	size_t i, n;
	yyjson_mut_val *v;

	yyjson_mut_arr_foreach(meta_mut_get(live->root, "metadata", "managedFields", NULL), i, n,
		v) if (yyjson_mut_equals_str(yyjson_mut_obj_get(v, "manager"), manager)) return how_often(v,
		part);
	return 0;
}

/* A long list of two managers, of whom the second names its items backwards. */
static void test_long_lists(void **state)
{
	cleanup(json_mut_docp) yyjson_mut_doc *live = yyjson_mut_doc_new(NULL);
	cleanup(freep) char *all = with_env(0, 300, ""), *valued = with_env(299, -1, ", value: x"),
			    *head = with_env(0, 100, ""), *tail = with_env(200, 300, ", value: x"),
			    *why = NULL, *other = with_env(250, 260, ", value: y");
	yyjson_mut_val *env;

	yyjson_mut_doc_set_root(live, yyjson_mut_obj(live));
	applies(live, "m", false, all);
	applies(live, "n", false, valued);
	env = yyjson_mut_doc_ptr_get(live, "/spec/template/spec/containers/0/env");
	assert_int_equal(yyjson_mut_arr_size(env), 300);
	assert_true(yyjson_mut_equals_str(
		yyjson_mut_doc_ptr_get(live, "/spec/template/spec/containers/0/env/0/name"), "E299"));
	assert_int_equal(how_often(env, "\"value\":\"x\""), 300);
	assert_int_equal(owned(live, "m", "k:{\\\"name\\\":\\\"E"), 300);
	assert_int_equal(owned(live, "m", "f:value"), 0);
	assert_int_equal(owned(live, "n", "f:value"), 300);
	/* what one does not name any more the other keeps */
	applies(live, "m", false, head);
	env = yyjson_mut_doc_ptr_get(live, "/spec/template/spec/containers/0/env");
	assert_int_equal(yyjson_mut_arr_size(env), 300);
	assert_int_equal(owned(live, "m", "f:name"), 101);
	/* and what neither does goes */
	applies(live, "n", false, tail);
	env = yyjson_mut_doc_ptr_get(live, "/spec/template/spec/containers/0/env");
	assert_int_equal(yyjson_mut_arr_size(env), 200);
	assert_int_equal(how_often(env, "\"value\":\"x\""), 100);
	assert_int_equal(how_often(env, "E1"), 0);
	why = apply(live, "o", false, other);
	assert_non_null(strstr(why ?: "", "Apply failed with 10 conflicts"));
	applies(live, "o", true, other);
	assert_int_equal(owned(live, "n", "f:value"), 90);
	/* an update that turns it round changes no one's fields but those it changes */
	{
		cleanup(json_mut_docp) yyjson_mut_doc *doc = yyjson_mut_doc_mut_copy(live, NULL);
		struct apply_manager m = {.name = "p", .subresource = "", .time = TIME};
		yyjson_mut_val *list = yyjson_mut_doc_ptr_get(doc, "/spec/template/spec/containers/0/env"),
			       *last;

		for (size_t i = 0; i < 200; i++) {
			last = yyjson_mut_arr_remove_last(list);
			if (i == 150)
				continue;
			yyjson_mut_arr_insert(list, last, i > 150 ? i - 1 : i);
		}
		assert_null(apply_update(doc, live->root, deployment(), &m));
		assert_int_equal(owned(doc, "p", "f:"), 0);
		assert_int_equal(owned(doc, "m", "f:name"), 100);
		assert_int_equal(owned(doc, "n", "f:value"), 90);
	}
}

/* Managers who own very many fields together. */
static void test_many_owned(void **state)
{
	cleanup(json_mut_docp) yyjson_mut_doc *live = doc_of_yaml(HEAD);
	yyjson_mut_val *list = yyjson_mut_arr(live), *one, *labels;
	cleanup(freep) char *why = NULL;
	char name[16];

	for (int i = 0; i < 51; i++) {
		snprintf(name, sizeof(name), "m%d", i);
		one = yyjson_mut_arr_add_obj(live, list);
		yyjson_mut_obj_add_strcpy(live, one, "manager", name);
		yyjson_mut_obj_add_str(live, one, "operation", "Apply");
		yyjson_mut_obj_add_str(live, one, "apiVersion", "apps/v1");
		labels = yyjson_mut_obj_add_obj(live,
			yyjson_mut_obj_add_obj(
				live, yyjson_mut_obj_add_obj(live, one, "fieldsV1"), "f:metadata"),
			"f:labels");
		for (int n = 0; n < 1000; n++) {
			snprintf(name, sizeof(name), "f:%d-%d", i, n);
			yyjson_mut_obj_add_obj(
				live, labels, yyjson_mut_get_str(yyjson_mut_strcpy(live, name)));
		}
	}
	assert_true(meta_put(live, yyjson_mut_obj_get(live->root, "metadata"), "managedFields", list));
	why = apply(live, "x", false, HEAD);
	assert_non_null(
		strstr(why ?: "", "field managers own 51000 fields, and server-side apply takes 50000"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_from_updates),
		cmocka_unit_test(test_create_and_shrink),
		cmocka_unit_test(test_conflict_and_force),
		cmocka_unit_test(test_shared_item),
		cmocka_unit_test(test_refusals),
		cmocka_unit_test(test_update_by_hand),
		cmocka_unit_test(test_forms_of_numbers),
		cmocka_unit_test(test_named_twice),
		cmocka_unit_test(test_there_twice),
		cmocka_unit_test(test_very_many),
		cmocka_unit_test(test_long_lists),
		cmocka_unit_test(test_many_owned),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

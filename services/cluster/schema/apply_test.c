/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Server-side apply: the stories that its users know, then thousands of random applies of labels and of containers with
 * and without an image, by several managers, against a model that keeps one owner's bit for each field.
 */

#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "cluster/schema/apply.h"
#include "cluster/schema/convert.h"
#include "cluster/schema/decode.h"
#include "cluster/schema/doc_testing.h"
#include "cluster/schema/meta.h"
#include "cluster/schema/openapi.h"
#include "cluster/schema/schema.h"
#include "cluster/schema/selector.h"
#include "cluster/schema/status.h"
#include "lib/json.h"

#define TIME "2026-01-02T03:04:05Z"

static yyjson_mut_doc *parse(const char *text)
{
	yyjson_mut_doc *doc = NULL;
	struct status *s = decode_yaml(&doc, text, strlen(text));

	if (s)
		fail_msg("%s: %s", text, s->message);
	return doc;
}

static const struct schema_kind *deployment(void)
{
	return schema_find("apps", "v1", "deployments");
}

/* Apply; the refusal's sentence, owned, or NULL. What is refused leaves @live as it was. */
static char *apply(yyjson_mut_doc *live, const char *manager, bool force, const char *config)
{
	struct apply_manager m = {.name = manager, .subresource = "", .time = TIME, .force = force};
	cleanup(json_mut_docp) yyjson_mut_doc *c = parse(config);
	yyjson_mut_val *before = yyjson_mut_val_mut_copy(live, live->root);
	struct status *s = apply_object(live, yyjson_mut_doc_get_root(c), deployment(), &m);
	char *text = s ? strdup(s->message) : NULL;

	if (s)
		yyjson_mut_doc_set_root(live, before);

	status_free(s);
	return text;
}

static void applies(yyjson_mut_doc *live, const char *manager, bool force, const char *config)
{
	cleanup(freep) char *why = apply(live, manager, force, config);

	if (why)
		fail_msg("%s: %s", config, why);
}

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
	cleanup(json_mut_docp) yyjson_mut_doc *expected = parse(want);
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
	cleanup(json_mut_docp) yyjson_mut_doc *expected = want ? parse(want) : NULL;

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
	yyjson_mut_doc *live = parse(text), *none = parse("{}");
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
	yyjson_mut_doc *live = parse("{}");

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
	yyjson_mut_doc *live = parse("{}");
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
	live = parse("{}");
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
	yyjson_mut_doc *live = parse("{}");

	applies(live, "a", false, HEAD "spec: {template: {spec: {containers: [{name: c, image: i}]}}}");
	applies(live, "b", false, HEAD "spec: {template: {spec: {containers: [{name: c, workingDir: /w}]}}}");
	applies(live, "a", false, HEAD);
	assert_object(live, HEAD "spec: {template: {spec: {containers: [{name: c, workingDir: /w}]}}}");
	yyjson_mut_doc_free(live);
}

static void test_refusals(void **state)
{
	yyjson_mut_doc *live = parse("{}");
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
	yyjson_mut_doc *doc = parse(
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
		cleanup(json_mut_docp) yyjson_mut_doc *live = parse(body);

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
		doc = parse(live);
		applies(doc, "a", true, wish);
		made = yyjson_mut_val_write(
			yyjson_mut_doc_ptr_get(doc, "/spec/template/spec/containers/0/env"), 0, NULL);
		assert_string_equal(made, table[i].made);
	}
}

/* ---- against a model */

enum { LABELS = 6, ITEMS = 4, MANAGERS = 3 };
enum { ITEM = LABELS, IMAGE = ITEM + ITEMS, FIELDS = IMAGE + ITEMS };

/* Past a number of members a map is one's as a whole: 100,000 would be looked for one by one. */
static void test_very_many(void **state)
{
	const struct apply_manager creator = {.name = "creator", .subresource = "", .time = TIME};
	static const int sizes[] = {2048, 2049, 100000};

	for (size_t i = 0; i < array_len(sizes); i++) {
		cleanup(freep) char *body = labelled(sizes[i]), *why = NULL;
		cleanup(json_mut_docp) yyjson_mut_doc *live = parse(body), *none = yyjson_mut_doc_new(NULL);
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
	cleanup(json_mut_docp) yyjson_mut_doc *live = parse(HEAD);
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

/*
 * A field is a label, a container by its name, or the image of that container; its value and who owns it. A container is there or
 * not, so that nobody can disagree; and who wants its image wants it, too, so that whoever owns the image owns the container.
 */
struct model {
	int value[FIELDS]; /* 0: absent */
	bool owns[MANAGERS][FIELDS];
	int order[ITEMS]; /* of the containers that are there */
	int n;
};

static uint32_t next_random(uint32_t *seed)
{
	*seed = *seed * 1664525 + 1013904223;
	return *seed >> 16;
}

/* The @i-th container in the order with this number. */
static int in_order(int number, int i)
{
	return (number + i * (number < ITEMS ? 1 : ITEMS - 1)) % ITEMS;
}

/* @order: in which containers are named; no list where there is none. Owned. */
static char *config_of(const int *values, int order)
{
	char *text;
	size_t len;
	FILE *f = open_memstream(&text, &len);
	int n = 0;

	fputs("{\"apiVersion\":\"apps/v1\",\"kind\":\"Deployment\",\"metadata\":{\"name\":\"a\",\"labels\":{",
		f);
	for (int i = 0; i < LABELS; i++)
		if (values[i])
			fprintf(f, "%s\"l%d\":\"%d\"", n++ ? "," : "", i, values[i]);
	fputs("}}", f);
	n = 0;
	for (int i = 0; i < ITEMS; i++) {
		int c = in_order(order, i);

		if (!values[ITEM + c])
			continue;
		fprintf(f, "%s{\"name\":\"c%d\"",
			n++ ? "," : ",\"spec\":{\"template\":{\"spec\":{\"containers\":[", c);
		if (values[IMAGE + c])
			fprintf(f, ",\"image\":\"%d\"", values[IMAGE + c]);
		fputc('}', f);
	}
	fputs(n ? "]}}}}" : "}", f);
	fclose(f);
	return text;
}

static bool model_apply(struct model *m, int who, const int *want, bool force)
{
	for (int i = 0; i < FIELDS && !force; i++)
		for (int o = 0; o < MANAGERS; o++)
			if (o != who && want[i] && m->owns[o][i] && m->value[i] != want[i])
				return false;
	for (int i = 0; i < FIELDS; i++) {
		bool others = false;

		for (int o = 0; o < MANAGERS; o++) {
			if (o == who)
				continue;
			if (want[i] && m->owns[o][i] && m->value[i] != want[i])
				m->owns[o][i] = false;
			others |= m->owns[o][i];
		}
		if (want[i])
			m->value[i] = want[i];
		else if (m->owns[who][i] && !others)
			m->value[i] = 0;
		m->owns[who][i] = want[i];
	}
	return true;
}

/*
 * Who is wanted has a place in the old list: where he was, if that is behind the place of whoever is wanted before him, or else its end;
 * a new one that of the next old one. Who is not wanted has his own.
 */
static void model_order(struct model *m, const int *want, int order)
{
	int was[ITEMS], place[ITEMS] = {0}, made[ITEMS] = {0}, last = -1, n = 0;

	for (int c = 0; c < ITEMS; c++) {
		was[c] = -1;
		for (int i = 0; i < m->n; i++)
			if (m->order[i] == c)
				was[c] = i;
	}
	for (int i = 0; i < ITEMS; i++) {
		int c = in_order(order, i);

		if (want[ITEM + c] && was[c] >= 0) {
			last = was[c] > last ? was[c] : m->n;
			place[c] = last;
		}
	}
	last = m->n;
	for (int i = ITEMS - 1; i >= 0; i--) {
		int c = in_order(order, i);

		if (want[ITEM + c] && was[c] < 0)
			place[c] = last;
		else if (want[ITEM + c])
			last = place[c];
	}
	for (int at = 0; at <= m->n; at++) {
		if (at < m->n && !want[ITEM + m->order[at]] && m->value[ITEM + m->order[at]])
			made[n++] = m->order[at];
		for (int i = 0; i < ITEMS; i++)
			if (want[ITEM + in_order(order, i)] && place[in_order(order, i)] == at)
				made[n++] = in_order(order, i);
	}
	memcpy(m->order, made, sizeof(made));
	m->n = n;
}

static bool owns(yyjson_mut_doc *live, const char *manager, int field)
{
	size_t i, n;
	yyjson_mut_val *v, *fields;
	char key[32];

	if (field < LABELS)
		snprintf(key, sizeof(key), "f:l%d", field);
	else
		snprintf(key, sizeof(key), "k:{\"name\":\"c%d\"}", (field - ITEM) % ITEMS);
	yyjson_mut_arr_foreach(meta_mut_get(live->root, "metadata", "managedFields", NULL), i, n, v)
	{
		if (!yyjson_mut_equals_str(yyjson_mut_obj_get(v, "manager"), manager))
			continue;
		fields = yyjson_mut_obj_get(v, "fieldsV1");
		if (field < LABELS)
			return meta_mut_get(fields, "f:metadata", "f:labels", key, NULL);
		return meta_mut_get(fields, "f:spec", "f:template", "f:spec", "f:containers", key,
			field < IMAGE ? "." : "f:image", NULL);
	}
	return false;
}

static int value_of(yyjson_mut_doc *live, int field)
{
	yyjson_mut_val *v;
	size_t i, n;
	char key[16];

	snprintf(key, sizeof(key), "%c%d", field < LABELS ? 'l' : 'c',
		field < LABELS ? field : (field - ITEM) % ITEMS);
	if (field < LABELS)
		return atoi(
			yyjson_mut_get_str(meta_mut_get(live->root, "metadata", "labels", key, NULL)) ?: "0");
	yyjson_mut_arr_foreach(
		meta_mut_get(live->root, "spec", "template", "spec", "containers", NULL), i, n, v)
	{
		if (!yyjson_mut_equals_str(yyjson_mut_obj_get(v, "name"), key))
			continue;
		return field < IMAGE ? 1 : atoi(yyjson_mut_get_str(yyjson_mut_obj_get(v, "image")) ?: "0");
	}
	return 0;
}

static void assert_order(yyjson_mut_doc *live, const struct model *m)
{
	yyjson_mut_val *list = meta_mut_get(live->root, "spec", "template", "spec", "containers", NULL);
	char name[16];

	assert_int_equal(yyjson_mut_arr_size(list), m->n);
	for (int i = 0; i < m->n; i++) {
		snprintf(name, sizeof(name), "c%d", m->order[i]);
		assert_string_equal(
			yyjson_mut_get_str(yyjson_mut_obj_get(yyjson_mut_arr_get(list, i), "name")), name);
	}
}

static void random_wish(uint32_t *seed, int want[static FIELDS])
{
	for (int i = 0; i < FIELDS; i++) {
		want[i] = next_random(seed) % 2 ? (int)(1 + next_random(seed) % 2) : 0;
		if (i >= ITEM && i < IMAGE)
			want[i] = want[i] != 0;
		else if (i >= IMAGE && !want[i - ITEMS])
			want[i] = 0;
	}
}

static void test_against_model(void **state)
{
	static const char *const names[MANAGERS] = {"m0", "m1", "m2"};
	uint32_t seed = 7;

	for (int round = 0; round < 300; round++) {
		yyjson_mut_doc *live = parse("{}");
		struct model m = {0};

		for (int step = 0; step < 12; step++) {
			int who = (int)(next_random(&seed) % MANAGERS), order, want[FIELDS];
			bool force = next_random(&seed) % 3 != 0, agreed;
			cleanup(freep) char *config = NULL, *why = NULL;
			cleanup(json_mut_docp) yyjson_mut_doc *try = yyjson_mut_doc_mut_copy(live, NULL);

			random_wish(&seed, want);
			order = (int)(next_random(&seed) % (2 * ITEMS));
			config = config_of(want, order);
			why = apply(try, names[who], force, config);
			agreed = model_apply(&m, who, want, force);
			if (!why != agreed)
				fail_msg("%s applies %s: %s", names[who], config, why ?: "no conflict");
			if (why)
				continue;
			yyjson_mut_doc_free(live);
			live = take(try);
			model_order(&m, want, order);
			assert_order(live, &m);
			for (int i = 0; i < FIELDS; i++) {
				assert_int_equal(value_of(live, i), m.value[i]);
				for (int o = 0; o < MANAGERS; o++)
					assert_int_equal(owns(live, names[o], i), m.owns[o][i]);
			}
		}
		yyjson_mut_doc_free(live);
	}
}

/* ---- what else has no test file of its own */

static void test_convert(void **state)
{
	const struct schema_kind *v1 = schema_find("autoscaling", "v1", "horizontalpodautoscalers");
	const struct schema_kind *v2 = schema_find("autoscaling", "v2", "horizontalpodautoscalers");
	yyjson_mut_doc *doc = parse(
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
		cmocka_unit_test(test_against_model),
		cmocka_unit_test(test_convert),
		cmocka_unit_test(test_selectors),
		cmocka_unit_test(test_field_selectors),
		cmocka_unit_test(test_openapi),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

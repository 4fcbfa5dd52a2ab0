/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Patches: cases with their results; then strategic merge of lists against a naive model that works on names
 * in an array, for thousands of random lists.
 */

#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "cluster/schema/decode.h"
#include "cluster/schema/meta.h"
#include "cluster/schema/patch.h"
#include "cluster/schema/schema.h"
#include "cluster/schema/status.h"
#include "lib/json.h"

static yyjson_mut_doc *parse(const char *text)
{
	yyjson_mut_doc *doc = NULL;
	struct status *s = decode_yaml(&doc, text, strlen(text));

	if (s)
		fail_msg("%s: %s", text, s->message);
	return doc;
}

/* The result as text, or the refusal; owned. */
static char *patched(const char *kind, enum patch_type type, const char *target, const char *patch)
{
	const struct schema_kind *k = schema_find_kind(strcmp(kind, "Deployment") ? "v1" : "apps/v1", kind);
	cleanup(json_mut_docp) yyjson_mut_doc *doc = parse(target), *p = parse(patch);
	cleanup(freep) char *body = yyjson_mut_write(p, 0, NULL);
	struct status *s = patch_object(doc, k, type, body, strlen(body), NULL);
	char *text = s ? strdup(s->message) : yyjson_mut_write(doc, 0, NULL);

	status_free(s);
	return text;
}

static const struct {
	const char *kind;
	enum patch_type type;
	const char *target, *patch, *result;
} cases[] = {
	{"ConfigMap", PATCH_MERGE, "{data: {a: b, c: d}}", "{data: {a: null, e: f}}",
		"{\"data\":{\"c\":\"d\",\"e\":\"f\"}}"},
	{"ConfigMap", PATCH_MERGE, "{data: {a: b}}", "{data: [1]}", "{\"data\":[1]}"},
	{"ConfigMap", PATCH_JSON, "{data: {a: b}}",
		"[{op: add, path: /data/c, value: d}, {op: remove, path: /data/a}]",
		"{\"data\":{\"c\":\"d\"}}"},
	{"ConfigMap", PATCH_JSON, "{a: [1, 2, 3]}",
		"[{op: test, path: /a/0, value: 1}, {op: add, path: /a/-, value: 4}, {op: move, from: /a/0, path: /a/1}, {op: copy, "
		"from: /a, path: /b}]",
		"{\"a\":[2,1,3,4],\"b\":[2,1,3,4]}"},
	{"ConfigMap", PATCH_JSON, "{a: 1}", "[{op: test, path: /a, value: 2}]",
		"the server rejected our request due to an error in our request: jsonpatch test operation does not hold at: /a"},
	{"ConfigMap", PATCH_JSON, "{a: 1}", "[{op: test, path: /b/c, value: 2}]",
		"the server rejected our request due to an error in our request: jsonpatch test operation does not apply: doc is "
		"missing path: /b/c"},
	/* a member that is there already is another afterwards, not there twice */
	{"ConfigMap", PATCH_JSON, "{a: {b: 1}, c: 3}",
		"[{op: add, path: /a/b, value: 2}, {op: copy, from: /a/b, path: /c}, {op: add, path: /a/d, value: 4}]",
		"{\"a\":{\"b\":2,\"d\":4},\"c\":2}"},
	/* a member that is not there is replaced, too, but nothing in what is not there */
	{"ConfigMap", PATCH_JSON, "{a: 1}", "[{op: replace, path: /b, value: 2}]", "{\"a\":1,\"b\":2}"},
	{"ConfigMap", PATCH_JSON, "{a: {b: 1}}", "[{op: replace, path: /a/c~1d, value: 2}]",
		"{\"a\":{\"b\":1,\"c/d\":2}}"},
	{"ConfigMap", PATCH_JSON, "{a: 1}", "[{op: replace, path: /b/c, value: 2}]",
		"the server rejected our request due to an error in our request: jsonpatch replace operation does not apply: doc is "
		"missing path: /b/c"},
	{"ConfigMap", PATCH_JSON, "{a: [1]}", "[{op: replace, path: /a/1, value: 2}]",
		"the server rejected our request due to an error in our request: jsonpatch replace operation does not apply: doc is "
		"missing key: /a/1"},
	{"ConfigMap", PATCH_JSON, "{a: 1}", "{a: b}",
		"error decoding patch: json: cannot unmarshal into Go value of type jsonpatch.Patch"},
	/* containers merge by name, and keep their order */
	{"Pod", PATCH_STRATEGIC, "{spec: {containers: [{name: a, image: x}, {name: b, image: y}]}}",
		"{spec: {containers: [{name: b, image: z}, {name: c, image: w}]}}",
		"{\"spec\":{\"containers\":[{\"name\":\"a\",\"image\":\"x\"},{\"name\":\"b\",\"image\":\"z\"},{\"name\":\"c\",\"image\":"
		"\"w\"}]}}"},
	{"Pod", PATCH_STRATEGIC, "{spec: {containers: [{name: a, image: x}, {name: b, image: y}]}}",
		"{spec: {containers: [{name: a, $patch: delete}]}}",
		"{\"spec\":{\"containers\":[{\"name\":\"b\",\"image\":\"y\"}]}}"},
	{"Pod", PATCH_STRATEGIC, "{spec: {containers: [{name: a, image: x}, {name: b, image: y}]}}",
		"{spec: {containers: [{$patch: replace}, {name: c, image: z}]}}",
		"{\"spec\":{\"containers\":[{\"name\":\"c\",\"image\":\"z\"}]}}"},
	{"Pod", PATCH_STRATEGIC, "{spec: {containers: [{name: a}, {name: b}]}}",
		"{spec: {$setElementOrder/containers: [{name: b}, {name: a}], containers: [{name: a, image: i}]}}",
		"{\"spec\":{\"containers\":[{\"name\":\"b\"},{\"name\":\"a\",\"image\":\"i\"}]}}"},
	{"Pod", PATCH_STRATEGIC, "{spec: {containers: [{name: a}]}}", "{spec: {containers: [{image: i}]}}",
		"map: does not contain declared merge key: name"},
	/* a list of texts merges by value */
	{"Pod", PATCH_STRATEGIC, "{metadata: {finalizers: [a, b]}}",
		"{metadata: {$deleteFromPrimitiveList/finalizers: [a], $setElementOrder/finalizers: [c, b], finalizers: [c]}}",
		"{\"metadata\":{\"finalizers\":[\"c\",\"b\"]}}"},
	/* a list without a merge key is replaced */
	{"Pod", PATCH_STRATEGIC, "{spec: {tolerations: [{key: a}, {key: b}]}}",
		"{spec: {tolerations: [{key: c}]}}", "{\"spec\":{\"tolerations\":[{\"key\":\"c\"}]}}"},
	{"Deployment", PATCH_STRATEGIC,
		"{spec: {strategy: {type: RollingUpdate, rollingUpdate: {maxSurge: 1}}}}",
		"{spec: {strategy: {$retainKeys: [type], type: Recreate}}}",
		"{\"spec\":{\"strategy\":{\"type\":\"Recreate\"}}}"},
	{"Pod", PATCH_STRATEGIC, "{metadata: {labels: {a: b, c: d}}}",
		"{metadata: {labels: {a: null, e: f}}}",
		"{\"metadata\":{\"labels\":{\"c\":\"d\",\"e\":\"f\"}}}"},
	{"Pod", PATCH_STRATEGIC, "{metadata: {labels: {a: b, c: d}}}",
		"{metadata: {labels: {$patch: replace, e: f}}}", "{\"metadata\":{\"labels\":{\"e\":\"f\"}}}"},
};

static void test_cases(void **state)
{
	size_t wrong = 0;

	for (size_t i = 0; i < array_len(cases); i++) {
		cleanup(freep) char *got =
			patched(cases[i].kind, cases[i].type, cases[i].target, cases[i].patch);

		if (strcmp(got, cases[i].result) != 0) {
			print_message("%s + %s\n  want %s\n  got  %s\n", cases[i].target, cases[i].patch,
				cases[i].result, got);
			wrong++;
		}
	}
	assert_int_equal(wrong, 0);
}

static uint32_t next_random(uint32_t *seed)
{
	*seed = *seed * 1664525 + 1013904223;
	return *seed >> 16;
}

/* A list of distinct letters out of the first eight. */
static size_t letters(uint32_t *seed, char out[9])
{
	size_t n = 0;

	for (size_t tries = next_random(seed) % 8; tries; tries--) {
		char c = (char)('a' + next_random(seed) % 8);

		if (!memchr(out, c, n))
			out[n++] = c;
	}
	out[n] = 0;
	return n;
}

/* The model: items in an array, each with its name, the image it has, and whether it has a directory. */
struct item {
	char name, image;
	bool dir;
};

struct model {
	struct item at[17];
	size_t n;
};

/* What a patch says: items that get an image, of which some retain nothing else; items that go; and of the whole, in which order
 * it is to be, and whether it takes the place of what was there. */
struct wish {
	char names[9], deleted[9], order[17];
	bool retain[9], replace;
};

static size_t model_find(const struct model *m, char name)
{
	size_t i = 0;

	while (i < m->n && m->at[i].name != name)
		i++;
	return i;
}

/* Who is named stands behind those that were before him, or before somebody named in front of him; who is new is behind all. */
static void model_order(struct model *m, const struct model *before, const char *order)
{
	struct model out = {0};
	size_t place[17], last = 0;

	for (size_t i = 0; order[i]; i++) {
		size_t was = model_find(before, order[i]);

		if (model_find(m, order[i]) < m->n && last < was)
			last = was;
		place[i] = last;
	}
	for (size_t at = 0; at <= before->n; at++) {
		for (size_t i = 0; order[i]; i++)
			if (place[i] == at && model_find(m, order[i]) < m->n)
				out.at[out.n++] = m->at[model_find(m, order[i])];
		for (size_t i = 0; i < m->n; i++)
			if (!strchr(order, m->at[i].name) && model_find(before, m->at[i].name) == at)
				out.at[out.n++] = m->at[i];
	}
	*m = out;
}

static void model_merge(struct model *m, const struct wish *w)
{
	struct model before;

	if (w->replace)
		m->n = 0;
	before = *m;
	for (size_t i = 0; w->names[i]; i++) {
		size_t at = model_find(m, w->names[i]);

		if (at == m->n)
			m->at[m->n++] = (struct item){.name = w->names[i]};
		m->at[at].image = 'n';
		m->at[at].dir &= !w->retain[i];
	}
	for (const char *p = w->deleted; *p; p++) {
		size_t at = model_find(m, *p);

		if (at < m->n)
			memmove(m->at + at, m->at + at + 1, (--m->n - at) * sizeof(*m->at));
	}
	if (*w->order)
		model_order(m, &before, w->order);
}

/* Both owned. */
static char *text_of_model(const struct model *m)
{
	char *text = NULL;
	size_t len;
	FILE *f = open_memstream(&text, &len);

	assert_non_null(f);
	fputs("{\"spec\":{\"containers\":[", f);
	for (size_t i = 0; i < m->n; i++)
		fprintf(f, "%s{\"name\":\"%c\",\"image\":\"%c\"%s}", i ? "," : "", m->at[i].name,
			m->at[i].image, m->at[i].dir ? ",\"workingDir\":\"/w\"" : "");
	fputs("]}}", f);
	assert_int_equal(fclose(f), 0);
	return text;
}

static char *text_of_wish(const struct wish *w)
{
	char *text = NULL;
	size_t len;
	FILE *f = open_memstream(&text, &len);
	const char *comma = "";

	assert_non_null(f);
	fputs("{\"spec\":{", f);
	if (*w->order) {
		fputs("\"$setElementOrder/containers\":[", f);
		for (const char *p = w->order; *p; p++)
			fprintf(f, "%s{\"name\":\"%c\"}", p == w->order ? "" : ",", *p);
		fputs("],", f);
	}
	fputs("\"containers\":[", f);
	if (w->replace) {
		fputs("{\"$patch\":\"replace\"}", f);
		comma = ",";
	}
	for (size_t i = 0; w->names[i]; i++, comma = ",")
		fprintf(f, "%s{\"name\":\"%c\",\"image\":\"n\"%s}", comma, w->names[i],
			w->retain[i] ? ",\"$retainKeys\":[\"name\",\"image\"]" : "");
	for (const char *p = w->deleted; *p; p++, comma = ",")
		fprintf(f, "%s{\"name\":\"%c\",\"$patch\":\"delete\"}", comma, *p);
	fputs("]}}", f);
	assert_int_equal(fclose(f), 0);
	return text;
}

/* An order names all that the patch gives an image, and maybe others, but nobody who goes. */
static void random_wish(uint32_t *seed, struct wish *w)
{
	char all[9];
	size_t n = 0, ordered;

	letters(seed, w->names);
	letters(seed, all);
	for (const char *p = all; *p; p++)
		if (!strchr(w->names, *p))
			w->deleted[n++] = *p;
	for (size_t i = 0; w->names[i]; i++)
		w->retain[i] = next_random(seed) % 4 == 0;
	w->replace = next_random(seed) % 8 == 0;
	if (w->replace || next_random(seed) % 2)
		return;
	letters(seed, all);
	ordered = 0;
	for (const char *p = all; *p; p++)
		if (!strchr(w->deleted, *p))
			w->order[ordered++] = *p;
	for (const char *p = w->names; *p; p++)
		if (!memchr(w->order, *p, ordered))
			w->order[ordered++] = *p;
}

static void test_lists_against_model(void **state)
{
	const struct schema_kind *pod = schema_find("", "v1", "pods");
	uint32_t seed = 1;

	for (int round = 0; round < 10000; round++) {
		char names[9];
		struct model m = {.n = letters(&seed, names)};
		struct wish w = {0};
		cleanup(freep) char *target = NULL, *patch = NULL, *want = NULL, *got = NULL;
		cleanup(json_mut_docp) yyjson_mut_doc *doc = NULL;

		for (size_t i = 0; i < m.n; i++)
			m.at[i] = (struct item){names[i], 'o', next_random(&seed) % 2};
		random_wish(&seed, &w);
		target = text_of_model(&m);
		patch = text_of_wish(&w);
		model_merge(&m, &w);
		want = text_of_model(&m);

		doc = parse(target);
		assert_null(patch_object(doc, pod, PATCH_STRATEGIC, patch, strlen(patch), NULL));
		got = yyjson_mut_write(doc, 0, NULL);
		if (strcmp(got, want) != 0)
			fail_msg("%s + %s\nwant %s\n got %s", target, patch, want, got);
	}
}

static void test_duplicates_are_named(void **state)
{
	static const char patch[] = "{\"spec\":{\"a\":1,\"a\":2,\"b\":[{\"c\":1,\"c\":1}]}}";
	yyjson_mut_doc *doc = parse("{}");
	struct warnings w = {0};

	assert_null(patch_object(doc, schema_find("", "v1", "pods"), PATCH_MERGE, patch, strlen(patch), &w));
	assert_int_equal(w.n, 2);
	assert_string_equal(w.items[0], "duplicate field \"spec.a\"");
	assert_string_equal(w.items[1], "duplicate field \"spec.b[0].c\"");
	warnings_fini(&w);
	yyjson_mut_doc_free(doc);
}

static void test_the_last_counts(void **state)
{
	cleanup(json_mut_docp) yyjson_mut_doc *doc =
		parse("{\"a\":[{\"b\":1,\"c\":{},\"b\":2}],\"d\":3,\"d\":4}");
	cleanup(freep) char *text = NULL;
	struct warnings w = {0};

	assert_null(patch_last_counts(doc, &w));
	text = yyjson_mut_write(doc, YYJSON_WRITE_NOFLAG, NULL);
	assert_string_equal(text, "{\"a\":[{\"c\":{},\"b\":2}],\"d\":4}");
	assert_int_equal(w.n, 2);
	assert_string_equal(w.items[0], "duplicate field \"a[0].b\"");
	warnings_fini(&w);
}

/* {data: {k0: v, ...}}, owned */
static char *map_of(int n)
{
	char *text = NULL;
	size_t len;
	FILE *f = open_memstream(&text, &len);

	assert_non_null(f);
	fputs("{data: {", f);
	for (int i = 0; i < n; i++)
		fprintf(f, "k%d: v, ", i);
	fputs("}}", f);
	assert_int_equal(fclose(f), 0);
	return text;
}

static const char too_long[] = "together they would take more than 25000000 comparisons";

/* 40,000 in 40,000 would be looked for one by one; a few in as many, or many in none, are no work. */
static void test_long_maps(void **state)
{
	cleanup(freep) char *long_one = map_of(30000), *kept = NULL, *many = NULL;
	char keys[4096] = "{data: {$retainKeys: [a";
	static const struct {
		enum patch_type type;
		int target, patch;
		bool refused;
	} sizes[] = {
		{PATCH_MERGE, 40000, 40000, true},
		{PATCH_MERGE, 40000, 500, false},
		{PATCH_MERGE, 1, 3000, false},
		{PATCH_STRATEGIC, 40000, 40000, true},
		{PATCH_STRATEGIC, 40000, 500, false},
		{PATCH_STRATEGIC, 1, 3000, false},
	};

	for (size_t i = 0; i < array_len(sizes); i++) {
		cleanup(freep) char *target = map_of(sizes[i].target), *patch = map_of(sizes[i].patch),
				    *got = patched("ConfigMap", sizes[i].type, target, patch);

		if (sizes[i].refused)
			assert_non_null(strstr(got, too_long));
		else
			assert_true(!strncmp(got, "{\"data\":{", 9));
	}
	/* what stays is looked for, too */
	for (int i = 0; i < 1500; i++)
		strcat(keys, ",a");
	strcat(keys, "]}}");
	many = patched("ConfigMap", PATCH_STRATEGIC, long_one, keys);
	assert_non_null(strstr(many, too_long));
	kept = patched("ConfigMap", PATCH_STRATEGIC, long_one, "{data: {$retainKeys: [k7]}}");
	assert_string_equal(kept, "{\"data\":{\"k7\":\"v\"}}");
}

/* @n times @text, in which # is the number, between @head and @tail; owned. */
static char *repeated(const char *head, int n, const char *text, const char *tail)
{
	char *all = NULL;
	size_t len;
	FILE *f = open_memstream(&all, &len);

	fputs(head, f);
	for (int i = 0; i < n; i++) {
		fputs(i ? "," : "", f);
		for (const char *p = text; *p; p++)
			if (*p == '#')
				fprintf(f, "%d", i);
			else
				fputc(*p, f);
	}
	fputs(tail, f);
	assert_int_equal(fclose(f), 0);
	return all;
}

/* Each of them is short enough, and all of them are not. */
static void test_all_together(void **state)
{
	cleanup(freep) char *inner = map_of(2000), *member = NULL;

	assert_true(asprintf(&member, "\"m#\":%s", inner) > 0);
	for (int i = 0; i < 2; i++) {
		cleanup(freep) char *patch = repeated("{\"a\":{", i ? 10 : 2, member, "}}"), *merged = NULL,
				    *strategic = NULL;

		merged = patched("ConfigMap", PATCH_MERGE, patch, patch);
		strategic = patched("ConfigMap", PATCH_STRATEGIC, patch, patch);
		assert_int_equal(i, strstr(merged, too_long) != NULL);
		assert_int_equal(i, strstr(strategic, too_long) != NULL);
	}
}

/* What is far away in a long list is passed by each operation; its beginning and its end are near. */
static void test_long_ways(void **state)
{
	static const struct {
		const char *operation;
		int n;
		bool refused;
	} ways[] = {
		{"{\"op\":\"test\",\"path\":\"/a/199999\",\"value\":0}", 190, false},
		{"{\"op\":\"test\",\"path\":\"/a/199999\",\"value\":0}", 210, true},
		{"{\"op\":\"move\",\"from\":\"/a/199999\",\"path\":\"/a/100000\"}", 150, true},
		{"{\"op\":\"move\",\"from\":\"/a/0\",\"path\":\"/a/-\"}", 10000, false},
		{"{\"op\":\"add\",\"path\":\"/a/-\",\"value\":0}", 10000, false},
		{"{\"op\":\"add\",\"path\":\"/o/b\",\"value\":0}", 10000, false},
		/* as many as are sent, and too many of them: each goes the way several times */
		{"{\"op\":\"replace\",\"path\":\"/m/k9999\",\"value\":1}", 500, false},
		{"{\"op\":\"replace\",\"path\":\"/m/k9999\",\"value\":1}", 5000, true},
	};
	cleanup(freep) char *members = repeated("{\"m\":{", 10000, "\"k#\":0", "},\"o\":{},\"a\":["),
			    *target = repeated(members, 200000, "0", "]}");

	for (size_t i = 0; i < array_len(ways); i++) {
		cleanup(freep) char *patch = repeated("[", ways[i].n, ways[i].operation, "]"),
				    *got = patched("ConfigMap", PATCH_JSON, target, patch);

		if (ways[i].refused)
			assert_non_null(strstr(got, "pass more than 40000000 items of long lists and maps"));
		else
			assert_true(*got == '{');
	}
}

/* Copies of copies would double the document each time. */
static void test_copies_are_bounded(void **state)
{
	cleanup(freep) char *patch = NULL;
	yyjson_mut_doc *doc = parse("{a: [1, 2, 3, 4]}");
	struct status *s;
	size_t len;
	FILE *f = open_memstream(&patch, &len);

	for (int i = 0; i < 60; i++)
		fprintf(f, "%s{\"op\":\"copy\",\"from\":\"/a\",\"path\":\"/a/-\"}", i ? "," : "[");
	fputc(']', f);
	fclose(f);
	s = patch_object(doc, schema_find("", "v1", "pods"), PATCH_JSON, patch, len, NULL);
	assert_non_null(s);
	assert_int_equal(s->code, 422);
	status_free(s);
	yyjson_mut_doc_free(doc);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cases),
		cmocka_unit_test(test_lists_against_model),
		cmocka_unit_test(test_duplicates_are_named),
		cmocka_unit_test(test_the_last_counts),
		cmocka_unit_test(test_long_maps),
		cmocka_unit_test(test_all_together),
		cmocka_unit_test(test_long_ways),
		cmocka_unit_test(test_copies_are_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

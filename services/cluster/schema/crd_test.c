/* SPDX-License-Identifier: Apache-2.0 */

/* A definition becomes a kind: its objects are pruned, completed, judged and printed as it says. */

#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "cluster/schema/convert.h"
#include "cluster/schema/crd.h"
#include "cluster/schema/decode.h"
#include "cluster/schema/default.h"
#include "cluster/schema/meta.h"
#include "cluster/schema/openapi.h"
#include "cluster/schema/pattern.h"
#include "cluster/schema/schema.h"
#include "cluster/schema/status.h"
#include "cluster/schema/table.h"
#include "cluster/schema/validate.h"
#include "lib/json.h"

static const char definition[] =
	"apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nmetadata: {name: crontabs.stable.example.com}\n"
	"spec:\n  group: stable.example.com\n  scope: Namespaced\n  names: {plural: crontabs, kind: CronTab, shortNames: [ct]}\n"
	"  versions:\n  - name: v1\n    served: true\n    storage: true\n    subresources: {status: {}, scale: {specReplicasPath: "
	".spec.replicas, statusReplicasPath: .status.replicas}}\n    additionalPrinterColumns:\n    - {name: Spec, type: string, "
	"jsonPath: .spec.cronSpec}\n    - {name: Ready, type: string, jsonPath: '.status.conditions[?(@.type==\"Ready\")].status'}\n"
	"    schema:\n      openAPIV3Schema:\n        type: object\n        properties:\n          spec:\n            type: object\n"
	"            required: [cronSpec]\n            properties:\n              cronSpec: {type: string, pattern: "
	"'^(\\d+|\\*)(\\s+(\\d+|\\*)){4}$'}\n              replicas: {type: integer, minimum: 1, maximum: 10, default: 1}\n"
	"              mode: {type: string, enum: [a, b]}\n              port: {x-kubernetes-int-or-string: true}\n"
	"              matrix: {type: array, items: {type: array, items: {type: integer}}}\n              free: {type: object, "
	"x-kubernetes-preserve-unknown-fields: true}\n              items:\n                type: array\n                "
	"x-kubernetes-list-type: map\n                x-kubernetes-list-map-keys: [name]\n                items: {type: object, "
	"required: [name], properties: {name: {type: string}, n: {type: integer, default: 5}}}\n          status:\n            "
	"type: object\n            x-kubernetes-preserve-unknown-fields: true\n";

static const struct schema_kind *definitions(void)
{
	return schema_find("apiextensions.k8s.io", "v1", "customresourcedefinitions");
}

static yyjson_mut_doc *definition_of(const char *text)
{
	yyjson_mut_doc *doc = NULL;
	struct status *s =
		decode_object(&doc, text, strlen(text), DECODE_YAML, definitions(), DECODE_STRICT, NULL);

	if (s)
		fail_msg("%s", s->message);
	assert_true(default_object(doc, definitions()));
	return doc;
}

/* @before: as it was, or NULL. */
static struct crd *make_from(const char *before, const char *text, char **why)
{
	cleanup(json_mut_docp) yyjson_mut_doc *doc = definition_of(text);
	cleanup(json_mut_docp) yyjson_mut_doc *was = before ? definition_of(before) : NULL;
	cleanup(json_docp) yyjson_doc *object = yyjson_mut_doc_imut_copy(doc, NULL);
	cleanup(json_docp) yyjson_doc *old = was ? yyjson_mut_doc_imut_copy(was, NULL) : NULL;
	struct field_errors e = {0};
	struct status *s;
	struct crd *c = NULL;

	validate_object(definitions(), doc->root, was ? was->root : NULL, VALIDATE_MAIN, &e);
	if (!e.n)
		c = crd_new(yyjson_doc_get_root(object), true, yyjson_doc_get_root(old), &e);
	s = field_errors_status(&e, definitions(), meta_mut_text(doc->root, "name"));
	*why = s ? strdup(s->message) : NULL;
	status_free(s);
	field_errors_fini(&e);
	return c;
}

static struct crd *make(const char *text, char **why)
{
	return make_from(NULL, text, why);
}

/* The object as it would be stored, or what is wrong with it; owned. @old: as it was, or NULL for one that is made. */
static char *stored(
	const struct schema_kind *k, enum decode_validation how, const char *text, const char *old)
{
	const char *texts[2] = {text, old};
	yyjson_mut_doc *docs[2] = {NULL};
	struct field_errors e = {0};
	struct status *s = NULL;
	char *out;

	for (size_t i = 0; i < 2 && texts[i] && !s; i++) {
		s = decode_object(&docs[i], texts[i], strlen(texts[i]), DECODE_YAML, k, how, NULL);
		assert_true(s || default_object(docs[i], k));
	}
	if (!s) {
		validate_object(k, docs[0]->root, docs[1] ? docs[1]->root : NULL, VALIDATE_MAIN, &e);
		s = field_errors_status(&e, k, meta_mut_text(docs[0]->root, "name"));
	}
	out = s ? strdup(s->message) : yyjson_mut_write(docs[0], 0, NULL);
	status_free(s);
	field_errors_fini(&e);
	yyjson_mut_doc_free(docs[0]);
	yyjson_mut_doc_free(docs[1]);
	return out;
}

/* 1, and both are printed, unless it is as wanted; NULL: nothing is wrong with it. */
static size_t differs(const char *text, const char *got, const char *want)
{
	if (want ? !strcmp(got, want) : *got == '{')
		return 0;
	print_message("%s\n  want %s\n  got  %s\n", text, want ? want : "nothing wrong", got);
	return 1;
}

#define HEAD "metadata: {name: a, namespace: d}\nspec: "

static void test_objects(void **state)
{
	static const struct {
		const char *object, *result;
	} table[] = {
		{HEAD "{cronSpec: '* * * * 5', unknown: 1, items: [{name: x}], matrix: [[1, 2]], free: {any: [1]}, port: http}",
			"{\"kind\":\"CronTab\",\"apiVersion\":\"stable.example.com/v1\",\"metadata\":{\"name\":\"a\",\"namespace\":\"d\"},"
			"\"spec\":{\"cronSpec\":\"* * * * 5\",\"items\":[{\"name\":\"x\",\"n\":5}],\"matrix\":[[1,2]],\"free\":{\"any\":[1]},"
			"\"port\":\"http\",\"replicas\":1}}"},
		{HEAD "{}", "CronTab.stable.example.com \"a\" is invalid: spec.cronSpec: Required value"},
		{HEAD "{cronSpec: x}",
			"CronTab.stable.example.com \"a\" is invalid: spec.cronSpec: Invalid value: \"x\": spec.cronSpec in body should "
			"match '^(\\d+|\\*)(\\s+(\\d+|\\*)){4}$'"},
		{HEAD "{cronSpec: '* * * * *', replicas: two}",
			"CronTab.stable.example.com \"a\" is invalid: spec.replicas: Invalid value: \"string\": spec.replicas in body "
			"must be of type integer: \"string\""},
		{HEAD "{cronSpec: '* * * * *', replicas: 11}",
			"CronTab.stable.example.com \"a\" is invalid: spec.replicas: Invalid value: 11: spec.replicas in body should be "
			"less than or equal to 10"},
		{HEAD "{cronSpec: '* * * * *', mode: c}",
			"CronTab.stable.example.com \"a\" is invalid: spec.mode: Unsupported value: \"c\": supported values: \"a\", "
			"\"b\""},
		{HEAD "{cronSpec: '* * * * *', items: [{name: x}, {name: x}]}",
			"CronTab.stable.example.com \"a\" is invalid: spec.items[1].name: Duplicate value: \"x\""},
		{HEAD "{cronSpec: '* * * * *', matrix: [[a]]}",
			"CronTab.stable.example.com \"a\" is invalid: spec.matrix[0][0]: Invalid value: \"string\": spec.matrix[0][0] in "
			"body must be of type integer: \"string\""},
	};
	char *why;
	struct crd *c = make(definition, &why);
	size_t wrong = 0;

	if (!c)
		fail_msg("%s", why);
	assert_int_equal(c->n, 1);
	assert_string_equal(c->kinds[0]->api_version, "stable.example.com/v1");
	assert_string_equal(c->kinds[0]->singular, "crontab");
	assert_string_equal(c->kinds[0]->type->package, "com.example.stable.v1");
	for (size_t i = 0; i < array_len(table); i++) {
		cleanup(freep) char *got = stored(c->kinds[0], DECODE_IGNORE, table[i].object, NULL);

		wrong += differs(table[i].object, got, table[i].result);
	}
	assert_int_equal(wrong, 0);
	crd_free(c);
}

static void test_table_and_openapi(void **state)
{
	static const char object[] =
		"{\"metadata\":{\"name\":\"a\"},\"spec\":{\"cronSpec\":\"x\"},\"status\":{\"conditions\":[{"
		"\"type\":\"Ready\",\"status\":\"True\"}]}}";
	char *why, hash[65];
	struct crd *c = make(definition, &why);
	cleanup(json_docp) yyjson_doc *d = yyjson_read(object, strlen(object), 0);
	cleanup(json_mut_docp) yyjson_mut_doc *out = yyjson_mut_doc_new(NULL);
	cleanup(freep) char *row = NULL, *api = NULL;
	size_t len;

	assert_non_null(c);
	yyjson_mut_doc_set_root(out, table_cells(out, c->kinds[0], yyjson_doc_get_root(d), 0));
	row = yyjson_mut_write(out, 0, NULL);
	assert_string_equal(row, "[\"a\",\"x\",\"True\"]");
	api = openapi_document(c->kinds, c->n, &len);
	assert_non_null(strstr(api, "\"com.example.stable.v1.CronTab\""));
	assert_non_null(
		strstr(api, "\"/apis/stable.example.com/v1/namespaces/{namespace}/crontabs/{name}/status\""));
	openapi_hash(c->kinds, c->n, hash);
	crd_free(c);
}

static void test_refusals(void **state)
{
	static const struct {
		const char *schema, *part;
	} table[] = {
		{"{type: object, properties: {a: {$ref: x, type: object}}}", "$ref: Forbidden"},
		{"{type: object, properties: {a: {type: string, pattern: '(?=a)'}}}",
			"must be a valid regular expression"},
		{"{type: object, properties: {a: {}}}", "properties[a].type: Required value"},
		{"{type: string}", "must be object at the root"},
		{"{type: object, properties: {a: {type: array}}}", "properties[a].items: Required value"},
		{"{type: object, properties: {a: {type: string, x-kubernetes-validations: [{rule: 'sef == 1'}]}}}",
			"properties[a].x-kubernetes-validations[0].rule: Invalid value: \"sef == 1\": compilation failed: ERROR: <input>:1:1: "
			"undeclared reference to 'sef'"},
		{"{type: object, x-kubernetes-validations: [{message: x}]}",
			"x-kubernetes-validations[0].rule: Required value"},
		{"{type: object, x-kubernetes-validations: [{rule: 'true', optionalOldSelf: true}]}",
			"optionalOldSelf: Invalid value: true: may not be set if oldSelf is not used in rule"},
		{"{type: object, x-kubernetes-validations: [{rule: 'true', optionalOldSelf: false}]}",
			"optionalOldSelf: Invalid value: false: may not be set if oldSelf is not used in rule"},
		{"{type: object, properties: {a: {type: array, items: {type: string, x-kubernetes-validations: [{rule: "
		 "'oldSelf.hasValue()', optionalOldSelf: true}]}}}}",
			"oldSelf cannot be used on the uncorrelatable portion"},
		{"{type: object, x-kubernetes-validations: [{rule: 'true', reason: Because}]}",
			"reason: Unsupported value"},
		{"{type: object, properties: {a: {type: array, items: {type: string, x-kubernetes-validations: [{rule: 'self == "
		 "oldSelf'}]}}}}",
			"oldSelf cannot be used on the uncorrelatable portion"},
	};

	for (size_t i = 0; i < array_len(table); i++) {
		char text[1024], *why;
		struct crd *c;

		snprintf(text, sizeof(text),
			"metadata: {name: as.b.c}\nspec: {group: b.c, scope: Cluster, names: {plural: as, kind: A}, versions: [{name: v1, "
			"served: true, storage: true, schema: {openAPIV3Schema: %s}}]}",
			table[i].schema);
		c = make(text, &why);
		assert_null(c);
		if (!why || !strstr(why, table[i].part))
			fail_msg("%s: %s", table[i].schema, why ? why : "accepted");
		free(why);
	}
}

/* Rules of a schema with a field of each kind, and what is said against them; NULL: nothing. */
static void test_types_of_rules(void **state)
{
	static const char schema[] =
		"{type: object, properties: {spec: {type: object, x-kubernetes-validations: [{rule: \"%s\"%s}], properties: {n: {type: "
		"integer}, d: {type: number}, s: {type: string}, b: {type: boolean}, at: {type: string, format: date-time}, day: {type: "
		"string, format: date}, span: {type: string, format: duration}, data: {type: string, format: byte}, port: "
		"{x-kubernetes-int-or-string: true}, a-b: {type: integer}, namespace: {type: string}, list: {type: array, items: {type: "
		"string}}, map: {type: object, additionalProperties: {type: integer}}, raw: {x-kubernetes-preserve-unknown-fields: true}, "
		"open: {type: object, x-kubernetes-preserve-unknown-fields: true, properties: {known: {type: string}}}, pod: {type: object, "
		"x-kubernetes-embedded-resource: true, properties: {spec: {type: object, properties: {image: {type: string}}}}}, named: "
		"{type: object, x-kubernetes-embedded-resource: true, properties: {apiVersion: {type: string}, kind: {type: string}, "
		"metadata: {type: object, properties: {name: {type: string}, generateName: {type: string}, labels: {type: object, "
		"additionalProperties: {type: string}}}}}}}}}, "
		"x-kubernetes-validations: [{rule: \"%s\"}]}";
	static const struct {
		const char *of_spec, *more, *of_root, *why;
	} table[] = {
		{"self.n + 1 > 2 && self.d < 1.5 && self.d / 2.0 > 0.1", "", "true", NULL},
		{"self.n + 'x' == '1x'", "", "true",
			"spec.versions[0].schema.openAPIV3Schema.properties[spec].x-kubernetes-validations[0].rule: Invalid value: "
			"\"self.n + 'x' == '1x'\": compilation failed: ERROR: <input>:1:8: found no matching overload for '_+_' applied to "
			"'(int, string)'"},
		{"self.n", "", "true",
			"[0].rule: Invalid value: \"self.n\": must evaluate to bool but got int"},
		{"self.port", "", "true",
			"[0].rule: Invalid value: \"self.port\": must evaluate to bool but got dyn"},
		{"self.b", ", messageExpression: self.n", "true",
			"[0].messageExpression: Invalid value: \"self.n\": must evaluate to string but got int"},
		{"self.b", ", messageExpression: \"'is ' + string(self.n)\"", "true", NULL},
		{"self.b && oldSelf.b && self == oldSelf", "", "true", NULL},
		{"oldSelf.hasValue() ? oldSelf.value().n <= self.n : true", ", optionalOldSelf: true", "true",
			NULL},
		{"oldSelf.n <= self.n", ", optionalOldSelf: true", "true",
			"1:11: found no matching overload for '_<=_' applied to '(optional_type(int), int)'"},
		{"self.at > self.day && self.span < duration('1h') && self.at + self.span > self.at", "",
			"true", NULL},
		{"self.at.startsWith('2026')", "", "true", "applied to 'timestamp.(string)'"},
		{"self.data.size() > 1 && self.data != self.s", "", "true", "applied to '(bytes, string)'"},
		{"type(self.port) == int ? self.port < 10 : self.port.startsWith('a')", "", "true", NULL},
		{"self.a__dash__b == 1 && self.__namespace__ == 'x'", "", "true", NULL},
		{"self.list.all(x, x.size() < self.n) && self.map.all(k, self.map[k] > 1)", "", "true", NULL},
		{"self.list.exists(x, x > 1)", "", "true", "applied to '(string, int)'"},
		{"self.map.x == 'y'", "", "true", "applied to '(int, string)'"},
		{"self.none == 1", "", "true", "1:5: undefined field 'none'"},
		{"has(self.raw)", "", "true", "undefined field 'raw'"},
		{"self.open.known == 'x'", "", "true", NULL},
		{"self.open.other == 'x'", "", "true", "undefined field 'other'"},
		{"self.pod.kind == 'Pod' && self.pod.metadata.name != '' && self.pod.spec.image != ''", "",
			"true", NULL},
		{"self.pod.metadata.labels.size() > 1", "", "true", "undefined field 'labels'"},
		{"self.named.metadata.labels.size() > 1 && self.named.kind == 'x'", "", "true", NULL},
		{"self.named.metadata.uid == ''", "", "true", "undefined field 'uid'"},
		{"self.metadata.name == 'x'", "", "true", "undefined field 'metadata'"},
		{"self.b", "", "self.metadata.name.startsWith('a') && self.spec.n > 1 && self.kind == 'A'",
			NULL},
		{"self.b", "", "self.metadata.namespace == 'a'", "undefined field 'namespace'"},
		{"self.b", "", "self.spec.nope", "1:10: undefined field 'nope'"},
	};
	char text[4096], inner[2048], *why;

	for (size_t i = 0; i < array_len(table); i++) {
		struct crd *c;

		snprintf(inner, sizeof(inner), schema, table[i].of_spec, table[i].more, table[i].of_root);
		snprintf(text, sizeof(text),
			"metadata: {name: as.b.c}\nspec: {group: b.c, scope: Cluster, names: {plural: as, kind: A}, versions: [{name: v1, "
			"served: true, storage: true, schema: {openAPIV3Schema: %s}}]}",
			inner);
		c = make(text, &why);
		if (!c != !!table[i].why || (why && !strstr(why, table[i].why)))
			fail_msg("%s, %s: %s", table[i].of_spec, table[i].of_root, why ? why : "accepted");
		free(why);
		crd_free(c);
	}
}

/* What was wrong with a rule stays when the definition is changed elsewhere; what is new, or broken by the change, does not. */
static void test_rules_that_were_wrong(void **state)
{
	static const char form[] =
		"metadata: {name: as.b.c}\nspec: {group: b.c, scope: Cluster, names: {plural: as, kind: A}, versions: [{name: %s, "
		"served: true, storage: true, schema: {openAPIV3Schema: {type: object, properties: {spec: {type: object, properties: "
		"{%s}}}}}}]}";
#define N(type, rule) "n: {type: " type ", x-kubernetes-validations: [{rule: " rule "}]}"
#define M(rule)	      "m: {type: integer, x-kubernetes-validations: [{rule: " rule "}]}"
#define ITEMS(rule)                                                                                          \
	"l: {type: array, maxItems: 9, items: {type: integer, x-kubernetes-validations: [{rule: " rule "}]}}"
#define WRONG "self > '1'"
#define REFUSED(where)                                                                                       \
	where ".rule: Invalid value: \"self > '1'\": compilation failed: ERROR: <input>:1:6: found no matching"
	static const struct {
		const char *version, *before, *after, *wrong;
	} table[] = {
		{"v1", N("integer", WRONG), N("integer", WRONG) ", " M("self > 1"), NULL},
		{"v1", ITEMS(WRONG), ITEMS(WRONG) ", " M("self > 1"), NULL},
		{"v1", N("integer", "'true', messageExpression: self"),
			N("integer", "'true', message: m, messageExpression: self"), NULL},
		{"v1", N("integer", "oldSelf > self, optionalOldSelf: true"),
			N("integer", "oldSelf > self, optionalOldSelf: true") ", " M("self > 1"), NULL},
		{"v1", N("integer", WRONG), M(WRONG),
			REFUSED("properties[spec].properties[m].x-kubernetes-validations[0]")},
		{"v1", N("integer", "self > 1"), N("integer", WRONG),
			REFUSED("properties[n].x-kubernetes-validations[0]")},
		{"v1", N("string", WRONG), N("integer", WRONG), REFUSED("[0]")},
		{"v1", N("integer", "oldSelf > self"), N("integer", "oldSelf > self, optionalOldSelf: true"),
			"applied to '(optional_type(int), int)'"},
		{"v1", N("integer", "sef > 1"), N("integer", "sef > 1") ", " M("self > 1"),
			"undeclared reference to 'sef'"},
		{"v2", N("integer", WRONG), N("integer", WRONG), REFUSED("[0]")},
	};
	char before[2048], after[2048];

	for (size_t i = 0; i < array_len(table); i++) {
		cleanup(freep) char *why = NULL;
		struct crd *c;

		snprintf(before, sizeof(before), form, "v1", table[i].before);
		snprintf(after, sizeof(after), form, table[i].version, table[i].after);
		c = make_from(before, after, &why);
		if (!c != !!table[i].wrong || (why && !strstr(why, table[i].wrong)))
			fail_msg("%s: %s", table[i].after, why ? why : "accepted");
		crd_free(c);
	}
}

/* Is an object with this spec stored, where it has these properties and this rule? Else *said says why not. */
static bool holds(const char *properties, const char *rule, const char *spec, char **said)
{
	char text[2048], object[512];
	bool stays = false;
	struct crd *c;

	snprintf(text, sizeof(text),
		"metadata: {name: as.b.c}\nspec: {group: b.c, scope: Cluster, names: {plural: as, kind: A}, versions: [{name: v1, "
		"served: true, storage: true, schema: {openAPIV3Schema: {type: object, properties: {spec: {type: object, properties: "
		"{%s}, x-kubernetes-validations: [{rule: \"%s\"}]}}}}}]}",
		properties, rule);
	snprintf(object, sizeof(object), "metadata: {name: a}\nspec: {%s}", spec);
	c = make(text, said);
	if (c) {
		*said = stored(c->kinds[0], DECODE_STRICT, object, NULL);
		stays = *said && !strstr(*said, "is invalid");
	}
	crd_free(c);
	return stays;
}

struct held {
	const char *rule;
	bool holds;
};

static void all_hold(const char *properties, const char *spec, const struct held *rows, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		cleanup(freep) char *said = NULL;

		if (holds(properties, rows[i].rule, spec, &said) != rows[i].holds)
			fail_msg("%s: %s", rows[i].rule, said);
	}
}

/* Texts are the moments, spans and bytes that their formats say. */
static void test_formats_in_rules(void **state)
{
	static const char properties[] =
		"created: {type: string, format: date-time}, ttl: {type: string, format: duration}, day: {type: string, format: date}, "
		"data: {type: string, format: byte}, times: {type: array, items: {type: string, format: date-time}}, days: {type: array, "
		"items: {type: string, format: date}}, blobs: {type: array, items: {type: string, format: byte}}, spans: {type: object, "
		"additionalProperties: {type: string, format: duration}}, byName: {type: object, additionalProperties: {type: array, items: "
		"{type: string, format: byte}}}";
	static const char spec[] =
		"created: '2026-01-02T03:04:05Z', ttl: 1h, day: '2026-01-02', data: YWI=, times: ['2026-01-02T04:04:05+01:00', "
		"'2026-01-02T04:04:05Z'], days: ['2026-01-02', '2026-01-03'], blobs: [YWI=, Yw==], spans: {a: 60m, b: 2h}, byName: {x: "
		"[YWI=]}";
	static const struct held rows[] = {
		{"self.created + self.ttl < timestamp('2026-01-02T05:00:00Z')", true},
		{"self.created + self.ttl < timestamp('2026-01-02T04:00:00Z')", false},
		{"self.times[1] - self.times[0] == duration('1h')", true},
		{"self.times.all(t, t - self.created <= duration('1h'))", true},
		{"self.times.max() + self.ttl > self.created", true},
		{"self.times[0] == self.created && self.created in self.times", true},
		{"self.day + self.ttl == timestamp('2026-01-02T01:00:00Z')", true},
		{"self.?created.value() + self.?none.orValue(self.ttl) > self.created",
			false}, /* refused: it has no such field */
		{"self.?created.value() + self.ttl > self.created", true},
		{"self.data.size() == 2 && self.data == b'ab'", true},
		{"self.ttl + self.ttl == duration('2h') && self.ttl.getHours() == 1", true},
		{"type(self.created) == google.protobuf.Timestamp && type(self.day) == type(self.created)",
			true},
		{"type(self.ttl) == google.protobuf.Duration", true},
		{"self.times.all(t, type(t) == google.protobuf.Timestamp) && type(self.data) == bytes", true},
		{"type(self.created) == string", false},
		{"self.days[1] - self.days[0] == duration('24h') && self.day in self.days", true},
		{"self.days.map(d, d.getDate()) == [2, 3] && self.days.isSorted() && self.days.max() > self.created",
			true},
		{"self.blobs.all(b, type(b) == bytes) && self.blobs[1] == b'c' && self.data in self.blobs",
			true},
		{"self.blobs.map(b, b.size()).sum() == 3 && self.blobs == [b'ab', b'c'] && self.blobs.min() == self.data",
			true},
		{"self.spans.all(k, v, v >= self.ttl) && self.spans.a == self.ttl && self.spans['b'] - self.spans['a'] == duration('1h')",
			true},
		{"self.spans == {'a': duration('1h'), 'b': duration('120m')}", true},
		{"self.byName.x[0] == b'ab' && self.byName.all(k, self.byName[k].all(b, b == self.data))",
			true},
		{"self.byName == {'x': [b'ab']} && !(b'c' in self.byName['x'])", true},
		{"self.blobs[0] == bytes('YWI=')", false},
		{"has(self.created) && string(self.created) == '2026-01-02T03:04:05Z'", true},
	};

	all_hold(properties, spec, rows, array_len(rows));
}

/* A field that is null is not there; in lists and maps null is a value. What has a default is never null. */
static void test_null_in_rules(void **state)
{
	static const char properties[] =
		"n: {type: integer, nullable: true}, o: {type: object, nullable: true, properties: {n: {type: integer, nullable: true}}}, "
		"map: {type: object, additionalProperties: {type: integer, nullable: true}}, list: {type: array, items: {type: integer, "
		"nullable: true}}, d: {type: integer, default: 3}, p: {type: object, properties: {n: {type: integer, nullable: true}}}";
	static const char spec[] =
		"n: null, o: null, map: {x: null, y: 1}, list: [null, 1], d: null, p: {n: null}";
	static const struct held rows[] = {
		{"!has(self.n) && !has(self.o) && !has(self.p.n) && has(self.p)", true},
		{"self.?n.orValue(7) == 7 && !self.?o.n.hasValue() && self.p.?n == optional.none()", true},
		{"dyn(self.n) == null", false},
		{"self.map.size() == 2 && 'x' in self.map && has(self.map.x)", true},
		{"dyn(self.map.x) == null && dyn(self.map['x']) == null && self.map.y == 1", true},
		{"self.list.size() == 2 && dyn(self.list[0]) == null && self.list[1] == 1", true},
		{"has(self.d) && self.d == 3", true},
		{"self.map.exists(k, v, dyn(v) == null) && self.list.exists(v, dyn(v) == null)", true},
	};

	all_hold(properties, spec, rows, array_len(rows));
}

static void test_patterns(void **state)
{
	static const struct {
		const char *pattern, *text;
		bool matches;
	} table[] = {
		{"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$", "a-b", true},
		{"^\\d+$", "12", true},
		{"^\\d+$", "1a", false},
		{"^[\\w.\\-]+$", "a.b-c_d", true},
		{"^[\\w.\\-]+$", "a b", false},
		{"^(?:a|b)c$", "bc", true},
		{"^a\\.b$", "a.b", true},
		{"^a\\.b$", "axb", false},
		{"^\\S+$", "ab", true},
		{"^[^/]+/[^/]+$", "a/b", true},
		{"^[\\]]$", "]", true},
		{"(?i)^ab[c-e]$", "aBD", true},
		{"(?i)^ab$", "ac", false},
		{"(?i)^\\d[X]$", "1x", true},
	};

	for (size_t i = 0; i < array_len(table); i++)
		assert_int_equal(pattern_matches(table[i].pattern, table[i].text), table[i].matches);
	assert_false(pattern_valid("(?<n>a)"));
	assert_false(pattern_valid("a(?i)b"));
	assert_false(pattern_valid("(a)\\1"));
	assert_false(pattern_valid("["));
	/* what would make the C library use all memory */
	assert_false(pattern_valid("a++++++++++++++++++++++++"));
	assert_false(pattern_valid("((a{1000}){1000}){1000}"));
	assert_false(pattern_valid("a{1001}"));
	assert_true(pattern_valid("^[a-z]{1,63}(\\.[a-z]{1,63}){0,3}[a-z]{1,63}$"));
	assert_true(pattern_matches("^a{2}b+?$", "aabb"));
}

/* ---- rules in CEL */

static const char ruled[] =
	"metadata: {name: as.b.c}\nspec:\n  group: b.c\n  scope: Cluster\n  names: {plural: as, kind: A}\n  versions:\n"
	"  - name: v1\n    served: true\n    storage: true\n    schema:\n      openAPIV3Schema:\n        type: object\n"
	"        x-kubernetes-validations: [{rule: \"self.metadata.name != 'bad'\", reason: FieldValueForbidden}]\n"
	"        properties:\n          spec:\n            type: object\n            x-kubernetes-validations:\n"
	"            - {rule: self.low <= self.high, message: low must not be above high}\n"
	"            - {rule: 'has(self.fixed) == has(oldSelf.fixed)', message: fixed cannot come or go}\n"
	"            properties:\n              low: {type: integer, default: 1}\n              high: {type: integer, default: 9}\n"
	"              fixed: {type: string, x-kubernetes-validations: [{rule: self == oldSelf, message: fixed is immutable}]}\n"
	"              names: {type: array, items: {type: string, x-kubernetes-validations: [{rule: \"self.startsWith('n')\","
	" messageExpression: \"self + ' does not begin with n'\"}]}}\n"
	"              ports:\n                type: array\n                x-kubernetes-list-type: map\n"
	"                x-kubernetes-list-map-keys: [name]\n                items:\n                  type: object\n"
	"                  required: [name]\n                  x-kubernetes-validations: [{rule: self.n >= oldSelf.n, message: n only grows,"
	" fieldPath: .n}]\n                  properties: {name: {type: string}, n: {type: integer}}\n"
	"              step: {type: integer, x-kubernetes-validations: [{rule: 'oldSelf.hasValue() ? self == oldSelf.value() + 1 : self == 0',"
	" optionalOldSelf: true, messageExpression: '\"after \" + string(oldSelf.orValue(-1))'}]}\n"
	"              by: {type: object, additionalProperties: {type: integer, x-kubernetes-validations: [{rule: 10 / self > 1}]}}\n";

#define A    "metadata: {name: a}\nspec: "
#define SAYS "A.b.c \"a\" is invalid: "

static void test_rules(void **state)
{
	static const struct {
		const char *object, *old, *result;
	} table[] = {
		{A "{}", NULL, NULL},
		{A "{low: 10}", NULL, SAYS "spec: Invalid value: \"object\": low must not be above high"},
		{"metadata: {name: bad}\nspec: {}", NULL,
			"A.b.c \"bad\" is invalid: <nil>: Forbidden: failed rule: self.metadata.name != 'bad'"},
		/* a rule about a change has nothing to say of what is new */
		{A "{fixed: x}", NULL, NULL},
		{A "{fixed: x}", A "{fixed: x}", NULL},
		{A "{fixed: y}", A "{fixed: x}", SAYS "spec.fixed: Invalid value: \"y\": fixed is immutable"},
		{A "{}", A "{fixed: x}", SAYS "spec: Invalid value: \"object\": fixed cannot come or go"},
		{A "{names: [na, b]}", NULL,
			SAYS "spec.names[1]: Invalid value: \"b\": b does not begin with n"},
		/* with optionalOldSelf it does */
		{A "{step: 0}", NULL, NULL},
		{A "{step: 1}", NULL, SAYS "spec.step: Invalid value: 1: after -1"},
		{A "{step: 0}", A "{}", NULL},
		{A "{step: 1}", A "{step: 0}", NULL},
		{A "{step: 2}", A "{step: 0}", SAYS "spec.step: Invalid value: 2: after 0"},
		/* items of a list that is a map are the same by their keys, wherever they stand */
		{A "{ports: [{name: b, n: 2}, {name: a, n: 2}]}",
			A "{ports: [{name: a, n: 1}, {name: b, n: 1}]}", NULL},
		{A "{ports: [{name: c, n: 0}, {name: a, n: 0}]}", A "{ports: [{name: a, n: 1}]}",
			SAYS "spec.ports[1].n: Invalid value: \"object\": n only grows"},
		{A "{by: {x: 2}}", NULL, NULL},
		{A "{by: {x: 0}}", NULL,
			SAYS "spec.by.x: Invalid value: 0: division by zero evaluating rule: 10 / self > 1"},
		/* first of all a value is what its schema says */
		{A "{low: ten}", NULL,
			SAYS
			"spec.low: Invalid value: \"string\": spec.low in body must be of type integer: \"string\""},
	};
	char *why;
	struct crd *c = make(ruled, &why);
	size_t wrong = 0;

	if (!c)
		fail_msg("%s", why);
	for (size_t i = 0; i < array_len(table); i++) {
		cleanup(freep) char *got = stored(c->kinds[0], DECODE_STRICT, table[i].object, table[i].old);

		wrong += differs(table[i].object, got, table[i].result);
	}
	assert_int_equal(wrong, 0);
	crd_free(c);
}

static const char versions[] =
	"apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nmetadata: {name: things.x.example.com}\nspec:\n"
	"  group: x.example.com\n  scope: Namespaced\n  names: {plural: things, kind: Thing}\n  versions:\n"
	"  - {name: v1, served: true, storage: false, schema: {openAPIV3Schema: {type: object}}}\n"
	"  - {name: v2, served: false, storage: true, schema: {openAPIV3Schema: {type: object}}}\n  conversion: %s\n%s";

static struct crd *make_versions(const char *conversion, const char *status, char **why)
{
	char text[2048];

	snprintf(text, sizeof(text), versions, conversion, status);
	return make(text, why);
}

#define SERVICE "{service: {name: s, namespace: n}}"

static void test_conversion(void **state)
{
	static const struct {
		const char *conversion, *part;
	} table[] = {
		{"{strategy: Webhook}",
			"spec.conversion.webhookClientConfig: Required value: required when strategy is set to Webhook"},
		{"{strategy: Webhook, webhook: {conversionReviewVersions: [v1]}}",
			"spec.conversion.webhookClientConfig: Required value"},
		{"{strategy: Webhook, webhook: {clientConfig: " SERVICE "}}",
			"conversionReviewVersions: Required value"},
		{"{strategy: Webhook, webhook: {clientConfig: " SERVICE ", conversionReviewVersions: [v2]}}",
			"must include at least one of v1, v1beta1"},
		{"{strategy: Webhook, webhook: {clientConfig: " SERVICE
		 ", conversionReviewVersions: [v1, v1]}}",
			"spec.conversion.conversionReviewVersions[1]: Invalid value: \"v1\": duplicate version"},
		{"{strategy: Webhook, webhook: {clientConfig: {}, conversionReviewVersions: [v1]}}",
			"exactly one of url or service is required"},
		{"{strategy: Webhook, webhook: {clientConfig: {url: 'http://1.2.3.4/'}, conversionReviewVersions: [v1]}}",
			"'https' is the only allowed URL scheme"},
		{"{strategy: None, webhook: {clientConfig: " SERVICE ", conversionReviewVersions: [v1]}}",
			"spec.conversion.webhookClientConfig: Forbidden: should not be set when strategy is not set to Webhook"},
		{"{strategy: Other}", "spec.conversion.strategy: Unsupported value"},
	};
	char *why;
	struct crd *c;

	for (size_t i = 0; i < array_len(table); i++) {
		c = make_versions(table[i].conversion, "", &why);
		if (c || !strstr(why, table[i].part))
			fail_msg("%s: %s", table[i].conversion, why ?: "accepted");
		free(why);
	}
	c = make_versions("{strategy: None}", "status: {storedVersions: [v1, v0]}", &why);
	assert_null(c);
	assert_non_null(
		strstr(why, "status.storedVersions[1]: Invalid value: \"v0\": must appear in spec.versions"));
	free(why);
}

/* A version that is not served is one all the same, since objects may be stored in it. */
static void test_versions(void **state)
{
	char *why;
	struct crd *c = make_versions("{strategy: Webhook, webhook: {clientConfig: " SERVICE
				      ", conversionReviewVersions: [v3, v1beta1, v1]}}",
		"", &why);

	if (!c)
		fail_msg("%s", why);
	assert_int_equal(c->n, 1);
	assert_string_equal(c->kinds[0]->version, "v1");
	assert_string_equal(c->kinds[0]->stored->version, "v2");
	assert_ptr_equal(c->kinds[0]->versions[1], c->kinds[0]->stored);
	assert_null(c->kinds[0]->versions[2]);
	assert_string_equal(c->kinds[0]->conversion->review, "v1beta1");
	assert_ptr_equal(convert_webhook(c->kinds[0], c->kinds[0]->stored), c->kinds[0]->conversion);
	assert_null(convert_webhook(c->kinds[0], c->kinds[0]));
	assert_true(schema_is_main(c->kinds[0]));
	assert_false(schema_is_main(c->kinds[0]->stored));
	crd_free(c);
}

#define SHOP(versions)                                                                                                           \
	"metadata: {name: shops.example.com}\nspec: {group: example.com, scope: Namespaced, names: {kind: Shop, plural: shops, " \
	"singular: shop, listKind: ShopList}, versions: [" versions "]}\n"
#define VERSION(name, storage, more)                                                                         \
	"{name: " name ", served: true, storage: " storage                                                   \
	", schema: {openAPIV3Schema: {type: object}}" more "}"

/* Whoever uses a version that is on its way out is told so. */
static void test_deprecated_versions(void **state)
{
	static const char text[] = SHOP(
		VERSION("v1", "true", "") ", " VERSION("v1beta1", "false", ", deprecated: true") ", " VERSION(
			"v1alpha1", "false", ", deprecated: true, deprecationWarning: go away"));
	static const struct {
		const char *version, *warning;
	} want[] = {
		{"v1", NULL}, {"v1beta1", "example.com/v1beta1 Shop is deprecated"}, {"v1alpha1", "go away"}};
	char *why;
	struct crd *c = make(text, &why);

	assert_null(why);
	for (size_t i = 0; i < c->n; i++)
		for (size_t k = 0; k < array_len(want); k++) {
			if (strcmp(c->kinds[i]->version, want[k].version) != 0)
				continue;
			assert_int_equal(!c->kinds[i]->warning, !want[k].warning);
			if (want[k].warning)
				assert_string_equal(c->kinds[i]->warning, want[k].warning);
		}
	assert_int_equal(c->n, array_len(want));
	crd_free(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_deprecated_versions),
		cmocka_unit_test(test_objects),
		cmocka_unit_test(test_table_and_openapi),
		cmocka_unit_test(test_refusals),
		cmocka_unit_test(test_patterns),
		cmocka_unit_test(test_types_of_rules),
		cmocka_unit_test(test_rules_that_were_wrong),
		cmocka_unit_test(test_formats_in_rules),
		cmocka_unit_test(test_null_in_rules),
		cmocka_unit_test(test_rules),
		cmocka_unit_test(test_conversion),
		cmocka_unit_test(test_versions),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

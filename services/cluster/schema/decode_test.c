/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Decoding: upstream's own examples, each in JSON and protobuf, must become one document; and what is
 * refused is refused in the words users know.
 */

#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "cluster/schema/decode_int.h"
#include "cluster/schema/meta.h"
#include "cluster/schema/reference_testing.h"
#include "cluster/schema/schema.h"
#include "cluster/schema/status.h"
#include "lib/json.h"

static void print_difference(yyjson_mut_val *a, yyjson_mut_val *b, const char *path)
{
	size_t i, n;
	yyjson_mut_val *key, *v;

	if (meta_equal(a, b))
		return;
	if (yyjson_mut_is_obj(a) && yyjson_mut_is_obj(b)) {
		yyjson_mut_obj_foreach(a, i, n, key, v)
		{
			cleanup(freep) char *there = NULL;

			assert_true(asprintf(&there, "%s.%s", path, yyjson_mut_get_str(key)) > 0);
			print_difference(v, yyjson_mut_obj_get(b, yyjson_mut_get_str(key)), there);
		}
		yyjson_mut_obj_foreach(b, i, n, key, v) if (!yyjson_mut_obj_get(a, yyjson_mut_get_str(key)))
			print_message("%s.%s: only in the second\n", path, yyjson_mut_get_str(key));
		return;
	}
	if (yyjson_mut_is_arr(a) && yyjson_mut_is_arr(b) &&
		yyjson_mut_arr_size(a) == yyjson_mut_arr_size(b)) {
		yyjson_mut_arr_foreach(a, i, n, v) print_difference(v, yyjson_mut_arr_get(b, i), path);
		return;
	}
	cleanup(freep) char *x = a ? yyjson_mut_val_write(a, 0, NULL) : NULL;
	cleanup(freep) char *y = b ? yyjson_mut_val_write(b, 0, NULL) : NULL;

	print_message("%s: %.200s | %.200s\n", path, x ?: "absent", y ?: "absent");
}

static void fail_on(struct status *s, const char *what)
{
	if (!s)
		return;
	print_message("%s: %s\n", what, s->message);
	status_free(s);
	fail();
}

/* Both encodings of one example; false: there is none. */
static bool example(
	const char *base, const char *api_version, const char *kind, const struct schema_type *type)
{
	cleanup(freep) char *json = NULL, *pb = NULL;
	cleanup(json_mut_docp) yyjson_mut_doc *from_json = NULL, *from_pb = NULL, *as_is = NULL;
	char name[256];
	size_t json_len, pb_len;

	snprintf(name, sizeof(name), "%s.json", base);
	json = read_reference(name, &json_len);
	snprintf(name, sizeof(name), "%s.pb", base);
	pb = read_reference(name, &pb_len);
	if (!json || !pb)
		return false;
	fail_on(decode_named(&from_json, json, json_len, DECODE_JSON, api_version, kind, type, DECODE_STRICT,
			NULL),
		base);
	fail_on(decode_named(
			&from_pb, pb, pb_len, DECODE_PROTOBUF, api_version, kind, type, DECODE_STRICT, NULL),
		base);
	fail_on(decode_json(&as_is, json, json_len), base);
	if (!meta_equal(from_json->root, from_pb->root)) {
		print_difference(from_json->root, from_pb->root, base);
		fail();
	}
	if (!meta_equal(from_json->root, as_is->root)) {
		print_difference(as_is->root, from_json->root, base);
		fail();
	}
	return true;
}

/* What has kinds is in discovery. */
static void test_groups(void **state)
{
	size_t n, m;
	const struct schema_kind *kinds = schema_kinds(&n);
	const struct schema_group_version *groups = schema_group_versions(&m);

	for (size_t i = 0; i < n; i++) {
		size_t k = 0;

		while (k < m && (strcmp(groups[k].group, kinds[i].group) != 0 ||
					strcmp(groups[k].version, kinds[i].version) != 0))
			k++;
		if (k == m)
			fail_msg("%s is in no group of discovery", kinds[i].kind);
	}
}

static void test_examples(void **state)
{
	static const struct {
		const char *file, *api_version, *kind;
	} others[] = {
		{"core.v1.DeleteOptions", "v1", "DeleteOptions"},
		{"core.v1.Status", "v1", "Status"},
		{"autoscaling.v1.Scale", "autoscaling/v1", "Scale"},
		{"policy.v1.Eviction", "policy/v1", "Eviction"},
		{"authentication.k8s.io.v1.TokenRequest", "authentication.k8s.io/v1", "TokenRequest"},
	};
	size_t n, done = 0;
	const struct schema_kind *kinds = schema_kinds(&n);

	if (!getenv("WHERRY_REFERENCE")) {
		print_message("SKIPPED: %zu kinds against upstream's examples: no reference folder\n", n);
		skip();
	}
	for (size_t i = 0; i < n; i++) {
		char base[256];

		snprintf(base, sizeof(base), "%s.%s.%s", *kinds[i].group ? kinds[i].group : "core",
			kinds[i].version, kinds[i].kind);
		if (example(base, kinds[i].api_version, kinds[i].kind, kinds[i].type))
			done++;
		else
			print_message("no example: %s\n", base);
	}
	for (size_t i = 0; i < array_len(others); i++) {
		const struct schema_type *t = schema_named_type(others[i].kind);

		if (!t)
			fail_msg("no type %s", others[i].kind);
		assert_true(example(others[i].file, others[i].api_version, others[i].kind, t));
		done++;
	}
	print_message("%zu examples, JSON and protobuf\n", done);
	assert_true(done > 40);
}

/* Tags of fields that have the same value in upstream's examples, so that those cannot tell them apart. */
static void test_tags(void **state)
{
	static const struct {
		const char *in, *field;
		unsigned tag;
	} table[] = {
		{"spec", "containers", 2},
		{"spec", "initContainers", 20},
		{"spec", "imagePullSecrets", 15},
		{"spec", "hostNetwork", 11},
		{"spec", "hostPID", 12},
		{"spec", "hostIPC", 13},
		{"spec", "automountServiceAccountToken", 21},
		{"spec", "shareProcessNamespace", 27},
		{"spec", "enableServiceLinks", 30},
		{"spec", "setHostnameAsFQDN", 35},
		{"spec", "os", 36},
		{"spec", "hostUsers", 37},
		{"spec", "schedulingGates", 38},
		{"status", "containerStatuses", 8},
		{"status", "initContainerStatuses", 10},
		{"status", "podIPs", 12},
		{"status", "ephemeralContainerStatuses", 13},
		{"status", "hostIPs", 16},
	};
	const struct schema_type *pod = schema_find("", "v1", "pods")->type;

	for (size_t i = 0; i < array_len(table); i++) {
		const struct schema_type *t = schema_field(pod, table[i].in, strlen(table[i].in))->type;

		assert_int_equal(schema_field(t, table[i].field, strlen(table[i].field))->tag, table[i].tag);
	}
}

/* Of what is in JSON one of several kinds, a message may say more than one, or nothing. */
static void test_kinds_of_json(void **state)
{
	static const struct {
		const char *bytes;
		size_t len;
		const char *json;
	} table[] = {
		{"\xf2\x01\x02\x08\x01", 5, "{\"additionalProperties\":true}"},
		{"\xf2\x01\x02\x08\x00", 5, "{\"additionalProperties\":false}"},
		{"\xf2\x01\x04\x08\x00\x12\x00", 7, "{\"additionalProperties\":{}}"},
		{"\xf2\x01\x04\x12\x00\x08\x01", 7, "{\"additionalProperties\":{}}"},
		{"\xf2\x01\x00", 3, "{}"},
		{"\xc2\x01\x02\x0a\x00", 5, "{\"items\":{}}"},
		{"\xc2\x01\x04\x12\x00\x12\x00", 7, "{\"items\":[{},{}]}"},
		{"\xc2\x01\x00", 3, "{}"},
		{"\x82\x02\x08\x0a\x01\x61\x12\x03\x12\x01\x62", 11, "{\"dependencies\":{\"a\":[\"b\"]}}"},
		{"\x82\x02\x03\x0a\x01\x61", 6, "{\"dependencies\":{\"a\":null}}"},
		{"\x42\x03\x0a\x01\x31\xa2\x01\x00", 8, "{\"default\":1,\"enum\":[null]}"},
	};
	const struct schema_type *t =
		schema_find("apiextensions.k8s.io", "v1", "customresourcedefinitions")->type;

	for (const char *const *in =
			(const char *const[]){"spec", "versions", "schema", "openAPIV3Schema", NULL};
		*in; in++)
		t = schema_field(t, *in, strlen(*in))->type;
	for (size_t i = 0; i < array_len(table); i++) {
		cleanup(json_mut_docp) yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
		struct decode d = {.doc = doc};
		cleanup(freep) char *got = NULL;

		yyjson_mut_doc_set_root(doc,
			decode_protobuf_value(&d, (const unsigned char *)table[i].bytes, table[i].len, t));
		got = yyjson_mut_write(doc, YYJSON_WRITE_NOFLAG, NULL);
		assert_string_equal(got, table[i].json);
		decode_fini(&d);
	}
}

/* What a body is refused with; owned. */
static char *refusal(const char *plural, const char *group, const char *body, enum decode_validation v)
{
	const struct schema_kind *k = schema_find(group, "v1", plural);
	cleanup(json_mut_docp) yyjson_mut_doc *doc = NULL;
	cleanup(statusp) struct status *s = NULL;

	assert_non_null(k);
	s = decode_object(&doc, body, strlen(body), DECODE_JSON, k, v, NULL);
	if (!s)
		return strdup("accepted");
	assert_int_equal(s->code, 400);
	return strdup(s->message);
}

static void test_refusals(void **state)
{
	static const struct {
		const char *plural, *group, *body, *message;
	} cases[] = {
		{"deployments", "apps", "{\"spec\":{\"foo\":1}}",
			"Deployment in version \"v1\" cannot be handled as a Deployment: strict decoding error: unknown field "
			"\"spec.foo\""},
		{"deployments", "apps",
			"{\"spec\":{\"replicas\":1,\"replicas\":2,\"template\":{\"spec\":{\"containers\":[{},{\"x\":1}]}}}}",
			"Deployment in version \"v1\" cannot be handled as a Deployment: strict decoding error: duplicate field "
			"\"spec.replicas\", unknown field \"spec.template.spec.containers[1].x\""},
		{"deployments", "apps", "{\"spec\":{\"replicas\":\"1\"}}",
			"Deployment in version \"v1\" cannot be handled as a Deployment: json: cannot unmarshal string into Go "
			"struct field DeploymentSpec.spec.replicas of type int32"},
		{"deployments", "apps", "{\"spec\":{\"replicas\":3000000000}}",
			"Deployment in version \"v1\" cannot be handled as a Deployment: json: cannot unmarshal number "
			"3000000000 into Go struct field DeploymentSpec.spec.replicas of type int32"},
		{"pods", "", "{\"spec\":{\"containers\":{}}}",
			"Pod in version \"v1\" cannot be handled as a Pod: json: cannot unmarshal object into Go struct field "
			"PodSpec.spec.containers of type []v1.Container"},
		{"pods", "", "{\"spec\":{\"containers\":[{\"env\":[{\"name\":\"a\",\"value\":1}]}]}}",
			"Pod in version \"v1\" cannot be handled as a Pod: json: cannot unmarshal number into Go struct field "
			"EnvVar.spec.containers.env.value of type string"},
		{"pods", "", "{\"metadata\":{\"labels\":{\"a\":true}}}",
			"Pod in version \"v1\" cannot be handled as a Pod: json: cannot unmarshal bool into Go struct field "
			"ObjectMeta.metadata.labels of type string"},
		{"pods", "", "{\"spec\":{\"containers\":[{\"resources\":{\"limits\":{\"cpu\":\"x\"}}}]}}",
			"Pod in version \"v1\" cannot be handled as a Pod: quantities must match the regular expression "
			"'^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"},
		{"customresourcedefinitions", "apiextensions.k8s.io",
			"{\"spec\":{\"versions\":[{\"schema\":{\"openAPIV3Schema\":{\"properties\":{\"a\":{\"items\":\"x\"}}}}}]}}",
			"CustomResourceDefinition in version \"v1\" cannot be handled as a CustomResourceDefinition: json: cannot "
			"unmarshal string into Go struct field JSONSchemaProps.spec.versions.schema.openAPIV3Schema.properties.items "
			"of type v1.JSONSchemaPropsOrArray"},
		{"customresourcedefinitions", "apiextensions.k8s.io",
			"{\"spec\":{\"versions\":[{\"schema\":{\"openAPIV3Schema\":{\"additionalProperties\":5}}}]}}",
			"CustomResourceDefinition in version \"v1\" cannot be handled as a CustomResourceDefinition: json: cannot "
			"unmarshal number into Go struct field "
			"JSONSchemaProps.spec.versions.schema.openAPIV3Schema.additionalProperties of type "
			"v1.JSONSchemaPropsOrBool"},
		{"secrets", "", "{\"data\":{\"a\":\"*\"}}",
			"Secret in version \"v1\" cannot be handled as a Secret: illegal base64 data at input byte 0"},
		{"pods", "", "hello",
			"the object provided is unrecognized (must be of type Pod): couldn't get version/kind; json parse "
			"error: invalid character 'h' looking for beginning of value (68656c6c6f)"},
		{"pods", "", "",
			"the object provided is unrecognized (must be of type Pod): couldn't get version/kind; json parse "
			"error: unexpected end of JSON input (<empty>)"},
		{"pods", "", "{\"apiVersion\":\"v1\",\"kind\":\"Secret\"}",
			"Secret in version \"v1\" cannot be handled as a Pod: converting (v1.Secret) to (Pod): unknown "
			"conversion"},
		{"deployments", "apps", "{\"apiVersion\":\"apps/v2\",\"kind\":\"Deployment\"}",
			"the API version in the data (apps/v2) does not match the expected API version (apps/v1)"},
	};

	for (size_t i = 0; i < array_len(cases); i++) {
		cleanup(freep) char *got =
			refusal(cases[i].plural, cases[i].group, cases[i].body, DECODE_STRICT);

		assert_string_equal(got, cases[i].message);
	}
}

/* More keys than are compared with each other: each twice, here and there, and the second counts. */
static void test_many_keys_twice(void **state)
{
	enum { KEYS = 5000 };
	const struct schema_kind *k = schema_find("", "v1", "configmaps");
	cleanup(freep) char *body = NULL;
	size_t len;
	FILE *f = open_memstream(&body, &len);
	yyjson_mut_doc *doc = NULL;
	struct warnings w = {0};

	fputs("{\"data\":{\"once\":\"1\"", f);
	for (int i = 0; i < 2 * KEYS; i++)
		fprintf(f, ",\"k%d\":\"%d\"", i % KEYS, i);
	fputs("}}", f);
	fclose(f);
	assert_null(decode_object(&doc, body, len, DECODE_JSON, k, DECODE_WARN, &w));
	assert_in_range(w.n, 1, 100);
	assert_string_equal(w.items[0], "duplicate field \"data.k0\"");

	yyjson_mut_val *data = yyjson_mut_obj_get(doc->root, "data");

	assert_int_equal(yyjson_mut_obj_size(data), KEYS + 1);
	assert_string_equal(yyjson_mut_get_str(yyjson_mut_obj_get(data, "once")), "1");
	assert_string_equal(yyjson_mut_get_str(yyjson_mut_obj_get(data, "k0")), "5000");
	assert_string_equal(yyjson_mut_get_str(yyjson_mut_obj_get(data, "k4999")), "9999");
	yyjson_mut_doc_free(doc);
	warnings_fini(&w);
}

static void test_warn_and_ignore(void **state)
{
	static const char body[] = "{\"spec\":{\"foo\":1,\"foo\":2,\"paused\":true}}";
	const struct schema_kind *k = schema_find("apps", "v1", "deployments");
	yyjson_mut_doc *doc = NULL;
	struct warnings w = {0};

	assert_null(decode_object(&doc, body, strlen(body), DECODE_JSON, k, DECODE_WARN, &w));
	assert_int_equal(w.n, 2);
	assert_string_equal(w.items[0], "duplicate field \"spec.foo\"");
	assert_string_equal(w.items[1], "unknown field \"spec.foo\"");
	assert_true(yyjson_mut_is_true(meta_mut_get(doc->root, "spec", "paused", NULL)));
	assert_null(meta_mut_get(doc->root, "spec", "foo", NULL));
	assert_string_equal(yyjson_mut_get_str(yyjson_mut_obj_get(doc->root, "apiVersion")), "apps/v1");
	yyjson_mut_doc_free(doc);
	warnings_fini(&w);
	assert_null(decode_object(&doc, body, strlen(body), DECODE_JSON, k, DECODE_IGNORE, &w));
	assert_int_equal(w.n, 0);
	yyjson_mut_doc_free(doc);
}

/* Zero where zero is absent, null, numbers as quantities, times in other zones: one form. */
static void test_normal_form(void **state)
{
	static const char body[] =
		"{\"metadata\":{\"name\":\"a\",\"creationTimestamp\":\"2026-01-02T03:04:05.5+02:00\",\"labels\":{}},\"spec\":{"
		"\"hostNetwork\":false,\"nodeName\":\"\",\"automountServiceAccountToken\":false,\"containers\":[{\"name\":\"c\","
		"\"image\":null,\"resources\":{\"limits\":{\"cpu\":0.5,\"memory\":\"1024Ki\"}}}]}}";
	static const char want[] =
		"{\"kind\":\"Pod\",\"apiVersion\":\"v1\",\"metadata\":{\"name\":\"a\",\"creationTimestamp\":"
		"\"2026-01-02T01:04:05Z\"},\"spec\":{\"automountServiceAccountToken\":false,\"containers\":[{\"name\":\"c\","
		"\"resources\":{\"limits\":{\"cpu\":\"500m\",\"memory\":\"1Mi\"}}}]}}";
	yyjson_mut_doc *doc = NULL;

	fail_on(decode_object(&doc, body, strlen(body), DECODE_JSON, schema_find("", "v1", "pods"),
			DECODE_STRICT, NULL),
		"pod");
	cleanup(freep) char *got = yyjson_mut_write(doc, 0, NULL);

	assert_string_equal(got, want);
	yyjson_mut_doc_free(doc);
}

/* What is in JSON one of several kinds has its fields as those of any other type, and nobody is told of what it has not. */
static void test_normal_form_of_kinds(void **state)
{
	static const char head[] = "{\"spec\":{\"versions\":[{\"schema\":{\"openAPIV3Schema\":",
			  tail[] = "}}]}}";
	static const struct {
		const char *given, *made;
	} table[] = {
		{"{\"items\":{\"type\":\"string\",\"nullable\":false,\"pattern\":\"\",\"foo\":1}}",
			"{\"items\":{\"type\":\"string\"}}"},
		{"{\"items\":{\"type\":\"string\",\"type\":\"integer\"}}",
			"{\"items\":{\"type\":\"integer\"}}"},
		{"{\"items\":[{\"type\":\"string\",\"foo\":1},null]}",
			"{\"items\":[{\"type\":\"string\"},{}]}"},
		{"{\"items\":[],\"title\":\"t\"}", "{\"title\":\"t\"}"},
		{"{\"items\":null,\"title\":\"t\"}", "{\"title\":\"t\"}"},
		{"{\"additionalProperties\":{\"properties\":{\"a\":{\"not\":{\"foo\":1}}}}}",
			"{\"additionalProperties\":{\"properties\":{\"a\":{\"not\":{}}}}}"},
		{"{\"additionalProperties\":false}", "{\"additionalProperties\":false}"},
		{"{\"dependencies\":{\"a\":[\"b\"],\"c\":{\"foo\":1}}}",
			"{\"dependencies\":{\"a\":[\"b\"],\"c\":{}}}"},
	};
	const struct schema_kind *k = schema_find("apiextensions.k8s.io", "v1", "customresourcedefinitions");

	for (size_t i = 0; i < array_len(table); i++) {
		cleanup(json_mut_docp) yyjson_mut_doc *doc = NULL;
		cleanup(freep) char *body = NULL, *got = NULL;

		assert_true(asprintf(&body, "%s%s%s", head, table[i].given, tail) > 0);
		fail_on(decode_object(&doc, body, strlen(body), DECODE_JSON, k, DECODE_STRICT, NULL), body);
		got = yyjson_mut_val_write(
			yyjson_mut_doc_ptr_get(doc, "/spec/versions/0/schema/openAPIV3Schema"), 0, NULL);
		assert_string_equal(got, table[i].made);
	}
}

static void test_yaml(void **state)
{
	static const char body[] =
		"apiVersion: v1\nkind: ConfigMap\nmetadata: &m\n  name: a\n  labels: {x: 'yes'}\ndata:\n  a: |\n    b\n  n: "
		"'010'\nimmutable: on\n";
	static const char bomb[] =
		"a: &a [x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,"
		"*b,*b]\nd: &d [*c,*c,*c,*c,*c,*c,*c,*c,*c]\ne: &e [*d,*d,*d,*d,*d,*d,*d,*d,*d]\nf: "
		"[*e,*e,*e,*e,*e,*e,*e,*e,*e]\n";
	static const char wide[] = "spec: {replicas: 3000000000}\n";
	yyjson_mut_doc *doc = NULL;
	struct status *s;

	fail_on(decode_object(&doc, body, strlen(body), DECODE_YAML, schema_find("", "v1", "configmaps"),
			DECODE_STRICT, NULL),
		"yaml");
	cleanup(freep) char *got = yyjson_mut_write(doc, 0, NULL);

	assert_string_equal(got,
		"{\"kind\":\"ConfigMap\",\"apiVersion\":\"v1\",\"metadata\":{\"name\":\"a\",\"labels\":{\"x\":\"yes\"}},\"data\":{"
		"\"a\":\"b\\n\",\"n\":\"010\"},\"immutable\":true}");
	yyjson_mut_doc_free(take(doc));
	s = decode_yaml(&doc, bomb, strlen(bomb));
	assert_non_null(s);
	assert_non_null(strstr(s->message, "excessive aliasing"));
	status_free(s);
	/* numbers are as wide as in JSON */
	s = decode_object(&doc, wide, strlen(wide), DECODE_YAML, schema_find("apps", "v1", "deployments"),
		DECODE_STRICT, NULL);
	assert_non_null(s);
	assert_non_null(strstr(s->message, "cannot unmarshal number 3000000000 into Go struct field "));
	status_free(s);
}

static void test_depth(void **state)
{
	enum { DEEP = 100000 };
	char *body = malloc(2 * DEEP + 64);
	yyjson_mut_doc *doc = NULL;
	struct status *s;

	memset(body, '[', DEEP);
	memset(body + DEEP, ']', DEEP);
	body[2 * DEEP] = 0;
	s = decode_json(&doc, body, 2 * DEEP);
	assert_non_null(s);
	assert_string_equal(s->message, "json: exceeded max depth");
	status_free(s);
	free(body);
}

/* Not a test that fails by time: it says what a decode costs. */
static void test_cost(void **state)
{
	enum { ROUNDS = 2000 };
	static const char body[] =
		"{\"apiVersion\":\"v1\",\"kind\":\"Pod\",\"metadata\":{\"name\":\"web-1\",\"namespace\":\"default\",\"labels\":{"
		"\"app\":\"web\",\"tier\":\"front\"}},\"spec\":{\"containers\":[{\"name\":\"web\",\"image\":\"nginx:1.27\","
		"\"ports\":[{\"containerPort\":80,\"protocol\":\"TCP\"}],\"env\":[{\"name\":\"A\",\"value\":\"1\"},{\"name\":\"B\","
		"\"value\":\"2\"}],\"resources\":{\"limits\":{\"cpu\":\"500m\",\"memory\":\"64Mi\"},\"requests\":{\"cpu\":\"100m\"}},"
		"\"volumeMounts\":[{\"name\":\"v\",\"mountPath\":\"/v\"}]}],\"volumes\":[{\"name\":\"v\",\"emptyDir\":{}}],"
		"\"tolerations\":[{\"key\":\"a\",\"operator\":\"Exists\"}],\"nodeSelector\":{\"disk\":\"ssd\"}}}";
	const struct schema_kind *k = schema_find("", "v1", "pods");
	struct timespec a, b;

	clock_gettime(CLOCK_MONOTONIC, &a);
	for (int i = 0; i < ROUNDS; i++) {
		yyjson_mut_doc *doc = NULL;

		fail_on(decode_object(&doc, body, sizeof(body) - 1, DECODE_JSON, k, DECODE_STRICT, NULL),
			"pod");
		yyjson_mut_doc_free(doc);
	}
	clock_gettime(CLOCK_MONOTONIC, &b);
	print_message("a pod of %zu bytes: %.1f us, with the sanitizers\n", sizeof(body) - 1,
		((double)(b.tv_sec - a.tv_sec) * 1e6 + (double)(b.tv_nsec - a.tv_nsec) / 1e3) / ROUNDS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_groups),
		cmocka_unit_test(test_examples),
		cmocka_unit_test(test_tags),
		cmocka_unit_test(test_kinds_of_json),
		cmocka_unit_test(test_refusals),
		cmocka_unit_test(test_many_keys_twice),
		cmocka_unit_test(test_warn_and_ignore),
		cmocka_unit_test(test_normal_form),
		cmocka_unit_test(test_normal_form_of_kinds),
		cmocka_unit_test(test_yaml),
		cmocka_unit_test(test_depth),
		cmocka_unit_test(test_cost),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

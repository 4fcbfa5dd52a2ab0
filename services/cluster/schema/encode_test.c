/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Encoding: upstream's own examples come out byte by byte, objects that have every field of their tables are read back as they were,
 * and what has a form of its own has the bytes that are written here.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "cluster/schema/decode.h"
#include "cluster/schema/encode.h"
#include "cluster/schema/meta.h"
#include "cluster/schema/reference_testing.h"
#include "cluster/schema/schema.h"
#include "cluster/schema/status.h"
#include "lib/json.h"

static void fail_on(struct status *s, const char *what)
{
	if (s)
		fail_msg("%s: %s", what, s->message);
}

static yyjson_doc *document(const char *json)
{
	yyjson_doc *doc = yyjson_read(json, strlen(json), YYJSON_READ_NOFLAG);

	if (!doc)
		fail_msg("no JSON: %s", json);
	return doc;
}

static void in_hex(const unsigned char *p, size_t len, char *out)
{
	for (size_t i = 0; i < len; i++)
		sprintf(out + 2 * i, "%02x", p[i]);
	out[2 * len] = '\0';
}

/* ---- upstream's examples */

static void example(const char *name)
{
	struct encoder e = {0};
	cleanup(json_docp) yyjson_doc *doc = NULL;
	cleanup(freep) char *json = NULL, *pb = NULL;
	size_t json_len, pb_len, at = 0;
	char file[256];

	snprintf(file, sizeof(file), "%s.json", name);
	json = read_reference(file, &json_len);
	snprintf(file, sizeof(file), "%s.pb", name);
	pb = read_reference(file, &pb_len);
	if (!json || !pb) {
		print_message("no example: %s\n", name);
		return;
	}
	doc = document(json);
	if (!encode_document(&e, yyjson_doc_get_root(doc))) {
		fail_msg("%s: not encoded", name);
		return;
	}
	while (at < e.len && at < pb_len && encoder_bytes(&e)[at] == (unsigned char)pb[at])
		at++;
	if (at != e.len || at != pb_len) {
		const unsigned char *bytes = encoder_bytes(&e);
		size_t from = at > 24 ? at - 24 : 0;
		char ours[200], theirs[200];

		in_hex(bytes + from, e.len - from < 48 ? e.len - from : 48, ours);
		in_hex((unsigned char *)pb + from, pb_len - from < 48 ? pb_len - from : 48, theirs);
		fail_msg("%s: %zu bytes, not %zu; at %zu\n%s\n%s", name, e.len, pb_len, at, ours, theirs);
	}
	encoder_fini(&e);
}

static void test_examples(void **state)
{
	static const char *const others[] = {"core.v1.DeleteOptions", "core.v1.Status",
		"autoscaling.v1.Scale", "policy.v1.Eviction", "authentication.k8s.io.v1.TokenRequest"};
	size_t n;
	const struct schema_kind *kinds = schema_kinds(&n);

	if (!getenv("WHERRY_REFERENCE")) {
		print_message("SKIPPED: %zu kinds against upstream's examples: no reference folder\n", n);
		skip();
	}
	for (size_t i = 0; i < n; i++) {
		char name[256];

		snprintf(name, sizeof(name), "%s.%s.%s", *kinds[i].group ? kinds[i].group : "core",
			kinds[i].version, kinds[i].kind);
		if (encode_is_in_protobuf(kinds[i].type))
			example(name);
	}
	for (size_t i = 0; i < array_len(others); i++)
		example(others[i]);
}

/* ---- objects that have everything */

enum { SCHEMAS_DEEP = 7 };

static unsigned count;

static yyjson_mut_val *filled(yyjson_mut_doc *doc, const struct schema_type *t, unsigned depth);

static yyjson_mut_val *value(yyjson_mut_doc *doc, const struct schema_field *f, unsigned depth);

/* Of several kinds of JSON each in its turn. */
static yyjson_mut_val *kind(yyjson_mut_doc *doc, const struct schema_type *t, unsigned depth)
{
	return value(doc, &t->fields[count % t->n_fields], depth);
}

static yyjson_mut_val *one(yyjson_mut_doc *doc, const struct schema_field *f, unsigned depth)
{
	char text[32];

	count++;
	switch (f->base) {
	case SCHEMA_BOOL:
		return yyjson_mut_bool(doc, f->flags & SCHEMA_POINTER ? count % 2 : true);
	case SCHEMA_INT32:
		return yyjson_mut_sint(doc, count % 2 ? INT32_MIN + (int)count : (int)count);
	case SCHEMA_INT64:
		return yyjson_mut_sint(doc, count % 2 ? INT64_MIN + (int)count : (int64_t)count << 32);
	case SCHEMA_DOUBLE:
		return yyjson_mut_real(doc, -count / 8.0);
	case SCHEMA_BYTES:
		return yyjson_mut_str(doc, "AP8BgA==");
	case SCHEMA_QUANTITY:
		return yyjson_mut_str(doc, count % 2 ? "100m" : "1Gi");
	case SCHEMA_TIME:
		return yyjson_mut_str(doc, count % 2 ? "1969-12-31T23:59:59Z" : "2026-01-02T03:04:05Z");
	case SCHEMA_MICROTIME:
		return yyjson_mut_str(doc, "2026-01-02T03:04:05.000006Z");
	case SCHEMA_DURATION:
		return yyjson_mut_str(doc, "1m30s");
	case SCHEMA_INT_OR_STRING:
		return count % 2 ? yyjson_mut_sint(doc, -5) : yyjson_mut_str(doc, "50%");
	case SCHEMA_ANY:
		if (schema_any_message(f))
			return kind(doc, schema_any_message(f), depth + 1);
		snprintf(text, sizeof(text), "any%u", count);
		return yyjson_mut_arr_with_double(doc, (double[]){count, 0.5}, 2);
	case SCHEMA_OBJECT:
		if (f->type->flags & SCHEMA_ALIAS)
			return value(doc, &f->type->fields[0], depth + 1);
		return filled(doc, f->type, depth + 1);
	default:
		snprintf(text, sizeof(text), "t\xc3\xa4xt%u", count);
		return yyjson_mut_strcpy(doc, text);
	}
}

static yyjson_mut_val *value(yyjson_mut_doc *doc, const struct schema_field *f, unsigned depth)
{
	static const char *const keys[] = {"b", "a/b", "", "a"};
	yyjson_mut_val *v;

	if (f->shape == SCHEMA_ONE)
		return one(doc, f, depth);
	v = f->shape == SCHEMA_LIST ? yyjson_mut_arr(doc) : yyjson_mut_obj(doc);
	for (size_t i = 0; i < (depth < 4 ? array_len(keys) - 1 : 1); i++)
		if (f->shape == SCHEMA_LIST)
			yyjson_mut_arr_append(v, one(doc, f, depth));
		else
			yyjson_mut_obj_add(v, yyjson_mut_str(doc, keys[i]), one(doc, f, depth));
	return v;
}

static yyjson_mut_val *filled(yyjson_mut_doc *doc, const struct schema_type *t, unsigned depth)
{
	yyjson_mut_val *o = yyjson_mut_obj(doc);

	/* a schema has schemas inside, and so on */
	if (depth >= SCHEMAS_DEEP && !strcmp(t->name, "JSONSchemaProps"))
		return o;
	for (size_t i = 0; i < t->n_fields; i++)
		yyjson_mut_obj_add(
			o, yyjson_mut_str(doc, t->fields[i].name), value(doc, &t->fields[i], depth));
	return o;
}

static void round_trip(const char *api_version, const char *kind, const struct schema_type *type)
{
	yyjson_mut_doc *made = yyjson_mut_doc_new(NULL), *from_json = NULL, *from_protobuf = NULL;
	struct encoder e = {0};
	yyjson_doc *doc;
	char *json;
	size_t len;

	yyjson_mut_doc_set_root(made, filled(made, type, 0));
	json = yyjson_mut_write(made, YYJSON_WRITE_NOFLAG, &len);
	fail_on(decode_named(
			&from_json, json, len, DECODE_JSON, api_version, kind, type, DECODE_STRICT, NULL),
		kind);
	doc = yyjson_mut_doc_imut_copy(from_json, NULL);
	if (!encode_document(&e, yyjson_doc_get_root(doc)))
		fail_msg("%s is not encoded", kind);
	fail_on(decode_named(&from_protobuf, encoder_bytes(&e), e.len, DECODE_PROTOBUF, api_version, kind,
			type, DECODE_STRICT, NULL),
		kind);
	if (!meta_equal(yyjson_mut_doc_get_root(from_json), yyjson_mut_doc_get_root(from_protobuf))) {
		free(json);
		json = yyjson_mut_write(from_protobuf, YYJSON_WRITE_NOFLAG, NULL);
		print_message("%s\n", json);
		free(json);
		json = yyjson_mut_write(from_json, YYJSON_WRITE_NOFLAG, NULL);
		fail_msg("%s comes back as another than %s", kind, json);
	}
	free(json);
	encoder_fini(&e);
	yyjson_doc_free(doc);
	yyjson_mut_doc_free(made);
	yyjson_mut_doc_free(from_json);
	yyjson_mut_doc_free(from_protobuf);
}

static void test_every_kind_comes_back(void **state)
{
	size_t n, done = 0;
	const struct schema_kind *kinds = schema_kinds(&n);

	for (size_t i = 0; i < n; i++)
		if (encode_is_in_protobuf(kinds[i].type)) {
			round_trip(kinds[i].api_version, kinds[i].kind, kinds[i].type);
			done++;
		}
	assert_int_equal(done, n);
	round_trip("v1", "Status", schema_named_type("Status"));
	round_trip("autoscaling/v1", "Scale", schema_named_type("Scale"));
}

/* ---- bytes */

/* Of a message of the type at a path of fields from a kind's. */
struct vector {
	const char *group, *plural, *path[5], *json, *hex;
};

static void check(const struct vector *v)
{
	const struct schema_kind *k = schema_find(v->group, "v1", v->plural);
	const struct schema_type *t = k->type;
	cleanup(json_docp) yyjson_doc *doc = document(v->json);
	struct encoder e = {0};
	char got[512];

	for (size_t i = 0; i < array_len(v->path) && v->path[i]; i++)
		t = schema_field(t, v->path[i], strlen(v->path[i]))->type;
	encode_message(&e, yyjson_doc_get_root(doc), t);
	assert_false(e.no_memory);
	assert_true(2 * e.len < sizeof(got));
	in_hex(encoder_bytes(&e), e.len, got);
	if (strcmp(got, v->hex) != 0)
		fail_msg("%s: %s, not %s", v->json, got, v->hex);
	encoder_fini(&e);
}

#define CRDS   "apiextensions.k8s.io", "customresourcedefinitions"
#define SCHEMA {"spec", "versions", "schema", "openAPIV3Schema"}

static void test_bytes(void **state)
{
	static const struct vector all[] = {
		/* texts, in order of tags; unknown members, null and what has another type are left out */
		{"", "pods", {"metadata"},
			"{\"namespace\":\"b\",\"x\":1,\"name\":\"a\",\"labels\":null,\"uid\":5}",
			"0a01611a0162"},
		/* the first, where a name is there twice */
		{"", "pods", {"metadata"}, "{\"name\":\"a\",\"namespace\":\"b\",\"name\":\"c\"}",
			"0a01611a0162"},
		/* a bool behind a pointer, numbers below zero */
		{"", "pods", {"spec"},
			"{\"enableServiceLinks\":false,\"priority\":-1,\"terminationGracePeriodSeconds\":-2}",
			"20feffffffffffffffff01c801ffffffffffffffffff01f00100"},
		/* lists of numbers are not packed */
		{"", "pods", {"spec", "securityContext"}, "{\"supplementalGroups\":[1,300]}", "200120ac02"},
		{"", "pods", {"metadata"}, "{\"creationTimestamp\":\"1970-01-01T00:00:01Z\"}",
			"420408011000"},
		{"", "pods", {"metadata"}, "{\"creationTimestamp\":\"1969-12-31T23:59:59Z\"}",
			"420d08ffffffffffffffffff011000"},
		{"", "pods", {"metadata"}, "{\"creationTimestamp\":\"0001-01-01T00:00:00Z\"}", "4200"},
		{"coordination.k8s.io", "leases", {"spec"}, "{\"renewTime\":\"1970-01-01T00:00:01.000002Z\"}",
			"2205080110d00f"},
		/* maps in order of keys, also the empty ones */
		{"", "pods", {"metadata"}, "{\"labels\":{\"b\":\"1\",\"a\":\"\",\"\":\"2\",\"aa\":\"3\"}}",
			"5a050a001201325a050a016112005a070a0261611201335a060a0162120131"},
		{"", "secrets", {NULL}, "{\"data\":{\"k\":\"AP8=\"},\"type\":\"t\"}",
			"12070a016b120200ff1a0174"},
		{"", "nodes", {"status"}, "{\"capacity\":{\"cpu\":\"4\"}}", "0a0a0a0363707512030a0134"},
		{"apps", "deployments", {"spec", "strategy", "rollingUpdate"},
			"{\"maxUnavailable\":1,\"maxSurge\":\"25%\"}",
			"0a06080010011a00120908011000"
			"1a03323525"},
		{"apps", "controllerrevisions", {NULL}, "{\"data\":{\"a\":[1]},\"revision\":2}",
			"120b0a097b2261223a5b315d7d1802"},
		/* FieldsV1 */
		{"", "pods", {"metadata"}, "{\"managedFields\":[{\"fieldsV1\":{\"f:a\":{}}}]}",
			"8a01"
			"0e"
			"3a0c"
			"0a0a"
			"7b22663a61223a7b7d7d"},
		/* structs that Go embeds: of a volume, of a probe */
		{"", "pods", {"spec", "volumes"}, "{\"emptyDir\":{},\"name\":\"v\"}",
			"0a0176120212"
			"00"},
		{"", "pods", {"spec", "containers", "livenessProbe"},
			"{\"periodSeconds\":3,\"exec\":{\"command\":[\"a\"]}}", "0a050a030a01612003"},
		/* a message around a list */
		{"authorization.k8s.io", "subjectaccessreviews", {"spec"},
			"{\"extra\":{\"k\":[\"a\",\"b\"]}}", "2a0b0a016b12060a01610a0162"},
		/* one of several kinds of JSON, each in a field of its own */
		{CRDS, SCHEMA, "{\"items\":{\"type\":\"s\"}}", "c201050a032a0173"},
		{CRDS, SCHEMA, "{\"items\":[{},{\"type\":\"s\"}]}", "c20107120012032a0173"},
		{CRDS, SCHEMA, "{\"additionalProperties\":true}", "f201020801"},
		{CRDS, SCHEMA, "{\"additionalProperties\":false}", "f201020800"},
		{CRDS, SCHEMA, "{\"additionalProperties\":{\"type\":\"s\"}}", "f20107080112032a0173"},
		{CRDS, SCHEMA, "{\"dependencies\":{\"a\":[\"b\"]}}",
			"8202080a016112031201"
			"62"},
		/* JSON itself */
		{CRDS, SCHEMA, "{\"default\":{\"a\":1},\"enum\":[\"x\",null]}",
			"42090a077b2261223a317da201050a03227822a20100"},
		{CRDS, {"spec", "versions", "subresources"}, "{\"status\":{}}", "0a00"},
		/* empty messages in a list are there */
		{"networking.k8s.io", "networkpolicies", {"spec"}, "{\"podSelector\":{},\"ingress\":[{}]}",
			"0a001200"},
	};

	for (size_t i = 0; i < array_len(all); i++)
		check(&all[i]);
}

static void test_double_and_duration(void **state)
{
	struct encoder e = {0};
	cleanup(json_docp) yyjson_doc *doc =
		document("{\"window\":\"1.5s\",\"timestamp\":\"1970-01-01T00:00:01Z\"}");
	char got[128];

	encode_message(&e, yyjson_doc_get_root(doc), schema_find("metrics.k8s.io", "v1beta1", "nodes")->type);
	in_hex(encoder_bytes(&e), e.len, got);
	assert_string_equal(got, "12040801100"
				 "01a0608"
				 "80dea0cb05");
	encoder_fini(&e);
}

/* ---- whole answers */

static void answer(const char *json, const char *hex)
{
	struct encoder e = {0};
	cleanup(json_docp) yyjson_doc *doc = document(json);
	char got[1024];

	if (!encode_document(&e, yyjson_doc_get_root(doc))) {
		if (hex)
			fail_msg("%s: not encoded", json);
		return;
	}
	assert_true(2 * e.len < sizeof(got));
	in_hex(encoder_bytes(&e), e.len, got);
	if (!hex || strcmp(got, hex) != 0)
		fail_msg("%s: %s, not %s", json, got, hex ? hex : "nothing");
	encoder_fini(&e);
}

#define POD_LIST                                                                                             \
	"6b387300"                                                                                           \
	"0a0d"                                                                                               \
	"0a027631"                                                                                           \
	"1207506f644c697374"
#define END "1a002200"

static void test_documents(void **state)
{
	answer("{\"kind\":\"Secret\",\"apiVersion\":\"v1\",\"type\":\"t\"}", "6b387300"
									     "0a0c"
									     "0a027631"
									     "1206536563726574"
									     "1203"
									     "1a0174" END);
	answer("{\"kind\":\"Status\",\"apiVersion\":\"v1\",\"metadata\":{},\"code\":404}", "6b387300"
											   "0a0c"
											   "0a027631"
											   "1206537461747573"
											   "1205"
											   "0a00"
											   "309403" END);
	answer("{\"kind\":\"PodList\",\"apiVersion\":\"v1\",\"metadata\":{\"resourceVersion\":\"7\"},\"items\":[]}",
		POD_LIST "1205"
			 "0a03"
			 "120137" END);
	answer("{\"kind\":\"PodList\",\"apiVersion\":\"v1\",\"metadata\":{\"resourceVersion\":\"7\",\"continue\":\"c\","
	       "\"remainingItemCount\":3},\"items\":[{\"metadata\":{\"name\":\"a\"}},{\"metadata\":{\"name\":\"b\"}}]}",
		POD_LIST "1218"
			 "0a08"
			 "120137"
			 "1a0163"
			 "2003"
			 "1205"
			 "0a03"
			 "0a0161"
			 "1205"
			 "0a03"
			 "0a0162" END);
	answer("{\"kind\":\"PartialObjectMetadata\",\"apiVersion\":\"meta.k8s.io/v1\",\"metadata\":{\"name\":\"a\"}}",
		"6b387300"
		"0a27"
		"0a0e6d6574612e6b38732e696f2f7631"
		"1215"
		"5061727469616c4f626a6563744d65746164617461"
		"1205"
		"0a03"
		"0a0161" END);
	/* nothing is known of these, or there is no protobuf of them */
	answer("{\"kind\":\"Boat\",\"apiVersion\":\"example.com/v1\",\"metadata\":{}}", NULL);
	answer("{\"kind\":\"Table\",\"apiVersion\":\"meta.k8s.io/v1\"}", NULL);
	answer("{}", NULL);
	answer("[]", NULL);
}

/* A list that is sent piece by piece is the one that is sent at once. */
static void test_pieces_of_a_list(void **state)
{
	cleanup(json_docp) yyjson_doc *doc = document(
		"{\"kind\":\"PodList\",\"apiVersion\":\"v1\",\"metadata\":{\"resourceVersion\":\"7\"},\"items\":["
		"{\"metadata\":{\"name\":\"a\"}},{\"spec\":{\"nodeName\":\"n\"}},{}]}");
	yyjson_val *root = yyjson_doc_get_root(doc), *v;
	struct encoder whole = {0}, part = {0};
	unsigned char header[ENCODE_HEADER_MAX];
	char pieces[512];
	size_t len = 0, items = 0, i, n;

	assert_true(encode_document(&whole, root));
	yyjson_arr_foreach (yyjson_obj_get(root, "items"), i, n, v) {
		encode_message(&part, v, schema_find("", "v1", "pods")->type);
		items += encode_header(header, ENCODE_ITEM, part.len) + part.len;
	}
	encode_list_head(&part, root, items);
	memcpy(pieces, encoder_bytes(&part), part.len);
	len = part.len;
	yyjson_arr_foreach (yyjson_obj_get(root, "items"), i, n, v) {
		size_t h;

		encode_message(&part, v, schema_find("", "v1", "pods")->type);
		h = encode_header(header, ENCODE_ITEM, part.len);
		memcpy(pieces + len, header, h);
		len += h;
		if (part.len)
			memcpy(pieces + len, encoder_bytes(&part), part.len);
		len += part.len;
	}
	memcpy(pieces + len, ENCODE_END, ENCODE_END_LEN);
	len += ENCODE_END_LEN;
	assert_int_equal(len, whole.len);
	assert_memory_equal(pieces, encoder_bytes(&whole), len);
	encoder_fini(&whole);
	encoder_fini(&part);
}

/* More than there is room for at first, at every level. */
static void test_large(void **state)
{
	enum { KEYS = 3000 };
	const struct schema_kind *k = schema_find("", "v1", "configmaps");
	cleanup(json_mut_docp) yyjson_mut_doc *made = yyjson_mut_doc_new(NULL), *back = NULL;
	yyjson_mut_val *root = yyjson_mut_obj(made), *data;
	cleanup(json_docp) yyjson_doc *doc = NULL;
	struct encoder e = {0};
	char key[16];

	yyjson_mut_doc_set_root(made, root);
	yyjson_mut_obj_add_str(made, root, "kind", "ConfigMap");
	yyjson_mut_obj_add_str(made, root, "apiVersion", "v1");
	data = yyjson_mut_obj_add_obj(made, root, "data");
	for (int i = 0; i < KEYS; i++) {
		snprintf(key, sizeof(key), "k%d", i * 7919 % KEYS);
		yyjson_mut_obj_add(data, yyjson_mut_strcpy(made, key), yyjson_mut_strcpy(made, key));
	}
	doc = yyjson_mut_doc_imut_copy(made, NULL);
	assert_true(encode_document(&e, yyjson_doc_get_root(doc)));
	fail_on(decode_object(&back, encoder_bytes(&e), e.len, DECODE_PROTOBUF, k, DECODE_STRICT, NULL),
		"configmap");
	assert_true(meta_equal(root, yyjson_mut_doc_get_root(back)));
	encoder_fini(&e);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_examples),
		cmocka_unit_test(test_every_kind_comes_back),
		cmocka_unit_test(test_bytes),
		cmocka_unit_test(test_double_and_duration),
		cmocka_unit_test(test_documents),
		cmocka_unit_test(test_pieces_of_a_list),
		cmocka_unit_test(test_large),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

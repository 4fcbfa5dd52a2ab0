/* SPDX-License-Identifier: Apache-2.0 */

/*
 * What is answered in protobuf is what would be answered in JSON: each question is asked twice. And what has no protobuf, or is not asked
 * for in it, stays as it is.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "cluster/http/api_testing.h"
#include "cluster/http/http_int.h"
#include "cluster/schema/encode.h"
#include "lib/json.h"

#define META ";g=meta.k8s.io;v=v1"
#define PARTIAL                                                                                              \
	CONTENT_PROTOBUF ";as=PartialObjectMetadata" META ",application/json;as=PartialObjectMetadata" META
#define PARTIALS CONTENT_PROTOBUF ";as=PartialObjectMetadataList" META
#define INITIAL	 "watch=1&allowWatchBookmarks=true&sendInitialEvents=true&resourceVersionMatch=NotOlderThan"

enum { BODY_MAX = 8 << 20, LARGE = 300 << 10, N_LARGE = 4 };

static struct api_under_test t;

static struct {
	int status;
	char type[64], *body;
	size_t len;
	const char *until; /* a watch is over when this is in it, */
	size_t enough;	   /* or when it has so many bytes; 0: it ends by itself */
	struct http_call *call;
} got;

/* ---- a client */

static const char *sent_as = CONTENT_JSON;

static void on_head(struct http_call *call, int status, void *arg)
{
	const char *type = http_call_header(call, "Content-Type");

	got.status = status;
	snprintf(got.type, sizeof(got.type), "%s", type ? type : "");
}

static void on_data(struct http_call *call, const void *buf, size_t len, void *arg)
{
	assert_true(got.len + len < BODY_MAX);
	memcpy(got.body + got.len, buf, len);
	got.len += len;
	if ((got.enough && got.len >= got.enough) ||
		(got.until && memmem(got.body, got.len, got.until, strlen(got.until))))
		loop_quit(t.loop, 0);
}

static void on_done(struct http_call *call, int err, const char *why, void *arg)
{
	got.call = NULL;
	assert_int_equal(err, 0);
	loop_quit(t.loop, 0);
}

static void ask(const char *method, const char *target, const char *accept, const char *body)
{
	static const struct http_call_events events = {.head = on_head, .data = on_data, .done = on_done};
	const struct http_header_field headers[] = {{"Accept", accept}};
	const struct http_request rq = {.method = method,
		.target = target,
		.content_type = body ? sent_as : NULL,
		.body = body,
		.len = body ? strlen(body) : 0,
		.headers = headers,
		.n_headers = accept ? 1 : 0};

	got.len = 0;
	assert_int_equal(http_call_start(&got.call, t.client, &rq, &events, NULL), 0);
	loop_run(t.loop);
	http_call_cancel(take(got.call));
}

static void make(const char *target, const char *body)
{
	ask("POST", target, NULL, body);
	if (got.status != 201)
		fail_msg("%s: %d %.*s", target, got.status, (int)got.len, got.body);
}

static void make_config_map(const char *name, size_t size)
{
	cleanup(freep) char *data = malloc(size + 1), *body = NULL;

	memset(data, 'x', size);
	data[size] = '\0';
	assert_true(
		asprintf(&body,
			"{\"metadata\":{\"name\":\"%s\",\"labels\":{\"size\":\"%s\"}},\"data\":{\"b\":\"%s\",\"a\":\"1\"}}",
			name, size == LARGE ? "large" : "small", data) > 0);
	make("/api/v1/namespaces/default/configmaps", body);
}

static int setup(void **state)
{
	char name[8];

	api_test_open(&t, NULL);
	api_test_client(&t);
	got.body = malloc(BODY_MAX);
	make("/api/v1/namespaces", "{\"metadata\":{\"name\":\"default\"}}");
	make_config_map("one", 10);
	make_config_map("two", 20);
	for (int i = 0; i < N_LARGE; i++) {
		snprintf(name, sizeof(name), "l%d", i);
		make_config_map(name, LARGE);
	}
	make("/apis/apps/v1/namespaces/default/deployments",
		"{\"metadata\":{\"name\":\"web\",\"labels\":{\"a\":\"b\"}},\"spec\":{\"replicas\":2,\"selector\":{\"matchLabels\":{"
		"\"a\":\"b\"}},\"template\":{\"metadata\":{\"labels\":{\"a\":\"b\"}},\"spec\":{\"containers\":[{\"name\":\"c\","
		"\"image\":\"i\",\"resources\":{\"limits\":{\"cpu\":\"100m\"}},\"livenessProbe\":{\"httpGet\":{\"port\":80}}}],"
		"\"volumes\":[{\"name\":\"v\",\"emptyDir\":{}}]}}}}");
	make("/apis/apiextensions.k8s.io/v1/customresourcedefinitions",
		"{\"metadata\":{\"name\":\"boats.example.com\"},\"spec\":{\"group\":\"example.com\",\"scope\":\"Namespaced\",\"names\":{"
		"\"plural\":\"boats\",\"singular\":\"boat\",\"kind\":\"Boat\",\"listKind\":\"BoatList\"},\"versions\":[{\"name\":\"v1\","
		"\"served\":true,\"storage\":true,\"schema\":{\"openAPIV3Schema\":{\"type\":\"object\","
		"\"x-kubernetes-preserve-unknown-fields\":true}}}]}}");
	make("/apis/example.com/v1/namespaces/default/boats",
		"{\"apiVersion\":\"example.com/v1\",\"kind\":\"Boat\",\"metadata\":{\"name\":\"b\"},\"sails\":2}");
	return 0;
}

static int teardown(void **state)
{
	free(got.body);
	return api_test_close(&t);
}

/* ---- the same twice */

struct question {
	const char *method, *target, *body;
	const char *json, *protobuf; /* Accept; NULL: as it is */
	int status;
};

/* The answer in JSON makes the bytes; what changes with time is not asked. */
static void check(const struct question *q)
{
	cleanup(json_docp) yyjson_doc *doc = NULL;
	struct encoder e = {0};

	ask(q->method, q->target, q->json, q->body);
	assert_int_equal(got.status, q->status);
	assert_string_equal(got.type, CONTENT_JSON);
	doc = yyjson_read(got.body, got.len, YYJSON_READ_NOFLAG);
	if (!encode_document(&e, yyjson_doc_get_root(doc)))
		fail_msg("%s has no protobuf: %.*s", q->target, (int)got.len, got.body);
	ask(q->method, q->target, q->protobuf ? q->protobuf : CONTENT_PROTOBUF, q->body);
	if (got.status != q->status || strcmp(got.type, CONTENT_PROTOBUF) != 0)
		fail_msg("%s: %d, %s", q->target, got.status, got.type);
	if (got.len != e.len || memcmp(got.body, encoder_bytes(&e), e.len) != 0)
		fail_msg("%s: other bytes than those of its JSON, %zu, not %zu", q->target, got.len, e.len);
	encoder_fini(&e);
}

static void test_answers(void **state)
{
	static const struct question all[] = {
		{"GET", "/api/v1/namespaces/default/configmaps/one", .status = 200},
		{"GET", "/apis/apps/v1/namespaces/default/deployments/web", .status = 200},
		{"GET", "/apis/apps/v1/namespaces/default/deployments/web",
			.protobuf = CONTENT_PROTOBUF ",application/json", .status = 200},
		{"GET", "/apis/apps/v1/namespaces/default/deployments/web?pretty=true",
			.protobuf = CONTENT_PROTOBUF ", */*", .status = 200},
		{"GET", "/apis/apps/v1/namespaces/default/deployments/web/scale", .status = 200},
		/* small lists, and those that are sent piece by piece */
		{"GET", "/api/v1/secrets", .status = 200},
		{"GET", "/api/v1/configmaps?labelSelector=size%3Dsmall", .status = 200},
		{"GET", "/api/v1/configmaps?labelSelector=size%3Dlarge", .status = 200},
		{"GET", "/api/v1/configmaps", .status = 200},
		{"GET", "/api/v1/configmaps?limit=1", .status = 200},
		/* definitions of kinds, whose own objects have none */
		{"GET", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/boats.example.com",
			.status = 200},
		{"GET", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions", .status = 200},
		/* metadata alone, of any kind */
		{"GET", "/api/v1/namespaces/default/configmaps/one",
			.json = "application/json;as=PartialObjectMetadata" META, .protobuf = PARTIAL,
			.status = 200},
		{"GET", "/api/v1/configmaps", .json = "application/json;as=PartialObjectMetadataList" META,
			.protobuf = PARTIALS, .status = 200},
		{"GET", "/apis/example.com/v1/namespaces/default/boats/b",
			.json = "application/json;as=PartialObjectMetadata" META, .protobuf = PARTIAL,
			.status = 200},
		{"GET", "/apis/example.com/v1/boats",
			.json = "application/json;as=PartialObjectMetadataList" META, .protobuf = PARTIALS,
			.status = 200},
		/* errors, of any kind, and of none */
		{"GET", "/api/v1/namespaces/default/configmaps/none", .status = 404},
		{"GET", "/api/v1/configmaps?labelSelector=%21%21", .status = 400},
		{"GET", "/apis/example.com/v1/namespaces/default/boats/none",
			.protobuf = CONTENT_PROTOBUF ",application/json", .status = 404},
		{"GET", "/apis/example.com/v2/boats", .status = 404},
		{"POST", "/apis/apps/v1/namespaces/default/deployments",
			.body = "{\"metadata\":{\"name\":\"A\"}}", .status = 422},
		/* reviews */
		{"POST", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews",
			.body = "{\"spec\":{\"resourceAttributes\":{\"verb\":\"get\",\"resource\":\"pods\"}}}",
			.status = 201},
		{"POST", "/apis/authentication.k8s.io/v1/selfsubjectreviews", .body = "{}", .status = 201},
	};

	for (size_t i = 0; i < array_len(all); i++)
		check(&all[i]);
}

/* ---- what stays JSON */

static void test_json_stays(void **state)
{
	static const struct {
		const char *target, *accept;
		int status;
		const char *says;
	} all[] = {
		{"/api/v1/namespaces/default/configmaps/one", "application/json," CONTENT_PROTOBUF, 200,
			"\"ConfigMap\""},
		{"/api/v1/namespaces/default/configmaps/one", "*/*", 200, "\"ConfigMap\""},
		/* of a Table there is no protobuf */
		{"/api/v1/configmaps?limit=1",
			CONTENT_PROTOBUF ";as=Table" META ",application/json;as=Table" META, 200,
			"\"Table\""},
		/* nor of custom resources */
		{"/apis/example.com/v1/namespaces/default/boats/b", CONTENT_PROTOBUF ",application/json", 200,
			"\"sails\":2"},
		/* discovery and the rest */
		{"/api", CONTENT_PROTOBUF ", */*", 200, "\"APIVersions\""},
		{"/apis", CONTENT_PROTOBUF ",application/json", 200, "\"APIGroupList\""},
		{"/apis/apps/v1", CONTENT_PROTOBUF, 200, "\"APIResourceList\""},
		{"/version", CONTENT_PROTOBUF ",application/json", 200, "\"gitVersion\""},
		/* an error of a form that an error cannot have */
		{"/api/v1/namespaces/default/configmaps/none", PARTIAL, 404, "\"NotFound\""},
		{"/api/v1/configmaps", "application/yaml", 406,
			"only the following media types are accepted: application/json, application/vnd.kubernetes.protobuf"},
		{"/api/v1/configmaps?watch=1", "application/yaml", 406,
			"accepted: application/json;stream=watch, application/vnd.kubernetes.protobuf;stream=watch\""},
	};

	for (size_t i = 0; i < array_len(all); i++) {
		ask("GET", all[i].target, all[i].accept, NULL);
		if (got.status != all[i].status || strcmp(got.type, CONTENT_JSON) != 0 ||
			!memmem(got.body, got.len, all[i].says, strlen(all[i].says)))
			fail_msg("%s %s: %d %s %.*s", all[i].target, all[i].accept, got.status, got.type,
				(int)got.len, got.body);
	}
}

/* Nothing that is left is taken: 406, and that is said in protobuf; there, too, the reason follows. */
static void test_not_acceptable(void **state)
{
	static const char says[] = "accepted: application/json\x22\x0dNotAcceptable";

	ask("GET", "/apis/example.com/v1/namespaces/default/boats/b", CONTENT_PROTOBUF, NULL);
	assert_int_equal(got.status, 406);
	assert_string_equal(got.type, CONTENT_PROTOBUF);
	assert_non_null(memmem(got.body, got.len, says, strlen(says)));
}

/* Of custom resources there is no protobuf in either direction. */
static void test_unsupported_body(void **state)
{
	sent_as = CONTENT_PROTOBUF;
	ask("POST", "/apis/example.com/v1/namespaces/default/boats", NULL, "k8s");
	sent_as = CONTENT_JSON;
	assert_int_equal(got.status, 415);
}

/* ---- watches */

/* The frames of what a watch says in JSON, appended. */
static void frames(struct text *out, const char *lines, size_t len)
{
	for (const char *end; len; len -= (size_t)(end + 1 - lines), lines = end + 1) {
		cleanup(json_docp) yyjson_doc *doc = NULL;
		struct text object = {0};
		char *json;
		size_t n;

		end = memchr(lines, '\n', len);
		assert_non_null(end);
		doc = yyjson_read(lines, (size_t)(end - lines), YYJSON_READ_NOFLAG);
		json = yyjson_val_write(yyjson_obj_get(yyjson_doc_get_root(doc), "object"), 0, &n);
		text_add(&object, json, n);
		protobuf_event(out, true, json_str(yyjson_doc_get_root(doc), "type"), &object);
		text_fini(&object);
		free(json);
	}
}

static void watch(const char *target, const char *json, const char *protobuf)
{
	struct text want = {0};

	got.until = "initial-events-end\":\"true\"}}}}\n";
	ask("GET", target, json, NULL);
	assert_string_equal(got.type, CONTENT_JSON);
	frames(&want, got.body, got.len);
	assert_false(want.failed);
	got.until = NULL;
	got.enough = want.len;
	ask("GET", target, protobuf, NULL);
	got.enough = 0;
	assert_int_equal(got.status, 200);
	assert_string_equal(got.type, CONTENT_PROTOBUF_WATCH);
	if (got.len != want.len || memcmp(got.body, want.bytes, want.len) != 0)
		fail_msg("%s: other frames than those of its JSON, %zu, not %zu", target, got.len, want.len);
	text_fini(&want);
}

static void test_watches(void **state)
{
	watch("/api/v1/configmaps?" INITIAL, CONTENT_JSON, CONTENT_PROTOBUF ";stream=watch");
	watch("/apis/apps/v1/deployments?" INITIAL, CONTENT_JSON, CONTENT_PROTOBUF ",application/json");
	watch("/api/v1/configmaps?" INITIAL, "application/json;as=PartialObjectMetadata" META, PARTIAL);
	watch("/apis/example.com/v1/boats?" INITIAL, "application/json;as=PartialObjectMetadata" META,
		PARTIAL);
}

/* {1: "ADDED", 2: {1: the object in its envelope}}, behind four bytes of length. */
static void test_frame(void **state)
{
	static const char json[] = "{\"kind\":\"Status\",\"apiVersion\":\"v1\",\"code\":410}";
	static const unsigned char frame[] = "\0\0\0\x26"
					     "\x0a\5ERROR"
					     "\x12\x1d\x0a\x1b"
					     "k8s\0\x0a\x0c\x0a\2v1\x12\6Status\x12\3\x30\x9a\3\x1a\0\x22";
	struct text t1 = {0}, t2 = {0}, object = {0};

	text_puts(&object, json);
	protobuf_event(&t1, true, "ERROR", &object);
	assert_false(t1.failed);
	assert_int_equal(t1.len, sizeof(frame));
	assert_memory_equal(t1.bytes, frame, t1.len);
	/* a message of a WebSocket is a frame of its own */
	protobuf_event(&t2, false, "ERROR", &object);
	assert_int_equal(t2.len, t1.len - 4);
	assert_memory_equal(t2.bytes, t1.bytes + 4, t2.len);
	text_fini(&t1);
	text_fini(&t2);
	text_fini(&object);
}

/* Of many watchers the first encodes an event. Nothing is kept when the turn is over. */
static void test_shared_event(void **state)
{
	struct list list = {0};
	struct list_options o = {.ns = "default", .revision = -1};
	struct request q = {.api = t.api, .encoding = ENCODING_PROTOBUF};
	const struct schema_kind *k = schema_find("", "v1", "configmaps");
	struct text first = {0}, again = {0}, partial = {0}, other = {0};
	const unsigned char *bytes;

	q.kind = k;
	assert_null(registry_list(t.registry, k, &o, &list));
	assert_int_equal(list.n, 2 + N_LARGE);
	protobuf_object_event(&q, &first, true, "ADDED", list.items[0]);
	assert_non_null(t.api->protobuf);
	protobuf_object_event(&q, &again, true, "ADDED", list.items[0]);
	assert_int_equal(first.len, again.len);
	assert_memory_equal(first.bytes, again.bytes, first.len);
	bytes = (const unsigned char *)again.bytes;
	assert_int_equal((uint32_t)bytes[0] << 24 | bytes[1] << 16 | bytes[2] << 8 | bytes[3], again.len - 4);
	/* another form, and another object */
	q.form = FORM_PARTIAL;
	q.table_version = "meta.k8s.io/v1";
	protobuf_object_event(&q, &partial, true, "ADDED", list.items[0]);
	assert_true(partial.len < first.len);
	q.form = FORM_OBJECT;
	protobuf_object_event(&q, &other, true, "ADDED", list.items[list.n - 1]);
	assert_true(other.len != first.len);
	text_fini(&first);
	text_fini(&again);
	text_fini(&partial);
	text_fini(&other);
	list_fini(&list);
	ask("GET", "/version", NULL, NULL);
	assert_null(t.api->protobuf);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_answers),
		cmocka_unit_test(test_json_stays),
		cmocka_unit_test(test_not_acceptable),
		cmocka_unit_test(test_unsupported_body),
		cmocka_unit_test(test_watches),
		cmocka_unit_test(test_frame),
		cmocka_unit_test(test_shared_event),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}

/* SPDX-License-Identifier: Apache-2.0 */

/* Kinds of a definition whose versions are made by a webhook: v1 has a hostPort, which v2 has as host and port. */

#include "cluster/schema/convert.h"
#include "cluster/webhooks/conversion.h"
#include "cluster/webhooks/stories.h"
#include "lib/tree.h"

enum { QUESTIONS_MAX = 32 };

#define V1	    "x.example.com/v1"
#define V2	    "x.example.com/v2"
#define DEFINITIONS "apiextensions.k8s.io/v1"

/* ---- the webhook */

static char asked[QUESTIONS_MAX][3000]; /* "PATH QUESTION" */
static size_t asked_objects[QUESTIONS_MAX];

static bool put(yyjson_mut_doc *doc, yyjson_mut_val *o, const char *key, const char *text)
{
	yyjson_mut_obj_remove_key(o, key);
	return !text || yyjson_mut_obj_add_strcpy(doc, o, key, text);
}

static yyjson_mut_val *member(yyjson_mut_val *o, const char *key)
{
	return yyjson_mut_obj_get(o, key);
}

/* What a webhook that does its work makes of one object. */
static void turn(yyjson_mut_doc *doc, yyjson_mut_val *o, const char *to)
{
	const char *both = yyjson_mut_get_str(member(o, "hostPort")),
		   *host = yyjson_mut_get_str(member(o, "host")),
		   *number = yyjson_mut_get_str(member(o, "port"));
	char text[200], *colon;

	if (!strcmp(to, V2) && both) {
		snprintf(text, sizeof(text), "%.190s", both);
		colon = strchr(text, ':');
		assert_non_null(colon);
		*colon = '\0';
		assert_true(put(doc, o, "hostPort", NULL) && put(doc, o, "host", text) &&
			    put(doc, o, "port", colon + 1));
	} else if (!strcmp(to, V1) && host) {
		snprintf(text, sizeof(text), "%s:%s", host, number);
		assert_true(put(doc, o, "host", NULL) && put(doc, o, "port", NULL) &&
			    put(doc, o, "hostPort", text));
	}
	assert_true(put(doc, o, "apiVersion", to));
}

/* What one that does not may do to it, by its path. */
static void spoil(yyjson_mut_doc *doc, yyjson_mut_val *o, const char *path)
{
	yyjson_mut_val *meta = member(o, "metadata"), *labels;

	if (!strcmp(path, "/version"))
		put(doc, o, "apiVersion", "x.example.com/v3");
	else if (!strcmp(path, "/kind"))
		put(doc, o, "kind", "Other");
	else if (!strcmp(path, "/name"))
		put(doc, meta, "name", "other");
	else if (!strcmp(path, "/uid"))
		put(doc, meta, "uid", "other");
	else if (!strcmp(path, "/no-metadata"))
		put(doc, o, "metadata", NULL);
	if (strcmp(path, "/relabel") != 0 && strcmp(path, "/label") != 0)
		return;
	put(doc, meta, "generateName", "ignored-");
	put(doc, meta, "creationTimestamp", "1999-01-01T00:00:00Z");
	yyjson_mut_obj_remove_key(meta, "labels");
	labels = yyjson_mut_obj_add_obj(doc, meta, "labels");
	yyjson_mut_obj_add_str(doc, labels, "made", strcmp(path, "/label") ? "yes" : "not a label");
	put(doc, o, "unknown", "is left out");
}

static yyjson_mut_doc *converted(yyjson_val *request, const char *path, const char *review)
{
	yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
	yyjson_mut_val *root = yyjson_mut_obj(doc), *response, *result, *list, *copy;
	yyjson_val *o;
	size_t i, n;

	yyjson_mut_doc_set_root(doc, root);
	yyjson_mut_obj_add_str(doc, root, "kind", strcmp(path, "/frame") ? "ConversionReview" : "Other");
	yyjson_mut_obj_add_strcpy(doc, root, "apiVersion", review);
	if (!strcmp(path, "/empty"))
		return doc;
	response = yyjson_mut_obj_add_obj(doc, root, "response");
	yyjson_mut_obj_add_strcpy(
		doc, response, "uid", strcmp(path, "/echo") ? json_str(request, "uid") : "another");
	result = yyjson_mut_obj_add_obj(doc, response, "result");
	if (!strcmp(path, "/refuse")) {
		yyjson_mut_obj_add_str(doc, result, "status", "Failed");
		yyjson_mut_obj_add_str(doc, result, "message", "not this one");
		return doc;
	}
	yyjson_mut_obj_add_str(doc, result, "status", strcmp(path, "/status") ? "Success" : "Perhaps");
	list = yyjson_mut_obj_add_arr(doc, response, "convertedObjects");
	yyjson_arr_foreach (json_arr(request, "objects"), i, n, o) {
		copy = yyjson_val_mut_copy(doc, o);
		turn(doc, copy, json_str(request, "desiredAPIVersion"));
		spoil(doc, copy, path);
		if (strcmp(path, "/fewer") != 0)
			yyjson_mut_arr_append(list, copy);
	}
	return doc;
}

static void answer(struct http_req *rq, char *body, size_t len, void *arg)
{
	static const char *const changes[][2] = {
		{"/move", "[{\"op\":\"replace\",\"path\":\"/port\",\"value\":\"99\"}]"},
		{"/state", "[{\"op\":\"add\",\"path\":\"/status\",\"value\":{\"is\":\"moved\"}}]"}};
	cleanup(json_docp) yyjson_doc *doc = yyjson_read(body, len, 0);
	yyjson_val *root = yyjson_doc_get_root(doc), *request = json_obj(root, "request");
	const char *path = http_path(rq);
	cleanup(json_mut_docp) yyjson_mut_doc *made = NULL;
	cleanup(freep) char *text = NULL;
	size_t n;

	assert_non_null(request);
	assert_true(n_asked < QUESTIONS_MAX);
	snprintf(asked[n_asked], sizeof(asked[0]), "%s %s", path, body);
	asked_objects[n_asked++] = yyjson_arr_size(json_arr(request, "objects"));
	if (!strcmp(path, "/never")) {
		loop_quit(l, 0);
		return;
	}
	if (!strcmp(path, "/broken")) {
		http_reply(rq, 500, "text/plain", "oh", 2);
		return;
	}
	if (!strcmp(path, "/judge")) {
		text = review_wrong(
			"{\"apiVersion\":\"admission.k8s.io/v1\",\"kind\":\"AdmissionReview\",\"response\":{"
			"\"uid\":\"%s\",\"allowed\":true}}",
			json_str(request, "uid"));
		http_reply(rq, 200, "application/json", text, strlen(text));
		return;
	}
	for (size_t i = 0; i < array_len(changes); i++) {
		cleanup(freep) char *coded = NULL;

		if (strcmp(path, changes[i][0]) != 0)
			continue;
		coded = base64_make(changes[i][1], strlen(changes[i][1]));
		text = review_wrong(
			"{\"apiVersion\":\"admission.k8s.io/v1\",\"kind\":\"AdmissionReview\",\"response\":{"
			"\"uid\":\"%s\",\"allowed\":true,\"patchType\":\"JSONPatch\",\"patch\":\"%s\"}}",
			json_str(request, "uid"), coded);
		http_reply(rq, 200, "application/json", text, strlen(text));
		return;
	}
	made = converted(request, path, json_str(root, "apiVersion"));
	text = yyjson_mut_write(made, 0, &n);
	http_reply(rq, 200, "application/json", text, n);
}

/* ---- the definition */

static char *spec_of(const char *stored, const char *path, const char *reviews)
{
	static const char schema[] =
		"\"schema\":{\"openAPIV3Schema\":{\"type\":\"object\",\"properties\":{\"hostPort\":{\"type\":\"string\"},"
		"\"host\":{\"type\":\"string\"},\"port\":{\"type\":\"string\"},\"status\":{\"type\":\"object\",\"properties\":{"
		"\"is\":{\"type\":\"string\"}}}}}},\"subresources\":{\"status\":{}}";
	bool v2 = !strcmp(stored, "v2");
	char *text = review_wrong(
		"{\"group\":\"x.example.com\",\"scope\":\"Namespaced\",\"names\":{\"plural\":\"things\",\"kind\":\"Thing\"},"
		"\"versions\":[{\"name\":\"v1\",\"served\":true,\"storage\":%s,%s},{\"name\":\"v2\",\"served\":true,\"storage\":%s,%s}],"
		"\"conversion\":{\"strategy\":\"Webhook\",\"webhook\":{\"conversionReviewVersions\":[%s],\"clientConfig\":{"
		"\"url\":\"https://127.0.0.1:%d%s\",\"caBundle\":\"%s\"}}}}",
		v2 ? "false" : "true", schema, v2 ? "true" : "false", schema, reviews, port, path, bundle);

	assert_non_null(text);
	return text;
}

static void define(const char *stored, const char *path)
{
	cleanup(freep) char *spec = spec_of(stored, path, "\"v2\",\"v1\",\"v1beta1\"");
	cleanup(freep) char *text =
		review_wrong("{\"metadata\":{\"name\":\"things.x.example.com\"},\"spec\":%s}", spec);

	assert_int_equal(create(DEFINITIONS, "CustomResourceDefinition", "", text)->code, 0);
	n_asked = 0;
}

static enum modify set_spec(const struct object *old, yyjson_mut_doc **doc, struct status **error, void *arg)
{
	cleanup(json_docp) yyjson_doc *spec = yyjson_read(arg, strlen(arg), 0);

	yyjson_mut_obj_put(yyjson_mut_doc_get_root(*doc), yyjson_mut_str(*doc, "spec"),
		yyjson_val_mut_copy(*doc, yyjson_doc_get_root(spec)));
	return MODIFY_WRITE;
}

static void on_redefined(const struct status *error, const struct object *object, void *arg)
{
	on_done(error, object, &outcome);
}

static void redefine_as(const char *stored, const char *path, const char *reviews)
{
	cleanup(freep) char *spec = spec_of(stored, path, reviews);

	outcome = (struct outcome){.code = -1};
	registry_modify(r, &ann, schema_find_kind(DEFINITIONS, "CustomResourceDefinition"), "",
		"things.x.example.com", false, set_spec, NULL, on_redefined, spec);
	assert_int_equal(finish()->code, 0);
	n_asked = 0;
}

static void redefine(const char *stored, const char *path)
{
	redefine_as(stored, path, "\"v1\"");
}

/* ---- reading and writing */

static const struct schema_kind *thing(const char *version)
{
	const struct schema_kind *k = schema_find_kind(version, "Thing");

	assert_non_null(k);
	return k;
}

static const struct outcome *make(const char *version, const char *name, const char *fields)
{
	cleanup(freep) char *text =
		review_wrong("{\"apiVersion\":\"%s\",\"kind\":\"Thing\",\"metadata\":{\"name\":\"%s\"},%s}",
			version, name, fields);

	return create(version, "Thing", "default", text);
}

static const struct object *stored(const char *name)
{
	const struct object *o = registry_get(r, thing(V1), "default", name);

	assert_non_null(o);
	return o;
}

static enum modify set_port(const struct object *old, yyjson_mut_doc **doc, struct status **error, void *arg)
{
	yyjson_mut_val *root = yyjson_mut_doc_get_root(*doc);

	assert_string_equal(old->kind->version, "v2");
	if (arg)
		assert_true(put(*doc, root, "port", arg));
	return MODIFY_WRITE;
}

static const struct outcome *change(const char *name, const char *number)
{
	outcome = (struct outcome){.code = -1};
	registry_modify(r, &ann, thing(V2), "default", name, false, set_port, NULL, on_redefined,
		(void *)(uintptr_t)number);
	return finish();
}

static char all[4000];
static int read_code;

static void on_read(struct status *error, struct object *const *objects, size_t n, void *arg)
{
	read_code = error ? error->code : 0;
	*all = '\0';
	if (error)
		snprintf(all, sizeof(all), "%s", error->message);
	for (size_t i = 0; !error && i < n; i++)
		snprintf(all + strlen(all), sizeof(all) - strlen(all), "%.900s\n", objects[i]->json);
	status_free(error);
	loop_quit(l, 0);
}

/* Everything there is, as one of the version. */
static const char *read_all(const char *version)
{
	struct list_options o = {.revision = -1};
	struct list list;

	assert_null(registry_list(r, thing(version), &o, &list));
	n_asked = 0;
	assert_non_null(
		conversion_start(registry_webhooks(r), thing(version), list.items, list.n, on_read, NULL));
	list_fini(&list);
	read_code = -1;
	while (read_code < 0)
		assert_int_equal(loop_run(l), 0);
	return all;
}

/* ---- what happens */

static void test_writes(void **state)
{
	define("v1", "/convert");
	assert_int_equal(make(V1, "a", "\"hostPort\":\"h:1\"")->code, 0);
	assert_int_equal(n_asked, 0);
	assert_int_equal(make(V2, "b", "\"host\":\"h\",\"port\":\"2\"")->code, 0);
	assert_int_equal(n_asked, 1);
	assert_true(says(asked[0],
		"/convert {\"kind\":\"ConversionReview\",\"apiVersion\":\"apiextensions.k8s.io/v1\""));
	assert_true(says(
		asked[0], "\"desiredAPIVersion\":\"x.example.com/v1\",\"objects\":[{\"kind\":\"Thing\""));
	assert_true(says(stored("b")->json, "\"apiVersion\":\"" V1 "\""));
	assert_true(says(stored("b")->json, "\"hostPort\":\"h:2\""));
	/* there and back */
	assert_int_equal(change("a", "7")->code, 0);
	assert_int_equal(n_asked, 3);
	assert_true(says(stored("a")->json, "\"hostPort\":\"h:7\""));
	assert_int_equal(stored("a")->generation, 2);
	/* what changes nothing is not written, nor sent back */
	assert_int_equal(change("a", "7")->code, 0);
	assert_int_equal(n_asked, 4);
	assert_int_equal(stored("a")->generation, 2);
}

/* Each stays in the version in which it was written, and only those that need it are sent. */
static void test_lists(void **state)
{
	define("v1", "/convert");
	make(V1, "a", "\"hostPort\":\"h:1\"");
	make(V1, "c", "\"hostPort\":\"h:3\"");
	redefine("v2", "/convert");
	make(V2, "b", "\"host\":\"h\",\"port\":\"2\"");
	assert_int_equal(n_asked, 0);
	assert_string_equal(stored("a")->kind->version, "v1");
	assert_string_equal(stored("b")->kind->version, "v2");
	read_all(V1);
	assert_int_equal(read_code, 0);
	assert_int_equal(n_asked, 1);
	assert_int_equal(asked_objects[0], 1);
	assert_true(strstr(all, "h:1") < strstr(all, "h:2") && strstr(all, "h:2") < strstr(all, "h:3"));
	assert_null(strstr(all, "\"kind\":\"Thing\",\"apiVersion\":\"" V2));
	read_all(V2);
	assert_int_equal(n_asked, 1);
	assert_int_equal(asked_objects[0], 2);
	assert_null(strstr(all, "\"kind\":\"Thing\",\"apiVersion\":\"" V1));
	/* writing the same once more moves it */
	assert_int_equal(change("a", NULL)->code, 0);
	assert_string_equal(stored("a")->kind->version, "v2");
	/* a deletion needs no other version */
	redefine("v2", "/broken");
	assert_int_equal(delete (V2, "Thing", "default", "c")->code, 0);
	assert_int_equal(n_asked, 0);
}

static void test_large_lists(void **state)
{
	static char big[900 << 10], fields[1 << 20];
	char name[8];

	define("v1", "/convert");
	memset(big, 'x', sizeof(big) - 1);
	snprintf(fields, sizeof(fields), "\"hostPort\":\"h:%s\"", big);
	for (int i = 0; i < 5; i++) {
		snprintf(name, sizeof(name), "n%d", i);
		assert_int_equal(make(V1, name, fields)->code, 0);
	}
	read_all(V2);
	assert_int_equal(read_code, 0);
	assert_int_equal(n_asked, 3);
	assert_int_equal(asked_objects[0] + asked_objects[1] + asked_objects[2], 5);
}

static void test_failures(void **state)
{
	static const struct {
		const char *path, *why;
	} table[] = {
		{"/broken", " failed: Post \"https://127.0.0.1:"},
		{"/broken", "/broken?timeout=30s\": the server answers with status 500: oh"},
		{"/frame",
			" failed: expected webhook response of apiextensions.k8s.io/v1, Kind=ConversionReview, got"},
		{"/empty", " failed: no response provided"},
		{"/echo", " failed: expected response.uid=\""},
		{"/refuse", " failed: not this one"},
		{"/status", " failed: response.result.status was 'Perhaps', not 'Success'"},
		{"/fewer", " returned 0 objects, expected 1"},
		{"/version",
			" returned invalid object at index 0: invalid groupVersion (expected x.example.com/v2, received "
			"x.example.com/v3)"},
		{"/kind",
			" returned invalid object at index 0: invalid kind (expected Thing, received Other)"},
		{"/name", " returned invalid object at index 0: must have the same name: a != other"},
		{"/uid", " returned invalid object at index 0: must have the same UID: "},
		{"/no-metadata", " returned invalid object at index 0: missing metadata in converted object"},
		{"/label", "metadata.labels: Invalid value: \"not a label\""},
	};

	define("v1", "/convert");
	make(V1, "a", "\"hostPort\":\"h:1\"");
	for (size_t i = 0; i < array_len(table); i++) {
		redefine("v1", table[i].path);
		read_all(V2);
		assert_int_equal(read_code, 500);
		assert_true(says(all, "conversion webhook for x.example.com/v1, Kind=Thing"));
		assert_true(says(all, table[i].why));
		assert_int_equal(change("a", "9")->code, 500);
		assert_true(says(outcome.message, table[i].why));
	}
	assert_true(says(stored("a")->json, "h:1"));
}

/* Of metadata it decides labels and annotations alone; what a version does not know is left out. */
static void test_metadata(void **state)
{
	define("v1", "/relabel");
	make(V1, "a", "\"hostPort\":\"h:1\"");
	read_all(V2);
	assert_int_equal(read_code, 0);
	assert_true(says(all, "\"labels\":{\"made\":\"yes\"}"));
	assert_null(strstr(all, "ignored-"));
	assert_null(strstr(all, "1999"));
	assert_null(strstr(all, "left out"));
	assert_true(says(all, stored("a")->uid));
}

/* One that was written for v1beta1 is asked in that, and its answer need not say what v1 asks for. */
static void test_reviews(void **state)
{
	define("v1", "/convert");
	make(V1, "a", "\"hostPort\":\"h:1\"");
	redefine_as("v1", "/echo", "\"v1beta1\",\"v1\"");
	read_all(V2);
	assert_int_equal(read_code, 0);
	assert_true(says(asked[0], "\"apiVersion\":\"apiextensions.k8s.io/v1beta1\""));
}

/* Objects of several versions are there again when the store is opened again. */
static void test_restart(void **state)
{
	char place[] = "/tmp/conversion-test-XXXXXX", *why;
	struct registry_options o = {.loop = l, .data_dir = place};

	assert_non_null(mkdtemp(place));
	registry_close(r);
	assert_int_equal(registry_open(&r, &o, &why), 0);
	assert_int_equal(create("v1", "Namespace", "", "{\"metadata\":{\"name\":\"default\"}}")->code, 0);
	define("v1", "/convert");
	make(V1, "a", "\"hostPort\":\"h:1\"");
	redefine("v2", "/convert");
	make(V2, "b", "\"host\":\"h\",\"port\":\"2\"");
	registry_close(r);
	assert_int_equal(registry_open(&r, &o, &why), 0);
	assert_string_equal(stored("a")->kind->version, "v1");
	assert_string_equal(stored("b")->kind->version, "v2");
	read_all(V2);
	assert_int_equal(read_code, 0);
	assert_true(says(all, "\"host\":\"h\",\"port\":\"1\""));
	assert_int_equal(tree_remove(AT_FDCWD, place), 0);
}

static void hook_named(const char *name, const char *kind, const char *path)
{
	cleanup(freep) char *text = review_wrong(
		"{\"metadata\":{\"name\":\"%s\"},\"webhooks\":[{\"name\":\"h.example.com\",\"admissionReviewVersions\":[\"v1\"],"
		"\"sideEffects\":\"None\",\"clientConfig\":{\"url\":\"https://127.0.0.1:%d%s\",\"caBundle\":\"%s\"},\"rules\":[{"
		"\"operations\":[\"*\"],\"apiGroups\":[\"x.example.com\"],\"apiVersions\":[\"v2\"],\"resources\":[\"things\"]}]}]}",
		name, port, path, bundle);

	assert_int_equal(create("admissionregistration.k8s.io/v1", kind, "", text)->code, 0);
	n_asked = 0;
}

static void hook(const char *kind, const char *path)
{
	hook_named("h", kind, path);
}

/* Who is asked about v2 is shown v2, whatever is written, and what it changes is made v1 again. */
static void test_admission(void **state)
{
	define("v1", "/convert");
	hook("ValidatingWebhookConfiguration", "/judge");
	assert_int_equal(make(V1, "a", "\"hostPort\":\"h:1\"")->code, 0);
	assert_int_equal(n_asked, 2);
	assert_true(says(asked[1], "/judge "));
	assert_true(says(asked[1], "\"object\":{\"kind\":\"Thing\",\"apiVersion\":\"" V2 "\""));
	assert_true(says(asked[1], "\"host\":\"h\",\"port\":\"1\""));
	assert_true(says(asked[1],
		"\"requestKind\":{\"group\":\"x.example.com\",\"version\":\"v1\",\"kind\":\"Thing\"}"));
	n_asked = 0;
	assert_int_equal(delete (V1, "Thing", "default", "a")->code, 0);
	assert_int_equal(n_asked, 2);
	assert_true(says(asked[1], "\"oldObject\":{\"kind\":\"Thing\",\"apiVersion\":\"" V2 "\""));
	assert_int_equal(
		delete ("admissionregistration.k8s.io/v1", "ValidatingWebhookConfiguration", "", "h")->code,
		0);
	hook("MutatingWebhookConfiguration", "/move");
	assert_int_equal(make(V1, "m", "\"hostPort\":\"h:1\"")->code, 0);
	assert_int_equal(n_asked, 3);
	assert_true(says(stored("m")->json, "\"apiVersion\":\"" V1 "\""));
	assert_true(says(stored("m")->json, "\"hostPort\":\"h:99\""));
}

static enum modify move_away(const struct object *old, yyjson_mut_doc **doc, struct status **error, void *arg)
{
	assert_true(put(*doc, yyjson_mut_doc_get_root(*doc), "hostPort", "h:2"));
	return MODIFY_WRITE;
}

/* What is not to be changed by this way is as it was for who judges, though who came after the change was shown it. */
static void test_admission_restricted(void **state)
{
	const char *judged[2] = {NULL};
	size_t n = 0;

	define("v1", "/convert");
	assert_int_equal(make(V1, "a", "\"hostPort\":\"h:1\"")->code, 0);
	hook_named("a", "MutatingWebhookConfiguration", "/state");
	hook_named("b", "MutatingWebhookConfiguration", "/judge");
	hook_named("c", "ValidatingWebhookConfiguration", "/judge");
	outcome = (struct outcome){.code = -1};
	registry_modify(r, &ann, thing(V1), "default", "a", false, move_away, NULL, on_redefined, NULL);
	assert_int_equal(finish()->code, 0);
	for (size_t i = 0; i < n_asked; i++)
		if (!strncmp(asked[i], "/judge ", 7) && n < array_len(judged))
			judged[n++] = asked[i];
	assert_int_equal(n, 2);
	assert_true(says(judged[0], "\"status\":{\"is\":\"moved\"}"));
	assert_null(strstr(judged[1], "moved"));
	assert_true(says(judged[1], "\"port\":\"2\""));
	assert_true(says(stored("a")->json, "\"hostPort\":\"h:2\""));
	assert_null(strstr(stored("a")->json, "moved"));
}

/* Without the webhook nobody can say what the write looks like to who has to judge it. */
static void test_admission_without_webhook(void **state)
{
	define("v1", "/broken");
	hook("ValidatingWebhookConfiguration", "/judge");
	assert_int_equal(make(V1, "a", "\"hostPort\":\"h:1\"")->code, 500);
	assert_true(says(outcome.message, "conversion webhook for x.example.com/v1, Kind=Thing failed"));
	assert_int_equal(n_asked, 1);
}

/* A policy p about v2, bound without more. @kind: Mutating or Validating */
static void policy(const char *kind, const char *fails, const char *more)
{
	static const char *const group = "admissionregistration.k8s.io/v1";
	cleanup(freep) char *text = review_wrong(
		"{\"metadata\":{\"name\":\"p\"},\"spec\":{\"failurePolicy\":\"%s\",\"matchConstraints\":{\"resourceRules\":[{"
		"\"operations\":[\"*\"],\"apiGroups\":[\"x.example.com\"],\"apiVersions\":[\"v2\"],\"resources\":[\"things\"]}]},%s}}",
		fails, more);
	cleanup(freep) char *policy_kind = review_wrong("%sAdmissionPolicy", kind),
			    *binding_kind = review_wrong("%sAdmissionPolicyBinding", kind),
			    *binding = review_wrong(
				    "{\"metadata\":{\"name\":\"b\"},\"spec\":{\"policyName\":\"p\"%s}}",
				    *kind == 'V' ? ",\"validationActions\":[\"Deny\"]" : "");

	delete (group, policy_kind, "", "p");
	delete (group, binding_kind, "", "b");
	if (create(group, policy_kind, "", text)->code || create(group, binding_kind, "", binding)->code)
		fail_msg("%s", outcome.message);
	n_asked = 0;
}

/* What judges v2 is shown v2, as webhooks have changed it last. */
static void test_policy_that_judges(void **state)
{
	define("v1", "/convert");
	policy("Validating", "Fail", "\"validations\":[{\"expression\":\"object.port == '99'\"}]");
	assert_int_equal(make(V1, "a", "\"hostPort\":\"h:1\"")->code, 422);
	assert_true(says(outcome.message, "failed expression: object.port == '99'"));
	assert_int_equal(n_asked, 1);
	hook("MutatingWebhookConfiguration", "/move");
	assert_int_equal(make(V1, "a", "\"hostPort\":\"h:1\"")->code, 0);
	assert_true(says(stored("a")->json, "\"hostPort\":\"h:99\""));
}

/* What would change v2 cannot change v1, since nothing waits while policies are asked. */
static void test_policy_that_changes(void **state)
{
	static const char patch[] =
		"\"reinvocationPolicy\":\"Never\",\"mutations\":[{\"patchType\":\"JSONPatch\",\"jsonPatch\":{"
		"\"expression\":\"[JSONPatch{op: 'replace', path: '/port', value: '99'}]\"}}]";

	define("v2", "/convert");
	policy("Mutating", "Fail", patch);
	assert_int_equal(make(V2, "a", "\"host\":\"h\",\"port\":\"1\"")->code, 0);
	assert_true(says(stored("a")->json, "\"port\":\"99\""));
	assert_int_equal(make(V1, "b", "\"hostPort\":\"h:1\"")->code, 403);
	assert_true(says(outcome.message,
		"policy 'p' with binding 'b' denied request: it is about " V2 ", which a webhook makes of " V1
		": changes of an object that is converted by a webhook are not supported"));
	assert_int_equal(n_asked, 0);
	policy("Mutating", "Ignore", patch);
	assert_int_equal(make(V1, "b", "\"hostPort\":\"h:1\"")->code, 0);
	assert_true(says(stored("b")->json, "\"port\":\"1\""));
}

/* The registry is closed while an object is being made: teardown does, and nothing is left behind. */
static void test_nobody_waits_for_ever(void **state)
{
	define("v1", "/never");
	begin(V2, "Thing", "default",
		"{\"apiVersion\":\"" V2
		"\",\"kind\":\"Thing\",\"metadata\":{\"name\":\"b\"},\"host\":\"h\",\"port\":\"2\"}",
		false);
	assert_int_equal(loop_run(l), 0);
	assert_int_equal(n_asked, 1);
	assert_int_equal(outcome.code, -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(test_writes),
		CASE(test_lists),
		CASE(test_large_lists),
		CASE(test_failures),
		CASE(test_metadata),
		CASE(test_reviews),
		CASE(test_restart),
		CASE(test_admission),
		CASE(test_admission_restricted),
		CASE(test_admission_without_webhook),
		CASE(test_policy_that_judges),
		CASE(test_policy_that_changes),
		CASE(test_nobody_waits_for_ever),
	};

	return cmocka_run_group_tests(tests, group_setup, group_teardown);
}

/* SPDX-License-Identifier: Apache-2.0 */

/* Writes of a registry in memory, and a webhook of our own behind TLS, which answers as its path says. */

#include "cluster/registry/registry_int.h"
#include "cluster/webhooks/hook_url.h"
#include "cluster/webhooks/stories.h"

enum { QUESTIONS_MAX = 16 };

/* ---- the webhook */

static char asked[QUESTIONS_MAX][8192]; /* "PATH QUESTION" */

static void change(char *out, size_t size, const char *uid, const char *patch)
{
	char *coded = base64_make(patch, strlen(patch));

	assert_non_null(coded);
	snprintf(out, size, "{\"uid\":\"%s\",\"allowed\":true,\"patchType\":\"JSONPatch\",\"patch\":\"%s\"}",
		uid, coded);
	free(coded);
}

/* /add/KEY puts a key into data, unless it is there. */
static void add(char *out, size_t size, const char *uid, const char *key, const char *question)
{
	char patch[200], there[80];

	snprintf(there, sizeof(there), "\"%s\":\"added\"", key);
	snprintf(patch, sizeof(patch), "[{\"op\":\"add\",\"path\":\"/data/%s\",\"value\":\"added\"}]", key);
	if (!strstr(question, there))
		change(out, size, uid, patch);
}

/* /count puts something else there each time. */
static void count(char *out, size_t size, const char *uid)
{
	char patch[100];

	snprintf(patch, sizeof(patch), "[{\"op\":\"add\",\"path\":\"/data/n\",\"value\":\"%zu\"}]", n_asked);
	change(out, size, uid, patch);
}

static void answer(struct http_req *rq, char *body, size_t len, void *arg)
{
	yyjson_doc *doc = yyjson_read(body, len, 0);
	const char *path = http_path(rq),
		   *uid = json_str(json_obj(yyjson_doc_get_root(doc), "request"), "uid");
	char response[800], text[1000];

	assert_non_null(uid);
	if (n_asked < QUESTIONS_MAX)
		snprintf(asked[n_asked], sizeof(asked[0]), "%s %s", path, body);
	n_asked++;
	snprintf(response, sizeof(response), "{\"uid\":\"%s\",\"allowed\":true}", uid);
	if (!strncmp(path, "/add/", 5))
		add(response, sizeof(response), uid, path + 5, body);
	else if (!strcmp(path, "/count"))
		count(response, sizeof(response), uid);
	else if (!strcmp(path, "/side") && !strstr(body, "\"side\""))
		change(response, sizeof(response), uid,
			"[{\"op\":\"add\",\"path\":\"/spec/containers/-\",\"value\":{\"name\":\"side\",\"image\":\"j\"}}]");
	else if (!strcmp(path, "/hurry"))
		change(response, sizeof(response), uid,
			"[{\"op\":\"add\",\"path\":\"/deleteOptions\",\"value\":{\"gracePeriodSeconds\":7,\"odd\":1}}]");
	else if (!strcmp(path, "/wrong"))
		change(response, sizeof(response), uid,
			"[{\"op\":\"add\",\"path\":\"/deleteOptions\",\"value\":{\"gracePeriodSeconds\":\"x\"}}]");
	else if (!strcmp(path, "/another"))
		change(response, sizeof(response), uid,
			"[{\"op\":\"replace\",\"path\":\"/kind\",\"value\":\"Binding\"}]");
	else if (!strcmp(path, "/deny"))
		snprintf(response, sizeof(response),
			"{\"uid\":\"%s\",\"allowed\":false,\"warnings\":[\"careful\"],\"status\":{\"code\":403,\"message\":\"not today\"}}",
			uid);
	else if (!strcmp(path, "/silent"))
		snprintf(response, sizeof(response), "{\"uid\":\"%s\",\"allowed\":false}", uid);
	else if (!strcmp(path, "/other"))
		snprintf(response, sizeof(response), "{\"uid\":\"another\",\"allowed\":true}");
	snprintf(text, sizeof(text),
		"{\"apiVersion\":\"admission.k8s.io/v1\",\"kind\":\"AdmissionReview\",\"response\":%s}",
		response);
	yyjson_doc_free(doc);
	if (!strcmp(path, "/broken"))
		http_reply(rq, 500, "text/plain", "oh", 2);
	else if (strcmp(path, "/never") != 0)
		http_reply(rq, 200, "application/json", text, strlen(text));
	else
		loop_quit(l, 0);
}

static const struct outcome *map(const char *name)
{
	char json[200];

	snprintf(json, sizeof(json),
		"{\"metadata\":{\"name\":\"%s\",\"labels\":{\"name\":\"%s\"}},\"data\":{\"a\":\"b\"}}", name,
		name);
	return create("v1", "ConfigMap", "default", json);
}

/* A configuration NAME of one webhook, for @resource, at @path of ours. @more: of the webhook, and begins with a comma. */
static const struct outcome *hook_for(
	const char *resource, const char *kind, const char *name, const char *path, const char *more)
{
	char json[4000];

	snprintf(json, sizeof(json),
		"{\"metadata\":{\"name\":\"%s\"},\"webhooks\":[{\"name\":\"%s.example.com\",\"admissionReviewVersions\":[\"v1\"],"
		"\"sideEffects\":\"None\",\"clientConfig\":{\"url\":\"https://127.0.0.1:%d%s\",\"caBundle\":\"%s\"},\"rules\":[{"
		"\"operations\":[\"*\"],\"apiGroups\":[\"\"],\"apiVersions\":[\"v1\"],\"resources\":[\"%s\"]}]%s}]}",
		name, name, port, path, bundle, resource, more);
	return create("admissionregistration.k8s.io/v1", kind, "", json);
}

static const struct outcome *hook(const char *kind, const char *name, const char *path, const char *more)
{
	return hook_for("configmaps", kind, name, path, more);
}

#define MUTATING   "MutatingWebhookConfiguration"
#define VALIDATING "ValidatingWebhookConfiguration"

/* ---- what happens */

static void test_what_is_asked(void **state)
{
	assert_int_equal(hook(MUTATING, "add", "/add/x", "")->code, 0);
	assert_int_equal(map("m")->code, 0);
	assert_true(says(outcome.json, "\"x\":\"added\""));
	assert_int_equal(n_asked, 1);
	assert_true(says(
		asked[0], "/add/x {\"kind\":\"AdmissionReview\",\"apiVersion\":\"admission.k8s.io/v1\""));
	assert_true(says(asked[0], "\"kind\":{\"group\":\"\",\"version\":\"v1\",\"kind\":\"ConfigMap\"}"));
	assert_true(says(
		asked[0], "\"resource\":{\"group\":\"\",\"version\":\"v1\",\"resource\":\"configmaps\"}"));
	assert_true(says(asked[0], "\"name\":\"m\",\"namespace\":\"default\",\"operation\":\"CREATE\""));
	assert_true(says(asked[0], "\"userInfo\":{\"username\":\"ann\""));
	assert_true(says(asked[0], "\"oldObject\":null"));
	assert_true(says(asked[0], "\"dryRun\":false"));
	assert_int_equal(delete ("v1", "ConfigMap", "default", "m")->code, 0);
	assert_true(says(asked[1], "\"operation\":\"DELETE\""));
	assert_true(says(asked[1], "\"object\":null,\"oldObject\":{"));
	begin("v1", "ConfigMap", "default", "{\"metadata\":{\"name\":\"d\"},\"data\":{\"a\":\"b\"}}", true);
	assert_int_equal(finish()->code, 0);
	assert_true(says(asked[2], "\"dryRun\":true"));
	assert_null(registry_get(r, schema_find("", "v1", "configmaps"), "default", "d"));
}

/* b is asked after a, sees what a did, and because it changes something a is asked again. */
static void test_the_order(void **state)
{
	hook(MUTATING, "b", "/add/b", ",\"reinvocationPolicy\":\"IfNeeded\"");
	hook(MUTATING, "a", "/add/a", ",\"reinvocationPolicy\":\"IfNeeded\"");
	assert_int_equal(map("m")->code, 0);
	assert_true(says(outcome.json, "\"data\":{\"a\":\"added\",\"b\":\"added\"}"));
	assert_int_equal(n_asked, 3);
	assert_true(says(asked[0], "/add/a {"));
	assert_true(says(asked[1], "/add/b {"));
	assert_true(says(asked[1], "\"a\":\"added\""));
	assert_true(says(asked[2], "/add/a {"));
}

#define AGAIN ",\"reinvocationPolicy\":\"IfNeeded\""

static void is_asked(size_t n, const char *path, const char *part, const char *but_not)
{
	assert_true(n < n_asked);
	assert_true(says(asked[n], path));
	assert_true(says(asked[n], part));
	assert_null(but_not ? strstr(asked[n], but_not) : NULL);
}

/* What changes in the second round is a reason to ask those whose turn is to come once more, and nobody else. */
static void test_the_second_round(void **state)
{
	hook(MUTATING, "a", "/count", AGAIN);
	hook(MUTATING, "b", "/add/b", AGAIN);
	hook(MUTATING, "c", "/look", AGAIN);
	hook(MUTATING, "d", "/look/once", "");
	assert_int_equal(map("m")->code, 0);
	is_asked(3, "/look/once {", "\"b\":\"added\"", NULL);
	is_asked(4, "/count {", "\"b\":\"added\"", NULL);
	is_asked(5, "/add/b {", "\"n\":\"5\"", NULL);
	is_asked(6, "/look {", "\"n\":\"5\"", NULL);
	assert_int_equal(n_asked, 7);
	assert_true(says(outcome.json, "\"n\":\"5\""));
}

/*
 * Between the rounds the server's own rules have their part in what webhooks have made: limits for one more container. Who wants to
 * be asked again sees that, also who has made it.
 */
static void test_the_rules_between(void **state)
{
	static const char pod[] =
		"{\"metadata\":{\"name\":\"p\"},\"spec\":{\"containers\":[{\"name\":\"c\",\"image\":\"i\"}]}}";
	static const char limited[] =
		"{\"name\":\"side\",\"image\":\"j\",\"resources\":{\"limits\":{\"cpu\":\"2\"}";

	assert_int_equal(
		create("v1", "ServiceAccount", "default", "{\"metadata\":{\"name\":\"default\"}}")->code, 0);
	assert_int_equal(
		create("v1", "LimitRange", "default",
			"{\"metadata\":{\"name\":\"l\"},\"spec\":{\"limits\":[{\"type\":\"Container\",\"default\":{\"cpu\":\"2\"}}]}}")
			->code,
		0);
	hook_for("pods", MUTATING, "a", "/look", AGAIN);
	hook_for("pods", MUTATING, "b", "/side", AGAIN);
	hook_for("pods", MUTATING, "c", "/look/once", "");
	assert_int_equal(create("v1", "Pod", "default", pod)->code, 0);
	is_asked(0, "/look {", "\"name\":\"c\"", "\"side\"");
	is_asked(1, "/side {", "\"name\":\"c\"", "\"side\"");
	is_asked(2, "/look/once {", "\"side\"", limited);
	is_asked(3, "/look {", "\"limits\":{\"cpu\":\"2\"},\"requests\":{\"cpu\":\"2\"}", NULL);
	is_asked(4, "/side {", "\"side\"", NULL);
	assert_int_equal(n_asked, 5);
}

/*
 * Policies come before webhooks, in both rounds: p notes how many members there are, the webhook adds one, so that p is asked again,
 * and because that changes something the webhook is, too.
 */
static void test_policies_before(void **state)
{
	static const char group[] = "admissionregistration.k8s.io/v1";

	assert_int_equal(
		create(group, "MutatingAdmissionPolicy", "",
			"{\"metadata\":{\"name\":\"p\"},\"spec\":{\"reinvocationPolicy\":\"IfNeeded\",\"mutations\":[{\"patchType\":"
			"\"JSONPatch\",\"jsonPatch\":{\"expression\":\"[JSONPatch{op: 'add', path: '/data/p', value: "
			"string(object.data.size())}]\"}}],\"matchConstraints\":{\"resourceRules\":[{\"operations\":[\"CREATE\"],"
			"\"apiGroups\":[\"\"],\"apiVersions\":[\"v1\"],\"resources\":[\"configmaps\"]}]}}}")
			->code,
		0);
	assert_int_equal(create(group, "MutatingAdmissionPolicyBinding", "",
				 "{\"metadata\":{\"name\":\"p\"},\"spec\":{\"policyName\":\"p\"}}")
				 ->code,
		0);
	hook(MUTATING, "w", "/add/x", ",\"reinvocationPolicy\":\"IfNeeded\"");
	assert_int_equal(map("m")->code, 0);
	assert_true(says(outcome.json, "\"p\":\"3\""));
	assert_true(says(outcome.json, "\"x\":\"added\""));
	assert_int_equal(n_asked, 2);
	assert_true(says(asked[0], "\"p\":\"1\""));
	assert_true(says(asked[1], "\"p\":\"3\""));
	/* one that refuses when it is asked again */
	assert_int_equal(
		create(group, "MutatingAdmissionPolicy", "",
			"{\"metadata\":{\"name\":\"q\"},\"spec\":{\"reinvocationPolicy\":\"IfNeeded\",\"mutations\":[{\"patchType\":"
			"\"JSONPatch\",\"jsonPatch\":{\"expression\":\"'x' in object.data ? [JSONPatch{op: object.none}] : []\"}}],"
			"\"matchConstraints\":{\"resourceRules\":[{\"operations\":[\"CREATE\"],\"apiGroups\":[\"\"],"
			"\"apiVersions\":[\"v1\"],\"resources\":[\"configmaps\"]}]}}}")
			->code,
		0);
	assert_int_equal(create(group, "MutatingAdmissionPolicyBinding", "",
				 "{\"metadata\":{\"name\":\"q\"},\"spec\":{\"policyName\":\"q\"}}")
				 ->code,
		0);
	assert_int_equal(map("n")->code, 403);
	assert_true(says(outcome.message, "policy 'q' with binding 'q' denied request: expression"));
	assert_int_equal(n_asked, 3);
}

static void test_refusals(void **state)
{
	assert_int_equal(map("before")->code, 0);
	hook(VALIDATING, "v", "/deny", "");
	assert_int_equal(map("m")->code, 403);
	assert_string_equal(
		outcome.message, "admission webhook \"v.example.com\" denied the request: not today");
	assert_string_equal(outcome.warning, "careful");
	assert_int_equal(delete ("v1", "ConfigMap", "default", "before")->code, 403);
	assert_non_null(registry_get(r, schema_find("", "v1", "configmaps"), "default", "before"));
	/* nobody is asked about those who ask */
	assert_int_equal(delete ("admissionregistration.k8s.io/v1", VALIDATING, "", "v")->code, 0);
	hook(VALIDATING, "v", "/silent", "");
	assert_int_equal(map("m")->code, 400);
	assert_true(says(outcome.message, "denied the request without explanation"));
	delete ("admissionregistration.k8s.io/v1", VALIDATING, "", "v");
	assert_int_equal(map("m")->code, 0);
}

static void test_who_is_concerned(void **state)
{
	hook(VALIDATING, "o", "/deny", ",\"objectSelector\":{\"matchLabels\":{\"name\":\"chosen\"}}");
	hook(VALIDATING, "n", "/deny", ",\"namespaceSelector\":{\"matchLabels\":{\"is\":\"other\"}}");
	assert_int_equal(map("m")->code, 0);
	assert_int_equal(n_asked, 0);
	assert_int_equal(map("chosen")->code, 403);
	assert_int_equal(create("v1", "Secret", "default",
				 "{\"metadata\":{\"name\":\"s\",\"labels\":{\"name\":\"chosen\"}}}")
				 ->code,
		0);
	assert_int_equal(n_asked, 1);
}

static void test_failures(void **state)
{
	static const struct {
		const char *path, *why;
	} ways[] = {{"/broken", "the server answers with status 500"}, {"/other", "expected response.uid="},
		{"/never", "context deadline exceeded"}};

	for (size_t i = 0; i < array_len(ways); i++) {
		char name[20];

		hook(VALIDATING, "f", ways[i].path, ",\"timeoutSeconds\":1");
		assert_int_equal(map("m")->code, 500);
		assert_true(says(outcome.message, "failed calling webhook \"f.example.com\": "));
		assert_true(says(outcome.message, ways[i].why));
		delete ("admissionregistration.k8s.io/v1", VALIDATING, "", "f");
		hook(VALIDATING, "f", ways[i].path, ",\"timeoutSeconds\":1,\"failurePolicy\":\"Ignore\"");
		snprintf(name, sizeof(name), "ignored-%zu", i);
		assert_int_equal(map(name)->code, 0);
		delete ("admissionregistration.k8s.io/v1", VALIDATING, "", "f");
	}
}

/* ---- evictions: an object that is no resource */

static int hook_evictions(const char *path)
{
	char json[4000];

	snprintf(json, sizeof(json),
		"{\"metadata\":{\"name\":\"e\"},\"webhooks\":[{\"name\":\"e.example.com\",\"admissionReviewVersions\":[\"v1\"],"
		"\"sideEffects\":\"None\",\"clientConfig\":{\"url\":\"https://127.0.0.1:%d%s\",\"caBundle\":\"%s\"},\"rules\":[{"
		"\"operations\":[\"CREATE\",\"CONNECT\"],\"apiGroups\":[\"\"],\"apiVersions\":[\"v1\"],"
		"\"resources\":[\"pods/eviction\",\"pods/exec\"]}]}]}",
		port, path, bundle);
	return create("admissionregistration.k8s.io/v1", MUTATING, "", json)->code;
}

static void on_asked(struct status *error, void *arg)
{
	on_done(error, NULL, arg);
	status_free(error);
}

/* Asks about @json of pod "p", as if it were about to be carried out; what has become of it, or NULL: see outcome. */
static char *ask_about(const char *json, enum admit_verb verb, const char *subresource)
{
	struct attempt a = {.registry = r,
		.who = &ann,
		.kind = schema_find("", "v1", "pods"),
		.verb = verb,
		.foreign = true,
		.ns = "default",
		.name = "p",
		.subresource = subresource,
		.doc = doc_of(json)};
	struct webhook_run *run;
	char *text = NULL;

	a.root = yyjson_mut_doc_get_root(a.doc);
	outcome = (struct outcome){.code = -1};
	assert_true(webhooks_ask(registry_webhooks(r), WEBHOOK_MUTATING, &a, &run, NULL, on_asked, &outcome));
	if (!finish()->code)
		text = yyjson_mut_write(a.doc, YYJSON_WRITE_NOFLAG, NULL);
	yyjson_mut_doc_free(a.doc);
	return text;
}

static void test_evictions(void **state)
{
	static const char eviction[] =
		"{\"apiVersion\":\"policy/v1\",\"kind\":\"Eviction\",\"metadata\":{\"name\":\"p\"}}";
	char *said;

	assert_int_equal(hook_evictions("/hurry"), 0);
	said = ask_about(eviction, ADMIT_CREATE, "eviction");
	assert_non_null(said);
	assert_true(says(said, "\"kind\":\"Eviction\""));
	assert_true(says(said, "\"deleteOptions\":{\"gracePeriodSeconds\":7"));
	assert_null(strstr(said, "odd"));
	free(said);
	/* what one connects with stays as it is */
	assert_null(ask_about("{\"apiVersion\":\"v1\",\"kind\":\"PodExecOptions\"}", ADMIT_CONNECT, "exec"));
	assert_true(says(outcome.message, "a patch is not allowed here"));

	delete ("admissionregistration.k8s.io/v1", MUTATING, "", "e");
	assert_int_equal(hook_evictions("/wrong"), 0);
	assert_null(ask_about(eviction, ADMIT_CREATE, "eviction"));
	assert_int_equal(outcome.code, 500);
	assert_true(says(outcome.message, "failed calling webhook \"e.example.com\": "));
	delete ("admissionregistration.k8s.io/v1", MUTATING, "", "e");
	assert_int_equal(hook_evictions("/another"), 0);
	assert_null(ask_about(eviction, ADMIT_CREATE, "eviction"));
	assert_int_equal(outcome.code, 500);
}

/* Who has been asked about an eviction is not asked about the deletion that it is. */
static void test_asked_once(void **state)
{
	assert_int_equal(map("m")->code, 0);
	hook(VALIDATING, "v", "/deny", "");
	hook(MUTATING, "a", "/allow", "");
	assert_int_equal(delete ("v1", "ConfigMap", "default", "m")->code, 403);
	n_asked = 0;
	outcome = (struct outcome){.code = -1};
	registry_delete(r, &ann, schema_find_kind("v1", "ConfigMap"), "default", "m",
		&(struct delete_options){.grace_seconds = -1, .asked = true}, on_deleted, &outcome);
	assert_int_equal(finish()->code, 0);
	assert_int_equal(n_asked, 0);
	assert_null(registry_get(r, schema_find("", "v1", "configmaps"), "default", "m"));
}

/* The certificate is not one of the bundle's. */
static void test_a_stranger(void **state)
{
	char json[1000];

	snprintf(json, sizeof(json),
		"{\"metadata\":{\"name\":\"s\"},\"webhooks\":[{\"name\":\"s.example.com\",\"admissionReviewVersions\":[\"v1\"],"
		"\"sideEffects\":\"None\",\"clientConfig\":{\"url\":\"https://127.0.0.1:%d/\",\"caBundle\":\"bm8=\"},\"rules\":[{"
		"\"operations\":[\"CREATE\"],\"apiGroups\":[\"*\"],\"apiVersions\":[\"*\"],\"resources\":[\"*\"]}]}]}",
		port);
	assert_int_equal(create("admissionregistration.k8s.io/v1", MUTATING, "", json)->code, 0);
	assert_int_equal(map("m")->code, 500);
	assert_true(says(outcome.message, "caBundle"));
	assert_int_equal(n_asked, 0);
}

static void on_stored(int err, int64_t revision, void *arg)
{
	assert_int_equal(err, 0);
	loop_quit(l, 0);
}

/* The slice leads to this machine from now on, which nobody may write by the API. */
static void lead_here(const char *name, const char *from, const char *to)
{
	const struct object *o =
		registry_get(r, schema_find_kind("discovery.k8s.io/v1", "EndpointSlice"), "default", name);
	cleanup(freep) char *text = strdup(o->json);
	char *version = strstr(text, "\"resourceVersion\":\"") + strlen("\"resourceVersion\":\""),
	     *after = version + strspn(version, "0123456789");

	assert_int_equal(strlen(from), strlen(to));
	memcpy(strstr(text, from), to, strlen(to));
	memmove(version, after, strlen(after) + 1); /* the store says which it is */
	assert_int_equal(
		store_write(r->store,
			&(struct store_write){
				.key = o->key, .value = text, .len = strlen(text), .expect = o->revision},
			on_stored, NULL),
		0);
	assert_int_equal(loop_run(l), 0);
}

static void test_a_service(void **state)
{
	char json[3000];

	snprintf(json, sizeof(json),
		"{\"metadata\":{\"name\":\"s\"},\"webhooks\":[{\"name\":\"s.example.com\",\"admissionReviewVersions\":[\"v1\"],"
		"\"sideEffects\":\"None\",\"clientConfig\":{\"service\":{\"namespace\":\"default\",\"name\":\"hook\",\"path\":\"/add/s\"},"
		"\"caBundle\":\"%s\"},\"rules\":[{"
		"\"operations\":[\"CREATE\"],\"apiGroups\":[\"\"],\"apiVersions\":[\"*\"],\"resources\":[\"configmaps\"]}]}]}",
		bundle);
	assert_int_equal(create("admissionregistration.k8s.io/v1", MUTATING, "", json)->code, 0);
	assert_int_equal(map("m")->code, 500);
	assert_true(says(outcome.message, "service \"hook\" not found"));
	assert_int_equal(create("v1", "Service", "default",
				 "{\"metadata\":{\"name\":\"hook\"},\"spec\":{\"ports\":[{\"port\":443}]}}")
				 ->code,
		0);
	assert_int_equal(map("m")->code, 500);
	assert_true(says(outcome.message, "no endpoints available"));
	snprintf(json, sizeof(json),
		"{\"metadata\":{\"name\":\"hook\",\"labels\":{\"kubernetes.io/service-name\":\"hook\"}},\"addressType\":\"IPv4\","
		"\"ports\":[{\"name\":\"\",\"port\":%d}],\"endpoints\":[{\"addresses\":[\"192.0.2.1\"],\"conditions\":{\"ready\":true}}]}",
		port);
	assert_int_equal(create("discovery.k8s.io/v1", "EndpointSlice", "default", json)->code, 0);
	lead_here("hook", "192.0.2.1", "127.0.0.1");
	assert_int_equal(map("m")->code, 0);
	assert_true(says(outcome.json, "\"s\":\"added\""));
}

/* Somebody else writes the object while a webhook is thought about: nothing of the other's is lost. */
static enum modify add_key(const struct object *old, yyjson_mut_doc **doc, struct status **error, void *arg)
{
	yyjson_mut_val *data = yyjson_mut_obj_get(yyjson_mut_doc_get_root(*doc), "data");

	return yyjson_mut_obj_add_str(*doc, data, arg ? "second" : "first", "yes") ? MODIFY_WRITE
										   : MODIFY_FAIL;
}

static size_t n_modified;

static void on_modified(const struct status *error, const struct object *object, void *arg)
{
	assert_null(error);
	n_modified++;
	loop_quit(l, 0);
}

static void test_writes_that_meet(void **state)
{
	const struct schema_kind *k = schema_find("", "v1", "configmaps");

	assert_int_equal(map("m")->code, 0);
	hook(MUTATING, "add", "/add/x", "");
	n_modified = 0;
	registry_modify(r, &ann, k, "default", "m", false, add_key, NULL, on_modified, NULL);
	registry_modify(r, &ann, k, "default", "m", false, add_key, NULL, on_modified, (void *)1);
	while (n_modified < 2)
		assert_int_equal(loop_run(l), 0);
	assert_true(says(registry_get(r, k, "default", "m")->json, "\"first\":\"yes\""));
	assert_true(says(registry_get(r, k, "default", "m")->json, "\"second\":\"yes\""));
	assert_true(says(registry_get(r, k, "default", "m")->json, "\"x\":\"added\""));
}

/* The registry is closed while a write waits: teardown does, and nothing is left behind. */
static void test_nobody_waits_for_ever(void **state)
{
	hook(VALIDATING, "v", "/never", "");
	begin("v1", "ConfigMap", "default", "{\"metadata\":{\"name\":\"m\"}}", false);
	assert_int_equal(loop_run(l), 0);
	assert_int_equal(n_asked, 1);
	assert_int_equal(outcome.code, -1);
}

#define CONDITION(name, expression) "{\"name\":\"" name "\",\"expression\":\"" expression "\"}"

/* Nobody is asked unless all conditions hold; a condition without an answer is a webhook without one. */
static void test_conditions(void **state)
{
	assert_int_equal(
		hook(MUTATING, "add", "/add/x",
			",\"matchConditions\":[" CONDITION(
				"name", "object.metadata.name != 'skip-me'") "," CONDITION("who",
				"request.userInfo.username == 'ann' && request.operation in ['CREATE', 'DELETE']") "]")
			->code,
		0);
	assert_int_equal(map("m")->code, 0);
	assert_true(says(outcome.json, "\"x\":\"added\""));
	assert_int_equal(map("skip-me")->code, 0);
	assert_null(strstr(outcome.json, "added"));
	assert_int_equal(n_asked, 1);
	/* there is no object then: one condition has no answer, and the other, which does not hold, decides */
	assert_int_equal(
		hook(VALIDATING, "deny", "/deny",
			",\"matchConditions\":[" CONDITION("a", "object.data.a == 'b'") "," CONDITION(
				"b", "request.operation != 'DELETE'") "]")
			->code,
		0);
	assert_int_equal(delete ("v1", "ConfigMap", "default", "skip-me")->code, 403);
	assert_true(says(outcome.message, "match condition 'name' has no answer"));
	assert_int_equal(delete ("admissionregistration.k8s.io/v1", MUTATING, "", "add")->code, 0);
	assert_int_equal(delete ("v1", "ConfigMap", "default", "skip-me")->code, 0);
	assert_int_equal(map("n")->code, 403);
	assert_true(says(outcome.message, "not today"));
	assert_int_equal(delete ("admissionregistration.k8s.io/v1", VALIDATING, "", "deny")->code, 0);
	/* what may be ignored is */
	assert_int_equal(hook(VALIDATING, "lax", "/deny",
				 ",\"failurePolicy\":\"Ignore\",\"matchConditions\":[" CONDITION(
					 "a", "object.none == 1") "]")
				 ->code,
		0);
	assert_int_equal(map("o")->code, 0);
	/* who may do what is asked here, too, and nobody says it in these tests */
	assert_int_equal(
		hook(VALIDATING, "strict", "/deny",
			",\"matchConditions\":[" CONDITION("a", "object.metadata.name == 'p'") "," CONDITION(
				"b", "!authorizer.requestResource.check('pass').allowed()") "]")
			->code,
		0);
	assert_int_equal(map("p")->code, 403);
	assert_int_equal(map("q")->code, 0);
	assert_int_equal(delete ("admissionregistration.k8s.io/v1", VALIDATING, "", "strict")->code, 0);
	/* and what is no expression is not kept */
	assert_int_equal(
		hook(MUTATING, "c", "/", ",\"matchConditions\":[" CONDITION("a", "- bad -") "]")->code, 422);
	assert_true(says(outcome.message, "matchConditions[0].expression"));
	assert_true(says(
		outcome.message, "compilation failed: ERROR: <input>:1:3: undeclared reference to 'bad'"));
	assert_int_equal(
		hook(MUTATING, "c", "/", ",\"matchConditions\":[" CONDITION("a", "request.name") "]")->code,
		422);
	assert_true(says(outcome.message, "must evaluate to bool but got string"));
}

static void test_what_is_not_supported(void **state)
{
	assert_int_equal(hook(MUTATING, "c", "/?a=b", "")->code, 422);
	assert_true(says(outcome.message, "query parameters"));
	assert_int_equal(hook(MUTATING, "c", "/", ",\"timeoutSeconds\":31")->code, 422);
}

static void test_urls(void **state)
{
	static const struct {
		const char *url, *address;
		int port;
	} good[] = {{"https://1.2.3.4", "1.2.3.4", 443}, {"https://1.2.3.4:8443/a/b", "1.2.3.4", 8443},
		{"https://[fd00::1]/x", "fd00::1", 443}, {"https://[fd00::1]:99/x", "fd00::1", 99}};
	static const char *const bad[] = {"", "http://1.2.3.4", "https://", "https://host/",
		"https://1.2.3.4:0/", "https://1.2.3.4:x", "https://u@1.2.3.4/", "https://1.2.3.4/a b",
		"https://[fd00::1", "https://[fd00::1]9", "https://1.2.3.4/#f"};
	struct hook_url u;

	for (size_t i = 0; i < array_len(good); i++) {
		assert_null(hook_url_read(&u, good[i].url));
		assert_string_equal(u.address, good[i].address);
		assert_int_equal(u.port, good[i].port);
		assert_true(*u.path == '/');
	}
	for (size_t i = 0; i < array_len(bad); i++)
		if (!hook_url_read(&u, bad[i]))
			fail_msg("accepted: %s", bad[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(test_what_is_asked),
		CASE(test_the_order),
		CASE(test_the_second_round),
		CASE(test_the_rules_between),
		CASE(test_policies_before),
		CASE(test_refusals),
		CASE(test_who_is_concerned),
		CASE(test_failures),
		CASE(test_evictions),
		CASE(test_asked_once),
		CASE(test_a_stranger),
		CASE(test_a_service),
		CASE(test_writes_that_meet),
		CASE(test_nobody_waits_for_ever),
		CASE(test_conditions),
		CASE(test_what_is_not_supported),
		cmocka_unit_test(test_urls),
	};

	return cmocka_run_group_tests(tests, group_setup, group_teardown);
}

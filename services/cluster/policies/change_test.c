/* SPDX-License-Identifier: Apache-2.0 */

/* Writes of a registry in memory, and policies that change them. */

#include "cluster/policies/writes_testing.h"

#define POLICY_KIND  "MutatingAdmissionPolicy"
#define BINDING_KIND "MutatingAdmissionPolicyBinding"

#define OBJECT(text)                                                                                         \
	"{\"patchType\":\"ApplyConfiguration\",\"applyConfiguration\":{\"expression\":\"" text "\"}}"
#define PATCH(text)	 "{\"patchType\":\"JSONPatch\",\"jsonPatch\":{\"expression\":\"[" text "]\"}}"
#define SET(path, value) PATCH("JSONPatch{op: 'add', path: '" path "', value: " value "}")
#define ONCE(mutations)	 "\"reinvocationPolicy\":\"Never\",\"mutations\":[" mutations "]"
#define AGAIN(mutations) "\"reinvocationPolicy\":\"IfNeeded\",\"mutations\":[" mutations "]"
#define DEPLOYMENTS                                                                                                  \
	"\"matchConstraints\":{\"resourceRules\":[{\"operations\":[\"CREATE\",\"UPDATE\"],\"apiGroups\":[\"apps\"]," \
	"\"apiVersions\":[\"v1\"],\"resources\":[\"deployments\",\"deployments/status\"]}]},"

/* @more: of the spec, and begins with a comma. */
static void bind(const char *name, const char *of, const char *more)
{
	char spec[2000];

	snprintf(spec, sizeof(spec), "\"policyName\":\"%s\"%s", of, more);
	admits(BINDING_KIND, name, spec);
}

/* One policy p with one binding b, gone afterwards (forget). */
static void holds(const char *spec, const char *more)
{
	admits(POLICY_KIND, "p", spec);
	bind("b", "p", more);
}

static void forget(void)
{
	assert_int_equal(delete (GROUP, BINDING_KIND, "", "b"), 0);
	assert_int_equal(delete (GROUP, POLICY_KIND, "", "p"), 0);
}

/* A config map m is written, and says this (and not that) once it is; it is gone afterwards. */
static void becomes(const char *part, const char * not)
{
	if (map("m", "c"))
		fail_msg("%s", outcome.message);
	says(outcome.json, part);
	if (not&&strstr(outcome.json, not))
		fail_msg("\"%s\" is in: %s", not, outcome.json);
	assert_int_equal(remove_map("m"), 0);
}

/* @more: of the spec of the pods, and begins with a comma. */
static int deployment(const char *more)
{
	char json[1000];

	snprintf(json, sizeof(json),
		"{\"metadata\":{\"name\":\"d\"},\"spec\":{\"replicas\":2,\"selector\":{\"matchLabels\":{\"a\":\"b\"}},\"template\":{"
		"\"metadata\":{\"labels\":{\"a\":\"b\"}},\"spec\":{\"containers\":[{\"name\":\"c\",\"image\":\"i\",\"env\":[{\"name\":"
		"\"E\",\"value\":\"1\"}]}]%s}}}}",
		more);
	return create("apps/v1", "Deployment", "default", json);
}

/* ---- what happens */

static void test_an_object(void **state)
{
	admits(POLICY_KIND, "p",
		MAPS "," ONCE(OBJECT(
			"Object{metadata: Object.metadata{annotations: {'by': 'p'}}, data: {'b': object.data.a + 'd'}}")));
	/* without a binding it does nothing */
	becomes("\"a\":\"c\"", "annotations");
	bind("b", "p", "");
	becomes("\"annotations\":{\"by\":\"p\"}", NULL);
	becomes("\"data\":{\"a\":\"c\",\"b\":\"cd\"}", NULL);
	/* what is there stays, and who it is, too */
	assert_int_equal(
		create("v1", "ConfigMap", "default",
			"{\"metadata\":{\"name\":\"n\",\"annotations\":{\"x\":\"y\"}},\"data\":{\"a\":\"c\",\"b\":\"e\"}}"),
		0);
	says(outcome.json, "\"annotations\":{\"x\":\"y\",\"by\":\"p\"}");
	says(outcome.json, "\"b\":\"cd\"");
	assert_int_equal(update("v1", "ConfigMap", "default", "n",
				 "{\"metadata\":{\"name\":\"n\"},\"data\":{\"a\":\"f\"}}"),
		0);
	says(outcome.json, "\"data\":{\"a\":\"f\",\"b\":\"fd\"}");
	/* what the API server does for itself, other kinds, and what is deleted are nobody's business */
	assert_int_equal(create_as(&caller_self, "v1", "ConfigMap", "default",
				 "{\"metadata\":{\"name\":\"own\"},\"data\":{\"a\":\"c\"}}"),
		0);
	assert_null(strstr(outcome.json, "\"by\""));
	assert_int_equal(create("v1", "Secret", "default", "{\"metadata\":{\"name\":\"s\"}}"), 0);
	assert_null(strstr(outcome.json, "\"by\""));
	assert_int_equal(remove_map("n"), 0);
	forget();
	becomes("\"a\":\"c\"", "annotations");
}

/* Lists and maps are merged as server-side apply does, defaults follow, and zeros count. */
static void test_a_deployment(void **state)
{
	holds(DEPLOYMENTS ONCE(OBJECT(
		      "Object{spec: Object.spec{replicas: object.spec.replicas + 1335, template: Object.spec.template{"
		      "spec: Object.spec.template.spec{hostNetwork: false, serviceAccountName: 'sa', containers: ["
		      "Object.spec.template.spec.containers{name: 'c', env: [Object.spec.template.spec.containers.env{name: 'F', value: '2'}]},"
		      "Object.spec.template.spec.containers{name: 'side', image: 'j', ports: ["
		      "Object.spec.template.spec.containers.ports{containerPort: 8080}]}]}}}}")),
		"");
	assert_int_equal(deployment(",\"hostNetwork\":true"), 0);
	says(outcome.json, "\"replicas\":1337");
	says(outcome.json, "\"env\":[{\"name\":\"E\",\"value\":\"1\"},{\"name\":\"F\",\"value\":\"2\"}]");
	says(outcome.json, "\"name\":\"side\"");
	says(outcome.json, "\"containerPort\":8080,\"protocol\":\"TCP\"");
	says(outcome.json, "\"serviceAccountName\":\"sa\"");
	assert_null(strstr(outcome.json, "\"hostNetwork\""));
}

/* A Service gets its addresses and ports once policies have made of it what it is. */
static void test_a_service(void **state)
{
	static const struct {
		const char *mutations, *part, *not;
	} cases[] = {
		{SET("/spec/clusterIP", "'None'"), "\"clusterIPs\":[\"None\"]", NULL},
		{SET("/spec/type", "'NodePort'"), "\"nodePort\":3", NULL},
		{SET("/spec", "Object.spec{type: 'ExternalName', externalName: 'a.b'}"),
			"\"externalName\":\"a.b\"", "clusterIP"},
		{SET("/metadata/labels", "{'had': string(has(object.spec.clusterIP))}"), "\"had\":\"false\"",
			"\"clusterIP\":\"None\""},
	};

	for (size_t i = 0; i < array_len(cases); i++) {
		char spec[1000];

		snprintf(spec, sizeof(spec),
			"\"matchConstraints\":{\"resourceRules\":[{\"operations\":[\"CREATE\"],\"apiGroups\":[\"\"],"
			"\"apiVersions\":[\"v1\"],\"resources\":[\"services\"]}]}," ONCE("%s"),
			cases[i].mutations);
		holds(spec, "");
		if (create("v1", "Service", "default",
			    "{\"metadata\":{\"name\":\"s\"},\"spec\":{\"ports\":[{\"port\":80}]}}"))
			fail_msg("%s", outcome.message);
		says(outcome.json, cases[i].part);
		if (cases[i].not&&strstr(outcome.json, cases[i].not))
			fail_msg("\"%s\" is in: %s", cases[i].not, outcome.json);
		assert_int_equal(delete ("v1", "Service", "default", "s"), 0);
		forget();
	}
}

static void test_operations(void **state)
{
	static const struct {
		const char *operations, *part, *not;
	} cases[] = {
		{"JSONPatch{op: 'replace', path: '/data/a', value: 'x'}", "\"a\":\"x\"", NULL},
		{"JSONPatch{op: 'add', path: '/metadata/labels/' + jsonpatch.escapeKey('k8s.io/x'), value: 'y'}",
			"\"k8s.io/x\":\"y\"", NULL},
		{"JSONPatch{op: 'copy', from: '/data/a', path: '/data/b'}",
			"\"data\":{\"a\":\"c\",\"b\":\"c\"}", NULL},
		{"JSONPatch{op: 'move', from: '/data/a', path: '/data/b'}", "\"data\":{\"b\":\"c\"}",
			"\"a\""},
		{"JSONPatch{op: 'remove', path: '/metadata/labels'}", "\"a\":\"c\"", "\"labels\""},
		{"JSONPatch{op: 'test', path: '/data/a', value: 'c'}, JSONPatch{op: 'add', path: '/data/b', value: 'x'}",
			"\"b\":\"x\"", NULL},
		/* a test that does not hold: nothing of it is done, and that is no failure */
		{"JSONPatch{op: 'add', path: '/data/b', value: 'x'}, JSONPatch{op: 'test', path: '/data/a', value: 'd'}",
			"\"a\":\"c\"", "\"b\":\"x\""},
		{"JSONPatch{op: 'add', path: '/metadata/annotations', value: Object.metadata.annotations{by: request.userInfo.username}}",
			"\"annotations\":{\"by\":\"ann\"}", NULL},
		{"JSONPatch{op: 'add', path: '/data/b', value: namespaceObject.metadata.labels.is + request.operation}",
			"\"b\":\"defaultCREATE\"", NULL},
		{"JSONPatch{op: 'replace', path: '/metadata/name', value: 'other'}", "\"name\":\"m\"",
			"other"},
	};
	char spec[1000];

	for (size_t i = 0; i < array_len(cases); i++) {
		snprintf(spec, sizeof(spec), MAPS "," ONCE(PATCH("%s")), cases[i].operations);
		holds(spec, "");
		becomes(cases[i].part, cases[i].not);
		forget();
	}
}

/* Mutations, policies and bindings one after the other, and each sees what was done before. */
static void test_the_order(void **state)
{
	holds(MAPS ",\"variables\":[{\"name\":\"v\",\"expression\":\"object.data.a\"}]," ONCE(SET(
		      "/data/a", "variables.v + '1'") "," OBJECT("Object{data: {'a': variables.v + '2'}}")),
		"");
	becomes("\"a\":\"c12\"", NULL);
	bind("bb", "p", "");
	becomes("\"a\":\"c1212\"", NULL);
	admits(POLICY_KIND, "o", MAPS "," ONCE(SET("/data/a", "object.data.a + '0'")));
	bind("z", "o", "");
	becomes("\"a\":\"c01212\"", NULL);
	/* those that judge see what it has become */
	admits("ValidatingAdmissionPolicy", "v",
		MAPS ",\"validations\":[{\"expression\":\"object == null || object.data.a == 'c01212'\"}]");
	admits("ValidatingAdmissionPolicyBinding", "v",
		"\"policyName\":\"v\",\"validationActions\":[\"Deny\"]");
	becomes("\"a\":\"c01212\"", NULL);
}

/* One that wants to is asked once more, when the object was changed. */
static void test_reinvocation(void **state)
{
	static const char *const kept[] = {MAPS "," ONCE(SET("/data/n", "string(object.data.size())")),
		MAPS "," AGAIN(SET("/data/n", "string(object.data.size())"))};

	for (size_t i = 0; i < array_len(kept); i++) {
		holds(kept[i], "");
		admits(POLICY_KIND, "q", MAPS "," ONCE(SET("/data/q", "'x'")));
		bind("q", "q", "");
		becomes(i ? "\"n\":\"3\"" : "\"n\":\"1\"", NULL);
		assert_int_equal(delete (GROUP, BINDING_KIND, "", "q"), 0);
		assert_int_equal(delete (GROUP, POLICY_KIND, "", "q"), 0);
		forget();
	}
}

static void test_who_is_concerned(void **state)
{
	static const struct {
		const char *spec, *binding;
		bool asked;
	} cases[] = {
		{"", "", true},
		{"\"matchConditions\":[{\"name\":\"c\",\"expression\":\"object.metadata.name == 'm'\"}],", "",
			true},
		{"\"matchConditions\":[{\"name\":\"c\",\"expression\":\"object.metadata.name == 'n'\"}],", "",
			false},
		{"", ",\"matchResources\":{\"namespaceSelector\":{\"matchLabels\":{\"is\":\"default\"}}}",
			true},
		{"", ",\"matchResources\":{\"namespaceSelector\":{\"matchLabels\":{\"is\":\"other\"}}}",
			false},
		{"", ",\"matchResources\":{\"objectSelector\":{\"matchLabels\":{\"name\":\"n\"}}}", false},
		{"", ",\"matchResources\":{\"resourceRules\":[" RULE("UPDATE") "]}", false},
	};
	char spec[1000];

	for (size_t i = 0; i < array_len(cases); i++) {
		snprintf(spec, sizeof(spec), "%s" MAPS "," ONCE(SET("/data/b", "'x'")), cases[i].spec);
		holds(spec, cases[i].binding);
		becomes(cases[i].asked ? "\"b\":\"x\"" : "\"a\":\"c\"",
			cases[i].asked ? NULL : "\"b\":\"x\"");
		forget();
	}
}

#define CREATED(resource)                                                                                    \
	"\"matchConstraints\":{\"resourceRules\":[{\"operations\":[\"CREATE\"],\"apiGroups\":[\"\"],"        \
	"\"apiVersions\":[\"v1\"],\"resources\":[\"" resource "\"]}]},"

/* @name: of the metadata, "name" or "generateName" of the pod. */
static int pod(const char *name, bool dry_run)
{
	struct write_options how = {.warn = on_warning, .dry_run = dry_run};
	char json[300];

	snprintf(json, sizeof(json),
		"{\"metadata\":{\"%s\":\"p\"},\"spec\":{\"containers\":[{\"name\":\"c\",\"image\":\"i\"}]}}",
		name);
	outcome = (struct outcome){.code = -1};
	registry_create(r, &ann, schema_find_kind("v1", "Pod"), "default", doc_of(json), &how, on_done, NULL);
	return finish();
}

static size_t how_often(const char *text, const char *part)
{
	size_t n = 0;

	while ((text = strstr(text, part)))
		n++, text++;
	return n;
}

/* What the server makes of any pod it makes of what a policy has made of one. */
static void test_what_follows_for_pods(void **state)
{
	assert_int_equal(
		create("v1", "ServiceAccount", "default", "{\"metadata\":{\"name\":\"default\"}}"), 0);
	holds(CREATED("pods") ONCE(SET("/spec/containers/0/resources", "{'requests': {'memory': '1Mi'}}")),
		"");
	for (int dry_run = 1; dry_run >= 0; dry_run--) {
		assert_int_equal(pod(dry_run ? "name" : "generateName", dry_run), 0);
		says(outcome.json, "\"qosClass\":\"Burstable\"");
	}
	forget();

	holds(CREATED("pods") ONCE(
		      SET("/status", "{'phase': 'Succeeded', 'reason': 'x', 'qosClass': 'Guaranteed'}")),
		"");
	assert_int_equal(pod("generateName", false), 0);
	says(outcome.json, "\"phase\":\"Pending\"");
	says(outcome.json, "\"qosClass\":\"BestEffort\"");
	assert_null(strstr(outcome.json, "\"reason\""));
	forget();

	assert_int_equal(
		create("v1", "LimitRange", "default",
			"{\"metadata\":{\"name\":\"l\"},\"spec\":{\"limits\":[{\"type\":\"Container\",\"default\":{\"cpu\":\"2\"}}]}}"),
		0);
	/* what limits give counts, too */
	assert_int_equal(pod("generateName", false), 0);
	says(outcome.json, "\"qosClass\":\"Burstable\"");
	holds(CREATED("pods") ONCE(SET("/spec/containers/-", "{'name': 'side', 'image': 'j'}")), "");
	assert_int_equal(pod("generateName", false), 0);
	assert_int_equal(how_often(outcome.json, "\"limits\":{\"cpu\":\"2\"}"), 2);
	assert_int_equal(how_often(outcome.json, "serviceaccount\""), 2);
	assert_int_equal(how_often(outcome.json, "\"projected\""), 1);
	assert_int_equal(how_often(outcome.json, "\"name\":\"kube-api-access-"), 3);
	forget();
}

/*
 * One that is asked again sees what the server's own rules have made of what others have changed: limits for one more container. One
 * that the object did not concern before is not asked then.
 */
static void test_the_rules_between(void **state)
{
	assert_int_equal(
		create("v1", "ServiceAccount", "default", "{\"metadata\":{\"name\":\"default\"}}"), 0);
	assert_int_equal(
		create("v1", "LimitRange", "default",
			"{\"metadata\":{\"name\":\"l\"},\"spec\":{\"limits\":[{\"type\":\"Container\",\"default\":{\"cpu\":\"2\"}}]}}"),
		0);
	holds(CREATED("pods") AGAIN(SET("/metadata/labels",
		      "{'limited': string(object.spec.containers.filter(c, has(c.resources) && has(c.resources.limits))"
		      ".size())}")),
		"");
	admits(POLICY_KIND, "q",
		CREATED("pods") ONCE(SET("/spec/containers/-", "{'name': 'side', 'image': 'j'}")));
	bind("q", "q", "");
	admits(POLICY_KIND, "o",
		CREATED("pods") "\"matchConditions\":[{\"name\":\"two\",\"expression\":\"object.spec.containers.size() == 2\"}]," AGAIN(
			SET("/metadata/annotations", "{'late': 'yes'}")));
	bind("o", "o", "");
	assert_int_equal(pod("name", false), 0);
	says(outcome.json, "\"limited\":\"2\"");
	assert_null(strstr(outcome.json, "\"late\""));
	assert_int_equal(delete (GROUP, BINDING_KIND, "", "o"), 0);
	assert_int_equal(delete (GROUP, BINDING_KIND, "", "q"), 0);
	forget();
}

/* The priority is computed before, and one that is not that of the class is refused, as upstream does. */
static void test_the_priority_follows(void **state)
{
	assert_int_equal(
		create("v1", "ServiceAccount", "default", "{\"metadata\":{\"name\":\"default\"}}"), 0);
	assert_int_equal(create("scheduling.k8s.io/v1", "PriorityClass", "",
				 "{\"metadata\":{\"name\":\"high\"},\"value\":1000}"),
		0);
	holds(CREATED("pods") ONCE(SET("/spec/priorityClassName", "'high'")), "");
	assert_int_equal(pod("name", false), 403);
	says(outcome.message, "the integer value of priority (0) must not be provided in pod spec");
	forget();
	holds(CREATED("pods")
			ONCE(PATCH("JSONPatch{op: 'add', path: '/spec/priorityClassName', value: 'high'}, "
				   "JSONPatch{op: 'remove', path: '/spec/priority'}")),
		"");
	assert_int_equal(pod("name", false), 0);
	says(outcome.json, "\"priority\":1000");
	forget();
}

static void test_the_ports_follow(void **state)
{
	holds(CREATED("services") ONCE(SET("/spec/type", "'NodePort'")), "");
	assert_int_equal(create("v1", "Service", "default",
				 "{\"metadata\":{\"name\":\"s\"},\"spec\":{\"ports\":[{\"port\":80}]}}"),
		0);
	says(outcome.json, "\"type\":\"NodePort\"");
	says(outcome.json, "\"nodePort\":3");
	forget();
}

#define PARAM "\"paramKind\":{\"apiVersion\":\"v1\",\"kind\":\"Secret\"},"

static void test_parameters(void **state)
{
	static const struct {
		const char *binding, *part;
	} cases[] = {
		{",\"paramRef\":{\"name\":\"x\",\"parameterNotFoundAction\":\"Deny\"}", "\"a\":\"cx\""},
		{",\"paramRef\":{\"name\":\"z\",\"namespace\":\"other\",\"parameterNotFoundAction\":\"Deny\"}",
			"\"a\":\"cz\""},
		{",\"paramRef\":{\"name\":\"none\",\"parameterNotFoundAction\":\"Allow\"}", "\"a\":\"c\""},
		/* once with each of them */
		{",\"paramRef\":{\"selector\":{},\"parameterNotFoundAction\":\"Deny\"}", "\"a\":\"cxy\""},
		{"", "\"a\":\"cnull\""},
	};

	assert_int_equal(
		create("v1", "Secret", "default", "{\"metadata\":{\"name\":\"x\"},\"type\":\"x\"}"), 0);
	assert_int_equal(
		create("v1", "Secret", "default", "{\"metadata\":{\"name\":\"y\"},\"type\":\"y\"}"), 0);
	assert_int_equal(
		create("v1", "Secret", "other", "{\"metadata\":{\"name\":\"z\"},\"type\":\"z\"}"), 0);
	for (size_t i = 0; i < array_len(cases); i++) {
		holds(PARAM MAPS "," ONCE(OBJECT(
			      "Object{data: {'a': object.data.a + (params == null ? 'null' : params.type)}}")),
			cases[i].binding);
		becomes(cases[i].part, NULL);
		forget();
	}
	holds(PARAM MAPS "," ONCE(SET("/data/b", "'x'")),
		",\"paramRef\":{\"name\":\"none\",\"parameterNotFoundAction\":\"Deny\"}");
	assert_int_equal(map("m", "c"), 403);
	assert_string_equal(outcome.reason, "Forbidden");
	assert_string_equal(outcome.message,
		"policy 'p' with binding 'b' denied request: failed to configure binding: no params found for policy binding with "
		"`Deny` parameterNotFoundAction");
}

static void test_failures(void **state)
{
	static const struct {
		const char *mutation, *why;
	} cases[] = {
		{OBJECT("Object{data: {'a': object.none}}"),
			"policy 'p' with binding 'b' denied request: expression 'Object{data: {'a': object.none}}' resulted in error: "
			"no such key: none"},
		{OBJECT("Object{metadata: Object.data{}}"),
			"unexpected type name \"Object.data\", expected \"Object.metadata\""},
		{OBJECT("Object{none: 1}"), "unknown field \"none\""},
		{OBJECT("Object{data: 1}"),
			"error applying patch: failed to convert patch object to typed object: "},
		{OBJECT("Object{metadata: Object.metadata{managedFields: [Object.metadata.managedFields{manager: 'x'}]}}"),
			"invalid ApplyConfiguration: may not mutate atomic arrays, maps or structs: .metadata.managedFields"},
		{PATCH("JSONPatch{op: 'replace', path: '/none/x', value: 1}"),
			"error applying patch: jsonpatch replace operation does not apply: doc is missing path: /none/x"},
		{PATCH("JSONPatch{op: 'add', path: '/none', value: 1}"), "unknown field \"none\""},
		{PATCH("JSONPatch{op: 'add', path: '', value: 1}"),
			"the patch makes something that is no object"},
		{PATCH("JSONPatch{op: 'add', path: '/kind', value: 'Secret'}"), "error applying patch: "},
		{PATCH("JSONPatch{op: 'add', path: '/data', value: {'a': [1,2,3,4,5,6,7,8,9,10].all(a, "
		       "[1,2,3,4,5,6,7,8,9,10].all(b, [1,2,3,4,5,6,7,8,9,10].all(c, [1,2,3,4,5,6,7,8,9,10].all(d, "
		       "[1,2,3,4,5,6,7,8,9,10].all(e, [1,2,3,4,5,6,7,8,9,10].all(f, a > 0))))))}}"),
			"cost limit exceeded"},
	};
	char spec[2000];

	for (size_t i = 0; i < array_len(cases); i++) {
		snprintf(spec, sizeof(spec), MAPS "," ONCE("%s"), cases[i].mutation);
		holds(spec, "");
		assert_int_equal(map("m", "c"), 403);
		assert_string_equal(outcome.reason, "Invalid");
		says(outcome.message, cases[i].why);
		says(outcome.cause, cases[i].why);
		forget();
		/* what follows one that is passed over is done all the same */
		snprintf(spec, sizeof(spec),
			MAPS ",\"failurePolicy\":\"Ignore\"," ONCE("%s," SET("/data/b", "'x'")),
			cases[i].mutation);
		holds(spec, "");
		if (strstr(cases[i].why, "cost limit"))
			becomes("\"a\":\"c\"", NULL);
		else
			becomes("\"data\":{\"a\":\"c\",\"b\":\"x\"}", NULL);
		forget();
	}
	holds(MAPS ",\"matchConditions\":[{\"name\":\"c\",\"expression\":\"object.none == 1\"}]," ONCE(
		      SET("/data/b", "'x'")),
		"");
	assert_int_equal(map("m", "c"), 403);
	says(outcome.message, "match condition 'c' has no answer: no such key: none");
	forget();
	holds("\"paramKind\":{\"apiVersion\":\"example.com/v1\",\"kind\":\"Limit\"}," MAPS
	      "," ONCE(SET("/data/b", "'x'")),
		"");
	assert_int_equal(map("m", "c"), 403);
	assert_string_equal(outcome.message,
		"policy \"p\" denied request: failed to configure policy: failed to find resource referenced by paramKind: "
		"'example.com/v1, Kind=Limit'");
}

/* Lists, maps and structs that are one's as a whole, with what else cannot be merged. */
static void test_what_is_atomic(void **state)
{
	static const char *const cases[][2] = {
		{"Object{spec: Object.spec{selector: Object.spec.selector{matchLabels: {'l': 'v'}}}}",
			".spec.selector"},
		{"Object{spec: Object.spec{selector: Object.spec.selector{}}}", ".spec.selector"},
		{"Object{spec: Object.spec{template: Object.spec.template{spec: Object.spec.template.spec{tolerations: []}}}}",
			".spec.template.spec.tolerations"},
		{"Object{spec: Object.spec{template: Object.spec.template{spec: Object.spec.template.spec{containers: ["
		 "Object.spec.template.spec.containers{name: 'c', args: ['x'], command: ['y']}]}}}}",
			".spec.template.spec.containers[0].args, .spec.template.spec.containers[0].command"},
	};
	char spec[1000];

	for (size_t i = 0; i < array_len(cases); i++) {
		snprintf(spec, sizeof(spec), DEPLOYMENTS ONCE(OBJECT("%s")), cases[i][0]);
		holds(spec, "");
		assert_int_equal(deployment(""), 403);
		says(outcome.message, "may not mutate atomic arrays, maps or structs: ");
		says(outcome.message, cases[i][1]);
		forget();
	}
	/* an empty list that is shared says nothing */
	holds(DEPLOYMENTS ONCE(OBJECT(
		      "Object{spec: Object.spec{template: Object.spec.template{spec: Object.spec.template.spec{containers: []}}}}")),
		"");
	assert_int_equal(deployment(""), 0);
	says(outcome.json, "\"image\":\"i\"");
}

/* What has become of it is looked at as what a client sends. */
static void test_what_is_invalid(void **state)
{
	holds(DEPLOYMENTS ONCE(OBJECT("Object{spec: Object.spec{replicas: -1}}")), "");
	assert_int_equal(deployment(""), 422);
	assert_string_equal(outcome.message,
		"Deployment.apps \"d\" is invalid: spec.replicas: Invalid value: -1: must be greater than or equal to 0");
}

/* By way of a subresource it changes nothing else. */
static void test_subresources(void **state)
{
	const struct schema_kind *k = schema_find_kind("apps/v1", "Deployment");
	struct write_options at = {.warn = on_warning, .subresource = "status"};

	assert_int_equal(deployment(""), 0);
	holds(DEPLOYMENTS ONCE(
		      OBJECT("Object{spec: Object.spec{replicas: 5}, status: Object.status{replicas: 7}}")),
		"");
	at.expect = registry_get(r, k, "default", "d")->revision;
	outcome = (struct outcome){.code = -1};
	registry_update(r, &ann, k, "default", "d",
		doc_of("{\"metadata\":{\"name\":\"d\"},\"status\":{\"replicas\":1}}"), &at, on_done, NULL);
	assert_int_equal(finish(), 0);
	says(outcome.json, "\"replicas\":2,");
	says(outcome.json, "\"status\":{\"replicas\":7");
	assert_null(strstr(outcome.json, "\"replicas\":5"));
}

static void test_what_is_refused(void **state)
{
	static const struct {
		const char *kind, *spec, *why;
	} cases[] = {
		{POLICY_KIND, ONCE(OBJECT("Object{}")), "spec.matchConstraints: Required value"},
		{POLICY_KIND, MAPS ",\"mutations\":[" OBJECT("Object{}") "]",
			"spec.reinvocationPolicy: Required value"},
		{POLICY_KIND,
			MAPS ",\"reinvocationPolicy\":\"Sometimes\",\"mutations\":[" OBJECT("Object{}") "]",
			"spec.reinvocationPolicy: Unsupported value: \"Sometimes\""},
		{POLICY_KIND, MAPS "," ONCE(""),
			"spec.mutations: Required value: mutations must contain at least one item"},
		{POLICY_KIND, MAPS "," ONCE("{\"patchType\":\"JSONPatch\"}"),
			"spec.mutations[0].jsonPatch: Required value: must be specified when patchType is JSONPatch"},
		{POLICY_KIND, MAPS "," ONCE("{\"patchType\":\"Merge\"}"),
			"spec.mutations[0].patchType: Unsupported value"},
		{POLICY_KIND, MAPS "," ONCE("{\"applyConfiguration\":{\"expression\":\"Object{}\"}}"),
			"spec.mutations[0].patchType: Required value"},
		{POLICY_KIND,
			MAPS "," ONCE(
				"{\"patchType\":\"JSONPatch\",\"jsonPatch\":{\"expression\":\"[]\"},\"applyConfiguration\":{"
				"\"expression\":\"Object{}\"}}"),
			"spec.mutations[0].applyConfiguration: Invalid value: {\"expression\":\"Object{}\"}: must not be specified "
			"when patchType is JSONPatch"},
		{POLICY_KIND, MAPS "," ONCE("{\"patchType\":\"JSONPatch\",\"jsonPatch\":{}}"),
			"spec.mutations[0].jsonPatch.expression: Required value"},
		{POLICY_KIND, MAPS "," ONCE(OBJECT("Object{spec: }")),
			"spec.mutations[0].applyConfiguration.expression: Invalid value: \"Object{spec: }\": compilation failed: "
			"ERROR: <input>:1:14: "},
		{POLICY_KIND, MAPS "," ONCE(PATCH("JSONPatch{opp: 'add'}")),
			"spec.mutations[0].jsonPatch.expression: Invalid value: \"[JSONPatch{opp: 'add'}]\": compilation failed: ERROR: "
			"<input>:1:12: undefined field 'opp'"},
		{POLICY_KIND, MAPS "," ONCE(OBJECT("'teapot'")),
			"spec.mutations[0].applyConfiguration.expression: Invalid value: \"'teapot'\": must evaluate to Object but got "
			"string"},
		{POLICY_KIND, MAPS "," ONCE(PATCH("1")),
			"must evaluate to list(JSONPatch) but got list(int)"},
		{POLICY_KIND, MAPS "," ONCE(PATCH("object.patch")),
			"must evaluate to list(JSONPatch) but got list(dyn)"},
		{POLICY_KIND, MAPS "," ONCE(OBJECT("object")), "must evaluate to Object but got dyn"},
		{POLICY_KIND, MAPS "," ONCE(PATCH("JSONPatch{op: 1}")),
			"1:12: expected type of field 'op' is 'string' but provided type is 'int'"},
		{POLICY_KIND, MAPS "," ONCE(OBJECT("Object{data: params.data}")),
			"undeclared reference to 'params'"},
		{POLICY_KIND,
			MAPS ",\"variables\":[{\"name\":\"v\",\"expression\":\"Object{}\"}]," ONCE(
				OBJECT("Object{}")),
			"spec.variables[0].expression: Invalid value: \"Object{}\": compilation failed: ERROR: <input>:1:1: undeclared "
			"reference to 'Object'"},
		{POLICY_KIND,
			MAPS ",\"matchConditions\":[{\"name\":\"c\",\"expression\":\"1 +\"}]," ONCE(
				OBJECT("Object{}")),
			"spec.matchConditions[0].expression: Invalid value"},
		{POLICY_KIND,
			"\"matchConstraints\":{\"resourceRules\":[" RULE("DELETE") "]}," ONCE(
				OBJECT("Object{}")),
			"spec.matchConstraints.resourceRules.operations: Unsupported value: \"DELETE\": supported values: \"*\", "
			"\"CONNECT\", \"CREATE\", \"UPDATE\""},
		{BINDING_KIND, "\"paramRef\":{\"name\":\"x\",\"parameterNotFoundAction\":\"Deny\"}",
			"spec.policyName: Required value"},
		{BINDING_KIND, "\"policyName\":\"p\",\"paramRef\":{\"name\":\"x\"}",
			"spec.paramRef.parameterNotFoundAction: Required value"},
		{BINDING_KIND,
			"\"policyName\":\"p\",\"matchResources\":{\"resourceRules\":[" RULE("DELETE") "]}",
			"spec.matchResources.resourceRules.operations: Unsupported value: \"DELETE\""},
	};

	for (size_t i = 0; i < array_len(cases); i++) {
		if (admit(cases[i].kind, "p", cases[i].spec) != 422)
			fail_msg("%s: %d %s", cases[i].why, outcome.code, outcome.message);
		says(outcome.message, cases[i].why);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(test_an_object),
		CASE(test_a_deployment),
		CASE(test_a_service),
		CASE(test_operations),
		CASE(test_the_order),
		CASE(test_reinvocation),
		CASE(test_who_is_concerned),
		CASE(test_parameters),
		CASE(test_failures),
		CASE(test_what_is_atomic),
		CASE(test_what_is_invalid),
		CASE(test_subresources),
		CASE(test_what_follows_for_pods),
		CASE(test_the_rules_between),
		CASE(test_the_priority_follows),
		CASE(test_the_ports_follow),
		CASE(test_what_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

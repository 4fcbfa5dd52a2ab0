/* SPDX-License-Identifier: Apache-2.0 */

/* Writes of a registry in memory, and policies that have something against them. */

#include "cluster/policies/writes_testing.h"

#define POLICY_KIND  "ValidatingAdmissionPolicy"
#define BINDING_KIND "ValidatingAdmissionPolicyBinding"

#define TESTS(text) "\"validations\":[{\"expression\":\"" text "\"}]"

static int policy(const char *name, const char *spec)
{
	return admit(POLICY_KIND, name, spec);
}

/* @more: of the spec, and begins with a comma. */
static int bind_with(const char *name, const char *of, const char *actions, const char *more)
{
	char spec[2000];

	snprintf(spec, sizeof(spec), "\"policyName\":\"%s\",\"validationActions\":[%s]%s", of, actions, more);
	return admit(BINDING_KIND, name, spec);
}

#define DENY "\"Deny\""

static void bind(const char *name, const char *of, const char *more)
{
	if (bind_with(name, of, DENY, more))
		fail_msg("%s", outcome.message);
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

/* ---- what happens */

static void test_a_refusal(void **state)
{
	admits(POLICY_KIND, "p", MAPS "," TESTS(" object.data.a == 'b' "));
	/* without a binding it says nothing */
	assert_int_equal(map("unbound", "c"), 0);
	bind("b", "p", "");
	assert_int_equal(map("good", "b"), 0);
	assert_int_equal(map("bad", "c"), 422);
	assert_string_equal(outcome.reason, "Invalid");
	assert_string_equal(outcome.message,
		"configmaps \"bad\" is forbidden: ValidatingAdmissionPolicy 'p' with binding 'b' denied request: "
		"failed expression: object.data.a == 'b'");
	assert_string_equal(outcome.cause,
		"ValidatingAdmissionPolicy 'p' with binding 'b' denied request: failed expression: object.data.a == 'b'");
	assert_int_equal(update("v1", "ConfigMap", "default", "good",
				 "{\"metadata\":{\"name\":\"good\"},\"data\":{\"a\":\"c\"}}"),
		422);
	/* there is no object then: the expression has no answer */
	assert_int_equal(remove_map("good"), 422);
	says(outcome.message, "expression ' object.data.a == 'b' ' resulted in error: ");
	/* what the API server does for itself, and other kinds, are not asked about */
	assert_int_equal(
		create_as(&caller_self, "v1", "ConfigMap", "default", "{\"metadata\":{\"name\":\"own\"}}"),
		0);
	assert_int_equal(create("v1", "Secret", "default", "{\"metadata\":{\"name\":\"s\"}}"), 0);
	forget();
	assert_int_equal(map("bad", "c"), 0);
}

static void test_messages_and_reasons(void **state)
{
	static const struct {
		const char *validation, *reason, *message;
		int code;
	} cases[] = {
		{"\"expression\":\"false\",\"message\":\" not today \"", "Invalid",
			"denied request: not today", 422},
		{"\"expression\":\"false\",\"message\":\"m\",\"reason\":\"Forbidden\"", "Forbidden",
			"denied request: m", 403},
		{"\"expression\":\"false\",\"reason\":\"Unauthorized\"", "Unauthorized",
			"failed expression: false", 401},
		{"\"expression\":\"false\",\"reason\":\"RequestEntityTooLarge\"", "RequestEntityTooLarge",
			"false", 413},
		{"\"expression\":\"false\",\"message\":\"m\",\"messageExpression\":\"'got ' + object.data.a\"",
			"Invalid", "denied request: got c", 422},
		{"\"expression\":\"false\",\"message\":\"m\",\"messageExpression\":\"string(object.none)\"",
			"Invalid", "denied request: m", 422},
		{"\"expression\":\"false\",\"message\":\"m\",\"messageExpression\":\"'two\\\\nlines'\"",
			"Invalid", "denied request: m", 422},
	};
	char spec[1000];

	for (size_t i = 0; i < array_len(cases); i++) {
		snprintf(spec, sizeof(spec), "%s,\"validations\":[{%s}]", MAPS, cases[i].validation);
		holds(spec, "");
		assert_int_equal(map("m", "c"), cases[i].code);
		assert_string_equal(outcome.reason, cases[i].reason);
		says(outcome.message, cases[i].message);
		forget();
	}
}

static void test_what_may_be_spoken_of(void **state)
{
	static const char *const all[] = {"object.metadata.name == 'm'", "oldObject == null",
		"request.operation == 'CREATE' && request.userInfo.username == 'ann'",
		"request.resource.resource == 'configmaps' && request.namespace == 'default'",
		"namespaceObject.metadata.labels.is == 'default'", "object.kind == 'ConfigMap'",
		"object.apiVersion == 'v1'"};
	char spec[1000];

	for (size_t i = 0; i < array_len(all); i++) {
		snprintf(spec, sizeof(spec), "%s,\"validations\":[{\"expression\":\"%s\"}]", MAPS, all[i]);
		holds(spec, "");
		if (map("m", "c"))
			fail_msg("%s: %s", all[i], outcome.message);
		forget();
		assert_int_equal(remove_map("m"), 0);
	}
	assert_int_equal(map("m", "c"), 0);
	holds("\"matchConstraints\":{\"resourceRules\":[" RULE("UPDATE") "," RULE("DELETE") "]}," TESTS(
		      "oldObject.data.a == 'c' && (object == null || object.data.a == 'd')"),
		"");
	assert_int_equal(update("v1", "ConfigMap", "default", "m",
				 "{\"metadata\":{\"name\":\"m\"},\"data\":{\"a\":\"e\"}}"),
		422);
	assert_int_equal(remove_map("m"), 0);
	/* outside of namespaces there is no object of one */
	forget();
	holds("\"matchConstraints\":{\"resourceRules\":[{\"operations\":[\"CREATE\"],\"apiGroups\":[\"\"],\"apiVersions\":[\"v1\"],"
	      "\"resources\":[\"namespaces\"]}]}," TESTS("namespaceObject == null"),
		"");
	assert_int_equal(create("v1", "Namespace", "", "{\"metadata\":{\"name\":\"third\"}}"), 0);
}

static void test_variables(void **state)
{
	holds(MAPS
		",\"variables\":[{\"name\":\"size\",\"expression\":\"object.data.a.size()\"},"
		"{\"name\":\"odd\",\"expression\":\"variables.size % 2 == 1\"},"
		"{\"name\":\"none\",\"expression\":\"object.none\"}],"
		"\"validations\":[{\"expression\":\"variables.size > 1\",\"messageExpression\":\"'size ' + string(variables.size)\"},"
		"{\"expression\":\"variables.odd || variables.none\"}]",
		"");
	assert_int_equal(map("m", "abc"), 0);
	assert_int_equal(map("n", "a"), 422);
	says(outcome.message, "denied request: size 1");
	assert_int_equal(map("n", "ab"), 422);
	says(outcome.message, "resulted in error: no such key: none");
}

#define OWN(where, what) "\"matchConstraints\":{\"resourceRules\":[" RULE("*") "]" where "}," what

static void test_who_is_concerned(void **state)
{
	static const struct {
		const char *spec, *binding;
		bool asked;
	} cases[] = {
		{OWN("", TESTS("false")), "", true},
		{OWN(",\"namespaceSelector\":{\"matchLabels\":{\"is\":\"default\"}}", TESTS("false")), "",
			true},
		{OWN(",\"namespaceSelector\":{\"matchLabels\":{\"is\":\"other\"}}", TESTS("false")), "",
			false},
		{OWN(",\"objectSelector\":{\"matchLabels\":{\"name\":\"m\"}}", TESTS("false")), "", true},
		{OWN(",\"objectSelector\":{\"matchLabels\":{\"name\":\"n\"}}", TESTS("false")), "", false},
		{OWN(",\"excludeResourceRules\":[" RULE("CREATE") "]", TESTS("false")), "", false},
		{OWN(",\"excludeResourceRules\":[" RULE("DELETE") "]", TESTS("false")), "", true},
		{OWN("", TESTS("false")),
			",\"matchResources\":{\"namespaceSelector\":{\"matchLabels\":{\"is\":\"default\"}}}",
			true},
		{OWN("", TESTS("false")),
			",\"matchResources\":{\"namespaceSelector\":{\"matchLabels\":{\"is\":\"other\"}}}",
			false},
		{OWN("", TESTS("false")), ",\"matchResources\":{\"resourceRules\":[" RULE("DELETE") "]}",
			false},
		{OWN("", TESTS("false")),
			",\"matchResources\":{\"excludeResourceRules\":[" RULE("CREATE") "]}", false},
		{OWN("", TESTS("false")),
			",\"matchResources\":{\"resourceRules\":[{\"operations\":[\"*\"],\"apiGroups\":[\"*\"],\"apiVersions\":[\"*\"],"
			"\"resources\":[\"*\"],\"resourceNames\":[\"m\"]}]}",
			true},
		{OWN("", TESTS("false")),
			",\"matchResources\":{\"resourceRules\":[{\"operations\":[\"*\"],\"apiGroups\":[\"*\"],\"apiVersions\":[\"*\"],"
			"\"resources\":[\"*\"],\"resourceNames\":[\"n\"]}]}",
			false},
		{OWN("", TESTS("false") ",\"matchConditions\":[{\"name\":\"c\",\"expression\":\"object.metadata.name == 'm'\"}]"),
			"", true},
		{OWN("", TESTS("false") ",\"matchConditions\":[{\"name\":\"c\",\"expression\":\"object.metadata.name == 'n'\"}]"),
			"", false},
		{OWN("", TESTS("false") ",\"matchConditions\":[{\"name\":\"a\",\"expression\":\"object.none == 1\"},"
					"{\"name\":\"c\",\"expression\":\"false\"}]"),
			"", false},
	};

	for (size_t i = 0; i < array_len(cases); i++) {
		holds(cases[i].spec, cases[i].binding);
		if (map("m", "c") != (cases[i].asked ? 422 : 0))
			fail_msg("case %zu: %d %s", i, outcome.code, outcome.message);
		forget();
		if (!cases[i].asked)
			assert_int_equal(remove_map("m"), 0);
	}
}

static void test_failures(void **state)
{
	static const struct {
		const char *spec, *binding, *why;
	} cases[] = {
		{MAPS "," TESTS("object.none == 1"), "",
			"expression 'object.none == 1' resulted in error: no such key: none"},
		{MAPS "," TESTS(
			 "true") ",\"matchConditions\":[{\"name\":\"c\",\"expression\":\"object.none == 1\"}]",
			"", "match condition 'c' has no answer: no such key: none"},
		{MAPS "," TESTS(
			 "true") ",\"paramKind\":{\"apiVersion\":\"example.com/v1\",\"kind\":\"Limit\"}",
			"",
			"ValidatingAdmissionPolicy 'p' denied request: failed to configure policy: failed to find resource referenced "
			"by paramKind: 'example.com/v1, Kind=Limit'"},
		{MAPS "," TESTS("true") ",\"paramKind\":{\"apiVersion\":\"v1\",\"kind\":\"Secret\"}",
			",\"paramRef\":{\"name\":\"none\",\"parameterNotFoundAction\":\"Deny\"}",
			"with binding 'b' denied request: failed to configure binding: no params found for policy binding with `Deny` "
			"parameterNotFoundAction"},
		{MAPS "," TESTS("true") ",\"paramKind\":{\"apiVersion\":\"v1\",\"kind\":\"Namespace\"}",
			",\"paramRef\":{\"name\":\"default\",\"namespace\":\"default\",\"parameterNotFoundAction\":\"Deny\"}",
			"paramRef.namespace must not be provided for a cluster-scoped `paramKind`"},
		{MAPS ",\"auditAnnotations\":[{\"key\":\"k\",\"valueExpression\":\"string(object.none)\"}]",
			"", "no such key: none"},
		{MAPS "," TESTS(
			 "[1,2,3,4,5,6,7,8,9,10].all(a, [1,2,3,4,5,6,7,8,9,10].all(b, [1,2,3,4,5,6,7,8,9,10].all(c, "
			 "[1,2,3,4,5,6,7,8,9,10].all(d, [1,2,3,4,5,6,7,8,9,10].all(e, [1,2,3,4,5,6,7,8,9,10].all(f, a > 0))))))"),
			"", "cost limit exceeded"},
	};
	char spec[2000];

	for (size_t i = 0; i < array_len(cases); i++) {
		holds(cases[i].spec, cases[i].binding);
		assert_int_equal(map("m", "c"), 422);
		says(outcome.message, cases[i].why);
		forget();
		snprintf(spec, sizeof(spec), "%s,\"failurePolicy\":\"Ignore\"", cases[i].spec);
		holds(spec, cases[i].binding);
		if (map("m", "c"))
			fail_msg("case %zu is not ignored: %s", i, outcome.message);
		forget();
		assert_int_equal(remove_map("m"), 0);
	}
	/* what is false is no failure */
	holds(MAPS "," TESTS("false") ",\"failurePolicy\":\"Ignore\"", "");
	assert_int_equal(map("m", "c"), 422);
}

static void test_parameters(void **state)
{
	static const struct {
		const char *binding;
		bool passes; /* a config map with a == 'x' */
	} cases[] = {
		{",\"paramRef\":{\"name\":\"x\",\"parameterNotFoundAction\":\"Deny\"}", true},
		{",\"paramRef\":{\"name\":\"y\",\"parameterNotFoundAction\":\"Deny\"}", false},
		{",\"paramRef\":{\"name\":\"none\",\"parameterNotFoundAction\":\"Allow\"}", true},
		{",\"paramRef\":{\"name\":\"z\",\"namespace\":\"other\",\"parameterNotFoundAction\":\"Deny\"}",
			true},
		{",\"paramRef\":{\"selector\":{\"matchLabels\":{\"in\":\"one\"}},\"parameterNotFoundAction\":\"Deny\"}",
			true},
		/* each of them is asked with */
		{",\"paramRef\":{\"selector\":{},\"parameterNotFoundAction\":\"Deny\"}", false},
		/* without a reference it is null */
		{"", false},
	};

	assert_int_equal(
		create("v1", "Secret", "default",
			"{\"metadata\":{\"name\":\"x\",\"labels\":{\"in\":\"one\"}},\"type\":\"x\"}"),
		0);
	assert_int_equal(
		create("v1", "Secret", "default", "{\"metadata\":{\"name\":\"y\"},\"type\":\"y\"}"), 0);
	assert_int_equal(
		create("v1", "Secret", "other", "{\"metadata\":{\"name\":\"z\"},\"type\":\"x\"}"), 0);
	admits(POLICY_KIND, "p",
		MAPS
		",\"paramKind\":{\"apiVersion\":\"v1\",\"kind\":\"Secret\"},\"matchConditions\":[{\"name\":\"c\","
		"\"expression\":\"params == null || params.kind == 'Secret'\"}],\"validations\":[{\"expression\":"
		"\"object.data.a == params.type\",\"messageExpression\":\"'has to be ' + params.type\"}]");
	for (size_t i = 0; i < array_len(cases); i++) {
		bind("b", "p", cases[i].binding);
		if (map("m", "x") != (cases[i].passes ? 0 : 422))
			fail_msg("case %zu: %d %s", i, outcome.code, outcome.message);
		assert_int_equal(delete (GROUP, BINDING_KIND, "", "b"), 0);
		if (cases[i].passes)
			assert_int_equal(remove_map("m"), 0);
	}
	bind("b", "p", ",\"paramRef\":{\"name\":\"y\",\"parameterNotFoundAction\":\"Deny\"}");
	assert_int_equal(map("m", "x"), 422);
	says(outcome.message, "denied request: has to be y");
}

static void test_parameters_of_a_kind_of_ones_own(void **state)
{
	assert_int_equal(
		create("apiextensions.k8s.io/v1", "CustomResourceDefinition", "",
			"{\"metadata\":{\"name\":\"limits.example.com\"},\"spec\":{\"group\":\"example.com\",\"scope\":\"Cluster\","
			"\"names\":{\"plural\":\"limits\",\"singular\":\"limit\",\"kind\":\"Limit\",\"listKind\":\"LimitList\"},"
			"\"versions\":[{\"name\":\"v1\",\"served\":true,\"storage\":true,\"schema\":{\"openAPIV3Schema\":{"
			"\"type\":\"object\",\"properties\":{\"most\":{\"type\":\"integer\"}}}}}]}}"),
		0);
	assert_int_equal(
		create("example.com/v1", "Limit", "", "{\"metadata\":{\"name\":\"two\"},\"most\":2}"), 0);
	holds(MAPS ",\"paramKind\":{\"apiVersion\":\"example.com/v1\",\"kind\":\"Limit\"}," TESTS(
		      "object.data.a.size() <= params.most"),
		",\"paramRef\":{\"name\":\"two\",\"parameterNotFoundAction\":\"Deny\"}");
	assert_int_equal(map("m", "ab"), 0);
	assert_int_equal(map("n", "abc"), 422);
}

static void test_actions(void **state)
{
	admits(POLICY_KIND, "p",
		MAPS ",\"validations\":[{\"expression\":\"object.data.a != 'c'\",\"message\":\"no c\"},"
		     "{\"expression\":\"object.data.a.size() > 1\",\"message\":\"short\"}]");
	assert_int_equal(bind_with("b", "p", "\"Warn\",\"Audit\"", ""), 0);
	assert_int_equal(map("m", "c"), 0);
	assert_string_equal(outcome.warnings,
		"Validation failed for ValidatingAdmissionPolicy 'p' with binding 'b': no c\n"
		"Validation failed for ValidatingAdmissionPolicy 'p' with binding 'b': short\n");
	assert_int_equal(remove_map("m"), 0);
	says(outcome.warnings, "resulted in error");
	/* of those that refuse the first in order of names is heard */
	admits(POLICY_KIND, "o", MAPS "," TESTS("object.data.a != 'c'"));
	bind("z", "p", "");
	bind("c", "o", "");
	assert_int_equal(map("m", "c"), 422);
	says(outcome.message, "ValidatingAdmissionPolicy 'o' with binding 'c'");
	says(outcome.warnings, "with binding 'b': no c");
}

/* It holds from the next write on, as it is now. */
static void test_changes(void **state)
{
	holds(MAPS "," TESTS("false"), "");
	assert_int_equal(map("m", "c"), 422);
	assert_int_equal(update(GROUP, POLICY_KIND, "", "p",
				 "{\"metadata\":{\"name\":\"p\"},\"spec\":{" MAPS "," TESTS("true") "}}"),
		0);
	assert_int_equal(map("m", "c"), 0);
	/* nothing is asked about those who ask */
	assert_int_equal(
		update(GROUP, POLICY_KIND, "", "p",
			"{\"metadata\":{\"name\":\"p\"},\"spec\":{\"matchConstraints\":{\"resourceRules\":[{\"operations\":[\"*\"],"
			"\"apiGroups\":[\"*\"],\"apiVersions\":[\"*\"],\"resources\":[\"*/*\",\"*\"]}]}," TESTS(
				"false") "}}"),
		0);
	assert_int_equal(remove_map("m"), 422);
	forget();
	assert_int_equal(remove_map("m"), 0);
}

static void test_what_is_refused(void **state)
{
	static const struct {
		const char *spec, *why;
	} policies[] = {
		{TESTS("true"), "spec.matchConstraints: Required value"},
		{"\"matchConstraints\":{}," TESTS("true"),
			"spec.matchConstraints.resourceRules: Required value"},
		{MAPS, "validations or auditAnnotations must contain at least one item"},
		{MAPS "," TESTS("- bad -"),
			"spec.validations[0].expression: Invalid value: \"- bad -\": compilation failed: ERROR: "
			"<input>:1:3: undeclared reference to 'bad'"},
		{MAPS "," TESTS("params.x"), "undeclared reference to 'params'"},
		{MAPS ",\"validations\":[{\"expression\":\"true\",\"messageExpression\":\"authorizer.path('/x').check('get').reason()\"}]",
			"undeclared reference to 'authorizer'"},
		{MAPS "," TESTS("authorizer.path('/x').check('get')"),
			"must evaluate to bool but got kubernetes.authorization.Decision"},
		{MAPS "," TESTS("variables.x"), "undefined field 'x'"},
		/* objects may be anything, and all else has a type */
		{MAPS "," TESTS("object.a == '1' + 1"),
			"compilation failed: ERROR: <input>:1:17: found no matching overload for '_+_' applied to '(string, int)'"},
		{MAPS "," TESTS("object.a + 1"),
			"spec.validations[0].expression: Invalid value: \"object.a + 1\": must evaluate to bool but got int"},
		{MAPS "," TESTS("object.spec.paused"),
			"\"object.spec.paused\": must evaluate to bool but got dyn"},
		{MAPS ",\"variables\":[{\"name\":\"a\",\"expression\":\"object.a\"}]," TESTS("variables.a"),
			"must evaluate to bool but got dyn"},
		{MAPS ",\"validations\":[{\"expression\":\"true\",\"messageExpression\":\"object.metadata.name\"}]",
			"must evaluate to string but got dyn"},
		{MAPS "," TESTS("true") ",\"matchConditions\":[{\"name\":\"c\",\"expression\":\"object.a\"}]",
			"must evaluate to bool but got dyn"},
		{MAPS "," TESTS("request.object.a == 1"), "1:8: undefined field 'object'"},
		{MAPS "," TESTS("namespaceObject.metadata.name == 1"), "applied to '(string, int)'"},
		{MAPS "," TESTS("request.userInfo.groups.exists(g, g == 1)"), "applied to '(string, int)'"},
		{MAPS ",\"validations\":[{\"expression\":\"true\",\"messageExpression\":\"1\"}]",
			"spec.validations[0].messageExpression: Invalid value: \"1\": must evaluate to string but got int"},
		{MAPS ",\"variables\":[{\"name\":\"a\",\"expression\":\"'1'\"}]," TESTS("variables.a > 1"),
			"applied to '(string, int)'"},
		{MAPS "," TESTS("true") ",\"matchConditions\":[{\"name\":\"c\",\"expression\":\"'true'\"}]",
			"spec.matchConditions[0].expression: Invalid value: \"'true'\": must evaluate to bool but got string"},
		{MAPS ",\"auditAnnotations\":[{\"key\":\"a\",\"valueExpression\":\"1\"}]",
			"valueExpression: Invalid value: \"1\": must evaluate to one of [string null_type] but got int"},
		{MAPS "," TESTS("  "), "spec.validations[0].expression: Required value"},
		{MAPS ",\"validations\":[{\"expression\":\"true\",\"messageExpression\":\"1 +\"}]",
			"spec.validations[0].messageExpression: Invalid value"},
		{MAPS ",\"validations\":[{\"expression\":\"true\",\"message\":\"a\\nb\"}]",
			"must not contain line breaks"},
		{MAPS ",\"validations\":[{\"expression\":\"true\",\"message\":\" \"}]",
			"must be non-empty if specified"},
		{MAPS ",\"validations\":[{\"expression\":\"true\",\"reason\":\"Because\"}]",
			"spec.validations[0].reason: Unsupported value"},
		{MAPS "," TESTS(
			 "true") ",\"variables\":[{\"name\":\"a\",\"expression\":\"variables.b\"},{\"name\":\"b\",\"expression\":\"1\"}]",
			"spec.variables[0].expression: Invalid value"},
		{MAPS "," TESTS("true") ",\"variables\":[{\"name\":\"a-b\",\"expression\":\"1\"}]",
			"name is not a valid CEL identifier"},
		{MAPS "," TESTS(
			 "true") ",\"variables\":[{\"name\":\"a\",\"expression\":\"1\"},{\"name\":\"a\",\"expression\":\"1\"}]",
			"spec.variables[1].name: Duplicate value: \"a\""},
		{MAPS "," TESTS("true") ",\"matchConditions\":[{\"name\":\"c\",\"expression\":\"1 +\"}]",
			"spec.matchConditions[0].expression: Invalid value"},
		{MAPS "," TESTS(
			 "true") ",\"matchConditions\":[{\"name\":\"c\",\"expression\":\"true\"},{\"name\":\"c\","
				 "\"expression\":\"false\"}]",
			"spec.matchConditions[1].name: Duplicate value: \"c\""},
		{MAPS "," TESTS("true") ",\"paramKind\":{\"apiVersion\":\"a/b/c\",\"kind\":\"K\"}",
			"spec.paramKind.apiVersion: Invalid value"},
		{MAPS "," TESTS("true") ",\"failurePolicy\":\"Maybe\"",
			"spec.failurePolicy: Unsupported value"},
		{MAPS ",\"auditAnnotations\":[{\"key\":\"a\",\"valueExpression\":\"'x'\"},{\"key\":\"a\",\"valueExpression\":\"'x'\"}]",
			"spec.auditAnnotations[1].key: Duplicate value"},
		{MAPS ",\"auditAnnotations\":[{\"key\":\"a b\",\"valueExpression\":\"'x'\"}]",
			"spec.auditAnnotations[0].key: Invalid value"},
		{MAPS ",\"auditAnnotations\":[{\"key\":\"a\",\"valueExpression\":\"'x\"}]",
			"spec.auditAnnotations[0].valueExpression: Invalid value"},
	};
	static const struct {
		const char *actions, *more, *why;
	} bindings[] = {
		{"", "", "spec.validationActions: Required value"},
		{"\"Deny\",\"Warn\"", "", "must not contain both Deny and Warn"},
		{"\"Deny\",\"Deny\"", "", "spec.validationActions[1]: Duplicate value"},
		{"\"Drop\"", "", "spec.validationActions[0]: Unsupported value"},
		{DENY, ",\"paramRef\":{\"name\":\"a\"}",
			"spec.paramRef.parameterNotFoundAction: Required value"},
		{DENY, ",\"paramRef\":{\"parameterNotFoundAction\":\"Deny\"}",
			"one of name or selector must be specified"},
		{DENY, ",\"paramRef\":{\"name\":\"a\",\"selector\":{},\"parameterNotFoundAction\":\"Deny\"}",
			"mutually exclusive"},
		{DENY, ",\"matchResources\":{\"resourceRules\":[{\"operations\":[\"*\"]}]}",
			"spec.matchResources.resourceRules[0].apiGroups: Required value"},
	};

	for (size_t i = 0; i < array_len(policies); i++) {
		if (policy("p", policies[i].spec) != 422)
			fail_msg("%s: %d", policies[i].why, outcome.code);
		says(outcome.message, policies[i].why);
	}
	for (size_t i = 0; i < array_len(bindings); i++) {
		if (bind_with("b", "p", bindings[i].actions, bindings[i].more) != 422)
			fail_msg("%s: %d", bindings[i].why, outcome.code);
		says(outcome.message, bindings[i].why);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(test_a_refusal),
		CASE(test_messages_and_reasons),
		CASE(test_what_may_be_spoken_of),
		CASE(test_variables),
		CASE(test_who_is_concerned),
		CASE(test_failures),
		CASE(test_parameters),
		CASE(test_parameters_of_a_kind_of_ones_own),
		CASE(test_actions),
		CASE(test_changes),
		CASE(test_what_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

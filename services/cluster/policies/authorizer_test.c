/* SPDX-License-Identifier: Apache-2.0 */

/* Policies that ask who may do what: for whoever writes, and for service accounts, as the cluster's roles and bindings say. */

#include "cluster/access/access.h"
#include "cluster/policies/writes_testing.h"

#define RBAC "rbac.authorization.k8s.io/v1"

static struct access *access_of;

static const struct caller bob = {.user = "bob", .uid = ""},
			   crew = {.user = "cy",
				   .uid = "",
				   .groups = (const char *const[]){"system:masters"},
				   .n_groups = 1};

static void given(const char *version, const char *kind, const char *ns, const char *json)
{
	if (create_as(&caller_self, version, kind, ns, json))
		fail_msg("%s", outcome.message);
}

#define BINDING(name, subject)                                                                                      \
	"{\"metadata\":{\"name\":\"" name                                                                           \
	"\"},\"roleRef\":{\"apiGroup\":\"rbac.authorization.k8s.io\",\"kind\":\"ClusterRole\",\"name\":\"judge\"}," \
	"\"subjects\":[" subject "]}"
#define USER_ANN "{\"kind\":\"User\",\"apiGroup\":\"rbac.authorization.k8s.io\",\"name\":\"ann\"}"
#define ACCOUNT	 "{\"kind\":\"ServiceAccount\",\"name\":\"builder\",\"namespace\":\"other\"}"

/* ann may approve config maps, in `default`; the account builder of `other`, everywhere. */
static int setup_with_access(void **state)
{
	setup(state);
	assert_int_equal(access_open(&access_of, &(struct access_options){.registry = r}), 0);
	given(RBAC, "ClusterRole", "",
		"{\"metadata\":{\"name\":\"judge\"},\"rules\":[{\"apiGroups\":[\"\"],\"resources\":[\"configmaps\"],"
		"\"verbs\":[\"approve\"]},{\"nonResourceURLs\":[\"/judged/*\"],\"verbs\":[\"get\"]}]}");
	given(RBAC, "RoleBinding", "default", BINDING("ann", USER_ANN));
	given(RBAC, "ClusterRoleBinding", "", BINDING("builder", ACCOUNT));
	return 0;
}

static int teardown_with_access(void **state)
{
	access_close(access_of);
	return teardown(state);
}

static void judges(const char *expression)
{
	char spec[2000];

	snprintf(spec, sizeof(spec), MAPS ",\"validations\":[{\"expression\":\"%s\"}]", expression);
	admits("ValidatingAdmissionPolicy", "p", spec);
	admits("ValidatingAdmissionPolicyBinding", "b",
		"\"policyName\":\"p\",\"validationActions\":[\"Deny\"]");
}

static void forget(const char *kind)
{
	char binding[80];

	snprintf(binding, sizeof(binding), "%sBinding", kind);
	assert_int_equal(delete (GROUP, binding, "", "b"), 0);
	assert_int_equal(delete (GROUP, kind, "", "p"), 0);
}

static int map_by(const struct caller *who, const char *ns, const char *name)
{
	char json[200];

	snprintf(json, sizeof(json), "{\"metadata\":{\"name\":\"%s\"},\"data\":{\"a\":\"b\"}}", name);
	return create_as(who, "v1", "ConfigMap", ns, json);
}

#define ASKS(verb)  ".check('" verb "').allowed()"
#define MAPS_IN(ns) "authorizer.group('').resource('configmaps').namespace('" ns "')"
#define BUILDER	    "authorizer.serviceAccount('other', 'builder')"

/* What a policy asks, and whether ann, bob and one of the masters pass. */
static void test_questions(void **state)
{
	static const struct {
		const char *expression;
		bool ann, bob, crew;
	} rows[] = {
		{"authorizer.requestResource" ASKS("approve"), true, false, true},
		{"authorizer.requestResource" ASKS("reject"), false, false, true},
		{"authorizer.requestResource.namespace('other')" ASKS("approve"), false, false, true},
		{"authorizer.requestResource.subresource('status')" ASKS("approve"), false, false, true},
		{MAPS_IN("default") ".name(object.metadata.name)" ASKS("approve"), true, false, true},
		{MAPS_IN("other") ASKS("approve"), false, false, true},
		{"authorizer.path('/judged/a')" ASKS("get"), false, false, true},
		{BUILDER ".path('/judged/a')" ASKS("get"), true, true, true},
		{BUILDER ".path('/judge')" ASKS("get"), false, false, false},
		{BUILDER ".group('').resource('configmaps').namespace('x')" ASKS("approve"), true, true,
			true},
		{"authorizer.serviceAccount('default', 'builder').group('').resource('configmaps')" ASKS(
			 "approve"),
			false, false, false},
		/* nobody here looks at selectors of such a question, nor has an error */
		{"authorizer.requestResource.fieldSelector('a=b').labelSelector('((')" ASKS("approve"), true,
			false, true},
		{"!authorizer.requestResource.check('approve').errored()", true, true, true},
		{"authorizer.requestResource.check('approve').reason().startsWith('RBAC: allowed by RoleBinding \\\"ann/default\\\"')",
			true, false, false},
	};

	for (size_t i = 0; i < array_len(rows); i++) {
		judges(rows[i].expression);
		if ((!map_by(&ann, "default", "m")) != rows[i].ann ||
			(!map_by(&bob, "default", "n")) != rows[i].bob ||
			(!map_by(&crew, "default", "o")) != rows[i].crew)
			fail_msg("%s: %s", rows[i].expression, outcome.message);
		forget("ValidatingAdmissionPolicy");
		remove_map("m");
		remove_map("n");
		remove_map("o");
	}
}

/* Wherever a policy may ask: conditions, variables that a message refers to, and what is noted. */
static void test_where_it_is_known(void **state)
{
	admits("ValidatingAdmissionPolicy", "p",
		MAPS
		",\"matchConditions\":[{\"name\":\"c\",\"expression\":\"!authorizer.requestResource.check('approve').allowed()\"}],"
		"\"variables\":[{\"name\":\"asked\",\"expression\":\"authorizer.requestResource.check('reject')\"}],"
		"\"validations\":[{\"expression\":\"variables.asked.allowed()\",\"messageExpression\":\"'may not: ' + "
		"string(variables.asked.allowed())\"}],"
		"\"auditAnnotations\":[{\"key\":\"k\",\"valueExpression\":\"authorizer.requestResource.check('approve').reason()\"}]");
	admits("ValidatingAdmissionPolicyBinding", "b",
		"\"policyName\":\"p\",\"validationActions\":[\"Deny\"]");
	assert_int_equal(map_by(&ann, "default", "m"), 0);
	assert_int_equal(map_by(&bob, "default", "n"), 422);
	says(outcome.message, "denied request: may not: false");
	assert_int_equal(map_by(&ann, "other", "o"), 422);
}

static void test_changes(void **state)
{
	admits("MutatingAdmissionPolicy", "p",
		MAPS
		",\"reinvocationPolicy\":\"Never\",\"mutations\":[{\"patchType\":\"ApplyConfiguration\",\"applyConfiguration\":"
		"{\"expression\":\"Object{data: {'approved': string(authorizer.requestResource.check('approve').allowed())}}\"}}]");
	admits("MutatingAdmissionPolicyBinding", "b", "\"policyName\":\"p\"");
	assert_int_equal(map_by(&ann, "default", "m"), 0);
	says(outcome.json, "\"approved\":\"true\"");
	assert_int_equal(map_by(&bob, "default", "n"), 0);
	says(outcome.json, "\"approved\":\"false\"");
	forget("MutatingAdmissionPolicy");
}

/* What changes of roles is known with the next write. */
static void test_roles_change(void **state)
{
	judges("authorizer.requestResource" ASKS("approve"));
	assert_int_equal(map_by(&ann, "default", "m"), 0);
	outcome = (struct outcome){.code = -1};
	registry_delete(r, &caller_self, schema_find_kind(RBAC, "RoleBinding"), "default", "ann",
		&(struct delete_options){.grace_seconds = -1}, on_deleted, NULL);
	assert_int_equal(finish(), 0);
	assert_int_equal(map_by(&ann, "default", "n"), 422);
}

/* Without anybody who could say it nothing is allowed, and that is no answer of theirs. */
static void test_nobody_to_ask(void **state)
{
	judges("authorizer.requestResource" ASKS("approve"));
	assert_int_equal(map("m", "b"), 422);
	assert_int_equal(delete (GROUP, "ValidatingAdmissionPolicyBinding", "", "b"), 0);
	assert_int_equal(delete (GROUP, "ValidatingAdmissionPolicy", "", "p"), 0);
	judges("authorizer.requestResource.check('approve').error() == 'nobody knows yet who may do what'");
	assert_int_equal(map("m", "b"), 0);
}

#define WITH_ACCESS(t) cmocka_unit_test_setup_teardown(t, setup_with_access, teardown_with_access)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_ACCESS(test_questions),
		WITH_ACCESS(test_where_it_is_known),
		WITH_ACCESS(test_changes),
		WITH_ACCESS(test_roles_change),
		CASE(test_nobody_to_ask),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

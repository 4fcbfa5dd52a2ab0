/* SPDX-License-Identifier: Apache-2.0 */

/* Expressions that another version accepted, when what they stand in is changed: only what is new, or broken by the change, is refused. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "cluster/schema/verdict_testing.h"

#define ADMISSION "admissionregistration.k8s.io/v1"
#define WRONG	  "object.a == '1' + 1" /* whatever the object is */

struct change {
	const char *before, *after, *wrong; /* NULL: nothing */
};

/* Both with @head before them and @tail behind. */
static void check(const char *kind, const char *head, const struct change *c, const char *tail)
{
	char before[2000], after[2000];
	cleanup(freep) char *got = NULL;

	snprintf(before, sizeof(before), "%s%s%s", head, c->before, tail);
	snprintf(after, sizeof(after), "%s%s%s", head, c->after, tail);
	got = verdict_of(ADMISSION, kind, before, after, VALIDATE_MAIN);
	if (c->wrong ? !strstr(got, c->wrong) : strcmp(got, "valid") != 0)
		fail_msg("%s\n%s\n%s", c->after, got, c->wrong ? c->wrong : "valid");
}

#define RULES                                                                                                \
	"matchConstraints: {resourceRules: [{operations: ['CREATE'], apiGroups: [''], apiVersions: [v1], resources: [configmaps]}]}"
#define VARIABLE(is)	"variables: [{name: v, expression: \"" is "\"}], "
#define TESTS(what)	"validations: [{expression: \"" what "\"}]"
#define SAYS(what)	"validations: [{expression: 'true', messageExpression: \"" what "\"}]"
#define NOTES(what)	"auditAnnotations: [{key: k, valueExpression: \"" what "\"}]"
#define CONDITION(what) "matchConditions: [{name: c, expression: \"" what "\"}], "
#define IGNORE		"failurePolicy: Ignore, "
#define REFUSED                                                                                              \
	"Invalid value: \"" WRONG "\": compilation failed: ERROR: <input>:1:17: found no matching overload"

static void test_policies_that_judge(void **state)
{
	static const struct change changes[] = {
		/* what was wrong stays, wherever it stands */
		{TESTS(WRONG), IGNORE TESTS(WRONG), NULL},
		{CONDITION(WRONG) TESTS("true"), IGNORE CONDITION(WRONG) TESTS("true"), NULL},
		{VARIABLE(WRONG) TESTS("true"), IGNORE VARIABLE(WRONG) TESTS("variables.v == 1"), NULL},
		{SAYS("'a' + 1"), IGNORE SAYS("'a' + 1"), NULL},
		{NOTES("1"), IGNORE NOTES("1"), NULL},
		{TESTS(WRONG), "validations: [{expression: 'true'}, {expression: \"" WRONG "\", message: m}]",
			NULL},
		/* what is new does not */
		{TESTS("true"), TESTS(WRONG), "spec.validations[0].expression: " REFUSED},
		{TESTS(WRONG), TESTS(WRONG "0"),
			"Invalid value: \"" WRONG "0\": compilation failed: ERROR: <input>:1:17"},
		{CONDITION(WRONG) TESTS("true"), TESTS(WRONG), "spec.validations[0].expression: " REFUSED},
		{TESTS(WRONG), CONDITION(WRONG) TESTS(WRONG), "spec.matchConditions[0].expression: " REFUSED},
		{VARIABLE(WRONG) TESTS("true"), VARIABLE("1") TESTS(WRONG),
			"spec.validations[0].expression: " REFUSED},
		{NOTES("1"), NOTES("2"), "must evaluate to one of [string null_type] but got int"},
		/* nor does what was right, and is broken by the change */
		{VARIABLE("1") TESTS("variables.v > 1"), VARIABLE("'1'") TESTS("variables.v > 1"),
			"applied to '(string, int)'"},
		{VARIABLE("1") TESTS("variables.v > 1"), TESTS("variables.v > 1"), "undefined field 'v'"},
		{VARIABLE("'1'") TESTS("variables.v > 1"), IGNORE VARIABLE("'1'") TESTS("variables.v > 1"),
			NULL},
		/* nor what cannot be asked at all */
		{TESTS("- bad -"), IGNORE TESTS("- bad -"), "undeclared reference to 'bad'"},
		{CONDITION("- bad -") TESTS("true"), IGNORE CONDITION("- bad -") TESTS("true"),
			"undeclared reference to 'bad'"},
	};

	for (size_t i = 0; i < array_len(changes); i++)
		check("ValidatingAdmissionPolicy", "metadata: {name: p}\nspec: {" RULES ", ", &changes[i],
			"}");
}

#define PATCH(type, member, what) "mutations: [{patchType: " type ", " member ": {expression: \"" what "\"}}]"
#define MERGES(what)		  PATCH("ApplyConfiguration", "applyConfiguration", what)
#define PATCHES(what)		  PATCH("JSONPatch", "jsonPatch", what)

static void test_policies_that_change(void **state)
{
	static const struct change changes[] = {
		{MERGES("Object{a: 1 + 'a'}"), IGNORE MERGES("Object{a: 1 + 'a'}"), NULL},
		{PATCHES("[1]"), IGNORE PATCHES("[1]"), NULL},
		{MERGES("Object{a: 1}"), MERGES("Object{a: 1 + 'a'}"),
			"spec.mutations[0].applyConfiguration.expression: Invalid value"},
		{PATCHES("[1]"), MERGES("[1]"),
			"spec.mutations[0].applyConfiguration.expression: Invalid value: \"[1]\": must evaluate to Object"},
	};

	for (size_t i = 0; i < array_len(changes); i++)
		check("MutatingAdmissionPolicy",
			"metadata: {name: p}\nspec: {" RULES ", reinvocationPolicy: Never, ", &changes[i],
			"}");
}

static void test_webhooks(void **state)
{
	static const struct change changes[] = {
		{CONDITION(WRONG), IGNORE CONDITION(WRONG), NULL},
		{CONDITION(WRONG),
			"matchConditions: [{name: new, expression: 'true'}, {name: c, expression: \"" WRONG
			"\"}],",
			NULL},
		{CONDITION(WRONG), CONDITION(WRONG "0"),
			"webhooks[0].matchConditions[0].expression: Invalid value"},
		{CONDITION("- bad -"), "matchConditions: [{name: d, expression: '- bad -'}],",
			"undeclared reference to 'bad'"},
	};

	for (size_t i = 0; i < array_len(changes); i++)
		check("ValidatingWebhookConfiguration", "metadata: {name: c}\nwebhooks: [{name: a.b.c, ",
			&changes[i],
			"sideEffects: None, admissionReviewVersions: [v1], clientConfig: {service: {name: s, namespace: n}}}]");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_policies_that_judge),
		cmocka_unit_test(test_policies_that_change),
		cmocka_unit_test(test_webhooks),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

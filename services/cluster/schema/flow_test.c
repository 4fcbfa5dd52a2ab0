/* SPDX-License-Identifier: Apache-2.0 */

/* Flow schemas and priority levels: good ones, bad ones in upstream's words, and those that nobody may change. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "cluster/flow/objects.h"
#include "cluster/schema/verdict_testing.h"

static void check(const char *kind, const char *body, const char *wanted)
{
	cleanup(freep) char *got = verdict_of(FLOW_API, kind, NULL, body, VALIDATE_MAIN);
	const char *said = strstr(got, "invalid: ");

	said = said ? said + strlen("invalid: ") : "";
	if (strcmp(said, wanted) != 0)
		fail_msg("%s\n%s\n%s", body, said, wanted);
}

#define NAMED(name, spec)   "metadata: {name: " name "}\nspec: {" spec "}"
#define OF(more)	    NAMED("a", "priorityLevelConfiguration: {name: p}, " more)
#define RULE(subject, more) OF("rules: [{subjects: [" subject "], " more "}]")
#define USER		    "{kind: User, user: {name: u}}"
#define ALL		    "nonResourceRules: [{verbs: ['*'], nonResourceURLs: ['*']}]"
#define RESOURCE(more)	    RULE(USER, "resourceRules: [{" more "}]")
#define PATHS(urls)	    RULE(USER, "nonResourceRules: [{verbs: [get], nonResourceURLs: [" urls "]}]")
#define LIMITED(more)	    NAMED("a", "type: Limited, limited: {" more "}")
#define QUEUING(more)	    LIMITED("limitResponse: {type: Queue, queuing: {" more "}}")
#define AT		    "spec.rules[0]."
#define QUEUES		    "spec.limited.limitResponse.queuing."

static void test_schemas(void **state)
{
	static const struct {
		const char *body, *wrong;
	} cases[] = {
		{OF(""), ""},
		{OF("matchingPrecedence: 10000, distinguisherMethod: {type: ByUser}"), ""},
		{OF("matchingPrecedence: 10001"),
			"spec.matchingPrecedence: Invalid value: 10001: must not be greater than 10000"},
		{OF("matchingPrecedence: -1"),
			"spec.matchingPrecedence: Invalid value: -1: must be a positive value"},
		{OF("matchingPrecedence: 1"),
			"spec.matchingPrecedence: Invalid value: 1: only the schema named 'exempt' may have matchingPrecedence 1"},
		{OF("distinguisherMethod: {type: x}"),
			"spec.distinguisherMethod.type: Unsupported value: \"x\": supported values: \"ByNamespace\", \"ByUser\""},
		{RULE(USER, ALL), ""},
		{RULE("", ALL), AT "subjects: Required value: subjects must contain at least one value"},
		{RULE(USER, ""),
			"spec.rules[0]: Required value: at least one of resourceRules and nonResourceRules has to be non-empty"},
		{RULE("{kind: User}", ALL),
			AT "subjects[0].user: Required value: user is required when subject kind is 'User'"},
		{RULE("{kind: Group, group: {name: g}, user: {name: u}}", ALL),
			AT "subjects[0].user: Forbidden: user is forbidden when subject kind is not 'User'"},
		{RULE("{kind: ServiceAccount, serviceAccount: {namespace: n, name: '*'}}", ALL), ""},
		{RESOURCE("verbs: [get, list], apiGroups: [''], resources: [pods], namespaces: [a]"), ""},
		{RESOURCE("verbs: ['*'], apiGroups: ['*'], resources: ['*'], clusterScope: true"), ""},
		{RESOURCE("verbs: ['*'], apiGroups: ['*'], resources: ['*']"), AT
			"resourceRules[0].namespaces: Required value: resource rules that are not cluster scoped must supply at "
			"least one namespace"},
		{RESOURCE("verbs: [get, '*'], apiGroups: [''], resources: [pods], namespaces: [a]"), AT
			"resourceRules[0].verbs: Invalid value: [\"get\",\"*\"]: if '*' is present, must not specify other verbs"},
		{PATHS("/healthz, /a/*"), ""},
		{PATHS("/a*"), AT
			"nonResourceRules[0].nonResourceURLs[0]: Invalid value: \"/a*\": wildcard can only do suffix matching"},
		{PATHS("a"), AT
			"nonResourceRules[0].nonResourceURLs[0]: Invalid value: \"a\": must start with slash"},
		{PATHS("/a//b"), AT
			"nonResourceRules[0].nonResourceURLs[0]: Invalid value: \"/a//b\": must not contain double slash"},
	};

	for (size_t i = 0; i < array_len(cases); i++)
		check("FlowSchema", cases[i].body, cases[i].wrong);
}

static void test_levels(void **state)
{
	static const struct {
		const char *body, *wrong;
	} cases[] = {
		{LIMITED("limitResponse: {type: Reject}"), ""},
		{LIMITED("nominalConcurrencyShares: 0, lendablePercent: 100, borrowingLimitPercent: 300, limitResponse: {type: "
			 "Reject}"),
			""},
		{QUEUING(""), ""},
		{QUEUING("queues: 16, handSize: 15"), ""},
		{QUEUING("queues: 17, handSize: 15"), QUEUES
			"handSize: Invalid value: 15: required entropy bits of deckSize 17 and handSize 15 should not be "
			"greater than 60"},
		{QUEUING("queues: 4"),
			QUEUES "handSize: Invalid value: 8: should not be greater than queues (4)"},
		{QUEUING("queues: 10000001, handSize: 1"),
			QUEUES "queues: Invalid value: 10000001: must not be greater than 10000000"},
		{QUEUING("queueLengthLimit: -1"),
			QUEUES "queueLengthLimit: Invalid value: -1: must be positive"},
		{LIMITED("limitResponse: {type: Queue}"),
			"spec.limited.limitResponse.queuing: Required value: must not be empty if limited.limitResponse.type is "
			"Limited"},
		{LIMITED("limitResponse: {type: Reject, queuing: {}}"),
			"spec.limited.limitResponse.queuing: Forbidden: must be nil if limited.limitResponse.type is not Limited"},
		{LIMITED("lendablePercent: 101, limitResponse: {type: Reject}"),
			"spec.limited.lendablePercent: Invalid value: 101: must be between 0 and 100, inclusive"},
		{LIMITED("borrowingLimitPercent: -1, limitResponse: {type: Reject}"),
			"spec.limited.borrowingLimitPercent: Invalid value: -1: if specified, must be a non-negative integer"},
		{LIMITED("nominalConcurrencyShares: -1, limitResponse: {type: Reject}"),
			"spec.limited.nominalConcurrencyShares: Invalid value: -1: must be a non-negative integer"},
		{NAMED("a", "type: Limited"),
			"spec.limited: Required value: must not be empty when type is Limited"},
		{NAMED("a", "type: Exempt"),
			"spec.type: Invalid value: \"Exempt\": type must be 'Exempt' if and only if name is 'exempt'"},
		{NAMED("exempt", "type: Exempt, exempt: {nominalConcurrencyShares: 5, lendablePercent: 50}"),
			""},
	};

	for (size_t i = 0; i < array_len(cases); i++)
		check("PriorityLevelConfiguration", cases[i].body, cases[i].wrong);
}

/* What every cluster has is what validation takes, with every default in it; mandatory ones as they are and not otherwise. */
static void test_those_of_every_cluster(void **state)
{
	for (size_t i = 0; i < flow_objects_n; i++) {
		const struct flow_object *o = &flow_objects[i];
		const struct schema_kind *k = schema_find_kind(FLOW_API, o->kind);
		cleanup(freep) char *body = NULL;
		cleanup(json_mut_docp) yyjson_mut_doc *doc = NULL, *spec = NULL;
		cleanup(json_docp) yyjson_doc *read = flow_object_spec(o);

		assert_true(asprintf(&body, "{\"metadata\":{\"name\":\"%s\"},\"spec\":%s}", o->name,
				    o->spec) > 0);
		check(o->kind, body, "");
		doc = verdict_object(k, body);
		spec = yyjson_doc_mut_copy(read, NULL);
		assert_true(meta_equal(yyjson_mut_obj_get(doc->root, "spec"), spec->root));
	}
}

static void test_mandatory_ones(void **state)
{
	cleanup(freep) char *schema = verdict_of(FLOW_API, "FlowSchema", NULL,
		NAMED("catch-all",
			"priorityLevelConfiguration: {name: catch-all}, matchingPrecedence: 10000"),
		VALIDATE_MAIN);
	cleanup(freep) char *level = verdict_of(FLOW_API, "PriorityLevelConfiguration", NULL,
		NAMED("catch-all",
			"type: Limited, limited: {nominalConcurrencyShares: 6, limitResponse: {type: Reject}}"),
		VALIDATE_MAIN);

	assert_non_null(strstr(schema, "spec of 'catch-all' must equal the fixed value"));
	assert_non_null(strstr(level, "spec of 'catch-all' must equal the fixed value"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_schemas),
		cmocka_unit_test(test_levels),
		cmocka_unit_test(test_those_of_every_cluster),
		cmocka_unit_test(test_mandatory_ones),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

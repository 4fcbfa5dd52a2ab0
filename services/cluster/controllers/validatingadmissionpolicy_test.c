/* SPDX-License-Identifier: Apache-2.0 */

/* The status of a policy follows what is stored, and leaves the rest of it alone. */

#include "cluster/controllers/stories.h"

#define POLICY "admissionregistration.k8s.io/v1", "ValidatingAdmissionPolicy"

static bool policy_says(const void *text)
{
	const struct object *o = get(POLICY, "", "p");

	return o && strstr(o->json, text);
}

static void ignore(yyjson_mut_doc *doc, yyjson_mut_val *root, const void *arg)
{
	assert_true(meta_put(
		doc, yyjson_mut_obj_get(root, "spec"), "failurePolicy", yyjson_mut_str(doc, "Ignore")));
}

static enum modify add_condition(
	const struct object *old, yyjson_mut_doc **doc, struct status **error, void *arg)
{
	yyjson_mut_val *status = yyjson_mut_obj_get(yyjson_mut_doc_get_root(*doc), "status"),
		       *list = yyjson_mut_obj_add_arr(*doc, status, "conditions");

	return condition_set(*doc, list, "Mine", "True", "R", "m", 1) ? MODIFY_WRITE : MODIFY_FAIL;
}

static void test_generations(void **state)
{
	bool done = false;

	create(POLICY, "",
		"{\"metadata\":{\"name\":\"p\"},\"spec\":{\"validations\":[{\"expression\":\"true\"}],\"matchConstraints\":{"
		"\"resourceRules\":[{\"operations\":[\"*\"],\"apiGroups\":[\"*\"],\"apiVersions\":[\"*\"],\"resources\":[\"pods\"]}]}}}");
	until("it is observed", policy_says, "\"observedGeneration\":1");
	registry_modify(r, &caller_self, kind(POLICY), "", "p", false, add_condition,
		&(struct write_options){.subresource = "status"}, on_written, &done);
	wait_for_write(&done);
	edit(POLICY, "", "p", ignore, NULL);
	until("it is observed again", policy_says, "\"observedGeneration\":2");
	assert_true(policy_says("\"type\":\"Mine\""));
}

static bool has_types(const void *text)
{
	const struct object *o = get(POLICY, "", "p");
	const char *types = o ? strstr(o->json, "\"typeChecking\":") : NULL;

	return types && strstr(o->json, "\"observedGeneration\":") && (!text || strstr(types, text));
}

#define RULE(groups, versions, resources)                                                                    \
	"{\"operations\":[\"*\"],\"apiGroups\":[" groups "],\"apiVersions\":[" versions                      \
	"],\"resources\":[" resources "]}"
#define DEPLOYMENTS RULE("\"apps\"", "\"v1\"", "\"deployments\"")

/* Each is written, and @says of its types; NULL: that nothing is wrong. */
static void test_types(void **state)
{
	static const struct {
		const char *rules, *rest, *says;
	} policies[] = {
		{DEPLOYMENTS, "{\"expression\":\"object.spec.replicas > 1\"}]", NULL},
		{DEPLOYMENTS,
			"{\"expression\":\"object.spec.replicas > '1'\",\"messageExpression\":\"'wants replicas > 1, got ' + "
			"object.spec.replicas\"}]",
			"\"expressionWarnings\":[{\"fieldRef\":\"spec.validations[0].expression\",\"warning\":\"apps/v1, Kind=Deployment: "
			"ERROR: <input>:1:22: found no matching overload for '_>_' applied to '(int, string)'\\n\"},"
			"{\"fieldRef\":\"spec.validations[0].messageExpression\",\"warning\":\"apps/v1, Kind=Deployment: ERROR: "
			"<input>:1:28: found no matching overload for '_+_' applied to '(string, int)'\\n\"}]"},
		{RULE("\"\",\"apps\"", "\"v1\"", "\"pods\",\"pods/status\",\"daemonsets\""),
			"{\"expression\":\"oldObject.spec.nope == 1\"}]",
			"\"warning\":\"/v1, Kind=Pod: ERROR: <input>:1:15: undefined field 'nope'\\n\\napps/v1, Kind=DaemonSet: ERROR: "
			"<input>:1:15: undefined field 'nope'\\n\""},
		{DEPLOYMENTS,
			"{\"expression\":\"variables.r > '1'\"}],\"variables\":[{\"name\":\"r\",\"expression\":\"object.spec.replicas\"}]",
			"applied to '(int, string)'"},
		{DEPLOYMENTS,
			"{\"expression\":\"params.data.x == 1 || object.metadata.labels.a == 'x'\"}],\"paramKind\":{\"apiVersion\":"
			"\"v1\",\"kind\":\"ConfigMap\"}",
			"applied to '(string, int)'"},
		/* lists, maps, times, what is an int or a text, amounts, what is kept as it comes */
		{DEPLOYMENTS,
			"{\"expression\":\"object.spec.template.spec.containers.all(c, c.image.startsWith('a') && c.resources.limits['cpu'] == "
			"'1' && c.args.size() == 1) && object.metadata.creationTimestamp < timestamp('2030-01-01T00:00:00Z') && "
			"object.spec.strategy.rollingUpdate.maxSurge == 1 && object.metadata.annotations['a'] == 'b' && object.kind == 'Deployment'"
			"\"}]",
			NULL},
		/* nothing is known where anything is meant */
		{RULE("\"*\"", "\"v1\"", "\"deployments\""), "{\"expression\":\"object.nope == 1\"}]", NULL},
		{RULE("\"apps\"", "\"v1\"", "\"*\""), "{\"expression\":\"object.nope == 1\"}]", NULL},
		{RULE("\"example.com\"", "\"v1\"", "\"unknowns\""), "{\"expression\":\"object.nope == 1\"}]",
			NULL},
	};
	char json[2000];

	for (size_t i = 0; i < array_len(policies); i++) {
		snprintf(json, sizeof(json),
			"{\"metadata\":{\"name\":\"p\"},\"spec\":{\"matchConstraints\":{\"resourceRules\":[%s]},\"validations\":[%s}}",
			policies[i].rules, policies[i].rest);
		create(POLICY, "", json);
		until("its types are looked at", has_types, NULL);
		if (!has_types(policies[i].says ? policies[i].says : "\"typeChecking\":{}"))
			fail_msg("%s: %s", policies[i].rest, get(POLICY, "", "p")->json);
		delete (POLICY, "", "p", PROPAGATE_BACKGROUND);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {STORY(test_generations), STORY(test_types)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

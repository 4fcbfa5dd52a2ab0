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

int main(void)
{
	const struct CMUnitTest tests[] = {STORY(test_generations)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

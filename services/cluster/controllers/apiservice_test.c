/* SPDX-License-Identifier: Apache-2.0 */

/* APIServices: what this server serves is listed as long as it is served. */

#include <unistd.h>

#include "cluster/controllers/stories.h"
#include "cluster/schema/custom.h"

#define API	   "apiregistration.k8s.io/v1", "APIService"
#define DEFINITION "apiextensions.k8s.io/v1", "CustomResourceDefinition"
#define SERVICE	   "\"service\":{\"namespace\":\"default\",\"name\":\"s\"}"

static const char boats[] =
	"{\"metadata\":{\"name\":\"boats.example.com\"},\"spec\":{\"group\":\"example.com\",\"scope\":\"Namespaced\",\"names\":{"
	"\"plural\":\"boats\",\"kind\":\"Boat\"},\"versions\":[{\"name\":\"v1\",\"served\":true,\"storage\":true,\"schema\":{"
	"\"openAPIV3Schema\":{\"type\":\"object\"}}}]}}";

static bool is_there(const void *name)
{
	return get(API, "", name);
}

static bool not_there(const void *name)
{
	return !get(API, "", name);
}

static bool all_are_there(const void *arg)
{
	size_t n;
	const struct schema_group_version *gv = custom_group_versions(&n);
	char name[512];

	for (size_t i = 0; i < n; i++) {
		snprintf(name, sizeof(name), "%s.%s", gv[i].version, gv[i].group);
		if (!get(API, "", name))
			return false;
	}
	return true;
}

static bool has_own_priority(const void *arg)
{
	return strstr(get(API, "", "v1.apps")->json, "\"versionPriority\":30");
}

static void change_priority(yyjson_mut_doc *doc, yyjson_mut_val *root, const void *arg)
{
	put(doc, yyjson_mut_obj_get(root, "spec"), "versionPriority", "7");
}

static void test_what_is_served(void **state)
{
	const char *json;

	create("v1", "Namespace", "", "{\"metadata\":{\"name\":\"kube-system\"}}");
	until("each group and version has one", all_are_there, NULL);
	json = get(API, "", "v1.apps")->json;
	assert_non_null(strstr(json, "\"kube-aggregator.kubernetes.io/automanaged\":\"onstart\""));
	assert_non_null(strstr(json, "\"type\":\"Available\",\"status\":\"True\""));
	assert_non_null(strstr(json, "\"reason\":\"Local\""));
	assert_null(strstr(json, "\"service\""));
	assert_non_null(strstr(get(API, "", "v1.")->json, "\"groupPriorityMinimum\":18000"));

	edit(API, "", "v1.apps", change_priority, NULL);
	until("it says again what is so", has_own_priority, NULL);
	delete (API, "", "v1.apps", PROPAGATE_BACKGROUND);
	until("it is made again", is_there, "v1.apps");
}

static void test_kinds_of_ones_own(void **state)
{
	create(DEFINITION, "", boats);
	until("it is listed", is_there, "v1.example.com");
	assert_non_null(strstr(get(API, "", "v1.example.com")->json, "automanaged\":\"true\""));
	delete (DEFINITION, "", "boats.example.com", PROPAGATE_BACKGROUND);
	until("it goes with its definition", not_there, "v1.example.com");
}

/* One that somebody else has written is left alone. */
static void test_one_of_somebodys_own(void **state)
{
	create(API, "",
		"{\"metadata\":{\"name\":\"v1.example.org\"},\"spec\":{\"group\":\"example.org\",\"version\":\"v1\","
		"\"groupPriorityMinimum\":10,\"versionPriority\":20}}");
	until("quiet", is_quiet, NULL);
	assert_non_null(strstr(get(API, "", "v1.example.org")->json, "\"reason\":\"Local\""));
}

static void on_refused(const struct status *error, const struct object *object, void *arg)
{
	assert_non_null(error);
	snprintf(arg, 900, "%d %s", error->code, error->message);
	loop_quit(l, 0);
}

static void test_what_is_refused(void **state)
{
	static const struct {
		const char *name, *spec, *why;
	} cases[] = {
		{"v1.b.com",
			"\"group\":\"a.com\",\"version\":\"v1\",\"groupPriorityMinimum\":1,\"versionPriority\":1",
			"must be `spec.version+\".\"+spec.group`: `v1.a.com`"},
		{"v2.", "\"version\":\"v2\",\"groupPriorityMinimum\":1,\"versionPriority\":1",
			"only v1 may have an empty group"},
		{"v1.a.com",
			"\"group\":\"a.com\",\"version\":\"v1\",\"groupPriorityMinimum\":20001,\"versionPriority\":1",
			"must be positive and less than 20000"},
		{"v1.a.com", "\"group\":\"a.com\",\"version\":\"v1\",\"groupPriorityMinimum\":1",
			"spec.versionPriority: Invalid value"},
		{"v1.a.com",
			"\"group\":\"a.com\",\"version\":\"v1\",\"groupPriorityMinimum\":1,\"versionPriority\":1,"
			"\"insecureSkipTLSVerify\":true",
			"local APIServices may not have insecureSkipTLSVerify"},
		{"v1.a.com",
			"\"group\":\"a.com\",\"version\":\"v1\",\"groupPriorityMinimum\":1,\"versionPriority\":1,"
			"\"insecureSkipTLSVerify\":true,\"caBundle\":\"YQ==\"," SERVICE,
			"may not be true if caBundle is present"},
		{"v1.a.com",
			"\"group\":\"a.com\",\"version\":\"v1\",\"groupPriorityMinimum\":1,\"versionPriority\":1,"
			"\"insecureSkipTLSVerify\":true,\"service\":{\"name\":\"s\",\"port\":70000}",
			"spec.service.namespace: Required value"},
		{"v1beta1.metrics.k8s.io",
			"\"group\":\"metrics.k8s.io\",\"version\":\"v1beta1\",\"groupPriorityMinimum\":100,"
			"\"versionPriority\":100," SERVICE,
			"metrics.k8s.io/v1beta1 is served by this API server itself"},
	};

	for (size_t i = 0; i < array_len(cases); i++) {
		char json[500], why[900] = "";
		yyjson_doc *doc;

		snprintf(json, sizeof(json), "{\"metadata\":{\"name\":\"%s\"},\"spec\":{%s}}", cases[i].name,
			cases[i].spec);
		doc = yyjson_read(json, strlen(json), 0);
		assert_non_null(doc);
		registry_create(r, &caller_self, kind(API), "", yyjson_doc_mut_copy(doc, NULL), NULL,
			on_refused, why);
		yyjson_doc_free(doc);
		while (!*why)
			assert_int_equal(loop_run(l), 0);
		if (strncmp(why, "422 ", 4) != 0 || !strstr(why, cases[i].why))
			fail_msg("\"%s\" is not in: %s", cases[i].why, why);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		STORY(test_what_is_served),
		STORY(test_kinds_of_ones_own),
		STORY(test_one_of_somebodys_own),
		STORY(test_what_is_refused),
	};

	alarm(120);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

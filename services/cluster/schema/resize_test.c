/* SPDX-License-Identifier: Apache-2.0 */

/* What a resize of a pod may change, in upstream's words; and what a container counts for while it is under way. */

#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "cluster/schema/qos.h"
#include "cluster/schema/resized.h"
#include "cluster/schema/verdict_testing.h"

static yyjson_mut_doc *make(const char *body)
{
	return verdict_object(schema_find_kind("v1", "Pod"), body);
}

static char *verdict(const char *before, const char *body, enum validate_scope scope)
{
	return verdict_of("v1", "Pod", before, body, scope);
}

#define POD(spec)     "metadata: {name: a, namespace: d}\nspec: {" spec "}"
#define C(name, more) "{name: " name ", image: i" more "}"
#define HAS(r, l)     ", resources: {requests: {" r "}, limits: {" l "}}"
#define ONE(r, l)     POD("containers: [" C("c", HAS(r, l)) "]")
#define INIT(more, l)                                                                                        \
	POD("initContainers: [" C("s", more HAS(l, l)) "], containers: [" C("c", HAS("cpu: 1", "")) "]")
#define POLICY(policy) ", resizePolicy: [" policy "]"
#define BAD(text)      "Pod \"a\" is invalid: " text
#define ONLY_CPU       BAD("spec: Forbidden: only cpu and memory resources are mutable")
#define OTHER_CLASS(c) BAD("spec: Invalid value: " c ": Pod QOS Class may not change as a result of resizing")
#define ALWAYS	       ", restartPolicy: Always"
#define CPU_RESTARTS   POLICY("{resourceName: cpu, restartPolicy: RestartContainer}")

static const struct {
	const char *before, *body, *verdict;
} cases[] = {
	{ONE("cpu: 1", ""), ONE("cpu: 2, memory: 1Mi", "memory: 2Mi"), "valid"},
	{ONE("cpu: 1", "cpu: 2"), ONE("cpu: 500m", "cpu: 3"), "valid"},
	{ONE("cpu: 1", "cpu: 2"), ONE("cpu: 3", "cpu: 2"),
		BAD("spec.containers[0].resources.requests: Invalid value: \"3\": must be less than or equal to cpu limit of 2")},
	{ONE("cpu: 1, memory: 1Mi", ""), ONE("cpu: 1", ""),
		BAD("spec.containers[0].resources.requests: Forbidden: resource requests cannot be removed")},
	{ONE("cpu: 1", "cpu: 2, memory: 1Gi"), ONE("cpu: 1, memory: 1Gi", "cpu: 2"),
		BAD("spec.containers[0].resources.limits: Forbidden: resource limits cannot be removed")},
	{POD("containers: [" C("c", "") "]"), ONE("cpu: 1", ""), OTHER_CLASS("null")},
	{ONE("cpu: 1, memory: 1Mi", "cpu: 2, memory: 2Mi"), ONE("cpu: 2, memory: 2Mi", "cpu: 2, memory: 2Mi"),
		OTHER_CLASS("null")},
	{ONE("cpu: 1, ephemeral-storage: 1", ""), ONE("cpu: 1, ephemeral-storage: 3", ""), ONLY_CPU},
	{ONE("cpu: 1, ephemeral-storage: 1000", ""), ONE("cpu: 2, ephemeral-storage: 1k", ""), "valid"},
	{ONE("cpu: 1", ""), ONE("cpu: 1", "ephemeral-storage: 1Gi"), ONLY_CPU},
	{POD("containers: [" C("c", CPU_RESTARTS HAS("cpu: 1", "")) "]"), ONE("cpu: 2", ""), ONLY_CPU},
	{POD("containers: [" C("c", HAS("cpu: 1", "")) ", " C("d", HAS("cpu: 1", "")) "]"),
		POD("containers: [" C("d", HAS("cpu: 1", "")) ", " C("c", HAS("cpu: 1", "")) "]"),
		BAD("[spec.containers[0].name: Forbidden: containers may not be renamed or reordered on resize, "
		    "spec.containers[1].name: Forbidden: containers may not be renamed or reordered on resize]")},
	{ONE("cpu: 1", ""), POD("containers: [" C("c", HAS("cpu: 1", "")) ", " C("d", HAS("cpu: 1", "")) "]"),
		BAD("spec.containers: Forbidden: containers may not be added or removed on resize")},
	{INIT("", "cpu: 1"), INIT("", "cpu: 2"),
		BAD("spec.initContainers[0].resources: Forbidden: resources for non-sidecar init containers are immutable")},
	{INIT(ALWAYS, "cpu: 1"), INIT(ALWAYS, "cpu: 2"), "valid"},
	{"metadata: {name: a, namespace: d, annotations: {kubernetes.io/config.mirror: x}}\nspec: {containers: [" C(
		 "c", HAS("cpu: 1", "")) "]}",
		ONE("cpu: 2", ""), BAD(": Forbidden: static pods cannot be resized")},
	{ONE("cpu: 1", "") "\nstatus: {containerStatuses: [{name: c, state: {running: {}}}]}",
		ONE("cpu: 2", ""), BAD("spec: Forbidden: Pod running on node without support for resize")},
	{ONE("cpu: 1", "") "\nstatus: {containerStatuses: [{name: c, state: {running: {}}, resources: {}}]}",
		ONE("cpu: 2", ""), "valid"},
	/* as a pod is made */
	{NULL, POD("containers: [" C("c", CPU_RESTARTS) "]"), "valid"},
	{NULL, POD("containers: [" C("c", POLICY("{resourceName: disk, restartPolicy: NotRequired}")) "]"),
		BAD("spec.containers[0].resizePolicy: Unsupported value: \"disk\": supported values: \"cpu\", \"memory\"")},
	{NULL, POD("containers: [" C("c", POLICY("{resourceName: cpu, restartPolicy: Never}")) "]"),
		BAD("spec.containers[0].resizePolicy: Unsupported value: \"Never\": supported values: \"NotRequired\", "
		    "\"RestartContainer\"")},
	{NULL,
		POD("containers: [" C(
			"c", POLICY("{resourceName: cpu, restartPolicy: NotRequired}, {resourceName: cpu, "
				    "restartPolicy: NotRequired}")) "]"),
		BAD("spec.containers[0].resizePolicy: Duplicate value: \"cpu\"")},
	{NULL, POD("restartPolicy: Never, containers: [" C("c", CPU_RESTARTS) "]"),
		BAD("spec.containers[0].resizePolicy: Invalid value: \"RestartContainer\": must be 'NotRequired' when "
		    "`restartPolicy` is 'Never'")},
	{NULL,
		POD("restartPolicy: Never, initContainers: [" C(
			"s", ALWAYS CPU_RESTARTS) "], containers: [" C("c", "") "]"),
		"valid"},
	{NULL, POD("initContainers: [" C("s", CPU_RESTARTS) "], containers: [" C("c", "") "]"),
		BAD("spec.initContainers[0].resizePolicy: Invalid value: "
		    "[{\"resourceName\":\"cpu\",\"restartPolicy\":\"RestartContainer\"}]: must not be set for init containers")},
};

static void test_verdicts(void **state)
{
	for (size_t i = 0; i < array_len(cases); i++) {
		cleanup(freep) char *got = verdict(
			cases[i].before, cases[i].body, cases[i].before ? VALIDATE_RESIZE : VALIDATE_MAIN);

		if (strcmp(got, cases[i].verdict) != 0)
			fail_msg("case %zu:\n%s\nnot\n%s", i, got, cases[i].verdict);
	}
}

static void test_classes(void **state)
{
	static const struct {
		const char *body, *class;
	} table[] = {
		{POD("containers: [" C("c", "") "]"), "BestEffort"},
		{ONE("cpu: 1, memory: 1Mi", "cpu: 1000m, memory: 1024Ki"), "Guaranteed"},
		{ONE("cpu: 1", "cpu: 1"), "Burstable"},
		{ONE("cpu: 0", ""), "BestEffort"},
		{INIT("", "cpu: 1"), "Burstable"},
	};

	for (size_t i = 0; i < array_len(table); i++) {
		cleanup(json_mut_docp) yyjson_mut_doc *doc = make(table[i].body);

		assert_string_equal(pod_qos(yyjson_mut_obj_get(doc->root, "spec")), table[i].class);
	}
}

/* The lists of the first container of @pod that count, one after the other. */
static void lists_are(const char *pod, bool init, const char *which, const char *expect)
{
	yyjson_doc *doc = yyjson_read(pod, strlen(pod), 0);
	yyjson_val *root = yyjson_doc_get_root(doc), *lists[RESIZED_LISTS_MAX];
	yyjson_val *c = yyjson_arr_get_first(
		json_arr(json_obj(root, "spec"), init ? "initContainers" : "containers"));
	char text[300] = "";
	size_t n = resized_lists(root, c, init, which, lists);

	for (size_t i = 0; i < n; i++) {
		const char *cpu = json_str(lists[i], "cpu");

		snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s%s", i ? " " : "",
			cpu ? cpu : "-");
	}
	assert_string_equal(text, expect);
	yyjson_doc_free(doc);
}

#define SPEC(list, more)                                                                                     \
	"{\"spec\":{\"" list "\":[{\"name\":\"c\"" more                                                      \
	",\"resources\":{\"requests\":{\"cpu\":\"3\"},\"limits\":{\"cpu\":\"6\"}}}]},\"status\":{"
#define SAID(list)                                                                                           \
	"\"" list "\":[{\"name\":\"b\"},{\"name\":\"c\",\"allocatedResources\":{\"cpu\":\"2\"},"             \
	"\"resources\":{\"requests\":{\"cpu\":\"1\"},\"limits\":{\"cpu\":\"4\"}}}]"
#define PENDING(reason) ",\"conditions\":[{\"type\":\"PodResizePending\",\"reason\":\"" reason "\"}]}}"

static void test_what_counts(void **state)
{
	lists_are(SPEC("containers", "") "}}", false, "requests", "3");
	lists_are(SPEC("containers", "") SAID("containerStatuses") "}}", false, "requests", "3 1 2");
	lists_are(SPEC("containers", "") SAID("containerStatuses") "}}", false, "limits", "6 4");
	lists_are(SPEC("containers", "") SAID("containerStatuses") PENDING("Deferred"), false, "requests",
		"3 1 2");
	lists_are(SPEC("containers", "") SAID("containerStatuses") PENDING("Infeasible"), false, "requests",
		"1 2");
	lists_are(
		SPEC("containers", "") SAID("containerStatuses") PENDING("Infeasible"), false, "limits", "4");
	lists_are(SPEC("containers", "") "\"x\":1" PENDING("Infeasible"), false, "requests", "3");
	/* an init container that ends is what it asks for; one that runs on counts as others do */
	lists_are(SPEC("initContainers", "") SAID("initContainerStatuses") "}}", true, "requests", "3");
	lists_are(SPEC("initContainers", ",\"restartPolicy\":\"Always\"") SAID("initContainerStatuses") "}}",
		true, "requests", "3 1 2");
}

/* What a node says of a container that is getting more memory, for which its limit has not been raised yet. */
static void test_under_way(void **state)
{
#define UNDER_WAY(amount)                                                                                    \
	ONE("memory: 40Mi", "memory: 40Mi")                                                                  \
	"\nstatus: {containerStatuses: [{name: c, image: i, imageID: i, ready: true, restartCount: 0, "      \
	"resources: {requests: {memory: " amount "}, limits: {memory: 35Mi}}}]}"
	cleanup(freep) char *said = verdict(UNDER_WAY("35Mi"), UNDER_WAY("40Mi"), VALIDATE_STATUS),
			    *wrong = verdict(UNDER_WAY("35Mi"), UNDER_WAY("\"-1\""), VALIDATE_STATUS);

	assert_string_equal(said, "valid");
	assert_non_null(strstr(wrong, "must be greater than or equal to 0"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_verdicts),
		cmocka_unit_test(test_classes),
		cmocka_unit_test(test_what_counts),
		cmocka_unit_test(test_under_way),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

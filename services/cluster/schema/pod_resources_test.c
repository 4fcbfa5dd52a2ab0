/* SPDX-License-Identifier: Apache-2.0 */

/* Resources of a pod as a whole: what follows from what is said, the class it makes, and what is refused, in upstream's words. */

#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "cluster/schema/qos.h"
#include "cluster/schema/verdict_testing.h"

#define POD(whole, more)    "metadata: {name: a, namespace: d}\nspec: {resources: {" whole "}, " more "}"
#define C(name, r, l)	    "{name: " name ", image: i, resources: {requests: {" r "}, limits: {" l "}}}"
#define BARE		    "containers: [{name: c, image: i}]"
#define TWO(r1, l1, r2, l2) "containers: [" C("c", r1, l1) ", " C("d", r2, l2) "]"
#define BAD(text)	    "Pod \"a\" is invalid: " text

/* ---- what is filled in, and the class */

static const struct {
	const char *body, *whole, *class;
} fillings[] = {
	{POD("", BARE), "{}", "BestEffort"},
	{POD("requests: {}, limits: {}", TWO("cpu: 1", "", "", "")), "{}", "Burstable"},
	/* only limits: they are requested */
	{POD("limits: {cpu: 1, memory: 64Mi}", BARE),
		"{\"limits\":{\"cpu\":\"1\",\"memory\":\"64Mi\"},\"requests\":{\"cpu\":\"1\",\"memory\":\"64Mi\"}}",
		"Guaranteed"},
	/* what containers ask for together is requested before that, those that limit only among them */
	{POD("limits: {cpu: 1, memory: 64Mi}", TWO("cpu: 100m", "", "", "cpu: 200m")),
		"{\"limits\":{\"cpu\":\"1\",\"memory\":\"64Mi\"},\"requests\":{\"cpu\":\"300m\",\"memory\":\"64Mi\"}}",
		"Burstable"},
	/* of resources that the pod does not limit, too */
	{POD("limits: {cpu: 1}", TWO("memory: 16Mi", "", "memory: 16Mi", "")),
		"{\"limits\":{\"cpu\":\"1\"},\"requests\":{\"memory\":\"32Mi\",\"cpu\":\"1\"}}", "Burstable"},
	/* beside sidecars, or an init container that takes more */
	{POD("limits: {cpu: 4}",
		 "initContainers: [{name: s, image: i, restartPolicy: Always, resources: {requests: {cpu: 1}}}, " C(
			 "i", "cpu: 2", "") "], containers: [" C("c", "cpu: 1", "") "]"),
		"{\"limits\":{\"cpu\":\"4\"},\"requests\":{\"cpu\":\"3\"}}", "Burstable"},
	/* what is said stays */
	{POD("limits: {cpu: 1}, requests: {cpu: 500m}", TWO("cpu: 100m", "", "", "")),
		"{\"limits\":{\"cpu\":\"1\"},\"requests\":{\"cpu\":\"500m\"}}", "Burstable"},
	/* only requests: limits follow when every container has one */
	{POD("requests: {cpu: 1}", TWO("", "cpu: 500m", "", "cpu: 500m, memory: 1Mi")),
		"{\"requests\":{\"cpu\":\"1\",\"memory\":\"1Mi\"},\"limits\":{\"cpu\":\"1\"}}", "Burstable"},
	{POD("requests: {cpu: 1}", TWO("", "cpu: 500m", "", "")), "{\"requests\":{\"cpu\":\"1\"}}",
		"Burstable"},
	{POD("requests: {cpu: 1, memory: 2Mi}",
		 TWO("", "cpu: 500m, memory: 1Mi", "", "cpu: 500m, memory: 1Mi")),
		"{\"requests\":{\"cpu\":\"1\",\"memory\":\"2Mi\"},\"limits\":{\"cpu\":\"1\",\"memory\":\"2Mi\"}}",
		"Guaranteed"},
	/* pages are requested as they are limited, and never more */
	{POD("limits: {cpu: 1}", TWO("", "hugepages-2Mi: 4Mi", "", "hugepages-2Mi: 2Mi")),
		"{\"limits\":{\"cpu\":\"1\",\"hugepages-2Mi\":\"6Mi\"},\"requests\":{\"cpu\":\"1\",\"hugepages-2Mi\":\"6Mi\"}}",
		"Burstable"},
	/* containers that are guaranteed do not make a pod that says less so */
	{POD("limits: {memory: 64Mi}", TWO("", "cpu: 1, memory: 1Mi", "", "cpu: 1, memory: 1Mi")),
		"{\"limits\":{\"memory\":\"64Mi\"},\"requests\":{\"cpu\":\"2\",\"memory\":\"2Mi\"}}",
		"Burstable"},
	{POD("requests: {cpu: 0}", TWO("memory: 1Mi", "", "", "")), "{\"requests\":{\"cpu\":\"0\"}}",
		"BestEffort"},
};

static void test_filled_in(void **state)
{
	for (size_t i = 0; i < array_len(fillings); i++) {
		cleanup(json_mut_docp) yyjson_mut_doc *doc =
			verdict_object(schema_find_kind("v1", "Pod"), fillings[i].body);
		yyjson_mut_val *spec = yyjson_mut_obj_get(doc->root, "spec");
		cleanup(freep) char *whole =
			yyjson_mut_val_write(yyjson_mut_obj_get(spec, "resources"), 0, NULL);

		if (strcmp(whole, fillings[i].whole) != 0)
			fail_msg("case %zu: %s", i, whole);
		if (strcmp(pod_qos(spec), fillings[i].class) != 0)
			fail_msg("case %zu: %s", i, pod_qos(spec));
		/* once is enough */
		assert_true(default_object(doc, schema_find_kind("v1", "Pod")));
		free(take(whole));
		whole = yyjson_mut_val_write(yyjson_mut_obj_get(spec, "resources"), 0, NULL);
		assert_string_equal(whole, fillings[i].whole);
	}
}

/* A template is left as it is written. */
static void test_templates_are_not_filled_in(void **state)
{
	cleanup(json_mut_docp) yyjson_mut_doc *doc = verdict_object(schema_find_kind("apps/v1", "Deployment"),
		"metadata: {name: a}\nspec: {selector: {matchLabels: {a: b}}, template: {metadata: {labels: {a: b}}, "
		"spec: {resources: {limits: {cpu: 1}}, " BARE "}}}");
	cleanup(freep) char *whole = yyjson_mut_val_write(
		meta_mut_get(doc->root, "spec", "template", "spec", "resources", NULL), 0, NULL);

	assert_string_equal(whole, "{\"limits\":{\"cpu\":\"1\"}}");
}

/* ---- what is refused */

static const struct {
	const char *body, *verdict;
} cases[] = {
	{POD("limits: {cpu: 1, memory: 64Mi, hugepages-2Mi: 2Mi}", BARE), "valid"},
	{POD("requests: {cpu: 2}, limits: {cpu: 1}", BARE),
		BAD("spec.resources.requests: Invalid value: \"2\": must be less than or equal to cpu limit of 1")},
	{POD("limits: {cpu: 1, ephemeral-storage: 1Gi, example.com/a: 1}", BARE),
		BAD("[spec.resources.limits[ephemeral-storage]: Unsupported value: \"ephemeral-storage\": supported values: "
		    "\"cpu\", \"hugepages-\", \"memory\", spec.resources.limits[example.com/a]: Unsupported value: "
		    "\"example.com/a\": supported values: \"cpu\", \"hugepages-\", \"memory\"]")},
	{POD("requests: {hugepages-2Mi: 2Mi, cpu: 1}", BARE),
		BAD("spec.resources.limits: Required value: Limit must be set for non overcommitable resources")},
	{POD("limits: {cpu: 1}, claims: [{name: x}]", BARE),
		BAD("spec.resources.claims: Forbidden: claims may not be set for Resources at pod-level")},
	{POD("limits: {cpu: 1}", "os: {name: windows}, " BARE),
		BAD("spec.resources: Forbidden: may not be set for a windows pod")},
	/* together */
	{POD("requests: {cpu: 1}", TWO("cpu: 500m", "", "cpu: 500m", "")), "valid"},
	{POD("requests: {cpu: 1, memory: 1Mi}", TWO("cpu: 600m", "", "cpu: 500m", "")),
		BAD("spec.resources.requests[cpu]: Invalid value: \"1\": must be greater than or equal to aggregate container "
		    "requests of 1100m")},
	/* what is filled in is held to that as well */
	{POD("limits: {memory: 3Mi}", TWO("", "memory: 2Mi", "", "memory: 2Mi")),
		BAD("spec.resources.requests: Invalid value: \"4Mi\": must be less than or equal to memory limit of 3Mi")},
	/* limits may be more together, but not one of them alone */
	{POD("limits: {cpu: 1}", TWO("cpu: 1m", "cpu: 800m", "cpu: 1m", "cpu: 800m")), "valid"},
	{POD("limits: {cpu: 1}", TWO("cpu: 1m", "cpu: 1", "cpu: 1m", "cpu: 1200m")),
		BAD("spec.containers[1].resources.limits[cpu]: Invalid value: \"1200m\": must be less than or equal to pod "
		    "limits of 1")},
	{POD("limits: {cpu: 1, hugepages-2Mi: 2Mi}", TWO("", "hugepages-2Mi: 2Mi", "", "hugepages-2Mi: 2Mi")),
		BAD("[spec.resources.requests[hugepages-2Mi]: Invalid value: \"2Mi\": must be greater than or equal to "
		    "aggregate container requests of 4Mi, spec.resources.limits[hugepages-2Mi]: Invalid value: \"2Mi\": "
		    "must be greater than or equal to aggregate container limits of 4Mi]")},
};

static void test_verdicts(void **state)
{
	for (size_t i = 0; i < array_len(cases); i++) {
		cleanup(freep) char *got = verdict_of("v1", "Pod", NULL, cases[i].body, VALIDATE_MAIN);

		if (strcmp(got, cases[i].verdict) != 0)
			fail_msg("case %zu:\n%s\nnot\n%s", i, got, cases[i].verdict);
	}
}

static void test_templates_are_held_to_it(void **state)
{
	cleanup(freep) char *got = verdict_of("apps/v1", "Deployment", NULL,
		"metadata: {name: a}\nspec: {selector: {matchLabels: {a: b}}, template: {metadata: {labels: {a: b}}, "
		"spec: {resources: {requests: {cpu: 1}}, " TWO("cpu: 1", "", "cpu: 1", "") "}}}",
		VALIDATE_MAIN);

	assert_string_equal(got,
		"Deployment.apps \"a\" is invalid: spec.template.spec.resources.requests[cpu]: Invalid value: \"1\": must be "
		"greater than or equal to aggregate container requests of 2");
}

static void test_changes(void **state)
{
	static const char before[] = POD("limits: {cpu: 1}", TWO("cpu: 100m", "", "", "")),
			  other[] = POD(
				  "limits: {cpu: 2}, requests: {cpu: 100m}", TWO("cpu: 100m", "", "", ""));
	static const struct {
		const char *body, *verdict;
	} resizes[] = {
		{other, "valid"},
		/* its containers' within it */
		{POD("limits: {cpu: 1}, requests: {cpu: 100m}", TWO("cpu: 50m", "", "", "")), "valid"},
		{POD("limits: {cpu: 1}, requests: {cpu: 100m}", TWO("cpu: 150m", "", "", "")),
			BAD("spec.resources.requests[cpu]: Invalid value: \"100m\": must be greater than or equal to aggregate "
			    "container requests of 150m")},
		{POD("limits: {cpu: 1, memory: 1Mi}, requests: {cpu: 200m}", TWO("cpu: 150m", "", "", "")),
			"valid"},
		{POD("limits: {cpu: 1, hugepages-2Mi: 2Mi}", TWO("cpu: 100m", "", "", "")),
			BAD("spec: Forbidden: only cpu and memory resources are mutable")},
		{POD("requests: {cpu: 100m}", TWO("cpu: 100m", "", "", "")),
			BAD("spec.resources.limits: Forbidden: pod-level resource limits cannot be removed")},
		{POD("limits: {cpu: 1, memory: 1Mi}, requests: {cpu: 1, memory: 1Mi}",
			 TWO("cpu: 100m", "", "", "")),
			BAD("spec: Invalid value: null: Pod QOS Class may not change as a result of resizing")},
	};
	cleanup(freep) char *updated = verdict_of("v1", "Pod", before, other, VALIDATE_MAIN);

	assert_non_null(strstr(updated, "spec: Forbidden: pod updates may not change fields other than"));
	for (size_t i = 0; i < array_len(resizes); i++) {
		cleanup(freep) char *got = verdict_of("v1", "Pod", before, resizes[i].body, VALIDATE_RESIZE);

		if (strcmp(got, resizes[i].verdict) != 0)
			fail_msg("case %zu: %s", i, got);
	}
}

/* More sizes of pages than there are. */
static void test_many(void **state)
{
	cleanup(freep) char *body = NULL, *got = NULL;
	size_t len;
	FILE *f = open_memstream(&body, &len);

	fprintf(f,
		"metadata: {name: a, namespace: d}\nspec: {resources: {limits: {cpu: 1}}, containers: [{name: c, "
		"image: i, resources: {limits: {cpu: 2");
	for (int i = 0; i < 60; i++)
		fprintf(f, ", hugepages-%dMi: 0", i);
	fprintf(f, "}}}]}");
	fclose(f);
	got = verdict_of("v1", "Pod", NULL, body, VALIDATE_MAIN);
	if (!strstr(got, "spec.resources.requests: Too many: 34: must have at most 32 items"))
		fail_msg("%s", got);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_filled_in),
		cmocka_unit_test(test_templates_are_not_filled_in),
		cmocka_unit_test(test_verdicts),
		cmocka_unit_test(test_templates_are_held_to_it),
		cmocka_unit_test(test_changes),
		cmocka_unit_test(test_many),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

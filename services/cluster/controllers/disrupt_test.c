/* SPDX-License-Identifier: Apache-2.0 */

/* Pods that end for what is not their fault, and what is said of them first; and those that are over and too many. */

#include "cluster/controllers/stories.h"

/* Something still looks at it, so it stays when it is deleted. */
#define HELD_POD                                                                                             \
	"{\"metadata\":{\"name\":\"p\",\"finalizers\":[\"example.com/held\"]},\"spec\":{\"nodeName\":\"a\"," \
	"\"containers\":[{\"name\":\"c\",\"image\":\"one\"}]}}"

static bool has_all(const char *json, const char *const *texts)
{
	for (; *texts; texts++)
		if (!strstr(json, *texts))
			return false;
	return true;
}

/* @texts, ended by NULL. */
static bool pod_has(const void *texts)
{
	const struct object *o = get("v1", "Pod", "default", "p");

	return o && has_all(o->json, texts);
}

static void take_finalizer(yyjson_mut_doc *doc, yyjson_mut_val *root, const void *arg)
{
	yyjson_mut_obj_remove_key(yyjson_mut_obj_get(root, "metadata"), "finalizers");
}

static void taint(yyjson_mut_doc *doc, yyjson_mut_val *root, const void *arg)
{
	put(doc, meta_make(doc, root, "spec", NULL), "taints",
		"[{\"key\":\"out\",\"effect\":\"NoExecute\"}]");
}

static void test_a_taint_says_so(void **state)
{
	static const char *const runs[] = {"\"phase\":\"Running\"", NULL};
	static const char *const said[] = {"\"type\":\"DisruptionTarget\",\"status\":\"True\"",
		"\"reason\":\"DeletionByTaintManager\"",
		"\"message\":\"Taint manager: deleting due to NoExecute taint\"", "\"observedGeneration\":1",
		"\"deletionTimestamp\":", "\"phase\":\"Running\"", NULL};

	add_node("a", "4");
	create("v1", "Pod", "default", HELD_POD);
	until("it runs", pod_has, runs);
	edit("v1", "Node", "", "a", taint, NULL);
	until("it is told why it goes", pod_has, said);
	edit("v1", "Pod", "default", "p", take_finalizer, NULL);
	until("it has gone", no_pods, NULL);
}

static void test_a_node_that_is_gone(void **state)
{
	static const char *const runs[] = {"\"phase\":\"Running\"", NULL};
	static const char *const said[] = {"\"type\":\"DisruptionTarget\",\"status\":\"True\"",
		"\"reason\":\"DeletionByPodGC\"", "\"message\":\"PodGC: node no longer exists\"",
		"\"deletionTimestamp\":", "\"phase\":\"Failed\"", NULL};

	add_node("a", "4");
	create("v1", "Pod", "default", HELD_POD);
	until("it runs", pod_has, runs);
	delete ("v1", "Node", "", "a", PROPAGATE_BACKGROUND);
	until("it has failed, and why", pod_has, said);
	edit("v1", "Pod", "default", "p", take_finalizer, NULL);
	until("it has gone", no_pods, NULL);
}

/* How it ended is known, and stays. */
static void test_a_pod_that_was_over(void **state)
{
	static const char *const over[] = {"\"phase\":\"Succeeded\"", NULL};
	static const char *const marked[] = {"\"deletionTimestamp\":", "\"phase\":\"Succeeded\"", NULL};

	add_node("a", "4");
	create("v1", "Pod", "default",
		"{\"metadata\":{\"name\":\"p\",\"finalizers\":[\"example.com/held\"]},\"spec\":{\"nodeName\":\"a\","
		"\"restartPolicy\":\"Never\",\"containers\":[{\"name\":\"c\",\"image\":\"ok\"}]}}");
	until("it is over", pod_has, over);
	delete ("v1", "Node", "", "a", PROPAGATE_BACKGROUND);
	until("it is removed", pod_has, marked);
	assert_null(strstr(get("v1", "Pod", "default", "p")->json, "DisruptionTarget"));
	edit("v1", "Pod", "default", "p", take_finalizer, NULL);
	until("it has gone", no_pods, NULL);
}

/* Pods that end at once, by number. */
static void create_ending(int first, int last)
{
	for (int i = first; i <= last; i++) {
		char json[300];

		snprintf(json, sizeof(json),
			"{\"metadata\":{\"name\":\"e%d\"},\"spec\":{\"restartPolicy\":\"Never\","
			"\"containers\":[{\"name\":\"c\",\"image\":\"ok\"}]}}",
			i);
		create("v1", "Pod", "default", json);
	}
}

static bool newest_are_left(const void *arg)
{
	return registry_count(r, kind("v1", "Pod")) == 4 && get("v1", "Pod", "default", "e3") &&
	       get("v1", "Pod", "default", "e4") && get("v1", "Pod", "default", "e5") &&
	       get("v1", "Pod", "default", "p");
}

static void test_too_many_that_are_over(void **state)
{
	add_node("a", "40");
	create("v1", "Pod", "default",
		"{\"metadata\":{\"name\":\"p\"},\"spec\":{\"containers\":[{\"name\":\"c\",\"image\":\"one\"}]}}");
	create_ending(1, 5);
	until("the oldest have gone, and who runs is still there", newest_are_left, NULL);
}

static bool three_are_left(const void *arg)
{
	return registry_count(r, kind("v1", "Pod")) == 3 && get("v1", "Pod", "default", "e28") &&
	       get("v1", "Pod", "default", "e29") && get("v1", "Pod", "default", "e30");
}

/* They wait for a node, and end together when there is one. */
static void test_too_many_at_once(void **state)
{
	create_ending(11, 30);
	add_node("a", "40");
	until("the newest are left", three_are_left, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		STORY(test_a_taint_says_so),
		STORY(test_a_node_that_is_gone),
		STORY(test_a_pod_that_was_over),
		STORY(test_too_many_that_are_over),
		STORY(test_too_many_at_once),
	};

	context.node_gone_s = 1;
	context.pods_over_max = 3;
	return cmocka_run_group_tests(tests, NULL, NULL);
}

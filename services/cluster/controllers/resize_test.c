/* SPDX-License-Identifier: Apache-2.0 */

/* Pods that are resized: what is written, what limits and quotas let through, and where others find room then. */

#include "cluster/controllers/stories.h"

static char answer[8000];

static void on_answer(const struct status *error, const struct object *object, void *arg)
{
	snprintf(answer, sizeof(answer), "%d %s", error ? error->code : 200,
		error ? error->message : object->json);
	loop_quit(l, 0);
}

/* What @container of the pod would be, as a whole: {"name": "c", ...}. */
static enum modify set_container(
	const struct object *old, yyjson_mut_doc **doc, struct status **error, void *arg)
{
	char json[800];

	snprintf(json, sizeof(json), "[%s]", (const char *)arg);
	put(*doc, yyjson_mut_obj_get(yyjson_mut_doc_get_root(*doc), "spec"), "containers", json);
	return MODIFY_WRITE;
}

/* Its answer: the code, and the pod or the message. */
static const char *resize(const char *name, const char *container)
{
	*answer = 0;
	registry_modify(r, &caller_self, kind("v1", "Pod"), "default", name, false, set_container,
		&(struct write_options){.subresource = "resize"}, on_answer, (void *)container);
	while (!*answer)
		assert_int_equal(loop_run(l), 0);
	return answer;
}

static void set_status(yyjson_mut_doc *doc, yyjson_mut_val *root, const void *json)
{
	put(doc, root, "status", json);
}

static void tell(const char *name, const char *json)
{
	struct edit e = {.fn = set_status, .arg = json};

	registry_modify(r, &caller_self, kind("v1", "Pod"), "default", name, false, do_edit,
		&(struct write_options){.subresource = "status"}, on_edited, &e);
	wait_for_write(&e.done);
}

#define C(image, resources) "{\"name\":\"c\",\"image\":\"" image "\",\"resources\":{" resources "}}"
#define POD(name, resources)                                                                                 \
	"{\"metadata\":{\"name\":\"" name "\"},\"spec\":{\"containers\":[" C("one", resources) "]}}"
#define CPU(n) "\"requests\":{\"cpu\":\"" n "\"}"
#define TOLD(has, set_aside, more)                                                                                       \
	"{\"phase\":\"Running\",\"qosClass\":\"Burstable\",\"podIP\":\"10.0.0.9\"" more                                  \
	",\"containerStatuses\":[{\"name\":\"c\",\"ready\":true,\"restartCount\":0,\"image\":\"one\",\"imageID\":\"x\"," \
	"\"state\":{\"running\":{}},\"allocatedResources\":{\"cpu\":\"" set_aside                                        \
	"\"},\"resources\":{\"requests\":{\"cpu\":\"" has "\"}}}]}"
#define REFUSED(reason)                                                                                      \
	",\"conditions\":[{\"type\":\"PodResizePending\",\"status\":\"True\",\"reason\":\"" reason "\"}]"

/* Only resources are taken of what is said; each resize is another generation. */
static void test_only_resources(void **state)
{
	create("v1", "Pod", "default", POD("a", CPU("1")));
	assert_non_null(strstr(resize("a", C("two", CPU("2"))), "200 "));
	assert_non_null(strstr(answer, "\"generation\":2"));
	assert_non_null(strstr(answer, "\"image\":\"one\""));
	assert_non_null(strstr(answer, "\"requests\":{\"cpu\":\"2\"}"));
	assert_non_null(strstr(resize("a", C("two", CPU("2"))), "\"generation\":2"));
	assert_non_null(strstr(resize("a", "{\"name\":\"d\",\"image\":\"one\"}"),
		"422 Pod \"a\" is invalid: [spec: Invalid value: \"Burstable\": Pod QOS Class may not change as a result of "
		"resizing, spec.containers[0].name: Forbidden: containers may not be renamed or reordered on resize]"));
	/* and by a write of the pod itself nothing of them changes */
	*answer = 0;
	registry_modify(r, &caller_self, kind("v1", "Pod"), "default", "a", false, set_container, NULL,
		on_answer, (void *)C("one", CPU("3")));
	while (!*answer)
		assert_int_equal(loop_run(l), 0);
	assert_non_null(strstr(answer, "422 "));
}

static void test_limits(void **state)
{
	create("v1", "Pod", "default", POD("a", CPU("1")));
	create("v1", "LimitRange", "default",
		"{\"metadata\":{\"name\":\"l\"},\"spec\":{\"limits\":[{\"type\":\"Container\",\"min\":{\"cpu\":\"500m\"},"
		"\"max\":{\"cpu\":\"2\"},\"default\":{\"cpu\":\"2\",\"memory\":\"1Gi\"}}]}}");
	assert_non_null(strstr(resize("a", C("one", CPU("100m") ",\"limits\":{\"cpu\":\"1\"}")),
		"403 pods \"a\" is forbidden: minimum cpu usage per Container is 500m, but request is 100m"));
	assert_non_null(strstr(resize("a", C("one", CPU("1") ",\"limits\":{\"cpu\":\"4\"}")),
		"maximum cpu usage per Container is 2, but limit is 4"));
	/* nothing is added that was not asked for */
	assert_non_null(strstr(resize("a", C("one", CPU("1") ",\"limits\":{\"cpu\":\"2\"}")), "200 "));
	assert_null(strstr(answer, "1Gi"));
}

static void test_quota(void **state)
{
	create("v1", "Pod", "default", POD("a", CPU("1")));
	create("v1", "ResourceQuota", "default",
		"{\"metadata\":{\"name\":\"q\"},\"spec\":{\"hard\":{\"requests.cpu\":\"3\"}}}");
	until("it is counted", SAYS("v1", "ResourceQuota", "q", "\"used\":{\"requests.cpu\":\"1\"}"));
	assert_non_null(strstr(resize("a", C("one", CPU("4"))),
		"exceeded quota: q, requested: requests.cpu=3, used: requests.cpu=1, limited: requests.cpu=3"));
	assert_non_null(strstr(resize("a", C("one", CPU("3"))), "200 "));
	until("more is counted", SAYS("v1", "ResourceQuota", "q", "\"used\":{\"requests.cpu\":\"3\"}"));
	/* what the node has not taken back is still used */
	tell("a", TOLD("3", "3", ""));
	assert_non_null(strstr(resize("a", C("one", CPU("1"))), "200 "));
	tell("a", TOLD("2", "1", ""));
	until("what it has is counted",
		SAYS("v1", "ResourceQuota", "q", "\"used\":{\"requests.cpu\":\"2\"}"));
	tell("a", TOLD("1", "1", ""));
	until("what it gave back is not",
		SAYS("v1", "ResourceQuota", "q", "\"used\":{\"requests.cpu\":\"1\"}"));
}

/* A pod waits for the room that another gives back, until that is really free. */
static void test_room_for_others(void **state)
{
	add_node("n1", "4");
	create("v1", "Pod", "default", POD("a", CPU("3")));
	until("it runs", SAYS("v1", "Pod", "a", "\"podIP\""));
	tell("a", TOLD("3", "3", ""));
	create("v1", "Pod", "default", POD("b", CPU("2")));
	until("there is no room", SAYS("v1", "Pod", "b", "\"reason\":\"Unschedulable\""));
	assert_non_null(strstr(resize("a", C("one", CPU("1"))), "200 "));
	tell("a", TOLD("3", "1", ""));
	create("v1", "Pod", "default", POD("c", CPU("2")));
	until("what it has still counts", SAYS("v1", "Pod", "c", "\"reason\":\"Unschedulable\""));
	assert_false(says((const char *const[]){"v1", "Pod", "b", "\"nodeName\""}));
	tell("a", TOLD("1", "1", ""));
	until("one of them has found its place", SAYS("v1", "Pod", "b", "\"nodeName\":\"n1\""));
}

/* What is asked for and not given yet is kept free; what the node refused for good is not. */
static void test_room_that_is_asked_for(void **state)
{
	add_node("n1", "4");
	create("v1", "Pod", "default", POD("a", CPU("1")));
	until("it runs", SAYS("v1", "Pod", "a", "\"podIP\""));
	tell("a", TOLD("1", "1", ""));
	assert_non_null(strstr(resize("a", C("one", CPU("3"))), "200 "));
	tell("a", TOLD("1", "1", REFUSED("Deferred")));
	create("v1", "Pod", "default", POD("b", CPU("2")));
	until("there is no room", SAYS("v1", "Pod", "b", "\"reason\":\"Unschedulable\""));
	assert_non_null(strstr(resize("a", C("one", CPU("30"))), "200 "));
	tell("a", TOLD("1", "1", REFUSED("Infeasible")));
	until("there is", SAYS("v1", "Pod", "b", "\"nodeName\":\"n1\""));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		STORY(test_only_resources),
		STORY(test_limits),
		STORY(test_quota),
		STORY(test_room_for_others),
		STORY(test_room_that_is_asked_for),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

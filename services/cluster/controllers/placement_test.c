/* SPDX-License-Identifier: Apache-2.0 */

/* Where pods go that may go anywhere: everywhere, however many nodes there are. */

#include "cluster/controllers/stories.h"
#include "cluster/store/store.h"

enum { MANY = 400, SOME = 150, NAME_BYTES = 24 };

struct places {
	size_t n_pods, n_nodes;
	char nodes[MANY][NAME_BYTES];
};

static bool note(const struct object *o, void *arg)
{
	struct places *p = arg;
	yyjson_doc *doc = object_doc(o);
	const char *node = json_text(json_obj(yyjson_doc_get_root(doc), "spec"), "nodeName");
	size_t i = 0;

	assert_non_null(doc);
	if (node) {
		p->n_pods++;
		while (i < p->n_nodes && strcmp(p->nodes[i], node) != 0)
			i++;
		if (i == p->n_nodes)
			snprintf(p->nodes[p->n_nodes++], NAME_BYTES, "%s", node);
	}
	yyjson_doc_free(doc);
	return true;
}

static struct places places(void)
{
	struct places p = {0};

	registry_each(r, kind("v1", "Pod"), "default", note, &p);
	return p;
}

static bool all_placed(const void *n)
{
	return places().n_pods == *(const size_t *)n;
}

/* So small that no node is fuller for it: all nodes stay equally good. */
static void everywhere(size_t n)
{
	char name[NAME_BYTES], json[300];
	size_t n_pods = 2 * n;

	for (size_t i = 0; i < n; i++) {
		snprintf(name, sizeof(name), "n%zu", i);
		add_node(name, "1000");
	}
	for (size_t i = 0; i < n_pods; i++) {
		snprintf(json, sizeof(json),
			"{\"metadata\":{\"name\":\"p%zu\"},\"spec\":{\"containers\":[{\"name\":\"c\",\"image\":\"one\","
			"\"resources\":{\"requests\":{\"cpu\":\"1m\",\"memory\":\"1Mi\"}}}]}}",
			i);
		create("v1", "Pod", "default", json);
	}
	until("all pods have a node", all_placed, &n_pods);
	/* the turns are not the same as the pods': a node may be met twice before another is met once */
	assert_true(places().n_nodes > n * 4 / 5);
}

static void test_two_nodes(void **state)
{
	everywhere(2);
}

static void test_more_nodes_than_are_looked_at(void **state)
{
	everywhere(SOME);
}

static void test_many_times_as_many(void **state)
{
	everywhere(MANY);
}

static bool count_template(const struct object *o, void *arg)
{
	*(size_t *)arg += object_label(o, "of") != NULL;
	return true;
}

static bool important_is_placed(const void *arg)
{
	const struct object *o = registry_get(r, kind("v1", "Pod"), "default", "important");

	return *object_field(o, "spec.nodeName");
}

/* Who has to go is made anew at once, and is there before the one it went for, which was tried a moment ago. */
static void test_what_is_left_is_for_whom_it_was_left(void **state)
{
	size_t n = 0, one = 1;

	add_node("n", "10");
	create("scheduling.k8s.io/v1", "PriorityClass", "",
		"{\"metadata\":{\"name\":\"high\"},\"value\":10}");
	create("apps/v1", "ReplicaSet", "default",
		"{\"metadata\":{\"name\":\"low\"},\"spec\":{\"replicas\":1,\"selector\":{\"matchLabels\":{\"of\":\"low\"}},"
		"\"template\":{\"metadata\":{\"labels\":{\"of\":\"low\"}},\"spec\":{\"terminationGracePeriodSeconds\":0,"
		"\"containers\":[{\"name\":\"c\",\"image\":\"one\",\"resources\":{\"requests\":{\"cpu\":\"6\"}}}]}}}}");
	until("the lower one is placed", all_placed, &one);
	create("v1", "Pod", "default",
		"{\"metadata\":{\"name\":\"important\"},\"spec\":{\"priorityClassName\":\"high\",\"containers\":[{\"name\":\"c\","
		"\"image\":\"one\",\"resources\":{\"requests\":{\"cpu\":\"6\"}}}]}}");
	until("the important one is placed", important_is_placed, NULL);
	assert_int_equal(places().n_pods, 1);
	registry_each(r, kind("v1", "Pod"), "default", count_template, &n);
	assert_int_equal(n, 1);
}

/* ---- a store that will not keep what makes room */

static const struct store_ops *real_ops;
static bool refusing;
static size_t refused;

static int write_or_refuse(struct store *s, const struct store_write *w, store_done *done, void *arg)
{
	static const char reason[] = "PreemptionByScheduler";

	if (!refusing || !w->value || !memmem(w->value, w->len, reason, sizeof(reason) - 1))
		return real_ops->write(s, w, done, arg);
	refused++;
	return -EIO;
}

static bool was_refused_twice(const void *arg)
{
	return refused >= 2;
}

/* Who could not be told why it ends is not ended, and that is tried again, with nothing else changing. */
static void test_nobody_ends_without_a_word(void **state)
{
	struct store_ops ops = *registry_store(r)->ops;
	const struct object *low;

	real_ops = registry_store(r)->ops;
	ops.write = write_or_refuse;
	registry_store(r)->ops = &ops;
	refusing = true;
	refused = 0;
	add_node("n", "10");
	create("scheduling.k8s.io/v1", "PriorityClass", "",
		"{\"metadata\":{\"name\":\"high\"},\"value\":10}");
	create("v1", "Pod", "default",
		"{\"metadata\":{\"name\":\"low\"},\"spec\":{\"terminationGracePeriodSeconds\":0,\"containers\":[{\"name\":\"c\","
		"\"image\":\"one\",\"resources\":{\"requests\":{\"cpu\":\"6\"}}}]}}");
	until("the lower one runs", SAYS("v1", "Pod", "low", "\"phase\":\"Running\""));
	create("v1", "Pod", "default",
		"{\"metadata\":{\"name\":\"important\"},\"spec\":{\"priorityClassName\":\"high\",\"containers\":[{\"name\":\"c\","
		"\"image\":\"one\",\"resources\":{\"requests\":{\"cpu\":\"6\"}}}]}}");
	until("it is tried again", was_refused_twice, NULL);
	low = get("v1", "Pod", "default", "low");
	assert_non_null(low);
	assert_false(low->deleted);
	assert_false(important_is_placed(NULL));
	refusing = false;
	until("the important one is placed", important_is_placed, NULL);
	assert_null(get("v1", "Pod", "default", "low"));
	until("all is written", is_quiet, NULL);
	registry_store(r)->ops = real_ops;
}

/* ---- those that go by where others are */

static const char *node_of(const char *ns, const char *name)
{
	const struct object *o = get("v1", "Pod", ns, name);

	return o ? object_field(o, "spec.nodeName") : "";
}

static bool follower_is_placed(const void *arg)
{
	return *node_of("default", "follower");
}

#define CONTAINER "\"containers\":[{\"name\":\"c\",\"image\":\"one\"}]"
#define TERM_OF_LEADS                                                                                        \
	"{\"labelSelector\":{\"matchLabels\":{\"app\":\"lead\"}},\"namespaceSelector\":{\"matchLabels\":{"   \
	"\"team\":\"a\"}},\"topologyKey\":\"kubernetes.io/hostname\"}"

/* It waits for a pod that is not there yet, in namespaces of a label, and goes where that comes to be. */
static void test_a_pod_that_waits_for_another(void **state)
{
	add_node("n1", "10");
	add_node("n2", "10");
	create("v1", "Namespace", "", "{\"metadata\":{\"name\":\"of-a\",\"labels\":{\"team\":\"a\"}}}");
	create("v1", "Pod", "default",
		"{\"metadata\":{\"name\":\"follower\"},\"spec\":{\"affinity\":{\"podAffinity\":{"
		"\"requiredDuringSchedulingIgnoredDuringExecution\":[" TERM_OF_LEADS "]}}," CONTAINER "}}");
	until("it has no node", SAYS("v1", "Pod", "follower", "2 node(s) didn't match pod affinity rules"));
	/* in a namespace without that label it is not the one */
	create("v1", "Pod", "default",
		"{\"metadata\":{\"name\":\"lead\",\"labels\":{\"app\":\"lead\"}},\"spec\":{\"nodeName\":\"n1\"," CONTAINER
		"}}");
	create("v1", "Pod", "of-a",
		"{\"metadata\":{\"name\":\"lead\",\"labels\":{\"app\":\"lead\"}},\"spec\":{\"nodeSelector\":{"
		"\"kubernetes.io/hostname\":\"n2\"}," CONTAINER "}}");
	until("it follows", follower_is_placed, NULL);
	assert_string_equal(node_of("default", "follower"), "n2");
}

#define SPREAD_BY_HOST                                                                                       \
	"\"topologySpreadConstraints\":[{\"maxSkew\":1,\"topologyKey\":\"kubernetes.io/hostname\","          \
	"\"whenUnsatisfiable\":\"DoNotSchedule\",\"labelSelector\":{\"matchLabels\":{\"app\":\"spread\"}}}],"

/* A place that is empty and takes nobody keeps the others from having more; when it is gone they may. */
static void test_a_place_less(void **state)
{
	add_node("n1", "10");
	add_node("n2", "0");
	create("v1", "Pod", "default",
		"{\"metadata\":{\"name\":\"first\",\"labels\":{\"app\":\"spread\"}},\"spec\":{\"nodeName\":\"n1\"," CONTAINER
		"}}");
	create("v1", "Pod", "default",
		"{\"metadata\":{\"name\":\"follower\",\"labels\":{\"app\":\"spread\"}},\"spec\":{" SPREAD_BY_HOST
		"\"containers\":[{\"name\":\"c\",\"image\":\"one\",\"resources\":{\"requests\":{\"cpu\":\"1\"}}}]}}");
	until("it has no node", SAYS("v1", "Pod", "follower", "1 node(s) didn't match pod topology spread"));
	delete ("v1", "Node", "", "n2", PROPAGATE_BACKGROUND);
	until("it goes where the first is", follower_is_placed, NULL);
	assert_string_equal(node_of("default", "follower"), "n1");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		STORY(test_two_nodes),
		STORY(test_more_nodes_than_are_looked_at),
		STORY(test_many_times_as_many),
		STORY(test_what_is_left_is_for_whom_it_was_left),
		STORY(test_nobody_ends_without_a_word),
		STORY(test_a_pod_that_waits_for_another),
		STORY(test_a_place_less),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */

/* Deployments, Services, Namespaces and the scheduler: whole stories, as a user would see them. */

#include "cluster/controllers/stories.h"

/* ---- conditions to wait for */

struct want {
	int64_t replicas;
	const char *reason;
};

static bool deployment_is(const void *arg)
{
	const struct want *w = arg;
	const struct object *o = get("apps/v1", "Deployment", "default", "web");

	return number("apps/v1", "Deployment", "web", "availableReplicas") == w->replicas &&
	       number("apps/v1", "Deployment", "web", "replicas") == w->replicas &&
	       number("apps/v1", "Deployment", "web", "updatedReplicas") == w->replicas &&
	       number("apps/v1", "Deployment", "web", "observedGeneration") == o->generation &&
	       strstr(o->json, w->reason);
}

static const char web[] =
	"{\"apiVersion\":\"apps/v1\",\"kind\":\"Deployment\",\"metadata\":{\"name\":\"web\"},\"spec\":{\"replicas\":4,"
	"\"selector\":{\"matchLabels\":{\"app\":\"web\"}},\"template\":{\"metadata\":{\"labels\":{\"app\":\"web\"}},"
	"\"spec\":{\"containers\":[{\"name\":\"c\",\"image\":\"one\",\"ports\":[{\"name\":\"http\",\"containerPort\":8080}]}]}}}}";

static const struct want four = {4, "NewReplicaSetAvailable"};

static void make_web(void)
{
	add_node("a", "4");
	add_node("b", "4");
	create("apps/v1", "Deployment", "default", web);
	until("the deployment is complete", deployment_is, &four);
}

/* ---- stories */

static bool spread(const struct object *o, void *arg)
{
	int *n = arg;

	n[!strcmp(strstr(o->json, "\"nodeName\":\"") + 12, "a") || strstr(o->json, "\"nodeName\":\"a\"")]++;
	return true;
}

static void test_deployment_runs(void **state)
{
	int n[2] = {0, 0};

	make_web();
	assert_int_equal(registry_count(r, kind("v1", "Pod")), 4);
	registry_each(r, kind("v1", "Pod"), "default", spread, n);
	assert_int_equal(n[0], 2); /* two on each node */
	assert_int_equal(n[1], 2);
}

static void test_rolling_update(void **state)
{
	make_web();
	most_pods = 0;
	least_ready = 100;
	watching = true;
	edit("apps/v1", "Deployment", "default", "web", set_image, "two");
	until("the update is complete", deployment_is, &four);
	watching = false;
	assert_true(most_pods <= 5);   /* 4 and a quarter */
	assert_true(least_ready >= 3); /* 4 less a quarter */
	assert_int_equal(registry_count(r, kind("apps/v1", "ReplicaSet")), 2);
	edit("apps/v1", "Deployment", "default", "web", set_image, "one");
	until("and back, by the old set", deployment_is, &four);
	assert_int_equal(registry_count(r, kind("apps/v1", "ReplicaSet")), 2);
}

static void set_note(yyjson_mut_doc *doc, yyjson_mut_val *root, const void *text)
{
	yyjson_mut_val *notes = meta_make(doc, root, "metadata", "annotations", NULL);

	assert_true(meta_put(doc, notes, "note", yyjson_mut_strcpy(doc, text)));
	assert_true(
		meta_put(doc, yyjson_mut_obj_get(root, "spec"), "minReadySeconds", yyjson_mut_int(doc, 1)));
}

static bool count_noted(const struct object *o, void *arg)
{
	yyjson_doc *doc = object_doc(o);
	yyjson_val *root = yyjson_doc_get_root(doc);

	*(size_t *)arg +=
		yyjson_equals_str(meta_get(root, "metadata", "annotations", "note", NULL), "second") &&
		json_int(json_obj(root, "spec"), "minReadySeconds", 0) == 1;
	yyjson_doc_free(doc);
	return true;
}

static bool one_is_noted(const void *arg)
{
	size_t n = 0;

	registry_each(r, kind("apps/v1", "ReplicaSet"), "default", count_noted, &n);
	return n == 1;
}

/* What is said of the Deployment (kubernetes.io/change-cause) is said of its current set, also when nothing else changes. */
static void test_annotations_follow(void **state)
{
	make_web();
	edit("apps/v1", "Deployment", "default", "web", set_note, "first");
	edit("apps/v1", "Deployment", "default", "web", set_image, "two");
	until("the update is complete", deployment_is, &four);
	edit("apps/v1", "Deployment", "default", "web", set_note, "second");
	until("the current set has the second note", one_is_noted, NULL);
}

static void test_scaling(void **state)
{
	static const struct want seven = {7, ""}, one = {1, ""}, none = {0, ""};

	make_web();
	edit("apps/v1", "Deployment", "default", "web", set_replicas, &(int){7});
	until("seven", deployment_is, &seven);
	edit("apps/v1", "Deployment", "default", "web", set_replicas, &(int){1});
	until("one", deployment_is, &one);
	edit("apps/v1", "Deployment", "default", "web", set_replicas, &(int){0});
	until("none", deployment_is, &none);
}

static bool stuck(const void *arg)
{
	return number("apps/v1", "Deployment", "web", "availableReplicas") == 3 &&
	       number("apps/v1", "Deployment", "web", "updatedReplicas") == 2;
}

/* A bad image never takes more than it may. */
static void test_bad_update_stops(void **state)
{
	make_web();
	edit("apps/v1", "Deployment", "default", "web", set_image, "broken");
	until("it is stuck with three", stuck, NULL);
	edit("apps/v1", "Deployment", "default", "web", set_image, "one");
	until("undone", deployment_is, &four);
}

static void test_deletion_takes_everything(void **state)
{
	make_web();
	delete ("apps/v1", "Deployment", "default", "web", PROPAGATE_BACKGROUND);
	until("nothing is left", no_pods, NULL);
	create("apps/v1", "Deployment", "default", web);
	until("again", deployment_is, &four);
	delete ("apps/v1", "Deployment", "default", "web", PROPAGATE_FOREGROUND);
	until("it goes last, in the foreground", is_gone, (const char *[]){"apps/v1", "Deployment", "web"});
	assert_true(no_pods(NULL));
}

static bool set_is_orphan(const struct object *o, void *arg)
{
	*(bool *)arg = !o->n_owners;
	return false;
}

static bool orphaned(const void *arg)
{
	bool yes = false;

	if (get("apps/v1", "Deployment", "default", "web"))
		return false;
	registry_each(r, kind("apps/v1", "ReplicaSet"), "default", set_is_orphan, &yes);
	return yes && registry_count(r, kind("v1", "Pod")) == 4;
}

static void test_orphans_are_adopted(void **state)
{
	make_web();
	delete ("apps/v1", "Deployment", "default", "web", PROPAGATE_ORPHAN);
	until("its set stays, without an owner", orphaned, NULL);
	create("apps/v1", "Deployment", "default", web);
	until("and is taken over", deployment_is, &four);
	assert_int_equal(registry_count(r, kind("apps/v1", "ReplicaSet")), 1);
	assert_int_equal(registry_count(r, kind("v1", "Pod")), 4);
}

static void begin(const char *version, const char *name, const char *json, bool *done)
{
	yyjson_doc *doc = yyjson_read(json, strlen(json), 0);

	assert_non_null(doc);
	registry_create(r, &caller_self, kind(version, name), "default", yyjson_doc_mut_copy(doc, NULL), NULL,
		on_written, done);
	yyjson_doc_free(doc);
}

static bool each_has_its_own(const void *arg)
{
	return number("apps/v1", "ReplicaSet", "one", "readyReplicas") == 1 &&
	       number("apps/v1", "ReplicaSet", "two", "readyReplicas") == 1 &&
	       registry_count(r, kind("v1", "Pod")) == 2;
}

/* Two sets see the same orphan in the same turn of the loop: the one that does not get it has another turn, and makes its own. */
static void test_one_orphan_and_two_who_want_it(void **state)
{
	static const char set[] =
		"{\"apiVersion\":\"apps/v1\",\"kind\":\"ReplicaSet\",\"metadata\":{\"name\":\"%s\"},\"spec\":{\"replicas\":1,"
		"\"selector\":{\"matchLabels\":{\"app\":\"x\"}},\"template\":{\"metadata\":{\"labels\":{\"app\":\"x\"}},"
		"\"spec\":{\"containers\":[{\"name\":\"c\",\"image\":\"one\"}]}}}}";
	bool done[2] = {false, false};
	char json[500];

	add_node("a", "4");
	create("v1", "Pod", "default",
		"{\"metadata\":{\"name\":\"orphan\",\"labels\":{\"app\":\"x\"}},"
		"\"spec\":{\"containers\":[{\"name\":\"c\",\"image\":\"one\"}]}}");
	snprintf(json, sizeof(json), set, "one");
	begin("apps/v1", "ReplicaSet", json, &done[0]);
	snprintf(json, sizeof(json), set, "two");
	begin("apps/v1", "ReplicaSet", json, &done[1]);
	wait_for_write(&done[0]);
	wait_for_write(&done[1]);
	until("each has a pod", each_has_its_own, NULL);
	assert_non_null(get("v1", "Pod", "default", "orphan"));
}

static bool slice_has(const void *arg)
{
	const struct object *o = NULL;
	yyjson_doc *doc;
	bool yes;

	registry_each(r, kind("discovery.k8s.io/v1", "EndpointSlice"), "default", first_of, &o);
	if (!o || registry_count(r, kind("discovery.k8s.io/v1", "EndpointSlice")) != 1)
		return false;
	doc = object_doc(o);
	yes = yyjson_arr_size(json_arr(yyjson_doc_get_root(doc), "endpoints")) == *(const size_t *)arg &&
	      yyjson_get_int(yyjson_obj_get(
		      yyjson_arr_get_first(json_arr(yyjson_doc_get_root(doc), "ports")), "port")) == 8080;
	yyjson_doc_free(doc);
	return yes;
}

static bool no_slice(const void *arg)
{
	return !registry_count(r, kind("discovery.k8s.io/v1", "EndpointSlice"));
}

static bool slice_says(const void *text)
{
	const struct object *o = NULL;

	registry_each(r, kind("discovery.k8s.io/v1", "EndpointSlice"), "default", first_of, &o);
	return o && registry_count(r, kind("discovery.k8s.io/v1", "EndpointSlice")) == 1 &&
	       strstr(o->json, text);
}

static void set_address(yyjson_mut_doc *doc, yyjson_mut_val *root, const void *ip)
{
	yyjson_mut_val *subset = yyjson_mut_arr_get_first(yyjson_mut_obj_get(root, "subsets"));
	yyjson_mut_val *address = yyjson_mut_arr_get_first(yyjson_mut_obj_get(subset, "addresses"));

	assert_true(meta_put(doc, address, "ip", yyjson_mut_strcpy(doc, ip)));
}

static void set_selector(yyjson_mut_doc *doc, yyjson_mut_val *root, const void *arg)
{
	put(doc, yyjson_mut_obj_get(root, "spec"), "selector", "{\"no\":\"body\"}");
}

/* What is written by hand is mirrored, for a service that has no selector. */
static void test_endpoints_by_hand(void **state)
{
	create("v1", "Endpoints", "default",
		"{\"metadata\":{\"name\":\"own\"},\"subsets\":[{\"addresses\":[{\"ip\":\"10.1.2.3\"}],"
		"\"ports\":[{\"name\":\"http\",\"port\":80}]}]}");
	create("v1", "Service", "default",
		"{\"metadata\":{\"name\":\"own\"},\"spec\":{\"ports\":[{\"name\":\"http\",\"port\":80}]}}");
	until("a slice has the address", slice_says, "\"addresses\":[\"10.1.2.3\"]");
	assert_true(slice_says("endpointslicemirroring-controller.k8s.io"));
	edit("v1", "Endpoints", "default", "own", set_address, "10.2.3.4");
	until("it has the other address", slice_says, "\"addresses\":[\"10.2.3.4\"]");
	edit("v1", "Service", "default", "own", set_selector, NULL);
	until("only the service's own slice is left", slice_says, "endpointslice-controller.k8s.io");
	delete ("v1", "Service", "default", "own", PROPAGATE_BACKGROUND);
	until("and no slice", no_slice, NULL);
}

static void test_endpoints_follow(void **state)
{
	make_web();
	create("v1", "Service", "default",
		"{\"apiVersion\":\"v1\",\"kind\":\"Service\",\"metadata\":{\"name\":\"web\"},\"spec\":{\"selector\":{\"app\":\"web\"},"
		"\"ports\":[{\"port\":80,\"targetPort\":\"http\"}]}}");
	until("four endpoints", slice_has, &(size_t){4});
	edit("apps/v1", "Deployment", "default", "web", set_replicas, &(int){2});
	until("two endpoints", slice_has, &(size_t){2});
	delete ("v1", "Service", "default", "web", PROPAGATE_BACKGROUND);
	until("no slice without its service", no_slice, NULL);
}

/* The older form says the same, and who may be evicted follows from who is ready. */
static void test_endpoints_and_budget(void **state)
{
	make_web();
	create("v1", "Service", "default",
		"{\"metadata\":{\"name\":\"web\"},\"spec\":{\"selector\":{\"app\":\"web\"},\"ports\":[{\"port\":80,"
		"\"targetPort\":\"http\"}]}}");
	until("it has endpoints",
		SAYS("v1", "Endpoints", "web", "\"ports\":[{\"protocol\":\"TCP\",\"port\":8080}]"));
	create("policy/v1", "PodDisruptionBudget", "default",
		"{\"metadata\":{\"name\":\"web\"},\"spec\":{\"minAvailable\":\"50%\",\"selector\":{\"matchLabels\":{\"app\":"
		"\"web\"}}}}");
	until("two may go", SAYS("policy/v1", "PodDisruptionBudget", "web", "\"disruptionsAllowed\":2"));
	assert_true(says(
		(const char *const[]){"policy/v1", "PodDisruptionBudget", "web", "\"desiredHealthy\":2"}));
	edit("apps/v1", "Deployment", "default", "web", set_replicas, &(int){2});
	until("one may go", SAYS("policy/v1", "PodDisruptionBudget", "web", "\"disruptionsAllowed\":1"));
	delete ("v1", "Service", "default", "web", PROPAGATE_BACKGROUND);
	until("no endpoints without a service", GONE("v1", "Endpoints", "web"));
}

static bool sum_says(const void *text)
{
	return strstr(get("rbac.authorization.k8s.io/v1", "ClusterRole", "", "sum")->json, text);
}

static bool sum_lacks(const void *text)
{
	return !sum_says(text);
}

static void test_roles_that_are_sums(void **state)
{
	static const char role[] =
		"{\"metadata\":{\"name\":\"%s\",\"labels\":{\"part\":\"of-sum\"}},\"rules\":[{\"verbs\":"
		"[\"%s\"],\"apiGroups\":[\"\"],\"resources\":[\"pods\"]}]}";
	static const char *const parts[][2] = {{"a", "get"}, {"b", "list"}};
	char json[400];

	create("rbac.authorization.k8s.io/v1", "ClusterRole", "",
		"{\"metadata\":{\"name\":\"sum\"},\"aggregationRule\":{\"clusterRoleSelectors\":[{\"matchLabels\":{\"part\":"
		"\"of-sum\"}}]}}");
	for (size_t i = 0; i < array_len(parts); i++) {
		snprintf(json, sizeof(json), role, parts[i][0], parts[i][1]);
		create("rbac.authorization.k8s.io/v1", "ClusterRole", "", json);
	}
	until("it has both rules", sum_says, "\"verbs\":[\"list\"]");
	assert_true(sum_says("\"verbs\":[\"get\"]"));
	delete ("rbac.authorization.k8s.io/v1", "ClusterRole", "", "b", PROPAGATE_BACKGROUND);
	until("one has gone", sum_lacks, "\"verbs\":[\"list\"]");
}

static bool has_content(const void *arg)
{
	return get("v1", "ServiceAccount", "shop", "default") &&
	       get("v1", "ConfigMap", "shop", "kube-root-ca.crt");
}

static bool shop_is_gone(const void *arg)
{
	return !get("v1", "Namespace", "", "shop") && !get("v1", "ServiceAccount", "shop", "default");
}

static void test_namespace_comes_and_goes(void **state)
{
	add_node("a", "4");
	create("v1", "Namespace", "",
		"{\"apiVersion\":\"v1\",\"kind\":\"Namespace\",\"metadata\":{\"name\":\"shop\"}}");
	until("it has what every namespace has", has_content, NULL);
	create("apps/v1", "Deployment", "shop", web);
	delete ("v1", "Namespace", "", "shop", PROPAGATE_BACKGROUND);
	until("it is gone with all it had", shop_is_gone, NULL);
	until("its pods too", no_pods, NULL);
}

/* ---- the scheduler */

static bool pod_says(const void *arg)
{
	const char *const *w = arg;
	const struct object *o = get("v1", "Pod", "default", w[0]);

	return o && strstr(o->json, w[1]);
}

static void create_pod(const char *name, const char *spec)
{
	char json[1500];

	snprintf(json, sizeof(json),
		"{\"apiVersion\":\"v1\",\"kind\":\"Pod\",\"metadata\":{\"name\":\"%s\",\"labels\":{\"is\":\"%s\"}},\"spec\":{%s%s"
		"\"containers\":[{\"name\":\"c\",\"image\":\"one\",\"resources\":{\"requests\":{\"cpu\":\"3\"}}}]}}",
		name, name, spec, *spec ? "," : "");
	create("v1", "Pod", "default", json);
}

static bool is_on(const struct object *o, void *arg)
{
	size_t *n = arg;

	for (size_t i = 0; i < 4; i++) {
		char node[32];

		snprintf(node, sizeof(node), "\"nodeName\":\"n%zu\"", i);
		n[i] += strstr(o->json, node) != NULL;
	}
	return true;
}

static bool two_on_each(const void *arg)
{
	size_t n[4] = {0};

	registry_each(r, kind("v1", "Pod"), "default", is_on, n);
	return n[0] == 2 && n[1] == 2 && n[2] == 2 && n[3] == 2;
}

/* Also when they ask for nothing. */
static void test_pods_spread(void **state)
{
	char name[200];

	for (int i = 0; i < 4; i++) {
		snprintf(name, sizeof(name), "n%d", i);
		add_node(name, "4");
	}
	for (int i = 0; i < 8; i++) {
		snprintf(name, sizeof(name),
			"{\"metadata\":{\"name\":\"p%d\"},\"spec\":{\"containers\":[{\"name\":\"c\",\"image\":\"one\"}]}}",
			i);
		create("v1", "Pod", "default", name);
	}
	until("two on each of four", two_on_each, NULL);
}

static void test_scheduler_says_why(void **state)
{
	static const char *const insufficient[] = {"two", "0/1 nodes are available: 1 Insufficient cpu."};
	static const char *const selector[] = {
		"picky", "1 node(s) didn't match Pod's node affinity/selector"};
	static const char *const bound[] = {"two", "\"nodeName\":\"b\""};

	add_node("a", "4");
	create_pod("one", "");
	create_pod("two", "");
	create_pod("picky", "\"nodeSelector\":{\"disk\":\"ssd\"}");
	until("two does not fit", pod_says, insufficient);
	until("picky does not match", pod_says, selector);
	add_node("b", "4");
	until("two fits the new node", pod_says, bound);
}

static void test_preemption(void **state)
{
	static const char *const bound[] = {"important", "\"nodeName\":\"a\""};

	add_node("a", "4");
	create("scheduling.k8s.io/v1", "PriorityClass", "", "{\"metadata\":{\"name\":\"low\"},\"value\":1}");
	create("scheduling.k8s.io/v1", "PriorityClass", "",
		"{\"metadata\":{\"name\":\"high\"},\"value\":100}");
	create_pod("one", "\"priorityClassName\":\"low\"");
	until("one runs", pod_says, (const char *const[]){"one", "\"nodeName\":\"a\""});
	create_pod("important", "\"priorityClassName\":\"high\"");
	until("important takes its place", pod_says, bound);
	assert_null(get("v1", "Pod", "default", "one"));
}

static bool all_have_ranges(const void *names)
{
	for (const char *const *name = names; *name; name++)
		if (!strstr(get("v1", "Node", "", *name)->json, "\"podCIDR\":\"10.244."))
			return false;
	return true;
}

static void test_nodes_have_ranges(void **state)
{
	static const char *const names[] = {"a", "b", "c", NULL};
	bool seen[3] = {false};
	char range[96];

	for (size_t i = 0; names[i]; i++)
		add_node(names[i], "4");
	until("each node has a range", all_have_ranges, names);
	for (size_t i = 0; names[i]; i++)
		for (int n = 0; n < 3; n++) {
			snprintf(range, sizeof(range),
				"\"podCIDR\":\"10.244.%d.0/24\",\"podCIDRs\":[\"10.244.%d.0/24\"]", n, n);
			if (strstr(get("v1", "Node", "", names[i])->json, range)) {
				assert_false(seen[n]);
				seen[n] = true;
			}
		}
	assert_true(seen[0] && seen[1] && seen[2]);
	/* what one has left another may have */
	delete ("v1", "Node", "", "b", PROPAGATE_BACKGROUND);
	add_node("b", "4");
	until("each has one again", all_have_ranges, names);
	assert_true(strstr(get("v1", "Node", "", "b")->json, "10.244.0.0/24") ||
		    strstr(get("v1", "Node", "", "b")->json, "10.244.1.0/24") ||
		    strstr(get("v1", "Node", "", "b")->json, "10.244.2.0/24"));
}

static void test_pods_keep_apart(void **state)
{
	static const char apart[] =
		"\"affinity\":{\"podAntiAffinity\":{\"requiredDuringSchedulingIgnoredDuringExecution\":[{"
		"\"labelSelector\":{\"matchExpressions\":[{\"key\":\"is\",\"operator\":\"Exists\"}]},"
		"\"topologyKey\":\"kubernetes.io/hostname\"}]}}";

	add_node("a", "40");
	add_node("b", "40");
	create_pod("one", apart);
	create_pod("two", apart);
	create_pod("three", apart);
	until("the third has no place", pod_says,
		(const char *const[]){"three", "2 node(s) didn't match pod anti-affinity rules"});
	assert_true(pod_says((const char *const[]){"one", "\"nodeName\""}));
	assert_true(pod_says((const char *const[]){"two", "\"nodeName\""}));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		STORY(test_deployment_runs),
		STORY(test_rolling_update),
		STORY(test_annotations_follow),
		STORY(test_scaling),
		STORY(test_bad_update_stops),
		STORY(test_deletion_takes_everything),
		STORY(test_orphans_are_adopted),
		STORY(test_one_orphan_and_two_who_want_it),
		STORY(test_endpoints_by_hand),
		STORY(test_endpoints_follow),
		STORY(test_endpoints_and_budget),
		STORY(test_roles_that_are_sums),
		STORY(test_namespace_comes_and_goes),
		STORY(test_pods_spread),
		STORY(test_scheduler_says_why),
		STORY(test_preemption),
		STORY(test_nodes_have_ranges),
		STORY(test_pods_keep_apart),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */

/*
 * All controllers and the scheduler over a registry in memory, with nodes whose pods run as soon as they are bound: whole stories, as a
 * user would see them.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "cluster/controllers/controllers.h"
#include "cluster/scheduler/scheduler.h"
#include "cluster/schema/meta.h"
#include "cluster/schema/schema.h"
#include "cluster/schema/status.h"
#include "lib/json.h"

enum { LIMIT_MS = 20000 };

static struct loop *l;
static struct registry *r;
static struct controllers *controllers;
static struct scheduler *scheduler;
static const struct cluster_context context = {.ca_pem = "CERTIFICATE"};
static struct loop_timer limit;

/* ---- driving */

static const struct schema_kind *kind(const char *version, const char *name)
{
	const struct schema_kind *k = schema_find_kind(version, name);

	assert_non_null(k);
	return k;
}

static const struct object *get(
	const char *version, const char *name_of_kind, const char *ns, const char *name)
{
	return registry_get(r, kind(version, name_of_kind), ns, name);
}

static void on_written(const struct status *error, const struct object *object, void *arg)
{
	if (error)
		print_error("write: %d %s\n", error->code, error->message);
	assert_null(error);
	*(bool *)arg = true;
	loop_quit(l, 0);
}

static void wait_for_write(const bool *done)
{
	while (!*done)
		assert_int_equal(loop_run(l), 0);
}

static void create(const char *version, const char *name, const char *ns, const char *json)
{
	yyjson_doc *doc = yyjson_read(json, strlen(json), 0);
	bool done = false;

	assert_non_null(doc);
	registry_create(r, &caller_self, kind(version, name), ns, yyjson_doc_mut_copy(doc, NULL), NULL,
		on_written, &done);
	yyjson_doc_free(doc);
	wait_for_write(&done);
}

struct edit {
	void (*fn)(yyjson_mut_doc *doc, yyjson_mut_val *root, const void *arg);
	const void *arg;
	bool done;
};

static enum modify do_edit(const struct object *old, yyjson_mut_doc **doc, struct status **error, void *arg)
{
	struct edit *e = arg;

	e->fn(*doc, yyjson_mut_doc_get_root(*doc), e->arg);
	return MODIFY_WRITE;
}

static void on_edited(const struct status *error, const struct object *object, void *arg)
{
	on_written(error, object, &((struct edit *)arg)->done);
}

static void edit(const char *version, const char *name_of_kind, const char *ns, const char *name,
	void (*fn)(yyjson_mut_doc *doc, yyjson_mut_val *root, const void *arg), const void *arg)
{
	struct edit e = {.fn = fn, .arg = arg};

	registry_modify(
		r, &caller_self, kind(version, name_of_kind), ns, name, false, do_edit, NULL, on_edited, &e);
	wait_for_write(&e.done);
}

static void on_deleted(const struct status *error, const struct object *object, bool gone, void *arg)
{
	on_written(error, object, arg);
}

static void delete(const char *version, const char *name_of_kind, const char *ns, const char *name,
	enum propagation propagation)
{
	bool done = false;

	registry_delete(r, &caller_self, kind(version, name_of_kind), ns, name,
		&(struct delete_options){.grace_seconds = -1, .propagation = propagation}, on_deleted, &done);
	wait_for_write(&done);
}

static void on_look_again(struct loop_timer *t)
{
	loop_quit(l, 0);
}

/* Lets the loop run until it is so. */
static void until(const char *what, bool (*so)(const void *arg), const void *arg)
{
	static struct loop_timer again;
	int64_t end = loop_now_ms(l) + LIMIT_MS;

	while (!so(arg)) {
		if (loop_now_ms(l) > end)
			fail_msg("not so: %s", what);
		assert_int_equal(loop_timer_set(l, &again, loop_now_ms(l) + 10, on_look_again), 0);
		assert_int_equal(loop_run(l), 0);
	}
	loop_timer_del(&again);
}

/* ---- nodes that run what is bound to them */

static struct informer kubelet;
static size_t most_pods, least_ready; /* of the label app=web, during an update */
static bool watching;

static void put(yyjson_mut_doc *doc, yyjson_mut_val *o, const char *key, const char *json)
{
	yyjson_doc *d = yyjson_read(json, strlen(json), 0);

	assert_true(meta_put(doc, o, key, yyjson_val_mut_copy(doc, yyjson_doc_get_root(d))));
	yyjson_doc_free(d);
}

static enum modify run_pod(const struct object *old, yyjson_mut_doc **doc, struct status **error, void *arg)
{
	char now[META_TIME_MAX], json[400];

	meta_time(now, time(NULL));
	snprintf(json, sizeof(json),
		"{\"phase\":\"Running\",\"podIP\":\"10.0.0.%u\",\"podIPs\":[{\"ip\":\"10.0.0.%u\"}],"
		"\"conditions\":[{\"type\":\"PodScheduled\",\"status\":\"True\"},"
		"{\"type\":\"Ready\",\"status\":\"True\",\"lastTransitionTime\":\"%s\"}]}",
		(unsigned)(old->revision % 250 + 1), (unsigned)(old->revision % 250 + 1), now);
	put(*doc, yyjson_mut_doc_get_root(*doc), "status", json);
	return MODIFY_WRITE;
}

static void on_run(const struct status *error, const struct object *object, void *arg) {}

static void on_gone(const struct status *error, const struct object *object, bool gone, void *arg) {}

static bool is_ready(const struct object *o)
{
	return strstr(o->json, "\"type\":\"Ready\",\"status\":\"True\"");
}

static bool count_web(const struct object *o, void *arg)
{
	size_t *n = arg;
	const char *app = object_label(o, "app");

	if (app && !strcmp(app, "web") && !o->deleted) {
		n[0]++;
		n[1] += is_ready(o);
	}
	return true;
}

static void on_pod(
	struct informer *i, enum event_type type, const struct object *old, const struct object *now)
{
	size_t n[2] = {0, 0};

	if (type == EVENT_DELETED)
		return;
	if (now->deleted)
		registry_delete(r, &caller_self, now->kind, now->ns, now->name,
			&(struct delete_options){.grace_seconds = 0, .uid = now->uid}, on_gone, NULL);
	else if (strstr(now->json, "\"nodeName\"") && !strstr(now->json, "\"podIP\"") &&
		 !strstr(now->json, "\"image\":\"broken\""))
		registry_modify(r, &caller_self, now->kind, now->ns, now->name, false, run_pod,
			&(struct write_options){.subresource = "status"}, on_run, NULL);
	if (!watching)
		return;
	registry_each(r, now->kind, "default", count_web, n);
	most_pods = n[0] > most_pods ? n[0] : most_pods;
	least_ready = n[1] < least_ready ? n[1] : least_ready;
}

static void on_limit(struct loop_timer *t)
{
	fail_msg("the loop did not end");
}

static void add_node(const char *name, const char *cpu)
{
	char json[700];

	snprintf(json, sizeof(json),
		"{\"apiVersion\":\"v1\",\"kind\":\"Node\",\"metadata\":{\"name\":\"%s\",\"labels\":{\"kubernetes.io/hostname\":\"%s\"}},"
		"\"status\":{\"allocatable\":{\"cpu\":\"%s\",\"memory\":\"8Gi\",\"pods\":\"110\"},"
		"\"conditions\":[{\"type\":\"Ready\",\"status\":\"True\"}]}}",
		name, name, cpu);
	create("v1", "Node", "", json);
}

static int setup(void **state)
{
	struct registry_options o = {0};
	char *why;

	assert_int_equal(loop_new(&l), 0);
	o.loop = l;
	assert_int_equal(registry_open(&r, &o, &why), 0);
	assert_int_equal(loop_timer_set(l, &limit, loop_now_ms(l) + 3 * LIMIT_MS, on_limit), 0);
	create("v1", "Namespace", "",
		"{\"apiVersion\":\"v1\",\"kind\":\"Namespace\",\"metadata\":{\"name\":\"default\"}}");
	assert_int_equal(controllers_start(&controllers, r, &context), 0);
	assert_int_equal(scheduler_start(&scheduler, r), 0);
	kubelet = (struct informer){.kind = kind("v1", "Pod"), .event = on_pod};
	registry_inform(r, &kubelet);
	watching = false;
	return 0;
}

static int teardown(void **state)
{
	registry_uninform(&kubelet);
	scheduler_stop(scheduler);
	controllers_stop(controllers);
	registry_close(r);
	loop_timer_del(&limit);
	loop_free(l);
	return 0;
}

/* ---- conditions to wait for */

static int64_t number(const char *version, const char *name_of_kind, const char *name, const char *key)
{
	const struct object *o = get(version, name_of_kind, "default", name);
	yyjson_doc *doc = o ? object_doc(o) : NULL;
	int64_t n = json_int(json_obj(yyjson_doc_get_root(doc), "status"), key, 0);

	yyjson_doc_free(doc);
	return n;
}

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

static bool no_pods(const void *arg)
{
	return !registry_count(r, kind("v1", "Pod")) && !registry_count(r, kind("apps/v1", "ReplicaSet"));
}

static const char web[] =
	"{\"apiVersion\":\"apps/v1\",\"kind\":\"Deployment\",\"metadata\":{\"name\":\"web\"},\"spec\":{\"replicas\":4,"
	"\"selector\":{\"matchLabels\":{\"app\":\"web\"}},\"template\":{\"metadata\":{\"labels\":{\"app\":\"web\"}},"
	"\"spec\":{\"containers\":[{\"name\":\"c\",\"image\":\"one\",\"ports\":[{\"name\":\"http\",\"containerPort\":8080}]}]}}}}";

static const struct want four = {4, "NewReplicaSetAvailable"};

static void set_image(yyjson_mut_doc *doc, yyjson_mut_val *root, const void *image)
{
	yyjson_mut_val *list = meta_mut_get(root, "spec", "template", "spec", "containers", NULL);

	assert_true(meta_put(doc, yyjson_mut_arr_get_first(list), "image", yyjson_mut_strcpy(doc, image)));
}

static void set_replicas(yyjson_mut_doc *doc, yyjson_mut_val *root, const void *n)
{
	assert_true(meta_put(
		doc, yyjson_mut_obj_get(root, "spec"), "replicas", yyjson_mut_int(doc, *(const int *)n)));
}

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
	until("nothing is left, in the foreground", no_pods, NULL);
	assert_null(get("apps/v1", "Deployment", "default", "web"));
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

static bool first_slice(const struct object *o, void *arg)
{
	*(const struct object **)arg = o;
	return false;
}

static bool slice_has(const void *arg)
{
	const struct object *o = NULL;
	yyjson_doc *doc;
	bool yes;

	registry_each(r, kind("discovery.k8s.io/v1", "EndpointSlice"), "default", first_slice, &o);
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
	create_pod("one", "\"priority\":1");
	until("one runs", pod_says, (const char *const[]){"one", "\"nodeName\":\"a\""});
	create_pod("important", "\"priority\":100");
	until("important takes its place", pod_says, bound);
	assert_null(get("v1", "Pod", "default", "one"));
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

#define STORY(t) cmocka_unit_test_setup_teardown(t, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		STORY(test_deployment_runs),
		STORY(test_rolling_update),
		STORY(test_scaling),
		STORY(test_bad_update_stops),
		STORY(test_deletion_takes_everything),
		STORY(test_orphans_are_adopted),
		STORY(test_endpoints_follow),
		STORY(test_namespace_comes_and_goes),
		STORY(test_scheduler_says_why),
		STORY(test_preemption),
		STORY(test_pods_keep_apart),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

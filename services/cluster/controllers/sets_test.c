/* SPDX-License-Identifier: Apache-2.0 */

/* StatefulSets and DaemonSets: whole stories. */

#include "cluster/controllers/stories.h"

/* ---- StatefulSets */

static void statefulset(const char *spec)
{
	char json[1500];

	snprintf(json, sizeof(json),
		"{\"apiVersion\":\"apps/v1\",\"kind\":\"StatefulSet\",\"metadata\":{\"name\":\"db\"},\"spec\":{\"replicas\":3,"
		"\"serviceName\":\"db\",\"selector\":{\"matchLabels\":{\"app\":\"db\"}},%s"
		"\"template\":{\"metadata\":{\"labels\":{\"app\":\"db\"}},\"spec\":{\"containers\":"
		"[{\"name\":\"c\",\"image\":\"one\"}]}}}}",
		spec);
	create("apps/v1", "StatefulSet", "default", json);
}

static int64_t of_set(const char *key)
{
	return number("apps/v1", "StatefulSet", "db", key);
}

static bool set_is(const void *arg)
{
	int64_t n = *(const int *)arg;
	const struct object *o = get("apps/v1", "StatefulSet", "default", "db");

	return of_set("readyReplicas") == n && of_set("replicas") == n && of_set("updatedReplicas") == n &&
	       of_set("currentReplicas") == n && of_set("observedGeneration") == o->generation;
}

static bool pod_has(const char *name, const char *text)
{
	const struct object *o = get("v1", "Pod", "default", name);

	return o && strstr(o->json, text);
}

static void test_names_and_claims(void **state)
{
	static const char *const names[] = {"db-0", "db-1", "db-2"};

	add_node("a", "4");
	statefulset(
		"\"volumeClaimTemplates\":[{\"metadata\":{\"name\":\"data\"},\"spec\":{\"accessModes\":[\"ReadWriteOnce\"],"
		"\"resources\":{\"requests\":{\"storage\":\"1Gi\"}}}}],");
	until("three are ready", set_is, &(int){3});
	for (size_t i = 0; i < array_len(names); i++) {
		char text[64];

		snprintf(text, sizeof(text), "\"hostname\":\"%s\"", names[i]);
		assert_true(pod_has(names[i], text));
		assert_true(pod_has(names[i], "\"subdomain\":\"db\""));
		snprintf(text, sizeof(text), "\"claimName\":\"data-%s\"", names[i]);
		assert_true(pod_has(names[i], text));
		snprintf(text, sizeof(text), "data-%s", names[i]);
		assert_non_null(get("v1", "PersistentVolumeClaim", "default", text));
	}
	edit("apps/v1", "StatefulSet", "default", "db", set_replicas, &(int){1});
	until("one is left", set_is, &(int){1});
	assert_non_null(get("v1", "Pod", "default", "db-0"));
	/* claims stay, and are found again */
	assert_int_equal(count_of("v1", "PersistentVolumeClaim", NULL, NULL), 3);
	edit("apps/v1", "StatefulSet", "default", "db", set_replicas, &(int){3});
	until("three again", set_is, &(int){3});
	assert_int_equal(count_of("v1", "PersistentVolumeClaim", NULL, NULL), 3);
	delete ("apps/v1", "StatefulSet", "default", "db", PROPAGATE_BACKGROUND);
	until("no pod", no_pods, NULL);
	assert_int_equal(count_of("v1", "PersistentVolumeClaim", NULL, NULL), 3);
}

static bool claims_are(const void *arg)
{
	return count_of("v1", "PersistentVolumeClaim", NULL, NULL) == *(const size_t *)arg;
}

static void test_claims_go_too(void **state)
{
	add_node("a", "4");
	statefulset(
		"\"persistentVolumeClaimRetentionPolicy\":{\"whenDeleted\":\"Delete\",\"whenScaled\":\"Delete\"},"
		"\"volumeClaimTemplates\":[{\"metadata\":{\"name\":\"data\"},\"spec\":{\"accessModes\":[\"ReadWriteOnce\"],"
		"\"resources\":{\"requests\":{\"storage\":\"1Gi\"}}}}],");
	until("three are ready", set_is, &(int){3});
	edit("apps/v1", "StatefulSet", "default", "db", set_replicas, &(int){1});
	until("one is left", set_is, &(int){1});
	until("with one claim", claims_are, &(size_t){1});
	delete ("apps/v1", "StatefulSet", "default", "db", PROPAGATE_BACKGROUND);
	until("no claim", claims_are, &(size_t){0});
}

/* What a pod of the set looked like when the first was not ready yet. */
static size_t most_unready;

static void watch_order(
	struct informer *i, enum event_type type, const struct object *old, const struct object *now)
{
	size_t unready = 0;
	static const char *const names[] = {"db-0", "db-1", "db-2"};

	for (size_t k = 0; k < array_len(names); k++) {
		const struct object *o = get("v1", "Pod", "default", names[k]);

		unready += o && (!is_ready(o) || o->deleted);
	}
	most_unready = unready > most_unready ? unready : most_unready;
}

static void test_in_order(void **state)
{
	struct informer watch = {.kind = kind("v1", "Pod"), .event = watch_order};

	add_node("a", "4");
	most_unready = 0;
	registry_inform(r, &watch);
	statefulset("");
	until("three are ready", set_is, &(int){3});
	assert_int_equal(most_unready, 1);
	edit("apps/v1", "StatefulSet", "default", "db", set_image, "two");
	until("the update is complete", set_is, &(int){3});
	assert_int_equal(most_unready, 1);
	assert_true(pod_has("db-0", "\"image\":\"two\""));
	edit("apps/v1", "StatefulSet", "default", "db", set_image, "one");
	until("and back", set_is, &(int){3});
	assert_true(pod_has("db-0", "\"image\":\"one\""));
	assert_int_equal(count_of("apps/v1", "ControllerRevision", NULL, NULL), 2);
	registry_uninform(&watch);
}

static void test_in_parallel(void **state)
{
	struct informer watch = {.kind = kind("v1", "Pod"), .event = watch_order};

	add_node("a", "4");
	most_unready = 0;
	registry_inform(r, &watch);
	statefulset("\"podManagementPolicy\":\"Parallel\",");
	until("three are ready", set_is, &(int){3});
	assert_int_equal(most_unready, 3);
	registry_uninform(&watch);
}

static bool updated_to(const void *arg)
{
	return of_set("updatedReplicas") == *(const int *)arg && of_set("readyReplicas") == 3;
}

static void set_partition(yyjson_mut_doc *doc, yyjson_mut_val *root, const void *n)
{
	yyjson_mut_val *v = meta_make(doc, root, "spec", "updateStrategy", "rollingUpdate", NULL);

	assert_true(meta_put(doc, v, "partition", yyjson_mut_int(doc, *(const int *)n)));
}

static void test_partition(void **state)
{
	add_node("a", "4");
	statefulset("\"updateStrategy\":{\"type\":\"RollingUpdate\",\"rollingUpdate\":{\"partition\":2}},");
	until("three are ready", set_is, &(int){3});
	edit("apps/v1", "StatefulSet", "default", "db", set_image, "two");
	until("one is updated", updated_to, &(int){1});
	assert_true(pod_has("db-2", "\"image\":\"two\""));
	assert_true(pod_has("db-1", "\"image\":\"one\""));
	/* a pod below the partition comes back as it was */
	delete ("v1", "Pod", "default", "db-0", PROPAGATE_BACKGROUND);
	until("three are ready", updated_to, &(int){1});
	until("the first is back", SAYS("v1", "Pod", "db-0", "\"image\":\"one\""));
	edit("apps/v1", "StatefulSet", "default", "db", set_partition, &(int){0});
	until("all are updated", set_is, &(int){3});
	assert_true(pod_has("db-0", "\"image\":\"two\""));
}

static void test_on_delete(void **state)
{
	add_node("a", "4");
	statefulset("\"updateStrategy\":{\"type\":\"OnDelete\"},");
	until("three are ready", updated_to, &(int){3});
	edit("apps/v1", "StatefulSet", "default", "db", set_image, "two");
	until("none is updated", updated_to, &(int){0});
	delete ("v1", "Pod", "default", "db-1", PROPAGATE_BACKGROUND);
	until("one is", updated_to, &(int){1});
	assert_true(pod_has("db-1", "\"image\":\"two\""));
}

static enum modify be_evicted(
	const struct object *old, yyjson_mut_doc **doc, struct status **error, void *arg)
{
	put(*doc, yyjson_mut_doc_get_root(*doc), "status",
		"{\"phase\":\"Failed\",\"reason\":\"Evicted\",\"podIP\":\"10.0.0.1\"}");
	return MODIFY_WRITE;
}

static bool is_another(const void *uid)
{
	const struct object *o = get("v1", "Pod", "default", "db-1");

	return o && !o->deleted && strcmp(o->uid, uid) != 0;
}

/* A pod that its node has given up comes again under its name; the others stay as they are. */
static void test_an_evicted_pod_comes_again(void **state)
{
	char gone[META_UID_MAX], stays[META_UID_MAX];
	bool done = false;

	add_node("a", "4");
	statefulset("");
	until("three are ready", set_is, &(int){3});
	snprintf(gone, sizeof(gone), "%s", get("v1", "Pod", "default", "db-1")->uid);
	snprintf(stays, sizeof(stays), "%s", get("v1", "Pod", "default", "db-2")->uid);
	registry_modify(r, &caller_self, kind("v1", "Pod"), "default", "db-1", false, be_evicted,
		&(struct write_options){.subresource = "status"}, on_written, &done);
	wait_for_write(&done);
	until("it is another", is_another, gone);
	until("three are ready", set_is, &(int){3});
	assert_string_equal(get("v1", "Pod", "default", "db-2")->uid, stays);
}

/* ---- DaemonSets */

static void daemonset(const char *spec, const char *pod)
{
	char json[1500];

	snprintf(json, sizeof(json),
		"{\"apiVersion\":\"apps/v1\",\"kind\":\"DaemonSet\",\"metadata\":{\"name\":\"log\"},\"spec\":{"
		"\"selector\":{\"matchLabels\":{\"app\":\"log\"}},%s"
		"\"template\":{\"metadata\":{\"labels\":{\"app\":\"log\"}},\"spec\":{%s\"containers\":"
		"[{\"name\":\"c\",\"image\":\"one\"}]}}}}",
		spec, pod);
	create("apps/v1", "DaemonSet", "default", json);
}

static bool daemons_are(const void *arg)
{
	int64_t n = *(const int *)arg;
	const struct object *o = get("apps/v1", "DaemonSet", "default", "log");

	return number("apps/v1", "DaemonSet", "log", "numberAvailable") == n &&
	       number("apps/v1", "DaemonSet", "log", "desiredNumberScheduled") == n &&
	       number("apps/v1", "DaemonSet", "log", "updatedNumberScheduled") == n &&
	       number("apps/v1", "DaemonSet", "log", "observedGeneration") == o->generation &&
	       count_of("v1", "Pod", "app", "log") == (size_t)n;
}

static void taint(yyjson_mut_doc *doc, yyjson_mut_val *root, const void *effect)
{
	char json[200];

	snprintf(json, sizeof(json), "[{\"key\":\"keep\",\"value\":\"out\",\"effect\":\"%s\"}]",
		(const char *)effect);
	put(doc, meta_make(doc, root, "spec", NULL), "taints", json);
}

static void test_one_on_each_node(void **state)
{
	add_node("a", "4");
	add_node("b", "4");
	daemonset("", "");
	until("two", daemons_are, &(int){2});
	add_node("c", "4");
	until("three", daemons_are, &(int){3});
	/* one that no longer wants new ones keeps what it has; what it does not tolerate goes */
	edit("v1", "Node", "", "a", taint, "NoSchedule");
	until("its pod counts as misplaced", SAYS("apps/v1", "DaemonSet", "log", "\"numberMisscheduled\":1"));
	assert_int_equal(count_of("v1", "Pod", "app", "log"), 3);
	edit("v1", "Node", "", "a", taint, "NoExecute");
	until("two are left", daemons_are, &(int){2});
	delete ("v1", "Node", "", "b", PROPAGATE_BACKGROUND);
	until("one is left", daemons_are, &(int){1});
	delete ("apps/v1", "DaemonSet", "default", "log", PROPAGATE_BACKGROUND);
	until("none", no_pods, NULL);
}

static void test_chosen_nodes(void **state)
{
	add_node("a", "4");
	add_node("b", "4");
	daemonset("", "\"nodeSelector\":{\"kubernetes.io/hostname\":\"b\"},");
	until("one", daemons_are, &(int){1});
}

/* The one that stands on the node already is taken, not doubled. */
static void test_a_daemon_is_adopted(void **state)
{
	const struct object *one = NULL;
	char name[300];

	add_node("a", "4");
	daemonset("", "");
	until("one", daemons_are, &(int){1});
	registry_each(r, kind("v1", "Pod"), "default", first_of, &one);
	snprintf(name, sizeof(name), "%s", one->name);
	edit("v1", "Pod", "default", name, lose_owner, NULL);
	until("it is adopted", pod_is_controlled, name);
	assert_int_equal(count_of("v1", "Pod", NULL, NULL), 1);
	until("one again", daemons_are, &(int){1});
}

static size_t fewest_ready, most_there;

static void watch_daemons(
	struct informer *i, enum event_type type, const struct object *old, const struct object *now)
{
	size_t there = count_of("v1", "Pod", "app", "log");
	size_t ready = (size_t)number("apps/v1", "DaemonSet", "log", "numberReady");

	fewest_ready = ready < fewest_ready ? ready : fewest_ready;
	most_there = there > most_there ? there : most_there;
}

static void update_daemons(const char *spec, size_t ready, size_t there)
{
	struct informer watch = {.kind = kind("v1", "Pod"), .event = watch_daemons};

	add_node("a", "4");
	add_node("b", "4");
	add_node("c", "4");
	daemonset(spec, "");
	until("three", daemons_are, &(int){3});
	fewest_ready = 100;
	most_there = 0;
	registry_inform(r, &watch);
	edit("apps/v1", "DaemonSet", "default", "log", set_image, "two");
	until("three new ones", daemons_are, &(int){3});
	registry_uninform(&watch);
	assert_true(fewest_ready >= ready);
	assert_true(most_there <= there);
	assert_int_equal(count_of("apps/v1", "ControllerRevision", NULL, NULL), 2);
}

struct finding {
	const char *text; /* in its JSON */
	size_t n;
};

static bool find_one(const struct object *o, void *arg)
{
	struct finding *f = arg;

	f->n += !o->deleted && strstr(o->json, f->text);
	return true;
}

static size_t pods_with(const char *text)
{
	struct finding f = {text, 0};

	registry_each(r, kind("v1", "Pod"), "default", find_one, &f);
	return f.n;
}

static bool one_is_broken(const void *arg)
{
	return pods_with("\"image\":\"broken\"") == 1 && pods_with("\"image\":\"one\"") == 2 &&
	       number("apps/v1", "DaemonSet", "log", "updatedNumberScheduled") == 1;
}

struct uids {
	char of[3][META_UID_MAX];
	size_t n;
};

/* Of the pods that are as at first. */
static bool note_uid(const struct object *o, void *arg)
{
	struct uids *u = arg;

	if (!o->deleted && strstr(o->json, "\"image\":\"one\"") && u->n < array_len(u->of))
		snprintf(u->of[u->n++], META_UID_MAX, "%s", o->uid);
	return true;
}

/* An update that does not get on is taken back: who was not reached by it is not touched by that either. */
static void test_daemons_go_back(void **state)
{
	struct uids before = {.n = 0}, after = {.n = 0};

	add_node("a", "4");
	add_node("b", "4");
	add_node("c", "4");
	daemonset("", "");
	until("three", daemons_are, &(int){3});
	edit("apps/v1", "DaemonSet", "default", "log", set_image, "broken");
	until("one is of the new kind", one_is_broken, NULL);
	registry_each(r, kind("v1", "Pod"), "default", note_uid, &before);
	assert_int_equal(before.n, 2);
	edit("apps/v1", "DaemonSet", "default", "log", set_image, "one");
	until("three again", daemons_are, &(int){3});
	registry_each(r, kind("v1", "Pod"), "default", note_uid, &after);
	assert_int_equal(after.n, 3);
	for (size_t i = 0; i < before.n; i++) {
		bool there = false;

		for (size_t k = 0; k < after.n; k++)
			there |= !strcmp(before.of[i], after.of[k]);
		assert_true(there);
	}
	assert_int_equal(count_of("apps/v1", "ControllerRevision", NULL, NULL), 2);
}

static void test_daemons_are_replaced(void **state)
{
	update_daemons("", 2, 3);
}

static void test_daemons_surge(void **state)
{
	update_daemons("\"updateStrategy\":{\"rollingUpdate\":{\"maxSurge\":1,\"maxUnavailable\":0}},", 3, 4);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		STORY(test_names_and_claims),
		STORY(test_claims_go_too),
		STORY(test_in_order),
		STORY(test_in_parallel),
		STORY(test_partition),
		STORY(test_on_delete),
		STORY(test_an_evicted_pod_comes_again),
		STORY(test_one_on_each_node),
		STORY(test_chosen_nodes),
		STORY(test_a_daemon_is_adopted),
		STORY(test_daemons_go_back),
		STORY(test_daemons_are_replaced),
		STORY(test_daemons_surge),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

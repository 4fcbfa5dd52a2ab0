/* SPDX-License-Identifier: Apache-2.0 */

/* Claims and volumes: whole stories. */

#include "cluster/controllers/stories.h"
#include "cluster/controllers/volumes.h"

static void claim(const char *name, const char *size, const char *spec)
{
	char json[800];

	snprintf(json, sizeof(json),
		"{\"metadata\":{\"name\":\"%s\"},\"spec\":{%s\"accessModes\":[\"ReadWriteOnce\"],\"resources\":{\"requests\":"
		"{\"storage\":\"%s\"}}}}",
		name, spec, size);
	create("v1", "PersistentVolumeClaim", "default", json);
}

static void volume(const char *name, const char *size, const char *spec)
{
	char json[800];

	snprintf(json, sizeof(json),
		"{\"metadata\":{\"name\":\"%s\"},\"spec\":{%s\"accessModes\":[\"ReadWriteOnce\"],\"capacity\":{\"storage\":\"%s\"},"
		"\"hostPath\":{\"path\":\"/x\"}}}",
		name, spec, size);
	create("v1", "PersistentVolume", "", json);
}

static void pod_with(const char *name, const char *claim_name)
{
	char json[800];

	snprintf(json, sizeof(json),
		"{\"metadata\":{\"name\":\"%s\"},\"spec\":{\"volumes\":[{\"name\":\"v\",\"persistentVolumeClaim\":{\"claimName\":"
		"\"%s\"}}],\"containers\":[{\"name\":\"c\",\"image\":\"one\",\"volumeMounts\":[{\"name\":\"v\",\"mountPath\":\"/v\"}]}]}}",
		name, claim_name);
	create("v1", "Pod", "default", json);
}

#define CLAIM_SAYS(name, text) SAYS("v1", "PersistentVolumeClaim", name, text)
#define BOUND		       "\"phase\":\"Bound\""

static bool volume_says(const void *arg)
{
	const char *const *w = arg;
	const struct object *o = get("v1", "PersistentVolume", "", w[0]);

	return o && strstr(o->json, w[1]);
}

#define VOLUME_SAYS(name, text)                                                                              \
	volume_says, (const char *const[])                                                                   \
	{                                                                                                    \
		name, text                                                                                   \
	}

static bool one_finalizer(const void *arg)
{
	return volume_says((const char *const[]){arg, "\"finalizers\":[\"" LOCAL_DATA "\"]"});
}

static bool no_volume(const void *arg)
{
	return !registry_count(r, kind("v1", "PersistentVolume"));
}

/* The default class makes a folder where the first pod is, and it goes with the claim. */
static void test_made_where_the_pod_is(void **state)
{
	const struct object *o;
	char name[80];

	add_node("a", "4");
	claim("data", "1Gi", "");
	until("it waits", CLAIM_SAYS("data", "\"phase\":\"Pending\""));
	assert_true(says((const char *const[]){
		"v1", "PersistentVolumeClaim", "data", "\"storageClassName\":\"local\""}));
	assert_int_equal(registry_count(r, kind("v1", "PersistentVolume")), 0);
	pod_with("one", "data");
	until("it is bound", CLAIM_SAYS("data", BOUND));
	o = get("v1", "PersistentVolumeClaim", "default", "data");
	snprintf(name, sizeof(name), "pvc-%s", o->uid);
	until("so is the volume", VOLUME_SAYS(name, BOUND));
	assert_true(volume_says((const char *const[]){name, "\"local\":{\"path\":\"/data/volumes/pvc-"}));
	assert_true(volume_says((const char *const[]){name, "\"values\":[\"a\"]"}));
	assert_true(says((const char *const[]){
		"v1", "PersistentVolumeClaim", "data", "\"capacity\":{\"storage\":\"1Gi\"}"}));
	until("the pod runs", SAYS("v1", "Pod", "one", "\"phase\":\"Running\""));
	/* in use, it stays */
	delete ("v1", "PersistentVolumeClaim", "default", "data", PROPAGATE_BACKGROUND);
	assert_non_null(get("v1", "PersistentVolumeClaim", "default", "data"));
	delete ("v1", "Pod", "default", "one", PROPAGATE_BACKGROUND);
	until("the claim is gone", GONE("v1", "PersistentVolumeClaim", "data"));
	/* its data is still there: the node's agent takes the last finalizer off, or nobody, when the node is gone */
	assert_true(volume_says((const char *const[]){name, "\"wherry.io/node\":\"a\""}));
	until("the volume is going", one_finalizer, name);
	assert_true(volume_says((const char *const[]){name, "\"deletionTimestamp\""}));
	delete ("v1", "Node", "", "a", PROPAGATE_BACKGROUND);
	until("the volume is gone", no_volume, NULL);
}

static bool no_middle(const void *arg)
{
	return !get("v1", "PersistentVolume", "", "middle");
}

static void test_smallest_that_fits(void **state)
{
	static const char none[] = "\"storageClassName\":\"\",";

	volume("small", "1Gi", "");
	volume("large", "10Gi", "");
	volume("middle", "5Gi", "");
	until("they are available", VOLUME_SAYS("middle", "\"phase\":\"Available\""));
	claim("data", "3Gi", none);
	until("it is bound", CLAIM_SAYS("data", "\"volumeName\":\"middle\""));
	claim("more", "3Gi", none);
	until("the next best", CLAIM_SAYS("more", "\"volumeName\":\"large\""));
	claim("too-much", "3Gi", none);
	until("nothing is left for it", CLAIM_SAYS("too-much", "\"phase\":\"Pending\""));
	volume("late", "4Gi", "");
	until("until there is", CLAIM_SAYS("too-much", "\"volumeName\":\"late\""));
	/* Retain: the volume waits for its owner to look at it */
	delete ("v1", "PersistentVolumeClaim", "default", "data", PROPAGATE_BACKGROUND);
	until("it is released", VOLUME_SAYS("middle", "\"phase\":\"Released\""));
	delete ("v1", "PersistentVolume", "", "middle", PROPAGATE_BACKGROUND);
	until("it is gone", no_middle, NULL);
}

static void test_bound_volumes_stay(void **state)
{
	volume("one", "1Gi", "");
	claim("data", "1Gi", "\"storageClassName\":\"\",");
	until("bound", CLAIM_SAYS("data", BOUND));
	delete ("v1", "PersistentVolume", "", "one", PROPAGATE_BACKGROUND);
	assert_non_null(get("v1", "PersistentVolume", "", "one"));
	delete ("v1", "PersistentVolumeClaim", "default", "data", PROPAGATE_BACKGROUND);
	until("both go", GONE("v1", "PersistentVolumeClaim", "data"));
	until("both are gone", no_volume, NULL);
}

static void test_reserved(void **state)
{
	volume("mine", "1Gi", "\"claimRef\":{\"namespace\":\"default\",\"name\":\"data\"},");
	volume("other", "1Gi", "");
	claim("else", "1Gi", "\"storageClassName\":\"\",");
	until("another gets another", CLAIM_SAYS("else", "\"volumeName\":\"other\""));
	claim("data", "1Gi", "\"storageClassName\":\"\",");
	until("it gets its own", CLAIM_SAYS("data", "\"volumeName\":\"mine\""));
	claim("named", "1Gi", "\"storageClassName\":\"\",\"volumeName\":\"third\",");
	until("it waits for the one it names", CLAIM_SAYS("named", "\"phase\":\"Pending\""));
	volume("third", "1Gi", "");
	until("and gets it", CLAIM_SAYS("named", BOUND));
}

/* Nobody starts a pod before its claim has what it asked for. */
static void test_unbound(void **state)
{
	add_node("a", "4");
	claim("data", "1Gi", "\"storageClassName\":\"\",");
	pod_with("one", "data");
	until("it is said why",
		SAYS("v1", "Pod", "one",
			"0/1 nodes are available: pod has unbound immediate PersistentVolumeClaims."));
	pod_with("two", "none");
	until("and that there is none",
		SAYS("v1", "Pod", "two",
			"0/1 nodes are available: persistentvolumeclaim \\\"none\\\" not found."));
	volume("late", "4Gi", "");
	until("then it runs", SAYS("v1", "Pod", "one", "\"phase\":\"Running\""));
}

/* ---- claims of pods */

static void pod_of(const char *name, const char *volumes, const char *more)
{
	char json[1500];

	snprintf(json, sizeof(json),
		"{\"metadata\":{\"name\":\"%s\"},\"spec\":{%s\"volumes\":[%s],\"containers\":[{\"name\":\"c\",\"image\":\"one\"}]}}",
		name, more, volumes);
	create("v1", "Pod", "default", json);
}

#define CLAIMED(volume, name)                                                                                \
	"{\"name\":\"" volume "\",\"persistentVolumeClaim\":{\"claimName\":\"" name "\"}}"
#define RUNS(name) SAYS("v1", "Pod", name, "\"phase\":\"Running\"")

static bool has_text(const struct object *o, void *arg)
{
	const char **text = arg;

	if (*text && strstr(o->json, *text))
		*text = NULL;
	return *text;
}

/* Did somebody say so in an event? */
static bool was_told(const void *text)
{
	const char *wanted = text;

	registry_each(r, kind("v1", "Event"), "default", has_text, &wanted);
	return !wanted;
}

/* A claim that names a volume gets that one or none: never less than it asked for. */
static void test_named_but_not_what_is_asked_for(void **state)
{
	static const char none[] = "\"storageClassName\":\"\",";
	char more[100];

	volume("small", "1Gi", "");
	volume("taken", "4Gi", "\"claimRef\":{\"namespace\":\"default\",\"name\":\"another\"},");
	until("they are available", VOLUME_SAYS("small", "\"phase\":\"Available\""));
	snprintf(more, sizeof(more), "%s\"volumeName\":\"small\",", none);
	claim("large", "2Gi", more);
	until("it is said why", was_told,
		"Cannot bind to requested volume \\\"small\\\": requested PV is too small");
	assert_true(was_told("\"reason\":\"VolumeMismatch\""));
	assert_true(
		says((const char *const[]){"v1", "PersistentVolumeClaim", "large", "\"phase\":\"Pending\""}));
	assert_true(volume_says((const char *const[]){"small", "\"phase\":\"Available\""}));
	claim("classy", "1Gi", "\"storageClassName\":\"local\",\"volumeName\":\"small\",");
	until("of another class", was_told,
		"Cannot bind to requested volume \\\"small\\\": storageClassName does not match");
	snprintf(more, sizeof(more), "%s\"volumeAttributesClassName\":\"gold\",\"volumeName\":\"small\",",
		none);
	claim("golden", "1Gi", more);
	until("of other attributes", was_told,
		"Cannot bind to requested volume \\\"small\\\": volumeAttributesClassName does not match");
	snprintf(more, sizeof(more), "%s\"volumeName\":\"taken\",", none);
	claim("late", "2Gi", more);
	until("somebody else's", was_told, "volume \\\"taken\\\" already bound to a different claim.");
	/* labels are not asked for beside the name */
	snprintf(more, sizeof(more),
		"%s\"volumeName\":\"small\",\"selector\":{\"matchLabels\":{\"a\":\"b\"}},", none);
	claim("fits", "1Gi", more);
	until("one that fits is bound", CLAIM_SAYS("fits", BOUND));
}

/* The claim is the pod's, has what its template says, and goes with it. One of somebody else is not taken for it. */
static void test_ephemeral(void **state)
{
	static const char volumes[] =
		"{\"name\":\"v\",\"ephemeral\":{\"volumeClaimTemplate\":{\"metadata\":{\"labels\":{\"a\":\"b\"}},\"spec\":{"
		"\"accessModes\":[\"ReadWriteOnce\"],\"resources\":{\"requests\":{\"storage\":\"1Gi\"}}}}}}";

	add_node("a", "4");
	pod_of("one", volumes, "");
	until("it has its claim", CLAIM_SAYS("one-v", "\"kind\":\"Pod\",\"name\":\"one\""));
	assert_true(says(
		(const char *const[]){"v1", "PersistentVolumeClaim", "one-v", "\"labels\":{\"a\":\"b\"}"}));
	until("it is bound", CLAIM_SAYS("one-v", BOUND));
	until("it runs", RUNS("one"));
	delete ("v1", "Pod", "default", "one", PROPAGATE_BACKGROUND);
	until("the claim goes with it", GONE("v1", "PersistentVolumeClaim", "one-v"));

	claim("two-v", "1Gi", "");
	pod_of("two", volumes, "");
	until("that is not its own", was_told,
		"ephemeral volume v: PVC default/two-v was not created for pod default/two (pod is not owner)");
	until("and it waits",
		SAYS("v1", "Pod", "two", "nodes are available: PVC default/two-v was not created for pod"));
	delete ("v1", "PersistentVolumeClaim", "default", "two-v", PROPAGATE_BACKGROUND);
	until("until that is gone", RUNS("two"));
	assert_true(
		says((const char *const[]){"v1", "PersistentVolumeClaim", "two-v", "\"controller\":true"}));
}

static void test_only_one_pod(void **state)
{
	static const char why[] =
		"0/2 nodes are available: 2 node has pod using PersistentVolumeClaim with the same name and "
		"ReadWriteOncePod access mode.";

	add_node("a", "4");
	add_node("b", "4");
	create("v1", "PersistentVolumeClaim", "default",
		"{\"metadata\":{\"name\":\"data\"},\"spec\":{\"accessModes\":[\"ReadWriteOncePod\"],\"resources\":{\"requests\":{"
		"\"storage\":\"1Gi\"}}}}");
	create("scheduling.k8s.io/v1", "PriorityClass", "",
		"{\"metadata\":{\"name\":\"high\"},\"value\":1000}");
	pod_of("one", CLAIMED("v", "data"), "");
	until("one has it", RUNS("one"));
	pod_of("two", CLAIMED("v", "data"), "");
	until("another waits", SAYS("v1", "Pod", "two", why));
	delete ("v1", "Pod", "default", "one", PROPAGATE_BACKGROUND);
	until("until it is free", RUNS("two"));
	pod_of("three", CLAIMED("v", "data"), "\"priorityClassName\":\"high\",");
	until("who is more important ends who has it", GONE("v1", "Pod", "two"));
	until("and has it", RUNS("three"));
	/* a claim on its way out takes nobody in */
	delete ("v1", "PersistentVolumeClaim", "default", "data", PROPAGATE_BACKGROUND);
	pod_of("four", CLAIMED("v", "data"), "");
	until("it is going",
		SAYS("v1", "Pod", "four",
			"0/2 nodes are available: persistentvolumeclaim \\\"data\\\" is being deleted."));
}

/* ---- growing */

static void set_size(yyjson_mut_doc *doc, yyjson_mut_val *root, const void *size)
{
	yyjson_mut_val *requests = meta_mut_get(root, "spec", "resources", "requests", NULL);

	assert_true(meta_put(doc, requests, "storage", yyjson_mut_strcpy(doc, size)));
}

static void has_grown(yyjson_mut_doc *doc, yyjson_mut_val *root, const void *arg)
{
	yyjson_mut_obj_remove_key(meta_mut_get(root, "metadata", "annotations", NULL), "wherry.io/grows");
}

static void on_refused(const struct status *error, const struct object *object, void *arg)
{
	struct edit *e = arg;

	assert_non_null(error);
	if (!strstr(error->message, "forbidden: ") && !strstr(error->message, "Forbidden: "))
		fail_msg("%s", error->message);
	if (!strstr(error->message, (const char *)e->arg + 8))
		fail_msg("%s", error->message);
	e->done = true;
	loop_quit(l, 0);
}

static enum modify ask_size(const struct object *old, yyjson_mut_doc **doc, struct status **error, void *arg)
{
	char size[9];

	/* eight letters of size, then what is to be said */
	snprintf(size, sizeof(size), "%.8s", (const char *)((struct edit *)arg)->arg);
	size[strcspn(size, " ")] = 0;
	set_size(*doc, yyjson_mut_doc_get_root(*doc), size);
	return MODIFY_WRITE;
}

static void refused(const char *name, const char *size_and_text)
{
	struct edit e = {.arg = size_and_text};

	registry_modify(r, &caller_self, kind("v1", "PersistentVolumeClaim"), "default", name, false,
		ask_size, NULL, on_refused, &e);
	wait_for_write(&e.done);
}

static void test_growing(void **state)
{
	char name[80];

	add_node("a", "4");
	claim("data", "1Gi", "");
	refused("data", "2Gi     spec is immutable after creation except resources.requests");
	pod_with("one", "data");
	until("it is bound", CLAIM_SAYS("data", BOUND));
	snprintf(name, sizeof(name), "pvc-%s", get("v1", "PersistentVolumeClaim", "default", "data")->uid);
	refused("data", "512Mi   field can not be less than status.capacity");
	edit("v1", "PersistentVolumeClaim", "default", "data", set_size, "2Gi");
	until("the volume says that it is to grow", VOLUME_SAYS(name, "\"wherry.io/grows\":\"true\""));
	assert_true(volume_says((const char *const[]){name, "\"capacity\":{\"storage\":\"2Gi\"}"}));
	until("the claim that it waits",
		CLAIM_SAYS("data", "\"type\":\"FileSystemResizePending\",\"status\":\"True\""));
	assert_true(says((const char *const[]){
		"v1", "PersistentVolumeClaim", "data", "\"capacity\":{\"storage\":\"1Gi\"}"}));
	assert_true(says((const char *const[]){"v1", "PersistentVolumeClaim", "data",
		"\"allocatedResourceStatuses\":{\"storage\":\"NodeResizePending\"}"}));
	edit("v1", "PersistentVolume", "", name, has_grown, NULL);
	until("it has it when the node has seen to it",
		CLAIM_SAYS("data", "\"capacity\":{\"storage\":\"2Gi\"}"));
	assert_false(says(
		(const char *const[]){"v1", "PersistentVolumeClaim", "data", "FileSystemResizePending"}));
	assert_false(says((const char *const[]){"v1", "PersistentVolumeClaim", "data", "NodeResizePending"}));
	refused("data", "1Gi     field can not be less than status.capacity");

	create("storage.k8s.io/v1", "StorageClass", "",
		"{\"metadata\":{\"name\":\"fixed\"},\"provisioner\":\"wherry.io/local\"}");
	claim("fixed", "1Gi", "\"storageClassName\":\"fixed\",");
	until("it is bound", CLAIM_SAYS("fixed", BOUND));
	refused("fixed",
		"2Gi     only dynamically provisioned pvc can be resized and the storageclass that provisions "
		"the pvc must support resize");
}

/* ---- where */

static void node_in(const char *name, const char *zone, const char *spec)
{
	char json[900];

	snprintf(json, sizeof(json),
		"{\"metadata\":{\"name\":\"%s\",\"labels\":{\"kubernetes.io/hostname\":\"%s\",\"zone\":\"%s\"}},\"spec\":{%s},"
		"\"status\":{\"allocatable\":{\"cpu\":\"4\",\"memory\":\"8Gi\",\"pods\":\"110\"},"
		"\"conditions\":[{\"type\":\"Ready\",\"status\":\"True\"}]}}",
		name, name, zone, spec);
	create("v1", "Node", "", json);
}

static void class_of(const char *name, const char *provisioner, const char *more)
{
	char json[600];

	snprintf(json, sizeof(json), "{\"metadata\":{\"name\":\"%s\"},\"provisioner\":\"%s\"%s}", name,
		provisioner, more);
	create("storage.k8s.io/v1", "StorageClass", "", json);
}

#define ZONE(z)                                                                                              \
	",\"allowedTopologies\":[{\"matchLabelExpressions\":[{\"key\":\"zone\",\"values\":[\"" z "\"]}]}]"
#define WAITS ",\"volumeBindingMode\":\"WaitForFirstConsumer\""

static void uncordon(yyjson_mut_doc *doc, yyjson_mut_val *root, const void *arg)
{
	yyjson_mut_obj_remove_key(yyjson_mut_obj_get(root, "spec"), "unschedulable");
}

static void test_where_a_class_allows(void **state)
{
	char name[80];

	node_in("a", "x", "");
	node_in("b", "y", "\"unschedulable\":true");
	node_in("c", "z", "");
	class_of("at-once", "wherry.io/local", ZONE("y"));
	claim("data", "1Gi", "\"storageClassName\":\"at-once\",");
	until("no node will do", was_told, "class at-once: there is no node for the volume");
	assert_true(no_volume(NULL));
	edit("v1", "Node", "", "b", uncordon, NULL);
	until("until one will", CLAIM_SAYS("data", BOUND));
	snprintf(name, sizeof(name), "pvc-%s", get("v1", "PersistentVolumeClaim", "default", "data")->uid);
	assert_true(volume_says((const char *const[]){name, "\"values\":[\"b\"]"}));

	class_of("later", "wherry.io/local", WAITS ZONE("z"));
	claim("more", "1Gi", "\"storageClassName\":\"later\",");
	pod_of("one", CLAIMED("v", "more"), "");
	until("the pod goes where its volume may be", SAYS("v1", "Pod", "one", "\"nodeName\":\"c\""));
	pod_of("two", CLAIMED("v", "else"), "\"nodeSelector\":{\"zone\":\"x\"},");
	claim("else", "1Gi", "\"storageClassName\":\"later\",");
	until("and nowhere else",
		SAYS("v1", "Pod", "two", "1 node(s) didn't find available persistent volumes to bind"));
}

static void static_volume(const char *name, const char *size, const char *node)
{
	char more[400];

	snprintf(more, sizeof(more),
		"\"storageClassName\":\"by-hand\",\"nodeAffinity\":{\"required\":{\"nodeSelectorTerms\":[{\"matchExpressions\":[{"
		"\"key\":\"kubernetes.io/hostname\",\"operator\":\"In\",\"values\":[\"%s\"]}]}]}},",
		node);
	volume(name, size, more);
}

/* Volumes that were there before, of a class that waits: the pod goes where all its claims find one. */
static void test_volumes_by_hand(void **state)
{
	static const char by_hand[] = "\"storageClassName\":\"by-hand\",";

	node_in("a", "x", "");
	node_in("b", "y", "");
	class_of("by-hand", "kubernetes.io/no-provisioner", WAITS);
	static_volume("a-1", "5Gi", "a");
	static_volume("b-1", "10Gi", "b");
	static_volume("b-2", "2Gi", "b");
	claim("small", "1Gi", by_hand);
	claim("large", "5Gi", by_hand);
	pod_of("both", CLAIMED("v", "large") "," CLAIMED("w", "small"), "");
	until("it is where there are two", SAYS("v1", "Pod", "both", "\"nodeName\":\"b\""));
	until("the small one", CLAIM_SAYS("small", "\"volumeName\":\"b-2\""));
	until("the large one", CLAIM_SAYS("large", "\"volumeName\":\"b-1\""));
	until("it runs", RUNS("both"));
	/* two at once do not get the same one */
	claim("c1", "1Gi", by_hand);
	claim("c2", "1Gi", by_hand);
	pod_of("p1", CLAIMED("v", "c1"), "");
	pod_of("p2", CLAIMED("v", "c2"), "");
	until("one runs on a", RUNS("p1"));
	until("for the other nothing is left",
		SAYS("v1", "Pod", "p2",
			"0/2 nodes are available: 2 node(s) didn't find available persistent volumes to bind."));
	static_volume("late", "1Gi", "a");
	until("until there is", RUNS("p2"));
	until("and it is its", CLAIM_SAYS("c2", "\"volumeName\":\"late\""));
}

/* Pods that share a claim which has no volume yet come together. */
static void test_shared_by_pods(void **state)
{
	static const char *const pods[] = {"p0", "p1", "p2", "p3"};
	const char *node = NULL;

	node_in("a", "x", "");
	node_in("b", "y", "");
	claim("data", "1Gi", "");
	for (size_t i = 0; i < array_len(pods); i++)
		pod_with(pods[i], "data");
	for (size_t i = 0; i < array_len(pods); i++) {
		until("it runs", RUNS(pods[i]));
		if (!node)
			node = says((const char *const[]){"v1", "Pod", pods[i], "\"nodeName\":\"a\""})
				       ? "\"nodeName\":\"a\""
				       : "\"nodeName\":\"b\"";
		assert_true(says((const char *const[]){"v1", "Pod", pods[i], node}));
	}
}

static void test_a_class_that_is_not_there(void **state)
{
	claim("data", "1Gi", "\"storageClassName\":\"none\",");
	until("it is said which", was_told, "storageclass.storage.k8s.io \\\"none\\\" not found");
	class_of("none", "example.com/x", "");
	until("there is, and somebody else makes them", was_told,
		"either by the external provisioner 'example.com/x' or manually");
	until("who is told",
		CLAIM_SAYS("data", "\"volume.kubernetes.io/storage-provisioner\":\"example.com/x\""));
	class_of("later", "example.com/x", WAITS);
	add_node("a", "4");
	claim("more", "1Gi", "\"storageClassName\":\"later\",");
	pod_with("one", "more");
	until("and where", CLAIM_SAYS("more", "\"volume.kubernetes.io/selected-node\":\"a\""));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		STORY(test_made_where_the_pod_is),
		STORY(test_smallest_that_fits),
		STORY(test_bound_volumes_stay),
		STORY(test_reserved),
		STORY(test_named_but_not_what_is_asked_for),
		STORY(test_unbound),
		STORY(test_ephemeral),
		STORY(test_only_one_pod),
		STORY(test_growing),
		STORY(test_where_a_class_allows),
		STORY(test_volumes_by_hand),
		STORY(test_shared_by_pods),
		STORY(test_a_class_that_is_not_there),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

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

int main(void)
{
	const struct CMUnitTest tests[] = {
		STORY(test_made_where_the_pod_is),
		STORY(test_smallest_that_fits),
		STORY(test_bound_volumes_stay),
		STORY(test_reserved),
		STORY(test_unbound),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */

/*
 * What nodes are remembered to have said against what they say when asked: the same at every step, while nodes come, change and
 * go, and more kinds of pods are scheduled than are kept.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "cluster/scheduler/cycle.h"
#include "cluster/schema/schema.h"

enum { NODES = 40, STEPS = 3000, SELECTORS = 7, TOLERATIONS = 3 };

static unsigned next(unsigned *seed)
{
	*seed = *seed * 1103515245u + 12345u;
	return *seed >> 8;
}

static struct object *make(const char *kind, const char *json)
{
	struct object *o;

	assert_int_equal(object_new(&o, schema_find_kind("v1", kind), "key", json, strlen(json), 1), 0);
	return o;
}

#define HEAD(kind) "{\"kind\":\"" kind "\",\"apiVersion\":\"v1\",\"metadata\":{\"resourceVersion\":\"\","

static void set_node(struct sched_cache *c, unsigned number, unsigned *seed)
{
	static const char *const taints[] = {"", "{\"key\":\"a\",\"value\":\"1\",\"effect\":\"NoSchedule\"}",
		"{\"key\":\"a\",\"value\":\"2\",\"effect\":\"PreferNoSchedule\"}",
		"{\"key\":\"b\",\"value\":\"\",\"effect\":\"NoExecute\"}"};
	char json[1024];
	struct object *o;

	snprintf(json, sizeof(json),
		HEAD("Node") "\"name\":\"n%u\",\"labels\":{\"zone\":\"z%u\",\"disk\":\"%s\"}},"
			     "\"spec\":{\"unschedulable\":%s,\"taints\":[%s]},"
			     "\"status\":{\"allocatable\":{\"cpu\":\"%u\",\"memory\":\"1Gi\",\"pods\":\"4\"}}}",
		number, next(seed) % 3, next(seed) % 2 ? "ssd" : "hdd", next(seed) % 8 ? "false" : "true",
		taints[next(seed) % 4], next(seed) % 3);
	o = make("Node", json);
	assert_int_equal(cache_set_node(c, o), 0);
	object_unref(o);
}

#define REQUIRED(terms)                                                                                      \
	"\"affinity\":{\"nodeAffinity\":{\"requiredDuringSchedulingIgnoredDuringExecution\":{"               \
	"\"nodeSelectorTerms\":[" terms "]}}},"

static struct sched_pod *make_pod(struct sched_cache *c, unsigned *seed)
{
	static const char *const selectors[SELECTORS] = {"", "\"nodeSelector\":{\"disk\":\"ssd\"},",
		"\"nodeSelector\":{\"zone\":\"z1\",\"disk\":\"hdd\"},",
		REQUIRED(
			"{\"matchExpressions\":[{\"key\":\"zone\",\"operator\":\"In\",\"values\":[\"z0\",\"z2\"]}]}"),
		REQUIRED(
			"{\"matchExpressions\":[{\"key\":\"zone\",\"operator\":\"NotIn\",\"values\":[\"z0\"]}]}"),
		REQUIRED(
			"{\"matchFields\":[{\"key\":\"metadata.name\",\"operator\":\"In\",\"values\":[\"n3\"]}]}"),
		"\"nodeSelector\":{\"disk\":\"none\"},"};
	static const char *const tolerations[TOLERATIONS] = {"",
		"{\"key\":\"a\",\"operator\":\"Exists\",\"effect\":\"NoSchedule\"}",
		"{\"operator\":\"Exists\"}"};
	char json[2048];
	struct sched_pod *p;
	struct object *o;

	snprintf(json, sizeof(json),
		HEAD("Pod") "\"name\":\"p\",\"namespace\":\"d\",\"uid\":\"u%u\"},"
			    "\"spec\":{%s\"tolerations\":[%s],\"containers\":[{\"name\":\"c\",\"resources\":{"
			    "\"requests\":{\"cpu\":\"300m\"}}}]}}",
		next(seed), selectors[next(seed) % SELECTORS], tolerations[next(seed) % TOLERATIONS]);
	o = make("Pod", json);
	assert_int_equal(sched_pod_new(&p, c, o), 0);
	object_unref(o);
	return p;
}

/* true: the pod was placed, and is the cache's. */
static bool compare(struct sched_cache *c, struct sched_pod *p)
{
	const struct sched_node *fits = NULL;
	struct cycle cycle;

	cycle_init(&cycle, c, NULL, p);
	for (size_t i = 0; i < c->n_nodes; i++) {
		char buf[200];
		bool resolvable, naive = !cycle_filter(&cycle, c->nodes[i], buf, sizeof(buf), &resolvable);

		assert_int_equal(c->nodes[i]->at, i);
		/* asked, and remembered */
		assert_int_equal(cycle_passes(&cycle, c->nodes[i]), naive);
		assert_int_equal(cycle_passes(&cycle, c->nodes[i]), naive);
		if (naive)
			fits = c->nodes[i];
	}
	cycle_fini(&cycle);
	if (!fits || cache_pod(c, p->o->uid))
		return false;
	assert_int_equal(cache_add_pod(c, p), 0);
	assert_int_equal(cache_place(c, p, fits->name), 0);
	return true;
}

static void test_remembered_as_if_asked(void **state)
{
	struct sched_cache c = {0};
	unsigned seed = 5;
	size_t placed = 0;

	for (unsigned i = 0; i < STEPS; i++) {
		unsigned number = next(&seed) % NODES;
		struct sched_pod *p;
		struct cycle cycle;
		char name[16];

		snprintf(name, sizeof(name), "n%u", number);
		switch (next(&seed) % 6) {
		case 0:
			cache_drop_node(&c, name);
			break;
		case 1:
			set_node(&c, number, &seed);
			break;
		default:
			p = make_pod(&c, &seed);
			cycle_init(&cycle, &c, NULL, p);
			cycle_fini(&cycle);
			/* it waits without its document, and is the same when it has its turn again */
			assert_null(p->doc);
			if (compare(&c, p))
				placed++;
			else
				sched_pod_free(p);
		}
	}
	assert_true(placed > NODES);
	cache_fini(&c);
}

/* What is kept of a Node is its own, not the document's; another state of it takes its place. */
static void test_what_is_kept_of_a_node(void **state)
{
	static const char one[] = HEAD(
		"Node") "\"name\":\"n\"},\"spec\":{\"taints\":[{\"key\":\"k\",\"effect\":\"NoSchedule\"}]},"
			"\"status\":{\"images\":[{\"names\":[\"a:1\",\"a@x\"],\"sizeBytes\":7},{\"sizeBytes\":8},"
			"{\"names\":[\"b:1\"],\"sizeBytes\":9}]}}",
			  other[] = HEAD("Node") "\"name\":\"n\"}}";
	struct sched_cache c = {0};
	struct object *o = make("Node", one);
	const struct sched_node *n;

	assert_int_equal(cache_set_node(&c, o), 0);
	object_unref(o);
	n = c.nodes[0];
	assert_int_equal(n->n_taints, 1);
	assert_string_equal(n->taints[0].key, "k");
	assert_string_equal(n->taints[0].value, "");
	assert_string_equal(n->taints[0].effect, "NoSchedule");
	assert_int_equal(n->n_images, 3);
	assert_string_equal(n->images[1].name, "a@x");
	assert_int_equal(n->images[1].size_bytes, 7);
	assert_string_equal(n->images[2].name, "b:1");
	assert_int_equal(n->images[2].size_bytes, 9);
	o = make("Node", other);
	assert_int_equal(cache_set_node(&c, o), 0);
	object_unref(o);
	assert_int_equal(n->n_taints + n->n_images, 0);
	cache_fini(&c);
}

/* Of a kind that is kept a node is asked once; who names single nodes, or says too much, is no kind. */
static void test_what_is_a_kind(void **state)
{
	static const char one[] = "{\"nodeSelector\":{\"a\":\"1\"}}",
			  other[] = "{\"nodeSelector\":{\"a\":\"2\"}}",
			  named[] =
				  "{" REQUIRED("{\"matchFields\":[{\"key\":\"metadata.name\"}]}") "\"x\":1}";
	struct verdicts v = {0};
	char large[VERDICT_KEY_MAX + 64], key[64];
	const char *const specs[] = {one, other, named, large};
	yyjson_doc *docs[4];
	yyjson_val *spec[4];
	uint8_t *of;

	snprintf(large, sizeof(large), "{\"nodeSelector\":{\"a\":\"%0*d\"}}", VERDICT_KEY_MAX, 0);
	for (size_t i = 0; i < 4; i++) {
		docs[i] = yyjson_read(specs[i], strlen(specs[i]), 0);
		spec[i] = yyjson_doc_get_root(docs[i]);
		assert_non_null(spec[i]);
	}
	of = verdicts_of(&v, spec[0], 3);
	assert_int_equal(of[2], VERDICT_UNKNOWN);
	of[2] = VERDICT_NO;
	assert_int_equal(verdicts_of(&v, spec[1], 3)[2], VERDICT_UNKNOWN);
	assert_int_equal(verdicts_of(&v, spec[0], 1000)[2], VERDICT_NO);
	assert_int_equal(verdicts_of(&v, spec[0], 1000)[999], VERDICT_UNKNOWN);
	assert_null(verdicts_of(&v, spec[2], 3));
	assert_null(verdicts_of(&v, spec[3], 3));
	verdicts_forget(&v, 2);
	assert_int_equal(verdicts_of(&v, spec[0], 3)[2], VERDICT_UNKNOWN);
	verdicts_of(&v, spec[0], 3)[2] = VERDICT_YES;
	/* as many others as are kept: it is forgotten */
	for (int i = 0; i < VERDICT_KINDS; i++) {
		yyjson_doc *doc;

		snprintf(key, sizeof(key), "{\"nodeSelector\":{\"b\":\"%d\"}}", i);
		doc = yyjson_read(key, strlen(key), 0);
		assert_non_null(verdicts_of(&v, yyjson_doc_get_root(doc), 3));
		yyjson_doc_free(doc);
	}
	assert_int_equal(verdicts_of(&v, spec[0], 3)[2], VERDICT_UNKNOWN);
	for (size_t i = 0; i < 4; i++)
		yyjson_doc_free(docs[i]);
	verdicts_fini(&v);
}

/* What a pod asks for as a whole counts, be it more or less than its containers do; for the rest they count. */
static void test_what_is_asked_for(void **state)
{
#define ASKS(whole, more)                                                                                    \
	HEAD("Pod")                                                                                          \
	"\"name\":\"p\",\"namespace\":\"d\",\"uid\":\"u\"},\"spec\":{" whole                                 \
	"\"containers\":[{\"name\":\"c\",\"resources\":{\"requests\":{\"cpu\":\"300m\",\"memory\":"          \
	"\"16Mi\",\"example.com/a\":\"2\"}}}]" more "}}"
#define WHOLE(requests) "\"resources\":{\"requests\":{" requests "}},"
	static const struct {
		const char *json;
		int64_t cpu_milli, memory_mib, extended;
	} cases[] = {
		{ASKS("", ""), 300, 16, 2},
		{ASKS(WHOLE("\"cpu\":\"500m\""), ""), 500, 16, 2},
		{ASKS(WHOLE("\"cpu\":\"500m\",\"memory\":\"64Mi\""), ""), 500, 64, 2},
		{ASKS(WHOLE("\"cpu\":\"500m\""),
			 ",\"initContainers\":[{\"name\":\"i\",\"resources\":{\"requests\":{\"cpu\":\"2\"}}}]"),
			500, 16, 2},
		{ASKS(WHOLE("\"cpu\":\"500m\""), ",\"overhead\":{\"cpu\":\"100m\"}"), 600, 16, 2},
		/* while it is resized the most counts, but not what the node will never give */
		{ASKS(WHOLE("\"cpu\":\"500m\""),
			 "},\"status\":{\"allocatedResources\":{\"cpu\":\"600m\"},\"resources\":{\"requests\":{\"cpu\":\"400m\"}}"),
			600, 16, 2},
		{ASKS(WHOLE("\"cpu\":\"500m\""),
			 "},\"status\":{\"allocatedResources\":{\"cpu\":\"300m\"},\"resources\":{\"requests\":{\"cpu\":\"400m\"}},"
			 "\"conditions\":[{\"type\":\"PodResizePending\",\"reason\":\"Infeasible\"}]"),
			400, 16, 2},
	};

	for (size_t i = 0; i < array_len(cases); i++) {
		struct object *o = make("Pod", cases[i].json);
		struct sched_cache cache = {0};
		struct sched_pod *p;

		assert_int_equal(sched_pod_new(&p, &cache, o), 0);
		assert_int_equal(p->asks.cpu_milli, cases[i].cpu_milli);
		assert_int_equal(p->asks.memory_bytes, cases[i].memory_mib << 20);
		assert_int_equal(p->asks.extended[0].n, cases[i].extended);
		sched_pod_free(p);
		cache_fini(&cache);
		object_unref(o);
	}
#undef ASKS
#undef WHOLE
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_remembered_as_if_asked),
		cmocka_unit_test(test_what_is_a_kind),
		cmocka_unit_test(test_what_is_kept_of_a_node),
		cmocka_unit_test(test_what_is_asked_for),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

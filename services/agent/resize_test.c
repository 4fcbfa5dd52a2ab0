/* SPDX-License-Identifier: Apache-2.0 */

/* A pod that is resized: is there room, what is done next with the engine's containers, and what the API is told meanwhile. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "agent/allocation.h"
#include "agent/node.h"
#include "agent/resize.h"
#include "agent/testing.h"

/* ---- room */

static void test_room(void **state)
{
	enum { G = 1 << 30 };
	static const struct resize_room node = {4000, 4LL * G};
	static const struct {
		struct resources asked, had;
		struct resize_room used;
		enum resize_verdict verdict;
		const char *why;
	} cases[] = {
		{{2000, 0, G, 0}, {1000, 0, G, 0}, {2000, 3LL * G}, RESIZE_FITS, ""},
		{{2000, 0, G, 0}, {1000, 0, G, 0}, {2001, 0}, RESIZE_DEFERRED,
			"Node didn't have enough resource: cpu, requested: 2000, used: 2001, capacity: 4000"},
		{{0, 0, G, 0}, {0}, {0, 4LL * G}, RESIZE_DEFERRED,
			"Node didn't have enough resource: memory, requested: 1073741824, used: 4294967296, capacity: 4294967296"},
		{{5000, 0, 0, 0}, {1000, 0, 0, 0}, {0}, RESIZE_INFEASIBLE,
			"Node didn't have enough capacity: cpu, requested: 5000, capacity: 4000"},
		{{5000, 0, 5LL * G, 0}, {0}, {0}, RESIZE_INFEASIBLE,
			"Node didn't have enough capacity: memory, requested: 5368709120, capacity: 4294967296"},
		/* what does not grow needs no room, however little there is */
		{{1000, 0, G, 0}, {1000, 0, 2LL * G, 0}, {9000, 9LL * G}, RESIZE_FITS, ""},
		{{500, 0, 2LL * G, 0}, {1000, 0, G, 0}, {4000, 3LL * G}, RESIZE_DEFERRED,
			"Node didn't have enough resource: memory, requested: 2147483648, used: 3221225472, capacity: 4294967296"},
	};

	for (size_t i = 0; i < array_len(cases); i++) {
		char why[RESIZE_WHY_MAX];

		assert_int_equal(resize_judge(&cases[i].asked, &cases[i].had, &node, &cases[i].used, why),
			cases[i].verdict);
		assert_string_equal(why, cases[i].why);
	}
}

/* ---- what is set aside */

#define HAS(r, l)	 "\"resources\":{\"requests\":{" r "},\"limits\":{" l "}}"
#define BOTH(c, m)	 "\"cpu\":\"" c "\",\"memory\":\"" m "\""
#define C(name, more)	 "{\"name\":\"" name "\"," more "}"
#define FULL(name, c, m) C(name, HAS(BOTH(c, m), BOTH(c, m)))
#define ONE(c, m)	 "\"containers\":[" FULL("a", c, m) "]"

static yyjson_doc *object(const char *spec, int generation)
{
	cleanup(freep) char *text = NULL;

	assert_true(
		asprintf(&text,
			"{\"metadata\":{\"namespace\":\"shop\",\"name\":\"web\",\"uid\":\"u1\",\"resourceVersion\":\"8\","
			"\"generation\":%d},\"spec\":{%s}}",
			generation, spec) > 0);
	return testing_doc(text);
}

static void ask(struct pod *p, const char *spec, int generation)
{
	yyjson_doc *doc = object(spec, generation);

	assert_int_equal(pod_set(p, yyjson_doc_get_root(doc)), 0);
	yyjson_doc_free(doc);
}

static void test_laid_over(void **state)
{
	static const char spec[] = "\"containers\":[" FULL("a", "1", "1Mi") "," C(
		"b", "\"image\":\"i\"") "],"
					"\"initContainers\":[" C(
						"s", "\"restartPolicy\":\"Always\"," HAS("\"cpu\":\"1\"",
							     "")) "," FULL("i", "1", "1Mi") "]",
			  more[] = "\"containers\":[" FULL("a", "2", "1Mi") "," C(
				  "b", "\"image\":\"i\"") "],"
							  "\"initContainers\":[" C("s",
								  "\"restartPolicy\":\"Always\"," HAS(
									  "\"cpu\":\"2\"", "")) "," FULL("i",
								  "2", "1Mi") "]";
	yyjson_doc *doc = object(spec, 4), *later = object(more, 5), *allocated, *laid, *again;
	cleanup(freep) char *text = NULL;
	bool differs;

	allocated = allocation_of(yyjson_doc_get_root(doc));
	text = allocation_text(allocated);
	assert_string_equal(text,
		"{\"generation\":4,\"containers\":{\"a\":{\"requests\":{\"cpu\":\"1\",\"memory\":\"1Mi\"},\"limits\":{\"cpu\":\"1\","
		"\"memory\":\"1Mi\"}},\"b\":{},\"s\":{\"requests\":{\"cpu\":\"1\"},\"limits\":{}}}}");
	again = allocation_read(text);
	assert_int_equal(allocation_generation(again), 4);
	assert_null(allocation_read("{\"generation\":4}"));
	assert_null(allocation_read("{"));
	laid = allocation_lay_over(yyjson_doc_get_root(doc), again, &differs);
	assert_false(differs);
	yyjson_doc_free(laid);
	laid = allocation_lay_over(yyjson_doc_get_root(later), again, &differs);
	assert_true(differs);
	assert_string_equal(
		yyjson_get_str(yyjson_doc_ptr_get(laid, "/spec/containers/0/resources/limits/cpu")), "1");
	assert_string_equal(
		yyjson_get_str(yyjson_doc_ptr_get(laid, "/spec/initContainers/0/resources/requests/cpu")),
		"1");
	/* an init container that ends is what the API says it is */
	assert_string_equal(
		yyjson_get_str(yyjson_doc_ptr_get(laid, "/spec/initContainers/1/resources/limits/cpu")), "2");
	yyjson_doc_free(laid);
	yyjson_doc_free(again);
	yyjson_doc_free(allocated);
	yyjson_doc_free(later);
	yyjson_doc_free(doc);
}

#define WHOLE(r, l) HAS(r, l) ","

/* The pod as a whole, which may not have said anything before. */
static void test_whole_laid_over(void **state)
{
	static const char bare[] = "\"containers\":[" C("a", "\"image\":\"i\"") "]",
			  small[] = WHOLE("\"cpu\":\"1\"", "\"memory\":\"1Mi\"") "\"containers\":[" C(
				  "a", "\"image\":\"i\"") "]",
			  large[] = WHOLE("\"cpu\":\"2\"", "\"memory\":\"1Mi\"") "\"containers\":[" C(
				  "a", "\"image\":\"i\"") "]";
	yyjson_doc *none = object(bare, 3), *doc = object(small, 4), *later = object(large, 5), *laid;
	yyjson_doc *had_none = allocation_of(yyjson_doc_get_root(none)),
		   *allocated = allocation_of(yyjson_doc_get_root(doc));
	cleanup(freep) char *text = allocation_text(allocated);
	bool differs;

	assert_string_equal(text,
		"{\"generation\":4,\"containers\":{\"a\":{}},\"pod\":{\"requests\":{\"cpu\":\"1\"},\"limits\":{\"memory\":\"1Mi\"}}}");
	laid = allocation_lay_over(yyjson_doc_get_root(doc), allocated, &differs);
	assert_false(differs);
	yyjson_doc_free(laid);
	laid = allocation_lay_over(yyjson_doc_get_root(later), allocated, &differs);
	assert_true(differs);
	assert_string_equal(yyjson_get_str(yyjson_doc_ptr_get(laid, "/spec/resources/requests/cpu")), "1");
	yyjson_doc_free(laid);
	laid = allocation_lay_over(yyjson_doc_get_root(later), had_none, &differs);
	assert_true(differs);
	assert_null(yyjson_doc_ptr_get(laid, "/spec/resources"));
	yyjson_doc_free(laid);
	yyjson_doc_free(had_none);
	yyjson_doc_free(allocated);
	yyjson_doc_free(later);
	yyjson_doc_free(doc);
	yyjson_doc_free(none);
}

static int64_t asked_milli(const struct pod *p)
{
	return resources_of_container(p->containers[0].spec).cpu_request_milli;
}

/* A pod that has no sandbox yet: what it asks for is set aside at once, or it waits, or never fits. */
static void test_considered(void **state)
{
	struct pod *p = testing_pod(ONE("100m", "1Mi"), "");
	char more[40], spec[400];

	p->sandbox = SANDBOX_NONE;
	assert_false(resize_consider(p));
	assert_int_equal(allocation_generation(p->allocated), 3);
	ask(p, ONE("200m", "1Mi"), 4);
	assert_non_null(p->asked);
	assert_int_equal(asked_milli(p), 100); /* until it is set aside */
	assert_false(resize_consider(p));
	assert_null(p->asked);
	assert_int_equal(asked_milli(p), 200);
	assert_int_equal(allocation_generation(p->allocated), 4);
	assert_true(p->resize.under_way);
	snprintf(more, sizeof(more), "%lld", (long long)node_cpus() + 1);
	snprintf(spec, sizeof(spec), "\"containers\":[" C("a", HAS("\"cpu\":\"%s\"", "")) "]", more);
	ask(p, spec, 5);
	assert_false(resize_consider(p));
	assert_string_equal(p->resize.pending, "Infeasible");
	assert_int_equal(p->resize.generation, 5);
	assert_int_equal(asked_milli(p), 200);
	/* taken back */
	ask(p, ONE("200m", "1Mi"), 6);
	assert_false(resize_consider(p));
	assert_string_equal(p->resize.pending, "");
	assert_null(p->asked);
	agent_pod_free(p);
}

/* What the engine kept counts, not what the API has said since. */
static void test_taken_from_the_engine(void **state)
{
	struct pod *p = testing_pod(ONE("300m", "1Mi"), "");

	p->sandbox = SANDBOX_READY;
	resize_take(p,
		"{\"generation\":2,\"containers\":{\"a\":{\"requests\":{\"cpu\":\"100m\",\"memory\":\"1Mi\"},\"limits\":{"
		"\"cpu\":\"100m\",\"memory\":\"1Mi\"}}}}");
	assert_int_equal(asked_milli(p), 100);
	assert_non_null(p->asked);
	resize_take(p, NULL);
	resize_take(p, "nonsense");
	assert_int_equal(asked_milli(p), 100);
	agent_pod_free(p);
}

/* ---- steps */

static struct limits limits(int64_t milli, int64_t mib)
{
	return (struct limits){cpu_shares(milli), cpu_quota_us(milli), mib << 20};
}

static void runs(struct pod *p, size_t i, struct limits l)
{
	struct pod_container *c = &p->containers[i];

	c->seen = c->running = true;
	c->probe_ready = c->probe_started = true;
	c->now.limits = l;
	snprintf(c->now.id, sizeof(c->now.id), "id%zu", i);
	snprintf(c->now.started, sizeof(c->now.started), "2026-01-02T03:04:05Z");
}

/* The steps until there is none, as they would be taken: "pod 60 60, a 20 40, ...": thousandths of limits of cpu, MiB of memory. */
static void steps_are(struct pod *p, const char *expect)
{
	char text[600] = "";

	for (int i = 0; i < 20; i++) {
		struct resize_step s = resize_next(p);
		size_t at = strlen(text);

		if (s.what != RESIZE_POD && s.what != RESIZE_CONTAINER)
			break;
		snprintf(text + at, sizeof(text) - at, "%s%s %lld %lld", at ? ", " : "",
			s.c ? s.c->name : "pod", (long long)s.to.cpu_quota_us / 100,
			(long long)s.to.memory_bytes >> 20);
		if (s.c)
			s.c->now.limits = s.to;
		else
			p->limits = s.to;
	}
	assert_string_equal(text, expect);
}

#define THREE(a, b, c) "\"containers\":[" a "," b "," c "]"

static void test_steps(void **state)
{
	static const struct {
		const char *spec, *steps;
		struct limits pod, each;
	} cases[] = {
		{THREE(FULL("a", "20m", "20Mi"), FULL("b", "20m", "20Mi"), FULL("c", "20m", "20Mi")), ""},
		/* more in all: the group first, and who gives back before who takes */
		{THREE(FULL("a", "40m", "40Mi"), FULL("b", "40m", "40Mi"), FULL("c", "10m", "10Mi")),
			"pod 90 90, c 10 10, a 40 40, b 40 40"},
		/* less in all: the group last */
		{THREE(FULL("a", "40m", "40Mi"), FULL("b", "10m", "10Mi"), FULL("c", "10m", "9Mi")),
			"b 10 10, c 10 9, a 40 40, pod 60 59"},
		/* the one of both: each in its direction */
		{THREE(FULL("a", "40m", "10Mi"), FULL("b", "20m", "20Mi"), FULL("c", "20m", "20Mi")),
			"pod 80 60, a 40 10, pod 80 50"},
	};

	for (size_t i = 0; i < array_len(cases); i++) {
		struct pod *p = testing_pod(cases[i].spec, "");

		p->sandbox = SANDBOX_READY;
		p->limits = limits(60, 60);
		for (size_t k = 0; k < 3; k++)
			runs(p, k, limits(20, 20));
		steps_are(p, cases[i].steps);
		assert_int_equal(resize_next(p).what, RESIZE_NOTHING);
		agent_pod_free(p);
	}
}

/* Containers without limits of their own have their pod's, and go along with it; the others stay as they are. */
static void test_steps_of_a_whole_pod(void **state)
{
	static const struct {
		const char *spec, *steps;
	} cases[] = {
		{WHOLE(BOTH("60m", "60Mi"), BOTH("60m", "60Mi")), ""},
		{WHOLE(BOTH("60m", "60Mi"), BOTH("90m", "90Mi")), "pod 90 90, a 90 90"},
		{WHOLE(BOTH("60m", "60Mi"), BOTH("40m", "90Mi")), "pod 60 90, a 40 90, pod 40 90"},
		{WHOLE(BOTH("40m", "40Mi"), BOTH("40m", "40Mi")), "a 40 40, pod 40 40"},
	};

	for (size_t i = 0; i < array_len(cases); i++) {
		cleanup(freep) char *spec = NULL;
		struct pod *p;

		assert_true(asprintf(&spec,
				    "%s\"containers\":[" C("a", "\"image\":\"i\"") "," FULL(
					    "b", "20m", "20Mi") "]",
				    cases[i].spec) > 0);
		p = testing_pod(spec, "");
		p->sandbox = SANDBOX_READY;
		p->limits = limits(60, 60);
		runs(p, 0, limits(60, 60));
		runs(p, 1, limits(20, 20));
		steps_are(p, cases[i].steps);
		assert_int_equal(resize_next(p).what, RESIZE_NOTHING);
		agent_pod_free(p);
	}
}

/* Limits that were not there before; what does not run is made with them later. */
static void test_steps_that_add(void **state)
{
	struct pod *p =
		testing_pod("\"containers\":[" FULL("a", "20m", "20Mi") "," FULL("b", "20m", "20Mi") "]", "");
	struct limits none = {cpu_shares(20), 0, 0};

	assert_int_equal(resize_next(p).what, RESIZE_NOTHING); /* there is no sandbox */
	p->sandbox = SANDBOX_READY;
	p->limits = (struct limits){cpu_shares(40), 0, 0};
	runs(p, 0, none);
	steps_are(p, "a 20 20, pod 40 40");
	agent_pod_free(p);
	/* the kernel counts in other units: 1m is not told from 2m */
	p = testing_pod("\"containers\":[" C("a", HAS("\"cpu\":\"1m\"", "\"cpu\":\"5m\"")) "]", "");
	p->sandbox = SANDBOX_READY;
	p->limits = (struct limits){2, 1000, 0};
	runs(p, 0, (struct limits){2, 1000, 0});
	steps_are(p, "");
	agent_pod_free(p);
}

#define RESTARTS(resource)                                                                                   \
	"\"resizePolicy\":[{\"resourceName\":\"" resource "\",\"restartPolicy\":\"RestartContainer\"}],"

static void test_restarts(void **state)
{
	struct pod *p = testing_pod("\"containers\":[" C("a", RESTARTS("memory") HAS(BOTH("20m", "30Mi"),
								      BOTH("20m", "30Mi"))) "]",
		"");
	struct pod_container *c = &p->containers[0];

	p->sandbox = SANDBOX_READY;
	p->limits = limits(10, 30);
	runs(p, 0, limits(10, 30));
	c->now.made_known = true;
	c->now.made = (struct resources){10, 10, 30 << 20, 30 << 20};
	/* cpu changes in place */
	steps_are(p, "pod 20 30, a 20 30");
	/* memory does not, neither limit nor request; the group is widened before */
	c->now.made.memory_limit_bytes = 20 << 20;
	c->now.limits.memory_bytes = 20 << 20;
	p->limits.memory_bytes = 20 << 20;
	steps_are(p, "pod 20 30");
	assert_int_equal(resize_next(p).what, RESIZE_RESTART);
	assert_ptr_equal(resize_next(p).c, c);
	c->killing = true;
	assert_int_equal(resize_next(p).what, RESIZE_WAIT);
	c->killing = c->running = false;
	assert_int_equal(resize_next(p).what, RESIZE_NOTHING);
	/* it is started again whatever its policy says, and at once */
	c->exited = true;
	ask(p, "\"restartPolicy\":\"Never\"," ONE("1", "1Mi"), 4);
	c = &p->containers[0];
	assert_false(pod_wants_restart(p, c));
	assert_string_equal(pod_phase(p), "Succeeded");
	c->at_once = true;
	assert_true(pod_wants_restart(p, c));
	assert_false(pod_is_over(p));
	assert_string_equal(pod_phase(p), "Running");
	p->deleting = true;
	assert_string_equal(pod_phase(p), "Succeeded");
	agent_pod_free(p);
}

static void test_memory_in_use(void **state)
{
	struct pod *p =
		testing_pod("\"containers\":[" FULL("a", "20m", "10Mi") "," FULL("b", "20m", "40Mi") "]", "");
	yyjson_doc
		*stats = testing_doc(
			"{\"Memory\":{\"UsageBytes\":52428801},\"Containers\":[{\"Id\":\"id0\",\"Memory\":{"
			"\"UsageBytes\":10485760}},{\"Id\":\"id1\",\"Memory\":{\"UsageBytes\":99999999}}]}"),
		*more = testing_doc(
			"{\"Containers\":[{\"Id\":\"id0\",\"Memory\":{\"UsageBytes\":10485761}}]}");
	struct resize_step s;
	char why[RESIZE_WHY_MAX];

	p->sandbox = SANDBOX_READY;
	p->limits = limits(40, 60);
	runs(p, 0, limits(20, 20));
	runs(p, 1, limits(20, 40));
	s = resize_next(p);
	assert_int_equal(s.what, RESIZE_CONTAINER);
	assert_true(resize_takes_memory(p, &s));
	assert_true(resize_memory_is_free(p, &s, yyjson_doc_get_root(stats), why, sizeof(why)));
	assert_false(resize_memory_is_free(p, &s, yyjson_doc_get_root(more), why, sizeof(why)));
	assert_string_equal(why,
		"attempting to set container \"a\" memory limit (10485760) below current usage (10485761)");
	p->containers[0].now.limits = s.to;
	s = resize_next(p);
	assert_int_equal(s.what, RESIZE_POD);
	assert_true(resize_takes_memory(p, &s));
	assert_false(resize_memory_is_free(p, &s, yyjson_doc_get_root(stats), why, sizeof(why)));
	assert_string_equal(
		why, "attempting to set pod memory limit (52428800) below current usage (52428801)");
	p->limits = limits(40, 40);
	s = resize_next(p);
	assert_false(resize_takes_memory(p, &s));
	yyjson_doc_free(stats);
	yyjson_doc_free(more);
	agent_pod_free(p);
}

/* A limit that is the pod's changes by a restart as well, where that is wanted, and is not told as the container's. */
static void test_restart_for_the_pods_limit(void **state)
{
	struct pod *p = testing_pod(WHOLE("\"memory\":\"30Mi\"", "\"memory\":\"40Mi\"") "\"containers\":[" C(
					    "a", RESTARTS("memory") "\"image\":\"i\"") "]",
		"");
	struct pod_container *c = &p->containers[0];

	p->sandbox = SANDBOX_READY;
	p->limits = (struct limits){2, 0, 40 << 20};
	runs(p, 0, (struct limits){2, 0, 30 << 20});
	c->now.made_known = true;
	c->now.made = (struct resources){0, 0, 0, 30 << 20};
	assert_int_equal(resize_next(p).what, RESIZE_RESTART);
	c->now.made.memory_limit_bytes = 40 << 20;
	c->now.limits.memory_bytes = 40 << 20;
	assert_int_equal(resize_next(p).what, RESIZE_NOTHING);
	agent_pod_free(p);
}

/* ---- what is told */

static const char *told(yyjson_doc *doc, const char *path, char text[static 300])
{
	yyjson_val *v = yyjson_doc_ptr_get(doc, path);
	cleanup(freep) char *json = v ? yyjson_val_write(v, 0, NULL) : NULL;

	snprintf(text, 300, "%s", json ? json : "none");
	return text;
}

static yyjson_doc *status_of(struct pod *p)
{
	yyjson_mut_doc *m = pod_status(p);
	yyjson_doc *doc = yyjson_mut_doc_imut_copy(m, NULL);

	assert_non_null(doc);
	yyjson_mut_doc_free(m);
	return doc;
}

/* A condition of the patch without its time. */
static void condition_is(yyjson_doc *doc, const char *type, const char *expect)
{
	yyjson_val *each, *found = NULL;
	yyjson_mut_doc *m = yyjson_mut_doc_new(NULL);
	yyjson_mut_val *copy;
	size_t i, n;
	char *text;

	yyjson_arr_foreach (yyjson_doc_ptr_get(doc, "/status/conditions"), i, n, each)
		if (yyjson_equals_str(yyjson_obj_get(each, "type"), type))
			found = each;
	copy = found ? yyjson_val_mut_copy(m, found) : yyjson_mut_null(m);
	yyjson_mut_obj_remove_key(copy, "lastTransitionTime");
	yyjson_mut_obj_remove_key(copy, "type");
	text = yyjson_mut_val_write(copy, 0, NULL);
	assert_string_equal(text, expect);
	free(text);
	yyjson_mut_doc_free(m);
}

#define RESOURCES "/status/containerStatuses/0/resources"
#define ALLOCATED "/status/containerStatuses/0/allocatedResources"

/* A pod as a whole; the container has nothing of its own. */
static void test_whole_told(void **state)
{
	struct pod *p = testing_pod(WHOLE("\"cpu\":\"30m\"", BOTH("60m", "40Mi")) "\"containers\":[" C(
					    "a", "\"image\":\"i\"") "]",
		"");
	yyjson_doc *doc;
	char text[300];

	p->allocated = allocation_of(p->root);
	p->sandbox = SANDBOX_READY;
	p->limits = (struct limits){cpu_shares(30), cpu_quota_us(60), 30 << 20};
	runs(p, 0, limits(60, 30));
	doc = status_of(p);
	assert_string_equal(told(doc, "/status/resources", text),
		"{\"requests\":{\"cpu\":\"30m\"},\"limits\":{\"cpu\":\"60m\",\"memory\":\"30Mi\"}}");
	assert_string_equal(told(doc, "/status/allocatedResources", text), "{\"cpu\":\"30m\"}");
	condition_is(doc, "PodResizeInProgress", "{\"status\":\"True\",\"observedGeneration\":3}");
	assert_string_equal(told(doc, RESOURCES, text), "{}");
	yyjson_doc_free(doc);
	p->limits.memory_bytes = p->containers[0].now.limits.memory_bytes = 40 << 20;
	doc = status_of(p);
	assert_string_equal(told(doc, "/status/resources", text),
		"{\"requests\":{\"cpu\":\"30m\"},\"limits\":{\"cpu\":\"60m\",\"memory\":\"40Mi\"}}");
	assert_string_equal(told(doc, RESOURCES, text), "{}");
	yyjson_doc_free(doc);
	agent_pod_free(p);
}

/* The group of a pod with overhead has more than the pod, which is told of its own only. */
static void test_whole_told_without_overhead(void **state)
{
	struct pod *p =
		testing_pod("\"overhead\":{\"cpu\":\"10m\",\"memory\":\"8Mi\"}," WHOLE("\"cpu\":\"30m\"",
				    BOTH("60m", "40Mi")) "\"containers\":[" C("a", "\"image\":\"i\"") "]",
			"");
	yyjson_doc *doc;
	char text[300];

	p->allocated = allocation_of(p->root);
	p->sandbox = SANDBOX_READY;
	p->limits = (struct limits){cpu_shares(40), cpu_quota_us(70), 48 << 20};
	runs(p, 0, limits(60, 40));
	assert_int_equal(resize_next(p).what, RESIZE_NOTHING);
	doc = status_of(p);
	assert_string_equal(told(doc, "/status/resources", text),
		"{\"requests\":{\"cpu\":\"30m\"},\"limits\":{\"cpu\":\"60m\",\"memory\":\"40Mi\"}}");
	yyjson_doc_free(doc);
	p->limits = (struct limits){cpu_shares(30), cpu_quota_us(50), 38 << 20};
	assert_int_equal(resize_next(p).what, RESIZE_POD);
	doc = status_of(p);
	assert_string_equal(told(doc, "/status/resources", text),
		"{\"requests\":{\"cpu\":\"20m\"},\"limits\":{\"cpu\":\"40m\",\"memory\":\"30Mi\"}}");
	yyjson_doc_free(doc);
	agent_pod_free(p);
}

static void test_told(void **state)
{
	struct pod *p = testing_pod(
		ONE("30m", "30Mi"), "\"conditions\":[{\"type\":\"PodResizePending\",\"status\":\"True\"}]");
	yyjson_doc *doc;
	char text[300];

	p->allocated = allocation_of(p->root);
	p->sandbox = SANDBOX_READY;
	p->limits = limits(30, 30);
	runs(p, 0, limits(30, 30));
	doc = status_of(p);
	assert_string_equal(told(doc, RESOURCES, text),
		"{\"requests\":{\"cpu\":\"30m\",\"memory\":\"30Mi\"},\"limits\":{\"cpu\":\"30m\",\"memory\":\"30Mi\"}}");
	assert_string_equal(told(doc, ALLOCATED, text), "{\"cpu\":\"30m\",\"memory\":\"30Mi\"}");
	condition_is(doc, "PodResizePending", "{\"$patch\":\"delete\"}");
	condition_is(doc, "PodResizeInProgress", "null");
	yyjson_doc_free(doc);
	/* what is set aside is not there yet */
	p->containers[0].now.limits = limits(20, 20);
	snprintf(p->resize.pending, sizeof(p->resize.pending), "Deferred");
	snprintf(p->resize.why, sizeof(p->resize.why), "no room");
	p->resize.generation = 4;
	doc = status_of(p);
	assert_string_equal(told(doc, RESOURCES, text),
		"{\"requests\":{\"memory\":\"30Mi\",\"cpu\":\"20m\"},\"limits\":{\"cpu\":\"20m\",\"memory\":\"20Mi\"}}");
	assert_string_equal(told(doc, ALLOCATED, text), "{\"cpu\":\"30m\",\"memory\":\"30Mi\"}");
	condition_is(doc, "PodResizePending",
		"{\"status\":\"True\",\"reason\":\"Deferred\",\"message\":\"no room\",\"observedGeneration\":4}");
	condition_is(doc, "PodResizeInProgress", "{\"status\":\"True\",\"observedGeneration\":3}");
	yyjson_doc_free(doc);
	snprintf(p->resize.error, sizeof(p->resize.error), "in use");
	doc = status_of(p);
	condition_is(doc, "PodResizeInProgress",
		"{\"status\":\"True\",\"reason\":\"Error\",\"message\":\"in use\",\"observedGeneration\":3}");
	yyjson_doc_free(doc);
	/* what does not run has what is set aside */
	p->containers[0].running = false;
	doc = status_of(p);
	assert_string_equal(told(doc, "/status/containerStatuses/0/resources/limits", text),
		"{\"cpu\":\"30m\",\"memory\":\"30Mi\"}");
	yyjson_doc_free(doc);
	agent_pod_free(p);
}

/* Limits that the container does not have yet; a request that only a restart brings; nothing at all. */
static void test_told_of_more(void **state)
{
	struct pod *p =
		testing_pod("\"containers\":[" C("a", HAS("\"cpu\":\"20m\"", "\"memory\":\"20Mi\"")) "]", "");
	yyjson_doc *doc;
	char text[300];

	p->sandbox = SANDBOX_READY;
	runs(p, 0, (struct limits){cpu_shares(20), 0, 0});
	doc = status_of(p);
	assert_string_equal(told(doc, RESOURCES, text), "{\"requests\":{\"cpu\":\"20m\"}}");
	yyjson_doc_free(doc);
	agent_pod_free(p);
	p = testing_pod("\"containers\":[" C("a", RESTARTS("memory") HAS("\"memory\":\"30Mi\"", "")) "]", "");
	p->sandbox = SANDBOX_READY;
	runs(p, 0, (struct limits){2, 0, 0});
	p->containers[0].now.made_known = true;
	p->containers[0].now.made.memory_request_bytes = 20 << 20;
	doc = status_of(p);
	assert_string_equal(told(doc, RESOURCES, text), "{\"requests\":{\"memory\":\"20Mi\"}}");
	yyjson_doc_free(doc);
	agent_pod_free(p);
	p = testing_pod("\"containers\":[{\"name\":\"a\"}]", "");
	p->sandbox = SANDBOX_READY;
	runs(p, 0, (struct limits){2, 0, 0});
	doc = status_of(p);
	assert_string_equal(told(doc, RESOURCES, text), "{}");
	assert_string_equal(told(doc, ALLOCATED, text), "none");
	yyjson_doc_free(doc);
	agent_pod_free(p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_room),
		cmocka_unit_test(test_laid_over),
		cmocka_unit_test(test_whole_laid_over),
		cmocka_unit_test(test_considered),
		cmocka_unit_test(test_taken_from_the_engine),
		cmocka_unit_test(test_steps),
		cmocka_unit_test(test_steps_of_a_whole_pod),
		cmocka_unit_test(test_steps_that_add),
		cmocka_unit_test(test_restarts),
		cmocka_unit_test(test_restart_for_the_pods_limit),
		cmocka_unit_test(test_memory_in_use),
		cmocka_unit_test(test_told),
		cmocka_unit_test(test_whole_told),
		cmocka_unit_test(test_whole_told_without_overhead),
		cmocka_unit_test(test_told_of_more),
	};

	return cmocka_run_group_tests(tests, NULL, testing_end);
}

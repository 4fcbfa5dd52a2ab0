/* SPDX-License-Identifier: Apache-2.0 */

/* What is counted of resources that nobody but their users knows: however many there are, none of them is given away twice. */

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "cluster/scheduler/cycle.h"
#include "cluster/schema/schema.h"

enum { MANY = 40, LIST_BYTES = MANY * 64 };

static struct sched_cache cache;

static int teardown(void **state)
{
	cache_fini(&cache);
	return 0;
}

#define HEAD(kind) "{\"kind\":\"" kind "\",\"apiVersion\":\"v1\",\"metadata\":{\"resourceVersion\":\"\","

static struct object *make(const char *kind, const char *json)
{
	struct object *o;

	assert_int_equal(object_new(&o, schema_find_kind("v1", kind), "key", json, strlen(json), 1), 0);
	return o;
}

/* One each of the resources from @from to before @to, the last first; of @none there is none. */
static const char *list_of(int from, int to, int none)
{
	static char out[LIST_BYTES];
	size_t len = 0;

	*out = 0;
	while (to-- > from)
		len += (size_t)snprintf(
			out + len, sizeof(out) - len, ",\"example.com/r%02d\":\"%d\"", to, to != none);
	assert_in_range(len, 0, sizeof(out) - 1);
	return out;
}

static struct sched_node *set_node(const char *resources)
{
	char json[LIST_BYTES + 512];
	struct object *o;

	snprintf(json, sizeof(json),
		HEAD("Node") "\"name\":\"n\"},\"status\":{\"allocatable\":{\"cpu\":\"9\",\"pods\":\"9\"%s}}}",
		resources);
	o = make("Node", json);
	assert_int_equal(cache_set_node(&cache, o), 0);
	object_unref(o);
	return cache.nodes[0];
}

/* @more: members of its spec, with a comma behind the last. */
static struct sched_pod *make_pod(const char *uid, int priority, const char *more, const char *resources)
{
	char json[2 * LIST_BYTES + 512];
	struct sched_pod *p;
	struct object *o;

	snprintf(json, sizeof(json),
		HEAD("Pod") "\"name\":\"p\",\"namespace\":\"d\",\"uid\":\"%s\"},\"spec\":{\"priority\":%d,%s"
			    "\"containers\":[{\"name\":\"c\",\"resources\":{\"requests\":{\"cpu\":\"1m\"%s}}}]}}",
		uid, priority, more, resources);
	o = make("Pod", json);
	assert_int_equal(sched_pod_new(&p, &cache, o), 0);
	object_unref(o);
	return p;
}

/* Why the node cannot take it; "": it can. */
static const char *why_not(struct sched_pod *p)
{
	static char buf[160];
	bool resolvable;
	struct cycle c;
	const char *no;

	cycle_init(&c, &cache, NULL, p);
	no = cycle_filter(&c, cache.nodes[0], buf, sizeof(buf), &resolvable);
	assert_int_equal(cycle_passes(&c, cache.nodes[0]), !no);
	cycle_fini(&c);
	return no ? no : "";
}

/* Whichever of many is the one that is short, it is seen. */
static void test_one_of_many_is_short(void **state)
{
	for (int i = 0; i < MANY; i++) {
		struct sched_pod *p = make_pod("u", 0, "", list_of(0, MANY, -1));
		char expected[64];

		snprintf(expected, sizeof(expected), "Insufficient example.com/r%02d", i);
		set_node(list_of(0, MANY, i));
		assert_string_equal(why_not(p), expected);
		set_node(list_of(0, MANY, -1));
		assert_string_equal(why_not(p), "");
		sched_pod_free(p);
	}
}

static void test_many_are_taken_and_given_back(void **state)
{
	struct sched_pod *all = make_pod("u1", 0, "", list_of(0, MANY, -1)), *one;

	set_node(list_of(0, MANY, -1));
	assert_int_equal(cache_add_pod(&cache, all), 0);
	assert_int_equal(cache_place(&cache, all, "n"), 0);
	for (int i = 0; i < MANY; i++) {
		char expected[64];

		one = make_pod("u2", 0, "", list_of(i, i + 1, -1));
		snprintf(expected, sizeof(expected), "Insufficient example.com/r%02d", i);
		assert_string_equal(why_not(one), expected);
		cache_unplace(&cache, all);
		assert_string_equal(why_not(one), "");
		assert_int_equal(cache_place(&cache, all, "n"), 0);
		sched_pod_free(one);
	}
}

/* Other containers ask for other ones: all of them count, and of those that come one after the other the most. */
static void test_of_several_containers(void **state)
{
	char more[LIST_BYTES + 256];
	struct sched_pod *p;

	snprintf(more, sizeof(more),
		"\"initContainers\":[{\"name\":\"i\",\"resources\":{\"requests\":{\"cpu\":\"1m\"%s}}},"
		"{\"name\":\"s\",\"restartPolicy\":\"Always\",\"resources\":{\"requests\":{\"cpu\":\"1m\"%s}}}],",
		list_of(0, 12, -1), ",\"example.com/r39\":\"1\"");
	p = make_pod("u", 0, more, list_of(10, MANY, -1));
	assert_int_equal(p->asks.n_extended, MANY);
	for (int i = 0; i < MANY; i++) {
		char name[32];

		snprintf(name, sizeof(name), "example.com/r%02d", i);
		assert_string_equal(p->asks.extended[i].name, name);
		assert_int_equal(p->asks.extended[i].n, i == 39 ? 2 : 1);
	}
	sched_pod_free(p);
}

/* What is promised to a pod counts while one for another is looked for, and is as before afterwards. */
static void test_many_are_promised(void **state)
{
	struct sched_pod *waits = make_pod("u1", 5, "", list_of(0, MANY, -1)),
			 *asks = make_pod("u2", 0, "", list_of(MANY - 1, MANY, -1));

	set_node(list_of(0, MANY, -1));
	assert_int_equal(cache_add_pod(&cache, waits), 0);
	assert_int_equal(cache_nominate(&cache, waits, "n"), 0);
	assert_int_equal(cache_count_nominated(&cache, asks), 0);
	assert_string_equal(why_not(asks), "Insufficient example.com/r39");
	cache_discount_nominated(&cache, asks);
	assert_string_equal(why_not(asks), "");
	sched_pod_free(asks);
}

/* The node's plugin has gone, or never was: who asks for none of its resource has no part in that. */
static void test_none_is_asked_for(void **state)
{
	static const char none[] = ",\"example.com/r00\":\"0\"";
	struct sched_pod *has = make_pod("u1", 0, "", list_of(0, 1, -1)), *asks = make_pod("u2", 0, "", none),
			 *whole = make_pod("u3", 0, "\"overhead\":{\"example.com/r00\":\"0\"},", none),
			 *one = make_pod("u4", 0, "", list_of(0, 1, -1));

	set_node(list_of(0, 1, -1));
	assert_int_equal(cache_add_pod(&cache, has), 0);
	assert_int_equal(cache_place(&cache, has, "n"), 0);
	set_node(none);
	assert_string_equal(why_not(asks), "");
	assert_string_equal(why_not(whole), "");
	assert_string_equal(why_not(one), "Insufficient example.com/r00");
	set_node("");
	assert_string_equal(why_not(asks), "");
	assert_string_equal(why_not(one), "Insufficient example.com/r00");
	sched_pod_free(asks);
	sched_pod_free(whole);
	sched_pod_free(one);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(test_one_of_many_is_short, teardown),
		cmocka_unit_test_teardown(test_many_are_taken_and_given_back, teardown),
		cmocka_unit_test_teardown(test_of_several_containers, teardown),
		cmocka_unit_test_teardown(test_many_are_promised, teardown),
		cmocka_unit_test_teardown(test_none_is_asked_for, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

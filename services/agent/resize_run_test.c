/* SPDX-License-Identifier: Apache-2.0 */

/* Whole resizes against an engine of this test: what it is asked for and in which order, and an agent that begins again in between. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "agent/allocation.h"
#include "agent/resize.h"
#include "agent/testing.h"
#include "lib/http.h"
#include "lib/http_client.h"

#define ENGINE "/tmp/resize-run-test.engine"
enum { BODY_MAX = 4096, HOUR_MS = 3600000 };

/* ---- the engine: one pod, u1, with one container, id0 */

static char annotation[600]; /* what is set aside, as it is kept; "" none */
static struct limits of_pod, of_container;
static int64_t in_use;
static bool deaf;	/* says yes and changes nothing */
static char asked[600]; /* "kept, pod 20 30, id0 20 -": what changed anything */

static void reply(struct http_req *r, int status, const char *json)
{
	http_reply(r, status, "application/json", json, strlen(json));
}

static void show_limits(char *out, size_t size, const struct limits *l)
{
	snprintf(out, size, "{\"CpuShares\":%lld,\"CpuQuota\":%lld,\"Memory\":%lld}",
		(long long)l->cpu_shares, (long long)l->cpu_quota_us, (long long)l->memory_bytes);
}

static void show(struct http_req *r)
{
	cleanup(freep) char *json = NULL;
	char limits[200], text[900] = "";
	size_t n = 0;

	show_limits(limits, sizeof(limits), strstr(http_path(r), "/containers/") ? &of_container : &of_pod);
	for (const char *s = annotation; *s; s++) {
		if (*s == '"')
			text[n++] = '\\';
		text[n++] = *s;
	}
	if (strstr(http_path(r), "/stats"))
		assert_true(
			asprintf(&json,
				"{\"Memory\":{\"UsageBytes\":%lld},\"Containers\":[{\"Id\":\"id0\",\"Memory\":{\"UsageBytes\":%lld}}]}",
				(long long)in_use, (long long)in_use) > 0);
	else if (strstr(http_path(r), "/containers/"))
		assert_true(
			asprintf(&json,
				"{\"Id\":\"id0\",\"HostConfig\":%s,\"State\":{\"Running\":true},\"Config\":{\"Labels\":{\"" LABEL_CONTAINER
				"\":\"a\"}}}",
				limits) > 0);
	else
		assert_true(asprintf(&json,
				    "{\"State\":\"ready\",\"Annotations\":{\"" ANNOTATION_ALLOCATED
				    "\":\"%s\"},\"Resources\":%s,\"Containers\":[{\"Id\":\"id0\"}]}",
				    text, limits) > 0);
	reply(r, 200, json);
}

static void say(const char *what, yyjson_val *o)
{
	size_t at = strlen(asked);
	int64_t cpu = json_int(o, "CpuQuota", 0) / 100, memory = json_int(o, "Memory", 0) >> 20;

	if (o)
		snprintf(asked + at, sizeof(asked) - at, "%s%s %lld %lld", at ? ", " : "", what,
			(long long)cpu, (long long)memory);
	else
		snprintf(asked + at, sizeof(asked) - at, "%s%s", at ? ", " : "", what);
}

static void change(struct http_req *r, char *body, size_t len, void *arg)
{
	yyjson_doc *doc = yyjson_read(body, len, 0);
	yyjson_val *root = yyjson_doc_get_root(doc), *whole = json_obj(root, "Resources");
	const char *kept = json_text(json_obj(root, "Annotations"), ANNOTATION_ALLOCATED);
	struct limits l;

	if (kept) {
		say("kept", NULL);
		snprintf(annotation, sizeof(annotation), "%s", kept);
	} else if (whole) {
		say("pod", whole);
		if (!deaf)
			of_pod = limits_read(whole);
	} else {
		assert_string_equal(http_query(r, "pod"), "u1");
		say("id0", root);
		l = limits_read(root);
		if (!deaf && l.cpu_shares)
			of_container.cpu_shares = l.cpu_shares;
		if (!deaf && l.cpu_quota_us)
			of_container.cpu_quota_us = l.cpu_quota_us;
		if (!deaf && l.memory_bytes)
			of_container.memory_bytes = l.memory_bytes;
		assert_int_equal(json_int(root, "MemorySwap", 0), l.memory_bytes);
	}
	yyjson_doc_free(doc);
	reply(r, 200, "{}");
}

static void engine(struct http_req *r, void *arg)
{
	if (http_method(r) == HTTP_GET_)
		show(r);
	else
		http_body_read(r, BODY_MAX, change, NULL);
}

/* ---- the pod: its own turns sleep, and the test takes their steps */

static void on_timer(struct loop_timer *t)
{
	loop_quit(testing_agent.loop, 0);
}

static void settle(struct pod *p)
{
	struct loop_timer t = {0};

	while (p->busy) {
		assert_int_equal(
			loop_timer_set(testing_agent.loop, &t, loop_now_ms(testing_agent.loop) + 2, on_timer),
			0);
		assert_int_equal(loop_run(testing_agent.loop), 0);
	}
	loop_timer_del(&t);
}

static void look(struct pod *p)
{
	pod_look(p);
	settle(p);
}

#define SPEC(cpu, memory)                                                                                    \
	"\"containers\":[{\"name\":\"a\",\"resources\":{\"requests\":{\"cpu\":\"" cpu                        \
	"\",\"memory\":\"" memory "\"},\"limits\":{\"cpu\":\"" cpu "\",\"memory\":\"" memory "\"}}}]"

static struct pod *begin_agent(const char *spec)
{
	struct pod *p = testing_pod(spec, "");

	p->not_before_ms = loop_now_ms(testing_agent.loop) + HOUR_MS;
	look(p);
	return p;
}

static void ask(struct pod *p, const char *spec, int generation)
{
	cleanup(freep) char *text = NULL;
	yyjson_doc *doc;

	assert_true(
		asprintf(&text,
			"{\"metadata\":{\"namespace\":\"shop\",\"name\":\"web\",\"uid\":\"u1\",\"resourceVersion\":\"8\","
			"\"generation\":%d},\"spec\":{%s}}",
			generation, spec) > 0);
	doc = testing_doc(text);
	assert_int_equal(pod_set(p, yyjson_doc_get_root(doc)), 0);
	yyjson_doc_free(doc);
}

static void consider(struct pod *p)
{
	(void)resize_consider(p);
	settle(p);
}

/* Steps until there is none that can be taken now. */
static void act(struct pod *p)
{
	for (int i = 0; i < 20 && resize_act(p); i++) {
		settle(p);
		look(p);
	}
}

static void asked_is(const char *expect)
{
	assert_string_equal(asked, expect);
	asked[0] = 0;
}

static void start(int64_t milli, int64_t mib)
{
	of_pod = of_container = (struct limits){cpu_shares(milli), cpu_quota_us(milli), mib << 20};
	annotation[0] = asked[0] = 0;
	in_use = 1 << 20;
	deaf = false;
}

/* ---- stories */

static void test_up_and_down(void **state)
{
	struct pod *p;

	start(20, 20);
	p = begin_agent(SPEC("20m", "20Mi"));
	consider(p);
	act(p);
	asked_is("");
	ask(p, SPEC("30m", "40Mi"), 4);
	consider(p);
	asked_is("kept");
	assert_non_null(strstr(annotation, "\"generation\":4"));
	assert_null(p->asked);
	act(p);
	asked_is("pod 30 40, id0 30 40");
	assert_false(p->resize.under_way);
	ask(p, SPEC("30m", "10Mi"), 5);
	consider(p);
	act(p);
	asked_is("kept, id0 0 10, pod 30 10");
	/* up with the one, down with the other */
	ask(p, SPEC("10m", "30Mi"), 6);
	consider(p);
	act(p);
	asked_is("kept, pod 30 30, id0 10 30, pod 10 30");
	agent_pod_free(p);
}

static void test_memory_in_use_stays(void **state)
{
	struct pod *p;

	start(20, 20);
	p = begin_agent(SPEC("20m", "20Mi"));
	consider(p);
	in_use = 15 << 20;
	ask(p, SPEC("20m", "10Mi"), 4);
	consider(p);
	act(p);
	asked_is("kept");
	assert_string_equal(p->resize.error,
		"cannot decrease memory limits: attempting to set container \"a\" memory limit (10485760) below current usage (15728640)");
	assert_true(p->resize.under_way);
	act(p); /* not at once */
	asked_is("");
	in_use = 9 << 20;
	p->resize.not_before_ms = 0;
	act(p);
	asked_is("id0 0 10, pod 20 10");
	assert_string_equal(p->resize.error, "");
	assert_false(p->resize.under_way);
	agent_pod_free(p);
}

/* What was set aside is kept: an agent that comes in between goes on with it, and does not take up what was never admitted. */
static void test_begun_again(void **state)
{
	struct pod *p;

	start(20, 20);
	p = begin_agent(SPEC("20m", "20Mi"));
	consider(p);
	ask(p, SPEC("30m", "30Mi"), 4);
	consider(p);
	assert_true(resize_act(p)); /* the first step */
	settle(p);
	agent_pod_free(p);
	asked_is("kept, pod 30 30");
	p = begin_agent(SPEC("1000", "30Mi")); /* asked for meanwhile */
	assert_non_null(p->asked);
	consider(p);
	assert_string_equal(p->resize.pending, "Infeasible");
	act(p);
	asked_is("id0 30 30");
	agent_pod_free(p);
}

static void test_an_engine_that_does_nothing(void **state)
{
	struct pod *p;

	start(20, 20);
	p = begin_agent(SPEC("20m", "20Mi"));
	consider(p);
	ask(p, SPEC("30m", "20Mi"), 4);
	consider(p);
	deaf = true;
	act(p);
	asked_is("kept, pod 30 20");
	assert_string_equal(p->resize.error, "the engine has not changed the limits");
	deaf = false;
	p->resize.not_before_ms = 0;
	act(p);
	asked_is("pod 30 20, id0 30 0");
	agent_pod_free(p);
}

static int begin(void **state)
{
	testing_served(ENGINE, engine);
	return 0;
}

static int end(void **state)
{
	return testing_served_end(ENGINE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_up_and_down),
		cmocka_unit_test(test_memory_in_use_stays),
		cmocka_unit_test(test_begun_again),
		cmocka_unit_test(test_an_engine_that_does_nothing),
	};

	return cmocka_run_group_tests(tests, begin, end);
}

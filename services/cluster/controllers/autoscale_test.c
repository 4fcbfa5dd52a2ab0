/* SPDX-License-Identifier: Apache-2.0 */

/* The autoscaler: what numbers it makes of numbers, as tables; then one from load to replicas, over all controllers. */

#include <limits.h>

#include "cluster/controllers/autoscale.h"
#include "cluster/controllers/horizontalpodautoscaler.h"
#include "cluster/controllers/stories.h"
#include "cluster/controllers/usage.h"

/* ---- is a pod's number believed */

static void test_states(void **state)
{
	enum { NOW = 10000 };
	static const struct {
		struct autoscale_facts facts;
		enum autoscale_state want;
	} table[] = {
		{{.deleted = true, .measured = true}, AUTOSCALE_IGNORED},
		{{.failed = true}, AUTOSCALE_IGNORED},
		{{.pending = true, .measured = true}, AUTOSCALE_UNREADY},
		{{.measured = false, .ready = true}, AUTOSCALE_MISSING},
		/* memory is what it is from the first moment */
		{{.measured = true, .is_cpu = false}, AUTOSCALE_READY},
		{{.measured = true, .is_cpu = true}, AUTOSCALE_UNREADY},
		/* started a minute ago: ready, and a whole window was measured since */
		{{.measured = true,
			 .is_cpu = true,
			 .has_ready = true,
			 .ready = true,
			 .started_s = NOW - 60,
			 .ready_changed_s = NOW - 50,
			 .measured_s = NOW,
			 .window_s = 15},
			AUTOSCALE_READY},
		{{.measured = true,
			 .is_cpu = true,
			 .has_ready = true,
			 .ready = true,
			 .started_s = NOW - 60,
			 .ready_changed_s = NOW - 10,
			 .measured_s = NOW,
			 .window_s = 15},
			AUTOSCALE_UNREADY},
		{{.measured = true,
			 .is_cpu = true,
			 .has_ready = true,
			 .started_s = NOW - 60,
			 .ready_changed_s = NOW - 50,
			 .measured_s = NOW,
			 .window_s = 15},
			AUTOSCALE_UNREADY},
		/* an old one that was ready once counts, one that never was does not */
		{{.measured = true,
			 .is_cpu = true,
			 .has_ready = true,
			 .started_s = NOW - 600,
			 .ready_changed_s = NOW - 100},
			AUTOSCALE_READY},
		{{.measured = true,
			 .is_cpu = true,
			 .has_ready = true,
			 .started_s = NOW - 600,
			 .ready_changed_s = NOW - 599},
			AUTOSCALE_UNREADY},
	};

	for (size_t i = 0; i < array_len(table); i++)
		if (autoscale_state(&table[i].facts, NOW) != table[i].want)
			fail_msg("row %zu", i);
}

/* ---- proposals */

#define R(usage) {AUTOSCALE_READY, usage, 1000}
#define M	 {AUTOSCALE_MISSING, 0, 1000}
#define U	 {AUTOSCALE_UNREADY, 0, 1000}
#define IGNORED	 {AUTOSCALE_IGNORED, 0, 1000}
#define S(usage) {AUTOSCALE_STRANGER, usage, 0}

static void test_proposals(void **state)
{
	static const struct {
		struct autoscale_pod pods[6];
		size_t n;
		bool utilization;
		int64_t target, current, want; /* -1: none */
	} table[] = {
		/* percent of what is requested: the usual ones of upstream's tables */
		{{R(300), R(500), R(700)}, 3, true, 30, 3, 5},
		{{R(100), R(300), R(500), R(250), R(250)}, 5, true, 50, 5, 3},
		{{R(1000), R(1000)}, 2, true, 100, 2, 2},
		{{R(1010), R(1030)}, 2, true, 100, 2, 2}, /* within the tolerance */
		{{R(1200), R(1200)}, 2, true, 100, 2, 3},
		{{R(0), R(0)}, 2, true, 50, 2, 0},
		/* not measured: as if idle when it grows, as if busy when it shrinks */
		{{R(1000), M}, 2, true, 50, 2, 2},
		{{R(2000), M}, 2, true, 50, 2, 4},
		{{R(100), M}, 2, true, 50, 2, 2},
		{{R(100), R(100), R(100), R(100), M}, 5, true, 50, 5, 3},
		/* too young: as if idle when it grows, left out when it shrinks */
		{{R(300), R(500), R(700), U}, 4, true, 30, 4, 5},
		{{R(300), R(500), R(700), U, U, U}, 6, true, 30, 6, 6},
		{{R(100), R(100), U}, 3, true, 50, 3, 1},
		{{R(300), IGNORED}, 2, true, 30, 1, 1},
		{{U, U}, 2, true, 50, 2, -1},
		{{M}, 1, true, 50, 1, -1},
		/* an amount of each */
		{{R(300), R(500), R(700)}, 3, false, 300, 3, 5},
		{{R(100), R(100), M}, 3, false, 500, 3, 2},
		{{R(900), M}, 2, false, 300, 2, 3},
		/* what is measured beside the load's pods counts for the average, not as pods */
		{{R(300), R(300), S(900)}, 3, false, 250, 2, 4},
		{{R(900), M, S(900)}, 3, false, 300, 2, 6},
		{{R(100), S(100), S(100)}, 3, false, 200, 1, 1},
		{{S(900)}, 1, false, 300, 1, 0},
		/* less than nothing needs none */
		{{R(-300), R(-300)}, 2, false, 300, 2, 0},
	};
	struct autoscale_proposal p;

	for (size_t i = 0; i < array_len(table); i++) {
		struct autoscale_aim aim = {table[i].utilization, table[i].target, {0.1, 0.1}};
		const char *why = autoscale_propose(table[i].pods, table[i].n, &aim, table[i].current, &p);

		if (why ? table[i].want != -1 : p.replicas != table[i].want)
			fail_msg("row %zu: %s %lld", i, why ? why : "", why ? -1 : (long long)p.replicas);
	}
	assert_null(autoscale_propose((struct autoscale_pod[]){R(250), R(750)}, 2,
		&(struct autoscale_aim){true, 50, {0.1, 0.1}}, 2, &p));
	assert_int_equal(p.utilization, 50);
	assert_int_equal(p.average, 500);
	/* tolerances differ by direction */
	assert_null(autoscale_propose(
		(struct autoscale_pod[]){R(600)}, 1, &(struct autoscale_aim){true, 50, {0.1, 0.3}}, 1, &p));
	assert_int_equal(p.replicas, 1);
}

static void test_totals(void **state)
{
	static const struct {
		struct autoscale_total t;
		int64_t want, average; /* want -1: none */
	} table[] = {
		/* an amount for all: as many times the pods that are ready as it is the target */
		{{.amount = 40000, .target = 10000, .current = 2, .seen = 2, .ready = 2}, 8, 20000},
		{{.amount = 40000, .target = 10000, .current = 2, .seen = 2, .ready = 1}, 4, 20000},
		{{.amount = 10500, .target = 10000, .current = 3, .seen = 3, .ready = 1}, 3, 3500},
		{{.amount = 4000, .target = 10000, .current = 5, .seen = 5, .ready = 5}, 2, 800},
		{{.amount = 0, .target = 10000, .current = 5, .seen = 5, .ready = 5}, 0, 0},
		{{.amount = -7, .target = 10000, .current = 5, .seen = 5, .ready = 5}, 0, -1},
		/* from none it is the ratio, without tolerance */
		{{.amount = 10500, .target = 10000, .ready = -1}, 2, 10500},
		{{.amount = 0, .target = 10000, .ready = -1}, 0, 0},
		{{.amount = 40000, .target = 10000, .current = 2, .ready = -1}, -1, 0},
		{{.amount = INT64_MAX, .target = 1, .current = 2, .seen = 2, .ready = 2}, INT32_MAX,
			INT64_MAX / 2 + 1},
		{{.amount = INT64_MIN, .target = 1, .current = 2, .seen = 2, .ready = 2}, 0, INT64_MIN / 2},
		/* of each: as many as it takes, whoever is ready */
		{{.amount = 40000, .target = 10000, .average = true, .current = 2, .seen = 2}, 4, 20000},
		{{.amount = 40001, .target = 10000, .average = true, .current = 2, .seen = 2}, 5, 20001},
		{{.amount = 21000, .target = 10000, .average = true, .current = 9, .seen = 2}, 2, 10500},
		{{.amount = 3000, .target = 10000, .average = true, .current = 3, .seen = 3}, 1, 1000},
		{{.amount = 3000, .target = 10000, .average = true}, 1, 3000},
		{{.amount = 0, .target = 10000, .average = true}, 0, 0},
	};

	for (size_t i = 0; i < array_len(table); i++) {
		struct autoscale_total t = table[i].t;
		struct autoscale_proposal p;
		const char *why;

		t.tolerance = (struct autoscale_tolerance){0.1, 0.1};
		why = autoscale_propose_total(&t, &p);
		if (why ? table[i].want != -1 : p.replicas != table[i].want || p.average != table[i].average)
			fail_msg("row %zu: %s %lld %lld", i, why ?: "", (long long)p.replicas,
				(long long)p.average);
	}
}

/* ---- decisions */

struct step {
	int64_t at_s, current, proposed, want;
	const char *able, *limited;
};

static void walk(const struct autoscale_limits *limits, const struct step *steps, size_t n)
{
	struct autoscale_history h = {0};
	struct autoscale_decision d;

	for (size_t i = 0; i < n; i++) {
		const struct step *s = &steps[i];

		assert_int_equal(autoscale_decide(limits, &h, s->current, s->proposed, s->at_s, &d), 0);
		if (d.replicas != s->want || strcmp(d.able_reason, s->able) != 0 ||
			strcmp(d.limited_reason, s->limited) != 0)
			fail_msg("step %zu: %lld %s %s", i, (long long)d.replicas, d.able_reason,
				d.limited_reason);
		autoscale_scaled(&h, s->current, d.replicas, s->at_s);
	}
	autoscale_history_fini(&h);
}

#define READY  "ReadyForNewScale"
#define WITHIN "DesiredWithinRange"

static void test_default_behavior(void **state)
{
	static const struct step steps[] = {
		/* up by four or by double, whichever is more, every 15 s; at once */
		{1000, 1, 20, 5, READY, "ScaleUpLimit"},
		{1005, 5, 20, 5, READY, "ScaleUpLimit"},
		{1015, 5, 20, 10, READY, "ScaleUpLimit"},
		{1030, 10, 50, 20, READY, "ScaleUpLimit"},
		{1045, 20, 50, 30, READY, "TooManyReplicas"},
		{1060, 30, 31, 30, READY, "TooManyReplicas"},
		/* down when five minutes have asked for no more */
		{1075, 30, 2, 30, "ScaleDownStabilized", "DesiredWithinRange"},
		{1359, 30, 10, 30, "ScaleDownStabilized", "DesiredWithinRange"},
		{1361, 30, 3, 10, "ScaleDownStabilized", WITHIN},
		{1660, 10, 1, 3, "ScaleDownStabilized", WITHIN},
		{2000, 3, 0, 2, READY, "TooFewReplicas"},
	};
	struct autoscale_limits limits = {autoscale_up_default, autoscale_down_default, 2, 30};

	walk(&limits, steps, array_len(steps));
}

static void test_own_behavior(void **state)
{
	static const struct autoscale_policy two[] = {{false, 2, 60}, {true, 10, 60}};
	static const struct step by_max[] = {
		{1000, 10, 1, 8, READY, "ScaleDownLimit"},
		{1030, 8, 1, 8, READY, "ScaleDownLimit"},
		{1060, 8, 1, 6, READY, "ScaleDownLimit"},
	};
	static const struct step by_min[] = {
		{1000, 10, 1, 9, READY, "ScaleDownLimit"},
		{1060, 9, 1, 8, READY, "ScaleDownLimit"},
		{1120, 8, 9, 9, READY, WITHIN},
	};
	static const struct step disabled[] = {{1000, 10, 1, 10, READY, "ScaleDownLimit"}};
	static const struct step slow_up[] = {
		{1000, 1, 4, 1, "ScaleUpStabilized", WITHIN},
		{1050, 1, 5, 1, "ScaleUpStabilized", WITHIN},
		{1061, 1, 5, 5, READY, WITHIN},
		{1070, 5, 9, 5, "ScaleUpStabilized", WITHIN},
	};
	struct autoscale_limits limits = {
		autoscale_up_default, {AUTOSCALE_MAX, 0, two, array_len(two)}, 1, 30};

	walk(&limits, by_max, array_len(by_max));
	limits.down.select = AUTOSCALE_MIN;
	walk(&limits, by_min, array_len(by_min));
	limits.down.select = AUTOSCALE_DISABLED;
	walk(&limits, disabled, array_len(disabled));
	limits.up.window_s = 60;
	walk(&limits, slow_up, array_len(slow_up));
}

static void test_memory_is_bounded(void **state)
{
	struct autoscale_limits limits = {autoscale_up_default, autoscale_down_default, 1, 5};
	struct autoscale_history h = {0};
	struct autoscale_decision d;

	for (int64_t i = 0; i < 5000; i++)
		assert_int_equal(autoscale_decide(&limits, &h, 2, 2, i, &d), 0);
	assert_in_range(h.proposed.n, 1, AUTOSCALE_MARKS_MAX);
	autoscale_history_fini(&h);
}

/* ---- from load to replicas */

enum { PERIOD_MS = 50 };

static int setup_scaling(void **state)
{
	static const struct node_trust nobody = {0};
	int err = setup(state);

	return err ? err : autoscaler_new(&context.autoscaler, r, &nobody, PERIOD_MS);
}

static int teardown_scaling(void **state)
{
	autoscaler_free(take(context.autoscaler));
	return teardown(state);
}

struct busy {
	char *json;
	size_t len;
	FILE *out;
	int milli;
};

static bool say_pod(const struct object *o, void *arg)
{
	struct busy *b = arg;
	char when[META_TIME_MAX];

	/* a whole window after it was ready */
	meta_time(when, time(NULL) + 100);
	fprintf(b->out,
		"%s{\"podRef\":{\"name\":\"%s\",\"namespace\":\"default\"},\"cpu\":{\"time\":\"%s\",\"usageNanoCores\":1},"
		"\"containers\":[{\"name\":\"c\",\"cpu\":{\"usageNanoCores\":%d000000},\"memory\":{\"workingSetBytes\":1048576}}]}",
		ftell(b->out) > 60 ? "," : "", o->name, when, b->milli);
	return true;
}

/* The node says that each pod there is uses so much. */
static void load(int milli)
{
	struct busy b = {.milli = milli};
	yyjson_doc *doc;

	b.out = open_memstream(&b.json, &b.len);
	fputs("{\"node\":{\"nodeName\":\"node-a\",\"windowSeconds\":15},   \"pods\":[", b.out);
	registry_each(r, kind("v1", "Pod"), "default", say_pod, &b);
	fputs("]}", b.out);
	fclose(b.out);
	doc = yyjson_read(b.json, b.len, 0);
	assert_non_null(doc);
	assert_int_equal(
		usage_set(autoscaler_usage(context.autoscaler), "node-a", yyjson_doc_get_root(doc)), 0);
	yyjson_doc_free(doc);
	free(b.json);
}

#define WEB(requests)                                                                                                 \
	"{\"metadata\":{\"name\":\"web\"},\"spec\":{\"replicas\":1,\"selector\":{\"matchLabels\":{\"app\":\"web\"}}," \
	"\"template\":{\"metadata\":{\"labels\":{\"app\":\"web\"}},\"spec\":{\"containers\":[{\"name\":\"c\","        \
	"\"image\":\"one\",\"resources\":{" requests "}}]}}}}"
#define HPA(name, more)                                                                                      \
	"{\"metadata\":{\"name\":\"" name                                                                    \
	"\"},\"spec\":{\"scaleTargetRef\":{\"apiVersion\":\"apps/v1\",\"kind\":\"Deployment\","              \
	"\"name\":\"web\"},\"maxReplicas\":6" more "}}"
#define CPU(percent)                                                                                                \
	",\"metrics\":[{\"type\":\"Resource\",\"resource\":{\"name\":\"cpu\",\"target\":{\"type\":\"Utilization\"," \
	"\"averageUtilization\":" percent "}}}]"

#define QUICK                                                                                                \
	",\"behavior\":{\"scaleUp\":{\"policies\":[{\"type\":\"Percent\",\"value\":900,\"periodSeconds\":15}]}}"

static bool has_ready_pods(const void *arg)
{
	return number("apps/v1", "Deployment", "web", "readyReplicas") == *(const int64_t *)arg;
}

static bool asks_for(const void *arg)
{
	char text[40];

	snprintf(text, sizeof(text), "\"replicas\":%lld,", (long long)*(const int64_t *)arg);
	return strstr(get("apps/v1", "Deployment", "default", "web")->json, text);
}

static bool event_says(const struct object *o, void *arg)
{
	const char **text = arg;

	if (strstr(o->json, *text))
		*text = NULL;
	return *text;
}

static bool is_told(const void *arg)
{
	const char *text = arg;

	registry_each(r, kind("v1", "Event"), "default", event_says, &text);
	return !text;
}

static void test_follows_the_load(void **state)
{
	int64_t one = 1, four = 4, six = 6;

	add_node("node-a", "8");
	create("apps/v1", "Deployment", "default", WEB("\"requests\":{\"cpu\":\"100m\"}"));
	until("a pod is ready", has_ready_pods, &one);
	load(200);
	create("autoscaling/v2", "HorizontalPodAutoscaler", "default", HPA("web", CPU("50") QUICK));
	until("it grows", asks_for, &four);
	until("it says so", is_told,
		"New size: 4; reason: cpu resource utilization (percentage of request) above target");
	until("its status does",
		SAYS("autoscaling/v2", "HorizontalPodAutoscaler", "web", "\"desiredReplicas\":4"));
	until("they are ready", has_ready_pods, &four);
	/* four at 200 % of 50 % are wanted sixteen times, which is more than is allowed */
	load(200);
	until("it grows to its limit", asks_for, &six);
	until("and says why no further",
		SAYS("autoscaling/v2", "HorizontalPodAutoscaler", "web", "\"reason\":\"TooManyReplicas\""));
	until("they are ready", has_ready_pods, &six);
	load(1);
	until("it waits before it shrinks", SAYS("autoscaling/v2", "HorizontalPodAutoscaler", "web",
						    "\"reason\":\"ScaleDownStabilized\""));
	assert_true(asks_for(&six));
	until("it shows what is", SAYS("autoscaling/v2", "HorizontalPodAutoscaler", "web",
					  "\"averageUtilization\":1,\"averageValue\":\"1m\""));
}

/* What pods request as a whole is what their load is measured by, unless one container is meant. */
static void test_pods_as_a_whole(void **state)
{
#define OF_ONE                                                                                                       \
	",\"metrics\":[{\"type\":\"ContainerResource\",\"containerResource\":{\"name\":\"cpu\",\"container\":\"c\"," \
	"\"target\":{\"type\":\"Utilization\",\"averageUtilization\":50}}}]"
	int64_t one = 1, two = 2;

	add_node("node-a", "8");
	create("apps/v1", "Deployment", "default",
		WEB("}}],\"resources\":{\"requests\":{\"cpu\":\"200m\"}},\"volumes\":[{\"name\":\"v\",\"emptyDir\":{"));
	until("a pod is ready", has_ready_pods, &one);
	load(200);
	create("autoscaling/v2", "HorizontalPodAutoscaler", "default", HPA("one", OF_ONE));
	until("a container that requests nothing cannot be measured",
		SAYS("autoscaling/v2", "HorizontalPodAutoscaler", "one",
			"missing request for cpu in container c of Pod web-"));
	delete ("autoscaling/v2", "HorizontalPodAutoscaler", "default", "one", PROPAGATE_BACKGROUND);
	create("autoscaling/v2", "HorizontalPodAutoscaler", "default", HPA("web", CPU("50") QUICK));
	until("the pod can", asks_for, &two);
	until("its status says so",
		SAYS("autoscaling/v2", "HorizontalPodAutoscaler", "web", "\"averageUtilization\":100"));
#undef OF_ONE
}

static void test_says_what_it_lacks(void **state)
{
	static const struct {
		const char *name, *more, *reason, *text;
	} table[] = {
		{"a", CPU("50"), "FailedGetResourceMetric",
			"missing request for cpu in container c of Pod web-"},
		{"b",
			",\"metrics\":[{\"type\":\"Pods\",\"pods\":{\"metric\":{\"name\":\"m\"},\"target\":{\"type\":\"AverageValue\","
			"\"averageValue\":\"1\"}}}]",
			"FailedGetPodsMetric", "pods.custom.metrics.k8s.io \\\"*\\\" is forbidden: User"},
		{"c",
			",\"metrics\":[{\"type\":\"ContainerResource\",\"containerResource\":{\"name\":\"cpu\",\"container\":\"x\","
			"\"target\":{\"type\":\"AverageValue\",\"averageValue\":\"1\"}}}]",
			"FailedGetContainerResourceMetric", "no metrics returned from resource metrics API"},
		{"d", ",\"minReplicas\":3" CPU("50"), "SucceededRescale", "to update the target scale to 3"},
	};
	int64_t one = 1;

	add_node("node-a", "8");
	create("apps/v1", "Deployment", "default", WEB(""));
	until("a pod is ready", has_ready_pods, &one);
	load(100);
	for (size_t i = 0; i < array_len(table); i++) {
		static const char start[] = "{\"metadata\":{\"name\":\"", plain[] = HPA("", "");
		char json[900];

		snprintf(json, sizeof(json), "%s%s%s", start, table[i].name, &plain[strlen(start)]);
		/* "...,"maxReplicas":6" MORE "}}" */
		snprintf(json + strlen(json) - 2, 600, "%s}}", table[i].more);
		create("autoscaling/v2", "HorizontalPodAutoscaler", "default", json);
		until(table[i].reason,
			SAYS("autoscaling/v2", "HorizontalPodAutoscaler", table[i].name, table[i].reason));
		assert_non_null(strstr(
			get("autoscaling/v2", "HorizontalPodAutoscaler", "default", table[i].name)->json,
			table[i].text));
		delete ("autoscaling/v2", "HorizontalPodAutoscaler", "default", table[i].name,
			PROPAGATE_BACKGROUND);
	}
}

static void test_two_of_the_same_pods(void **state)
{
	int64_t one = 1;

	add_node("node-a", "8");
	create("apps/v1", "Deployment", "default", WEB("\"requests\":{\"cpu\":\"100m\"}"));
	until("a pod is ready", has_ready_pods, &one);
	create("autoscaling/v2", "HorizontalPodAutoscaler", "default", HPA("a", CPU("50")));
	create("autoscaling/v2", "HorizontalPodAutoscaler", "default", HPA("b", CPU("50")));
	until("both say so", SAYS("autoscaling/v2", "HorizontalPodAutoscaler", "a", "AmbiguousSelector"));
	until("both say so", SAYS("autoscaling/v2", "HorizontalPodAutoscaler", "b", "AmbiguousSelector"));
}

static void test_target_is_not_there(void **state)
{
	create("autoscaling/v2", "HorizontalPodAutoscaler", "default", HPA("a", CPU("50")));
	until("it says so", SAYS("autoscaling/v2", "HorizontalPodAutoscaler", "a",
				    "deployments.apps \\\"web\\\" not found"));
}

#define SCALING(t) cmocka_unit_test_setup_teardown(t, setup_scaling, teardown_scaling)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_states),
		cmocka_unit_test(test_proposals),
		cmocka_unit_test(test_totals),
		cmocka_unit_test(test_default_behavior),
		cmocka_unit_test(test_own_behavior),
		cmocka_unit_test(test_memory_is_bounded),
		SCALING(test_follows_the_load),
		SCALING(test_pods_as_a_whole),
		SCALING(test_says_what_it_lacks),
		SCALING(test_two_of_the_same_pods),
		SCALING(test_target_is_not_there),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

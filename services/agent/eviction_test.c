/* SPDX-License-Identifier: Apache-2.0 */

/* When there is pressure, and who leaves first. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "agent/eviction.h"

#define MIB    (INT64_C(1) << 20)
#define BIT(s) (1u << EVICTION_##s)

static void test_thresholds(void **state)
{
	static const struct {
		const char *config;
		enum eviction_signal signal;
		int64_t available, capacity;
		bool is_short;
	} cases[] = {
		/* memory: a twentieth, at most 100 MiB */
		{NULL, EVICTION_MEMORY, 5 * MIB, 128 * MIB, true},
		{NULL, EVICTION_MEMORY, 7 * MIB, 128 * MIB, false},
		{NULL, EVICTION_MEMORY, 99 * MIB, 64 * 1024 * MIB, true},
		{NULL, EVICTION_MEMORY, 100 * MIB, 64 * 1024 * MIB, false},
		{NULL, EVICTION_NODEFS, 99, 1000, true},
		{NULL, EVICTION_NODEFS, 100, 1000, false},
		{NULL, EVICTION_NODEFS_INODES, 49, 1000, true},
		{NULL, EVICTION_NODEFS_INODES, 50, 1000, false},
		{NULL, EVICTION_IMAGEFS, 149, 1000, true},
		{NULL, EVICTION_IMAGEFS, 150, 1000, false},
		{NULL, EVICTION_PIDS, 49, 1000, true},
		{NULL, EVICTION_PIDS, 0, 0, false}, /* unknown */
		{"{\"memory\":\"20Mi\"}", EVICTION_MEMORY, 19 * MIB, 64 * MIB, true},
		{"{\"memory\":\"20Mi\"}", EVICTION_MEMORY, 20 * MIB, 64 * MIB, false},
		{"{\"disk\":\"50%\"}", EVICTION_NODEFS, 499, 1000, true},
		{"{\"disk\":\"50%\"}", EVICTION_IMAGEFS, 499, 1000, false},
		{"{\"pids\":\"100\"}", EVICTION_PIDS, 99, 1000, true},
		{"{\"disk\":\"0%\"}", EVICTION_NODEFS, 0, 1000, false},
	};

	for (size_t i = 0; i < array_len(cases); i++) {
		struct eviction_amount amounts[EVICTION_SIGNALS] = {0};
		yyjson_doc *doc =
			cases[i].config ? yyjson_read(cases[i].config, strlen(cases[i].config), 0) : NULL;
		struct eviction_rules rules = eviction_rules(yyjson_doc_get_root(doc));

		amounts[cases[i].signal] = (struct eviction_amount){cases[i].available, cases[i].capacity};
		if (eviction_short(&rules, amounts) != (cases[i].is_short ? 1u << cases[i].signal : 0))
			fail_msg("case %zu", i);
		yyjson_doc_free(doc);
	}
}

static void test_conditions_stay_for_a_while(void **state)
{
	static const struct {
		unsigned met;
		int64_t now_ms;
		const char *on; /* m, d, p */
	} steps[] = {
		{0, 1000, ""},
		{BIT(IMAGEFS), 2000, ""}, /* images go, no pod has to fear */
		{BIT(MEMORY), 10000, "m"},
		{BIT(NODEFS_INODES) | BIT(PIDS), 20000, "mdp"},
		{0, 309000, "mdp"},
		{BIT(NODEFS), 310000, "dp"},
		{0, 320000, "d"},
		{0, 609000, "d"},
		{0, 610000, ""},
	};
	struct eviction_rules rules = eviction_rules(NULL);
	struct eviction_memory memory = {0};

	for (size_t i = 0; i < array_len(steps); i++) {
		struct node_pressure p = eviction_conditions(&memory, &rules, steps[i].met, steps[i].now_ms);
		char on[4];

		snprintf(on, sizeof(on), "%s%s%s", p.memory ? "m" : "", p.disk ? "d" : "", p.pids ? "p" : "");
		if (strcmp(on, steps[i].on) != 0)
			fail_msg("step %zu: \"%s\", not \"%s\"", i, on, steps[i].on);
	}
}

static void test_ranks(void **state)
{
	static const struct {
		enum eviction_signal signal;
		struct {
			char name;
			int64_t usage, request, priority;
		} pods[4];
		const char *order;
	} cases[] = {
		/* who keeps to the request leaves last, whatever it uses */
		{EVICTION_MEMORY, {{'a', 900, 1000, 0}, {'b', 10, 0, 0}, {'c', 200, 100, 0}}, "cba"},
		/* the lower priority first, among those that do not */
		{EVICTION_MEMORY, {{'a', 500, 0, 100}, {'b', 10, 0, 0}, {'c', 20, 0, -5}}, "cba"},
		/* a low priority does not matter to who keeps to the request */
		{EVICTION_MEMORY, {{'a', 10, 10, -100}, {'b', 11, 10, 100}}, "ba"},
		/* then what is used beyond the request, not what is used */
		{EVICTION_NODEFS, {{'a', 1000, 990, 0}, {'b', 100, 0, 0}, {'c', 300, 250, 0}}, "bca"},
		{EVICTION_NODEFS_INODES, {{'a', 5, 0, 0}, {'b', 7, 0, 0}}, "ba"},
		{EVICTION_PIDS, {{'a', 5, 0, 0}, {'b', 7, 0, 0}, {'c', 1, 0, -1}, {'d', 100, 0, 1}}, "cbad"},
	};

	for (size_t i = 0; i < array_len(cases); i++) {
		struct eviction_pod pods[4];
		char names[5] = "", order[5] = "";
		size_t n = 0;

		for (; n < 4 && cases[i].pods[n].name; n++) {
			names[n] = cases[i].pods[n].name;
			pods[n] = (struct eviction_pod){.pod = &names[n],
				.usage = cases[i].pods[n].usage,
				.request = cases[i].pods[n].request,
				.priority = cases[i].pods[n].priority};
		}
		eviction_rank(pods, n, cases[i].signal);
		for (size_t k = 0; k < n; k++)
			order[k] = *(char *)pods[k].pod;
		if (strcmp(order, cases[i].order) != 0)
			fail_msg("case %zu: %s, not %s", i, order, cases[i].order);
	}
	eviction_rank(NULL, 0, EVICTION_MEMORY);
}

static void test_says_why(void **state)
{
	static const struct eviction_container containers[] = {
		{"web", 300 * MIB, 100 * MIB}, {"log", 10 * MIB, 20 * MIB}, {"cache", 40 * MIB, 0}};
	const struct eviction_pod pod = {.usage = 1200, .request = 0};
	char text[600], small[140];

	eviction_message(text, sizeof(text), EVICTION_MEMORY, 100 * MIB, 82 * MIB, &pod, containers, 3);
	assert_string_equal(text,
		"The node was low on resource: memory. Threshold quantity: 100Mi, available: 82Mi. "
		"Container web was using 300Mi, request is 100Mi, has larger consumption of memory. "
		"Container cache was using 40Mi, request is 0, has larger consumption of memory.");
	/* what has no room is not said, and nothing is cut in two */
	eviction_message(small, sizeof(small), EVICTION_MEMORY, 100 * MIB, 82 * MIB, &pod, containers, 3);
	assert_string_equal(
		small, "The node was low on resource: memory. Threshold quantity: 100Mi, available: 82Mi.");
	eviction_message(text, sizeof(text), EVICTION_NODEFS_INODES, 1000, 900, &pod, NULL, 0);
	assert_string_equal(text,
		"The node was low on resource: inodes. Threshold quantity: 1k, available: 900. "
		"The pod was using 1200, request is 0.");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_thresholds),
		cmocka_unit_test(test_conditions_stay_for_a_while),
		cmocka_unit_test(test_ranks),
		cmocka_unit_test(test_says_why),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */

/* Every rule as a row; then whole updates, step by step, against the two promises of a rolling update. */

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <cmocka.h>

#include "cluster/controllers/rollout.h"

static void test_bounds(void **state)
{
	static const struct {
		int64_t replicas;
		struct rollout_bound surge, unavailable;
		int64_t want_surge, want_unavailable;
	} rows[] = {
		{10, {25, true}, {25, true}, 3, 2},
		{1, {25, true}, {25, true}, 1, 0},
		{4, {1, false}, {0, false}, 1, 0},
		{4, {0, false}, {0, true}, 0, 1},
		{0, {25, true}, {25, true}, 0, 0},
		{3, {0, false}, {7, false}, 0, 3},
	};

	for (size_t i = 0; i < array_len(rows); i++) {
		struct rollout r = {.replicas = rows[i].replicas};

		rollout_bounds(&r, rows[i].surge, rows[i].unavailable);
		assert_int_equal(r.max_surge, rows[i].want_surge);
		assert_int_equal(r.max_unavailable, rows[i].want_unavailable);
	}
}

static void test_steps(void **state)
{
	static const struct {
		const char *name;
		int64_t replicas, surge, unavailable;
		bool recreate;
		struct rollout_set sets[2]; /* the old and the current */
		int64_t want[2];
	} rows[] = {
		{"grows within the surge", 10, 3, 2, false, {{10, 10, 10, 10}, {0}}, {10, 3}},
		{"then shrinks the old one", 10, 3, 2, false, {{10, 10, 10, 10}, {3, 3, 0, 0}}, {8, 3}},
		{"waits for what is not available", 10, 3, 2, false, {{8, 8, 8, 8}, {5, 5, 0, 0}}, {8, 5}},
		{"with no bound nothing goes", 10, 0, 0, false, {{3, 3, 0, 0}, {7, 7, 7, 7}}, {3, 7}},
		{"unhealthy old pods within the bound", 10, 0, 2, false, {{3, 3, 0, 0}, {7, 7, 7, 7}},
			{1, 7}},
		{"unhealthy old pods as the surge allows", 10, 3, 0, false, {{3, 3, 0, 0}, {10, 10, 10, 10}},
			{0, 10}},
		{"scales down", 4, 1, 1, false, {{0}, {10, 10, 10, 10}}, {0, 4}},
		{"recreate: the old ones first", 3, 0, 0, true, {{3, 3, 3, 3}, {0}}, {0, 0}},
		{"recreate: while they end", 3, 0, 0, true, {{0, 1, 0, 0}, {0}}, {0, 0}},
		{"recreate: until they have ended", 3, 0, 0, true, {{.terminating = 1}, {0}}, {0, 0}},
		{"recreate: then the new ones", 3, 0, 0, true, {{0}, {0}}, {0, 3}},
	};

	for (size_t i = 0; i < array_len(rows); i++) {
		struct rollout_set sets[2];
		struct rollout r = {
			rows[i].replicas, rows[i].surge, rows[i].unavailable, rows[i].recreate, sets, 2, 1};

		memcpy(sets, rows[i].sets, sizeof(sets));
		rollout_step(&r);
		if (sets[0].target != rows[i].want[0] || sets[1].target != rows[i].want[1])
			fail_msg("%s: %lld and %lld", rows[i].name, (long long)sets[0].target,
				(long long)sets[1].target);
	}
}

static void test_scaling_in_proportion(void **state)
{
	/* 13 pods of 10+3, in two sets; now 20 are wanted, so 23 in all. */
	struct rollout_set sets[] = {
		{.replicas = 8, .desired = 10, .max = 13}, {.replicas = 5, .desired = 10, .max = 13}};
	struct rollout r = {.replicas = 20, .max_surge = 3, .sets = sets, .n = 2, .current = 1};

	assert_true(rollout_scaled(&r));
	rollout_scale(&r);
	assert_int_equal(sets[0].target, 14);
	assert_int_equal(sets[1].target, 9);

	/* Down to nothing. */
	r.replicas = 0;
	r.max_surge = 0;
	rollout_scale(&r);
	assert_int_equal(sets[0].target, 0);
	assert_int_equal(sets[1].target, 0);

	/* One set alone takes it all. */
	sets[0].replicas = 0;
	r.replicas = 2;
	rollout_scale(&r);
	assert_int_equal(sets[1].target, 2);
}

/* Pods become ready one by one; at no moment too few are available or too many exist, and it ends. */
static void test_whole_updates(void **state)
{
	for (int64_t replicas = 1; replicas <= 12; replicas++)
		for (int64_t surge = 0; surge <= 3; surge++)
			for (int64_t unavailable = 0; unavailable <= 3; unavailable++) {
				struct rollout_set sets[2] = {{replicas, replicas, replicas, replicas}, {0}};
				struct rollout r = {.replicas = replicas, .sets = sets, .n = 2, .current = 1};
				int steps = 0;

				rollout_bounds(&r, (struct rollout_bound){surge, false},
					(struct rollout_bound){unavailable, false});
				while (sets[0].replicas || sets[1].available < replicas) {
					rollout_step(&r);
					for (int i = 0; i < 2; i++) {
						struct rollout_set *s = &sets[i];

						s->replicas = s->target;
						if (s->available > s->replicas)
							s->available = s->replicas;
					}
					assert_true(sets[0].replicas + sets[1].replicas <=
						    replicas + r.max_surge);
					assert_true(sets[0].available + sets[1].available >=
						    replicas - r.max_unavailable);
					if (sets[1].available < sets[1].replicas)
						sets[1].available++;
					assert_true(++steps < 200);
				}
			}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_bounds),
		cmocka_unit_test(test_steps),
		cmocka_unit_test(test_scaling_in_proportion),
		cmocka_unit_test(test_whole_updates),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

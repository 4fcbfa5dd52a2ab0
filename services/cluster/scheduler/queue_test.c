/* SPDX-License-Identifier: Apache-2.0 */

/* The queue of the scheduler: who is next, and when who found nothing may try again. */

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "cluster/scheduler/queue.h"

enum { PODS = 4 };

struct fixture {
	struct sched_queue q;
	struct sched_pod pods[PODS];
};

static int setup(void **state)
{
	*state = calloc(1, sizeof(struct fixture));
	return *state ? 0 : -1;
}

static int teardown(void **state)
{
	queue_fini(&((struct fixture *)*state)->q);
	free(*state);
	return 0;
}

static void the_most_important_is_next_then_the_oldest(void **state)
{
	struct fixture *f = *state;

	f->pods[2].priority = 7;
	for (size_t i = 0; i < PODS; i++)
		assert_int_equal(queue_add(&f->q, &f->pods[i]), 0);
	assert_ptr_equal(queue_pop(&f->q), &f->pods[2]);
	assert_ptr_equal(queue_pop(&f->q), &f->pods[0]);
	assert_ptr_equal(queue_pop(&f->q), &f->pods[1]);
	assert_ptr_equal(queue_pop(&f->q), &f->pods[3]);
	assert_null(queue_pop(&f->q));
}

/* One that was refused long ago goes at once when something changes; one refused just now waits out its second. */
static void back_off_runs_from_the_refusal(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(queue_put_off(&f->q, &f->pods[0], 1000), 0);
	assert_int_equal(queue_put_off(&f->q, &f->pods[1], 4500), 0);
	assert_int_equal(queue_tick(&f->q, 5000), -1);
	assert_null(queue_pop(&f->q));
	queue_wake(&f->q);
	assert_int_equal(queue_tick(&f->q, 5000), 5500);
	assert_ptr_equal(queue_pop(&f->q), &f->pods[0]);
	assert_null(queue_pop(&f->q));
	assert_int_equal(queue_tick(&f->q, 5500), -1);
	assert_ptr_equal(queue_pop(&f->q), &f->pods[1]);
}

static void back_off_doubles_to_ten_seconds(void **state)
{
	static const int64_t waits[] = {1000, 2000, 4000, 8000, 10000, 10000};
	struct fixture *f = *state;

	for (size_t i = 0; i < array_len(waits); i++) {
		assert_int_equal(queue_put_off(&f->q, &f->pods[0], 0), 0);
		queue_wake(&f->q);
		assert_int_equal(queue_tick(&f->q, waits[i] - 1), waits[i]);
		assert_int_equal(queue_tick(&f->q, waits[i]), -1);
		assert_ptr_equal(queue_pop(&f->q), &f->pods[0]);
	}
}

static void whoever_leaves_is_not_counted_any_more(void **state)
{
	struct fixture *f = *state;

	for (size_t i = 0; i < PODS; i++)
		assert_int_equal(queue_put_off(&f->q, &f->pods[i], 0), 0);
	assert_int_equal(f->q.n_asleep, PODS);
	queue_remove(&f->q, &f->pods[0]);
	assert_int_equal(f->q.n_asleep, PODS - 1);
	queue_wake(&f->q);
	assert_int_equal(f->q.n_asleep, 0);
	queue_remove(&f->q, &f->pods[1]);
	assert_int_equal(f->q.n_asleep, 0);
	assert_int_equal(f->q.n_waiting, PODS - 2);
}

/* A pod has a node: only those that mind pods may find one for it. */
static void only_those_that_mind_pods_are_woken(void **state)
{
	struct fixture *f = *state;

	f->pods[1].minds_pods = f->pods[3].minds_pods = true;
	for (size_t i = 0; i < PODS; i++)
		assert_int_equal(queue_put_off(&f->q, &f->pods[i], 0), 0);
	assert_int_equal(f->q.n_minding, 2);
	queue_remove(&f->q, &f->pods[3]);
	assert_int_equal(f->q.n_minding, 1);
	queue_wake_minding(&f->q);
	assert_int_equal(f->q.n_minding, 0);
	assert_int_equal(f->q.n_asleep, PODS - 2);
	assert_int_equal(queue_tick(&f->q, 1000), -1);
	assert_ptr_equal(queue_pop(&f->q), &f->pods[1]);
	assert_null(queue_pop(&f->q));
}

int main(void)
{
#define T(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(the_most_important_is_next_then_the_oldest),
		T(back_off_runs_from_the_refusal),
		T(back_off_doubles_to_ten_seconds),
		T(whoever_leaves_is_not_counted_any_more),
		T(only_those_that_mind_pods_are_woken),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

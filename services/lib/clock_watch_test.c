/* SPDX-License-Identifier: Apache-2.0 */

/* The clock of the machine that runs the tests is not ours to set: the watch is made to believe that it was another. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/timerfd.h>
#include <cmocka.h>

#include "lib/clock_watch.h"

static void test_a_step(void **state)
{
	int64_t offset = 0;

	assert_int_equal(clock_step_ms(&offset, 1000000, 10000), 990000); /* whoever begins has none */
	assert_int_equal(clock_step_ms(&offset, 1060000, 70000), 0);
	assert_int_equal(clock_step_ms(&offset, 1160000 + CLOCK_STEP_MS, 170000), CLOCK_STEP_MS);
	assert_int_equal(clock_step_ms(&offset, 1260000 + CLOCK_STEP_MS, 270000), 0);
	assert_int_equal(clock_step_ms(&offset, 360000, 370000), -10000 - 995000);
}

static void test_small_steps_add_up(void **state)
{
	int64_t offset = 0;

	(void)clock_step_ms(&offset, 100000, 0);
	assert_int_equal(clock_step_ms(&offset, 100000 - 3000, 0), 0);
	assert_int_equal(clock_step_ms(&offset, 100000 - 6000, 0), -6000);
	assert_int_equal(clock_step_ms(&offset, 100000 - 6000, 0), 0);
}

static struct loop *l;
static int64_t told;

static void on_step(struct clock_watch *w, int64_t by_ms)
{
	told = by_ms;
	loop_quit(l, 0);
}

static void on_limit(struct loop_timer *t)
{
	loop_quit(l, 1);
}

static int run(int ms)
{
	struct loop_timer limit = {0};
	int r;

	assert_int_equal(loop_timer_set(l, &limit, loop_now_ms(l) + ms, on_limit), 0);
	r = loop_run(l);
	loop_timer_del(&limit);
	return r;
}

/* As the kernel says it: the descriptor can be read. */
static void wake(const struct clock_watch *w)
{
	const struct itimerspec soon = {.it_value.tv_nsec = 1};

	assert_int_equal(timerfd_settime(w->io.fd, 0, &soon, NULL), 0);
}

static void test_the_watch(void **state)
{
	struct clock_watch w = CLOCK_WATCH_OFF;

	assert_int_equal(loop_new(&l), 0);
	assert_int_equal(clock_watch_start(&w, l, on_step), 0);
	assert_int_equal(run(50), 1); /* nobody is told of nothing */
	wake(&w);
	assert_int_equal(run(50), 1);

	w.offset_ms -= 3600 * 1000;
	wake(&w);
	assert_int_equal(run(5000), 0);
	assert_in_range(told, 3600 * 1000 - 100, 3600 * 1000 + 100);

	told = 0;
	wake(&w);
	assert_int_equal(run(50), 1); /* once */
	assert_int_equal(told, 0);
	clock_watch_stop(&w);
	clock_watch_stop(&w);
	loop_free(l);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_step),
		cmocka_unit_test(test_small_steps_add_up),
		cmocka_unit_test(test_the_watch),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

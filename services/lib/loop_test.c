/* SPDX-License-Identifier: Apache-2.0 */

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/epoll.h>
#include <time.h>

#include <cmocka.h>

#include "lib/loop.h"

static struct loop *l;
static int calls;

static int setup(void **state)
{
	calls = 0;
	return loop_new(&l);
}

static int teardown(void **state)
{
	loop_free(l);
	return 0;
}

static void pipe_full(int fds[2])
{
	assert_int_equal(pipe2(fds, O_CLOEXEC | O_NONBLOCK), 0);
	assert_int_equal(write(fds[1], "x", 1), 1);
}

static void quit_timer(struct loop_timer *t)
{
	(void)t;
	loop_quit(l, 42);
}

/* ---- descriptors */

static void on_read(struct loop_io *io, uint32_t events)
{
	char c;

	assert_true(events & EPOLLIN);
	assert_int_equal(read(io->fd, &c, 1), 1);
	calls++;
	loop_quit(l, 7);
}

static void a_readable_descriptor_calls(void **state)
{
	struct loop_io io = {0};
	int fds[2];

	pipe_full(fds);
	assert_int_equal(loop_io_add(l, &io, fds[0], EPOLLIN, on_read), 0);
	assert_int_equal(loop_run(l), 7);
	assert_int_equal(calls, 1);
	/* the same loop runs again */
	assert_int_equal(write(fds[1], "x", 1), 1);
	assert_int_equal(loop_run(l), 7);
	loop_io_del(&io);
	loop_io_del(&io);
	assert_int_equal(loop_io_set(&io, EPOLLIN), -ENOENT);
	close(fds[0]);
	close(fds[1]);
}

static void what_epoll_refuses_is_an_errno(void **state)
{
	struct loop_io io = {0};
	int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);

	assert_int_equal(loop_io_add(l, &io, fd, EPOLLIN, on_read), -EPERM);
	assert_int_equal(loop_io_add(l, &io, 999, EPOLLIN, on_read), -EBADF);
	assert_null(io.loop);
	loop_io_del(&io);
	close(fd);
}

/* Two sources ready at once: whichever runs first deletes and frees both. */
static struct loop_io *victims[2];

static void kill_both(struct loop_io *io, uint32_t events)
{
	calls++;
	for (int i = 0; i < 2; i++) {
		loop_io_del(victims[i]);
		free(victims[i]);
	}
}

static void deleting_others_and_oneself_drops_their_events(void **state)
{
	struct loop_timer t = {0};
	int fds[2][2];

	for (int i = 0; i < 2; i++) {
		pipe_full(fds[i]);
		victims[i] = calloc(1, sizeof(**victims));
		assert_int_equal(loop_io_add(l, victims[i], fds[i][0], EPOLLIN, kill_both), 0);
	}
	assert_int_equal(loop_timer_set(l, &t, loop_now_ms(l) + 20, quit_timer), 0);
	assert_int_equal(loop_run(l), 42);
	assert_int_equal(calls, 1);
	for (int i = 0; i < 2; i++) {
		close(fds[i][0]);
		close(fds[i][1]);
	}
}

/* The second source is deleted and its memory registered for another descriptor, in which nothing is. */
static struct loop_io reused[2];
static int quiet[2];

static void on_reused(struct loop_io *io, uint32_t events)
{
	calls++;
	for (int i = 0; i < 2; i++)
		loop_io_del(&reused[i]);
	assert_int_equal(loop_io_add(l, &reused[io == &reused[0]], quiet[0], EPOLLIN, on_reused), 0);
}

static void a_stale_event_does_not_reach_a_new_source(void **state)
{
	struct loop_timer t = {0};
	int fds[2][2];

	assert_int_equal(pipe2(quiet, O_CLOEXEC), 0);
	for (int i = 0; i < 2; i++) {
		pipe_full(fds[i]);
		assert_int_equal(loop_io_add(l, &reused[i], fds[i][0], EPOLLIN, on_reused), 0);
	}
	assert_int_equal(loop_timer_set(l, &t, loop_now_ms(l) + 20, quit_timer), 0);
	assert_int_equal(loop_run(l), 42);
	assert_int_equal(calls, 1);
	for (int i = 0; i < 2; i++)
		loop_io_del(&reused[i]);
	for (int i = 0; i < 2; i++) {
		close(fds[i][0]);
		close(fds[i][1]);
		close(quiet[i]);
	}
}

static void count_io(struct loop_io *io, uint32_t events)
{
	calls++;
	assert_int_equal(loop_io_set(io, 0), 0);
}

static void events_can_be_silenced(void **state)
{
	struct loop_timer t = {0};
	struct loop_io io = {0};
	int fds[2];

	pipe_full(fds);
	assert_int_equal(loop_io_add(l, &io, fds[0], EPOLLIN, count_io), 0);
	assert_int_equal(loop_timer_set(l, &t, loop_now_ms(l) + 20, quit_timer), 0);
	assert_int_equal(loop_run(l), 42);
	assert_int_equal(calls, 1);
	loop_io_del(&io);
	close(fds[0]);
	close(fds[1]);
}

/* ---- timers */

enum { MANY = 500 };
static struct timed {
	struct loop_timer t;
	int64_t want;
	bool armed, fired;
} timed[MANY];
static int64_t last_deadline;

static void on_timed(struct loop_timer *t)
{
	struct timed *m = container_of(t, struct timed, t);

	assert_true(m->armed);
	assert_false(m->fired);
	assert_null(t->loop);
	assert_true(loop_now_ms(l) >= m->want);
	assert_true(m->want >= last_deadline);
	last_deadline = m->want;
	m->fired = true;
	calls++;
}

/* Random arming, re-arming and deleting against a plain list of what must fire, in what order. */
static void timers_fire_in_order_of_deadline(void **state)
{
	int64_t base = loop_now_ms(l);
	int expected = 0;
	struct loop_timer end = {0};
	unsigned r = 12345;

	memset(timed, 0, sizeof(timed));
	last_deadline = 0;
	for (int step = 0; step < 20 * MANY; step++) {
		r = r * 1103515245 + 12345;

		struct timed *m = &timed[(r >> 8) % MANY];

		if ((r >> 4) % 3) {
			m->want = base + (r >> 16) % 50;
			assert_int_equal(loop_timer_set(l, &m->t, m->want, on_timed), 0);
			m->armed = true;
		} else {
			loop_timer_del(&m->t);
			m->armed = false;
		}
	}
	for (int i = 0; i < MANY; i++)
		expected += timed[i].armed;
	assert_true(expected > 100);
	assert_int_equal(loop_timer_set(l, &end, base + 60, quit_timer), 0);
	assert_int_equal(loop_run(l), 42);
	assert_int_equal(calls, expected);
}

static struct loop_timer again, other;

static void on_again(struct loop_timer *t)
{
	calls++;
	loop_timer_del(&other);
	assert_int_equal(loop_timer_set(l, t, loop_now_ms(l), on_again), 0);
	if (calls == 10)
		loop_quit(l, 1);
}

static void never(struct loop_timer *t)
{
	fail_msg("a deleted timer fired");
}

static void a_timer_may_rearm_itself_and_delete_others(void **state)
{
	assert_int_equal(loop_timer_set(l, &again, loop_now_ms(l), on_again), 0);
	assert_int_equal(loop_timer_set(l, &other, loop_now_ms(l) + 1, never), 0);
	assert_int_equal(loop_run(l), 1);
	assert_int_equal(calls, 10);
	loop_timer_del(&again);
}

static void timers_for_now_do_not_starve_descriptors(void **state)
{
	struct loop_io io = {0};
	int fds[2];

	calls = 1000; /* on_again never quits */
	pipe_full(fds);
	assert_int_equal(loop_io_add(l, &io, fds[0], EPOLLIN, on_read), 0);
	assert_int_equal(loop_timer_set(l, &again, loop_now_ms(l), on_again), 0);
	assert_int_equal(loop_run(l), 7);
	loop_timer_del(&again);
	loop_io_del(&io);
	close(fds[0]);
	close(fds[1]);
}

/* ---- deferred tasks */

static struct loop_task tasks[3];
static char order[16];

static void note(struct loop_task *t)
{
	size_t i = (size_t)(t - tasks);

	order[calls++] = (char)('a' + i);
	if (i == 0) {
		loop_defer_del(&tasks[1]);
		loop_defer(l, t, note);
	}
	if (calls == 4)
		loop_quit(l, 0);
}

static void tasks_run_in_order_and_may_defer_again(void **state)
{
	memset(order, 0, sizeof(order));
	for (int i = 0; i < 3; i++)
		loop_defer(l, &tasks[i], note);
	loop_defer(l, &tasks[0], note); /* once all the same */
	assert_int_equal(loop_run(l), 0);
	assert_string_equal(order, "acaa");
	loop_defer_del(&tasks[0]);
	loop_defer_del(&tasks[0]);
}

/* ---- signals */

static int seen[65];

static void on_signals(struct loop *loop, const siginfo_t *si, void *arg)
{
	assert_ptr_equal(arg, seen);
	assert_int_equal(si->si_pid, getpid());
	seen[si->si_signo]++;
	if (seen[SIGUSR1] && seen[SIGUSR2])
		loop_quit(loop, 3);
}

static void signals_are_events(void **state)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigaddset(&set, SIGUSR2);
	assert_int_equal(loop_signals(l, &set, on_signals, seen), 0);
	assert_int_equal(loop_signals(l, &set, on_signals, seen), -EEXIST);
	kill(getpid(), SIGUSR2);
	kill(getpid(), SIGUSR1);
	assert_int_equal(loop_run(l), 3);
	sigprocmask(SIG_UNBLOCK, &set, NULL);
}

static void quitting_before_running_is_honoured(void **state)
{
	loop_quit(l, 5);
	assert_int_equal(loop_run(l), 5);
	assert_true(loop_now_ms(l) > 0);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(a_readable_descriptor_calls),
		T(what_epoll_refuses_is_an_errno),
		T(deleting_others_and_oneself_drops_their_events),
		T(a_stale_event_does_not_reach_a_new_source),
		T(events_can_be_silenced),
		T(timers_fire_in_order_of_deadline),
		T(a_timer_may_rearm_itself_and_delete_others),
		T(timers_for_now_do_not_starve_descriptors),
		T(tasks_run_in_order_and_may_defer_again),
		T(signals_are_events),
		T(quitting_before_running_is_honoured),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

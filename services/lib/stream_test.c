/* SPDX-License-Identifier: Apache-2.0 */

#include <errno.h>
#include <fcntl.h>
#include <pty.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include <cmocka.h>

#include "lib/loop.h"
#include "lib/stream.h"

static struct loop *l;
static struct loop_timer limit;

/* One end and what happened to it. */
struct end {
	struct stream *s;
	char got[1 << 16];
	size_t n_got;
	int eofs, drains, closes, err;
	bool free_in_data, free_in_eof, free_in_drain;
	bool quit_on_close, quit_on_eof, quit_on_data;
	bool echo, end_on_eof;
	uint64_t total_in, to_send;
	uint32_t sum;
};

static struct end a, b;

static void drop(struct end *e)
{
	stream_free(e->s);
	e->s = NULL;
}

/* Sends 0, 1, 2, ... so that loss and disorder change the sum; stops at 200 KiB queued. */
static void pump(struct end *e)
{
	char buf[5000];

	while (e->to_send && stream_pending(e->s) < 200 * 1024) {
		size_t n = e->to_send < sizeof(buf) ? (size_t)e->to_send : sizeof(buf);

		for (size_t i = 0; i < n; i++)
			buf[i] = (char)((e->to_send - i) * 7);
		assert_int_equal(stream_write(e->s, buf, n), 0);
		e->to_send -= n;
		if (!e->to_send)
			stream_shutdown(e->s);
	}
}

static void on_data(struct stream *s, const void *buf, size_t len, void *arg)
{
	struct end *e = arg;
	const unsigned char *p = buf;

	assert_ptr_equal(s, e->s);
	for (size_t i = 0; i < len; i++)
		e->sum = e->sum * 31 + p[i];
	e->total_in += len;
	size_t fits = sizeof(e->got) - 1 - e->n_got < len ? sizeof(e->got) - 1 - e->n_got : len;

	memcpy(e->got + e->n_got, buf, fits);
	e->n_got += fits;
	e->got[e->n_got] = 0;
	if (e->echo)
		assert_int_equal(stream_write(s, buf, len), 0);
	if (e->free_in_data)
		drop(e);
	if (e->quit_on_data)
		loop_quit(l, 0);
}

static void on_eof(struct stream *s, void *arg)
{
	struct end *e = arg;

	e->eofs++;
	if (e->end_on_eof)
		stream_shutdown(s);
	if (e->free_in_eof)
		drop(e);
	if (e->quit_on_eof)
		loop_quit(l, 0);
}

static void on_drain(struct stream *s, void *arg)
{
	struct end *e = arg;

	e->drains++;
	assert_true(stream_pending(s) < STREAM_LOW_MARK);
	if (e->free_in_drain) {
		drop(e);
		loop_quit(l, 0);
		return;
	}
	pump(e);
}

static void on_closed(struct stream *s, int err, void *arg)
{
	struct end *e = arg;

	e->closes++;
	e->err = err;
	drop(e);
	if (e->quit_on_close)
		loop_quit(l, 0);
}

static const struct stream_events events = {on_data, on_eof, on_drain, on_closed};

static void too_late(struct loop_timer *t)
{
	loop_quit(l, -1);
}

static int setup(void **state)
{
	int pair[2];

	memset(&a, 0, sizeof(a));
	memset(&b, 0, sizeof(b));
	assert_int_equal(loop_new(&l), 0);
	assert_int_equal(loop_timer_set(l, &limit, loop_now_ms(l) + 20000, too_late), 0);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	assert_int_equal(stream_new(&a.s, l, pair[0], NULL, &events, &a), 0);
	assert_int_equal(stream_new(&b.s, l, pair[1], NULL, &events, &b), 0);
	return 0;
}

static int teardown(void **state)
{
	drop(&a);
	drop(&b);
	loop_timer_del(&limit);
	loop_free(l);
	return 0;
}

static void run(void)
{
	assert_int_equal(loop_run(l), 0);
}

static void run_for(int ms)
{
	struct loop_timer t = {0};

	assert_int_equal(loop_timer_set(l, &t, loop_now_ms(l) + ms, too_late), 0);
	assert_int_equal(loop_run(l), -1);
	loop_timer_del(&t);
}

static void each_direction_ends_on_its_own(void **state)
{
	b.quit_on_eof = true;
	assert_int_equal(stream_write(a.s, "hello", 5), 0);
	stream_shutdown(a.s);
	stream_shutdown(a.s);
	assert_int_equal(stream_write(a.s, "x", 1), -EPIPE);
	run();
	assert_string_equal(b.got, "hello");
	assert_int_equal(b.eofs, 1);
	assert_int_equal(b.closes, 0);
	/* the other direction is alive */
	a.quit_on_close = true;
	assert_int_equal(stream_write(b.s, "world", 5), 0);
	stream_shutdown(b.s);
	run();
	assert_string_equal(a.got, "world");
	assert_int_equal(a.eofs, 1);
	assert_int_equal(a.closes, 1);
	assert_int_equal(a.err, 0);
	assert_int_equal(b.closes, 1);
	assert_int_equal(b.err, 0);
}

static void megabytes_pass_both_ways_under_back_pressure(void **state)
{
	uint32_t want = 0;

	a.to_send = 5 * 1000 * 1000 + 17;
	for (uint64_t left = a.to_send; left;) {
		uint64_t n = left < 5000 ? left : 5000;

		for (uint64_t i = 0; i < n; i++)
			want = want * 31 + (unsigned char)((left - i) * 7);
		left -= n;
	}
	b.echo = b.end_on_eof = true;
	a.quit_on_close = true;

	uint64_t total = a.to_send;

	pump(&a);
	assert_true(a.to_send > 0);
	run();
	assert_int_equal(b.total_in, total);
	assert_int_equal(a.total_in, total);
	assert_int_equal(b.sum, want);
	assert_int_equal(a.sum, want);
	assert_true(a.drains > 5);
	assert_int_equal(a.err, 0);
}

static uint32_t sum_of(const char *big, size_t len)
{
	uint32_t sum = 0;

	for (const char *p = "abcde"; *p; p++)
		sum = sum * 31 + (unsigned char)*p;
	for (size_t i = 0; i < len; i++)
		sum = sum * 31 + (unsigned char)big[i];
	for (const char *p = "abcde"; *p; p++)
		sum = sum * 31 + (unsigned char)*p;
	return sum;
}

static void writes_of_pieces_stay_together(void **state)
{
	struct iovec iov[] = {{(char[]){"ab"}, 2}, {NULL, 0}, {(char[]){"cde"}, 3}};
	char big[300 * 1024];

	/* Into an empty queue, then behind what does not fit. */
	assert_int_equal(stream_writev(a.s, iov, 3), 0);
	memset(big, 'x', sizeof(big));
	assert_int_equal(stream_write(a.s, big, sizeof(big)), 0);
	assert_true(stream_pending(a.s) > 0);
	assert_int_equal(stream_writev(a.s, iov, 3), 0);
	stream_shutdown(a.s);
	b.quit_on_eof = true;
	run();
	assert_int_equal(b.total_in, 10 + sizeof(big));
	assert_memory_equal(b.got, "abcdexxx", 8);
	assert_int_equal(b.sum, sum_of(big, sizeof(big)));
}

static void the_queue_is_bounded(void **state)
{
	size_t big = STREAM_QUEUE_MAX / 2 + 1024 * 1024;
	char *p = calloc(1, big);

	assert_non_null(p);
	assert_int_equal(stream_write(a.s, p, big), 0);
	assert_int_equal(stream_write(a.s, p, big), -ENOMEM);
	/* which is no harm */
	assert_int_equal(stream_write(a.s, "x", 1), 0);
	free(p);
}

static void reading_can_wait(void **state)
{
	stream_read_enable(b.s, false);
	assert_int_equal(stream_write(a.s, "later", 5), 0);
	run_for(20);
	assert_int_equal(b.total_in, 0);
	stream_read_enable(b.s, true);
	b.quit_on_data = true;
	run();
	assert_string_equal(b.got, "later");
}

/* The peer is gone while nobody reads: no spinning, and its last words are there when asked for. */
static void a_hangup_waits_for_the_reader(void **state)
{
	struct timespec before, after;

	stream_read_enable(b.s, false);
	assert_int_equal(stream_write(a.s, "bye", 3), 0);
	drop(&a);
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &before);
	run_for(200);
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &after);
	assert_true((after.tv_sec - before.tv_sec) * 1000 + (after.tv_nsec - before.tv_nsec) / 1000000 < 60);
	assert_int_equal(b.closes, 0);
	stream_read_enable(b.s, true);
	b.quit_on_close = true;
	run();
	assert_string_equal(b.got, "bye");
	assert_int_equal(b.eofs, 1);
	assert_int_equal(b.err, -EPIPE);
}

static void a_gone_peer_is_told_once(void **state)
{
	b.quit_on_close = true;
	drop(&a);
	run();
	assert_int_equal(b.eofs, 1);
	assert_int_equal(b.closes, 1);
	assert_int_equal(b.err, -EPIPE);
}

static void writing_to_a_gone_peer_is_epipe(void **state)
{
	stream_read_enable(b.s, false);
	drop(&a);
	assert_int_equal(stream_write(b.s, "x", 1), -EPIPE);
	assert_int_equal(b.closes, 0); /* not from inside the call */
	b.quit_on_close = true;
	run();
	assert_int_equal(b.closes, 1);
	assert_int_equal(b.err, -EPIPE);
}

static void freeing_inside_callbacks(void **state)
{
	static char big[1024 * 1024];

	b.free_in_data = true;
	a.quit_on_close = true;
	assert_int_equal(stream_write(a.s, "x", 1), 0);
	run();
	assert_null(b.s);

	teardown(NULL);
	setup(NULL);
	b.free_in_eof = true;
	a.quit_on_close = true;
	stream_shutdown(a.s);
	run();

	teardown(NULL);
	setup(NULL);
	a.free_in_drain = true;
	assert_int_equal(stream_write(a.s, big, sizeof(big)), 0);
	run();
	assert_int_equal(a.drains, 1);
}

static void unread_bytes_come_again_first(void **state)
{
	static struct end c;

	memset(&c, 0, sizeof(c));
	c.s = b.s;
	b.s = NULL;
	assert_int_equal(stream_unread(c.s, "two ", 4), 0);
	assert_int_equal(stream_unread(c.s, "one ", 4), 0);
	assert_int_equal(stream_write(a.s, "three", 5), 0);
	stream_shutdown(a.s);
	stream_set_events(c.s, &events, &c);
	c.quit_on_eof = true;
	run();
	assert_string_equal(c.got, "one two three");
	drop(&c);
}

static void pipes_have_one_direction(void **state)
{
	int fds[2];

	teardown(NULL);
	setup(NULL);
	drop(&a);
	drop(&b);
	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	assert_int_equal(stream_new(&a.s, l, fds[0], NULL, &events, &a), 0);
	assert_int_equal(stream_new(&b.s, l, fds[1], NULL, &events, &b), 0);
	assert_int_equal(stream_write(a.s, "x", 1), -EPIPE);
	assert_int_equal(stream_write(b.s, "abc", 3), 0);
	stream_shutdown(b.s);
	a.quit_on_close = true;
	run();
	assert_string_equal(a.got, "abc");
	assert_int_equal(a.eofs, 1);
	assert_int_equal(a.err, 0);
	assert_int_equal(b.closes, 1);
	assert_int_equal(b.eofs, 0);
	assert_int_equal(b.err, 0);

	/* the reader leaves */
	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	assert_int_equal(stream_new(&b.s, l, fds[1], NULL, &events, &b), 0);
	close(fds[0]);
	b.quit_on_close = true;
	run();
	assert_int_equal(b.err, -EPIPE);
}

static void a_terminal_ends_when_its_other_side_closes(void **state)
{
	int master, slave;

	drop(&a);
	assert_int_equal(openpty(&master, &slave, NULL, NULL, NULL), 0);
	assert_int_equal(stream_new(&a.s, l, master, NULL, &events, &a), 0);
	assert_int_equal(write(slave, "tty", 3), 3);
	close(slave);
	a.quit_on_close = true;
	run();
	assert_string_equal(a.got, "tty");
	assert_int_equal(a.eofs, 1);
	assert_int_equal(a.err, 0);
}

static void what_cannot_be_waited_for_is_refused(void **state)
{
	struct stream *s = NULL;
	int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);

	assert_int_equal(stream_new(&s, l, fd, NULL, &events, &a), -EPERM);
	assert_null(s);
	assert_int_equal(fcntl(fd, F_GETFD), -1); /* closed all the same */
	assert_int_equal(stream_new(&s, l, -1, NULL, &events, &a), -EBADF);
	stream_free(NULL);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(each_direction_ends_on_its_own),
		T(megabytes_pass_both_ways_under_back_pressure),
		T(writes_of_pieces_stay_together),
		T(the_queue_is_bounded),
		T(reading_can_wait),
		T(a_hangup_waits_for_the_reader),
		T(a_gone_peer_is_told_once),
		T(writing_to_a_gone_peer_is_epipe),
		T(freeing_inside_callbacks),
		T(unread_bytes_come_again_first),
		T(pipes_have_one_direction),
		T(a_terminal_ends_when_its_other_side_closes),
		T(what_cannot_be_waited_for_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */

#include <errno.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <time.h>

#include "lib/clock.h"
#include "lib/clock_watch.h"

int64_t clock_step_ms(int64_t *offset_ms, int64_t wall_ms, int64_t monotonic_ms)
{
	int64_t offset = wall_ms - monotonic_ms, by = offset - *offset_ms;

	if (by > -CLOCK_STEP_MS && by < CLOCK_STEP_MS)
		return 0; /* several small ones are a large one */
	*offset_ms = offset;
	return by;
}

static int64_t look(struct clock_watch *w)
{
	return clock_step_ms(&w->offset_ms, clock_ms(CLOCK_REALTIME), clock_ms(CLOCK_MONOTONIC));
}

static void on_set(struct loop_io *io, uint32_t events)
{
	struct clock_watch *w = container_of(io, struct clock_watch, io);
	uint64_t times;
	int64_t by;

	(void)!read(io->fd, &times, sizeof(times)); /* ECANCELED: the clock was set */
	by = look(w);
	if (by)
		w->fn(w, by);
}

int clock_watch_start(struct clock_watch *w, struct loop *l, void (*fn)(struct clock_watch *w, int64_t by_ms))
{
	/* A timer that never comes: it is there to be told that the clock it waits for was set. */
	static const struct itimerspec never = {.it_value.tv_sec = INT64_MAX};
	cleanup(closep) int fd = timerfd_create(CLOCK_REALTIME, TFD_NONBLOCK | TFD_CLOEXEC);
	int r;

	if (fd < 0 || timerfd_settime(fd, TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET, &never, NULL) < 0)
		return -errno;
	(void)look(w);
	w->fn = fn;
	r = loop_io_add(l, &w->io, fd, EPOLLIN, on_set);
	if (r < 0)
		return r;
	(void)take_fd(fd); /* w->io has it */
	return 0;
}

void clock_watch_stop(struct clock_watch *w)
{
	loop_io_del(&w->io);
	closep(&w->io.fd);
}

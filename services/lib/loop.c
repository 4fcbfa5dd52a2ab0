/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The event loop. A turn: run what was deferred, sleep in epoll until an event or the next deadline, read
 * the clock once, run the timers that are due, then the events.
 *
 * Deletion is safe anywhere because nothing fetched outlives it: loop_io_del() blanks the source's entry in
 * the batch being delivered, timers leave the heap before their callback runs, deferred tasks leave their
 * list.
 */

#include <errno.h>
#include <limits.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <time.h>

#include "lib/clock.h"
#include "lib/log.h"
#include "lib/loop.h"

enum { BATCH = 64, SIGNALS_A_READ = 16 };

struct loop {
	int epoll_fd;
	int64_t now_ms;

	bool quit;
	int code;

	/* The batch being delivered; entries from next on are still to come. */
	struct epoll_event batch[BATCH];
	int n_batch, next;

	/* Binary heap by deadline; the timer at i knows its slot i. Never shrinks. */
	struct loop_timer **heap;
	size_t n_heap, heap_size;

	struct loop_task tasks; /* head of a ring */

	struct loop_io signal_io;
	void (*signal_fn)(struct loop *l, const siginfo_t *si, void *arg);
	void *signal_arg;
};

static void read_clock(struct loop *l)
{
	l->now_ms = clock_ms(CLOCK_MONOTONIC);
}

int loop_new(struct loop **out)
{
	struct loop *l = calloc(1, sizeof(*l));
	struct sigaction ignore = {.sa_handler = SIG_IGN};

	if (!l)
		return -ENOMEM;
	l->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (l->epoll_fd < 0) {
		int err = errno;

		free(l);
		return -err;
	}
	l->signal_io.fd = -1;
	l->tasks.next = l->tasks.prev = &l->tasks;
	read_clock(l);
	sigaction(SIGPIPE, &ignore, NULL);
	*out = l;
	return 0;
}

void loop_free(struct loop *l)
{
	if (!l)
		return;
	loop_io_del(&l->signal_io);
	closep(&l->signal_io.fd);
	close(l->epoll_fd);
	free(l->heap);
	free(l);
}

int64_t loop_now_ms(const struct loop *l)
{
	return l->now_ms;
}

void loop_quit(struct loop *l, int code)
{
	l->quit = true;
	l->code = code;
}

/* ---- descriptors */

int loop_io_add(struct loop *l, struct loop_io *io, int fd, uint32_t events,
	void (*fn)(struct loop_io *io, uint32_t events))
{
	struct epoll_event ev = {.events = events, .data.ptr = io};

	if (epoll_ctl(l->epoll_fd, EPOLL_CTL_ADD, fd, &ev) < 0)
		return -errno;
	io->fd = fd;
	io->events = events;
	io->fn = fn;
	io->loop = l;
	return 0;
}

int loop_io_set(struct loop_io *io, uint32_t events)
{
	struct epoll_event ev = {.events = events, .data.ptr = io};

	if (!io->loop)
		return -ENOENT;
	if (io->events == events)
		return 0;
	if (epoll_ctl(io->loop->epoll_fd, EPOLL_CTL_MOD, io->fd, &ev) < 0)
		return -errno;
	io->events = events;
	return 0;
}

void loop_io_del(struct loop_io *io)
{
	struct loop *l = io->loop;

	if (!l)
		return;
	io->loop = NULL;
	if (epoll_ctl(l->epoll_fd, EPOLL_CTL_DEL, io->fd, NULL) < 0)
		log_errno(errno, "op=epoll-del fd=%d msg=\"closed while it was watched\"", io->fd);
	for (int i = l->next; i < l->n_batch; i++)
		if (l->batch[i].data.ptr == io)
			l->batch[i].data.ptr = NULL;
}

/* ---- timers */

static void heap_put(struct loop *l, size_t slot, struct loop_timer *t)
{
	l->heap[slot] = t;
	t->slot = slot;
}

/* Puts t at slot or wherever order wants it, above or below. */
static void heap_place(struct loop *l, size_t slot, struct loop_timer *t)
{
	while (slot > 0) {
		size_t up = (slot - 1) / 2;

		if (l->heap[up]->deadline_ms <= t->deadline_ms)
			break;
		heap_put(l, slot, l->heap[up]);
		slot = up;
	}
	for (;;) {
		size_t down = 2 * slot + 1;

		if (down >= l->n_heap)
			break;
		if (down + 1 < l->n_heap && l->heap[down + 1]->deadline_ms < l->heap[down]->deadline_ms)
			down++;
		if (l->heap[down]->deadline_ms >= t->deadline_ms)
			break;
		heap_put(l, slot, l->heap[down]);
		slot = down;
	}
	heap_put(l, slot, t);
}

int loop_timer_set(
	struct loop *l, struct loop_timer *t, int64_t deadline_ms, void (*fn)(struct loop_timer *t))
{
	if (!t->loop) {
		if (l->n_heap == l->heap_size) {
			size_t size = l->heap_size ? 2 * l->heap_size : 16;
			struct loop_timer **heap = reallocarray(l->heap, size, sizeof(struct loop_timer *));

			if (!heap)
				return -ENOMEM;
			l->heap = heap;
			l->heap_size = size;
		}
		t->loop = l;
		t->slot = l->n_heap;
		/* Its parent comes before it whatever the deadline; heap_place() only compares with others.
		 */
		l->heap[l->n_heap++] = t;
	}
	t->deadline_ms = deadline_ms;
	t->fn = fn;
	heap_place(l, t->slot, t);
	return 0;
}

void loop_timer_del(struct loop_timer *t)
{
	struct loop *l = t->loop;

	if (!l)
		return;
	t->loop = NULL;

	struct loop_timer *last = l->heap[--l->n_heap];

	if (last != t)
		heap_place(l, t->slot, last);
}

/* Only as many as there were, so that timers armed for "now" by timers cannot starve the descriptors. */
static void run_timers(struct loop *l)
{
	for (size_t left = l->n_heap; left && l->n_heap && !l->quit; left--) {
		struct loop_timer *t = l->heap[0];

		if (t->deadline_ms > l->now_ms)
			return;
		loop_timer_del(t);
		t->fn(t);
	}
}

/* ---- deferred tasks */

void loop_defer(struct loop *l, struct loop_task *t, void (*fn)(struct loop_task *t))
{
	t->fn = fn;
	if (t->loop)
		return;
	t->loop = l;
	t->prev = l->tasks.prev;
	t->next = &l->tasks;
	t->prev->next = t;
	t->next->prev = t;
}

void loop_defer_del(struct loop_task *t)
{
	if (!t->loop)
		return;
	t->loop = NULL;
	t->prev->next = t->next;
	t->next->prev = t->prev;
	t->prev = t->next = NULL;
}

/* Those there now; what they defer in turn waits for the next turn. */
static void run_tasks(struct loop *l)
{
	struct loop_task mark = {.loop = l, .prev = l->tasks.prev, .next = &l->tasks};

	mark.prev->next = &mark;
	mark.next->prev = &mark;
	while (l->tasks.next != &mark && !l->quit) {
		struct loop_task *t = l->tasks.next;

		loop_defer_del(t);
		t->fn(t);
	}
	loop_defer_del(&mark);
}

/* ---- signals */

static void on_signal(struct loop_io *io, uint32_t events)
{
	struct loop *l = container_of(io, struct loop, signal_io);
	struct signalfd_siginfo in[SIGNALS_A_READ];
	ssize_t n = read(io->fd, in, sizeof(in));

	for (ssize_t i = 0; i < n / (ssize_t)sizeof(in[0]); i++) {
		siginfo_t si;

		memset(&si, 0, sizeof(si));
		si.si_signo = (int)in[i].ssi_signo;
		si.si_code = in[i].ssi_code;
		si.si_errno = in[i].ssi_errno;
		si.si_pid = (pid_t)in[i].ssi_pid;
		si.si_uid = in[i].ssi_uid;
		/* si_status and si_value share their place: which one it is depends on the signal. */
		if (si.si_signo == SIGCHLD)
			si.si_status = in[i].ssi_status;
		else
			si.si_value.sival_ptr = (void *)(uintptr_t)in[i].ssi_ptr;
		l->signal_fn(l, &si, l->signal_arg);
	}
}

int loop_signals(struct loop *l, const sigset_t *set,
	void (*fn)(struct loop *l, const siginfo_t *si, void *arg), void *arg)
{
	cleanup(closep) int fd = -1;
	int r;

	if (l->signal_io.fd >= 0)
		return -EEXIST;
	fd = signalfd(-1, set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (fd < 0)
		return -errno;
	if (sigprocmask(SIG_BLOCK, set, NULL) < 0)
		return -errno;
	l->signal_fn = fn;
	l->signal_arg = arg;
	r = loop_io_add(l, &l->signal_io, fd, EPOLLIN, on_signal);
	if (r < 0)
		return r;
	(void)take_fd(fd); /* signal_io has it */
	return 0;
}

/* ---- the loop */

static int sleep_ms(const struct loop *l)
{
	if (l->tasks.next != &l->tasks)
		return 0;
	if (!l->n_heap)
		return -1;

	int64_t ms = l->heap[0]->deadline_ms - l->now_ms;

	return ms <= 0 ? 0 : ms > INT_MAX ? INT_MAX : (int)ms;
}

int loop_run(struct loop *l)
{
	read_clock(l);
	while (!l->quit) {
		run_tasks(l);
		if (l->quit)
			break;

		int n = epoll_wait(l->epoll_fd, l->batch, BATCH, sleep_ms(l));

		if (n < 0 && errno != EINTR)
			return -errno;
		l->n_batch = n < 0 ? 0 : n;
		l->next = 0;
		read_clock(l);
		run_timers(l);
		while (l->next < l->n_batch && !l->quit) {
			const struct epoll_event *ev = &l->batch[l->next++];
			struct loop_io *io = ev->data.ptr;

			if (io)
				io->fn(io, ev->events);
		}
		l->n_batch = l->next = 0;
	}
	l->quit = false;
	return l->code;
}

void loop_raise_nofile(void)
{
	struct rlimit r;

	if (getrlimit(RLIMIT_NOFILE, &r) < 0)
		return;
	r.rlim_cur = r.rlim_max;
	setrlimit(RLIMIT_NOFILE, &r);
}

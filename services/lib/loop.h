/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LIB_LOOP_H
#define LIB_LOOP_H

/*
 * The event loop: one epoll, one clock, no threads. Callbacks never block.
 *
 * Sources are embedded in their owner and registered by address. Deleting any source from any callback
 * is safe, its own included: an event already fetched for a deleted source is dropped. Level-triggered.
 */

#include <signal.h>
#include <stdint.h>
#include <sys/types.h>

#include "util.h"

struct loop;

/*
 * A descriptor. The loop borrows fd; the owner closes it after loop_io_del(), never before: a child that was forked just then may hold
 * it open, and the kernel goes on watching what somebody holds.
 */
struct loop_io {
	int fd;
	uint32_t events;
	void (*fn)(struct loop_io *io, uint32_t events);
	struct loop *loop; /* NULL while not registered */
};

/* One shot at a CLOCK_MONOTONIC deadline; set again to repeat. */
struct loop_timer {
	int64_t deadline_ms;
	void (*fn)(struct loop_timer *t);
	struct loop *loop; /* NULL while not armed */
	size_t slot;	   /* the heap's own */
};

/* Work for the next turn, out of the caller's stack. */
struct loop_task {
	void (*fn)(struct loop_task *t);
	struct loop *loop; /* NULL while not deferred */
	struct loop_task *prev, *next;
};

/* Also ignores SIGPIPE, so that a broken peer is an errno (spawn() restores it). Return: 0 or -errno. */
must_check int loop_new(struct loop **out);
void loop_free(struct loop *l); /* accepts NULL; sources must be gone */

/* Runs until loop_quit(), whose code it returns, or -errno when epoll itself fails. */
int loop_run(struct loop *l);
void loop_quit(struct loop *l, int code);

/* Milliseconds of CLOCK_MONOTONIC, read once a turn. */
int64_t loop_now_ms(const struct loop *l);

/* @events are EPOLLIN, EPOLLOUT, EPOLLRDHUP, EPOLLPRI; EPOLLERR and EPOLLHUP always arrive. 0 or -errno. */
must_check int loop_io_add(struct loop *l, struct loop_io *io, int fd, uint32_t events,
	void (*fn)(struct loop_io *io, uint32_t events));
must_check int loop_io_set(struct loop_io *io, uint32_t events);
void loop_io_del(struct loop_io *io); /* idempotent */

/* Arms or re-arms. 0 or -ENOMEM; re-arming never fails. */
must_check int loop_timer_set(
	struct loop *l, struct loop_timer *t, int64_t deadline_ms, void (*fn)(struct loop_timer *t));
void loop_timer_del(struct loop_timer *t); /* idempotent */

/* Runs @fn once, from the loop, before it next sleeps. Never fails; deferred again before that, runs once. */
void loop_defer(struct loop *l, struct loop_task *t, void (*fn)(struct loop_task *t));
void loop_defer_del(struct loop_task *t); /* idempotent */

/**
 * loop_signals() - receive signals as events
 * @set:	blocked from now on, also in the children that do not reset it (spawn() does)
 * @fn:		called once for each signal read
 *
 * Once a loop. Return: 0 or -errno.
 */
must_check int loop_signals(struct loop *l, const sigset_t *set,
	void (*fn)(struct loop *l, const siginfo_t *si, void *arg), void *arg);

/* As many descriptors as the process may have. What it starts has as many. */
void loop_raise_nofile(void);

#endif

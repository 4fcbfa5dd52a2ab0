/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ENGINE_STDIO_H
#define ENGINE_STDIO_H

/*
 * A container's standard streams, as the engine holds them. Our ends lie in init's store, so that a restarted
 * engine goes on where the old one stopped. Without a terminal:
 *
 *	stdin pipe <- attached clients		stdout, stderr pipes -> splice -> log files
 *
 * With one: master <- clients; master -> splice -> a pipe that lies in the store too -> splice -> log file.
 * Nothing that has left the terminal is ever only in the engine's memory. Where the log must not hold up the container
 * a process of its own is in the place of the first splice, and before the one there is without a terminal (spill.h).
 */

#include <sys/types.h>

#include "lib/util.h"

struct container;
struct stdio;

enum { STDIN_QUEUE_MAX = 256 << 10 };

/* Before runtime create: makes the pipes, or the socket on which the runtime hands over the terminal. 0 or
 * -errno. */
must_check int stdio_new(struct stdio **out, struct container *c);
/* The container's ends, for descriptors 0, 1, 2; borrowed, -1: /dev/null. With a terminal all are -1. */
void stdio_child_fds(const struct stdio *s, int fds[3]);
const char *stdio_console_path(const struct stdio *s); /* NULL without a terminal */

/* After runtime create: our ends go to init's store. Closes the container's ends. 0 or -errno, logged. */
must_check int stdio_store(struct stdio *s);
/* After an engine restart. 0, -ENOENT when there is nothing, or -errno. */
must_check int stdio_restore(struct stdio **out, struct container *c);
/* Starts moving output. */
must_check int stdio_run(struct stdio *s);
/* The container has ended: moves what is left, now. */
void stdio_drain(struct stdio *s);
/* Closes; what is in the store stays there. */
void stdio_free(struct stdio *s);
/* Drops what is in the store, also what an earlier engine has put there. */
void stdio_forget(struct container *c);

/*
 * Input from a client, taken whole; -EAGAIN when more than STDIN_QUEUE_MAX is queued already
 * (attach_input_ready() says when there is room), -EPIPE when there is no stdin.
 */
must_check int stdio_write(struct stdio *s, const void *buf, size_t len);
size_t stdio_pending(const struct stdio *s);
/* End of input once the queue is empty. On a terminal nothing: end of input there is a character. */
void stdio_close_stdin(struct stdio *s);
must_check int stdio_resize(struct stdio *s, unsigned rows, unsigned cols);

#endif

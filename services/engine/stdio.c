/* SPDX-License-Identifier: Apache-2.0 */

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "engine/attach.h"
#include "engine/console.h"
#include "engine/container.h"
#include "engine/engine.h"
#include "engine/files.h"
#include "engine/log_options.h"
#include "engine/output.h"
#include "engine/spill.h"
#include "engine/stdio.h"
#include "engine/userns.h"
#include "engine/supervisor.h"
#include "lib/log.h"

struct stdio {
	struct container *c;
	int child[3];	     /* the container's ends, until it has them; owned */
	int in;		     /* write end of stdin, or -1; owned */
	int out[2];	     /* read ends of stdout and stderr; with a terminal out[0] is its pipe; owned */
	int master;	     /* the terminal; owned; -1 */
	int tap[2];	     /* what the container writes, where a spill is between it and out[]; owned; -1 */
	int feed[2];	     /* write ends of what out[] reads, fed by the terminal or a spill; owned; -1 */
	struct spill *spill; /* owned; NULL unless the log is non-blocking */
	struct console *console; /* owned; until the terminal has arrived */
	struct loop_io io_in, io_out[2], io_master;
	char *queue; /* owned */
	size_t queued, cap;
	bool closing; /* stdin ends when the queue is empty */
};

static struct stdio *alloc(struct container *c)
{
	struct stdio *s = calloc(1, sizeof(*s));

	if (s) {
		s->c = c;
		s->in = s->master = -1;
		s->child[0] = s->child[1] = s->child[2] = -1;
		for (int i = 0; i < 2; i++)
			s->out[i] = s->tap[i] = s->feed[i] = -1;
	}
	return s;
}

static void nonblock(int fd)
{
	int flags = fcntl(fd, F_GETFL);

	if (flags >= 0)
		fcntl(fd, F_SETFL, flags | O_NONBLOCK);
}

/* @ours stays here and is made non-blocking, which does not touch the other end. */
/* @owner: the node's id of who may open it again inside (/dev/stdout): the container's root. */
static int make_pipe(int *ours, int *theirs, bool we_read, uint32_t owner)
{
	int p[2];

	if (pipe2(p, O_CLOEXEC) < 0)
		return -errno;
	*ours = p[we_read ? 0 : 1];
	*theirs = p[we_read ? 1 : 0];
	nonblock(*ours);
	return owner && fchown(*theirs, owner, owner) < 0 ? -errno : 0;
}

/* A pipe from one of our hands to the other, out[@i] at its end. */
static int make_feed(struct stdio *s, int i)
{
	int64_t buffer = log_options_buffer(s->c);
	int err = make_pipe(&s->out[i], &s->feed[i], true, 0);

	if (err)
		return err;
	nonblock(s->feed[i]);
	if (buffer)
		spill_size(s->feed[i], buffer);
	return 0;
}

/* What the container writes goes through a second pipe. */
static int tap(struct stdio *s, int i)
{
	s->tap[i] = take_fd(s->out[i]);
	return make_feed(s, i);
}

int stdio_new(struct stdio **out, struct container *c)
{
	struct stdio *s = alloc(c);
	int err = s ? 0 : -ENOMEM;
	uint32_t owner = userns_base(c);

	if (!err && c->tty) {
		err = console_new(&s->console, c->run);
	} else if (!err) {
		if (c->open_stdin)
			err = make_pipe(&s->in, &s->child[0], false, owner);
		if (!err)
			err = make_pipe(&s->out[0], &s->child[1], true, owner);
		if (!err)
			err = make_pipe(&s->out[1], &s->child[2], true, owner);
		for (int i = 0; !err && i < 2 && log_options_buffer(c); i++)
			err = tap(s, i);
	}
	if (err) {
		stdio_free(s);
		return log_errno(-err, "container=%.12s op=stdio", c->id);
	}
	/* The pipes are the container's as far as permissions go: it may reopen /dev/stdout whatever its user
	 * is. */
	for (int i = 0; i < 3; i++)
		if (s->child[i] >= 0)
			(void)!fchmod(s->child[i], 0666);
	*out = s;
	return 0;
}

void stdio_child_fds(const struct stdio *s, int fds[3])
{
	memcpy(fds, s->child, sizeof(s->child));
}

const char *stdio_console_path(const struct stdio *s)
{
	return s->console ? console_path(s->console) : NULL;
}

int stdio_store(struct stdio *s)
{
	struct container *c = s->c;
	int err = 0;

	for (int i = 0; i < 3; i++)
		closep(&s->child[i]);
	if (s->console) {
		s->master = console_take(s->console);
		console_free(take(s->console));
		if (s->master < 0)
			return log_errno(-s->master, "container=%.12s op=console", c->id);
		nonblock(s->master);
		err = make_feed(s, 0);
		if (err)
			return log_errno(-err, "container=%.12s op=stdio", c->id);

		int three[3] = {s->master, s->out[0], s->feed[0]};

		return supervisor_put(c->e, "container", c->id, "tty", three, 3);
	}
	if (s->tap[0] >= 0) {
		int four[4] = {s->tap[0], s->tap[1], s->feed[0], s->feed[1]};

		err = supervisor_put(c->e, "container", c->id, "tap", four, 4);
	}
	if (!err)
		err = supervisor_put(c->e, "container", c->id, "out", s->out, 2);
	if (!err && s->in >= 0)
		err = supervisor_put(c->e, "container", c->id, "in", &s->in, 1);
	return err;
}

static bool restore_taps(struct stdio *s)
{
	int four[4];

	if (supervisor_get(s->c->e, "container", s->c->id, "tap", four, 4) != 4)
		return false;
	memcpy(s->tap, four, sizeof(s->tap));
	memcpy(s->feed, four + 2, sizeof(s->feed));
	return true;
}

int stdio_restore(struct stdio **out, struct container *c)
{
	struct stdio *s = alloc(c);
	ssize_t n;

	if (!s)
		return log_errno(ENOMEM, "container=%.12s op=stdio-restore", c->id);
	if (c->tty) {
		int three[3];

		n = supervisor_get(c->e, "container", c->id, "tty", three, 3);
		if (n == 3) {
			s->master = three[0];
			s->out[0] = three[1];
			s->feed[0] = three[2];
		}
	} else {
		n = supervisor_get(c->e, "container", c->id, "out", s->out, 2);
		if (n == 2 && c->open_stdin && supervisor_get(c->e, "container", c->id, "in", &s->in, 1) != 1)
			s->in = -1; /* it was closed already */
		if (n == 2 && log_options_buffer(c) && !restore_taps(s))
			n = -EIO;
	}
	if (n < 2) {
		stdio_free(s);
		return n < 0 ? (int)n : -ENOENT;
	}
	*out = s;
	return 0;
}

/* ---- output */

static void end_of(struct stdio *s, int i)
{
	loop_io_del(&s->io_out[i]);
	closep(&s->out[i]);
}

/* Moves what is in a pipe to stream @i, at most @turns times. False: it is at its end. */
static bool splice_some(struct stdio *s, int i, int pipe, int turns)
{
	while (turns--) {
		ssize_t n = output_splice(s->c->output, i ? OUTPUT_STDERR : OUTPUT_STDOUT, pipe);

		if (n == -EAGAIN)
			return true;
		if (n < 0)
			log_errno((int)-n, "container=%.12s op=splice", s->c->id);
		if (n <= 0)
			return false;
	}
	return true;
}

/* Bounded a turn, so that one loud container does not starve the others. */
static void pump(struct stdio *s, int i, int turns)
{
	if (s->out[i] >= 0 && !splice_some(s, i, s->out[i], turns))
		end_of(s, i);
}

static void on_out(struct loop_io *io, uint32_t events)
{
	pump(container_of(io, struct stdio, io_out[0]), 0, 4);
}

static void on_err(struct loop_io *io, uint32_t events)
{
	pump(container_of(io, struct stdio, io_out[1]), 1, 4);
}

/* Terminal to pipe. A terminal whose last user has gone answers EIO. 1: moved something. */
static int feed(struct stdio *s)
{
	ssize_t n = splice(s->master, NULL, s->feed[0], NULL, 64 << 10, SPLICE_F_NONBLOCK | SPLICE_F_MOVE);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	if (n > 0)
		return 1;
	loop_io_del(&s->io_master);
	return -1;
}

static void on_master(struct loop_io *io, uint32_t events)
{
	struct stdio *s = container_of(io, struct stdio, io_master);

	/* A spill reads it; here only its end arrives. */
	if (s->spill) {
		loop_io_del(&s->io_master);
		return;
	}
	for (int turns = 0; turns < 4 && feed(s) > 0; turns++)
		pump(s, 0, 1);
}

/* What the terminal is watched for, beside room for input. */
static uint32_t master_events(const struct stdio *s)
{
	return s->spill ? 0 : EPOLLIN;
}

static int run_spill(struct stdio *s)
{
	struct spill_way ways[SPILL_WAYS];
	size_t n = 0;

	if (s->master >= 0)
		ways[n++] = (struct spill_way){s->master, s->feed[0]};
	for (int i = 0; i < 2 && s->tap[i] >= 0; i++)
		ways[n++] = (struct spill_way){s->tap[i], s->feed[i]};
	return spill_start(&s->spill, s->c, ways, n);
}

static void on_stdin(struct loop_io *io, uint32_t events);

int stdio_run(struct stdio *s)
{
	struct loop *l = s->c->e->loop;
	int err = log_options_buffer(s->c) ? run_spill(s) : 0;

	if (err)
		return err;
	if (s->master >= 0) {
		pump(s, 0, 64); /* what a killed engine had left in the pipe */
		if (s->out[0] >= 0)
			err = loop_io_add(l, &s->io_out[0], s->out[0], EPOLLIN, on_out);
		if (!err)
			err = loop_io_add(l, &s->io_master, s->master, master_events(s), on_master);
	} else {
		if (s->out[0] >= 0)
			err = loop_io_add(l, &s->io_out[0], s->out[0], EPOLLIN, on_out);
		if (!err && s->out[1] >= 0)
			err = loop_io_add(l, &s->io_out[1], s->out[1], EPOLLIN, on_err);
	}
	return err ? log_errno(-err, "container=%.12s op=stdio", s->c->id) : 0;
}

static void drain_pipes(void *arg)
{
	pump(arg, 0, 1 << 20);
	pump(arg, 1, 1 << 20);
}

void stdio_drain(struct stdio *s)
{
	if (s->spill)
		spill_finish(s->spill, drain_pipes, s);
	spill_free(take(s->spill));
	if (s->master >= 0)
		while (feed(s) > 0)
			pump(s, 0, 1);
	drain_pipes(s);
	/* What no spill came to take. */
	for (int i = 0; i < 2; i++)
		if (s->tap[i] >= 0)
			(void)!splice_some(s, i, s->tap[i], 1 << 20);
}

void stdio_forget(struct container *c)
{
	supervisor_drop(c->e, "container", c->id, c->tty ? "tty" : "out");
	if (!c->tty && log_options_buffer(c))
		supervisor_drop(c->e, "container", c->id, "tap");
	if (c->open_stdin && !c->tty)
		supervisor_drop(c->e, "container", c->id, "in");
}

void stdio_free(struct stdio *s)
{
	if (!s)
		return;
	loop_io_del(&s->io_in);
	loop_io_del(&s->io_out[0]);
	loop_io_del(&s->io_out[1]);
	loop_io_del(&s->io_master);
	spill_free(s->spill);
	console_free(s->console);
	for (int i = 0; i < 3; i++)
		closep(&s->child[i]);
	closep(&s->in);
	for (int i = 0; i < 2; i++) {
		closep(&s->out[i]);
		closep(&s->tap[i]);
		closep(&s->feed[i]);
	}
	closep(&s->master);
	free(s->queue);
	free(s);
}

/* ---- input */

static void stdin_gone(struct stdio *s)
{
	loop_io_del(&s->io_in);
	s->queued = 0;
	if (s->in < 0)
		return;
	/* init's copy first: as long as anybody holds a write end, the container sees no end of input. */
	supervisor_drop(s->c->e, "container", s->c->id, "in");
	closep(&s->in);
}

/* Writes what the container takes. */
static void flush(struct stdio *s)
{
	int fd = s->master >= 0 ? s->master : s->in;

	while (s->queued) {
		ssize_t n = write(fd, s->queue, s->queued);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			break;
		if (n < 0) {
			s->queued = 0;
			if (s->master < 0)
				stdin_gone(s);
			break;
		}
		memmove(s->queue, s->queue + n, s->queued - (size_t)n);
		s->queued -= (size_t)n;
	}
	if (s->queued)
		return;
	if (s->master < 0)
		loop_io_del(&s->io_in);
	else if (s->io_master.loop)
		(void)!loop_io_set(&s->io_master, master_events(s));
	if (s->closing)
		stdin_gone(s);
}

static void on_stdin(struct loop_io *io, uint32_t events)
{
	struct stdio *s = container_of(io, struct stdio, io_in);
	struct container *c = s->c;

	flush(s);
	attach_input_ready(c);
}

/* The master is watched once, for both directions. */
static void on_master_both(struct loop_io *io, uint32_t events)
{
	struct stdio *s = container_of(io, struct stdio, io_master);
	struct container *c = s->c;

	if (events & EPOLLOUT) {
		flush(s);
		attach_input_ready(c);
		if (c->io != s)
			return;
	}
	if (events & ~(uint32_t)EPOLLOUT)
		on_master(io, events);
}

int stdio_write(struct stdio *s, const void *buf, size_t len)
{
	int fd = s->master >= 0 ? s->master : s->in;

	if (fd < 0 || s->closing)
		return -EPIPE;
	if (s->queued > STDIN_QUEUE_MAX)
		return -EAGAIN;
	if (s->queued + len > s->cap) {
		char *more = realloc(s->queue, s->queued + len);

		if (!more)
			return -ENOMEM;
		s->queue = more;
		s->cap = s->queued + len;
	}
	memcpy(s->queue + s->queued, buf, len);
	s->queued += len;
	flush(s);
	if (!s->queued)
		return 0;
	if (s->master >= 0) {
		if (!s->io_master.loop)
			return -EPIPE;
		s->io_master.fn = on_master_both;
		return loop_io_set(&s->io_master, master_events(s) | EPOLLOUT);
	}
	if (s->io_in.loop)
		return 0;
	return loop_io_add(s->c->e->loop, &s->io_in, s->in, EPOLLOUT, on_stdin);
}

size_t stdio_pending(const struct stdio *s)
{
	return s->queued;
}

void stdio_close_stdin(struct stdio *s)
{
	if (s->master >= 0)
		return;
	s->closing = true;
	if (!s->queued)
		stdin_gone(s);
}

int stdio_resize(struct stdio *s, unsigned rows, unsigned cols)
{
	struct winsize w = {.ws_row = (unsigned short)rows, .ws_col = (unsigned short)cols};

	if (s->master < 0)
		return -ENOTTY;
	return ioctl(s->master, TIOCSWINSZ, &w) < 0 ? -errno : 0;
}

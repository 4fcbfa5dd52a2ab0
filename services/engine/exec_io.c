/* SPDX-License-Identifier: Apache-2.0 */

/* The streams of an exec: its pipes or its terminal on one side, the client's connection on the other. */

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "engine/console.h"
#include "engine/engine.h"
#include "engine/exec_int.h"
#include "engine/files.h"
#include "lib/json.h"
#include "lib/log.h"
#include "lib/stream.h"

enum { EXEC_CHUNK = 32 << 10, EXEC_PENDING_MAX = 512 << 10, EXEC_QUEUE_MAX = 256 << 10 };

static int make_pipe(int *ours, int *theirs, bool we_read)
{
	int p[2];

	if (pipe2(p, O_CLOEXEC) < 0)
		return -errno;
	*ours = p[we_read ? 0 : 1];
	*theirs = p[we_read ? 1 : 0];
	fcntl(*ours, F_SETFL, fcntl(*ours, F_GETFL) | O_NONBLOCK);
	(void)!fchmod(*theirs, 0666);
	return 0;
}

static struct exec_io *io_new(struct exec *x)
{
	struct exec_io *io = calloc(1, sizeof(*io));

	if (io)
		*io = (struct exec_io){.x = x, .in = -1, .out = {-1, -1}, .child = {-1, -1, -1}};
	return io;
}

int exec_io_new(struct exec_io **out, struct exec *x)
{
	struct exec_io *io = io_new(x);
	int err;

	if (!io)
		return -ENOMEM;
	err = detach_parse(&io->detach, json_str(x->config, "DetachKeys"));
	if (!err && x->tty)
		err = console_new(&io->console, x->e->run_dir);
	if (!err && !x->tty && json_bool(x->config, "AttachStdin"))
		err = make_pipe(&io->in, &io->child[0], false);
	if (!err && !x->tty && json_bool(x->config, "AttachStdout"))
		err = make_pipe(&io->out[0], &io->child[1], true);
	if (!err && !x->tty && json_bool(x->config, "AttachStderr"))
		err = make_pipe(&io->out[1], &io->child[2], true);
	if (err) {
		exec_io_free(io);
		return err;
	}
	*out = io;
	return 0;
}

void exec_io_free(struct exec_io *io)
{
	if (!io)
		return;
	if (io->x && io->x->io == io)
		io->x->io = NULL;
	loop_io_del(&io->io_in);
	loop_io_del(&io->io_out[0]);
	loop_io_del(&io->io_out[1]);
	stream_free(io->s);
	console_free(io->console);
	closep(&io->in);
	for (int i = 0; i < 3; i++)
		closep(&io->child[i]);
	closep(&io->out[0]);
	closep(&io->out[1]);
	free(io->queue);
	free(io);
}

/* ---- to the client */

static void capture(struct exec *x, const void *buf, size_t len)
{
	size_t room = x->text_max - x->text_len;

	if (!room || (!x->text && !(x->text = malloc(x->text_max))))
		return;
	if (len > room)
		len = room;
	memcpy(x->text + x->text_len, buf, len);
	x->text_len += len;
}

/* 1: more may be there, 0: none now or the end. */
static int forward(struct exec_io *io, int i)
{
	unsigned char buf[STDCOPY_HEADER + EXEC_CHUNK];
	ssize_t n = read(io->out[i], buf + STDCOPY_HEADER, EXEC_CHUNK);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	if (n <= 0) {
		loop_io_del(&io->io_out[i]);
		closep(&io->out[i]);
		return 0;
	}
	if (!io->s) {
		capture(io->x, buf + STDCOPY_HEADER, (size_t)n);
		return 1;
	}
	if (io->framed) {
		stdcopy_header(buf, (unsigned)i + 1, (uint32_t)n);
		(void)!stream_write(io->s, buf, STDCOPY_HEADER + (size_t)n);
	} else {
		(void)!stream_write(io->s, buf + STDCOPY_HEADER, (size_t)n);
	}
	return 1;
}

static void throttle(struct exec_io *io)
{
	bool full = io->s && stream_pending(io->s) >= EXEC_PENDING_MAX;

	for (int i = 0; i < 2; i++)
		if (io->io_out[i].loop)
			(void)!loop_io_set(&io->io_out[i], full ? 0 : EPOLLIN);
}

static void on_out(struct loop_io *l, uint32_t events)
{
	struct exec_io *io = container_of(l, struct exec_io, io_out[0]);

	forward(io, 0);
	throttle(io);
}

static void on_err(struct loop_io *l, uint32_t events)
{
	struct exec_io *io = container_of(l, struct exec_io, io_out[1]);

	forward(io, 1);
	throttle(io);
}

void exec_io_end(struct exec_io *io, const char *message)
{
	io->over = true;
	for (int i = 0; i < 2; i++)
		while (io->out[i] >= 0 && forward(io, i))
			;
	if (message && io->s) {
		cleanup(freep) char *line = text_make("%s\r\n", message);
		unsigned char h[STDCOPY_HEADER];

		if (line && io->framed) {
			stdcopy_header(h, 1, (uint32_t)strlen(line));
			(void)!stream_write(io->s, h, sizeof(h));
		}
		if (line)
			(void)!stream_write(io->s, line, strlen(line));
	}
	loop_io_del(&io->io_out[0]);
	loop_io_del(&io->io_out[1]);
	loop_io_del(&io->io_in);
	closep(&io->in);
	closep(&io->out[0]);
	closep(&io->out[1]);
	if (io->s)
		stream_shutdown(io->s);
	else
		exec_io_free(io);
}

/* ---- from the client */

static void close_input(struct exec_io *io)
{
	loop_io_del(&io->io_in);
	io->queued = 0;
	if (!io->x->tty)
		closep(&io->in);
}

static void flush(struct exec_io *io)
{
	while (io->queued && io->in >= 0) {
		ssize_t n = write(io->in, io->queue, io->queued);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			break;
		if (n < 0) {
			close_input(io);
			return;
		}
		memmove(io->queue, io->queue + n, io->queued - (size_t)n);
		io->queued -= (size_t)n;
	}
	if (io->s)
		stream_read_enable(io->s, io->queued < EXEC_QUEUE_MAX);
	if (io->queued)
		return;
	loop_io_del(&io->io_in);
	if (io->input_ended)
		close_input(io);
}

static void on_in(struct loop_io *l, uint32_t events)
{
	flush(container_of(l, struct exec_io, io_in));
}

/*
 * Wait for room if there is something to write. Before the process runs, too: a pipe is there from the beginning, a terminal is not.
 * The terminal is one descriptor for both ways, and watched for reading: writing watches a second one.
 */
static int watch_input(struct exec_io *io)
{
	if (!io->queued || io->in < 0 || io->io_in.loop)
		return 0;
	return loop_io_add(io->x->e->loop, &io->io_in, io->in, EPOLLOUT, on_in);
}

static void enqueue(struct exec_io *io, const void *buf, size_t len)
{
	char *more = realloc(io->queue, io->queued + len);

	if (!more) {
		log_errno(ENOMEM, "op=exec-stdin");
		return;
	}
	io->queue = more;
	memcpy(more + io->queued, buf, len);
	io->queued += len;
	if (io->in < 0)
		return; /* not started yet: exec_io_run() flushes */
	flush(io);
	if (watch_input(io))
		log_error("op=exec-stdin msg=\"input cannot be watched\"");
}

static void on_data(struct stream *s, const void *buf, size_t len, void *arg)
{
	struct exec_io *io = arg;
	bool detached = false;

	if (io->over || !json_bool(io->x->config, "AttachStdin"))
		return;
	if (!io->x->tty) {
		enqueue(io, buf, len);
		return;
	}

	cleanup(freep) unsigned char *out = malloc(len + DETACH_KEYS_MAX);

	if (!out)
		return;
	len = detach_feed(&io->detach, buf, len, out, &detached);
	if (len)
		enqueue(io, out, len);
	if (detached)
		stream_shutdown(s);
}

static void on_eof(struct stream *s, void *arg)
{
	struct exec_io *io = arg;

	io->input_ended = true;
	if (!io->queued && io->in >= 0)
		close_input(io);
}

static void on_drain(struct stream *s, void *arg)
{
	throttle(arg);
}

static void on_closed(struct stream *s, int err, void *arg)
{
	struct exec_io *io = arg;

	stream_free(take(io->s));
	if (io->over) {
		exec_io_free(io);
		return;
	}
	/* The process goes on; its output is read and dropped, its input ends. */
	on_eof(s, io);
	throttle(io);
}

static const struct stream_events events = {
	.data = on_data, .eof = on_eof, .drain = on_drain, .closed = on_closed};

void exec_io_attach(struct exec_io *io, struct stream *s, bool framed)
{
	io->s = s;
	io->framed = framed;
	stream_set_events(s, &events, io);
	stream_read_enable(s, true);
}

void exec_io_refuse(struct stream *s, bool framed, const char *message)
{
	struct exec_io *io = io_new(NULL);

	if (!io) {
		log_errno(ENOMEM, "op=exec-refuse");
		stream_free(s);
		return;
	}
	exec_io_attach(io, s, framed);
	exec_io_end(io, message);
}

int exec_io_run(struct exec_io *io)
{
	struct loop *l = io->x->e->loop;
	int err = 0;

	for (int i = 0; i < 3; i++)
		closep(&io->child[i]);
	if (io->console) {
		io->in = console_take(io->console);
		console_free(take(io->console));
		if (io->in < 0)
			return io->in;
		fcntl(io->in, F_SETFL, fcntl(io->in, F_GETFL) | O_NONBLOCK);
		io->out[0] = fcntl(io->in, F_DUPFD_CLOEXEC, 3);
		if (io->out[0] < 0)
			return -errno;
		/* It may have been resized since the program began. */
		if (io->x->rows || io->x->cols) {
			struct winsize w = {
				.ws_row = (unsigned short)io->x->rows, .ws_col = (unsigned short)io->x->cols};

			ioctl(io->in, TIOCSWINSZ, &w);
		}
	}
	if (io->out[0] >= 0)
		err = loop_io_add(l, &io->io_out[0], io->out[0], EPOLLIN, on_out);
	if (!err && io->out[1] >= 0)
		err = loop_io_add(l, &io->io_out[1], io->out[1], EPOLLIN, on_err);
	if (err)
		return err;
	flush(io);
	return watch_input(io);
}

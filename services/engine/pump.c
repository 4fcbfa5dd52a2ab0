/* SPDX-License-Identifier: Apache-2.0 */

/* See pump.h. */

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/epoll.h>

#include "engine/pump.h"
#include "lib/http.h"
#include "lib/loop.h"

enum { CHUNK = 64 << 10, PENDING_MAX = 1 << 20 };

struct pump {
	struct loop *loop;
	struct http_req *r;
	struct loop_io io;
	int fd; /* owned; -1: closed */

	/* to the descriptor */
	char *rest; /* owned; what it did not take yet */
	size_t len, pos, max;
	bool ended; /* the body */

	/* from the descriptor */
	bool begun;
	void (*first)(void *arg);
	void (*end)(void *arg);
	void *arg;
};

void pump_free(struct pump *p)
{
	if (!p)
		return;
	loop_io_del(&p->io);
	closep(&p->fd);
	free(p->rest);
	free(p);
}

static struct pump *pump_new(struct loop *l, struct http_req *r, int fd)
{
	struct pump *p = calloc(1, sizeof(*p));

	if (!p) {
		closep(&fd);
		return NULL;
	}
	p->loop = l;
	p->r = r;
	p->fd = fd;
	fcntl(fd, F_SETFL, O_NONBLOCK);
	return p;
}

/* ---- to the descriptor */

static void body_over(struct pump *p)
{
	loop_io_del(&p->io);
	closep(&p->fd);
	p->fd = -1;
	p->end(p->arg);
}

static void reader_gone(struct pump *p)
{
	p->len = p->pos = 0;
	if (p->ended) {
		body_over(p);
		return;
	}
	loop_io_del(&p->io);
	closep(&p->fd);
	p->fd = -1;
	http_body_pause(p->r, false);
}

/* What is taken at once; -errno when the reader is gone. */
static ssize_t put(struct pump *p, const char *buf, size_t len)
{
	size_t done = 0;

	while (done < len) {
		ssize_t n = write(p->fd, buf + done, len - done);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			break;
		if (n < 0)
			return -errno;
		done += (size_t)n;
	}
	return (ssize_t)done;
}

static void on_room(struct loop_io *io, uint32_t events)
{
	struct pump *p = container_of(io, struct pump, io);
	ssize_t n = put(p, p->rest + p->pos, p->len - p->pos);

	if (n < 0) {
		reader_gone(p);
		return;
	}
	p->pos += (size_t)n;
	if (p->pos < p->len)
		return;
	p->len = p->pos = 0;
	loop_io_del(&p->io);
	if (p->ended)
		body_over(p);
	else
		http_body_pause(p->r, false);
}

static void on_data(struct http_req *r, const void *buf, size_t len, void *arg)
{
	struct pump *p = arg;
	size_t left;
	ssize_t n;

	if (p->fd < 0)
		return;
	n = p->len ? 0 : put(p, buf, len);
	if (n < 0) {
		reader_gone(p);
		return;
	}
	left = len - (size_t)n;
	if (!left)
		return;
	if (p->len + left > p->max) {
		char *more = realloc(p->rest, p->len + left);

		if (!more) {
			reader_gone(p);
			return;
		}
		p->rest = more;
		p->max = p->len + left;
	}
	memcpy(p->rest + p->len, (const char *)buf + n, left);
	p->len += left;
	http_body_pause(r, true);
	if (!p->io.loop && loop_io_add(p->loop, &p->io, p->fd, EPOLLOUT, on_room) < 0)
		reader_gone(p);
}

static void on_end(struct http_req *r, void *arg)
{
	struct pump *p = arg;

	p->ended = true;
	if (!p->len)
		body_over(p);
}

struct pump *pump_body(struct loop *l, struct http_req *r, int to, void (*end)(void *arg), void *arg)
{
	struct pump *p = pump_new(l, r, to);

	if (!p)
		return NULL;
	p->end = end;
	p->arg = arg;
	http_body_stream(r, on_data, on_end, p);
	return p;
}

/* ---- from the descriptor */

static void on_bytes(struct loop_io *io, uint32_t events);

static void on_drained(struct http_req *r, void *arg)
{
	struct pump *p = arg;

	if (p->fd >= 0 && !p->io.loop && loop_io_add(p->loop, &p->io, p->fd, EPOLLIN, on_bytes) < 0)
		p->end(p->arg);
}

static void on_bytes(struct loop_io *io, uint32_t events)
{
	struct pump *p = container_of(io, struct pump, io);
	char buf[CHUNK];
	ssize_t n = read(p->fd, buf, sizeof(buf));

	if (n < 0 && (errno == EINTR || errno == EAGAIN))
		return;
	if (n <= 0) {
		loop_io_del(&p->io);
		closep(&p->fd);
		p->fd = -1;
		p->end(p->arg);
		return;
	}
	if (!p->begun) {
		p->begun = true;
		p->first(p->arg);
	}
	/* a client that has gone is told to the request itself */
	if (http_write(p->r, buf, (size_t)n) == 0 && http_pending(p->r) > PENDING_MAX)
		loop_io_del(&p->io);
}

struct pump *pump_reply(struct loop *l, struct http_req *r, int from, void (*first)(void *arg),
	void (*end)(void *arg), void *arg)
{
	struct pump *p = pump_new(l, r, from);

	if (!p)
		return NULL;
	p->first = first;
	p->end = end;
	p->arg = arg;
	http_on_drain(r, on_drained, p);
	if (loop_io_add(l, &p->io, p->fd, EPOLLIN, on_bytes) == 0)
		return p;
	http_on_drain(r, NULL, NULL);
	pump_free(p);
	return NULL;
}

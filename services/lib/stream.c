/* SPDX-License-Identifier: Apache-2.0 */

/*
 * A byte stream on the loop.
 *
 * Out: a write goes straight to the descriptor while nothing is queued; what it does not take is copied into
 * a list of chunks that EPOLLOUT empties. In: one read a turn into a buffer all streams share, so an idle
 * stream costs no buffer. The two directions end apart, rd_done and wr_done; when both have, or err is set,
 * `closed` is owed, and it is always paid from the loop (on_io or on_kick), never inside a call of the owner.
 *
 * epoll reports EPOLLHUP whether asked or not. A stream whose owner reads nothing now would spin on it, so it
 * is parked: taken out of epoll until reading is wanted again.
 */

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "lib/byteq.h"
#include "lib/loop.h"
#include "lib/stream.h"
#include "lib/stream_int.h"

enum {
	READ_SIZE = 64 * 1024,
	RECORD_SIZE = 16 * 1024, /* the most that one TLS record holds */
	IOV_A_WRITE = 64,
};

struct stream {
	struct loop *loop;
	struct loop_io io;
	struct loop_task kick;
	const struct stream_events *events;
	void *arg;

	struct tls_session *tls; /* NULL: plain */
	const struct tls_ops *ops;

	struct byteq out;
	struct byteq early; /* plain bytes written before the handshake was done */
	unsigned char *unread;
	size_t unread_len;

	int err;      /* why it broke */
	int depth;    /* callbacks of this stream on the stack */
	bool freed;   /* by the owner, while depth > 0 */
	bool reading; /* the owner wants data */
	bool handshaking;
	bool rd_done, wr_done;
	bool shut;	 /* the owner ended our direction; what is queued still goes out */
	bool drain_owed; /* bytes stayed in the queue after a write */
	bool passed_low_mark;
	bool closed_told;
	bool tty;
};

/* ---- state */

static void on_io(struct loop_io *io, uint32_t events);
static void on_kick(struct loop_task *t);

static void kick(struct stream *s)
{
	loop_defer(s->loop, &s->kick, on_kick);
}

static void broke(struct stream *s, int err)
{
	if (!s->err)
		s->err = err;
	kick(s);
}

static bool wants_bytes(const struct stream *s)
{
	return !s->rd_done && (s->reading || s->handshaking);
}

static void update_interest(struct stream *s)
{
	uint32_t want = (wants_bytes(s) ? EPOLLIN : 0) | (s->out.bytes ? EPOLLOUT : 0);
	int r;

	if (s->freed || s->closed_told)
		return;
	if (s->io.loop)
		r = loop_io_set(&s->io, want);
	else if (want)
		r = loop_io_add(s->loop, &s->io, s->io.fd, want, on_io);
	else
		return; /* stays parked */
	if (r < 0)
		broke(s, r);
}

static void release(struct stream *s)
{
	loop_io_del(&s->io);
	loop_defer_del(&s->kick);
	if (s->tls)
		s->ops->free(s->tls);
	s->tls = NULL;
	closep(&s->io.fd);
	byteq_skip(&s->out, s->out.bytes);
	byteq_skip(&s->early, s->early.bytes);
	free(take(s->unread));
	s->unread_len = 0;
}

void stream_free(struct stream *s)
{
	if (!s || s->freed)
		return;
	s->freed = true;
	release(s);
	if (!s->depth)
		free(s);
}

/* Every callback runs between these; false: the owner has freed the stream meanwhile. */
static void enter(struct stream *s)
{
	s->depth++;
}

static bool leave(struct stream *s)
{
	s->depth--;
	if (!s->freed)
		return true;
	if (!s->depth)
		free(s);
	return false;
}

/* Called at the end of each entry from the loop, inside enter/leave. */
static void settle(struct stream *s)
{
	if (s->freed || s->closed_told)
		return;
	if (s->err || (s->rd_done && s->wr_done)) {
		s->closed_told = true;
		loop_io_del(&s->io);
		s->events->closed(s, s->err, s->arg);
		return;
	}
	update_interest(s);
}

/* ---- out */

int stream_raw_write(struct stream *s, const void *buf, size_t len)
{
	const unsigned char *p = buf;
	int r;

	if (s->err)
		return -EPIPE;
	if (!s->out.bytes) {
		ssize_t n = write(s->io.fd, p, len);

		if (n < 0 && errno != EAGAIN && errno != EINTR) {
			broke(s, -errno);
			return -EPIPE;
		}
		if (n > 0) {
			p += n;
			len -= (size_t)n;
		}
	}
	if (!len)
		return 0;
	r = byteq_add(&s->out, p, len);
	if (r < 0)
		broke(s, r); /* a part may be gone already */
	return r;
}

static int plain_writev(struct stream *s, const struct iovec *iov, int n, size_t len)
{
	size_t skip = 0;

	if (!s->out.bytes) {
		ssize_t sent = writev(s->io.fd, iov, n);

		if (sent < 0 && errno != EAGAIN && errno != EINTR) {
			broke(s, -errno);
			return -EPIPE;
		}
		skip = sent > 0 ? (size_t)sent : 0;
		if (skip == len)
			return 0;
	}
	for (int i = 0; i < n; i++) {
		size_t k = iov[i].iov_len < skip ? iov[i].iov_len : skip;

		skip -= k;
		if (k == iov[i].iov_len)
			continue;

		int r = byteq_add(&s->out, (const char *)iov[i].iov_base + k, iov[i].iov_len - k);

		if (r < 0) {
			broke(s, r);
			return r;
		}
	}
	return 0;
}

/* Small pieces share a record. */
static int tls_writev(struct stream *s, const struct iovec *iov, int n)
{
	static unsigned char record[RECORD_SIZE];
	size_t used = 0;
	int r = 0;

	if (n == 1)
		return s->ops->write(s->tls, iov->iov_base, iov->iov_len);
	for (int i = 0; i < n && !r; i++) {
		const unsigned char *p = iov[i].iov_base;
		size_t left = iov[i].iov_len;

		while (left && !r) {
			size_t k = RECORD_SIZE - used < left ? RECORD_SIZE - used : left;

			memcpy(record + used, p, k);
			used += k;
			p += k;
			left -= k;
			if (used == RECORD_SIZE) {
				r = s->ops->write(s->tls, record, used);
				used = 0;
			}
		}
	}
	if (!r && used)
		r = s->ops->write(s->tls, record, used);
	return r;
}

int stream_writev(struct stream *s, const struct iovec *iov, int n)
{
	size_t len = 0, before = stream_pending(s);
	int r = 0;

	if (s->err || s->shut || s->wr_done || s->freed)
		return -EPIPE;
	for (int i = 0; i < n; i++)
		len += iov[i].iov_len;
	if (!len)
		return 0;
	if (before + len > STREAM_QUEUE_MAX)
		return -ENOMEM;

	if (s->handshaking) {
		for (int i = 0; i < n && !r; i++)
			r = byteq_add(&s->early, iov[i].iov_base, iov[i].iov_len);
		if (r < 0)
			broke(s, r);
	} else if (s->tls) {
		r = tls_writev(s, iov, n);
		if (r < 0 && !s->err)
			broke(s, r);
	} else {
		r = plain_writev(s, iov, n, len);
	}
	if (stream_pending(s)) {
		s->drain_owed = true;
		if (stream_pending(s) > STREAM_LOW_MARK)
			s->passed_low_mark = true;
		if (!before)
			update_interest(s);
	}
	return r < 0 && r != -ENOMEM ? -EPIPE : r;
}

int stream_write(struct stream *s, const void *buf, size_t len)
{
	struct iovec iov = {.iov_base = (void *)(uintptr_t)buf, .iov_len = len};

	return stream_writev(s, &iov, 1);
}

int stream_error(const struct stream *s)
{
	return s->err;
}

size_t stream_pending(const struct stream *s)
{
	return s->out.bytes + s->early.bytes;
}

/* The queue is empty and our direction was ended: say so to the peer. */
static void finish_out(struct stream *s)
{
	if (!s->shut || s->wr_done || s->handshaking || s->out.bytes || s->err)
		return;
	/* Under TLS close_notify said it; the TCP direction stays, for the protocol's own answers. */
	if (!s->tls)
		shutdown(s->io.fd, SHUT_WR);
	s->wr_done = true;
	kick(s);
}

static void begin_shutdown(struct stream *s)
{
	if (s->tls && !s->handshaking) {
		int r = s->ops->close_notify(s->tls);

		if (r < 0)
			broke(s, r);
	}
	finish_out(s);
}

void stream_shutdown(struct stream *s)
{
	if (s->shut || s->freed)
		return;
	s->shut = true;
	if (s->wr_done)
		return;
	begin_shutdown(s);
	update_interest(s);
}

static void flush(struct stream *s)
{
	while (s->out.bytes) {
		struct iovec iov[IOV_A_WRITE];
		size_t asked;
		int n = byteq_peek(&s->out, iov, IOV_A_WRITE, &asked);
		ssize_t sent = writev(s->io.fd, iov, n);

		if (sent < 0 && (errno == EAGAIN || errno == EINTR))
			break;
		if (sent < 0) {
			broke(s, -errno);
			return;
		}
		byteq_skip(&s->out, (size_t)sent);
		if ((size_t)sent < asked)
			break;
	}
	finish_out(s);
	if (s->drain_owed &&
		(!stream_pending(s) || (s->passed_low_mark && stream_pending(s) < STREAM_LOW_MARK))) {
		s->drain_owed = s->passed_low_mark = false;
		if (s->events->drain && !s->shut)
			s->events->drain(s, s->arg);
	}
}

/* ---- in */

ssize_t stream_raw_read(struct stream *s, void *buf, size_t len)
{
	ssize_t n = read(s->io.fd, buf, len);

	if (n >= 0)
		return n;
	if (errno == EINTR)
		return -EAGAIN;
	/* A terminal whose other side is closed. */
	if (errno == EIO && s->tty)
		return 0;
	return -errno;
}

static void handshake(struct stream *s)
{
	int r = s->ops->handshake(s->tls);

	if (r == -EAGAIN)
		return;
	if (r < 0) {
		broke(s, r);
		return;
	}
	s->handshaking = false;
	while (s->early.bytes && !s->err) {
		struct iovec iov;
		size_t n;

		byteq_peek(&s->early, &iov, 1, &n);
		r = s->ops->write(s->tls, iov.iov_base, n);
		if (r < 0)
			broke(s, r);
		byteq_skip(&s->early, n);
	}
	if (s->shut && !s->err)
		begin_shutdown(s);
	if (s->ops->buffered(s->tls))
		kick(s);
	flush(s); /* for the drain that is owed */
}

static void got_eof(struct stream *s)
{
	s->rd_done = true;
	if (s->tty)
		s->wr_done = true;
	s->events->eof(s, s->arg);
}

static void read_some(struct stream *s)
{
	static unsigned char buf[READ_SIZE];
	ssize_t n;

	if (s->unread) {
		unsigned char *p = take(s->unread);
		size_t len = s->unread_len;

		s->unread_len = 0;
		s->events->data(s, p, len, s->arg);
		free(p);
		if (!s->freed && wants_bytes(s))
			kick(s);
		return;
	}
	n = s->tls ? s->ops->read(s->tls, buf, sizeof(buf)) : stream_raw_read(s, buf, sizeof(buf));
	/* A peer that just hangs up may have cut its data short, unless it only answers our own end. */
	if (n == -ECONNRESET && s->tls && s->wr_done)
		n = 0;
	if (n > 0) {
		s->events->data(s, buf, (size_t)n, s->arg);
		if (!s->freed && s->tls && wants_bytes(s) && s->ops->buffered(s->tls))
			kick(s);
	} else if (!n) {
		got_eof(s);
	} else if (n != -EAGAIN) {
		broke(s, (int)n);
	}
}

static void bytes_in(struct stream *s)
{
	if (s->handshaking)
		handshake(s);
	else
		read_some(s);
}

static int socket_error(int fd)
{
	int err = 0;
	socklen_t len = sizeof(err);

	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &err, &len) < 0 || !err)
		return -EPIPE; /* a pipe without reader */
	return -err;
}

static void on_io(struct loop_io *io, uint32_t events)
{
	struct stream *s = container_of(io, struct stream, io);

	enter(s);
	if (!s->err && (events & EPOLLOUT))
		flush(s);
	if (!s->freed && !s->err && (events & (EPOLLIN | EPOLLHUP | EPOLLERR))) {
		if (wants_bytes(s))
			bytes_in(s);
		else if (events & EPOLLERR)
			broke(s, socket_error(io->fd));
		else if ((events & EPOLLHUP) && s->rd_done)
			broke(s, -EPIPE); /* it does not read either */
		else if ((events & EPOLLHUP) && !s->out.bytes)
			loop_io_del(io); /* parked */
	}
	if (!s->freed)
		settle(s);
	leave(s);
}

static void on_kick(struct loop_task *t)
{
	struct stream *s = container_of(t, struct stream, kick);

	enter(s);
	if (!s->err && wants_bytes(s) &&
		(s->unread || s->handshaking || (s->tls && s->ops->buffered(s->tls))))
		bytes_in(s);
	if (!s->freed)
		settle(s);
	leave(s);
}

void stream_read_enable(struct stream *s, bool on)
{
	if (s->freed || s->reading == on)
		return;
	s->reading = on;
	update_interest(s);
	if (on && (s->unread || (s->tls && s->ops->buffered(s->tls))))
		kick(s);
}

int stream_unread(struct stream *s, const void *buf, size_t len)
{
	if (s->freed || !len)
		return 0;

	unsigned char *p = malloc(len + s->unread_len);

	if (!p)
		return -ENOMEM;
	memcpy(p, buf, len);
	if (s->unread)
		memcpy(p + len, s->unread, s->unread_len);
	free(s->unread);
	s->unread = p;
	s->unread_len += len;
	kick(s);
	return 0;
}

/* ---- making one */

/* A silent peer that is gone is found out within about two minutes. */
static void tune_socket(int fd)
{
	int one = 1, idle = 60, interval = 15, count = 4;

	/* Both fail on other sockets than TCP, to which they do not apply. */
	if (setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one)) < 0)
		return;
	setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &one, sizeof(one));
	setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle, sizeof(idle));
	setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &interval, sizeof(interval));
	setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &count, sizeof(count));
}

static int open_stream(struct stream *s, struct tls_config *tls)
{
	int flags = fcntl(s->io.fd, F_GETFL);
	int r;

	if (flags < 0 || fcntl(s->io.fd, F_SETFL, flags | O_NONBLOCK) < 0)
		return -errno;
	/* Half a pipe has one direction from the start. */
	s->rd_done = (flags & O_ACCMODE) == O_WRONLY;
	s->wr_done = (flags & O_ACCMODE) == O_RDONLY;
	s->tty = isatty(s->io.fd);
	tune_socket(s->io.fd);
	r = loop_io_add(s->loop, &s->io, s->io.fd, s->rd_done ? 0 : EPOLLIN, on_io);
	if (r < 0)
		return r;
	if (tls) {
		s->ops = tls->ops;
		s->handshaking = true;
		r = s->ops->open(&s->tls, tls, s);
		kick(s);
	}
	return r;
}

int stream_new(struct stream **out, struct loop *l, int fd, struct tls_config *tls,
	const struct stream_events *events, void *arg)
{
	struct stream *s = calloc(1, sizeof(*s));
	int r;

	if (!s) {
		closep(&fd);
		return -ENOMEM;
	}
	s->loop = l;
	s->io.fd = fd;
	s->events = events;
	s->arg = arg;
	s->reading = true;
	r = open_stream(s, tls);
	if (r < 0) {
		stream_free(s);
		return r;
	}
	*out = s;
	return 0;
}

void stream_set_events(struct stream *s, const struct stream_events *events, void *arg)
{
	s->events = events;
	s->arg = arg;
}

bool stream_is_tls(const struct stream *s)
{
	return s->tls != NULL;
}

const char *stream_peer_cn(const struct stream *s)
{
	return s->tls ? s->ops->peer_cn(s->tls) : NULL;
}

size_t stream_peer_orgs(const struct stream *s, const char *const **orgs)
{
	return s->tls ? s->ops->peer_orgs(s->tls, orgs) : 0;
}

/* SPDX-License-Identifier: Apache-2.0 */

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "lib/dns_server.h"
#include "lib/log.h"
#include "lib/loop.h"
#include "lib/stream.h"

enum { PREFIX = 2, IDLE_MS = 10000, UDP_BATCH = 32, UDP_ROOM = 1232 };

/* A client's connection: queries one after the other, each behind its length. It outlives its stream while answers are due. */
struct dns_conn {
	struct dns_server *server;
	struct stream *stream; /* owned; NULL once it has ended */
	struct loop_timer idle;
	unsigned due; /* queries without an answer yet */
	bool ended;   /* the client has asked all it will */
	bool busy;    /* on the stack */
	uint8_t buf[PREFIX + DNS_QUERY_MAX];
	size_t len;
	struct dns_conn *next;
};

struct dns_server {
	struct loop *loop;
	dns_handler *fn;
	void *arg;
	int udp, tcp; /* owned */
	struct loop_io udp_io, tcp_io;
	struct dns_conn *conns; /* owned */
	unsigned n_conns;
};

/* ---- connections */

static void maybe_free(struct dns_conn *c)
{
	struct dns_conn **at = &c->server->conns;

	if (c->stream || c->due || c->busy)
		return;
	while (*at && *at != c)
		at = &(*at)->next;
	if (*at)
		*at = c->next;
	c->server->n_conns--;
	loop_timer_del(&c->idle);
	free(c);
}

static void hang_up(struct dns_conn *c)
{
	loop_timer_del(&c->idle);
	stream_free(take(c->stream));
	maybe_free(c);
}

static void on_idle(struct loop_timer *t)
{
	hang_up(container_of(t, struct dns_conn, idle));
}

static void on_end(struct stream *s, void *arg)
{
	struct dns_conn *c = arg;

	/* Answers to what it has asked still go out. */
	c->ended = true;
	if (!c->due)
		stream_shutdown(s);
}

static void on_closed(struct stream *s, int err, void *arg)
{
	hang_up(arg);
}

static bool stay(struct dns_conn *c)
{
	struct loop *l = c->server->loop;

	return stream_pending(c->stream) < STREAM_LOW_MARK &&
	       loop_timer_set(l, &c->idle, loop_now_ms(l) + IDLE_MS, on_idle) == 0;
}

static void handle(const struct dns_client *client, const uint8_t *msg, size_t len)
{
	struct dns_question q;

	if (dns_question(&q, msg, len) < 0)
		return;
	if (client->conn)
		client->conn->due++;
	client->server->fn(client, msg, len, &q, client->server->arg);
}

/* Return: false when the client breaks the rules. */
static bool take_bytes(struct dns_conn *c, const uint8_t *in, size_t len)
{
	const struct dns_client client = {.server = c->server, .conn = c};

	while (len && c->stream) {
		size_t n = sizeof(c->buf) - c->len < len ? sizeof(c->buf) - c->len : len;

		memcpy(c->buf + c->len, in, n);
		c->len += n;
		in += n;
		len -= n;
		while (c->len >= PREFIX && c->stream) {
			size_t want = PREFIX + ((size_t)c->buf[0] << 8 | c->buf[1]);

			if (want > sizeof(c->buf) || !stay(c))
				return false;
			if (c->len < want)
				break;
			handle(&client, c->buf + PREFIX, want - PREFIX);
			memmove(c->buf, c->buf + want, c->len - want);
			c->len -= want;
		}
	}
	return true;
}

static void on_data(struct stream *s, const void *buf, size_t len, void *arg)
{
	struct dns_conn *c = arg;
	bool ok;

	c->busy = true;
	ok = take_bytes(c, buf, len);
	c->busy = false;
	if (!ok)
		hang_up(c);
	else
		maybe_free(c);
}

static void on_conn(struct loop_io *io, uint32_t events)
{
	static const struct stream_events how = {.data = on_data, .eof = on_end, .closed = on_closed};
	struct dns_server *s = container_of(io, struct dns_server, tcp_io);
	int fd = accept4(s->tcp, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	struct dns_conn *c;

	if (fd < 0)
		return;
	c = s->n_conns < DNS_CONNS_MAX ? calloc(1, sizeof(*c)) : NULL;
	if (!c) {
		close(fd);
		return;
	}
	c->server = s;
	if (stream_new(&c->stream, s->loop, fd, NULL, &how, c) < 0) {
		free(c);
		return;
	}
	c->next = s->conns;
	s->conns = c;
	s->n_conns++;
	if (!stay(c))
		hang_up(c);
}

/* ---- datagrams */

static void on_datagram(struct loop_io *io, uint32_t events)
{
	struct dns_server *s = container_of(io, struct dns_server, udp_io);
	struct dns_client client = {.server = s};
	uint8_t msg[DNS_QUERY_MAX];

	for (int i = 0; i < UDP_BATCH; i++) {
		socklen_t size = sizeof(client.from);
		ssize_t len = recvfrom(s->udp, msg, sizeof(msg), MSG_DONTWAIT | MSG_TRUNC,
			(struct sockaddr *)&client.from, &size);

		if (len < 0)
			return;
		if (len <= (ssize_t)sizeof(msg) && size == sizeof(client.from))
			handle(&client, msg, (size_t)len);
	}
}

/* ---- answers */

size_t dns_client_room(const struct dns_client *c, uint16_t udp_size)
{
	if (c->conn)
		return DNS_MESSAGE_MAX;
	return udp_size < DNS_UDP_MAX ? DNS_UDP_MAX : udp_size > UDP_ROOM ? UDP_ROOM : udp_size;
}

static void reply_tcp(struct dns_conn *c, const void *msg, size_t len)
{
	uint8_t prefix[PREFIX] = {(uint8_t)(len >> 8), (uint8_t)len};
	const struct iovec iov[] = {
		{.iov_base = prefix, .iov_len = sizeof(prefix)},
		{.iov_base = (void *)(uintptr_t)msg, .iov_len = len},
	};

	c->due--;
	/* A client that does not read has its queue, bounded by the queries it may have under way. */
	if (c->stream && msg)
		(void)!stream_writev(c->stream, iov, array_len(iov));
	if (c->stream && c->ended && !c->due)
		stream_shutdown(c->stream);
	maybe_free(c);
}

void dns_server_reply(const struct dns_client *c, const void *msg, size_t len)
{
	if (c->conn)
		reply_tcp(c->conn, msg, len);
	else if (msg &&
		 sendto(c->server->udp, msg, len, MSG_DONTWAIT | MSG_NOSIGNAL,
			 (const struct sockaddr *)&c->from, sizeof(c->from)) < 0 &&
		 errno != EAGAIN && errno != ECONNREFUSED)
		log_errno(errno, "op=dns-reply");
}

/* ---- coming and going */

int dns_server_new(struct dns_server **out, struct loop *l, int udp, int tcp, dns_handler *fn, void *arg)
{
	struct dns_server *s = calloc(1, sizeof(*s));
	int r;

	if (!s) {
		close(udp);
		close(tcp);
		return -ENOMEM;
	}
	*s = (struct dns_server){.loop = l, .fn = fn, .arg = arg, .udp = udp, .tcp = tcp};
	r = loop_io_add(l, &s->udp_io, udp, EPOLLIN, on_datagram);
	if (!r)
		r = loop_io_add(l, &s->tcp_io, tcp, EPOLLIN, on_conn);
	if (r < 0) {
		dns_server_free(s);
		return r;
	}
	*out = s;
	return 0;
}

void dns_server_free(struct dns_server *s)
{
	struct dns_conn *next;

	if (!s)
		return;
	for (struct dns_conn *c = s->conns; c; c = next) {
		next = c->next;
		hang_up(c);
	}
	loop_io_del(&s->udp_io);
	loop_io_del(&s->tcp_io);
	closep(&s->udp);
	closep(&s->tcp);
	free(s);
}

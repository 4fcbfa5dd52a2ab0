/* SPDX-License-Identifier: Apache-2.0 */

#include <errno.h>
#include <linux/netlink.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>

#include "lib/netlink.h"
#include "lib/netns.h"

enum {
	DATAGRAM_MAX = 64 << 10, /* the kernel fills at most 32 KiB a dump turn */
	DUMP_TRIES = 8,
	SNDBUF_BYTES = NLMSG_BUF_MAX,
};

int netlink_open(struct netlink *nl, int protocol, int netns)
{
	const struct sockaddr_nl any = {.nl_family = AF_NETLINK};
	const struct timeval limit = {.tv_sec = NETLINK_TIMEOUT_S};
	const int on = 1, size = SNDBUF_BYTES;
	cleanup(closep) int fd = netns_socket(netns, AF_NETLINK, SOCK_RAW, protocol);

	if (fd < 0)
		return take_fd(fd);
	if (setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)) < 0 ||
		setsockopt(fd, SOL_NETLINK, NETLINK_EXT_ACK, &on, sizeof(on)) < 0 ||
		setsockopt(fd, SOL_NETLINK, NETLINK_CAP_ACK, &on, sizeof(on)) < 0 ||
		setsockopt(fd, SOL_NETLINK, NETLINK_GET_STRICT_CHK, &on, sizeof(on)) < 0)
		return -errno;
	/* Large batches need a large buffer; without the right to force it, small ones still work. */
	if (setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof(size)) < 0 && errno != EPERM)
		return -errno;
	if (bind(fd, (const struct sockaddr *)&any, sizeof(any)) < 0)
		return -errno;
	*nl = (struct netlink){.fd = take_fd(fd), .seq = 1};
	return 0;
}

void netlink_close(struct netlink *nl)
{
	closep(&nl->fd);
}

/* Numbers the messages and marks the last for an acknowledgement. Return: the last number. */
static uint32_t number(struct netlink *nl, struct nlmsg *m, uint16_t flags, uint32_t *first)
{
	struct nlmsghdr h;
	size_t at = 0;

	*first = nl->seq;
	while (at < m->len) {
		memcpy(&h, m->buf + at, sizeof(h));
		h.nlmsg_seq = nl->seq++;
		h.nlmsg_flags |= NLM_F_REQUEST;
		if (at == m->start)
			h.nlmsg_flags |= flags;
		memcpy(m->buf + at, &h, sizeof(h));
		at += NLMSG_ALIGN(h.nlmsg_len);
	}
	return nl->seq - 1;
}

static int send_all(struct netlink *nl, const struct nlmsg *m)
{
	const struct sockaddr_nl kernel = {.nl_family = AF_NETLINK};
	ssize_t n;

	do
		n = sendto(nl->fd, m->buf, m->len, 0, (const struct sockaddr *)&kernel, sizeof(kernel));
	while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : 0;
}

/* One datagram, from the kernel and from nobody else. */
static ssize_t receive(struct netlink *nl, uint8_t *buf, int flags)
{
	for (;;) {
		struct sockaddr_nl from = {};
		socklen_t len = sizeof(from);
		ssize_t n = recvfrom(
			nl->fd, buf, DATAGRAM_MAX, flags | MSG_TRUNC, (struct sockaddr *)&from, &len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (from.nl_pid != 0)
			continue;
		return n > DATAGRAM_MAX ? -EMSGSIZE : n;
	}
}

enum { MORE, FINISHED };

struct answer {
	uint32_t first, last;
	bool interrupted;
	int err; /* the first failure of a batch */
	netlink_fn *fn;
	void *arg;
};

/* One message of an answer. Return: MORE, FINISHED, or -errno. */
static int take_message(struct netlink *nl, struct answer *a, const struct nlmsg_view *v)
{
	char text[NETLINK_TEXT_MAX];
	int r;

	/* Left over from a call that was given up. */
	if (v->seq - a->first > a->last - a->first)
		return MORE;
	if (v->flags & NLM_F_DUMP_INTR)
		a->interrupted = true;
	if (v->type == NLMSG_ERROR) {
		r = nlmsg_error(v, text, sizeof(text), NULL);
		if (r < 0 && !a->err) {
			a->err = r;
			memcpy(nl->text, text, sizeof(text));
		}
		return v->seq == a->last ? FINISHED : MORE;
	}
	if (v->type == NLMSG_DONE) {
		int32_t status = 0;

		if (v->len >= sizeof(status))
			memcpy(&status, v->data, sizeof(status));
		if (status < 0)
			a->err = status;
		return FINISHED;
	}
	if (v->type < NLMSG_MIN_TYPE || !a->fn)
		return MORE;
	r = a->fn(v, a->arg);
	return r < 0 ? r : MORE;
}

static int receive_answer(struct netlink *nl, struct answer *a)
{
	cleanup(freep) uint8_t *buf = malloc(DATAGRAM_MAX);
	int state = MORE, failed = 0;

	if (!buf)
		return -ENOMEM;
	while (state == MORE) {
		/* A batch that failed is not acknowledged; what it is answered with is all there by now. */
		ssize_t n = receive(nl, buf, a->err ? MSG_DONTWAIT : 0);
		struct nla_cursor c = {buf, n > 0 ? (size_t)n : 0};
		struct nlmsg_view v;
		int r;

		if (n == -EAGAIN && a->err)
			break;
		if (n < 0)
			return n == -EAGAIN ? -ETIMEDOUT : (int)n;
		while ((r = nlmsg_next(&c, &v)) > 0) {
			int s = failed && v.type >= NLMSG_MIN_TYPE ? MORE : take_message(nl, a, &v);

			if (s < 0)
				failed = s; /* read the dump to its end, or it stays in the socket */
			else if (s == FINISHED)
				state = FINISHED;
		}
		if (r < 0)
			return r;
	}
	if (failed)
		return failed;
	return a->err;
}

/* Keeps the memory, drops the content. */
static void reset(struct nlmsg *m)
{
	m->len = m->start = 0;
	m->err = 0;
}

static int talk(
	struct netlink *nl, struct nlmsg *m, uint16_t flags, netlink_fn *fn, void *arg, bool *interrupted)
{
	struct answer a = {.fn = fn, .arg = arg};
	int r;

	nl->text[0] = '\0';
	if (m->err)
		return m->err;
	if (!m->len)
		return -EINVAL;
	a.last = number(nl, m, flags, &a.first);
	r = send_all(nl, m);
	if (!r)
		r = receive_answer(nl, &a);
	*interrupted = a.interrupted;
	return r;
}

int netlink_get(struct netlink *nl, struct nlmsg *m, netlink_fn *fn, void *arg)
{
	bool interrupted;
	int r = talk(nl, m, NLM_F_ACK, fn, arg, &interrupted);

	reset(m);
	return r;
}

int netlink_request(struct netlink *nl, struct nlmsg *m)
{
	return netlink_get(nl, m, NULL, NULL);
}

int netlink_dump(struct netlink *nl, struct nlmsg *m, netlink_fn *fn, void *arg)
{
	bool interrupted = false;
	int r = 0;

	for (int i = 0; i < DUMP_TRIES; i++) {
		r = i ? fn(NULL, arg) : 0;
		if (!r)
			r = talk(nl, m, NLM_F_DUMP, fn, arg, &interrupted);
		if (r == -EINTR)
			interrupted = true;
		else if (r < 0)
			break;
		if (!interrupted)
			break;
		r = -EINTR;
	}
	reset(m);
	return r;
}

int netlink_join(struct netlink *nl, unsigned group)
{
	return setsockopt(nl->fd, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &group, sizeof(group)) < 0 ? -errno
												  : 0;
}

int netlink_events(struct netlink *nl, netlink_fn *fn, void *arg)
{
	cleanup(freep) uint8_t *buf = malloc(DATAGRAM_MAX);

	if (!buf)
		return -ENOMEM;
	for (;;) {
		ssize_t n = receive(nl, buf, MSG_DONTWAIT);
		struct nla_cursor c = {buf, n > 0 ? (size_t)n : 0};
		struct nlmsg_view v;
		int r;

		if (n == -EAGAIN)
			return 0;
		if (n < 0)
			return (int)n;
		while ((r = nlmsg_next(&c, &v)) > 0) {
			if (v.type < NLMSG_MIN_TYPE)
				continue;
			r = fn(&v, arg);
			if (r < 0)
				return r;
		}
		if (r < 0)
			return r;
	}
}

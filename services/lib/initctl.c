/* SPDX-License-Identifier: Apache-2.0 */

/* The client of init's control socket: one packet out, one packet back. */

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>

#include "lib/initctl.h"
#include "lib/initctl_wire.h"

/* Init answers at once or not at all; a caller is not held for ever by a machine that is going down. */
enum { REPLY_TIMEOUT_S = 20 };

struct packet {
	struct wire_reply head;
	char payload[WIRE_PAYLOAD_MAX + 1];
};

int initctl_open(void)
{
	return initctl_open_at(INITCTL_SOCKET);
}

int initctl_open_at(const char *path)
{
	struct sockaddr_un sa = {.sun_family = AF_UNIX};
	struct timeval tv = {.tv_sec = REPLY_TIMEOUT_S};
	cleanup(closep) int fd = -1;

	if (strlen(path) >= sizeof(sa.sun_path))
		return -ENAMETOOLONG;
	strcpy(sa.sun_path, path);
	fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	if (setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv)) < 0 ||
		setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof(tv)) < 0)
		return -errno;
	if (connect(fd, (struct sockaddr *)&sa, sizeof(sa)) < 0)
		return -errno;
	return take_fd(fd);
}

static int request(struct wire_request *r, enum wire_op op, const char *name, uint64_t value)
{
	memset(r, 0, sizeof(*r));
	r->version = WIRE_VERSION;
	r->op = (uint16_t)op;
	r->value = value;
	if (name) {
		if (strlen(name) > INITCTL_NAME_MAX)
			return -ENAMETOOLONG;
		strcpy(r->name, name);
	}
	return 0;
}

/* The descriptors that came with a packet; those the caller has no room for are closed. */
static size_t take_rights(struct msghdr *msg, int *fds, size_t max)
{
	size_t n = 0;

	for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c)) {
		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		size_t got = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);

		for (size_t i = 0; i < got; i++) {
			int fd;

			memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof(fd));
			if (n < max)
				fds[n++] = fd;
			else
				close(fd);
		}
	}
	return n;
}

/* Receive one packet. Return: descriptors received, or -errno. The payload is NUL-terminated. */
static ssize_t receive(int sock, struct packet *p, int flags, int *fds, size_t max)
{
	union {
		struct cmsghdr align;
		char buf[CMSG_SPACE(INITCTL_FDS_MAX * sizeof(int))];
	} control;
	struct iovec iov = {p, sizeof(*p) - 1};
	struct msghdr msg = {.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control.buf,
		.msg_controllen = sizeof(control.buf)};
	ssize_t n;

	do
		n = recvmsg(sock, &msg, flags | MSG_CMSG_CLOEXEC);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return errno == EAGAIN && !(flags & MSG_DONTWAIT) ? -ETIMEDOUT : -errno;

	size_t got = take_rights(&msg, fds, max);

	if (n == 0 || (size_t)n < sizeof(p->head) || (msg.msg_flags & (MSG_TRUNC | MSG_CTRUNC))) {
		while (fds && got)
			close(fds[--got]);
		if (n == 0)
			return -ECONNRESET;
		return (msg.msg_flags & MSG_CTRUNC) ? -EMFILE : -EBADMSG;
	}
	((char *)p)[n] = '\0';
	return (ssize_t)got;
}

static int transmit(int sock, const struct wire_request *r, const char *text, const int *fds, size_t n_fds)
{
	union {
		struct cmsghdr align;
		char buf[CMSG_SPACE(INITCTL_FDS_MAX * sizeof(int))];
	} control;
	struct iovec iov[2] = {{(void *)r, sizeof(*r)}, {(void *)text, r->text_len}};
	struct msghdr msg = {.msg_iov = iov, .msg_iovlen = r->text_len ? 2 : 1};
	ssize_t n;

	if (n_fds) {
		memset(&control, 0, sizeof(control));
		msg.msg_control = control.buf;
		msg.msg_controllen = CMSG_SPACE(n_fds * sizeof(int));
		struct cmsghdr *c = CMSG_FIRSTHDR(&msg);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(n_fds * sizeof(int));
		memcpy(CMSG_DATA(c), fds, n_fds * sizeof(int));
	}
	do
		n = sendmsg(sock, &msg, MSG_NOSIGNAL);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return errno == EAGAIN ? -ETIMEDOUT : -errno;
	return 0;
}

/* One verb whose answer is only a result. */
static int simple(int sock, enum wire_op op, const char *name, uint64_t value, const int *fds, size_t n_fds)
{
	struct wire_request r;
	struct packet p;
	int err = request(&r, op, name, value);

	if (!err)
		err = transmit(sock, &r, NULL, fds, n_fds);
	if (err)
		return err;
	ssize_t n = receive(sock, &p, 0, NULL, 0);

	return n < 0 ? (int)n : p.head.result;
}

int initctl_watch(int fd, const char *name, int pidfd)
{
	return simple(fd, WIRE_WATCH, name, 0, &pidfd, 1);
}

int initctl_unwatch(int fd, const char *name)
{
	return simple(fd, WIRE_UNWATCH, name, 0, NULL, 0);
}

int initctl_subscribe(int fd, const char *prefix)
{
	return simple(fd, WIRE_SUBSCRIBE, prefix, 0, NULL, 0);
}

int initctl_next(int fd, struct initctl_exit *out)
{
	struct packet p;
	ssize_t n = receive(fd, &p, MSG_DONTWAIT, NULL, 0);

	if (n == -EAGAIN)
		return 0;
	if (n < 0)
		return (int)n;
	if (p.head.result < 0)
		return p.head.result;
	if (p.head.count != 1)
		return -EBADMSG;
	memcpy(out, p.payload, sizeof(*out));
	return 1;
}

int initctl_ack(int fd, uint64_t seq)
{
	return simple(fd, WIRE_ACK, NULL, seq, NULL, 0);
}

ssize_t initctl_running(int fd, const char *prefix, struct initctl_exit **out)
{
	cleanup(freep) struct initctl_exit *all = NULL;
	struct wire_request r;
	struct packet p;
	size_t n = 0;
	int err = request(&r, WIRE_RUNNING, prefix, 0);

	if (err)
		return err;
	do {
		err = transmit(fd, &r, NULL, NULL, 0);
		if (err)
			return err;
		ssize_t got = receive(fd, &p, 0, NULL, 0);
		if (got < 0)
			return got;
		if (p.head.result < 0)
			return p.head.result;
		if (p.head.count > WIRE_RECORDS_MAX)
			return -EBADMSG;
		struct initctl_exit *bigger = realloc(all, (n + p.head.count + 1) * sizeof(*all));
		if (!bigger)
			return -ENOMEM;
		all = bigger;
		memcpy(all + n, p.payload, p.head.count * sizeof(*all));
		n += p.head.count;
		r.value = p.head.cursor;
	} while (r.value);
	*out = take(all);
	return (ssize_t)n;
}

int initctl_store_put(int fd, const char *name, const int *fds, size_t n)
{
	if (n < 1 || n > INITCTL_FDS_MAX)
		return -EINVAL;
	return simple(fd, WIRE_PUT, name, 0, fds, n);
}

ssize_t initctl_store_get(int fd, const char *name, int *fds, size_t max)
{
	struct wire_request r;
	struct packet p;
	int err = request(&r, WIRE_GET, name, 0);

	if (!err)
		err = transmit(fd, &r, NULL, NULL, 0);
	if (err)
		return err;
	ssize_t n = receive(fd, &p, 0, fds, max);

	if (n < 0)
		return n;
	return p.head.result < 0 ? p.head.result : n;
}

int initctl_store_drop(int fd, const char *name)
{
	return simple(fd, WIRE_DROP, name, 0, NULL, 0);
}

int initctl_store_list(int fd, const char *prefix, char **out)
{
	cleanup(freep) char *all = calloc(1, 1);
	struct wire_request r;
	struct packet p;
	size_t n = 0;
	int err = request(&r, WIRE_LIST, prefix, 0);

	if (err)
		return err;
	if (!all)
		return -ENOMEM;
	do {
		err = transmit(fd, &r, NULL, NULL, 0);
		if (err)
			return err;
		ssize_t got = receive(fd, &p, 0, NULL, 0);
		if (got < 0)
			return (int)got;
		if (p.head.result < 0)
			return p.head.result;
		if (p.head.count > WIRE_PAYLOAD_MAX)
			return -EBADMSG;
		char *bigger = realloc(all, n + p.head.count + 1);
		if (!bigger)
			return -ENOMEM;
		all = bigger;
		memcpy(all + n, p.payload, p.head.count);
		n += p.head.count;
		all[n] = '\0';
		r.value = p.head.cursor;
	} while (r.value);
	*out = take(all);
	return 0;
}

int initctl_command(int fd, const char *words, char **reply)
{
	struct wire_request r;
	struct packet p;
	size_t len = strlen(words);
	int err = request(&r, WIRE_COMMAND, NULL, 0);

	if (err)
		return err;
	if (len > WIRE_TEXT_MAX)
		return -E2BIG;
	r.text_len = (uint32_t)len;
	err = transmit(fd, &r, words, NULL, 0);
	if (err)
		return err;
	ssize_t n = receive(fd, &p, 0, NULL, 0);

	if (n < 0)
		return (int)n;
	if (p.head.count > WIRE_PAYLOAD_MAX)
		return -EBADMSG;
	p.payload[p.head.count] = '\0';
	*reply = strdup(p.payload);
	return *reply ? p.head.result : -ENOMEM;
}

void initctl_ready(void)
{
	const char *fd = getenv("READY_FD");

	if (!fd)
		return;
	int n = atoi(fd);

	/* Init reads a byte or the end of the pipe; should the write fail, the start limit tells. */
	if (n > 2) {
		ssize_t written = write(n, "\n", 1);

		(void)written;
		close(n);
	}
	unsetenv("READY_FD");
}

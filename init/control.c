/* SPDX-License-Identifier: Apache-2.0 */

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "init/control.h"
#include "init/exits.h"
#include "init/fdstore.h"
#include "lib/log.h"

enum { ACCEPT_RETRY_MS = 1000 };

struct control_client {
	struct control *control;
	struct loop_io io; /* fd owned */
	bool subscriber;
	uint64_t sent; /* the last record it had */
	char prefix[INITCTL_NAME_MAX + 1];
	struct control_client *next, **link;
};

/* Only one answer is made at a time, and it is sent before the next request is read. */
static struct {
	struct wire_reply head;
	char payload[WIRE_PAYLOAD_MAX];
} reply;

static void client_free(struct control_client *cl)
{
	loop_io_del(&cl->io);
	close(cl->io.fd);
	*cl->link = cl->next;
	if (cl->next)
		cl->next->link = cl->link;
	cl->control->n_clients--;
	free(cl);
}

/* ---- requests */

int control_parse(const void *packet, size_t len, size_t n_fds, struct wire_request *out, char *text)
{
	if (len < sizeof(*out))
		return -EBADMSG;
	memcpy(out, packet, sizeof(*out));
	size_t text_len = len - sizeof(*out);

	if (out->version != WIRE_VERSION || out->op < WIRE_WATCH || out->op >= WIRE_OPS)
		return -EBADMSG;
	if (out->text_len != text_len || text_len > WIRE_TEXT_MAX || (text_len && out->op != WIRE_COMMAND))
		return -EBADMSG;
	if (n_fds != 0 && out->op != WIRE_PUT && out->op != WIRE_WATCH)
		return -EBADMSG;
	if ((out->op == WIRE_WATCH && n_fds != 1) ||
		(out->op == WIRE_PUT && (n_fds < 1 || n_fds > INITCTL_FDS_MAX)))
		return -EBADMSG;
	memcpy(text, (const char *)packet + sizeof(*out), text_len);
	text[text_len] = '\0';
	if (strlen(text) != text_len || !memchr(out->name, '\0', sizeof(out->name)))
		return -EBADMSG;

	switch ((enum wire_op)out->op) {
	case WIRE_SUBSCRIBE:
	case WIRE_RUNNING:
	case WIRE_LIST:
		return stored_prefix_valid(out->name) ? 0 : -EINVAL;
	case WIRE_ACK:
	case WIRE_COMMAND:
		return 0;
	default:
		return stored_name_valid(out->name) ? 0 : -EINVAL;
	}
}

/* Sends `reply`. False: the client is gone or does not read, and has been freed. */
static bool send_reply(struct control_client *cl, size_t payload, const int *fds, size_t n_fds)
{
	union {
		struct cmsghdr align;
		char buf[CMSG_SPACE(INITCTL_FDS_MAX * sizeof(int))];
	} control = {0};
	struct iovec iov = {&reply, sizeof(reply.head) + payload};
	struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};

	if (n_fds) {
		msg.msg_control = control.buf;
		msg.msg_controllen = CMSG_SPACE(n_fds * sizeof(int));
		struct cmsghdr *c = CMSG_FIRSTHDR(&msg);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(n_fds * sizeof(int));
		memcpy(CMSG_DATA(c), fds, n_fds * sizeof(int));
	}
	if (sendmsg(cl->io.fd, &msg, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0)
		return true;
	if (errno != EPIPE && errno != ECONNRESET)
		log_errno(errno, "op=control.reply msg=\"client dropped\"");
	client_free(cl);
	return false;
}

/* Sends what fits; the rest when there is room. A subscriber may be freed. */
static void feed(struct control_client *cl)
{
	struct control *c = cl->control;

	for (;;) {
		struct initctl_exit e;

		if (!exits_next(c->exits, cl->sent, cl->prefix, &e)) {
			if (loop_io_set(&cl->io, EPOLLIN | EPOLLRDHUP) < 0)
				client_free(cl);
			return;
		}
		memset(&reply.head, 0, sizeof(reply.head));
		reply.head.count = 1;
		memcpy(reply.payload, &e, sizeof(e));
		ssize_t n =
			send(cl->io.fd, &reply, sizeof(reply.head) + sizeof(e), MSG_DONTWAIT | MSG_NOSIGNAL);

		if (n < 0 && (errno == EAGAIN || errno == ENOBUFS || errno == ENOMEM)) {
			if (loop_io_set(&cl->io, EPOLLIN | EPOLLOUT | EPOLLRDHUP) < 0)
				client_free(cl);
			return;
		}
		if (n < 0) {
			client_free(cl);
			return;
		}
		cl->sent = e.seq;
	}
}

void control_exits_added(struct control *c)
{
	struct control_client *next;

	for (struct control_client *cl = c->clients; cl; cl = next) {
		next = cl->next;
		/* One that waits for room is fed when it has some. */
		if (cl->subscriber && !(cl->io.events & EPOLLOUT))
			feed(cl);
	}
}

/* Takes @fds over. */
static void serve(struct control_client *cl, const struct wire_request *r, char *text, int *fds, size_t n_fds)
{
	struct control *c = cl->control;
	const int *stored = NULL;
	ssize_t n_stored = 0;
	size_t payload = 0;

	memset(&reply.head, 0, sizeof(reply.head));
	switch ((enum wire_op)r->op) {
	case WIRE_WATCH:
		reply.head.result = exits_watch(c->exits, r->name, fds[0]);
		break;
	case WIRE_UNWATCH:
		reply.head.result = exits_unwatch(c->exits, r->name);
		break;
	case WIRE_SUBSCRIBE:
		if (cl->subscriber) {
			reply.head.result = -EALREADY;
			break;
		}
		cl->subscriber = true;
		strcpy(cl->prefix, r->name);
		break;
	case WIRE_ACK:
		reply.head.result = exits_ack(c->exits, r->value);
		break;
	case WIRE_RUNNING:
		reply.head.count = (uint32_t)exits_running(c->exits, r->name, r->value,
			(struct initctl_exit *)(void *)reply.payload, WIRE_RECORDS_MAX, &reply.head.cursor);
		payload = reply.head.count * sizeof(struct initctl_exit);
		break;
	case WIRE_PUT:
		reply.head.result = fdstore_put(c->store, r->name, fds, n_fds);
		break;
	case WIRE_GET:
		n_stored = fdstore_get(c->store, r->name, &stored);
		reply.head.result = (int32_t)n_stored;
		break;
	case WIRE_DROP:
		reply.head.result = fdstore_drop(c->store, r->name);
		break;
	case WIRE_LIST:
		payload = fdstore_list(c->store, r->name, r->value, reply.payload, sizeof(reply.payload),
			&reply.head.cursor);
		reply.head.count = (uint32_t)payload;
		break;
	case WIRE_COMMAND:
		reply.payload[0] = '\0';
		reply.head.result = c->command(c, text, reply.payload, sizeof(reply.payload));
		payload = strnlen(reply.payload, sizeof(reply.payload));
		reply.head.count = (uint32_t)payload;
		break;
	case WIRE_OPS:
		break;
	}
	if (send_reply(cl, payload, stored, n_stored > 0 ? (size_t)n_stored : 0) && cl->subscriber)
		feed(cl);
}

/* ---- clients */

static size_t take_rights(struct msghdr *msg, int *fds, size_t max)
{
	size_t n = 0;

	for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c)) {
		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		for (size_t i = 0; i < (c->cmsg_len - CMSG_LEN(0)) / sizeof(int); i++) {
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

static void on_client(struct loop_io *io, uint32_t events)
{
	struct control_client *cl = container_of(io, struct control_client, io);
	char packet[sizeof(struct wire_request) + WIRE_TEXT_MAX + 1], text[WIRE_TEXT_MAX + 1];
	union {
		struct cmsghdr align;
		char buf[CMSG_SPACE(INITCTL_FDS_MAX * sizeof(int))];
	} control;
	struct iovec iov = {packet, sizeof(packet)};
	struct msghdr msg = {.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control.buf,
		.msg_controllen = sizeof(control.buf)};
	struct wire_request r;
	int fds[INITCTL_FDS_MAX];

	if ((events & EPOLLOUT) && cl->subscriber) {
		feed(cl);
		return;
	}
	ssize_t n = recvmsg(io->fd, &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);

	if (n < 0 && errno == EAGAIN && !(events & (EPOLLHUP | EPOLLERR)))
		return;
	if (n <= 0) {
		client_free(cl);
		return;
	}
	size_t n_fds = take_rights(&msg, fds, array_len(fds));
	int err = 0;

	/* Out of descriptors, the kernel delivers the packet without them. */
	if (msg.msg_flags & MSG_CTRUNC)
		err = -EMFILE;
	else if (msg.msg_flags & MSG_TRUNC)
		err = -EBADMSG;
	else
		err = control_parse(packet, (size_t)n, n_fds, &r, text);
	if (!err) {
		serve(cl, &r, text, fds, n_fds);
		return;
	}
	while (n_fds)
		close(fds[--n_fds]);
	memset(&reply.head, 0, sizeof(reply.head));
	reply.head.result = err;
	if (send_reply(cl, 0, NULL, 0) && err == -EBADMSG)
		client_free(cl);
}

static void on_retry(struct loop_timer *t)
{
	struct control *c = container_of(t, struct control, retry);

	if (loop_io_set(&c->listener, EPOLLIN) < 0)
		log_error("op=control.listen msg=\"cannot listen again\"");
}

/* Short of descriptors or memory: leave callers in the backlog for a while rather than spin. */
static void pause_listening(struct control *c)
{
	if (loop_io_set(&c->listener, 0) < 0 ||
		loop_timer_set(c->loop, &c->retry, loop_now_ms(c->loop) + ACCEPT_RETRY_MS, on_retry) < 0)
		log_error("op=control.pause msg=\"cannot pause\"");
}

static bool peer_is_root(int fd)
{
	struct ucred cred;
	socklen_t len = sizeof(cred);

	return !getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) && cred.uid == 0;
}

static void on_listener(struct loop_io *io, uint32_t events)
{
	struct control *c = container_of(io, struct control, listener);
	cleanup(closep) int fd = accept4(io->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	struct control_client *cl;

	if (fd < 0) {
		if (errno != EAGAIN && errno != ECONNABORTED && errno != EINTR)
			pause_listening(c);
		return;
	}
	if (!peer_is_root(fd))
		return;
	if (c->n_clients >= CONTROL_CLIENTS_MAX) {
		log_warn("op=control.accept msg=\"too many clients: refused\"");
		return;
	}
	cl = calloc(1, sizeof(*cl));
	if (!cl || loop_io_add(c->loop, &cl->io, fd, EPOLLIN | EPOLLRDHUP, on_client) < 0) {
		free(cl);
		return;
	}
	cl->io.fd = take_fd(fd);
	cl->control = c;
	cl->next = c->clients;
	cl->link = &c->clients;
	if (cl->next)
		cl->next->link = &cl->next;
	c->clients = cl;
	c->n_clients++;
}

int control_listen(struct control *c, const char *path)
{
	struct sockaddr_un sa = {.sun_family = AF_UNIX};
	cleanup(closep) int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	mode_t mask;
	int err;

	if (fd < 0)
		return -errno;
	if (strlen(path) >= sizeof(sa.sun_path))
		return -ENAMETOOLONG;
	strcpy(sa.sun_path, path);
	unlink(path);
	mask = umask(0177);
	err = bind(fd, (struct sockaddr *)&sa, sizeof(sa)) < 0 ? -errno : 0;
	umask(mask);
	if (!err && listen(fd, 128) < 0)
		err = -errno;
	if (!err)
		err = loop_io_add(c->loop, &c->listener, fd, EPOLLIN, on_listener);
	if (!err)
		c->listener.fd = take_fd(fd);
	return err;
}

void control_fini(struct control *c)
{
	int fd = c->listener.loop ? c->listener.fd : -1;

	while (c->clients)
		client_free(c->clients);
	loop_timer_del(&c->retry);
	loop_io_del(&c->listener);
	closep(&fd);
}

/* SPDX-License-Identifier: Apache-2.0 */

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "agent/dial.h"
#include "lib/loop.h"
#include "lib/netns.h"

struct dial {
	struct loop_io io;
	struct loop_timer timer;
	bool taken; /* the descriptor is the receiver's */
	dial_done *done;
	void *arg;
};

static void finish(struct dial *d, int result)
{
	dial_done *done = d->done;
	void *arg = d->arg;

	d->taken = result >= 0;
	dial_cancel(d);
	done(result, arg);
}

static void on_writable(struct loop_io *io, uint32_t events)
{
	struct dial *d = container_of(io, struct dial, io);
	int err = 0, fd = io->fd;
	socklen_t len = sizeof(err);

	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &err, &len) < 0)
		err = errno;
	loop_io_del(io);
	finish(d, err ? -err : fd);
}

static void on_timeout(struct loop_timer *t)
{
	finish(container_of(t, struct dial, timer), -ETIMEDOUT);
}

int dial_start(struct dial **out, struct loop *l, int netns, const char *address, uint16_t port,
	int64_t timeout_ms, dial_done *done, void *arg)
{
	struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(port)};
	struct sockaddr_in6 in6 = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
	bool four = inet_pton(AF_INET, address, &in.sin_addr) == 1;
	struct dial *d;
	int fd, r;

	if (!four && inet_pton(AF_INET6, address, &in6.sin6_addr) != 1)
		return -EINVAL;
	fd = netns_socket(netns, four ? AF_INET : AF_INET6, SOCK_STREAM | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return fd;
	r = connect(
		fd, four ? (struct sockaddr *)&in : (struct sockaddr *)&in6, four ? sizeof(in) : sizeof(in6));
	/* What is refused at once is said from the loop, too: the socket is in error, which makes it writable. */
	if (r < 0 && errno != EINPROGRESS) {
		r = -errno;
		close(fd);
		return r;
	}
	d = calloc(1, sizeof(*d));
	if (!d) {
		close(fd);
		return -ENOMEM;
	}
	*d = (struct dial){.io.fd = fd, .done = done, .arg = arg};
	r = loop_io_add(l, &d->io, fd, EPOLLOUT, on_writable);
	if (!r)
		r = loop_timer_set(l, &d->timer, loop_now_ms(l) + timeout_ms, on_timeout);
	if (r) {
		dial_cancel(d);
		return r;
	}
	if (out)
		*out = d;
	return 0;
}

void dial_cancel(struct dial *d)
{
	if (!d)
		return;
	loop_timer_del(&d->timer);
	loop_io_del(&d->io);
	if (!d->taken)
		close(d->io.fd);
	free(d);
}

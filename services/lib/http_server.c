/* SPDX-License-Identifier: Apache-2.0 */

/* Listening and accepting. At the limit of connections the listeners fall silent and the kernel's queue
 * waits. */

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "lib/http_int.h"
#include "lib/log.h"

enum { ACCEPT_BATCH = 32, RETRY_MS = 100, DEFAULT_MAX_CONNS = 1024 };

struct listener {
	struct listener *next;
	struct http_server *server;
	struct tls_config *tls;
	struct loop_io io;
};

static void listen_again(struct http_server *s)
{
	bool full = s->n_conns >= s->max_conns || s->retry.loop;

	if (full == s->full)
		return;
	s->full = full;
	for (struct listener *li = s->listeners; li; li = li->next)
		if (loop_io_set(&li->io, full ? 0 : EPOLLIN) < 0)
			log_error("http op=listen msg=\"cannot change interest\"");
}

static void on_retry(struct loop_timer *t)
{
	listen_again(container_of(t, struct http_server, retry));
}

/* Out of descriptors or memory: the connection stays in the kernel's queue and would wake us at once again.
 */
static void pause_accepting(struct http_server *s, int err)
{
	log_errno(err, "http op=accept conns=%u", s->n_conns);
	if (loop_timer_set(s->loop, &s->retry, loop_now_ms(s->loop) + RETRY_MS, on_retry) == 0)
		listen_again(s);
}

static void on_accept(struct loop_io *io, uint32_t events)
{
	struct listener *li = container_of(io, struct listener, io);
	struct http_server *s = li->server;

	for (int i = 0; i < ACCEPT_BATCH && s->n_conns < s->max_conns; i++) {
		int fd = accept4(io->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC), r;

		if (fd < 0 && (errno == EAGAIN || errno == EINTR))
			break;
		if (fd < 0 && (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM)) {
			pause_accepting(s, errno);
			return;
		}
		if (fd < 0)
			continue; /* that one's own trouble, as of a peer that has gone */
		r = http_conn_new(s, fd, li->tls);
		if (r < 0)
			log_errno(-r, "http op=connect");
	}
	listen_again(s);
}

void http_server_forget(struct conn *c)
{
	struct http_server *s = c->server;

	*c->prev = c->next;
	if (c->next)
		c->next->prev = c->prev;
	s->n_conns--;
	listen_again(s);
}

int http_server_new(struct http_server **out, struct loop *l, http_handler *fn, void *arg)
{
	struct http_server *s = calloc(1, sizeof(*s));

	if (!s)
		return -ENOMEM;
	s->loop = l;
	s->fn = fn;
	s->arg = arg;
	s->max_conns = DEFAULT_MAX_CONNS;
	*out = s;
	return 0;
}

void http_server_set_tls(struct http_server *s, struct tls_config *tls)
{
	for (struct listener *li = s->listeners; li; li = li->next)
		if (li->tls)
			li->tls = tls;
}

void http_server_max_conns(struct http_server *s, unsigned max)
{
	s->max_conns = max;
	listen_again(s);
}

int http_server_listen(struct http_server *s, int fd, struct tls_config *tls)
{
	struct listener *li = calloc(1, sizeof(*li));
	int flags, r = -ENOMEM;

	if (!li)
		goto fail;
	flags = fcntl(fd, F_GETFL);
	if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0) {
		r = -errno;
		goto fail;
	}
	r = loop_io_add(s->loop, &li->io, fd, s->full ? 0 : EPOLLIN, on_accept);
	if (r < 0)
		goto fail;
	li->server = s;
	li->tls = tls;
	li->next = s->listeners;
	s->listeners = li;
	return 0;
fail:
	free(li);
	closep(&fd);
	return r;
}

int http_server_listen_unix(struct http_server *s, const char *path, mode_t mode)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	cleanup(closep) int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	mode_t old;
	int err;

	if (fd < 0)
		return log_errno(errno, "op=listen path=%s", path);
	if (strlen(path) >= sizeof(address.sun_path))
		return log_errno(ENAMETOOLONG, "op=listen path=%s", path);
	strcpy(address.sun_path, path);
	unlink(path);
	old = umask(0777 & ~mode);
	err = bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0 || listen(fd, 128) < 0 ? errno : 0;
	umask(old);
	return err ? log_errno(err, "op=listen path=%s", path) : http_server_listen(s, take_fd(fd), NULL);
}

void http_server_free(struct http_server *s)
{
	struct listener *li;

	if (!s)
		return;
	while ((li = s->listeners)) {
		s->listeners = li->next;
		loop_io_del(&li->io);
		closep(&li->io.fd);
		free(li);
	}
	while (s->conns)
		http_conn_free(s->conns);
	loop_timer_del(&s->retry);
	if (s->bury.loop) {
		struct loop_task *t = &s->bury;

		loop_defer_del(t);
		t->fn(t);
	}
	free(s);
}

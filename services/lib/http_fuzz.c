/* SPDX-License-Identifier: Apache-2.0 */

/*
 * A connection of the server is fed the input in pieces; the first byte says how large they are. The handler
 * does what the path asks for, so that bodies, pauses, early answers, hijacks and messages are reached. Nothing may be
 * left behind: `closed` comes exactly once for each request.
 */

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "lib/http_int.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct loop *l;
static int open_requests;

static void on_closed(struct http_req *r, bool ok, void *arg)
{
	if (--open_requests < 0)
		abort();
}

static void done(struct http_req *r, char *body, size_t len, void *arg)
{
	if (body[len])
		abort();
	http_reply(r, 200, "text/plain", body, len);
}

static void on_data(struct http_req *r, const void *buf, size_t len, void *arg)
{
	if (!len)
		abort();
	http_body_pause(r, true);
	http_body_pause(r, false);
}

static void on_early_data(struct http_req *r, const void *buf, size_t len, void *arg)
{
	http_reply(r, 403, NULL, NULL, 0);
}

static void on_end(struct http_req *r, void *arg)
{
	http_reply_start(r, 200, NULL);
	if (http_write(r, "x", 1) == 0)
		http_end(r);
}

static void handler(struct http_req *r, void *arg)
{
	const char *path = http_path(r), *value = http_query(r, "a");
	struct stream *s;

	open_requests++;
	http_on_closed(r, on_closed, NULL);
	if (strlen(path) == 0 || (value && strlen(value) > HTTP_TARGET_MAX))
		abort();
	switch (path[0] == '/' ? path[1] : 0) {
	case 'r':
		http_body_read(r, 100, done, NULL);
		break;
	case 's':
		http_body_stream(r, on_data, on_end, NULL);
		break;
	case 'e':
		http_body_stream(r, on_early_data, on_end, NULL);
		break;
	case 'h':
		s = http_hijack(r, 101, NULL);
		stream_free(s);
		break;
	case 'm':
		if (http_reply_messages(r, NULL, HTTP_MESSAGES_BASE64) < 0)
			http_reply(r, 400, NULL, NULL, 0);
		else if (http_write(r, "x", 1) == 0 && value)
			http_end(r);
		break;
	case 'p':
		break; /* never answered: the end of input closes it */
	default:
		http_reply(r, 200, NULL, http_raw_path(r), strlen(http_raw_path(r)));
	}
}

static struct feed {
	struct loop_task task;
	struct http_server *server;
	const uint8_t *data;
	size_t size, step;
	int fd, idle;
} feed;

static void on_feed(struct loop_task *t)
{
	char sink[4096];
	size_t n = feed.size < feed.step ? feed.size : feed.step;

	while (recv(feed.fd, sink, sizeof(sink), MSG_DONTWAIT) > 0)
		;
	if (n) {
		ssize_t sent = send(feed.fd, feed.data, n, MSG_DONTWAIT | MSG_NOSIGNAL);

		if (sent < 0)
			feed.size = 0;
		else
			feed.data += sent, feed.size -= (size_t)sent;
		if (!feed.size)
			shutdown(feed.fd, SHUT_WR);
	}
	if (!feed.server->conns || (!feed.size && ++feed.idle > 20))
		loop_quit(l, 0);
	else
		loop_defer(l, t, on_feed);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const size_t steps[] = {1, 3, 17, 1000, 1 << 20};
	int pair[2];

	if (size < 2 || size > 100000)
		return 0;
	if (!l && loop_new(&l) < 0)
		abort();
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		abort();
	feed.data = data + 1;
	feed.size = size - 1;
	feed.step = steps[data[0] % array_len(steps)];
	if (size > 2000 && feed.step < 17)
		feed.step = 17;
	feed.fd = pair[1];
	feed.idle = 0;
	if (http_server_new(&feed.server, l, handler, NULL) < 0 ||
		http_conn_new(feed.server, pair[0], NULL) < 0)
		abort();
	loop_defer(l, &feed.task, on_feed);
	loop_run(l);
	loop_defer_del(&feed.task);
	http_server_free(feed.server);
	close(pair[1]);
	if (open_requests)
		abort();
	return 0;
}

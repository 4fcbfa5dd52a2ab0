/* SPDX-License-Identifier: Apache-2.0 */

/*
 * GET /wherry/v1/snapshot: the store as one file, a SQLite database of one moment, made while everything else goes on. The store
 * writes it beside itself; it has lost its name before the first byte is sent, so nothing is left of a client that went away.
 */

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "cluster/http/http_int.h"
#include "cluster/store/store.h"
#include "lib/log.h"

enum { CHUNK = 64 * 1024, PENDING_MAX = 256 * 1024 };

struct snapshot {
	struct request *q;
	struct api *api; /* whose turn it is */
	char *path;	 /* owned */
	int fd;
};

static void snapshot_free(void *own)
{
	struct snapshot *s = own;

	s->api->snapshot_under_way = false;
	closep(&s->fd);
	free(s->path);
	free(s);
}

/* Sends as much as the peer takes. */
static void pump(struct http_req *r, void *arg)
{
	struct snapshot *s = arg;
	cleanup(freep) char *chunk = malloc(CHUNK);

	while (chunk && http_pending(r) < PENDING_MAX) {
		ssize_t n = read(s->fd, chunk, CHUNK);

		if (n < 0 && errno == EINTR)
			continue;
		if (!n) {
			http_end(r);
			return;
		}
		if (n < 0 || http_write(r, chunk, (size_t)n)) {
			log_errno(n < 0 ? errno : EPIPE, "api op=snapshot");
			http_abort(r);
			return;
		}
	}
	if (!chunk)
		http_abort(r);
}

static void on_made(int err, void *arg)
{
	struct snapshot *s = arg;
	struct request *q = s->q;

	if (!err) {
		s->fd = open(s->path, O_RDONLY | O_CLOEXEC);
		err = s->fd < 0 ? -errno : 0;
	}
	if (unlink(s->path) < 0 && errno != ENOENT)
		log_errno(errno, "api op=snapshot file=%s", s->path);
	if (q->http && err) {
		reply_status(q, status_errno(err, "snapshot"));
	} else if (q->http) {
		loop_timer_del(&q->timer);
		q->api->served[2]++;
		http_reply_start(q->http, 200, "application/vnd.sqlite3");
		if (q->http) {
			http_on_drain(q->http, pump, s);
			pump(q->http, s);
		}
	}
	request_unref(q);
}

void handle_snapshot(struct request *q)
{
	const char *dir = q->api->opts.data_dir;
	struct snapshot *s;
	int err;

	if (http_method(q->http) == HTTP_HEAD_ || !dir) {
		reply_status(q, status_new(dir ? 405 : 501, dir ? "MethodNotAllowed" : "NotImplemented",
					"a snapshot is had by GET, of a store that is kept on a disk"));
		return;
	}
	if (q->api->snapshot_under_way) {
		reply_status(q, status_too_many_requests(5, "another snapshot is being taken"));
		return;
	}
	s = calloc(1, sizeof(*s));
	if (!s || asprintf(&s->path, "%s/cluster.db.snapshot", dir) < 0) {
		free(s);
		reply_status(q, status_errno(-ENOMEM, "snapshot"));
		return;
	}
	s->fd = -1;
	s->q = q;
	s->api = q->api;
	s->api->snapshot_under_way = true;
	q->own = s;
	q->own_free = snapshot_free;
	/* of a server that was killed meanwhile */
	if (unlink(s->path) < 0 && errno != ENOENT)
		log_errno(errno, "api op=snapshot file=%s", s->path);
	request_ref(q);
	err = store_snapshot(registry_store(q->api->registry), s->path, on_made, s);
	if (err) {
		reply_status(q, status_errno(err, "snapshot"));
		request_unref(q);
	}
}

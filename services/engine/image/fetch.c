/* SPDX-License-Identifier: Apache-2.0 */

/*
 * See fetch.h. This file holds the transfers and their one loop; fetch_http.c what is said to the registry.
 */

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include "engine/image/fetch_int.h"
#include "lib/clock.h"
#include "lib/file.h"
#include "lib/log.h"
#include "lib/sandbox.h"

enum { PROGRESS_MS = 100, ATTEMPTS = 5, SINK_CHUNK = 1 << 20 };

int fetch_ask(int sock, const struct fetch_request *req, int sink, int copy)
{
	const int fds[2] = {sink, copy};
	const size_t len = copy < 0 ? sizeof(int) : sizeof(fds);
	union {
		struct cmsghdr head;
		char space[CMSG_SPACE(sizeof(fds))];
	} control = {0};
	struct iovec iov = {(void *)(uintptr_t)req, sizeof(*req)};
	struct msghdr msg = {
		.msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = CMSG_SPACE(len)};
	struct cmsghdr *c = CMSG_FIRSTHDR(&msg);

	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(len);
	memcpy(CMSG_DATA(c), fds, len);
	return sendmsg(sock, &msg, MSG_NOSIGNAL) < 0 ? -errno : 0;
}

/* 1: got one; 0: the other end is closed; -EAGAIN; or -errno. */
static int receive(int sock, struct fetch_request *req, int fds[2])
{
	union {
		struct cmsghdr head;
		char space[CMSG_SPACE(2 * sizeof(int))];
	} control = {0};
	struct iovec iov = {req, sizeof(*req)};
	struct msghdr msg = {
		.msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control)};
	ssize_t n = recvmsg(sock, &msg, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
	struct cmsghdr *c;

	if (n <= 0)
		return n < 0 ? -errno : 0;
	c = CMSG_FIRSTHDR(&msg);
	if (n != sizeof(*req) || !c || c->cmsg_type != SCM_RIGHTS ||
		(c->cmsg_len != CMSG_LEN(sizeof(int)) && c->cmsg_len != CMSG_LEN(2 * sizeof(int))))
		return -EPROTO;
	memcpy(fds, CMSG_DATA(c), c->cmsg_len - CMSG_LEN(0));
	return 1;
}

static void tell(struct fetcher *f, const struct fetch_event *e)
{
	if (send(f->sock, e, sizeof(*e), MSG_NOSIGNAL) < 0)
		f->quit = true; /* nobody listens any more */
}

static void end(struct xfer *x)
{
	struct fetcher *f = x->f;
	struct xfer **p = &f->xfers;

	while (*p != x)
		p = &(*p)->next;
	*p = x->next;
	fetch_http_stop(x);
	closep(&x->sink);
	closep(&x->copy);
	free(x->url);
	free(x->asked);
	free(x->location);
	free(x->pending);
	free(x->error_body);
	free(x);
}

void fetch_fail(struct xfer *x, int err, const char *text)
{
	struct fetch_event e = {.id = x->req.id, .type = FETCH_FAILED, .err = err, .bytes = x->received};

	snprintf(e.text, sizeof(e.text), "%s", text);
	tell(x->f, &e);
	end(x);
}

/* Something that may pass: again, after a pause that grows while next to nothing arrives. */
void fetch_retry(struct xfer *x, int err, const char *text, unsigned at_least_s)
{
	struct fetch_event e = {.id = x->req.id, .type = FETCH_RETRY, .bytes = x->received};

	if (x->received - x->received_before >= FETCH_ATTEMPT_BYTES)
		x->attempts = 0;
	x->received_before = x->received;
	if (++x->attempts >= ATTEMPTS) {
		fetch_fail(x, err, text);
		return;
	}
	e.seconds = 1U << (x->attempts - 1);
	if (e.seconds < at_least_s)
		e.seconds = at_least_s < 60 ? at_least_s : 60;
	snprintf(e.text, sizeof(e.text), "%s", text);
	tell(x->f, &e);
	fetch_http_stop(x);
	free(take(x->url)); /* a redirect may have been for once only */
	x->redirects = 0;
	x->finished = false;
	x->start_at_ms = clock_ms(CLOCK_MONOTONIC) + e.seconds * 1000;
}

/* All bytes are with the reader: are they what was asked for? */
void fetch_done(struct xfer *x)
{
	struct fetch_event e = {.id = x->req.id, .type = FETCH_DONE, .bytes = x->received};
	char digest[IMAGE_DIGEST_LEN + 1], text[300];

	if (x->req.kind == FETCH_BLOB && x->received < x->req.size_bytes) {
		fetch_retry(x, -EBADMSG, "unexpected end: the registry sent less than the manifest says", 0);
		return;
	}
	digest_final(&x->digest, digest);
	if (!strncmp(x->req.what, "sha256:", 7) && strcmp(digest, x->req.what)) {
		snprintf(
			text, sizeof(text), "wrong digest: the registry sent %s for %s", digest, x->req.what);
		fetch_fail(x, -EBADMSG, text);
		return;
	}
	tell(x->f, &e);
	end(x);
}

/* ---- bytes on their way to the reader */

/* Writes what it can. 0, or -errno when the reader is gone. */
static int drain(struct xfer *x)
{
	while (x->pending_pos < x->pending_len) {
		ssize_t n = write(x->sink, x->pending + x->pending_pos, x->pending_len - x->pending_pos);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno == EAGAIN ? 0 : -errno;
		x->pending_pos += (size_t)n;
	}
	x->pending_pos = x->pending_len = 0;
	return 0;
}

int fetch_deliver(struct xfer *x, const void *buf, size_t len)
{
	struct fetch_event e = {.id = x->req.id, .type = FETCH_PROGRESS};
	size_t done = 0;

	if (x->copy >= 0) {
		int r = file_write_all(x->copy, buf, len);

		if (r < 0)
			return r;
	}
	digest_update(&x->digest, buf, len);
	x->received += len;
	while (done < len) {
		ssize_t n = write(x->sink, (const char *)buf + done, len - done);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno != EAGAIN)
			return -errno;
		if (n < 0)
			break;
		done += (size_t)n;
	}
	if (done < len) {
		if (len - done > x->pending_max) {
			char *more = realloc(x->pending, len - done);

			if (!more)
				return -ENOMEM;
			x->pending = more;
			x->pending_max = len - done;
		}
		memcpy(x->pending, (const char *)buf + done, len - done);
		x->pending_len = len - done;
		x->pending_pos = 0;
	}
	if (clock_ms(CLOCK_MONOTONIC) - x->told_ms >= PROGRESS_MS) {
		x->told_ms = clock_ms(CLOCK_MONOTONIC);
		e.bytes = x->received;
		tell(x->f, &e);
	}
	return 0;
}

/* ---- the loop */

static int accept_request(struct fetcher *f)
{
	struct fetch_request req;
	struct xfer *x;
	int fds[2] = {-1, -1}, r;

	r = receive(f->sock, &req, fds);
	if (r <= 0)
		return r;
	req.what[sizeof(req.what) - 1] = '\0';
	x = calloc(1, sizeof(*x));
	if (!x) {
		closep(&fds[0]);
		closep(&fds[1]);
		return -ENOMEM;
	}
	x->f = f;
	x->req = req;
	x->sink = fds[0];
	x->copy = fds[1];
	if (req.kind == FETCH_PING)
		x->endpoint = f->setup->endpoints->n - 1;
	digest_init(&x->digest);
	x->next = f->xfers;
	f->xfers = x;
	return 1;
}

/* Milliseconds until a transfer is to be started again. */
static int next_start(struct fetcher *f)
{
	int64_t now = clock_ms(CLOCK_MONOTONIC), wait = 1000;

	for (struct xfer *x = f->xfers; x; x = x->next)
		if (!x->running && !x->finished && x->start_at_ms - now < wait)
			wait = x->start_at_ms > now ? x->start_at_ms - now : 0;
	return (int)wait;
}

static void start_due(struct fetcher *f)
{
	int64_t now = clock_ms(CLOCK_MONOTONIC);
	struct xfer *x, *next;

	for (x = f->xfers; x; x = next) {
		next = x->next;
		if (!x->running && !x->finished && x->start_at_ms <= now)
			fetch_http_start(x); /* may end it */
	}
}

static void drain_all(struct fetcher *f)
{
	struct xfer *x, *next;

	for (x = f->xfers; x; x = next) {
		next = x->next;
		if (!x->pending_len)
			continue;
		if (drain(x) < 0)
			fetch_fail(x, -EPIPE, "its reader is gone");
		else if (!x->pending_len && x->finished)
			fetch_done(x);
		else if (!x->pending_len && x->running)
			curl_easy_pause(x->easy, CURLPAUSE_CONT);
	}
}

int fetch_main(int sock, const struct fetch_setup *setup)
{
	struct fetcher f = {.sock = sock, .setup = setup};
	struct curl_waitfd extra[64];
	int r = 1, running;

	if (curl_global_init(CURL_GLOBAL_DEFAULT) || sandbox_downloader() < 0)
		return 1;
	f.multi = curl_multi_init();
	if (!f.multi)
		return 1;
	curl_multi_setopt(f.multi, CURLMOPT_MAX_HOST_CONNECTIONS, 6L);

	while (!f.quit) {
		unsigned n = 0;

		while ((r = accept_request(&f)) == 1)
			;
		if (r != -EAGAIN)
			break;
		start_due(&f);
		if (curl_multi_perform(f.multi, &running) != CURLM_OK)
			break;
		fetch_http_finished(&f);
		drain_all(&f);
		extra[n++] = (struct curl_waitfd){.fd = sock, .events = CURL_WAIT_POLLIN};
		for (struct xfer *x = f.xfers; x && n < array_len(extra); x = x->next)
			if (x->pending_len)
				extra[n++] = (struct curl_waitfd){.fd = x->sink, .events = CURL_WAIT_POLLOUT};
		curl_multi_poll(f.multi, extra, n, next_start(&f), NULL);
	}
	while (f.xfers)
		end(f.xfers);
	for (size_t i = 0; i < array_len(f.token); i++)
		free(f.token[i]);
	curl_multi_cleanup(f.multi);
	curl_global_cleanup();
	return r == 0 ? 0 : 1;
}

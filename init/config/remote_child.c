/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The process that has the network for as long as a configuration is asked for: one loop with the devices, the leases, the parent's
 * socket and its times. What there is to do is in step(), which is called with each thing that is learnt.
 */

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <time.h>

#include "init/config/remote_int.h"
#include "init/config/render.h"
#include "init/network/network.h"
#include "init/time/clock.h"
#include "lib/clock.h"
#include "lib/cmdline.h"
#include "lib/console.h"
#include "lib/download.h"
#include "lib/file.h"
#include "lib/log.h"

/* How long, in ms since the parent asked: */
enum {
	NEW_WAIT_MS = 120 * 1000,   /* for an answer of the URL */
	SET_UP_WAIT_MS = 30 * 1000, /* the same, with a saved configuration at hand */
	/* Without a URL: for a link, which some cards need long for, and for leases where there is one; switches may take half a
	 * minute to let a port in. */
	LINK_WAIT_MS = 10 * 1000,
	LEASE_WAIT_MS = 40 * 1000,
};
enum { ATTEMPT_MS = 20 * 1000, RETRY_MS = 1000, RETRY_MAX_MS = 8000 };

struct asker {
	int sock;
	struct loop *loop;
	struct loop_io io;
	struct loop_timer retry, end;
	struct loop_timer link_end, lease_end; /* armed while one may come yet */
	struct network *network;
	char url[CMDLINE_VALUE_MAX]; /* "" as long as none is known */
	bool by_dhcp;		     /* a lease may name it */
	bool asked;		     /* by the parent */
	bool ready;		     /* all devices are up, or were waited for */
	bool leased;
	bool done; /* what comes in the same turn of the loop is too late */
	unsigned fails;
	int64_t end_ms;

	struct remote_answer answer;
	char *text; /* owned */
};

/* ---- one attempt */

/* What was received, by the file and not by what the process that wrote it says; 0 or as attempt(). */
static int take_text(struct asker *a, int fd, const uint8_t *pinned)
{
	uint8_t digest[SHA256_SIZE];
	char path[32];
	int rc;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	rc = file_read(AT_FDCWD, path, CONFIG_SIZE_MAX, &a->text, &a->answer.len);
	if (rc < 0) {
		snprintf(a->answer.why, sizeof(a->answer.why), "cannot be read: %s", strerror(-rc));
		return -EAGAIN;
	}
	sha256(a->text, a->answer.len, digest);
	if (pinned && memcmp(digest, pinned, sizeof(digest)) != 0) {
		free(take(a->text));
		a->answer.len = 0;
		snprintf(a->answer.why, sizeof(a->answer.why),
			"its SHA-256 is not the one that the URL asks for");
		return -EPERM;
	}
	a->answer.has_text = true;
	a->answer.why[0] = '\0';
	return 0;
}

/* 0 with a->text; -EAGAIN: another time perhaps, -EPERM: never; both with a->answer.why. */
static int attempt(struct asker *a)
{
	cleanup(closep) int fd = memfd_create("configuration", MFD_CLOEXEC);
	int64_t left_ms = a->end_ms - clock_ms(CLOCK_MONOTONIC);
	uint8_t digest[SHA256_SIZE];
	char url[CMDLINE_VALUE_MAX];
	struct download_wanted w = {.url = url, .to = fd, .bytes_max = CONFIG_SIZE_MAX, .link_local = true};
	struct download_result got;
	int rc, pinned;

	if (fd < 0) {
		snprintf(
			a->answer.why, sizeof(a->answer.why), "no memory to receive it: %s", strerror(errno));
		return -EAGAIN;
	}
	snprintf(url, sizeof(url), "%s", a->url);
	pinned = remote_split(url, digest);
	left_ms = left_ms > ATTEMPT_MS ? ATTEMPT_MS : left_ms < 1000 ? 1000 : left_ms;
	w.seconds_max = (unsigned)(left_ms / 1000);
	rc = download(&w, &got);
	if (rc == -EFBIG) {
		a->answer.why[0] = '\0'; /* a source without text or reason is too large */
		return -EPERM;
	}
	if (rc < 0) {
		remote_words(a->answer.name, got.error, a->answer.why, sizeof(a->answer.why));
		return rc == -EPERM || rc == -ELOOP ? -EPERM : -EAGAIN;
	}
	return take_text(a, fd, pinned > 0 ? digest : NULL);
}

/* ---- what there is to do */

static void finish(struct asker *a, int outcome)
{
	if (a->done)
		return;
	a->done = true;
	a->answer.outcome = outcome;
	loop_quit(a->loop, 0);
}

static void step(struct asker *a);

static void on_retry(struct loop_timer *t)
{
	step(container_of(t, struct asker, retry));
}

static void try_later(struct asker *a)
{
	int64_t wait = RETRY_MS;

	for (unsigned i = 0; i < a->fails && wait < RETRY_MAX_MS; i++)
		wait *= 2;
	if (!a->fails++)
		console_say("no configuration from %s yet: %s; trying on", a->answer.name, a->answer.why);
	if (loop_timer_set(a->loop, &a->retry, clock_ms(CLOCK_MONOTONIC) + wait, on_retry) < 0)
		finish(a, CONFIG_FOUND);
}

static void step(struct asker *a)
{
	int rc;

	if (a->done || !a->asked)
		return;
	if (!*a->url) {
		/* all that will speak have spoken, and none of them named one */
		if (!a->lease_end.loop ||
			(network_linked(a->network) ? network_settled(a->network) : !a->link_end.loop))
			finish(a, CONFIG_NONE);
		return;
	}
	if ((!a->ready && !a->leased) || a->retry.loop)
		return;
	rc = attempt(a);
	if (rc == -EAGAIN)
		try_later(a);
	else
		finish(a, CONFIG_FOUND);
}

static void know_url(struct asker *a, const char *url)
{
	snprintf(a->url, sizeof(a->url), "%s", url);
	remote_show(a->url, a->answer.name, sizeof(a->answer.name));
	snprintf(a->answer.why, sizeof(a->answer.why), "no network to ask over");
}

static void on_ready(void *arg)
{
	struct asker *a = arg;

	a->ready = true;
	step(a);
}

static void on_leased(const struct lease *l, void *arg)
{
	struct asker *a = arg;
	char why[CONFIG_SOURCE_WHY_MAX];

	a->leased = true;
	if (a->by_dhcp && !*a->url && *l->config_url) {
		if (!remote_judge(l->config_url, why, sizeof(why))) {
			log_warn("msg=\"what a DHCP server names as a configuration is %s\"", why);
		} else {
			know_url(a, l->config_url);
			log_info("url=%s msg=\"a DHCP server names a configuration\"", a->answer.name);
		}
	}
	/* perhaps it is the way to the server */
	loop_timer_del(&a->retry);
	step(a);
}

static void on_link_end(struct loop_timer *t)
{
	step(container_of(t, struct asker, link_end));
}

static void on_lease_end(struct loop_timer *t)
{
	step(container_of(t, struct asker, lease_end));
}

static void on_end(struct loop_timer *t)
{
	struct asker *a = container_of(t, struct asker, end);

	finish(a, *a->url ? CONFIG_FOUND : CONFIG_NONE);
}

static void on_parent(struct loop_io *io, uint32_t events)
{
	struct asker *a = container_of(io, struct asker, io);
	int64_t now = clock_ms(CLOCK_MONOTONIC);
	char past;

	if (recv(a->sock, &past, 1, MSG_DONTWAIT) != 1) {
		finish(a, CONFIG_NONE);
		return;
	}
	a->asked = true;
	a->end_ms = now + (past == DISK_PAST_SET_UP ? SET_UP_WAIT_MS : NEW_WAIT_MS);
	if (loop_timer_set(a->loop, &a->end, a->end_ms, on_end) < 0 ||
		loop_timer_set(a->loop, &a->link_end, now + LINK_WAIT_MS, on_link_end) < 0 ||
		loop_timer_set(a->loop, &a->lease_end, now + LEASE_WAIT_MS, on_lease_end) < 0)
		finish(a, *a->url ? CONFIG_FOUND : CONFIG_NONE);
	else
		step(a);
}

static int run(struct asker *a)
{
	struct network_wanted w = {.ready = on_ready, .leased = on_leased, .arg = a};
	int rc = loop_new(&a->loop);

	/* certificates are judged by the clock, and the service that minds it comes later */
	clock_raise(NULL, CLOCK_BUILD_FILE);
	if (!rc)
		rc = loop_io_add(a->loop, &a->io, a->sock, EPOLLIN | EPOLLRDHUP, on_parent);
	if (rc < 0)
		return log_errno(-rc, "op=loop");
	rc = network_start(&a->network, a->loop, &w);
	if (rc < 0) {
		snprintf(a->answer.why, sizeof(a->answer.why), "no network to ask over: %s", strerror(-rc));
		a->answer.outcome = *a->url ? CONFIG_FOUND : CONFIG_NONE;
		return 0;
	}
	rc = loop_run(a->loop);
	network_end(a->network);
	return rc;
}

int remote_child(int sock, const char *url)
{
	static struct asker a;

	a = (struct asker){.sock = sock, .by_dhcp = !*url, .answer = {.outcome = CONFIG_NONE}};
	if (*url)
		know_url(&a, url);
	if (run(&a) < 0)
		return 1;
	/* a parent that has gone does not want it any more */
	return file_write_all(sock, &a.answer, sizeof(a.answer)) < 0 ||
	       file_write_all(sock, a.text, a.answer.len) < 0;
}

/* SPDX-License-Identifier: Apache-2.0 */

/* The process between a container's output and the engine: see spill.h. */

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "applets.h"
#include "engine/spill.h"
#include "lib/clock.h"
#include "lib/log.h"
#include "lib/privilege.h"

enum { CHUNK = 64 << 10, FIRST_FD = 3, TELL_MS = 1000 };

/* What the pipe takes now. A reader that has gone takes everything: there is nobody left to lose it. */
static size_t put(struct spill_state *s, const char *p, size_t len)
{
	size_t done = 0;

	while (done < len) {
		ssize_t n = write(s->way.to, p + done, len - done);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno == EAGAIN ? done : len;
		done += (size_t)n;
	}
	return done;
}

static void drop(struct spill_state *s, const char *p, size_t len)
{
	if (!len)
		return;
	s->dropped += len;
	s->skipping = p[len - 1] != '\n';
}

/* The line that the pipe has begun goes on in @rest: as far as its end, or as there is room. Return: bytes of @p used up. */
static size_t keep(struct spill_state *s, const char *p, size_t len)
{
	const char *nl = memchr(p, '\n', len);
	size_t n = nl ? (size_t)(nl - p) + 1 : len, room = sizeof(s->rest) - 1 - s->kept,
	       some = n < room ? n : room;

	memcpy(s->rest + s->kept, p, some);
	s->kept += some;
	s->open = !nl;
	if (some == n)
		return n;
	/* There is no end to it: it is cut. */
	s->rest[s->kept++] = '\n';
	s->open = false;
	drop(s, p + some, n - some);
	return n;
}

static void take_in(struct spill_state *s, const char *p, size_t len)
{
	size_t n = 0;

	if (s->skipping) {
		const char *nl = memchr(p, '\n', len);

		n = nl ? (size_t)(nl - p) + 1 : len;
		drop(s, p, n);
	} else if (s->kept && s->open) {
		n = keep(s, p, len);
	}
	p += n;
	len -= n;
	if (s->kept || !len) {
		drop(s, p, len);
		return;
	}
	n = put(s, p, len);
	if (n)
		s->mid_line = p[n - 1] != '\n';
	if (n < len && s->mid_line)
		n += keep(s, p + n, len - n);
	drop(s, p + n, len - n);
}

void spill_move(struct spill_state *s)
{
	char buf[CHUNK];
	size_t done = put(s, s->rest, s->kept);
	ssize_t n;

	if (done) {
		s->mid_line = s->rest[done - 1] != '\n';
		memmove(s->rest, s->rest + done, s->kept - done);
		s->kept -= done;
	}
	if (s->ended)
		return;
	n = read(s->way.from, buf, sizeof(buf));
	if (n > 0)
		take_in(s, buf, (size_t)n);
	else if (!n || (errno != EAGAIN && errno != EINTR))
		s->ended = true; /* a terminal says so with EIO */
}

struct count {
	uint64_t told;
	int64_t told_ms;
};

static bool untold(const struct spill_state *s, const struct count *c)
{
	return s->dropped != c->told;
}

/* A line a second, however long it goes on. */
static void tell(const struct spill_state *s, struct count *c, const char *id, bool now)
{
	int64_t ms = untold(s, c) ? clock_ms(CLOCK_MONOTONIC) : 0;

	if (!ms || (!now && ms - c->told_ms < TELL_MS))
		return;
	log_warn("container=%s op=log lost_bytes=%llu msg=\"mode=non-blocking: its buffer was full\"", id,
		(unsigned long long)(s->dropped - c->told));
	*c = (struct count){s->dropped, ms};
}

int engine_spill_main(int argc, char **argv)
{
	static struct spill_state s[SPILL_WAYS];
	struct count counts[SPILL_WAYS] = {0};
	size_t n = argc == 3 ? strtoul(argv[2], NULL, 10) : 0, open = n;

	if (n < 1 || n > SPILL_WAYS) {
		fputs("usage: engine_spill CONTAINER STREAMS\n", stderr);
		return 2;
	}
	signal(SIGPIPE, SIG_IGN);
	if (privilege_keep(0))
		return 1;
	for (size_t i = 0; i < n; i++)
		s[i].way = (struct spill_way){FIRST_FD + 2 * (int)i, FIRST_FD + 2 * (int)i + 1};
	while (open) {
		struct pollfd p[2 * SPILL_WAYS];
		int timeout_ms = -1;

		for (size_t i = 0; i < n; i++) {
			p[2 * i] = (struct pollfd){.fd = s[i].ended ? -1 : s[i].way.from, .events = POLLIN};
			p[2 * i + 1] = (struct pollfd){.fd = s[i].kept ? s[i].way.to : -1, .events = POLLOUT};
			if (untold(&s[i], &counts[i]))
				timeout_ms = TELL_MS;
		}
		if (poll(p, 2 * n, timeout_ms) < 0 && errno != EINTR)
			return 1;
		open = 0;
		for (size_t i = 0; i < n; i++) {
			spill_move(&s[i]);
			tell(&s[i], &counts[i], argv[1], false);
			open += !s[i].ended || s[i].kept;
		}
	}
	for (size_t i = 0; i < n; i++)
		tell(&s[i], &counts[i], argv[1], true);
	return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "engine/api.h"
#include "engine/container.h"
#include "engine/engine.h"
#include "engine/files.h"
#include "engine/log_lines.h"
#include "engine/log_options.h"
#include "engine/logs.h"
#include "engine/output.h"
#include "engine/start.h"
#include "engine/stdcopy.h"
#include "lib/json.h"
#include "lib/log.h"
#include "lib/loop.h"

enum { LOGS_CHUNK = 32 << 10, LOGS_PENDING_MAX = 512 << 10, LOGS_TURNS = 64 };

struct logs {
	struct engine *e;
	struct http_req *r;
	struct output_reader reader;
	struct loop_timer timer;
	int64_t since_ns, until_ns;
	struct log_lines lines;
	bool out, err, follow;
	bool done;
	char *attributes; /* owned: what --details puts before a line */
};

static void on_closed(struct http_req *r, bool ok, void *arg)
{
	struct logs *g = arg;

	loop_timer_del(&g->timer);
	output_reader_fini(&g->reader);
	log_lines_fini(&g->lines);
	free(g->attributes);
	free(g);
}

/* After a write: its peer has gone, and on_closed() follows, or there was no memory: the answer cannot be completed. */
static int sent(struct logs *g, int err)
{
	if (err == -ENOMEM)
		http_abort(g->r);
	return err;
}

/* What lines are ready, if @err is 0, go out in one write. 0; else @g may be gone. */
static int send_lines(struct logs *g, int err)
{
	if (!err)
		err = http_write(g->r, g->lines.out, g->lines.out_len);
	if (!err)
		log_lines_clear(&g->lines);
	return sent(g, err);
}

static int send_chunk(struct logs *g, const struct output_chunk *chunk, const char *p)
{
	struct log_lines *l = &g->lines;

	if (!l->framed && !l->timestamps && !l->details)
		return sent(g, http_write(g->r, p, chunk->len));
	return send_lines(g, log_lines_add(l, chunk->stream, chunk->time_ns, p, chunk->len));
}

static void finish(struct logs *g)
{
	if (g->done)
		return;
	g->done = true;
	if (!send_lines(g, log_lines_end(&g->lines)))
		http_end(g->r);
}

static void pump(struct logs *g);

static void on_timer(struct loop_timer *t)
{
	pump(container_of(t, struct logs, timer));
}

static void pump(struct logs *g)
{
	char buf[LOGS_CHUNK];

	for (int turn = 0; !g->done && http_pending(g->r) < LOGS_PENDING_MAX; turn++) {
		struct output_chunk chunk;
		int got;

		/* A long log is not sent in one go: others want to be served, too. */
		if (turn == LOGS_TURNS) {
			if (loop_timer_set(g->e->loop, &g->timer, loop_now_ms(g->e->loop), on_timer))
				finish(g);
			return;
		}
		got = output_peek(&g->reader, &chunk);
		if (got > 0 && g->until_ns && chunk.time_ns > g->until_ns) {
			finish(g);
			return;
		}
		if (got > 0) {
			bool wanted = (chunk.stream == OUTPUT_STDERR ? g->err : g->out) &&
				      chunk.time_ns >= g->since_ns;

			got = wanted ? output_read(&g->reader, &chunk, buf, sizeof(buf))
				     : output_skip(&g->reader, &chunk);
			if (got > 0 && !wanted)
				continue;
		}
		if (got < 0)
			log_errno(-got, "op=logs");
		if (got <= 0) {
			if (got < 0 || !g->follow || output_ended(g->reader.output) ||
				(g->until_ns && wall_ns() >= g->until_ns))
				finish(g);
			else if (g->until_ns &&
				 loop_timer_set(g->e->loop, &g->timer,
					 loop_now_ms(g->e->loop) + (g->until_ns - wall_ns()) / 1000000 + 1,
					 on_timer))
				finish(g);
			return;
		}
		if (send_chunk(g, &chunk, buf))
			return; /* the peer has gone; `closed` follows */
	}
}

static void on_wake(struct output_reader *r)
{
	pump(container_of(r, struct logs, reader));
}

static void on_drain(struct http_req *r, void *arg)
{
	pump(arg);
}

/* "all", "", or how many lines. */
static int parse_tail(const char *s, int64_t *lines)
{
	char *end;

	*lines = -1;
	if (!s || !*s || !strcmp(s, "all"))
		return 0;
	errno = 0;
	long long n = strtoll(s, &end, 10);

	if (errno || *end || end == s)
		return -EINVAL;
	*lines = n < 0 ? -1 : n;
	return 0;
}

void logs_handle(struct engine *e, struct http_req *r, const char *name)
{
	struct container *c = container_or_404(e, r, name);
	const char *since = http_query(r, "since"), *until = http_query(r, "until");
	int64_t lines = -1;

	if (!c)
		return;
	if (container_log_none(c)) {
		api_error(r, 501, "configured logging driver does not support reading");
		return;
	}

	struct logs *g = calloc(1, sizeof(*g));

	if (!g) {
		api_error(r, 500, "out of memory");
		return;
	}
	g->e = e;
	g->r = r;
	g->lines.framed = !c->tty;
	g->out = api_query_bool(r, "stdout", false);
	g->err = api_query_bool(r, "stderr", false);
	g->lines.timestamps = api_query_bool(r, "timestamps", false);
	g->follow = api_query_bool(r, "follow", false);

	const char *bad =
		!g->out && !g->err ? "Bad parameters: you must choose at least one stream"
		: since && *since && time_parse(since, &g->since_ns) ? "invalid value for \"since\": no time"
		: until && *until && time_parse(until, &g->until_ns) ? "invalid value for \"until\": no time"
		: parse_tail(http_query(r, "tail"), &lines)
			? "invalid value for \"tail\": all, or a number of lines"
			: NULL;

	if (api_query_bool(r, "details", false)) {
		g->attributes = log_options_details(c);
		g->lines.details = g->attributes;
		if (!bad && !g->attributes)
			bad = "out of memory";
	}
	if (bad || start_open_output(c)) {
		api_error(r, bad ? 400 : 500, "%s", bad ? bad : "the container's log cannot be opened");
		free(g->attributes);
		free(g);
		return;
	}
	output_reader_init(&g->reader, c->output);
	http_on_closed(r, on_closed, g);
	if (lines >= 0) {
		int err = output_reader_tail(&g->reader, (uint64_t)lines);

		if (err) {
			api_errno(r, err, "the log of container %s cannot be read", c->name);
			return;
		}
	}
	if (g->follow)
		output_reader_follow(&g->reader, on_wake);
	http_on_drain(r, on_drain, g);
	http_reply_start(r, 200, c->tty || api_minor(r) < 42 ? CONTENT_RAW : CONTENT_MULTIPLEXED);
	pump(g);
}

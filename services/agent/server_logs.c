/* SPDX-License-Identifier: Apache-2.0 */

/* Logs of a container: the engine keeps them, here they lose the engine's frames and get the kubelet's bounds. */

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "agent/frames.h"
#include "agent/pod.h"
#include "agent/server_int.h"
#include "lib/http.h"
#include "lib/http_client.h"
#include "lib/json.h"
#include "lib/uri.h"

struct logs {
	struct http_req *r; /* NULL: gone */
	struct http_call *call;
	struct frames frames;
	bool framed, started, paused, full;
	int64_t left; /* of limitBytes; -1: no limit */
	char why[512];
	size_t why_len;
};

/* ---- what is asked for */

struct logs_wants {
	bool follow, timestamps, previous, out, err;
	int64_t tail, limit; /* -1: all */
	char since[64];	     /* in the engine's words; "" the beginning */
};

static bool flag(struct http_req *r, const char *name)
{
	const char *text = http_query(r, name);

	return text && (!strcmp(text, "true") || !strcmp(text, "1") || !strcmp(text, "True") || !*text);
}

static bool number(struct http_req *r, const char *name, int64_t least, int64_t *out)
{
	const char *text = http_query(r, name);
	char *end;

	if (!text)
		return true;
	errno = 0;
	*out = strtoll(text, &end, 10);
	return *text && !*end && !errno && *out >= least;
}

static const char *read_wants(struct http_req *r, struct logs_wants *w)
{
	const char *stream = http_query(r, "stream"), *time_text = http_query(r, "sinceTime");
	int64_t seconds = -1;

	*w = (struct logs_wants){.tail = -1, .limit = -1, .out = true, .err = true};
	w->follow = flag(r, "follow");
	w->timestamps = flag(r, "timestamps");
	w->previous = flag(r, "previous");
	if (!number(r, "tailLines", 0, &w->tail))
		return "tailLines must be a number, not less than 0";
	if (!number(r, "limitBytes", 1, &w->limit))
		return "limitBytes must be a number, greater than 0";
	if (!number(r, "sinceSeconds", 1, &seconds))
		return "sinceSeconds must be a number, greater than 0";
	if (seconds > 0 && time_text)
		return "at most one of sinceTime and sinceSeconds may be given";
	if (seconds > 0)
		snprintf(w->since, sizeof(w->since), "%lld", (long long)(time(NULL) - seconds));
	else if (time_text)
		snprintf(w->since, sizeof(w->since), "%s", time_text);
	if (stream && !strcmp(stream, "Stdout"))
		w->err = false;
	else if (stream && !strcmp(stream, "Stderr"))
		w->out = false;
	else if (stream && *stream && strcmp(stream, "All") != 0)
		return "stream must be All, Stdout or Stderr";
	return NULL;
}

/* ---- the engine's answer */

static void logs_free(struct logs *l)
{
	struct http_req *r = l->r;

	if (r) {
		http_on_closed(r, NULL, NULL);
		http_on_drain(r, NULL, NULL);
	}
	free(l);
}

static void on_head(struct http_call *call, int status, void *arg)
{
	struct logs *l = arg;
	const char *type = http_call_header(call, "Content-Type");

	if (status != 200)
		return;
	l->framed = type && !strcmp(type, "application/vnd.docker.multiplexed-stream");
	l->started = true;
	http_reply_start(l->r, 200, "text/plain");
}

struct gathered {
	char *text;
	size_t len;
};

static void gather(int stream, const void *buf, size_t len, void *arg)
{
	struct gathered *g = arg;

	memcpy(g->text + g->len, buf, len);
	g->len += len;
}

static void put(struct logs *l, const void *buf, size_t len)
{
	if (l->left >= 0 && (int64_t)len >= l->left) {
		len = (size_t)l->left;
		l->full = true;
	}
	if (l->left >= 0)
		l->left -= (int64_t)len;
	(void)!http_write(l->r, buf, len); /* `closed` says when its reader has gone */
}

/* Without the frames, of which there is one a line: what came together goes on together. */
static int put_frames(struct logs *l, const void *buf, size_t len)
{
	cleanup(freep) char *text = malloc(len);
	struct gathered g = {.text = text};
	int err = text ? frames_feed(&l->frames, buf, len, gather, &g) : -ENOMEM;

	if (g.len)
		put(l, text, g.len);
	return err;
}

static void on_data(struct http_call *call, const void *buf, size_t len, void *arg)
{
	struct logs *l = arg;
	int err = 0;

	if (!l->started) {
		size_t n = sizeof(l->why) - 1 - l->why_len < len ? sizeof(l->why) - 1 - l->why_len : len;

		memcpy(l->why + l->why_len, buf, n);
		l->why_len += n;
		return;
	}
	if (l->framed)
		err = put_frames(l, buf, len);
	else
		put(l, buf, len);
	if (err || l->full || !l->r) {
		struct http_req *r = l->r;

		logs_free(l);
		http_call_cancel(call);
		if (r && err)
			http_abort(r);
		else if (r)
			http_end(r);
	} else if (http_pending(l->r) > SERVER_PENDING_MAX) {
		l->paused = true;
		http_call_pause(call, true);
	}
}

static void on_done(struct http_call *call, int err, const char *why, void *arg)
{
	struct logs *l = arg;
	struct http_req *r = l->r;
	cleanup(json_docp) yyjson_doc *doc = NULL;
	const char *said;

	if (l->started && r && err) {
		logs_free(l);
		http_abort(r);
		return;
	}
	if (l->started && r) {
		logs_free(l);
		http_end(r);
		return;
	}
	doc = l->why_len ? yyjson_read(l->why, l->why_len, 0) : NULL;
	said = json_str(yyjson_doc_get_root(doc), "message");
	if (r) {
		http_on_closed(r, NULL, NULL);
		server_refuse(r, 500, "InternalError", "%s",
			err    ? why
			: said ? said
			       : "the engine gave no reason");
		l->r = NULL;
	}
	free(l);
}

static const struct http_call_events events = {.head = on_head, .data = on_data, .done = on_done};

/* ---- the reader */

static void on_closed(struct http_req *r, bool ok, void *arg)
{
	struct logs *l = arg;

	l->r = NULL;
	http_call_cancel(l->call);
	free(l);
}

static void on_drain(struct http_req *r, void *arg)
{
	struct logs *l = arg;

	if (!l->paused)
		return;
	l->paused = false;
	http_call_pause(l->call, false);
}

/* The container that is meant; NULL: the request has been answered. */
static const char *choose(
	struct http_req *r, const struct pod *p, const struct pod_container *c, bool previous)
{
	const char *id = previous ? c->last.id : c->now.id;

	/* Between two starts the newest there is, is the last one. */
	if (!previous && !*id)
		id = c->last.id;
	if (*id)
		return id;
	if (previous)
		server_refuse(r, 400, "BadRequest",
			"previous terminated container \"%s\" in pod \"%s\" not found", c->name, p->name);
	else
		server_refuse(r, 400, "BadRequest", "container \"%s\" in pod \"%s\" is waiting to start: %s",
			c->name, p->name, *c->waiting ? c->waiting : "ContainerCreating");
	return NULL;
}

void server_logs(struct server *s, struct http_req *r, const char *rest)
{
	struct pod_container *c = NULL;
	struct pod *p = server_pod(s, r, rest, &c);
	struct logs_wants w;
	const char *wrong = p ? read_wants(r, &w) : NULL, *id;
	cleanup(freep) char *since = NULL;
	char target[512], tail[24] = "all";
	struct http_request rq = {.method = "GET", .target = target, .timeout_ms = -1};
	struct logs *l;
	int err;

	if (!p)
		return;
	if (wrong) {
		server_refuse(r, 422, "Invalid", "PodLogOptions is invalid: %s", wrong);
		return;
	}
	id = choose(r, p, c, w.previous);
	if (!id)
		return;
	since = uri_encode(w.since);
	l = calloc(1, sizeof(*l));
	if (!l || !since) {
		free(l);
		server_refuse(r, 500, "InternalError", "out of memory");
		return;
	}
	*l = (struct logs){.r = r, .left = w.limit};
	if (w.tail >= 0)
		snprintf(tail, sizeof(tail), "%lld", (long long)w.tail);
	snprintf(target, sizeof(target),
		"/v1.51/containers/%s/logs?stdout=%d&stderr=%d&follow=%d&timestamps=%d&tail=%s%s%s", id,
		w.out, w.err, w.follow, w.timestamps, tail, *since ? "&since=" : "", since);
	http_on_closed(r, on_closed, l);
	http_on_drain(r, on_drain, l);
	err = http_call_start(&l->call, s->a->engine, &rq, &events, l);
	if (err) {
		logs_free(l);
		server_refuse(r, 500, "InternalError", "the engine cannot be asked: %s", strerror(-err));
	}
}

/* SPDX-License-Identifier: Apache-2.0 */

/*
 * exec and attach: the client's streams on one side (remote.h), the engine's connection on the other. An exec is made before the
 * connection is taken over, so that what is wrong with it is said in HTTP; what happens later is said on the error channel.
 */

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "agent/engine_exec.h"
#include "agent/frames.h"
#include "agent/pod.h"
#include "agent/remote.h"
#include "agent/server_int.h"
#include "lib/byteq.h"
#include "lib/http.h"
#include "lib/http_client.h"
#include "lib/json.h"
#include "lib/loop.h"
#include "lib/stream.h"

enum { COMMAND_MAX = 256 };

struct session {
	struct loop *loop;
	struct http_client *engine;
	struct http_req *r; /* until it is taken over */
	char container[65], exec[80];
	struct remote_wants wants;
	bool attach, raw;
	struct http_call *call;
	struct remote *remote;
	struct stream *up; /* to the engine */
	struct frames frames;
	struct byteq early; /* input that came before that */
	bool input_ended, output_ended, finished;
	unsigned width, height, looks;
	bool sized;
	char why[512]; /* the engine's refusal */
	size_t why_len;
	struct loop_task bury;
	struct loop_timer timer;
};

/* ---- the end */

static void on_bury(struct loop_task *t)
{
	struct session *s = container_of(t, struct session, bury);

	loop_timer_del(&s->timer);
	http_call_cancel(s->call);
	stream_free(s->up);
	remote_free(s->remote);
	byteq_skip(&s->early, s->early.bytes);
	free(s);
}

static void end(struct session *s)
{
	if (s->r)
		http_on_closed(s->r, NULL, NULL);
	s->r = NULL;
	/* Who leaves takes the command along, as with other runtimes. */
	if (*s->exec && !s->finished && !s->attach)
		engine_exec_kill(s->engine, s->exec);
	s->finished = true;
	loop_defer(s->loop, &s->bury, on_bury);
}

static void remote_gone(void *arg)
{
	end(arg);
}

static void finish(struct session *s, const char *status)
{
	if (s->finished)
		return;
	s->finished = true;
	stream_free(s->up);
	s->up = NULL;
	remote_finish(s->remote, status);
}

/* Status of the outcome, as the kubelet says it. */
static char *status_text(const char *reason, const char *message, const char *exit_code)
{
	cleanup(json_mut_docp) yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
	yyjson_mut_val *root = doc ? yyjson_mut_obj(doc) : NULL, *details, *causes, *cause;

	if (!root)
		return NULL;
	yyjson_mut_doc_set_root(doc, root);
	yyjson_mut_obj_add_obj(doc, root, "metadata");
	yyjson_mut_obj_add_str(doc, root, "status", reason ? "Failure" : "Success");
	if (reason) {
		yyjson_mut_obj_add_strcpy(doc, root, "message", message);
		yyjson_mut_obj_add_str(doc, root, "reason", reason);
		yyjson_mut_obj_add_int(doc, root, "code", 500);
	}
	if (exit_code) {
		details = yyjson_mut_obj_add_obj(doc, root, "details");
		causes = yyjson_mut_obj_add_arr(doc, details, "causes");
		cause = yyjson_mut_arr_add_obj(doc, causes);
		yyjson_mut_obj_add_str(doc, cause, "reason", "ExitCode");
		yyjson_mut_obj_add_strcpy(doc, cause, "message", exit_code);
	}
	return yyjson_mut_write(doc, 0, NULL);
}

static void finish_with(struct session *s, const char *reason, const char *message, const char *exit_code)
{
	cleanup(freep) char *text = status_text(reason, message, exit_code);

	finish(s, text ? text : "{\"status\":\"Failure\",\"message\":\"out of memory\"}");
}

static void look(struct session *s);

static void on_look_again(struct loop_timer *t)
{
	look(container_of(t, struct session, timer));
}

static void on_look(int status, const char *why, yyjson_val *root, void *arg)
{
	struct session *s = arg;
	int64_t code = json_int(root, "ExitCode", -1);
	char text[100], number[24];

	s->call = NULL;
	if (why) {
		finish_with(s, "InternalError", why, NULL);
		return;
	}
	if (code < 0 && json_bool(root, "Running")) {
		if (loop_timer_set(s->loop, &s->timer,
			    loop_now_ms(s->loop) + engine_exec_look_in_ms(++s->looks), on_look_again))
			finish_with(s, "InternalError", "out of memory", NULL);
		return;
	}
	snprintf(number, sizeof(number), "%lld", (long long)code);
	snprintf(text, sizeof(text), "command terminated with non-zero exit code: exit status %s", number);
	if (code)
		finish_with(s, "NonZeroExitCode", text, number);
	else
		finish_with(s, NULL, NULL, NULL);
}

static void look(struct session *s)
{
	if (engine_exec_look(&s->call, s->engine, s->exec, on_look, s)) {
		s->call = NULL;
		finish_with(s, "InternalError", "out of memory", NULL);
	}
}

/* ---- from the engine */

static void output_end(struct session *s)
{
	if (s->output_ended || s->finished)
		return;
	s->output_ended = true;
	if (s->attach)
		finish_with(s, NULL, NULL, NULL);
	else
		look(s);
}

static void put(int stream, const void *buf, size_t len, void *arg)
{
	struct session *s = arg;

	remote_send(s->remote, stream == 2 ? REMOTE_STDERR : REMOTE_STDOUT, buf, len);
}

static void up_data(struct stream *up, const void *buf, size_t len, void *arg)
{
	struct session *s = arg;

	if (s->finished)
		return;
	if (s->raw)
		put(1, buf, len, s);
	else if (frames_feed(&s->frames, buf, len, put, s))
		output_end(s);
	if (remote_pending(s->remote) > REMOTE_PENDING_MAX)
		stream_read_enable(up, false);
}

static void up_eof(struct stream *up, void *arg)
{
	output_end(arg);
}

static void up_drain(struct stream *up, void *arg)
{
	struct session *s = arg;

	if (!s->finished)
		remote_read(s->remote, true);
}

static void up_closed(struct stream *up, int err, void *arg)
{
	output_end(arg);
}

static const struct stream_events up_events = {up_data, up_eof, up_drain, up_closed};

/* ---- from the client */

static void send_up(struct session *s, const void *buf, size_t len)
{
	if (stream_write(s->up, buf, len))
		return; /* what the command did not want to read; its end says the rest */
	if (stream_pending(s->up) > REMOTE_PENDING_MAX)
		remote_read(s->remote, false);
}

static void on_input(const void *buf, size_t len, void *arg)
{
	struct session *s = arg;

	if (s->finished)
		return;
	if (s->up)
		send_up(s, buf, len);
	else if (byteq_add(&s->early, buf, len))
		end(s);
}

static void on_input_end(void *arg)
{
	struct session *s = arg;

	s->input_ended = true;
	if (s->up && !s->finished)
		stream_shutdown(s->up);
}

static void on_drain(void *arg)
{
	struct session *s = arg;

	if (s->up)
		stream_read_enable(s->up, true);
}

static void on_resized(int status, const char *why, yyjson_val *root, void *arg) {}

static void send_size(struct session *s)
{
	char target[192];
	struct json_request rq = {.method = "POST", .target = target};

	snprintf(target, sizeof(target), "/v1.51/%s/%s/resize?h=%u&w=%u", s->attach ? "containers" : "exec",
		s->attach ? s->container : s->exec, s->height, s->width);
	/* One that comes too late is of no use to anybody. */
	(void)!json_call(NULL, s->engine, &rq, on_resized, NULL);
}

static void on_resize(unsigned width, unsigned height, void *arg)
{
	struct session *s = arg;

	s->width = width;
	s->height = height;
	s->sized = true;
	if (s->up && !s->finished)
		send_size(s);
}

/* ---- the engine's connection */

static void on_head(struct http_call *call, int status, void *arg) {}

static void on_refusal(struct http_call *call, const void *buf, size_t len, void *arg)
{
	struct session *s = arg;
	size_t n = sizeof(s->why) - s->why_len < len ? sizeof(s->why) - s->why_len : len;

	memcpy(s->why + s->why_len, buf, n);
	s->why_len += n;
}

static void on_upgraded(struct http_call *call, struct stream *stream, void *arg)
{
	struct session *s = arg;
	struct iovec iov[8];
	size_t len;

	s->up = stream;
	stream_set_events(stream, &up_events, s);
	while (s->early.bytes) {
		int n = byteq_peek(&s->early, iov, 8, &len);

		for (int i = 0; i < n; i++)
			(void)!stream_write(stream, iov[i].iov_base, iov[i].iov_len);
		byteq_skip(&s->early, len);
	}
	if (s->input_ended || !s->wants.in)
		stream_shutdown(stream);
	if (s->sized)
		send_size(s);
	remote_read(s->remote, true);
}

char *server_engine_said(const char *text, size_t len)
{
	cleanup(json_docp) yyjson_doc *doc = yyjson_read(text, len, 0);
	const char *said = json_str(yyjson_doc_get_root(doc), "message");

	while (!doc && len && (text[len - 1] == '\r' || text[len - 1] == '\n'))
		len--;
	return said ? strdup(said) : !doc && len ? strndup(text, len) : NULL;
}

static void on_done(struct http_call *call, int err, const char *why, void *arg)
{
	struct session *s = arg;
	cleanup(freep) char *said = NULL;

	s->call = NULL;
	if (s->up)
		return;
	said = server_engine_said(s->why, s->why_len);
	finish_with(s, "InternalError", err ? why : said ? said : "the engine gave no reason", NULL);
}

static const struct http_call_events call_events = {on_head, on_refusal, on_upgraded, on_done, NULL};

static void on_ready(void *arg)
{
	struct session *s = arg;
	char target[512], body[96];
	struct http_request rq = {.method = "POST", .target = target, .upgrade = "tcp", .timeout_ms = -1};

	if (s->attach) {
		/* Docker's own keys for leaving are turned off, as far as they can be. */
		snprintf(target, sizeof(target),
			"/v1.51/containers/%s/attach?stream=1&stdin=%d&stdout=%d&stderr=%d&detachKeys="
			"ctrl-%%40%%2Cctrl-%%5E%%2Cctrl-%%40%%2Cctrl-%%5E%%2Cctrl-%%40%%2Cctrl-%%5E",
			s->container, s->wants.in, s->wants.out, s->wants.err);
	} else {
		int n = snprintf(body, sizeof(body), "{\"Detach\":false,\"Tty\":%s%s",
			s->wants.tty ? "true" : "false", s->wants.tty && s->sized ? ",\"ConsoleSize\":" : "");

		if (s->wants.tty && s->sized)
			n += snprintf(body + n, sizeof(body) - (size_t)n, "[%u,%u]", s->height, s->width);
		snprintf(body + n, sizeof(body) - (size_t)n, "}");
		snprintf(target, sizeof(target), "/v1.51/exec/%s/start", s->exec);
		rq.content_type = "application/json";
		rq.body = body;
		rq.len = strlen(body);
	}
	if (http_call_start(&s->call, s->engine, &rq, &call_events, s)) {
		s->call = NULL;
		finish_with(s, "InternalError", "the engine cannot be asked: out of memory", NULL);
	}
}

/* ---- the beginning */

static const struct remote_events remote_events = {
	on_ready, on_input, on_input_end, on_resize, on_drain, remote_gone};

/* The streams that the client wants are there: HTTP is over. */
static void take_over(struct session *s)
{
	struct http_req *r = s->r;

	s->r = NULL;
	http_on_closed(r, NULL, NULL);
	if (remote_accept(&s->remote, s->loop, r, &s->wants, &remote_events, s)) {
		s->remote = NULL;
		end(s);
	}
}

static void on_created(int status, const char *why, yyjson_val *root, void *arg)
{
	struct session *s = arg;
	const char *id = json_text(root, "Id");

	s->call = NULL;
	if (why || !id) {
		struct http_req *r = s->r;

		end(s);
		server_refuse(r, status == 404 ? 404 : 500, status == 404 ? "NotFound" : "InternalError",
			"%s", why ? why : "the engine's answer has no id");
		return;
	}
	snprintf(s->exec, sizeof(s->exec), "%s", id);
	take_over(s);
}

static void on_left(struct http_req *r, bool ok, void *arg)
{
	struct session *s = arg;

	s->r = NULL;
	end(s);
}

static bool flag(struct http_req *r, const char *name)
{
	const char *text = http_query(r, name);

	return text && (!strcmp(text, "1") || !strcmp(text, "true"));
}

static struct session *begin(
	struct server *sv, struct http_req *r, const char *rest, struct pod_container **c)
{
	struct pod *p = server_pod(sv, r, rest, c);
	struct session *s;

	if (!p)
		return NULL;
	if (!(*c)->running || !*(*c)->now.id) {
		server_refuse(r, 400, "BadRequest", "container \"%s\" in pod \"%s/%s\" is not running",
			(*c)->name, p->ns, p->name);
		return NULL;
	}
	s = calloc(1, sizeof(*s));
	if (!s) {
		server_refuse(r, 500, "InternalError", "out of memory");
		return NULL;
	}
	*s = (struct session){.loop = sv->a->loop,
		.engine = sv->a->engine,
		.r = r,
		.wants = {flag(r, "input"), flag(r, "output"), flag(r, "error"), flag(r, "tty")}};
	snprintf(s->container, sizeof(s->container), "%s", (*c)->now.id);
	if (!s->wants.in && !s->wants.out && !s->wants.err) {
		free(s);
		server_refuse(r, 400, "BadRequest", "you must specify at least 1 of stdin, stdout, stderr");
		return NULL;
	}
	s->wants.err &= !s->wants.tty;
	http_on_closed(r, on_left, s);
	return s;
}

void server_exec(struct server *sv, struct http_req *r, const char *rest)
{
	const char *argv[COMMAND_MAX];
	struct pod_container *c = NULL;
	size_t n = http_query_all(r, "command", argv, COMMAND_MAX);
	struct session *s;

	if (!n || n == COMMAND_MAX) {
		server_refuse(r, 400, "BadRequest",
			n ? "the command has too many words"
			  : "you must specify a command for the container");
		return;
	}
	s = begin(sv, r, rest, &c);
	if (!s)
		return;
	s->raw = s->wants.tty;
	if (engine_exec_create(&s->call, s->engine,
		    &(struct engine_exec){s->container, s->wants.in, s->wants.out, s->wants.err, s->wants.tty,
			    argv, n, NULL},
		    on_created, s)) {
		s->call = NULL;
		end(s);
		server_refuse(r, 500, "InternalError", "the engine cannot be asked: out of memory");
	}
}

void server_attach(struct server *sv, struct http_req *r, const char *rest)
{
	struct pod_container *c = NULL;
	struct session *s = begin(sv, r, rest, &c);

	if (!s)
		return;
	s->attach = true;
	s->raw = json_bool(c->spec, "tty");
	s->wants.in &= json_bool(c->spec, "stdin");
	take_over(s);
}

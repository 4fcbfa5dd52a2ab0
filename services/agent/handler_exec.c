/* SPDX-License-Identifier: Apache-2.0 */

/* A command in the container: made, started, read to the end of its output, asked for its exit code. */

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "agent/engine_exec.h"
#include "agent/handler_int.h"
#include "lib/http_client.h"
#include "lib/json.h"

static void look(struct handler_run *h);

static void on_container(int status, const char *why, yyjson_val *root, void *arg)
{
	struct handler_run *h = arg;
	yyjson_val *state = json_obj(root, "State");

	h->call = NULL;
	h->gone = status == 404 || (!why && state && !json_bool(state, "Running"));
	handler_finish(h, false, NULL);
}

/*
 * What the engine has known, and does not know any more, went in passing. One that has ended and is still known refuses in the same
 * way (409) as one that is there and takes no command now, a paused one: so that is looked at.
 */
static void refused(struct handler_run *h, int status, const char *why)
{
	char target[128];
	struct json_request rq = {.method = "GET", .target = target};

	h->gone = status == 404;
	snprintf(h->why, sizeof(h->why), "%s", why);
	snprintf(target, sizeof(target), "/v1.51/containers/%s/json", h->container);
	if (status != 409 || json_call(&h->call, h->engine, &rq, on_container, h))
		handler_finish(h, false, NULL);
}

static void on_look_again(struct loop_timer *t)
{
	look(container_of(t, struct handler_run, look));
}

static void on_look(int status, const char *why, yyjson_val *root, void *arg)
{
	struct handler_run *h = arg;
	int64_t code = json_int(root, "ExitCode", -1);

	h->call = NULL;
	if (why) {
		refused(h, status, why);
	} else if (code < 0 && json_bool(root, "Running")) {
		if (loop_timer_set(h->loop, &h->look,
			    loop_now_ms(h->loop) + engine_exec_look_in_ms(++h->looks), on_look_again))
			handler_finish(h, false, "out of memory");
	} else {
		*h->exec = 0; /* nothing is left to be killed */
		while (h->output && h->why[h->output - 1] == '\n')
			h->output--;
		h->why[h->output] = 0;
		if (code && !h->output)
			snprintf(h->why, sizeof(h->why), "the command ended with exit code %lld",
				(long long)code);
		handler_finish(h, !code, NULL);
	}
}

static void look(struct handler_run *h)
{
	if (engine_exec_look(&h->call, h->engine, h->exec, on_look, h))
		handler_finish(h, false, "out of memory");
}

static void put(int stream, const void *buf, size_t len, void *arg)
{
	struct handler_run *h = arg;
	size_t room = HANDLER_OUTPUT_MAX - h->output, n = len < room ? len : room;

	memcpy(h->why + h->output, buf, n);
	h->output += n;
}

static void on_data(struct http_call *call, const void *buf, size_t len, void *arg)
{
	struct handler_run *h = arg;

	if (http_call_status(call) != 200)
		put(1, buf, len, h);
	else
		(void)!frames_feed(
			&h->frames, buf, len, put, h); /* what is none of its frames is not shown */
}

/* The engine would not start it: its sentence, out of {"message": ...}, or whatever it said. */
static void not_started(struct handler_run *h, int status)
{
	cleanup(json_docp) yyjson_doc *doc = yyjson_read(h->why, h->output, 0);
	const char *message = json_text(yyjson_doc_get_root(doc), "message");

	h->why[h->output] = 0;
	if (message)
		refused(h, status, message);
	else
		handler_finish(h, false, h->output ? NULL : "the engine refused to start the command");
}

static void on_done(struct http_call *call, int err, const char *why, void *arg)
{
	struct handler_run *h = arg;
	int status = http_call_status(call);

	h->call = NULL;
	if (err)
		handler_finish(h, false, "%s", why);
	else if (status != 200)
		not_started(h, status);
	else
		look(h);
}

static const struct http_call_events events = {.data = on_data, .done = on_done};

static void on_created(int status, const char *why, yyjson_val *root, void *arg)
{
	static const char body[] = "{\"Detach\":false,\"Tty\":false}";
	struct handler_run *h = arg;
	const char *id = json_text(root, "Id");
	char target[128];
	struct http_request rq = {.method = "POST",
		.target = target,
		.content_type = "application/json",
		.body = body,
		.len = sizeof(body) - 1,
		.timeout_ms = -1};

	h->call = NULL;
	if (why || !id) {
		refused(h, status, why ? why : "the engine's answer has no id");
		return;
	}
	snprintf(h->exec, sizeof(h->exec), "%s", id);
	snprintf(target, sizeof(target), "/v1.51/exec/%s/start", id);
	if (http_call_start(&h->call, h->engine, &rq, &events, h))
		handler_finish(h, false, "out of memory");
}

int handler_exec(struct handler_run *h, const char *container, yyjson_val *exec)
{
	yyjson_val *command = json_arr(exec, "command");

	if (!yyjson_arr_size(command)) {
		handler_finish(h, false, "exec has no command");
		return 0;
	}
	snprintf(h->container, sizeof(h->container), "%s", container);
	return engine_exec_create(&h->call, h->engine,
		&(struct engine_exec){.container = container, .out = true, .err = true, .command = command},
		on_created, h);
}

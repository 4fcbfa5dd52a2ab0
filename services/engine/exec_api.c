/* SPDX-License-Identifier: Apache-2.0 */

/* POST /containers/ID/exec, and the endpoints under /exec. */

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>

#include "engine/api.h"
#include "engine/attach.h"
#include "engine/container.h"
#include "engine/engine.h"
#include "engine/events.h"
#include "engine/exec_int.h"
#include "engine/files.h"
#include "engine/lifecycle.h"
#include "engine/shape.h"
#include "lib/errno_text.h"
#include "lib/json.h"
#include "lib/log.h"

/* ---- create */

static const struct shape create_members[] = {
	{"AttachStdin", SHAPE_BOOL}, {"AttachStdout", SHAPE_BOOL}, {"AttachStderr", SHAPE_BOOL},
	{"ConsoleSize", SHAPE_ARR}, {"DetachKeys", SHAPE_STR}, {"Tty", SHAPE_BOOL}, {"Env", SHAPE_STRS},
	{"Cmd", SHAPE_STRS}, {"Privileged", SHAPE_BOOL}, {"User", SHAPE_STR}, {"WorkingDir", SHAPE_STR},
	{.type = SHAPE_OPEN}, /* the container once more, Detach: each client has its own */
};
static const struct shape start_members[] = {
	{"Detach", SHAPE_BOOL}, {"Tty", SHAPE_BOOL}, {"ConsoleSize", SHAPE_ARR}, {.type = SHAPE_OPEN}};

static const char *check_config(yyjson_val *o)
{
	static const char *const lists[] = {"Cmd", "Env"};
	size_t i, n;
	yyjson_val *v;

	if (!yyjson_is_obj(o))
		return "the request body is not an object";
	for (size_t k = 0; k < array_len(lists); k++)
		yyjson_arr_foreach (yyjson_obj_get(o, lists[k]), i, n, v)
			if (strlen(yyjson_get_str(v)) != yyjson_get_len(v))
				return "Cmd and Env must be lists of strings without NUL bytes";
	if (!yyjson_arr_size(json_arr(o, "Cmd")))
		return "No exec command specified";
	return NULL;
}

/* Whether something can be done in it now; @name: what it is called in the answer to the contrary. */
static bool can_exec(struct http_req *r, const struct container *c, const char *name)
{
	if (c->state == CONTAINER_PAUSED)
		api_error(r, 409, "Container %s is paused, unpause the container before exec", name);
	else if (lifecycle_restarts(c))
		api_error(r, 409, "Container %s is restarting, wait until the container is running", c->id);
	else if (c->state != CONTAINER_RUNNING)
		api_error(r, 409, "container %s is not running", c->id);
	else
		return true;
	return false;
}

static void create_body(struct engine *e, struct http_req *r, const char *name, yyjson_val *root)
{
	struct container *c = container_or_404(e, r, name);
	cleanup(freep) char *msg = NULL;
	struct detach d;
	const char *bad;

	if (!c)
		return;
	bad = shape_check(root, create_members, "", &msg) ? (msg ? msg : "out of memory")
							  : check_config(root);
	if (bad) {
		api_error(r, 400, "%s", bad);
		return;
	}
	if (!can_exec(r, c, name))
		return;
	if (detach_parse(&d, json_str(root, "DetachKeys"))) {
		api_error(r, 400, "Invalid escape keys (%s) provided", json_str(root, "DetachKeys"));
		return;
	}

	struct exec *x = NULL;
	int err = exec_new(&x, c, root);

	if (err) {
		if (err == -EUSERS)
			api_error(r, 503, "there are %d execs already", EXECS_MAX);
		else
			api_errno(r, err, "the exec cannot be made");
		return;
	}

	yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
	yyjson_mut_val *o = yyjson_mut_obj(doc);

	yyjson_mut_doc_set_root(doc, o);
	yyjson_mut_obj_add_strcpy(doc, o, "Id", x->id);
	api_json(r, 201, doc);
}

static void create(struct engine *e, struct http_req *r, const char *name)
{
	api_body_json(e, r, name, create_members, create_body);
}

/* ---- start */

static void detached_closed(struct http_req *r, bool ok, void *arg)
{
	struct exec *x = arg;

	x->r = NULL;
}

/* As Docker, which takes the connection over first: only who does not want the streams hears by the status. */
static void start_again(struct http_req *r, const struct exec *x, bool detach, bool raw)
{
	cleanup(freep) char *msg = text_make("exec command %s %s", x->id,
		x->state == EXEC_ENDED ? "has already run" : "is already running");
	struct stream *s = detach ? NULL : attach_hijack(r, raw);

	if (detach)
		api_error(r, 409, "%s", msg ? msg : "out of memory");
	else if (s)
		exec_io_refuse(s, !raw, msg);
}

/* The exec, and the container that it is in, which runs. NULL: it was answered. */
static struct exec *exec_or_answer(struct engine *e, struct http_req *r, const char *id, struct container **c)
{
	struct exec *x = exec_find(e, id);

	if (x && !container_find(e, x->container, c))
		return can_exec(r, *c, (*c)->id) ? x : NULL;
	api_error(r, 404, "No such exec instance: %s", id);
	return NULL;
}

static void start_body(struct engine *e, struct http_req *r, const char *id, yyjson_val *root)
{
	bool detach = json_bool(root, "Detach"), raw = json_bool(root, "Tty");
	cleanup(freep) char *msg = NULL;
	struct container *c = NULL;
	struct exec *x;
	int err = 0;

	if (shape_check(root, start_members, "", &msg)) {
		api_error(r, 400, "%s", msg ? msg : "out of memory");
		return;
	}
	x = exec_or_answer(e, r, id, &c);
	if (!x)
		return;
	if (x->state != EXEC_CREATED) {
		start_again(r, x, detach, raw);
		return;
	}
	if (raw)
		exec_console_size(x, json_arr(root, "ConsoleSize"));
	if (!detach || x->tty) {
		err = exec_io_new(&x->io, x);
		if (err) {
			api_errno(r, err, "the streams of exec %s cannot be made", id);
			return;
		}
	}
	if (detach) {
		x->r = r;
		http_on_closed(r, detached_closed, x);
	} else {
		struct stream *s = attach_hijack(r, raw);

		if (!s) {
			exec_io_free(x->io);
			return;
		}
		exec_io_attach(x->io, s, !raw);
	}
	exec_emit(x, "exec_start");
	err = exec_run(x, c, &msg);
	if (err) {
		cleanup(freep) char *text = text_make("%s", msg ? msg : errno_text(-err));

		exec_start_failed(x, text ? text : "out of memory");
	}
}

static void start(struct engine *e, struct http_req *r, const char *id)
{
	api_body_json(e, r, id, start_members, start_body);
}

/* ---- the rest */

static void inspect(struct engine *e, struct http_req *r, const char *id)
{
	struct exec *x = exec_find(e, id);

	if (!x) {
		api_error(r, 404, "No such exec instance: %s", id);
		return;
	}

	yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
	yyjson_mut_val *o = yyjson_mut_obj(doc), *p = yyjson_mut_obj(doc), *args = yyjson_mut_arr(doc);
	bool running = x->state == EXEC_STARTING || x->state == EXEC_RUNNING;
	size_t i, n;
	yyjson_val *v;

	yyjson_mut_doc_set_root(doc, o);
	yyjson_mut_obj_add_strcpy(doc, o, "ID", x->id);
	yyjson_mut_obj_add_bool(doc, o, "Running", running);
	if (x->state == EXEC_ENDED)
		yyjson_mut_obj_add_int(doc, o, "ExitCode", x->exit_code);
	else
		yyjson_mut_obj_add_null(doc, o, "ExitCode");
	yyjson_mut_obj_add_bool(doc, p, "tty", x->tty);
	yyjson_arr_foreach (json_arr(x->config, "Cmd"), i, n, v) {
		if (i)
			yyjson_mut_arr_add_str(doc, args, yyjson_get_str(v));
		else
			yyjson_mut_obj_add_str(doc, p, "entrypoint", yyjson_get_str(v));
	}
	yyjson_mut_obj_add_val(doc, p, "arguments", args);
	yyjson_mut_obj_add_bool(doc, p, "privileged", json_bool(x->config, "Privileged"));
	if (json_text(x->config, "User"))
		yyjson_mut_obj_add_str(doc, p, "user", json_text(x->config, "User"));
	yyjson_mut_obj_add_val(doc, o, "ProcessConfig", p);
	yyjson_mut_obj_add_bool(doc, o, "OpenStdin", json_bool(x->config, "AttachStdin"));
	yyjson_mut_obj_add_bool(doc, o, "OpenStdout", json_bool(x->config, "AttachStdout"));
	yyjson_mut_obj_add_bool(doc, o, "OpenStderr", json_bool(x->config, "AttachStderr"));
	yyjson_mut_obj_add_bool(doc, o, "CanRemove", x->state == EXEC_ENDED);
	yyjson_mut_obj_add_strcpy(doc, o, "ContainerID", x->container);
	yyjson_mut_obj_add_strcpy(doc, o, "DetachKeys",
		json_text(x->config, "DetachKeys") ? json_text(x->config, "DetachKeys") : "");
	yyjson_mut_obj_add_int(doc, o, "Pid", x->pid);
	api_json(r, 200, doc);
}

static void resize(struct engine *e, struct http_req *r, const char *id)
{
	struct container *c;
	unsigned rows, cols;
	struct exec *x = api_query_size(r, &rows, &cols) ? exec_or_answer(e, r, id, &c) : NULL;

	if (!x)
		return;
	if (x->state == EXEC_ENDED) {
		if (x->pid)
			api_error(r, 404, "the process of exec %s does not exist any more", id);
		else
			api_error(r, 400, "exec process is not started");
		return;
	}
	x->rows = rows;
	x->cols = cols;
	/* Before its terminal is here the size is kept for it, and it may run on none. */
	if (x->tty && x->io && x->io->in >= 0) {
		struct winsize size = {.ws_row = (unsigned short)rows, .ws_col = (unsigned short)cols};

		ioctl(x->io->in, TIOCSWINSZ, &size);
	}
	api_empty(r, 200);
}

const struct api_route exec_routes[] = {
	{HTTP_POST_, "containers/**/exec", create},
	{HTTP_POST_, "exec/*/start", start},
	{HTTP_POST_, "exec/*/resize", resize},
	{HTTP_GET_, "exec/*/json", inspect},
	{0},
};

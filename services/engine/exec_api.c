/* SPDX-License-Identifier: Apache-2.0 */

/* POST /containers/ID/exec, and the endpoints under /exec. */

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>

#include "engine/api.h"
#include "engine/attach.h"
#include "engine/console.h"
#include "engine/container.h"
#include "engine/engine.h"
#include "engine/events.h"
#include "engine/exec_int.h"
#include "engine/files.h"
#include "engine/job.h"
#include "lib/json.h"
#include "engine/spec.h"
#include "lib/log.h"

enum { EXEC_TIMEOUT_MS = 60000 };

/* ---- create */

/* Records that ended some time ago make room. */
static void forget_old(struct engine *e)
{
	int64_t old = wall_ns() - EXEC_KEPT_S * INT64_C(1000000000);

	for (struct exec *x = e->execs->list, *next; x; x = next) {
		next = x->next;
		if (x->state == EXEC_ENDED && x->ended_ns < old && !x->io)
			exec_free(x);
	}
}

static const char *check_config(yyjson_val *o)
{
	static const char *const strings[] = {"User", "WorkingDir", "DetachKeys"};
	static const char *const lists[] = {"Cmd", "Env"};
	struct detach d;
	size_t i, n;
	yyjson_val *v;

	if (!yyjson_is_obj(o))
		return "the request body is not an object";
	for (i = 0; i < array_len(strings); i++)
		if (!json_blank(yyjson_obj_get(o, strings[i])) && !json_str(o, strings[i]))
			return "User, WorkingDir and DetachKeys must be strings";
	for (size_t k = 0; k < array_len(lists); k++) {
		yyjson_val *list = yyjson_obj_get(o, lists[k]);

		if (!json_blank(list) && !yyjson_is_arr(list))
			return "Cmd and Env must be lists of strings";
		yyjson_arr_foreach (list, i, n, v)
			if (!yyjson_is_str(v) || strlen(yyjson_get_str(v)) != yyjson_get_len(v))
				return "Cmd and Env must be lists of strings without NUL bytes";
	}
	if (!yyjson_arr_size(json_arr(o, "Cmd")))
		return "No exec command specified";
	if (detach_parse(&d, json_str(o, "DetachKeys")))
		return "invalid detach keys";
	return NULL;
}

static char *command_line(struct exec *x)
{
	char *text = strdup("");
	size_t i, n;
	yyjson_val *v;

	yyjson_arr_foreach (json_arr(x->config, "Cmd"), i, n, v) {
		char *more = text ? text_make("%s%s%s", text, i ? " " : "", yyjson_get_str(v)) : NULL;

		free(text);
		text = more;
	}
	return text;
}

static void emit(struct exec *x, const char *action)
{
	cleanup(freep) char *line = command_line(x);
	struct container *c;

	if (!container_find(x->e, x->container, &c))
		events_container(c, action, line);
}

static void create_body(struct engine *e, struct http_req *r, const char *name, yyjson_val *root)
{
	struct container *c = container_or_404(e, r, name);
	const char *bad = c ? check_config(root) : NULL;

	if (!c)
		return;
	if (bad) {
		api_error(r, 400, "%s", bad);
		return;
	}
	if (c->state == CONTAINER_PAUSED) {
		api_error(r, 409, "Container %s is paused, unpause the container before exec", c->name);
		return;
	}
	if (c->state != CONTAINER_RUNNING) {
		api_error(r, 409, "container %s is not running", c->id);
		return;
	}
	forget_old(e);
	if (e->execs->n >= EXECS_MAX) {
		api_error(r, 503, "there are %d execs already", EXECS_MAX);
		return;
	}

	struct exec *x = calloc(1, sizeof(*x));
	yyjson_mut_doc *copy = yyjson_mut_doc_new(NULL);
	int err = x && copy ? random_id(x->id) : -ENOMEM;

	if (!err) {
		yyjson_mut_doc_set_root(copy, yyjson_val_mut_copy(copy, root));
		x->doc = yyjson_mut_doc_imut_copy(copy, NULL);
		err = x->doc ? 0 : -ENOMEM;
	}
	yyjson_mut_doc_free(copy);
	if (err) {
		free(x);
		api_errno(r, err, "the exec cannot be made");
		return;
	}
	x->e = e;
	x->config = yyjson_doc_get_root(x->doc);
	x->tty = json_bool(x->config, "Tty");
	snprintf(x->container, sizeof(x->container), "%s", c->id);
	x->next = e->execs->list;
	e->execs->list = x;
	e->execs->n++;

	yyjson_val *size = json_arr(x->config, "ConsoleSize");

	if (yyjson_arr_size(size) == 2) {
		x->rows = (unsigned)yyjson_get_uint(yyjson_arr_get(size, 0)) & 0xffff;
		x->cols = (unsigned)yyjson_get_uint(yyjson_arr_get(size, 1)) & 0xffff;
	}
	emit(x, "exec_create");

	yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
	yyjson_mut_val *o = yyjson_mut_obj(doc);

	yyjson_mut_doc_set_root(doc, o);
	yyjson_mut_obj_add_strcpy(doc, o, "Id", x->id);
	api_json(r, 201, doc);
}

static void create(struct engine *e, struct http_req *r, const char *name)
{
	api_body_json(e, r, name, create_body);
}

/* ---- start */

/* The container's variables, the exec's over them. */
static yyjson_mut_val *environment(
	struct exec *x, struct container *c, yyjson_mut_doc *doc, const struct spec_user *u)
{
	yyjson_mut_val *env = yyjson_mut_arr(doc);
	bool home = false, path = false, term = false;
	size_t i, n, j, m;
	yyjson_val *v, *w;
	char line[300];

	for (int part = 0; part < 2; part++) {
		yyjson_arr_foreach (json_arr(part ? x->config : c->config, "Env"), i, n, v) {
			const char *s = yyjson_get_str(v);
			size_t len = strcspn(s, "=");
			bool overridden = !s[len];

			yyjson_arr_foreach (part ? NULL : json_arr(x->config, "Env"), j, m, w)
				overridden = overridden || (!strncmp(yyjson_get_str(w), s, len) &&
								   yyjson_get_str(w)[len] == '=');
			if (overridden)
				continue;
			home = home || !strncmp(s, "HOME=", 5);
			path = path || !strncmp(s, "PATH=", 5);
			term = term || !strncmp(s, "TERM=", 5);
			yyjson_mut_arr_add_str(doc, env, s);
		}
	}
	if (!path)
		yyjson_mut_arr_add_str(
			doc, env, "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
	snprintf(line, sizeof(line), "HOSTNAME=%s",
		json_text(c->config, "Hostname") ? json_text(c->config, "Hostname") : "");
	yyjson_mut_arr_add_strcpy(doc, env, line);
	if (x->tty && !term)
		yyjson_mut_arr_add_str(doc, env, "TERM=xterm");
	if (!home) {
		snprintf(line, sizeof(line), "HOME=%s", u->home);
		yyjson_mut_arr_add_strcpy(doc, env, line);
	}
	return env;
}

static int write_process(struct exec *x, struct container *c, const char *file, char **msg)
{
	cleanup(json_mut_docp) yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
	cleanup(freep) char *root = text_make("%s/rootfs", c->run);
	cleanup(closep) int rootfd = root ? open(root, O_PATH | O_DIRECTORY | O_CLOEXEC) : -1;
	yyjson_mut_val *p = doc ? yyjson_mut_obj(doc) : NULL;
	bool privileged = json_bool(x->config, "Privileged") || json_bool(c->host, "Privileged");
	const char *user = json_text(x->config, "User"), *cwd = json_text(x->config, "WorkingDir");
	struct spec_security sec;
	struct spec_user u;
	uint64_t caps;
	int err = p && rootfd >= 0 ? 0 : -EIO;

	if (!err)
		err = spec_user_resolve(rootfd, user ? user : json_str(c->config, "User"),
			json_arr(c->host, "GroupAdd"), &u, msg);
	if (!err)
		err = spec_caps(
			json_arr(c->host, "CapAdd"), json_arr(c->host, "CapDrop"), privileged, &caps, msg);
	if (!err)
		err = spec_security_opts(json_arr(c->host, "SecurityOpt"), &sec, msg);
	if (err)
		return err;
	if (!cwd)
		cwd = json_text(c->config, "WorkingDir");
	yyjson_mut_doc_set_root(doc, p);
	yyjson_mut_obj_add_bool(doc, p, "terminal", x->tty);
	yyjson_mut_obj_add_val(doc, p, "user", spec_user_object(doc, &u));
	json_copy(doc, p, "args", json_arr(x->config, "Cmd"));
	yyjson_mut_obj_add_val(doc, p, "env", environment(x, c, doc, &u));
	yyjson_mut_obj_add_str(doc, p, "cwd", cwd ? cwd : "/");
	yyjson_mut_obj_add_val(doc, p, "capabilities", spec_capability_sets(doc, caps, u.uid == 0));
	yyjson_mut_obj_add_bool(doc, p, "noNewPrivileges", sec.no_new_privileges);
	return disk_replace_json(c->run, file, doc, 0);
}

/* The last line of what the runtime printed, without its name and level. */
static char *failure(int status, const char *output)
{
	const char *line = output;
	size_t len = strlen(output);

	while (len && (output[len - 1] == '\n' || output[len - 1] == '\r'))
		len--;
	for (size_t i = 0; i + 1 < len; i++)
		if (output[i] == '\n')
			line = output + i + 1;
	len -= (size_t)(line - output);
	return len ? text_make("OCI runtime exec failed: %.*s", (int)len, line)
		   : text_make("OCI runtime exec failed with status %d",
			     WIFEXITED(status) ? WEXITSTATUS(status) : 128);
}

static void start_failed(struct exec *x, const char *msg)
{
	int code = strstr(msg, "executable file not found") || strstr(msg, "no such file") ||
				   strstr(msg, "No such file")
			   ? 127
			   : 126;

	if (x->state != EXEC_ENDED) {
		x->state = EXEC_ENDED;
		x->ended_ns = wall_ns();
	}
	x->exit_code = code;
	(void)!exec_save(x);
	if (x->r) {
		struct http_req *r = take(x->r);

		http_on_closed(r, NULL, NULL);
		api_error(r, code == 127 ? 400 : 500, "%s", msg);
	}
	if (x->io) {
		/* What lies in the pipes is the runtime's own complaint, which the message repeats. */
		closep(&x->io->out[0]);
		closep(&x->io->out[1]);
		exec_io_end(x->io, msg);
	}
}

static void on_runtime(void *arg, int status, const char *output)
{
	struct exec *x = arg;
	cleanup(freep) char *log = text_make("%s/exec/%s.log", x->e->run_dir, x->id), *text = NULL;
	yyjson_doc *doc = NULL;
	const char *why = NULL;
	int err = 0;

	x->job = NULL;
	if (log && !disk_read(log, 65536, &text, NULL)) {
		char *nl = strchr(text, '\n');

		doc = yyjson_read(text, nl ? (size_t)(nl - text) : strlen(text), 0);
		why = doc ? json_text(yyjson_doc_get_root(doc), "msg") : NULL;
	}
	if (log)
		unlink(log);
	if (!status && x->io)
		err = exec_io_run(x->io);
	if (status || err) {
		cleanup(freep) char *msg =
			err ? text_make("the streams of the exec cannot be set up: %s", strerror(-err))
			    : failure(status, why ? why : output);

		yyjson_doc_free(doc);
		start_failed(x, msg ? msg : "out of memory");
		return;
	}
	yyjson_doc_free(doc);
	if (x->state == EXEC_STARTING) {
		x->state = EXEC_RUNNING;
		(void)!exec_save(x);
	}
	if (x->r) {
		struct http_req *r = take(x->r);

		http_on_closed(r, NULL, NULL);
		api_empty(r, 200);
	}
	/* A short one has ended while the runtime was still at work. */
	if (x->state == EXEC_ENDED && x->io)
		exec_io_end(x->io, NULL);
}

static int run(struct exec *x, struct container *c, char **msg)
{
	char file[80], name[80];
	cleanup(freep) char *path = NULL, *log = text_make("%s/exec/%s.log", x->e->run_dir, x->id);
	int fds[3] = {-1, -1, -1};

	snprintf(file, sizeof(file), "exec.%.12s.json", x->id);
	snprintf(name, sizeof(name), "exec/%s", x->id);
	path = text_make("%s/%s", c->run, file);
	if (!path || !log)
		return -ENOMEM;

	int err = write_process(x, c, file, msg);

	if (err)
		return err;

	char *argv[24] = {
		(char *)(uintptr_t)x->e->runtime,
		(char *)(uintptr_t)"--root",
		(char *)(uintptr_t)x->e->runtime_root,
		(char *)(uintptr_t)"--log",
		log,
		(char *)(uintptr_t)"--log-format",
		(char *)(uintptr_t)"json",
		(char *)(uintptr_t)"exec",
		(char *)(uintptr_t)"--supervise",
		name,
		(char *)(uintptr_t)"--detach",
		(char *)(uintptr_t)"--process",
		path,
	};
	size_t n = 13;

	if (x->io && x->io->console) {
		argv[n++] = (char *)(uintptr_t)"--console-socket";
		argv[n++] = (char *)(uintptr_t)console_path(x->io->console);
		fds[2] = JOB_CAPTURE;
	} else if (x->io) {
		memcpy(fds, x->io->child, sizeof(fds));
	}
	argv[n] = c->id;

	struct job_opts o = {
		.path = x->e->runtime, .argv = argv, .fds = fds, .n_fds = 3, .timeout_ms = EXEC_TIMEOUT_MS};

	x->state = EXEC_STARTING;
	err = exec_save(x);
	return err ? err : job_start(&x->job, x->e->loop, &o, on_runtime, x);
}

static void detached_closed(struct http_req *r, bool ok, void *arg)
{
	struct exec *x = arg;

	x->r = NULL;
}

static void start_body(struct engine *e, struct http_req *r, const char *id, yyjson_val *root)
{
	struct exec *x = exec_find(e, id);
	bool detach = json_bool(root, "Detach");
	cleanup(freep) char *msg = NULL;
	struct container *c = NULL;
	int err = 0;

	if (!x) {
		api_error(r, 404, "No such exec instance: %s", id);
		return;
	}
	if (x->state != EXEC_CREATED) {
		api_error(r, 409, "exec %s has already been started", id);
		return;
	}
	if (container_find(e, x->container, &c) || c->state != CONTAINER_RUNNING) {
		api_error(r, 409, "container %s is not running", x->container);
		return;
	}
	if (json_bool(root, "Tty") && !x->tty && !detach) {
		api_error(r, 400, "exec %s was made without a terminal", id);
		return;
	}
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
		struct stream *s = attach_hijack(r, x->tty);

		if (!s) {
			exec_io_free(x->io);
			return;
		}
		exec_io_attach(x->io, s);
	}
	emit(x, "exec_start");
	err = run(x, c, &msg);
	if (err) {
		cleanup(freep) char *text = text_make("%s", msg ? msg : strerror(-err));

		start_failed(x, text ? text : "out of memory");
	}
}

static void start(struct engine *e, struct http_req *r, const char *id)
{
	api_body_json(e, r, id, start_body);
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
	yyjson_mut_obj_add_strcpy(doc, o, "DetachKeys", "");
	yyjson_mut_obj_add_int(doc, o, "Pid", x->pid);
	api_json(r, 200, doc);
}

static void resize(struct engine *e, struct http_req *r, const char *id)
{
	struct exec *x = exec_find(e, id);
	int64_t h = 0, w = 0;

	if (!x) {
		api_error(r, 404, "No such exec instance: %s", id);
		return;
	}
	if (api_query_int(r, "h", &h) || api_query_int(r, "w", &w) || h < 0 || w < 0 || h > 65535 ||
		w > 65535) {
		api_error(r, 400, "h and w must be the height and width of a terminal");
		return;
	}
	if (x->state == EXEC_ENDED || x->state == EXEC_CREATED || !x->tty) {
		api_error(r, 409, "exec %s is not running on a terminal", id);
		return;
	}
	x->rows = (unsigned)h;
	x->cols = (unsigned)w;
	/* Before its terminal is here the size is kept for it. */
	if (x->io && x->io->in >= 0) {
		struct winsize size = {.ws_row = (unsigned short)h, .ws_col = (unsigned short)w};

		ioctl(x->io->in, TIOCSWINSZ, &size);
	}
	api_empty(r, 200);
}

const struct api_route exec_routes[] = {
	{HTTP_POST_, "containers/*/exec", create},
	{HTTP_POST_, "exec/*/start", start},
	{HTTP_POST_, "exec/*/resize", resize},
	{HTTP_GET_, "exec/*/json", inspect},
	{0},
};

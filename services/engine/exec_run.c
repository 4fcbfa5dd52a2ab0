/* SPDX-License-Identifier: Apache-2.0 */

/* How an exec starts: its process as the runtime reads it, the runtime at work, and what it says when that fails. */

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#include "engine/api.h"
#include "engine/console.h"
#include "engine/container.h"
#include "engine/engine.h"
#include "engine/exec_int.h"
#include "engine/files.h"
#include "engine/job.h"
#include "engine/spec.h"
#include "engine/start.h"
#include "engine/supervisor.h"
#include "lib/errno_text.h"
#include "lib/json.h"
#include "lib/log.h"

enum { EXEC_TIMEOUT_MS = 60000 };

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
	if (x->tty)
		spec_console_size(doc, p, x->rows, x->cols);
	yyjson_mut_obj_add_val(doc, p, "user", spec_user_object(doc, &u));
	json_copy(doc, p, "args", json_arr(x->config, "Cmd"));
	if (!yyjson_mut_obj_add_val(
		    doc, p, "env", spec_environment(doc, c, json_arr(x->config, "Env"), x->tty, u.home)))
		return -ENOMEM;
	yyjson_mut_obj_add_str(doc, p, "cwd", cwd ? cwd : "/");
	yyjson_mut_obj_add_val(doc, p, "capabilities", spec_capability_sets(doc, caps, u.uid == 0));
	yyjson_mut_obj_add_val(doc, p, "rlimits", spec_rlimits(json_arr(c->host, "Ulimits"), doc));
	yyjson_mut_obj_add_bool(doc, p, "noNewPrivileges", sec.no_new_privileges);
	yyjson_mut_obj_add_int(doc, p, "oomScoreAdj", json_int(c->host, "OomScoreAdj", 0));
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

void exec_start_failed(struct exec *x, const char *msg)
{
	int code = start_error_code(msg);

	if (x->state != EXEC_ENDED) {
		x->state = EXEC_ENDED;
		x->ended_ns = wall_ns();
	}
	x->exit_code = code == 128 ? 126 : code;
	x->pid = 0; /* init may have seen the end of what was to become it */
	(void)!exec_save(x);
	if (x->r) {
		struct http_req *r = take(x->r);

		http_on_closed(r, NULL, NULL);
		api_error(r, code == 128 ? 500 : 400, "%s", msg);
	}
	if (x->io) {
		/* What lies in the pipes is the runtime's own complaint, which the message repeats. */
		closep(&x->io->out[0]);
		closep(&x->io->out[1]);
	}
	exec_over(x, msg);
}

static void on_runtime(void *arg, int status, const char *output)
{
	struct exec *x = arg;
	cleanup(freep) char *log = exec_log_path(x), *text = NULL;
	yyjson_doc *doc = NULL;
	const char *why = NULL;
	int err = 0;

	x->job = NULL;
	if (log && !disk_read(log, 65536, &text, NULL)) {
		char *nl = strchr(text, '\n');

		doc = yyjson_read(text, nl ? (size_t)(nl - text) : strlen(text), 0);
		why = doc ? json_text(yyjson_doc_get_root(doc), "msg") : NULL;
	}
	exec_forget_start(x);
	if (!status && x->io)
		err = exec_io_run(x->io);
	if (status || err) {
		cleanup(freep) char *msg =
			err ? text_make("the streams of the exec cannot be set up: %s", errno_text(-err))
			    : failure(status, why ? why : output);

		yyjson_doc_free(doc);
		exec_start_failed(x, msg ? msg : "out of memory");
		return;
	}
	yyjson_doc_free(doc);
	if (x->state == EXEC_STARTING) {
		struct initctl_exit now;

		x->state = EXEC_RUNNING;
		if (supervisor_running(x->e, "exec", x->id, &now) > 0)
			x->pid = now.pid;
		(void)!exec_save(x);
	}
	if (x->r) {
		struct http_req *r = take(x->r);

		http_on_closed(r, NULL, NULL);
		api_empty(r, 200);
	}
	/* A short one has ended while the runtime was still at work. */
	if (x->state == EXEC_ENDED)
		exec_over(x, NULL);
}

int exec_run(struct exec *x, struct container *c, char **msg)
{
	char name[80];
	cleanup(freep) char *path = exec_process_path(x), *log = exec_log_path(x);
	int fds[3] = {-1, -1, -1};

	snprintf(name, sizeof(name), "exec/%s", x->id);
	if (!path || !log)
		return -ENOMEM;

	int err = write_process(x, c, strrchr(path, '/') + 1, msg);

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
	x->attached = x->io != NULL;
	err = exec_save(x);
	return err ? err : job_start(&x->job, x->e->loop, &o, on_runtime, x);
}

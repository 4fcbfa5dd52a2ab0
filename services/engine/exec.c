/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Execs: their records and their end. exec_run.c starts one, exec_io.c moves its bytes, exec_api.c is how clients reach
 * it.
 */

#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "engine/container.h"
#include "engine/engine.h"
#include "engine/events.h"
#include "engine/exec_int.h"
#include "engine/files.h"
#include "engine/job.h"
#include "lib/json.h"
#include "engine/start.h"
#include "engine/supervisor.h"
#include "lib/log.h"

enum { EXEC_RECORD_MAX = 4 << 20 };

struct exec *exec_find(struct engine *e, const char *id)
{
	for (struct exec *x = e->execs->list; x; x = x->next)
		if (!strcmp(x->id, id))
			return x;
	return NULL;
}

/* Records that ended some time ago make room, and of many the oldest; the list begins with the newest. */
static void forget_old(struct engine *e)
{
	int64_t old = wall_ns() - EXEC_KEPT_S * INT64_C(1000000000);
	size_t kept = 0;

	for (struct exec *x = e->execs->list, *next; x; x = next) {
		next = x->next;
		if (x->state == EXEC_ENDED && !x->io && (x->ended_ns < old || ++kept > EXEC_KEPT_MAX))
			exec_free(x);
	}
}

void exec_console_size(struct exec *x, yyjson_val *size)
{
	if (yyjson_arr_size(size) != 2)
		return;
	x->rows = (unsigned)yyjson_get_uint(yyjson_arr_get(size, 0)) & 0xffff;
	x->cols = (unsigned)yyjson_get_uint(yyjson_arr_get(size, 1)) & 0xffff;
}

int exec_new(struct exec **out, struct container *c, yyjson_val *config)
{
	struct engine *e = c->e;

	forget_old(e);
	if (e->execs->n >= EXECS_MAX)
		return -EUSERS;

	struct exec *x = calloc(1, sizeof(*x));
	yyjson_mut_doc *copy = yyjson_mut_doc_new(NULL);
	int err = x && copy ? random_id(x->id) : -ENOMEM;

	if (!err) {
		yyjson_mut_doc_set_root(copy, yyjson_val_mut_copy(copy, config));
		x->doc = yyjson_mut_doc_imut_copy(copy, NULL);
		err = x->doc ? 0 : -ENOMEM;
	}
	yyjson_mut_doc_free(copy);
	if (err) {
		free(x);
		return err;
	}
	x->e = e;
	x->config = yyjson_doc_get_root(x->doc);
	x->tty = json_bool(x->config, "Tty");
	snprintf(x->container, sizeof(x->container), "%s", c->id);
	x->next = e->execs->list;
	e->execs->list = x;
	e->execs->n++;
	exec_console_size(x, json_arr(x->config, "ConsoleSize"));
	exec_emit(x, "exec_create");
	*out = x;
	return 0;
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

void exec_emit(struct exec *x, const char *action)
{
	cleanup(freep) char *line = command_line(x), *text = text_make("%s: %s", action, line ? line : "");
	struct container *c;

	if (text && !container_find(x->e, x->container, &c))
		events_container_with(c, text, "execID", x->id);
}

void exec_over(struct exec *x, const char *message)
{
	void (*over)(struct exec *x, void *arg) = x->over;

	if (x->io)
		exec_io_end(x->io, message);
	x->over = NULL;
	if (over)
		over(x, x->over_arg);
	/* Nobody else knows its id. */
	if (x->hidden)
		exec_free(x);
}

void exec_kill(struct exec *x)
{
	struct initctl_exit now;

	if (x->job)
		job_kill(x->job);
	if (x->state == EXEC_ENDED || supervisor_running(x->e, "exec", x->id, &now) <= 0)
		return;

	cleanup(closep) int fd = start_open_pid(now.pid, now.start_ticks);

	if (fd >= 0)
		syscall(SYS_pidfd_send_signal, fd, SIGKILL, NULL, 0);
}

static void exec_release(struct exec *x)
{
	job_free(x->job);
	exec_io_free(x->io);
	yyjson_doc_free(x->doc);
	free(x->text);
	free(x);
}

char *exec_process_path(const struct exec *x)
{
	return text_make("%s/%s/exec.%.12s.json", x->e->run_dir, x->container, x->id);
}

char *exec_log_path(const struct exec *x)
{
	return text_make("%s/exec/%s.log", x->e->run_dir, x->id);
}

void exec_forget_start(struct exec *x)
{
	cleanup(freep) char *process = exec_process_path(x), *log = exec_log_path(x);

	if (process)
		unlink(process);
	if (log)
		unlink(log);
}

void exec_free(struct exec *x)
{
	struct execs *all = x->e->execs;
	cleanup(freep) char *path = text_make("%s/exec/%s.json", x->e->run_dir, x->id);

	if (path)
		unlink(path);
	exec_forget_start(x);
	for (struct exec **p = &all->list; *p; p = &(*p)->next) {
		if (*p != x)
			continue;
		*p = x->next;
		all->n--;
		break;
	}
	exec_release(x);
}

int exec_save(struct exec *x)
{
	cleanup(json_mut_docp) yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
	yyjson_mut_val *o = doc ? yyjson_mut_obj(doc) : NULL;
	cleanup(freep) char *dir = text_make("%s/exec", x->e->run_dir), *name = text_make("%s.json", x->id);

	if (!o || !dir || !name)
		return -ENOMEM;
	yyjson_mut_doc_set_root(doc, o);
	yyjson_mut_obj_add_str(doc, o, "Container", x->container);
	yyjson_mut_obj_add_int(doc, o, "State", x->state);
	yyjson_mut_obj_add_int(doc, o, "Pid", x->pid);
	yyjson_mut_obj_add_int(doc, o, "ExitCode", x->exit_code);
	yyjson_mut_obj_add_int(doc, o, "Ended", x->ended_ns);
	yyjson_mut_obj_add_bool(doc, o, "Hidden", x->hidden);
	yyjson_mut_obj_add_bool(doc, o, "Attached", x->attached);
	json_copy(doc, o, "Config", x->config);
	/* The record lives as long as the boot, like its process: no power cut to think of. */
	return disk_replace_json(dir, name, doc, 0);
}

static int load_one(struct engine *e, const char *dir, const char *file)
{
	cleanup(freep) char *path = text_make("%s/%s", dir, file);
	struct exec *x = calloc(1, sizeof(*x));
	int err = path && x ? disk_read_json(path, EXEC_RECORD_MAX, &x->doc) : -ENOMEM;
	yyjson_val *o = x && !err ? yyjson_doc_get_root(x->doc) : NULL;

	if (!err && (!json_str(o, "Container") || !json_obj(o, "Config")))
		err = -EBADMSG;
	if (err) {
		if (x)
			yyjson_doc_free(x->doc);
		free(x);
		return err;
	}
	x->e = e;
	snprintf(x->id, sizeof(x->id), "%.64s", file);
	snprintf(x->container, sizeof(x->container), "%s", json_str(o, "Container"));
	x->config = json_obj(o, "Config");
	x->tty = json_bool(x->config, "Tty");
	x->state = (enum exec_state)json_int(o, "State", EXEC_ENDED);
	x->pid = (int)json_int(o, "Pid", 0);
	x->exit_code = (int)json_int(o, "ExitCode", 0);
	x->ended_ns = json_int(o, "Ended", 0);
	x->hidden = json_bool(o, "Hidden");
	x->attached = json_bool(o, "Attached");
	x->next = e->execs->list;
	e->execs->list = x;
	e->execs->n++;
	return 0;
}

int execs_open(struct engine *e)
{
	cleanup(freep) char *dir = text_make("%s/exec", e->run_dir);
	int err = dir ? dir_make(dir, 0700) : -ENOMEM;
	DIR *d = err ? NULL : opendir(dir);

	e->execs = calloc(1, sizeof(*e->execs));
	if (!d || !e->execs) {
		if (d)
			closedir(d);
		return log_errno(errno, "op=execs");
	}
	for (struct dirent *ent; (ent = readdir(d));) {
		if (strlen(ent->d_name) != 64 + 5 || strcmp(ent->d_name + 64, ".json") != 0)
			continue;
		err = load_one(e, dir, ent->d_name);
		if (err)
			log_errno(-err, "exec=%.12s op=load", ent->d_name);
	}
	closedir(d);
	return 0;
}

void execs_close(struct engine *e)
{
	if (!e->execs)
		return;
	while (e->execs->list) {
		struct exec *x = e->execs->list;

		e->execs->list = x->next;
		exec_release(x);
	}
	free(e->execs);
	e->execs = NULL;
}

static void ended(struct exec *x, int exit_code, int64_t when_ns)
{
	struct container *c = NULL;
	struct event_attribute more[2] = {{"execID", x->id}};
	char code[16];

	x->state = EXEC_ENDED;
	x->exit_code = exit_code;
	x->ended_ns = when_ns;
	if (!x->job)
		exec_forget_start(x); /* a killed engine's runtime left it */
	if (exec_save(x))
		log_error("exec=%.12s op=save msg=\"its exit code is in memory only\"", x->id);
	if (!container_find(x->e, x->container, &c)) {
		snprintf(code, sizeof(code), "%d", exit_code);
		more[1] = (struct event_attribute){"exitCode", code};
		events_container_more(c, "exec_die", more, 2);
	}
}

void exec_exited(struct engine *e, const char *id, const struct initctl_exit *ex)
{
	struct exec *x = exec_find(e, id);

	if (x && x->state != EXEC_ENDED) {
		x->pid = ex->pid; /* of a short one nobody has asked before */
		ended(x, WIFSIGNALED(ex->status) ? 128 + WTERMSIG(ex->status) : WEXITSTATUS(ex->status),
			ex->exit_realtime_ns);
		/* While the runtime is at work its end comes first: it may have something to say. */
		if (!x->job)
			exec_over(x, NULL);
	}
	supervisor_ack(e, "exec", ex->seq);
}

static void forget(struct container *c, bool all)
{
	for (struct exec *x = c->e->execs->list, *next; x; x = next) {
		next = x->next;
		if (!strcmp(x->container, c->id) && (all || x->state == EXEC_CREATED))
			exec_free(x);
	}
}

void exec_container_gone(struct container *c)
{
	forget(c, true);
}

void exec_container_ended(struct container *c)
{
	forget(c, false);
}

/*
 * What the last engine left. An exec whose streams were that engine's is killed with it: its input has ended, its output goes
 * nowhere, and nobody can come back to it. Its code is there at once, before any client asks: one that lost its stream
 * and then reads "runs, no code yet" takes that for success.
 */
void execs_settle(struct engine *e)
{
	for (struct exec *x = e->execs->list, *next; x; x = next) {
		struct initctl_exit now;
		struct container *c;
		int runs;

		next = x->next;
		if (container_find(e, x->container, &c)) {
			exec_free(x);
			continue;
		}
		if (x->state == EXEC_STARTING || x->state == EXEC_RUNNING) {
			runs = supervisor_running(e, "exec", x->id, &now);
			if (runs > 0 && x->attached) {
				exec_kill(x);
				ended(x, 128 + SIGKILL, wall_ns());
			} else if (runs == 0) {
				ended(x, 255, wall_ns());
			}
		}
		if (x->hidden && x->state == EXEC_ENDED)
			exec_free(x);
	}
}

yyjson_mut_val *exec_ids(struct container *c, yyjson_mut_doc *doc)
{
	yyjson_mut_val *arr = NULL;

	for (struct exec *x = c->e->execs->list; x; x = x->next) {
		if (strcmp(x->container, c->id) != 0 || x->state == EXEC_ENDED || x->hidden)
			continue;
		if (!arr)
			arr = yyjson_mut_arr(doc);
		yyjson_mut_arr_add_strcpy(doc, arr, x->id);
	}
	return arr ? arr : yyjson_mut_null(doc);
}

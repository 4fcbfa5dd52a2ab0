/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Execs: their records, and how one starts and ends. exec_io.c moves their bytes, exec_api.c is how clients
 * reach them.
 */

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#include "engine/container.h"
#include "engine/engine.h"
#include "engine/events.h"
#include "engine/exec_int.h"
#include "engine/files.h"
#include "engine/job.h"
#include "lib/json.h"
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

static void exec_release(struct exec *x)
{
	job_free(x->job);
	exec_io_free(x->io);
	yyjson_doc_free(x->doc);
	free(x);
}

void exec_free(struct exec *x)
{
	struct execs *all = x->e->execs;
	cleanup(freep) char *path = text_make("%s/exec/%s.json", x->e->run_dir, x->id);

	if (path)
		unlink(path);
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
	json_copy(doc, o, "Config", x->config);
	/* The record lives as long as the boot, like its process: no power cut to think of. */
	return disk_replace_json(dir, name, doc, 0);
}

static int load_one(struct engine *e, const char *dir, const char *file)
{
	cleanup(freep) char *path = text_make("%s/%s", dir, file);
	struct exec *x = calloc(1, sizeof(*x));
	int err = path && x ? disk_read_json(path, EXEC_RECORD_MAX, &x->doc) : -ENOMEM;
	yyjson_val *o = err ? NULL : yyjson_doc_get_root(x->doc);

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
	char code[16];

	x->state = EXEC_ENDED;
	x->exit_code = exit_code;
	x->ended_ns = when_ns;
	if (exec_save(x))
		log_error("exec=%.12s op=save msg=\"its exit code is in memory only\"", x->id);
	if (!container_find(x->e, x->container, &c)) {
		snprintf(code, sizeof(code), "%d", exit_code);
		events_container_with(c, "exec_die", "exitCode", code);
	}
}

void exec_exited(struct engine *e, const char *id, const struct initctl_exit *ex)
{
	struct exec *x = exec_find(e, id);

	if (x && x->state != EXEC_ENDED) {
		ended(x, WIFSIGNALED(ex->status) ? 128 + WTERMSIG(ex->status) : WEXITSTATUS(ex->status),
			ex->exit_realtime_ns);
		/* While the runtime is at work its end comes first: it may have something to say. */
		if (x->io && !x->job)
			exec_io_end(x->io, NULL);
	}
	supervisor_ack(e, "exec", ex->seq);
}

void exec_container_gone(struct container *c)
{
	for (struct exec *x = c->e->execs->list, *next; x; x = next) {
		next = x->next;
		if (!strcmp(x->container, c->id))
			exec_free(x);
	}
}

void execs_settle(struct engine *e)
{
	for (struct exec *x = e->execs->list, *next; x; x = next) {
		struct initctl_exit now;
		struct container *c;

		next = x->next;
		if (container_find(e, x->container, &c)) {
			exec_free(x);
			continue;
		}
		if ((x->state == EXEC_STARTING || x->state == EXEC_RUNNING) &&
			supervisor_running(e, "exec", x->id, &now) == 0)
			ended(x, 255, wall_ns());
	}
}

yyjson_mut_val *exec_ids(struct container *c, yyjson_mut_doc *doc)
{
	yyjson_mut_val *arr = NULL;

	for (struct exec *x = c->e->execs->list; x; x = x->next) {
		if (strcmp(x->container, c->id) != 0 || x->state == EXEC_ENDED)
			continue;
		if (!arr)
			arr = yyjson_mut_arr(doc);
		yyjson_mut_arr_add_strcpy(doc, arr, x->id);
	}
	return arr ? arr : yyjson_mut_null(doc);
}

/* SPDX-License-Identifier: Apache-2.0 */

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "agent/engine_exec.h"
#include "lib/http_client.h"
#include "lib/json.h"

enum { LOOKS_SOON = 50, LOOK_SOON_MS = 20, LOOK_LATER_MS = 1000 };

static yyjson_mut_doc *body_of(const struct engine_exec *x)
{
	yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
	yyjson_mut_val *root = doc ? yyjson_mut_obj(doc) : NULL, *cmd;
	bool ok = root != NULL;

	if (ok)
		yyjson_mut_doc_set_root(doc, root);
	ok = ok && yyjson_mut_obj_add_bool(doc, root, "AttachStdin", x->in) &&
	     yyjson_mut_obj_add_bool(doc, root, "AttachStdout", x->out) &&
	     yyjson_mut_obj_add_bool(doc, root, "AttachStderr", x->err) &&
	     yyjson_mut_obj_add_bool(doc, root, "Tty", x->tty);
	if (ok && x->command) {
		ok = json_copy(doc, root, "Cmd", x->command);
	} else if (ok) {
		cmd = yyjson_mut_obj_add_arr(doc, root, "Cmd");
		for (size_t i = 0; cmd && ok && i < x->n; i++)
			ok = yyjson_mut_arr_add_strcpy(doc, cmd, x->argv[i]);
		ok = ok && cmd;
	}
	if (ok)
		return doc;
	yyjson_mut_doc_free(doc);
	return NULL;
}

int engine_exec_create(struct http_call **out, struct http_client *engine, const struct engine_exec *x,
	json_answer *fn, void *arg)
{
	cleanup(json_mut_docp) yyjson_mut_doc *doc = body_of(x);
	char target[128];
	struct json_request rq = {.method = "POST", .target = target, .doc = doc};

	snprintf(target, sizeof(target), "/v1.51/containers/%s/exec", x->container);
	return doc ? json_call(out, engine, &rq, fn, arg) : -ENOMEM;
}

int engine_exec_look(
	struct http_call **out, struct http_client *engine, const char *id, json_answer *fn, void *arg)
{
	char target[128];
	struct json_request rq = {.method = "GET", .target = target};

	snprintf(target, sizeof(target), "/v1.51/exec/%s/json", id);
	return json_call(out, engine, &rq, fn, arg);
}

int64_t engine_exec_look_in_ms(unsigned looks)
{
	return looks < LOOKS_SOON ? LOOK_SOON_MS : LOOK_LATER_MS;
}

/* The engine's pid is the node's own, as the agent sees it. */
static void on_look(int status, const char *why, yyjson_val *root, void *arg)
{
	int64_t pid = json_int(root, "Pid", 0);

	if (json_bool(root, "Running") && pid > 1)
		kill((pid_t)pid, SIGKILL);
}

void engine_exec_kill(struct http_client *engine, const char *id)
{
	/* One that cannot be found out about ends with its container. */
	(void)!engine_exec_look(NULL, engine, id, on_look, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AGENT_ENGINE_EXEC_H
#define AGENT_ENGINE_EXEC_H

/* Commands in containers, by the engine: the requests that exec, probes and hooks have in common. */

#include <yyjson.h>

#include "lib/json_call.h"
#include "lib/util.h"

struct http_call;
struct http_client;

struct engine_exec {
	const char *container;
	bool in, out, err, tty;
	const char *const *argv; /* n; or */
	size_t n;
	yyjson_val *command; /* a list of strings */
};

/* @fn gets the answer with its "Id". 0 or -errno. */
must_check int engine_exec_create(struct http_call **out, struct http_client *engine,
	const struct engine_exec *x, json_answer *fn, void *arg);
/* GET /exec/ID/json: "Running", "ExitCode". */
must_check int engine_exec_look(
	struct http_call **out, struct http_client *engine, const char *id, json_answer *fn, void *arg);
/*
 * The output of a command that still runs has ended: mostly its exit follows, but it may also close its output and run on. When to look
 * again, after so many looks.
 */
int64_t engine_exec_look_in_ms(unsigned looks);
/* Nobody wants it any more: it is killed if it runs. Nobody waits for that. */
void engine_exec_kill(struct http_client *engine, const char *id);

#endif

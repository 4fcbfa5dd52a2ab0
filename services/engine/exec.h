/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ENGINE_EXEC_H
#define ENGINE_EXEC_H

/*
 * docker exec. An exec's process is a child of init like a container's; its record is
 * RUN/engine/exec/ID.json, so that its exit code survives the engine. Its streams belong to the client that
 * started it: they end with the engine.
 */

#include "lib/util.h"

struct container;
struct engine;
struct execs;
struct initctl_exit;
struct yyjson_mut_doc;
struct yyjson_mut_val;

must_check int execs_open(struct engine *e); /* loads the records. 0 or -errno */
void execs_close(struct engine *e);
void exec_exited(struct engine *e, const char *id, const struct initctl_exit *x);
void exec_container_gone(struct container *c);
/* What was made and not started in time is forgotten: it never can be. */
void exec_container_ended(struct container *c);
/* After the replay: execs that run no more and of which nobody knows. */
void execs_settle(struct engine *e);
/* "ExecIDs" of inspect: null when there are none. */
struct yyjson_mut_val *exec_ids(struct container *c, struct yyjson_mut_doc *doc);

#endif

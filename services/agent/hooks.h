/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AGENT_HOOKS_H
#define AGENT_HOOKS_H

/* lifecycle.postStart and lifecycle.preStop. */

#include "lib/util.h"

struct pod;
struct pod_container;

/* Why a hook is told to have failed whose container was over first. */
#define HOOK_ENDED "the container has ended"

/* Begins it, if there is one. When it fails, or cannot begin, that is told and the container is ended. */
void hooks_post_start(struct pod *p, struct pod_container *c);
/* The container runs, as far as the engine was looked at: it is ended if its hook failed before. */
void hooks_seen(struct pod *p, struct pod_container *c);

/*
 * Begins it, if there is one: true, and @done is called from the loop when it is over, however it went. @c is NULL when the
 * container has left the specification meanwhile. A failure is told, also of one that could not begin; that the container
 * was over first is none.
 */
typedef void hooks_done(struct pod *p, struct pod_container *c);
bool hooks_pre_stop(struct pod *p, struct pod_container *c, int64_t timeout_ms, hooks_done *done);

/* Nobody waits for its postStart hook any more, if that is under way. @why: told as its failure; NULL: it is not told. */
void hooks_cancel(struct pod_container *c, const char *why);

#endif

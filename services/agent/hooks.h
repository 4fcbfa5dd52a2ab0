/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AGENT_HOOKS_H
#define AGENT_HOOKS_H

/* lifecycle.postStart and lifecycle.preStop. */

#include "lib/util.h"

struct pod;
struct pod_container;

/* Begins it, if there is one. When it fails, the container is ended. */
void hooks_post_start(struct pod *p, struct pod_container *c);

/*
 * Begins it, if there is one: true, and @done is called from the loop when it is over, however it went. @c is NULL when the
 * container has left the specification meanwhile.
 */
typedef void hooks_done(struct pod *p, struct pod_container *c);
bool hooks_pre_stop(struct pod *p, struct pod_container *c, int64_t timeout_ms, hooks_done *done);

/* Nobody waits for its postStart hook any more, if that is under way. @why: told as its failure; NULL: it is not told. */
void hooks_cancel(struct pod_container *c, const char *why);

#endif

/* SPDX-License-Identifier: Apache-2.0 */

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "agent/handler.h"
#include "agent/hooks.h"
#include "agent/pod.h"
#include "agent/probes.h"
#include "lib/json.h"

#define POST_START_FAILED "FailedPostStartHook"
#define PRE_STOP_FAILED	  "FailedPreStopHook"

enum { POST_START_MS = 24 * 3600 * 1000, HOOK_NONE = 1 };

struct hook {
	struct pod *p;
	hooks_done *done; /* NULL: postStart */
	struct handler_run *run;
	char container[256];
};

static void tell_failure(const struct pod *p, const char *reason, const char *why)
{
	agent_event(p->agent, p->root, true, reason, "%s", why);
}

/* Its container is ended, as soon as it has been seen to run: a hook may be over before the engine was looked at again. */
static void end_container(struct pod *p, struct pod_container *c)
{
	c->ill_begun = !c->running;
	if (!c->running)
		return;
	agent_event(p->agent, p->root, false, "Killing", POST_START_FAILED);
	pod_kill_container(p, c, pod_grace_s(p));
}

static void on_pre_stop(const struct pod *p, enum handler_end how, const char *why)
{
	/* who is gone has stopped, and nothing of that is the hook's fault */
	if (how == HANDLER_FAILED)
		tell_failure(p, PRE_STOP_FAILED, why);
}

static void on_post_start(struct pod *p, struct pod_container *c, enum handler_end how, const char *why)
{
	if (how != HANDLER_OK)
		tell_failure(p, POST_START_FAILED, how == HANDLER_GONE ? HOOK_ENDED : why);
	if (how == HANDLER_FAILED)
		end_container(p, c);
	probes_update(p);
}

static void on_done(enum handler_end how, const char *why, void *arg)
{
	struct hook *h = arg;
	struct pod *p = h->p;
	struct pod_container *c = pod_find_container(p, h->container);

	p->pending--;
	if (h->done) {
		on_pre_stop(p, how, why);
		h->done(p, c);
	} else if (c && c->beginning == h) {
		c->beginning = NULL;
		on_post_start(p, c, how, why);
	}
	free(h);
	pod_wake(p);
}

/* Return: 0; HOOK_NONE; or -errno. @out is NULL, unless it has begun. */
static int begin(struct hook **out, struct pod *p, struct pod_container *c, const char *name,
	int64_t timeout_ms, hooks_done *done)
{
	yyjson_val *handler = json_obj(json_obj(c->spec, "lifecycle"), name);
	struct hook *h = handler ? calloc(1, sizeof(*h)) : NULL;
	int r;

	*out = NULL;
	if (!h)
		return handler ? -ENOMEM : HOOK_NONE;
	h->p = p;
	h->done = done;
	snprintf(h->container, sizeof(h->container), "%s", c->name);
	r = handler_start(&h->run, p, c, handler, timeout_ms, on_done, h);
	if (r < 0) {
		free(h);
		return r;
	}
	p->pending++;
	*out = h;
	return 0;
}

void hooks_post_start(struct pod *p, struct pod_container *c)
{
	int r = begin(&c->beginning, p, c, "postStart", POST_START_MS, NULL);

	if (r < 0)
		on_post_start(p, c, HANDLER_FAILED, strerror(-r));
}

void hooks_seen(struct pod *p, struct pod_container *c)
{
	if (c->ill_begun)
		end_container(p, c);
}

bool hooks_pre_stop(struct pod *p, struct pod_container *c, int64_t timeout_ms, hooks_done *done)
{
	struct hook *h;
	int r = begin(&h, p, c, "preStop", timeout_ms, done);

	if (r < 0)
		tell_failure(p, PRE_STOP_FAILED, strerror(-r));
	return h;
}

void hooks_cancel(struct pod_container *c, const char *why)
{
	struct hook *h = take(c->beginning);

	c->ill_begun = false;
	if (!h)
		return;
	handler_cancel(h->run);
	h->p->pending--;
	if (why)
		tell_failure(h->p, POST_START_FAILED, why);
	free(h);
}

/* SPDX-License-Identifier: Apache-2.0 */

#include <stdio.h>

#include "agent/handler.h"
#include "agent/hooks.h"
#include "agent/pod.h"
#include "agent/probes.h"
#include "lib/json.h"

enum { POST_START_MS = 24 * 3600 * 1000 };

struct hook {
	struct pod *p;
	hooks_done *done; /* NULL: postStart */
	struct handler_run *run;
	char container[256];
};

static void tell_failure(const struct hook *h, const char *why)
{
	agent_event(h->p->agent, h->p->root, true, h->done ? "FailedPreStopHook" : "FailedPostStartHook",
		"%s", why);
}

static void on_done(bool ok, const char *why, void *arg)
{
	struct hook *h = arg;
	struct pod *p = h->p;
	struct pod_container *c = pod_find_container(p, h->container);

	p->pending--;
	if (!ok)
		tell_failure(h, why ? why : "");
	if (h->done) {
		h->done(p, c);
	} else if (c && c->beginning == h) {
		c->beginning = NULL;
		if (!ok && c->running) {
			agent_event(p->agent, p->root, false, "Killing", "FailedPostStartHook");
			pod_kill_container(p, c, pod_grace_s(p));
		}
		probes_update(p);
	}
	free(h);
	pod_wake(p);
}

static struct hook *begin(
	struct pod *p, struct pod_container *c, const char *name, int64_t timeout_ms, hooks_done *done)
{
	yyjson_val *handler = json_obj(json_obj(c->spec, "lifecycle"), name);
	struct hook *h = handler ? calloc(1, sizeof(*h)) : NULL;

	if (!h)
		return NULL;
	h->p = p;
	h->done = done;
	snprintf(h->container, sizeof(h->container), "%s", c->name);
	if (handler_start(&h->run, p, c, handler, timeout_ms, on_done, h) < 0) {
		free(h);
		return NULL;
	}
	p->pending++;
	return h;
}

void hooks_post_start(struct pod *p, struct pod_container *c)
{
	c->beginning = begin(p, c, "postStart", POST_START_MS, NULL);
}

bool hooks_pre_stop(struct pod *p, struct pod_container *c, int64_t timeout_ms, hooks_done *done)
{
	return begin(p, c, "preStop", timeout_ms, done);
}

void hooks_cancel(struct pod_container *c, const char *why)
{
	struct hook *h = take(c->beginning);

	if (!h)
		return;
	handler_cancel(h->run);
	h->p->pending--;
	if (why)
		tell_failure(h, why);
	free(h);
}

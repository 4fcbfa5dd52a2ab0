/* SPDX-License-Identifier: Apache-2.0 */

/* The engine's containers get what is set aside for them. */

#include <stdio.h>
#include <string.h>

#include "agent/resize.h"
#include "lib/json.h"

enum { TARGET_BYTES = 300, AGAIN_MS = 5000 };

static void fail(struct pod *p, const char *why)
{
	if (strcmp(p->resize.error, why) != 0)
		agent_event(p->agent, p->root, true, "ResizeError", "Pod resize error: %s", why);
	snprintf(p->resize.error, sizeof(p->resize.error), "%s", why);
	p->resize.not_before_ms = loop_now_ms(p->agent->loop) + AGAIN_MS;
	pod_wake_at(p, p->resize.not_before_ms);
}

static void on_step(struct pod *p, struct pod_container *c, int status, const char *why, yyjson_val *root)
{
	if (why)
		fail(p, why);
	else
		p->resize.error[0] = 0;
}

/* The pod's group is said whole, of a container what changes. */
static yyjson_mut_doc *body(const struct resize_step *s)
{
	yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
	yyjson_mut_val *root = doc ? yyjson_mut_obj(doc) : NULL;
	const struct limits *now = s->c ? &s->c->now.limits : NULL, *to = &s->to;
	bool ok = root;

	if (!now) {
		ok = root && limits_add(doc, root, "Resources", to);
	} else {
		if (now->cpu_shares != to->cpu_shares)
			ok = ok && yyjson_mut_obj_add_int(doc, root, "CpuShares", to->cpu_shares);
		if (to->cpu_quota_us && now->cpu_quota_us != to->cpu_quota_us)
			ok = ok && yyjson_mut_obj_add_int(doc, root, "CpuQuota", to->cpu_quota_us) &&
			     yyjson_mut_obj_add_int(doc, root, "CpuPeriod", CPU_PERIOD_US);
		if (to->memory_bytes && now->memory_bytes != to->memory_bytes)
			ok = ok && yyjson_mut_obj_add_int(doc, root, "Memory", to->memory_bytes) &&
			     yyjson_mut_obj_add_int(doc, root, "MemorySwap", to->memory_bytes);
	}
	if (ok) {
		yyjson_mut_doc_set_root(doc, root);
		return doc;
	}
	yyjson_mut_doc_free(doc);
	return NULL;
}

static void apply(struct pod *p, const struct resize_step *s)
{
	yyjson_mut_doc *doc = body(s);
	char target[TARGET_BYTES];

	if (s->what == RESIZE_POD)
		snprintf(target, sizeof(target), "/wherry/v1/pods/%s/update", p->uid);
	else
		snprintf(target, sizeof(target), "/containers/%s/update?pod=%s", s->c->now.id, p->uid);
	if (doc)
		pod_ask(p, s->c, "POST", target, doc, 0, on_step);
	else
		pod_retry(p, "out of memory");
	yyjson_mut_doc_free(doc);
}

/* Meanwhile something may have ended or been resized again: what comes next is read anew. */
static void on_stats(struct pod *p, struct pod_container *c, int status, const char *why, yyjson_val *root)
{
	struct resize_step s = resize_next(p);
	char text[RESIZE_WHY_MAX + 40], in_use[RESIZE_WHY_MAX];

	if (why) {
		fail(p, why);
		return;
	}
	if (s.what != RESIZE_POD && s.what != RESIZE_CONTAINER)
		return;
	if (resize_memory_is_free(p, &s, root, in_use, sizeof(in_use))) {
		apply(p, &s);
		return;
	}
	snprintf(text, sizeof(text), "cannot decrease memory limits: %s", in_use);
	fail(p, text);
}

/* What was answered well and is not so is not asked for at full speed. */
static bool is_repeated(struct pod *p, const struct resize_step *s)
{
	struct pod_resize *r = &p->resize;
	const char *name = s->c ? s->c->now.id : "";
	bool same = r->last.cpu_shares == s->to.cpu_shares && r->last.cpu_quota_us == s->to.cpu_quota_us &&
		    r->last.memory_bytes == s->to.memory_bytes && !strcmp(r->last_id, name);

	r->last = s->to;
	snprintf(r->last_id, sizeof(r->last_id), "%s", name);
	return same;
}

static void restart(struct pod *p, struct pod_container *c)
{
	agent_event(p->agent, p->root, false, "Killing", "Container %s resize requires restart", c->name);
	c->at_once = true;
	pod_kill_container(p, c, pod_grace_s(p));
}

static bool finish(struct pod *p)
{
	if (p->resize.under_way)
		agent_event(p->agent, p->root, false, "ResizeCompleted", "Pod resize completed");
	p->resize.under_way = false;
	p->resize.error[0] = p->resize.last_id[0] = 0;
	p->resize.last = (struct limits){0};
	return false;
}

bool resize_act(struct pod *p)
{
	struct resize_step s = resize_next(p);
	char target[TARGET_BYTES];

	if (s.what == RESIZE_NOTHING)
		return finish(p);
	p->resize.under_way = true;
	if (p->resize.not_before_ms > loop_now_ms(p->agent->loop)) {
		pod_wake_at(p, p->resize.not_before_ms);
		return false;
	}
	if (s.what == RESIZE_WAIT)
		return false;
	if (s.what == RESIZE_RESTART) {
		restart(p, s.c);
		return false;
	}
	if (is_repeated(p, &s) && !*p->resize.error) {
		fail(p, "the engine has not changed the limits");
		return false;
	}
	if (!resize_takes_memory(p, &s)) {
		apply(p, &s);
		return true;
	}
	snprintf(target, sizeof(target), "/wherry/v1/pods/%s/stats", p->uid);
	pod_ask(p, NULL, "GET", target, NULL, 0, on_stats);
	return true;
}

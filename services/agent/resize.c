/* SPDX-License-Identifier: Apache-2.0 */

/*
 * What a pod asks for and what is set aside for it. The engine is told first, with the pod's sandbox, and then it is so: an agent
 * that starts again finds what this one has told the API.
 */

#include <stdio.h>
#include <string.h>

#include "agent/allocation.h"
#include "agent/node.h"
#include "agent/resize.h"
#include "lib/json.h"
#include "lib/quantity.h"

/* ---- what there is */

/* Of all others that have not ended. */
static struct resize_room used_beside(const struct pod *p)
{
	struct resize_room used = {0};

	for (const struct pod *q = p->agent->pods ? pods_first(p->agent) : NULL; q; q = q->next) {
		struct resources r;

		if (q == p || q->finished)
			continue;
		r = resources_with_overhead(q->spec);
		used.cpu_milli += r.cpu_request_milli;
		used.memory_bytes += r.memory_request_bytes;
	}
	return used;
}

/* ---- setting it aside */

static yyjson_val *asked_object(const struct pod *p)
{
	return p->asked ? yyjson_doc_get_root(p->asked) : p->root;
}

/* The object is read again, with what is set aside now. */
static void lay_over(struct pod *p)
{
	if (pod_set(p, asked_object(p)) < 0)
		pod_retry(p, "out of memory");
}

void resize_take(struct pod *p, const char *annotation)
{
	yyjson_doc *allocated = annotation ? allocation_read(annotation) : NULL;

	if (!allocated)
		return;
	yyjson_doc_free(p->allocated);
	p->allocated = allocated;
	lay_over(p);
}

static void adopt(struct pod *p, yyjson_doc *allocated)
{
	cleanup(freep) char *text = allocation_text(allocated);

	yyjson_doc_free(p->allocated);
	p->allocated = allocated;
	p->resize.pending[0] = p->resize.error[0] = 0;
	p->resize.not_before_ms = 0;
	p->resize.under_way = true;
	agent_event(
		p->agent, p->root, false, "ResizeStarted", "Pod resize started: %.800s", text ? text : "");
	lay_over(p);
	resize_room_changed(p->agent);
}

static void on_kept(struct pod *p, struct pod_container *c, int status, const char *why, yyjson_val *root)
{
	yyjson_doc *allocated = take(p->allocating);

	if (!why) {
		adopt(p, allocated);
		return;
	}
	yyjson_doc_free(allocated);
	pod_retry(p, why);
}

/* Its sandbox says so, if there is one. true: it is being told. */
static bool keep(struct pod *p, yyjson_doc *allocated)
{
	yyjson_mut_doc *doc;
	char target[200];

	if (p->sandbox == SANDBOX_NONE) {
		adopt(p, allocated);
		return false;
	}
	doc = sandbox_annotations(p, allocated);
	snprintf(target, sizeof(target), "/wherry/v1/pods/%s/update", p->uid);
	p->allocating = allocated;
	if (doc)
		pod_ask(p, NULL, "POST", target, doc, 0, on_kept);
	else
		pod_retry(p, "out of memory");
	yyjson_mut_doc_free(doc);
	if (!p->busy)
		yyjson_doc_free(take(p->allocating));
	return true;
}

static void pend(struct pod *p, const char *reason, const char *why)
{
	struct pod_resize *r = &p->resize;
	int64_t generation = json_int(json_obj(asked_object(p), "metadata"), "generation", 0);
	bool told = !strcmp(r->pending, reason) && !strcmp(r->why, why) && r->generation == generation;
	char word[20];

	if (!*r->pending)
		r->since_ms = loop_now_ms(p->agent->loop);
	snprintf(r->pending, sizeof(r->pending), "%s", reason);
	snprintf(r->why, sizeof(r->why), "%s", why);
	r->generation = generation;
	if (told)
		return;
	snprintf(word, sizeof(word), "Resize%s", reason);
	agent_event(p->agent, p->root, true, word, "Pod resize %s: %s", reason, why);
}

static enum resize_verdict judge(const struct pod *p, char why[static RESIZE_WHY_MAX])
{
	struct resize_room node = {node_cpus() * 1000, node_allocatable_memory(p->agent)},
			   used = used_beside(p);
	struct resources asked = resources_with_overhead(json_obj(asked_object(p), "spec")),
			 had = resources_with_overhead(p->spec);

	return resize_judge(&asked, &had, &node, &used, why);
}

bool resize_consider(struct pod *p)
{
	static const char *const reasons[] = {
		[RESIZE_DEFERRED] = "Deferred", [RESIZE_INFEASIBLE] = "Infeasible"};
	char why[RESIZE_WHY_MAX];
	enum resize_verdict v;
	yyjson_doc *allocated;

	p->resize.woken = false;
	if (p->finished || p->deleting)
		return false;
	/* begun by this agent, or by one that did not keep it: what it is made with is set aside */
	if (!p->allocated)
		p->allocated = allocation_of(p->root);
	if (!p->asked) {
		p->resize.pending[0] = 0;
		return false;
	}
	v = judge(p, why);
	if (v != RESIZE_FITS) {
		pend(p, reasons[v], why);
		return false;
	}
	allocated = allocation_of(asked_object(p));
	if (allocated)
		return keep(p, allocated);
	pod_retry(p, "out of memory");
	return true;
}

/* ---- those that wait */

static bool waits(const struct pod *p)
{
	return !strcmp(p->resize.pending, "Deferred") && !p->resize.woken;
}

/* Upstream's order: priority, class, how long it waits. */
static bool before(const struct pod *a, const struct pod *b)
{
	int64_t x = json_int(a->spec, "priority", 0), y = json_int(b->spec, "priority", 0);
	bool g = !strcmp(resources_qos(a->spec), "guaranteed"),
	     h = !strcmp(resources_qos(b->spec), "guaranteed");

	if (x != y)
		return x > y;
	return g != h ? g : a->resize.since_ms < b->resize.since_ms;
}

void resize_room_changed(struct agent *a)
{
	struct pod *best;

	do {
		best = NULL;
		for (struct pod *p = a->pods ? pods_first(a) : NULL; p; p = p->next)
			if (waits(p) && (!best || before(p, best)))
				best = p;
		if (best) {
			best->resize.woken = true;
			pod_wake(best);
		}
	} while (best);
}

/* SPDX-License-Identifier: Apache-2.0 */

#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "cluster/controllers/controller.h"
#include "cluster/controllers/event.h"
#include "cluster/scheduler/preempt.h"
#include "cluster/schema/meta.h"
#include "cluster/schema/schema.h"
#include "cluster/schema/selector.h"
#include "cluster/schema/status.h"
#include "lib/json.h"
#include "lib/log.h"

#define NAME "default-scheduler"

/* What ending pods on one node costs. */
struct plan {
	struct sched_node *node;
	struct sched_pod **victims; /* owned */
	size_t n, broken;	    /* pods; budgets that would be broken */
	int64_t highest, sum;	    /* of their priorities */
};

/* ---- disruption budgets */

struct budget_search {
	const struct object *pod;
	bool broken;
};

static bool look_at_budget(const struct object *o, void *arg)
{
	struct budget_search *b = arg;
	yyjson_doc *doc = object_doc(o);
	yyjson_val *root = yyjson_doc_get_root(doc);
	struct selector *s = doc ? selector_of(meta_get(root, "spec", "selector", NULL)) : NULL;

	if (s && selector_matches(s, object_label_of, b->pod) &&
		json_int(json_obj(root, "status"), "disruptionsAllowed", 0) <= 0)
		b->broken = true;
	selector_free(s);
	yyjson_doc_free(doc);
	return !b->broken;
}

static bool breaks_budget(const struct registry *r, const struct object *pod)
{
	struct budget_search b = {.pod = pod};

	registry_each(r, schema_find_kind("policy/v1", "PodDisruptionBudget"), pod->ns, look_at_budget, &b);
	return b.broken;
}

/* ---- one node */

static int least_important(const void *a, const void *b)
{
	const struct sched_pod *x = *(struct sched_pod *const *)a, *y = *(struct sched_pod *const *)b;

	return x->priority < y->priority ? -1 : x->priority > y->priority;
}

static void set_leaving(struct sched_node *n, struct sched_pod *p, bool leaving)
{
	resources_add(&n->used, &p->asks, leaving ? -1 : 1);
	p->leaving = leaving;
}

/*
 * Takes every less important pod off, sees whether that helps, and puts back as many as fit, the most important first. The
 * cache is as before when it returns. Only what counts by node is looked at again: resources, ports and claims of one pod alone.
 */
static bool plan_for(struct cycle *c, const struct registry *r, struct sched_node *n, struct plan *out)
{
	struct sched_pod **all = calloc(n->n_pods + 1, sizeof(struct sched_pod *));
	size_t count = 0;
	char buf[160];
	bool resolvable, fits;

	if (!all)
		return false;
	for (size_t i = 0; i < n->n_pods; i++)
		if (n->pods[i]->priority < c->pod->priority)
			all[count++] = n->pods[i];
	qsort(all, count, sizeof(struct sched_pod *), least_important);
	for (size_t i = 0; i < count; i++)
		set_leaving(n, all[i], true);
	fits = count && !cycle_filter(c, n, buf, sizeof(buf), &resolvable);
	*out = (struct plan){.node = n, .victims = all, .highest = LLONG_MIN};
	for (size_t i = count; i-- > 0;) {
		set_leaving(n, all[i], false);
		if (!fits || !cycle_filter(c, n, buf, sizeof(buf), &resolvable)) {
			all[i] = NULL; /* stays */
			continue;
		}
		set_leaving(n, all[i], true);
	}
	for (size_t i = 0; i < count; i++) {
		if (!all[i])
			continue;
		set_leaving(n, all[i], false);
		out->broken += breaks_budget(r, all[i]->o);
		out->highest = all[i]->priority > out->highest ? all[i]->priority : out->highest;
		out->sum += all[i]->priority;
		all[out->n++] = all[i];
	}
	if (out->n)
		return true;
	free(all);
	return false;
}

static bool better(const struct plan *a, const struct plan *b)
{
	if (a->broken != b->broken)
		return a->broken < b->broken;
	if (a->highest != b->highest)
		return a->highest < b->highest;
	if (a->sum != b->sum)
		return a->sum < b->sum;
	return a->n < b->n;
}

/* ---- ending pods */

/* One that makes room, until it is known to end. */
struct victim {
	struct preempt_by by;
	struct object *o, *pod; /* held: it, and for whom */
	char node[];
};

static struct victim *victim_new(const struct preempt_by *by, const struct object *o, const struct cycle *c,
	const struct sched_node *node)
{
	size_t len = strlen(node->name) + 1;
	struct victim *v = malloc(sizeof(*v) + len);

	if (!v)
		return NULL;
	v->by = *by;
	v->o = object_ref(o);
	v->pod = object_ref(c->pod->o);
	memcpy(v->node, node->name, len);
	return v;
}

static void victim_free(struct victim *v)
{
	object_unref(v->o);
	object_unref(v->pod);
	free(v);
}

/* Nothing will change by itself, so whoever waits for its place has to try again. One that is gone has made room. */
static void not_ended(struct victim *v, const struct status *error)
{
	if (error->code != 404) {
		log_warn("scheduler pod=%s/%s op=preempt node=%s error=\"%s\"", v->o->ns, v->o->name, v->node,
			error->message);
		v->by.failed(v->pod, v->by.arg);
	}
	victim_free(v);
}

static void record(const struct victim *v, const char *reason, const char *format, ...) printf_like(3, 4);

static void record(const struct victim *v, const char *reason, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	event_record(v->by.r, v->by.who, NAME, v->o, false, reason, format, args);
	va_end(args);
}

static void on_deleted(const struct status *error, const struct object *object, bool gone, void *arg)
{
	struct victim *v = arg;

	if (error) {
		not_ended(v, error);
		return;
	}
	record(v, "Preempted", "Preempted by pod %s on node %s", v->pod->uid, v->node);
	victim_free(v);
}

static enum modify say_disrupted(
	const struct object *old, yyjson_mut_doc **doc, struct status **error, void *arg)
{
	const struct victim *v = arg;
	int changed;

	if (strcmp(old->uid, v->o->uid) != 0) {
		*error = status_not_found(old->kind, old->name);
		return MODIFY_FAIL;
	}
	changed = pod_condition_set(*doc, yyjson_mut_doc_get_root(*doc), "DisruptionTarget", "True",
		"PreemptionByScheduler", "default-scheduler: preempting to accommodate a higher priority pod",
		time(NULL));
	return changed < 0 ? MODIFY_FAIL : changed ? MODIFY_WRITE : MODIFY_NOTHING;
}

/* Whoever counts failures of a Job goes by what the pod says: one that does not say why it ends is not ended. */
static void on_said(const struct status *error, const struct object *object, void *arg)
{
	struct victim *v = arg;

	if (error)
		not_ended(v, error);
	else
		registry_delete(v->by.r, v->by.who, v->o->kind, v->o->ns, v->o->name,
			&(struct delete_options){.grace_seconds = -1, .uid = v->o->uid}, on_deleted, v);
}

static void carry_out(const struct preempt_by *by, const struct cycle *c, const struct plan *p)
{
	for (size_t i = 0; i < p->n; i++) {
		const struct object *o = p->victims[i]->o;
		struct victim *v = victim_new(by, o, c, p->node);

		if (!v) {
			log_error("scheduler pod=%s/%s op=preempt msg=\"out of memory\"", o->ns, o->name);
			by->failed(c->pod->o, by->arg);
			return;
		}
		registry_modify(by->r, by->who, o->kind, o->ns, o->name, false, say_disrupted,
			&(struct write_options){.subresource = "status", .field_manager = NAME}, on_said, v);
	}
}

static void add_text(char *message, size_t size, const char *text)
{
	size_t n = strlen(message);

	snprintf(message + n, size - n, "%s", text);
}

/* A node it was promised, where those that make room are still on their way out. */
static bool still_waiting(const struct cycle *c)
{
	const char *nominated = c->pod->nominated;

	for (size_t i = 0; nominated && i < c->cache->n_nodes; i++) {
		const struct sched_node *n = c->cache->nodes[i];

		if (strcmp(n->name, nominated) != 0)
			continue;
		for (size_t k = 0; k < n->n_pods; k++)
			if (n->pods[k]->o->deleted && n->pods[k]->priority < c->pod->priority)
				return true;
	}
	return false;
}

void preempt(const struct preempt_by *by, struct cycle *c, char *node, size_t node_size, char *message,
	size_t message_size)
{
	struct plan best = {0};
	char buf[160];

	*node = 0;
	if (yyjson_equals_str(yyjson_obj_get(c->pod->spec, "preemptionPolicy"), "Never")) {
		add_text(message, message_size, " preemption: not eligible due to preemptionPolicy=Never.");
		return;
	}
	if (still_waiting(c)) {
		snprintf(node, node_size, "%s", c->pod->nominated);
		add_text(message, message_size,
			" preemption: not eligible due to a terminating pod on the nominated node.");
		return;
	}
	for (size_t i = 0; !*c->no_node && i < c->cache->n_nodes; i++) {
		struct plan p;
		bool resolvable = false;

		if (!cycle_filter(c, c->cache->nodes[i], buf, sizeof(buf), &resolvable) || !resolvable ||
			!plan_for(c, by->r, c->cache->nodes[i], &p))
			continue;
		if (!best.node || better(&p, &best)) {
			free(best.victims);
			best = p;
		} else {
			free(p.victims);
		}
	}
	if (!best.node) {
		snprintf(buf, sizeof(buf),
			" preemption: 0/%zu nodes are available: No preemption victims found for incoming pod.",
			c->cache->n_nodes);
		add_text(message, message_size, buf);
		return;
	}
	snprintf(node, node_size, "%s", best.node->name);
	carry_out(by, c, &best);
	free(best.victims);
}

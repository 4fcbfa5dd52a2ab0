/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Pods to nodes. Informers keep the cache and the queue; each turn of the loop takes some pods from the queue, finds each the
 * best node, counts it there at once, and writes the binding. A binding that is refused takes the pod off the node again.
 *
 * On large clusters not every node is looked at for each pod: a hundred that can take it, beginning where the last search ended.
 * What a Node by itself says to pods of one kind is remembered (verdicts.h), and why it cannot only asked where none can.
 */

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "cluster/controllers/controller.h"
#include "cluster/controllers/disrupt.h"
#include "cluster/controllers/event.h"
#include "cluster/scheduler/cycle.h"
#include "cluster/scheduler/preempt.h"
#include "cluster/scheduler/queue.h"
#include "cluster/scheduler/reserve.h"
#include "cluster/scheduler/scheduler.h"
#include "cluster/schema/conditions.h"
#include "cluster/schema/meta.h"
#include "cluster/schema/schema.h"
#include "cluster/schema/status.h"
#include "lib/json.h"
#include "lib/log.h"

#define NAME "default-scheduler"

/*
 * Of bindings on their way there are enough to go on while the store waits for a slow disk, and not a whole backlog: what waits for
 * its turn costs nothing.
 */
enum { PODS_A_TURN = 32, ON_THEIR_WAY_MAX = 512, REASONS_MAX = 16, REASON_BYTES = 160 };

/* Of so many nodes that can take the pod the best is taken; in a large cluster more would cost more than they bring. */
enum { FEASIBLE_MAX = 100 };

struct other {
	struct informer informer;
	struct scheduler *s;
};

struct scheduler {
	struct registry *r;
	struct loop *loop;
	struct loop_task task;
	struct loop_timer timer;
	struct sched_cache cache;
	struct sched_queue queue;
	struct informer pods, nodes;
	struct other others[4]; /* kinds whose changes may help a pod that waits */
	const struct schema_kind *pod_kind;
	size_t next_node;    /* where the next search begins */
	size_t round;	     /* how often all nodes were looked at */
	size_t on_their_way; /* bindings that are not answered yet */
	struct sched_node *feasible[FEASIBLE_MAX];
	int64_t scores[FEASIBLE_MAX];
};

static const char *const groups[] = {"system:authenticated"};
static const struct caller who = {
	.user = "system:kube-scheduler", .uid = "", .groups = groups, .n_groups = array_len(groups)};

static void run(struct loop_task *t);

static void wake(struct scheduler *s)
{
	if (s->queue.n && s->on_their_way < ON_THEIR_WAY_MAX)
		loop_defer(s->loop, &s->task, run);
}

static void on_timer(struct loop_timer *t);

static void tick(struct scheduler *s)
{
	int64_t next = queue_tick(&s->queue, loop_now_ms(s->loop));

	if (next >= 0 && loop_timer_set(s->loop, &s->timer, next, on_timer) < 0)
		log_error("scheduler op=timer msg=\"out of memory\"");
	wake(s);
}

static void on_timer(struct loop_timer *t)
{
	tick(container_of(t, struct scheduler, timer));
}

/* Something may help those that found nothing. */
static void changed(struct scheduler *s)
{
	if (!s->queue.n_asleep)
		return;
	queue_wake(&s->queue);
	tick(s);
}

/* A pod has a node now, or other labels there: that may help those that wait for such a pod. */
static void joined(struct scheduler *s)
{
	if (!s->queue.n_minding)
		return;
	queue_wake_minding(&s->queue);
	tick(s);
}

static void tell(struct scheduler *s, const struct object *about, bool warning, const char *reason,
	const char *format, ...) printf_like(5, 6);

static void tell(struct scheduler *s, const struct object *about, bool warning, const char *reason,
	const char *format, ...)
{
	va_list args;

	va_start(args, format);
	event_record(s->r, &who, NAME, about, warning, reason, format, args);
	va_end(args);
}

/* ---- what became of it */

/* Writes about a pod, which may be gone from the cache when they are answered. */
struct binding {
	struct scheduler *s;
	struct object *o; /* held */
	char node[];
};

struct refusal {
	struct object *o; /* held */
	char nominated[256];
	char message[1024];
};

static struct binding *binding_new(struct scheduler *s, const struct sched_pod *p, const char *node)
{
	size_t len = strlen(node) + 1;
	struct binding *b = malloc(sizeof(*b) + len);

	if (b) {
		b->s = s;
		b->o = object_ref(p->o);
		memcpy(b->node, node, len);
	}
	return b;
}

static void binding_free(struct binding *b)
{
	if (!b)
		return;
	object_unref(b->o);
	free(b);
}

static enum modify bind(const struct object *old, yyjson_mut_doc **doc, struct status **error, void *arg)
{
	const struct binding *b = arg;
	yyjson_mut_val *root = yyjson_mut_doc_get_root(*doc), *spec = yyjson_mut_obj_get(root, "spec");

	if (strcmp(old->uid, b->o->uid) != 0 || old->deleted || yyjson_mut_obj_get(spec, "nodeName")) {
		*error = status_conflict(old->kind, old->name, "it is not there to be bound any more");
		return MODIFY_FAIL;
	}
	if (!meta_put(*doc, spec, "nodeName", yyjson_mut_strcpy(*doc, b->node)) ||
		pod_condition_set(*doc, root, "PodScheduled", "True", "", "", time(NULL)) < 0) {
		*error = status_internal("out of memory");
		return MODIFY_FAIL;
	}
	yyjson_mut_obj_remove_key(yyjson_mut_obj_get(root, "status"), "nominatedNodeName");
	return MODIFY_WRITE;
}

/* It was not to be: the pod is taken off the node again. */
static void not_bound(struct binding *b)
{
	struct scheduler *s = b->s;
	struct sched_pod *p = cache_pod(&s->cache, b->o->uid);

	if (p && p->place == SCHED_BINDING) {
		cache_unplace(&s->cache, p);
		p->place = SCHED_NOWHERE;
		if (queue_put_off(&s->queue, p, loop_now_ms(s->loop)) < 0)
			log_error("scheduler pod=%s/%s msg=\"out of memory: forgotten until it changes\"",
				b->o->ns, b->o->name);
		changed(s);
	}
}

static void on_bound(const struct status *error, const struct object *object, void *arg)
{
	struct binding *b = arg;
	struct scheduler *s = b->s;

	s->on_their_way--;
	wake(s);
	if (!error)
		tell(s, b->o, false, "Scheduled", "Successfully assigned %s/%s to %s", b->o->ns, b->o->name,
			b->node);
	else
		not_bound(b);
	binding_free(b);
}

static void write_binding(struct binding *b)
{
	struct scheduler *s = b->s;

	registry_modify(s->r, &who, s->pod_kind, b->o->ns, b->o->name, false, bind,
		&(struct write_options){.subresource = "binding", .field_manager = NAME}, on_bound, b);
}

/* Its volumes are the pod's claims' now, or one of them is another's. */
static void on_reserved(bool ok, void *arg)
{
	struct binding *b = arg;

	if (ok) {
		write_binding(b);
		return;
	}
	b->s->on_their_way--;
	not_bound(b);
	wake(b->s);
	binding_free(b);
}

static enum modify say_unschedulable(
	const struct object *old, yyjson_mut_doc **doc, struct status **error, void *arg)
{
	const struct refusal *b = arg;
	yyjson_mut_val *root = yyjson_mut_doc_get_root(*doc), *status;
	int different;

	if (strcmp(old->uid, b->o->uid) != 0)
		return MODIFY_NOTHING;
	different = pod_condition_set(
		*doc, root, "PodScheduled", "False", "Unschedulable", b->message, time(NULL));
	if (different < 0)
		return MODIFY_FAIL;
	status = yyjson_mut_obj_get(root, "status");
	if (*b->nominated &&
		!yyjson_mut_equals_str(yyjson_mut_obj_get(status, "nominatedNodeName"), b->nominated)) {
		if (!meta_put(*doc, status, "nominatedNodeName", yyjson_mut_strcpy(*doc, b->nominated)))
			return MODIFY_FAIL;
		different = 1;
	} else if (!*b->nominated && yyjson_mut_obj_remove_key(status, "nominatedNodeName")) {
		different = 1;
	}
	return different ? MODIFY_WRITE : MODIFY_NOTHING;
}

static void on_said(const struct status *error, const struct object *object, void *arg)
{
	struct refusal *b = arg;

	if (error && error->code != 404)
		log_warn("scheduler pod=%s/%s op=status error=\"%s\"", b->o->ns, b->o->name, error->message);
	object_unref(b->o);
	free(b);
}

/* ---- finding a node */

/* Why nodes cannot, and how many for each reason. */
struct reasons {
	struct {
		char text[REASON_BYTES];
		size_t n;
	} items[REASONS_MAX];
	size_t n;
};

static void add_reason(struct reasons *r, const char *text)
{
	size_t i = 0;

	while (i < r->n && strncmp(r->items[i].text, text, REASON_BYTES - 1) != 0)
		i++;
	if (i == REASONS_MAX)
		return;
	if (i == r->n)
		snprintf(r->items[r->n++].text, REASON_BYTES, "%s", text);
	r->items[i].n++;
}

static void reasons_text(
	const struct scheduler *s, const struct cycle *c, const struct reasons *r, char *out, size_t size)
{
	size_t len;

	if (!s->cache.n_nodes) {
		snprintf(out, size, "no nodes available to schedule pods");
		return;
	}
	if (*c->no_node) {
		snprintf(out, size, "0/%zu nodes are available: %s.", s->cache.n_nodes, c->no_node);
		return;
	}
	len = (size_t)snprintf(out, size, "0/%zu nodes are available: ", s->cache.n_nodes);
	for (size_t i = 0; i < r->n && len < size; i++)
		len += (size_t)snprintf(
			out + len, size - len, "%s%zu %s", i ? ", " : "", r->items[i].n, r->items[i].text);
	if (len < size)
		snprintf(out + len, size - len, ".");
}

/* Nodes that are equally good have their turns: another one of each window in each round. */
static struct sched_node *best_of(struct scheduler *s, struct cycle *c, size_t n)
{
	int64_t best = INT64_MIN;
	size_t equal = 0, i = 0;

	if (n == 1)
		return s->feasible[0];
	cycle_score(c, s->feasible, n, s->scores);
	for (size_t k = 0; k < n; k++) {
		equal = s->scores[k] > best ? 1 : equal + (s->scores[k] == best);
		best = s->scores[k] > best ? s->scores[k] : best;
	}
	for (size_t before = s->round % equal; s->scores[i] != best || before; i++)
		before -= s->scores[i] == best;
	return s->feasible[i];
}

static struct sched_node *find_node(struct scheduler *s, struct cycle *c)
{
	size_t found = 0, looked = 0;
	struct sched_node *best;

	for (; looked < s->cache.n_nodes && found < FEASIBLE_MAX; looked++) {
		struct sched_node *n = s->cache.nodes[(s->next_node + looked) % s->cache.n_nodes];

		if (cycle_passes(c, n))
			s->feasible[found++] = n;
	}
	best = found ? best_of(s, c, found) : NULL;
	s->next_node += looked;
	if (s->next_node >= s->cache.n_nodes) {
		s->next_node -= s->cache.n_nodes;
		s->round++;
	}
	return best;
}

/* Nodes are asked again for their words: where one is found nobody wants to hear them. */
static void ask_why(struct scheduler *s, struct cycle *c, struct reasons *why)
{
	char buf[REASON_BYTES];
	bool resolvable;

	for (size_t i = 0; i < s->cache.n_nodes && !*c->no_node; i++) {
		const char *no = cycle_filter(c, s->cache.nodes[i], buf, sizeof(buf), &resolvable);

		if (no)
			add_reason(why, no);
	}
}

/* What was promised to it and is not any more may help others. */
static void nominate(struct scheduler *s, struct sched_pod *p, const char *node)
{
	bool before = p->nominated;

	if (cache_nominate(&s->cache, p, node) < 0)
		log_error("scheduler pod=%s/%s node=%s msg=\"out of memory: nothing is kept for it\"",
			p->o->ns, p->o->name, node);
	else if (before && !*node)
		changed(s);
}

/* One that was to leave for it stays: nothing else will wake it. */
static void on_not_ended(const struct object *pod, void *arg)
{
	struct scheduler *s = arg;
	struct sched_pod *p = cache_pod(&s->cache, pod->uid);

	if (!p)
		return;
	queue_wake_one(&s->queue, p);
	tick(s);
}

static void no_node(struct scheduler *s, struct cycle *c)
{
	const struct preempt_by by = {.r = s->r, .who = &who, .failed = on_not_ended, .arg = s};
	struct sched_pod *p = c->pod;
	struct refusal *b = calloc(1, sizeof(*b));
	struct reasons why = {.n = 0};

	if (queue_put_off(&s->queue, p, loop_now_ms(s->loop)) < 0 || !b) {
		log_error("scheduler pod=%s/%s msg=\"out of memory\"", p->o->ns, p->o->name);
		free(b);
		return;
	}
	b->o = object_ref(p->o);
	ask_why(s, c, &why);
	reasons_text(s, c, &why, b->message, sizeof(b->message));
	preempt(&by, c, b->nominated, sizeof(b->nominated), b->message, sizeof(b->message));
	nominate(s, p, b->nominated);
	tell(s, p->o, true, "FailedScheduling", "%s", b->message);
	registry_modify(s->r, &who, s->pod_kind, p->o->ns, p->o->name, false, say_unschedulable,
		&(struct write_options){.subresource = "status", .field_manager = NAME}, on_said, b);
}

/* The claims that waited for the pod get theirs first, so that it never runs where they cannot be. */
static void give_volumes(struct scheduler *s, struct cycle *c, const struct sched_node *n, struct binding *b)
{
	/* chosen for this node, which may not have been the last that was asked */
	int r = cycle_volumes(c, n) ? -EAGAIN : reserve_volumes(c, s->r, &who, on_reserved, b);

	if (r == RESERVE_NOTHING)
		write_binding(b);
	else if (r < 0)
		on_reserved(false, b);
}

static void schedule(struct scheduler *s, struct sched_pod *p)
{
	struct sched_node *n = NULL;
	struct binding *b = NULL;
	bool nominated = p->nominated, counted;
	struct cycle c;

	cycle_init(&c, &s->cache, s->r, p);
	counted = !cache_count_nominated(&s->cache, p);
	if (!counted)
		snprintf(c.no_node, sizeof(c.no_node), "out of memory");
	if (!*c.no_node)
		n = find_node(s, &c);
	if (n)
		b = binding_new(s, p, n->name);
	else
		no_node(s, &c);
	if (counted)
		cache_discount_nominated(&s->cache, p);
	if (!n) {
		; /* it waits */
	} else if (!b || cache_place(&s->cache, p, n->name) < 0) {
		log_error("scheduler pod=%s/%s msg=\"out of memory: forgotten until it changes\"", p->o->ns,
			p->o->name);
		binding_free(b);
	} else {
		p->place = SCHED_BINDING;
		s->on_their_way++;
		give_volumes(s, &c, n, b);
		if (nominated)
			changed(s); /* it may be on another node */
		joined(s);
	}
	cycle_fini(&c);
}

static void run(struct loop_task *t)
{
	struct scheduler *s = container_of(t, struct scheduler, task);

	for (int i = 0; i < PODS_A_TURN && s->on_their_way < ON_THEIR_WAY_MAX; i++) {
		struct sched_pod *p = queue_pop(&s->queue);

		if (!p)
			break;
		schedule(s, p);
	}
	wake(s);
}

/* ---- what changes */

static bool same_labels(const struct object *a, const struct object *b)
{
	if (a->n_labels != b->n_labels)
		return false;
	for (size_t i = 0; i < a->n_labels; i++)
		if (strcmp(a->labels[i].key, b->labels[i].key) != 0 ||
			strcmp(a->labels[i].value, b->labels[i].value) != 0)
			return false;
	return true;
}

/* Only its status differs, or the binding that was awaited is there: by far the most that happens to pods. */
static bool as_expected(const struct sched_pod *p, const struct object *o)
{
	const char *node = object_field(o, "spec.nodeName");

	/* until a resize is over its status says what it takes */
	if (p->resizing || p->place == SCHED_NOWHERE || o->generation != p->o->generation ||
		!same_labels(o, p->o))
		return false;
	if (p->place == SCHED_BINDING || p->place == SCHED_BOUND)
		return !strcmp(node, p->node->name);
	return !*node && !o->deleted == !p->o->deleted;
}

static void forget(struct scheduler *s, struct sched_pod *p)
{
	bool counted = p->node || p->nominated;

	queue_remove(&s->queue, p);
	cache_forget_pod(&s->cache, p);
	if (counted)
		changed(s);
}

static void set_pod(struct scheduler *s, const struct object *o)
{
	struct sched_pod *old = cache_pod(&s->cache, o->uid), *p;
	const char *node = object_field(o, "spec.nodeName"), *scheduler;
	unsigned tries = 0;
	bool resized = false;

	if (pod_has_ended(o)) {
		if (old)
			forget(s, old);
		return;
	}
	if (old && old->place == SCHED_BINDING && !*node)
		/* some other change while its binding is under way; a resize is seen when that is there */
		return;
	if (old && as_expected(old, o)) {
		object_unref(old->o);
		old->o = object_ref(o);
		if (old->place == SCHED_BINDING)
			old->place = SCHED_BOUND;
		return;
	}
	if (sched_pod_new(&p, &s->cache, o) < 0) {
		log_error("scheduler pod=%s/%s msg=\"out of memory\"", o->ns, o->name);
		return;
	}
	scheduler = json_text(p->spec, "schedulerName");
	if (old) {
		tries = old->tries;
		resized = old->node && old->resizing;
		queue_remove(&s->queue, old);
		cache_forget_pod(&s->cache, old);
	}
	p->tries = tries;
	if (cache_add_pod(&s->cache, p) < 0) {
		sched_pod_free(p);
		return;
	}
	if (*node) {
		p->place = SCHED_BOUND;
		if (cache_place(&s->cache, p, node) < 0)
			log_error("scheduler pod=%s/%s msg=\"out of memory\"", o->ns, o->name);
		sched_pod_slim(p);
		if (resized)
			changed(s); /* it may take less */
		joined(s);
	} else if (!o->deleted && scheduler && !strcmp(scheduler, NAME) &&
		   !yyjson_arr_size(json_arr(p->spec, "schedulingGates"))) {
		if (queue_add(&s->queue, p) < 0)
			log_error("scheduler pod=%s/%s msg=\"out of memory\"", o->ns, o->name);
		wake(s);
	} else {
		/* gated, another's, or on its way out: when that changes it is read again */
		sched_pod_slim(p);
	}
	if (!*node)
		nominate(s, p, object_field(o, "status.nominatedNodeName"));
}

static void on_pod(
	struct informer *i, enum event_type type, const struct object *old, const struct object *now)
{
	struct scheduler *s = container_of(i, struct scheduler, pods);
	struct sched_pod *p;

	if (type != EVENT_DELETED) {
		set_pod(s, now);
		return;
	}
	p = cache_pod(&s->cache, now->uid);
	if (p)
		forget(s, p);
}

static void on_node(
	struct informer *i, enum event_type type, const struct object *old, const struct object *now)
{
	struct scheduler *s = container_of(i, struct scheduler, nodes);

	if (type == EVENT_DELETED) {
		cache_drop_node(&s->cache, now->name);
		s->next_node = 0;
		changed(s); /* pods are spread over one place less */
		return;
	}
	if (cache_set_node(&s->cache, now) < 0)
		log_error("scheduler node=%s msg=\"out of memory\"", now->name);
	changed(s);
}

static void on_other(
	struct informer *i, enum event_type type, const struct object *old, const struct object *now)
{
	changed(container_of(i, struct other, informer)->s);
}

int scheduler_start(struct scheduler **out, struct registry *r)
{
	static const char *const kinds[][2] = {{"v1", "PersistentVolume"}, {"v1", "PersistentVolumeClaim"},
		{"storage.k8s.io/v1", "StorageClass"}, {"v1", "Namespace"}};
	struct scheduler *s = calloc(1, sizeof(*s));

	if (!s)
		return -ENOMEM;
	s->r = r;
	s->loop = registry_loop(r);
	s->pod_kind = schema_find_kind("v1", "Pod");
	s->nodes = (struct informer){.kind = schema_find_kind("v1", "Node"), .event = on_node};
	s->pods = (struct informer){.kind = s->pod_kind, .event = on_pod};
	registry_inform(r, &s->nodes);
	registry_inform(r, &s->pods);
	for (size_t i = 0; i < array_len(kinds); i++) {
		s->others[i].informer = (struct informer){
			.kind = schema_find_kind(kinds[i][0], kinds[i][1]), .event = on_other};
		s->others[i].s = s;
		registry_inform(r, &s->others[i].informer);
	}
	*out = s;
	return 0;
}

void scheduler_stop(struct scheduler *s)
{
	if (!s)
		return;
	registry_uninform(&s->pods);
	registry_uninform(&s->nodes);
	for (size_t i = 0; i < array_len(s->others); i++)
		registry_uninform(&s->others[i].informer);
	loop_defer_del(&s->task);
	loop_timer_del(&s->timer);
	queue_fini(&s->queue);
	cache_fini(&s->cache);
	free(s);
}

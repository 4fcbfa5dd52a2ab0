/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Pods that nobody else removes: those whose node is gone for good, since nobody will report their end; and of those that are over
 * the oldest, when there are very many, since each is kept in memory.
 */

#include <string.h>

#include "cluster/controllers/controllers.h"
#include "cluster/controllers/disrupt.h"
#include "cluster/schema/meta.h"
#include "cluster/schema/schema.h"
#include "lib/json.h"

/* Upstream keeps 12,500 of those that are over, for clusters of 5,000 nodes. */
enum { NODE_GONE_S = 40, OVER_MAX = 1000 };

struct ended {
	const struct object *self; /* NULL: it has gone */
	size_t n, newer;	   /* all of them; those that came after @self */
	const struct object *next; /* the oldest; of those that are newer, when @self goes */
	bool goes;
};

static bool is_older(const struct object *a, const struct object *b)
{
	int differ = strcmp(a->created ?: "", b->created ?: "");

	return (differ ?: strcmp(a->key, b->key)) < 0;
}

static bool count_ended(const struct object *pod, void *arg)
{
	struct ended *e = arg;

	if (!pod_has_ended(pod) || pod->deleted)
		return true;
	e->n++;
	e->newer += e->self && is_older(e->self, pod);
	return true;
}

static bool find_next(const struct object *pod, void *arg)
{
	struct ended *e = arg;

	if (pod_has_ended(pod) && !pod->deleted && (!e->goes || is_older(e->self, pod)) &&
		(!e->next || is_older(pod, e->next)))
		e->next = pod;
	return true;
}

/* Each goes in its own turn, by its own age, so that it does not matter how many end at once; and sends for the next. */
static void collect_ended(struct turn *t, const struct object *self)
{
	const struct schema_kind *kind = schema_find_kind("v1", "Pod");
	size_t max = t->context && t->context->pods_over_max ? t->context->pods_over_max : OVER_MAX;
	struct ended e = {.self = self};

	registry_each(t->r, kind, NULL, count_ended, &e);
	if (e.n <= max)
		return;
	e.goes = e.newer >= max;
	if (e.goes)
		turn_delete(t, self, &(struct delete_options){.grace_seconds = 0});
	registry_each(t->r, kind, NULL, find_next, &e);
	if (e.next != self)
		controller_queue_object(t->c, e.next);
}

static void collect_pod(struct turn *t)
{
	const char *node = t->object ? object_field(t->object, "spec.nodeName") : "";
	int64_t gone_s = t->context && t->context->node_gone_s ? t->context->node_gone_s : NODE_GONE_S, age;

	if (!t->object || (pod_has_ended(t->object) && !t->object->deleted))
		collect_ended(t, t->object);
	if (!*node || registry_get(t->r, schema_find_kind("v1", "Node"), "", node))
		return;
	/* The node may be about to come: a pod can be bound before its Node is registered again. */
	age = t->now_s - time_of(meta_get(t->root, "metadata", "creationTimestamp", NULL));
	if (age < gone_s) {
		turn_again_in(t, (gone_s - age) * 1000);
		return;
	}
	turn_disrupt(t, &(struct disruption){.reason = "DeletionByPodGC",
				.message = "PodGC: node no longer exists",
				.failed = true});
}

static bool comes_changes_or_ends(enum event_type type, const struct object *old, const struct object *now)
{
	return pod_comes_or_changes(type, old, now) ||
	       (type != EVENT_DELETED && pod_has_ended(now) && !(old && pod_has_ended(old)));
}

static void on_node_gone(
	struct controller *c, enum event_type type, const struct object *old, const struct object *now)
{
	if (type == EVENT_DELETED)
		controller_queue_where(c, NULL, pod_is_on_node, now->name);
}

const struct controller_type pod_garbage_collector = {
	.name = "pod-garbage-collector",
	.api_version = "v1",
	.kind = "Pod",
	.wants = comes_changes_or_ends,
	.sync = collect_pod,
	.watches = {{"v1", "Node", on_node_gone}},
};

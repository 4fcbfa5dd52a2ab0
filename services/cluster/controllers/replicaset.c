/* SPDX-License-Identifier: Apache-2.0 */

/*
 * ReplicaSet and ReplicationController: as many pods of a template as asked for. The two differ in how they write their
 * selector, and in nothing else.
 *
 * New pods come in batches that double: never more at once than there are already. A template that is refused
 * (quota, admission) so costs one refusal, not a thousand.
 */

#include <stdio.h>
#include <string.h>

#include "cluster/controllers/controllers.h"
#include "cluster/controllers/pods.h"
#include "cluster/schema/meta.h"
#include "cluster/schema/schema.h"
#include "cluster/schema/selector.h"
#include "cluster/schema/status.h"
#include "lib/json.h"

enum { BURST = 500 };

struct counts {
	int64_t replicas, labeled, ready, available, terminating;
};

/* The labels of the template, as a selector: what "fully labeled" means. */
static struct counts count(const struct turn *t, const struct pods *pods, int64_t min_ready_s)
{
	yyjson_val *labels = meta_get(t->root, "spec", "template", "metadata", "labels", NULL);
	struct selector *full = selector_of_map(labels);
	struct counts c = {0};

	for (size_t i = 0; i < pods->n; i++) {
		const struct pod *p = &pods->items[i];

		if (p->o->deleted)
			c.terminating++;
		if (!p->active)
			continue;
		c.replicas++;
		c.labeled += full && selector_matches(full, object_label_of, p->o);
		c.ready += p->ready;
		c.available += pod_available(p, min_ready_s, t->now_s);
	}
	selector_free(full);
	return c;
}

static bool add_count(yyjson_mut_doc *doc, yyjson_mut_val *status, const char *key, int64_t n, bool always)
{
	return (!n && !always) || yyjson_mut_obj_add_int(doc, status, key, n);
}

/* What is wrong, as a condition: pods could not be made. It goes when the number is right again. */
static bool add_conditions(yyjson_mut_doc *doc, yyjson_mut_val *status, const struct turn *t, bool enough)
{
	yyjson_val *before = meta_get(t->root, "status", "conditions", NULL), *each;
	yyjson_mut_val *list = yyjson_mut_arr(doc);
	size_t i, n;

	if (!list)
		return false;
	yyjson_arr_foreach (before, i, n, each)
		if (!enough || !yyjson_equals_str(yyjson_obj_get(each, "type"), "ReplicaFailure"))
			yyjson_mut_arr_append(list, yyjson_val_mut_copy(doc, each));
	return !yyjson_mut_arr_size(list) || yyjson_mut_obj_add_val(doc, status, "conditions", list);
}

static void write_status(struct turn *t, const struct counts *c, int64_t wanted)
{
	yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
	yyjson_mut_val *status = doc ? yyjson_mut_obj(doc) : NULL;

	if (status && add_count(doc, status, "replicas", c->replicas, true) &&
		add_count(doc, status, "fullyLabeledReplicas", c->labeled, false) &&
		add_count(doc, status, "readyReplicas", c->ready, false) &&
		add_count(doc, status, "availableReplicas", c->available, false) &&
		add_count(doc, status, "terminatingReplicas", c->terminating, false) &&
		add_count(doc, status, "observedGeneration", t->object->generation, true) &&
		add_conditions(doc, status, t, c->replicas == wanted))
		turn_set(t, t->object, "status", "status", status);
	else
		turn_failed(t);
	yyjson_mut_doc_free(doc);
}

static void make_pods(struct turn *t, int64_t missing, int64_t have)
{
	const struct schema_kind *pod = schema_find_kind("v1", "Pod");
	int64_t batch = have > 0 ? have : 1;

	if (batch > missing)
		batch = missing;
	if (batch > BURST)
		batch = BURST;
	for (int64_t i = 0; i < batch; i++)
		turn_create(t, pod, t->ns,
			pod_from_template(t->object, json_obj(json_obj(t->root, "spec"), "template"), NULL));
}

static void end_pods(struct turn *t, struct pods *pods, int64_t surplus)
{
	pods_sort_for_deletion(pods);
	for (size_t i = 0; i < pods->n && surplus > 0; i++) {
		if (!pods->items[i].active)
			continue;
		turn_delete(t, pods->items[i].o, NULL);
		turn_event(
			t, t->object, false, "SuccessfulDelete", "Deleted pod: %s", pods->items[i].o->name);
		surplus--;
	}
}

/* When the next pod will have been ready for long enough. */
static void wait_for_available(struct turn *t, const struct pods *pods, int64_t min_ready_s)
{
	for (size_t i = 0; min_ready_s > 0 && i < pods->n; i++) {
		const struct pod *p = &pods->items[i];

		if (p->active && p->ready && !pod_available(p, min_ready_s, t->now_s))
			turn_again_in(t, (p->ready_since_s + min_ready_s - t->now_s) * 1000);
	}
}

struct refusal {
	int64_t now_s;
	char why[];
};

static enum modify add_failure(
	const struct object *old, yyjson_mut_doc **doc, struct status **error, void *arg)
{
	const struct refusal *r = arg;
	yyjson_mut_val *list = conditions_of(*doc, yyjson_mut_doc_get_root(*doc));

	if (list && condition_set(*doc, list, "ReplicaFailure", "True", "FailedCreate", r->why, r->now_s))
		return MODIFY_WRITE;
	return MODIFY_NOTHING;
}

static void refused(struct turn *t, const struct status *why)
{
	size_t len = strlen(why->message) + 1;
	struct refusal *r = malloc(sizeof(*r) + len);

	if (!r)
		return;
	r->now_s = t->now_s;
	memcpy(r->why, why->message, len);
	turn_modify(t, t->object, "status", add_failure, r);
}

static void sync_replicas(struct turn *t, struct selector *selector)
{
	yyjson_val *spec = json_obj(t->root, "spec");
	int64_t wanted = json_int(spec, "replicas", 1), min_ready_s = json_int(spec, "minReadySeconds", 0);
	struct pods pods;

	if (!selector || !pods_of(t, selector, &pods)) {
		turn_failed(t);
		selector_free(selector);
		return;
	}

	struct counts c = count(t, &pods, min_ready_s);

	if (!t->object->deleted && c.replicas < wanted)
		make_pods(t, wanted - c.replicas, c.replicas);
	else if (!t->object->deleted && c.replicas > wanted)
		end_pods(t, &pods, c.replicas - wanted);
	wait_for_available(t, &pods, min_ready_s);
	write_status(t, &c, wanted);
	pods_fini(&pods);
	selector_free(selector);
}

static void sync_replicaset(struct turn *t)
{
	if (t->object)
		sync_replicas(t, selector_of(meta_get(t->root, "spec", "selector", NULL)));
}

static void sync_rc(struct turn *t)
{
	if (t->object)
		sync_replicas(t, selector_of_map(meta_get(t->root, "spec", "selector", NULL)));
}

/* A pod without a controller may be one that somebody is looking for. */
static bool may_want(const struct object *o, const void *arg)
{
	return !o->deleted;
}

static void on_pod(
	struct controller *c, enum event_type type, const struct object *old, const struct object *now)
{
	controller_queue_owner(c, type, old, now);
	if (type != EVENT_DELETED && !object_controller(now) && !now->deleted)
		controller_queue_where(c, now->ns, may_want, NULL);
}

const struct controller_type replicaset_controller = {
	.name = "replicaset-controller",
	.api_version = "apps/v1",
	.kind = "ReplicaSet",
	.sync = sync_replicaset,
	.refused = refused,
	.watches = {{"v1", "Pod", on_pod}},
};

const struct controller_type replication_controller = {
	.name = "replication-controller",
	.api_version = "v1",
	.kind = "ReplicationController",
	.sync = sync_rc,
	.refused = refused,
	.watches = {{"v1", "Pod", on_pod}},
};

/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Nodes that do not report. A node renews its Lease; when it has not for a while, what it last said of itself is no longer
 * known, its conditions say so, and it is tainted: nothing more is scheduled there, and pods leave it as far as they do not
 * tolerate it (taint_eviction.c). A node that says it is not ready, or has pressure, is tainted too.
 *
 * What counts is when this process has heard that a Lease, or the heartbeat of the node's Ready, is another, and not the time that is
 * written in it: that is by the node's clock, which may be ahead of ours or behind it, and either may be set. After a start the whole
 * time is given to every node again: it was this process that was away.
 */

#include <search.h>
#include <stdio.h>
#include <string.h>

#include "cluster/controllers/controllers.h"
#include "cluster/schema/meta.h"
#include "cluster/schema/schema.h"
#include "cluster/schema/status.h"
#include "lib/json.h"

#define LEASE_NAMESPACE "kube-node-lease"

enum { GRACE_S = 50 };

/* A condition and the taint that follows from it. NoExecute ones have a NoSchedule twin. */
static const struct rule {
	const char *condition, *status, *taint;
	bool evicts;
} rules[] = {
	{"Ready", "False", "node.kubernetes.io/not-ready", true},
	{"Ready", "Unknown", "node.kubernetes.io/unreachable", true},
	{"MemoryPressure", "True", "node.kubernetes.io/memory-pressure", false},
	{"DiskPressure", "True", "node.kubernetes.io/disk-pressure", false},
	{"PIDPressure", "True", "node.kubernetes.io/pid-pressure", false},
	{"NetworkUnavailable", "True", "node.kubernetes.io/network-unavailable", false},
};

#define CORDON_TAINT "node.kubernetes.io/unschedulable"

/* ---- when nodes were heard of */

struct heard {
	char *name;
	char *uid;		       /* of the node; another one of its name has a time of its own */
	char heartbeat[META_TIME_MAX]; /* of its Ready, as it was said last; "" none */
	int64_t at_ms;		       /* by the loop's clock */
};

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct heard *)a)->name, ((const struct heard *)b)->name);
}

static void heard_free(void *p)
{
	struct heard *h = p;

	free(h->name);
	free(h->uid);
	free(h);
}

static struct heard *heard_find(struct controller *c, const char *name)
{
	struct heard probe = {.name = (char *)(uintptr_t)name};
	struct heard **found = tfind(&probe, controller_kept(c), by_name);

	return found ? *found : NULL;
}

/* NULL: no memory. */
static struct heard *heard_make(struct controller *c, const char *name)
{
	struct heard *h = calloc(1, sizeof(*h));

	if (!h)
		return NULL;
	h->name = strdup(name);
	if (h->name && tsearch(h, controller_kept(c), by_name))
		return h;
	heard_free(h);
	return NULL;
}

static int64_t now_ms(const struct controller *c)
{
	return loop_now_ms(registry_loop(controller_registry(c)));
}

/* Cut off if it is none that we would write: it is compared, and nothing else. */
static void heartbeat_of(yyjson_val *node, char out[static META_TIME_MAX])
{
	yyjson_val *each;
	size_t i, n;

	*out = 0;
	yyjson_arr_foreach (meta_get(node, "status", "conditions", NULL), i, n, each)
		if (yyjson_equals_str(yyjson_obj_get(each, "type"), "Ready"))
			snprintf(out, META_TIME_MAX, "%s", json_str(each, "lastHeartbeatTime") ?: "");
}

/*
 * Who is seen for the first time is heard of now; and who says something new of itself, its Lease may come later. NULL: no
 * memory.
 */
static const struct heard *heard_of(struct turn *t)
{
	struct heard *h = heard_find(t->c, t->name);
	char heartbeat[META_TIME_MAX];

	if (!h)
		h = heard_make(t->c, t->name);
	heartbeat_of(t->root, heartbeat);
	if (!h || (h->uid && !strcmp(h->uid, t->object->uid) && !strcmp(h->heartbeat, heartbeat)))
		return h;
	free(h->uid);
	h->uid = strdup(t->object->uid);
	snprintf(h->heartbeat, sizeof(h->heartbeat), "%s", heartbeat);
	h->at_ms = now_ms(t->c);
	return h->uid ? h : NULL;
}

static void forget_node(struct turn *t)
{
	struct heard *h = heard_find(t->c, t->name);

	if (!h)
		return;
	tdelete(h, controller_kept(t->c), by_name);
	heard_free(h);
}

static void forget_all(void *kept)
{
	tdestroy(kept, heard_free);
}

/* ---- conditions */

struct silence {
	int64_t now_s;
	int64_t revision; /* of the node that was silent */
};

/* A node that has changed since stays as it is: it may be word of it, and a turn follows that knows. */
static enum modify forget_conditions(
	const struct object *old, yyjson_mut_doc **doc, struct status **error, void *arg)
{
	static const char *const known[] = {"Ready", "MemoryPressure", "DiskPressure", "PIDPressure"};
	yyjson_mut_val *list = conditions_of(*doc, yyjson_mut_doc_get_root(*doc));
	const struct silence *s = arg;
	bool changed = false;

	if (old->revision != s->revision)
		return MODIFY_NOTHING;
	for (size_t i = 0; list && i < array_len(known); i++)
		changed |= condition_set(*doc, list, known[i], "Unknown", "NodeStatusUnknown",
			"Kubelet stopped posting node status.", s->now_s);
	return changed ? MODIFY_WRITE : MODIFY_NOTHING;
}

/* Until the node counts as silent; 0 or less: it does. */
static int64_t left_ms(struct turn *t)
{
	const struct heard *h = heard_of(t);

	if (h)
		return h->at_ms + GRACE_S * 1000 - now_ms(t->c);
	turn_failed(t);
	return GRACE_S * 1000;
}

/* ---- taints */

static bool is_ours(const char *key)
{
	if (!strcmp(key, CORDON_TAINT))
		return true;
	for (size_t i = 0; i < array_len(rules); i++)
		if (!strcmp(key, rules[i].taint))
			return true;
	return false;
}

static bool wanted(yyjson_val *node, const char *key, const char *effect)
{
	if (!strcmp(key, CORDON_TAINT))
		return !strcmp(effect, "NoSchedule") && json_bool(json_obj(node, "spec"), "unschedulable");
	for (size_t i = 0; i < array_len(rules); i++)
		if (!strcmp(key, rules[i].taint))
			return condition_is(node, rules[i].condition, rules[i].status) &&
			       (!strcmp(effect, "NoSchedule") ||
				       (rules[i].evicts && !strcmp(effect, "NoExecute")));
	return false;
}

static bool has_taint(yyjson_val *node, const char *key, const char *effect)
{
	yyjson_val *list = meta_get(node, "spec", "taints", NULL), *each;
	size_t i, n;

	yyjson_arr_foreach (list, i, n, each)
		if (yyjson_equals_str(yyjson_obj_get(each, "key"), key) &&
			yyjson_equals_str(yyjson_obj_get(each, "effect"), effect))
			return true;
	return false;
}

static void add_taint(
	yyjson_mut_doc *doc, yyjson_mut_val *list, const struct turn *t, const char *key, const char *effect)
{
	char now[META_TIME_MAX];
	yyjson_mut_val *o;

	if (!wanted(t->root, key, effect) || has_taint(t->root, key, effect))
		return;
	o = yyjson_mut_arr_add_obj(doc, list);
	meta_time(now, (time_t)t->now_s);
	if (o)
		(void)!(yyjson_mut_obj_add_strcpy(doc, o, "key", key) &&
			yyjson_mut_obj_add_strcpy(doc, o, "effect", effect) &&
			(strcmp(effect, "NoExecute") != 0 ||
				yyjson_mut_obj_add_strcpy(doc, o, "timeAdded", now)));
}

/* One spec for the node: taints as they are but for ours, which follow the conditions. */
static void write_taints(struct turn *t)
{
	yyjson_val *spec = json_obj(t->root, "spec"), *list = json_arr(spec, "taints"), *each;
	yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
	yyjson_mut_val *fresh = doc ? yyjson_mut_arr(doc) : NULL, *copy;
	size_t i, n;

	if (!fresh) {
		turn_failed(t);
		yyjson_mut_doc_free(doc);
		return;
	}
	yyjson_arr_foreach (list, i, n, each) {
		const char *key = json_str(each, "key") ?: "", *effect = json_str(each, "effect") ?: "";

		if (!is_ours(key) || wanted(t->root, key, effect))
			yyjson_mut_arr_append(fresh, yyjson_val_mut_copy(doc, each));
	}
	for (i = 0; i < array_len(rules); i++) {
		add_taint(doc, fresh, t, rules[i].taint, "NoSchedule");
		add_taint(doc, fresh, t, rules[i].taint, "NoExecute");
	}
	add_taint(doc, fresh, t, CORDON_TAINT, "NoSchedule");
	copy = spec ? yyjson_val_mut_copy(doc, spec) : yyjson_mut_obj(doc);
	yyjson_mut_obj_remove_key(copy, "taints");
	if (yyjson_mut_arr_size(fresh))
		yyjson_mut_obj_add_val(doc, copy, "taints", fresh);
	turn_set(t, t->object, NULL, "spec", copy);
	yyjson_mut_doc_free(doc);
}

static void give_up(struct turn *t)
{
	struct silence *s = malloc(sizeof(*s));

	if (!s) {
		turn_failed(t);
		return;
	}
	*s = (struct silence){t->now_s, t->object->revision};
	turn_event(t, t->object, false, "NodeNotReady", "Node %s status is now: NodeNotReady", t->name);
	turn_modify(t, t->object, "status", forget_conditions, s);
}

static void sync_node(struct turn *t)
{
	int64_t left;

	if (!t->object)
		forget_node(t);
	if (!t->object || t->object->deleted)
		return;
	left = left_ms(t);
	if (left > 0) {
		turn_again_in(t, left);
	} else if (!condition_is(t->root, "Ready", "Unknown")) {
		give_up(t);
	}
	write_taints(t);
}

static bool is_renewed(const struct object *old, const struct object *now)
{
	yyjson_doc *before = object_doc(old), *after = object_doc(now);
	yyjson_val *was = meta_get(yyjson_doc_get_root(before), "spec", "renewTime", NULL),
		   *is = meta_get(yyjson_doc_get_root(after), "spec", "renewTime", NULL);
	bool renewed = is && !(was && yyjson_equals(was, is));

	yyjson_doc_free(before);
	yyjson_doc_free(after);
	return renewed;
}

/* No turn follows: the node's timer looks in time; one that was given up has none, and comes back by what it says of itself. */
static void on_lease(
	struct controller *c, enum event_type type, const struct object *old, const struct object *now)
{
	struct heard *h;

	if (type == EVENT_DELETED || strcmp(now->ns, LEASE_NAMESPACE) != 0)
		return;
	if (type == EVENT_MODIFIED && !is_renewed(old, now))
		return;
	h = heard_find(c, now->name);
	if (h)
		h->at_ms = now_ms(c);
}

const struct controller_type node_lifecycle_controller = {
	.name = "node-controller",
	.api_version = "v1",
	.kind = "Node",
	.sync = sync_node,
	.watches = {{"coordination.k8s.io/v1", "Lease", on_lease}},
	.drop = forget_all,
};

/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Pods leave a node with a NoExecute taint that they do not tolerate: at once, or when the shortest tolerationSeconds among the
 * tolerations that apply is over.
 */

#include <string.h>

#include "cluster/controllers/controllers.h"
#include "cluster/controllers/disrupt.h"
#include "cluster/schema/meta.h"
#include "cluster/schema/schema.h"
#include "lib/json.h"

static bool tolerates(yyjson_val *toleration, yyjson_val *taint)
{
	const char *effect = json_text(toleration, "effect"), *key = json_text(toleration, "key");
	const char *op = json_text(toleration, "operator");

	if (effect && !yyjson_equals_str(yyjson_obj_get(taint, "effect"), effect))
		return false;
	if (key && !yyjson_equals_str(yyjson_obj_get(taint, "key"), key))
		return false;
	if (op && !strcmp(op, "Exists"))
		return true;
	return key && !strcmp(json_str(toleration, "value") ?: "", json_str(taint, "value") ?: "");
}

/* Seconds from the taint on; -1: for ever; 0: not at all. */
static int64_t tolerated_s(yyjson_val *pod, yyjson_val *taint)
{
	yyjson_val *list = meta_get(pod, "spec", "tolerations", NULL), *each;
	int64_t least = 0;
	bool any = false;
	size_t i, n;

	yyjson_arr_foreach (list, i, n, each) {
		int64_t s = yyjson_obj_get(each, "tolerationSeconds") ? json_int(each, "tolerationSeconds", 0)
								      : -1;

		if (!tolerates(each, taint))
			continue;
		if (s < -1)
			s = 0;
		if (!any || (s >= 0 && (least < 0 || s < least)))
			least = s;
		any = true;
	}
	return any ? least : 0;
}

static void sync_pod(struct turn *t)
{
	const char *node = t->object ? json_text(json_obj(t->root, "spec"), "nodeName") : NULL;
	const struct object *o = node ? registry_get(t->r, schema_find_kind("v1", "Node"), "", node) : NULL;
	yyjson_doc *doc = o ? object_doc(o) : NULL;
	yyjson_val *list = meta_get(yyjson_doc_get_root(doc), "spec", "taints", NULL), *taint;
	int64_t earliest = -1;
	size_t i, n;

	if (!t->object || t->object->deleted || pod_has_ended(t->object)) {
		yyjson_doc_free(doc);
		return;
	}
	yyjson_arr_foreach (list, i, n, taint) {
		int64_t s, at;

		if (!yyjson_equals_str(yyjson_obj_get(taint, "effect"), "NoExecute"))
			continue;
		s = tolerated_s(t->root, taint);
		at = s < 0 ? -1 : time_of(yyjson_obj_get(taint, "timeAdded")) + s;
		if (at >= 0 && (earliest < 0 || at < earliest))
			earliest = at;
	}
	yyjson_doc_free(doc);
	if (earliest < 0)
		return;
	if (earliest > t->now_s) {
		turn_again_in(t, (earliest - t->now_s) * 1000);
		return;
	}
	turn_event(t, t->object, false, "TaintManagerEviction", "Marking for deletion Pod %s/%s", t->ns,
		t->name);
	turn_disrupt(t, &(struct disruption){.reason = "DeletionByTaintManager",
				.message = "Taint manager: deleting due to NoExecute taint",
				.grace_seconds = -1});
}

static bool has_no_execute(const struct object *node)
{
	return node && strstr(node->json, "NoExecute");
}

static void on_node(
	struct controller *c, enum event_type type, const struct object *old, const struct object *now)
{
	if (type != EVENT_DELETED && (has_no_execute(old) || has_no_execute(now)))
		controller_queue_where(c, NULL, pod_is_on_node, now->name);
}

const struct controller_type taint_eviction_controller = {
	.name = "taint-eviction-controller",
	.api_version = "v1",
	.kind = "Pod",
	.wants = pod_comes_or_changes,
	.sync = sync_pod,
	.watches = {{"v1", "Node", on_node}},
};

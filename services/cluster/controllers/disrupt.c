/* SPDX-License-Identifier: Apache-2.0 */

#include <stdlib.h>
#include <string.h>

#include "cluster/controllers/disrupt.h"
#include "cluster/schema/meta.h"

static enum modify say_disrupted(
	const struct object *old, yyjson_mut_doc **doc, struct status **error, void *arg)
{
	const struct disruption *d = arg;
	yyjson_mut_val *root = yyjson_mut_doc_get_root(*doc);
	int changed;

	if (d->failed && pod_has_ended(old))
		return MODIFY_NOTHING;
	changed =
		pod_condition_set(*doc, root, "DisruptionTarget", "True", d->reason, d->message, time(NULL));
	if (changed < 0)
		return MODIFY_FAIL;
	if (d->failed) {
		if (!meta_put(*doc, meta_make(*doc, root, "status", NULL), "phase",
			    yyjson_mut_str(*doc, "Failed")))
			return MODIFY_FAIL;
		changed = 1;
	}
	return changed ? MODIFY_WRITE : MODIFY_NOTHING;
}

static void on_said(struct turn *t, const struct status *error, void *arg)
{
	const struct disruption *d = arg;

	if (!error)
		turn_delete(t, t->object, &(struct delete_options){.grace_seconds = d->grace_seconds});
}

void turn_disrupt(struct turn *t, const struct disruption *d)
{
	struct disruption *own = malloc(sizeof(*own));

	if (!own) {
		turn_failed(t);
		return;
	}
	*own = *d;
	turn_modify_then(t, t->object, "status", say_disrupted, own, on_said);
}

/* ---- what one looks for in pods */

bool pod_has_ended(const struct object *pod)
{
	return phase_is_final(object_field(pod, "status.phase"));
}

static const char *node_of(const struct object *pod)
{
	return object_field(pod, "spec.nodeName");
}

bool pod_is_on_node(const struct object *pod, const void *node)
{
	return !strcmp(node_of(pod), node);
}

bool pod_comes_or_changes(enum event_type type, const struct object *old, const struct object *now)
{
	return type != EVENT_DELETED && *node_of(now) &&
	       (!old || old->generation != now->generation || strcmp(node_of(old), node_of(now)) != 0);
}

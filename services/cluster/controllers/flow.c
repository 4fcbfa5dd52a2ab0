/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Flow schemas and priority levels: those that every cluster has are made again when they are gone, and set right when they are not
 * as they should be (flow/objects.h); a schema says whether there is the level that it names.
 */

#include <stdio.h>
#include <string.h>

#include "cluster/controllers/controllers.h"
#include "cluster/flow/objects.h"
#include "cluster/schema/meta.h"
#include "cluster/schema/schema.h"
#include "lib/json.h"

/* ---- those that every cluster has */

static void make(struct turn *t, const struct flow_object *fixed)
{
	const struct schema_kind *kind = schema_find_kind(FLOW_API, fixed->kind);
	yyjson_mut_doc *doc = flow_object_new(fixed);

	if (doc)
		turn_create(t, kind, "", doc);
	else
		turn_failed(t);
}

/*
 * Whose the spec is: ours if the annotation says so. Where it says nothing, ours until somebody has changed it, and that is said
 * by the annotation from then on.
 */
static bool is_ours(const struct object *o, yyjson_mut_val *root, const struct flow_object *fixed)
{
	const char *says =
		yyjson_mut_get_str(meta_mut_get(root, "metadata", "annotations", FLOW_AUTOUPDATE, NULL));

	if (fixed->mandatory)
		return true;
	if (says && (!strcmp(says, "true") || !strcmp(says, "false")))
		return !strcmp(says, "true");
	return o->generation == 1;
}

/* The spec that it should have: of the exempt level, how much of it others can have is everybody's to say. */
static yyjson_mut_val *wanted_spec(yyjson_mut_doc *doc, yyjson_mut_val *spec, yyjson_val *fixed)
{
	yyjson_mut_val *wanted = yyjson_val_mut_copy(doc, fixed), *said = yyjson_mut_obj_get(spec, "exempt");
	bool ok = wanted && (!said || !yyjson_mut_obj_get(wanted, "exempt") ||
				    meta_put(doc, wanted, "exempt", yyjson_mut_val_mut_copy(doc, said)));

	return ok ? wanted : NULL;
}

static enum modify set_right(const struct object *old, yyjson_mut_doc **doc, struct status **error, void *arg)
{
	yyjson_mut_val *root = yyjson_mut_doc_get_root(*doc), *spec = yyjson_mut_obj_get(root, "spec");
	const struct flow_object *fixed = flow_object_find(old->kind->kind, old->name);
	cleanup(json_docp) yyjson_doc *of_table = flow_object_spec(fixed);
	yyjson_mut_val *notes = meta_make(*doc, root, "metadata", "annotations", NULL), *wanted;
	bool ours = is_ours(old, root, fixed), written = false;
	const char *word = ours ? "true" : "false";

	if (!notes || !of_table)
		return MODIFY_FAIL;
	if (!yyjson_mut_equals_str(yyjson_mut_obj_get(notes, FLOW_AUTOUPDATE), word)) {
		written = true;
		if (!meta_put(*doc, notes, FLOW_AUTOUPDATE, yyjson_mut_str(*doc, word)))
			return MODIFY_FAIL;
	}
	if (ours) {
		wanted = wanted_spec(*doc, spec, yyjson_doc_get_root(of_table));
		if (!wanted)
			return MODIFY_FAIL;
		if (!meta_equal(spec, wanted)) {
			written = true;
			if (!meta_put(*doc, root, "spec", wanted))
				return MODIFY_FAIL;
		}
	}
	return written ? MODIFY_WRITE : MODIFY_NOTHING;
}

static void keep(struct turn *t, const char *kind)
{
	const struct flow_object *fixed = flow_object_find(kind, t->name);

	if (fixed && !t->object)
		make(t, fixed);
	else if (fixed && !t->object->deleted)
		turn_modify(t, t->object, NULL, set_right, NULL);
}

/* ---- schemas that name no level */

struct finding {
	bool found;
	int64_t now_s;
	char level[256];
};

static enum modify write_dangling(
	const struct object *old, yyjson_mut_doc **doc, struct status **error, void *arg)
{
	const struct finding *f = arg;
	yyjson_mut_val *list = conditions_of(*doc, yyjson_mut_doc_get_root(*doc));
	char message[400];

	snprintf(message, sizeof(message),
		"This FlowSchema references the PriorityLevelConfiguration object named \"%s\" %s", f->level,
		f->found ? "and it exists" : "but there is no such object");
	if (!list)
		return MODIFY_FAIL;
	return condition_set(*doc, list, "Dangling", f->found ? "False" : "True",
		       f->found ? "Found" : "NotFound", message, f->now_s)
		       ? MODIFY_WRITE
		       : MODIFY_NOTHING;
}

static const char *level_of(yyjson_val *root)
{
	return yyjson_get_str(meta_get(root, "spec", "priorityLevelConfiguration", "name", NULL)) ?: "";
}

static void say_dangling(struct turn *t)
{
	struct finding *f = calloc(1, sizeof(*f));

	if (!f) {
		turn_failed(t);
		return;
	}
	snprintf(f->level, sizeof(f->level), "%s", level_of(t->root));
	f->now_s = t->now_s;
	f->found = registry_get(t->r, schema_find_kind(FLOW_API, "PriorityLevelConfiguration"), "", f->level);
	turn_modify(t, t->object, "status", write_dangling, f);
}

static void sync_schema(struct turn *t)
{
	keep(t, "FlowSchema");
	if (t->object && !t->object->deleted)
		say_dangling(t);
}

static bool names_level(const struct object *o, const void *name)
{
	cleanup(json_docp) yyjson_doc *doc = object_doc(o);

	return !strcmp(level_of(yyjson_doc_get_root(doc)), name);
}

static void on_level(
	struct controller *c, enum event_type type, const struct object *old, const struct object *now)
{
	if (type != EVENT_MODIFIED)
		controller_queue_where(c, NULL, names_level, now->name);
}

static void sync_level(struct turn *t)
{
	keep(t, "PriorityLevelConfiguration");
}

const struct controller_type flow_schema_controller = {
	.name = "flow-schema-controller",
	.api_version = FLOW_API,
	.kind = "FlowSchema",
	.sync = sync_schema,
	.watches = {{FLOW_API, "PriorityLevelConfiguration", on_level}},
};

const struct controller_type priority_level_controller = {
	.name = "priority-level-controller",
	.api_version = FLOW_API,
	.kind = "PriorityLevelConfiguration",
	.sync = sync_level,
};

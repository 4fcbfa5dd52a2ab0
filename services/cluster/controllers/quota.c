/* SPDX-License-Identifier: Apache-2.0 */

/* What is used of each quota, written into its status whenever something in its namespace comes, goes or changes its size. */

#include <string.h>

#include "cluster/controllers/controllers.h"
#include "cluster/registry/quota.h"
#include "cluster/schema/meta.h"
#include "cluster/schema/schema.h"
#include "lib/json.h"
#include "lib/quantity.h"

static bool add_used(
	yyjson_mut_doc *doc, yyjson_mut_val *used, const struct turn *t, yyjson_val *key, yyjson_val *limit)
{
	yyjson_val *spec = json_obj(t->root, "spec");
	struct quantity q = {0}, n = {.nano = quota_used(t->r, t->ns, spec, yyjson_get_str(key))};
	char text[QUANTITY_TEXT_MAX];

	/* written as the limit is */
	n.format = quantity_parse(&q, yyjson_get_str(limit) ?: "", yyjson_get_len(limit)) ? QUANTITY_DECIMAL
											  : q.format;
	return yyjson_mut_obj_add(
		used, yyjson_val_mut_copy(doc, key), yyjson_mut_strcpy(doc, quantity_text(&n, text)));
}

static void sync_quota(struct turn *t)
{
	yyjson_mut_doc *doc;
	yyjson_mut_val *status, *used;
	yyjson_val *hard, *key, *value;
	size_t i, n;
	bool ok;

	if (!t->object || t->object->deleted)
		return;
	hard = meta_get(t->root, "spec", "hard", NULL);
	doc = yyjson_mut_doc_new(NULL);
	status = doc ? yyjson_mut_obj(doc) : NULL;
	ok = status && (!hard || yyjson_mut_obj_add_val(doc, status, "hard", yyjson_val_mut_copy(doc, hard)));
	used = ok ? yyjson_mut_obj_add_obj(doc, status, "used") : NULL;
	ok = used;
	json_obj_foreach (hard, i, n, key, value)
		ok = ok && add_used(doc, used, t, key, value);
	if (ok)
		turn_set(t, t->object, "status", "status", status);
	else
		turn_failed(t);
	yyjson_mut_doc_free(doc);
}

static bool every(const struct object *o, const void *arg)
{
	return true;
}

static const char *phase_of(const struct object *o)
{
	for (size_t i = 0; i < o->n_fields; i++)
		if (!strcmp(o->fields[i].key, "status.phase"))
			return o->fields[i].value;
	return "";
}

static void on_any(
	struct controller *c, enum event_type type, const struct object *old, const struct object *now)
{
	bool same = old && type == EVENT_MODIFIED && old->generation == now->generation && now->generation &&
		    !strcmp(phase_of(old), phase_of(now));

	/* of a pod that was changed once, status may say that it was resized and what it takes still */
	same = same && (now->generation == 1 || strcmp(now->kind->kind, "Pod") != 0);
	if (!*now->ns || same || now->kind->flags & SCHEMA_LAZY || !strcmp(now->kind->kind, "ResourceQuota"))
		return;
	controller_queue_where(c, now->ns, every, NULL);
}

const struct controller_type quota_controller = {
	.name = "resourcequota-controller",
	.api_version = "v1",
	.kind = "ResourceQuota",
	.sync = sync_quota,
	.watches = {{.api_version = "*", .event = on_any}},
};

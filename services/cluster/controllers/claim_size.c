/* SPDX-License-Identifier: Apache-2.0 */

/*
 * What a claim is told that it has, and how it comes to have more. Its volume says first that it is larger; the claim has that when
 * the volume's node has seen to it (LOCAL_GROWS), and says until then that it waits, as it does upstream.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cluster/controllers/persistentvolumeclaim_int.h"
#include "cluster/schema/meta.h"
#include "cluster/schema/status.h"
#include "lib/json.h"

#define PENDING "FileSystemResizePending"

/* ---- growing */

struct growth {
	char size[QUANTITY_TEXT_MAX];
};

static enum modify grow(const struct object *old, yyjson_mut_doc **doc, struct status **error, void *arg)
{
	const struct growth *g = arg;
	yyjson_mut_val *root = yyjson_mut_doc_get_root(*doc);
	yyjson_mut_val *capacity = meta_make(*doc, root, "spec", "capacity", NULL);
	yyjson_mut_val *notes = meta_make(*doc, root, "metadata", "annotations", NULL);

	if (capacity && notes && meta_put(*doc, capacity, "storage", yyjson_mut_strcpy(*doc, g->size)) &&
		meta_put(*doc, notes, LOCAL_GROWS, yyjson_mut_str(*doc, "true")))
		return MODIFY_WRITE;
	*error = status_internal("out of memory");
	return MODIFY_FAIL;
}

void claim_grow(const struct claim *c, const struct object *o, yyjson_val *volume)
{
	struct quantity has = volume_capacity(json_obj(volume, "spec"));
	struct growth *g;

	if (quantity_compare(&c->wish.size, &has) <= 0 ||
		!json_bool(yyjson_doc_get_root(c->class_doc), "allowVolumeExpansion"))
		return;
	if (!volume_is_local(volume)) {
		turn_event(c->t, c->t->object, true, "ExternalExpanding",
			"Ignoring the PVC: didn't find a plugin capable of expanding the volume; waiting for an "
			"external controller to process this PVC.");
		return;
	}
	g = calloc(1, sizeof(*g));
	if (!g) {
		turn_failed(c->t);
		return;
	}
	quantity_text(&c->wish.size, g->size);
	turn_event(c->t, c->t->object, false, "FileSystemResizeRequired",
		"Require file system resize of volume on node");
	turn_modify(c->t, o, NULL, grow, g);
}

/* ---- what it is told */

static bool put_storage(yyjson_mut_doc *doc, yyjson_mut_val *status, const char *key, yyjson_mut_val *value)
{
	yyjson_mut_val *o = value ? meta_make(doc, status, key, NULL) : NULL;

	return o && meta_put(doc, o, "storage", value);
}

/* The condition is there while it waits, and no longer. */
static bool put_pending(yyjson_mut_doc *doc, yyjson_mut_val *status, bool waits, int64_t now_s)
{
	yyjson_mut_val *list = yyjson_mut_obj_get(status, "conditions"), *each;
	yyjson_mut_arr_iter it;

	if (waits && !list)
		list = yyjson_mut_obj_add_arr(doc, status, "conditions");
	if (waits && list)
		condition_set(doc, list, PENDING, "True", "",
			"Waiting for user to (re-)start a pod to finish file system resize of volume on node.",
			now_s);
	if (waits)
		return list;
	if (!yyjson_mut_arr_iter_init(list, &it))
		return true;
	while ((each = yyjson_mut_arr_iter_next(&it)))
		if (yyjson_mut_equals_str(yyjson_mut_obj_get(each, "type"), PENDING))
			json_mut_arr_iter_remove(&it);
	if (!yyjson_mut_arr_size(list))
		yyjson_mut_obj_remove_key(status, "conditions");
	return true;
}

/*
 * A claim gets the size of its volume when it is bound; later changes of one that is not ours are told by whoever made them. @had: it
 * was bound before, and has a size.
 */
static bool put_size(
	yyjson_mut_doc *doc, yyjson_mut_val *status, const struct claim *c, yyjson_val *volume, bool had)
{
	yyjson_val *spec = json_obj(volume, "spec");
	bool ours = volume_is_local(volume),
	     waits = had && ours && meta_get(volume, "metadata", "annotations", LOCAL_GROWS, NULL);
	struct quantity q = volume_capacity(spec);
	char size[QUANTITY_TEXT_MAX];

	quantity_text(&q, size);
	if (waits)
		return put_storage(doc, status, "allocatedResources", yyjson_mut_strcpy(doc, size)) &&
		       put_storage(doc, status, "allocatedResourceStatuses",
			       yyjson_mut_str(doc, "NodeResizePending")) &&
		       put_pending(doc, status, true, c->t->now_s);
	if (had && !ours)
		return true;
	yyjson_mut_obj_remove_key(status, "allocatedResourceStatuses");
	return meta_put(
		       doc, status, "capacity", yyjson_val_mut_copy(doc, yyjson_obj_get(spec, "capacity"))) &&
	       put_pending(doc, status, false, c->t->now_s);
}

void claim_write_status(const struct claim *c, const char *phase, yyjson_val *volume)
{
	yyjson_val *was = json_obj(c->t->root, "status"), *spec = json_obj(volume, "spec");
	yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
	yyjson_mut_val *status = !doc ? NULL : was ? yyjson_val_mut_copy(doc, was) : yyjson_mut_obj(doc);
	bool had = yyjson_equals_str(yyjson_obj_get(was, "phase"), phase) && json_obj(was, "capacity");

	if (status && meta_put(doc, status, "phase", yyjson_mut_str(doc, phase)) &&
		(!volume || (meta_put(doc, status, "accessModes",
				     yyjson_val_mut_copy(doc, yyjson_obj_get(spec, "accessModes"))) &&
				    put_size(doc, status, c, volume, had))))
		turn_set(c->t, c->t->object, "status", "status", status);
	else
		turn_failed(c->t);
	yyjson_mut_doc_free(doc);
}

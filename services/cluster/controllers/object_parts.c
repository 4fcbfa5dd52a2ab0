/* SPDX-License-Identifier: Apache-2.0 */

/* Parts of objects that several controllers make and read: owners, hashes for names, conditions, times. */

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "cluster/controllers/controller.h"
#include "cluster/schema/meta.h"
#include "cluster/schema/schema.h"

yyjson_mut_doc *new_object(const struct schema_kind *kind)
{
	yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
	yyjson_mut_val *root = doc ? yyjson_mut_obj(doc) : NULL;

	if (root && yyjson_mut_obj_add_str(doc, root, "apiVersion", kind->api_version) &&
		yyjson_mut_obj_add_str(doc, root, "kind", kind->kind) &&
		yyjson_mut_obj_add_obj(doc, root, "metadata")) {
		yyjson_mut_doc_set_root(doc, root);
		return doc;
	}
	yyjson_mut_doc_free(doc);
	return NULL;
}

bool set_controller(yyjson_mut_doc *doc, yyjson_mut_val *object, const struct object *owner)
{
	yyjson_mut_val *meta = yyjson_mut_obj_get(object, "metadata"), *list = yyjson_mut_arr(doc);
	yyjson_mut_val *ref = list ? yyjson_mut_arr_add_obj(doc, list) : NULL;

	return meta && ref && yyjson_mut_obj_add_strcpy(doc, ref, "apiVersion", owner->kind->api_version) &&
	       yyjson_mut_obj_add_strcpy(doc, ref, "kind", owner->kind->kind) &&
	       yyjson_mut_obj_add_strcpy(doc, ref, "name", owner->name) &&
	       yyjson_mut_obj_add_strcpy(doc, ref, "uid", owner->uid) &&
	       yyjson_mut_obj_add_bool(doc, ref, "controller", true) &&
	       yyjson_mut_obj_add_bool(doc, ref, "blockOwnerDeletion", true) &&
	       meta_put(doc, meta, "ownerReferences", list);
}

bool value_hash(yyjson_val *value, int64_t salt, char out[static HASH_MAX])
{
	static const char letters[] = "bcdfghjklmnpqrstvwxz2456789";
	size_t len, i;
	char *text = yyjson_val_write(value, 0, &len), digits[HASH_MAX];
	uint32_t h;

	if (!text)
		return false;
	h = hash_bytes(HASH_BEGIN, text, len);
	for (i = 0; salt && i < 8; i++)
		h = hash_bytes(h, &(unsigned char){salt >> (8 * i) & 0xff}, 1);
	free(text);
	snprintf(digits, sizeof(digits), "%u", h);
	for (i = 0; digits[i]; i++)
		out[i] = letters[(unsigned char)digits[i] % (sizeof(letters) - 1)];
	out[i] = 0;
	return true;
}

yyjson_val *condition_of(yyjson_val *object, const char *type)
{
	yyjson_val *list = meta_get(object, "status", "conditions", NULL), *each;
	size_t i, n;

	yyjson_arr_foreach (list, i, n, each)
		if (yyjson_equals_str(yyjson_obj_get(each, "type"), type))
			return each;
	return NULL;
}

bool condition_is(yyjson_val *object, const char *type, const char *status)
{
	return yyjson_equals_str(yyjson_obj_get(condition_of(object, type), "status"), status);
}

static bool same(yyjson_mut_val *object, const char *key, const char *text)
{
	yyjson_mut_val *v = yyjson_mut_obj_get(object, key);

	return v ? yyjson_mut_equals_str(v, text) : !*text;
}

/* Without memory the old text stays, and a later turn sets it. */
static void set_text(yyjson_mut_doc *doc, yyjson_mut_val *object, const char *key, const char *text)
{
	yyjson_mut_val *copy = *text ? yyjson_mut_strcpy(doc, text) : NULL;

	if (copy)
		(void)!meta_put(doc, object, key, copy);
	else if (!*text)
		yyjson_mut_obj_remove_key(object, key);
}

bool condition_set(yyjson_mut_doc *doc, yyjson_mut_val *conditions, const char *type, const char *status,
	const char *reason, const char *message, int64_t now_s)
{
	yyjson_mut_val *each, *found = NULL;
	char now[META_TIME_MAX];
	size_t i, n;

	yyjson_mut_arr_foreach(conditions, i, n,
		each) if (yyjson_mut_equals_str(yyjson_mut_obj_get(each, "type"), type)) found = each;
	if (found && same(found, "status", status) && same(found, "reason", reason) &&
		same(found, "message", message))
		return false;
	meta_time(now, (time_t)now_s);

	bool turned = !found || !same(found, "status", status);

	if (!found)
		found = yyjson_mut_arr_add_obj(doc, conditions);
	if (!found)
		return false;
	set_text(doc, found, "type", type);
	set_text(doc, found, "status", status);
	if (turned)
		set_text(doc, found, "lastTransitionTime", now);
	set_text(doc, found, "reason", reason);
	set_text(doc, found, "message", message);
	return true;
}

yyjson_mut_val *conditions_of(yyjson_mut_doc *doc, yyjson_mut_val *object)
{
	yyjson_mut_val *status = meta_make(doc, object, "status", NULL);
	yyjson_mut_val *list = yyjson_mut_obj_get(status, "conditions");

	if (yyjson_mut_is_arr(list) || !status)
		return list;
	list = yyjson_mut_arr(doc);
	return list && meta_put(doc, status, "conditions", list) ? list : NULL;
}

int64_t time_of(yyjson_val *v)
{
	struct timespec t;

	return yyjson_is_str(v) && !meta_time_parse(&t, yyjson_get_str(v)) ? t.tv_sec : 0;
}

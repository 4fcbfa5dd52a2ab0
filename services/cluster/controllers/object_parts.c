/* SPDX-License-Identifier: Apache-2.0 */

/* Parts of objects that several controllers make and read: owners, hashes for names, times. */

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

int64_t time_of(yyjson_val *v)
{
	struct timespec t;

	return yyjson_is_str(v) && !meta_time_parse(&t, yyjson_get_str(v)) ? t.tv_sec : 0;
}

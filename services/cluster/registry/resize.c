/* SPDX-License-Identifier: Apache-2.0 */

/* The part of a pod that its subresource resize is about. */

#include <errno.h>
#include <string.h>

#include "cluster/registry/registry_int.h"
#include "cluster/schema/meta.h"

static bool same_names(yyjson_mut_val *a, yyjson_mut_val *b)
{
	yyjson_mut_arr_iter others = yyjson_mut_arr_iter_with(b);
	size_t i, n;
	yyjson_mut_val *x;

	if (yyjson_mut_arr_size(a) != yyjson_mut_arr_size(b))
		return false;
	yyjson_mut_arr_foreach(a, i, n, x)
	{
		const char *name = yyjson_mut_get_str(yyjson_mut_obj_get(x, "name"));

		if (!yyjson_mut_equals_str(
			    yyjson_mut_obj_get(yyjson_mut_arr_iter_next(&others), "name"), name ?: ""))
			return false;
	}
	return true;
}

/* What @said says under @key is what @o has, also when that is nothing. */
static bool say(yyjson_mut_doc *doc, yyjson_mut_val *o, yyjson_mut_val *said, const char *key)
{
	yyjson_mut_val *v = yyjson_mut_obj_get(said, key);

	yyjson_mut_obj_remove_key(o, key);
	return !v || meta_put(doc, o, key, yyjson_mut_val_mut_copy(doc, v));
}

/* The containers of before, with the resources that are asked for now. */
static yyjson_mut_val *merged(yyjson_mut_doc *doc, yyjson_mut_val *now, yyjson_mut_val *before)
{
	yyjson_mut_val *list = yyjson_mut_val_mut_copy(doc, before), *o;
	yyjson_mut_arr_iter said = yyjson_mut_arr_iter_with(now);
	size_t i, n;

	yyjson_mut_arr_foreach(list, i, n, o)
	{
		yyjson_mut_val *with = yyjson_mut_arr_iter_next(&said);

		if (!say(doc, o, with, "resources") || !say(doc, o, with, "resizePolicy"))
			return NULL;
	}
	return list;
}

struct status *resize_restrict(struct attempt *a, yyjson_mut_val *old)
{
	static const char *const lists[] = {"containers", "initContainers"};
	yyjson_mut_val *spec = yyjson_mut_obj_get(a->root, "spec"), *was = yyjson_mut_obj_get(old, "spec");

	for (size_t l = 0; l < array_len(lists); l++) {
		yyjson_mut_val *now = yyjson_mut_obj_get(spec, lists[l]),
			       *before = yyjson_mut_obj_get(was, lists[l]), *list;

		if (!now || !same_names(now, before))
			continue;
		list = merged(a->doc, now, before);
		if (!list || !meta_put(a->doc, spec, lists[l], list))
			return status_errno(-ENOMEM, "resize");
	}
	return NULL;
}

/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LIB_JSON_H
#define LIB_JSON_H

/*
 * Reading JSON that may hold anything: a missing member, null and a wrong type all read as "absent". Where a
 * type matters to the reader, it is checked before, against a table of the room that reads.
 */

#include <string.h>
#include <yyjson.h>

#include "lib/util.h"

/*
 * Each member of an object, or none if it is NULL. yyjson's own macro steps on from a null pointer then, which C does
 * not allow, so an absent object is walked as an empty one; the second value is what that step may point to.
 */
static const yyjson_val json_no_members[2] = {{.tag = YYJSON_TYPE_OBJ}};

static inline yyjson_val *json_members(yyjson_val *obj)
{
	return obj ? obj : (yyjson_val *)json_no_members;
}

#define json_obj_foreach(obj, i, n, key, val) yyjson_obj_foreach (json_members(obj), i, n, key, val)

/* Takes out the item that the iterator is at. yyjson's own call goes on with the one after the next. */
static inline void json_mut_arr_iter_remove(yyjson_mut_arr_iter *it)
{
	yyjson_mut_arr_iter_remove(it);
	it->cur = it->pre;
}

static inline const char *json_str(yyjson_val *obj, const char *key)
{
	return yyjson_get_str(yyjson_obj_get(obj, key));
}

/* As json_str(), but "" counts as absent. */
static inline const char *json_text(yyjson_val *obj, const char *key)
{
	const char *s = json_str(obj, key);

	return s && *s ? s : NULL;
}

static inline bool json_bool(yyjson_val *obj, const char *key)
{
	return yyjson_get_bool(yyjson_obj_get(obj, key));
}

static inline int64_t json_int(yyjson_val *obj, const char *key, int64_t absent)
{
	yyjson_val *v = yyjson_obj_get(obj, key);

	return yyjson_is_int(v) ? yyjson_get_sint(v) : absent;
}

static inline yyjson_val *json_arr(yyjson_val *obj, const char *key)
{
	yyjson_val *v = yyjson_obj_get(obj, key);

	return yyjson_is_arr(v) ? v : NULL;
}

static inline yyjson_val *json_obj(yyjson_val *obj, const char *key)
{
	yyjson_val *v = yyjson_obj_get(obj, key);

	return yyjson_is_obj(v) ? v : NULL;
}

/* Is this what a client sends for "nothing": null, false, 0, "", [], {} or absent? */
static inline bool json_blank(yyjson_val *v)
{
	if (!v || yyjson_is_null(v) || yyjson_is_false(v))
		return true;
	if (yyjson_is_str(v))
		return !yyjson_get_len(v);
	if (yyjson_is_num(v))
		return yyjson_get_num(v) == 0;
	return yyjson_is_ctn(v) && !yyjson_get_len(v);
}

static inline bool json_arr_has(yyjson_val *arr, const char *s)
{
	size_t i, n;
	yyjson_val *v;

	yyjson_arr_foreach (arr, i, n, v)
		if (yyjson_equals_str(v, s))
			return true;
	return false;
}

/* A copy of @v under @key; an absent @v becomes null. */
static inline bool json_copy(yyjson_mut_doc *doc, yyjson_mut_val *obj, const char *key, yyjson_val *v)
{
	yyjson_mut_val *copy = v ? yyjson_val_mut_copy(doc, v) : yyjson_mut_null(doc);

	return copy && yyjson_mut_obj_add(obj, yyjson_mut_str(doc, key), copy);
}

/* As yyjson_doc_mut_copy(), in pools of the size that it takes: three allocations, however large it is. @alc: NULL for malloc() */
static inline yyjson_mut_doc *json_mut_copy_in(yyjson_doc *doc, const yyjson_alc *alc)
{
	yyjson_mut_doc *m = yyjson_mut_doc_new(alc);
	yyjson_mut_val *root;

	if (!m)
		return NULL;
	yyjson_mut_doc_set_val_pool_size(m, yyjson_doc_get_val_count(doc) + 64);
	yyjson_mut_doc_set_str_pool_size(m, yyjson_doc_get_read_size(doc) + 256);
	root = yyjson_val_mut_copy(m, yyjson_doc_get_root(doc));
	if (!root) {
		yyjson_mut_doc_free(m);
		return NULL;
	}
	yyjson_mut_doc_set_root(m, root);
	return m;
}

static inline yyjson_mut_doc *json_mut_copy(yyjson_doc *doc)
{
	return json_mut_copy_in(doc, NULL);
}

static inline void json_docp(yyjson_doc **doc)
{
	yyjson_doc_free(*doc);
}

static inline void json_mut_docp(yyjson_mut_doc **doc)
{
	yyjson_mut_doc_free(*doc);
}

#endif

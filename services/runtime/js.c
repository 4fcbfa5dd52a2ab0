/* SPDX-License-Identifier: Apache-2.0 */

#include <errno.h>
#include <string.h>

#include "runtime/fail.h"
#include "runtime/js.h"

static yyjson_val *member(struct js o, const char *key)
{
	yyjson_val *v = o.v ? yyjson_obj_get(o.v, key) : NULL;

	return v && !yyjson_is_null(v) ? v : NULL;
}

static int wrong(struct js o, const char *key, const char *what)
{
	return rt_refuse("%s%s%s must be %s", o.where, *o.where ? "." : "", key, what);
}

const char *js_text(yyjson_val *v)
{
	const char *s = yyjson_get_str(v);

	return s && strlen(s) == yyjson_get_len(v) ? s : NULL;
}

bool js_has(struct js o, const char *key)
{
	return member(o, key);
}

int js_str(struct js o, const char *key, const char **out)
{
	yyjson_val *v = member(o, key);

	if (!v)
		return 0;
	const char *s = js_text(v);

	if (!s)
		return wrong(o, key, "a string without NUL bytes");
	*out = s;
	return 0;
}

int js_bool(struct js o, const char *key, bool *out)
{
	yyjson_val *v = member(o, key);

	if (!v)
		return 0;
	if (!yyjson_is_bool(v))
		return wrong(o, key, "true or false");
	*out = yyjson_get_bool(v);
	return 0;
}

int js_i64(struct js o, const char *key, int64_t *out)
{
	yyjson_val *v = member(o, key);

	if (!v)
		return 0;
	if (!yyjson_is_int(v) || (yyjson_is_uint(v) && yyjson_get_uint(v) > INT64_MAX))
		return wrong(o, key, "a 64-bit integer");
	*out = yyjson_get_sint(v);
	return 0;
}

int js_u64(struct js o, const char *key, uint64_t *out)
{
	yyjson_val *v = member(o, key);

	if (!v)
		return 0;
	if (!yyjson_is_uint(v))
		return wrong(o, key, "an unsigned integer");
	*out = yyjson_get_uint(v);
	return 0;
}

int js_u32(struct js o, const char *key, uint32_t *out)
{
	yyjson_val *v = member(o, key);

	if (!v)
		return 0;
	if (!yyjson_is_uint(v) || yyjson_get_uint(v) > UINT32_MAX)
		return wrong(o, key, "an unsigned 32-bit integer");
	*out = (uint32_t)yyjson_get_uint(v);
	return 0;
}

int js_obj(struct js o, const char *key, yyjson_val **out)
{
	yyjson_val *v = member(o, key);

	if (!v)
		return 0;
	if (!yyjson_is_obj(v))
		return wrong(o, key, "an object");
	if (yyjson_obj_size(v) > JS_ITEMS_MAX)
		return wrong(o, key, "an object of at most 4096 members");
	*out = v;
	return 0;
}

int js_arr(struct js o, const char *key, yyjson_val **out)
{
	yyjson_val *v = member(o, key);

	if (!v)
		return 0;
	if (!yyjson_is_arr(v))
		return wrong(o, key, "an array");
	if (yyjson_arr_size(v) > JS_ITEMS_MAX)
		return wrong(o, key, "an array of at most 4096 items");
	*out = v;
	return 0;
}

int js_strs(struct js o, const char *key, struct rt_arena *a, const char ***out, size_t *n)
{
	yyjson_val *v = NULL, *item;
	size_t i, max;
	int r = js_arr(o, key, &v);

	if (r < 0 || !v)
		return r;
	const char **list = rt_arena_zalloc(a, (yyjson_arr_size(v) + 1) * sizeof(*list));

	if (!list)
		return rt_fail(ENOMEM, "%s.%s", o.where, key);
	yyjson_arr_foreach (v, i, max, item) {
		list[i] = js_text(item);
		if (!list[i])
			return wrong(o, key, "an array of strings without NUL bytes");
	}
	*out = list;
	*n = yyjson_arr_size(v);
	return 0;
}

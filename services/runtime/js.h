/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RUNTIME_JS_H
#define RUNTIME_JS_H

/*
 * Members of a JSON object, with their type checked. An absent or null member leaves *out alone and is no
 * error; one of the wrong type is refused with its path: @where is the path of the object. Return: 0 or
 * -EINVAL, -ENOMEM.
 */

#include <yyjson.h>

#include "runtime/arena.h"

enum { JS_ITEMS_MAX = 4096 };

struct js {
	yyjson_val *v;	   /* an object, or NULL: then every member is absent */
	const char *where; /* "linux.resources" */
};

must_check int js_str(struct js o, const char *key, const char **out);
must_check int js_bool(struct js o, const char *key, bool *out);
must_check int js_i64(struct js o, const char *key, int64_t *out);
must_check int js_u64(struct js o, const char *key, uint64_t *out);
must_check int js_u32(struct js o, const char *key, uint32_t *out);
must_check int js_obj(struct js o, const char *key, yyjson_val **out);
must_check int js_arr(struct js o, const char *key, yyjson_val **out); /* at most JS_ITEMS_MAX items */
must_check int js_strs(struct js o, const char *key, struct rt_arena *a, const char ***out, size_t *n);

/* A string value without NUL bytes inside, or NULL. */
const char *js_text(yyjson_val *v);
bool js_has(struct js o, const char *key); /* present and not null */

#endif

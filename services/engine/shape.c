/* SPDX-License-Identifier: Apache-2.0 */

/* See shape.h. Objects lie no deeper in each other than their tables do. */

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "engine/files.h"
#include "engine/shape.h"
#include "lib/json.h"

enum { SHAPE_PATH_MAX = 256 };

static const struct shape endpoint_ipam[] = {
	{"IPv4Address", SHAPE_STR},
	{"IPv6Address", SHAPE_STR},
	{"LinkLocalIPs", SHAPE_STRS},
	{0},
};

const struct shape shape_endpoint[] = {
	{"IPAMConfig", SHAPE_OBJ, .of = endpoint_ipam},
	{"Links", SHAPE_STRS},
	{"MacAddress", SHAPE_STR},
	{"Aliases", SHAPE_STRS},
	{"DriverOpts", SHAPE_STR_MAP},
	{"GwPriority", SHAPE_INT},
	/* What an endpoint came to, which clients send back as they were told it. */
	{"NetworkID", SHAPE_STR},
	{"EndpointID", SHAPE_STR},
	{"Gateway", SHAPE_STR},
	{"IPAddress", SHAPE_STR},
	{"IPPrefixLen", SHAPE_INT},
	{"IPv6Gateway", SHAPE_STR},
	{"GlobalIPv6Address", SHAPE_STR},
	{"GlobalIPv6PrefixLen", SHAPE_INT},
	{"DNSNames", SHAPE_STRS},
	{0},
};

/* ---- names */

/* The member @name, or else the first that is it but for its case, by its name from now on. */
static yyjson_val *fold_member(yyjson_val *o, const char *name)
{
	yyjson_val *exact = yyjson_obj_get(o, name), *k, *v;
	size_t i, n, len = strlen(name);

	if (exact)
		return exact;
	json_obj_foreach (o, i, n, k, v) {
		if (yyjson_get_len(k) != len || strncasecmp(yyjson_get_str(k), name, len) != 0)
			continue;
		yyjson_set_str(k, name);
		return v;
	}
	return NULL;
}

static void fold_items(yyjson_val *list, const struct shape *of)
{
	size_t i, n;
	yyjson_val *item;

	yyjson_arr_foreach (list, i, n, item)
		shape_fold(item, of);
}

static void fold_inside(yyjson_val *v, const struct shape *m)
{
	size_t i, n;
	yyjson_val *k, *item;

	if (m->type == SHAPE_OBJ) {
		shape_fold(v, m->of);
	} else if (yyjson_is_arr(v)) {
		fold_items(v, m->of);
	} else if (yyjson_is_obj(v)) {
		json_obj_foreach (v, i, n, k, item) {
			if (yyjson_is_arr(item))
				fold_items(item, m->of);
			else
				shape_fold(item, m->of);
		}
	}
}

void shape_fold(yyjson_val *o, const struct shape *members)
{
	if (!yyjson_is_obj(o))
		return;
	for (const struct shape *m = members; m->name; m++) {
		yyjson_val *v = fold_member(o, m->name);

		if (v && m->of)
			fold_inside(v, m);
	}
}

/* ---- types */

static bool all_strings(yyjson_val *list)
{
	size_t i, n;
	yyjson_val *v;

	if (!yyjson_is_arr(list))
		return false;
	yyjson_arr_foreach (list, i, n, v)
		if (!yyjson_is_str(v))
			return false;
	return true;
}

static bool all_members_strings(yyjson_val *o)
{
	size_t i, n;
	yyjson_val *k, *v;

	if (!yyjson_is_obj(o))
		return false;
	json_obj_foreach (o, i, n, k, v)
		if (!yyjson_is_str(v))
			return false;
	return true;
}

static bool fits(yyjson_val *v, enum shape_type t)
{
	switch (t) {
	case SHAPE_STR:
		return yyjson_is_str(v);
	case SHAPE_BOOL:
		return yyjson_is_bool(v);
	case SHAPE_INT:
		return yyjson_is_int(v);
	case SHAPE_OBJ:
	case SHAPE_MAP:
	case SHAPE_ARR_MAP:
		return yyjson_is_obj(v);
	case SHAPE_ARR:
		return yyjson_is_arr(v);
	case SHAPE_ENTRY:
		return yyjson_is_str(v) || all_strings(v);
	case SHAPE_STRS:
		return all_strings(v);
	case SHAPE_STR_MAP:
		return all_members_strings(v);
	case SHAPE_OPEN:
		break;
	}
	return false;
}

static const char *type_name(enum shape_type t)
{
	static const char *const names[] = {
		[SHAPE_STR] = "a string",
		[SHAPE_BOOL] = "true or false",
		[SHAPE_INT] = "a whole number",
		[SHAPE_STRS] = "a list of strings",
		[SHAPE_OBJ] = "an object",
		[SHAPE_STR_MAP] = "an object of strings",
		[SHAPE_ARR] = "a list",
		[SHAPE_MAP] = "an object of objects",
		[SHAPE_ARR_MAP] = "an object of lists",
		[SHAPE_ENTRY] = "a string or a list of strings",
		[SHAPE_OPEN] = "",
	};

	return names[t];
}

static int check_items(yyjson_val *list, const struct shape *m, const char *path, char **msg)
{
	size_t i, n;
	yyjson_val *item;
	int err = 0;

	yyjson_arr_foreach (list, i, n, item)
		err = err ? err : shape_check(item, m->of, path, msg);
	return err;
}

/* The objects inside a member whose own type is right. */
static int check_inside(yyjson_val *v, const struct shape *m, const char *path, char **msg)
{
	size_t i, n;
	yyjson_val *k, *item;
	int err = 0;

	if (m->type == SHAPE_OBJ)
		return shape_check(v, m->of, path, msg);
	if (m->type == SHAPE_ARR)
		return check_items(v, m, path, msg);
	json_obj_foreach (v, i, n, k, item) {
		bool list = m->type == SHAPE_ARR_MAP && !yyjson_is_null(item);

		if (!err && list && !yyjson_is_arr(item)) {
			*msg = text_make("%s.%.64s must be a list", path, yyjson_get_str(k));
			return -EINVAL;
		}
		err = err    ? err
		      : list ? check_items(item, m, path, msg)
			     : shape_check(item, m->of, path, msg);
	}
	return err;
}

static int check_member(yyjson_val *v, const struct shape *m, const char *path, char **msg)
{
	if (yyjson_is_null(v))
		return 0;
	if (!fits(v, m->type)) {
		*msg = text_make("%s must be %s", path, type_name(m->type));
		return -EINVAL;
	}
	if (m->refusal && !json_blank(v) && !(m->as_nothing && yyjson_get_sint(v) == m->as_nothing)) {
		*msg = text_make("%s %s", path, m->refusal);
		return -EINVAL;
	}
	return m->of ? check_inside(v, m, path, msg) : 0;
}

int shape_check(yyjson_val *o, const struct shape *members, const char *where, char **msg)
{
	size_t i, n;
	yyjson_val *k, *v;

	if (!o || yyjson_is_null(o))
		return 0;
	if (!yyjson_is_obj(o)) {
		*msg = text_make("%s is not an object", *where ? where : "the request body");
		return -EINVAL;
	}
	json_obj_foreach (o, i, n, k, v) {
		const char *name = yyjson_get_str(k);
		const struct shape *m = members;
		char path[SHAPE_PATH_MAX];
		int err;

		snprintf(path, sizeof(path), "%s%s%.64s", where, *where ? "." : "", name);
		while (m->name && strcmp(m->name, name) != 0)
			m++;
		if (!m->name && (m->type == SHAPE_OPEN || json_blank(v)))
			continue;
		if (!m->name) {
			*msg = text_make("%s is no option that this engine knows", path);
			return -EINVAL;
		}
		err = check_member(v, m, path, msg);
		if (err)
			return err;
	}
	return 0;
}

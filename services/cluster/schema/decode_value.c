/* SPDX-License-Identifier: Apache-2.0 */

/*
 * JSON against a type: one walk that copies what is known, reports what is not, and refuses what has another
 * type, in the words of Go's JSON decoder. Custom resources keep what they were sent: there, validation
 * speaks.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/json.h"
#include "cluster/schema/decode_int.h"
#include "cluster/schema/meta.h"
#include "lib/quantity.h"

static yyjson_mut_val *value_of(struct decode *d, yyjson_val *v, const struct schema_field *f,
	const struct schema_type *in, const struct path *p);

static bool same_key(yyjson_val *a, yyjson_val *b)
{
	return yyjson_get_len(a) == yyjson_get_len(b) &&
	       !memcmp(yyjson_get_str(a), yyjson_get_str(b), yyjson_get_len(a));
}

static int by_key(const void *a, const void *b)
{
	yyjson_val *x = *(yyjson_val *const *)a, *y = *(yyjson_val *const *)b;
	size_t n = yyjson_get_len(x) < yyjson_get_len(y) ? yyjson_get_len(x) : yyjson_get_len(y);
	int c = memcmp(yyjson_get_str(x), yyjson_get_str(y), n);

	if (!c)
		c = (yyjson_get_len(x) > yyjson_get_len(y)) - (yyjson_get_len(x) < yyjson_get_len(y));
	return c ? c : (x > y) - (x < y);
}

static int by_place(const void *a, const void *b)
{
	yyjson_val *x = *(yyjson_val *const *)a, *y = *(yyjson_val *const *)b;

	return (x > y) - (x < y);
}

/* Of members with one name the last counts. The keys of the others, in their order; nearly no object has any. */
struct repeated {
	yyjson_val **keys; /* owned */
	size_t n, at;	   /* those before at have been met */
};

static void repeated_fini(struct repeated *r)
{
	free(r->keys);
}

enum { FEW = 32 };

static bool few_repeat(yyjson_val *obj)
{
	yyjson_val *keys[FEW], *key, *v;
	size_t i, n;

	json_obj_foreach (obj, i, n, key, v) {
		for (size_t j = 0; j < i; j++)
			if (same_key(keys[j], key))
				return true;
		keys[i] = key;
	}
	return false;
}

static struct repeated find_repeated(struct decode *d, yyjson_val *obj)
{
	size_t i, n, count = yyjson_obj_size(obj), got = 0;
	struct repeated r = {0};
	yyjson_val *key, *v;

	if (count <= FEW && !few_repeat(obj))
		return r;
	r.keys = calloc(count, sizeof(*r.keys));
	if (!r.keys) {
		d->no_memory = true;
		return r;
	}
	json_obj_foreach (obj, i, n, key, v)
		r.keys[i] = key;
	qsort(r.keys, count, sizeof(*r.keys), by_key);
	for (i = 1; i < count; i++)
		if (same_key(r.keys[i - 1], r.keys[i]))
			r.keys[got++] = r.keys[i - 1];
	qsort(r.keys, got, sizeof(*r.keys), by_place);
	r.n = got;
	return r;
}

/* Is this member, the next of its object, to be skipped? Says so then. */
static bool skip_repeated(struct decode *d, struct repeated *r, yyjson_val *key, const struct path *p)
{
	if (r->at == r->n || r->keys[r->at] != key)
		return false;
	r->at++;
	decode_strict(d, "duplicate field", p);
	return true;
}

static const char *version_of(const struct schema_type *t)
{
	const char *dot = strrchr(t->package, '.');

	return dot ? dot + 1 : t->package;
}

/* Go's name of a field's type: "[]v1.Container", "map[string]string". */
static void go_type(const struct schema_field *f, bool item, char *buf, size_t size)
{
	static const char *const names[] = {
		[SCHEMA_STRING] = "string",
		[SCHEMA_BOOL] = "bool",
		[SCHEMA_INT32] = "int32",
		[SCHEMA_INT64] = "int64",
		[SCHEMA_DOUBLE] = "float64",
		[SCHEMA_BYTES] = "[]uint8",
		[SCHEMA_QUANTITY] = "resource.Quantity",
		[SCHEMA_TIME] = "string",
		[SCHEMA_MICROTIME] = "string",
		[SCHEMA_DURATION] = "string",
		[SCHEMA_INT_OR_STRING] = "intstr.IntOrString",
		[SCHEMA_ANY] = "runtime.RawExtension",
	};
	const char *around = item || f->shape == SCHEMA_ONE ? ""
			     : f->shape == SCHEMA_LIST	    ? "[]"
							    : "map[string]";
	const struct schema_type *t = f->base == SCHEMA_OBJECT ? f->type : schema_any_message(f);

	if (t)
		snprintf(buf, size, "%s%s.%s", around, version_of(t), t->name);
	else
		snprintf(buf, size, "%s%s", around, names[f->base]);
}

static const char *json_kind(yyjson_val *v)
{
	switch (yyjson_get_type(v)) {
	case YYJSON_TYPE_STR:
		return "string";
	case YYJSON_TYPE_BOOL:
		return "bool";
	case YYJSON_TYPE_ARR:
		return "array";
	case YYJSON_TYPE_OBJ:
		return "object";
	default:
		return "number";
	}
}

static yyjson_mut_val *wrong_type(struct decode *d, yyjson_val *v, const struct schema_field *f, bool item,
	const struct schema_type *in, const struct path *p)
{
	char type[256], where[PATH_TEXT_MAX];
	cleanup(freep) char *number = NULL;

	go_type(f, item, type, sizeof(type));
	/* a number that does not fit is shown, one where none belongs is not */
	if (yyjson_is_num(v) && (f->base == SCHEMA_INT32 || f->base == SCHEMA_INT64) &&
		(item || f->shape == SCHEMA_ONE))
		number = yyjson_val_write(v, 0, NULL);
	return decode_fail(d, "json: cannot unmarshal %s%s%s into Go struct field %s.%s of type %s",
		json_kind(v), number ? " " : "", number ?: "", in->name, path_fields(p, where, sizeof(where)),
		type);
}

static yyjson_mut_val *string_copy(struct decode *d, yyjson_val *v)
{
	return yyjson_mut_strncpy(d->doc, yyjson_get_str(v), yyjson_get_len(v)) ?: decode_no_memory(d);
}

static yyjson_mut_val *integer(struct decode *d, yyjson_val *v, bool wide)
{
	int64_t n = yyjson_get_sint(v);

	if (!yyjson_is_int(v) || (yyjson_is_uint(v) && yyjson_get_uint(v) > INT64_MAX))
		return NULL;
	if (!wide && (n < INT32_MIN || n > INT32_MAX))
		return NULL;
	return yyjson_mut_sint(d->doc, n) ?: decode_no_memory(d);
}

/* What has a decoder of its own in Go has sentences of its own. */
static yyjson_mut_val *special(struct decode *d, yyjson_val *v, const struct schema_field *f)
{
	cleanup(freep) char *why = NULL, *number = NULL;
	const char *text = yyjson_get_str(v);
	size_t len = yyjson_get_len(v), bad;
	yyjson_mut_val *out = NULL;

	switch (f->base) {
	case SCHEMA_QUANTITY:
		if (yyjson_is_num(v)) {
			number = yyjson_val_write(v, 0, &len);
			text = number;
		}
		if (text)
			out = decode_quantity(d->doc, text, len, &why);
		break;
	case SCHEMA_TIME:
	case SCHEMA_MICROTIME:
		if (text)
			out = decode_time(d->doc, text, f->base == SCHEMA_MICROTIME, &why);
		break;
	case SCHEMA_BYTES:
		if (!text)
			break;
		if (!decode_base64_valid(text, len, &bad))
			return decode_fail(d, "illegal base64 data at input byte %zu", bad);
		return string_copy(d, v);
	case SCHEMA_INT_OR_STRING:
		return text ? string_copy(d, v) : integer(d, v, false);
	default:
		return text ? string_copy(d, v) : NULL;
	}
	if (!out && why)
		return decode_fail(d, "%s", why);
	return out;
}

static yyjson_mut_val *scalar(struct decode *d, yyjson_val *v, const struct schema_field *f, bool item,
	const struct schema_type *in, const struct path *p)
{
	yyjson_mut_val *out = NULL;

	switch (f->base) {
	case SCHEMA_STRING:
		if (yyjson_is_str(v))
			out = string_copy(d, v);
		break;
	case SCHEMA_BOOL:
		if (yyjson_is_bool(v))
			out = yyjson_mut_bool(d->doc, yyjson_get_bool(v));
		break;
	case SCHEMA_INT32:
	case SCHEMA_INT64:
		out = integer(d, v, f->base == SCHEMA_INT64);
		break;
	case SCHEMA_DOUBLE:
		if (yyjson_is_num(v))
			out = yyjson_mut_real(d->doc, yyjson_get_num(v));
		break;
	case SCHEMA_ANY:
		return decode_any(d, v);
	default:
		out = special(d, v, f);
		break;
	}
	if (out || d->error || d->no_memory)
		return out;
	return wrong_type(d, v, f, item, in, p);
}

/* What Go makes of null in a list or a map: the zero of the type. */
static yyjson_mut_val *null_item(struct decode *d, const struct schema_field *f)
{
	switch (f->base) {
	case SCHEMA_OBJECT:
		return f->type->flags & SCHEMA_ALIAS ? yyjson_mut_arr(d->doc) : yyjson_mut_obj(d->doc);
	case SCHEMA_BOOL:
		return yyjson_mut_bool(d->doc, false);
	case SCHEMA_INT32:
	case SCHEMA_INT64:
	case SCHEMA_INT_OR_STRING:
		return yyjson_mut_sint(d->doc, 0);
	case SCHEMA_DOUBLE:
		return yyjson_mut_real(d->doc, 0);
	case SCHEMA_QUANTITY:
		return yyjson_mut_str(d->doc, "0");
	case SCHEMA_TIME:
	case SCHEMA_MICROTIME:
	case SCHEMA_ANY:
		return yyjson_mut_null(d->doc);
	default:
		return yyjson_mut_str(d->doc, "");
	}
}

static yyjson_mut_val *object(
	struct decode *d, yyjson_val *v, const struct schema_type *t, const struct path *p, bool root);

/* What may be one of several kinds of JSON, as the field of @t that is for this kind. NULL: none is. */
static const struct schema_field *field_for(yyjson_val *v, const struct schema_type *t)
{
	for (size_t i = 0; i < t->n_fields; i++) {
		const struct schema_field *f = &t->fields[i];

		if (f->shape == SCHEMA_LIST	 ? yyjson_is_arr(v)
			: f->base == SCHEMA_BOOL ? yyjson_is_bool(v)
						 : yyjson_is_obj(v))
			return f;
	}
	return NULL;
}

/* Fields in it that are not known, or are there twice, are not told: Go's readers of such types do not. */
static yyjson_mut_val *kind(struct decode *d, yyjson_val *v, const struct schema_field *f, bool item,
	const struct schema_type *in, const struct path *p)
{
	const struct schema_type *t = schema_any_message(f);
	const struct schema_field *is = field_for(v, t);
	enum decode_validation told = d->validation;
	yyjson_mut_val *out;

	if (!is)
		return wrong_type(d, v, f, item, in, p);
	d->validation = DECODE_IGNORE;
	out = value_of(d, v, is, t, p);
	d->validation = told;
	return out;
}

/* One value, or one item of a list or map. */
static yyjson_mut_val *one(struct decode *d, yyjson_val *v, const struct schema_field *f, bool item,
	const struct schema_type *in, const struct path *p)
{
	bool exact = in->flags & SCHEMA_EXACT;

	if (yyjson_is_null(v))
		return exact ? yyjson_mut_null(d->doc) : null_item(d, f);
	if (f->base == SCHEMA_OBJECT && f->type->flags & SCHEMA_ALIAS)
		return value_of(d, v, &f->type->fields[0], f->type, p);
	if (f->base == SCHEMA_OBJECT) {
		if (yyjson_is_obj(v))
			return object(d, v, f->type, p, false);
		return exact ? decode_any(d, v) : wrong_type(d, v, f, item, in, p);
	}
	if (exact)
		return decode_any(d, v);
	if (schema_any_message(f))
		return kind(d, v, f, item, in, p);
	return scalar(d, v, f, item, in, p);
}

static yyjson_mut_val *list(struct decode *d, yyjson_val *v, const struct schema_field *f,
	const struct schema_type *in, const struct path *p)
{
	yyjson_mut_val *out = yyjson_mut_arr(d->doc), *item;
	yyjson_val *child;
	size_t i, n;

	if (!out)
		return decode_no_memory(d);
	yyjson_arr_foreach (v, i, n, child) {
		struct path step = {.up = p, .index = i, .step = PATH_INDEX};

		item = one(d, child, f, true, in, &step);
		if (!item)
			return d->error ? NULL : decode_no_memory(d);
		yyjson_mut_arr_append(out, item);
	}
	return out;
}

static yyjson_mut_val *map(struct decode *d, yyjson_val *v, const struct schema_field *f,
	const struct schema_type *in, const struct path *p)
{
	yyjson_mut_val *out = yyjson_mut_obj(d->doc), *item, *k;
	yyjson_val *key, *child;
	cleanup(repeated_fini) struct repeated again = find_repeated(d, v);
	size_t i, n;

	if (!out)
		return decode_no_memory(d);
	json_obj_foreach (v, i, n, key, child) {
		struct path step = {
			.up = p, .name = yyjson_get_str(key), .len = yyjson_get_len(key), .step = PATH_ENTRY};

		if (skip_repeated(d, &again, key, &step))
			continue;
		item = one(d, child, f, true, in, &step);
		k = string_copy(d, key);
		if (!item || !k)
			return d->error ? NULL : decode_no_memory(d);
		yyjson_mut_obj_add(out, k, item);
	}
	return out;
}

static yyjson_mut_val *value_of(struct decode *d, yyjson_val *v, const struct schema_field *f,
	const struct schema_type *in, const struct path *p)
{
	if (f->shape == SCHEMA_ONE)
		return one(d, v, f, false, in, p);
	if (f->shape == SCHEMA_LIST ? yyjson_is_arr(v) : yyjson_is_obj(v))
		return f->shape == SCHEMA_LIST ? list(d, v, f, in, p) : map(d, v, f, in, p);
	return in->flags & SCHEMA_EXACT ? decode_any(d, v) : wrong_type(d, v, f, false, in, p);
}

static bool is_zero(yyjson_val *v, const struct schema_field *f)
{
	if (f->shape != SCHEMA_ONE)
		return yyjson_is_ctn(v) && !yyjson_get_len(v);
	switch (f->base) {
	case SCHEMA_STRING:
	case SCHEMA_BYTES:
		return yyjson_is_str(v) && !yyjson_get_len(v);
	case SCHEMA_BOOL:
		return yyjson_is_false(v);
	case SCHEMA_INT32:
	case SCHEMA_INT64:
		return yyjson_is_int(v) && !yyjson_get_sint(v);
	case SCHEMA_ANY: /* a list of nothing, where it might be something else */
		return schema_any_message(f) && yyjson_is_arr(v) && !yyjson_get_len(v);
	default:
		return false;
	}
}

static bool is_identity(yyjson_val *key)
{
	return yyjson_equals_str(key, "apiVersion") || yyjson_equals_str(key, "kind");
}

/* One member of an object; false: stop. */
static bool member(struct decode *d, yyjson_val *key, yyjson_val *v, const struct schema_type *t,
	yyjson_mut_val *out, const struct path *p)
{
	const struct schema_field *f = schema_field(t, yyjson_get_str(key), yyjson_get_len(key));
	yyjson_mut_val *value;

	if (!f && !(t->flags & SCHEMA_OPEN)) {
		decode_strict(d, "unknown field", p);
		return true;
	}
	if (f && yyjson_is_null(v) && !(f->flags & SCHEMA_NULLABLE) &&
		!(t->flags & SCHEMA_EXACT && !f->rules))
		return true;
	if (f && is_zero(v, f) && decode_zero_is_absent(t, f))
		return true;
	value = f ? value_of(d, v, f, t, p) : decode_any(d, v);
	if (!value)
		return false;
	if (f)
		return yyjson_mut_obj_add(out, yyjson_mut_str(d->doc, f->name), value) || decode_no_memory(d);
	return yyjson_mut_obj_add(out, string_copy(d, key), value) || decode_no_memory(d);
}

static yyjson_mut_val *object(
	struct decode *d, yyjson_val *v, const struct schema_type *t, const struct path *p, bool root)
{
	yyjson_mut_val *out = yyjson_mut_obj(d->doc);
	cleanup(repeated_fini) struct repeated again = find_repeated(d, v);
	bool ok = true;
	yyjson_val *key, *child;
	size_t i, n;

	if (!out || d->no_memory)
		return decode_no_memory(d);
	if (++d->depth > DECODE_DEPTH_MAX)
		return decode_fail(d, "json: exceeded max depth");
	json_obj_foreach (v, i, n, key, child) {
		struct path step = {.up = p, .name = yyjson_get_str(key), .len = yyjson_get_len(key)};

		if (skip_repeated(d, &again, key, &step))
			continue;
		/* whoever asked has read these two already */
		if ((root || t->flags & SCHEMA_EMBEDDED) && is_identity(key) &&
			!schema_field(t, step.name, step.len)) {
			if (!root)
				ok = yyjson_mut_obj_add(out, string_copy(d, key), decode_any(d, child));
		} else {
			ok = member(d, key, child, t, out, &step);
		}
		if (!ok)
			return d->error ? NULL : decode_no_memory(d);
	}
	d->depth--;
	return out;
}

yyjson_mut_val *decode_last(struct decode *d, yyjson_val *v, const struct path *p)
{
	cleanup(repeated_fini) struct repeated again = find_repeated(d, yyjson_is_obj(v) ? v : NULL);
	bool list = yyjson_is_arr(v);
	yyjson_mut_val *out, *item;
	yyjson_val *key, *child;
	size_t i, n;

	if (!yyjson_is_ctn(v))
		return yyjson_val_mut_copy(d->doc, v) ?: decode_no_memory(d);
	if (++d->depth > DECODE_DEPTH_MAX)
		return decode_fail(d, "json: exceeded max depth");
	out = list ? yyjson_mut_arr(d->doc) : yyjson_mut_obj(d->doc);
	if (!out)
		return decode_no_memory(d);
	yyjson_arr_foreach (v, i, n, child) {
		struct path step = {.up = p, .index = i, .step = PATH_INDEX};

		item = decode_last(d, child, &step);
		if (!item)
			return NULL;
		yyjson_mut_arr_append(out, item);
	}
	json_obj_foreach (v, i, n, key, child) {
		struct path step = {.up = p, .name = yyjson_get_str(key), .len = yyjson_get_len(key)};

		if (skip_repeated(d, &again, key, &step))
			continue;
		item = decode_last(d, child, &step);
		if (!item)
			return NULL;
		if (!yyjson_mut_obj_add(out, string_copy(d, key), item))
			return decode_no_memory(d);
	}
	d->depth--;
	return out;
}

yyjson_mut_val *decode_json_value(struct decode *d, yyjson_val *v, const struct schema_type *type, bool root)
{
	if (!yyjson_is_obj(v))
		return decode_fail(d, "json: cannot unmarshal %s into Go value of type %s.%s", json_kind(v),
			version_of(type), type->name);
	return object(d, v, type, NULL, root);
}

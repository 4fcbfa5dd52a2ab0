/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The walk that fills in what tables say: of each object first its absent fields, then its type's named
 * default, then the same for what is inside.
 */

#include <string.h>

#include "cluster/schema/default.h"
#include "cluster/schema/default_int.h"

static bool walk(yyjson_mut_doc *doc, yyjson_mut_val *o, const struct schema_type *t);

/* The value of a default's JSON text; the simple ones, which are nearly all, without a parser. */
static yyjson_mut_val *value_of(yyjson_mut_doc *doc, const char *text)
{
	size_t len = strlen(text);
	yyjson_mut_val *v;
	yyjson_doc *parsed;

	if (!strcmp(text, "{}"))
		return yyjson_mut_obj(doc);
	if (!strcmp(text, "true") || !strcmp(text, "false"))
		return yyjson_mut_bool(doc, *text == 't');
	if (*text == '"' && !strchr(text, '\\'))
		return yyjson_mut_strncpy(doc, text + 1, len - 2);
	parsed = yyjson_read(text, len, 0);
	v = parsed ? yyjson_val_mut_copy(doc, yyjson_doc_get_root(parsed)) : NULL;
	yyjson_doc_free(parsed);
	return v;
}

static bool inside(yyjson_mut_doc *doc, yyjson_mut_val *v, const struct schema_field *f)
{
	size_t i, n;
	yyjson_mut_val *key, *child;

	if (f->type->flags & SCHEMA_ALIAS) {
		const struct schema_field *real = &f->type->fields[0];

		if (real->base != SCHEMA_OBJECT)
			return true;
		f = real;
	}
	if (yyjson_mut_is_obj(v) && f->shape == SCHEMA_ONE)
		return walk(doc, v, f->type);
	if (yyjson_mut_is_arr(v) && f->shape == SCHEMA_LIST) {
		yyjson_mut_arr_foreach(v, i, n,
			child) if (yyjson_mut_is_obj(child) && !walk(doc, child, f->type)) return false;
	}
	if (yyjson_mut_is_obj(v) && f->shape == SCHEMA_MAP) {
		yyjson_mut_obj_foreach(v, i, n, key,
			child) if (yyjson_mut_is_obj(child) && !walk(doc, child, f->type)) return false;
	}
	return true;
}

static bool walk(yyjson_mut_doc *doc, yyjson_mut_val *o, const struct schema_type *t)
{
	yyjson_mut_val *key, *v;
	size_t i, n;

	for (i = 0; i < t->n_fields; i++) {
		const struct schema_field *f = &t->fields[i];

		if (!f->rules || !f->rules->def)
			continue;
		v = yyjson_mut_obj_get(o, f->name);
		if (v && yyjson_mut_is_null(v) && !(f->flags & SCHEMA_NULLABLE)) {
			yyjson_mut_obj_remove_key(o, f->name);
			v = NULL;
		}
		if (!v &&
			!yyjson_mut_obj_add(o, yyjson_mut_strcpy(doc, f->name), value_of(doc, f->rules->def)))
			return false;
	}
	if (t->def && !t->def(doc, o))
		return false;
	yyjson_mut_obj_foreach(o, i, n, key, v)
	{
		const struct schema_field *f;

		if (!yyjson_mut_is_ctn(v))
			continue;
		f = schema_field(t, yyjson_mut_get_str(key), yyjson_mut_get_len(key));
		if (f && f->base == SCHEMA_OBJECT && !inside(doc, v, f))
			return false;
	}
	return true;
}

bool default_object(yyjson_mut_doc *doc, const struct schema_kind *k)
{
	return walk(doc, yyjson_mut_doc_get_root(doc), k->type);
}

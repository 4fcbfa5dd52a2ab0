/* SPDX-License-Identifier: Apache-2.0 */

/*
 * What changes an object: Object{} is part of it as it shall be, with a type for each place in it (Object.spec.template), and JSONPatch{}
 * is an operation of RFC 6902. What fields an Object has is not known here: whoever has its kind's table looks when it is JSON.
 */

#include <math.h>
#include <string.h>

#include "cluster/cel/cel_int.h"
#include "lib/base64.h"

static bool is_operation(struct text type)
{
	return text_is(type, "JSONPatch");
}

bool message_begins(struct text name)
{
	return text_is(name, "Object") || is_operation(name);
}

bool message_is_type(struct text type)
{
	return message_begins(type) || (type.n > 7 && !memcmp(type.s, "Object.", 7));
}

bool message_has_field(struct text type, struct text field)
{
	return !is_operation(type) || text_is(field, "op") || text_is(field, "path") ||
	       text_is(field, "from") || text_is(field, "value");
}

bool message_is_text(struct text type, struct text field)
{
	return is_operation(type) && !text_is(field, "value");
}

/* ---- making */

/* Is it TYPE.FIELD? */
static bool is_below(struct text t, struct text type, struct text field)
{
	return t.n == type.n + 1 + field.n && !memcmp(t.s, type.s, type.n) && t.s[type.n] == '.' &&
	       !memcmp(t.s + type.n + 1, field.s, field.n);
}

/* A message in the value of a field that has the type of another place; NULL: none. Lists and maps are no places. */
static const struct message *misplaced(
	struct eval *e, struct value v, struct text type, struct text field, size_t depth)
{
	const struct message *found = NULL;

	/* there are none in what comes from outside */
	if (v.json || !eval_spend(e, depth > VALUE_DEPTH_MAX ? SIZE_MAX : 1))
		return NULL;
	if (v.type == VALUE_MESSAGE)
		return is_below(v.message->type, type, field) ? NULL : v.message;
	for (size_t i = 0; v.type == VALUE_LIST && i < v.list->n && !found; i++)
		found = misplaced(e, v.list->items[i], type, field, depth + 1);
	for (size_t i = 0; v.type == VALUE_MAP && i < v.map->n && !found; i++)
		found = misplaced(e, v.map->pairs[i].value, type, field, depth + 1);
	return found;
}

/* false: the value is none for this field, and *error says why. */
static bool is_right(struct eval *e, struct text type, const struct pair *p, struct value *error)
{
	struct text field = p->key.text;
	const struct message *found = is_operation(type) ? NULL : misplaced(e, p->value, type, field, 0);

	if (found)
		*error = value_error(e,
			"type mismatch: unexpected type name \"%.*s\", expected \"%.*s.%.*s\", which matches field name "
			"path from root Object type",
			(int)found->type.n, found->type.s, (int)type.n, type.s, (int)field.n, field.s);
	if (found || !message_is_text(type, field) || p->value.type == VALUE_STRING)
		return !found;
	*error = value_error(e, "unexpected type %s for JSONPatch field '%.*s', which is a text",
		value_type_name(p->value.type), (int)field.n, field.s);
	return false;
}

struct value message_make(struct eval *e, struct text type, const struct map *fields)
{
	struct message *m = arena_get(&e->arena, sizeof(*m));
	struct value error;

	if (!m)
		return value_no_room;
	for (size_t i = 0; i < fields->n; i++)
		if (!is_right(e, type, &fields->pairs[i], &error))
			return error;
	*m = (struct message){.type = type, .fields = fields};
	return (struct value){.type = VALUE_MESSAGE, .message = m};
}

/* ---- as JSON */

struct writer {
	struct eval *e;
	yyjson_mut_doc *doc;
	struct value error; /* when it is one: why there is no JSON; else there is no room for it */
};

static yyjson_mut_val *json(struct writer *w, struct value v, size_t depth);

static yyjson_mut_val *refuse(struct writer *w, const char *what, enum value_type type)
{
	w->error =
		value_error(w->e, "%s of type %s cannot be part of an object", what, value_type_name(type));
	return NULL;
}

static yyjson_mut_val *json_members(struct writer *w, const struct map *m, size_t depth)
{
	yyjson_mut_val *made = m ? yyjson_mut_obj(w->doc) : NULL, *name, *v;

	for (size_t i = 0; made && i < m->n; i++) {
		struct value key = m->pairs[i].key;

		if (key.type != VALUE_STRING)
			return refuse(w, "a key", key.type);
		name = yyjson_mut_strncpy(w->doc, key.text.s, key.text.n);
		v = json(w, m->pairs[i].value, depth + 1);
		if (!name || !v || !yyjson_mut_obj_add(made, name, v))
			return NULL;
	}
	return made;
}

static yyjson_mut_val *json_items(struct writer *w, const struct list *l, size_t depth)
{
	yyjson_mut_val *made = l ? yyjson_mut_arr(w->doc) : NULL;

	for (size_t i = 0; made && i < l->n; i++)
		if (!yyjson_mut_arr_append(made, json(w, l->items[i], depth + 1)))
			return NULL;
	return made;
}

/* A whole number is written as one, since a field may want one. */
static yyjson_mut_val *json_double(struct writer *w, double d)
{
	if (!isfinite(d)) {
		w->error = value_error(w->e, "a number that is not finite cannot be part of an object");
		return NULL;
	}
	if (d >= -1e15 && d <= 1e15 && d == (double)(int64_t)d)
		return yyjson_mut_sint(w->doc, (int64_t)d);
	return yyjson_mut_real(w->doc, d);
}

static yyjson_mut_val *json_text(struct writer *w, struct text t)
{
	return eval_spend(w->e, t.n / 16) ? yyjson_mut_strncpy(w->doc, t.s, t.n) : NULL;
}

static yyjson_mut_val *json_bytes(struct writer *w, struct text t)
{
	cleanup(freep) char *coded = eval_spend(w->e, t.n / 16) ? base64_make(t.s, t.n) : NULL;

	return coded ? yyjson_mut_strcpy(w->doc, coded) : NULL;
}

static yyjson_mut_val *json(struct writer *w, struct value v, size_t depth)
{
	if (!eval_spend(w->e, depth > VALUE_DEPTH_MAX ? SIZE_MAX : 1))
		return NULL;
	switch (v.type) {
	case VALUE_NULL:
		return yyjson_mut_null(w->doc);
	case VALUE_BOOL:
		return yyjson_mut_bool(w->doc, v.b);
	case VALUE_INT:
		return yyjson_mut_sint(w->doc, v.i);
	case VALUE_UINT:
		return yyjson_mut_uint(w->doc, v.u);
	case VALUE_DOUBLE:
		return json_double(w, v.d);
	case VALUE_STRING:
		return json_text(w, v.text);
	case VALUE_BYTES:
		return json_bytes(w, v.text);
	case VALUE_LIST:
		return json_items(w, value_list(w->e, v), depth);
	case VALUE_MAP:
		return json_members(w, value_map(w->e, v), depth);
	case VALUE_TIMESTAMP:
	case VALUE_DURATION:
		return json_text(w, value_written(w->e, v).text);
	case VALUE_MESSAGE:
		if (!is_operation(v.message->type))
			return json_members(w, v.message->fields, depth);
		return refuse(w, "a value", v.type);
	default:
		return refuse(w, "a value", v.type);
	}
}

static bool is_message(struct value v, const char *type)
{
	return v.type == VALUE_MESSAGE && text_is(v.message->type, type);
}

static yyjson_mut_val *wants(struct writer *w, const char *wanted, struct value v)
{
	const char *name = value_type_name(v.type);
	struct text got = v.type == VALUE_MESSAGE ? v.message->type : (struct text){name, strlen(name)};

	w->error = value_error(w->e, "must evaluate to %s but got %.*s", wanted, (int)got.n, got.s);
	return NULL;
}

static yyjson_mut_val *operations(struct writer *w, struct value v)
{
	const struct list *l = v.type == VALUE_LIST ? value_list(w->e, v) : NULL;
	yyjson_mut_val *made = l ? yyjson_mut_arr(w->doc) : NULL;

	if (v.type != VALUE_LIST)
		return wants(w, "a list of JSONPatch", v);
	for (size_t i = 0; made && i < l->n; i++) {
		if (!is_message(l->items[i], "JSONPatch"))
			return wants(w, "a list of JSONPatch", l->items[i]);
		if (!yyjson_mut_arr_append(made, json_members(w, l->items[i].message->fields, 1)))
			return NULL;
	}
	return made;
}

yyjson_mut_val *message_patch(struct eval *e, struct value *v, enum cel_result type, yyjson_mut_doc *doc)
{
	struct writer w = {.e = e, .doc = doc, .error = value_no_room};
	yyjson_mut_val *made;

	if (type == CEL_JSON_PATCH)
		made = operations(&w, *v);
	else if (is_message(*v, "Object"))
		made = json_members(&w, v->message->fields, 0);
	else
		made = wants(&w, "Object", *v);
	if (e->arena.full)
		*v = eval_too_much;
	else if (!made)
		*v = w.error;
	return e->arena.full ? NULL : made;
}

/* ---- paths of JSONPatch */

static struct value escape_key(struct eval *e, const struct value *args, size_t n)
{
	struct text key = args[0].text;
	char *out;
	size_t len = 0;

	if (args[0].type != VALUE_STRING)
		return value_overload();
	out = arena_get(&e->arena, 2 * key.n + 1);
	if (!out)
		return value_no_room;
	for (size_t i = 0; i < key.n; i++) {
		bool special = key.s[i] == '~' || key.s[i] == '/';

		out[len++] = special ? '~' : key.s[i];
		if (special)
			out[len++] = key.s[i] == '~' ? '0' : '1';
	}
	return value_string(out, len);
}

const struct function cel_patches[] = {
	{"jsonpatch.escapeKey", false, "S>S", escape_key},
	{NULL},
};

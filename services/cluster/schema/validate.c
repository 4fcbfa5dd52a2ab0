/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The walk that holds an object against the tables: of each field its limits, formats, values and
 * immutability, of each type its named check. What stands under status is the writer's own account: there
 * nothing is required.
 */

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "cluster/schema/check_int.h"
#include "cluster/schema/meta.h"
#include "lib/quantity.h"
#include "cluster/schema/selector.h"

void check_error(struct check *c, enum field_error_type type, yyjson_mut_val *value, const char *relative,
	const char *format, ...)
{
	char where[PATH_TEXT_MAX + 192], detail[1024];
	va_list ap;

	path_text(c->path, where, PATH_TEXT_MAX);
	/* a path that begins with its relative part has no dot in front */
	if (!*where && *relative == '.')
		relative++;
	strncat(where, relative, 191);
	va_start(ap, format);
	vsnprintf(detail, sizeof(detail), format, ap);
	va_end(ap);
	field_error(c->errors, type, where, value, "%s", detail);
}

void check_not_supported(
	struct check *c, yyjson_mut_val *value, const char *relative, const char *const *supported)
{
	char text[768] = "supported values: ";
	size_t at = strlen(text);

	for (const char *const *s = supported; *s && at < sizeof(text); s++)
		at += (size_t)snprintf(
			text + at, sizeof(text) - at, "%s\"%s\"", s == supported ? "" : ", ", *s);
	check_error(c, FIELD_NOT_SUPPORTED, value, relative, "%s", text);
}

void check_format(struct check *c, yyjson_mut_val *v, const char *relative, int format)
{
	const char *why = NULL;

	if (yyjson_mut_is_str(v))
		why = validate_format(format, yyjson_mut_get_str(v), yyjson_mut_get_len(v));
	else if (yyjson_mut_is_int(v))
		why = validate_number(format, yyjson_mut_get_sint(v));
	if (why)
		check_error(c, FIELD_INVALID, v, relative, "%s", why);
}

const char *check_relative(char buf[static 192], const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	vsnprintf(buf, 192, format, ap);
	va_end(ap);
	return buf;
}

size_t check_count(yyjson_mut_val *o, const char *const *names, const char **which)
{
	size_t n = 0;

	for (; *names; names++) {
		if (yyjson_mut_obj_get(o, *names)) {
			n++;
			*which = *names;
		}
	}
	return n;
}

bool check_selects(yyjson_mut_val *selector, yyjson_mut_val *labels)
{
	struct selector *s = selector_of_mut(selector);
	yyjson_doc *copy = labels ? yyjson_mut_val_imut_copy(labels, NULL) : NULL;
	/* what is no selector is complained about elsewhere */
	bool ok = !s || selector_matches_labels(s, yyjson_doc_get_root(copy));

	yyjson_doc_free(copy);
	selector_free(s);
	return ok;
}

/* One entry of a map as a value for an error. */
static yyjson_mut_val *key_value(yyjson_mut_val *storage, yyjson_mut_val *key)
{
	*storage = *key;
	storage->next = NULL;
	return storage;
}

static void labels(struct check *c, yyjson_mut_val *map)
{
	size_t i, n;
	yyjson_mut_val *key, *v, shown;

	yyjson_mut_obj_foreach(map, i, n, key, v)
	{
		check_format(c, key_value(&shown, key), "", SCHEMA_LABEL_KEY);
		check_format(c, v, "", SCHEMA_LABEL_VALUE);
	}
}

static void limits(struct check *c, yyjson_mut_val *v, const struct schema_rules *r)
{
	double n = yyjson_mut_get_num(v);

	if (r->min > r->max || (n >= r->min && n <= r->max))
		return;
	if (isinf(r->max))
		check_error(c, FIELD_INVALID, v, "", "must be greater than or equal to %.0f", r->min);
	else if (isinf(r->min))
		check_error(c, FIELD_INVALID, v, "", "must be less than or equal to %.0f", r->max);
	else
		check_error(
			c, FIELD_INVALID, v, "", "must be between %.0f and %.0f, inclusive", r->min, r->max);
}

static bool is_enum(yyjson_mut_val *v, const char *const *enums)
{
	for (; *enums; enums++)
		if (yyjson_mut_equals_str(v, *enums))
			return true;
	return false;
}

/* What rules say of one value that is no list or map, or of one item. */
static void scalar(struct check *c, yyjson_mut_val *v, const struct schema_field *f)
{
	const struct schema_rules *r = f->rules;

	/* an empty text is absent, and that is another question */
	if (yyjson_mut_is_str(v) && !yyjson_mut_get_len(v) && !(f->flags & SCHEMA_POINTER))
		return;
	if (r->enums && yyjson_mut_is_str(v) && !is_enum(v, r->enums)) {
		check_not_supported(c, v, "", r->enums);
		return;
	}
	if (yyjson_mut_is_num(v))
		limits(c, v, r);
	if (r->format)
		check_format(c, v, "", r->format);
	if (f->base == SCHEMA_STRING && f->shape == SCHEMA_ONE && r->max_len &&
		yyjson_mut_get_len(v) > r->max_len)
		check_error(c, FIELD_TOO_LONG, NULL, "", "may not be more than %u bytes", r->max_len);
}

/* Of a list or a map. false: there are so many that nobody looks at each. */
static bool size_rules(struct check *c, yyjson_mut_val *v, const struct schema_rules *r)
{
	size_t n = yyjson_mut_get_len(v);
	yyjson_mut_val count = {0};

	if (n < r->min_len)
		check_error(c, FIELD_REQUIRED, NULL, "", "%s", "");
	if (r->max_len && n > r->max_len) {
		unsafe_yyjson_set_uint(&count, n);
		check_error(c, FIELD_TOO_MANY, &count, "", "must have at most %u items", r->max_len);
		return false;
	}
	return true;
}

struct walk {
	struct check check;
	bool lenient; /* below status */
};

static void object(struct walk *w, yyjson_mut_val *o, yyjson_mut_val *old, const struct schema_type *t,
	const struct path *p);

static void item(struct walk *w, yyjson_mut_val *v, yyjson_mut_val *old, const struct schema_field *f,
	const struct schema_type *in, const struct path *p)
{
	struct check c = w->check;
	bool exact = in->flags & SCHEMA_EXACT;

	c.path = p;
	if (f->rules && !exact)
		scalar(&c, v, f);
	if (f->base == SCHEMA_OBJECT && f->type->flags & SCHEMA_ALIAS) {
		const struct schema_field *real = &f->type->fields[0];
		size_t i, n;
		yyjson_mut_val *key, *child;

		if (!exact)
			return;
		/* a list of lists, a map of maps: the same question one step further in */
		if (yyjson_mut_is_arr(v)) {
			yyjson_mut_arr_foreach(v, i, n, child)
			{
				struct path step = {.up = p, .index = i, .step = PATH_INDEX};

				item(w, child, NULL, real, f->type, &step);
			}
		} else if (yyjson_mut_is_obj(v)) {
			yyjson_mut_obj_foreach(v, i, n, key, child)
			{
				struct path step = {.up = p,
					.name = yyjson_mut_get_str(key),
					.len = yyjson_mut_get_len(key),
					.step = PATH_KEY};

				item(w, child, NULL, real, f->type, &step);
			}
		}
		return;
	}
	if (f->base == SCHEMA_OBJECT && yyjson_mut_is_obj(v))
		object(w, v, old, f->type, p);
}

static void list(struct walk *w, yyjson_mut_val *v, const struct schema_field *f,
	const struct schema_type *in, const struct path *p)
{
	size_t i, n;
	yyjson_mut_val *child;
	struct check c = w->check;

	c.path = p;
	if (f->rules && !(in->flags & SCHEMA_EXACT) && !size_rules(&c, v, f->rules))
		return;
	if (f->flags & SCHEMA_UNIQUE || (in->flags & SCHEMA_EXACT && f->list != SCHEMA_ATOMIC))
		check_twice(&c, v, f->rules);
	if (!f->rules && f->base != SCHEMA_OBJECT && !(in->flags & SCHEMA_EXACT))
		return;
	yyjson_mut_arr_foreach(v, i, n, child)
	{
		struct path step = {.up = p, .index = i, .step = PATH_INDEX};

		item(w, child, NULL, f, in, &step);
	}
}

static void map(struct walk *w, yyjson_mut_val *v, yyjson_mut_val *old, const struct schema_field *f,
	const struct schema_type *in, const struct path *p)
{
	size_t i, n;
	yyjson_mut_val *key, *child, shown;
	struct check c = w->check;

	c.path = p;
	if (f->rules && f->rules->format == SCHEMA_LABELS) {
		labels(&c, v);
		return;
	}
	if (f->rules && !(in->flags & SCHEMA_EXACT) && !size_rules(&c, v, f->rules))
		return;
	if (!f->rules && f->base != SCHEMA_OBJECT && !(in->flags & SCHEMA_EXACT))
		return;
	yyjson_mut_obj_foreach(v, i, n, key, child)
	{
		struct path step = {.up = p,
			.name = yyjson_mut_get_str(key),
			.len = yyjson_mut_get_len(key),
			.step = PATH_KEY};

		c.path = &step;
		if (f->rules && f->rules->key_format)
			check_format(&c, key_value(&shown, key), "", f->rules->key_format);
		item(w, child, yyjson_mut_obj_getn(old, step.name, step.len), f, in, &step);
	}
}

static void field(struct walk *w, yyjson_mut_val *v, yyjson_mut_val *old, const struct schema_field *f,
	const struct schema_type *in, const struct path *p)
{
	struct check c = w->check;

	c.path = p;
	if (f->rules && f->rules->check && (v || old))
		f->rules->check(&c, v, old);
	if (!v)
		return;
	if (f->shape == SCHEMA_LIST && yyjson_mut_is_arr(v)) {
		list(w, v, f, in, p);
	} else if (f->shape == SCHEMA_MAP && yyjson_mut_is_obj(v)) {
		map(w, v, old, f, in, p);
	} else if (f->shape == SCHEMA_ONE) {
		item(w, v, old, f, in, p);
	}
}

/* Is it there, as "required" means it: text and lists with something in them. */
static bool is_there(yyjson_mut_val *v, const struct schema_field *f)
{
	if (!v)
		return f->shape == SCHEMA_ONE && (f->base == SCHEMA_BOOL || f->base == SCHEMA_INT32 ||
							 f->base == SCHEMA_INT64 || f->base == SCHEMA_DOUBLE);
	if (f->shape == SCHEMA_ONE && f->base != SCHEMA_STRING && f->base != SCHEMA_BYTES)
		return true;
	return yyjson_mut_get_len(v);
}

/* What tables say of a field whether it is there or not. */
static void presence(struct walk *w, yyjson_mut_val *o, yyjson_mut_val *old, const struct schema_type *t,
	const struct schema_field *f, const struct path *p)
{
	struct check c = w->check;
	yyjson_mut_val *v = yyjson_mut_obj_get(o, f->name), *before = yyjson_mut_obj_get(old, f->name);
	struct path step = {.up = p, .name = f->name, .len = strlen(f->name)};
	bool exact = t->flags & SCHEMA_EXACT;

	c.path = &step;
	if (f->flags & SCHEMA_REQUIRED && !(f->flags & SCHEMA_MAY_BE_EMPTY) && !is_there(v, f) && !exact &&
		!w->lenient)
		check_error(&c, FIELD_REQUIRED, NULL, "", "%s", "");
	if (f->flags & SCHEMA_IMMUTABLE && old && c.scope == VALIDATE_MAIN && !meta_equal(v, before) &&
		(v || before))
		check_error(&c, FIELD_INVALID, v, "", "field is immutable");
	/* a named check may have something to say of what is gone */
	if (!v && before && f->rules && f->rules->check)
		f->rules->check(&c, NULL, before);
}

static void object(struct walk *w, yyjson_mut_val *o, yyjson_mut_val *old, const struct schema_type *t,
	const struct path *p)
{
	size_t i, n;
	yyjson_mut_val *key, *v;
	struct check c = w->check;

	for (i = 0; i < t->n_fields; i++)
		if (t->fields[i].flags & (SCHEMA_REQUIRED | SCHEMA_IMMUTABLE) ||
			(old && t->fields[i].rules && t->fields[i].rules->check))
			presence(w, o, old, t, &t->fields[i], p);
	yyjson_mut_obj_foreach(o, i, n, key, v)
	{
		const struct schema_field *f =
			schema_field(t, yyjson_mut_get_str(key), yyjson_mut_get_len(key));
		struct path step = {.up = p, .name = yyjson_mut_get_str(key), .len = yyjson_mut_get_len(key)};

		if (f && (f->rules || f->base == SCHEMA_OBJECT || t->flags & SCHEMA_EXACT))
			field(w, v, yyjson_mut_obj_get(old, f->name), f, t, &step);
	}
	c.path = p;
	if (t->check)
		t->check(&c, o, old);
}

void validate_object(const struct schema_kind *k, yyjson_mut_val *o, yyjson_mut_val *old,
	enum validate_scope scope, struct field_errors *e)
{
	struct walk w = {.check = {.errors = e, .kind = k, .object = o, .old_object = old, .scope = scope}};
	size_t i, n;
	yyjson_mut_val *key, *v;
	struct check c = w.check;

	validate_metadata(k, o, old, e);
	if (k->type->structural)
		check_custom(&c, k->type, o, old);
	for (i = 0; i < k->type->n_fields; i++) {
		const struct schema_field *f = &k->type->fields[i];

		if (f->flags & (SCHEMA_REQUIRED | SCHEMA_IMMUTABLE) && strcmp(f->name, "status") != 0 &&
			strcmp(f->name, "metadata") != 0 && scope != VALIDATE_STATUS)
			presence(&w, o, old, k->type, f, NULL);
	}
	yyjson_mut_obj_foreach(o, i, n, key, v)
	{
		const struct schema_field *f =
			schema_field(k->type, yyjson_mut_get_str(key), yyjson_mut_get_len(key));
		struct path step = {.name = yyjson_mut_get_str(key), .len = yyjson_mut_get_len(key)};
		bool status = !strcmp(step.name, "status");

		/* a main write leaves status alone, a status write everything else */
		if (!f || !strcmp(step.name, "metadata") || status != (scope == VALIDATE_STATUS))
			continue;
		w.lenient = status;
		field(&w, v, yyjson_mut_obj_get(old, f->name), f, k->type, &step);
	}
	if (k->type->check && scope != VALIDATE_STATUS)
		k->type->check(&c, o, old);
}

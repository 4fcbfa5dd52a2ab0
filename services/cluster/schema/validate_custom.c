/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Custom resources against the schema of their definition, as it was written: types, limits, values,
 * patterns, and the junctions allOf, anyOf, oneOf, not. Decoding left out what the schema does not know and
 * kept the rest as sent.
 */

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "cluster/schema/check_int.h"
#include "cluster/schema/meta.h"
#include "cluster/schema/pattern.h"
#include "cluster/schema/rules.h"

static void value(struct check *c, yyjson_val *schema, yyjson_mut_val *v, const struct path *p);

/* What is wrong: the path, then the words around it. */
static void fail(struct check *c, const struct path *p, enum field_error_type type, yyjson_mut_val *v,
	const char *words, const char *detail)
{
	char where[PATH_TEXT_MAX];

	path_text(p, where, sizeof(where));
	field_error(c->errors, type, where, v, "%s%s%s", where, words, detail);
}

/* The same without the path in the words. */
static void fail_plainly(struct check *c, const struct path *p, enum field_error_type type, yyjson_mut_val *v,
	const char *detail)
{
	char where[PATH_TEXT_MAX];

	field_error(c->errors, type, path_text(p, where, sizeof(where)), v, "%s", detail);
}

/* Does the value hold against a schema, without a word about why not? */
static bool holds(const struct check *c, yyjson_val *schema, yyjson_mut_val *v, const struct path *p)
{
	struct field_errors errors = {0};
	struct check quiet = *c;
	bool ok;

	quiet.errors = &errors;
	value(&quiet, schema, v, p);
	ok = !errors.n && !errors.no_memory;
	field_errors_fini(&errors);
	return ok;
}

static const char *type_name(yyjson_mut_val *v)
{
	switch (yyjson_mut_get_type(v)) {
	case YYJSON_TYPE_NULL:
		return "null";
	case YYJSON_TYPE_BOOL:
		return "boolean";
	case YYJSON_TYPE_NUM:
		return yyjson_mut_is_real(v) && yyjson_mut_get_real(v) != floor(yyjson_mut_get_real(v))
			       ? "number"
			       : "integer";
	case YYJSON_TYPE_STR:
		return "string";
	case YYJSON_TYPE_ARR:
		return "array";
	default:
		return "object";
	}
}

/* false: it is of another type, and nothing else need be said. */
static bool type(struct check *c, yyjson_val *schema, yyjson_mut_val *v, const struct path *p)
{
	const char *want = yyjson_get_str(yyjson_obj_get(schema, "type")), *got = type_name(v);
	yyjson_mut_val shown = {0};
	char detail[128];

	if (yyjson_mut_is_null(v) && yyjson_is_true(yyjson_obj_get(schema, "nullable")))
		return false;
	if (yyjson_is_true(yyjson_obj_get(schema, "x-kubernetes-int-or-string"))) {
		if (!strcmp(got, "integer") || !strcmp(got, "string"))
			return true;
		want = "integer,string";
	} else if (!want || !strcmp(want, got) || (!strcmp(want, "number") && !strcmp(got, "integer"))) {
		return true;
	}
	unsafe_yyjson_set_strn(&shown, got, strlen(got));
	snprintf(detail, sizeof(detail), "%s: \"%s\"", want, got);
	fail(c, p, FIELD_INVALID, &shown, " in body must be of type ", detail);
	return false;
}

static bool number_of(yyjson_val *schema, const char *key, double *n)
{
	yyjson_val *v = yyjson_obj_get(schema, key);

	*n = yyjson_get_num(v);
	return yyjson_is_num(v);
}

static void number(struct check *c, yyjson_val *schema, yyjson_mut_val *v, const struct path *p)
{
	double n = yyjson_mut_get_num(v), limit;
	char text[64];

	if (number_of(schema, "minimum", &limit)) {
		bool strict = yyjson_is_true(yyjson_obj_get(schema, "exclusiveMinimum"));

		snprintf(text, sizeof(text), "%s%.15g", strict ? "" : "or equal to ", limit);
		if (n < limit || (strict && n == limit))
			fail(c, p, FIELD_INVALID, v, " in body should be greater than ", text);
	}
	if (number_of(schema, "maximum", &limit)) {
		bool strict = yyjson_is_true(yyjson_obj_get(schema, "exclusiveMaximum"));

		snprintf(text, sizeof(text), "%s%.15g", strict ? "" : "or equal to ", limit);
		if (n > limit || (strict && n == limit))
			fail(c, p, FIELD_INVALID, v, " in body should be less than ", text);
	}
	if (number_of(schema, "multipleOf", &limit) && limit != 0 && fabs(remainder(n, limit)) > 1e-9) {
		snprintf(text, sizeof(text), "%.15g", limit);
		fail(c, p, FIELD_INVALID, v, " in body should be a multiple of ", text);
	}
}

/* Characters, not bytes: schemas count code points. */
static size_t characters(const char *s)
{
	size_t n = 0;

	for (; *s; s++)
		n += ((unsigned char)*s & 0xc0) != 0x80;
	return n;
}

static void text(struct check *c, yyjson_val *schema, yyjson_mut_val *v, const struct path *p)
{
	const char *s = yyjson_mut_get_str(v), *pattern = yyjson_get_str(yyjson_obj_get(schema, "pattern"));
	double limit;
	char number_text[64];

	if (number_of(schema, "maxLength", &limit) && (double)characters(s) > limit) {
		snprintf(number_text, sizeof(number_text), "%.0f", limit);
		char where[PATH_TEXT_MAX];

		field_error(c->errors, FIELD_TOO_LONG, path_text(p, where, sizeof(where)), NULL,
			"may not be more than %s bytes", number_text);
	}
	if (number_of(schema, "minLength", &limit) && (double)characters(s) < limit) {
		snprintf(number_text, sizeof(number_text), "%.0f chars long", limit);
		fail(c, p, FIELD_INVALID, v, " in body should be at least ", number_text);
	}
	if (pattern && !pattern_matches(pattern, s)) {
		char where[PATH_TEXT_MAX];

		path_text(p, where, sizeof(where));
		field_error(
			c->errors, FIELD_INVALID, where, v, "%s in body should match '%s'", where, pattern);
	}
}

static void count(struct check *c, yyjson_val *schema, size_t n, const struct path *p, const char *min,
	const char *max, const char *what)
{
	yyjson_mut_val shown = {0};
	double limit;
	char detail[96], where[PATH_TEXT_MAX];

	unsafe_yyjson_set_uint(&shown, n);
	if (number_of(schema, min, &limit) && (double)n < limit) {
		snprintf(detail, sizeof(detail), "%.0f %s", limit, what);
		fail(c, p, FIELD_INVALID, &shown, " in body should have at least ", detail);
	}
	if (number_of(schema, max, &limit) && (double)n > limit)
		field_error(c->errors, FIELD_TOO_MANY, path_text(p, where, sizeof(where)), &shown,
			"must have at most %.0f %s", limit, what);
}

static void list(struct check *c, yyjson_val *schema, yyjson_mut_val *v, const struct path *p)
{
	yyjson_val *items = yyjson_obj_get(schema, "items");
	size_t i, n;
	yyjson_mut_val *child;

	count(c, schema, yyjson_mut_arr_size(v), p, "minItems", "maxItems", "items");
	yyjson_mut_arr_foreach(v, i, n, child)
	{
		struct path step = {.up = p, .index = i, .step = PATH_INDEX};

		if (yyjson_is_obj(items))
			value(c, items, child, &step);
	}
}

static void object(struct check *c, yyjson_val *schema, yyjson_mut_val *v, const struct path *p)
{
	yyjson_val *properties = yyjson_obj_get(schema, "properties"),
		   *other = yyjson_obj_get(schema, "additionalProperties");
	yyjson_val *required;
	size_t i, n;
	yyjson_mut_val *key, *child;

	count(c, schema, yyjson_mut_obj_size(v), p, "minProperties", "maxProperties", "properties");
	yyjson_arr_foreach (yyjson_obj_get(schema, "required"), i, n, required) {
		const char *name = yyjson_get_str(required);
		struct path step = {.up = p, .name = name, .len = name ? strlen(name) : 0};

		if (name && !yyjson_mut_obj_get(v, name))
			fail_plainly(c, &step, FIELD_REQUIRED, NULL, "");
	}
	yyjson_mut_obj_foreach(v, i, n, key, child)
	{
		struct path step = {.up = p, .name = yyjson_mut_get_str(key), .len = yyjson_mut_get_len(key)};
		yyjson_val *s = yyjson_obj_getn(properties, step.name, step.len);

		/* metadata has rules of its own */
		if (!p && (!strcmp(step.name, "metadata") || !strcmp(step.name, "apiVersion") ||
				  !strcmp(step.name, "kind")))
			continue;
		if (s || yyjson_is_obj(other))
			value(c, s ?: other, child, &step);
	}
}

static void allowed(struct check *c, yyjson_val *schema, yyjson_mut_val *v, const struct path *p)
{
	yyjson_val *list_of = yyjson_obj_get(schema, "enum"), *one;
	char values[512] = "supported values: ";
	size_t i, n, at = strlen(values);

	if (!list_of)
		return;
	yyjson_arr_foreach (list_of, i, n, one) {
		char *json = yyjson_val_write(one, 0, NULL), *mine = yyjson_mut_val_write(v, 0, NULL);
		bool same = json && mine && !strcmp(json, mine);

		if (json && at < sizeof(values))
			at += (size_t)snprintf(values + at, sizeof(values) - at, "%s%s", i ? ", " : "", json);
		free(json);
		free(mine);
		if (same)
			return;
	}
	fail_plainly(c, p, FIELD_NOT_SUPPORTED, v, values);
}

static void junctions(struct check *c, yyjson_val *schema, yyjson_mut_val *v, const struct path *p)
{
	yyjson_val *all = yyjson_obj_get(schema, "allOf"), *any = yyjson_obj_get(schema, "anyOf");
	yyjson_val *one = yyjson_obj_get(schema, "oneOf"), *not = yyjson_obj_get(schema, "not"), *s;
	size_t i, n, ok = 0;

	yyjson_arr_foreach (all, i, n, s)
		value(c, s, v, p);
	yyjson_arr_foreach (any, i, n, s)
		ok += holds(c, s, v, p);
	if (yyjson_arr_size(any) && !ok)
		fail(c, p, FIELD_INVALID, v, " must validate at least one schema (anyOf)", "");
	ok = 0;
	yyjson_arr_foreach (one, i, n, s)
		ok += holds(c, s, v, p);
	if (yyjson_arr_size(one) && ok != 1)
		fail(c, p, FIELD_INVALID, v, " must validate one and only one schema (oneOf)",
			ok ? ". Found more than one valid alternative" : ". Found none valid");
	if (not&&holds(c, not, v, p))
		fail(c, p, FIELD_INVALID, v, " must not validate the schema (not)", "");
}

static void value(struct check *c, yyjson_val *schema, yyjson_mut_val *v, const struct path *p)
{
	if (!type(c, schema, v, p))
		return;
	allowed(c, schema, v, p);
	if (yyjson_mut_is_num(v))
		number(c, schema, v, p);
	else if (yyjson_mut_is_str(v))
		text(c, schema, v, p);
	else if (yyjson_mut_is_arr(v))
		list(c, schema, v, p);
	else if (yyjson_mut_is_obj(v))
		object(c, schema, v, p);
	junctions(c, schema, v, p);
}

void check_custom(
	struct check *c, const struct schema_type *of, yyjson_mut_val *object_of, yyjson_mut_val *old)
{
	size_t before = c->errors->n + c->errors->more;

	value(c, of->structural, object_of, NULL);
	if (c->errors->n + c->errors->more == before)
		rules_check(c, of->rules, object_of, old);
}

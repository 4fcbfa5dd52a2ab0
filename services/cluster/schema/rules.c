/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Rules of structural schemas. A rule that names oldSelf is about a change, and is asked only where a value can be told to be the
 * same one as before: in objects, in maps, and in lists that are maps by their keys. With optionalOldSelf it is asked about new values,
 * too, and oldSelf is an optional.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cluster/cel/cel.h"
#include "cluster/schema/check_int.h"
#include "cluster/schema/rules.h"
#include "cluster/schema/shapes.h"
#include "lib/json.h"

#define RULES "x-kubernetes-validations"

static const char *const names[] = {"self", "oldSelf", NULL};
enum { SELF, OLD_SELF, N_NAMES };

struct rule {
	yyjson_val *at;		    /* the schema it stands in */
	yyjson_val *said;	    /* {rule, message, ...} */
	struct cel *rule, *message; /* owned; message NULL: a text, or nothing */
	bool about_change;	    /* not asked when there is nothing that it was before */
};

struct rules {
	yyjson_val *schema;
	struct rule *list; /* in order of the places in the schema */
	size_t n, room;
};

/* ---- reading */

struct reader {
	struct rules *rules;
	struct field_errors *errors;
	bool written; /* by somebody who is told of mistakes now */
	bool no_memory;
};

/* A schema that rules stand in. */
struct place {
	yyjson_val *schema;
	yyjson_val *old; /* as it was, or NULL */
	bool same;	 /* can a value here be told to be the one that was? */
	bool resource;	 /* is it an object of the kind? */
};

/* @v: what is wrong, a text or a bool, or NULL. */
static void complain(struct reader *r, const struct path *p, const char *key, enum field_error_type type,
	yyjson_val *v, const char *words, const char *why)
{
	char where[PATH_TEXT_MAX + 64];
	yyjson_mut_val shown = {0};

	path_text(p, where, PATH_TEXT_MAX);
	strncat(where, key, 63);
	if (yyjson_is_bool(v))
		unsafe_yyjson_set_bool(&shown, yyjson_get_bool(v));
	else if (v)
		unsafe_yyjson_set_strn(&shown, yyjson_get_str(v), yyjson_get_len(v));
	field_error(r->errors, type, where, v ? &shown : NULL, "%s%s", words, why);
}

/* What stands at @key of a rule, and is to make @what. */
struct expression {
	yyjson_val *text;
	const char *key;
	enum cel_result what;
	bool optional; /* oldSelf is one */
};

static struct expression expression_of(yyjson_val *said, const char *key, enum cel_result what)
{
	return (struct expression){yyjson_obj_get(said, key), key, what,
		yyjson_is_true(yyjson_obj_get(said, "optionalOldSelf"))};
}

/* @strict: it is refused for what is wrong with its types. */
static struct cel *compile(const struct expression *e, yyjson_val *schema, bool resource, bool strict,
	char why[static CEL_WHY_MAX])
{
	const struct cel_scope scope = {.names = names, .optional = e->optional ? "oldSelf" : NULL};
	const struct cel_shape self = shape_of_schema(schema, resource), shapes[N_NAMES] = {self, self};
	const char *text = yyjson_get_str(e->text);
	size_t len = yyjson_get_len(e->text);

	return strict ? cel_write(text, len, &scope, shapes, e->what, why)
		      : cel_stored(text, len, &scope, shapes, why);
}

/* Did it stand here before, with something wrong with it? Another version accepted it then. */
static bool was_wrong(const struct expression *e, const struct place *at)
{
	char why[CEL_WHY_MAX];
	yyjson_val *said;
	size_t i, n;

	yyjson_arr_foreach (json_arr(at->old, RULES), i, n, said) {
		const struct expression old = expression_of(said, e->key, e->what);
		struct cel *c;

		if (!yyjson_equals_strn(old.text, yyjson_get_str(e->text), yyjson_get_len(e->text)))
			continue;
		c = compile(&old, at->old, at->resource, true, why);
		cel_free(c);
		return !c;
	}
	return false;
}

static struct cel *read_expression(
	struct reader *r, const struct place *at, const struct expression *e, const struct path *p)
{
	char why[CEL_WHY_MAX], again[CEL_WHY_MAX], where[64];
	struct cel *c = compile(e, at->schema, at->resource, r->written, why);

	if (!c && r->written && was_wrong(e, at))
		c = compile(e, at->schema, at->resource, false, again);
	snprintf(where, sizeof(where), ".%s", e->key);
	if (!c)
		complain(r, p, where, FIELD_INVALID, e->text,
			r->written ? "" : "compilation failed: ERROR: <input>:", why);
	return c;
}

static struct rule *room_for_one(struct reader *r)
{
	struct rules *all = r->rules;

	if (all->n == all->room) {
		size_t room = all->room ? 2 * all->room : 8;
		struct rule *more = reallocarray(all->list, room, sizeof(*more));

		if (!more) {
			r->no_memory = true;
			return NULL;
		}
		all->list = more;
		all->room = room;
	}
	all->list[all->n] = (struct rule){0};
	return &all->list[all->n++];
}

static void read_rule(struct reader *r, const struct place *at, yyjson_val *said, const struct path *p)
{
	static const char *const reasons[] = {
		"FieldValueInvalid", "FieldValueForbidden", "FieldValueRequired", "FieldValueDuplicate"};
	const char *reason = json_text(said, "reason");
	yyjson_val *optional = yyjson_obj_get(said, "optionalOldSelf");
	const struct expression text = expression_of(said, "rule", CEL_TRUTH),
				message = expression_of(said, "messageExpression", CEL_TEXT);
	struct rule *rule;
	bool known = !reason, about_old;

	for (size_t i = 0; i < array_len(reasons); i++)
		known = known || !strcmp(reason, reasons[i]);
	if (!known)
		complain(r, p, ".reason", FIELD_NOT_SUPPORTED, yyjson_obj_get(said, "reason"),
			"supported values: ",
			"\"FieldValueDuplicate\", \"FieldValueForbidden\", \"FieldValueInvalid\", \"FieldValueRequired\"");
	if (!json_text(said, "rule")) {
		complain(r, p, ".rule", FIELD_REQUIRED, NULL, "rule is not specified", "");
		return;
	}
	rule = room_for_one(r);
	if (!rule)
		return;
	rule->at = at->schema;
	rule->said = said;
	rule->rule = read_expression(r, at, &text, p);
	about_old = rule->rule && cel_uses(rule->rule, "oldSelf");
	rule->about_change = about_old && !yyjson_is_true(optional);
	if (json_text(said, "messageExpression"))
		rule->message = read_expression(r, at, &message, p);
	if (rule->rule && !about_old && yyjson_is_bool(optional))
		complain(r, p, ".optionalOldSelf", FIELD_INVALID, optional,
			"may not be set if oldSelf is not used in rule", "");
	if (about_old && !at->same)
		complain(r, p, ".rule", FIELD_INVALID, yyjson_obj_get(said, "rule"),
			"oldSelf cannot be used on the uncorrelatable portion of the schema", "");
}

static void read_schema(struct reader *r, const struct place *at, const struct path *p);

static void read_below(
	struct reader *r, const struct place *at, const char *key, const struct path *p, bool same)
{
	const struct place below = {
		.schema = json_obj(at->schema, key), .old = json_obj(at->old, key), .same = at->same && same};
	struct path step = {.up = p, .name = key, .len = strlen(key)};

	if (below.schema)
		read_schema(r, &below, &step);
}

static void read_schema(struct reader *r, const struct place *at, const struct path *p)
{
	struct path rules = {.up = p, .name = RULES, .len = strlen(RULES)};
	struct path properties = {.up = p, .name = "properties", .len = 10};
	bool keyed = !strcmp(json_str(at->schema, "x-kubernetes-list-type") ?: "", "map");
	bool atomic = !strcmp(json_str(at->schema, "x-kubernetes-map-type") ?: "", "atomic");
	yyjson_val *key, *v;
	size_t i, n;

	yyjson_arr_foreach (json_arr(at->schema, RULES), i, n, v) {
		struct path step = {.up = &rules, .index = i, .step = PATH_INDEX};

		read_rule(r, at, v, &step);
	}
	json_obj_foreach (json_obj(at->schema, "properties"), i, n, key, v) {
		const struct place below = {.schema = v,
			.old = json_obj(json_obj(at->old, "properties"), yyjson_get_str(key)),
			.same = at->same && !atomic};
		struct path step = {.up = &properties,
			.name = yyjson_get_str(key),
			.len = yyjson_get_len(key),
			.step = PATH_KEY};

		if (yyjson_is_obj(v))
			read_schema(r, &below, &step);
	}
	read_below(r, at, "additionalProperties", p, !atomic);
	read_below(r, at, "items", p, keyed);
}

static int by_place(const void *a, const void *b)
{
	const struct rule *x = a, *y = b;

	/* those of one place stay in their order */
	if (x->at != y->at)
		return (uintptr_t)x->at < (uintptr_t)y->at ? -1 : 1;
	return (uintptr_t)x->said<(uintptr_t)y->said ? -1 : (uintptr_t)x->said>(uintptr_t) y->said;
}

struct rules *rules_new(
	yyjson_val *schema, const struct path *p, bool written, yyjson_val *old, struct field_errors *e)
{
	const struct place root = {.schema = schema, .old = old, .same = true, .resource = true};
	struct rules *all = calloc(1, sizeof(*all));
	struct reader r = {.rules = all, .errors = e, .written = written};

	if (!all)
		return NULL;
	all->schema = schema;
	read_schema(&r, &root, p);
	if (r.no_memory) {
		rules_free(all);
		return NULL;
	}
	if (all->n)
		qsort(all->list, all->n, sizeof(*all->list), by_place);
	return all;
}

void rules_free(struct rules *r)
{
	if (!r)
		return;
	for (size_t i = 0; i < r->n; i++) {
		cel_free(r->list[i].rule);
		cel_free(r->list[i].message);
	}
	free(r->list);
	free(r);
}

/* ---- asking */

struct asking {
	struct check *check;
	const struct rules *rules;
	size_t budget;
};

/* The first rule of a place, or NULL. */
static const struct rule *rules_at(const struct rules *r, yyjson_val *at)
{
	size_t low = 0, high = r->n;

	while (low < high) {
		size_t middle = (low + high) / 2;

		if ((uintptr_t)r->list[middle].at < (uintptr_t)at)
			low = middle + 1;
		else
			high = middle;
	}
	return low < r->n && r->list[low].at == at ? &r->list[low] : NULL;
}

static enum field_error_type type_of(yyjson_val *said)
{
	const char *reason = json_str(said, "reason") ?: "";

	return !strcmp(reason, "FieldValueForbidden")	? FIELD_FORBIDDEN
	       : !strcmp(reason, "FieldValueRequired")	? FIELD_REQUIRED
	       : !strcmp(reason, "FieldValueDuplicate") ? FIELD_DUPLICATE
							: FIELD_INVALID;
}

/* Of a list or an object its type is shown, not all of it. */
static void refuse(struct asking *a, const struct rule *rule, yyjson_mut_val *v, const struct path *p,
	const char *detail)
{
	char where[2 * PATH_TEXT_MAX];
	yyjson_mut_val type = {0};

	path_text(p, where, PATH_TEXT_MAX);
	strncat(where, json_str(rule->said, "fieldPath") ?: "", PATH_TEXT_MAX - 1);
	if (!*where)
		strcpy(where, "<nil>"); /* so upstream calls the root */
	if (yyjson_mut_is_ctn(v)) {
		const char *name = yyjson_mut_is_arr(v) ? "array" : "object";

		unsafe_yyjson_set_strn(&type, name, strlen(name));
		v = &type;
	}
	field_error(a->check->errors, type_of(rule->said), where, v, "%s", detail);
}

static void ask(struct asking *a, const struct rule *rule, yyjson_mut_val *v, yyjson_mut_val *old,
	const struct path *p)
{
	yyjson_mut_val *const values[N_NAMES] = {[SELF] = v, [OLD_SELF] = old};
	const char *message = json_text(rule->said, "message"), *text = json_str(rule->said, "rule");
	char why[CEL_WHY_MAX], detail[CEL_WHY_MAX + 1024];
	cleanup(freep) char *made = NULL;
	int answer;

	if (rule->about_change && !old)
		return;
	answer = cel_test(rule->rule, values, &a->budget, why);
	if (answer > 0)
		return;
	if (answer < 0) {
		snprintf(detail, sizeof(detail), "%s evaluating rule: %.900s", why, message ?: text);
		refuse(a, rule, v, p, detail);
		return;
	}
	made = rule->message ? cel_text(rule->message, values, &a->budget, why) : NULL;
	snprintf(detail, sizeof(detail), "failed rule: %.900s", text);
	refuse(a, rule, v, p, made && *made ? made : message ?: detail);
}

static void walk(
	struct asking *a, yyjson_val *schema, yyjson_mut_val *v, yyjson_mut_val *old, const struct path *p);

/* The item of @list with the same keys as @item. */
static yyjson_mut_val *same_item(yyjson_val *schema, yyjson_mut_val *list, yyjson_mut_val *item)
{
	yyjson_val *keys = json_arr(schema, "x-kubernetes-list-map-keys"), *key;
	size_t i, n, j, m;
	yyjson_mut_val *other;

	if (!keys || strcmp(json_str(schema, "x-kubernetes-list-type") ?: "", "map") != 0)
		return NULL;
	yyjson_mut_arr_foreach(list, i, n, other)
	{
		bool same = true;

		yyjson_arr_foreach (keys, j, m, key) {
			yyjson_mut_val *x = yyjson_mut_obj_get(item, yyjson_get_str(key));
			yyjson_mut_val *y = yyjson_mut_obj_get(other, yyjson_get_str(key));

			same = same && (x == y || yyjson_mut_equals(x, y));
		}
		if (same)
			return other;
	}
	return NULL;
}

static void walk_list(
	struct asking *a, yyjson_val *schema, yyjson_mut_val *v, yyjson_mut_val *old, const struct path *p)
{
	yyjson_val *items = json_obj(schema, "items");
	size_t i, n;
	yyjson_mut_val *item;

	yyjson_mut_arr_foreach(v, i, n, item)
	{
		struct path step = {.up = p, .index = i, .step = PATH_INDEX};

		walk(a, items, item, old ? same_item(schema, old, item) : NULL, &step);
	}
}

static void walk_object(
	struct asking *a, yyjson_val *schema, yyjson_mut_val *v, yyjson_mut_val *old, const struct path *p)
{
	yyjson_val *properties = json_obj(schema, "properties"),
		   *other = json_obj(schema, "additionalProperties");
	bool atomic = !strcmp(json_str(schema, "x-kubernetes-map-type") ?: "", "atomic");
	size_t i, n;
	yyjson_mut_val *key, *child;

	yyjson_mut_obj_foreach(v, i, n, key, child)
	{
		struct path step = {.up = p, .name = yyjson_mut_get_str(key), .len = yyjson_mut_get_len(key)};
		yyjson_val *s = yyjson_obj_getn(properties, step.name, step.len) ?: other;

		if (s)
			walk(a, s, child, atomic ? NULL : yyjson_mut_obj_getn(old, step.name, step.len),
				&step);
	}
}

static void walk(
	struct asking *a, yyjson_val *schema, yyjson_mut_val *v, yyjson_mut_val *old, const struct path *p)
{
	const struct rule *rule = rules_at(a->rules, schema), *end = a->rules->list + a->rules->n;

	/* null is no value that a rule could be about */
	if (!schema || yyjson_mut_is_null(v))
		return;
	for (; rule && rule < end && rule->at == schema; rule++)
		ask(a, rule, v, yyjson_mut_is_null(old) ? NULL : old, p);
	if (yyjson_mut_is_arr(v))
		walk_list(a, schema, v, yyjson_mut_is_arr(old) ? old : NULL, p);
	else if (yyjson_mut_is_obj(v))
		walk_object(a, schema, v, yyjson_mut_is_obj(old) ? old : NULL, p);
}

void rules_check(struct check *c, const struct rules *r, yyjson_mut_val *object, yyjson_mut_val *old)
{
	struct asking a = {.check = c, .rules = r, .budget = CEL_BUDGET};

	if (r->n)
		walk(&a, r->schema, object, old, NULL);
}

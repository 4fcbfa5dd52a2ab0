/* SPDX-License-Identifier: Apache-2.0 */

/* The fields of an object, and what differs between two, by what the tables say of lists and maps. */

#include <stdio.h>
#include <string.h>

#include "cluster/schema/fieldset_int.h"
#include "cluster/schema/meta.h"

static bool atomic_type(const struct schema_field *f)
{
	return f->flags & SCHEMA_MAP_ATOMIC ||
	       (f->base == SCHEMA_OBJECT && f->type->flags & (SCHEMA_ONE_OWNER | SCHEMA_ALIAS));
}

bool fieldset_atomic(const struct schema_field *f)
{
	if (f->shape == SCHEMA_LIST)
		return f->list == SCHEMA_ATOMIC;
	if (f->shape == SCHEMA_MAP)
		return f->flags & SCHEMA_MAP_ATOMIC;
	return f->base != SCHEMA_OBJECT || atomic_type(f);
}

enum fieldset_sharing fieldset_sharing(const struct schema_field *f, yyjson_mut_val *v)
{
	if (!f || !yyjson_mut_is_ctn(v) || !yyjson_mut_get_len(v) || fieldset_atomic(f))
		return FIELDSET_LEAF;
	if (f->shape == SCHEMA_LIST)
		return yyjson_mut_is_arr(v) ? FIELDSET_LIST : FIELDSET_LEAF;
	if (!yyjson_mut_is_obj(v))
		return FIELDSET_LEAF;
	return f->shape == SCHEMA_MAP ? FIELDSET_MAP : FIELDSET_STRUCT;
}

enum fieldset_sharing fieldset_ownership(const struct schema_field *f, yyjson_mut_val *v)
{
	return yyjson_mut_get_len(v) > FIELDSET_MEMBERS_MAX ? FIELDSET_LEAF : fieldset_sharing(f, v);
}

const struct schema_type *fieldset_item_type(const struct schema_field *f)
{
	return f->base == SCHEMA_OBJECT && !atomic_type(f) ? f->type : NULL;
}

/* The value of a key of an item, or its default: appliers may leave it out. */
static yyjson_mut_val *key_value(
	const struct schema_field *f, yyjson_mut_val *item, const char *key, const char **def)
{
	yyjson_mut_val *v = yyjson_mut_obj_get(item, key);
	const struct schema_field *kf;

	*def = NULL;
	if (!v && f->base == SCHEMA_OBJECT) {
		kf = schema_field(f->type, key, strlen(key));
		*def = kf && kf->rules ? kf->rules->def : NULL;
	}
	return v;
}

bool fieldset_same_item(const struct schema_field *f, yyjson_mut_val *a, yyjson_mut_val *b)
{
	if (f->list == SCHEMA_SET || !f->rules || !f->rules->keys)
		return meta_equal(a, b);
	for (const char *const *k = f->rules->keys; *k; k++) {
		const char *da, *db;
		yyjson_mut_val *x = key_value(f, a, *k, &da), *y = key_value(f, b, *k, &db);

		if (x && y) {
			if (!meta_equal(x, y))
				return false;
		} else if (x || y) {
			/* what is there against the default of what is not */
			char *text = yyjson_mut_val_write(x ? x : y, 0, NULL);
			const char *other = x ? db : da;
			bool same = text && other && !strcmp(text, other);

			free(text);
			if (!same)
				return false;
		}
	}
	return true;
}

yyjson_mut_val *fieldset_item_key(yyjson_mut_doc *doc, const struct schema_field *f, yyjson_mut_val *item)
{
	yyjson_mut_val *shown = item, *out, *v;
	char *text, *key;

	if (f->list == SCHEMA_LIST_MAP && f->rules && f->rules->keys) {
		shown = yyjson_mut_obj(doc);
		for (const char *const *k = f->rules->keys; *k; k++) {
			const char *def;

			v = key_value(f, item, *k, &def);
			if (v) {
				v = yyjson_mut_val_mut_copy(doc, v);
			} else if (def) {
				yyjson_doc *d = yyjson_read(def, strlen(def), 0);

				v = yyjson_val_mut_copy(doc, yyjson_doc_get_root(d));
				yyjson_doc_free(d);
			}
			if (v)
				yyjson_mut_obj_add_val(doc, shown, *k, v);
		}
	}
	text = yyjson_mut_val_write(shown, YYJSON_WRITE_ALLOW_INVALID_UNICODE, NULL);
	if (!text || asprintf(&key, "%s:%s", shown == item ? "v" : "k", text) < 0)
		key = NULL;
	free(text);
	out = key ? yyjson_mut_strcpy(doc, key) : NULL;
	free(key);
	return out;
}

static yyjson_mut_val *field_key(yyjson_mut_doc *doc, yyjson_mut_val *name)
{
	char *key;
	yyjson_mut_val *out;

	if (asprintf(&key, "f:%s", yyjson_mut_get_str(name)) < 0)
		return NULL;
	out = yyjson_mut_strcpy(doc, key);
	free(key);
	return out;
}

/* The subset under a step, made when it is not there. */
static yyjson_mut_val *below(yyjson_mut_doc *doc, yyjson_mut_val *set, yyjson_mut_val *key)
{
	yyjson_mut_val *child;

	if (!key)
		return NULL;
	child = yyjson_mut_obj_getn(set, yyjson_mut_get_str(key), yyjson_mut_get_len(key));
	if (!child) {
		child = yyjson_mut_obj(doc);
		if (!child || !yyjson_mut_obj_add(set, key, child))
			return NULL;
	}
	return child;
}

static bool self(yyjson_mut_doc *doc, yyjson_mut_val *set)
{
	return yyjson_mut_obj_get(set, ".") || yyjson_mut_obj_add_obj(doc, set, ".");
}

static bool object_fields(yyjson_mut_doc *doc, const struct schema_type *t, const struct schema_field *item,
	yyjson_mut_val *object, yyjson_mut_val *set, bool selves);

/*
 * Everything of one value goes under @set. @selves: maps and lists that need not be there count as such,
 * too, as they do for whoever made them by an update.
 */
static bool value_fields(yyjson_mut_doc *doc, const struct schema_field *f, yyjson_mut_val *v,
	yyjson_mut_val *set, bool selves)
{
	size_t i, n;
	yyjson_mut_val *item, *child;
	enum fieldset_sharing sharing = fieldset_ownership(f, v);

	if (selves && (sharing == FIELDSET_MAP || sharing == FIELDSET_LIST) &&
		!(f->flags & SCHEMA_REQUIRED) && !self(doc, set))
		return false;
	switch (sharing) {
	case FIELDSET_STRUCT:
		return object_fields(doc, f->type, NULL, v, set, selves);
	case FIELDSET_MAP:
		return object_fields(doc, NULL, f, v, set, selves);
	case FIELDSET_LIST:
		yyjson_mut_arr_foreach(v, i, n, item)
		{
			child = below(doc, set, fieldset_item_key(doc, f, item));
			if (!child || !self(doc, child))
				return false;
			if (yyjson_mut_is_obj(item) && fieldset_item_type(f) &&
				!object_fields(doc, fieldset_item_type(f), NULL, item, child, selves))
				return false;
		}
		return true;
	default:
		return self(doc, set);
	}
}

/* Members of a struct, or of a map whose values are as @item says. */
static bool object_fields(yyjson_mut_doc *doc, const struct schema_type *t, const struct schema_field *item,
	yyjson_mut_val *object, yyjson_mut_val *set, bool selves)
{
	size_t i, n;
	yyjson_mut_val *key, *v, *child;

	yyjson_mut_obj_foreach(object, i, n, key, v)
	{
		const struct schema_field *f =
			t ? schema_field(t, yyjson_mut_get_str(key), yyjson_mut_get_len(key)) : NULL;

		child = below(doc, set, field_key(doc, key));
		if (!child)
			return false;
		if (item) {
			if (!self(doc, child) || (yyjson_mut_is_obj(v) && fieldset_item_type(item) &&
							 !object_fields(doc, fieldset_item_type(item), NULL,
								 v, child, selves)))
				return false;
		} else if (!value_fields(doc, f, v, child, selves)) {
			return false;
		}
	}
	return true;
}

yyjson_mut_val *fieldset_of(yyjson_mut_doc *doc, const struct schema_type *t, yyjson_mut_val *object)
{
	yyjson_mut_val *set = yyjson_mut_obj(doc);

	return set && object_fields(doc, t, NULL, object, set, false) ? set : NULL;
}

/* ---- differences */

struct comparison {
	yyjson_mut_doc *doc;
};

static bool compare_objects(struct comparison *c, const struct schema_type *t,
	const struct schema_field *item, yyjson_mut_val *a, yyjson_mut_val *b, yyjson_mut_val *changed,
	yyjson_mut_val *removed);

/* A value that only one side has. A map or a list that is new is owned as such, too. */
static bool one_sided(
	struct comparison *c, const struct schema_field *f, yyjson_mut_val *v, yyjson_mut_val *set)
{
	return value_fields(c->doc, f, v, set, true);
}

static yyjson_mut_val *find_item(const struct schema_field *f, yyjson_mut_val *list, yyjson_mut_val *like)
{
	size_t i, n;
	yyjson_mut_val *v;

	yyjson_mut_arr_foreach(list, i, n, v) if (fieldset_same_item(f, v, like)) return v;
	return NULL;
}

/* Drop a step under which nothing was found. */
static void tidy(yyjson_mut_val *set, yyjson_mut_val *key)
{
	yyjson_mut_val *child = yyjson_mut_obj_getn(set, yyjson_mut_get_str(key), yyjson_mut_get_len(key));

	if (child && fieldset_empty(child))
		yyjson_mut_obj_remove_keyn(set, yyjson_mut_get_str(key), yyjson_mut_get_len(key));
}

static bool compare_lists(struct comparison *c, const struct schema_field *f, yyjson_mut_val *a,
	yyjson_mut_val *b, yyjson_mut_val *changed, yyjson_mut_val *removed)
{
	size_t i, n;
	yyjson_mut_val *v, *other, *key, *x, *y;
	bool ok = true;

	yyjson_mut_arr_foreach(b, i, n, v)
	{
		other = find_item(f, a, v);
		key = fieldset_item_key(c->doc, f, v);
		if (other && (!yyjson_mut_is_obj(v) || !fieldset_item_type(f)))
			continue;
		x = key ? below(c->doc, changed, key) : NULL;
		if (!x)
			return false;
		if (other) {
			y = below(c->doc, removed, yyjson_mut_strcpy(c->doc, yyjson_mut_get_str(key)));
			ok = ok && y && compare_objects(c, fieldset_item_type(f), NULL, other, v, x, y);
			tidy(removed, key);
			tidy(changed, key);
		} else {
			ok = ok && self(c->doc, x) &&
			     (!yyjson_mut_is_obj(v) || !fieldset_item_type(f) ||
				     object_fields(c->doc, fieldset_item_type(f), NULL, v, x, true));
		}
	}
	yyjson_mut_arr_foreach(a, i, n, v)
	{
		if (find_item(f, b, v))
			continue;
		x = below(c->doc, removed, fieldset_item_key(c->doc, f, v));
		ok = ok && x && self(c->doc, x) &&
		     (!yyjson_mut_is_obj(v) || !fieldset_item_type(f) ||
			     object_fields(c->doc, fieldset_item_type(f), NULL, v, x, true));
	}
	return ok;
}

static bool compare_values(struct comparison *c, const struct schema_field *f, yyjson_mut_val *a,
	yyjson_mut_val *b, yyjson_mut_val *changed, yyjson_mut_val *removed)
{
	enum fieldset_sharing x = fieldset_ownership(f, a), y = fieldset_ownership(f, b);

	if (meta_equal(a, b))
		return true;
	if (x != y || x == FIELDSET_LEAF) {
		/* one side may be empty, so that the other's members are new or gone */
		if (x != FIELDSET_LEAF && !one_sided(c, f, a, removed))
			return false;
		return y == FIELDSET_LEAF ? self(c->doc, changed) : one_sided(c, f, b, changed);
	}
	if (x == FIELDSET_LIST)
		return compare_lists(c, f, a, b, changed, removed);
	return compare_objects(c, x == FIELDSET_STRUCT ? f->type : NULL, x == FIELDSET_MAP ? f : NULL, a, b,
		changed, removed);
}

static bool compare_objects(struct comparison *c, const struct schema_type *t,
	const struct schema_field *item, yyjson_mut_val *a, yyjson_mut_val *b, yyjson_mut_val *changed,
	yyjson_mut_val *removed)
{
	size_t i, n;
	yyjson_mut_val *key, *v, *other, *x, *y, *step;
	/* an item of a map is a value of its own */
	struct schema_field one = item ? *item : (struct schema_field){0};
	bool ok = true;

	one.shape = SCHEMA_ONE;
	yyjson_mut_obj_foreach(b, i, n, key, v)
	{
		const struct schema_field *f =
			item ? &one
			: t  ? schema_field(t, yyjson_mut_get_str(key), yyjson_mut_get_len(key))
			     : NULL;

		other = yyjson_mut_obj_getn(a, yyjson_mut_get_str(key), yyjson_mut_get_len(key));
		if (other && meta_equal(v, other))
			continue;
		step = field_key(c->doc, key);
		x = below(c->doc, changed, step);
		if (!x)
			return false;
		if (other) {
			yyjson_mut_val *again = yyjson_mut_strcpy(c->doc, yyjson_mut_get_str(step));

			y = below(c->doc, removed, again);
			ok = ok && y && compare_values(c, f, other, v, x, y);
			tidy(removed, again);
			tidy(changed, step);
		} else {
			ok = ok && one_sided(c, f, v, x) && (!item || self(c->doc, x));
		}
	}
	yyjson_mut_obj_foreach(a, i, n, key, v)
	{
		const struct schema_field *f =
			item ? &one
			: t  ? schema_field(t, yyjson_mut_get_str(key), yyjson_mut_get_len(key))
			     : NULL;

		if (yyjson_mut_obj_getn(b, yyjson_mut_get_str(key), yyjson_mut_get_len(key)))
			continue;
		x = below(c->doc, removed, field_key(c->doc, key));
		ok = ok && x && one_sided(c, f, v, x) && (!item || self(c->doc, x));
	}
	return ok;
}

bool fieldset_compare(yyjson_mut_doc *doc, const struct schema_type *t, yyjson_mut_val *a, yyjson_mut_val *b,
	yyjson_mut_val *changed, yyjson_mut_val *removed)
{
	struct comparison c = {.doc = doc};

	return compare_objects(&c, t, NULL, a, b, changed, removed);
}

/* SPDX-License-Identifier: Apache-2.0 */

/* The fields of an object, and what differs between two, by what the tables say of lists and maps. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cluster/schema/canonical_int.h"
#include "cluster/schema/fieldset_int.h"
#include "cluster/schema/lookup_int.h"
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

yyjson_mut_val *fieldset_item_key(yyjson_mut_doc *doc, const struct schema_field *f, yyjson_mut_val *item)
{
	yyjson_mut_val *shown = item, *out, *v;
	char *text, *key;

	if (f->list == SCHEMA_LIST_MAP && f->rules && f->rules->keys) {
		shown = yyjson_mut_obj(doc);
		for (const char *const *k = f->rules->keys; *k; k++) {
			const char *def;

			v = key_value(f, item, *k, &def);
			if (!v && def) {
				yyjson_doc *d = yyjson_read(def, strlen(def), 0);

				v = yyjson_val_mut_copy(doc, yyjson_doc_get_root(d));
				yyjson_doc_free(d);
			}
			if (v)
				yyjson_mut_obj_add_val(doc, shown, *k, canonical_copy(doc, v));
		}
	}
	/* a text is its own form, and nearly all items are texts */
	text = !yyjson_mut_is_str(item) && shown == item
		       ? canonical_text(item)
		       : yyjson_mut_val_write(shown, YYJSON_WRITE_ALLOW_INVALID_UNICODE, NULL);
	if (!text || asprintf(&key, "%s:%s", shown == item ? "v" : "k", text) < 0)
		key = NULL;
	free(text);
	out = key ? yyjson_mut_strcpy(doc, key) : NULL;
	free(key);
	return out;
}

yyjson_mut_val *fieldset_field_key(yyjson_mut_doc *doc, yyjson_mut_val *name)
{
	char *key;
	yyjson_mut_val *out;

	if (asprintf(&key, "f:%s", yyjson_mut_get_str(name)) < 0)
		return NULL;
	out = yyjson_mut_strcpy(doc, key);
	free(key);
	return out;
}

/* ---- items by their keys */

/* The keys of a list's items in their order, and the places of those that are the first with theirs. */
struct keyed {
	yyjson_mut_val *keys;	/* an object: key -> place */
	yyjson_mut_val **items; /* owned */
	struct lookup l;
};

static void keyed_fini(struct keyed *k)
{
	lookup_fini(&k->l);
	free(k->items);
}

/* false: no memory. keyed_fini() in both cases. */
static bool keyed_init(struct keyed *k, yyjson_mut_doc *doc, const struct schema_field *f,
	yyjson_mut_val *list, size_t times)
{
	size_t i, n = yyjson_mut_arr_size(list);
	yyjson_mut_val *item;

	*k = (struct keyed){.keys = yyjson_mut_obj(doc), .items = calloc(n + 1, sizeof(yyjson_mut_val *))};
	if (!k->keys || !k->items)
		return false;
	yyjson_mut_arr_foreach(list, i, n, item)
	{
		k->items[i] = item;
		if (!yyjson_mut_obj_add(k->keys, fieldset_item_key(doc, f, item), yyjson_mut_uint(doc, i)))
			return false;
	}
	lookup_init(&k->l, k->keys, times);
	return true;
}

/* The first with this key, or NULL. */
static yyjson_mut_val *keyed_find(const struct keyed *k, yyjson_mut_val *key)
{
	yyjson_mut_val *place = lookup_key(&k->l, key);

	return place ? k->items[yyjson_mut_get_uint(place)] : NULL;
}

bool fieldset_match(yyjson_mut_doc *doc, const struct schema_field *f, yyjson_mut_val *list,
	yyjson_mut_val *there, struct fieldset_match *found)
{
	cleanup(keyed_fini) struct keyed own = {0}, others = {0};
	size_t i, n = yyjson_mut_arr_size(list);
	yyjson_mut_val *key, *place;

	if (!keyed_init(&own, doc, f, list, n) || !keyed_init(&others, doc, f, there, n))
		return false;
	yyjson_mut_obj_foreach(own.keys, i, n, key, place) found[i] =
		(struct fieldset_match){.item = own.items[i],
			.there = keyed_find(&others, key),
			.first = yyjson_mut_get_uint(lookup_key(&own.l, key))};
	return true;
}

/* ---- steps */

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

/* The same, for a step of which it is known whether it can be there already. */
static yyjson_mut_val *step_to(yyjson_mut_doc *doc, yyjson_mut_val *set, yyjson_mut_val *key, bool is_new)
{
	yyjson_mut_val *child;

	if (!is_new)
		return below(doc, set, key);
	child = yyjson_mut_obj(doc);
	return key && child && yyjson_mut_obj_add(set, key, child) ? child : NULL;
}

/* Nothing is in it yet, but for itself. */
static bool is_fresh(yyjson_mut_val *set)
{
	return yyjson_mut_obj_size(set) == (yyjson_mut_obj_get(set, ".") != NULL);
}

static bool self(yyjson_mut_doc *doc, yyjson_mut_val *set)
{
	return yyjson_mut_obj_get(set, ".") || yyjson_mut_obj_add_obj(doc, set, ".");
}

static bool object_fields(yyjson_mut_doc *doc, const struct schema_type *t, const struct schema_field *item,
	yyjson_mut_val *object, yyjson_mut_val *set, bool selves);

static bool list_fields(yyjson_mut_doc *doc, const struct schema_field *f, yyjson_mut_val *list,
	yyjson_mut_val *set, bool selves)
{
	cleanup(keyed_fini) struct keyed k = {0};
	bool fresh = is_fresh(set);
	size_t i, n;
	yyjson_mut_val *key, *place, *child, *item;

	if (!keyed_init(&k, doc, f, list, yyjson_mut_arr_size(list)))
		return false;
	yyjson_mut_obj_foreach(k.keys, i, n, key, place)
	{
		item = k.items[i];
		child = step_to(doc, set, yyjson_mut_strcpy(doc, yyjson_mut_get_str(key)),
			fresh && lookup_key(&k.l, key) == place);
		if (!child || !self(doc, child))
			return false;
		if (yyjson_mut_is_obj(item) && fieldset_item_type(f) &&
			!object_fields(doc, fieldset_item_type(f), NULL, item, child, selves))
			return false;
	}
	return true;
}

/*
 * Everything of one value goes under @set. @selves: maps and lists that need not be there count as such,
 * too, as they do for whoever made them by an update.
 */
static bool value_fields(yyjson_mut_doc *doc, const struct schema_field *f, yyjson_mut_val *v,
	yyjson_mut_val *set, bool selves)
{
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
		return list_fields(doc, f, v, set, selves);
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
	bool fresh = is_fresh(set);

	yyjson_mut_obj_foreach(object, i, n, key, v)
	{
		const struct schema_field *f =
			t ? schema_field(t, yyjson_mut_get_str(key), yyjson_mut_get_len(key)) : NULL;

		child = step_to(doc, set, fieldset_field_key(doc, key), fresh);
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

/* What was found goes under a step of its own; a step under which nothing was found is none. */
static bool put_step(struct comparison *c, yyjson_mut_val *set, yyjson_mut_val *key, yyjson_mut_val *found)
{
	return fieldset_empty(found) ||
	       yyjson_mut_obj_add(set, yyjson_mut_strcpy(c->doc, yyjson_mut_get_str(key)), found);
}

/* An item that only one side has. */
static bool item_fields(
	struct comparison *c, const struct schema_field *f, yyjson_mut_val *v, yyjson_mut_val *set)
{
	return self(c->doc, set) && (!yyjson_mut_is_obj(v) || !fieldset_item_type(f) ||
					    object_fields(c->doc, fieldset_item_type(f), NULL, v, set, true));
}

/* Of items that are there twice the first one counts, and validation will not have the others. */
static bool compare_lists(struct comparison *c, const struct schema_field *f, yyjson_mut_val *a,
	yyjson_mut_val *b, yyjson_mut_val *changed, yyjson_mut_val *removed)
{
	cleanup(keyed_fini) struct keyed in_a = {0}, in_b = {0};
	const struct schema_type *t = fieldset_item_type(f);
	size_t i, n, both = yyjson_mut_arr_size(a) + yyjson_mut_arr_size(b);
	yyjson_mut_val *v, *other, *key, *place, *x, *y;
	bool ok = keyed_init(&in_a, c->doc, f, a, both) && keyed_init(&in_b, c->doc, f, b, both);

	yyjson_mut_obj_foreach(in_b.keys, i, n, key, place)
	{
		v = ok ? in_b.items[i] : NULL;
		other = ok ? keyed_find(&in_a, key) : NULL;
		if (!ok || lookup_key(&in_b.l, key) != place || (other && (!yyjson_mut_is_obj(v) || !t)))
			continue;
		x = yyjson_mut_obj(c->doc);
		y = yyjson_mut_obj(c->doc);
		ok = x && y &&
		     (other ? compare_objects(c, t, NULL, other, v, x, y) : item_fields(c, f, v, x)) &&
		     put_step(c, changed, key, x) && put_step(c, removed, key, y);
	}
	yyjson_mut_obj_foreach(in_a.keys, i, n, key, place)
	{
		if (!ok || lookup_key(&in_a.l, key) != place || keyed_find(&in_b, key))
			continue;
		x = yyjson_mut_obj(c->doc);
		ok = x && item_fields(c, f, in_a.items[i], x) && put_step(c, removed, key, x);
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
	cleanup(lookup_fini) struct lookup in_a = {0}, in_b = {0};
	size_t i, n;
	yyjson_mut_val *key, *v, *other, *x, *y, *step;
	/* an item of a map is a value of its own */
	struct schema_field one = item ? *item : (struct schema_field){0};
	bool ok = true;

	one.shape = SCHEMA_ONE;
	lookup_init(&in_a, a, yyjson_mut_obj_size(b));
	lookup_init(&in_b, b, yyjson_mut_obj_size(a));
	yyjson_mut_obj_foreach(b, i, n, key, v)
	{
		const struct schema_field *f =
			item ? &one
			: t  ? schema_field(t, yyjson_mut_get_str(key), yyjson_mut_get_len(key))
			     : NULL;

		other = lookup_key(&in_a, key);
		if (other && meta_equal(v, other))
			continue;
		step = fieldset_field_key(c->doc, key);
		x = yyjson_mut_obj(c->doc);
		y = yyjson_mut_obj(c->doc);
		ok = ok && step && x && y &&
		     (other ? compare_values(c, f, other, v, x, y)
			    : one_sided(c, f, v, x) && (!item || self(c->doc, x))) &&
		     put_step(c, changed, step, x) && put_step(c, removed, step, y);
	}
	yyjson_mut_obj_foreach(a, i, n, key, v)
	{
		const struct schema_field *f =
			item ? &one
			: t  ? schema_field(t, yyjson_mut_get_str(key), yyjson_mut_get_len(key))
			     : NULL;

		if (lookup_key(&in_b, key))
			continue;
		step = fieldset_field_key(c->doc, key);
		x = yyjson_mut_obj(c->doc);
		ok = ok && step && x && one_sided(c, f, v, x) && (!item || self(c->doc, x)) &&
		     put_step(c, removed, step, x);
	}
	return ok;
}

bool fieldset_compare(yyjson_mut_doc *doc, const struct schema_type *t, yyjson_mut_val *a, yyjson_mut_val *b,
	yyjson_mut_val *changed, yyjson_mut_val *removed)
{
	struct comparison c = {.doc = doc};

	return compare_objects(&c, t, NULL, a, b, changed, removed);
}

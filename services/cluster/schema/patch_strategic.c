/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Strategic merge: a merge patch that knows from the tables which lists are merged, and by which key.
 * Directives stand in the patch beside the data: $patch, $retainKeys, $setElementOrder/FIELD,
 * $deleteFromPrimitiveList/FIELD. The patch is only read; what goes into the target is copied without
 * directives and nulls.
 */

#include <string.h>

#include "cluster/schema/meta.h"
#include "cluster/schema/patch.h"
#include "cluster/schema/patch_int.h"
#include "cluster/schema/schema.h"
#include "cluster/schema/status.h"

static const char order_prefix[] = "$setElementOrder/", delete_prefix[] = "$deleteFromPrimitiveList/";

struct merge {
	yyjson_mut_doc *doc;
	struct status **err;
	struct patch_budget budget;
};

static yyjson_mut_val *merge_object(
	struct merge *m, const struct schema_type *t, yyjson_mut_val *target, yyjson_mut_val *patch);

static yyjson_mut_val *refuse(struct merge *m, const char *why)
{
	if (!*m->err)
		*m->err = status_bad_request("%s", why);
	return NULL;
}

static yyjson_mut_val *refuse_long(struct merge *m)
{
	if (!*m->err)
		*m->err = patch_too_long();
	return NULL;
}

static bool is_directive(yyjson_mut_val *key)
{
	const char *s = yyjson_mut_get_str(key);

	return !strcmp(s, "$patch") || !strcmp(s, "$retainKeys") ||
	       !strncmp(s, order_prefix, strlen(order_prefix)) ||
	       !strncmp(s, delete_prefix, strlen(delete_prefix));
}

/* What a patch would make of nothing. */
static yyjson_mut_val *plain(struct merge *m, yyjson_mut_val *v)
{
	size_t i, n;
	yyjson_mut_val *key, *child, *copy, *out;

	if (yyjson_mut_is_arr(v)) {
		out = yyjson_mut_arr(m->doc);
		yyjson_mut_arr_foreach(v, i, n, child)
		{
			/* an item that is only there to say something leaves nothing */
			if (yyjson_mut_is_obj(child) && yyjson_mut_obj_get(child, "$patch"))
				continue;
			copy = plain(m, child);
			if (!copy || !yyjson_mut_arr_append(out, copy))
				return NULL;
		}
		return out;
	}
	if (!yyjson_mut_is_obj(v))
		return yyjson_mut_val_mut_copy(m->doc, v);
	out = yyjson_mut_obj(m->doc);
	yyjson_mut_obj_foreach(v, i, n, key, child)
	{
		if (yyjson_mut_is_null(child) || is_directive(key))
			continue;
		copy = plain(m, child);
		key = yyjson_mut_strncpy(m->doc, yyjson_mut_get_str(key), yyjson_mut_get_len(key));
		if (!copy || !key || !yyjson_mut_obj_add(out, key, copy))
			return NULL;
	}
	return out;
}

/* ---- lists */

/* The items of a list as pointers, so that lists can be rebuilt from them. */
struct items {
	yyjson_mut_val **at;
	size_t n, room;
};

static void items_free(struct items *l)
{
	free(l->at);
}

static bool items_add(struct items *l, yyjson_mut_val *v)
{
	if (l->n == l->room) {
		size_t room = l->room ? 2 * l->room : 16;
		yyjson_mut_val **more = reallocarray(l->at, room, sizeof(*more));

		if (!more)
			return false;
		l->at = more;
		l->room = room;
	}
	l->at[l->n++] = v;
	return true;
}

static bool items_of(struct items *l, yyjson_mut_val *list)
{
	size_t i, n;
	yyjson_mut_val *v;

	yyjson_mut_arr_foreach(list, i, n, v) if (!items_add(l, v)) return false;
	return true;
}

static yyjson_mut_val *list_of(struct merge *m, const struct items *l)
{
	yyjson_mut_val *list = yyjson_mut_arr(m->doc);

	for (size_t i = 0; list && i < l->n; i++)
		yyjson_mut_arr_append(list, l->at[i]);
	return list;
}

/* What makes an item the same as another: its key, or itself. */
static yyjson_mut_val *identity(yyjson_mut_val *v, const char *key)
{
	return key && yyjson_mut_is_obj(v) ? yyjson_mut_obj_get(v, key) : v;
}

/* Where an item with this identity is, or @l->n. */
static size_t find(const struct items *l, yyjson_mut_val *id, const char *key)
{
	size_t i;

	for (i = 0; i < l->n; i++)
		if (meta_equal(identity(l->at[i], key), id))
			break;
	return i;
}

static void remove_at(struct items *l, size_t i)
{
	memmove(l->at + i, l->at + i + 1, (l->n - i - 1) * sizeof(*l->at));
	l->n--;
}

/* One item of the patch into the list. */
static bool merge_item(struct merge *m, const struct schema_field *f, struct items *l, yyjson_mut_val *v)
{
	const char *key = f->rules ? f->rules->merge_key : NULL;
	yyjson_mut_val *directive = yyjson_mut_is_obj(v) ? yyjson_mut_obj_get(v, "$patch") : NULL,
		       *id = identity(v, key);
	yyjson_mut_val *made;
	size_t i;

	if (!key || f->base != SCHEMA_OBJECT) {
		made = find(l, v, NULL) < l->n ? NULL : plain(m, v);
		return find(l, v, NULL) < l->n || (made && items_add(l, made));
	}
	if (!id || !yyjson_mut_is_obj(v)) {
		if (!*m->err)
			*m->err = status_bad_request("map: does not contain declared merge key: %s", key);
		return false;
	}
	if (yyjson_mut_equals_str(directive, "delete")) {
		while ((i = find(l, id, key)) < l->n)
			remove_at(l, i);
		return true;
	}
	if (directive && !yyjson_mut_equals_str(directive, "merge") &&
		!yyjson_mut_equals_str(directive, "replace"))
		return refuse(m, "unknown patch type found in a list");
	i = find(l, id, key);
	if (i == l->n || yyjson_mut_equals_str(directive, "replace")) {
		made = plain(m, v);
		if (!made)
			return false;
		if (i == l->n)
			return items_add(l, made);
	} else {
		made = merge_object(m, f->type, l->at[i], v);
	}
	if (made)
		l->at[i] = made;
	return made;
}

/*
 * The order that the patch asks for, woven with items it does not name: those keep their place among the
 * ones that were there before.
 */
static bool reorder(struct items *l, const struct items *before, yyjson_mut_val *order, const char *key)
{
	struct items named = {0}, others = {0}, out = {0};
	size_t i, n, a = 0, b = 0;
	yyjson_mut_val *v;
	bool ok = true;

	yyjson_mut_arr_foreach(order, i, n, v)
	{
		size_t at = find(l, identity(v, key), key);

		if (at < l->n) {
			ok = ok && items_add(&named, l->at[at]);
			remove_at(l, at);
		}
	}
	for (i = 0; ok && i < l->n; i++)
		ok = items_add(&others, l->at[i]);
	while (ok && (a < named.n || b < others.n)) {
		bool first = a < named.n;

		if (first && b < others.n) {
			size_t x = find(before, identity(named.at[a], key), key);
			size_t y = find(before, identity(others.at[b], key), key);

			first = x < before->n && y < before->n && x < y;
		}
		ok = items_add(&out, first ? named.at[a++] : others.at[b++]);
	}
	items_free(&named);
	items_free(&others);
	items_free(l);
	*l = out;
	return ok;
}

static yyjson_mut_val *merge_list(struct merge *m, const struct schema_field *f, yyjson_mut_val *target,
	yyjson_mut_val *patch, yyjson_mut_val *order, yyjson_mut_val *deleted)
{
	const char *key = f->rules && f->base == SCHEMA_OBJECT ? f->rules->merge_key : NULL;
	struct items l = {0}, before = {0};
	yyjson_mut_val *v, *out = NULL;
	size_t i, n, cost;
	bool ok = items_of(&l, target), replace = false;

	cost = (l.n + yyjson_mut_arr_size(patch) + 1) *
	       (yyjson_mut_arr_size(patch) + yyjson_mut_arr_size(order) + yyjson_mut_arr_size(deleted) + 1);
	if (order) /* each is looked for in what was before */
		cost += (l.n + yyjson_mut_arr_size(patch)) * l.n;
	if (!patch_spend(&m->budget, cost)) {
		items_free(&l);
		return refuse_long(m);
	}
	yyjson_mut_arr_foreach(
		patch, i, n, v) if (yyjson_mut_is_obj(v) &&
				    yyjson_mut_equals_str(yyjson_mut_obj_get(v, "$patch"), "replace") &&
				    (!key || !yyjson_mut_obj_get(v, key))) replace = true;
	if (replace)
		l.n = 0;
	yyjson_mut_arr_foreach(deleted, i, n, v) for (size_t at; (at = find(&l, v, NULL)) < l.n;)
		remove_at(&l, at);
	/* the order before, by copies of identities: items are changed in place */
	for (i = 0; ok && i < l.n; i++)
		ok = items_add(&before, yyjson_mut_val_mut_copy(m->doc, identity(l.at[i], key)));
	yyjson_mut_arr_foreach(patch, i, n, v)
	{
		if (replace && yyjson_mut_is_obj(v) && yyjson_mut_obj_get(v, "$patch") &&
			!(key && yyjson_mut_obj_get(v, key)))
			continue;
		ok = ok && merge_item(m, f, &l, v);
	}
	if (ok && order)
		ok = reorder(&l, &before, order, key);
	if (ok)
		out = list_of(m, &l);
	items_free(&l);
	items_free(&before);
	return out;
}

/* ---- objects */

/* The member of the patch that says something of the list @name. */
static yyjson_mut_val *about(yyjson_mut_val *patch, const char *prefix, yyjson_mut_val *name)
{
	size_t i, n, len = strlen(prefix);
	yyjson_mut_val *key, *v;

	yyjson_mut_obj_foreach(patch, i, n, key,
		v) if (!strncmp(yyjson_mut_get_str(key), prefix, len) &&
		       !strcmp(yyjson_mut_get_str(key) + len, yyjson_mut_get_str(name))) return v;
	return NULL;
}

/* $retainKeys: what is not named goes. */
static bool retain(struct merge *m, yyjson_mut_val *target, yyjson_mut_val *keys)
{
	yyjson_mut_obj_iter it;
	yyjson_mut_val *key, *k;
	size_t i, n;

	if (!yyjson_mut_is_arr(keys))
		return refuse(m, "invalid patch format of retainKeys");
	it = yyjson_mut_obj_iter_with(target);
	while ((key = yyjson_mut_obj_iter_next(&it))) {
		bool kept = false;

		yyjson_mut_arr_foreach(keys, i, n, k) kept |= meta_equal(k, key);
		if (!kept)
			yyjson_mut_obj_iter_remove(&it);
	}
	return true;
}

/* The field of a member as the patch goes on into it; in a map every member is the map's item. */
struct into {
	const struct schema_type *type;	 /* of an object; NULL: not known */
	const struct schema_field *list; /* a list that is merged */
};

static struct into into(const struct schema_type *t, yyjson_mut_val *key)
{
	const struct schema_field *f =
		t ? schema_field(t, yyjson_mut_get_str(key), yyjson_mut_get_len(key)) : NULL;
	struct into in = {0};

	if (!f)
		return in;
	if (f->shape == SCHEMA_ONE && f->base == SCHEMA_OBJECT && !(f->type->flags & SCHEMA_ALIAS))
		in.type = f->type;
	if (f->shape == SCHEMA_LIST && f->flags & SCHEMA_MERGE)
		in.list = f;
	return in;
}

static yyjson_mut_val *merge_value(struct merge *m, struct into in, yyjson_mut_val *there, yyjson_mut_val *v,
	yyjson_mut_val *patch, yyjson_mut_val *key)
{
	if (yyjson_mut_is_obj(v) && yyjson_mut_is_obj(there))
		return merge_object(m, in.type, there, v);
	if (yyjson_mut_is_obj(v) && yyjson_mut_equals_str(yyjson_mut_obj_get(v, "$patch"), "delete"))
		return yyjson_mut_obj(m->doc);
	if (yyjson_mut_is_arr(v) && in.list)
		return merge_list(m, in.list, yyjson_mut_is_arr(there) ? there : NULL, v,
			about(patch, order_prefix, key), about(patch, delete_prefix, key));
	return plain(m, v);
}

/* A list of which the patch only says an order, or what goes. */
static bool directive_alone(struct merge *m, const struct schema_type *t, yyjson_mut_val *target,
	yyjson_mut_val *patch, yyjson_mut_val *key, const char *prefix)
{
	const char *name = yyjson_mut_get_str(key) + strlen(prefix);
	yyjson_mut_val *there = yyjson_mut_obj_get(target, name), *made, *k;
	const struct schema_field *f = t ? schema_field(t, name, strlen(name)) : NULL;

	if (yyjson_mut_obj_get(patch, name) || !yyjson_mut_is_arr(there))
		return true;
	if (!f || f->shape != SCHEMA_LIST || !(f->flags & SCHEMA_MERGE))
		return refuse(m, "a directive names a list that is not merged");
	k = yyjson_mut_strcpy(m->doc, name);
	made = merge_list(m, f, there, NULL, about(patch, order_prefix, k), about(patch, delete_prefix, k));
	return made && patch_put(m->doc, target, k, made);
}

static yyjson_mut_val *merge_object(
	struct merge *m, const struct schema_type *t, yyjson_mut_val *target, yyjson_mut_val *patch)
{
	yyjson_mut_val *directive = yyjson_mut_obj_get(patch, "$patch"),
		       *keys = yyjson_mut_obj_get(patch, "$retainKeys");
	yyjson_mut_val *key, *v, *made;
	size_t i, n;

	if (yyjson_mut_equals_str(directive, "replace"))
		return plain(m, patch);
	if (yyjson_mut_equals_str(directive, "delete"))
		return yyjson_mut_obj(m->doc);
	if (directive && !yyjson_mut_equals_str(directive, "merge"))
		return refuse(m, "unknown patch type found in a map");
	if (!patch_spend_members(&m->budget, target, patch) ||
		!patch_spend(&m->budget, yyjson_mut_arr_size(keys) * yyjson_mut_obj_size(target)))
		return refuse_long(m);
	if (keys && !retain(m, target, keys))
		return NULL;
	yyjson_mut_obj_foreach(patch, i, n, key, v)
	{
		const char *s = yyjson_mut_get_str(key);

		if (!strncmp(s, order_prefix, strlen(order_prefix)) ||
			!strncmp(s, delete_prefix, strlen(delete_prefix))) {
			if (!yyjson_mut_is_arr(v))
				return refuse(m, "a directive of a list is not a list");
			if (!directive_alone(
				    m, t, target, patch, key, *(s + 1) == 's' ? order_prefix : delete_prefix))
				return NULL;
			continue;
		}
		if (is_directive(key))
			continue;
		if (yyjson_mut_is_null(v)) {
			yyjson_mut_obj_remove_keyn(target, s, yyjson_mut_get_len(key));
			continue;
		}
		made = merge_value(m, into(t, key), yyjson_mut_obj_getn(target, s, yyjson_mut_get_len(key)),
			v, patch, key);
		if (!made || !patch_put(m->doc, target, key, made))
			return NULL;
	}
	return target;
}

yyjson_mut_val *patch_strategic(yyjson_mut_doc *doc, const struct schema_type *type, yyjson_mut_val *target,
	yyjson_mut_val *patch, struct status **err)
{
	struct merge m = {.doc = doc, .err = err, .budget = {PATCH_PAIRS_MAX}};

	return merge_object(&m, type, target, patch);
}

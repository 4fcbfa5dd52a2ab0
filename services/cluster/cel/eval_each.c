/* SPDX-License-Identifier: Apache-2.0 */

/* What goes through a list or a map, or looks into an optional: a turn for each item, which is in the slot of its variable. */

#include <string.h>

#include "cluster/cel/cel_int.h"

struct turn {
	struct eval *e;
	const struct node *n;
	const struct list *list;
	const struct map *map;
	size_t count;
};

/* The item (and its key, or its place) are in their slots; false: too much work. */
static bool enter(struct turn *t, size_t i)
{
	struct value *slot = &t->e->slots[t->n->slot];

	if (!eval_spend(t->e, 1))
		return false;
	if (t->n->with_keys) {
		slot[-1] = t->map ? t->map->pairs[i].key : value_int((int64_t)i);
		slot[0] = t->map ? t->map->pairs[i].value : t->list->items[i];
	} else {
		slot[0] = t->map ? t->map->pairs[i].key : t->list->items[i];
	}
	return true;
}

static struct value ask(struct turn *t, size_t arg)
{
	struct value v = eval_at(t->e, t->n->args[arg]);

	return v.type == VALUE_BOOL || is_error(v) ? v : value_overload();
}

/* Item @i is taken: does it pass the filter, where there is one? */
static struct value passes(struct turn *t, size_t i, bool filters)
{
	if (!enter(t, i))
		return eval_too_much;
	return filters ? ask(t, 0) : value_bool(true);
}

static struct value quantified(struct turn *t, bool decides)
{
	struct value result = value_bool(!decides);

	for (size_t i = 0; i < t->count; i++) {
		struct value v;

		if (!enter(t, i))
			return eval_too_much;
		v = ask(t, 0);
		if (v.type == VALUE_BOOL && v.b == decides)
			return v;
		if (is_error(v) && !is_error(result))
			result = v;
	}
	return result;
}

static struct value exactly_one(struct turn *t)
{
	size_t found = 0;

	for (size_t i = 0; i < t->count; i++) {
		struct value v = passes(t, i, true);

		if (is_error(v))
			return v;
		found += v.b;
	}
	return value_bool(found == 1);
}

/* map(x, t), map(x, f, t), filter(x, f), transformList(i, x, f, t): what passes the filter, transformed. */
static struct value transformed(struct turn *t)
{
	bool filters = t->n->n == 2 || t->n->each == EACH_FILTER;
	struct value *items, list = value_make_list(t->e, t->count, &items);
	size_t n = 0;

	if (is_error(list))
		return list;
	for (size_t i = 0; i < t->count; i++) {
		struct value v = passes(t, i, filters);

		if (is_error(v))
			return v;
		if (!v.b)
			continue;
		items[n] = t->n->each == EACH_FILTER ? t->e->slots[t->n->slot]
						     : eval_at(t->e, t->n->args[t->n->n - 1]);
		if (is_error(items[n]))
			return items[n];
		n++;
	}
	((struct list *)(uintptr_t)list.list)->n = n;
	return list;
}

static struct value entries(struct turn *t)
{
	struct map *m = NULL;
	struct value map = value_make_map(t->e, t->count, &m);

	for (size_t i = 0; m && !is_error(map) && i < t->count; i++) {
		struct value v = passes(t, i, t->n->n == 2);

		if (is_error(v))
			return v;
		if (!v.b)
			continue;
		m->pairs[m->n].key = t->e->slots[t->n->slot - 1];
		m->pairs[m->n].value = eval_at(t->e, t->n->args[t->n->n - 1]);
		if (is_error(m->pairs[m->n].value))
			return m->pairs[m->n].value;
		m->n++;
	}
	return map;
}

/* All of @more into @m, which has @room; an error, or something else. */
static struct value merge(struct eval *e, struct map *m, size_t *room, const struct map *more)
{
	struct value whole = {.type = VALUE_MAP, .map = m}, seen;

	for (size_t i = 0; i < more->n; i++) {
		if (value_lookup(e, whole, more->pairs[i].key, &seen)) {
			seen = value_written(e, more->pairs[i].key);
			return is_error(seen) ? seen
					      : value_error(e, "insert failed: key %.*s already exists",
							(int)seen.text.n, seen.text.s);
		}
		if (m->n == *room) {
			struct pair *pairs = arena_get(&e->arena, 2 * *room * sizeof(*pairs));

			if (!pairs)
				return value_no_room;
			memcpy(pairs, m->pairs, m->n * sizeof(*pairs));
			m->pairs = pairs;
			*room *= 2;
		}
		m->pairs[m->n++] = more->pairs[i];
	}
	return whole;
}

static struct value merged(struct turn *t)
{
	size_t room = t->count ? t->count : 1;
	struct map *m = NULL;
	struct value whole = value_make_map(t->e, room, &m);

	for (size_t i = 0; !is_error(whole) && i < t->count; i++) {
		const struct map *more;
		struct value v = passes(t, i, t->n->n == 2);

		if (is_error(v))
			return v;
		if (!v.b)
			continue;
		v = eval_at(t->e, t->n->args[t->n->n - 1]);
		if (v.type != VALUE_MAP)
			return is_error(v) ? v : value_overload();
		more = value_map(t->e, v);
		whole = more ? merge(t->e, m, &room, more) : eval_too_much;
	}
	return whole;
}

static struct value sorted(struct turn *t)
{
	struct value *keys, made = value_make_list(t->e, t->count, &keys);

	/* the keys of a map are no list that could be sorted */
	if (t->map)
		return value_overload();
	if (is_error(made))
		return made;
	for (size_t i = 0; i < t->count; i++) {
		if (!enter(t, i))
			return eval_too_much;
		keys[i] = eval_at(t->e, t->n->args[0]);
		if (is_error(keys[i]))
			return keys[i];
	}
	return list_sort(t->e, t->list, keys);
}

static struct value looked_into(struct eval *e, const struct node *n, struct value over)
{
	struct value made;

	if (over.type != VALUE_OPTIONAL)
		return value_overload();
	if (!over.in)
		return over;
	e->slots[n->slot] = *over.in;
	made = eval_at(e, n->args[0]);
	if (is_error(made))
		return made;
	if (n->each == EACH_OPTIONAL)
		return value_optional(e, &made);
	return made.type == VALUE_OPTIONAL ? made : value_overload();
}

struct value eval_each(struct eval *e, const struct node *n)
{
	struct value over = eval_at(e, n->operand);
	struct turn t = {.e = e, .n = n};

	if (is_error(over))
		return over;
	if (n->each == EACH_OPTIONAL || n->each == EACH_FLAT)
		return looked_into(e, n, over);
	if (n->each == EACH_BIND) {
		e->slots[n->slot] = over;
		return eval_at(e, n->args[0]);
	}
	if (over.type != VALUE_LIST && over.type != VALUE_MAP)
		return value_overload();
	if (over.type == VALUE_LIST)
		t.list = value_list(e, over);
	else
		t.map = value_map(e, over);
	if (!t.list && !t.map)
		return eval_too_much;
	t.count = t.list ? t.list->n : t.map->n;
	switch (n->each) {
	case EACH_ALL:
	case EACH_EXISTS:
		return quantified(&t, n->each == EACH_EXISTS);
	case EACH_ONE:
		return exactly_one(&t);
	case EACH_ENTRIES:
		return entries(&t);
	case EACH_MERGE:
		return merged(&t);
	case EACH_SORT:
		return sorted(&t);
	default:
		return transformed(&t);
	}
}

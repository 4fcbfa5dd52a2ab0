/* SPDX-License-Identifier: Apache-2.0 */

/* Lists that are made of lists: parts of them, all that is in them, in another order. */

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "cluster/cel/cel_int.h"

/* As upstream has it, whatever room there is. */
enum { RANGE_MAX = 10000000 };

static void keep(struct value list, size_t n)
{
	((struct list *)(uintptr_t)list.list)->n = n;
}

static struct value slice(struct eval *e, const struct value *args, size_t n)
{
	const struct list *l = args[0].type == VALUE_LIST ? value_list(e, args[0]) : NULL;
	int64_t from = args[1].i, to = args[2].i;
	struct value *items, made;

	if (args[0].type != VALUE_LIST || args[1].type != VALUE_INT || args[2].type != VALUE_INT)
		return value_overload();
	if (!l)
		return value_no_room;
	if (from < 0 || to < 0)
		return value_error(e, "cannot slice(%lld, %lld), negative indexes not supported",
			(long long)from, (long long)to);
	if (from > to)
		return value_error(e,
			"cannot slice(%lld, %lld), start index must be less than or equal to end index",
			(long long)from, (long long)to);
	if ((uint64_t)to > l->n)
		return value_error(e, "cannot slice(%lld, %lld), list is length %zu", (long long)from,
			(long long)to, l->n);
	made = value_make_list(e, (size_t)(to - from), &items);
	if (!is_error(made))
		memcpy(items, l->items + from, (size_t)(to - from) * sizeof(*items));
	return made;
}

static struct value range(struct eval *e, const struct value *args, size_t n)
{
	struct value *items = NULL, made;
	int64_t count = args[0].i;

	if (args[0].type != VALUE_INT)
		return value_overload();
	if (count < 0)
		return value_error(e, "lists.range: size must be non-negative, got %lld", (long long)count);
	if (count > RANGE_MAX)
		return value_error(e, "lists.range: size %lld exceeds maximum allowed (%d)", (long long)count,
			RANGE_MAX);
	made = eval_spend(e, (size_t)count) ? value_make_list(e, (size_t)count, &items) : value_no_room;
	for (int64_t i = 0; items && !is_error(made) && i < count; i++)
		items[i] = value_int(i);
	return made;
}

static struct value reverse(struct eval *e, const struct value *args, size_t n)
{
	const struct list *l = args[0].type == VALUE_LIST ? value_list(e, args[0]) : NULL;
	struct value *items = NULL, made = l ? value_make_list(e, l->n, &items) : value_no_room;

	if (args[0].type != VALUE_LIST)
		return value_overload();
	for (size_t i = 0; l && items && !is_error(made) && i < l->n; i++)
		items[i] = l->items[l->n - 1 - i];
	return made;
}

static struct value distinct(struct eval *e, const struct value *args, size_t n)
{
	const struct list *l = args[0].type == VALUE_LIST ? value_list(e, args[0]) : NULL;
	struct value *items, made;
	size_t count = 0;

	if (!l)
		return args[0].type == VALUE_LIST ? value_no_room : value_overload();
	made = value_make_list(e, l->n, &items);
	for (size_t i = 0; !is_error(made) && i < l->n; i++) {
		size_t j = 0;

		while (j < count && !value_equal(e, items[j], l->items[i]))
			j++;
		if (e->arena.full)
			return value_no_room;
		if (j == count)
			items[count++] = l->items[i];
	}
	if (!is_error(made))
		keep(made, count);
	return made;
}

/* ---- flatten */

/* How many items there are, so deep; into @items unless that is NULL. SIZE_MAX: too much work. */
static size_t gather(struct eval *e, struct value of, int64_t deep, struct value *items)
{
	const struct list *l = value_list(e, of);
	size_t count = 0;

	if (!l || !eval_spend(e, l->n + 1))
		return SIZE_MAX;
	for (size_t i = 0; i < l->n; i++) {
		size_t more = 1;

		if (deep > 0 && l->items[i].type == VALUE_LIST)
			more = gather(e, l->items[i], deep - 1, items ? items + count : NULL);
		else if (items)
			items[count] = l->items[i];
		if (more == SIZE_MAX)
			return more;
		count += more;
	}
	return count;
}

static struct value flatten(struct eval *e, const struct value *args, size_t n)
{
	int64_t deep = n > 1 ? args[1].i : 1;
	struct value *items = NULL, made;
	size_t count;

	if (args[0].type != VALUE_LIST || (n > 1 && args[1].type != VALUE_INT))
		return value_overload();
	if (deep < 0)
		return value_error(e, "level must be non-negative");
	/* nothing that is looked at is deeper than that */
	deep = deep < VALUE_DEPTH_MAX ? deep : VALUE_DEPTH_MAX;
	count = gather(e, args[0], deep, NULL);
	made = count == SIZE_MAX ? value_no_room : value_make_list(e, count, &items);
	if (!is_error(made) && items && gather(e, args[0], deep, items) == SIZE_MAX)
		return value_no_room;
	return made;
}

/* ---- sorting */

struct keyed {
	struct value key, item;
	size_t at;
};

/* Those that are alike stay in their order; what is no number at all comes first. */
static int by_key(const void *a, const void *b)
{
	const struct keyed *x = a, *y = b;
	int order;

	if (!value_order(NULL, x->key, y->key, &order))
		order = (isnan(y->key.d) != 0) - (isnan(x->key.d) != 0);
	return order ? order : (x->at > y->at) - (x->at < y->at);
}

static bool is_comparable(struct value v)
{
	return is_number(v) || v.type == VALUE_BOOL || v.type == VALUE_STRING || v.type == VALUE_BYTES ||
	       v.type == VALUE_TIMESTAMP || v.type == VALUE_DURATION;
}

struct value list_sort(struct eval *e, const struct list *l, const struct value *keys)
{
	struct value *items, made = value_make_list(e, l->n, &items);
	struct keyed *all = arena_get(&e->arena, (l->n + 1) * sizeof(*all));
	size_t steps = l->n;

	/* n log n, and the bytes of texts that are alike */
	for (size_t n = l->n; n; n /= 2)
		steps += l->n;
	for (size_t i = 0; i < l->n; i++) {
		if (!is_comparable(keys[i]))
			return i ? value_error(e, "list elements must have the same type")
				 : value_error(e, "list elements must be comparable");
		if (keys[i].type != keys[0].type)
			return value_error(e, "list elements must have the same type");
		if (keys[i].type == VALUE_STRING || keys[i].type == VALUE_BYTES)
			steps += keys[i].text.n;
	}
	if (is_error(made) || !all || !eval_spend(e, steps))
		return value_no_room;
	for (size_t i = 0; i < l->n; i++)
		all[i] = (struct keyed){keys[i], l->items[i], i};
	qsort(all, l->n, sizeof(*all), by_key);
	for (size_t i = 0; i < l->n; i++)
		items[i] = all[i].item;
	return made;
}

static struct value sort(struct eval *e, const struct value *args, size_t n)
{
	const struct list *l = args[0].type == VALUE_LIST ? value_list(e, args[0]) : NULL;

	if (args[0].type != VALUE_LIST)
		return value_overload();
	return l ? list_sort(e, l, l->items) : value_no_room;
}

/* ---- lists and optionals */

static struct value end_of(struct eval *e, struct value v, bool last)
{
	const struct list *l = v.type == VALUE_LIST ? value_list(e, v) : NULL;

	if (!l)
		return v.type == VALUE_LIST ? value_no_room : value_overload();
	return value_optional(e, l->n ? &l->items[last ? l->n - 1 : 0] : NULL);
}

static struct value first(struct eval *e, const struct value *args, size_t n)
{
	return end_of(e, args[0], false);
}

static struct value last(struct eval *e, const struct value *args, size_t n)
{
	return end_of(e, args[0], true);
}

static struct value unwrap(struct eval *e, const struct value *args, size_t n)
{
	const struct list *l = args[0].type == VALUE_LIST ? value_list(e, args[0]) : NULL;
	struct value *items, made;
	size_t count = 0;

	if (!l)
		return args[0].type == VALUE_LIST ? value_no_room : value_overload();
	made = value_make_list(e, l->n, &items);
	for (size_t i = 0; !is_error(made) && i < l->n; i++) {
		if (l->items[i].type != VALUE_OPTIONAL)
			return value_overload();
		if (l->items[i].in)
			items[count++] = *l->items[i].in;
	}
	if (!is_error(made))
		keep(made, count);
	return made;
}

const struct function cel_orders[] = {
	{"slice", true, "[a]II>[a]", slice},
	{"flatten", true, "[[a]]>[a] [*]I>[*]", flatten},
	{"distinct", true, "[a]>[a]", distinct},
	{"sort", true, "[I]>[I] [U]>[U] [D]>[D] [B]>[B] [S]>[S] [Y]>[Y] [T]>[T] [P]>[P]", sort},
	{"reverse", true, "[a]>[a]", reverse},
	{"lists.range", false, "I>[I]", range},
	{"first", true, "[a]>?a", first},
	{"last", true, "[a]>?a", last},
	{"optional.unwrap", false, "[?a]>[a]", unwrap},
	{"unwrapOpt", true, "[?a]>[a]", unwrap},
	{NULL},
};

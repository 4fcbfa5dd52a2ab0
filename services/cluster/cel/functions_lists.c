/* SPDX-License-Identifier: Apache-2.0 */

/* Lists as wholes, and as sets. */

#include "cluster/cel/cel_int.h"

/* Of a list; NULL: *error says why not. */
static const struct list *list_of(struct eval *e, struct value v, struct value *error)
{
	const struct list *l = v.type == VALUE_LIST ? value_list(e, v) : NULL;

	*error = v.type == VALUE_LIST ? value_no_room : value_overload();
	return l && eval_spend(e, l->n) ? l : NULL;
}

static struct value is_sorted(struct eval *e, const struct value *args, size_t n)
{
	struct value error;
	const struct list *l = list_of(e, args[0], &error);
	int order;

	if (!l)
		return error;
	for (size_t i = 1; i < l->n; i++) {
		if (!value_order(e, l->items[i - 1], l->items[i], &order))
			return value_overload();
		if (order > 0)
			return value_bool(false);
	}
	return value_bool(true);
}

static struct value sum(struct eval *e, const struct value *args, size_t n)
{
	struct value error, pair[2];
	const struct list *l = list_of(e, args[0], &error);
	const struct function *add = function_find((struct text){"_+_", 3}, false);

	if (!l)
		return error;
	pair[0] = value_int(0);
	for (size_t i = 0; i < l->n && !is_error(pair[0]); i++) {
		pair[1] = l->items[i];
		if (!is_number(pair[1]) && pair[1].type != VALUE_DURATION)
			return value_overload();
		pair[0] = i ? add->fn(e, pair, 2) : pair[1];
	}
	return pair[0];
}

/* The least (sign -1) or the greatest (1). */
static struct value outermost(struct eval *e, struct value v, int sign)
{
	struct value error, best;
	const struct list *l = list_of(e, v, &error);
	int order;

	if (!l)
		return error;
	if (!l->n)
		return value_error(e, "%s called on empty list", sign < 0 ? "min" : "max");
	best = l->items[0];
	for (size_t i = 0; i < l->n; i++) {
		if (!value_order(e, l->items[i], best, &order))
			return value_overload();
		if (order * sign > 0)
			best = l->items[i];
	}
	return best;
}

static struct value min(struct eval *e, const struct value *args, size_t n)
{
	return outermost(e, args[0], -1);
}

static struct value max(struct eval *e, const struct value *args, size_t n)
{
	return outermost(e, args[0], 1);
}

struct value list_index(struct eval *e, const struct value *args, bool last)
{
	struct value error;
	const struct list *l = list_of(e, args[0], &error);
	int64_t found = -1;

	if (!l)
		return error;
	for (size_t i = 0; i < l->n && (last || found < 0); i++)
		if (value_equal(e, l->items[i], args[1]))
			found = (int64_t)i;
	return value_int(found);
}

static bool has(struct eval *e, const struct list *l, struct value v)
{
	for (size_t i = 0; i < l->n; i++)
		if (value_equal(e, l->items[i], v))
			return true;
	return false;
}

static bool has_all(struct eval *e, const struct list *l, const struct list *of)
{
	for (size_t i = 0; i < of->n; i++)
		if (!has(e, l, of->items[i]))
			return false;
	return true;
}

/* Both lists of a question about sets; false: *error. */
static bool two_lists(struct eval *e, const struct value *args, const struct list **a, const struct list **b,
	struct value *error)
{
	*a = list_of(e, args[0], error);
	*b = *a ? list_of(e, args[1], error) : NULL;
	return *b;
}

static struct value sets_contains(struct eval *e, const struct value *args, size_t n)
{
	struct value error;
	const struct list *a, *b;

	return two_lists(e, args, &a, &b, &error) ? value_bool(has_all(e, a, b)) : error;
}

static struct value sets_equivalent(struct eval *e, const struct value *args, size_t n)
{
	struct value error;
	const struct list *a, *b;

	return two_lists(e, args, &a, &b, &error) ? value_bool(has_all(e, a, b) && has_all(e, b, a)) : error;
}

static struct value sets_intersects(struct eval *e, const struct value *args, size_t n)
{
	struct value error;
	const struct list *a, *b;

	if (!two_lists(e, args, &a, &b, &error))
		return error;
	for (size_t i = 0; i < b->n; i++)
		if (has(e, a, b->items[i]))
			return value_bool(true);
	return value_bool(false);
}

#define OUTERMOST "[I]>I [U]>U [D]>D [B]>B [S]>S [Y]>Y [T]>T [P]>P"

const struct function cel_lists[] = {
	{"isSorted", true, "[I]>B [U]>B [D]>B [B]>B [S]>B [Y]>B [T]>B [P]>B", is_sorted},
	{"sum", true, "[I]>I [U]>U [D]>D [P]>P", sum},
	{"min", true, OUTERMOST, min},
	{"max", true, OUTERMOST, max},
	{"sets.contains", false, "[a][a]>B", sets_contains},
	{"sets.equivalent", false, "[a][a]>B", sets_equivalent},
	{"sets.intersects", false, "[a][a]>B", sets_intersects},
	{NULL},
};

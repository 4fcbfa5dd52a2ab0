/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Items of lists that may be there once: by their keys, or whole. They are put in order first, for a body has room for some hundred
 * thousand of them, and comparing each with each would keep everybody else waiting.
 */

#include <stdlib.h>
#include <string.h>

#include "cluster/schema/canonical_int.h"
#include "cluster/schema/check_int.h"
#include "cluster/schema/meta.h"

struct item {
	yyjson_mut_val *value;
	size_t list, index;
	const struct check_once *rule;
	char *text; /* owned: of a list or an object that counts as a whole */
	bool again;
};

static int by_size(size_t a, size_t b)
{
	return a < b ? -1 : a > b;
}

/* 0 for all that may be equal: equal numbers are, and lists and objects are told apart by their size alone. */
static int order(yyjson_mut_val *a, yyjson_mut_val *b)
{
	int differ = by_size(yyjson_mut_get_type(a), yyjson_mut_get_type(b));

	if (differ)
		return differ;
	switch (yyjson_mut_get_type(a)) {
	case YYJSON_TYPE_BOOL:
		return yyjson_mut_get_bool(a) - yyjson_mut_get_bool(b);
	case YYJSON_TYPE_NUM:
		return yyjson_mut_get_num(a) < yyjson_mut_get_num(b)
			       ? -1
			       : yyjson_mut_get_num(a) > yyjson_mut_get_num(b);
	case YYJSON_TYPE_STR:
		differ = by_size(yyjson_mut_get_len(a), yyjson_mut_get_len(b));
		return differ ? differ
			      : memcmp(yyjson_mut_get_str(a), yyjson_mut_get_str(b), yyjson_mut_get_len(a));
	default:
		return by_size(yyjson_mut_get_len(a), yyjson_mut_get_len(b));
	}
}

/* NULL for none and, where the rule says so, for one that is empty. */
static yyjson_mut_val *member(const struct item *x, const char *key)
{
	yyjson_mut_val *v = yyjson_mut_obj_get(x->value, key);

	if (x->rule->empty == CHECK_EMPTY_IS_A_VALUE)
		return v;
	return yyjson_mut_is_num(v)   ? (yyjson_mut_get_num(v) != 0 ? v : NULL)
	       : yyjson_mut_is_str(v) ? (yyjson_mut_get_len(v) ? v : NULL)
				      : v;
}

static int by_value(const struct item *x, const struct item *y)
{
	int differ = 0;

	if (!x->rule->keys)
		return order(x->value, y->value) ?: x->text && y->text ? strcmp(x->text, y->text) : 0;
	for (const char *const *k = x->rule->keys; *k && !differ; k++)
		differ = order(member(x, *k), member(y, *k));
	return differ;
}

static int by_place(const void *a, const void *b)
{
	const struct item *x = a, *y = b;
	int differ = by_size(x->list, y->list);

	return differ ? differ : by_size(x->index, y->index);
}

static int by_value_and_place(const void *a, const void *b)
{
	int differ = by_value(a, b);

	return differ ? differ : by_place(a, b);
}

static bool same(const struct item *x, const struct item *y)
{
	if (!x->rule->keys)
		return meta_equal(x->value, y->value);
	for (const char *const *k = x->rule->keys; *k; k++) {
		yyjson_mut_val *a = member(x, *k), *b = member(y, *k);

		if ((a || b) && !meta_equal(a, b))
			return false;
	}
	return true;
}

/* Among those before it that may be equal the first of its kind is the one to find: the search ends there. */
static void mark(struct item *items, size_t n)
{
	for (size_t i = 1, first = 0; i < n; i++) {
		if (by_value(&items[i - 1], &items[i]))
			first = i;
		for (size_t j = first; j < i && !items[i].again; j++)
			items[i].again = same(&items[i], &items[j]);
	}
}

static void complain(struct check *c, const struct item *item, const char *where)
{
	const struct check_once *r = item->rule;

	check_error(c, r->type, r->member ? yyjson_mut_obj_get(item->value, r->member) : item->value,
		REL("%s[%zu]%s%s", where, item->index, r->member ? "." : "", r->member ?: ""), "%s",
		r->why ?: "");
}

void check_once(
	struct check *c, const struct check_list *lists, size_t n_lists, const struct check_once *rule)
{
	size_t total = 0, n = 0, i, max;
	struct item *items;
	yyjson_mut_val *v;

	for (size_t l = 0; l < n_lists; l++)
		total += yyjson_mut_arr_size(lists[l].items);
	if (total < 2)
		return;
	items = calloc(total, sizeof(*items));
	if (!items) {
		c->errors->no_memory = true;
		return;
	}
	for (size_t l = 0; l < n_lists; l++)
		yyjson_mut_arr_foreach(lists[l].items, i, max, v)
		{
			items[n] = (struct item){.value = v, .list = l, .index = i, .rule = rule};
			if (!rule->keys && yyjson_mut_is_ctn(v) && !(items[n].text = canonical_text(v)))
				c->errors->no_memory = true;
			n += rule->empty != CHECK_EMPTY_IS_NONE || member(&items[n], rule->keys[0]);
		}
	qsort(items, n, sizeof(*items), by_value_and_place);
	mark(items, n);
	qsort(items, n, sizeof(*items), by_place);
	for (i = 0; i < n; i++)
		if (items[i].again)
			complain(c, &items[i], lists[items[i].list].where);
	for (i = 0; i < n; i++)
		free(items[i].text);
	free(items);
}

void check_twice(struct check *c, yyjson_mut_val *list, const struct schema_rules *r)
{
	const char *const *keys = r ? r->keys : NULL;
	const struct check_once rule = {.keys = keys,
		.empty = CHECK_EMPTY_IS_A_VALUE,
		.type = FIELD_DUPLICATE,
		.member = keys && keys[0] && !keys[1] ? keys[0] : NULL};

	check_once(c, &(struct check_list){list, ""}, 1, &rule);
}

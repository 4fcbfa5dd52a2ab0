/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Items of a list that may be there once: by their keys, or whole. They are put in order first, for a body has room for some hundred
 * thousand of them, and comparing each with each would keep everybody else waiting.
 */

#include <stdlib.h>
#include <string.h>

#include "cluster/schema/check_int.h"
#include "cluster/schema/meta.h"

struct item {
	yyjson_mut_val *value;
	size_t index;
	const struct schema_rules *rules;
	bool again;
};

static int by_size(size_t a, size_t b)
{
	return a < b ? -1 : a > b;
}

/* 0 for all that may be equal: equal numbers are, and objects are told apart by their size alone. */
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

static bool by_keys(const struct schema_rules *r)
{
	return r && r->keys;
}

static int by_value(const struct item *x, const struct item *y)
{
	int differ = 0;

	if (!by_keys(x->rules))
		differ = order(x->value, y->value);
	else
		for (const char *const *k = x->rules->keys; *k && !differ; k++)
			differ = order(yyjson_mut_obj_get(x->value, *k), yyjson_mut_obj_get(y->value, *k));
	return differ;
}

static int by_value_and_index(const void *a, const void *b)
{
	int differ = by_value(a, b);

	return differ ? differ : by_size(((const struct item *)a)->index, ((const struct item *)b)->index);
}

static int by_index(const void *a, const void *b)
{
	return by_size(((const struct item *)a)->index, ((const struct item *)b)->index);
}

static bool same(const struct item *x, const struct item *y)
{
	if (!by_keys(x->rules))
		return meta_equal(x->value, y->value);
	for (const char *const *k = x->rules->keys; *k; k++) {
		yyjson_mut_val *a = yyjson_mut_obj_get(x->value, *k), *b = yyjson_mut_obj_get(y->value, *k);

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

void check_twice(struct check *c, yyjson_mut_val *list, const struct schema_rules *r)
{
	size_t i, n = yyjson_mut_arr_size(list), max;
	const char *key = by_keys(r) && r->keys[0] && !r->keys[1] ? r->keys[0] : NULL;
	struct item *items;
	yyjson_mut_val *v;

	if (n < 2)
		return;
	items = calloc(n, sizeof(*items));
	if (!items) {
		c->errors->no_memory = true;
		return;
	}
	yyjson_mut_arr_foreach(list, i, max, v) items[i] = (struct item){.value = v, .index = i, .rules = r};
	qsort(items, n, sizeof(*items), by_value_and_index);
	mark(items, n);
	qsort(items, n, sizeof(*items), by_index);
	for (i = 0; i < n; i++) {
		if (!items[i].again)
			continue;
		if (key)
			check_error(c, FIELD_DUPLICATE, yyjson_mut_obj_get(items[i].value, key),
				REL("[%zu].%s", i, key), "%s", "");
		else
			check_error(c, FIELD_DUPLICATE, items[i].value, REL("[%zu]", i), "%s", "");
	}
	free(items);
}

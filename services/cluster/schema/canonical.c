/* SPDX-License-Identifier: Apache-2.0 */

/* A copy whose members are put in order, and whose numbers are whole where they can be, is written. */

#include <stdlib.h>
#include <string.h>

#include "cluster/schema/canonical_int.h"
#include "lib/json.h"

/* Beyond it not every whole number is a real one. */
#define WHOLE_MAX 9007199254740992.0

struct member {
	yyjson_mut_val *key, *value;
};

static int by_key(const void *a, const void *b)
{
	const struct member *x = a, *y = b;
	size_t n = yyjson_mut_get_len(x->key), m = yyjson_mut_get_len(y->key);

	return n != m ? (n > m) - (n < m) : memcmp(yyjson_mut_get_str(x->key), yyjson_mut_get_str(y->key), n);
}

static bool put_in_order(yyjson_mut_val *v);

static bool order_members(yyjson_mut_val *o)
{
	size_t i, n = yyjson_mut_obj_size(o);
	struct member *all = calloc(n + 1, sizeof(*all));
	yyjson_mut_val *key, *value;
	bool ok = all;

	if (!all)
		return false;
	yyjson_mut_obj_foreach(o, i, n, key, value)
	{
		all[i] = (struct member){key, value};
		ok = ok && put_in_order(value);
	}
	qsort(all, n, sizeof(*all), by_key);
	yyjson_mut_obj_clear(o);
	for (i = 0; i < n; i++)
		ok = ok && yyjson_mut_obj_add(o, all[i].key, all[i].value);
	free(all);
	return ok;
}

static bool put_in_order(yyjson_mut_val *v)
{
	size_t i, n;
	yyjson_mut_val *item;
	double real = yyjson_mut_is_real(v) ? yyjson_mut_get_real(v) : 0.5;

	if (yyjson_mut_is_obj(v))
		return order_members(v);
	yyjson_mut_arr_foreach(v, i, n, item) if (!put_in_order(item)) return false;
	if (real > -WHOLE_MAX && real < WHOLE_MAX && real == (double)(int64_t)real)
		yyjson_mut_set_sint(v, (int64_t)real);
	return true;
}

yyjson_mut_val *canonical_copy(yyjson_mut_doc *doc, yyjson_mut_val *v)
{
	yyjson_mut_val *copy = yyjson_mut_val_mut_copy(doc, v);

	return copy && put_in_order(copy) ? copy : NULL;
}

char *canonical_text(yyjson_mut_val *v)
{
	cleanup(json_mut_docp) yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
	yyjson_mut_val *copy = doc ? canonical_copy(doc, v) : NULL;

	return copy ? yyjson_mut_val_write(copy, YYJSON_WRITE_ALLOW_INVALID_UNICODE, NULL) : NULL;
}

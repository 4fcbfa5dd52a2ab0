/* SPDX-License-Identifier: Apache-2.0 */

/* Names in order of their lengths, then of their bytes, then of their places. */

#include <stdlib.h>
#include <string.h>

#include "cluster/schema/lookup_int.h"

enum { FEW_MEMBERS = 24, FEW_TIMES = 8 };

struct lookup_entry {
	const char *name;
	size_t len, place;
	yyjson_mut_val *value;
};

static int by_name(const struct lookup_entry *e, const char *name, size_t len)
{
	if (e->len != len)
		return e->len < len ? -1 : 1;
	return len ? memcmp(e->name, name, len) : 0;
}

static int by_name_and_place(const void *a, const void *b)
{
	const struct lookup_entry *x = a, *y = b;
	int differ = by_name(x, y->name, y->len);

	return differ ? differ : (x->place > y->place) - (x->place < y->place);
}

void lookup_init(struct lookup *l, yyjson_mut_val *object, size_t times)
{
	size_t i, n = yyjson_mut_obj_size(object);
	yyjson_mut_val *key, *v;

	*l = (struct lookup){.in = object};
	if (n > FEW_MEMBERS && times > FEW_TIMES)
		l->at = malloc(n * sizeof(*l->at));
	if (!l->at)
		return;
	yyjson_mut_obj_foreach(object, i, n, key, v) l->at[l->n++] = (struct lookup_entry){
		.name = yyjson_mut_get_str(key), .len = yyjson_mut_get_len(key), .place = i, .value = v};
	qsort(l->at, l->n, sizeof(*l->at), by_name_and_place);
}

void lookup_fini(struct lookup *l)
{
	free(l->at);
}

yyjson_mut_val *lookup_get(const struct lookup *l, const char *name, size_t len)
{
	size_t low = 0, high = l->n;

	if (!l->at)
		return yyjson_mut_obj_getn(l->in, name, len);
	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (by_name(&l->at[middle], name, len) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low < l->n && !by_name(&l->at[low], name, len) ? l->at[low].value : NULL;
}

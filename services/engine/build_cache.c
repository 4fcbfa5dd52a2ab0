/* SPDX-License-Identifier: Apache-2.0 */

/* See build_cache.h. */

#include <string.h>

#include "engine/build_cache.h"
#include "engine/files.h"
#include "engine/image.h"
#include "engine/system.h"
#include "lib/json.h"

/* n: none. */
static size_t parent_of(const struct image *const *all, size_t n, const struct image *img)
{
	size_t i = 0;

	while (i < n && strcmp(all[i]->id, img->parent) != 0)
		i++;
	return i;
}

bool *build_cache_only(struct engine *e, const struct image *const *all, size_t n)
{
	bool *only = malloc(n + 1);

	for (size_t i = 0; only && i < n; i++)
		only[i] = all[i]->step;
	for (size_t i = 0; only && i < n; i++) {
		char container[65];

		/* One that is needed needs those that it was made from. */
		if (!all[i]->step || all[i]->n_repo_tags || all[i]->builtin ||
			image_use_of(all[i]->id, container, e) != IMAGE_UNUSED)
			for (size_t k = i; k < n; k = parent_of(all, n, all[k]))
				only[k] = false;
	}
	return only;
}

/* Is it a layer of an image that stays, or was it counted with an earlier one? */
static bool counted_elsewhere(
	const struct image *const *all, size_t n, const bool *only, size_t i, const char *diff_id)
{
	for (size_t k = 0; k < n; k++)
		for (size_t l = 0; (k < i || !only[k]) && k != i && l < all[k]->n_layers; l++)
			if (!strcmp(all[k]->layers[l].diff_id, diff_id))
				return true;
	return false;
}

/* What goes with it: of one that is needed, what it adds to what it was made from. */
static uint64_t own_bytes(const struct image *const *all, size_t n, const bool *only, size_t i)
{
	size_t parent = parent_of(all, n, all[i]);
	uint64_t bytes = 0;

	for (size_t l = only[i] || parent == n ? 0 : all[parent]->n_layers; l < all[i]->n_layers; l++)
		if (!only[i] || !counted_elsewhere(all, n, only, i, all[i]->layers[l].diff_id))
			bytes += all[i]->layers[l].size_bytes;
	return bytes;
}

static yyjson_mut_val *record(
	const struct image *const *all, size_t n, const bool *only, size_t i, yyjson_mut_doc *doc)
{
	yyjson_mut_val *o = yyjson_mut_obj(doc), *parents = yyjson_mut_arr(doc);
	struct image_history *lines = NULL;
	ssize_t n_lines = image_history(all[i], &lines);
	size_t parent = parent_of(all, n, all[i]);

	if (parent < n && all[parent]->step)
		yyjson_mut_arr_add_strcpy(doc, parents, all[parent]->id);
	yyjson_mut_obj_add_strcpy(doc, o, "ID", all[i]->id);
	yyjson_mut_obj_add_val(doc, o, "Parents", parents);
	yyjson_mut_obj_add_str(doc, o, "Type", "regular");
	yyjson_mut_obj_add_strcpy(doc, o, "Description", n_lines > 0 ? lines[0].created_by : "");
	yyjson_mut_obj_add_bool(doc, o, "InUse", !only[i]);
	yyjson_mut_obj_add_bool(doc, o, "Shared", !only[i]);
	yyjson_mut_obj_add_uint(doc, o, "Size", own_bytes(all, n, only, i));
	yyjson_mut_obj_add_strcpy(doc, o, "CreatedAt", all[i]->created);
	yyjson_mut_obj_add_null(doc, o, "LastUsedAt");
	yyjson_mut_obj_add_int(doc, o, "UsageCount", 0);
	free(lines);
	return o;
}

yyjson_mut_val *build_cache_json(
	const struct image *const *all, size_t n, const bool *only, yyjson_mut_doc *doc)
{
	yyjson_mut_val *arr = yyjson_mut_arr(doc);

	for (size_t i = 0; i < n; i++)
		if (all[i]->step)
			yyjson_mut_arr_append(arr, record(all, n, only, i, doc));
	return arr;
}

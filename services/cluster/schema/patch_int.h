/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLUSTER_PATCH_INT_H
#define CLUSTER_PATCH_INT_H

#include <yyjson.h>

#include "lib/util.h"

struct status;

/*
 * What one patch may do in all, some tenths of a second: members or items of it and of what it is about that are looked at for each
 * other; of a JSON patch, members and items that are on the way to what its operations name. The way is counted once, and an operation
 * goes it up to four times: to count it, to find what holds its end, and to look at that and set it.
 */
enum { PATCH_PAIRS_MAX = 25000000, PATCH_STEPS_MAX = 40000000 };
struct patch_budget {
	size_t left;
};
/* false: it is not enough. */
must_check static inline bool patch_spend(struct patch_budget *b, size_t n)
{
	if (n > b->left)
		return false;
	b->left -= n;
	return true;
}
/* The members of one object. */
must_check static inline bool patch_spend_members(
	struct patch_budget *b, yyjson_mut_val *target, yyjson_mut_val *patch)
{
	return patch_spend(
		b, (yyjson_mut_obj_size(target) + yyjson_mut_obj_size(patch)) * yyjson_mut_obj_size(patch));
}
/* 413 */
struct status *patch_too_long(void);

/* Values in a document, itself included. */
size_t patch_count(yyjson_mut_val *v);
/* Set a member, unless it is @v already; the key is copied. */
must_check bool patch_put(
	yyjson_mut_doc *doc, yyjson_mut_val *object, yyjson_mut_val *key, yyjson_mut_val *v);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLUSTER_PATCH_INT_H
#define CLUSTER_PATCH_INT_H

#include <yyjson.h>

#include "lib/util.h"

/* Members or items of a patch and of what it is about that are looked at for each other, at most: some tenths of a second. */
enum { PATCH_PAIRS_MAX = 25000000 };
/* Is that more for the members of one object? */
static inline bool patch_too_long(yyjson_mut_val *target, yyjson_mut_val *patch)
{
	return (yyjson_mut_obj_size(target) + yyjson_mut_obj_size(patch)) * yyjson_mut_obj_size(patch) >
	       PATCH_PAIRS_MAX;
}

/* Values in a document, itself included. */
size_t patch_count(yyjson_mut_val *v);
/* Set a member, unless it is @v already; the key is copied. */
must_check bool patch_put(
	yyjson_mut_doc *doc, yyjson_mut_val *object, yyjson_mut_val *key, yyjson_mut_val *v);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLUSTER_PATCH_INT_H
#define CLUSTER_PATCH_INT_H

#include <yyjson.h>

#include "lib/util.h"

/* Values in a document, itself included. */
size_t patch_count(yyjson_mut_val *v);
/* Set a member, unless it is @v already; the key is copied. */
must_check bool patch_put(
	yyjson_mut_doc *doc, yyjson_mut_val *object, yyjson_mut_val *key, yyjson_mut_val *v);

#endif

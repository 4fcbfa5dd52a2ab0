/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLUSTER_CANONICAL_INT_H
#define CLUSTER_CANONICAL_INT_H

#include <yyjson.h>

/*
 * The one text of a value, whatever the order of members and the form of numbers: what meta_equal() finds equal has the same.
 * malloc'ed. NULL: no memory.
 */
char *canonical_text(yyjson_mut_val *v);
/* A copy in @doc whose text that is. NULL: no memory. */
yyjson_mut_val *canonical_copy(yyjson_mut_doc *doc, yyjson_mut_val *v);

#endif

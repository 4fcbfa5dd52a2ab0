/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLUSTER_JSONPATH_INT_H
#define CLUSTER_JSONPATH_INT_H

#include <yyjson.h>

#include "lib/util.h"

/*
 * The first value at a path as printed columns and scale have them: .a.b, ['a.b'], .a\.b, [0], [*],
 * [?(@.type=="Ready")]. NULL: nothing there, or not such a path.
 */
yyjson_val *jsonpath_get(yyjson_val *v, const char *path);
/* Does it read as one? */
bool jsonpath_valid(const char *path);

#endif

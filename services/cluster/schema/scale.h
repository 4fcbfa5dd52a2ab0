/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLUSTER_SCALE_H
#define CLUSTER_SCALE_H

/* How many, in whatever kind: where the numbers of a scale are in an object, the kind's table says. */

#include <stdint.h>
#include <yyjson.h>

#include "lib/util.h"

struct schema_subresource;

/* The value at ".spec.replicas"; NULL: none, as for a NULL path. */
yyjson_val *scale_at(yyjson_val *root, const char *path);
/* Sets spec's number, making objects on the way. false: no memory. */
must_check bool scale_put(
	yyjson_mut_doc *doc, yyjson_mut_val *root, const struct schema_subresource *scale, int64_t n);
/* The selector of its pods as a query, malloc'ed; NULL: it has none, or no memory. */
char *scale_selector(yyjson_val *root, const struct schema_subresource *scale);

#endif

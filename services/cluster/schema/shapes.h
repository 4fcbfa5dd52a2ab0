/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLUSTER_SHAPES_H
#define CLUSTER_SHAPES_H

/* What expressions (cel.h) may know of values: as tables have it, and as structural schemas do. Both are borrowed. */

#include <yyjson.h>

#include "cluster/cel/cel.h"

struct schema_kind;

/*
 * A value of a structural schema. @resource: it is an object of a kind, with apiVersion, kind, and of its metadata the names.
 * What the schema says nothing of is not there; a schema that says nothing at all is dyn.
 */
struct cel_shape shape_of_schema(yyjson_val *schema, bool resource);

/* An object of a kind, with all of its metadata. NULL is dyn. */
struct cel_shape shape_of_kind(const struct schema_kind *kind);

#endif

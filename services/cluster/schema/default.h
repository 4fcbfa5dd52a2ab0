/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLUSTER_DEFAULT_H
#define CLUSTER_DEFAULT_H

/* Defaults of the tables, then those that need thought (kinds that have one name a function). Idempotent. */

#include <stdbool.h>
#include <yyjson.h>

struct schema_kind;

/* false: no memory. The document has passed decode.h. */
bool default_object(yyjson_mut_doc *doc, const struct schema_kind *k);

#endif

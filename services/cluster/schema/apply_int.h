/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLUSTER_APPLY_INT_H
#define CLUSTER_APPLY_INT_H

#include <yyjson.h>

#include "cluster/schema/schema.h"
#include "lib/util.h"

/*
 * What is wanted goes into @live: members of a struct (@t), or of a map whose items are as @item says. No member of @config has the
 * name of another, which decode_check() has seen to with DECODE_STRICT. false: no memory.
 */
must_check bool apply_members(yyjson_mut_doc *doc, const struct schema_type *t,
	const struct schema_field *item, yyjson_mut_val *live, yyjson_mut_val *config);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLUSTER_RULES_H
#define CLUSTER_RULES_H

/*
 * x-kubernetes-validations: what a structural schema says in CEL about values, and about values that change. Expressions are read
 * when the definition is, and found again by the place in the schema that they stand at.
 */

#include <yyjson.h>

#include "cluster/schema/path_int.h"
#include "lib/util.h"

struct check;
struct field_errors;
struct rules;

/**
 * rules_new() - read all expressions of a schema
 * @schema:	borrowed until rules_free()
 * @p:		the path of the schema
 * @written:	by somebody who is told of mistakes: types are looked at, too, which is not done again for what is stored
 * @old:	the schema as it was before, or NULL: a rule that stood at the same place keeps what was wrong with its types
 *
 * What is not CEL is added to @e with its path.
 * Return: owned; NULL: no memory.
 */
struct rules *rules_new(
	yyjson_val *schema, const struct path *p, bool written, yyjson_val *old, struct field_errors *e);
void rules_free(struct rules *r); /* accepts NULL */

/*
 * Hold a custom resource against them; its types have been checked. @old: as it was, or NULL. All rules of one object share a
 * budget of work, and what is left when it is spent is refused.
 */
void rules_check(struct check *c, const struct rules *r, yyjson_mut_val *object, yyjson_mut_val *old);

#endif

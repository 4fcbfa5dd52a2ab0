/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLUSTER_CRD_H
#define CLUSTER_CRD_H

/* Kinds made at run time from a CustomResourceDefinition's structural schemas. */

#include <yyjson.h>

#include "lib/util.h"

struct field_errors;
struct schema_kind;

/* The kinds of one definition, one for each served version, with everything they point to. */
struct crd {
	const struct schema_kind **kinds; /* owned, n */
	size_t n;
	void *memory; /* owned: what the kinds are made of */
};

/**
 * crd_new() - tables from a definition
 * @object:	the CustomResourceDefinition, checked by validate_object(); it may be freed afterwards
 * @written:	it is being written: its rules' types are looked at, which is not done again for one that is stored
 * @old:	as it was before it is written, or NULL; a rule that was in it may keep what is wrong with its types
 *
 * What structural schemas may not say, or what is not supported here, is added to @e with its path.
 * Return: owned, crd_free(); NULL: errors were added, or no memory.
 */
struct crd *crd_new(yyjson_val *object, bool written, yyjson_val *old, struct field_errors *e);
void crd_free(struct crd *c); /* accepts NULL */

#endif

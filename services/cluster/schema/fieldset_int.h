/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLUSTER_FIELDSET_INT_H
#define CLUSTER_FIELDSET_INT_H

/*
 * Sets of fields, as trees of JSON objects in the form of FieldsV1: keys are steps ("f:name",
 * k:{"name":"a"}, v:"a"), and "." says that what leads here is in the set. Inside, a leaf is {".":{}};
 * stored, it is {}. Everything is made in the arena of one document.
 */

#include <yyjson.h>

#include "cluster/schema/schema.h"
#include "lib/util.h"

/* From and to the stored form. NULL: no memory, or more members at one place than are ever owned one by one. */
yyjson_mut_val *fieldset_load(yyjson_mut_doc *doc, yyjson_mut_val *stored);
yyjson_mut_val *fieldset_store(yyjson_mut_doc *doc, yyjson_mut_val *set);

/* Every field of an object: scalars, what is atomic, empty containers, items of lists and maps. */
yyjson_mut_val *fieldset_of(yyjson_mut_doc *doc, const struct schema_type *t, yyjson_mut_val *object);
/* What differs: fields added or changed in @b, and fields that were only in @a. */
bool fieldset_compare(yyjson_mut_doc *doc, const struct schema_type *t, yyjson_mut_val *a, yyjson_mut_val *b,
	yyjson_mut_val *changed, yyjson_mut_val *removed);

/* a becomes a with b, a without b. */
bool fieldset_add(yyjson_mut_doc *doc, yyjson_mut_val *a, yyjson_mut_val *b);
void fieldset_subtract(yyjson_mut_val *a, yyjson_mut_val *b);
/* A new set of what is in both. */
yyjson_mut_val *fieldset_common(yyjson_mut_doc *doc, yyjson_mut_val *a, yyjson_mut_val *b);
static inline bool fieldset_empty(yyjson_mut_val *s)
{
	return !yyjson_mut_obj_size(s);
}

/* How many fields there are in it. */
size_t fieldset_size(yyjson_mut_val *set);

/* The step to a member, f:NAME, and to a list's item, k:{...} or v:...; texts of the document. NULL: no memory. */
yyjson_mut_val *fieldset_field_key(yyjson_mut_doc *doc, yyjson_mut_val *name);
yyjson_mut_val *fieldset_item_key(yyjson_mut_doc *doc, const struct schema_field *f, yyjson_mut_val *item);
/* An item of a list map or a set, the same one of another list (NULL: it has none), and the place of the first that is the same. */
struct fieldset_match {
	yyjson_mut_val *item, *there;
	size_t first;
};
/* One for each item of @list, in order. false: no memory. */
must_check bool fieldset_match(yyjson_mut_doc *doc, const struct schema_field *f, yyjson_mut_val *list,
	yyjson_mut_val *there, struct fieldset_match *found);

/* How a field is shared, for whoever walks objects: wholly one's, its members, its items. */
enum fieldset_sharing { FIELDSET_LEAF, FIELDSET_STRUCT, FIELDSET_MAP, FIELDSET_LIST };
/* Is it wholly one's, whatever is in it? */
bool fieldset_atomic(const struct schema_field *f);
enum fieldset_sharing fieldset_sharing(const struct schema_field *f, yyjson_mut_val *v);
/*
 * The same for who owns what of it: a map or list with more members than this is one's as a whole. A set is searched member by
 * member, and a body has room for a hundred thousand of them.
 */
enum { FIELDSET_MEMBERS_MAX = 2048 };
enum fieldset_sharing fieldset_ownership(const struct schema_field *f, yyjson_mut_val *v);
/* The field that describes one item of a map of objects or of a list, for a walk one step further. */
const struct schema_type *fieldset_item_type(const struct schema_field *f);

/* Call @fn with the text of every path in the set: .spec.containers[name="a"].image */
void fieldset_each(yyjson_mut_val *set, void (*fn)(const char *path, void *arg), void *arg);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLUSTER_DEFAULT_INT_H
#define CLUSTER_DEFAULT_INT_H

/* Few words for the named defaults: what the kinds' files call default=NAME is default_NAME(). */

#include <string.h>
#include <yyjson.h>

#include "cluster/schema/schema.h"

/* Is the text member @key of @o this one? */
static inline bool text_is(yyjson_mut_val *o, const char *key, const char *text)
{
	return yyjson_mut_equals_str(yyjson_mut_obj_get(o, key), text);
}

/* Set a member that is absent; @key and @text are constant. */
static inline bool default_text(yyjson_mut_doc *doc, yyjson_mut_val *o, const char *key, const char *text)
{
	return yyjson_mut_obj_get(o, key) || yyjson_mut_obj_add_str(doc, o, key, text);
}

static inline bool default_int(yyjson_mut_doc *doc, yyjson_mut_val *o, const char *key, int64_t n)
{
	return yyjson_mut_obj_get(o, key) || yyjson_mut_obj_add_sint(doc, o, key, n);
}

static inline bool default_bool(yyjson_mut_doc *doc, yyjson_mut_val *o, const char *key, bool b)
{
	return yyjson_mut_obj_get(o, key) || yyjson_mut_obj_add_bool(doc, o, key, b);
}

static inline bool default_empty(yyjson_mut_doc *doc, yyjson_mut_val *o, const char *key)
{
	return yyjson_mut_obj_get(o, key) || yyjson_mut_obj_add_obj(doc, o, key);
}

/* A copy of @from under @key, when @key is absent and @from is not. */
static inline bool default_copy(yyjson_mut_doc *doc, yyjson_mut_val *o, const char *key, yyjson_mut_val *from)
{
	return !from || yyjson_mut_obj_get(o, key) ||
	       yyjson_mut_obj_add_val(doc, o, key, yyjson_mut_val_mut_copy(doc, from));
}

#endif

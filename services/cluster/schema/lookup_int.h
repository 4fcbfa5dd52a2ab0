/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLUSTER_LOOKUP_INT_H
#define CLUSTER_LOOKUP_INT_H

/*
 * Members of an object by their names. Few are walked; many are put in order once, so that looking for each of many among many costs
 * little more than reading them.
 */

#include <yyjson.h>

#include "lib/util.h"

struct lookup_entry;

struct lookup {
	/* borrowed; while this is in use members may go, and such may come as are not looked for any more */
	yyjson_mut_val *in;
	struct lookup_entry *at; /* owned; NULL: @in is walked */
	size_t n;
};

/* @times: how often something is looked for, about. Cannot fail: without memory it is as slow as walking. */
void lookup_init(struct lookup *l, yyjson_mut_val *object, size_t times);
void lookup_fini(struct lookup *l);

/* The first of that name, or NULL. */
yyjson_mut_val *lookup_get(const struct lookup *l, const char *name, size_t len);
static inline yyjson_mut_val *lookup_key(const struct lookup *l, yyjson_mut_val *key)
{
	return lookup_get(l, yyjson_mut_get_str(key), yyjson_mut_get_len(key));
}

#endif

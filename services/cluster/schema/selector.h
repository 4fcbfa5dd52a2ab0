/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLUSTER_SELECTOR_H
#define CLUSTER_SELECTOR_H

/*
 * Label selectors, from a query ("app=web,tier in (a,b),!x") or from an object (matchLabels,
 * matchExpressions), and field selectors ("metadata.name=a,status.phase!=Running").
 */

#include <yyjson.h>

#include "lib/util.h"

struct schema_kind;
struct status;

/* How much there may be of one, and how many of them in a list of a pod that says where it goes. */
enum { SELECTOR_TERMS_MAX = 1000, SELECTOR_VALUES_MAX = 10000, POD_TERMS_MAX = 128 };

enum selector_op {
	SELECTOR_IN, /* = is in one */
	SELECTOR_NOT_IN,
	SELECTOR_EXISTS,
	SELECTOR_ABSENT,
	SELECTOR_GREATER,
	SELECTOR_LESS,
};

struct selector_term {
	char *key;
	char **values; /* n_values */
	size_t n_values;
	enum selector_op op;
};

/* All terms must hold; no terms match everything. Owned by whoever asked for it. */
struct selector {
	struct selector_term *terms;
	size_t n;
	bool nothing; /* matches no object: a nil LabelSelector */
};

void selector_free(struct selector *s); /* accepts NULL */
static inline void selectorp(struct selector **s)
{
	selector_free(*s);
}

/* NULL, or 400: `unable to parse requirement: ...` */
must_check struct status *selector_parse_labels(struct selector **out, const char *query);
/* Only metadata.name, metadata.namespace and @k->selectable; = == != . 400: `field label not supported: X` */
must_check struct status *selector_parse_fields(
	struct selector **out, const char *query, const struct schema_kind *k);
/* A LabelSelector of a document; NULL selects nothing, {} everything. 0, -EINVAL: it is none, or too large; -ENOMEM. */
must_check int selector_read(struct selector **out, yyjson_val *label_selector);
/* The same where the two need not be told apart: then NULL. */
struct selector *selector_of(yyjson_val *label_selector);
struct selector *selector_of_mut(yyjson_mut_val *label_selector);
/* {"a":"b"}: Service and ReplicationController. Absent or empty selects nothing. */
struct selector *selector_of_map(yyjson_val *map);

/* How the selector reads a value: NULL when the object has none. */
typedef const char *selector_get(const void *object, const char *key);
bool selector_matches(const struct selector *s, selector_get *get, const void *object);
bool selector_matches_labels(const struct selector *s, yyjson_val *labels); /* @labels may be NULL */
/* @object is the whole one. A field that is absent reads as "". */
bool selector_matches_fields(const struct selector *s, yyjson_val *object);

/* The value that the selector demands of @key with = or in one, or NULL: for indexes. */
const char *selector_demands(const struct selector *s, const char *key);
/* As a query again, sorted; malloc'ed. For scale's status.selector. */
char *selector_text(const struct selector *s);

#endif

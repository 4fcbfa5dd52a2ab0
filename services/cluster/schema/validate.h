/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLUSTER_VALIDATE_H
#define CLUSTER_VALIDATE_H

/*
 * Is this object allowed? What tables say (required, limits, formats, values, immutable), then what needs
 * thought: the named checks of a kind. Every error is gathered with its path, in upstream's words.
 */

#include <yyjson.h>

#include "lib/util.h"

struct field_errors;
struct schema_kind;
struct warnings;

enum validate_scope {
	VALIDATE_MAIN,	    /* everything; on update, status is not compared */
	VALIDATE_STATUS,    /* a write of the status subresource */
	VALIDATE_RESIZE,    /* of a pod's: everything, but what is compared are resources of containers */
	VALIDATE_EPHEMERAL, /* of a pod's ephemeral containers: everything, and they are what is compared */
	/* binding, approval...: whoever offers them knows what they may change */
	VALIDATE_OTHER,
};

/**
 * validate_object() - an object as it would be stored
 * @old:	what is stored now; NULL: it is created
 *
 * Errors are added to @e. metadata.name must be set already (generateName is the registry's).
 */
void validate_object(const struct schema_kind *k, yyjson_mut_val *object, yyjson_mut_val *old,
	enum validate_scope scope, struct field_errors *e);

/* metadata alone: names, labels, annotations' size, owners, finalizers; and what an update may not change. */
void validate_metadata(
	const struct schema_kind *k, yyjson_mut_val *object, yyjson_mut_val *old, struct field_errors *e);

/*
 * Is @text of this format (enum schema_format)? NULL: yes; else upstream's sentence, constant. For a label
 * key, the first of upstream's sentences that applies.
 */
const char *validate_format(int format, const char *text, size_t len);
/* The same for formats that numbers can have: ports, counts. */
const char *validate_number(int format, int64_t n);

/* Warnings that upstream gives for an accepted object: deprecated fields, duplicate names. */
void validate_warnings(const struct schema_kind *k, yyjson_mut_val *object, struct warnings *w);

#endif

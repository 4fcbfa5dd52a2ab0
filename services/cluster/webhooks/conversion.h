/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLUSTER_CONVERSION_H
#define CLUSTER_CONVERSION_H

/*
 * Objects of a definition in another of its versions, made by the definition's webhook (spec.conversion, ConversionReview). Objects
 * are kept in the version in which they were written, so a list may need it for some of its items: those go in one question, or, when
 * they are large, in several, one after the other. Whoever needs the objects waits; the loop does not.
 *
 * Asking has a time, and both question and answer have a size; what comes back is checked, object by object.
 */

#include <stddef.h>

#include "lib/util.h"

struct conversion;
struct object;
struct schema_kind;
struct status;
struct webhooks;

/*
 * @error: taken; NULL: @objects are all of the kind that was wanted, in the order in which they were given, and borrowed:
 * object_ref() to keep one.
 */
typedef void conversion_done(struct status *error, struct object *const *objects, size_t n, void *arg);

/* Would convert_webhook() have to be asked for any of them? */
bool conversion_needed(struct object *const *objects, size_t n, const struct schema_kind *to);

/**
 * conversion_start()
 * @to:		a version of the objects' definition, which outlives the call
 * @objects:	@n of them, held while it lasts; those that are of the version already stay what they are
 * @done:	is called later, once, unless the conversion is cancelled or the registry closed; the conversion is gone then
 *
 * Return: NULL: no memory, and nothing is called.
 */
must_check struct conversion *conversion_start(struct webhooks *w, const struct schema_kind *to,
	struct object *const *objects, size_t n, conversion_done *done, void *arg);
void conversion_cancel(struct conversion *c); /* accepts NULL */

#endif

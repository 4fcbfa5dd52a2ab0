/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLUSTER_FORMS_H
#define CLUSTER_FORMS_H

/*
 * A write in other versions of its kind, for webhooks and policies that want to see it as one of those, where a webhook of the kind's
 * definition makes it. They are made before somebody is asked, and kept with the attempt until it is changed.
 */

#include "cluster/registry/registry.h"

struct attempt_form {
	struct attempt_form *next;
	const struct schema_kind *as;
	struct object *now, *old; /* held; NULL: as in the attempt there is none */
};

/* The write as one of @as; NULL: it has not been made, or need not be (convert.h). */
const struct attempt_form *form_find(const struct attempt *a, const struct schema_kind *as);
/* Does it have to be made before it can be shown as one of @as? */
bool form_missing(const struct attempt *a, const struct schema_kind *as);

/* Under way; gone when it is called back, or cancelled. */
struct form_making;

/* @error: taken; NULL: form_find() has it now. */
typedef void form_done(struct status *error, void *arg);

/* @a: outlives it, and stays as it is meanwhile. NULL: no memory. */
must_check struct form_making *form_make(
	struct webhooks *w, struct attempt *a, const struct schema_kind *as, form_done *done, void *arg);
void form_cancel(struct form_making *m); /* accepts NULL */

/* The attempt has changed, or is over. */
void forms_drop(struct attempt *a);

#endif

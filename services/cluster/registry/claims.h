/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLUSTER_CLAIMS_H
#define CLUSTER_CLAIMS_H

/*
 * Who holds what of a thing that only one may hold: a cluster address, a node port. A holder may claim more than once, and
 * holds it until the last claim is given back: an object that is stored and one that is on its way count apart.
 */

#include "lib/util.h"

struct claims;

must_check int claims_new(struct claims **out);
void claims_free(struct claims *c); /* accepts NULL */

/* -EBUSY: another holds it. -ENOMEM, 0. */
must_check int claims_take(struct claims *c, const char *what, const char *who);
void claims_give(struct claims *c, const char *what, const char *who); /* of one that is not held: nothing */
const char *claims_holder(const struct claims *c, const char *what);   /* NULL: nobody */
/* Each of them, until fn returns false. Nothing is claimed or given meanwhile. */
void claims_each(const struct claims *c, bool (*fn)(const char *what, const char *who, void *arg), void *arg);

#endif

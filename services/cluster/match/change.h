/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLUSTER_CHANGE_H
#define CLUSTER_CHANGE_H

/* How policies and webhooks change a write: a copy to work with, and the attempt with what has become of it. */

#include <yyjson.h>

#include "cluster/schema/decode.h"
#include "lib/util.h"

struct attempt;
struct schema_kind;
struct status;

/* A copy of the attempt's document, in the version as which it is shown, which has been made (webhooks/forms.h). NULL: no memory. */
must_check yyjson_mut_doc *change_begin(const struct attempt *a, const struct schema_kind *as);

/*
 * The copy (taken) becomes the attempt's document, with defaults, if it can be one; what no one decides stays as it was: who the
 * object is, and since when. a->changes says whether it is another now. NULL, or what is wrong with it.
 */
must_check struct status *change_end(struct attempt *a, yyjson_mut_doc *doc, const struct schema_kind *as,
	enum decode_validation validation);

/*
 * The two halves of it, for who has a webhook convert the copy in between. change_check(): what is wrong with it, in the version as
 * which it was shown; what no one decides is as it was. change_adopt(): it (taken) is of the attempt's version. Forms are gone then.
 */
must_check struct status *change_check(const struct attempt *a, yyjson_mut_doc **doc,
	const struct schema_kind *as, enum decode_validation validation);
must_check struct status *change_adopt(struct attempt *a, yyjson_mut_doc *doc);

#endif

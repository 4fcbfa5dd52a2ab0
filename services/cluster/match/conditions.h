/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLUSTER_CONDITIONS_H
#define CLUSTER_CONDITIONS_H

/* The conditions (matchConditions) of webhooks and policies, in CEL: what they may speak of, and whether they hold. */

#include <yyjson.h>

#include "cluster/cel/cel.h"
#include "lib/util.h"

enum { CONDITIONS_MAX = 64 };

/* What expressions of policies may speak of, in this order; webhooks know those until the authorizer. */
enum policy_name {
	POLICY_OBJECT,
	POLICY_OLD_OBJECT,
	POLICY_REQUEST,
	POLICY_AUTHORIZER,
	POLICY_NAMESPACE,
	POLICY_PARAMS,
	N_POLICY_NAMES
};

/* Of webhooks; NULL-terminated, as those below, for cel_compile(). */
extern const char *const condition_names[];
/* @params: the policy has a paramKind; @authorizer: all but a message know it, and its place is nobody's then. */
const char *const *policy_names(bool params, bool authorizer);

/* What is known of them. */
extern const struct cel_shape policy_shapes[N_POLICY_NAMES];

struct conditions {
	const char *const *names;
	yyjson_val *list;      /* matchConditions, of the document; NULL: none */
	struct cel **programs; /* owned; in the same order; NULL: not an expression */
	size_t n;
};

/* Those of @of. false: no memory; conditions_fini() in both cases. */
must_check bool conditions_read(struct conditions *out, yyjson_val *of, const char *const *names);
void conditions_fini(struct conditions *c);

/*
 * @values: of the names; @authorizer: theirs. 1: all of them hold; 0: one does not; -1: none fails, but one has no answer, and *why (malloc'ed) says
 * which, or NULL: no memory.
 */
int conditions_hold(const struct conditions *c, yyjson_mut_val *const *values,
	const struct cel_authorizer *authorizer, size_t *budget, char **why);

#endif

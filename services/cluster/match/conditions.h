/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLUSTER_CONDITIONS_H
#define CLUSTER_CONDITIONS_H

/* The conditions (matchConditions) of webhooks and policies, in CEL: what they may speak of, and whether they hold. */

#include <yyjson.h>

#include "cluster/cel/cel.h"
#include "lib/util.h"

/* NULL-terminated, for cel_compile(). */
extern const char *const condition_names[]; /* of webhooks: object, oldObject, request */
/* Of all expressions of a policy: those, namespaceObject, and params when the policy has a paramKind. */
extern const char *const policy_names[], *const policy_names_params[];

enum { CONDITIONS_MAX = 64, N_POLICY_SHAPES = 5 };

/* What is known of policy_names_params, in their order, which the others begin with. */
extern const struct cel_shape policy_shapes[N_POLICY_SHAPES];

struct conditions {
	yyjson_val *list;      /* matchConditions, of the document; NULL: none */
	struct cel **programs; /* owned; in the same order; NULL: not an expression */
	size_t n;
};

/* Those of @of. false: no memory; conditions_fini() in both cases. */
must_check bool conditions_read(struct conditions *out, yyjson_val *of, const char *const *names);
void conditions_fini(struct conditions *c);

/*
 * @values: of the names. 1: all of them hold; 0: one does not; -1: none fails, but one has no answer, and *why (malloc'ed) says
 * which.
 */
int conditions_hold(const struct conditions *c, yyjson_mut_val *const *values, size_t *budget, char **why);

#endif

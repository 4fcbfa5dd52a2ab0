/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLUSTER_POLICIES_H
#define CLUSTER_POLICIES_H

/*
 * Admission by policies (admissionregistration.k8s.io/v1), in CEL: MutatingAdmissionPolicy changes a write before webhooks do,
 * ValidatingAdmissionPolicy has rules that it has to keep, looked at once it has taken its last form, before webhooks judge it.
 * Bindings (MutatingAdmissionPolicyBinding, ValidatingAdmissionPolicyBinding) say where a policy holds.
 *
 *	attempt --match--> policy --match--> binding --params--> conditions, variables --> mutations
 *	                                                                               --> validations --> refusal, warning
 *
 * Policies and the bindings of each are asked in order of their names, and the first that refuses says why. Nothing waits.
 */

#include "cluster/registry/registry.h"

struct policies;

/* Knows the policies and bindings there are from here on. 0 or -ENOMEM. */
must_check int policies_open(struct policies **out, struct registry *r);
void policies_close(struct policies *p); /* accepts NULL */

/* Who was asked about a write and wants to be asked once more when somebody has changed the object (reinvocationPolicy). */
struct policies_asked {
	char **keys; /* owned: a policy, a binding of it and a parameter of that */
	size_t n, at;
	bool again; /* now it is their turn */
};

void policies_asked_fini(struct policies_asked *asked);

/*
 * Those that change: a->doc is another afterwards if a->changes has grown. With asked->again only those who are in @asked are, else they
 * come there. One that would change it in a version that a webhook has to make (convert.h) has no answer. NULL, or the refusal, the
 * caller's.
 */
must_check struct status *policies_change(
	struct policies *p, struct attempt *a, struct policies_asked *asked);

/*
 * A version in which a policy wants to judge the write, and which a webhook has to make first (webhooks/forms.h): policies_judge()
 * waits for none. NULL: there is none any more.
 */
const struct schema_kind *policies_missing(const struct policies *p, const struct attempt *a);

/*
 * What is wrong with the types of a policy's validations, for the kinds that it is about (10 at most): items of ExpressionWarning.
 * It holds nevertheless. NULL: no memory.
 */
yyjson_mut_val *policies_warnings(yyjson_mut_doc *doc, yyjson_mut_val *policy);

/* Those that judge. NULL: nothing is against it; else the refusal, the caller's. Warnings go the attempt's way. */
must_check struct status *policies_judge(struct policies *p, struct attempt *a);

#endif

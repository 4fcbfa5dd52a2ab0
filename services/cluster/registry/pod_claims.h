/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLUSTER_POD_CLAIMS_H
#define CLUSTER_POD_CLAIMS_H

/*
 * The claims that a pod uses: those its volumes name, and those that are made for it (volumes[].ephemeral), which are named POD-VOLUME
 * and are the pod's own: it controls them, and they go with it.
 */

#include <yyjson.h>

#include "cluster/registry/object.h"

enum { POD_CLAIM_MAX = 512 };

/* The claim behind a volume of the pod named @pod, in the volume or in @buf; NULL: it is no claim. *own: it is to be the pod's own. */
const char *pod_claim(const char *pod, yyjson_val *volume, char buf[static POD_CLAIM_MAX], bool *own);
/* Is it the pod's own? */
bool pod_owns_claim(const struct object *pod, const struct object *claim);
/* Does the pod use it? @spec: the pod's. One of the right name that is not the pod's own is not used as such. */
bool pod_uses_claim(const struct object *pod, yyjson_val *spec, const struct object *claim);
/* A look at the text: false for most pods, whose documents need not be read. */
bool pod_may_use_claims(const struct object *pod);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLUSTER_QUOTA_H
#define CLUSTER_QUOTA_H

/* What objects take of a ResourceQuota: by admission, which refuses, and by the controller, which writes it down. */

#include <yyjson.h>

#include "cluster/registry/registry.h"

/* One key of a quota's hard: "pods", "requests.cpu", "count/jobs.batch"... Returns nano-units; 0: it takes nothing of it. */
__int128 quota_takes(const char *key, const struct schema_kind *kind, yyjson_val *object);
/*
 * What a pod takes of one resource, with its overhead, which limits only what is limited; @list: "requests" or "limits". Nano-units; 0:
 * nothing.
 */
__int128 quota_pod_takes(yyjson_val *pod, const char *list, const char *name);
/* Does the quota count this object at all: its scopes? @spec: of the ResourceQuota */
bool quota_counts(yyjson_val *spec, const struct schema_kind *kind, yyjson_val *object);
/*
 * What everything in a namespace takes of one key, as the view has it. @spec: of the ResourceQuota.
 */
__int128 quota_used(const struct registry *r, const char *ns, yyjson_val *spec, const char *key);

#endif

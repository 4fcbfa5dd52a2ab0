/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLUSTER_CONTROLLERS_H
#define CLUSTER_CONTROLLERS_H

#include "cluster/controllers/controller.h"

/* All controllers, one row each, from a file of the same name. */
#define CONTROLLERS(X)                                                                                       \
	X(replicaset_controller)                                                                             \
	X(replication_controller)                                                                            \
	X(cronjob_controller)                                                                                \
	X(statefulset_controller)                                                                            \
	X(daemonset_controller)                                                                              \
	X(ephemeral_volume_controller)                                                                       \
	X(claim_controller)                                                                                  \
	X(volume_controller)                                                                                 \
	X(job_controller)                                                                                    \
	X(deployment_controller)                                                                             \
	X(endpointslice_controller)                                                                          \
	X(endpointslice_mirror_controller)                                                                   \
	X(endpoints_controller)                                                                              \
	X(service_range_controller)                                                                          \
	X(service_address_controller)                                                                        \
	X(disruption_controller)                                                                             \
	X(horizontal_pod_autoscaler)                                                                         \
	X(aggregation_controller)                                                                            \
	X(apiservice_controller)                                                                             \
	X(definition_controller)                                                                             \
	X(policy_status_controller)                                                                          \
	X(flow_schema_controller)                                                                            \
	X(priority_level_controller)                                                                         \
	X(quota_controller)                                                                                  \
	X(certificate_controller)                                                                            \
	X(namespace_controller)                                                                              \
	X(serviceaccount_controller)                                                                         \
	X(root_ca_controller)                                                                                \
	X(garbage_collector)                                                                                 \
	X(node_lifecycle_controller)                                                                         \
	X(node_ipam_controller)                                                                              \
	X(taint_eviction_controller)                                                                         \
	X(pod_garbage_collector)

#define X(name) extern const struct controller_type name;
CONTROLLERS(X)
#undef X

struct controllers;

/* All of them; @context is borrowed. 0 or -errno. */
must_check int controllers_start(
	struct controllers **out, struct registry *r, const struct cluster_context *context);
void controllers_stop(struct controllers *c); /* accepts NULL */

#endif

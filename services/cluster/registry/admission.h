/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLUSTER_ADMISSION_H
#define CLUSTER_ADMISSION_H

/* The rules there are; admission.c puts them in order. A rule of another room of the cluster is declared here too. */

#include "cluster/registry/registry.h"

/* Namespaces: nothing is created in one that is not there or is going; those of the system stay. */
extern const struct admission admission_namespace;
/* Pods run as a service account that exists, and have its token at hand; tolerations, quality of service. */
extern const struct admission admission_pod;
/* Taints that evict say since when. */
extern const struct admission admission_taints;
/* Pods have the priority of their class. */
extern const struct admission admission_priority;
/* Pods of a runtime class: it is there, and they get what it says. */
extern const struct admission admission_runtime_class;
/* A definition of a kind can be served. */
extern const struct admission admission_definition;
/* Jobs have a selector and labels of their own. */
extern const struct admission admission_job;
/* Claims have a class; claims and volumes stay while they are in use. */
extern const struct admission admission_volume;
/* What a namespace lets in: limits of each thing, the security of pods, and all together. */
extern const struct admission admission_limits, admission_security, admission_quota;
/* Services have addresses and node ports that nobody else has. */
extern const struct admission admission_service;
/* Ranges of services have nothing in common with nodes and pods, and stay while they are in use. */
extern const struct admission admission_service_range;
/* Nobody gives what he does not have: roles and bindings (access/escalation.c). */
extern const struct admission admission_escalation;
/* Nobody shows what he may not read: parameters of policies of admission (access/policy_params.c). */
extern const struct admission admission_policy_params;
/* Who asks for certificates, and who grants them (access/signing_requests.c). */
extern const struct admission admission_signing;
/* A node changes only what is its own (access/node_restriction.c). */
extern const struct admission admission_node;

/* "" "Pod": is it this kind? */
bool attempt_is(const struct attempt *a, const char *group, const char *kind);

/* The object has this finalizer from now on. NULL, or there is no memory. */
must_check struct status *attempt_protect(struct attempt *a, const char *finalizer);

#endif

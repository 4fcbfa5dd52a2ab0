/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLUSTER_CONTROLLERS_H
#define CLUSTER_CONTROLLERS_H

#include "cluster/controllers/controller.h"

/*
 * All controllers, one row each; a file of the same name has it. Those that are not made of keys and turns (the garbage
 * collector watches every kind) have start functions of their own.
 */
#define CONTROLLERS(X)                                                                                       \
	X(replicaset_controller)                                                                             \
	X(replication_controller)                                                                            \
	X(deployment_controller)                                                                             \
	X(endpointslice_controller)                                                                          \
	X(endpoints_controller)                                                                              \
	X(namespace_controller)                                                                              \
	X(serviceaccount_controller)                                                                         \
	X(root_ca_controller)

#define X(name) extern const struct controller_type name;
CONTROLLERS(X)
#undef X

struct controllers;

/**
 * controllers_start() - all of them
 * @ca_pem:	the cluster's authority, for the ConfigMap kube-root-ca.crt of every namespace; borrowed
 *
 * Return: 0 or -errno.
 */
must_check int controllers_start(struct controllers **out, struct registry *r, const char *ca_pem);
void controllers_stop(struct controllers *c); /* accepts NULL */

#endif

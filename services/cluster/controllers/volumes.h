/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLUSTER_VOLUMES_H
#define CLUSTER_VOLUMES_H

/*
 * Claims and the volumes that meet them. Binding is two writes that can be read again: the volume names the claim
 * (spec.claimRef with its uid), then the claim names the volume (spec.volumeName). Whoever finds the first without the second goes on.
 *
 * Volumes are made for claims of a class whose provisioner is LOCAL_PROVISIONER: a folder of one node, LOCAL_FOLDER/NAME, as a
 * `local` volume pinned to that node, whose agent makes the folder when a pod first mounts it. The agent also removes it: a volume
 * that was made here has the finalizer LOCAL_DATA, which its node's agent takes off once nothing is left on the disk (policy Delete) or
 * at once (any other). The label LOCAL_NODE says to agents which volumes are theirs; of a node that is no more nobody takes it off
 * but the controller.
 */

#include "cluster/controllers/controller.h"

#define LOCAL_PROVISIONER "wherry.io/local"
#define LOCAL_FOLDER	  "/data/volumes"
#define LOCAL_DATA	  "wherry.io/local-data"
#define LOCAL_NODE	  "wherry.io/node"
#define PROVISIONED_BY	  "pv.kubernetes.io/provisioned-by"
#define BIND_COMPLETED	  "pv.kubernetes.io/bind-completed"
#define BOUND_BY_US	  "pv.kubernetes.io/bound-by-controller"
#define CLAIM_PROTECTION  "kubernetes.io/pvc-protection"
#define VOLUME_PROTECTION "kubernetes.io/pv-protection"

/* Does this volume's claimRef mean this claim: by name, and by uid where it says one? */
bool volume_is_for(yyjson_val *volume, const struct object *claim);

#endif

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
 *
 * A folder holds as much as its volume says (project quotas). When its claim asks for more, the volume says so with the annotation
 * LOCAL_GROWS, which its node's agent takes off once the folder may hold it; then the claim has it.
 */

#include "cluster/controllers/controller.h"
#include "lib/quantity.h"

struct selector;

#define LOCAL_PROVISIONER "wherry.io/local"
#define LOCAL_FOLDER	  "/data/volumes"
#define LOCAL_DATA	  "wherry.io/local-data"
#define LOCAL_NODE	  "wherry.io/node"
#define LOCAL_GROWS	  "wherry.io/grows"
#define NO_PROVISIONER	  "kubernetes.io/no-provisioner"
#define PROVISIONED_BY	  "pv.kubernetes.io/provisioned-by"
#define BIND_COMPLETED	  "pv.kubernetes.io/bind-completed"
#define BOUND_BY_US	  "pv.kubernetes.io/bound-by-controller"
#define CLAIM_PROTECTION  "kubernetes.io/pvc-protection"
#define VOLUME_PROTECTION "kubernetes.io/pv-protection"

/* Does this volume's claimRef mean this claim: by name, and by uid where it says one? */
bool volume_is_for(yyjson_val *volume, const struct object *claim);
/* What a volume holds; nothing when it does not say. @spec: of the volume */
struct quantity volume_capacity(yyjson_val *spec);
/* Was it made here, by LOCAL_PROVISIONER? */
bool volume_is_local(yyjson_val *volume);

/* ---- volume_match.c: what a claim asks for, and which volumes would do; read by the scheduler, too */

struct wish {
	const struct object *claim; /* borrowed, as is all but the selector */
	yyjson_val *spec;
	const char *class, *volume; /* "" none */
	struct quantity size;
	struct selector *selector; /* owned; NULL: none is asked for */
};

/* @spec: of the claim. false: no memory. */
must_check bool wish_read(struct wish *w, const struct object *claim, yyjson_val *spec);
void wish_fini(struct wish *w);

/* It will not do; nobody has it, and it would; it says already that it is this claim's. Where it is is not looked at. */
enum wish_match { WISH_NOT, WISH_FREE, WISH_MINE };
enum wish_match wish_match(const struct wish *w, const struct object *o, yyjson_val *volume);

/* Why a volume that nobody has will not do, whatever its labels, in upstream's words; NULL: it will. */
const char *wish_mismatch(const struct wish *w, const struct object *o, yyjson_val *volume);

/* allowedTopologies of a class: may its volumes be on this node? */
bool topologies_allow(yyjson_val *terms, const struct object *node);

/* Whose a volume is, once it is chosen: its spec.claimRef. */
struct claim_ref {
	char ns[256], name[256], uid[64];
};
void claim_ref_of(struct claim_ref *ref, const struct object *claim);
must_check bool claim_ref_put(yyjson_mut_doc *doc, yyjson_mut_val *spec, const struct claim_ref *ref);
/* The volume in @doc becomes the claim's, unless another was quicker; for a registry_modifier. */
enum claim_ref_taken { TAKEN_NOW, TAKEN_BEFORE, TAKEN_BY_ANOTHER, TAKEN_NO_MEMORY };
enum claim_ref_taken claim_ref_take(
	const struct claim_ref *ref, const struct object *volume, yyjson_mut_doc *doc);

#endif

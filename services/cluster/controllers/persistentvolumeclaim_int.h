/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLUSTER_PERSISTENTVOLUMECLAIM_INT_H
#define CLUSTER_PERSISTENTVOLUMECLAIM_INT_H

/* The inside of the controller of claims: persistentvolumeclaim.c has the turns, the others a step each. */

#include "cluster/controllers/volumes.h"

struct claim {
	struct turn *t;
	struct wish wish;
	bool waits; /* the class binds when the first pod has a node */
	const char *provisioner;
	yyjson_doc *class_doc; /* owned; NULL: there is no such class */
	char node[256];	       /* of a pod that uses it; "" none has one */
	bool used;	       /* a pod that has not ended uses it */
};

/* claim_provision.c: a volume of LOCAL_PROVISIONER, or an event that says why not. */
void claim_provision(struct claim *c);
/* The class has a provisioner from outside: it is told that this claim is its, and which node the pod has. */
void claim_ask_provisioner(struct claim *c);

/* ---- claim_size.c */

/* @volume: what it is bound to, NULL: nothing */
void claim_write_status(const struct claim *c, const char *phase, yyjson_val *volume);
/* The claim asks for more than its volume holds: it is to hold that. */
void claim_grow(const struct claim *c, const struct object *o, yyjson_val *volume);

#endif

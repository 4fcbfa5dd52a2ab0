/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLUSTER_EXTENSIONS_INT_H
#define CLUSTER_EXTENSIONS_INT_H

/* The inside: extensions.c keeps the list, place.c knows the way there, line.c goes it, probe.c asks,
 * order.c sorts. */

#include "cluster/extensions/extensions.h"
#include "cluster/registry/registry.h"

struct extensions {
	struct registry *r;
	struct informer informer;
	struct extension *first; /* in order of names */
	char *cert, *key;	 /* owned: paths */

	/* order.c: made when asked for */
	struct schema_group_version *versions; /* owned */
	size_t n_versions;
	uint64_t made_of; /* custom_changes() then */
};

void probe_cancel(struct probe *p); /* accepts NULL */

#endif

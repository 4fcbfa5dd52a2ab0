/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLUSTER_MATCH_AUTHORIZER_H
#define CLUSTER_MATCH_AUTHORIZER_H

/*
 * What expressions about a write ask of their authorizer, the authorization of requests answers: for whoever makes the write, or for a
 * service account.
 */

#include "cluster/cel/cel.h"

struct attempt;

struct write_authorizer {
	struct cel_authorizer cel;
	const struct attempt *a;
};

/* @a is borrowed as long as it is asked. */
struct write_authorizer write_authorizer_of(const struct attempt *a);

#endif

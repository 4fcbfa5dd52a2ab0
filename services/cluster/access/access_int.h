/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLUSTER_ACCESS_INT_H
#define CLUSTER_ACCESS_INT_H

/*
 * The inside: access.c asks each way of knowing somebody in turn, tokens.c and bootstrap_token.c are two of them, jwt.c
 * signs; rbac.c and node.c answer whether they may; roles.c holds the roles every cluster has.
 */

#include "cluster/access/access.h"

struct jwt;
struct rbac;

struct access {
	struct registry *registry;
	struct jwt *jwt;
	struct rbac *rbac;
	char *issuer; /* owned */
};

/* tokens.c */
must_check struct caller *token_of_account(
	struct access *a, const char *token, const char *const *audiences, const char **why);
/* bootstrap_token.c */
must_check struct caller *token_of_bootstrap(struct access *a, const char *token);

/* rbac.c */
must_check int rbac_open(struct rbac **out, struct registry *r);
void rbac_close(struct rbac *b);
bool rbac_allowed(const struct rbac *b, const struct access_question *q);
bool rbac_rules(const struct rbac *b, const struct caller *who, const char *ns, yyjson_mut_doc *doc,
	yyjson_mut_val *resource_rules, yyjson_mut_val *path_rules);

/* node.c: is it a node, and is this its own affair? */
bool node_allowed(const struct registry *r, const struct access_question *q);
/* The name of the node that somebody is; NULL: none. */
const char *node_of(const struct caller *who);

#endif

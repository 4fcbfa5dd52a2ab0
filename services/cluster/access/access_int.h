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
/* *why, when it is not NULL: which binding allows it, malloc'ed, or unchanged. */
bool rbac_allowed(const struct rbac *b, const struct access_question *q, char **why);
bool rbac_rules(const struct rbac *b, const struct caller *who, const char *ns, yyjson_mut_doc *doc,
	yyjson_mut_val *resource_rules, yyjson_mut_val *path_rules);
/*
 * Every list of rules that counts for somebody in a namespace ("": the whole cluster); NULL for a role that is not there.
 * fn returns true to stop, which is then returned.
 */
bool rbac_each(const struct rbac *b, const struct caller *who, const char *ns,
	bool (*fn)(yyjson_val *rules, void *arg), void *arg);
/* The rules of the role that a binding in @ns refers to. *found: is there such a role? */
yyjson_val *rbac_role_rules(
	const struct rbac *b, const char *kind, const char *name, const char *ns, bool *found);

/* node.c: is it a node, and is this its own affair? */
bool node_allowed(const struct registry *r, const struct access_question *q);

#endif

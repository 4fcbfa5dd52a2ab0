/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLUSTER_ACCESS_H
#define CLUSTER_ACCESS_H

/*
 * Who is it, and may they. Authentication: a client certificate of the cluster's CA, a service account's token, a bootstrap
 * token. Authorization: system:masters, then the node authorizer for nodes, then RBAC as the view's roles and bindings say.
 */

#include <yyjson.h>

#include "cluster/registry/registry.h"

struct access;
struct stream;

struct access_options {
	struct registry *registry;
	const char *data_dir; /* keys made at first boot are kept here */
	const char *issuer;   /* of tokens; NULL: https://kubernetes.default.svc.cluster.local */
};

must_check int access_open(struct access **out, const struct access_options *opts);
void access_close(struct access *a); /* accepts NULL */

/* ---- who */

/* A caller with what it points to, one allocation: free(). */
struct caller *access_caller(const char *user, const char *uid, const char *const *groups, size_t n_groups);

/**
 * access_authenticate()
 * @s:		the connection, for its certificate
 * @authorization: the header, or NULL
 *
 * Return: a caller to free(), or NULL: 401.
 */
must_check struct caller *access_authenticate(struct access *a, struct stream *s, const char *authorization);

/* A bearer token alone, as TokenReview asks. @audiences: NULL-terminated, NULL: the API's own. *why: constant. */
must_check struct caller *access_token_caller(
	struct access *a, const char *token, const char *const *audiences, const char **why);

/* ---- tokens of service accounts */

struct access_token_request {
	const struct object *account;
	const struct object *bound;   /* a Pod, Secret or Node; NULL: none */
	const char *const *audiences; /* NULL or empty: the API's own */
	size_t n_audiences;
	int64_t seconds;
};

/* A signed token, malloc'ed; NULL: no memory or no key. *expires: seconds since the epoch. */
must_check char *access_token(struct access *a, const struct access_token_request *r, int64_t *expires);

const char *access_issuer(const struct access *a);
/* The documents of OpenID Connect discovery, malloc'ed JSON. */
char *access_openid_configuration(const struct access *a, size_t *len);
char *access_openid_keys(const struct access *a, size_t *len);

/* ---- may they */

struct access_question {
	const struct caller *who;
	const char
		*verb; /* get, list, watch, create, update, patch, delete, deletecollection, impersonate... */
	const char *group, *resource, *subresource, *ns, *name; /* "" for none */
	const char *path;					/* of what is no resource; NULL: it is one */
	const char *label_selector, *field_selector;		/* or NULL */
};

/* *why, when it is not NULL: a review's reason, malloc'ed, or NULL: nothing is to be said. */
bool access_allowed(struct access *a, const struct access_question *q, char **why);

/* Is a path one of a rule's nonResourceURLs, which may end with a star? */
bool access_covers_path(yyjson_val *rule, const char *path);

/* The name of the node that somebody is, "" when its user says none; NULL: it is no node. */
const char *access_node(const struct caller *who);
/* May a node have a token of this account? Only bound to a pod of its own. NULL: yes, or it is no node. */
must_check struct status *access_node_token(
	const struct caller *who, const struct object *account, const struct object *bound);

/*
 * Everything somebody may do in a namespace, for SelfSubjectRulesReview: arrays of rules in @doc.
 */
bool access_rules(struct access *a, const struct caller *who, const char *ns, yyjson_mut_doc *doc,
	yyjson_mut_val *resource_rules, yyjson_mut_val *path_rules);

/* The roles and bindings every cluster has: made when missing, completed when they lack something. */
void access_bootstrap(struct access *a, void (*done)(void *arg), void *arg);

#endif

/* SPDX-License-Identifier: Apache-2.0 */

/* The ways of knowing somebody, in turn, and the ways of being allowed something, in turn. */

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "cluster/access/access_int.h"
#include "cluster/access/jwt.h"
#include "cluster/registry/caller.h"
#include "lib/stream.h"

#define ISSUER "https://kubernetes.default.svc.cluster.local"

enum { GROUPS_MAX = 20 };

int access_open(struct access **out, const struct access_options *opts)
{
	struct access *a = calloc(1, sizeof(*a));
	int err;

	if (!a)
		return -ENOMEM;
	a->registry = opts->registry;
	a->issuer = strdup(opts->issuer ? opts->issuer : ISSUER);
	err = a->issuer ? jwt_open(&a->jwt, opts->data_dir) : -ENOMEM;
	if (!err)
		err = rbac_open(&a->rbac, opts->registry);
	if (err) {
		access_close(a);
		return err;
	}
	registry_set_access(a->registry, a);
	*out = a;
	return 0;
}

void access_close(struct access *a)
{
	if (!a)
		return;
	registry_set_access(a->registry, NULL);
	rbac_close(a->rbac);
	jwt_close(a->jwt);
	free(a->issuer);
	free(a);
}

/* ---- who */

struct caller *access_caller(const char *user, const char *uid, const char *const *groups, size_t n_groups)
{
	struct caller c = {.user = user, .uid = uid, .groups = groups, .n_groups = n_groups};

	return caller_copy(&c);
}

static struct caller *of_certificate(struct stream *s)
{
	const char *user = stream_peer_cn(s), *const * orgs;
	const char *groups[GROUPS_MAX];
	size_t n = stream_peer_orgs(s, &orgs);

	if (!user || !*user)
		return NULL;
	if (n > GROUPS_MAX - 1)
		n = GROUPS_MAX - 1;
	for (size_t i = 0; i < n; i++)
		groups[i] = orgs[i];
	groups[n++] = "system:authenticated";
	return access_caller(user, "", groups, n);
}

struct caller *access_token_caller(
	struct access *a, const char *token, const char *const *audiences, const char **why)
{
	struct caller *c = audiences ? NULL : token_of_bootstrap(a, token);

	return c ? c : token_of_account(a, token, audiences, why);
}

struct caller *access_authenticate(struct access *a, struct stream *s, const char *authorization)
{
	static const char bearer[] = "Bearer ";
	const char *why;

	/* A token that is shown counts, even beside a certificate: it says who is meant. */
	if (authorization && !strncasecmp(authorization, bearer, sizeof(bearer) - 1)) {
		const char *token = authorization + sizeof(bearer) - 1;

		return access_token_caller(a, token + strspn(token, " "), NULL, &why);
	}
	return s ? of_certificate(s) : NULL;
}

/* ---- may they */

bool access_allowed(struct access *a, const struct access_question *q, char **why)
{
	if (why)
		*why = NULL;
	return caller_in_group(q->who, "system:masters") || node_allowed(a->registry, q) ||
	       rbac_allowed(a->rbac, q, why);
}

bool access_rules(struct access *a, const struct caller *who, const char *ns, yyjson_mut_doc *doc,
	yyjson_mut_val *resource_rules, yyjson_mut_val *path_rules)
{
	return rbac_rules(a->rbac, who, ns, doc, resource_rules, path_rules);
}

/* ---- OpenID Connect */

const char *access_issuer(const struct access *a)
{
	return a->issuer;
}

char *access_openid_configuration(const struct access *a, size_t *len)
{
	char *json = NULL;
	int n = asprintf(&json,
		"{\"issuer\":\"%s\",\"jwks_uri\":\"%s/openid/v1/jwks\",\"response_types_supported\":[\"id_token\"],"
		"\"subject_types_supported\":[\"public\"],\"id_token_signing_alg_values_supported\":[\"ES256\"]}",
		a->issuer, a->issuer);

	if (n < 0)
		return NULL;
	*len = (size_t)n;
	return json;
}

char *access_openid_keys(const struct access *a, size_t *len)
{
	return jwt_keys(a->jwt, len);
}

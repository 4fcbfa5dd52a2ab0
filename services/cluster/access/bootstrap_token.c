/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Bootstrap tokens, ID.SECRET: what a node shows before it has a certificate. Each is a Secret of kube-system named
 * bootstrap-token-ID, with an end.
 */

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "cluster/access/access_int.h"
#include "cluster/registry/caller.h"
#include "cluster/schema/meta.h"
#include "cluster/schema/schema.h"
#include "lib/base64.h"
#include "lib/json.h"

enum { ID_LEN = 6, SECRET_LEN = 16, GROUPS_MAX = 16 };

static bool well_formed(const char *token)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyz0123456789";

	return strlen(token) == ID_LEN + 1 + SECRET_LEN && strspn(token, letters) == ID_LEN &&
	       token[ID_LEN] == '.' && strspn(token + ID_LEN + 1, letters) == SECRET_LEN;
}

/* A value of the Secret's data, as text; malloc'ed or NULL. */
static char *value(yyjson_val *root, const char *key)
{
	const char *encoded = json_str(json_obj(root, "data"), key);

	return encoded ? base64_text(encoded) : NULL;
}

/* In a time that does not depend on where they differ. */
static bool same_secret(const char *a, const char *b)
{
	unsigned char differ = 0;

	if (strlen(a) != strlen(b))
		return false;
	for (size_t i = 0; a[i]; i++)
		differ |= (unsigned char)(a[i] ^ b[i]);
	return !differ;
}

static bool good(yyjson_val *root, const char *secret)
{
	cleanup(freep) char *want = value(root, "token-secret");
	cleanup(freep) char *end = value(root, "expiration");
	cleanup(freep) char *use = value(root, "usage-bootstrap-authentication");
	const char *type = json_str(root, "type");
	struct timespec when;

	if (!type || strcmp(type, "bootstrap.kubernetes.io/token") != 0 || !want ||
		!same_secret(want, secret))
		return false;
	if (!use || strcmp(use, "true") != 0)
		return false;
	return !end || (!meta_time_parse(&when, end) && time(NULL) < when.tv_sec);
}

struct caller *token_of_bootstrap(struct access *a, const char *token)
{
	cleanup(json_docp) yyjson_doc *doc = NULL;
	cleanup(freep) char *extra = NULL;
	char name[32], user[64];
	const char *groups[GROUPS_MAX] = {"system:bootstrappers", "system:authenticated"};
	struct caller c = {.user = user, .uid = "", .groups = groups, .n_groups = 2};
	const struct object *o;

	if (!well_formed(token))
		return NULL;
	snprintf(name, sizeof(name), "bootstrap-token-%.*s", ID_LEN, token);
	o = registry_get(a->registry, schema_find("", "v1", "secrets"), "kube-system", name);
	doc = o && !o->deleted ? object_doc(o) : NULL;
	if (!doc || !good(yyjson_doc_get_root(doc), token + ID_LEN + 1))
		return NULL;
	snprintf(user, sizeof(user), "system:bootstrap:%.*s", ID_LEN, token);
	extra = value(yyjson_doc_get_root(doc), "auth-extra-groups");
	for (char *g = extra ? strtok(extra, ",") : NULL; g && c.n_groups < GROUPS_MAX; g = strtok(NULL, ","))
		if (!strncmp(g, "system:bootstrappers:", 21))
			groups[c.n_groups++] = g;
	return caller_copy(&c);
}

/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Tokens of service accounts: signed claims about an account, and about the pod, secret or node they are bound to. They are
 * good as long as all of these exist unchanged, by uid, and the time has not come.
 */

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "cluster/access/access_int.h"
#include "cluster/access/jwt.h"
#include "cluster/registry/caller.h"
#include "cluster/schema/meta.h"
#include "cluster/schema/schema.h"
#include "lib/json.h"

enum { SECONDS_MIN = 600, SECONDS_MAX = 366 * 24 * 3600, LEEWAY_S = 10 };

static bool is(const struct object *o, const char *kind)
{
	return o && !strcmp(o->kind->kind, kind) && !*o->kind->group;
}

static bool add_ref(yyjson_mut_doc *doc, yyjson_mut_val *to, const char *key, const struct object *o)
{
	yyjson_mut_val *ref = yyjson_mut_obj_add_obj(doc, to, key);

	return ref && yyjson_mut_obj_add_strcpy(doc, ref, "name", o->name) &&
	       yyjson_mut_obj_add_strcpy(doc, ref, "uid", o->uid);
}

static bool add_bound(struct access *a, yyjson_mut_doc *doc, yyjson_mut_val *to, const struct object *bound)
{
	const char *node = NULL;
	const struct object *n;

	if (!bound)
		return true;
	if (!is(bound, "Pod"))
		return add_ref(doc, to, is(bound, "Node") ? "node" : "secret", bound);
	for (size_t i = 0; i < bound->n_fields; i++)
		if (!strcmp(bound->fields[i].key, "spec.nodeName"))
			node = bound->fields[i].value;
	n = node && *node ? registry_get(a->registry, schema_find("", "v1", "nodes"), "", node) : NULL;
	return add_ref(doc, to, "pod", bound) && (!n || add_ref(doc, to, "node", n));
}

char *access_token(struct access *a, const struct access_token_request *r, int64_t *expires)
{
	cleanup(json_mut_docp) yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
	yyjson_mut_val *root = doc ? yyjson_mut_obj(doc) : NULL, *audiences, *private;
	const char *own[] = {a->issuer};
	const char *const *wanted = r->n_audiences ? r->audiences : own;
	size_t n = r->n_audiences ? r->n_audiences : 1, len;
	int64_t now = time(NULL), seconds = r->seconds < SECONDS_MIN ? SECONDS_MIN : r->seconds;
	char subject[512], id[META_UID_MAX];
	cleanup(freep) char *json = NULL;

	if (!root || meta_uid(id))
		return NULL;
	if (seconds > SECONDS_MAX)
		seconds = SECONDS_MAX;
	*expires = now + seconds;
	yyjson_mut_doc_set_root(doc, root);
	audiences = yyjson_mut_obj_add_arr(doc, root, "aud");
	for (size_t i = 0; i < n; i++)
		if (!yyjson_mut_arr_add_strcpy(doc, audiences, wanted[i]))
			return NULL;
	snprintf(subject, sizeof(subject), "system:serviceaccount:%s:%s", r->account->ns, r->account->name);
	yyjson_mut_obj_add_sint(doc, root, "exp", *expires);
	yyjson_mut_obj_add_sint(doc, root, "iat", now);
	yyjson_mut_obj_add_str(doc, root, "iss", a->issuer);
	yyjson_mut_obj_add_str(doc, root, "jti", id);
	private = yyjson_mut_obj_add_obj(doc, root, "kubernetes.io");
	yyjson_mut_obj_add_str(doc, private, "namespace", r->account->ns);
	if (!add_ref(doc, private, "serviceaccount", r->account) || !add_bound(a, doc, private, r->bound))
		return NULL;
	yyjson_mut_obj_add_sint(doc, root, "nbf", now);
	if (!yyjson_mut_obj_add_str(doc, root, "sub", subject))
		return NULL;
	json = yyjson_mut_write(doc, YYJSON_WRITE_NOFLAG, &len);
	return json ? jwt_make(a->jwt, json, len) : NULL;
}

/* ---- reading */

static bool for_us(yyjson_val *aud, const char *const *wanted)
{
	for (; *wanted; wanted++)
		if (yyjson_equals_str(aud, *wanted) || json_arr_has(aud, *wanted))
			return true;
	return false;
}

/* What the claim names is there, with that uid. A claim that is not made holds. */
static bool stands(struct access *a, yyjson_val *private, const char *key, const char *plural, const char *ns)
{
	yyjson_val *ref = json_obj(private, key);
	const char *name = json_str(ref, "name"), *uid = json_str(ref, "uid");
	const struct object *o;

	if (!ref)
		return true;
	if (!name || !uid)
		return false;
	o = registry_get(a->registry, schema_find("", "v1", plural), ns, name);
	return o && !strcmp(o->uid, uid);
}

static const char *refusal(struct access *a, yyjson_val *root, const char *const *audiences)
{
	const char *own[] = {a->issuer, NULL};
	yyjson_val *private = json_obj(root, "kubernetes.io");
	const char *issuer = json_str(root, "iss"), *ns = json_str(private, "namespace");
	int64_t now = time(NULL);

	if (!issuer || strcmp(issuer, a->issuer) != 0 || !ns || !json_obj(private, "serviceaccount"))
		return "the token is not one of a service account of this cluster";
	if (now > json_int(root, "exp", 0))
		return "service account token has expired";
	if (now + LEEWAY_S < json_int(root, "nbf", 0))
		return "service account token is not valid yet";
	if (!for_us(yyjson_obj_get(root, "aud"), audiences ? audiences : own))
		return "token audiences are none of those asked for";
	if (!stands(a, private, "serviceaccount", "serviceaccounts", ns))
		return "service account has been deleted";
	if (!stands(a, private, "pod", "pods", ns))
		return "pod of the service account token has been deleted";
	if (!stands(a, private, "secret", "secrets", ns))
		return "service account token has been invalidated";
	if (!json_obj(private, "pod") && !stands(a, private, "node", "nodes", ""))
		return "node of the service account token has been deleted";
	return NULL;
}

struct caller *token_of_account(
	struct access *a, const char *token, const char *const *audiences, const char **why)
{
	cleanup(json_docp) yyjson_doc *doc = jwt_read(a->jwt, token);
	yyjson_val *root = yyjson_doc_get_root(doc), *private = json_obj(root, "kubernetes.io");
	static const char *const keys[] = {"authentication.kubernetes.io/credential-id",
		"authentication.kubernetes.io/pod-name", "authentication.kubernetes.io/pod-uid",
		"authentication.kubernetes.io/node-name", "authentication.kubernetes.io/node-uid"};
	const char *values[array_len(keys)];
	char user[512], group[320], credential[64];
	const char *groups[] = {"system:serviceaccounts", group, "system:authenticated"};
	struct caller_extra extra[array_len(keys)];
	struct caller c = {.user = user, .groups = groups, .n_groups = array_len(groups), .extra = extra};

	*why = root ? refusal(a, root, audiences) : "the token is not signed by this cluster";
	if (*why)
		return NULL;
	snprintf(user, sizeof(user), "system:serviceaccount:%s:%s", json_str(private, "namespace"),
		json_str(json_obj(private, "serviceaccount"), "name"));
	snprintf(group, sizeof(group), "system:serviceaccounts:%s", json_str(private, "namespace"));
	c.uid = json_str(json_obj(private, "serviceaccount"), "uid");
	snprintf(
		credential, sizeof(credential), "JTI=%s", json_str(root, "jti") ? json_str(root, "jti") : "");
	values[0] = credential;
	values[1] = json_str(json_obj(private, "pod"), "name");
	values[2] = json_str(json_obj(private, "pod"), "uid");
	values[3] = json_str(json_obj(private, "node"), "name");
	values[4] = json_str(json_obj(private, "node"), "uid");
	for (size_t i = 0; i < array_len(keys); i++)
		if (values[i])
			extra[c.n_extra++] = (struct caller_extra){keys[i], &values[i], 1};
	return caller_copy(&c);
}

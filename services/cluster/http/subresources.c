/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Subresources, by one table. Those that are a part of the object (status, finalize, approval...) go the way of the object;
 * binding, eviction and token are small verbs of their own, here; scale and what goes on to a node have files.
 */

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "cluster/http/http_int.h"
#include "cluster/http/subresources.h"
#include "cluster/schema/conditions.h"
#include "cluster/schema/meta.h"
#include "lib/json.h"

/* ---- bodies that are no resource */

yyjson_mut_doc *subresource_body(struct request *q, const char *api_version, const char *kind)
{
	const char *type = http_header(q->http, "Content-Type");
	int format = decode_format_of(type ? type : "");
	const struct schema_type *t = schema_named_type(kind);
	const struct schema_kind *k = t ? NULL : schema_find_kind(api_version, kind);
	yyjson_mut_doc *doc = NULL;
	struct status *err;

	if (format < 0)
		err = status_unsupported_media_type(false);
	else if (!t && !k)
		err = status_internal("%s is not described", kind);
	else
		err = decode_named(&doc, q->body, q->body_len, (enum decode_format)format, api_version, kind,
			t ? t : k->type, q->validation, &q->warnings);
	if (!err)
		return doc;
	reply_status(q, err);
	return NULL;
}

static void reply_created(struct request *q)
{
	static const char json[] =
		"{\"kind\":\"Status\",\"apiVersion\":\"v1\",\"metadata\":{},\"status\":\"Success\",\"code\":201}";

	reply_bytes(q, 201, json, sizeof(json) - 1);
}

/* ---- binding */

struct bind {
	struct request *q;
	yyjson_mut_doc *doc; /* owned: the Binding */
	const char *node, *uid;
};

static void bind_free(void *own)
{
	struct bind *b = own;

	yyjson_mut_doc_free(b->doc);
	free(b);
}

static enum modify do_bind(const struct object *old, yyjson_mut_doc **doc, struct status **error, void *arg)
{
	struct bind *b = arg;
	yyjson_mut_val *root = yyjson_mut_doc_get_root(*doc), *spec = yyjson_mut_obj_get(root, "spec");
	const char *node = yyjson_mut_get_str(yyjson_mut_obj_get(spec, "nodeName"));
	char why[320];

	if (b->uid && strcmp(b->uid, old->uid) != 0)
		snprintf(why, sizeof(why),
			"Precondition failed: UID in precondition: %.64s, UID in object meta: %.64s", b->uid,
			old->uid);
	else if (old->deleted)
		snprintf(
			why, sizeof(why), "pod %s is being deleted, cannot be assigned to a host", old->name);
	else if (node && *node)
		snprintf(why, sizeof(why), "pod %s is already assigned to node \"%s\"", old->name, node);
	else if (yyjson_mut_arr_size(yyjson_mut_obj_get(spec, "schedulingGates")))
		snprintf(why, sizeof(why), "pod %s has non-empty .spec.schedulingGates", old->name);
	else if (meta_put(*doc, spec, "nodeName", yyjson_mut_strcpy(*doc, b->node)) &&
		 pod_condition_set(*doc, root, "PodScheduled", "True", "", "", time(NULL)) >= 0)
		return MODIFY_WRITE;
	else
		return MODIFY_FAIL;
	*error = status_conflict(old->kind, old->name, why);
	return MODIFY_FAIL;
}

static void bound(const struct status *error, const struct object *object, void *arg)
{
	struct bind *b = arg;
	struct request *q = b->q;

	if (error)
		reply_error(q, error);
	else
		reply_created(q);
	request_unref(q);
}

static void bind_pod(struct request *q)
{
	struct write_options w = request_write_options(q);
	struct bind *b = calloc(1, sizeof(*b));
	yyjson_mut_val *root;

	if (!b) {
		reply_status(q, status_errno(-ENOMEM, "binding"));
		return;
	}
	b->q = q;
	q->own = b;
	q->own_free = bind_free;
	b->doc = subresource_body(q, "v1", "Binding");
	if (!b->doc)
		return;
	root = yyjson_mut_doc_get_root(b->doc);
	b->node = yyjson_mut_get_str(meta_mut_get(root, "target", "name", NULL));
	b->uid = yyjson_mut_get_str(meta_mut_get(root, "metadata", "uid", NULL));
	if (!b->node || !*b->node) {
		reply_status(q, status_new(422, "Invalid",
					"Binding \"%s\" is invalid: target.name: Required value", q->name));
		return;
	}
	w.subresource = "binding";
	request_ref(q);
	registry_modify(q->api->registry, q->who, schema_find("", "v1", "pods"), q->ns, q->name, false,
		do_bind, &w, bound, b);
}

/* ---- token */

static const struct object *bound_object(struct request *q, yyjson_mut_val *ref, struct status **err)
{
	const char *kind = yyjson_mut_get_str(yyjson_mut_obj_get(ref, "kind"));
	const char *name = yyjson_mut_get_str(yyjson_mut_obj_get(ref, "name"));
	const char *uid = yyjson_mut_get_str(yyjson_mut_obj_get(ref, "uid"));
	const struct schema_kind *k = kind ? schema_find_kind("v1", kind) : NULL;
	const struct object *o;

	if (!k || !name || (strcmp(kind, "Pod") && strcmp(kind, "Secret") && strcmp(kind, "Node"))) {
		*err = status_bad_request("cannot bind token for serviceaccount \"%s\" to object of type %s",
			q->name, kind ? kind : "unknown");
		return NULL;
	}
	o = registry_get(q->api->registry, k, k->flags & SCHEMA_NAMESPACED ? q->ns : "", name);
	if (!o)
		*err = status_not_found(k, name);
	else if (uid && *uid && strcmp(uid, o->uid) != 0)
		*err = status_conflict(
			k, name, "the UID in the bound object reference does not match the UID in record");
	return o;
}

/* A pod's token is for the account it runs as. */
static struct status *same_account(const struct object *pod, const char *account)
{
	cleanup(json_docp) yyjson_doc *doc = object_doc(pod);
	const char *name = json_str(json_obj(yyjson_doc_get_root(doc), "spec"), "serviceAccountName");

	if (doc && name && !strcmp(name, account))
		return NULL;
	return status_bad_request(
		"cannot bind token to pod %s: it runs as service account %s", pod->name, name ? name : "");
}

static void make_token(struct request *q)
{
	yyjson_mut_doc *doc = subresource_body(q, "authentication.k8s.io/v1", "TokenRequest");
	yyjson_mut_val *root = yyjson_mut_doc_get_root(doc), *spec, *status, *list, *a, *ref;
	cleanup(freep) const char **audiences = NULL;
	struct access_token_request r = {.seconds = 3600};
	char text[META_TIME_MAX];
	cleanup(freep) char *token = NULL;
	struct status *err = NULL;
	int64_t expires;

	if (!doc)
		return;
	spec = meta_make(doc, root, "spec", NULL);
	r.account = registry_get(q->api->registry, q->kind, q->ns, q->name);
	if (!r.account)
		err = status_not_found(q->kind, q->name);
	a = yyjson_mut_obj_get(spec, "expirationSeconds");
	if (a)
		r.seconds = yyjson_mut_get_sint(a);
	if (!err && r.seconds < 600)
		err = status_new(422, "Invalid",
			"TokenRequest.authentication.k8s.io \"\" is invalid: spec.expirationSeconds: Invalid value: %lld: may not "
			"specify a duration less than 10 minutes",
			(long long)r.seconds);
	audiences = request_texts(yyjson_mut_obj_get(spec, "audiences"), &r.n_audiences);
	r.audiences = audiences;
	if (!err && !audiences)
		err = status_errno(-ENOMEM, "token");
	ref = yyjson_mut_obj_get(spec, "boundObjectRef");
	if (!err && ref)
		r.bound = bound_object(q, ref, &err);
	if (!err && r.bound && !strcmp(r.bound->kind->kind, "Pod"))
		err = same_account(r.bound, q->name);
	if (!err)
		err = access_node_token(q->who, r.account, r.bound);
	if (!err) {
		token = access_token(q->api->access, &r, &expires);
		if (!token)
			err = status_errno(-ENOMEM, "token");
	}
	if (err) {
		yyjson_mut_doc_free(doc);
		reply_status(q, err);
		return;
	}
	yyjson_mut_obj_remove_key(root, "status");
	status = yyjson_mut_obj_add_obj(doc, root, "status");
	meta_time(text, expires);
	(void)!meta_set_text(doc, root, "name", q->name);
	(void)!meta_set_text(doc, root, "namespace", q->ns);
	if (!r.n_audiences) {
		list = yyjson_mut_arr(doc);
		yyjson_mut_arr_add_str(doc, list, access_issuer(q->api->access));
		(void)!meta_put(doc, spec, "audiences", list);
	}
	if (!yyjson_mut_obj_add_strcpy(doc, status, "token", token) ||
		!yyjson_mut_obj_add_strcpy(doc, status, "expirationTimestamp", text)) {
		yyjson_mut_doc_free(doc);
		doc = NULL;
	}
	reply_doc(q, 201, doc);
}

/* ---- the table */

static void binding(struct request *q)
{
	request_read_body(q, bind_pod);
}

static void token(struct request *q)
{
	request_read_body(q, make_token);
}

static const struct subresource {
	const char *plural, *name, *verb; /* plural NULL: of any; verb NULL: any */
	void (*fn)(struct request *q);
} table[] = {
	{NULL, "scale", NULL, subresource_scale},
	{"pods", "binding", "create", binding},
	{"pods", "eviction", "create", subresource_eviction},
	{"serviceaccounts", "token", "create", token},
	{"pods", "log", "get", subresource_kubelet},
	{"pods", "exec", NULL, subresource_kubelet},
	{"pods", "attach", NULL, subresource_kubelet},
	{"pods", "portforward", NULL, subresource_kubelet},
	{NULL, "proxy", NULL, subresource_proxy},
	/* parts of the object */
	{NULL, NULL, "get", handle_get},
	{NULL, NULL, "update", handle_update},
	{NULL, NULL, "patch", handle_patch},
};

static uint16_t flag_of(const char *verb)
{
	static const struct {
		const char *verb;
		uint16_t flag;
	} flags[] = {{"get", SCHEMA_GET}, {"update", SCHEMA_UPDATE}, {"patch", SCHEMA_PATCH},
		{"create", SCHEMA_CREATE}, {"delete", SCHEMA_DELETE}};

	for (size_t i = 0; i < array_len(flags); i++)
		if (!strcmp(flags[i].verb, verb))
			return flags[i].flag;
	return 0;
}

/* Proxies hand on this method, too, for which there is no verb. */
static bool is_proxied_options(const struct request *q)
{
	return http_method(q->http) == HTTP_OPTIONS_ && !strcmp(q->subresource, "proxy");
}

bool handle_subresource(struct request *q)
{
	if (!(q->sub->verbs & flag_of(q->verb)) && !is_proxied_options(q))
		return false;
	for (size_t i = 0; i < array_len(table); i++) {
		const struct subresource *s = &table[i];

		if ((!s->plural || !strcmp(s->plural, q->kind->plural)) &&
			(!s->name || !strcmp(s->name, q->subresource)) &&
			(!s->verb || !strcmp(s->verb, q->verb))) {
			s->fn(q);
			return true;
		}
	}
	return false;
}

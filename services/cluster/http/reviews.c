/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Reviews: created to be answered, never stored. Who am I, may I, may they, what may I, whose token is this. Each takes the
 * decoded review and fills in its status.
 */

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "cluster/http/http_int.h"
#include "cluster/schema/meta.h"
#include "lib/json.h"

struct review {
	struct request *q;
	yyjson_mut_doc *doc;
	yyjson_mut_val *root, *spec, *status;
};

static const char *text_of(yyjson_mut_val *obj, const char *key)
{
	const char *s = yyjson_mut_get_str(yyjson_mut_obj_get(obj, key));

	return s ? s : "";
}

static bool add_text(struct review *v, yyjson_mut_val *obj, const char *key, const char *text)
{
	return !text || !*text || yyjson_mut_obj_add_strcpy(v->doc, obj, key, text);
}

static bool add_user(struct review *v, yyjson_mut_val *to, const char *key, const struct caller *who)
{
	yyjson_mut_val *user = yyjson_mut_obj_add_obj(v->doc, to, key), *list;

	if (!user || !add_text(v, user, "username", who->user) || !add_text(v, user, "uid", who->uid))
		return false;
	list = yyjson_mut_obj_add_arr(v->doc, user, "groups");
	for (size_t i = 0; i < who->n_groups; i++)
		if (!yyjson_mut_arr_add_strcpy(v->doc, list, who->groups[i]))
			return false;
	if (!who->n_extra)
		return true;
	user = yyjson_mut_obj_add_obj(v->doc, user, "extra");
	for (size_t i = 0; i < who->n_extra; i++) {
		list = yyjson_mut_arr(v->doc);
		for (size_t k = 0; k < who->extra[i].n_values; k++)
			yyjson_mut_arr_add_strcpy(v->doc, list, who->extra[i].values[k]);
		if (!yyjson_mut_obj_add(user, yyjson_mut_strcpy(v->doc, who->extra[i].key), list))
			return false;
	}
	return true;
}

const char **request_texts(yyjson_mut_val *list, size_t *n)
{
	const char **out = calloc(yyjson_mut_arr_size(list) + 1, sizeof(*out));
	size_t i, max;
	yyjson_mut_val *v;

	*n = 0;
	if (out)
		yyjson_mut_arr_foreach(list, i, max, v) if (yyjson_mut_is_str(v)) out[(*n)++] =
			yyjson_mut_get_str(v);
	return out;
}

/* ---- may somebody */

/*
 * A selector of a review as a request would have it in its query: what is raw, or its requirements of one value each. Others are
 * left out, which makes less of it than it is, so that nothing is allowed by them.
 */
static char *selector_text(yyjson_mut_val *selector)
{
	yyjson_mut_val *list = yyjson_mut_obj_get(selector, "requirements"), *r;
	struct text t = {0};
	size_t i, max;

	text_puts(&t, text_of(selector, "rawSelector"));
	yyjson_mut_arr_foreach(list, i, max, r)
	{
		yyjson_mut_val *values = yyjson_mut_obj_get(r, "values");
		const char *value = yyjson_mut_get_str(yyjson_mut_arr_get_first(values));

		if (!strcmp(text_of(r, "operator"), "In") && yyjson_mut_arr_size(values) == 1 && value)
			text_printf(&t, "%s%s=%s", t.len ? "," : "", text_of(r, "key"), value);
	}
	text_add(&t, "", 1);
	if (t.failed) {
		text_fini(&t);
		return NULL;
	}
	return t.bytes;
}

static struct status *answer_access(struct review *v, const struct caller *who)
{
	yyjson_mut_val *resource = yyjson_mut_obj_get(v->spec, "resourceAttributes");
	yyjson_mut_val *path = yyjson_mut_obj_get(v->spec, "nonResourceAttributes");
	struct access_question ask = {
		.who = who, .group = "", .resource = "", .subresource = "", .ns = "", .name = ""};
	cleanup(freep) char *fields = NULL, *labels = NULL, *why = NULL;
	bool allowed;

	if (!resource == !path)
		return status_new(422, "Invalid",
			"%s \"\" is invalid: spec.resourceAttributes: Invalid value: \"null\": exactly one of "
			"nonResourceAttributes or resourceAttributes must be specified",
			v->q->kind->kind);
	if (path) {
		ask.path = text_of(path, "path");
		ask.verb = text_of(path, "verb");
	} else {
		ask.verb = text_of(resource, "verb");
		ask.group = text_of(resource, "group");
		ask.resource = text_of(resource, "resource");
		ask.subresource = text_of(resource, "subresource");
		ask.ns = text_of(resource, "namespace");
		ask.name = text_of(resource, "name");
		fields = selector_text(yyjson_mut_obj_get(resource, "fieldSelector"));
		labels = selector_text(yyjson_mut_obj_get(resource, "labelSelector"));
		if (!fields || !labels)
			return status_errno(-ENOMEM, "review");
		ask.field_selector = *fields ? fields : NULL;
		ask.label_selector = *labels ? labels : NULL;
	}
	allowed = access_allowed(v->q->api->access, &ask, &why);
	if (!yyjson_mut_obj_add_bool(v->doc, v->status, "allowed", allowed) ||
		!add_text(v, v->status, "reason", why))
		return status_errno(-ENOMEM, "review");
	return NULL;
}

static struct status *self_access(struct review *v)
{
	return answer_access(v, v->q->who);
}

static struct status *subject_access(struct review *v)
{
	struct caller who = {.user = text_of(v->spec, "user"), .uid = text_of(v->spec, "uid")};
	cleanup(freep) const char **groups =
		request_texts(yyjson_mut_obj_get(v->spec, "groups"), &who.n_groups);

	if (!groups)
		return status_errno(-ENOMEM, "review");
	who.groups = groups;
	if (!*who.user && !who.n_groups)
		return status_new(422, "Invalid",
			"%s \"\" is invalid: spec.user: Invalid value: \"\": at least one of user or group must be specified",
			v->q->kind->kind);
	return answer_access(v, &who);
}

static struct status *local_access(struct review *v)
{
	yyjson_mut_val *resource = yyjson_mut_obj_get(v->spec, "resourceAttributes");

	if (!resource || strcmp(text_of(resource, "namespace"), v->q->ns) != 0)
		return status_new(422, "Invalid",
			"LocalSubjectAccessReview.authorization.k8s.io \"\" is invalid: spec.resourceAttributes.namespace: Invalid "
			"value: \"%s\": must match metadata.namespace",
			text_of(resource, "namespace"));
	return subject_access(v);
}

static struct status *self_rules(struct review *v)
{
	yyjson_mut_val *resources = yyjson_mut_obj_add_arr(v->doc, v->status, "resourceRules");
	yyjson_mut_val *paths = yyjson_mut_obj_add_arr(v->doc, v->status, "nonResourceRules");
	const char *ns = text_of(v->spec, "namespace");

	if (!*ns)
		return status_bad_request("no namespace on request");
	if (!yyjson_mut_obj_add_bool(v->doc, v->status, "incomplete", false) ||
		!access_rules(v->q->api->access, v->q->who, ns, v->doc, resources, paths))
		return status_errno(-ENOMEM, "review");
	return NULL;
}

/* ---- who is it */

static struct status *self(struct review *v)
{
	return add_user(v, v->status, "userInfo", v->q->who) ? NULL : status_errno(-ENOMEM, "review");
}

static struct status *token(struct review *v)
{
	const char *why = "the token is none of this cluster", *shown = text_of(v->spec, "token");
	size_t n;
	cleanup(freep) const char **audiences = request_texts(yyjson_mut_obj_get(v->spec, "audiences"), &n);
	yyjson_mut_val *list;
	struct caller *who;
	bool ok;

	if (!audiences)
		return status_errno(-ENOMEM, "review");
	if (!*shown)
		return status_bad_request("token is required for TokenReview in authentication");
	who = access_token_caller(v->q->api->access, shown, n ? audiences : NULL, &why);
	if (!who) {
		ok = add_text(v, v->status, "error", why);
		return ok ? NULL : status_errno(-ENOMEM, "review");
	}
	ok = yyjson_mut_obj_add_bool(v->doc, v->status, "authenticated", true) &&
	     add_user(v, v->status, "user", who);
	list = yyjson_mut_obj_add_arr(v->doc, v->status, "audiences");
	if (!n)
		ok &= yyjson_mut_arr_add_strcpy(v->doc, list, access_issuer(v->q->api->access));
	for (size_t i = 0; i < n; i++)
		ok &= yyjson_mut_arr_add_strcpy(v->doc, list, audiences[i]);
	free(who);
	return ok ? NULL : status_errno(-ENOMEM, "review");
}

static const struct {
	const char *kind;
	struct status *(*fn)(struct review *v);
} reviews[] = {
	{"SelfSubjectAccessReview", self_access},
	{"SubjectAccessReview", subject_access},
	{"LocalSubjectAccessReview", local_access},
	{"SelfSubjectRulesReview", self_rules},
	{"SelfSubjectReview", self},
	{"TokenReview", token},
};

static void review(struct request *q)
{
	const char *type = http_header(q->http, "Content-Type");
	int format = decode_format_of(type ? type : "");
	struct review v = {.q = q};
	struct status *err;

	err = format < 0 ? status_unsupported_media_type(false)
			 : decode_object(&v.doc, q->body, q->body_len, (enum decode_format)format, q->kind,
				   q->validation, &q->warnings);
	if (err) {
		reply_status(q, err);
		return;
	}
	v.root = yyjson_mut_doc_get_root(v.doc);
	v.spec = meta_make(v.doc, v.root, "spec", NULL);
	yyjson_mut_obj_remove_key(v.root, "status");
	v.status = yyjson_mut_obj_add_obj(v.doc, v.root, "status");
	if (!meta_make(v.doc, v.root, "metadata", NULL) || !v.spec || !v.status)
		err = status_errno(-ENOMEM, "review");
	for (size_t i = 0; !err && i < array_len(reviews); i++)
		if (!strcmp(reviews[i].kind, q->kind->kind))
			err = reviews[i].fn(&v);
	if (err) {
		yyjson_mut_doc_free(v.doc);
		reply_status(q, err);
	} else {
		reply_doc(q, 201, v.doc);
	}
}

void handle_review(struct request *q)
{
	request_read_body(q, review);
}

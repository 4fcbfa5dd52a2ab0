/* SPDX-License-Identifier: Apache-2.0 */

/* AdmissionReview of admission.k8s.io/v1: the question that a webhook is sent, and what it may answer. */

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "cluster/schema/convert.h"
#include "cluster/schema/meta.h"
#include "cluster/schema/schema.h"
#include "cluster/webhooks/webhooks_int.h"
#include "lib/base64.h"
#include "lib/json.h"

/* ---- the question */

static bool add_text(yyjson_mut_doc *doc, yyjson_mut_val *o, const char *key, const char *text)
{
	return yyjson_mut_obj_add_strcpy(doc, o, key, text);
}

/* {group, version, kind} or {group, version, resource} */
static bool add_name(yyjson_mut_doc *doc, yyjson_mut_val *o, const char *key, const struct schema_kind *k,
	const char *last, const char *text)
{
	yyjson_mut_val *v = yyjson_mut_obj_add_obj(doc, o, key);

	return v && add_text(doc, v, "group", k->group) && add_text(doc, v, "version", k->version) &&
	       add_text(doc, v, last, text);
}

static bool add_texts(
	yyjson_mut_doc *doc, yyjson_mut_val *o, const char *key, const char *const *texts, size_t n)
{
	yyjson_mut_val *list = yyjson_mut_arr(doc);
	yyjson_mut_val *name = yyjson_mut_strcpy(doc, key);
	bool ok = list && name && yyjson_mut_obj_add(o, name, list);

	for (size_t i = 0; ok && i < n; i++)
		ok = yyjson_mut_arr_add_strcpy(doc, list, texts[i]);
	return ok;
}

static bool add_user(yyjson_mut_doc *doc, yyjson_mut_val *request, const struct caller *who)
{
	yyjson_mut_val *user = yyjson_mut_obj_add_obj(doc, request, "userInfo"), *extra;

	if (!user || !add_text(doc, user, "username", who->user) ||
		(*who->uid && !add_text(doc, user, "uid", who->uid)) ||
		!add_texts(doc, user, "groups", who->groups, who->n_groups))
		return false;
	extra = who->n_extra ? yyjson_mut_obj_add_obj(doc, user, "extra") : NULL;
	for (size_t i = 0; i < who->n_extra; i++)
		if (!extra || !add_texts(doc, extra, who->extra[i].key, who->extra[i].values,
				      who->extra[i].n_values))
			return false;
	return true;
}

/* {group, version, kind} of a foreign object, as it says itself. */
static bool add_own_name(yyjson_mut_doc *doc, yyjson_mut_val *o, const char *key, yyjson_mut_val *foreign)
{
	yyjson_mut_val *v = yyjson_mut_obj_add_obj(doc, o, key);
	const char *api = yyjson_mut_get_str(yyjson_mut_obj_get(foreign, "apiVersion")) ?: "",
		   *kind = yyjson_mut_get_str(yyjson_mut_obj_get(foreign, "kind")) ?: "",
		   *slash = strchr(api, '/');
	yyjson_mut_val *group = yyjson_mut_strncpy(doc, api, slash ? (size_t)(slash - api) : 0);

	return v && group && yyjson_mut_obj_add_val(doc, v, "group", group) &&
	       add_text(doc, v, "version", slash ? slash + 1 : api) && add_text(doc, v, "kind", kind);
}

/* An object in the version that the webhook knows; NULL is null. */
static bool add_object(yyjson_mut_doc *doc, yyjson_mut_val *request, const char *key, yyjson_mut_doc *object,
	const struct attempt *a, const struct schema_kind *as)
{
	yyjson_mut_val *copy;

	if (!object)
		return yyjson_mut_obj_add_null(doc, request, key);
	if (!a->foreign && (!convert_object(object, a->kind, as) ||
				   !meta_put(object, yyjson_mut_doc_get_root(object), "apiVersion",
					   yyjson_mut_strcpy(object, as->api_version)) ||
				   !meta_put(object, yyjson_mut_doc_get_root(object), "kind",
					   yyjson_mut_strcpy(object, as->kind))))
		return false;
	copy = yyjson_mut_val_mut_copy(doc, yyjson_mut_doc_get_root(object));
	return copy && yyjson_mut_obj_add_val(doc, request, key, copy);
}

static bool add_objects(
	yyjson_mut_doc *doc, yyjson_mut_val *request, const struct attempt *a, const struct schema_kind *as)
{
	cleanup(json_mut_docp) yyjson_mut_doc *now = a->doc ? yyjson_mut_doc_mut_copy(a->doc, NULL) : NULL;
	cleanup(json_mut_docp) yyjson_mut_doc *old = a->old ? object_mut_doc(a->old) : NULL;

	return (now || !a->doc) && (old || !a->old) && add_object(doc, request, "object", now, a, as) &&
	       add_object(doc, request, "oldObject", old, a, as);
}

static bool add_options(yyjson_mut_doc *doc, yyjson_mut_val *request, const struct attempt *a)
{
	static const char *const kinds[] = {[ADMIT_CREATE] = "CreateOptions",
		[ADMIT_UPDATE] = "UpdateOptions",
		[ADMIT_DELETE] = "DeleteOptions"};
	yyjson_mut_val *options, *dry;

	if (a->verb == ADMIT_CONNECT)
		return yyjson_mut_obj_add_null(doc, request, "options");
	options = yyjson_mut_obj_add_obj(doc, request, "options");
	if (!options || !add_text(doc, options, "kind", kinds[a->verb]) ||
		!add_text(doc, options, "apiVersion", "meta.k8s.io/v1"))
		return false;
	dry = a->dry_run ? yyjson_mut_obj_add_arr(doc, options, "dryRun") : NULL;
	return !a->dry_run || (dry && yyjson_mut_arr_add_str(doc, dry, "All"));
}

static bool add_request(yyjson_mut_doc *doc, yyjson_mut_val *root, const struct attempt *a,
	const struct schema_kind *as, const char *uid)
{
	static const char *const verbs[] = {[ADMIT_CREATE] = "CREATE",
		[ADMIT_UPDATE] = "UPDATE",
		[ADMIT_DELETE] = "DELETE",
		[ADMIT_CONNECT] = "CONNECT"};
	yyjson_mut_val *request = yyjson_mut_obj_add_obj(doc, root, "request");
	const struct schema_kind *asked = a->asked ? a->asked : a->kind;

	return request && add_text(doc, request, "uid", uid) &&
	       (a->foreign ? add_own_name(doc, request, "kind", a->root)
			   : add_name(doc, request, "kind", as, "kind", as->kind)) &&
	       add_name(doc, request, "resource", as, "resource", as->plural) &&
	       (a->foreign ? add_own_name(doc, request, "requestKind", a->root)
			   : add_name(doc, request, "requestKind", asked, "kind", asked->kind)) &&
	       add_name(doc, request, "requestResource", asked, "resource", asked->plural) &&
	       (!*a->subresource || (add_text(doc, request, "subResource", a->subresource) &&
					    add_text(doc, request, "requestSubResource", a->subresource))) &&
	       (!*a->name || add_text(doc, request, "name", a->name)) &&
	       (!*a->ns || add_text(doc, request, "namespace", a->ns)) &&
	       add_text(doc, request, "operation", verbs[a->verb]) && add_user(doc, request, a->who) &&
	       add_objects(doc, request, a, as) &&
	       yyjson_mut_obj_add_bool(doc, request, "dryRun", a->dry_run) && add_options(doc, request, a);
}

yyjson_mut_doc *review_question(const struct attempt *a, const struct schema_kind *as, const char *uid)
{
	cleanup(json_mut_docp) yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
	yyjson_mut_val *root = doc ? yyjson_mut_obj(doc) : NULL;

	if (!root || !add_text(doc, root, "kind", "AdmissionReview") ||
		!add_text(doc, root, "apiVersion", "admission.k8s.io/v1") ||
		!add_request(doc, root, a, as, uid))
		return NULL;
	yyjson_mut_doc_set_root(doc, root);
	return take(doc);
}

/* ---- the answer */

void review_answer_fini(struct review_answer *r)
{
	free(r->patch);
	free(r->message);
	free(r->reason);
	for (size_t i = 0; i < r->n_warnings; i++)
		free(r->warnings[i]);
	*r = (struct review_answer){0};
}

static printf_like(1, 2) char *wrong(const char *format, ...)
{
	char *text = NULL;
	va_list args;
	int n;

	va_start(args, format);
	n = vasprintf(&text, format, args);
	va_end(args);
	return n < 0 ? strdup("out of memory") : text;
}

static char *read_patch(struct review_answer *out, yyjson_val *response)
{
	const char *patch = json_text(response, "patch"), *type = json_str(response, "patchType");

	if (!patch)
		return type && *type ? wrong("webhook returned response.patchType but not response.patch")
				     : NULL;
	if (!type || strcmp(type, "JSONPatch") != 0)
		return wrong("invalid value for response.patchType: %s", type ?: "");
	out->patch = base64_bytes(patch, &out->patch_len);
	return out->patch ? NULL : wrong("response.patch is not base64");
}

static void read_refusal(struct review_answer *out, yyjson_val *status)
{
	const char *message = json_text(status, "message"), *reason = json_text(status, "reason");
	int64_t code = json_int(status, "code", 0);

	out->code = code >= 400 && code < 600 ? (int)code : 400;
	out->message = message ? strdup(message) : NULL;
	out->reason = reason ? strdup(reason) : NULL;
}

char *review_read(struct review_answer *out, const char *uid, const char *body, size_t len)
{
	cleanup(json_docp) yyjson_doc *doc = yyjson_read(body, len, 0);
	yyjson_val *root = yyjson_doc_get_root(doc), *response = json_obj(root, "response"), *v;
	const char *version = json_str(root, "apiVersion") ?: "", *kind = json_str(root, "kind") ?: "";
	size_t i, n;

	*out = (struct review_answer){0};
	if (!yyjson_is_obj(root))
		return wrong("the answer is not a JSON object");
	if (strcmp(version, "admission.k8s.io/v1") != 0 || strcmp(kind, "AdmissionReview") != 0)
		return wrong(
			"expected webhook response of admission.k8s.io/v1, Kind=AdmissionReview, got %s, Kind=%s",
			version, kind);
	if (!response)
		return wrong("webhook response was absent");
	if (strcmp(json_str(response, "uid") ?: "", uid) != 0)
		return wrong(
			"expected response.uid=\"%s\", got \"%s\"", uid, json_str(response, "uid") ?: "");
	if (!yyjson_is_bool(yyjson_obj_get(response, "allowed")))
		return wrong("response.allowed is not true or false");
	out->allowed = json_bool(response, "allowed");
	yyjson_arr_foreach (json_arr(response, "warnings"), i, n, v)
		if (yyjson_is_str(v) && out->n_warnings < REVIEW_WARNINGS_MAX &&
			(out->warnings[out->n_warnings] = strdup(yyjson_get_str(v))))
			out->n_warnings++;
	if (out->allowed)
		return read_patch(out, response);
	read_refusal(out, json_obj(response, "status"));
	return NULL;
}

/* SPDX-License-Identifier: Apache-2.0 */

/* AdmissionReview of admission.k8s.io/v1: the question that a webhook is sent, and what it may answer. */

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "cluster/match/request.h"
#include "cluster/webhooks/webhooks_int.h"
#include "lib/base64.h"
#include "lib/json.h"

/* ---- the question */

yyjson_mut_doc *review_question(const struct attempt *a, const struct schema_kind *as, const char *uid)
{
	cleanup(json_mut_docp) yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
	yyjson_mut_val *root = doc ? yyjson_mut_obj(doc) : NULL;

	if (!root || !yyjson_mut_obj_add_str(doc, root, "kind", "AdmissionReview") ||
		!yyjson_mut_obj_add_str(doc, root, "apiVersion", "admission.k8s.io/v1") ||
		!request_add(doc, root, a, as, uid))
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

char *review_wrong(const char *format, ...)
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
		return type && *type
			       ? review_wrong("webhook returned response.patchType but not response.patch")
			       : NULL;
	if (!type || strcmp(type, "JSONPatch") != 0)
		return review_wrong("invalid value for response.patchType: %s", type ?: "");
	out->patch = base64_bytes(patch, &out->patch_len);
	return out->patch ? NULL : review_wrong("response.patch is not base64");
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
		return review_wrong("the answer is not a JSON object");
	if (strcmp(version, "admission.k8s.io/v1") != 0 || strcmp(kind, "AdmissionReview") != 0)
		return review_wrong(
			"expected webhook response of admission.k8s.io/v1, Kind=AdmissionReview, got %s, Kind=%s",
			version, kind);
	if (!response)
		return review_wrong("webhook response was absent");
	if (strcmp(json_str(response, "uid") ?: "", uid) != 0)
		return review_wrong(
			"expected response.uid=\"%s\", got \"%s\"", uid, json_str(response, "uid") ?: "");
	if (!yyjson_is_bool(yyjson_obj_get(response, "allowed")))
		return review_wrong("response.allowed is not true or false");
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

/* SPDX-License-Identifier: Apache-2.0 */

/*
 * What a webhook that converts may answer. It decides what an object says, and its labels and annotations; who the object is,
 * since when, and whose, stays as it was.
 */

#include <stdlib.h>
#include <string.h>

#include "cluster/schema/decode.h"
#include "cluster/schema/default.h"
#include "cluster/schema/meta.h"
#include "cluster/schema/schema.h"
#include "cluster/schema/status.h"
#include "cluster/schema/validate.h"
#include "cluster/webhooks/webhooks_int.h"
#include "lib/json.h"

#define GROUP "apiextensions.k8s.io"

/* ---- the answer */

/* Who asks in v1beta1 may have been answered without these for years. */
static char *check_frame(yyjson_val *root, yyjson_val *response, const char *review, const char *uid)
{
	const char *version = json_str(root, "apiVersion") ?: "", *kind = json_str(root, "kind") ?: "",
		   *said = json_str(response, "uid") ?: "";

	if (!strcmp(review, "v1") &&
		(strcmp(version, GROUP "/v1") != 0 || strcmp(kind, "ConversionReview") != 0))
		return review_wrong("expected webhook response of " GROUP
				    "/v1, Kind=ConversionReview, got %.200s, Kind=%.200s",
			version, kind);
	if (!response)
		return review_wrong("no response provided");
	if (!strcmp(review, "v1") && strcmp(said, uid) != 0)
		return review_wrong("expected response.uid=\"%s\", got \"%.200s\"", uid, said);
	return NULL;
}

char *conversion_read(yyjson_doc **doc, yyjson_val **objects, const char *review, const char *uid,
	const char *body, size_t len)
{
	yyjson_val *root, *response, *result;
	const char *status;
	char *why;

	*objects = NULL;
	*doc = yyjson_read(body, len, YYJSON_READ_NOFLAG);
	root = yyjson_doc_get_root(*doc);
	if (!yyjson_is_obj(root))
		return review_wrong("the answer is not a JSON object");
	response = json_obj(root, "response");
	why = check_frame(root, response, review, uid);
	if (why)
		return why;
	result = json_obj(response, "result");
	status = json_str(result, "status") ?: "";
	if (strcmp(status, "Success") != 0)
		return json_text(result, "message")
			       ? review_wrong("%.1000s", json_str(result, "message"))
			       : review_wrong("response.result.status was '%.200s', not 'Success'", status);
	*objects = json_arr(response, "convertedObjects");
	return NULL;
}

/* ---- one object */

static char *check_identity(yyjson_val *given, const struct object *o, const struct schema_kind *to)
{
	yyjson_val *meta = yyjson_obj_get(given, "metadata");
	const struct {
		const char *what, *was, *is;
	} same[] = {{"name", o->name, json_str(meta, "name") ?: ""},
		{"namespace", o->ns, json_str(meta, "namespace") ?: ""},
		{"UID", o->uid, json_str(meta, "uid") ?: ""}};
	const char *version = json_str(given, "apiVersion") ?: "", *kind = json_str(given, "kind") ?: "";

	if (!yyjson_is_obj(given))
		return review_wrong("it is not a JSON object");
	if (strcmp(version, to->api_version) != 0)
		return review_wrong(
			"invalid groupVersion (expected %s, received %.200s)", to->api_version, version);
	if (strcmp(kind, to->kind) != 0)
		return review_wrong("invalid kind (expected %s, received %.200s)", to->kind, kind);
	if (!yyjson_is_obj(meta))
		return review_wrong("missing metadata in converted object");
	for (size_t i = 0; i < array_len(same); i++)
		if (strcmp(same[i].was, same[i].is) != 0)
			return review_wrong(
				"must have the same %s: %s != %.253s", same[i].what, same[i].was, same[i].is);
	return NULL;
}

/* Of what the webhook says in metadata, the two members that it may change; NULL, or what is wrong with them. */
static char *take_texts(yyjson_mut_doc *doc, yyjson_mut_val *meta, yyjson_val *given)
{
	static const char *const keys[] = {"labels", "annotations"};
	yyjson_val *key, *text;
	size_t i, n;

	for (size_t k = 0; k < array_len(keys); k++) {
		yyjson_val *said = yyjson_obj_get(given, keys[k]);
		yyjson_mut_val *copy;

		yyjson_mut_obj_remove_key(meta, keys[k]);
		if (!said || yyjson_is_null(said))
			continue;
		if (!yyjson_is_obj(said))
			return review_wrong("metadata.%s is not an object in converted object", keys[k]);
		json_obj_foreach (said, i, n, key, text)
			if (!yyjson_is_str(text))
				return review_wrong(
					"metadata.%s[%.200s] must be a string in converted object", keys[k],
					yyjson_get_str(key));
		copy = yyjson_val_mut_copy(doc, said);
		if (!copy || !meta_put(doc, meta, keys[k], copy))
			return review_wrong("out of memory");
	}
	return NULL;
}

static char *said_by(struct status *err)
{
	char *text = review_wrong("%s", err->message);

	status_free(err);
	return text;
}

/* The original's metadata, with the labels and annotations of the webhook. */
static char *restore_metadata(
	yyjson_mut_doc *doc, yyjson_val *given, const struct object *o, const struct schema_kind *to)
{
	cleanup(json_docp) yyjson_doc *was = object_doc(o);
	yyjson_mut_val *root = yyjson_mut_doc_get_root(doc), *meta;
	struct field_errors errors = {0};
	struct status *err;
	char *why;

	meta = was ? yyjson_val_mut_copy(doc, json_obj(yyjson_doc_get_root(was), "metadata")) : NULL;
	if (!meta || !meta_put(doc, root, "metadata", meta))
		return review_wrong("out of memory");
	why = take_texts(doc, meta, yyjson_obj_get(given, "metadata"));
	if (why)
		return why;
	validate_metadata(to, root, NULL, &errors);
	err = field_errors_status(&errors, to, o->name);
	field_errors_fini(&errors);
	return err ? said_by(err) : NULL;
}

char *conversion_accept(
	yyjson_mut_doc **out, yyjson_val *given, const struct object *original, const struct schema_kind *to)
{
	cleanup(json_mut_docp) yyjson_mut_doc *doc = NULL;
	char *why = check_identity(given, original, to);
	yyjson_mut_val *root;
	struct status *err;

	if (why)
		return why;
	doc = yyjson_mut_doc_new(NULL);
	root = doc ? yyjson_val_mut_copy(doc, given) : NULL;
	if (!root)
		return review_wrong("out of memory");
	yyjson_mut_doc_set_root(doc, root);
	why = restore_metadata(doc, given, original, to);
	if (why)
		return why;
	err = decode_check(doc, to, DECODE_IGNORE, NULL);
	if (err)
		return said_by(err);
	if (!default_object(doc, to))
		return review_wrong("out of memory");
	*out = take(doc);
	return NULL;
}

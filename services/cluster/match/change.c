/* SPDX-License-Identifier: Apache-2.0 */

/* A changed document is decoded once more: what somebody has made of it may be anything. */

#include <errno.h>

#include "cluster/match/change.h"
#include "cluster/match/request.h"
#include "cluster/registry/registry.h"
#include "cluster/schema/default.h"
#include "cluster/schema/meta.h"
#include "cluster/schema/schema.h"
#include "cluster/schema/status.h"
#include "cluster/webhooks/forms.h"
#include "lib/json.h"

yyjson_mut_doc *change_begin(const struct attempt *a, const struct schema_kind *as)
{
	const struct attempt_form *made = form_find(a, as);
	cleanup(json_mut_docp) yyjson_mut_doc *doc =
		made ? object_mut_doc(made->now) : yyjson_mut_doc_mut_copy(a->doc, NULL);

	return doc && (made || a->foreign || request_convert(doc, a->kind, as)) ? take(doc) : NULL;
}

/* What nobody decides: who the object is, and since when. */
static bool keep_identity(yyjson_mut_doc *doc, yyjson_mut_val *before)
{
	static const char *const kept[] = {"name", "namespace", "uid", "resourceVersion", "generation",
		"creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds", "managedFields"};
	yyjson_mut_val *meta = meta_make(doc, yyjson_mut_doc_get_root(doc), "metadata", NULL);

	for (size_t i = 0; meta && i < array_len(kept); i++) {
		yyjson_mut_val *was = yyjson_mut_obj_get(before, kept[i]);

		yyjson_mut_obj_remove_key(meta, kept[i]);
		if (was && !meta_put(doc, meta, kept[i], yyjson_mut_val_mut_copy(doc, was)))
			return false;
	}
	return meta;
}

/* An Eviction stays one; whose it is, is looked at by who carries it out. */
static struct status *check_foreign(
	const struct attempt *a, yyjson_mut_doc **doc, enum decode_validation validation)
{
	const char *kind = yyjson_mut_get_str(yyjson_mut_obj_get(a->root, "kind")),
		   *version = yyjson_mut_get_str(yyjson_mut_obj_get(a->root, "apiVersion"));
	cleanup(freep) char *json = NULL;
	yyjson_mut_doc *checked = NULL;
	struct status *err;
	size_t len;

	json = yyjson_mut_write(*doc, YYJSON_WRITE_NOFLAG, &len);
	if (!json)
		return status_errno(-ENOMEM, "change");
	err = decode_named(
		&checked, json, len, DECODE_JSON, version, kind, schema_named_type(kind), validation, NULL);
	if (err)
		return err;
	yyjson_mut_doc_free(*doc);
	*doc = checked;
	return NULL;
}

struct status *change_check(const struct attempt *a, yyjson_mut_doc **doc, const struct schema_kind *as,
	enum decode_validation validation)
{
	struct status *err;

	if (a->foreign)
		return check_foreign(a, doc, validation);
	err = decode_check(*doc, as, validation, NULL);
	if (!err && !keep_identity(*doc, yyjson_mut_obj_get(a->root, "metadata")))
		err = status_errno(-ENOMEM, "change");
	return err;
}

struct status *change_adopt(struct attempt *a, yyjson_mut_doc *doc)
{
	if (!a->foreign && (!keep_identity(doc, yyjson_mut_obj_get(a->root, "metadata")) ||
				   !default_object(doc, a->kind))) {
		yyjson_mut_doc_free(doc);
		return status_errno(-ENOMEM, "change");
	}
	if (!meta_equal(yyjson_mut_doc_get_root(doc), a->root)) {
		a->changes++;
		forms_drop(a);
	}
	yyjson_mut_doc_free(a->doc);
	a->doc = doc;
	a->root = yyjson_mut_doc_get_root(doc);
	return NULL;
}

struct status *change_end(struct attempt *a, yyjson_mut_doc *doc, const struct schema_kind *as,
	enum decode_validation validation)
{
	struct status *err = change_check(a, &doc, as, validation);

	if (!err && !a->foreign && !request_convert(doc, as, a->kind))
		err = status_errno(-ENOMEM, "change");
	if (!err)
		return change_adopt(a, doc);
	yyjson_mut_doc_free(doc);
	return err;
}

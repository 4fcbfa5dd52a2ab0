/* SPDX-License-Identifier: Apache-2.0 */

/* What a claim asks for, which volumes would do, and how one of them becomes the claim's. */

#include <stdio.h>
#include <string.h>

#include "cluster/controllers/volumes.h"
#include "cluster/schema/meta.h"
#include "cluster/schema/selector.h"
#include "lib/json.h"

static struct quantity quantity_of(yyjson_val *v)
{
	struct quantity q = {0};

	if (!yyjson_is_str(v) || quantity_parse(&q, yyjson_get_str(v), yyjson_get_len(v)))
		q = (struct quantity){0};
	return q;
}

struct quantity volume_capacity(yyjson_val *spec)
{
	return quantity_of(yyjson_obj_get(json_obj(spec, "capacity"), "storage"));
}

bool volume_is_local(yyjson_val *volume)
{
	return yyjson_equals_str(
		meta_get(volume, "metadata", "annotations", PROVISIONED_BY, NULL), LOCAL_PROVISIONER);
}

bool volume_is_for(yyjson_val *volume, const struct object *claim)
{
	yyjson_val *ref = json_obj(json_obj(volume, "spec"), "claimRef");
	const char *uid = json_text(ref, "uid");

	return ref && yyjson_equals_str(yyjson_obj_get(ref, "name"), claim->name) &&
	       yyjson_equals_str(yyjson_obj_get(ref, "namespace"), claim->ns) &&
	       (!uid || !strcmp(uid, claim->uid));
}

bool wish_read(struct wish *w, const struct object *claim, yyjson_val *spec)
{
	yyjson_val *selector = json_obj(spec, "selector");

	*w = (struct wish){.claim = claim,
		.spec = spec,
		.class = json_str(spec, "storageClassName") ?: "",
		.volume = json_str(spec, "volumeName") ?: "",
		.size = quantity_of(meta_get(spec, "resources", "requests", "storage", NULL)),
		.selector = selector ? selector_of(selector) : NULL};
	return !selector || w->selector;
}

void wish_fini(struct wish *w)
{
	selector_free(w->selector);
}

static bool has_modes(yyjson_val *spec, yyjson_val *wanted)
{
	yyjson_val *have = json_arr(spec, "accessModes"), *mode;
	size_t i, n;

	yyjson_arr_foreach (wanted, i, n, mode)
		if (!json_arr_has(have, yyjson_get_str(mode) ?: ""))
			return false;
	return true;
}

const char *wish_mismatch(const struct wish *w, const struct object *o, yyjson_val *volume)
{
	yyjson_val *spec = json_obj(volume, "spec");
	const char *mode = json_text(spec, "volumeMode") ?: "Filesystem";
	struct quantity size = volume_capacity(spec);

	if (o->deleted)
		return "the volume is marked for deletion";
	if (quantity_compare(&size, &w->size) < 0)
		return "requested PV is too small";
	if (strcmp(json_str(spec, "storageClassName") ?: "", w->class) != 0)
		return "storageClassName does not match";
	if (strcmp(json_str(spec, "volumeAttributesClassName") ?: "",
		    json_str(w->spec, "volumeAttributesClassName") ?: "") != 0)
		return "volumeAttributesClassName does not match";
	if (strcmp(mode, json_text(w->spec, "volumeMode") ?: "Filesystem") != 0)
		return "incompatible volumeMode";
	return has_modes(spec, json_arr(w->spec, "accessModes")) ? NULL : "incompatible accessMode";
}

/* Who names a volume does not ask for its labels, too. */
static bool fits(const struct wish *w, const struct object *o, yyjson_val *volume)
{
	return !wish_mismatch(w, o, volume) &&
	       (*w->volume || !w->selector || selector_matches(w->selector, object_label_of, o));
}

enum wish_match wish_match(const struct wish *w, const struct object *o, yyjson_val *volume)
{
	yyjson_val *spec = json_obj(volume, "spec");
	bool taken = json_obj(spec, "claimRef"), mine = taken && volume_is_for(volume, w->claim);

	if (*w->volume && strcmp(o->name, w->volume) != 0)
		return WISH_NOT;
	if (taken)
		return mine ? WISH_MINE : WISH_NOT;
	return fits(w, o, volume) ? WISH_FREE : WISH_NOT;
}

bool topologies_allow(yyjson_val *terms, const struct object *node)
{
	yyjson_val *term, *each;
	size_t i, n, k, m;

	yyjson_arr_foreach (terms, i, n, term) {
		yyjson_val *list = json_arr(term, "matchLabelExpressions");
		bool all = yyjson_arr_size(list);

		yyjson_arr_foreach (list, k, m, each) {
			const char *value = object_label(node, json_str(each, "key") ?: "");

			all = all && value && json_arr_has(json_arr(each, "values"), value);
		}
		if (all)
			return true;
	}
	return !yyjson_arr_size(terms);
}

/* ---- whose it is */

void claim_ref_of(struct claim_ref *ref, const struct object *claim)
{
	snprintf(ref->ns, sizeof(ref->ns), "%s", claim->ns);
	snprintf(ref->name, sizeof(ref->name), "%s", claim->name);
	snprintf(ref->uid, sizeof(ref->uid), "%s", claim->uid);
}

bool claim_ref_put(yyjson_mut_doc *doc, yyjson_mut_val *spec, const struct claim_ref *ref)
{
	yyjson_mut_val *v = yyjson_mut_obj(doc);

	return v && yyjson_mut_obj_add_str(doc, v, "kind", "PersistentVolumeClaim") &&
	       yyjson_mut_obj_add_strcpy(doc, v, "namespace", ref->ns) &&
	       yyjson_mut_obj_add_strcpy(doc, v, "name", ref->name) &&
	       yyjson_mut_obj_add_strcpy(doc, v, "uid", ref->uid) &&
	       yyjson_mut_obj_add_str(doc, v, "apiVersion", "v1") && meta_put(doc, spec, "claimRef", v);
}

enum claim_ref_taken claim_ref_take(
	const struct claim_ref *ref, const struct object *volume, yyjson_mut_doc *doc)
{
	yyjson_mut_val *root = yyjson_mut_doc_get_root(doc), *spec = yyjson_mut_obj_get(root, "spec");
	yyjson_mut_val *was = yyjson_mut_obj_get(spec, "claimRef"), *notes;
	const char *uid = yyjson_mut_get_str(yyjson_mut_obj_get(was, "uid")) ?: "";
	bool named = was && yyjson_mut_equals_str(yyjson_mut_obj_get(was, "name"), ref->name) &&
		     yyjson_mut_equals_str(yyjson_mut_obj_get(was, "namespace"), ref->ns);

	if (volume->deleted || (was && !named) || (*uid && strcmp(uid, ref->uid) != 0))
		return TAKEN_BY_ANOTHER;
	if (*uid)
		return TAKEN_BEFORE;
	if (!claim_ref_put(doc, spec, ref))
		return TAKEN_NO_MEMORY;
	if (named)
		return TAKEN_NOW;
	notes = meta_make(doc, root, "metadata", "annotations", NULL);
	return notes && meta_put(doc, notes, BOUND_BY_US, yyjson_mut_str(doc, "yes")) ? TAKEN_NOW
										      : TAKEN_NO_MEMORY;
}

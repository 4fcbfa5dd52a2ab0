/* SPDX-License-Identifier: Apache-2.0 */

/* Patches by content type: JSON patch and merge patch here, strategic merge in patch_strategic.c. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "cluster/schema/decode.h"
#include "cluster/schema/decode_int.h"
#include "cluster/schema/meta.h"
#include "cluster/schema/patch.h"
#include "cluster/schema/patch_int.h"
#include "cluster/schema/status.h"

/* A small patch must not make a large document: what all copies of one patch may add up to. */
enum { COPIED_MAX = 500000 };

int patch_type_of(const char *content_type)
{
	static const struct {
		const char *name;
		enum patch_type type;
	} types[] = {
		{"application/json-patch+json", PATCH_JSON},
		{"application/merge-patch+json", PATCH_MERGE},
		{"application/strategic-merge-patch+json", PATCH_STRATEGIC},
		{"application/apply-patch+yaml", PATCH_APPLY},
		{"application/apply-patch+cbor", PATCH_APPLY_CBOR},
	};
	size_t len = content_type ? strcspn(content_type, "; \t") : 0;

	for (size_t i = 0; i < array_len(types); i++)
		if (strlen(types[i].name) == len && !strncasecmp(types[i].name, content_type, len))
			return (int)types[i].type;
	return -1;
}

size_t patch_count(yyjson_mut_val *v)
{
	size_t i, max, n = 1;
	yyjson_mut_val *key, *child;

	if (yyjson_mut_is_arr(v)) {
		yyjson_mut_arr_foreach(v, i, max, child) n += patch_count(child);
	} else if (yyjson_mut_is_obj(v)) {
		yyjson_mut_obj_foreach(v, i, max, key, child) n += patch_count(child);
	}
	return n;
}

/* A patch that does not apply: upstream hides the reason in the causes, so here it is in both. */
static yyjson_mut_val *does_not_apply(struct status **err, const char *why, const char *path)
{
	char text[512];

	snprintf(text, sizeof(text), "jsonpatch %s: %.300s", why, path);
	*err = status_new(
		422, "Invalid", "the server rejected our request due to an error in our request: %s", text);
	status_set_details(*err, "", "", NULL, NULL);
	status_add_cause(*err, "UnexpectedServerResponse", text, NULL);
	return NULL;
}

struct status *patch_too_long(void)
{
	return status_too_large(
		"the maps and lists that the patch is to be merged into are too long: together they would take "
		"more than %d comparisons; send several smaller patches, or update the object",
		PATCH_PAIRS_MAX);
}

struct operation {
	const char *op, *path, *from;
	yyjson_mut_val *value;
};

static bool read_operation(struct operation *o, yyjson_mut_val *v)
{
	*o = (struct operation){
		.op = yyjson_mut_get_str(yyjson_mut_obj_get(v, "op")),
		.path = yyjson_mut_get_str(yyjson_mut_obj_get(v, "path")),
		.from = yyjson_mut_get_str(yyjson_mut_obj_get(v, "from")),
		.value = yyjson_mut_obj_get(v, "value"),
	};
	return o->op && o->path;
}

static yyjson_mut_val *get(yyjson_mut_val *root, const char *path)
{
	return *path ? yyjson_mut_ptr_get(root, path) : root;
}

/* What holds the last step of a path; NULL: there is nothing there. */
static yyjson_mut_val *holder(yyjson_mut_val *root, const char *path)
{
	const char *last = strrchr(path, '/');

	if (!last)
		return NULL;
	return last == path ? root : yyjson_mut_ptr_getn(root, path, (size_t)(last - path));
}

/*
 * How many members and items are passed on the way to @path, about: maps are walked, and lists as far as the index says. The end of a
 * list is known.
 */
static size_t steps_to(yyjson_mut_val *v, const char *path)
{
	size_t steps = 0;

	while (v && *path == '/') {
		size_t len = 1 + strcspn(path + 1, "/"), size = yyjson_mut_get_len(v), index;

		if (yyjson_mut_is_arr(v)) {
			index = path[1] == '-' ? 0 : strtoul(path + 1, NULL, 10) + 1;
			size = index < size ? index : size;
		} else if (!yyjson_mut_is_obj(v)) {
			break;
		}
		steps += size;
		v = yyjson_mut_ptr_getn(v, path, len);
		path += len;
	}
	return steps;
}

/* A member that is there already is replaced. */
static bool add(yyjson_mut_doc *doc, yyjson_mut_val **root, const char *path, yyjson_mut_val *v)
{
	if (!*path) {
		*root = v;
		return true;
	}
	if (yyjson_mut_is_obj(holder(*root, path)))
		return yyjson_mut_ptr_setx(*root, path, strlen(path), v, doc, false, NULL, NULL);
	return yyjson_mut_ptr_addx(*root, path, strlen(path), v, doc, false, NULL, NULL);
}

static yyjson_mut_val *take_out(yyjson_mut_val *root, const char *path)
{
	return *path ? yyjson_mut_ptr_remove(root, path) : NULL;
}

static bool begins_with(const char *path, const char *prefix)
{
	size_t n = strlen(prefix);

	return !strncmp(path, prefix, n) && path[n] == '/';
}

static const char untrue_test[] = "test operation does not hold at";

/* One operation on *root; NULL: done, else why not. */
static const char *operate(
	yyjson_mut_doc *doc, yyjson_mut_val **root, const struct operation *o, size_t *copied)
{
	yyjson_mut_val *v, *there;

	if (!strcmp(o->op, "test")) {
		v = get(*root, o->path);
		if (!v && !holder(*root, o->path))
			return "test operation does not apply: doc is missing path";
		if (!v && (!o->value || yyjson_mut_is_null(o->value)))
			return NULL;
		return v && o->value && meta_equal(v, o->value) ? NULL : untrue_test;
	}
	if (!strcmp(o->op, "remove"))
		return take_out(*root, o->path) ? NULL
						: "remove operation does not apply: doc is missing path";
	if (!strcmp(o->op, "move")) {
		if (!o->from)
			return "move operation has no from:";
		if (begins_with(o->path, o->from))
			return "move operation into itself:";
		v = take_out(*root, o->from);
		return v && add(doc, root, o->path, v) ? NULL
						       : "move operation does not apply: doc is missing path";
	}
	if (!strcmp(o->op, "copy")) {
		v = o->from ? get(*root, o->from) : NULL;
		if (!v)
			return "copy operation does not apply: doc is missing from of";
		*copied += patch_count(v);
		if (*copied > COPIED_MAX)
			return "copy operations copy too much, last at";
	} else if (!strcmp(o->op, "add") || !strcmp(o->op, "replace")) {
		v = o->value;
		if (!v)
			return "operation has no value:";
	} else {
		return "operation is unknown:";
	}
	/* values stay in the patch, so a copy goes into the document */
	v = yyjson_mut_val_mut_copy(doc, v);
	if (!v)
		return "no memory at";
	if (strcmp(o->op, "replace") != 0)
		return add(doc, root, o->path, v) ? NULL
						  : "add operation does not apply: doc is missing path";
	if (!*o->path) {
		*root = v;
		return NULL;
	}
	if (yyjson_mut_ptr_replace(*root, o->path, v))
		return NULL;
	/* upstream replaces what is not there, too, as long as it is of an object */
	there = holder(*root, o->path);
	if (!there)
		return "replace operation does not apply: doc is missing path";
	return yyjson_mut_is_obj(there) && add(doc, root, o->path, v)
		       ? NULL
		       : "replace operation does not apply: doc is missing key";
}

/* The new target; NULL: *err, or *untrue. */
static yyjson_mut_val *patch_json(
	yyjson_mut_doc *doc, yyjson_mut_val *target, yyjson_mut_val *patch, struct status **err, bool *untrue)
{
	struct patch_budget budget = {PATCH_STEPS_MAX};
	size_t i, n, copied = 0;
	yyjson_mut_val *v;

	if (!yyjson_mut_is_arr(patch)) {
		*err = status_bad_request(
			"error decoding patch: json: cannot unmarshal into Go value of type jsonpatch.Patch");
		return NULL;
	}
	if (yyjson_mut_arr_size(patch) > PATCH_OPERATIONS_MAX) {
		*err = status_too_large("The allowed maximum operations in a JSON patch is %d, got %zu",
			PATCH_OPERATIONS_MAX, yyjson_mut_arr_size(patch));
		return NULL;
	}
	yyjson_mut_arr_foreach(patch, i, n, v)
	{
		struct operation o;
		const char *why;

		if (!read_operation(&o, v))
			return does_not_apply(err, "operation has no op or path:", "");
		if (!patch_spend(
			    &budget, steps_to(target, o.path) + (o.from ? steps_to(target, o.from) : 0))) {
			*err = status_too_large(
				"the operations of the JSON patch pass more than %d items of long lists and maps, at "
				"operation %zu (%.300s); use fewer operations, or replace the list or map as a whole",
				PATCH_STEPS_MAX, i, o.path);
			return NULL;
		}
		why = operate(doc, &target, &o, &copied);
		if (why == untrue_test && untrue) {
			*untrue = true;
			return NULL;
		}
		if (why)
			return does_not_apply(err, why, o.path);
	}
	return target;
}

/* All of it. */
static bool can_merge(struct patch_budget *b, yyjson_mut_val *target, yyjson_mut_val *patch)
{
	yyjson_mut_val *key, *v;
	size_t i, n;

	if (!patch_spend_members(b, target, patch))
		return false;
	yyjson_mut_obj_foreach(patch, i, n, key,
		v) if (yyjson_mut_is_obj(v) &&
		       !can_merge(b,
			       yyjson_mut_obj_getn(target, yyjson_mut_get_str(key), yyjson_mut_get_len(key)),
			       v)) return false;
	return true;
}

yyjson_mut_val *patch_merge(yyjson_mut_doc *doc, yyjson_mut_val *target, yyjson_mut_val *patch)
{
	size_t i, n;
	yyjson_mut_val *key, *v, *next;

	if (!yyjson_mut_is_obj(patch))
		return yyjson_mut_val_mut_copy(doc, patch);
	if (!yyjson_mut_is_obj(target))
		target = yyjson_mut_obj(doc);
	yyjson_mut_obj_foreach(patch, i, n, key, v)
	{
		if (!target)
			return NULL;
		if (yyjson_mut_is_null(v)) {
			yyjson_mut_obj_remove_keyn(target, yyjson_mut_get_str(key), yyjson_mut_get_len(key));
			continue;
		}
		next = patch_merge(doc,
			yyjson_mut_obj_getn(target, yyjson_mut_get_str(key), yyjson_mut_get_len(key)), v);
		if (!next || !patch_put(doc, target, key, next))
			return NULL;
	}
	return target;
}

bool patch_put(yyjson_mut_doc *doc, yyjson_mut_val *object, yyjson_mut_val *key, yyjson_mut_val *v)
{
	yyjson_mut_val *k;

	if (yyjson_mut_obj_getn(object, yyjson_mut_get_str(key), yyjson_mut_get_len(key)) == v)
		return true;
	k = yyjson_mut_strncpy(doc, yyjson_mut_get_str(key), yyjson_mut_get_len(key));
	return k && yyjson_mut_obj_put(object, k, v);
}

struct status *patch_last_counts(yyjson_mut_doc *doc, struct warnings *twice)
{
	yyjson_doc *text = yyjson_mut_doc_imut_copy(doc, NULL);
	struct decode d = {.doc = doc, .validation = DECODE_WARN};
	yyjson_mut_val *root = text ? decode_last(&d, yyjson_doc_get_root(text), NULL) : NULL;
	struct status *s = root	     ? NULL
			   : d.error ? status_bad_request("%s", d.error)
				     : status_internal("out of memory");

	if (root)
		yyjson_mut_doc_set_root(doc, root);
	for (size_t i = 0; i < d.strict.n; i++)
		warnings_add(twice, "%s", d.strict.items[i]);
	decode_fini(&d);
	yyjson_doc_free(text);
	return s;
}

/* @root: NULL: no memory, unless @err says more */
static struct status *finish(yyjson_mut_doc *doc, yyjson_mut_val *root, struct status *err)
{
	if (err)
		return err;
	if (!root)
		return status_internal("out of memory");
	if (!yyjson_mut_is_obj(root))
		return status_bad_request("the patch makes something that is no object");
	yyjson_mut_doc_set_root(doc, root);
	return NULL;
}

struct status *patch_operations(yyjson_mut_doc *doc, yyjson_mut_val *patch, bool *untrue)
{
	struct status *err = NULL;
	yyjson_mut_val *root = patch_json(doc, yyjson_mut_doc_get_root(doc), patch, &err, untrue);

	return *untrue ? NULL : finish(doc, root, err);
}

struct status *patch_object(yyjson_mut_doc *doc, const struct schema_kind *k, enum patch_type type,
	const void *body, size_t len, struct warnings *duplicates)
{
	yyjson_mut_doc *parsed = NULL;
	yyjson_mut_val *root = yyjson_mut_doc_get_root(doc), *patch;
	struct status *s;

	if (type == PATCH_APPLY || type == PATCH_APPLY_CBOR ||
		(type == PATCH_STRATEGIC && k->flags & SCHEMA_CUSTOM))
		return status_unsupported_media_type(true);
	s = decode_json(&parsed, body, len);
	if (!s && duplicates && type != PATCH_JSON)
		s = patch_last_counts(parsed, duplicates);
	if (s) {
		yyjson_mut_doc_free(parsed);
		return s;
	}
	patch = yyjson_mut_doc_get_root(parsed);
	if (type == PATCH_JSON)
		root = patch_json(doc, root, patch, &s, NULL);
	else if (!yyjson_mut_is_obj(patch))
		s = status_bad_request("error decoding patch: a patch is an object");
	else if (type == PATCH_MERGE && !can_merge(&(struct patch_budget){PATCH_PAIRS_MAX}, root, patch))
		s = patch_too_long();
	else if (type == PATCH_MERGE)
		root = patch_merge(doc, root, patch);
	else
		root = patch_strategic(doc, k->type, root, patch, &s);
	yyjson_mut_doc_free(parsed);
	return finish(doc, root, s);
}

/* SPDX-License-Identifier: Apache-2.0 */

/* The merge of an apply, by what the tables say of lists and maps; and that of one who owns nothing, so that he may replace nothing whole. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cluster/schema/apply.h"
#include "cluster/schema/apply_int.h"
#include "cluster/schema/decode.h"
#include "cluster/schema/fieldset_int.h"
#include "cluster/schema/lookup_int.h"
#include "cluster/schema/path_int.h"
#include "cluster/schema/status.h"
#include "lib/json.h"

static yyjson_mut_val *merge_value(
	yyjson_mut_doc *doc, const struct schema_field *f, yyjson_mut_val *live, yyjson_mut_val *config);

/* In its place: looking for that once more would cost as many steps as there are members. @made is nobody's then. */
static void become(yyjson_mut_val *there, const yyjson_mut_val *made)
{
	there->tag = made->tag;
	there->uni = made->uni;
}

bool apply_members(yyjson_mut_doc *doc, const struct schema_type *t, const struct schema_field *item,
	yyjson_mut_val *live, yyjson_mut_val *config)
{
	cleanup(lookup_fini) struct lookup in_live = {0};
	size_t i, n;
	yyjson_mut_val *key, *v, *there, *made;
	struct schema_field one = item ? *item : (struct schema_field){0};

	one.shape = SCHEMA_ONE;
	lookup_init(&in_live, live, yyjson_mut_obj_size(config));
	yyjson_mut_obj_foreach(config, i, n, key, v)
	{
		const char *name = yyjson_mut_get_str(key);
		size_t len = yyjson_mut_get_len(key);
		const struct schema_field *f = item ? &one : t ? schema_field(t, name, len) : NULL;

		there = lookup_key(&in_live, key);
		made = there ? merge_value(doc, f, there, v) : yyjson_mut_val_mut_copy(doc, v);
		if (!made || (!there && !yyjson_mut_obj_add(live, yyjson_mut_strncpy(doc, name, len), made)))
			return false;
		if (there && made != there)
			become(there, made);
	}
	return true;
}

/*
 * A merged list in the order of what is wanted, since that may mean something (initContainers, env). Whoever is not wanted now keeps
 * his place among those that were there; whoever is new comes right before the next one wanted that was there, or last. Of those
 * that were there more than once one is left.
 *
 * @old:	who was there, with whoever is wanted as the same
 * @all:	who is wanted, merged, with whoever was there as the same
 */
static void weave(yyjson_mut_val *live, const struct fieldset_match *old, size_t n_old,
	const struct fieldset_match *all, size_t n)
{
	size_t done = 0, next = 0;

	yyjson_mut_arr_clear(live);
	for (size_t i = 0; i <= n_old; i++) {
		if (i < n_old && !old[i].there) {
			yyjson_mut_arr_append(live, old[i].item);
			continue;
		}
		while (next < n && (all[next].first != next || !all[next].there))
			next++;
		if (i < n_old && (next == n || all[next].there != old[i].item))
			continue; /* it has come, or comes behind another */
		for (; done < n && (i == n_old || done <= next); done++)
			if (all[done].first == done)
				yyjson_mut_arr_append(live, all[done].item);
		next = done;
	}
}

static bool merge_items(
	yyjson_mut_doc *doc, const struct schema_field *f, yyjson_mut_val *live, yyjson_mut_val *config)
{
	size_t n = yyjson_mut_arr_size(config), n_old = yyjson_mut_arr_size(live);
	cleanup(freep) struct fieldset_match *all = calloc(n + 1, sizeof(*all));
	cleanup(freep) struct fieldset_match *old = calloc(n_old + 1, sizeof(*old));
	bool ok = all && old && fieldset_match(doc, f, config, live, all) &&
		  fieldset_match(doc, f, live, config, old);

	for (size_t i = 0; ok && i < n; i++) {
		yyjson_mut_val *v = all[i].item;

		all[i].item = all[i].first != i ? all[all[i].first].item : all[i].there;
		if (!all[i].item)
			ok = (all[i].item = yyjson_mut_val_mut_copy(doc, v));
		else if (yyjson_mut_is_obj(all[i].item) && yyjson_mut_is_obj(v) && fieldset_item_type(f))
			ok = apply_members(doc, fieldset_item_type(f), NULL, all[i].item, v);
	}
	if (ok)
		weave(live, old, n_old, all, n);
	return ok;
}

/* The live value with the wanted one in it: @live itself, changed, or a copy of @config. */
static yyjson_mut_val *merge_value(
	yyjson_mut_doc *doc, const struct schema_field *f, yyjson_mut_val *live, yyjson_mut_val *config)
{
	enum fieldset_sharing sharing = fieldset_sharing(f, live);

	/* an empty list or map has nothing to say about what others have put there */
	if (sharing != FIELDSET_LEAF && yyjson_mut_get_type(config) == yyjson_mut_get_type(live) &&
		!yyjson_mut_get_len(config))
		return live;
	if (sharing != fieldset_sharing(f, config) || sharing == FIELDSET_LEAF)
		return yyjson_mut_val_mut_copy(doc, config);
	if (sharing == FIELDSET_LIST)
		return merge_items(doc, f, live, config) ? live : NULL;
	return apply_members(doc, sharing == FIELDSET_STRUCT ? f->type : NULL,
		       sharing == FIELDSET_MAP ? f : NULL, live, config)
		       ? live
		       : NULL;
}

/* ---- without an owner */

/* Paths of what is wholly one's, as far as there is room for them. */
struct atomics {
	char text[600];
	size_t n;
};

static void note(struct atomics *a, const struct path *p)
{
	char buf[PATH_TEXT_MAX];
	size_t at = strlen(a->text);

	snprintf(a->text + at, sizeof(a->text) - at, "%s.%s", a->n++ ? ", " : "",
		path_text(p, buf, sizeof(buf)));
}

static void find_members(struct atomics *a, const struct schema_type *t, const struct schema_field *item,
	yyjson_mut_val *object, const struct path *up);

/* @f: NULL: nothing is known of it. */
static void find(struct atomics *a, const struct schema_field *f, yyjson_mut_val *v, const struct path *here)
{
	const struct schema_type *of;
	yyjson_mut_val *one;
	size_t i, n;

	if (!yyjson_mut_is_ctn(v))
		return;
	if (!f || fieldset_atomic(f)) {
		note(a, here);
		return;
	}
	if (yyjson_mut_is_obj(v)) {
		find_members(a, f->shape == SCHEMA_MAP ? NULL : f->type, f->shape == SCHEMA_MAP ? f : NULL, v,
			here);
		return;
	}
	of = fieldset_item_type(f);
	yyjson_mut_arr_foreach(v, i, n, one)
	{
		struct path step = {.up = here, .step = PATH_INDEX, .index = i};

		if (yyjson_mut_is_obj(one) && of)
			find_members(a, of, NULL, one, &step);
		else if (yyjson_mut_is_ctn(one))
			note(a, &step);
	}
}

static void find_members(struct atomics *a, const struct schema_type *t, const struct schema_field *item,
	yyjson_mut_val *object, const struct path *up)
{
	struct schema_field one = item ? *item : (struct schema_field){0};
	yyjson_mut_val *key, *v;
	size_t i, n;

	one.shape = SCHEMA_ONE;
	yyjson_mut_obj_foreach(object, i, n, key, v)
	{
		struct path step = {.up = up,
			.step = item ? PATH_KEY : PATH_FIELD,
			.name = yyjson_mut_get_str(key),
			.len = yyjson_mut_get_len(key)};

		find(a, item ? &one : schema_field(t, step.name, step.len), v, &step);
	}
}

/* Types and fields, of a copy: the wish itself keeps its zeros and nulls, which mean something to what is there. */
static struct status *check(yyjson_mut_val *config, const struct schema_kind *k)
{
	cleanup(json_mut_docp) yyjson_mut_doc *copy = yyjson_mut_doc_new(NULL);
	cleanup(statusp) struct status *why = NULL;
	yyjson_mut_val *root = copy ? yyjson_mut_val_mut_copy(copy, config) : NULL;

	if (!root)
		return status_internal("out of memory");
	yyjson_mut_doc_set_root(copy, root);
	why = decode_check(copy, k, DECODE_STRICT, NULL);
	return why ? status_bad_request("failed to convert patch object to typed object: %s", why->message)
		   : NULL;
}

struct status *apply_merge(yyjson_mut_doc *live, yyjson_mut_val *config, const struct schema_kind *k)
{
	struct status *err = check(config, k);
	struct atomics a = {0};

	if (err)
		return err;
	find_members(&a, k->type, NULL, config, NULL);
	if (a.n)
		return status_bad_request(
			"invalid ApplyConfiguration: may not mutate atomic arrays, maps or structs: %s",
			a.text);
	return apply_members(live, k->type, NULL, yyjson_mut_doc_get_root(live), config)
		       ? NULL
		       : status_internal("out of memory");
}

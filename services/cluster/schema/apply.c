/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Managers and their fields. Apply: merge (apply_merge.c), compare with the live object, refuse what others own, take away
 * what is no longer wanted. Update: whoever wrote owns what became different, and nobody owns what is gone.
 */

#include <stdio.h>
#include <string.h>

#include "cluster/schema/apply.h"
#include "cluster/schema/apply_int.h"
#include "cluster/schema/decode.h"
#include "cluster/schema/fieldset_int.h"
#include "cluster/schema/lookup_int.h"
#include "cluster/schema/meta.h"
#include "cluster/schema/path_int.h"
#include "cluster/schema/schema.h"
#include "cluster/schema/status.h"
#include "lib/json.h"

/*
 * OWNED_MAX: fields of all managers that an apply may have to look at. Who owns what is the only part of an object that is put together
 * from up to 256 others.
 */
enum { MANAGER_NAME_MAX = 128, MANAGERS_MAX = 256, OWNED_MAX = 50000 };

struct manager {
	const char *name, *operation, *api_version, *subresource, *time;
	yyjson_mut_val *set; /* as fieldset_int.h has it inside */
};

struct managers {
	struct manager at[MANAGERS_MAX];
	size_t n;
};

struct status *apply_check_manager(const char *name)
{
	size_t len = strlen(name);

	if (len > MANAGER_NAME_MAX)
		return status_new(422, "Invalid",
			"PatchOptions.meta.k8s.io \"\" is invalid: fieldManager: Too long: may not be more "
			"than %d bytes",
			MANAGER_NAME_MAX);
	for (size_t i = 0; i < len; i++)
		if ((unsigned char)name[i] < ' ' || name[i] == 0x7f)
			return status_new(422, "Invalid",
				"PatchOptions.meta.k8s.io \"\" is invalid: fieldManager: Invalid value: "
				"should only contain printable characters");
	return NULL;
}

/* ---- managedFields */

static const char *text_of(yyjson_mut_val *o, const char *key)
{
	return yyjson_mut_get_str(yyjson_mut_obj_get(o, key)) ?: "";
}

/* false: not what managedFields may be, or no memory. */
static bool load(yyjson_mut_doc *doc, yyjson_mut_val *list, struct managers *m)
{
	size_t i, n;
	yyjson_mut_val *v;

	m->n = 0;
	yyjson_mut_arr_foreach(list, i, n, v)
	{
		struct manager *one = &m->at[m->n];

		if (m->n == MANAGERS_MAX)
			return false;
		*one = (struct manager){
			.name = text_of(v, "manager"),
			.operation = text_of(v, "operation"),
			.api_version = text_of(v, "apiVersion"),
			.subresource = text_of(v, "subresource"),
			.time = text_of(v, "time"),
			.set = fieldset_load(doc, yyjson_mut_obj_get(v, "fieldsV1")),
		};
		if (!one->set ||
			(strcmp(one->operation, "Apply") != 0 && strcmp(one->operation, "Update") != 0))
			return false;
		m->n++;
	}
	return true;
}

static int by_order(const void *a, const void *b)
{
	const struct manager *x = a, *y = b;
	int c = strcmp(x->operation, y->operation);

	c = c ?: strcmp(x->time, y->time);
	c = c ?: strcmp(x->name, y->name);
	c = c ?: strcmp(x->api_version, y->api_version);
	return c ?: strcmp(x->subresource, y->subresource);
}

static bool store(yyjson_mut_doc *doc, yyjson_mut_val *object, struct managers *m)
{
	yyjson_mut_val *metadata = meta_make(doc, object, "metadata", NULL), *list = yyjson_mut_arr(doc), *o,
		       *set;

	if (!metadata || !list)
		return false;
	qsort(m->at, m->n, sizeof(*m->at), by_order);
	for (size_t i = 0; i < m->n; i++) {
		const struct manager *one = &m->at[i];

		if (fieldset_empty(one->set))
			continue;
		o = yyjson_mut_arr_add_obj(doc, list);
		set = fieldset_store(doc, one->set);
		if (!o || !set || !yyjson_mut_obj_add_strcpy(doc, o, "manager", one->name) ||
			!yyjson_mut_obj_add_strcpy(doc, o, "operation", one->operation) ||
			!yyjson_mut_obj_add_strcpy(doc, o, "apiVersion", one->api_version) ||
			(*one->time && !yyjson_mut_obj_add_strcpy(doc, o, "time", one->time)) ||
			!yyjson_mut_obj_add_str(doc, o, "fieldsType", "FieldsV1") ||
			!yyjson_mut_obj_add_val(doc, o, "fieldsV1", set) ||
			(*one->subresource &&
				!yyjson_mut_obj_add_strcpy(doc, o, "subresource", one->subresource)))
			return false;
	}
	if (!yyjson_mut_arr_size(list)) {
		yyjson_mut_obj_remove_key(metadata, "managedFields");
		return true;
	}
	return meta_put(doc, metadata, "managedFields", list);
}

/* The entry of a manager, made when there is none. NULL: too many managers, or no memory. */
static struct manager *entry(yyjson_mut_doc *doc, struct managers *m, const char *operation,
	const struct schema_kind *k, const struct apply_manager *who)
{
	const char *subresource = who->subresource ?: "";

	for (size_t i = 0; i < m->n; i++) {
		struct manager *one = &m->at[i];

		if (!strcmp(one->name, who->name) && !strcmp(one->operation, operation) &&
			!strcmp(one->subresource, subresource) && !strcmp(one->api_version, k->api_version))
			return one;
	}
	if (m->n == MANAGERS_MAX)
		return NULL;
	m->at[m->n] = (struct manager){
		.name = who->name,
		.operation = operation,
		.api_version = k->api_version,
		.subresource = subresource,
		.time = "",
		.set = yyjson_mut_obj(doc),
	};
	return m->at[m->n].set ? &m->at[m->n++] : NULL;
}

/*
 * What nobody owns: the server writes it, or it says which object this is. And the half that this write may
 * not touch.
 */
static void strip(yyjson_mut_val *set, const struct schema_kind *k, const char *subresource)
{
	static const char *const in_metadata[] = {"f:name", "f:namespace", "f:creationTimestamp",
		"f:selfLink", "f:uid", "f:generation", "f:managedFields", "f:resourceVersion",
		"f:deletionTimestamp", "f:deletionGracePeriodSeconds", "."};
	yyjson_mut_val *metadata = yyjson_mut_obj_get(set, "f:metadata");

	yyjson_mut_obj_remove_key(set, "f:apiVersion");
	yyjson_mut_obj_remove_key(set, "f:kind");
	for (size_t i = 0; metadata && i < array_len(in_metadata); i++)
		yyjson_mut_obj_remove_key(metadata, in_metadata[i]);
	if (metadata && fieldset_empty(metadata))
		yyjson_mut_obj_remove_key(set, "f:metadata");
	if (!(k->flags & SCHEMA_STATUS))
		return;
	if (!*subresource)
		yyjson_mut_obj_remove_key(set, "f:status");
	else if (!strcmp(subresource, "status"))
		yyjson_mut_obj_remove_key(set, "f:spec");
}

/* ---- removal of what is no longer applied */

/*
 * Take the fields of @set out of @object. A container that others own a part of stays, without what nobody
 * wants. @others: the subset of what other managers own and what is applied now, at the same place; may be NULL.
 */
static void prune(yyjson_mut_doc *doc, const struct schema_type *t, const struct schema_field *item,
	yyjson_mut_val *object, yyjson_mut_val *set, yyjson_mut_val *others);

static bool goes(yyjson_mut_val *below, yyjson_mut_val *others)
{
	return yyjson_mut_obj_get(below, ".") && (!others || fieldset_empty(others));
}

static void prune_list(yyjson_mut_doc *doc, const struct schema_field *f, yyjson_mut_val *list,
	yyjson_mut_val *set, yyjson_mut_val *others)
{
	yyjson_mut_arr_iter it = yyjson_mut_arr_iter_with(list);
	cleanup(lookup_fini) struct lookup in_set = {0}, in_others = {0};
	yyjson_mut_val *v;

	lookup_init(&in_set, set, yyjson_mut_arr_size(list));
	lookup_init(&in_others, others, yyjson_mut_arr_size(list));
	while ((v = yyjson_mut_arr_iter_next(&it))) {
		yyjson_mut_val *key = fieldset_item_key(doc, f, v);
		yyjson_mut_val *below = lookup_key(&in_set, key);
		yyjson_mut_val *other = lookup_key(&in_others, key);

		if (!below)
			continue;
		if (goes(below, other))
			json_mut_arr_iter_remove(&it);
		else if (yyjson_mut_is_obj(v) && fieldset_item_type(f))
			prune(doc, fieldset_item_type(f), NULL, v, below, other);
	}
}

/* Is nothing of this value left in the object? */
static bool prune_value(yyjson_mut_doc *doc, const struct schema_field *f, yyjson_mut_val *v,
	yyjson_mut_val *below, yyjson_mut_val *other)
{
	if (goes(below, other))
		return true;
	switch (fieldset_sharing(f, v)) {
	case FIELDSET_STRUCT:
		prune(doc, f->type, NULL, v, below, other);
		break;
	case FIELDSET_MAP:
		prune(doc, NULL, f, v, below, other);
		break;
	case FIELDSET_LIST:
		prune_list(doc, f, v, below, other);
		break;
	default:
		return false;
	}
	/* and nobody asks for it to be there */
	return !yyjson_mut_get_len(v) && (!other || fieldset_empty(other));
}

static void prune(yyjson_mut_doc *doc, const struct schema_type *t, const struct schema_field *item,
	yyjson_mut_val *object, yyjson_mut_val *set, yyjson_mut_val *others)
{
	cleanup(lookup_fini) struct lookup in_set = {0}, in_others = {0};
	yyjson_mut_obj_iter it = yyjson_mut_obj_iter_with(object);
	yyjson_mut_val *key, *below;
	struct schema_field one = item ? *item : (struct schema_field){0};

	one.shape = SCHEMA_ONE;
	lookup_init(&in_set, set, yyjson_mut_obj_size(object));
	lookup_init(&in_others, others, yyjson_mut_obj_size(object));
	while ((key = yyjson_mut_obj_iter_next(&it))) {
		const char *name = yyjson_mut_get_str(key);
		size_t len = yyjson_mut_get_len(key);
		yyjson_mut_val *step = fieldset_field_key(doc, key);

		below = lookup_key(&in_set, step);
		if (below && prune_value(doc,
				     item ? &one
				     : t  ? schema_field(t, name, len)
					  : NULL,
				     yyjson_mut_obj_iter_get_val(key), below, lookup_key(&in_others, step)))
			yyjson_mut_obj_iter_remove(&it);
	}
}

/* ---- conflicts */

struct conflicts {
	struct status *status; /* causes */
	FILE *text;	       /* lists of paths by manager */
	char first[1200];      /* the one sentence when there is one conflict */
	char who[400], using[200];
	size_t n;
};

static void conflict(const char *path, void *arg)
{
	struct conflicts *c = arg;
	char message[640];

	snprintf(message, sizeof(message), "conflict with %s%s", c->who, c->using);
	status_add_cause(c->status, "FieldManagerConflict", message, path);
	snprintf(c->first, sizeof(c->first), "%s: %.500s", message, path);
	fprintf(c->text, "\n- %s", path);
	c->n++;
}

/* What @who wants and others own. Forced: they lose it. NULL, or 409. */
static struct status *take_from_others(yyjson_mut_doc *doc, struct managers *m, const struct manager *mine,
	yyjson_mut_val *changed, bool force)
{
	char *text = NULL;
	size_t len;
	struct conflicts c = {.status = status_new(409, "Conflict", "%s", "")};
	struct status *s;

	c.text = open_memstream(&text, &len);
	if (!c.text) {
		status_free(c.status);
		return status_internal("out of memory");
	}
	for (size_t i = 0; i < m->n; i++) {
		struct manager *one = &m->at[i];
		yyjson_mut_val *common = one == mine ? NULL : fieldset_common(doc, one->set, changed);

		if (!common || fieldset_empty(common))
			continue;
		if (force) {
			fieldset_subtract(one->set, common);
			continue;
		}
		snprintf(c.who, sizeof(c.who), "\"%.128s\"%s%.64s%s", one->name,
			*one->subresource ? " with subresource \"" : "", one->subresource,
			*one->subresource ? "\"" : "");
		snprintf(c.using, sizeof(c.using), "%s%.128s",
			!strcmp(one->operation, "Update") ? " using " : "",
			!strcmp(one->operation, "Update") ? one->api_version : "");
		fprintf(c.text, "%sconflicts with %s%s:", c.n ? "\n" : "", c.who, c.using);
		fieldset_each(common, conflict, &c);
	}
	if (fclose(c.text) || !c.n) {
		free(text);
		status_free(c.status);
		return NULL;
	}
	if (c.n == 1)
		s = status_new(409, "Conflict", "Apply failed with 1 conflict: %s", c.first);
	else
		s = status_new(409, "Conflict", "Apply failed with %zu conflicts: %s", c.n, text);
	for (size_t i = 0; i < c.status->n_causes; i++)
		status_add_cause(s, c.status->causes[i].reason, c.status->causes[i].message,
			c.status->causes[i].field);
	status_free(c.status);
	free(text);
	return s;
}

/* ---- the two verbs */

/* Items are looked for one by one in what is there, so there cannot be any number of them. NULL, or 413. */
static struct status *too_long(const struct schema_type *t, const struct schema_field *item,
	yyjson_mut_val *object, const struct path *up)
{
	struct schema_field one = item ? *item : (struct schema_field){0};
	struct status *s = NULL;
	yyjson_mut_val *key, *v, *w;
	char text[PATH_TEXT_MAX];
	size_t i, n, j, m;

	one.shape = SCHEMA_ONE;
	yyjson_mut_obj_foreach(object, i, n, key, v)
	{
		const char *name = yyjson_mut_get_str(key);
		size_t len = yyjson_mut_get_len(key);
		const struct path here = {
			.up = up, .step = item ? PATH_KEY : PATH_FIELD, .name = name, .len = len};
		const struct schema_field *f = item ? &one : schema_field(t, name, len);
		const enum fieldset_sharing sharing = fieldset_sharing(f, v);

		if (s)
			break;
		if (sharing == FIELDSET_STRUCT) {
			s = too_long(f->type, NULL, v, &here);
		} else if (sharing != FIELDSET_LEAF && yyjson_mut_get_len(v) > FIELDSET_MEMBERS_MAX) {
			s = status_too_large(
				"%s has %zu members, and server-side apply takes %d; create or update the object",
				path_text(&here, text, sizeof(text)), yyjson_mut_get_len(v),
				FIELDSET_MEMBERS_MAX);
		} else if (sharing == FIELDSET_MAP) {
			s = too_long(NULL, f, v, &here);
		} else if (sharing == FIELDSET_LIST && fieldset_item_type(f)) {
			yyjson_mut_arr_foreach(v, j, m, w)
			{
				const struct path step = {.up = &here, .step = PATH_INDEX, .index = j};

				s = s ?: too_long(fieldset_item_type(f), NULL, w, &step);
			}
		}
	}
	return s;
}

static struct status *check_config(yyjson_mut_doc *config, const struct schema_kind *k)
{
	yyjson_mut_val *root = yyjson_mut_doc_get_root(config);
	struct status *s, *why;

	if (!yyjson_mut_is_obj(root))
		return status_bad_request("error decoding YAML: an apply patch is an object");
	if (meta_mut_get(root, "metadata", "managedFields", NULL))
		return status_bad_request("metadata.managedFields must be nil");
	why = decode_check(config, k, DECODE_STRICT, NULL);
	if (!why)
		return too_long(k->type, NULL, root, NULL);
	s = status_bad_request("failed to create typed patch object (%s/%s; %s, Kind=%s): %s",
		meta_mut_text(root, "namespace") ?: "", meta_mut_text(root, "name") ?: "", k->api_version,
		k->kind, why->message);
	status_free(why);
	return s;
}

static struct status *check_owned(const struct managers *m)
{
	size_t n = 0;

	for (size_t i = 0; i < m->n; i++)
		n += fieldset_size(m->at[i].set);
	if (n <= OWNED_MAX)
		return NULL;
	return status_too_large(
		"the object's field managers own %zu fields, and server-side apply takes %d; update or patch the "
		"object, or clear its metadata.managedFields by setting it to [{}]",
		n, OWNED_MAX);
}

static struct status *apply(yyjson_mut_doc *live, yyjson_mut_doc *config, const struct schema_kind *k,
	const struct apply_manager *who)
{
	yyjson_mut_val *root = yyjson_mut_doc_get_root(live), *before = yyjson_mut_val_mut_copy(live, root);
	struct managers *m = calloc(1, sizeof(*m));
	yyjson_mut_val *wanted, *changed = yyjson_mut_obj(live), *removed = yyjson_mut_obj(live), *others,
				*gone;
	struct manager *mine;
	struct status *s = check_config(config, k);
	bool ok = m && before && changed && removed;

	if (s || !ok) {
		free(m);
		return s ?: status_internal("out of memory");
	}
	if (!load(live, meta_mut_get(root, "metadata", "managedFields", NULL), m))
		m->n = 0;
	s = check_owned(m);
	if (s) {
		free(m);
		return s;
	}
	mine = entry(live, m, "Apply", k, who);
	wanted = fieldset_of(live, k->type, yyjson_mut_doc_get_root(config));
	others = yyjson_mut_obj(live);
	if (!mine || !wanted || !others) {
		free(m);
		return mine ? status_internal("out of memory")
			    : status_bad_request("the object has too many field managers");
	}
	strip(wanted, k, who->subresource ?: "");
	for (size_t i = 0; ok && i < m->n; i++)
		if (&m->at[i] != mine)
			ok = fieldset_add(live, others, m->at[i].set);
	/* what was applied, is not any more, and is nobody else's */
	gone = yyjson_mut_val_mut_copy(live, mine->set);
	fieldset_subtract(gone, wanted);
	fieldset_subtract(gone, others);
	/* who owns a map or a list as such, as one who came by an update does, need not go on to: its members keep it */
	ok = ok && fieldset_add(live, others, wanted);
	ok = ok && apply_members(live, k->type, NULL, root, yyjson_mut_doc_get_root(config));
	if (ok)
		prune(live, k->type, NULL, root, gone, others);
	ok = ok && fieldset_compare(live, k->type, before, root, changed, removed);
	if (ok) {
		/* only what is wanted can be in conflict */
		changed = fieldset_common(live, changed, wanted);
		s = changed ? take_from_others(live, m, mine, changed, who->force)
			    : status_internal("out of memory");
	}
	if (ok && !s) {
		bool same = meta_equal(mine->set, wanted) && meta_equal(before, root);

		for (size_t i = 0; i < m->n; i++)
			if (&m->at[i] != mine)
				fieldset_subtract(m->at[i].set, removed);
		mine->set = wanted;
		if (!same || !*mine->time)
			mine->time = who->time;
		ok = store(live, root, m);
	}
	free(m);
	return s ?: ok ? NULL : status_internal("out of memory");
}

struct status *apply_object(yyjson_mut_doc *live, yyjson_mut_val *config, const struct schema_kind *k,
	const struct apply_manager *who)
{
	/* the wish is brought into its one form, and what it was stays as it was */
	yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
	yyjson_mut_val *copy = doc ? yyjson_mut_val_mut_copy(doc, config) : NULL;
	struct status *s;

	if (copy) {
		yyjson_mut_doc_set_root(doc, copy);
		s = apply(live, doc, k, who);
	} else {
		s = status_internal("out of memory");
	}
	yyjson_mut_doc_free(doc);
	return s;
}

/* [{}] is how a client says that nobody owns anything. */
static bool is_reset(yyjson_mut_val *list)
{
	return yyjson_mut_arr_size(list) == 1 && !yyjson_mut_obj_size(yyjson_mut_arr_get_first(list));
}

struct status *apply_update(yyjson_mut_doc *doc, yyjson_mut_val *old, const struct schema_kind *k,
	const struct apply_manager *who)
{
	yyjson_mut_val *root = yyjson_mut_doc_get_root(doc),
		       *list = meta_mut_get(root, "metadata", "managedFields", NULL);
	yyjson_mut_val *changed = yyjson_mut_obj(doc), *removed = yyjson_mut_obj(doc),
		       *nothing = yyjson_mut_obj(doc);
	struct managers m;
	struct manager *mine;
	bool ok = changed && removed && nothing;

	m.n = 0; /* the rest is not looked at: this is the way of every write, and it is large */
	if (ok && is_reset(list)) {
		meta_remove(root, "managedFields");
		return NULL;
	}
	if (ok && (!yyjson_mut_arr_size(list) || !load(doc, list, &m)) &&
		!load(doc, meta_mut_get(old, "metadata", "managedFields", NULL), &m))
		m.n = 0;
	/* managedFields would only be compared with itself */
	ok = ok && fieldset_compare(doc, k->type, old ?: nothing, root, changed, removed);
	if (ok) {
		strip(changed, k, who->subresource ?: "");
		mine = fieldset_empty(changed) ? NULL : entry(doc, &m, "Update", k, who);
		if (!mine && !fieldset_empty(changed))
			return status_bad_request("the object has too many field managers");
		for (size_t i = 0; i < m.n; i++) {
			fieldset_subtract(m.at[i].set, removed);
			if (&m.at[i] != mine)
				fieldset_subtract(m.at[i].set, changed);
		}
		if (mine) {
			ok = fieldset_add(doc, mine->set, changed);
			mine->time = who->time;
		}
	}
	ok = ok && store(doc, root, &m);
	return ok ? NULL : status_internal("out of memory");
}

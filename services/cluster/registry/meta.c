/* SPDX-License-Identifier: Apache-2.0 */

/*
 * What a client may say in metadata, and what only the server says: identity, times, generation, deletion. And which part
 * of an object a subresource is about: everything else is put back as it was.
 */

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "cluster/registry/admission.h"
#include "cluster/registry/registry_int.h"
#include "cluster/schema/meta.h"

static struct status *no_memory(void)
{
	return status_errno(-ENOMEM, "metadata");
}

static struct status *namespace_fits(const struct attempt *a)
{
	const char *said = meta_mut_text(a->root, "namespace");

	/* On what has no namespace it is not an error but forgotten, as upstream does. */
	if (!said || !*said || !(a->kind->flags & SCHEMA_NAMESPACED))
		return NULL;
	return strcmp(said, a->ns)
		       ? status_bad_request("the namespace of the provided object does not match the "
					    "namespace sent on the request")
		       : NULL;
}

/* A member of the server's: as it was, or not there. */
static bool keep(struct attempt *a, yyjson_mut_val *meta, yyjson_mut_val *old, const char *key)
{
	yyjson_mut_val *was = yyjson_mut_obj_get(old, key);

	if (!was) {
		yyjson_mut_obj_remove_key(meta, key);
		return true;
	}
	was = yyjson_mut_val_mut_copy(a->doc, was);
	return was && meta_put(a->doc, meta, key, was);
}

/* A node says what it is when it registers; of all others it is only known later. */
static void drop_status(struct attempt *a)
{
	if (a->kind->flags & SCHEMA_STATUS && !attempt_is(a, "", "Node"))
		yyjson_mut_obj_remove_key(a->root, "status");
}

struct status *meta_for_create(struct attempt *a)
{
	static const char *const servers[] = {"uid", "creationTimestamp", "deletionTimestamp",
		"deletionGracePeriodSeconds", "selfLink", "generation"};
	yyjson_mut_val *meta = meta_make(a->doc, a->root, "metadata", NULL);
	const char *version = meta_mut_text(a->root, "resourceVersion");
	char uid[META_UID_MAX], now[META_TIME_MAX];
	struct status *err = namespace_fits(a);

	if (err)
		return err;
	if (!meta)
		return no_memory();
	if (version && *version && strcmp(version, "0") != 0)
		return status_bad_request("resourceVersion should not be set on objects to be created");
	for (size_t i = 0; i < array_len(servers); i++)
		yyjson_mut_obj_remove_key(meta, servers[i]);
	meta_time(now, time(NULL));
	if (meta_uid(uid))
		return status_internal("no random numbers");
	if (!meta_set_text(a->doc, a->root, "name", a->name) ||
		!meta_set_text(a->doc, a->root, "namespace", *a->ns ? a->ns : NULL) ||
		!meta_set_text(a->doc, a->root, "uid", uid) ||
		!meta_set_text(a->doc, a->root, "creationTimestamp", now))
		return no_memory();
	if (a->kind->flags & SCHEMA_GENERATION && !meta_set_int(a->doc, a->root, "generation", 1))
		return no_memory();
	drop_status(a);
	return NULL;
}

static struct status *check_revision(const struct attempt *a, int64_t expect, bool *conditional)
{
	const char *said = meta_mut_text(a->root, "resourceVersion");
	char *end = NULL;

	*conditional = expect != 0;
	if (!expect && said && *said) {
		errno = 0;
		expect = strtoll(said, &end, 10);
		if (errno || *end || expect < 0)
			return status_bad_request(
				"metadata.resourceVersion: Invalid value: \"%s\": not a resource version",
				said);
		*conditional = expect != 0;
	}
	if (expect && expect != a->old->revision)
		return status_modified(a->kind, a->name);
	return NULL;
}

struct status *meta_for_update(struct attempt *a, yyjson_mut_val *old, int64_t expect, bool *conditional)
{
	static const char *const servers[] = {"name", "namespace", "uid", "creationTimestamp",
		"deletionTimestamp", "deletionGracePeriodSeconds", "generation", "selfLink", "generateName",
		"resourceVersion"};
	yyjson_mut_val *meta = meta_make(a->doc, a->root, "metadata", NULL);
	yyjson_mut_val *old_meta = yyjson_mut_obj_get(old, "metadata");
	const char *name = meta_mut_text(a->root, "name"), *uid = meta_mut_text(a->root, "uid");
	struct status *err = namespace_fits(a);

	if (err)
		return err;
	if (!meta)
		return no_memory();
	if (!name || strcmp(name, a->name) != 0)
		return status_bad_request(
			"the name of the object (%s) does not match the name on the URL (%s)",
			name ? name : "", a->name);
	if (uid && *uid && strcmp(uid, a->old->uid) != 0) {
		char why[256];

		snprintf(why, sizeof(why),
			"Precondition failed: UID in precondition: %.64s, UID in object meta: %.64s", uid,
			a->old->uid);
		return status_conflict(a->kind, a->name, why);
	}
	err = check_revision(a, expect, conditional);
	if (err)
		return err;
	for (size_t i = 0; i < array_len(servers); i++)
		if (!keep(a, meta, old_meta, servers[i]))
			return no_memory();
	/* Who does not mention them does not change them; an empty list does. */
	if (!yyjson_mut_obj_get(meta, "managedFields") && !keep(a, meta, old_meta, "managedFields"))
		return no_memory();
	if (!keep(a, a->root, old, "kind") || !keep(a, a->root, old, "apiVersion"))
		return no_memory();
	return NULL;
}

/* ---- parts */

static bool take_part(struct attempt *a, yyjson_mut_val *to, yyjson_mut_val *from, const char *key)
{
	yyjson_mut_val *v = yyjson_mut_obj_get(from, key);

	if (!v) {
		yyjson_mut_obj_remove_key(to, key);
		return true;
	}
	v = yyjson_mut_val_mut_copy(a->doc, v);
	return v && meta_put(a->doc, to, key, v);
}

/* The object becomes @old but for some members, given as paths of one or two names. */
static struct status *only(struct attempt *a, yyjson_mut_val *old, const char *const (*paths)[2])
{
	yyjson_mut_val *root = yyjson_mut_val_mut_copy(a->doc, old);

	if (!root)
		return no_memory();
	for (; (*paths)[0]; paths++) {
		const char *outer = (*paths)[0], *inner = (*paths)[1];
		yyjson_mut_val *to = inner ? meta_make(a->doc, root, outer, NULL) : root;
		yyjson_mut_val *from = inner ? yyjson_mut_obj_get(a->root, outer) : a->root;

		if (!to || !take_part(a, to, from, inner ? inner : outer))
			return no_memory();
	}
	a->root = root;
	yyjson_mut_doc_set_root(a->doc, root);
	return NULL;
}

static const struct part {
	const char *subresource;
	const char *const paths[5][2];
} parts[] = {
	{"status", {{"status"}, {"metadata", "annotations"}, {"metadata", "labels"},
			   {"metadata", "managedFields"}}},
	{"approval", {{"status", "conditions"}, {"metadata", "managedFields"}}},
	{"finalize", {{"spec", "finalizers"}, {"metadata", "managedFields"}}},
	{"ephemeralcontainers", {{"spec", "ephemeralContainers"}, {"metadata", "managedFields"}}},
	{"resize", {{"spec", "containers"}, {"spec", "initContainers"}, {"spec", "resources"},
			   {"metadata", "managedFields"}}},
};

struct status *meta_restrict(struct attempt *a, yyjson_mut_val *old)
{
	struct status *err = NULL;

	if (!old)
		drop_status(a);
	else if (!strcmp(a->subresource, "resize"))
		err = resize_restrict(a, old);
	if (err || !old)
		return err;
	for (size_t i = 0; i < array_len(parts); i++)
		if (!strcmp(a->subresource, parts[i].subresource))
			return only(a, old, parts[i].paths);
	if (!*a->subresource && a->kind->flags & SCHEMA_STATUS && !take_part(a, a->root, old, "status"))
		return no_memory();
	return NULL;
}

struct status *meta_generation(struct attempt *a, yyjson_mut_val *old)
{
	static const char *const aside[] = {"metadata", "status", "kind", "apiVersion"};
	size_t i, max;
	yyjson_mut_val *key, *val;
	bool same = true;

	/* where a pod runs is not what was asked for */
	if (!(a->kind->flags & SCHEMA_GENERATION) || !strcmp(a->subresource, "binding"))
		return NULL;
	if (a->kind->flags & SCHEMA_CUSTOM || !schema_field(a->kind->type, "spec", 4)) {
		yyjson_mut_obj_foreach(a->root, i, max, key, val)
		{
			bool skip = false;

			for (size_t n = 0; n < array_len(aside); n++)
				skip |= yyjson_mut_equals_str(key, aside[n]);
			same &= skip || meta_equal(val, yyjson_mut_obj_get(old, yyjson_mut_get_str(key)));
		}
	} else {
		yyjson_mut_val *now = yyjson_mut_obj_get(a->root, "spec"),
			       *was = yyjson_mut_obj_get(old, "spec");

		same = now && was ? meta_equal(now, was) : now == was;
	}
	if (!same && !meta_set_int(a->doc, a->root, "generation", a->old->generation + 1))
		return no_memory();
	return NULL;
}

/* ---- comparing */

static bool same_managers(yyjson_mut_val *a, yyjson_mut_val *b)
{
	size_t i, max, n, members;
	yyjson_mut_val *entry, *key, *val;

	if (yyjson_mut_arr_size(a) != yyjson_mut_arr_size(b))
		return false;
	yyjson_mut_arr_foreach(a, i, max, entry)
	{
		yyjson_mut_val *other = yyjson_mut_arr_get(b, i);

		if (yyjson_mut_obj_size(entry) != yyjson_mut_obj_size(other))
			return false;
		yyjson_mut_obj_foreach(entry, n, members, key, val)
		{
			yyjson_mut_val *there = yyjson_mut_obj_get(other, yyjson_mut_get_str(key));

			if (!yyjson_mut_equals_str(key, "time") && (!there || !meta_equal(val, there)))
				return false;
		}
	}
	return true;
}

static bool same_meta(yyjson_mut_val *a, yyjson_mut_val *b)
{
	size_t i, max;
	yyjson_mut_val *key, *val;
	bool managed = yyjson_mut_obj_get(a, "managedFields") != NULL;

	if (yyjson_mut_obj_size(a) != yyjson_mut_obj_size(b))
		return false;
	if (managed && !same_managers(yyjson_mut_obj_get(a, "managedFields"),
			       yyjson_mut_obj_get(b, "managedFields")))
		return false;
	yyjson_mut_obj_foreach(a, i, max, key, val)
	{
		yyjson_mut_val *there = yyjson_mut_obj_get(b, yyjson_mut_get_str(key));

		if (yyjson_mut_equals_str(key, "managedFields") ||
			yyjson_mut_equals_str(key, "resourceVersion"))
			continue;
		if (!there || !meta_equal(val, there))
			return false;
	}
	return true;
}

bool meta_unchanged(yyjson_mut_val *a, yyjson_mut_val *b)
{
	size_t i, max;
	yyjson_mut_val *key, *val;

	if (yyjson_mut_obj_size(a) != yyjson_mut_obj_size(b))
		return false;
	yyjson_mut_obj_foreach(a, i, max, key, val)
	{
		yyjson_mut_val *there = yyjson_mut_obj_get(b, yyjson_mut_get_str(key));

		if (!there || !(yyjson_mut_equals_str(key, "metadata") ? same_meta(val, there)
								       : meta_equal(val, there)))
			return false;
	}
	return true;
}

bool meta_finished(const struct attempt *a)
{
	yyjson_mut_val *meta = yyjson_mut_obj_get(a->root, "metadata");
	yyjson_mut_val *grace = yyjson_mut_obj_get(meta, "deletionGracePeriodSeconds");

	if (!yyjson_mut_obj_get(meta, "deletionTimestamp"))
		return false;
	if (yyjson_mut_arr_size(yyjson_mut_obj_get(meta, "finalizers")))
		return false;
	if (grace && yyjson_mut_get_sint(grace) > 0)
		return false;
	return !yyjson_mut_arr_size(meta_mut_get(a->root, "spec", "finalizers", NULL));
}

/* SPDX-License-Identifier: Apache-2.0 */

/* Metadata: what every object must get right, and what no update may change. */

#include <string.h>

#include "cluster/schema/check_int.h"
#include "cluster/schema/meta.h"

static const struct path metadata_path = {.name = "metadata", .len = 8};

static void name(struct check *c, const struct schema_kind *k, yyjson_mut_val *meta)
{
	yyjson_mut_val *v = yyjson_mut_obj_get(meta, "name"),
		       *prefix = yyjson_mut_obj_get(meta, "generateName");

	if (!yyjson_mut_get_len(v)) {
		check_error(c, FIELD_REQUIRED, NULL, ".name", "name or generateName is required");
		return;
	}
	check_format(c, v, ".name", k->name_format);
	/* a prefix may end in the dash that the letters follow */
	if (yyjson_mut_get_len(prefix) && yyjson_mut_get_len(prefix) < 512) {
		char text[512];
		const char *why;

		memcpy(text, yyjson_mut_get_str(prefix), yyjson_mut_get_len(prefix) + 1);
		if (strlen(text) > 1 && text[strlen(text) - 1] == '-')
			text[strlen(text) - 1] = 'a';
		why = validate_format(k->name_format, text, strlen(text));
		if (why)
			check_error(c, FIELD_INVALID, prefix, ".generateName", "%s", why);
	}
}

static void map_texts(struct check *c, yyjson_mut_val *meta)
{
	size_t i, n;
	yyjson_mut_val *key, *v, shown;

	yyjson_mut_obj_foreach(yyjson_mut_obj_get(meta, "labels"), i, n, key, v)
	{
		shown = *key;
		shown.next = NULL;
		check_format(c, &shown, ".labels", SCHEMA_LABEL_KEY);
		check_format(c, v, ".labels", SCHEMA_LABEL_VALUE);
	}
}

static void annotation_texts(struct check *c, yyjson_mut_val *meta)
{
	enum { ANNOTATIONS_MAX = 256 << 10 };
	size_t i, n, total = 0;
	yyjson_mut_val *key, *v, shown;

	yyjson_mut_obj_foreach(yyjson_mut_obj_get(meta, "annotations"), i, n, key, v)
	{
		char lower[320];
		size_t len = yyjson_mut_get_len(key);
		const char *why;

		/* upper case in the prefix is forgiven here, and only here */
		for (size_t j = 0; j < len && j < sizeof(lower) - 1; j++) {
			char ch = yyjson_mut_get_str(key)[j];

			lower[j] = (char)(ch >= 'A' && ch <= 'Z' ? ch - 'A' + 'a' : ch);
		}
		lower[len < sizeof(lower) - 1 ? len : sizeof(lower) - 1] = 0;
		why = validate_format(SCHEMA_LABEL_KEY, lower, strlen(lower));
		if (why) {
			shown = *key;
			shown.next = NULL;
			check_error(c, FIELD_INVALID, &shown, ".annotations", "%s", why);
		}
		total += len + yyjson_mut_get_len(v);
	}
	if (total > ANNOTATIONS_MAX)
		check_error(c, FIELD_TOO_LONG, NULL, ".annotations", "may not be more than %d bytes",
			ANNOTATIONS_MAX);
}

static void owners(struct check *c, yyjson_mut_val *meta)
{
	static const char *const needed[] = {"apiVersion", "kind", "name", "uid"};
	size_t i, n;
	yyjson_mut_val *owner, *list = yyjson_mut_obj_get(meta, "ownerReferences"), *controller = NULL;

	yyjson_mut_arr_foreach(list, i, n, owner)
	{
		for (size_t j = 0; j < array_len(needed); j++)
			if (!*text_of(owner, needed[j]))
				check_error(c, FIELD_INVALID, yyjson_mut_obj_get(owner, needed[j]),
					REL(".ownerReferences[%zu].%s", i, needed[j]), "must not be empty");
		if (!yyjson_mut_is_true(yyjson_mut_obj_get(owner, "controller")))
			continue;
		if (controller)
			check_error(c, FIELD_INVALID, list, ".ownerReferences",
				"Only one reference can have Controller set to true. Found \"true\" in references for %s and %s",
				text_of(controller, "name"), text_of(owner, "name"));
		controller = owner;
	}
}

static void finalizers(struct check *c, yyjson_mut_val *meta)
{
	static const char *const standard[] = {"kubernetes", "orphan", "foregroundDeletion"};
	/* definitions, and objects of their kinds, are freer than others */
	bool free_name = c->kind->flags & SCHEMA_CUSTOM || !strcmp(c->kind->group, "apiextensions.k8s.io");
	size_t i, n;
	yyjson_mut_val *v;

	yyjson_mut_arr_foreach(yyjson_mut_obj_get(meta, "finalizers"), i, n, v)
	{
		const char *s = yyjson_mut_get_str(v);
		bool known = false;

		check_format(c, v, ".finalizers", SCHEMA_LABEL_KEY);
		for (size_t j = 0; j < array_len(standard); j++)
			known |= s && !strcmp(s, standard[j]);
		if (s && !strchr(s, '/') && !known && !free_name)
			check_error(c, FIELD_INVALID, v, REL(".finalizers[%zu]", i),
				"name is neither a standard finalizer name nor is it fully qualified");
	}
}

static void unchanged(struct check *c, yyjson_mut_val *meta, yyjson_mut_val *old)
{
	static const char *const fixed[] = {"name", "namespace", "uid", "creationTimestamp",
		"deletionTimestamp", "deletionGracePeriodSeconds"};

	for (size_t i = 0; i < array_len(fixed); i++) {
		yyjson_mut_val *v = yyjson_mut_obj_get(meta, fixed[i]),
			       *before = yyjson_mut_obj_get(old, fixed[i]);

		if ((v || before) && !meta_equal(v, before))
			check_error(c, FIELD_INVALID, v, REL(".%s", fixed[i]), "field is immutable");
	}
	if (int_of(meta, "generation") < int_of(old, "generation"))
		check_error(c, FIELD_INVALID, yyjson_mut_obj_get(meta, "generation"), ".generation",
			"must not be decremented");
}

void validate_metadata(
	const struct schema_kind *k, yyjson_mut_val *object, yyjson_mut_val *old, struct field_errors *e)
{
	struct check c = {
		.errors = e, .path = &metadata_path, .kind = k, .object = object, .old_object = old};
	yyjson_mut_val *meta = yyjson_mut_obj_get(object, "metadata");

	if (k->flags & SCHEMA_REVIEW)
		return;
	name(&c, k, meta);
	map_texts(&c, meta);
	annotation_texts(&c, meta);
	owners(&c, meta);
	finalizers(&c, meta);
	if (old)
		unchanged(&c, meta, yyjson_mut_obj_get(old, "metadata"));
}

/* SPDX-License-Identifier: Apache-2.0 */

#include <stdlib.h>
#include <string.h>

#include "agent/allocation.h"
#include "lib/json.h"
#include "lib/kube.h"
#include "lib/quantity.h"

static const char *const lists[] = {"containers", "initContainers"};

static bool is_resizable(size_t list, yyjson_val *container)
{
	return !list || yyjson_equals_str(yyjson_obj_get(container, "restartPolicy"), "Always");
}

/* ---- making it */

static bool fill(yyjson_mut_doc *doc, yyjson_mut_val *containers, yyjson_val *spec)
{
	yyjson_val *each;
	size_t i, n;

	for (size_t l = 0; l < array_len(lists); l++)
		yyjson_arr_foreach (json_arr(spec, lists[l]), i, n, each) {
			yyjson_val *r = json_obj(each, "resources");
			yyjson_mut_val *name = yyjson_mut_strcpy(doc, json_str(each, "name") ?: ""),
				       *copy = r ? yyjson_val_mut_copy(doc, r) : yyjson_mut_obj(doc);

			if (is_resizable(l, each) &&
				(!name || !copy || !yyjson_mut_obj_add(containers, name, copy)))
				return false;
		}
	return true;
}

yyjson_doc *allocation_of(yyjson_val *object)
{
	cleanup(json_mut_docp) yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
	yyjson_mut_val *root = doc ? yyjson_mut_obj(doc) : NULL, *containers;
	yyjson_val *spec = json_obj(object, "spec"), *whole = json_obj(spec, "resources");

	if (!root || !yyjson_mut_obj_add_int(doc, root, "generation",
			     json_int(json_obj(object, "metadata"), "generation", 0)))
		return NULL;
	containers = yyjson_mut_obj_add_obj(doc, root, "containers");
	if (!containers || !fill(doc, containers, spec) ||
		(whole && !yyjson_mut_obj_add_val(doc, root, "pod", yyjson_val_mut_copy(doc, whole))))
		return NULL;
	yyjson_mut_doc_set_root(doc, root);
	return yyjson_mut_doc_imut_copy(doc, NULL);
}

yyjson_doc *allocation_read(const char *text)
{
	yyjson_doc *doc = yyjson_read(text, strlen(text), 0);

	if (json_obj(yyjson_doc_get_root(doc), "containers"))
		return doc;
	yyjson_doc_free(doc);
	return NULL;
}

char *allocation_text(yyjson_doc *allocated)
{
	return yyjson_write(allocated, 0, NULL);
}

int64_t allocation_generation(yyjson_doc *allocated)
{
	return json_int(yyjson_doc_get_root(allocated), "generation", 0);
}

/* ---- the object as it is set aside */

static bool amount(yyjson_val *v, struct quantity *q)
{
	return yyjson_is_str(v) && !quantity_parse(q, yyjson_get_str(v), yyjson_get_len(v));
}

static bool same_amounts(yyjson_val *a, yyjson_val *b)
{
	static const char *const kinds[] = {"requests", "limits"}, *const names[] = {"cpu", "memory"};

	for (size_t k = 0; k < array_len(kinds); k++)
		for (size_t n = 0; n < array_len(names); n++) {
			struct quantity q = {0}, r = {0};
			bool there = amount(yyjson_obj_get(json_obj(a, kinds[k]), names[n]), &q);

			if (there != amount(yyjson_obj_get(json_obj(b, kinds[k]), names[n]), &r) ||
				quantity_compare(&q, &r) != 0)
				return false;
		}
	return true;
}

/* What is set aside for the container, if that is something else than it says. */
static yyjson_val *other_resources(yyjson_doc *allocated, size_t list, yyjson_val *container)
{
	yyjson_val *all = json_obj(yyjson_doc_get_root(allocated), "containers"),
		   *r = json_obj(all, json_str(container, "name") ?: "");

	return r && is_resizable(list, container) && !same_amounts(r, json_obj(container, "resources"))
		       ? r
		       : NULL;
}

/* @o: a container, or the spec; @resources NULL: none. */
static bool replace(yyjson_mut_doc *doc, yyjson_mut_val *o, yyjson_val *resources)
{
	yyjson_mut_obj_remove_key(o, "resources");
	return !resources || yyjson_mut_obj_add_val(doc, o, "resources", yyjson_val_mut_copy(doc, resources));
}

yyjson_doc *allocation_lay_over(yyjson_val *object, yyjson_doc *allocated, bool *differs)
{
	yyjson_doc *copy = kube_copy(object), *laid = NULL;
	yyjson_val *spec = json_obj(yyjson_doc_get_root(copy), "spec"), *each;
	yyjson_val *whole = json_obj(yyjson_doc_get_root(allocated), "pod");
	cleanup(json_mut_docp) yyjson_mut_doc *doc = NULL;
	bool ok = copy;
	size_t i, n;

	*differs = false;
	for (size_t l = 0; allocated && l < array_len(lists); l++)
		yyjson_arr_foreach (json_arr(spec, lists[l]), i, n, each) {
			yyjson_val *r = other_resources(allocated, l, each);
			yyjson_mut_val *root;

			if (!r)
				continue;
			*differs = true;
			doc = doc ? doc : json_mut_copy(copy);
			root = yyjson_mut_doc_get_root(doc);
			ok = ok && doc &&
			     replace(doc,
				     yyjson_mut_arr_get(
					     yyjson_mut_obj_get(yyjson_mut_obj_get(root, "spec"), lists[l]),
					     i),
				     r);
		}
	if (allocated && !same_amounts(whole, json_obj(spec, "resources"))) {
		*differs = true;
		doc = doc ? doc : json_mut_copy(copy);
		ok = ok && doc &&
		     replace(doc, yyjson_mut_obj_get(yyjson_mut_doc_get_root(doc), "spec"), whole);
	}
	if (!*differs)
		return copy;
	laid = ok ? yyjson_mut_doc_imut_copy(doc, NULL) : NULL;
	yyjson_doc_free(copy);
	return laid;
}

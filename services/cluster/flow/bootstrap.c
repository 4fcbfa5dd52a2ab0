/* SPDX-License-Identifier: Apache-2.0 */

/* What of flow_objects there is not is made before the cluster is ready. */

#include <errno.h>

#include "cluster/flow/objects.h"
#include "cluster/registry/registry.h"
#include "cluster/schema/meta.h"
#include "cluster/schema/schema.h"
#include "cluster/schema/status.h"
#include "lib/json.h"
#include "lib/log.h"

struct boot {
	size_t left;
	void (*done)(void *arg);
	void *arg;
};

static void one_less(struct boot *b)
{
	if (--b->left)
		return;
	b->done(b->arg);
	free(b);
}

static void on_made(const struct status *error, const struct object *object, void *arg)
{
	if (error)
		log_error("flow op=bootstrap error=\"%s\"", error->message);
	one_less(arg);
}

yyjson_mut_doc *flow_object_new(const struct flow_object *o)
{
	cleanup(json_docp) yyjson_doc *spec = flow_object_spec(o);
	yyjson_mut_doc *doc = spec ? yyjson_mut_doc_new(NULL) : NULL;
	yyjson_mut_val *root = doc ? yyjson_mut_obj(doc) : NULL, *notes;

	yyjson_mut_doc_set_root(doc, root);
	notes = root ? meta_make(doc, root, "metadata", "annotations", NULL) : NULL;
	if (notes && yyjson_mut_obj_add_str(doc, root, "apiVersion", FLOW_API) &&
		yyjson_mut_obj_add_str(doc, root, "kind", o->kind) &&
		meta_set_text(doc, root, "name", o->name) &&
		yyjson_mut_obj_add_str(doc, notes, FLOW_AUTOUPDATE, "true") &&
		json_copy(doc, root, "spec", yyjson_doc_get_root(spec)))
		return doc;
	yyjson_mut_doc_free(doc);
	return NULL;
}

void flow_bootstrap(struct registry *r, void (*done)(void *arg), void *arg)
{
	const struct write_options w = {.field_manager = "kube-apiserver"};
	struct boot *b = calloc(1, sizeof(*b));

	if (!b) {
		log_errno(ENOMEM, "flow op=bootstrap");
		return;
	}
	*b = (struct boot){.left = 1, .done = done, .arg = arg};
	for (size_t i = 0; i < flow_objects_n; i++) {
		const struct flow_object *o = &flow_objects[i];
		const struct schema_kind *k = schema_find_kind(FLOW_API, o->kind);
		yyjson_mut_doc *doc = registry_get(r, k, "", o->name) ? NULL : flow_object_new(o);

		if (!doc)
			continue;
		b->left++;
		registry_create(r, &caller_self, k, "", doc, &w, on_made, b);
	}
	one_less(b);
}

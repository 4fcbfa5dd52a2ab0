/* SPDX-License-Identifier: Apache-2.0 */

/*
 * APIServices: one for each group and version that this server serves itself, there as long as it does, so that who lists them sees
 * everything that is served.
 */

#include <stdio.h>
#include <string.h>

#include "cluster/controllers/controllers.h"
#include "cluster/extensions/order.h"
#include "cluster/schema/custom.h"
#include "cluster/schema/meta.h"
#include "cluster/schema/schema.h"
#include "lib/json.h"

#define API	"apiregistration.k8s.io/v1"
#define MANAGED "kube-aggregator.kubernetes.io/automanaged"

enum { NAME_SIZE = 512 };

/* ---- those of our own */

/* The group of a name is what follows its version. */
static bool is_own(const char *name, struct priority *p, bool *custom)
{
	const char *dot = strchr(name, '.');
	char version[NAME_SIZE];

	if (!dot || (size_t)(dot - name) >= sizeof(version))
		return false;
	snprintf(version, sizeof(version), "%.*s", (int)(dot - name), name);
	return own_priority(dot + 1, version, p, custom);
}

static bool put_spec(yyjson_mut_doc *doc, yyjson_mut_val *root, const char *name, const struct priority *p)
{
	const char *dot = strchr(name, '.');
	yyjson_mut_val *spec = yyjson_mut_obj(doc);

	return spec && (!dot[1] || yyjson_mut_obj_add_strcpy(doc, spec, "group", dot + 1)) &&
	       yyjson_mut_obj_add_strncpy(doc, spec, "version", name, (size_t)(dot - name)) &&
	       yyjson_mut_obj_add_sint(doc, spec, "groupPriorityMinimum", p->group) &&
	       yyjson_mut_obj_add_sint(doc, spec, "versionPriority", p->version) &&
	       meta_put(doc, root, "spec", spec);
}

static void make_own(struct turn *t, const struct priority *p, bool custom)
{
	const struct schema_kind *kind = schema_find_kind(API, "APIService");
	yyjson_mut_doc *doc = new_object(kind);
	yyjson_mut_val *root = yyjson_mut_doc_get_root(doc);
	yyjson_mut_val *labels = doc ? meta_make(doc, root, "metadata", "labels", NULL) : NULL;

	if (labels && yyjson_mut_obj_add_str(doc, labels, MANAGED, custom ? "true" : "onstart") &&
		meta_set_text(doc, root, "name", t->name) && put_spec(doc, root, t->name, p)) {
		turn_create(t, kind, "", doc);
		return;
	}
	yyjson_mut_doc_free(doc);
	turn_failed(t);
}

static enum modify restore(const struct object *old, yyjson_mut_doc **doc, struct status **error, void *arg)
{
	return put_spec(*doc, yyjson_mut_doc_get_root(*doc), old->name, arg) ? MODIFY_WRITE : MODIFY_FAIL;
}

/* What it says of us is ours to say; one without the label is somebody's own. */
static void keep_own(struct turn *t, const struct priority *p)
{
	struct priority *copy = malloc(sizeof(*copy));

	if (!copy) {
		turn_failed(t);
		return;
	}
	*copy = *p;
	turn_modify(t, t->object, NULL, restore, copy);
}

static void sync_apiservice(struct turn *t)
{
	struct priority p;
	bool custom, own = is_own(t->name, &p, &custom);

	if (!t->object && own)
		make_own(t, &p, custom);
	if (!t->object || t->object->deleted || !object_label(t->object, MANAGED))
		return;
	if (own)
		keep_own(t, &p);
	else
		turn_delete(t, t->object, NULL);
}

/* ---- who has to be looked at */

static void queue_version(struct controller *c, const char *group, const char *version)
{
	char name[NAME_SIZE];

	snprintf(name, sizeof(name), "%s.%s", version, group);
	controller_queue(c, "", name);
}

/* There is always one, and it is told of at each start. */
static void on_namespace(
	struct controller *c, enum event_type type, const struct object *old, const struct object *now)
{
	size_t n;
	const struct schema_group_version *gv = custom_group_versions(&n);

	if (type != EVENT_ADDED || strcmp(now->name, "kube-system") != 0)
		return;
	for (size_t i = 0; gv && i < n; i++)
		queue_version(c, gv[i].group, gv[i].version);
}

static void queue_definition(struct controller *c, const struct object *o)
{
	cleanup(json_docp) yyjson_doc *doc = object_doc(o);
	yyjson_val *spec = json_obj(yyjson_doc_get_root(doc), "spec"), *version;
	size_t i, n;

	yyjson_arr_foreach (json_arr(spec, "versions"), i, n, version)
		queue_version(c, json_str(spec, "group") ?: "", json_str(version, "name") ?: "");
}

static void on_definition(
	struct controller *c, enum event_type type, const struct object *old, const struct object *now)
{
	if (type == EVENT_MODIFIED && old->generation == now->generation)
		return;
	if (type == EVENT_MODIFIED)
		queue_definition(c, old);
	queue_definition(c, now);
}

const struct controller_type apiservice_controller = {
	.name = "apiservice-controller",
	.api_version = API,
	.kind = "APIService",
	.sync = sync_apiservice,
	.watches = {{.api_version = "v1", .kind = "Namespace", .event = on_namespace},
		{.api_version = "apiextensions.k8s.io/v1",
			.kind = "CustomResourceDefinition",
			.event = on_definition}},
};

/* SPDX-License-Identifier: Apache-2.0 */

/*
 * APIServices: one for each group and version that this server serves itself, there as long as it does, so that who lists them sees
 * everything that is served. Of those that name a service the status says whether it answers: it is asked when something about it
 * changes, and now and then; while there is none, nobody is asked.
 */

#include <stdio.h>
#include <string.h>

#include "cluster/controllers/controllers.h"
#include "cluster/extensions/extensions.h"
#include "cluster/extensions/order.h"
#include "cluster/schema/custom.h"
#include "cluster/schema/meta.h"
#include "cluster/schema/schema.h"
#include "lib/json.h"

#define API	"apiregistration.k8s.io/v1"
#define MANAGED "kube-aggregator.kubernetes.io/automanaged"

/* Who answered is asked again later than who did not. */
enum { NAME_SIZE = 512, AGAIN_MS = 30 * 1000, SOON_MS = 5 * 1000 };

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

/* ---- those of others */

struct verdict {
	bool good;
	const char *reason;
	char message[600];
	int64_t now_s;
};

static enum modify write_available(
	const struct object *old, yyjson_mut_doc **doc, struct status **error, void *arg)
{
	const struct verdict *v = arg;
	yyjson_mut_val *list = conditions_of(*doc, yyjson_mut_doc_get_root(*doc));

	if (!list)
		return MODIFY_FAIL;
	return condition_set(
		       *doc, list, "Available", v->good ? "True" : "False", v->reason, v->message, v->now_s)
		       ? MODIFY_WRITE
		       : MODIFY_NOTHING;
}

/* @message: NULL: there was no memory for it */
static void say(struct turn *t, bool good, const char *reason, const char *message)
{
	struct verdict *v = malloc(sizeof(*v));

	if (!v) {
		turn_failed(t);
		return;
	}
	*v = (struct verdict){.good = good, .reason = reason, .now_s = t->now_s};
	snprintf(v->message, sizeof(v->message), "%s", message ?: "");
	turn_modify(t, t->object, "status", write_available, v);
	turn_again_in(t, good ? AGAIN_MS : SOON_MS);
}

static void on_probed(void *controller, const char *name)
{
	controller_queue(controller, "", name);
}

static void look_at(struct turn *t)
{
	struct extensions *x = registry_extensions(t->r);
	const struct extension *e = extensions_named(x, t->name);
	cleanup(freep) char *why = NULL;
	char address[64];
	const char *reason;
	int64_t age;
	int port;

	if (!e)
		return;
	reason = extension_place(t->r, e, address, sizeof(address), &port, &why);
	if (reason) {
		say(t, false, reason, why);
		return;
	}
	age = loop_now_ms(registry_loop(t->r)) - e->probed_ms;
	if (!e->probed_ms || age >= (*e->why ? SOON_MS : AGAIN_MS))
		extension_probe(x, t->name, on_probed, t->c);
	else if (*e->why)
		say(t, false, "FailedDiscoveryCheck", e->why);
	else
		say(t, true, "Passed", "all checks passed");
}

static void sync_apiservice(struct turn *t)
{
	struct priority p;
	bool custom, own = is_own(t->name, &p, &custom);

	if (!t->object && own)
		make_own(t, &p, custom);
	if (!t->object || t->object->deleted)
		return;
	if (json_obj(json_obj(t->root, "spec"), "service"))
		look_at(t);
	if (!object_label(t->object, MANAGED))
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

/* Nothing is looked at where no APIService names a service. */
static void moved(struct controller *c, const char *ns, const char *service)
{
	extensions_moved(registry_extensions(controller_registry(c)), ns, service, on_probed, c);
}

static void on_service(
	struct controller *c, enum event_type type, const struct object *old, const struct object *now)
{
	moved(c, now->ns, now->name);
}

static void on_slice(
	struct controller *c, enum event_type type, const struct object *old, const struct object *now)
{
	const char *service = object_label(now, "kubernetes.io/service-name");

	if (service)
		moved(c, now->ns, service);
}

const struct controller_type apiservice_controller = {
	.name = "apiservice-controller",
	.api_version = API,
	.kind = "APIService",
	.sync = sync_apiservice,
	.watches = {{.api_version = "v1", .kind = "Namespace", .event = on_namespace},
		{.api_version = "v1", .kind = "Service", .event = on_service},
		{.api_version = "discovery.k8s.io/v1", .kind = "EndpointSlice", .event = on_slice},
		{.api_version = "apiextensions.k8s.io/v1",
			.kind = "CustomResourceDefinition",
			.event = on_definition}},
};

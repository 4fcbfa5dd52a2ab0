/* SPDX-License-Identifier: Apache-2.0 */

/*
 * IPAddresses of Services: each address that a Service has is an object, too, for those who ask whose it is. Services are what counts
 * (admit_service.c): what is missing is made, what says another is made anew, and what is nobody's any more goes.
 */

#include <string.h>

#include "cluster/controllers/controllers.h"
#include "cluster/registry/services.h"
#include "cluster/schema/meta.h"
#include "cluster/schema/schema.h"
#include "lib/json.h"

#define API	   "networking.k8s.io/v1"
#define FAMILY	   "ipaddress.kubernetes.io/ip-family"
#define MANAGED_BY "ipaddress.kubernetes.io/managed-by"
#define US	   "ipallocator.k8s.io"

/* Each cluster address that a Service says it has. */
static void each_address(const struct object *service, void (*fn)(const char *address, void *arg), void *arg)
{
	yyjson_doc *doc = object_doc(service);
	yyjson_val *spec = json_obj(yyjson_doc_get_root(doc), "spec"), *v;
	const char *first = json_text(spec, "clusterIP");
	size_t i, n;

	if (first && !json_arr_has(json_arr(spec, "clusterIPs"), first))
		fn(first, arg);
	yyjson_arr_foreach (json_arr(spec, "clusterIPs"), i, n, v)
		if (yyjson_get_len(v))
			fn(yyjson_get_str(v), arg);
	yyjson_doc_free(doc);
}

static bool is_of(const struct turn *t, const struct object *service)
{
	yyjson_val *ref = meta_get(t->root, "spec", "parentRef", NULL);
	const char *by = object_label(t->object, MANAGED_BY), *family = object_label(t->object, FAMILY);

	return !json_text(ref, "group") && yyjson_equals_str(yyjson_obj_get(ref, "resource"), "services") &&
	       yyjson_equals_str(yyjson_obj_get(ref, "namespace"), service->ns) &&
	       yyjson_equals_str(yyjson_obj_get(ref, "name"), service->name) && by && !strcmp(by, US) &&
	       family && !strcmp(family, "IPv4");
}

static bool fill(yyjson_mut_doc *doc, const char *address, const struct object *service)
{
	yyjson_mut_val *root = yyjson_mut_doc_get_root(doc);
	yyjson_mut_val *labels = meta_make(doc, root, "metadata", "labels", NULL);
	yyjson_mut_val *ref = meta_make(doc, root, "spec", "parentRef", NULL);

	return labels && ref && meta_set_text(doc, root, "name", address) &&
	       yyjson_mut_obj_add_str(doc, labels, FAMILY, "IPv4") &&
	       yyjson_mut_obj_add_str(doc, labels, MANAGED_BY, US) &&
	       yyjson_mut_obj_add_str(doc, ref, "resource", "services") &&
	       yyjson_mut_obj_add_strcpy(doc, ref, "namespace", service->ns) &&
	       yyjson_mut_obj_add_strcpy(doc, ref, "name", service->name);
}

static void make(struct turn *t, const struct object *service)
{
	const struct schema_kind *kind = schema_find_kind(API, "IPAddress");
	yyjson_mut_doc *doc = new_object(kind);

	if (doc && fill(doc, t->name, service)) {
		turn_create(t, kind, "", doc);
		return;
	}
	yyjson_mut_doc_free(doc);
	turn_failed(t);
}

static void sync_address(struct turn *t)
{
	const struct object *service = services_holder(t->r, t->name);
	const char *by = t->object ? object_label(t->object, MANAGED_BY) : NULL;

	if (!t->object && service)
		make(t, service);
	else if (t->object && !t->object->deleted && (service ? !is_of(t, service) : by && !strcmp(by, US)))
		turn_delete(t, t->object, NULL); /* the next turn makes what is missing */
}

static void queue(const char *address, void *c)
{
	if (strcmp(address, "None") != 0)
		controller_queue(c, "", address);
}

static void on_service(
	struct controller *c, enum event_type type, const struct object *old, const struct object *now)
{
	if (old)
		each_address(old, queue, c);
	each_address(now, queue, c);
}

const struct controller_type service_address_controller = {
	.name = "service-ip-repair-controller",
	.api_version = API,
	.kind = "IPAddress",
	.sync = sync_address,
	.watches = {{"v1", "Service", on_service}},
};

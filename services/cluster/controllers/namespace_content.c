/* SPDX-License-Identifier: Apache-2.0 */

/* What every namespace has: the service account "default", and the cluster's authority as the ConfigMap kube-root-ca.crt. */

#include <string.h>

#include "cluster/controllers/controllers.h"
#include "cluster/schema/meta.h"
#include "cluster/schema/schema.h"
#include "lib/json.h"

#define ACCOUNT	   "default"
#define CONFIG_MAP "kube-root-ca.crt"
#define CA_KEY	   "ca.crt"

static bool going(const struct turn *t)
{
	return !t->object || t->object->deleted;
}

static void sync_account(struct turn *t)
{
	const struct schema_kind *kind = schema_find_kind("v1", "ServiceAccount");
	yyjson_mut_doc *doc;

	if (going(t) || registry_get(t->r, kind, t->name, ACCOUNT))
		return;
	doc = new_object(kind);
	if (doc && !meta_set_text(doc, yyjson_mut_doc_get_root(doc), "name", ACCOUNT)) {
		yyjson_mut_doc_free(doc);
		doc = NULL;
	}
	turn_create(t, kind, t->name, doc);
}

static bool has_ca(const struct object *o, const char *pem)
{
	yyjson_doc *doc = object_doc(o);
	bool yes = doc && yyjson_equals_str(meta_get(yyjson_doc_get_root(doc), "data", CA_KEY, NULL), pem);

	yyjson_doc_free(doc);
	return yes;
}

static bool fill(yyjson_mut_doc *doc, const char *pem)
{
	static const char note[] =
		"Contains a CA bundle that can be used to verify the kube-apiserver when using internal "
		"endpoints such as the internal service IP or kubernetes.default.svc.";
	yyjson_mut_val *root = yyjson_mut_doc_get_root(doc), *notes, *data;

	notes = meta_make(doc, root, "metadata", "annotations", NULL);
	data = yyjson_mut_obj_add_obj(doc, root, "data");
	return notes && data && meta_set_text(doc, root, "name", CONFIG_MAP) &&
	       yyjson_mut_obj_add_str(doc, notes, "kubernetes.io/description", note) &&
	       yyjson_mut_obj_add_strcpy(doc, data, CA_KEY, pem);
}

static void sync_ca(struct turn *t)
{
	const struct schema_kind *kind = schema_find_kind("v1", "ConfigMap");
	const struct object *o = registry_get(t->r, kind, t->name, CONFIG_MAP);
	yyjson_mut_doc *doc;

	if (going(t) || (o && has_ca(o, t->context->ca_pem)))
		return;
	doc = new_object(kind);
	if (doc && !fill(doc, t->context->ca_pem)) {
		yyjson_mut_doc_free(doc);
		doc = NULL;
	}
	if (o && doc)
		turn_set(t, o, NULL, "data", yyjson_mut_obj_get(yyjson_mut_doc_get_root(doc), "data"));
	if (o)
		yyjson_mut_doc_free(doc);
	else
		turn_create(t, kind, t->name, doc);
}

static void on_account(
	struct controller *c, enum event_type type, const struct object *old, const struct object *now)
{
	if (type == EVENT_DELETED && !strcmp(now->name, ACCOUNT))
		controller_queue(c, "", now->ns);
}

static void on_config_map(
	struct controller *c, enum event_type type, const struct object *old, const struct object *now)
{
	if (type != EVENT_ADDED && !strcmp(now->name, CONFIG_MAP))
		controller_queue(c, "", now->ns);
}

const struct controller_type serviceaccount_controller = {
	.name = "service-account-controller",
	.api_version = "v1",
	.kind = "Namespace",
	.sync = sync_account,
	.watches = {{"v1", "ServiceAccount", on_account}},
};

const struct controller_type root_ca_controller = {
	.name = "root-ca-cert-publisher",
	.api_version = "v1",
	.kind = "Namespace",
	.sync = sync_ca,
	.watches = {{"v1", "ConfigMap", on_config_map}},
};

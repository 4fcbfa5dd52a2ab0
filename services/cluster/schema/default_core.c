/* SPDX-License-Identifier: Apache-2.0 */

/* Defaults of the core group's other kinds that depend on other fields. */

#include "cluster/schema/default_int.h"
#include "cluster/schema/meta.h"
#include "lib/quantity.h"
#include "lib/base64.h"
#include "lib/util.h"

schema_default default_namespace, default_secret, default_node_status, default_service_spec,
	default_service_port, default_volume_phase, default_replication_controller, default_limit_range_item,
	default_role_ref, default_subject;

/* Every namespace can be selected by its name. */
bool default_namespace(yyjson_mut_doc *doc, yyjson_mut_val *o)
{
	const char *name = meta_mut_text(o, "name");
	yyjson_mut_val *labels, *status;

	status = meta_make(doc, o, "status", NULL);
	if (!status || !default_text(doc, status, "phase", "Active"))
		return false;
	if (!name || !*name)
		return true;
	labels = meta_make(doc, o, "metadata", "labels", NULL);
	return labels && meta_put(doc, labels, "kubernetes.io/metadata.name", yyjson_mut_strcpy(doc, name));
}

/* stringData is written into data, then forgotten. */
bool default_secret(yyjson_mut_doc *doc, yyjson_mut_val *o)
{
	yyjson_mut_val *texts = yyjson_mut_obj_get(o, "stringData"), *data, *key, *v;
	size_t i, n;

	if (!texts)
		return true;
	if (yyjson_mut_obj_size(texts)) {
		data = meta_make(doc, o, "data", NULL);
		if (!data)
			return false;
		yyjson_mut_obj_foreach(texts, i, n, key, v)
		{
			cleanup(freep) char *encoded =
				base64_make(yyjson_mut_get_str(v), yyjson_mut_get_len(v));

			if (!encoded ||
				!yyjson_mut_obj_put(data, yyjson_mut_strcpy(doc, yyjson_mut_get_str(key)),
					yyjson_mut_strcpy(doc, encoded)))
				return false;
		}
	}
	yyjson_mut_obj_remove_key(o, "stringData");
	return true;
}

bool default_node_status(yyjson_mut_doc *doc, yyjson_mut_val *o)
{
	return default_copy(doc, o, "allocatable", yyjson_mut_obj_get(o, "capacity"));
}

bool default_service_spec(yyjson_mut_doc *doc, yyjson_mut_val *o)
{
	bool balanced = text_is(o, "type", "LoadBalancer"),
	     outside = balanced || text_is(o, "type", "NodePort");

	if (text_is(o, "sessionAffinity", "ClientIP")) {
		yyjson_mut_val *client = meta_make(doc, o, "sessionAffinityConfig", "clientIP", NULL);

		if (!client || !default_int(doc, client, "timeoutSeconds", 10800))
			return false;
	} else if (text_is(o, "sessionAffinity", "None")) {
		/* who switches it off need not say so of what it was given by default */
		yyjson_mut_obj_remove_key(o, "sessionAffinityConfig");
	}
	if (outside && !default_text(doc, o, "externalTrafficPolicy", "Cluster"))
		return false;
	if ((outside || text_is(o, "type", "ClusterIP")) &&
		!default_text(doc, o, "internalTrafficPolicy", "Cluster"))
		return false;
	return !balanced || default_bool(doc, o, "allocateLoadBalancerNodePorts", true);
}

bool default_service_port(yyjson_mut_doc *doc, yyjson_mut_val *o)
{
	yyjson_mut_val *target = yyjson_mut_obj_get(o, "targetPort");

	if (yyjson_mut_equals_str(target, "") || (yyjson_mut_is_int(target) && !yyjson_mut_get_sint(target)))
		yyjson_mut_obj_remove_key(o, "targetPort");
	return default_copy(doc, o, "targetPort", yyjson_mut_obj_get(o, "port"));
}

bool default_volume_phase(yyjson_mut_doc *doc, yyjson_mut_val *o)
{
	yyjson_mut_val *status = meta_make(doc, o, "status", NULL);

	return status && default_text(doc, status, "phase", "Pending");
}

bool default_replication_controller(yyjson_mut_doc *doc, yyjson_mut_val *o)
{
	yyjson_mut_val *spec = yyjson_mut_obj_get(o, "spec");
	yyjson_mut_val *labels = meta_mut_get(spec, "template", "metadata", "labels", NULL);
	yyjson_mut_val *metadata = meta_make(doc, o, "metadata", NULL);

	if (!yyjson_mut_obj_size(labels))
		return true;
	return metadata && default_copy(doc, spec, "selector", labels) &&
	       default_copy(doc, metadata, "labels", labels);
}

static bool fill(yyjson_mut_doc *doc, yyjson_mut_val *o, const char *into, const char *from)
{
	yyjson_mut_val *source = yyjson_mut_obj_get(o, from), *target, *key, *v;
	size_t i, n;

	if (!yyjson_mut_obj_size(source))
		return true;
	target = meta_make(doc, o, into, NULL);
	if (!target)
		return false;
	yyjson_mut_obj_foreach(source, i, n, key,
		v) if (!default_copy(doc, target, yyjson_mut_get_str(key), v)) return false;
	return true;
}

bool default_limit_range_item(yyjson_mut_doc *doc, yyjson_mut_val *o)
{
	if (!text_is(o, "type", "Container"))
		return true;
	return fill(doc, o, "default", "max") && fill(doc, o, "defaultRequest", "default") &&
	       fill(doc, o, "defaultRequest", "min");
}

static const char rbac_group[] = "rbac.authorization.k8s.io";

bool default_role_ref(yyjson_mut_doc *doc, yyjson_mut_val *o)
{
	return default_text(doc, o, "apiGroup", rbac_group);
}

bool default_subject(yyjson_mut_doc *doc, yyjson_mut_val *o)
{
	if (text_is(o, "kind", "User") || text_is(o, "kind", "Group"))
		return default_text(doc, o, "apiGroup", rbac_group);
	return true;
}

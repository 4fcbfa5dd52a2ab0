/* SPDX-License-Identifier: Apache-2.0 */

/* Defaults of pods and their parts that depend on other fields. */

#include "cluster/schema/default_int.h"
#include "cluster/schema/meta.h"

schema_default default_pod, default_pod_spec, default_container, default_volume, default_image_volume;

/* What is limited and not requested is requested as much as it is limited. */
static bool requests_from_limits(yyjson_mut_doc *doc, yyjson_mut_val *containers)
{
	size_t i, n, j, m;
	yyjson_mut_val *c, *key, *limit;

	yyjson_mut_arr_foreach(containers, i, n, c)
	{
		yyjson_mut_val *limits = meta_mut_get(c, "resources", "limits", NULL), *requests;

		if (!yyjson_mut_obj_size(limits))
			continue;
		requests = meta_make(doc, c, "resources", "requests", NULL);
		if (!requests)
			return false;
		yyjson_mut_obj_foreach(limits, j, m, key,
			limit) if (!default_copy(doc, requests, yyjson_mut_get_str(key), limit)) return false;
	}
	return true;
}

bool default_pod(yyjson_mut_doc *doc, yyjson_mut_val *o)
{
	yyjson_mut_val *spec = yyjson_mut_obj_get(o, "spec");

	if (!spec)
		return true;
	return requests_from_limits(doc, yyjson_mut_obj_get(spec, "containers")) &&
	       requests_from_limits(doc, yyjson_mut_obj_get(spec, "initContainers")) &&
	       default_bool(doc, spec, "enableServiceLinks", true);
}

static bool host_ports(yyjson_mut_doc *doc, yyjson_mut_val *containers)
{
	size_t i, n, j, m;
	yyjson_mut_val *c, *port;

	yyjson_mut_arr_foreach(containers, i, n, c) yyjson_mut_arr_foreach(yyjson_mut_obj_get(c, "ports"), j,
		m, port) if (!default_copy(doc, port, "hostPort",
				     yyjson_mut_obj_get(port, "containerPort"))) return false;
	return true;
}

bool default_pod_spec(yyjson_mut_doc *doc, yyjson_mut_val *o)
{
	/* either name of the account stands for both */
	if (!default_copy(doc, o, "serviceAccount", yyjson_mut_obj_get(o, "serviceAccountName")) ||
		!default_copy(doc, o, "serviceAccountName", yyjson_mut_obj_get(o, "serviceAccount")))
		return false;
	if (!yyjson_mut_is_true(yyjson_mut_obj_get(o, "hostNetwork")))
		return true;
	return host_ports(doc, yyjson_mut_obj_get(o, "containers")) &&
	       host_ports(doc, yyjson_mut_obj_get(o, "initContainers"));
}

/* "latest", said or not, is asked for again every time. */
static const char *policy_for(const char *image)
{
	const char *tag, *slash, *policy = "IfNotPresent";

	if (!image)
		image = "";
	slash = strrchr(image, '/');
	tag = strrchr(slash ? slash : image, ':');
	if (!strchr(image, '@') && (!tag || !strcmp(tag, ":latest")))
		policy = "Always";
	return policy;
}

bool default_container(yyjson_mut_doc *doc, yyjson_mut_val *o)
{
	return default_text(
		doc, o, "imagePullPolicy", policy_for(yyjson_mut_get_str(yyjson_mut_obj_get(o, "image"))));
}

bool default_image_volume(yyjson_mut_doc *doc, yyjson_mut_val *o)
{
	return default_text(
		doc, o, "pullPolicy", policy_for(yyjson_mut_get_str(yyjson_mut_obj_get(o, "reference"))));
}

bool default_volume(yyjson_mut_doc *doc, yyjson_mut_val *o)
{
	/* a volume with a name alone */
	return yyjson_mut_obj_size(o) > 1 || !yyjson_mut_obj_get(o, "name") ||
	       default_empty(doc, o, "emptyDir");
}

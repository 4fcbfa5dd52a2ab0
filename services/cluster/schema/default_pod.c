/* SPDX-License-Identifier: Apache-2.0 */

/* Defaults of pods and their parts that depend on other fields. */

#include "cluster/schema/default_int.h"
#include "cluster/schema/meta.h"
#include "cluster/schema/pod_resources.h"

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

/* ---- the pod as a whole */

/* What the containers come to is the pod's in @list, of the resources that @takes, unless the pod says another amount. */
static bool from_sums(yyjson_mut_doc *doc, yyjson_mut_val *spec, const char *list,
	bool (*takes)(yyjson_mut_val *resources, const struct pod_sums *all, const struct pod_sum *sum))
{
	yyjson_mut_val *resources = yyjson_mut_obj_get(spec, "resources"), *into;
	struct pod_sums all;
	char text[QUANTITY_TEXT_MAX];

	pod_sums_read(&all, spec, list);
	for (size_t i = 0; i < all.n; i++) {
		const struct pod_sum *sum = &all.of[i];
		struct quantity q = {.nano = sum->total, .format = sum->format};

		if (!sum->n_said || !takes(resources, &all, sum))
			continue;
		into = meta_make(doc, resources, list, NULL);
		if (!into || (!yyjson_mut_obj_get(into, sum->name) &&
				     !yyjson_mut_obj_add(into, yyjson_mut_strcpy(doc, sum->name),
					     yyjson_mut_strcpy(doc, quantity_text(&q, text)))))
			return false;
	}
	return true;
}

/* Huge pages are requested as much as they are limited: who requests some says the limit. */
static bool takes_pages(yyjson_mut_val *resources, const struct pod_sums *all, const struct pod_sum *sum)
{
	return !pod_resource_is_shared(sum->name) && !meta_mut_get(resources, "requests", sum->name, NULL);
}

static bool takes_shared(yyjson_mut_val *resources, const struct pod_sums *all, const struct pod_sum *sum)
{
	return pod_resource_is_shared(sum->name);
}

/* As long as one container has no limit, the pod has none. */
static bool takes_said_by_all(
	yyjson_mut_val *resources, const struct pod_sums *all, const struct pod_sum *sum)
{
	return pod_resource_is_shared(sum->name) && sum->n_said == all->n_containers;
}

/* A pod that says something as a whole: what it leaves out follows from its containers, or its requests from its limits. */
static bool default_whole(yyjson_mut_doc *doc, yyjson_mut_val *spec)
{
	yyjson_mut_val *resources = yyjson_mut_obj_get(spec, "resources"), *limits, *requests, *key, *limit;
	size_t i, n;

	if (!pod_is_whole_mut(spec))
		return true;
	if (!from_sums(doc, spec, "limits", takes_pages) ||
		(!yyjson_mut_obj_size(yyjson_mut_obj_get(resources, "limits")) &&
			!from_sums(doc, spec, "limits", takes_said_by_all)))
		return false;
	limits = yyjson_mut_obj_get(resources, "limits");
	if (!yyjson_mut_obj_size(limits))
		return true;
	if (!from_sums(doc, spec, "requests", takes_shared))
		return false;
	requests = meta_make(doc, resources, "requests", NULL);
	if (!requests)
		return false;
	yyjson_mut_obj_foreach(limits, i, n, key, limit)
	{
		const char *name = yyjson_mut_get_str(key);

		if (pod_resource_is_whole(name) && !default_copy(doc, requests, name, limit))
			return false;
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
	       default_whole(doc, spec) && default_bool(doc, spec, "enableServiceLinks", true);
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

/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Resources of a pod as a whole (spec.resources), beside what is said of all such lists (check_resources()): which they may be, that
 * the containers do not request more together, and that none of them may use more than the pod.
 */

#include <string.h>

#include "cluster/schema/check_int.h"
#include "cluster/schema/meta.h"
#include "cluster/schema/pod_resources.h"

static yyjson_mut_val *of_pod(yyjson_mut_val *spec, const char *list, const char *name)
{
	return meta_mut_get(spec, "resources", list, name, NULL);
}

static bool amount(yyjson_mut_val *v, struct quantity *q)
{
	return yyjson_mut_is_str(v) && !quantity_parse(q, yyjson_mut_get_str(v), yyjson_mut_get_len(v));
}

/* What is no resource at all is complained of already. */
static void check_resource_names(struct check *c, yyjson_mut_val *spec, const char *list)
{
	static const char *const good[] = {"cpu", "hugepages-", "memory", NULL};
	yyjson_mut_val *key, *v;
	size_t i, n;

	yyjson_mut_obj_foreach(meta_mut_get(spec, "resources", list, NULL), i, n, key, v)
	{
		const char *name = yyjson_mut_get_str(key);

		if (strchr(name, '/') || !strcmp(name, "ephemeral-storage"))
			check_not_supported(c, key, REL(".resources.%s[%.120s]", list, name), good);
	}
}

/* Of huge pages the limits are together no more than the pod's, too: each has its own. */
static void check_sums(struct check *c, yyjson_mut_val *spec, const char *list, bool only_pages)
{
	struct pod_sums all;
	char text[QUANTITY_TEXT_MAX];

	if (!yyjson_mut_obj_size(meta_mut_get(spec, "resources", list, NULL)))
		return;
	pod_sums_read(&all, spec, list);
	for (size_t i = 0; i < all.n; i++) {
		const struct pod_sum *sum = &all.of[i];
		yyjson_mut_val *v = of_pod(spec, list, sum->name);
		struct quantity together = {.nano = sum->total, .format = sum->format}, whole;

		if ((only_pages && pod_resource_is_shared(sum->name)) || !amount(v, &whole) ||
			quantity_compare(&together, &whole) <= 0)
			continue;
		check_error(c, FIELD_INVALID, v, REL(".resources.%s[%.120s]", list, sum->name),
			"must be greater than or equal to aggregate container %s of %s", list,
			quantity_text(&together, text));
	}
}

static void check_container(struct check *c, yyjson_mut_val *spec, yyjson_mut_val *container, size_t index)
{
	yyjson_mut_val *limits = meta_mut_get(spec, "resources", "limits", NULL), *key, *v;
	size_t i, n;

	yyjson_mut_obj_foreach(limits, i, n, key, v)
	{
		const char *name = yyjson_mut_get_str(key);
		yyjson_mut_val *own = meta_mut_get(container, "resources", "limits", name, NULL);
		struct quantity whole, q;

		if (amount(v, &whole) && amount(own, &q) && quantity_compare(&q, &whole) > 0)
			check_error(c, FIELD_INVALID, own,
				REL(".containers[%zu].resources.limits[%.120s]", index, name),
				"must be less than or equal to pod limits of %s", yyjson_mut_get_str(v));
	}
}

void check_pod_resources(struct check *c, yyjson_mut_val *spec)
{
	yyjson_mut_val *resources = yyjson_mut_obj_get(spec, "resources"), *container, count = {0};
	static const char *const lists[] = {"requests", "limits"};
	size_t i, n;

	if (!resources)
		return;
	if (yyjson_mut_equals_str(meta_mut_get(spec, "os", "name", NULL), "windows")) {
		check_error(c, FIELD_FORBIDDEN, NULL, ".resources", "may not be set for a windows pod");
		return;
	}
	if (yyjson_mut_arr_size(yyjson_mut_obj_get(resources, "claims")))
		check_error(c, FIELD_FORBIDDEN, NULL, ".resources.claims",
			"claims may not be set for Resources at pod-level");
	for (size_t l = 0; l < array_len(lists); l++) {
		unsafe_yyjson_set_uint(&count, yyjson_mut_obj_size(yyjson_mut_obj_get(resources, lists[l])));
		if (yyjson_mut_get_uint(&count) > POD_RESOURCES_MAX) {
			check_error(c, FIELD_TOO_MANY, &count, REL(".resources.%s", lists[l]),
				"must have at most %d items", POD_RESOURCES_MAX);
			return;
		}
		check_resource_names(c, spec, lists[l]);
	}
	check_sums(c, spec, "requests", false);
	check_sums(c, spec, "limits", true);
	yyjson_mut_arr_foreach(yyjson_mut_obj_get(spec, "containers"), i, n, container)
		check_container(c, spec, container, i);
}

/* SPDX-License-Identifier: Apache-2.0 */

#include <string.h>

#include "cluster/schema/meta.h"
#include "cluster/schema/resized.h"
#include "lib/json.h"

static bool is_infeasible(yyjson_val *status)
{
	yyjson_val *c;
	size_t i, n;

	yyjson_arr_foreach (json_arr(status, "conditions"), i, n, c)
		if (yyjson_equals_str(yyjson_obj_get(c, "type"), "PodResizePending"))
			return yyjson_equals_str(yyjson_obj_get(c, "reason"), "Infeasible");
	return false;
}

static yyjson_val *status_of(yyjson_val *status, yyjson_val *container, bool init)
{
	const char *name = json_str(container, "name") ?: "";
	yyjson_val *s;
	size_t i, n;

	if (init && !yyjson_equals_str(yyjson_obj_get(container, "restartPolicy"), "Always"))
		return NULL;
	yyjson_arr_foreach (json_arr(status, init ? "initContainerStatuses" : "containerStatuses"), i, n, s)
		if (yyjson_equals_str(yyjson_obj_get(s, "name"), name))
			return s;
	return NULL;
}

/* What a container or its pod asks for, in lists of @asked; @said: what the node says of it. */
static size_t lists_of(yyjson_val *status, yyjson_val *asked, yyjson_val *said, const char *which,
	yyjson_val *out[static RESIZED_LISTS_MAX])
{
	yyjson_val *actual = json_obj(said, "resources");
	size_t n = 0;

	/* of a pod that no node has spoken of there is what it asks for */
	if (!actual || !is_infeasible(status))
		out[n++] = json_obj(asked, which);
	if (!actual)
		return n;
	out[n++] = json_obj(actual, which);
	if (!strcmp(which, "requests"))
		out[n++] = json_obj(said, "allocatedResources");
	return n;
}

size_t resized_lists(yyjson_val *pod, yyjson_val *container, bool init, const char *which,
	yyjson_val *out[static RESIZED_LISTS_MAX])
{
	yyjson_val *status = json_obj(pod, "status");

	return lists_of(
		status, json_obj(container, "resources"), status_of(status, container, init), which, out);
}

size_t resized_whole_lists(yyjson_val *pod, const char *which, yyjson_val *out[static RESIZED_LISTS_MAX])
{
	yyjson_val *status = json_obj(pod, "status");

	return lists_of(status, json_obj(json_obj(pod, "spec"), "resources"), status, which, out);
}

/* SPDX-License-Identifier: Apache-2.0 */

#include "cluster/schema/meta.h"
#include "cluster/schema/pod_resources.h"
#include "cluster/schema/qos.h"
#include "lib/quantity.h"
#include "lib/util.h"

/* What @o, a container or the whole pod, asks for. */
static void look_at(yyjson_mut_val *o, bool *any, bool *guaranteed)
{
	static const char *const names[] = {"cpu", "memory"};
	yyjson_mut_val *limits = meta_mut_get(o, "resources", "limits", NULL);
	yyjson_mut_val *requests = meta_mut_get(o, "resources", "requests", NULL);

	for (size_t n = 0; n < array_len(names); n++) {
		yyjson_mut_val *l = yyjson_mut_obj_get(limits, names[n]);
		yyjson_mut_val *r = yyjson_mut_obj_get(requests, names[n]);
		struct quantity ql = {0}, qr = {0};

		if (l && quantity_parse(&ql, yyjson_mut_get_str(l), yyjson_mut_get_len(l)))
			l = NULL;
		if (r && quantity_parse(&qr, yyjson_mut_get_str(r), yyjson_mut_get_len(r)))
			r = NULL;
		*any |= (l && ql.nano > 0) || (r && qr.nano > 0);
		*guaranteed &= l && ql.nano > 0 && (!r || quantity_compare(&ql, &qr) == 0);
	}
}

const char *pod_qos(yyjson_mut_val *spec)
{
	static const char *const lists[] = {"containers", "initContainers"};
	bool any = false, guaranteed = true, whole = pod_is_whole_mut(spec);
	yyjson_mut_val *c;
	size_t i, max;

	if (whole)
		look_at(spec, &any, &guaranteed);
	for (size_t l = 0; !whole && l < array_len(lists); l++) {
		yyjson_mut_val *list = yyjson_mut_obj_get(spec, lists[l]);

		yyjson_mut_arr_foreach(list, i, max, c) look_at(c, &any, &guaranteed);
	}
	return !any ? "BestEffort" : guaranteed ? "Guaranteed" : "Burstable";
}

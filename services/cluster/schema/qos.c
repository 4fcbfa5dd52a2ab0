/* SPDX-License-Identifier: Apache-2.0 */

#include "cluster/schema/meta.h"
#include "cluster/schema/qos.h"
#include "lib/quantity.h"
#include "lib/util.h"

static void look_at(yyjson_mut_val *containers, bool *any, bool *guaranteed)
{
	static const char *const names[] = {"cpu", "memory"};
	size_t i, max;
	yyjson_mut_val *c;

	yyjson_mut_arr_foreach(containers, i, max, c)
	{
		yyjson_mut_val *limits = meta_mut_get(c, "resources", "limits", NULL);
		yyjson_mut_val *requests = meta_mut_get(c, "resources", "requests", NULL);

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
}

const char *pod_qos(yyjson_mut_val *spec)
{
	bool any = false, guaranteed = true;

	look_at(yyjson_mut_obj_get(spec, "containers"), &any, &guaranteed);
	look_at(yyjson_mut_obj_get(spec, "initContainers"), &any, &guaranteed);
	return !any ? "BestEffort" : guaranteed ? "Guaranteed" : "Burstable";
}

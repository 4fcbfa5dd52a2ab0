/* SPDX-License-Identifier: Apache-2.0 */

/* What this server serves itself is available from the first moment on. */

#include <time.h>

#include "cluster/schema/default_int.h"
#include "cluster/schema/meta.h"

schema_default default_apiservice;

bool default_apiservice(yyjson_mut_doc *doc, yyjson_mut_val *o)
{
	yyjson_mut_val *status, *list, *condition;
	char now[META_TIME_MAX];

	if (meta_mut_get(o, "spec", "service", NULL) || meta_mut_get(o, "status", "conditions", NULL))
		return true;
	meta_time(now, time(NULL));
	status = meta_make(doc, o, "status", NULL);
	list = status ? yyjson_mut_obj_add_arr(doc, status, "conditions") : NULL;
	condition = list ? yyjson_mut_arr_add_obj(doc, list) : NULL;
	return condition && yyjson_mut_obj_add_str(doc, condition, "type", "Available") &&
	       yyjson_mut_obj_add_str(doc, condition, "status", "True") &&
	       yyjson_mut_obj_add_strcpy(doc, condition, "lastTransitionTime", now) &&
	       yyjson_mut_obj_add_str(doc, condition, "reason", "Local") &&
	       yyjson_mut_obj_add_str(doc, condition, "message", "Local APIServices are always available");
}

/* SPDX-License-Identifier: Apache-2.0 */

/* Defaults of claims to devices and of devices. */

#include <time.h>

#include "cluster/schema/default_int.h"
#include "cluster/schema/meta.h"

schema_default default_device_amount, default_device_taint;

/* One device, unless it is said how many. */
bool default_device_amount(yyjson_mut_doc *doc, yyjson_mut_val *o)
{
	return default_text(doc, o, "allocationMode", "ExactCount") &&
	       (!text_is(o, "allocationMode", "ExactCount") || default_int(doc, o, "count", 1));
}

bool default_device_taint(yyjson_mut_doc *doc, yyjson_mut_val *o)
{
	char now[META_TIME_MAX];

	meta_time(now, time(NULL));
	return yyjson_mut_obj_get(o, "timeAdded") || yyjson_mut_obj_add_strcpy(doc, o, "timeAdded", now);
}

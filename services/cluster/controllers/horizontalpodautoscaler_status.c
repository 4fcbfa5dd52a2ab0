/* SPDX-License-Identifier: Apache-2.0 */

/* What an autoscaler has seen and done, as its status. */

#include <stdarg.h>
#include <stdio.h>
#include <time.h>

#include "cluster/controllers/horizontalpodautoscaler_int.h"
#include "cluster/schema/meta.h"
#include "lib/json.h"

void scaling_condition(
	struct scaling *s, const char *type, bool is, const char *reason, const char *format, ...)
{
	char message[SCALING_TEXT_MAX * 2];
	va_list args;

	va_start(args, format);
	vsnprintf(message, sizeof(message), format, args);
	va_end(args);
	condition_set(s->doc, s->conditions, type, is ? "True" : "False", reason, message, s->t->now_s);
}

static bool put_last_scale(struct scaling *s, yyjson_mut_val *status)
{
	yyjson_val *before = yyjson_obj_get(s->status, "lastScaleTime");
	char now[META_TIME_MAX];

	if (!s->scaled)
		return !before || json_copy(s->doc, status, "lastScaleTime", before);
	meta_time(now, time(NULL));
	return yyjson_mut_obj_add_strcpy(s->doc, status, "lastScaleTime", now);
}

void scaling_write_status(struct scaling *s, int64_t desired)
{
	yyjson_mut_val *status = yyjson_mut_obj(s->doc);
	int64_t generation = s->t->object->generation;

	if (status &&
		(!generation || yyjson_mut_obj_add_sint(s->doc, status, "observedGeneration", generation)) &&
		put_last_scale(s, status) &&
		yyjson_mut_obj_add_sint(s->doc, status, "currentReplicas", s->current) &&
		yyjson_mut_obj_add_sint(s->doc, status, "desiredReplicas", desired) &&
		(!yyjson_mut_arr_size(s->metrics) ||
			yyjson_mut_obj_add_val(s->doc, status, "currentMetrics", s->metrics)) &&
		yyjson_mut_obj_add_val(s->doc, status, "conditions", s->conditions))
		turn_set(s->t, s->t->object, "status", "status", status);
	else
		turn_failed(s->t);
}

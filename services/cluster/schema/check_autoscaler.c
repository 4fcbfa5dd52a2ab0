/* SPDX-License-Identifier: Apache-2.0 */

/* Autoscalers: bounds that leave room, and metrics that say what they aim at. */

#include <string.h>

#include "cluster/schema/check_int.h"
#include "lib/quantity.h"

schema_check check_autoscaler_spec;

/* Metrics by type: its member, and which aims make sense. */
static const struct source {
	const char *type, *member;
	bool of_resource; /* a share of what is requested, or an amount of each pod */
} sources[] = {
	{"Resource", "resource", true},
	{"ContainerResource", "containerResource", true},
	{"Pods", "pods", false},
	{"Object", "object", false},
	{"External", "external", false},
};

static void check_amount(struct check *c, yyjson_mut_val *target, const char *path, const char *key)
{
	yyjson_mut_val *v = yyjson_mut_obj_get(target, key);
	const char *text = yyjson_mut_get_str(v);
	struct quantity q;

	if (text && !quantity_parse(&q, text, strlen(text)) && q.nano <= 0)
		check_error(c, FIELD_INVALID, v, REL("%s.%s", path, key), "must be positive");
}

static void check_target(struct check *c, yyjson_mut_val *target, const char *path, bool of_resource)
{
	yyjson_mut_val *share = yyjson_mut_obj_get(target, "averageUtilization"),
		       *each = yyjson_mut_obj_get(target, "averageValue");

	check_amount(c, target, path, "value");
	check_amount(c, target, path, "averageValue");
	if (share && yyjson_mut_get_sint(share) < 1)
		check_error(c, FIELD_INVALID, share, REL("%s.averageUtilization", path),
			"must be greater than 0");
	if (of_resource && !share && !each)
		check_error(c, FIELD_REQUIRED, NULL, REL("%s.averageUtilization", path),
			"must set either a target raw value or a target utilization");
	if (of_resource && share && each)
		check_error(c, FIELD_FORBIDDEN, NULL, REL("%s.averageValue", path),
			"may not set both a target raw value and a target utilization");
	if (!of_resource && !each && !yyjson_mut_obj_get(target, "value"))
		check_error(c, FIELD_REQUIRED, NULL, REL("%s.averageValue", path),
			"must set either a target value for metric or a per-pod target");
}

static void check_metric(struct check *c, yyjson_mut_val *metric, size_t at)
{
	const char *type = text_of(metric, "type");

	for (size_t i = 0; i < array_len(sources); i++) {
		const struct source *s = &sources[i];
		yyjson_mut_val *source = yyjson_mut_obj_get(metric, s->member);
		bool is_it = !strcmp(type, s->type);

		if (is_it && !source)
			check_error(c, FIELD_REQUIRED, NULL, REL(".metrics[%zu].%s", at, s->member),
				"must populate information for the given metric source");
		else if (is_it)
			check_target(c, yyjson_mut_obj_get(source, "target"),
				REL(".metrics[%zu].%s.target", at, s->member), s->of_resource);
		else if (source)
			check_error(c, FIELD_FORBIDDEN, NULL, REL(".metrics[%zu].%s", at, s->member),
				"must populate the given metric source only");
	}
}

static void check_rules(struct check *c, yyjson_mut_val *behavior, const char *key)
{
	yyjson_mut_val *rules = yyjson_mut_obj_get(behavior, key),
		       *tolerance = yyjson_mut_obj_get(rules, "tolerance");
	const char *text = yyjson_mut_get_str(tolerance);
	struct quantity q;

	if (text && !quantity_parse(&q, text, strlen(text)) && q.nano < 0)
		check_error(c, FIELD_INVALID, tolerance, REL(".behavior.%s.tolerance", key),
			"must be greater than or equal to 0");
}

void check_autoscaler_spec(struct check *c, yyjson_mut_val *spec, yyjson_mut_val *old)
{
	yyjson_mut_val *max = yyjson_mut_obj_get(spec, "maxReplicas"), *metric;
	yyjson_mut_val *behavior = yyjson_mut_obj_get(spec, "behavior");
	size_t i, n;

	if (!max)
		check_error(c, FIELD_INVALID, NULL, ".maxReplicas", "must be greater than 0");
	else if (yyjson_mut_get_sint(max) < int_of(spec, "minReplicas"))
		check_error(c, FIELD_INVALID, max, ".maxReplicas",
			"must be greater than or equal to `minReplicas`");
	yyjson_mut_arr_foreach(yyjson_mut_obj_get(spec, "metrics"), i, n, metric) check_metric(c, metric, i);
	if (!behavior)
		return;
	check_rules(c, behavior, "scaleUp");
	check_rules(c, behavior, "scaleDown");
}

/* SPDX-License-Identifier: Apache-2.0 */

/* Defaults of workloads, autoscalers, network policies and definitions that depend on other fields. */

#include <ctype.h>
#include <stdio.h>

#include "cluster/schema/default_int.h"
#include "cluster/schema/meta.h"

schema_default default_deployment_strategy, default_stateful_set_strategy, default_daemon_set_strategy,
	default_job, default_job_spec, default_autoscaler_spec, default_policy_types, default_crd;

static bool rolling_update(yyjson_mut_doc *doc, yyjson_mut_val *o)
{
	return !text_is(o, "type", "RollingUpdate") || default_empty(doc, o, "rollingUpdate");
}

bool default_deployment_strategy(yyjson_mut_doc *doc, yyjson_mut_val *o)
{
	return rolling_update(doc, o);
}

bool default_stateful_set_strategy(yyjson_mut_doc *doc, yyjson_mut_val *o)
{
	return rolling_update(doc, o);
}

bool default_daemon_set_strategy(yyjson_mut_doc *doc, yyjson_mut_val *o)
{
	return rolling_update(doc, o);
}

bool default_job(yyjson_mut_doc *doc, yyjson_mut_val *o)
{
	yyjson_mut_val *labels = meta_mut_get(o, "spec", "template", "metadata", "labels", NULL);
	yyjson_mut_val *metadata = meta_make(doc, o, "metadata", NULL);

	return metadata && (!yyjson_mut_obj_size(labels) || default_copy(doc, metadata, "labels", labels));
}

bool default_job_spec(yyjson_mut_doc *doc, yyjson_mut_val *o)
{
	bool by_index = yyjson_mut_obj_get(o, "backoffLimitPerIndex");
	bool failure_policy = yyjson_mut_obj_get(o, "podFailurePolicy");

	if (!yyjson_mut_obj_get(o, "completions") && !yyjson_mut_obj_get(o, "parallelism") &&
		!default_int(doc, o, "completions", 1))
		return false;
	return default_int(doc, o, "parallelism", 1) &&
	       default_int(doc, o, "backoffLimit", by_index ? INT32_MAX : 6) &&
	       default_text(
		       doc, o, "podReplacementPolicy", failure_policy ? "Failed" : "TerminatingOrFailed");
}

/* How fast it scales when nothing is said: up by whatever is larger of 4 pods and double, down at will. */
static bool scaling_rules(yyjson_mut_doc *doc, yyjson_mut_val *o, const char *key, bool up)
{
	yyjson_mut_val *rules = yyjson_mut_obj_get(o, key), *policies;
	static const struct {
		const char *type;
		int value;
		bool only_up;
	} table[] = {{"Pods", 4, true}, {"Percent", 100, false}};

	if (!rules) {
		rules = yyjson_mut_obj_add_obj(doc, o, key);
		if (!rules)
			return false;
	}
	if (!default_text(doc, rules, "selectPolicy", "Max") ||
		(up && !default_int(doc, rules, "stabilizationWindowSeconds", 0)))
		return false;
	if (yyjson_mut_obj_get(rules, "policies"))
		return true;
	policies = yyjson_mut_obj_add_arr(doc, rules, "policies");
	for (size_t i = 0; policies && i < array_len(table); i++) {
		yyjson_mut_val *p = !up && table[i].only_up ? NULL : yyjson_mut_arr_add_obj(doc, policies);

		if (p && (!yyjson_mut_obj_add_str(doc, p, "type", table[i].type) ||
				 !yyjson_mut_obj_add_sint(doc, p, "value", table[i].value) ||
				 !yyjson_mut_obj_add_sint(doc, p, "periodSeconds", 15)))
			return false;
	}
	return policies;
}

bool default_autoscaler_spec(yyjson_mut_doc *doc, yyjson_mut_val *o)
{
	yyjson_mut_val *metrics = yyjson_mut_obj_get(o, "metrics"),
		       *behavior = yyjson_mut_obj_get(o, "behavior");
	yyjson_mut_val *m, *resource, *target;

	if (behavior && (!scaling_rules(doc, behavior, "scaleUp", true) ||
				!scaling_rules(doc, behavior, "scaleDown", false)))
		return false;
	if (metrics)
		return true;
	metrics = yyjson_mut_obj_add_arr(doc, o, "metrics");
	m = metrics ? yyjson_mut_arr_add_obj(doc, metrics) : NULL;
	if (!m || !yyjson_mut_obj_add_str(doc, m, "type", "Resource"))
		return false;
	resource = yyjson_mut_obj_add_obj(doc, m, "resource");
	if (!resource || !yyjson_mut_obj_add_str(doc, resource, "name", "cpu"))
		return false;
	target = yyjson_mut_obj_add_obj(doc, resource, "target");
	return target && yyjson_mut_obj_add_str(doc, target, "type", "Utilization") &&
	       yyjson_mut_obj_add_sint(doc, target, "averageUtilization", 80);
}

bool default_policy_types(yyjson_mut_doc *doc, yyjson_mut_val *o)
{
	yyjson_mut_val *types;

	if (yyjson_mut_obj_get(o, "policyTypes"))
		return true;
	types = yyjson_mut_obj_add_arr(doc, o, "policyTypes");
	if (!types || !yyjson_mut_arr_add_str(doc, types, "Ingress"))
		return false;
	return !yyjson_mut_arr_size(yyjson_mut_obj_get(o, "egress")) ||
	       yyjson_mut_arr_add_str(doc, types, "Egress");
}

bool default_crd(yyjson_mut_doc *doc, yyjson_mut_val *o)
{
	yyjson_mut_val *names = meta_mut_get(o, "spec", "names", NULL);
	const char *kind = yyjson_mut_get_str(yyjson_mut_obj_get(names, "kind"));
	char text[256];

	if (!names || !kind || strlen(kind) > sizeof(text) - sizeof("List"))
		return true;
	if (!yyjson_mut_obj_get(names, "singular")) {
		size_t i;

		for (i = 0; kind[i]; i++)
			text[i] = (char)tolower((unsigned char)kind[i]);
		text[i] = 0;
		if (!yyjson_mut_obj_add_strcpy(doc, names, "singular", text))
			return false;
	}
	snprintf(text, sizeof(text), "%sList", kind);
	return yyjson_mut_obj_get(names, "listKind") ||
	       yyjson_mut_obj_add_strcpy(doc, names, "listKind", text);
}

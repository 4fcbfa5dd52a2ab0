/* SPDX-License-Identifier: Apache-2.0 */

/* Cells of what runs pods: counts, templates, selectors, jobs, autoscalers. */

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "cluster/schema/cells_int.h"
#include "cluster/schema/meta.h"
#include "cluster/schema/selector.h"
#include "cluster/schema/table.h"
#include "lib/json.h"

static void age(struct cell *c)
{
	cell_since(c, meta_text(c->object, "creationTimestamp"));
}

/* The pod template of any workload; a PodTemplate's own. */
static yyjson_val *template(struct cell *c)
{
	yyjson_val *spec = c->spec, *job = meta_get(c->spec, "jobTemplate", "spec", NULL);

	if (job)
		spec = job;
	return yyjson_obj_get(spec, "template") ?: yyjson_obj_get(c->object, "template");
}

static void of_containers(struct cell *c, const char *key)
{
	size_t i, n;
	yyjson_val *v;

	yyjson_arr_foreach (meta_get(template(c), "spec", "containers", NULL), i, n, v)
		cell_item(c, ",", json_str(v, key) ?: "");
}

static void containers(struct cell *c)
{
	of_containers(c, "name");
}

static void images(struct cell *c)
{
	of_containers(c, "image");
}

static void map_text(struct cell *c, yyjson_val *map)
{
	struct selector *s = selector_of_map(map);
	cleanup(freep) char *text = s ? selector_text(s) : NULL;

	cell_or(c, text, "<none>");
	selector_free(s);
}

static void selector_cell(struct cell *c, yyjson_val *v)
{
	struct selector *s = v ? selector_of(v) : NULL;
	cleanup(freep) char *text = s ? selector_text(s) : NULL;

	cell_or(c, text, "<none>");
	selector_free(s);
}

static void selector(struct cell *c)
{
	yyjson_val *v = meta_get(c->spec, "jobTemplate", "spec", "selector", NULL)
				?: yyjson_obj_get(c->spec, "selector");

	if (yyjson_is_obj(v) && !yyjson_obj_get(v, "matchLabels") && !yyjson_obj_get(v, "matchExpressions"))
		map_text(c, v);
	else
		selector_cell(c, v);
}

static void policy_selector(struct cell *c)
{
	selector_cell(c, yyjson_obj_get(c->spec, "podSelector"));
}

static void template_labels(struct cell *c)
{
	map_text(c, meta_get(template(c), "metadata", "labels", NULL));
}

static void node_selector(struct cell *c)
{
	map_text(c, meta_get(template(c), "spec", "nodeSelector", NULL));
}

static void spec_replicas(struct cell *c)
{
	cell_number(c, json_int(c->spec, "replicas", 0));
}

static void ready_of_wanted(struct cell *c)
{
	cell_print(c, "%lld/%lld", (long long)json_int(c->status, "readyReplicas", 0),
		(long long)json_int(c->spec, "replicas", 0));
}

#define COUNT(name, key)                                                                                     \
	static void name(struct cell *c)                                                                     \
	{                                                                                                    \
		cell_number(c, json_int(c->status, key, 0));                                                 \
	}
COUNT(status_replicas, "replicas")
COUNT(ready_replicas, "readyReplicas")
COUNT(updated_replicas, "updatedReplicas")
COUNT(available_replicas, "availableReplicas")
COUNT(desired_scheduled, "desiredNumberScheduled")
COUNT(current_scheduled, "currentNumberScheduled")
COUNT(updated_scheduled, "updatedNumberScheduled")
COUNT(number_ready, "numberReady")
COUNT(number_available, "numberAvailable")
COUNT(pdb_allowed, "disruptionsAllowed")
#undef COUNT

/* "deployment.apps/web" */
static void controller(struct cell *c)
{
	size_t i, n;
	yyjson_val *owner;

	yyjson_arr_foreach (meta_get(c->object, "metadata", "ownerReferences", NULL), i, n, owner) {
		const char *version = json_str(owner, "apiVersion") ?: "", *slash = strchr(version, '/');
		const char *kind = json_str(owner, "kind") ?: "";

		if (!json_bool(owner, "controller"))
			continue;
		for (const char *p = kind; *p; p++)
			cell_print(c, "%c", tolower((unsigned char)*p));
		if (slash)
			cell_print(c, ".%.*s", (int)(slash - version), version);
		cell_print(c, "/%s", json_str(owner, "name") ?: "");
		return;
	}
	cell_print(c, "<none>");
}

static bool condition_true(struct cell *c, const char *type)
{
	size_t i, n;
	yyjson_val *v;

	yyjson_arr_foreach (yyjson_obj_get(c->status, "conditions"), i, n, v)
		if (yyjson_equals_str(yyjson_obj_get(v, "type"), type))
			return yyjson_equals_str(yyjson_obj_get(v, "status"), "True");
	return false;
}

static void job_status(struct cell *c)
{
	static const struct {
		const char *condition, *text;
	} table[] = {
		{"Complete", "Complete"},
		{"Failed", "Failed"},
		{"Suspended", "Suspended"},
		{"FailureTarget", "FailureTarget"},
		{"SuccessCriteriaMet", "SuccessCriteriaMet"},
	};

	for (size_t i = 0; i < 2; i++) {
		if (condition_true(c, table[i].condition)) {
			cell_print(c, "%s", table[i].text);
			return;
		}
	}
	if (meta_text(c->object, "deletionTimestamp")) {
		cell_print(c, "Terminating");
		return;
	}
	for (size_t i = 2; i < array_len(table); i++) {
		if (condition_true(c, table[i].condition)) {
			cell_print(c, "%s", table[i].text);
			return;
		}
	}
	cell_print(c, "Running");
}

static void job_completions(struct cell *c)
{
	long long succeeded = json_int(c->status, "succeeded", 0),
		  parallel = json_int(c->spec, "parallelism", 0);
	yyjson_val *completions = yyjson_obj_get(c->spec, "completions");

	if (completions)
		cell_print(c, "%lld/%lld", succeeded, (long long)yyjson_get_sint(completions));
	else if (parallel > 1)
		cell_print(c, "%lld/1 of %lld", succeeded, parallel);
	else
		cell_print(c, "%lld/1", succeeded);
}

static void job_duration(struct cell *c)
{
	const char *start = json_str(c->status, "startTime"), *end = json_str(c->status, "completionTime");
	struct timespec a, b = {.tv_sec = c->now};
	char text[32];

	if (!start || meta_time_parse(&a, start) || (end && meta_time_parse(&b, end)))
		return;
	table_duration(text, sizeof(text), (int64_t)(b.tv_sec - a.tv_sec));
	cell_print(c, "%s", text);
}

static void cron_zone(struct cell *c)
{
	cell_or(c, json_str(c->spec, "timeZone"), "<none>");
}

static void cron_suspend(struct cell *c)
{
	yyjson_val *v = yyjson_obj_get(c->spec, "suspend");

	cell_print(c, "%s", !v ? "<unset>" : yyjson_is_true(v) ? "True" : "False");
}

static void cron_active(struct cell *c)
{
	cell_number(c, (int64_t)yyjson_arr_size(yyjson_obj_get(c->status, "active")));
}

static void cron_last(struct cell *c)
{
	const char *last = json_str(c->status, "lastScheduleTime");

	if (last)
		cell_since(c, last);
	else
		cell_print(c, "<none>");
}

static void int_or_text(struct cell *c, yyjson_val *v, const char *absent)
{
	if (yyjson_is_int(v))
		cell_print(c, "%lld", (long long)yyjson_get_sint(v));
	else
		cell_or(c, yyjson_get_str(v), absent);
}

static void pdb_min(struct cell *c)
{
	int_or_text(c, yyjson_obj_get(c->spec, "minAvailable"), "N/A");
}

static void pdb_max(struct cell *c)
{
	int_or_text(c, yyjson_obj_get(c->spec, "maxUnavailable"), "N/A");
}

static void hpa_reference(struct cell *c)
{
	yyjson_val *ref = yyjson_obj_get(c->spec, "scaleTargetRef");

	cell_print(c, "%s/%s", json_str(ref, "kind") ?: "", json_str(ref, "name") ?: "");
}

static void hpa_min(struct cell *c)
{
	int_or_text(c, yyjson_obj_get(c->spec, "minReplicas"), "<unset>");
}

static void hpa_replicas(struct cell *c)
{
	cell_number(c, json_int(c->status, "currentReplicas", 0));
}

/* The member of a metric that its type names: "Resource" is "resource". */
static yyjson_val *source_of(yyjson_val *metric)
{
	const char *type = json_str(metric, "type") ?: "";
	char key[32];

	snprintf(key, sizeof(key), "%s", type);
	key[0] = (char)tolower((unsigned char)key[0]);
	return yyjson_obj_get(metric, key);
}

static void amount(struct cell *c, yyjson_val *of, const char *key, const char *unit)
{
	yyjson_val *v = yyjson_obj_get(of, key);

	if (!v)
		cell_print(c, "<unknown>");
	else if (yyjson_is_int(v))
		cell_print(c, "%lld%s", (long long)yyjson_get_sint(v), unit);
	else
		cell_print(c, "%s%s", yyjson_get_str(v) ?: "", unit);
}

static void hpa_targets(struct cell *c)
{
	enum { SHOWN = 2 };
	yyjson_val *metrics = yyjson_obj_get(c->spec, "metrics"),
		   *current = yyjson_obj_get(c->status, "currentMetrics");
	size_t n = yyjson_arr_size(metrics);

	if (!n) {
		cell_print(c, "<none>");
		return;
	}
	for (size_t i = 0; i < n && i < SHOWN; i++) {
		yyjson_val *metric = source_of(yyjson_arr_get(metrics, i)),
			   *target = yyjson_obj_get(metric, "target");
		yyjson_val *now = yyjson_obj_get(source_of(yyjson_arr_get(current, i)), "current");
		const char *name = json_text(metric, "name"), *key = "value", *unit = "";

		if (yyjson_obj_get(target, "averageUtilization")) {
			key = "averageUtilization";
			unit = "%";
		} else if (yyjson_obj_get(target, "averageValue")) {
			key = "averageValue";
		}
		cell_print(c, "%s", i ? ", " : "");
		if (name)
			cell_print(c, "%s: ", name);
		amount(c, now, key, unit);
		cell_print(c, "/");
		amount(c, target, key, unit);
		/* of pods it is never anything else */
		if (!strcmp(key, "averageValue") && !name &&
			strcmp(json_str(yyjson_arr_get(metrics, i), "type") ?: "", "Pods") != 0)
			cell_print(c, " (avg)");
	}
	if (n > SHOWN)
		cell_print(c, " + %zu more...", n - SHOWN);
}

cell_fn *const cells_workload[N_CELLS] = {
	[CELL_AGE] = age,
	[CELL_CONTAINERS] = containers,
	[CELL_IMAGES] = images,
	[CELL_SELECTOR] = selector,
	[CELL_POLICY_SELECTOR] = policy_selector,
	[CELL_TEMPLATE_LABELS] = template_labels,
	[CELL_NODE_SELECTOR] = node_selector,
	[CELL_SPEC_REPLICAS] = spec_replicas,
	[CELL_STATUS_REPLICAS] = status_replicas,
	[CELL_READY_REPLICAS] = ready_replicas,
	[CELL_UPDATED_REPLICAS] = updated_replicas,
	[CELL_AVAILABLE_REPLICAS] = available_replicas,
	[CELL_READY_OF_WANTED] = ready_of_wanted,
	[CELL_DESIRED_SCHEDULED] = desired_scheduled,
	[CELL_CURRENT_SCHEDULED] = current_scheduled,
	[CELL_UPDATED_SCHEDULED] = updated_scheduled,
	[CELL_NUMBER_READY] = number_ready,
	[CELL_NUMBER_AVAILABLE] = number_available,
	[CELL_CONTROLLER] = controller,
	[CELL_JOB_STATUS] = job_status,
	[CELL_JOB_COMPLETIONS] = job_completions,
	[CELL_JOB_DURATION] = job_duration,
	[CELL_CRON_ZONE] = cron_zone,
	[CELL_CRON_SUSPEND] = cron_suspend,
	[CELL_CRON_ACTIVE] = cron_active,
	[CELL_CRON_LAST] = cron_last,
	[CELL_PDB_MIN] = pdb_min,
	[CELL_PDB_MAX] = pdb_max,
	[CELL_PDB_ALLOWED] = pdb_allowed,
	[CELL_HPA_REFERENCE] = hpa_reference,
	[CELL_HPA_TARGETS] = hpa_targets,
	[CELL_HPA_MIN] = hpa_min,
	[CELL_HPA_REPLICAS] = hpa_replicas,
};

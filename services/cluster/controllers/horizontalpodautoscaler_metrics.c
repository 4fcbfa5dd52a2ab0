/* SPDX-License-Identifier: Apache-2.0 */

/*
 * What the pods of a load use, metric by metric, as proposals. Resources are measured by the nodes' agents; metrics of pods, of other
 * objects and from outside by adapters (horizontalpodautoscaler_adapters.c).
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cluster/controllers/horizontalpodautoscaler_int.h"
#include "cluster/controllers/metric_list.h"
#include "cluster/controllers/usage.h"
#include "cluster/registry/quota.h"
#include "cluster/schema/meta.h"
#include "lib/json.h"
#include "lib/quantity.h"
#include "lib/text.h"

/* ---- asking */

/* What adapters say needs no node. */
static bool is_of_resources(const struct scaling *s)
{
	yyjson_val *metric;
	size_t i, n;

	yyjson_arr_foreach (json_arr(s->spec, "metrics"), i, n, metric)
		if (json_obj(metric, "resource") || json_obj(metric, "containerResource"))
			return true;
	return false;
}

bool scaling_measure(struct scaling *s, struct usage *u)
{
	size_t n = is_of_resources(s) ? s->n_pods : 0;
	bool all = true;

	for (size_t i = 0; i < n; i++) {
		struct scaled_pod *p = &s->pods[i];
		const char *node = json_text(json_obj(p->root, "spec"), "nodeName");

		if (node)
			all &= usage_ask(u, node, s->t->c, s->t->ns, s->t->name, &p->summary);
	}
	return all;
}

/* ---- one metric of one pod */

/* What is wanted of which resource. */
struct wanted {
	struct scaling *s;
	const char *resource, *container; /* container NULL: of the whole pod */
	struct autoscale_aim aim;
	char *why; /* SCALING_TEXT_MAX */
};

static bool is_sidecar(yyjson_val *container)
{
	return yyjson_equals_str(yyjson_obj_get(container, "restartPolicy"), "Always");
}

/* What the containers of @list ask for is added to *sum. false: one of them asks for nothing. */
static bool add_requests(
	const struct wanted *w, const struct scaled_pod *p, const char *list, int64_t *sum, bool *found)
{
	bool only_sidecars = !strcmp(list, "initContainers");
	yyjson_val *c;
	size_t i, n;

	yyjson_arr_foreach (json_arr(json_obj(p->root, "spec"), list), i, n, c) {
		const char *name = json_str(c, "name") ?: "";
		const char *text = json_str(json_obj(json_obj(c, "resources"), "requests"), w->resource);
		struct quantity q;

		if ((only_sidecars && !is_sidecar(c)) || (w->container && strcmp(name, w->container) != 0))
			continue;
		*found = true;
		if (!text || quantity_parse(&q, text, strlen(text))) {
			snprintf(w->why, SCALING_TEXT_MAX, "missing request for %s in container %s of Pod %s",
				w->resource, name, p->o->name);
			return false;
		}
		*sum += quantity_milli(&q);
	}
	return true;
}

/*
 * A pod that requests anything as a whole is asked about as a whole, unless one container is wanted: for what it leaves out, its
 * containers count that say something.
 */
static bool request_of(const struct wanted *w, const struct scaled_pod *p, int64_t *sum)
{
	yyjson_val *spec = json_obj(p->root, "spec");
	struct quantity q;
	bool found = false;

	*sum = 0;
	if (!w->container && yyjson_obj_size(json_obj(json_obj(spec, "resources"), "requests"))) {
		q.nano = quota_pod_takes(p->root, "requests", w->resource);
		*sum = quantity_milli(&q);
		if (!*sum)
			snprintf(w->why, SCALING_TEXT_MAX, "missing pod-level request for %s in Pod %s",
				w->resource, p->o->name);
		return *sum;
	}
	if (!add_requests(w, p, "containers", sum, &found) ||
		!add_requests(w, p, "initContainers", sum, &found))
		return false;
	if (!found)
		snprintf(w->why, SCALING_TEXT_MAX, "container %s not found in Pod %s",
			w->container ? w->container : "", p->o->name);
	return found;
}

struct autoscale_pod scaling_pod(const struct scaling *s, const struct scaled_pod *p, const char *resource,
	const struct usage_sample *usage)
{
	yyjson_val *status = json_obj(p->root, "status"), *ready = condition_of(p->root, "Ready");
	const char *phase = json_str(status, "phase") ?: "Pending";
	struct autoscale_facts f = {.deleted = p->o->deleted,
		.failed = !strcmp(phase, "Failed"),
		.pending = !strcmp(phase, "Pending"),
		.measured = usage,
		.is_cpu = !strcmp(resource, "cpu"),
		.has_ready = ready,
		.ready = yyjson_equals_str(yyjson_obj_get(ready, "status"), "True"),
		.started_s = time_of(yyjson_obj_get(status, "startTime")),
		.ready_changed_s = time_of(yyjson_obj_get(ready, "lastTransitionTime")),
		.measured_s = usage ? usage->measured_s : 0,
		.window_s = usage ? usage->window_s : 0};

	return (struct autoscale_pod){
		.state = autoscale_state(&f, s->t->now_s), .usage = usage ? usage->milli : 0};
}

static struct autoscale_pod measure(const struct wanted *w, const struct scaled_pod *p)
{
	struct usage_sample sample = {0};
	bool measured = usage_of(p->summary, p->o->ns, p->o->name, w->container, w->resource, &sample);

	return scaling_pod(w->s, p, w->resource, measured ? &sample : NULL);
}

/* ---- one metric of all pods */

/* 0, or why not, in w->why. */
static int propose(const struct wanted *w, struct autoscale_proposal *out)
{
	const struct scaling *s = w->s;
	cleanup(freep) struct autoscale_pod *pods = calloc(s->n_pods + 1, sizeof(*pods));
	const char *why;
	bool any = false;

	if (!pods) {
		snprintf(w->why, SCALING_TEXT_MAX, "out of memory");
		return -1;
	}
	if (!s->n_pods) {
		snprintf(w->why, SCALING_TEXT_MAX,
			"no pods returned by selector while calculating replica count");
		return -1;
	}
	for (size_t i = 0; i < s->n_pods; i++) {
		pods[i] = measure(w, &s->pods[i]);
		any |= pods[i].usage > 0 || pods[i].state == AUTOSCALE_READY;
	}
	if (!any) {
		snprintf(w->why, SCALING_TEXT_MAX,
			"unable to get metrics for resource %s: no metrics returned from resource metrics API",
			w->resource);
		return -1;
	}
	for (size_t i = 0; w->aim.utilization && i < s->n_pods; i++)
		if (pods[i].state != AUTOSCALE_IGNORED && !request_of(w, &s->pods[i], &pods[i].request))
			return -1;
	why = autoscale_propose(pods, s->n_pods, &w->aim, s->current, out);
	if (why)
		snprintf(w->why, SCALING_TEXT_MAX, "%s", why);
	return why ? -1 : 0;
}

int64_t scaling_milli(yyjson_val *target, const char *key)
{
	const char *text = json_str(target, key);
	struct quantity q;

	return text && !quantity_parse(&q, text, strlen(text)) ? quantity_milli(&q) : 0;
}

yyjson_mut_val *scaling_put_metric(struct scaling *s, const char *type, const char *source)
{
	yyjson_mut_val *metric = yyjson_mut_arr_add_obj(s->doc, s->metrics);
	yyjson_mut_val *of = metric && yyjson_mut_obj_add_strcpy(s->doc, metric, "type", type)
				     ? yyjson_mut_obj_add_obj(s->doc, metric, source)
				     : NULL;

	if (!of)
		turn_failed(s->t);
	return of;
}

bool scaling_put_amount(yyjson_mut_doc *doc, yyjson_mut_val *current, const char *key, int64_t milli)
{
	struct quantity q = {.nano = (__int128)milli * 1000000, .format = QUANTITY_DECIMAL};
	char text[QUANTITY_TEXT_MAX];

	return yyjson_mut_obj_add_strcpy(doc, current, key, quantity_text(&q, text));
}

static void put_current(
	struct wanted *w, const char *source, const char *type, const struct autoscale_proposal *p)
{
	yyjson_mut_doc *doc = w->s->doc;
	yyjson_mut_val *of = scaling_put_metric(w->s, type, source);
	yyjson_mut_val *current = of && yyjson_mut_obj_add_strcpy(doc, of, "name", w->resource) &&
						  (!w->container || yyjson_mut_obj_add_strcpy(doc, of,
									    "container", w->container))
					  ? yyjson_mut_obj_add_obj(doc, of, "current")
					  : NULL;

	if (!current ||
		(p->utilization >= 0 &&
			!yyjson_mut_obj_add_sint(doc, current, "averageUtilization", p->utilization)) ||
		!scaling_put_amount(doc, current, "averageValue", p->average))
		turn_failed(w->s->t);
}

struct autoscale_tolerance scaling_tolerance(const struct scaling *s)
{
	yyjson_val *behavior = json_obj(s->spec, "behavior");
	struct autoscale_tolerance t = {0.1, 0.1};

	if (json_str(json_obj(behavior, "scaleUp"), "tolerance"))
		t.up = (double)scaling_milli(json_obj(behavior, "scaleUp"), "tolerance") / 1000;
	if (json_str(json_obj(behavior, "scaleDown"), "tolerance"))
		t.down = (double)scaling_milli(json_obj(behavior, "scaleDown"), "tolerance") / 1000;
	return t;
}

/* ---- the kinds of metrics */

static const struct metric_type {
	const char *type, *source; /* its member */
	const char *failed;	   /* the reason of event and condition */
	/* what FailedComputeMetricsReplicas calls it: the member with a name, and the kind */
	const char *named;
	const char *what;
	bool adapted; /* an adapter serves it */
} types[] = {
	{"Resource", "resource", "FailedGetResourceMetric", "name", "resource metric value"},
	{"ContainerResource", "containerResource", "FailedGetContainerResourceMetric", "container",
		"container metric value"},
	{"Pods", "pods", "FailedGetPodsMetric", NULL, "pods metric value", true},
	{"Object", "object", "FailedGetObjectMetric", NULL, "object metric value", true},
	{"External", "external", "FailedGetExternalMetric", "metric", "external metric value", true},
};

/* One metric's proposal, or -1 and why. */
static int64_t propose_resource(
	struct scaling *s, yyjson_val *metric, const struct metric_type *type, struct measured *m)
{
	yyjson_val *source = json_obj(metric, type->source), *target = json_obj(source, "target");
	bool utilization = yyjson_obj_get(target, "averageUtilization");
	char reason[SCALING_TEXT_MAX] = "";
	struct wanted w = {.s = s,
		.resource = json_str(source, "name") ?: "",
		.container = type->source[0] == 'c' ? json_str(source, "container") : NULL,
		.aim = {.utilization = utilization,
			.target = utilization ? json_int(target, "averageUtilization", 0)
					      : scaling_milli(target, "averageValue"),
			.tolerance = scaling_tolerance(s)},
		.why = reason};
	struct autoscale_proposal p;

	if (w.aim.target <= 0) {
		snprintf(m->why, sizeof(m->why),
			"invalid resource metric source: neither an average utilization target nor an average "
			"value (usage) target was set");
		return -1;
	}
	if (propose(&w, &p)) {
		snprintf(m->why, sizeof(m->why), "failed to get %.40s %s: %.700s", w.resource,
			utilization ? "utilization" : "usage", reason);
		return -1;
	}
	put_current(&w, type->source, type->type, &p);
	snprintf(m->name, sizeof(m->name), "%.300s %s%s", w.resource,
		w.container ? "container resource" : "resource",
		utilization ? " utilization (percentage of request)" : "");
	return p.replicas;
}

static const struct metric_type *type_of(yyjson_val *metric)
{
	for (size_t i = 0; i < array_len(types); i++)
		if (yyjson_equals_str(yyjson_obj_get(metric, "type"), types[i].type))
			return &types[i];
	return &types[0];
}

/* The sentence of a metric that could not be had, with all that it was for. */
static void put_reason(char out[static SCALING_TEXT_MAX], yyjson_val *metric, const struct metric_type *type,
	const struct measured *m)
{
	yyjson_val *source = json_obj(metric, type->source), *named = NULL;
	const char *name;

	if (type->named)
		named = yyjson_obj_get(source, type->named);
	name = yyjson_get_str(named) ?: json_str(named, "name");
	if (snprintf(out, SCALING_TEXT_MAX, "failed to get %s%s%s: %s%s", name ?: "", name ? " " : "",
		    type->what, m->during, m->why) >= SCALING_TEXT_MAX)
		text_end_whole(out);
}

/* Entries of a status are in the order of the metrics: one that could not be had has its type alone. */
static void put_unknown(struct scaling *s, const struct metric_type *type)
{
	yyjson_mut_val *metric = yyjson_mut_arr_add_obj(s->doc, s->metrics);

	if (!metric || !yyjson_mut_obj_add_str(s->doc, metric, "type", type->type))
		turn_failed(s->t);
}

int64_t scaling_propose(struct scaling *s, struct adapters *a, char name[static SCALING_TEXT_MAX])
{
	yyjson_val *metrics = json_arr(s->spec, "metrics"), *metric;
	char first[SCALING_TEXT_MAX] = "", why[SCALING_TEXT_MAX] = "";
	const struct metric_type *failed = NULL;
	size_t i, n, invalid = 0;
	int64_t most = -1;

	yyjson_arr_foreach (metrics, i, n, metric) {
		const struct metric_type *type = type_of(metric);
		struct measured m = {0};
		int64_t replicas = type->adapted ? scaling_propose_adapted(s, a, metric, &m)
						 : propose_resource(s, metric, type, &m);

		text_end_whole(m.why);
		text_end_whole(m.name);
		if (replicas < 0) {
			put_unknown(s, type);
			turn_event(s->t, s->t->object, true, type->failed, "%s", m.why);
			if (!invalid++) {
				failed = type;
				snprintf(first, sizeof(first), "%s", m.why);
				put_reason(why, metric, type, &m);
			}
		} else if (replicas > most) {
			most = replicas;
			snprintf(name, SCALING_TEXT_MAX, "%s", m.name);
		}
	}
	if (most < 0)
		yyjson_mut_arr_clear(s->metrics);
	/* what is not known may want more: without it nothing shrinks */
	if (failed && (most < 0 || most < s->current)) {
		scaling_condition(s, "ScalingActive", false, failed->failed,
			"the HPA was unable to compute the replica count: %s", first);
		turn_event(s->t, s->t->object, true, "FailedComputeMetricsReplicas",
			"invalid metrics (%zu invalid out of %zu), first error is: %s", invalid, n, why);
		return -1;
	}
	if (most >= 0)
		scaling_condition(s, "ScalingActive", true, "ValidMetricFound",
			"the HPA was able to successfully calculate a replica count from %s", name);
	return most;
}

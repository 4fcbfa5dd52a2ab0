/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Between versions of one kind. Events have the same facts under other names. An autoscaler of version 1
 * knows only one metric; what else version 2 says is kept in annotations, so that a client of version 1
 * loses nothing by writing back.
 */

#include <string.h>

#include "cluster/schema/convert.h"
#include "cluster/schema/meta.h"
#include "cluster/schema/schema.h"
#include "lib/json.h"

/* ---- events */

static const struct {
	const char *core, *events;
} event_names[] = {
	{"involvedObject", "regarding"},
	{"message", "note"},
	{"source", "deprecatedSource"},
	{"firstTimestamp", "deprecatedFirstTimestamp"},
	{"lastTimestamp", "deprecatedLastTimestamp"},
	{"count", "deprecatedCount"},
	{"reportingComponent", "reportingController"},
};

static bool rename_members(yyjson_mut_doc *doc, yyjson_mut_val *o, bool to_core)
{
	for (size_t i = 0; i < array_len(event_names); i++) {
		const char *from = to_core ? event_names[i].events : event_names[i].core;
		const char *to = to_core ? event_names[i].core : event_names[i].events;
		yyjson_mut_val *v = yyjson_mut_obj_remove_key(o, from);

		if (v && !meta_put(doc, o, to, v))
			return false;
	}
	return true;
}

/* ---- autoscalers */

static const char metrics_annotation[] = "autoscaling.alpha.kubernetes.io/metrics";
static const char behavior_annotation[] = "autoscaling.alpha.kubernetes.io/behavior";
static const char current_annotation[] = "autoscaling.alpha.kubernetes.io/current-metrics";
static const char conditions_annotation[] = "autoscaling.alpha.kubernetes.io/conditions";

/* The utilization of the processor that a metric asks for, or has: version 1's only number. */
static yyjson_mut_val *cpu_utilization(yyjson_mut_val *metric, const char *key)
{
	yyjson_mut_val *resource = yyjson_mut_obj_get(metric, "resource");

	if (!yyjson_mut_equals_str(yyjson_mut_obj_get(metric, "type"), "Resource") ||
		!yyjson_mut_equals_str(yyjson_mut_obj_get(resource, "name"), "cpu"))
		return NULL;
	return meta_mut_get(resource, key, "averageUtilization", NULL);
}

/* A value as the text of an annotation. */
static bool annotate(yyjson_mut_doc *doc, yyjson_mut_val *o, const char *name, yyjson_mut_val *v)
{
	yyjson_mut_val *annotations;
	char *text;
	bool ok;

	if (!v || !yyjson_mut_get_len(v))
		return true;
	annotations = meta_make(doc, o, "metadata", "annotations", NULL);
	text = yyjson_mut_val_write(v, 0, NULL);
	ok = annotations && text && meta_put(doc, annotations, name, yyjson_mut_strcpy(doc, text));
	free(text);
	return ok;
}

/* The value that annotate() kept; the annotation goes. */
static yyjson_mut_val *recall(yyjson_mut_doc *doc, yyjson_mut_val *o, const char *name)
{
	yyjson_mut_val *annotations = meta_mut_get(o, "metadata", "annotations", NULL);
	const char *text = yyjson_mut_get_str(yyjson_mut_obj_get(annotations, name));
	yyjson_doc *d = text ? yyjson_read(text, strlen(text), 0) : NULL;
	yyjson_mut_val *v = d ? yyjson_val_mut_copy(doc, yyjson_doc_get_root(d)) : NULL;

	yyjson_doc_free(d);
	yyjson_mut_obj_remove_key(annotations, name);
	if (annotations && !yyjson_mut_obj_size(annotations))
		meta_remove(o, "annotations");
	return v;
}

/* The list without its first metric of the processor, whose number goes to @into under @key. */
static bool extract(
	yyjson_mut_doc *doc, yyjson_mut_val *list, const char *part, yyjson_mut_val *into, const char *key)
{
	yyjson_mut_arr_iter it = yyjson_mut_arr_iter_with(list);
	yyjson_mut_val *metric, *n;

	while ((metric = yyjson_mut_arr_iter_next(&it))) {
		n = cpu_utilization(metric, part);
		if (!n)
			continue;
		json_mut_arr_iter_remove(&it);
		return yyjson_mut_obj_add_sint(doc, into, key, yyjson_mut_get_sint(n));
	}
	return true;
}

static bool autoscaler_to_1(yyjson_mut_doc *doc, yyjson_mut_val *o)
{
	yyjson_mut_val *spec = yyjson_mut_obj_get(o, "spec"), *status = yyjson_mut_obj_get(o, "status");
	yyjson_mut_val *metrics = yyjson_mut_obj_remove_key(spec, "metrics");
	yyjson_mut_val *current = yyjson_mut_obj_remove_key(status, "currentMetrics");

	return extract(doc, metrics, "target", spec, "targetCPUUtilizationPercentage") &&
	       extract(doc, current, "current", status, "currentCPUUtilizationPercentage") &&
	       annotate(doc, o, metrics_annotation, metrics) &&
	       annotate(doc, o, current_annotation, current) &&
	       annotate(doc, o, behavior_annotation, yyjson_mut_obj_remove_key(spec, "behavior")) &&
	       annotate(doc, o, conditions_annotation, yyjson_mut_obj_remove_key(status, "conditions"));
}

/* A metric of the processor with this number, in front of @rest. */
static yyjson_mut_val *with_cpu(
	yyjson_mut_doc *doc, yyjson_mut_val *rest, const char *part, yyjson_mut_val *n)
{
	yyjson_mut_val *list = yyjson_mut_is_arr(rest) ? rest : NULL, *metric, *resource, *target;

	if (!n)
		return list;
	list = list ?: yyjson_mut_arr(doc);
	metric = yyjson_mut_obj(doc);
	if (!list || !metric || !yyjson_mut_arr_prepend(list, metric) ||
		!yyjson_mut_obj_add_str(doc, metric, "type", "Resource"))
		return NULL;
	resource = yyjson_mut_obj_add_obj(doc, metric, "resource");
	if (!resource || !yyjson_mut_obj_add_str(doc, resource, "name", "cpu"))
		return NULL;
	target = yyjson_mut_obj_add_obj(doc, resource, part);
	if (!target ||
		(!strcmp(part, "target") && !yyjson_mut_obj_add_str(doc, target, "type", "Utilization")) ||
		!yyjson_mut_obj_add_sint(doc, target, "averageUtilization", yyjson_mut_get_sint(n)))
		return NULL;
	return list;
}

static bool put_if(yyjson_mut_doc *doc, yyjson_mut_val *o, const char *key, yyjson_mut_val *v)
{
	return !v || meta_put(doc, o, key, v);
}

static bool autoscaler_to_2(yyjson_mut_doc *doc, yyjson_mut_val *o)
{
	yyjson_mut_val *spec = meta_make(doc, o, "spec", NULL), *status = meta_make(doc, o, "status", NULL);
	yyjson_mut_val *wanted = yyjson_mut_obj_remove_key(spec, "targetCPUUtilizationPercentage");
	yyjson_mut_val *seen = yyjson_mut_obj_remove_key(status, "currentCPUUtilizationPercentage");

	return put_if(doc, spec, "metrics",
		       with_cpu(doc, recall(doc, o, metrics_annotation), "target", wanted)) &&
	       put_if(doc, status, "currentMetrics",
		       with_cpu(doc, recall(doc, o, current_annotation), "current", seen)) &&
	       put_if(doc, spec, "behavior", recall(doc, o, behavior_annotation)) &&
	       put_if(doc, status, "conditions", recall(doc, o, conditions_annotation));
}

/* ---- kinds of definitions */

const struct schema_conversion *convert_webhook(const struct schema_kind *from, const struct schema_kind *to)
{
	const struct schema_kind *now;

	if (!(to->flags & SCHEMA_CUSTOM) || !strcmp(from->version, to->version))
		return NULL;
	/* a watch may be older than what the definition says */
	now = schema_find(to->group, to->version, to->plural);
	return now ? now->conversion : to->conversion;
}

bool convert_object(yyjson_mut_doc *doc, const struct schema_kind *from, const struct schema_kind *to)
{
	yyjson_mut_val *root = yyjson_mut_doc_get_root(doc);
	bool ok = true;

	if (from == to)
		return true;
	if (from->flags & SCHEMA_CUSTOM)
		; /* versions differ in their name only: conversion None */
	else if (!strcmp(from->kind, "Event"))
		ok = rename_members(doc, root, !*to->group);
	else if (!strcmp(from->kind, "HorizontalPodAutoscaler"))
		ok = !strcmp(to->version, "v1") ? autoscaler_to_1(doc, root) : autoscaler_to_2(doc, root);
	return ok && meta_put(doc, root, "apiVersion", yyjson_mut_strcpy(doc, to->api_version));
}

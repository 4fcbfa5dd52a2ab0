/* SPDX-License-Identifier: Apache-2.0 */

/* Which nodes a DaemonSet wants, and the pod it makes for one: pinned to it, and patient with what drives others away. */

#include <stdio.h>
#include <string.h>

#include "cluster/controllers/daemonset_int.h"
#include "cluster/scheduler/cycle.h"
#include "cluster/schema/meta.h"
#include "cluster/schema/schema.h"
#include "lib/json.h"

static const struct patience {
	const char *key, *effect;
	bool host_network; /* only for pods that use the node's network */
} patience[] = {
	{"node.kubernetes.io/not-ready", "NoExecute", false},
	{"node.kubernetes.io/unreachable", "NoExecute", false},
	{"node.kubernetes.io/disk-pressure", "NoSchedule", false},
	{"node.kubernetes.io/memory-pressure", "NoSchedule", false},
	{"node.kubernetes.io/pid-pressure", "NoSchedule", false},
	{"node.kubernetes.io/unschedulable", "NoSchedule", false},
	{"node.kubernetes.io/network-unavailable", "NoSchedule", true},
};

static bool has_patience(const struct daemonset *d, const struct sched_taint *t)
{
	bool host = json_bool(d->pod_spec, "hostNetwork");

	for (size_t i = 0; i < array_len(patience); i++)
		if (!strcmp(patience[i].key, t->key) && !strcmp(patience[i].effect, t->effect) &&
			(host || !patience[i].host_network))
			return true;
	return pod_tolerates(json_arr(d->pod_spec, "tolerations"), t);
}

static bool matches(const struct daemonset *d, const struct object *o)
{
	struct sched_node n = {.o = (struct object *)(uintptr_t)o, .name = (char *)(uintptr_t)o->name};
	yyjson_val *selector = json_obj(d->pod_spec, "nodeSelector"), *key, *value, *required;
	const char *name = json_text(d->pod_spec, "nodeName");
	size_t i, max;

	if (name && strcmp(name, o->name) != 0)
		return false;
	json_obj_foreach (selector, i, max, key, value) {
		const char *label = object_label(o, yyjson_get_str(key));

		if (!label || !yyjson_equals_str(value, label))
			return false;
	}
	required = meta_get(d->pod_spec, "affinity", "nodeAffinity",
		"requiredDuringSchedulingIgnoredDuringExecution", "nodeSelectorTerms", NULL);
	return !required || node_matches_terms(&n, required);
}

void daemonset_judge(
	const struct daemonset *d, const struct object *o, yyjson_val *root, bool *run, bool *stay)
{
	yyjson_val *taints = meta_get(root, "spec", "taints", NULL), *each;
	size_t i, n;

	*run = *stay = !o->deleted && matches(d, o);
	yyjson_arr_foreach (taints, i, n, each) {
		struct sched_taint t = {json_str(each, "key") ?: "", json_str(each, "value") ?: "",
			json_str(each, "effect") ?: ""};

		if (!strcmp(t.effect, "PreferNoSchedule") || has_patience(d, &t))
			continue;
		*run = false;
		*stay &= strcmp(t.effect, "NoExecute") != 0;
	}
}

/* ---- where a pod is, or will be */

const char *daemonset_node_of(const struct pod *p)
{
	yyjson_val *terms = meta_get(p->root, "spec", "affinity", "nodeAffinity",
		"requiredDuringSchedulingIgnoredDuringExecution", "nodeSelectorTerms", NULL);
	yyjson_val *fields = json_arr(yyjson_arr_get_first(terms), "matchFields");
	yyjson_val *values = json_arr(yyjson_arr_get_first(fields), "values");

	return *p->node ? p->node : yyjson_get_str(yyjson_arr_get_first(values)) ?: "";
}

static bool pin(yyjson_mut_doc *doc, yyjson_mut_val *spec, const char *node)
{
	yyjson_mut_val *required = meta_make(doc, spec, "affinity", "nodeAffinity",
		"requiredDuringSchedulingIgnoredDuringExecution", NULL);
	yyjson_mut_val *terms = yyjson_mut_arr(doc), *term, *fields, *field, *values;

	term = terms ? yyjson_mut_arr_add_obj(doc, terms) : NULL;
	fields = term ? yyjson_mut_obj_add_arr(doc, term, "matchFields") : NULL;
	field = fields ? yyjson_mut_arr_add_obj(doc, fields) : NULL;
	if (!required || !field || !yyjson_mut_obj_add_str(doc, field, "key", "metadata.name") ||
		!yyjson_mut_obj_add_str(doc, field, "operator", "In"))
		return false;
	values = yyjson_mut_obj_add_arr(doc, field, "values");
	return values && yyjson_mut_arr_add_strcpy(doc, values, node) &&
	       meta_put(doc, required, "nodeSelectorTerms", terms);
}

static bool add_patience(yyjson_mut_doc *doc, yyjson_mut_val *spec, const struct daemonset *d)
{
	yyjson_mut_val *list = yyjson_mut_obj_get(spec, "tolerations");

	if (!list)
		list = yyjson_mut_obj_add_arr(doc, spec, "tolerations");
	for (size_t i = 0; list && i < array_len(patience); i++) {
		yyjson_mut_val *t;

		if (patience[i].host_network && !json_bool(d->pod_spec, "hostNetwork"))
			continue;
		t = yyjson_mut_arr_add_obj(doc, list);
		if (!t || !yyjson_mut_obj_add_str(doc, t, "key", patience[i].key) ||
			!yyjson_mut_obj_add_str(doc, t, "operator", "Exists") ||
			!yyjson_mut_obj_add_str(doc, t, "effect", patience[i].effect))
			return false;
	}
	return list;
}

void daemonset_make(struct daemonset *d, const char *node)
{
	yyjson_mut_doc *doc = pod_from_template(d->t->object, json_obj(d->spec, "template"), NULL);
	yyjson_mut_val *root = yyjson_mut_doc_get_root(doc), *spec = yyjson_mut_obj_get(root, "spec"),
		       *labels;

	labels = doc ? meta_make(doc, root, "metadata", "labels", NULL) : NULL;
	if (labels &&
		meta_put(doc, labels, REVISION_LABEL, yyjson_mut_strcpy(doc, d->revisions.update->hash)) &&
		pin(doc, spec, node) && add_patience(doc, spec, d)) {
		turn_create(d->t, schema_find_kind("v1", "Pod"), d->t->ns, doc);
		return;
	}
	yyjson_mut_doc_free(doc);
	turn_failed(d->t);
}

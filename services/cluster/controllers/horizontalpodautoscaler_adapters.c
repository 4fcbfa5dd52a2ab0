/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Metrics that adapters serve: of each pod, of another object, from outside. What is asked, and the number of pods that the answer
 * is a proposal of.
 *
 *	Pods      custom    namespaces/NS/pods/STAR/METRIC?labelSelector=PODS&metricLabelSelector=METRICS
 *	Object    custom    namespaces/NS/RESOURCE/NAME/METRIC?metricLabelSelector=METRICS
 *	          custom    namespaces/NS/metrics/METRIC?metricLabelSelector=METRICS, of the namespace itself
 *	External  external  namespaces/NS/METRIC?labelSelector=METRICS, in small letters, as clients write resources
 */

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cluster/controllers/adapters.h"
#include "cluster/controllers/horizontalpodautoscaler_int.h"
#include "cluster/controllers/usage.h"
#include "cluster/extensions/extensions.h"
#include "cluster/schema/schema.h"
#include "cluster/schema/selector.h"
#include "lib/json.h"
#include "lib/text.h"
#include "lib/uri.h"

#define CUSTOM	 "custom.metrics.k8s.io"
#define EXTERNAL "external.metrics.k8s.io"

enum { RESOURCE_MAX = 520 };

enum adapted { OF_PODS, OF_OBJECT, FROM_OUTSIDE, NOT_ADAPTED };

static const char *const types[] = {[OF_PODS] = "Pods", [OF_OBJECT] = "Object", [FROM_OUTSIDE] = "External"};
static const char *const sources[] = {
	[OF_PODS] = "pods", [OF_OBJECT] = "object", [FROM_OUTSIDE] = "external"};

/* A metric of a spec, in its parts. */
struct adapted_metric {
	enum adapted type;
	yyjson_val *source, *target, *object; /* object: describedObject */
	const char *name;
	yyjson_val *selector; /* NULL: of any labels */
};

static bool read_metric(yyjson_val *metric, struct adapted_metric *out)
{
	yyjson_val *type = yyjson_obj_get(metric, "type"), *which;

	*out = (struct adapted_metric){0};
	while (out->type < NOT_ADAPTED && !yyjson_equals_str(type, types[out->type]))
		out->type++;
	if (out->type == NOT_ADAPTED)
		return false;
	out->source = json_obj(metric, sources[out->type]);
	out->target = json_obj(out->source, "target");
	out->object = json_obj(out->source, "describedObject");
	which = json_obj(out->source, "metric");
	out->name = json_str(which, "name") ?: "";
	out->selector = json_obj(which, "selector");
	return true;
}

/* ---- which resource an object is of */

static bool is_group_of(const char *api_version, const char *group)
{
	const char *slash = strchr(api_version, '/');
	size_t len = slash ? (size_t)(slash - api_version) : 0;

	return strlen(group) == len && !strncmp(api_version, group, len);
}

/* What an extension calls it; NULL: it does not have it. */
static const char *extension_resource(const struct extension *e, const char *kind)
{
	yyjson_val *one;
	size_t i, n;

	yyjson_arr_foreach (json_arr(yyjson_doc_get_root(e ? e->resources : NULL), "resources"), i, n, one) {
		const char *name = json_text(one, "name");

		if (name && !strchr(name, '/') && yyjson_equals_str(yyjson_obj_get(one, "kind"), kind))
			return name;
	}
	return NULL;
}

/* RESOURCE or RESOURCE.GROUP, in any version of the group that is served. false: nobody serves such a kind. */
static bool find_resource(struct scaling *s, const char *api_version, const char *kind, char *out)
{
	struct extensions *x = registry_extensions(s->t->r);
	size_t n = 0;
	const struct schema_group_version *gv = extensions_group_versions(x, &n);

	for (size_t i = 0; gv && i < n; i++) {
		const struct schema_kind *k;
		const char *name, *group = gv[i].group;
		char version[400];

		if (!is_group_of(api_version, group))
			continue;
		snprintf(version, sizeof(version), "%s%s%s", group, *group ? "/" : "", gv[i].version);
		k = schema_find_kind(version, kind);
		name = k ? k->plural : extension_resource(extensions_find(x, group, gv[i].version), kind);
		if (name) {
			snprintf(out, RESOURCE_MAX, "%s%s%s", name, *group ? "." : "", group);
			return true;
		}
	}
	return false;
}

/* ---- the question */

/* "?KEY=SELECTOR", or "&...", or nothing of one that selects by nothing; malloc'ed. NULL: no memory, or it is none. */
static char *parameter(char mark, const char *key, const struct selector *selector)
{
	cleanup(freep) char *text = selector ? selector_text(selector) : NULL;
	cleanup(freep) char *encoded = text ? uri_encode(text) : NULL;
	char *out = NULL;

	if (!encoded)
		return NULL;
	if (!*encoded)
		return strdup("");
	return asprintf(&out, "%c%s=%s", mark, key, encoded) < 0 ? NULL : out;
}

/* @selector NULL: of any labels. */
static char *metric_parameter(char mark, const char *key, yyjson_val *selector)
{
	cleanup(selectorp) struct selector *parsed = selector ? selector_of(selector) : NULL;

	return selector ? parameter(mark, key, parsed) : strdup("");
}

/* What is asked; the texts are its own. */
struct asked {
	struct adapter_question q;
	char *path, *lower;	     /* owned */
	char resource[RESOURCE_MAX]; /* of an object */
	char why[200];		     /* it cannot be asked; "": it can */
};

static void asked_fini(struct asked *a)
{
	free(a->path);
	free(a->lower);
}

static const char *question_of_pods(struct scaling *s, const struct adapted_metric *m, struct asked *a)
{
	cleanup(freep) char *name = uri_encode(m->name);
	cleanup(freep) char *pods = parameter('?', "labelSelector", s->selector);
	cleanup(freep) char *labels =
		metric_parameter(pods && *pods ? '&' : '?', "metricLabelSelector", m->selector);

	if (!name || !pods || !labels ||
		asprintf(&a->path, "namespaces/%s/pods/%%2A/%s%s%s", s->t->ns, name, pods, labels) < 0)
		return "out of memory, or its selector is none";
	a->q = (struct adapter_question){CUSTOM, a->path, "get", "pods", m->name, "*"};
	return NULL;
}

static const char *question_of_object(struct scaling *s, const struct adapted_metric *m, struct asked *a)
{
	const char *version = json_text(m->object, "apiVersion") ?: "v1",
		   *kind = json_str(m->object, "kind") ?: "", *object = json_str(m->object, "name") ?: "";
	bool of_namespace = !strcmp(kind, "Namespace") && !strchr(version, '/');
	cleanup(freep) char *name = uri_encode(m->name), *encoded = uri_encode(object);
	cleanup(freep) char *labels = metric_parameter('?', "metricLabelSelector", m->selector);
	cleanup(freep) char *resource = NULL;

	if (!of_namespace && !find_resource(s, version, kind, a->resource)) {
		snprintf(a->why, sizeof(a->why),
			"unable to map kind %s to resource: no matches for it in the group of \"%s\"", kind,
			version);
		text_end_whole(a->why);
		return a->why;
	}
	resource = uri_encode(a->resource);
	if (!name || !encoded || !labels || !resource ||
		(of_namespace ? asprintf(&a->path, "namespaces/%s/metrics/%s%s", s->t->ns, name, labels)
			      : asprintf(&a->path, "namespaces/%s/%s/%s/%s%s", s->t->ns, resource, encoded,
					name, labels)) < 0)
		return "out of memory, or its selector is none";
	if (of_namespace)
		a->q = (struct adapter_question){CUSTOM, a->path, "get", "metrics", "", m->name};
	else
		a->q = (struct adapter_question){CUSTOM, a->path, "get", a->resource, m->name, object};
	return NULL;
}

static const char *question_from_outside(struct scaling *s, const struct adapted_metric *m, struct asked *a)
{
	cleanup(freep) char *name = NULL;
	cleanup(freep) char *labels = metric_parameter('?', "labelSelector", m->selector);

	a->lower = strdup(m->name);
	for (char *c = a->lower; c && *c; c++)
		*c = (char)tolower((unsigned char)*c);
	name = a->lower ? uri_encode(a->lower) : NULL;
	if (!name || !labels || asprintf(&a->path, "namespaces/%s/%s%s", s->t->ns, name, labels) < 0)
		return "out of memory, or its selector is none";
	a->q = (struct adapter_question){EXTERNAL, a->path, "list", a->lower, "", ""};
	return NULL;
}

/* NULL, or why it cannot even be asked. asked_fini() in both cases. */
static const char *question_of(struct scaling *s, const struct adapted_metric *m, struct asked *a)
{
	static const char *(*const by_type[])(struct scaling *, const struct adapted_metric *,
		struct asked *) = {[OF_PODS] = question_of_pods,
		[OF_OBJECT] = question_of_object,
		[FROM_OUTSIDE] = question_from_outside};

	*a = (struct asked){0};
	/* as clients do: it is one segment of a path */
	if (!*m->name || strpbrk(m->name, "/%") || !strcmp(m->name, ".") || !strcmp(m->name, ".."))
		return "its name cannot be a part of a path";
	return by_type[m->type](s, m, a);
}

static struct adapters_turn turn_of(const struct scaling *s)
{
	return (struct adapters_turn){s->t->c, s->t->ns, s->t->name};
}

bool scaling_ask(struct scaling *s, struct adapters *a)
{
	const struct adapters_turn t = turn_of(s);
	yyjson_val *metric;
	size_t i, n;

	adapters_begin(a, &t);
	yyjson_arr_foreach (json_arr(s->spec, "metrics"), i, n, metric) {
		struct adapted_metric m;
		struct asked asked;

		if (!read_metric(metric, &m))
			continue;
		if (!question_of(s, &m, &asked))
			(void)!adapters_ask(a, &t, &asked.q);
		asked_fini(&asked);
	}
	return adapters_settle(a, &t);
}

/* The answer, of which there is at least one value; NULL: why. */
static const struct metric_list *answer_of(
	struct scaling *s, struct adapters *a, const struct adapted_metric *m, char why[METRIC_WHY_MAX])
{
	static const char *const words[] = {
		[OF_PODS] = "custom", [OF_OBJECT] = "custom", [FROM_OUTSIDE] = "external"};
	const struct adapters_turn t = turn_of(s);
	const struct adapter_answer *answer = NULL;
	struct asked asked;
	const char *no = question_of(s, m, &asked);

	if (!no) {
		answer = adapters_ask(a, &t, &asked.q);
		no = answer ? answer->why : "it was not answered";
	}
	asked_fini(&asked);
	if (*no)
		snprintf(why, METRIC_WHY_MAX, "unable to fetch metrics from %s metrics API: %.330s",
			words[m->type], no);
	else if (m->type == OF_OBJECT && answer->list.n != 1)
		snprintf(why, METRIC_WHY_MAX,
			"unable to fetch metrics from custom metrics API: the custom metrics API server returned %zu "
			"results when we asked for exactly one",
			answer->list.n);
	else if (!answer->list.n)
		snprintf(why, METRIC_WHY_MAX, "no metrics returned from %s metrics API", words[m->type]);
	else
		return &answer->list;
	text_end_whole(why);
	return NULL;
}

/* ---- the proposal */

/* The load's pods as they were measured, and what was measured that is none of them; *n of both. NULL: no memory. */
static struct autoscale_pod *match_pods(const struct scaling *s, const struct metric_list *l, size_t *n)
{
	struct autoscale_pod *pods = calloc(s->n_pods + l->n + 1, sizeof(*pods));
	cleanup(freep) bool *known = calloc(l->n + 1, sizeof(*known));

	if (!pods || !known) {
		free(pods);
		return NULL;
	}
	for (*n = 0; *n < s->n_pods; (*n)++) {
		const struct metric_value *v = metric_list_find(l, s->pods[*n].o->name);
		struct usage_sample sample = {.milli = v ? v->milli : 0};

		pods[*n] = scaling_pod(s, &s->pods[*n], "", v ? &sample : NULL);
		if (v)
			known[v - l->items] = true;
	}
	for (size_t i = 0; i < l->n; i++)
		if (!known[i] && metric_list_counts(l, i))
			pods[(*n)++] = (struct autoscale_pod){
				.state = AUTOSCALE_STRANGER, .usage = l->items[i].milli};
	return pods;
}

static const char *propose_pods(const struct scaling *s, const struct adapted_metric *m,
	const struct metric_list *l, struct autoscale_proposal *out)
{
	const struct autoscale_aim aim = {
		.target = scaling_milli(m->target, "averageValue"), .tolerance = scaling_tolerance(s)};
	cleanup(freep) struct autoscale_pod *pods = NULL;
	size_t n;

	if (aim.target <= 0)
		return "invalid pods metric source: no average value target was set";
	if (!s->n_pods)
		return "no pods returned by selector while calculating replica count";
	pods = match_pods(s, l, &n);
	return pods ? autoscale_propose(pods, n, &aim, s->current, out) : "out of memory";
}

static int64_t ready_pods(const struct scaling *s)
{
	int64_t n = s->n_pods ? 0 : -1;

	for (size_t i = 0; i < s->n_pods; i++)
		n += yyjson_equals_str(
			     yyjson_obj_get(json_obj(s->pods[i].root, "status"), "phase"), "Running") &&
		     condition_is(s->pods[i].root, "Ready", "True");
	return n;
}

/* "value" or "averageValue", as the target has it; NULL: neither. */
static const char *aim_of(const struct adapted_metric *m)
{
	const char *type = json_str(m->target, "type") ?: "";
	bool value = scaling_milli(m->target, "value") > 0,
	     average = scaling_milli(m->target, "averageValue") > 0;

	if (m->type == OF_OBJECT) {
		value = value && !strcmp(type, "Value");
		average = average && !strcmp(type, "AverageValue");
	}
	if (m->type == OF_PODS || average)
		return "averageValue";
	return value ? "value" : NULL;
}

static const char *propose_total(const struct scaling *s, const struct adapted_metric *m, const char *aim,
	const struct metric_list *l, struct autoscale_proposal *out)
{
	const struct autoscale_total total = {.amount = metric_list_sum(l),
		.target = scaling_milli(m->target, aim),
		.average = !strcmp(aim, "averageValue"),
		.current = s->current,
		.seen = s->seen,
		.ready = ready_pods(s),
		.tolerance = scaling_tolerance(s)};

	return autoscale_propose_total(&total, out);
}

/* ---- what is said of it */

static void put_labels(FILE *f, yyjson_val *labels)
{
	yyjson_val *key, *value;
	size_t i, n;

	json_obj_foreach (labels, i, n, key, value)
		fprintf(f, "%s: %s,", yyjson_get_str(key), yyjson_get_str(value) ?: "");
}

static void put_expression(FILE *f, yyjson_val *e)
{
	yyjson_val *value;
	size_t i, n;

	fprintf(f, "LabelSelectorRequirement{Key:%s,Operator:%s,Values:[", json_str(e, "key") ?: "",
		json_str(e, "operator") ?: "");
	yyjson_arr_foreach (json_arr(e, "values"), i, n, value)
		fprintf(f, "%s%s", i ? " " : "", yyjson_get_str(value) ?: "");
	fputs("],},", f);
}

/* Cut to what is read by people. */
static void show(char *out, size_t size, const char *text)
{
	snprintf(out, size, "%s", text);
	text_end_whole(out);
}

/* A selector as upstream's sentences have it. */
static void show_selector(char *out, size_t size, yyjson_val *selector)
{
	cleanup(freep) char *text = NULL;
	yyjson_val *e;
	size_t i, n, len;
	FILE *f;

	if (!selector) {
		snprintf(out, size, "nil");
		return;
	}
	f = open_memstream(&text, &len);
	if (!f) {
		*out = '\0';
		return;
	}
	fputs("&LabelSelector{MatchLabels:map[string]string{", f);
	put_labels(f, json_obj(selector, "matchLabels"));
	fputs("},MatchExpressions:[]LabelSelectorRequirement{", f);
	yyjson_arr_foreach (json_arr(selector, "matchExpressions"), i, n, e)
		put_expression(f, e);
	fputs("},}", f);
	fclose(f);
	show(out, size, text ?: "");
}

/* The sentences of upstream: why it could not be had. */
static void put_failure(
	const struct scaling *s, const struct adapted_metric *m, const char *why, struct measured *out)
{
	char name[200], selector[200], kind[70], object[100];
	int len;

	show(name, sizeof(name), m->name);
	switch (m->type) {
	case OF_PODS:
		len = snprintf(out->why, sizeof(out->why), "unable to get metric %s: %s", name, why);
		break;
	case OF_OBJECT: /* the cause is where the object's name would be */
		show(kind, sizeof(kind), json_str(m->object, "kind") ?: "");
		show(object, sizeof(object), json_str(m->object, "name") ?: "");
		len = snprintf(out->why, sizeof(out->why), "unable to get metric %s: %s on %s %s/%s", name,
			kind, s->t->ns, object, why);
		break;
	default:
		show_selector(selector, sizeof(selector), m->selector);
		len = snprintf(out->why, sizeof(out->why), "unable to get external metric %s/%s/%s: %s",
			s->t->ns, name, selector, why);
	}
	if ((size_t)len >= sizeof(out->why))
		text_end_whole(out->why);
}

/* And what it was for. */
static void put_purpose(const struct adapted_metric *m, const char *aim, struct measured *out)
{
	bool average = !strcmp(aim, "averageValue");
	char name[200];

	show(name, sizeof(name), m->name);
	if (m->type == OF_OBJECT && average)
		snprintf(out->during, sizeof(out->during), "failed to get %s object metric: ", name);
	else if (m->type == FROM_OUTSIDE && average)
		snprintf(out->during, sizeof(out->during), "failed to get %s external metric: ", name);
	else if (m->type == FROM_OUTSIDE)
		snprintf(out->during, sizeof(out->during), "failed to get external metric %s: ", name);
}

/* As upstream: an average of an object is called as one from outside. */
static void put_name(const struct adapted_metric *m, const char *aim, struct measured *out)
{
	char name[300], selector[300], kind[70];

	show(name, sizeof(name), m->name);
	if (m->type == OF_PODS) {
		snprintf(out->name, sizeof(out->name), "pods metric %s", name);
	} else if (m->type == OF_OBJECT && !strcmp(aim, "value")) {
		show(kind, sizeof(kind), json_str(m->object, "kind") ?: "");
		snprintf(out->name, sizeof(out->name), "%s metric %s", kind, name);
	} else {
		show_selector(selector, sizeof(selector), m->selector);
		snprintf(out->name, sizeof(out->name), "external metric %s(%s)", name, selector);
	}
}

static void put_current(struct scaling *s, const struct adapted_metric *m, const char *aim, int64_t milli)
{
	yyjson_mut_val *of = scaling_put_metric(s, types[m->type], sources[m->type]), *current;

	if (!of)
		return;
	if (!json_copy(s->doc, of, "metric", json_obj(m->source, "metric")) ||
		(m->object && !json_copy(s->doc, of, "describedObject", m->object)) ||
		!(current = yyjson_mut_obj_add_obj(s->doc, of, "current")) ||
		!scaling_put_amount(s->doc, current, aim, milli))
		turn_failed(s->t);
}

int64_t scaling_propose_adapted(
	struct scaling *s, struct adapters *a, yyjson_val *metric, struct measured *out)
{
	struct autoscale_proposal p;
	struct adapted_metric m;
	const struct metric_list *l;
	char why[METRIC_WHY_MAX];
	const char *aim, *no;

	if (!read_metric(metric, &m))
		return -1;
	aim = aim_of(&m);
	if (!aim) {
		snprintf(out->why, sizeof(out->why),
			"invalid %s metric source: neither a value target nor an average value target was set",
			sources[m.type]);
		return -1;
	}
	put_purpose(&m, aim, out);
	l = answer_of(s, a, &m, why);
	if (!l) {
		put_failure(s, &m, why, out);
		return -1;
	}
	no = m.type == OF_PODS ? propose_pods(s, &m, l, &p) : propose_total(s, &m, aim, l, &p);
	if (no) {
		snprintf(out->why, sizeof(out->why), "%s", no);
		return -1;
	}
	put_current(s, &m, aim, !strcmp(aim, "averageValue") ? p.average : metric_list_sum(l));
	put_name(&m, aim, out);
	return p.replicas;
}

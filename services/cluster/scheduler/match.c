/* SPDX-License-Identifier: Apache-2.0 */

/* Whether this matches that: nodes and selectors, taints and tolerations, pods and terms of affinity. */

#include <errno.h>
#include <string.h>

#include "cluster/scheduler/cycle.h"
#include "cluster/schema/meta.h"
#include "cluster/schema/schema.h"
#include "cluster/schema/selector.h"
#include "lib/json.h"

const char *node_label(const struct sched_node *n, const char *key)
{
	return n->o ? object_label(n->o, key) : NULL;
}

static bool is_number(const char *s, long long *out)
{
	char *end;

	*out = strtoll(s, &end, 10);
	return *s && !*end;
}

/* One requirement of a NodeSelectorTerm against a value, which may be absent. */
static bool requirement_holds(yyjson_val *r, const char *value)
{
	const char *op = json_str(r, "operator") ?: "";
	yyjson_val *values = json_arr(r, "values");
	const char *bound = yyjson_get_str(yyjson_arr_get_first(values)) ?: "";
	long long a, b;

	if (!strcmp(op, "In"))
		return value && json_arr_has(values, value);
	if (!strcmp(op, "NotIn"))
		return !value || !json_arr_has(values, value);
	if (!strcmp(op, "Exists"))
		return value;
	if (!strcmp(op, "DoesNotExist"))
		return !value;
	if (!value || !is_number(value, &a) || !is_number(bound, &b))
		return false;
	return !strcmp(op, "Gt") ? a > b : !strcmp(op, "Lt") && a < b;
}

bool node_matches_term(const struct sched_node *n, yyjson_val *term)
{
	yyjson_val *labels = json_arr(term, "matchExpressions"), *fields = json_arr(term, "matchFields"),
		   *each;
	size_t i, count;

	/* a term without requirements matches nothing */
	if (!yyjson_arr_size(labels) && !yyjson_arr_size(fields))
		return false;
	yyjson_arr_foreach (labels, i, count, each)
		if (!requirement_holds(each, node_label(n, json_str(each, "key") ?: "")))
			return false;
	yyjson_arr_foreach (fields, i, count, each)
		if (!yyjson_equals_str(yyjson_obj_get(each, "key"), "metadata.name") ||
			!requirement_holds(each, n->name))
			return false;
	return true;
}

bool node_matches_terms(const struct sched_node *n, yyjson_val *terms)
{
	yyjson_val *each;
	size_t i, count;

	yyjson_arr_foreach (terms, i, count, each)
		if (node_matches_term(n, each))
			return true;
	return false;
}

bool node_matches_pod(const struct cycle *c, const struct sched_node *n)
{
	yyjson_val *selector = json_obj(c->pod->spec, "nodeSelector"), *key, *value;
	size_t i, count;

	json_obj_foreach (selector, i, count, key, value) {
		const char *label = node_label(n, yyjson_get_str(key));

		if (!label || !yyjson_equals_str(value, label))
			return false;
	}
	return !c->node_terms || node_matches_terms(n, c->node_terms);
}

bool pod_tolerates(yyjson_val *tolerations, const struct sched_taint *t)
{
	yyjson_val *each;
	size_t i, n;

	yyjson_arr_foreach (tolerations, i, n, each) {
		const char *effect = json_text(each, "effect"), *key = json_text(each, "key"),
			   *op = json_text(each, "operator");

		if ((effect && strcmp(effect, t->effect) != 0) || (key && strcmp(key, t->key) != 0))
			continue;
		if (op && !strcmp(op, "Exists"))
			return true;
		if (key && !strcmp(json_str(each, "value") ?: "", t->value))
			return true;
	}
	return false;
}

/* ---- terms of pod affinity */

/* matchLabelKeys: the pod's own values of these labels are demanded, too. */
static bool add_keys(struct selector *s, yyjson_val *keys, yyjson_val *labels, enum selector_op op)
{
	yyjson_val *each;
	size_t i, n;

	yyjson_arr_foreach (keys, i, n, each) {
		const char *value = json_str(labels, yyjson_get_str(each) ?: "");
		struct selector_term *more;

		if (!value)
			continue;
		more = reallocarray(s->terms, s->n + 1, sizeof(*more));
		if (!more)
			return false;
		s->terms = more;
		more[s->n] = (struct selector_term){.key = strdup(yyjson_get_str(each)),
			.values = calloc(1, sizeof(char *)),
			.n_values = 1,
			.op = op};
		if (more[s->n].values)
			more[s->n].values[0] = strdup(value);
		s->n++;
		if (!more[s->n - 1].key || !more[s->n - 1].values || !more[s->n - 1].values[0])
			return false;
	}
	return true;
}

int term_read(struct pod_term *out, yyjson_val *term, const char *own_ns, yyjson_val *labels)
{
	yyjson_val *namespaces = json_arr(term, "namespaces"),
		   *by_label = json_obj(term, "namespaceSelector");
	struct pod_term t = {.key = json_str(term, "topologyKey") ?: "", .own_ns = own_ns};
	int r = selector_read(&t.labels, yyjson_obj_get(term, "labelSelector"));

	t.namespaces = yyjson_arr_size(namespaces) ? namespaces : NULL;
	if (!r && by_label)
		r = selector_read(&t.ns_labels, by_label);
	if (!r && (!add_keys(t.labels, json_arr(term, "matchLabelKeys"), labels, SELECTOR_IN) ||
			  !add_keys(t.labels, json_arr(term, "mismatchLabelKeys"), labels, SELECTOR_NOT_IN)))
		r = -ENOMEM;
	if (!r) {
		*out = t;
		return 0;
	}
	selector_free(t.labels);
	selector_free(t.ns_labels);
	return r;
}

int terms_read(struct pod_terms *out, yyjson_val *list, const char *own_ns, yyjson_val *labels, int sign)
{
	size_t i, n = yyjson_arr_size(list), most = n < POD_TERMS_MAX ? n : POD_TERMS_MAX;
	struct pod_term *more;
	yyjson_val *each;
	int result = n > most ? -E2BIG : 0;

	if (!n)
		return 0;
	more = reallocarray(out->items, out->n + most, sizeof(*more));
	if (!more)
		return -ENOMEM;
	out->items = more;
	yyjson_arr_foreach (list, i, n, each) {
		yyjson_val *term = sign ? json_obj(each, "podAffinityTerm") : each;
		int r;

		if (i == most)
			break;
		r = term_read(&more[out->n], term, own_ns, labels);
		if (r == -ENOMEM)
			return r;
		if (r < 0)
			result = r;
		else
			more[out->n++].weight = sign * json_int(each, "weight", 0);
	}
	return result;
}

void terms_fini(struct pod_terms *t)
{
	for (size_t i = 0; i < t->n; i++) {
		selector_free(t->items[i].labels);
		selector_free(t->items[i].ns_labels);
	}
	free(t->items);
	*t = (struct pod_terms){0};
}

bool term_matches(const struct pod_term *t, const struct registry *r, const struct object *pod)
{
	bool ns = !t->namespaces && !t->ns_labels && !strcmp(t->own_ns, pod->ns);

	ns = ns || (t->namespaces && json_arr_has(t->namespaces, pod->ns));
	if (!ns && t->ns_labels) {
		const struct object *o = registry_get(r, schema_find_kind("v1", "Namespace"), "", pod->ns);

		ns = o && selector_matches(t->ns_labels, object_label_of, o);
	}
	return ns && selector_matches(t->labels, object_label_of, pod);
}

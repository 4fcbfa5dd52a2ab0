/* SPDX-License-Identifier: Apache-2.0 */

/* What is worked out once a pod: how many pods like it are where. Only pods that ask for it pay for it. */

#include <errno.h>
#include <search.h>
#include <stdio.h>
#include <string.h>

#include "cluster/scheduler/cycle.h"
#include "cluster/schema/meta.h"
#include "cluster/schema/selector.h"
#include "lib/json.h"

/* ---- counts by place */

static int compare(const void *a, const void *b)
{
	const struct topology_entry *x = a, *y = b;
	int d = strcmp(x->value, y->value);

	return d ? d : strcmp(x->key, y->key);
}

struct topology_entry *topology_at(struct topology *t, const char *key, const char *value, bool make)
{
	struct topology_entry probe = {.key = key, .value = value, .next = t->first},
			      **found = tfind(&probe, &t->tree, compare), *fresh;

	if (found || !make)
		return found ? *found : NULL;
	fresh = malloc(sizeof(*fresh));
	if (!fresh)
		return NULL;
	*fresh = probe;
	if (tsearch(fresh, &t->tree, compare)) {
		t->first = fresh;
		return fresh;
	}
	free(fresh);
	return NULL;
}

void topology_fini(struct topology *t)
{
	tdestroy(t->tree, free);
	*t = (struct topology){0};
}

static void add(struct cycle *c, struct topology *t, const char *key, const struct sched_node *n, int64_t by)
{
	const char *value = node_label(n, key);
	struct topology_entry *e = value ? topology_at(t, key, value, true) : NULL;

	if (e)
		e->n += by;
	else if (value)
		c->failed = true;
}

/* ---- affinity to pods */

#define REQUIRED  "requiredDuringSchedulingIgnoredDuringExecution"
#define PREFERRED "preferredDuringSchedulingIgnoredDuringExecution"

static bool matches_all(const struct pod_terms *terms, const struct registry *r, const struct object *pod)
{
	for (size_t i = 0; i < terms->n; i++)
		if (!term_matches(&terms->items[i], r, pod))
			return false;
	return true;
}

/*
 * Some terms of a bound pod say something of the new one; @weight 0: each its own. What is wrong with them is that pod's trouble, and must
 * not keep others from their nodes: those that can be read, and are not too many, are heard.
 */
static void hear_terms(struct cycle *c, struct topology *t, const struct sched_node *n,
	const struct sched_pod *other, yyjson_val *list, int sign, int64_t weight)
{
	yyjson_val *labels = meta_get(yyjson_doc_get_root(other->doc), "metadata", "labels", NULL);
	struct pod_terms terms = {0};

	if (terms_read(&terms, list, other->o->ns, labels, sign) == -ENOMEM)
		c->failed = true;
	for (size_t i = 0; i < terms.n; i++)
		if (term_matches(&terms.items[i], c->registry, c->pod->o))
			add(c, t, terms.items[i].key, n, weight ?: terms.items[i].weight);
	terms_fini(&terms);
}

/* What a bound pod's own terms say of the new one. What it demanded for itself it likes to have near, by upstream's weight. */
static void hear(struct cycle *c, const struct sched_node *n, const struct sched_pod *other)
{
	yyjson_val *affinity = json_obj(other->spec, "affinity"), *toward = json_obj(affinity, "podAffinity"),
		   *against = json_obj(affinity, "podAntiAffinity");

	hear_terms(c, &c->existing_anti_at, n, other, json_arr(against, REQUIRED), 0, 1);
	hear_terms(c, &c->preferred_at, n, other, json_arr(against, PREFERRED), -1, 0);
	hear_terms(c, &c->preferred_at, n, other, json_arr(toward, PREFERRED), 1, 0);
	hear_terms(c, &c->preferred_at, n, other, json_arr(toward, REQUIRED), 0, 1);
}

static void count_affinity(struct cycle *c)
{
	if (!c->affinity.n && !c->anti.n && !c->preferred.n && !c->cache->n_affinity)
		return;
	for (size_t i = 0; i < c->cache->n_nodes; i++) {
		const struct sched_node *n = c->cache->nodes[i];

		for (size_t k = 0; k < n->n_pods; k++) {
			const struct sched_pod *p = n->pods[k];

			if (p->has_affinity)
				hear(c, n, p);
			if (c->affinity.n && matches_all(&c->affinity, c->registry, p->o))
				for (size_t j = 0; j < c->affinity.n; j++)
					add(c, &c->affinity_at, c->affinity.items[j].key, n, 1);
			for (size_t j = 0; j < c->anti.n; j++)
				if (term_matches(&c->anti.items[j], c->registry, p->o))
					add(c, &c->anti_at, c->anti.items[j].key, n, 1);
			for (size_t j = 0; j < c->preferred.n; j++)
				if (term_matches(&c->preferred.items[j], c->registry, p->o))
					add(c, &c->preferred_at, c->preferred.items[j].key, n,
						c->preferred.items[j].weight);
		}
	}
	/* those on nodes outside the topology are nowhere */
	c->affinity_matches_none = !c->affinity_at.first;
	c->affinity_self = matches_all(&c->affinity, c->registry, c->pod->o);
}

/* Of the pod's own wishes. Too many of them are refused, not read in part. */
static void note(struct cycle *c, int result)
{
	if (result == -E2BIG)
		snprintf(c->no_node, sizeof(c->no_node),
			"the pod has more than %d affinity terms, or topology spread constraints, in one list",
			POD_TERMS_MAX);
	else if (result < 0)
		c->failed = true;
}

static void read_affinity(struct cycle *c)
{
	yyjson_val *affinity = json_obj(c->pod->spec, "affinity"),
		   *toward = json_obj(affinity, "podAffinity");
	yyjson_val *against = json_obj(affinity, "podAntiAffinity");
	yyjson_val *labels = meta_get(yyjson_doc_get_root(c->pod->doc), "metadata", "labels", NULL);
	const char *ns = c->pod->o->ns;

	c->node_terms = meta_get(affinity, "nodeAffinity", REQUIRED, "nodeSelectorTerms", NULL);
	note(c, terms_read(&c->affinity, json_arr(toward, REQUIRED), ns, labels, 0));
	note(c, terms_read(&c->anti, json_arr(against, REQUIRED), ns, labels, 0));
	note(c, terms_read(&c->preferred, json_arr(toward, PREFERRED), ns, labels, 1));
	note(c, terms_read(&c->preferred, json_arr(against, PREFERRED), ns, labels, -1));
}

/* ---- topology spread */

bool node_has_keys(const struct cycle *c, const struct sched_node *n, bool required)
{
	for (size_t i = 0; i < c->n_spreads; i++)
		if (c->spreads[i].required == required && !node_label(n, c->spreads[i].key))
			return false;
	return true;
}

static bool counts_node(const struct cycle *c, const struct spread *s, const struct sched_node *n)
{
	if (s->honor_affinity && !node_matches_pod(c, n))
		return false;
	for (size_t i = 0; s->honor_taints && i < n->n_taints; i++)
		if (strcmp(n->taints[i].effect, "PreferNoSchedule") != 0 &&
			!pod_tolerates(c->tolerations, &n->taints[i]))
			return false;
	return true;
}

static int64_t count_like(const struct cycle *c, const struct spread *s, const struct sched_node *n)
{
	int64_t here = 0;

	for (size_t k = 0; k < n->n_pods; k++)
		here += !n->pods[k]->o->deleted && !strcmp(n->pods[k]->o->ns, c->pod->o->ns) &&
			selector_matches(s->labels, object_label_of, n->pods[k]->o);
	return here;
}

/* A node counts where it has all keys: that one place has too few must not send pods where another cannot tell places apart. */
static void count_spreads(struct cycle *c)
{
	for (size_t i = 0; c->n_spreads && i < c->cache->n_nodes; i++) {
		const struct sched_node *n = c->cache->nodes[i];
		const bool has_keys[] = {node_has_keys(c, n, false), node_has_keys(c, n, true)};

		for (size_t k = 0; k < c->n_spreads; k++) {
			struct spread *s = &c->spreads[k];

			if (has_keys[s->required] && counts_node(c, s, n))
				add(c, &s->counts, s->key, n, count_like(c, s, n));
		}
	}
	for (size_t k = 0; k < c->n_spreads; k++) {
		struct spread *s = &c->spreads[k];
		int64_t domains = 0;

		for (const struct topology_entry *e = s->counts.first; e; e = e->next)
			if (!domains++ || e->n < s->least)
				s->least = e->n;
		if (domains < s->min_domains)
			s->least = 0;
	}
}

static void read_spreads(struct cycle *c)
{
	yyjson_val *list = json_arr(c->pod->spec, "topologySpreadConstraints"), *each;
	yyjson_val *labels = meta_get(yyjson_doc_get_root(c->pod->doc), "metadata", "labels", NULL);
	size_t i, n;

	if (yyjson_arr_size(list) > POD_TERMS_MAX)
		note(c, -E2BIG);
	if (!yyjson_arr_size(list) || *c->no_node)
		return;
	c->spreads = calloc(yyjson_arr_size(list), sizeof(*c->spreads));
	if (!c->spreads) {
		c->failed = true;
		return;
	}
	yyjson_arr_foreach (list, i, n, each) {
		struct spread *s = &c->spreads[c->n_spreads];
		struct pod_term term;

		/* it names pods as a term of affinity does */
		if (term_read(&term, each, c->pod->o->ns, labels) < 0) {
			c->failed = true;
			return;
		}
		*s = (struct spread){
			.key = term.key,
			.max_skew = json_int(each, "maxSkew", 1),
			.min_domains = json_int(each, "minDomains", 1),
			.required =
				yyjson_equals_str(yyjson_obj_get(each, "whenUnsatisfiable"), "DoNotSchedule"),
			.honor_affinity =
				!yyjson_equals_str(yyjson_obj_get(each, "nodeAffinityPolicy"), "Ignore"),
			.honor_taints = yyjson_equals_str(yyjson_obj_get(each, "nodeTaintsPolicy"), "Honor"),
			.labels = term.labels,
		};
		s->self = selector_matches(s->labels, object_label_of, c->pod->o);
		c->n_spreads++;
	}
}

void cycle_init(struct cycle *c, struct sched_cache *cache, const struct registry *r, struct sched_pod *p)
{
	*c = (struct cycle){.cache = cache, .registry = r, .pod = p};
	c->failed = sched_pod_open(p) < 0;
	c->tolerations = json_arr(p->spec, "tolerations");
	cycle_read_volumes(c);
	if (*c->no_node)
		return;
	c->verdicts = verdicts_of(&cache->verdicts, p->spec, cache->n_all);
	read_affinity(c);
	read_spreads(c);
	if (*c->no_node)
		return;
	count_affinity(c);
	count_spreads(c);
	/* no node at all rather than one that what was not read forbids */
	if (c->failed)
		snprintf(c->no_node, sizeof(c->no_node),
			"what the pod asks for could not be read: out of memory, or a label selector is wrong");
}

void cycle_fini(struct cycle *c)
{
	/* whether it found a node or waits for one: what it asks for is in numbers, and the next cycle reads it again */
	sched_pod_slim(c->pod);
	cycle_volumes_fini(c);
	terms_fini(&c->affinity);
	terms_fini(&c->anti);
	terms_fini(&c->preferred);
	topology_fini(&c->affinity_at);
	topology_fini(&c->anti_at);
	topology_fini(&c->existing_anti_at);
	topology_fini(&c->preferred_at);
	for (size_t i = 0; i < c->n_spreads; i++) {
		selector_free(c->spreads[i].labels);
		topology_fini(&c->spreads[i].counts);
	}
	free(c->spreads);
}

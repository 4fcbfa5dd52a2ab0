/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Which of the nodes that could take the pod should: each rule gives every node 0 to 100, times its weight. The rules and weights
 * are upstream's defaults.
 */

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "cluster/scheduler/cycle.h"
#include "cluster/schema/meta.h"
#include "lib/json.h"

enum { MOST = 100 };

typedef void rule(struct cycle *c, struct sched_node *const *nodes, size_t n, int64_t *raw);

/* Scales raw numbers so that the largest is 100, or, @reverse, the smallest. */
static void scale(int64_t *raw, size_t n, bool reverse)
{
	int64_t top = 0;

	for (size_t i = 0; i < n; i++)
		top = raw[i] > top ? raw[i] : top;
	for (size_t i = 0; i < n; i++) {
		raw[i] = top ? raw[i] * MOST / top : 0;
		if (reverse)
			raw[i] = MOST - raw[i];
	}
}

static int64_t free_percent(int64_t has, int64_t used)
{
	return has > 0 && used < has ? (has - used) * MOST / has : 0;
}

static void least_allocated(struct cycle *c, struct sched_node *const *nodes, size_t n, int64_t *raw)
{
	for (size_t i = 0; i < n; i++)
		raw[i] = (free_percent(nodes[i]->has.cpu_milli,
				  nodes[i]->likely_cpu_milli + sched_pod_cpu(c->pod)) +
				 free_percent(nodes[i]->has.memory_bytes,
					 nodes[i]->likely_memory_bytes + sched_pod_memory(c->pod))) /
			 2;
}

static int64_t used_permille(int64_t has, int64_t used)
{
	return has <= 0 ? 1000 : used >= has ? 1000 : used * 1000 / has;
}

/* Cpu and memory used to the same degree. */
static void balanced(struct cycle *c, struct sched_node *const *nodes, size_t n, int64_t *raw)
{
	for (size_t i = 0; i < n; i++) {
		int64_t cpu = used_permille(
			nodes[i]->has.cpu_milli, nodes[i]->used.cpu_milli + c->pod->asks.cpu_milli);
		int64_t memory = used_permille(
			nodes[i]->has.memory_bytes, nodes[i]->used.memory_bytes + c->pod->asks.memory_bytes);

		raw[i] = MOST - llabs(cpu - memory) / 2 * MOST / 1000;
	}
}

static void prefer_untainted(struct cycle *c, struct sched_node *const *nodes, size_t n, int64_t *raw)
{
	for (size_t i = 0; i < n; i++)
		for (size_t k = 0; k < nodes[i]->n_taints; k++)
			raw[i] += !strcmp(nodes[i]->taints[k].effect, "PreferNoSchedule") &&
				  !pod_tolerates(c->tolerations, &nodes[i]->taints[k]);
	scale(raw, n, true);
}

static void node_preference(struct cycle *c, struct sched_node *const *nodes, size_t n, int64_t *raw)
{
	yyjson_val *list = meta_get(c->pod->spec, "affinity", "nodeAffinity",
		"preferredDuringSchedulingIgnoredDuringExecution", NULL);
	yyjson_val *each;
	size_t i, count;

	if (!yyjson_arr_size(list))
		return;
	yyjson_arr_foreach (list, i, count, each)
		for (size_t k = 0; k < n; k++)
			if (node_matches_term(nodes[k], json_obj(each, "preference")))
				raw[k] += json_int(each, "weight", 0);
	scale(raw, n, false);
}

static void sum_at(const struct sched_node *n, struct topology *t, const char *key, int64_t *raw)
{
	const char *value = node_label(n, key);
	struct topology_entry *e = value ? topology_at(t, key, value, false) : NULL;

	*raw += e ? e->n : 0;
}

/* Preferred affinity, the pod's own and that of pods that are there: from the worst node 0 to the best 100. */
static void pod_preference(struct cycle *c, struct sched_node *const *nodes, size_t n, int64_t *raw)
{
	int64_t low = 0, high = 0;

	if (!c->preferred_at.tree)
		return;
	for (size_t i = 0; i < n; i++) {
		const struct object *o = nodes[i]->o;

		/* every place this node is in: few labels, few entries */
		for (size_t k = 0; k < o->n_labels; k++)
			sum_at(nodes[i], &c->preferred_at, o->labels[k].key, &raw[i]);
		low = !i || raw[i] < low ? raw[i] : low;
		high = !i || raw[i] > high ? raw[i] : high;
	}
	for (size_t i = 0; i < n; i++)
		raw[i] = high > low ? (raw[i] - low) * MOST / (high - low) : 0;
}

/* In how many of the constraint's places the nodes are. raw[i] < 0: that one is nowhere. */
static size_t count_places(struct spread *s, struct sched_node *const *nodes, size_t n, const int64_t *raw)
{
	size_t places = 0;

	for (size_t i = 0; i < n; i++) {
		struct topology_entry *e =
			raw[i] >= 0 ? topology_at(&s->counts, s->key, node_label(nodes[i], s->key), false)
				    : NULL;

		places += e && !e->met;
		if (e)
			e->met = true;
	}
	return places;
}

/*
 * The pods like it in a node's places, for all constraints that do not bind. The more places there are the fewer pods are in each, so
 * that each of them weighs more; the skew that is allowed waters the difference down. A node that is not in all topologies gets
 * nothing.
 */
static void by_constraints(struct cycle *c, struct sched_node *const *nodes, size_t n, int64_t *raw)
{
	int64_t least = INT64_MAX, most = 0;

	for (size_t i = 0; i < n; i++)
		raw[i] = node_has_keys(c, nodes[i], false) ? 0 : -1;
	for (size_t i = 0; i < n; i++) {
		double sum = 0;

		if (raw[i] < 0)
			continue;
		for (size_t k = 0; k < c->n_spreads; k++) {
			struct spread *s = &c->spreads[k];
			int64_t here = 0;

			if (s->required)
				continue;
			if (!s->weight)
				s->weight = log((double)count_places(s, nodes, n, raw) + 2);
			sum_at(nodes[i], &s->counts, s->key, &here);
			sum += (double)here * s->weight + (double)(s->max_skew - 1);
		}
		raw[i] = llround(sum);
		least = raw[i] < least ? raw[i] : least;
		most = raw[i] > most ? raw[i] : most;
	}
	for (size_t i = 0; i < n; i++)
		raw[i] = raw[i] < 0 ? 0 : most ? MOST * (most + least - raw[i]) / most : MOST;
}

static void off_siblings(struct cycle *c, struct sched_node *const *nodes, size_t n, int64_t *raw)
{
	const struct object_owner *owner = object_controller(c->pod->o);

	for (size_t i = 0; owner && i < n; i++)
		for (size_t k = 0; k < nodes[i]->n_pods; k++) {
			const struct object_owner *other = object_controller(nodes[i]->pods[k]->o);

			raw[i] += other && !strcmp(other->uid, owner->uid);
		}
	scale(raw, n, true);
}

/* Apart from its likes: by the constraints it has; a pod without any keeps off nodes where pods of its controller are. */
static void apart(struct cycle *c, struct sched_node *const *nodes, size_t n, int64_t *raw)
{
	(c->n_spreads ? by_constraints : off_siblings)(c, nodes, n, raw);
}

/* The images are there already, and large. */
static void images(struct cycle *c, struct sched_node *const *nodes, size_t n, int64_t *raw)
{
	enum { LEAST = 23 << 20, FULL = 1000 << 20 };
	yyjson_val *list = json_arr(c->pod->spec, "containers"), *each;
	size_t i, count;

	for (size_t k = 0; k < n; k++) {
		yyjson_arr_foreach (list, i, count, each)
			for (size_t j = 0; j < nodes[k]->n_images; j++)
				if (yyjson_equals_str(
					    yyjson_obj_get(each, "image"), nodes[k]->images[j].name))
					raw[k] += nodes[k]->images[j].size_bytes;
		raw[k] = raw[k] < LEAST	  ? 0
			 : raw[k] >= FULL ? MOST
					  : (raw[k] - LEAST) * MOST / (FULL - LEAST);
	}
}

static const struct {
	rule *fn;
	int64_t weight;
} rules[] = {
	{prefer_untainted, 3},
	{node_preference, 2},
	{apart, 2},
	{pod_preference, 2},
	{least_allocated, 1},
	{balanced, 1},
	{images, 1},
};

void cycle_score(struct cycle *c, struct sched_node *const *nodes, size_t n, int64_t *scores)
{
	int64_t *raw = calloc(n, sizeof(*raw));

	memset(scores, 0, n * sizeof(*scores));
	for (size_t r = 0; raw && r < array_len(rules); r++) {
		memset(raw, 0, n * sizeof(*raw));
		rules[r].fn(c, nodes, n, raw);
		for (size_t i = 0; i < n; i++)
			scores[i] += raw[i] * rules[r].weight;
	}
	free(raw);
}

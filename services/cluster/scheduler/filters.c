/* SPDX-License-Identifier: Apache-2.0 */

/* Which nodes could take the pod: rules, one after the other, cheapest first. The words are those users know from events. */

#include <stdio.h>
#include <string.h>

#include "cluster/scheduler/cycle.h"
#include "lib/util.h"

#define UNSCHEDULABLE_TAINT "node.kubernetes.io/unschedulable"

/* @size 0: yes or no is enough, nobody reads the words. */
typedef const char *filter(struct cycle *c, const struct sched_node *n, char *buf, size_t size);

static const char *cordoned(struct cycle *c, const struct sched_node *n, char *buf, size_t size)
{
	static const struct sched_taint taint = {UNSCHEDULABLE_TAINT, "", "NoSchedule"};

	return n->unschedulable && !pod_tolerates(c->tolerations, &taint) ? "node(s) were unschedulable"
									  : NULL;
}

static const char *tainted(struct cycle *c, const struct sched_node *n, char *buf, size_t size)
{
	for (size_t i = 0; i < n->n_taints; i++) {
		const struct sched_taint *t = &n->taints[i];

		if (!strcmp(t->effect, "PreferNoSchedule") || pod_tolerates(c->tolerations, t))
			continue;
		snprintf(buf, size, "node(s) had untolerated taint {%s: %s}", t->key, t->value);
		return buf;
	}
	return NULL;
}

static const char *node_affinity(struct cycle *c, const struct sched_node *n, char *buf, size_t size)
{
	return node_matches_pod(c, n) ? NULL : "node(s) didn't match Pod's node affinity/selector";
}

static const char *fit(struct cycle *c, const struct sched_node *n, char *buf, size_t size)
{
	const struct sched_resources *a = &c->pod->asks;
	size_t len = 0;

	if (resources_fit(a, n))
		return NULL;
	if (!size)
		return buf;
	buf[0] = 0;
#define SAY(condition, ...)                                                                                  \
	if ((condition) && len < size)                                                                       \
		len += (size_t)snprintf(buf + len, size - len, __VA_ARGS__);
	SAY(n->used.pods + 1 > n->has.pods, "Too many pods")
	SAY(a->cpu_milli && a->cpu_milli > n->has.cpu_milli - n->used.cpu_milli, "%sInsufficient cpu",
		len ? ", " : "")
	SAY(a->memory_bytes && a->memory_bytes > n->has.memory_bytes - n->used.memory_bytes,
		"%sInsufficient memory", len ? ", " : "")
	SAY(a->ephemeral_bytes && a->ephemeral_bytes > n->has.ephemeral_bytes - n->used.ephemeral_bytes,
		"%sInsufficient ephemeral-storage", len ? ", " : "")
	for (size_t i = 0; i < a->n_extended; i++) {
		const char *name = a->extended[i].name;

		SAY(a->extended[i].n > resources_extended(&n->has, name) - resources_extended(&n->used, name),
			"%sInsufficient %s", len ? ", " : "", name)
	}
#undef SAY
	return buf;
}

static bool port_conflict(const struct sched_port *a, const struct sched_port *b)
{
	return a->port == b->port && !strcmp(a->protocol, b->protocol) &&
	       (!strcmp(a->ip, "0.0.0.0") || !strcmp(b->ip, "0.0.0.0") || !strcmp(a->ip, b->ip));
}

static const char *ports(struct cycle *c, const struct sched_node *n, char *buf, size_t size)
{
	const struct sched_pod *p = c->pod;

	for (size_t i = 0; p->n_ports && n->n_ports && i < n->n_pods; i++)
		for (size_t k = 0; k < n->pods[i]->n_ports && !n->pods[i]->leaving; k++)
			for (size_t j = 0; j < p->n_ports; j++)
				if (port_conflict(&n->pods[i]->ports[k], &p->ports[j]))
					return "node(s) didn't have free ports for the requested pod ports";
	return NULL;
}

/* Claims that only one pod may use at a time, wherever that is. */
static const char *exclusive(struct cycle *c, const struct sched_node *n, char *buf, size_t size)
{
	for (size_t i = 0; i < c->n_holders; i++)
		if (!c->holders[i]->leaving)
			return "node has pod using PersistentVolumeClaim with the same name and ReadWriteOncePod "
			       "access mode";
	return NULL;
}

/* A pod whose claims are not ready comes to no node at all: volumes.c. */
static const char *volumes(struct cycle *c, const struct sched_node *n, char *buf, size_t size)
{
	return cycle_volumes(c, n);
}

static const char *spread(struct cycle *c, const struct sched_node *n, char *buf, size_t size)
{
	for (size_t i = 0; i < c->n_spreads; i++) {
		struct spread *s = &c->spreads[i];
		const char *value = node_label(n, s->key);
		struct topology_entry *e;

		if (!s->required)
			continue;
		if (!value)
			return "node(s) didn't match pod topology spread constraints (missing required label)";
		e = topology_at(&s->counts, s->key, value, false);
		if ((e ? e->n : 0) + s->self - s->least > s->max_skew)
			return "node(s) didn't match pod topology spread constraints";
	}
	return NULL;
}

static bool has(struct topology *t, const char *key, const struct sched_node *n)
{
	const char *value = node_label(n, key);
	struct topology_entry *e = value ? topology_at(t, key, value, false) : NULL;

	return e && e->n > 0;
}

/* Is the node in one of these places? */
static bool in_any(const struct topology *t, const struct sched_node *n)
{
	for (const struct topology_entry *e = t->first; e; e = e->next) {
		const char *value = node_label(n, e->key);

		if (value && !strcmp(value, e->value))
			return true;
	}
	return false;
}

static const char *pod_affinity(struct cycle *c, const struct sched_node *n, char *buf, size_t size)
{
	for (size_t i = 0; i < c->affinity.n; i++) {
		const char *key = c->affinity.items[i].key;

		/* the first of a group that keeps together may begin anywhere */
		if (!node_label(n, key) ||
			(!has(&c->affinity_at, key, n) && !(c->affinity_matches_none && c->affinity_self)))
			return "node(s) didn't match pod affinity rules";
	}
	for (size_t i = 0; i < c->anti.n; i++)
		if (has(&c->anti_at, c->anti.items[i].key, n))
			return "node(s) didn't match pod anti-affinity rules";
	return in_any(&c->existing_anti_at, n) ? "node(s) didn't satisfy existing pods anti-affinity rules"
					       : NULL;
}

static const struct rule {
	filter *fn;
	bool resolvable; /* fewer pods on the node may help */
	bool lasts; /* reads only the Node and what verdicts.h makes a kind of: the answer stays until the Node changes */
} rules[] = {
	{cordoned, .lasts = true},
	{tainted, .lasts = true},
	{node_affinity, .lasts = true},
	{fit, .resolvable = true},
	{ports, .resolvable = true},
	{exclusive, .resolvable = true},
	{volumes},
	{spread, .resolvable = true},
	{pod_affinity, .resolvable = true},
};

const char *cycle_filter(
	struct cycle *c, const struct sched_node *n, char *buf, size_t size, bool *resolvable)
{
	for (size_t i = 0; i < array_len(rules); i++) {
		const char *why = rules[i].fn(c, n, buf, size);

		if (why) {
			*resolvable = rules[i].resolvable;
			return why;
		}
	}
	return NULL;
}

static bool pass(struct cycle *c, const struct sched_node *n, bool lasts)
{
	char no_words[1];

	for (size_t i = 0; i < array_len(rules); i++)
		if (rules[i].lasts == lasts && rules[i].fn(c, n, no_words, 0))
			return false;
	return true;
}

bool cycle_passes(struct cycle *c, const struct sched_node *n)
{
	uint8_t unknown = VERDICT_UNKNOWN, *verdict = c->verdicts ? &c->verdicts[n->at] : &unknown;

	if (*verdict == VERDICT_UNKNOWN)
		*verdict = pass(c, n, true) ? VERDICT_YES : VERDICT_NO;
	return *verdict == VERDICT_YES && pass(c, n, false);
}

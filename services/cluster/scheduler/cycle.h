/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLUSTER_SCHEDULER_CYCLE_H
#define CLUSTER_SCHEDULER_CYCLE_H

/*
 * One pod looks for a node. What all nodes are asked is worked out once (cycle_init); then filters say which nodes could take
 * it, and scores which of them should.
 */

#include "cluster/scheduler/cache.h"
#include "lib/quantity.h"

struct selector;

/* Counts by a topology key and its value: "topology.kubernetes.io/zone", "a". */
struct topology_entry {
	const char *key, *value; /* borrowed: labels of nodes, keys of pods */
	int64_t n;
	bool met;		     /* by whoever goes through nodes: scores.c */
	struct topology_entry *next; /* of all */
};
struct topology {
	void *tree; /* tsearch */
	struct topology_entry *first;
};

/* The entry, made when @make. NULL: absent, or no memory. */
struct topology_entry *topology_at(struct topology *t, const char *key, const char *value, bool make);
void topology_fini(struct topology *t);

/* A term of pod (anti-)affinity: pods it is about. */
struct pod_term {
	const char *key;	    /* topologyKey */
	struct selector *labels;    /* owned */
	struct selector *ns_labels; /* owned; NULL: none given */
	yyjson_val *namespaces;
	const char *own_ns; /* of the pod that has the term */
	int64_t weight;	    /* of a preferred one; negative: anti */
};

struct pod_terms {
	struct pod_term *items; /* owned */
	size_t n;
};

struct spread {
	const char *key;
	int64_t max_skew, min_domains;
	bool required; /* DoNotSchedule */
	bool honor_affinity, honor_taints;
	bool self;		 /* the pod itself matches */
	struct selector *labels; /* owned */
	struct topology counts;
	int64_t least; /* among the domains; required ones */
	double weight; /* of each pod in a place; others: scores.c */
};

/* A bound volume that is not everywhere. */
struct pod_volume {
	yyjson_doc *doc;   /* owned */
	yyjson_val *terms; /* its node affinity */
};

/* A claim that gets its volume where the pod comes to be. */
struct pod_claim {
	struct object *claim;	/* held */
	yyjson_doc *class_doc;	/* owned */
	yyjson_val *topologies; /* where the class makes volumes; NULL: anywhere */
	bool made;		/* one is made where none is there */
	const char *node;	/* of another pod that uses it; NULL: none has one */
	struct quantity size;
	struct pod_candidate {
		struct object *o;  /* held */
		yyjson_doc *doc;   /* owned */
		yyjson_val *terms; /* its node affinity; NULL: everywhere */
		struct quantity size;
		bool mine; /* it says so already, or will: then it is the only one */
	} *candidates;	   /* owned, the smallest first */
	size_t n, cap;
	const struct pod_candidate *chosen; /* by cycle_volumes(); NULL: one is made */
};

struct cycle {
	struct sched_cache *cache;
	const struct registry *registry;
	struct sched_pod *pod;
	yyjson_val *node_terms; /* required node affinity */
	yyjson_val *tolerations;
	struct pod_terms affinity, anti, preferred;
	struct topology affinity_at, anti_at, existing_anti_at, preferred_at;
	bool affinity_matches_none, affinity_self;
	struct spread *spreads; /* owned */
	size_t n_spreads;
	struct pod_volume *volumes; /* owned */
	size_t n_volumes;
	struct pod_claim *claims; /* owned, the smallest first */
	size_t n_claims;
	const struct sched_pod **holders; /* owned: who has a claim that only one pod may have */
	size_t n_holders, cap_holders;
	uint8_t *verdicts; /* borrowed, by places of nodes: verdicts.h; NULL: none are remembered */
	char no_node[320]; /* why none can take it, whichever: then nodes need not be asked; "": some may */
	bool failed;	   /* no memory, or a selector that is none; then it is in no_node, too */
};

void cycle_init(struct cycle *c, struct sched_cache *cache, const struct registry *r, struct sched_pod *p);
void cycle_fini(struct cycle *c);
/* Has the node all keys of the pod's spread constraints, of those that bind (@required) or of the others? */
bool node_has_keys(const struct cycle *c, const struct sched_node *n, bool required);

/* ---- volumes.c: a part of cycle_init() and cycle_fini() */

void cycle_read_volumes(struct cycle *c);
void cycle_volumes_fini(struct cycle *c);
/* Could the pod have its volumes there? NULL: yes, and those that are there already are chosen; else the words of the event. */
const char *cycle_volumes(struct cycle *c, const struct sched_node *n);

/* ---- filters.c */

/*
 * Why a node cannot take the pod: NULL, it can; else the words of the event, constant or in @buf. *resolvable: less pods
 * on it might help.
 */
const char *cycle_filter(
	struct cycle *c, const struct sched_node *n, char *buf, size_t size, bool *resolvable);

/* Can the node take it? The same answer, without words. */
bool cycle_passes(struct cycle *c, const struct sched_node *n);

/* ---- scores.c: 0 to 100 times the weights, for each of @n nodes that passed. */
void cycle_score(struct cycle *c, struct sched_node *const *nodes, size_t n, int64_t *scores);

/* ---- match.c */

bool node_matches_term(const struct sched_node *n, yyjson_val *term);
bool node_matches_terms(const struct sched_node *n, yyjson_val *terms); /* NodeSelectorTerms: one of them */
bool node_matches_pod(
	const struct cycle *c, const struct sched_node *n); /* nodeSelector and required affinity */
bool pod_tolerates(yyjson_val *tolerations, const struct sched_taint *t);
const char *node_label(const struct sched_node *n, const char *key);
bool term_matches(const struct pod_term *t, const struct registry *r, const struct object *pod);
/* One term; @labels are those of the pod that has it. 0, -EINVAL: a selector of it is none; -ENOMEM. */
must_check int term_read(struct pod_term *out, yyjson_val *term, const char *own_ns, yyjson_val *labels);
/*
 * A list of them, behind those that are there; @sign 0: required ones; 1 or -1: preferred ones, {weight, podAffinityTerm}, and their
 * direction. Those that can be read are there whatever is returned: 0, -EINVAL: another is none; -E2BIG: so are those behind the first
 * POD_TERMS_MAX; -ENOMEM.
 */
must_check int terms_read(
	struct pod_terms *out, yyjson_val *list, const char *own_ns, yyjson_val *labels, int sign);
void terms_fini(struct pod_terms *t);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLUSTER_SCHEDULER_CACHE_H
#define CLUSTER_SCHEDULER_CACHE_H

/*
 * Nodes and pods as the scheduler counts them: what is asked for and what is there, in plain numbers, kept up to date
 * change by change. A pod that was just given to a node counts there at once ("assumed"), before its binding is written.
 */

#include <yyjson.h>

#include "cluster/registry/registry.h"
#include "cluster/scheduler/resources.h"
#include "cluster/scheduler/verdicts.h"
#include "lib/loop.h"

struct sched_node;
struct volume_promise; /* reserve.h */

struct sched_port {
	const char *ip;	      /* "0.0.0.0" every one; in the pod's object */
	const char *protocol; /* "TCP"... */
	int64_t port;
};

enum sched_place {
	SCHED_NOWHERE,
	SCHED_ACTIVE,
	SCHED_BACKOFF,
	SCHED_UNSCHEDULABLE,
	SCHED_BINDING,
	SCHED_BOUND
};

struct sched_pod {
	struct object *o; /* held */
	yyjson_doc *doc;  /* owned: of o; NULL while numbers are all that counts: sched_pod_slim() */
	yyjson_val *spec;
	struct sched_resources asks;
	struct sched_port *ports; /* owned */
	size_t n_ports;
	int64_t priority;
	bool has_affinity;	 /* spec.affinity.podAffinity or podAntiAffinity */
	bool has_anti;		 /* a required podAntiAffinity */
	bool minds_pods;	 /* has_affinity, or topologySpreadConstraints: others' places matter */
	bool has_claims;	 /* a volume of it is a claim */
	bool leaving;		 /* while it is tried what its end would help: preempt.c */
	bool resizing;		 /* asks is not what its spec asks for, or not what its node has given */
	struct sched_node *node; /* where it counts; NULL: nowhere */
	size_t slot;		 /* in node->pods */
	char *nominated;	 /* owned: the node where others leave for it; NULL */
	struct sched_pod *next_nominated;

	/* the queue's */
	enum sched_place place;
	uint64_t order; /* of arrival */
	unsigned tries;
	int64_t ready_ms; /* when its back-off is over */
	size_t heap;
};

/* Pods that ask for nothing still need something: what scores count, and filters do not. Upstream's numbers. */
static inline int64_t sched_pod_cpu(const struct sched_pod *p)
{
	return p->asks.cpu_milli ? p->asks.cpu_milli : 100;
}

static inline int64_t sched_pod_memory(const struct sched_pod *p)
{
	return p->asks.memory_bytes ? p->asks.memory_bytes : 200 << 20;
}

struct sched_taint {
	const char *key, *value, *effect;
};

struct sched_node {
	struct object *o; /* held; NULL: pods say they are on it, but there is no such Node */
	char *name;
	size_t at; /* in the cache's nodes */
	bool unschedulable;
	struct sched_resources has, used;
	int64_t likely_cpu_milli, likely_memory_bytes; /* of its pods: sched_pod_cpu(), sched_pod_memory() */
	void *lists;				       /* owned: what taints and images are in */
	struct sched_taint *taints;
	size_t n_taints;
	struct sched_pod **pods;
	size_t n_pods, cap_pods;
	size_t n_anti, n_ports; /* pods with a required anti-affinity; pods with host ports */
	struct sched_image {
		const char *name;
		int64_t size_bytes;
	} *images;
	size_t n_images;
};

struct sched_cache {
	struct sched_node **nodes; /* those with a Node object first: n_nodes of them */
	size_t n_nodes, n_all, cap_nodes;
	void *by_name, *by_uid;	  /* tsearch */
	void *names;		  /* interned resource names: tsearch */
	size_t n_anti;		  /* bound pods with a required anti-affinity */
	size_t n_affinity;	  /* bound pods with any pod affinity */
	struct verdicts verdicts; /* by places in nodes */
	struct volume_promise *promises;
	struct sched_pod *nominated; /* pods that wait for the node where others leave for them */
};

/* A pod's numbers and what it wants. @doc is taken. 0 or -ENOMEM. */
must_check int sched_pod_new(struct sched_pod **out, struct sched_cache *c, const struct object *o);
void sched_pod_free(struct sched_pod *p);
/* The document is several times the object. A pod that waits or is bound has none, unless others ask for its terms or ports. */
must_check int sched_pod_open(struct sched_pod *p); /* it is there again: 0 or -ENOMEM */
void sched_pod_slim(struct sched_pod *p);

struct sched_pod *cache_pod(struct sched_cache *c, const char *uid);
must_check int cache_add_pod(struct sched_cache *c, struct sched_pod *p); /* by uid; counts nowhere yet */
void cache_forget_pod(struct sched_cache *c, struct sched_pod *p);	  /* and frees it */
must_check int cache_place(struct sched_cache *c, struct sched_pod *p, const char *node);
void cache_unplace(struct sched_cache *c, struct sched_pod *p);

/*
 * A pod waits for a node where others leave for it: what they leave is not for less important ones, which may be the same ones, made
 * anew. Until it is placed, forgotten, or @node is "". 0 or -ENOMEM.
 */
must_check int cache_nominate(struct sched_cache *c, struct sched_pod *p, const char *node);
/* What is promised to others that are as important as @p counts on their nodes while one for @p is looked for. 0, or -ENOMEM: nothing. */
must_check int cache_count_nominated(struct sched_cache *c, const struct sched_pod *p);
void cache_discount_nominated(struct sched_cache *c, const struct sched_pod *p);

must_check int cache_set_node(struct sched_cache *c, const struct object *o);
void cache_drop_node(struct sched_cache *c, const char *name);
void cache_fini(struct sched_cache *c);

#endif

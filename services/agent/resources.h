/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AGENT_RESOURCES_H
#define AGENT_RESOURCES_H

/* Requests and limits in the kernel's numbers, as the kubelet computes them. */

#include <yyjson.h>

#include "lib/util.h"

struct resources {
	int64_t cpu_request_milli, cpu_limit_milli;	  /* 0: none */
	int64_t memory_request_bytes, memory_limit_bytes; /* 0: none */
};

struct quantity;

/* One amount of a list (requests, limits, overhead) in @unit: quantity_milli() or quantity_value(); 0: none. */
int64_t resources_amount(yyjson_val *list, const char *name, int64_t (*unit)(const struct quantity *q));
struct resources resources_of_container(yyjson_val *container);
/*
 * What the pod says as a whole. For the rest sums, with init containers and sidecars counted as the scheduler counts them; a limit
 * only if every container has one.
 */
struct resources resources_of_pod(yyjson_val *spec);
/* The same with what its runtime class uses beside its containers: more is requested, and limits that there are are wider. */
struct resources resources_with_overhead(yyjson_val *spec);
/* What the pod's group is given: that, but nothing when it is "besteffort". */
struct resources resources_of_group(yyjson_val *spec);
/*
 * A container's own, and for limits that it has not what the pod is limited to as a whole: programs look at those of their group. By
 * its limit goes the weight of who does not say what cpu it requests.
 */
struct resources resources_in_pod(yyjson_val *spec, yyjson_val *container);

/* Does the pod ask for anything as a whole, or is it limited as a whole? */
bool resources_is_whole(yyjson_val *spec);

/* "guaranteed", "burstable", "besteffort": the names of the groups. */
const char *resources_qos(yyjson_val *spec);

enum resource { RESOURCE_CPU, RESOURCE_MEMORY };
/*
 * Is @made not what the container has in a pod of @spec, of a resource whose change it wants to be restarted for (resizePolicy)?
 */
bool resources_restart_for(
	yyjson_val *spec, yyjson_val *container, const struct resources *made, enum resource which);

/* What groups of the kernel are told, of a container or of a pod. */
struct limits {
	int64_t cpu_shares;   /* 2 to 262144; 0: not known */
	int64_t cpu_quota_us; /* in each CPU_PERIOD_US; 0: none */
	int64_t memory_bytes; /* 0: none */
};

struct limits limits_of(const struct resources *r);
/* As the engine shows them: HostConfig of a container, Resources of a pod. */
struct limits limits_read(yyjson_val *o);
/* The engine's Resources of a pod, under @key of @o. false: no memory. */
bool limits_add(yyjson_mut_doc *doc, yyjson_mut_val *o, const char *key, const struct limits *l);

/*
 * Each hugepages-SIZE of @limits, but not those that are in @but_not, is added to the engine's list: "hugepages-2Mi" is "2MB" to the
 * kernel. false: no memory, or *wrong is no size of pages.
 */
bool hugepages_add(yyjson_mut_doc *doc, yyjson_mut_val *list, yyjson_val *limits, yyjson_val *but_not,
	const char **wrong);

enum { CPU_PERIOD_US = 100000 };
int64_t cpu_shares(int64_t milli);   /* 2 to 262144 */
int64_t cpu_quota_us(int64_t milli); /* in each CPU_PERIOD_US; 0: none */
/*
 * The memory by which a container's score is made: its own request, with an even share of what the pod requests as a whole beyond its
 * containers. A sidecar counts for no less than the container that requests least.
 */
int64_t oom_memory_bytes(yyjson_val *spec, yyjson_val *container);
/* Of local storage, what containers say together in a list ("requests" or "limits"), and overhead if they say any. */
int64_t storage_bytes(yyjson_val *spec, const char *list);
/* The memory that a pod may use before others leave: what it requests, and its overhead if it requests any. */
int64_t eviction_memory_bytes(yyjson_val *spec);
/* -997 guaranteed, 1000 best effort, in between by the share of the node's memory. */
int64_t oom_score_adj(const char *qos, int64_t memory_request_bytes, int64_t node_memory_bytes);

#endif

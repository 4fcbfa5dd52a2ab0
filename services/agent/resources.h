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

struct resources resources_of_container(yyjson_val *container);
/* Sums, with init containers and sidecars counted as the scheduler counts them; a limit only if every container has one. */
struct resources resources_of_pod(yyjson_val *spec);

/* "guaranteed", "burstable", "besteffort": the names of the groups. */
const char *resources_qos(yyjson_val *spec);

enum { CPU_PERIOD_US = 100000 };
int64_t cpu_shares(int64_t milli);   /* 2 to 262144 */
int64_t cpu_quota_us(int64_t milli); /* in each CPU_PERIOD_US; 0: none */
/* -997 guaranteed, 1000 best effort, in between by the share of the node's memory. */
int64_t oom_score_adj(const char *qos, int64_t memory_request_bytes, int64_t node_memory_bytes);

#endif

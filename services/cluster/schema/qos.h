/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLUSTER_QOS_H
#define CLUSTER_QOS_H

/* The quality of service that a pod's requests and limits make. */

#include <yyjson.h>

/*
 * "Guaranteed", "Burstable" or "BestEffort" of a pod's spec: cpu and memory of every container limited, and requested as much as
 * they are limited, is guaranteed; any of either is burstable. A pod that says something as a whole is judged by that alone.
 */
const char *pod_qos(yyjson_mut_val *spec);

#endif

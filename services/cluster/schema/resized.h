/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLUSTER_RESIZED_H
#define CLUSTER_RESIZED_H

/*
 * What a container counts for while its resources change: the most of what its pod asks for, what the node has set aside for it and
 * what it has. What the node has said that it can never give is not asked for (upstream's rule for the scheduler and quotas).
 */

#include <yyjson.h>

#include "lib/util.h"

enum { RESIZED_LISTS_MAX = 3 };

/**
 * resized_lists() - where a container's requests or limits stand
 * @pod:	the whole object
 * @init:	it is of spec.initContainers; only those that run on (sidecars) have a status that counts
 * @which:	"requests" or "limits"
 * @out:	lists of amounts, {"cpu": "1"}, of which the greatest counts for each resource
 *
 * Return: how many there are, 1 to RESIZED_LISTS_MAX; some may be NULL.
 */
size_t resized_lists(yyjson_val *pod, yyjson_val *container, bool init, const char *which,
	yyjson_val *out[static RESIZED_LISTS_MAX]);
/* The same of the pod as a whole. */
size_t resized_whole_lists(yyjson_val *pod, const char *which, yyjson_val *out[static RESIZED_LISTS_MAX]);

#endif

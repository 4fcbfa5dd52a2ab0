/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLUSTER_POD_RESOURCES_H
#define CLUSTER_POD_RESOURCES_H

/*
 * Resources of a pod as a whole (spec.resources): cpu, memory and huge pages. Where the pod says an amount, that is what it counts
 * for; else it is what its containers come to together.
 */

#include <yyjson.h>

#include "lib/quantity.h"
#include "lib/util.h"

/* May a pod as a whole ask for it? */
bool pod_resource_is_whole(const char *name);
/* May more of it be promised than there is? Not of huge pages. */
bool pod_resource_is_shared(const char *name);

/* Does the pod of @spec ask for anything as a whole, or is it limited as a whole? */
bool pod_is_whole(yyjson_val *spec);
bool pod_is_whole_mut(yyjson_mut_val *spec);

/* What the pod says of one resource, in @list ("requests" or "limits"); NULL: nothing. */
yyjson_val *pod_whole_amount(yyjson_val *spec, const char *list, const char *name);

/* A pod as a whole says no more amounts in one list: there are not that many sizes of pages. */
enum { POD_RESOURCES_MAX = 32 };

/* What the containers of a pod come to together, in one list; borrows the names. */
struct pod_sums {
	size_t n, n_containers; /* init containers among them */
	struct pod_sum {
		const char *name;
		enum quantity_format format; /* as it was first said */
		size_t n_said;		     /* containers that say how much */
		__int128 total;
		/* sidecars run beside what comes after them; of the other init containers, one at a time does */
		__int128 sidecars, peak;
	} of[2 + POD_RESOURCES_MAX + 1];
};

/*
 * Of cpu, memory and the sizes of pages that there are; no more of these than make one too many. What no container says is 0.
 */
void pod_sums_read(struct pod_sums *out, yyjson_mut_val *spec, const char *list);
/* Of one resource, whichever it is. */
struct pod_sum pod_sum_read(yyjson_mut_val *spec, const char *list, const char *name);

#endif

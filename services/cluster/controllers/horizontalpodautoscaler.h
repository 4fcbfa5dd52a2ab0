/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLUSTER_HORIZONTALPODAUTOSCALER_H
#define CLUSTER_HORIZONTALPODAUTOSCALER_H

#include <stdint.h>

#include "lib/util.h"

struct autoscaler;
struct node_trust;
struct registry;
struct usage;

/*
 * What autoscalers measure with, and what they remember of the last hour. It is the one thing of a controller that is not in the
 * view: after a start nothing shrinks for the time that a window of stabilization takes.
 *
 * @trust:	how nodes are asked (usage.h); borrowed
 * @period_ms:	between two looks at one load; 0: 15 s
 *
 * Return: 0 or -ENOMEM.
 */
must_check int autoscaler_new(
	struct autoscaler **out, struct registry *r, const struct node_trust *trust, int64_t period_ms);
void autoscaler_free(struct autoscaler *a); /* before the controllers are stopped; accepts NULL */
struct usage *autoscaler_usage(struct autoscaler *a);

#endif

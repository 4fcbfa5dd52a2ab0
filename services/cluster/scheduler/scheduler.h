/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLUSTER_SCHEDULER_H
#define CLUSTER_SCHEDULER_H

#include "lib/util.h"

struct registry;
struct scheduler;

/**
 * scheduler_start() - bind pods of the scheduler "default-scheduler" to nodes
 *
 * Works from the loop, some pods a turn, the most important first. Return: 0 or -errno.
 */
must_check int scheduler_start(struct scheduler **out, struct registry *r);
void scheduler_stop(struct scheduler *s); /* accepts NULL */

#endif

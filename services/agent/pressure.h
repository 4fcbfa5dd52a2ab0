/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AGENT_PRESSURE_H
#define AGENT_PRESSURE_H

/*
 * The machine is looked at every ten seconds. What is short becomes a condition of the node; room on the disk is made by removing
 * images first; then one pod after the other is evicted, and the machine looked at again when what it held is free.
 */

#include <yyjson.h>

#include "agent/eviction.h"
#include "lib/util.h"

struct agent;
struct pod;
struct pressure;

/* @config: cluster.eviction of the machine configuration, or NULL; read, not kept. */
must_check int pressure_start(struct pressure **out, struct agent *a, yyjson_val *config);

struct node_pressure pressure_now(const struct pressure *p); /* NULL: none */

/* May a pod that has not begun begin now? false: @why, of 100 bytes or more, says what stands against it. */
bool pressure_admits(const struct pressure *p, const struct pod *pod, char *why, size_t size);

#endif

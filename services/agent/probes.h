/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AGENT_PROBES_H
#define AGENT_PROBES_H

/*
 * Probes of running containers. They write pod_container's probe_started and probe_ready and wake the pod; a container whose
 * liveness or startup probe fails is ended with pod_kill_container().
 */

#include "lib/util.h"

struct pod;
struct pod_container;
struct probes;

/* After each look at the engine: begins probing what runs, ends probing what does not, or is being ended. */
void probes_update(struct pod *p);
void probes_free(struct probes *pr); /* accepts NULL */

#endif

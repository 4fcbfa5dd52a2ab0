/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AGENT_EVENTS_H
#define AGENT_EVENTS_H

/* What happened, told to the API as Events: agent_event() in agent.h. */

#include "lib/util.h"

struct agent;
struct events;

must_check int events_new(struct events **out, struct agent *a);
void events_free(struct events *e); /* accepts NULL */

#endif

/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AGENT_PODS_H
#define AGENT_PODS_H

#include <yyjson.h>

#include "lib/util.h"

struct agent;
struct pod;
struct pods;

/* Follows the API and the engine until the process ends. */
must_check int pods_start(struct pods **out, struct agent *a);
/* The services are known now, which containers wait for. @arg: the pods. */
void pods_services_known(void *arg);

/* A pod that no API server has bound to this node; @object is copied. NULL: no memory. */
must_check struct pod *pods_add_static(struct agent *a, yyjson_val *object);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLUSTER_EVENT_H
#define CLUSTER_EVENT_H

#include <stdarg.h>

#include "cluster/registry/registry.h"

/*
 * Tells users what was done to an object, or why it could not be: a v1 Event, as `kubectl describe` shows it. The
 * same sentence about the same object is one Event, counted. Nobody waits for it, and without room for it nothing else fails.
 *
 * @component: who says so: "deployment-controller", "default-scheduler"
 */
void event_record(struct registry *r, const struct caller *who, const char *component,
	const struct object *about, bool warning, const char *reason, const char *format, va_list args)
	printf_like(7, 0);

#endif

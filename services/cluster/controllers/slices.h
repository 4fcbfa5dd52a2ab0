/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CONTROLLERS_SLICES_H
#define CONTROLLERS_SLICES_H

/* EndpointSlices and who looks after them: each controller has its own, by a label. */

#include "cluster/controllers/controller.h"
#include "cluster/registry/object.h"

#define SERVICE_LABEL "kubernetes.io/service-name"
#define MANAGER_LABEL "endpointslice.kubernetes.io/managed-by"

/* Is it @manager's, of the service, and not being deleted? */
bool slice_is_of(const struct object *slice, const char *service, const char *manager);

/* Watches for @manager: a slice of its own that somebody changed or removed queues the service's name. */
void slice_event(struct controller *c, enum event_type type, const struct object *now, const char *manager);

#endif

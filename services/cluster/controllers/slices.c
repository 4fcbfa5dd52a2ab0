/* SPDX-License-Identifier: Apache-2.0 */

#include <string.h>

#include "cluster/controllers/slices.h"

bool slice_is_of(const struct object *slice, const char *service, const char *manager)
{
	const char *of = object_label(slice, SERVICE_LABEL), *by = object_label(slice, MANAGER_LABEL);

	return of && by && !slice->deleted && !strcmp(of, service) && !strcmp(by, manager);
}

void slice_event(struct controller *c, enum event_type type, const struct object *now, const char *manager)
{
	const char *of = object_label(now, SERVICE_LABEL), *by = object_label(now, MANAGER_LABEL);

	if (type != EVENT_ADDED && of && by && !strcmp(by, manager))
		controller_queue(c, now->ns, of);
}

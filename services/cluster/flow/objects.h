/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLUSTER_FLOW_OBJECTS_H
#define CLUSTER_FLOW_OBJECTS_H

/*
 * The flow schemas and priority levels that every cluster has. Mandatory ones are as they are here, whatever anybody writes;
 * suggested ones are kept so as long as their annotation says so (controllers/flow.c).
 */

#include <yyjson.h>

#include "lib/util.h"

struct registry;

#define FLOW_API	"flowcontrol.apiserver.k8s.io/v1"
#define FLOW_AUTOUPDATE "apf.kubernetes.io/autoupdate-spec"

struct flow_object {
	const char *kind, *name;
	bool mandatory;
	const char *spec; /* as JSON, with its defaults */
};

extern const struct flow_object flow_objects[];
extern const size_t flow_objects_n;

/* NULL: every cluster has none of that name. */
const struct flow_object *flow_object_find(const char *kind, const char *name);
/* Its spec; NULL: no memory. */
must_check yyjson_doc *flow_object_spec(const struct flow_object *o);

/* The whole object, to be made; NULL: no memory. */
must_check yyjson_mut_doc *flow_object_new(const struct flow_object *o);
/* Makes those that are missing; @done is called when they are there, maybe at once. */
void flow_bootstrap(struct registry *r, void (*done)(void *arg), void *arg);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLUSTER_BACKENDS_H
#define CLUSTER_BACKENDS_H

/*
 * Who serves a Service: its pods with an address, grouped by the ports they serve it on (a port that is named in the Service may
 * have another number in each pod). EndpointSlices and Endpoints are two ways to write this down.
 */

#include "cluster/controllers/controller.h"

struct backend {
	struct object *pod; /* held */
	char address[46];
	const char *node;     /* "" unknown; in backends.doc, as the next */
	const char *hostname; /* for DNS; "" none */
	bool serving;	      /* its pod is ready */
	bool terminating;
};

/* Backends with the same ports and the same address family. */
struct backend_group {
	bool ipv6;
	yyjson_mut_val *ports; /* array of {name, port, protocol, appProtocol}, in backends.doc */
	struct backend *items;
	size_t n, cap;
};

struct backends {
	yyjson_mut_doc *doc;
	struct backend_group *groups;
	size_t n;
	bool publish_not_ready;
};

/**
 * backends_of() - from the pods of the turn's Service
 *
 * A Service with a selector always has a group for each of its address families, maybe an empty one. Backends are in
 * order of address. false: no memory.
 */
must_check bool backends_of(struct turn *t, struct backends *out);
void backends_fini(struct backends *b);

/* Watches for a controller of Services: queues those that a pod belongs or belonged to. */
void backends_pod_event(
	struct controller *c, enum event_type type, const struct object *old, const struct object *now);

#endif

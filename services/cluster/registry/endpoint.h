/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLUSTER_ENDPOINT_H
#define CLUSTER_ENDPOINT_H

/* Where a service is, for the API server itself: proxies and webhooks. */

#include <stddef.h>

struct registry;

enum endpoint { ENDPOINT_FOUND, ENDPOINT_NO_SERVICE, ENDPOINT_NONE };

/**
 * service_endpoint() - one of the service's ready endpoints, by chance, from its slices
 * @port:	name or number of a port of the service; "": the first
 * @address:	receives an address of IP
 */
enum endpoint service_endpoint(const struct registry *r, const char *ns, const char *service,
	const char *port, char *address, size_t size, int *number);

#endif

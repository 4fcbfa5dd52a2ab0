/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLUSTER_SERVICES_H
#define CLUSTER_SERVICES_H

/* The claims behind admission_service; one for each registry. */

#include "lib/ipconf.h"

struct object;
struct registry;
struct services;

/* Learns what the view holds. 0 or -errno (-EINVAL: the range of addresses is none). */
must_check int services_open(struct services **out, struct registry *r);
void services_close(struct services *s); /* accepts NULL */

/* The Service that has this address, as it is stored; NULL: none. */
const struct object *services_holder(const struct registry *r, const char *address);

/* Of addresses that are in this range, and in none that services are given addresses of: */
enum service_range_use {
	SERVICE_RANGE_UNUSED,
	SERVICE_RANGE_ASKED, /* a write on its way has claimed one */
	SERVICE_RANGE_USED,  /* a stored Service has one */
};
enum service_range_use services_use(const struct registry *r, const struct ipaddr *range);

/* The range of IPv4 that the cluster was configured with. */
struct ipaddr services_own_range(const struct registry *r);

#endif

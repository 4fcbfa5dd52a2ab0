/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLUSTER_SERVICE_RANGES_H
#define CLUSTER_SERVICE_RANGES_H

/*
 * The ranges that services are given addresses of: those of all ServiceCIDRs that are not being deleted, the cluster's own first.
 * Until the cluster's own is there as an object, the configured one stands for it.
 */

#include <yyjson.h>

#include "lib/ipconf.h"

struct claims;
struct node_addresses;
struct registry;
struct service_ranges;

#define SERVICE_RANGE_OWN	"kubernetes" /* the ServiceCIDR of the configured range */
#define SERVICE_RANGE_FINALIZER "networking.k8s.io/service-cidr-finalizer"

/* 0 or -errno; -EINVAL: @configured is no range of IPv4. */
must_check int service_ranges_open(struct service_ranges **out, struct registry *r, const char *configured);
void service_ranges_close(struct service_ranges *s); /* accepts NULL */

/* The configured range. */
struct ipaddr service_ranges_own(const struct service_ranges *s);

/* Can a Service be given this address? */
bool service_ranges_have(const struct service_ranges *s, const char *address);

/* One that nobody has claimed and no node has, @random of them. false: there is none. */
bool service_ranges_free(const struct service_ranges *s, const struct claims *claimed,
	const struct node_addresses *nodes, uint32_t random, char text[static IPADDR_TEXT_MAX]);

/*
 * Has the range something in common with this Node's addresses or those of its pods? Nodes refuse what is sent into a range of services
 * and leads to none, so it is cut off then. @why: receives it: "has the address...".
 */
bool service_range_meets(const struct ipaddr *range, yyjson_val *node, char *why, size_t size);

/* How many addresses of a range services can have. */
uint64_t service_range_size(const struct ipaddr *range);

#endif

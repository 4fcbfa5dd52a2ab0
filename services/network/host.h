/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NETWORK_HOST_H
#define NETWORK_HOST_H

#include "lib/util.h"

struct service_nets;

/**
 * host_prepare() - what the node itself needs to use services
 * @service_range: gets a route, so that a node without a default route can begin a connection to a service; rules then
 *		lead it elsewhere
 * @dns_address: of cluster DNS, which this node serves at its loopback device
 *
 * Return: 0 or -errno.
 */
must_check int host_prepare(const char *service_range, const char *dns_address);

/* The same route for each range that is not the first; those of ranges that are gone go. 0 or -errno. */
must_check int host_follow(const struct service_nets *nets);

#endif

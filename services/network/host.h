/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NETWORK_HOST_H
#define NETWORK_HOST_H

#include "lib/loop.h"
#include "network/service_nets.h"

/**
 * host_prepare() - what the node itself needs to use services
 * @service_range: gets a route, so that a node without a default route can begin a connection to a service; rules then
 *		lead it elsewhere
 * @dns_address: of cluster DNS, which this node serves at its loopback device
 *
 * Return: 0 or -errno.
 */
must_check int host_prepare(const char *service_range, const char *dns_address);

/* The routes to ranges that are not the first. Of its owner's fields only the loop is set before it is used. */
struct host_routes {
	struct loop *loop;
	struct service_nets nets; /* the ranges there should be routes to */
	bool there;		  /* and are */
	struct loop_timer again;
};

/*
 * The same route for each of them; those of ranges that are gone go, also when an earlier process made them. What the kernel refuses
 * is logged, and tried again a second later.
 */
void host_follow(struct host_routes *h, const struct service_nets *nets);
void host_unfollow(struct host_routes *h); /* the routes stay */

#endif

/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NETWORK_CLUSTER_DNS_H
#define NETWORK_CLUSTER_DNS_H

/*
 * Cluster DNS, served by each node for its own pods: names of the cluster (names.h) are answered here, whatever
 * happens outside; everything else is asked of the node's nameservers, and when those are silent the client is told at once.
 */

#include "lib/util.h"

struct catalog;
struct cluster_dns;
struct loop;
struct service_nets;

struct cluster_dns_options {
	struct loop *loop;
	const struct catalog *catalog; /* borrowed */
	const char *address;	       /* the node has it already */
	unsigned port;		       /* 0: 53 */
	const char *domain;
	const struct service_nets *services; /* borrowed */
	const char *pod_range;
	const char *resolv_conf; /* the node's nameservers */
};

/* 0 or -errno. */
must_check int cluster_dns_open(struct cluster_dns **out, const struct cluster_dns_options *o);
void cluster_dns_close(struct cluster_dns *d); /* accepts NULL */

#endif

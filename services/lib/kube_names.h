/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LIB_KUBE_NAMES_H
#define LIB_KUBE_NAMES_H

/*
 * What the parts of this project's own clusters agree on: addresses and names. The machine configuration (`cluster`) may say
 * otherwise before the cluster is made; these are what it is without.
 */

#include <yyjson.h>

#include "lib/ipconf.h"

#define KUBE_SERVICE_CIDR   "10.96.0.0/12"
#define KUBE_POD_CIDR	    "10.244.0.0/16"
#define KUBE_CLUSTER_DOMAIN "cluster.local"

/* Addresses of the service range by their number in it. */
enum { KUBE_API_HOST = 1, KUBE_DNS_HOST = 10 };

enum { KUBE_DOMAIN_MAX = 200 };

/* How many ranges of services a cluster has at most, with its own: each node has a rule and a route for each. */
enum { KUBE_SERVICE_RANGES_MAX = 32 };

struct kube_names {
	char service_range[IPADDR_TEXT_MAX], pod_range[IPADDR_TEXT_MAX];
	char api_address[IPADDR_TEXT_MAX]; /* service default/kubernetes */
	char dns_address[IPADDR_TEXT_MAX]; /* service kube-system/kube-dns; served on every node */
	char domain[KUBE_DOMAIN_MAX + 1];  /* "cluster.local" */
};

/*
 * From the section `cluster` of the rendered machine configuration, where values were checked; NULL: as without one. 0, or
 * -EINVAL (logged) for values that were not.
 */
must_check int kube_names_of(struct kube_names *out, yyjson_val *cluster);
/* The same from the file; one that is not there or cannot be read (logged) is as none. */
must_check int kube_names_load(struct kube_names *out, const char *config_path);

/* The address with this number in a range of IPv4. */
struct ipaddr kube_address(const struct ipaddr *range, uint32_t number);

/* The range of IPv4 that a ServiceCIDR has; AF_UNSPEC: none. */
struct ipaddr kube_service_range(yyjson_val *service_cidr);

#endif

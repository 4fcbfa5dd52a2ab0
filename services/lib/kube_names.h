/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LIB_KUBE_NAMES_H
#define LIB_KUBE_NAMES_H

/* What this project's own clusters agree on without being told: addresses and names. */

#define KUBE_SERVICE_CIDR   "10.96.0.0/12"
#define KUBE_API_ADDRESS    "10.96.0.1"	 /* service default/kubernetes */
#define KUBE_DNS_ADDRESS    "10.96.0.10" /* service kube-system/kube-dns; served on every node */
#define KUBE_POD_CIDR	    "10.244.0.0/16"
#define KUBE_CLUSTER_DOMAIN "cluster.local"

#endif

/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLUSTER_RANGES_H
#define CLUSTER_RANGES_H

#include "lib/util.h"

struct kube_names;
struct registry;

enum { RANGES_WHY_MAX = 512 };

/*
 * Is what the cluster has already given in the ranges that its configuration names now? Addresses of services and ranges of nodes are
 * kept by pods, clients and certificates everywhere, so a cluster never changes them. false: @why, a sentence.
 */
bool ranges_fit(const struct registry *r, const struct kube_names *n, char why[static RANGES_WHY_MAX]);

/*
 * The same of the cluster's domain, which pods have in their resolv.conf and tokens in their issuer: the first that is asked about is
 * kept in @data_dir ("domain"). 1: it fits; 0: @why; or -errno: it could not be read or kept.
 */
must_check int domain_fits(const char *data_dir, const char *domain, char why[static RANGES_WHY_MAX]);

#endif

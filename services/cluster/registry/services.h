/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLUSTER_SERVICES_H
#define CLUSTER_SERVICES_H

/* The claims behind admission_service; one for each registry. */

#include "lib/util.h"

struct registry;
struct services;

/* Learns what the view holds. 0 or -errno (-EINVAL: the range of addresses is none). */
must_check int services_open(struct services **out, struct registry *r);
void services_close(struct services *s); /* accepts NULL */

#endif

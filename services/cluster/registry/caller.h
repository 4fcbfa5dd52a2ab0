/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLUSTER_CALLER_H
#define CLUSTER_CALLER_H

/* A caller kept beyond the call that named it. */

#include "cluster/registry/registry.h"

/* One allocation, free(); NULL: no memory. */
must_check struct caller *caller_copy(const struct caller *c);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RUNTIME_SYSCTL_H
#define RUNTIME_SYSCTL_H

#include <yyjson.h>

#include "lib/util.h"

/**
 * rt_sysctl_apply() - linux.sysctl
 * @proc:	private procfs
 * @differ:	CLONE_NEW* flags of the container's own namespaces
 *
 * Only settings that belong to one of those are accepted; all others are the host's. 0 or -errno.
 */
must_check int rt_sysctl_apply(int proc, yyjson_val *map, uint64_t differ, bool has_hostname);

/* The namespace flag that owns @key (dots or slashes), 0 for the host. */
uint64_t rt_sysctl_owner(const char *key);

#endif

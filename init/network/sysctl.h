/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NETWORK_SYSCTL_H
#define NETWORK_SYSCTL_H

#include "lib/util.h"

/* The node's settings, each with its reason in the table. What the kernel does not have is skipped. */
void sysctl_node(void);
/* IPv6 on one device: listen to routers (@on) or no IPv6 at all. */
void sysctl_ipv6(const char *ifname, bool on);

#endif

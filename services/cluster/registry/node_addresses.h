/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLUSTER_NODE_ADDRESSES_H
#define CLUSTER_NODE_ADDRESSES_H

/* The IPv4 addresses that nodes say they have (status.addresses): no service is given one, which would take it from its node. */

#include "lib/util.h"

struct node_addresses;
struct registry;

must_check int node_addresses_open(struct node_addresses **out, struct registry *r); /* 0 or -errno */
void node_addresses_close(struct node_addresses *n);				     /* accepts NULL */
bool node_addresses_have(const struct node_addresses *n, const char *address);

#endif

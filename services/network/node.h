/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NETWORK_NODE_H
#define NETWORK_NODE_H

/* This node's object: which addresses its pods have. */

#include "lib/util.h"

struct kube;
struct node_watch;
struct podnet;

/* 0 or -errno. @name: the node's. */
must_check int node_watch_new(struct node_watch **out, struct kube *k, const char *name, struct podnet *pods);
void node_watch_free(struct node_watch *w); /* accepts NULL */

#endif

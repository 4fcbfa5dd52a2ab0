/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AGENT_NODE_H
#define AGENT_NODE_H

/* The Node object of this machine: registered, its status told, its Lease renewed. */

#include <yyjson.h>

#include "lib/util.h"

struct agent;
struct node;

must_check int node_start(struct node **out, struct agent *a);
void node_stop(struct node *n); /* accepts NULL */

/* The engine answers, or does not: the node is ready or not. @version: of the engine, copied. */
void node_engine(struct node *n, bool answers, const char *version);

enum { NODE_WHY_MAX = 300 };
/*
 * Pods can have addresses, or cannot, and why (copied, shorter than NODE_WHY_MAX). A network service that ends is given a few
 * seconds to come back before the node is said to be not ready.
 */
void node_network(struct node *n, bool works, const char *why);
/* Something of what node_fill_status() says has changed. */
void node_changed(struct node *n);
/* The API's object, or as much of it as events need. */
yyjson_val *node_object(const struct node *n);

/* ---- node_status.c */

int64_t node_cpus(void);
int64_t node_memory(void); /* bytes */
int64_t node_allocatable_memory(const struct agent *a);
int64_t node_allocatable_storage(const struct agent *a); /* bytes */
/* labels of the Node that only this machine knows. false: no memory. */
bool node_fill_labels(yyjson_mut_doc *doc, yyjson_mut_val *labels, const struct agent *a);
/* capacity, allocatable, addresses, nodeInfo, daemonEndpoints. false: no memory. */
bool node_fill_status(
	yyjson_mut_doc *doc, yyjson_mut_val *status, const struct agent *a, const char *engine_version);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AGENT_NETWORK_H
#define AGENT_NETWORK_H

/*
 * The pod network, as its service offers it on /run/network/pods.sock: PUT /v1/pods/UID gives a pod its addresses, DELETE takes
 * them back; both can be repeated. Pods that use the node's network are not announced.
 */

#include <yyjson.h>

#include "lib/util.h"

struct pod;

#define NETWORK_SOCKET "/run/network/pods.sock"

/* @why NULL: done. From the loop, once. */
typedef void network_done(struct pod *p, const char *why);

/* The pod has its addresses in ip and ip2 afterwards. */
void pod_network_attach(struct pod *p, network_done *done);
void pod_network_detach(struct pod *p, network_done *done);

/* Reads {"IPs": [...]} into the pod. false: there is no address in it. */
bool pod_network_take(struct pod *p, yyjson_val *root);

#endif

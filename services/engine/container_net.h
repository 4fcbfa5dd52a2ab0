/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ENGINE_CONTAINER_NET_H
#define ENGINE_CONTAINER_NET_H

/*
 * A container's network as its options ask for it: which networks, addresses, ports and names; its network
 * namespace, which lies in init's store; and the three files that name resolution reads.
 */

#include <yyjson.h>

#include "lib/util.h"

struct container;
struct engine;
struct networks;

/* Servers, search domains, options and hosts that HostConfig may name of each; aliases and links of an endpoint. */
enum { CONTAINER_NET_LIST_MAX = 64 };

/* What HostConfig.NetworkMode says: a network's name, or "container:ID". Never NULL. */
const char *container_net_mode(const struct container *c);
/* The ports that HostConfig publishes can be had in its mode. 0 or -EINVAL with *msg. */
must_check int container_net_check_ports(yyjson_val *config, yyjson_val *host, char **msg);
/* At create; networks and containers that are not there may come before the start. 0 or -EINVAL with *msg. */
must_check int container_net_check(
	struct engine *e, yyjson_val *config, yyjson_val *host, yyjson_val *networking, char **msg);
/*
 * "Networks" of a new container's configuration: endpoint settings by the network's name. NULL without memory. As in Docker
 * what EndpointsConfig names is all; when it names nothing, it is the mode's network.
 */
yyjson_mut_val *container_net_wanted(struct networks *ns, yyjson_mut_doc *doc, yyjson_val *config,
	yyjson_val *host, yyjson_val *networking);
/* The same for the configuration of an older engine, which has none. NULL without memory. */
yyjson_doc *container_net_of_old(yyjson_val *config, yyjson_val *host, yyjson_val *networking);

/* @userns: the container's, borrowed; -1: the node's. @netns: owned by the caller; -1 for the host's. Undone by container_net_down(), also after a failure. */
must_check int container_net_up(struct container *c, int userns, int *netns, char **msg);
void container_net_down(struct container *c);
/* Publishes the ports that @host, a HostConfig, wants for it, while it runs. Nothing to do while it does not. After a failure
 * the old ones stay. 0 or -errno with *msg. */
must_check int container_net_republish(struct container *c, yyjson_val *host, char **msg);
/* Its network namespace as a new descriptor, or -1. */
int container_net_ns(struct container *c);

/* hostname, hosts, resolv.conf anew, for a start. */
must_check int container_net_files(struct container *c, char **msg);
/* hosts and resolv.conf of one that runs, and of those that share its network, when its networks or what it links have
 * changed. @unlinked: the alias of a link that is going, or NULL. */
must_check int container_net_files_renew(struct container *c, const char *unlinked, char **msg);

/* docker network connect, disconnect. The wish is kept in the container's configuration. 0 or -errno with *msg. */
struct network;
must_check int container_net_connect(
	struct container *c, struct network *n, yyjson_val *endpoint, char **msg);
must_check int container_net_disconnect(struct container *c, struct network *n, char **msg);
/* Disconnects from a network that is gone, of which only the wish is left. 0, -ENOENT (it has none, or runs), or -errno. */
must_check int container_net_forget(struct container *c, const char *name, bool force);

/* The MAC address that was asked for in the network of its mode, borrowed; NULL: none. */
const char *container_net_mac(const struct container *c);
/* "NetworkSettings" of inspect; only "Networks" when @brief. */
yyjson_mut_val *container_net_settings(struct container *c, yyjson_mut_doc *doc, bool brief);
/* "Ports" of the list. */
yyjson_mut_val *container_net_ports(struct container *c, yyjson_mut_doc *doc);

#endif

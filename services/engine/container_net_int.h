/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ENGINE_CONTAINER_NET_INT_H
#define ENGINE_CONTAINER_NET_INT_H

/* What the files of container_net.h share. */

#include "engine/container_net.h"

struct network;
struct networks;
struct network_error;

/* Options of an endpoint (docker network connect --driver-opt, --network name=...,driver-opt=...). */
#define OPT_IFNAME  "com.docker.network.endpoint.ifname"
#define OPT_SYSCTLS "com.docker.network.endpoint.sysctls"

/* What HostConfig.NetworkMode says; never NULL. */
const char *container_net_mode_of(yyjson_val *host);
/* Whose wish is kept under @name: by its name or id, or the beginning of that in a wish that was kept before it was there. 0 or
 * -errno with the sentence. */
must_check int container_net_find(struct networks *ns, const char *name, yyjson_val *wish,
	struct network **out, struct network_error *err);
/* The same; NULL: there is none. */
struct network *container_net_of_wish(struct networks *ns, const char *name, yyjson_val *wish);
/* `host` and `none`: a container in one of them is in no other. */
bool container_net_stands_alone(const struct network *n);
/* "02:42:ac:11:00:02". 0 or -EINVAL. */
must_check int container_net_parse_mac(const char *s, uint8_t mac[6]);
/* For an endpoint in @n; NULL: in one that is not there yet. 0, or -EINVAL with *msg. */
must_check int container_net_check_wish(
	yyjson_val *endpoint, yyjson_val *made_with, const struct network *n, char **msg);
/* A list of "CONTAINER" or "CONTAINER:NAME", for an endpoint in @n, as above. @made_with: HostConfig.Links of a new container, which
 * clients say here once more. 0 or -EINVAL with *msg. */
must_check int container_net_check_links(
	yyjson_val *links, yyjson_val *made_with, const struct network *n, char **msg);
/* What NetworkingConfig asks for in the network of @host's mode, by whatever name; NULL: nothing. */
yyjson_val *container_net_own(struct networks *ns, yyjson_val *host, yyjson_val *networking);
/* What the container asks of @net, borrowed, and the name under which that is kept (NULL: nobody asks). NULL: it is not in it. */
yyjson_val *container_net_wish(const struct container *c, const struct network *net, const char **name);
/*
 * What others in a network call it: its name, its aliases there, its short id, its hostname; each once. Borrowed, but for
 * what @short_id receives. @wish: of the network, or NULL. How many; the name is the first.
 */
enum { CONTAINER_NET_NAMES_MAX = CONTAINER_NET_LIST_MAX + 3 };
size_t container_net_names(const struct container *c, yyjson_val *wish, char short_id[13],
	const char *out[CONTAINER_NET_NAMES_MAX]);
/* Is it in a network that stands alone? */
bool container_net_is_alone(const struct container *c);
/* From now on it is in @net, with the settings @ep (NULL: none in particular); or not in the one called @name. 0 or -errno, logged. */
must_check int container_net_keep(struct container *c, const struct network *net, yyjson_val *ep);
must_check int container_net_drop(struct container *c, const char *name);
/* Attaches to every network that its configuration names. 0 or -errno with *msg; what was attached stays. */
must_check int container_net_attach(struct container *c, int netns, char **msg);
/* The sentence of a failure, malloc'ed. */
char *container_net_said(struct network_error *err);
/* The strings of @arr, borrowed; at most @max. How many. */
size_t container_net_strings(yyjson_val *arr, const char **out, size_t max);
/* /etc/hosts with @fresh's lines in place of what the engine wrote before, and others of @now kept: the engine's are those
 * with @hostname, and those whose first name is one of @aliases. malloc'ed, or NULL without memory. */
char *container_net_merge_hosts(const char *now, const char *fresh, const char *hostname,
	const char *const *aliases, size_t n_aliases);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ENGINE_CONTAINER_NET_INT_H
#define ENGINE_CONTAINER_NET_INT_H

/* What the files of container_net.h share. */

#include "engine/container_net.h"

struct network;
struct network_error;

/* The endpoint settings in NetworkingConfig for a network: by its name, or, for the mode's own, "default". */
yyjson_val *container_net_wish(yyjson_val *networking, const char *network, bool primary);
/* For an endpoint in @n. 0, or -EINVAL with *msg. */
must_check int container_net_check_wish(yyjson_val *endpoint, const struct network *n, char **msg);
/* A list of "CONTAINER" or "CONTAINER:NAME", for an endpoint in @n. 0 or -EINVAL with *msg. */
must_check int container_net_check_links(yyjson_val *links, const struct network *n, char **msg);
/* Attaches to every network that its configuration names. 0 or -errno with *msg; what was attached stays. */
must_check int container_net_attach(struct container *c, int netns, char **msg);
/* The sentence of a failure, malloc'ed. */
char *container_net_said(struct network_error *err);
/* The strings of @arr, borrowed; at most @max. How many. */
size_t container_net_strings(yyjson_val *arr, const char **out, size_t max);
/* /etc/hosts with @fresh's lines in place of what the engine wrote before (lines with @hostname), and others of
 * @now kept. malloc'ed, or NULL without memory. */
char *container_net_merge_hosts(const char *now, const char *fresh, const char *hostname);

#endif

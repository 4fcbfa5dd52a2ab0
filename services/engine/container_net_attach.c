/* SPDX-License-Identifier: Apache-2.0 */

/* Attaching a container to its networks: when it starts, and later by docker network connect and disconnect. Its published
 * ports follow its way out. */

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "engine/container.h"
#include "engine/container_links.h"
#include "engine/container_net_int.h"
#include "engine/engine.h"
#include "engine/files.h"
#include "engine/network.h"
#include "engine/pod.h"
#include "engine/ports.h"
#include "lib/json.h"
#include "lib/link.h"
#include "lib/log.h"

char *container_net_said(struct network_error *err)
{
	return text_make("%s", err->text[0] ? err->text : "the network failed without a word");
}

/* What the endpoint's settings say, beside names and ports; borrowed from @ep and @sysctls, which is cut up. */
static int read_endpoint_config(yyjson_val *ep, char *sysctls, const char *lines[NETWORK_SYSCTLS_MAX],
	struct network_attach *a, char **msg)
{
	yyjson_val *ipam = json_obj(ep, "IPAMConfig"), *opts = json_obj(ep, "DriverOpts");
	int64_t priority = json_int(ep, "GwPriority", 0);

	a->ip[NETWORK_V4] = json_text(ipam, "IPv4Address");
	a->ip[NETWORK_V6] = json_text(ipam, "IPv6Address");
	a->ifname = json_text(opts, OPT_IFNAME);
	a->sysctls = lines;
	if (priority < INT32_MIN || priority > INT32_MAX) {
		*msg = text_make("gateway priority %lld is out of range", (long long)priority);
		return -EINVAL;
	}
	a->gw_priority = (int32_t)priority;
	while (sysctls && *sysctls) {
		char *line = strsep(&sysctls, ",");

		if (!*line)
			continue;
		if (a->n_sysctls == NETWORK_SYSCTLS_MAX) {
			*msg = text_make("more than %d settings in " OPT_SYSCTLS, NETWORK_SYSCTLS_MAX);
			return -EINVAL;
		}
		lines[a->n_sysctls++] = line;
	}
	return 0;
}

/* What was asked of a network that was not there, or of another one that had its name. */
static int check_addresses(
	const struct network *n, const char *const wanted[NETWORK_FAMILIES], struct network_error *err)
{
	for (enum network_family f = NETWORK_V4; f < NETWORK_FAMILIES; f++) {
		int r = wanted[f] ? network_address_check(n, f, wanted[f], err) : 0;

		if (r)
			return r;
	}
	return 0;
}

static int attach_one(struct container *c, struct network *n, yyjson_val *ep, int netns, char **msg)
{
	const char *names[CONTAINER_NET_NAMES_MAX], *links[CONTAINER_NET_LIST_MAX],
		*link_local[CONTAINER_NET_LIST_MAX], *lines[NETWORK_SYSCTLS_MAX],
		*mac = json_text(ep, "MacAddress");
	const char *given = json_text(json_obj(ep, "DriverOpts"), OPT_SYSCTLS);
	cleanup(freep) char *sysctls = given ? strdup(given) : NULL;
	char short_id[13];
	uint8_t mac_bytes[6];
	struct network_error err = {0};
	struct network_endpoint *out;
	struct network_attach a = {.container = c->id, .name = c->name, .netns = netns};
	int r = given && !sysctls ? -ENOMEM : read_endpoint_config(ep, sysctls, lines, &a, msg);

	if (r)
		return r;
	if (mac && !container_net_parse_mac(mac, mac_bytes))
		a.mac = mac_bytes;
	a.n_link_local = container_net_strings(
		json_arr(json_obj(ep, "IPAMConfig"), "LinkLocalIPs"), link_local, CONTAINER_NET_LIST_MAX);
	a.link_local = link_local;
	a.n_aliases = container_net_names(c, ep, short_id, names) - 1;
	a.aliases = names + 1;
	if (network_names_served(n))
		a.n_links = container_net_strings(json_arr(ep, "Links"), links, CONTAINER_NET_LIST_MAX);
	a.links = links;
	r = check_addresses(n, a.ip, &err);
	if (!r)
		r = network_attach(c->e->networks, n, &a, &out, &err);
	if (r)
		*msg = container_net_said(&err);
	return r;
}

/* Ports are published where the way out is: what comes in by another network would have its answers leave there. */
int container_net_republish(struct container *c, yyjson_val *host, char **msg)
{
	cleanup(freep) struct network_port *ports = NULL;
	struct network_error err = {0};
	struct network_endpoint *way_out = network_endpoint_of(c->e->networks, c->id, NULL);
	ssize_t n_ports = ports_read(json_obj(host, "PortBindings"), json_obj(c->config, "ExposedPorts"),
		json_bool(host, "PublishAllPorts"), &ports, msg);
	int r = 0;

	if (n_ports < 0)
		return (int)n_ports;
	for (struct network_endpoint *ep = networks_endpoints(c->e->networks); ep && !r; ep = ep->next)
		if (ep != way_out && ep->n_ports && !strcmp(ep->container, c->id))
			r = network_republish(c->e->networks, ep, NULL, 0, &err);
	if (!r && way_out)
		r = network_republish(c->e->networks, way_out, ports, (size_t)n_ports, &err);
	if (r)
		*msg = container_net_said(&err);
	return r;
}

int container_net_attach(struct container *c, int netns, char **msg)
{
	struct network_error err = {0};
	struct network *n;
	size_t i, max;
	yyjson_val *key, *ep;

	json_obj_foreach (c->net_wishes, i, max, key, ep) {
		int r = container_net_find(c->e->networks, yyjson_get_str(key), ep, &n, &err);

		if (r)
			*msg = container_net_said(&err);
		/* older engines may have kept one network by two of its names */
		else if (!network_endpoint_of(c->e->networks, c->id, n))
			r = attach_one(c, n, ep, netns, msg);
		if (r)
			return r;
	}
	return 0;
}

/* ---- docker network connect, disconnect */

/* Undoes half a connection; the ports go back to where they were. */
static void leave(struct container *c, const struct network *n)
{
	struct network_endpoint *ep = network_endpoint_of(c->e->networks, c->id, n);
	cleanup(freep) char *msg = NULL;

	if (ep)
		network_detach(c->e->networks, ep);
	if (container_net_republish(c, c->host, &msg))
		log_error("container=%.12s op=republish msg=\"%s\"", c->id, msg ? msg : "out of memory");
}

static int check_connect(const struct container *c, const struct network *n, yyjson_val *endpoint, char **msg)
{
	const char *mode = container_net_mode(c);

	if (pod_of(c))
		*msg = text_make("container %s belongs to a pod, whose network is the cluster's", c->name);
	else if (!strncmp(mode, "container:", 10) || (!strcmp(mode, "host") && n->driver != NETWORK_HOST))
		*msg = text_make(
			"container sharing network namespace with another container or host cannot be connected to any "
			"other network");
	else if (n->driver == NETWORK_HOST)
		*msg = text_make(
			"cannot connect container to host network - container must be created in host network mode");
	else if (n->driver == NETWORK_NONE || container_net_is_alone(c))
		*msg = text_make(
			"container cannot be connected to multiple networks with one of the networks in private (none) "
			"mode");
	else
		return container_net_check_wish(endpoint, NULL, n, msg);
	return -EINVAL;
}

static int connect_now(struct container *c, struct network *n, yyjson_val *endpoint, char **msg)
{
	cleanup(closep) int netns = container_net_ns(c);
	int err;

	if (netns < 0) {
		*msg = text_make("the network namespace of container %s cannot be opened", c->name);
		return -EIO;
	}
	err = attach_one(c, n, endpoint, netns, msg);
	if (err)
		return err;
	err = container_net_republish(c, c->host, msg);
	if (!err)
		err = container_net_files_renew(c, NULL, msg);
	if (err)
		leave(c, n);
	else
		container_links_tell(c);
	return err;
}

int container_net_connect(struct container *c, struct network *n, yyjson_val *endpoint, char **msg)
{
	yyjson_val *wish = container_net_wish(c, n, NULL);
	int err = check_connect(c, n, endpoint, msg);

	if (err)
		return err;
	/* As in Docker: twice is refused while it runs, and changes nothing while it does not; what was asked of a network that
	 * had this one's name is forgotten. */
	if (!container_is_up(c) && wish && yyjson_equals_str(yyjson_obj_get(wish, "NetworkID"), n->id))
		return 0;
	err = container_is_up(c) ? connect_now(c, n, endpoint, msg) : 0;
	return err ? err : container_net_keep(c, n, endpoint);
}

int container_net_disconnect(struct container *c, struct network *n, char **msg)
{
	struct network_endpoint *ep = network_endpoint_of(c->e->networks, c->id, n);
	const char *name = NULL;
	yyjson_val *wish = container_net_wish(c, n, &name);
	int err;

	if (!ep && !wish) {
		*msg = text_make("container %s is not connected to network %s", c->name, n->name);
		return -EPERM;
	}
	if (n->driver == NETWORK_HOST) {
		*msg = text_make(
			"cannot disconnect container from host network - container was created in host network mode");
		return -EINVAL;
	}
	/* The wish goes first: an end between the two leaves what still is connected, not what only says so. */
	err = wish ? container_net_drop(c, name) : 0;
	if (err || !ep)
		return err;
	network_detach(c->e->networks, ep);
	err = container_net_republish(c, c->host, msg);
	return err ? err : container_net_files_renew(c, NULL, msg);
}

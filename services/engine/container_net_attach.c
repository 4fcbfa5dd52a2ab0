/* SPDX-License-Identifier: Apache-2.0 */

/* Attaching a container to its networks: when it starts, and later by docker network connect and disconnect. Its published
 * ports follow its way out. */

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "engine/container.h"
#include "engine/container_net_int.h"
#include "engine/engine.h"
#include "engine/files.h"
#include "engine/network.h"
#include "engine/pod.h"
#include "engine/ports.h"
#include "lib/json.h"
#include "lib/link.h"
#include "lib/log.h"

/* The endpoint settings for a network: by its name, or "default" for the mode's own. */
yyjson_val *container_net_wish(yyjson_val *networking, const char *network, bool primary)
{
	yyjson_val *all = json_obj(networking, "EndpointsConfig"), *v = json_obj(all, network);

	return v || !primary ? v : json_obj(all, "default");
}

char *container_net_said(struct network_error *err)
{
	return text_make("%s", err->text[0] ? err->text : "the network failed without a word");
}

static int parse_mac(const char *s, uint8_t mac[6])
{
	int used = 0;

	return sscanf(s, "%2hhx:%2hhx:%2hhx:%2hhx:%2hhx:%2hhx%n", &mac[0], &mac[1], &mac[2], &mac[3], &mac[4],
		       &mac[5], &used) == 6 &&
			       used == 17 && !s[17]
		       ? 0
		       : -EINVAL;
}

/* Options of an endpoint (docker network connect --driver-opt, --network name=...,driver-opt=...). */
#define OPT_IFNAME  "com.docker.network.endpoint.ifname"
#define OPT_SYSCTLS "com.docker.network.endpoint.sysctls"

int container_net_check_links(yyjson_val *links, const struct network *net, char **msg)
{
	size_t i, n;
	yyjson_val *v;

	if (yyjson_arr_size(links) && !network_names_served(net)) {
		*msg = text_make("links (--link) need a network of your own: %s has no names for containers",
			net->name);
		return -EINVAL;
	}
	if (yyjson_arr_size(links) > CONTAINER_NET_LIST_MAX) {
		*msg = text_make("more than %d links on a network", CONTAINER_NET_LIST_MAX);
		return -EINVAL;
	}
	yyjson_arr_foreach (links, i, n, v) {
		const char *link = yyjson_get_str(v), *colon = strchr(link, ':');

		if (*link && colon != link && !(colon && (!colon[1] || strchr(colon + 1, ':'))))
			continue;
		*msg = text_make("invalid link \"%.200s\": CONTAINER or CONTAINER:NAME is needed", link);
		return -EINVAL;
	}
	return 0;
}

int container_net_check_wish(yyjson_val *ep, const struct network *net, char **msg)
{
	const char *m = json_text(ep, "MacAddress"), *v;
	uint8_t mac[6];
	size_t i, n;
	yyjson_val *key, *val;

	if (m && parse_mac(m, mac)) {
		*msg = text_make("invalid MAC address \"%s\"", m);
		return -EINVAL;
	}
	/* its short id is one, too */
	if (yyjson_arr_size(json_arr(ep, "Aliases")) >= CONTAINER_NET_LIST_MAX) {
		*msg = text_make("more than %d aliases on a network", CONTAINER_NET_LIST_MAX - 1);
		return -EINVAL;
	}
	if (container_net_check_links(json_arr(ep, "Links"), net, msg))
		return -EINVAL;
	json_obj_foreach (json_obj(ep, "DriverOpts"), i, n, key, val) {
		const char *k = yyjson_get_str(key);

		v = yyjson_get_str(val);
		if (v && !strcmp(k, OPT_IFNAME) && link_name_valid(v) && strcmp(v, "lo") != 0)
			continue;
		if (v && !strcmp(k, OPT_SYSCTLS))
			continue; /* each is looked at where it is set */
		*msg = !strcmp(k, OPT_IFNAME)
			       ? text_make("invalid interface name \"%s\"", v ? v : "")
			       : text_make("endpoint option %s is not supported by this engine: " OPT_IFNAME
					   " and " OPT_SYSCTLS " are",
					 k);
		return -EINVAL;
	}
	return 0;
}

size_t container_net_strings(yyjson_val *arr, const char **out, size_t max)
{
	size_t i, n, count = 0;
	yyjson_val *v;

	yyjson_arr_foreach (arr, i, n, v)
		if (yyjson_is_str(v) && count < max)
			out[count++] = yyjson_get_str(v);
	return count;
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

static int attach_one(
	struct container *c, struct network *n, yyjson_val *ep, bool primary, int netns, char **msg)
{
	const char *aliases[CONTAINER_NET_LIST_MAX], *links[CONTAINER_NET_LIST_MAX],
		*lines[NETWORK_SYSCTLS_MAX], *mac = json_text(ep, "MacAddress");
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
	if (!mac && primary)
		mac = json_text(c->config, "MacAddress");
	if (mac && !parse_mac(mac, mac_bytes))
		a.mac = mac_bytes;
	a.n_aliases = container_net_strings(json_arr(ep, "Aliases"), aliases, array_len(aliases) - 1);
	snprintf(short_id, sizeof(short_id), "%.12s", c->id);
	aliases[a.n_aliases++] = short_id;
	a.aliases = aliases;
	a.n_links = container_net_strings(json_arr(ep, "Links"), links, CONTAINER_NET_LIST_MAX);
	/* clients put those of the first network in both places, or only here */
	if (primary && !a.n_links)
		a.n_links = container_net_strings(json_arr(c->host, "Links"), links, CONTAINER_NET_LIST_MAX);
	a.links = links;
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
	const char *mode = container_net_mode(c);
	struct network_error err = {0};
	struct network *primary, *n;
	size_t i, max;
	yyjson_val *key, *ep;
	int r = networks_find(c->e->networks, mode, &primary, &err);

	if (!r)
		r = attach_one(c, primary, container_net_wish(c->networking, mode, true), true, netns, msg);
	json_obj_foreach (json_obj(c->networking, "EndpointsConfig"), i, max, key, ep) {
		const char *name = yyjson_get_str(key);

		if (r || !strcmp(name, "default"))
			continue;
		r = networks_find(c->e->networks, name, &n, &err);
		if (!r && n != primary)
			r = attach_one(c, n, ep, false, netns, msg);
	}
	if (r && !*msg)
		*msg = container_net_said(&err);
	return r;
}

/* ---- docker network connect, disconnect */

/* Writes EndpointsConfig with @endpoint under @name, or without it when @remove. */
static int keep_wish(struct container *c, const char *name, yyjson_val *endpoint, bool remove)
{
	cleanup(json_mut_docp) yyjson_mut_doc *doc = container_config_copy(c);
	yyjson_mut_val *root = doc ? yyjson_mut_doc_get_root(doc) : NULL, *net, *all;

	if (!root)
		return -ENOMEM;
	net = yyjson_mut_obj_get(root, "NetworkingConfig");
	if (!yyjson_mut_is_obj(net)) {
		net = yyjson_mut_obj(doc);
		yyjson_mut_obj_put(root, yyjson_mut_str(doc, "NetworkingConfig"), net);
	}
	all = yyjson_mut_obj_get(net, "EndpointsConfig");
	if (!yyjson_mut_is_obj(all)) {
		all = yyjson_mut_obj(doc);
		yyjson_mut_obj_put(net, yyjson_mut_str(doc, "EndpointsConfig"), all);
	}
	if (remove)
		yyjson_mut_obj_remove_key(all, name);
	else
		yyjson_mut_obj_put(all, yyjson_mut_strcpy(doc, name),
			endpoint ? yyjson_val_mut_copy(doc, endpoint) : yyjson_mut_obj(doc));
	return container_save_config(c, doc);
}

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

int container_net_connect(struct container *c, struct network *n, yyjson_val *endpoint, char **msg)
{
	const char *mode = container_net_mode(c);
	cleanup(closep) int netns = -1;
	int bad = container_net_check_wish(endpoint, n, msg);

	if (pod_of(c)) {
		*msg = text_make("container %s belongs to a pod, whose network is the cluster's", c->name);
		return -EINVAL;
	}
	if (bad)
		return bad;
	if (!strcmp(mode, "host") || !strncmp(mode, "container:", 10) || n->driver == NETWORK_HOST ||
		n->driver == NETWORK_NONE) {
		*msg = text_make(
			"container sharing network namespace with another container or host cannot be connected to any "
			"other network");
		return -EINVAL;
	}
	/* that of its own network is there while it runs, unless it was taken away, and comes with its start */
	if (network_endpoint_of(c->e->networks, c->id, n) ||
		(strcmp(mode, n->name) ? json_obj(json_obj(c->networking, "EndpointsConfig"), n->name) != NULL
				       : !container_is_up(c))) {
		*msg = text_make("endpoint with name %s already exists in network %s", c->name, n->name);
		return -EPERM;
	}
	if (container_is_up(c)) {
		netns = container_net_ns(c);
		if (netns < 0) {
			*msg = text_make("the network namespace of container %s cannot be opened", c->name);
			return -EIO;
		}
		int err = attach_one(c, n, endpoint, false, netns, msg);

		if (!err)
			err = container_net_republish(c, c->host, msg);
		if (!err)
			err = container_net_files_renew(c, msg);
		if (err) {
			leave(c, n);
			return err;
		}
	}
	return keep_wish(c, n->name, endpoint, false);
}

int container_net_disconnect(struct container *c, struct network *n, char **msg)
{
	struct network_endpoint *ep = network_endpoint_of(c->e->networks, c->id, n);
	bool primary = !strcmp(container_net_mode(c), n->name);

	if (!ep && !json_obj(json_obj(c->networking, "EndpointsConfig"), n->name) && !primary) {
		*msg = text_make("container %s is not connected to network %s", c->name, n->name);
		return -EPERM;
	}
	if (n->driver == NETWORK_HOST) {
		*msg = text_make(
			"container cannot be disconnected from host network or connected to host network");
		return -EINVAL;
	}
	if (primary && !ep) {
		*msg = text_make(
			"the network that container %s was made with can be disconnected only while it runs",
			c->name);
		return -EINVAL;
	}
	/* The wish goes first: an end between the two leaves what still is connected, not what only says so. */
	int err = keep_wish(c, n->name, NULL, true);

	if (err || !ep)
		return err;
	network_detach(c->e->networks, ep);
	err = container_net_republish(c, c->host, msg);
	return err ? err : container_net_files_renew(c, msg);
}

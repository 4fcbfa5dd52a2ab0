/* SPDX-License-Identifier: Apache-2.0 */

/* A container's network as inspect and list show it. */

#include <stdio.h>
#include <string.h>

#include "engine/container.h"
#include "engine/container_net_int.h"
#include "engine/engine.h"
#include "engine/network.h"
#include "engine/ports.h"
#include "lib/json.h"

static const char *mac_text(const uint8_t m[6], char buf[18])
{
	snprintf(buf, 18, "%02x:%02x:%02x:%02x:%02x:%02x", m[0], m[1], m[2], m[3], m[4], m[5]);
	return strcmp(buf, "00:00:00:00:00:00") ? buf : "";
}

/* The five members that say where an endpoint is; blank without one. */
static void put_place(yyjson_mut_doc *doc, yyjson_mut_val *o, const struct network_endpoint *ep)
{
	static const struct {
		const char *gateway, *address, *prefix;
	} names[NETWORK_FAMILIES] = {{"Gateway", "IPAddress", "IPPrefixLen"},
		{"IPv6Gateway", "GlobalIPv6Address", "GlobalIPv6PrefixLen"}};
	static const struct ipaddr none;

	for (enum network_family f = NETWORK_V4; f < NETWORK_FAMILIES; f++) {
		/* The gateway of an internal network, say, is nobody's: as in Docker it is not shown. */
		const struct ipaddr *ip = ep ? &ep->ip[f] : &none,
				    *gw = ep && network_has_route(ep, f) ? &ep->gateway[f] : &none;
		char text[IPADDR_TEXT_MAX];

		yyjson_mut_obj_add_strcpy(doc, o, names[f].gateway, ipaddr_format(gw, false, text));
		yyjson_mut_obj_add_strcpy(doc, o, names[f].address, ipaddr_format(ip, false, text));
		yyjson_mut_obj_add_int(doc, o, names[f].prefix, ip->prefix);
	}
}

static yyjson_mut_val *dns_names(
	const struct container *c, const struct network *n, yyjson_val *wish, yyjson_mut_doc *doc)
{
	yyjson_mut_val *arr = yyjson_mut_arr(doc);
	const char *names[CONTAINER_NET_NAMES_MAX];
	char short_id[13];
	size_t n_names = n && network_names_served(n) ? container_net_names(c, wish, short_id, names) : 0;

	for (size_t i = 0; i < n_names; i++)
		yyjson_mut_arr_add_strcpy(doc, arr, names[i]);
	return arr;
}

/* An entry of "NetworkSettings.Networks". @n: NULL when it is gone. @ep: NULL while the container does not run. */
static yyjson_mut_val *endpoint_object(const struct container *c, const struct network *n,
	const struct network_endpoint *ep, yyjson_val *wish, yyjson_mut_doc *doc)
{
	yyjson_mut_val *o = yyjson_mut_obj(doc);
	const char *id = json_text(wish, "NetworkID"), *asked = json_text(wish, "MacAddress");
	char mac[18];

	json_copy(doc, o, "IPAMConfig", json_obj(wish, "IPAMConfig"));
	json_copy(doc, o, "Links", json_arr(wish, "Links"));
	json_copy(doc, o, "Aliases", json_arr(wish, "Aliases"));
	yyjson_mut_obj_add_strcpy(doc, o, "MacAddress", ep ? mac_text(ep->mac, mac) : asked ? asked : "");
	json_copy(doc, o, "DriverOpts", json_obj(wish, "DriverOpts"));
	yyjson_mut_obj_add_int(doc, o, "GwPriority", json_int(wish, "GwPriority", 0));
	yyjson_mut_obj_add_strcpy(doc, o, "NetworkID", ep ? ep->network->id : id ? id : "");
	yyjson_mut_obj_add_strcpy(doc, o, "EndpointID", ep ? ep->id : "");
	put_place(doc, o, ep);
	yyjson_mut_obj_add_val(doc, o, "DNSNames", dns_names(c, n, wish, doc));
	return o;
}

static yyjson_mut_val *ports_object(struct container *c, yyjson_mut_doc *doc)
{
	yyjson_mut_val *o = yyjson_mut_obj(doc);
	yyjson_val *key, *v;
	size_t i, n;

	if (!container_is_up(c))
		return o;
	for (struct network_endpoint *ep = networks_endpoints(c->e->networks); ep; ep = ep->next) {
		if (strcmp(ep->container, c->id) != 0)
			continue;
		for (i = 0; i < ep->n_ports; i++) {
			char name[16], hp[8], ip[IPADDR_TEXT_MAX];

			snprintf(name, sizeof(name), "%u/%s", ep->ports[i].container_port,
				network_proto_name(ep->ports[i].proto));

			yyjson_mut_val *arr = yyjson_mut_obj_get(o, name), *b = yyjson_mut_obj(doc);

			if (!arr) {
				arr = yyjson_mut_arr(doc);
				yyjson_mut_obj_add(o, yyjson_mut_strcpy(doc, name), arr);
			}
			/* What is routed has no port of the node. */
			hp[0] = '\0';
			if (ep->ports[i].host_port)
				snprintf(hp, sizeof(hp), "%u", ep->ports[i].host_port);
			yyjson_mut_obj_add_strcpy(
				doc, b, "HostIp", ipaddr_format(&ep->ports[i].host_ip, false, ip));
			yyjson_mut_obj_add_strcpy(doc, b, "HostPort", hp);
			yyjson_mut_arr_append(arr, b);
		}
	}
	json_obj_foreach (json_obj(c->config, "ExposedPorts"), i, n, key, v)
		if (!yyjson_mut_obj_get(o, yyjson_get_str(key)))
			yyjson_mut_obj_add(
				o, yyjson_mut_strcpy(doc, yyjson_get_str(key)), yyjson_mut_null(doc));
	return o;
}

static yyjson_mut_val *networks_object(struct container *c, yyjson_mut_doc *doc)
{
	yyjson_mut_val *o = yyjson_mut_obj(doc);
	size_t i, max;
	yyjson_val *key, *wish;

	for (struct network_endpoint *ep = networks_endpoints(c->e->networks); ep; ep = ep->next)
		if (!strcmp(ep->container, c->id))
			yyjson_mut_obj_add(o, yyjson_mut_strcpy(doc, ep->network->name),
				endpoint_object(
					c, ep->network, ep, container_net_wish(c, ep->network, NULL), doc));
	json_obj_foreach (c->net_wishes, i, max, key, wish) {
		const struct network *n = container_net_of_wish(c->e->networks, yyjson_get_str(key), wish);
		const char *name = n ? n->name : yyjson_get_str(key);

		if (!yyjson_mut_obj_get(o, name))
			yyjson_mut_obj_add(
				o, yyjson_mut_strcpy(doc, name), endpoint_object(c, n, NULL, wish, doc));
	}
	return o;
}

yyjson_mut_val *container_net_settings(struct container *c, yyjson_mut_doc *doc, bool brief)
{
	yyjson_mut_val *o = yyjson_mut_obj(doc);
	struct network_endpoint *ep = network_endpoint_of(c->e->networks, c->id, NULL);
	char mac[18], key[40];

	if (!brief) {
		bool bridge = ep && !strcmp(ep->network->name, "bridge");

		yyjson_mut_obj_add_strcpy(doc, o, "Bridge", "");
		yyjson_mut_obj_add_strcpy(doc, o, "SandboxID", container_is_up(c) ? c->id : "");
		snprintf(key, sizeof(key), "/proc/%d/ns/net", c->pid);
		yyjson_mut_obj_add_strcpy(doc, o, "SandboxKey", container_is_up(c) && c->pid ? key : "");
		yyjson_mut_obj_add_val(doc, o, "Ports", ports_object(c, doc));
		/* Members of Docker's old single network, which is never more than this. */
		yyjson_mut_obj_add_bool(doc, o, "HairpinMode", false);
		yyjson_mut_obj_add_str(doc, o, "LinkLocalIPv6Address", "");
		yyjson_mut_obj_add_int(doc, o, "LinkLocalIPv6PrefixLen", 0);
		yyjson_mut_obj_add_null(doc, o, "SecondaryIPAddresses");
		yyjson_mut_obj_add_null(doc, o, "SecondaryIPv6Addresses");
		yyjson_mut_obj_add_strcpy(doc, o, "EndpointID", bridge ? ep->id : "");
		put_place(doc, o, bridge ? ep : NULL);
		yyjson_mut_obj_add_strcpy(doc, o, "MacAddress", bridge ? mac_text(ep->mac, mac) : "");
	}
	yyjson_mut_obj_add_val(doc, o, "Networks", networks_object(c, doc));
	return o;
}

yyjson_mut_val *container_net_ports(struct container *c, yyjson_mut_doc *doc)
{
	yyjson_mut_val *arr = yyjson_mut_arr(doc);
	bool any = false;

	if (!container_is_up(c))
		return arr;
	for (struct network_endpoint *ep = networks_endpoints(c->e->networks); ep; ep = ep->next) {
		if (strcmp(ep->container, c->id) != 0)
			continue;
		for (size_t i = 0; i < ep->n_ports; i++) {
			yyjson_mut_val *o = yyjson_mut_arr_add_obj(doc, arr);
			char ip[IPADDR_TEXT_MAX];

			if (ep->ports[i].host_port)
				yyjson_mut_obj_add_strcpy(
					doc, o, "IP", ipaddr_format(&ep->ports[i].host_ip, false, ip));
			yyjson_mut_obj_add_uint(doc, o, "PrivatePort", ep->ports[i].container_port);
			if (ep->ports[i].host_port)
				yyjson_mut_obj_add_uint(doc, o, "PublicPort", ep->ports[i].host_port);
			yyjson_mut_obj_add_str(doc, o, "Type", network_proto_name(ep->ports[i].proto));
			any = true;
		}
	}

	size_t i, n;
	yyjson_val *key, *v;

	json_obj_foreach (any ? NULL : json_obj(c->config, "ExposedPorts"), i, n, key, v) {
		uint16_t port;
		uint8_t proto;

		if (port_parse(yyjson_get_str(key), &port, &proto))
			continue;
		yyjson_mut_val *o = yyjson_mut_arr_add_obj(doc, arr);

		yyjson_mut_obj_add_uint(doc, o, "PrivatePort", port);
		yyjson_mut_obj_add_str(doc, o, "Type", network_proto_name(proto));
	}
	return arr;
}

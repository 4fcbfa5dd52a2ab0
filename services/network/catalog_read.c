/* SPDX-License-Identifier: Apache-2.0 */

/* Service and EndpointSlice as the API writes them. What this service does not do is passed over here, and nowhere else. */

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "lib/json.h"
#include "network/catalog.h"

enum { AFFINITY_DEFAULT_S = 10800, AFFINITY_MAX_S = 86400 };

/* 0 for a protocol that is not served. */
static uint8_t proto_of(yyjson_val *port)
{
	const char *p = json_str(port, "protocol") ?: "TCP";

	return !strcmp(p, "TCP") ? IPPROTO_TCP : !strcmp(p, "UDP") ? IPPROTO_UDP : 0;
}

static uint16_t port_of(yyjson_val *o, const char *key)
{
	int64_t n = json_int(o, key, 0);

	return n > 0 && n < 65536 ? (uint16_t)n : 0;
}

static bool address_of(yyjson_val *v, struct ipaddr *out)
{
	const char *text = yyjson_get_str(v);

	return text && !strchr(text, '/') && ipaddr_parse(text, out) == 0;
}

/* ---- Service */

void catalog_service_clear(struct service *s)
{
	free(take(s->external_name));
	free(take(s->extra));
	free(take(s->ports));
	s->n_extra = s->n_ports = 0;
	s->ip = (struct ipaddr){0};
	s->there = s->headless = s->internal_local = s->external_local = false;
	s->affinity_s = 0;
}

static int read_ports(struct service *s, yyjson_val *list)
{
	size_t i, n;
	yyjson_val *each;

	s->ports = calloc(yyjson_arr_size(list) + 1, sizeof(*s->ports));
	if (!s->ports)
		return -ENOMEM;
	yyjson_arr_foreach (list, i, n, each) {
		struct service_port *p = &s->ports[s->n_ports];

		*p = (struct service_port){.proto = proto_of(each),
			.port = port_of(each, "port"),
			.node_port = port_of(each, "nodePort")};
		snprintf(p->name, sizeof(p->name), "%s", json_str(each, "name") ?: "");
		if (p->proto && p->port)
			s->n_ports++;
	}
	return 0;
}

/* Addresses of a load balancer count only when everybody may use them, and packets come with them. */
static int read_extra(struct service *s, yyjson_val *spec, yyjson_val *status)
{
	yyjson_val *external = json_arr(spec, "externalIPs"), *each;
	yyjson_val *ingress = json_arr(json_obj(status, "loadBalancer"), "ingress");
	size_t i, n;

	if (!json_blank(yyjson_obj_get(spec, "loadBalancerSourceRanges")))
		ingress = NULL;
	s->extra = calloc(yyjson_arr_size(external) + yyjson_arr_size(ingress) + 1, sizeof(*s->extra));
	if (!s->extra)
		return -ENOMEM;
	yyjson_arr_foreach (external, i, n, each)
		if (address_of(each, &s->extra[s->n_extra]) && s->extra[s->n_extra].family == AF_INET)
			s->n_extra++;
	yyjson_arr_foreach (ingress, i, n, each)
		if (strcmp(json_str(each, "ipMode") ?: "VIP", "Proxy") != 0 &&
			address_of(yyjson_obj_get(each, "ip"), &s->extra[s->n_extra]) &&
			s->extra[s->n_extra].family == AF_INET)
			s->n_extra++;
	return 0;
}

static bool is_local(yyjson_val *spec, const char *key)
{
	return yyjson_equals_str(yyjson_obj_get(spec, key), "Local");
}

int catalog_service_read(struct service *out, yyjson_val *object)
{
	yyjson_val *spec = json_obj(object, "spec"), *each;
	const char *type = json_str(spec, "type") ?: "ClusterIP", *ip = json_text(spec, "clusterIP");
	yyjson_val *client = json_obj(json_obj(spec, "sessionAffinityConfig"), "clientIP");
	int64_t seconds = json_int(client, "timeoutSeconds", AFFINITY_DEFAULT_S);
	size_t i, n;
	int r;

	catalog_service_clear(out);
	out->there = true;
	if (!strcmp(type, "ExternalName")) {
		out->external_name = strdup(json_str(spec, "externalName") ?: "");
		return out->external_name ? 0 : -ENOMEM;
	}
	out->headless = ip && !strcmp(ip, "None");
	yyjson_arr_foreach (json_arr(spec, "clusterIPs"), i, n, each)
		if (!out->ip.family && address_of(each, &out->ip) && out->ip.family != AF_INET)
			out->ip = (struct ipaddr){0};
	if (!out->ip.family &&
		(!address_of(yyjson_obj_get(spec, "clusterIP"), &out->ip) || out->ip.family != AF_INET))
		out->ip = (struct ipaddr){0};
	if (yyjson_equals_str(yyjson_obj_get(spec, "sessionAffinity"), "ClientIP"))
		out->affinity_s =
			seconds > 0 && seconds <= AFFINITY_MAX_S ? (uint32_t)seconds : AFFINITY_DEFAULT_S;
	out->internal_local = is_local(spec, "internalTrafficPolicy");
	out->external_local = is_local(spec, "externalTrafficPolicy");
	r = read_ports(out, json_arr(spec, "ports"));
	return r < 0 ? r : read_extra(out, spec, json_obj(object, "status"));
}

/* ---- EndpointSlice */

void catalog_slice_clear(struct slice *s)
{
	for (size_t i = 0; i < s->n_endpoints; i++) {
		free(s->endpoints[i].addresses);
		free(s->endpoints[i].hostname);
	}
	free(take(s->endpoints));
	free(take(s->ports));
	s->n_endpoints = s->n_ports = 0;
}

const char *catalog_slice_service(yyjson_val *object)
{
	yyjson_val *labels = json_obj(json_obj(object, "metadata"), "labels");

	return json_text(labels, "kubernetes.io/service-name");
}

/* A condition that nobody has set. */
static bool condition(yyjson_val *conditions, const char *key, bool unset)
{
	yyjson_val *v = yyjson_obj_get(conditions, key);

	return yyjson_is_bool(v) ? yyjson_get_bool(v) : unset;
}

static int read_endpoint(struct endpoint *e, yyjson_val *v, const char *node)
{
	yyjson_val *addresses = json_arr(v, "addresses"), *conditions = json_obj(v, "conditions"), *each;
	const char *hostname = json_text(v, "hostname"), *on = json_text(v, "nodeName");
	size_t i, n;

	e->ready = condition(conditions, "ready", true);
	e->serving = condition(conditions, "serving", e->ready);
	e->terminating = condition(conditions, "terminating", false);
	e->here = on && !strcmp(on, node);
	e->addresses = calloc(yyjson_arr_size(addresses) + 1, sizeof(*e->addresses));
	if (!e->addresses)
		return -ENOMEM;
	yyjson_arr_foreach (addresses, i, n, each)
		if (address_of(each, &e->addresses[e->n_addresses]))
			e->n_addresses++;
	if (!hostname)
		return 0;
	e->hostname = strdup(hostname);
	return e->hostname ? 0 : -ENOMEM;
}

int catalog_slice_read(struct slice *out, yyjson_val *object, const char *node)
{
	yyjson_val *ports = json_arr(object, "ports"), *endpoints = json_arr(object, "endpoints"), *each;
	size_t i, n;

	catalog_slice_clear(out);
	out->ports = calloc(yyjson_arr_size(ports) + 1, sizeof(*out->ports));
	out->endpoints = calloc(yyjson_arr_size(endpoints) + 1, sizeof(*out->endpoints));
	if (!out->ports || !out->endpoints)
		return -ENOMEM;
	yyjson_arr_foreach (ports, i, n, each) {
		struct slice_port *p = &out->ports[out->n_ports];

		*p = (struct slice_port){.proto = proto_of(each), .port = port_of(each, "port")};
		snprintf(p->name, sizeof(p->name), "%s", json_str(each, "name") ?: "");
		if (p->proto)
			out->n_ports++;
	}
	/* Addresses that are names are not what a packet can be sent to. */
	if (yyjson_equals_str(yyjson_obj_get(object, "addressType"), "FQDN"))
		return 0;
	yyjson_arr_foreach (endpoints, i, n, each)
		if (read_endpoint(&out->endpoints[out->n_endpoints++], each, node) < 0)
			return -ENOMEM;
	return 0;
}

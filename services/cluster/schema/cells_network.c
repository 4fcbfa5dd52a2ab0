/* SPDX-License-Identifier: Apache-2.0 */

/* Cells of services, their addresses, endpoints and ingresses. */

#include <stdio.h>
#include <string.h>

#include "cluster/schema/cells_int.h"
#include "cluster/schema/meta.h"
#include "lib/json.h"

enum { LISTED = 3 };

static void texts(struct cell *c, yyjson_val *list)
{
	size_t i, n;
	yyjson_val *v;

	yyjson_arr_foreach (list, i, n, v)
		cell_item(c, ",", yyjson_get_str(v) ?: "");
}

static void service_cluster_ip(struct cell *c)
{
	cell_or(c,
		yyjson_get_str(yyjson_arr_get_first(yyjson_obj_get(c->spec, "clusterIPs")))
			?: json_str(c->spec, "clusterIP"),
		"<none>");
}

static void balancer_addresses(struct cell *c)
{
	size_t i, n;
	yyjson_val *v;

	yyjson_arr_foreach (meta_get(c->status, "loadBalancer", "ingress", NULL), i, n, v)
		cell_item(c, ",", json_text(v, "ip") ?: json_str(v, "hostname") ?: "");
}

static void service_external_ip(struct cell *c)
{
	const char *type = json_str(c->spec, "type") ?: "";

	if (!strcmp(type, "ExternalName")) {
		cell_or(c, json_str(c->spec, "externalName"), "<none>");
		return;
	}
	if (!strcmp(type, "LoadBalancer"))
		balancer_addresses(c);
	texts(c, yyjson_obj_get(c->spec, "externalIPs"));
	if (!c->len)
		cell_print(c, "%s", !strcmp(type, "LoadBalancer") ? "<pending>" : "<none>");
}

static void service_ports(struct cell *c)
{
	size_t i, n;
	yyjson_val *p;

	yyjson_arr_foreach (yyjson_obj_get(c->spec, "ports"), i, n, p) {
		long long node_port = json_int(p, "nodePort", 0);

		cell_print(c, "%s%lld", i ? "," : "", (long long)json_int(p, "port", 0));
		if (node_port)
			cell_print(c, ":%lld", node_port);
		cell_print(c, "/%s", json_str(p, "protocol") ?: "TCP");
	}
	if (!c->len)
		cell_print(c, "<none>");
}

/* Three of them, then how many more. */
static void shown(struct cell *c, size_t *count, const char *text)
{
	if ((*count)++ < LISTED)
		cell_item(c, ",", text);
}

static void shown_end(struct cell *c, size_t count, const char *none)
{
	if (!count)
		cell_print(c, "%s", none);
	else if (count > LISTED)
		cell_print(c, " + %zu more...", count - LISTED);
}

static void endpoints(struct cell *c)
{
	size_t i, n, j, m, k, l, count = 0;
	yyjson_val *subset, *address, *port;
	char text[320];

	yyjson_arr_foreach (yyjson_obj_get(c->object, "subsets"), i, n, subset) {
		yyjson_val *ports = yyjson_obj_get(subset, "ports"),
			   *addresses = yyjson_obj_get(subset, "addresses");

		yyjson_arr_foreach (addresses, j, m, address) {
			const char *ip = json_str(address, "ip") ?: "";
			bool v6 = strchr(ip, ':');

			if (!yyjson_arr_size(ports))
				shown(c, &count, ip);
			yyjson_arr_foreach (ports, k, l, port) {
				snprintf(text, sizeof(text), "%s%s%s:%lld", v6 ? "[" : "", ip, v6 ? "]" : "",
					(long long)json_int(port, "port", 0));
				shown(c, &count, text);
			}
		}
	}
	shown_end(c, count, "<none>");
}

static void slice_ports(struct cell *c)
{
	size_t i, n, count = 0;
	yyjson_val *p;
	char text[320];

	yyjson_arr_foreach (yyjson_obj_get(c->object, "ports"), i, n, p) {
		yyjson_val *number = yyjson_obj_get(p, "port");

		if (number)
			snprintf(text, sizeof(text), "%lld", (long long)yyjson_get_sint(number));
		else
			snprintf(text, sizeof(text), "%.256s", json_text(p, "name") ?: "*");
		shown(c, &count, text);
	}
	shown_end(c, count, "<unset>");
}

static void slice_endpoints(struct cell *c)
{
	size_t i, n, j, m, count = 0;
	yyjson_val *endpoint, *address;

	yyjson_arr_foreach (yyjson_obj_get(c->object, "endpoints"), i, n, endpoint)
		yyjson_arr_foreach (yyjson_obj_get(endpoint, "addresses"), j, m, address)
			shown(c, &count, yyjson_get_str(address) ?: "");
	shown_end(c, count, "<unset>");
}

static void ingress_class(struct cell *c)
{
	cell_or(c, json_str(c->spec, "ingressClassName"), "<none>");
}

static void ingress_hosts(struct cell *c)
{
	size_t i, n, count = 0;
	yyjson_val *rule;

	yyjson_arr_foreach (yyjson_obj_get(c->spec, "rules"), i, n, rule)
		if (json_text(rule, "host"))
			shown(c, &count, json_text(rule, "host"));
	shown_end(c, count, "*");
}

static void ingress_ports(struct cell *c)
{
	cell_print(c, "%s", yyjson_arr_size(yyjson_obj_get(c->spec, "tls")) ? "80, 443" : "80");
}

static void class_parameters(struct cell *c)
{
	yyjson_val *p = yyjson_obj_get(c->spec, "parameters");
	const char *group = json_text(p, "apiGroup");

	if (!p)
		cell_print(c, "<none>");
	else
		cell_print(c, "%s%s%s/%s", json_str(p, "kind") ?: "", group ? "." : "", group ?: "",
			json_str(p, "name") ?: "");
}

static void service_cidrs(struct cell *c)
{
	texts(c, yyjson_obj_get(c->spec, "cidrs"));
}

static void address_parent(struct cell *c)
{
	yyjson_val *p = yyjson_obj_get(c->spec, "parentRef");
	const char *group = json_text(p, "group"), *ns = json_text(p, "namespace");

	cell_print(c, "%s%s%s", json_str(p, "resource") ?: "", group ? "." : "", group ?: "");
	if (ns)
		cell_print(c, "/%s", ns);
	cell_print(c, "/%s", json_str(p, "name") ?: "");
}

/* ---- who serves an API */

static void apiservice_service(struct cell *c)
{
	yyjson_val *service = yyjson_obj_get(c->spec, "service");

	if (service)
		cell_print(c, "%s/%s", json_str(service, "namespace") ?: "", json_str(service, "name") ?: "");
	else
		cell_print(c, "Local");
}

static void apiservice_available(struct cell *c)
{
	size_t i, n;
	yyjson_val *condition;

	yyjson_arr_foreach (json_arr(c->status, "conditions"), i, n, condition) {
		const char *status = json_str(condition, "status") ?: "";

		if (strcmp(json_str(condition, "type") ?: "", "Available") != 0)
			continue;
		if (strcmp(status, "True") != 0)
			cell_print(c, "%s (%s)", status, json_str(condition, "reason") ?: "");
		else
			cell_print(c, "True");
		return;
	}
	cell_print(c, "Unknown");
}

cell_fn *const cells_network[N_CELLS] = {
	[CELL_APISERVICE_AVAILABLE] = apiservice_available,
	[CELL_APISERVICE_SERVICE] = apiservice_service,
	[CELL_ADDRESS_PARENT] = address_parent,
	[CELL_SERVICE_CIDRS] = service_cidrs,
	[CELL_SERVICE_CLUSTER_IP] = service_cluster_ip,
	[CELL_SERVICE_EXTERNAL_IP] = service_external_ip,
	[CELL_SERVICE_PORTS] = service_ports,
	[CELL_ENDPOINTS] = endpoints,
	[CELL_SLICE_PORTS] = slice_ports,
	[CELL_SLICE_ENDPOINTS] = slice_endpoints,
	[CELL_INGRESS_CLASS] = ingress_class,
	[CELL_INGRESS_HOSTS] = ingress_hosts,
	[CELL_INGRESS_ADDRESS] = balancer_addresses,
	[CELL_INGRESS_PORTS] = ingress_ports,
	[CELL_CLASS_PARAMETERS] = class_parameters,
};

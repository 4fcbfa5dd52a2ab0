/* SPDX-License-Identifier: Apache-2.0 */

#include <stdio.h>
#include <string.h>

#include "cluster/registry/chance.h"
#include "cluster/registry/endpoint.h"
#include "cluster/registry/registry.h"
#include "cluster/schema/schema.h"
#include "lib/json.h"

struct search {
	const char *service, *port;
	char *address;
	size_t size;
	int *number;
	uint32_t found; /* so many are ready */
};

static bool look_in_slice(const struct object *o, void *arg)
{
	struct search *s = arg;
	const char *service = object_label(o, "kubernetes.io/service-name");
	cleanup(json_docp) yyjson_doc *doc = NULL;
	yyjson_val *root, *e, *p;
	size_t i, max;
	int port = 0;

	if (!service || strcmp(service, s->service) != 0)
		return true;
	doc = object_doc(o);
	root = yyjson_doc_get_root(doc);
	yyjson_arr_foreach (json_arr(root, "ports"), i, max, p) {
		const char *name = json_str(p, "name");

		if (!port && (!*s->port || !strcmp(name ? name : "", s->port)))
			port = (int)json_int(p, "port", 0);
	}
	yyjson_arr_foreach (json_arr(root, "endpoints"), i, max, e) {
		const char *address = yyjson_get_str(yyjson_arr_get_first(json_arr(e, "addresses")));

		if (!port || !address || yyjson_is_false(yyjson_obj_get(json_obj(e, "conditions"), "ready")))
			continue;
		/* the n-th takes the place of the one chosen so far with a chance of 1/n, so all have the same */
		if (chance(++s->found))
			continue;
		snprintf(s->address, s->size, "%s", address);
		*s->number = port;
	}
	return true;
}

/* A number is a port of the service; slices know ports by their names. */
static const char *port_name(yyjson_val *root, const char *port)
{
	yyjson_val *p;
	size_t i, max;
	int64_t n = atoll(port);

	yyjson_arr_foreach (json_arr(json_obj(root, "spec"), "ports"), i, max, p)
		if (n && json_int(p, "port", 0) == n)
			return json_str(p, "name") ?: "";
	return port;
}

enum endpoint service_endpoint(const struct registry *r, const char *ns, const char *service,
	const char *port, char *address, size_t size, int *number)
{
	const struct object *o = registry_get(r, schema_find("", "v1", "services"), ns, service);
	cleanup(json_docp) yyjson_doc *doc = o ? object_doc(o) : NULL;
	struct search s = {.service = service, .address = address, .size = size, .number = number};

	if (!o)
		return ENDPOINT_NO_SERVICE;
	s.port = port_name(yyjson_doc_get_root(doc), port);
	registry_each(r, schema_find("discovery.k8s.io", "v1", "endpointslices"), ns, look_in_slice, &s);
	return s.found ? ENDPOINT_FOUND : ENDPOINT_NONE;
}

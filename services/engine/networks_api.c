/* SPDX-License-Identifier: Apache-2.0 */

/* The endpoints under /networks: JSON on one side, network.h on the other. */

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "engine/api.h"
#include "engine/container.h"
#include "engine/container_net.h"
#include "engine/engine.h"
#include "engine/events.h"
#include "engine/files.h"
#include "engine/filters.h"
#include "lib/errno_text.h"
#include "lib/json.h"
#include "engine/network.h"
#include "engine/shape.h"

enum { PAIRS_MAX = 64 };

static int status_of(int err)
{
	return err == -EEXIST || err == -EBUSY ? 409 : api_status_of(err);
}

static struct network *network_or_404(struct engine *e, struct http_req *r, const char *name)
{
	struct network_error err = {0};
	struct network *n = NULL;
	int found = networks_find(e->networks, name, &n, &err);

	if (found == -ENOENT)
		api_error(r, 404, "network %s not found", name);
	else if (found)
		api_error(r, status_of(found), "%s", err.text);
	return found ? NULL : n;
}

static yyjson_mut_val *pairs(yyjson_mut_doc *doc, const struct network_pair *p, size_t n)
{
	yyjson_mut_val *o = yyjson_mut_obj(doc);

	for (size_t i = 0; i < n; i++)
		yyjson_mut_obj_add(o, yyjson_mut_strcpy(doc, p[i].key), yyjson_mut_strcpy(doc, p[i].value));
	return o;
}

/* Those of one family. */
static void put_pools(yyjson_mut_doc *doc, yyjson_mut_val *arr, uint8_t family,
	const struct network_pool *pools, size_t n_pools)
{
	char text[IPADDR_TEXT_MAX];

	for (size_t i = 0; i < n_pools; i++) {
		const struct network_pool *p = &pools[i];
		yyjson_mut_val *c;

		if (p->subnet.family != family)
			continue;
		c = yyjson_mut_arr_add_obj(doc, arr);
		yyjson_mut_obj_add_strcpy(doc, c, "Subnet", ipaddr_format(&p->subnet, true, text));
		if (p->range_given)
			yyjson_mut_obj_add_strcpy(doc, c, "IPRange", ipaddr_format(&p->range, true, text));
		if (p->gateway.family)
			yyjson_mut_obj_add_strcpy(doc, c, "Gateway", ipaddr_format(&p->gateway, false, text));
		if (p->n_aux)
			yyjson_mut_obj_add_val(doc, c, "AuxiliaryAddresses", pairs(doc, p->aux, p->n_aux));
	}
}

static yyjson_mut_val *ipam(const struct network *n, yyjson_mut_doc *doc)
{
	static const uint8_t families[] = {AF_INET, AF_INET6};
	yyjson_mut_val *o = yyjson_mut_obj(doc), *arr = yyjson_mut_arr(doc);

	yyjson_mut_obj_add_str(doc, o, "Driver", "default");
	yyjson_mut_obj_add_null(doc, o, "Options");
	yyjson_mut_obj_add_val(doc, o, "Config", arr);
	/* IPv4 first, as in Docker, in whatever order the client sent them. */
	for (size_t i = 0; i < array_len(families); i++) {
		put_pools(doc, arr, families[i], n->pools, n->n_pools);
		put_pools(doc, arr, families[i], n->unused, n->n_unused);
	}
	return o;
}

static yyjson_mut_val *members(struct engine *e, const struct network *n, yyjson_mut_doc *doc)
{
	yyjson_mut_val *o = yyjson_mut_obj(doc);

	for (struct network_endpoint *ep = networks_endpoints(e->networks); ep; ep = ep->next) {
		char mac[18], ip[IPADDR_TEXT_MAX];

		if (ep->network != n)
			continue;
		yyjson_mut_val *m = yyjson_mut_obj(doc);

		snprintf(mac, sizeof(mac), "%02x:%02x:%02x:%02x:%02x:%02x", ep->mac[0], ep->mac[1],
			ep->mac[2], ep->mac[3], ep->mac[4], ep->mac[5]);
		yyjson_mut_obj_add_strcpy(doc, m, "Name", ep->name);
		yyjson_mut_obj_add_strcpy(doc, m, "EndpointID", ep->id);
		yyjson_mut_obj_add_strcpy(doc, m, "MacAddress", ep->ifname[0] ? mac : "");
		yyjson_mut_obj_add_strcpy(
			doc, m, "IPv4Address", ipaddr_format(&ep->ip[NETWORK_V4], true, ip));
		yyjson_mut_obj_add_strcpy(
			doc, m, "IPv6Address", ipaddr_format(&ep->ip[NETWORK_V6], true, ip));
		yyjson_mut_obj_add(o, yyjson_mut_strcpy(doc, ep->container), m);
	}
	return o;
}

static yyjson_mut_val *network_json(
	struct engine *e, const struct network *n, yyjson_mut_doc *doc, bool with_members)
{
	yyjson_mut_val *o = yyjson_mut_obj(doc), *from = yyjson_mut_obj(doc);
	char text[36];

	yyjson_mut_obj_add_strcpy(doc, o, "Name", n->name);
	yyjson_mut_obj_add_strcpy(doc, o, "Id", n->id);
	yyjson_mut_obj_add_strcpy(doc, o, "Created", time_text(text, n->created_ns));
	yyjson_mut_obj_add_str(doc, o, "Scope", "local");
	yyjson_mut_obj_add_str(doc, o, "Driver", network_driver_name(n->driver));
	yyjson_mut_obj_add_bool(doc, o, "EnableIPv4", n->ipv4);
	yyjson_mut_obj_add_bool(doc, o, "EnableIPv6", n->ipv6);
	yyjson_mut_obj_add_val(doc, o, "IPAM", ipam(n, doc));
	yyjson_mut_obj_add_bool(doc, o, "Internal", n->internal);
	yyjson_mut_obj_add_bool(doc, o, "Attachable", n->attachable);
	yyjson_mut_obj_add_bool(doc, o, "Ingress", false);
	yyjson_mut_obj_add_str(doc, from, "Network", "");
	yyjson_mut_obj_add_val(doc, o, "ConfigFrom", from);
	yyjson_mut_obj_add_bool(doc, o, "ConfigOnly", false);
	yyjson_mut_obj_add_val(doc, o, "Containers", with_members ? members(e, n, doc) : yyjson_mut_obj(doc));
	yyjson_mut_obj_add_val(doc, o, "Options", pairs(doc, n->options, n->n_options));
	yyjson_mut_obj_add_val(doc, o, "Labels", pairs(doc, n->labels, n->n_labels));
	return o;
}

static bool predefined(const struct network *n)
{
	return !strcmp(n->name, "bridge") || !strcmp(n->name, "host") || !strcmp(n->name, "none");
}

static bool in_use(struct engine *e, const struct network *n)
{
	for (struct network_endpoint *ep = networks_endpoints(e->networks); ep; ep = ep->next)
		if (ep->network == n)
			return true;
	return false;
}

/* Labels as filters look at them. NULL without memory, and when there are none. */
static yyjson_doc *labels_doc(const struct network *n)
{
	yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
	yyjson_doc *fixed;

	if (!doc)
		return NULL;
	yyjson_mut_doc_set_root(doc, pairs(doc, n->labels, n->n_labels));
	fixed = yyjson_mut_doc_imut_copy(doc, NULL);
	yyjson_mut_doc_free(doc);
	return fixed;
}

static bool fits(struct engine *e, const struct network *n, const struct filters *f)
{
	yyjson_doc *labels = labels_doc(n);
	yyjson_val *l = labels ? yyjson_doc_get_root(labels) : NULL;
	bool good = filters_match_name(f, "name", n->name) && filters_match_start(f, "id", n->id) &&
		    filters_match_exact(f, "driver", network_driver_name(n->driver)) &&
		    filters_match_exact(f, "scope", "local") &&
		    filters_match_exact(f, "type", predefined(n) ? "builtin" : "custom") &&
		    filters_match_labels(f, "label", l) && filters_match_labels(f, "label!", l);

	if (filters_has(f, "dangling"))
		good = good && filters_bool(f, "dangling", false) == (!predefined(n) && !in_use(e, n));
	yyjson_doc_free(labels);
	return good;
}

static void list(struct engine *e, struct http_req *r, const char *arg)
{
	static const char *const known[] = {
		"name", "id", "driver", "scope", "type", "label", "label!", "dangling", NULL};
	cleanup(freep) char *msg = NULL;
	struct filters *f = NULL;

	if (filters_parse(&f, http_query(r, "filters"), known, &msg)) {
		api_error(r, 400, "%s", msg ? msg : "out of memory");
		return;
	}

	for (size_t i = 0; filters_value(f, "type", i); i++) {
		const char *type = filters_value(f, "type", i);

		if (!strcmp(type, "builtin") || !strcmp(type, "custom"))
			continue;
		api_error(r, 400, "invalid filter 'type=%.64s'", type);
		filters_free(f);
		return;
	}

	yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
	yyjson_mut_val *arr = yyjson_mut_arr(doc);

	yyjson_mut_doc_set_root(doc, arr);
	for (struct network *n = networks_first(e->networks); n; n = n->next)
		if (fits(e, n, f))
			yyjson_mut_arr_append(arr, network_json(e, n, doc, false));
	filters_free(f);
	api_json(r, 200, doc);
}

/* `verbose` is about services of a swarm, of which there are none. */
static void inspect(struct engine *e, struct http_req *r, const char *name)
{
	struct network *n = network_or_404(e, r, name);
	const char *scope = http_query(r, "scope");

	if (!n)
		return;
	if (scope && *scope && strcmp(scope, "local") != 0) {
		api_error(r, 404, "network %s not found: its scope is local, not %s", name, scope);
		return;
	}
	yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);

	yyjson_mut_doc_set_root(doc, network_json(e, n, doc, true));
	api_json(r, 200, doc);
}

/* An object of strings as pairs; borrowed. Return: how many, or -EINVAL. */
static ssize_t read_pairs(yyjson_val *o, struct network_pair *out)
{
	size_t i, n, count = 0;
	yyjson_val *k, *v;

	json_obj_foreach (o, i, n, k, v) {
		if (count == PAIRS_MAX || !yyjson_is_str(v))
			return -EINVAL;
		out[count++] = (struct network_pair){
			(char *)(uintptr_t)yyjson_get_str(k), (char *)(uintptr_t)yyjson_get_str(v)};
	}
	return (ssize_t)count;
}

/* IPAM.Config; borrowed, aux in @aux. Return: how many, or -EINVAL. */
static ssize_t read_pools(yyjson_val *configs, struct network_pool_config out[NETWORK_POOLS_MAX],
	struct network_pair aux[PAIRS_MAX])
{
	size_t i, n, count = 0, n_aux = 0;
	yyjson_val *c;

	yyjson_arr_foreach (configs, i, n, c) {
		struct network_pair all[PAIRS_MAX];
		ssize_t here = read_pairs(json_obj(c, "AuxiliaryAddresses"), all);

		if (count == NETWORK_POOLS_MAX || here < 0 || (size_t)here > PAIRS_MAX - n_aux)
			return -EINVAL;
		memcpy(aux + n_aux, all, (size_t)here * sizeof(*aux));
		out[count++] = (struct network_pool_config){
			.subnet = json_text(c, "Subnet"),
			.gateway = json_text(c, "Gateway"),
			.ip_range = json_text(c, "IPRange"),
			.aux = aux + n_aux,
			.n_aux = (size_t)here,
		};
		n_aux += (size_t)here;
	}
	return (ssize_t)count;
}

static const struct shape pool_members[] = {{"Subnet", SHAPE_STR}, {"IPRange", SHAPE_STR},
	{"Gateway", SHAPE_STR}, {"AuxiliaryAddresses", SHAPE_STR_MAP}, {0}};
static const struct shape ipam_members[] = {
	{"Driver", SHAPE_STR},
	{"Config", SHAPE_ARR, .of = pool_members},
	{"Options", SHAPE_STR_MAP, "are not supported by this engine: its IPAM driver has none"},
	{0},
};
static const struct shape config_from[] = {{"Network", SHAPE_STR, "is not supported by this engine"}, {0}};

#define OF_A_SWARM "is for networks of a swarm, which this engine does not have"

static const struct shape create_members[] = {
	{"Name", SHAPE_STR},
	{"CheckDuplicate", SHAPE_BOOL}, /* of clients before 1.44: names are unique here whatever it says */
	{"Driver", SHAPE_STR},
	{"Scope", SHAPE_STR},
	{"Internal", SHAPE_BOOL},
	{"Attachable", SHAPE_BOOL},
	{"Ingress", SHAPE_BOOL, OF_A_SWARM},
	{"ConfigOnly", SHAPE_BOOL, OF_A_SWARM},
	{"ConfigFrom", SHAPE_OBJ, .of = config_from},
	{"IPAM", SHAPE_OBJ, .of = ipam_members},
	{"EnableIPv4", SHAPE_BOOL},
	{"EnableIPv6", SHAPE_BOOL},
	{"Options", SHAPE_STR_MAP},
	{"Labels", SHAPE_STR_MAP},
	{0},
};
static const struct shape connect_members[] = {
	{"Container", SHAPE_STR}, {"EndpointConfig", SHAPE_OBJ, .of = shape_endpoint}, {0}};
/* Force matters where the network is gone. A container that is not there has no endpoint left that it would have to take away. */
static const struct shape disconnect_members[] = {{"Container", SHAPE_STR}, {"Force", SHAPE_BOOL}, {0}};

/* false: it was answered. */
static bool shaped(struct http_req *r, yyjson_val *root, const struct shape *members)
{
	cleanup(freep) char *msg = NULL;

	if (!shape_check(root, members, "", &msg))
		return true;
	api_error(r, 400, "%s", msg ? msg : "out of memory");
	return false;
}

static void create_body(struct engine *e, struct http_req *r, const char *arg, yyjson_val *root)
{
	struct network_pair labels[PAIRS_MAX], options[PAIRS_MAX];
	struct network_pair aux[PAIRS_MAX];
	struct network_pool_config pools[NETWORK_POOLS_MAX];
	yyjson_val *ipam_o = json_obj(root, "IPAM"), *enable4 = yyjson_obj_get(root, "EnableIPv4");
	ssize_t n_labels = read_pairs(json_obj(root, "Labels"), labels),
		n_options = read_pairs(json_obj(root, "Options"), options),
		n_pools = read_pools(json_arr(ipam_o, "Config"), pools, aux);
	const char *driver = json_text(ipam_o, "Driver"), *scope = json_text(root, "Scope");
	struct network_error err = {0};
	struct network *n = NULL;
	struct network_config c = {
		.name = json_text(root, "Name"),
		.driver = json_text(root, "Driver"),
		.pools = pools,
		.n_pools = n_pools > 0 ? (size_t)n_pools : 0,
		.internal = json_bool(root, "Internal"),
		.attachable = json_bool(root, "Attachable"),
		/* Clients before 1.47 have no such member, and Docker reads none from them. */
		.no_ipv4 = api_minor(r) >= 47 && yyjson_is_false(enable4),
		.ipv6 = json_bool(root, "EnableIPv6"),
		.labels = labels,
		.n_labels = n_labels > 0 ? (size_t)n_labels : 0,
		.options = options,
		.n_options = n_options > 0 ? (size_t)n_options : 0,
	};
	const char *bad =
		n_labels < 0 || n_options < 0 ? "Labels and Options must be objects of at most 64 strings"
		: n_pools < 0 ? "IPAM.Config must be a list of at most 16 subnets, with at most 64 "
				"auxiliary addresses in all"
		: !c.name     ? "a network needs a name"
		: driver && strcmp(driver, "default")
			? "IPAM drivers other than default are not supported by this engine"
		: scope && strcmp(scope, "local") != 0
			? "Scope can only be local: networks of a swarm are not supported by this engine"
			: NULL;

	if (!shaped(r, root, create_members))
		return;
	if (bad) {
		api_error(r, 400, "%s", bad);
		return;
	}

	int failed = network_create(e->networks, &c, &n, &err);

	if (failed) {
		api_error(r, status_of(failed), "%s", err.text[0] ? err.text : "the network cannot be made");
		return;
	}

	struct event_attribute at[] = {{"name", n->name}, {"type", network_driver_name(n->driver)}};
	yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
	yyjson_mut_val *o = yyjson_mut_obj(doc);

	events_emit(e, "network", "create", n->id, at, 2);
	yyjson_mut_doc_set_root(doc, o);
	yyjson_mut_obj_add_strcpy(doc, o, "Id", n->id);
	yyjson_mut_obj_add_str(doc, o, "Warning", "");
	api_json(r, 201, doc);
}

static void create(struct engine *e, struct http_req *r, const char *arg)
{
	api_body_json(e, r, NULL, create_members, create_body);
}

static int destroy(struct engine *e, struct network *n, struct network_error *err)
{
	char id[NETWORK_ID_LEN + 1], name[NETWORK_NAME_MAX + 1];

	const char *driver = network_driver_name(n->driver);

	memcpy(id, n->id, sizeof(id));
	memcpy(name, n->name, sizeof(name));

	int failed = network_delete(e->networks, n, err);

	if (!failed) {
		struct event_attribute at[] = {{"name", name}, {"type", driver}};

		events_emit(e, "network", "destroy", id, at, 2);
	}
	return failed;
}

static void delete(struct engine *e, struct http_req *r, const char *name)
{
	struct network *n = network_or_404(e, r, name);
	struct network_error err = {0};
	int failed = n ? destroy(e, n, &err) : 0;

	if (failed)
		api_error(
			r, status_of(failed), "%s", err.text[0] ? err.text : "the network cannot be removed");
	else if (n)
		api_empty(r, 204);
}

static void prune(struct engine *e, struct http_req *r, const char *arg)
{
	static const char *const known[] = {"until", "label", "label!", NULL};
	cleanup(freep) char *msg = NULL;
	struct filters *f = NULL;
	int64_t until = 0;

	if (filters_parse(&f, http_query(r, "filters"), known, &msg)) {
		api_error(r, 400, "%s", msg ? msg : "out of memory");
		return;
	}
	if (filters_has(f, "until") && until_parse(filters_value(f, "until", 0), &until)) {
		api_error(r, 400, "invalid until: %s is neither a time nor a duration",
			filters_value(f, "until", 0));
		filters_free(f);
		return;
	}

	yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
	yyjson_mut_val *o = yyjson_mut_obj(doc), *gone = yyjson_mut_arr(doc);

	yyjson_mut_doc_set_root(doc, o);
	for (struct network *n = networks_first(e->networks), *next; n; n = next) {
		struct network_error err = {0};

		next = n->next;
		if (predefined(n) || in_use(e, n) || (until && n->created_ns > until) || !fits(e, n, f))
			continue;
		yyjson_mut_arr_add_strcpy(doc, gone, n->name);
		if (destroy(e, n, &err))
			yyjson_mut_arr_remove_last(gone);
	}
	filters_free(f);
	yyjson_mut_obj_add_val(doc, o, "NetworksDeleted", gone);
	events_prune(e, "network", 0);
	api_json(r, 200, doc);
}

/* Connecting a container that runs is a namespace away; one that does not run keeps the wish in its
 * configuration. */
static void connect_body(struct engine *e, struct http_req *r, const char *name, yyjson_val *root)
{
	struct network *n = shaped(r, root, connect_members) ? network_or_404(e, r, name) : NULL;
	struct container *c =
		n ? container_or_404(e, r, json_str(root, "Container") ? json_str(root, "Container") : "")
		  : NULL;
	yyjson_val *ep = json_obj(root, "EndpointConfig");
	cleanup(freep) char *msg = NULL;

	if (!c)
		return;

	int err = container_net_connect(c, n, ep, &msg);

	if (err) {
		api_error(r, status_of(err), "%s", msg ? msg : errno_text(-err));
		return;
	}
	struct event_attribute at[] = {
		{"container", c->id}, {"name", n->name}, {"type", network_driver_name(n->driver)}};

	events_emit(e, "network", "connect", n->id, at, 3);
	api_empty(r, 200);
}

static void connect_(struct engine *e, struct http_req *r, const char *name)
{
	api_body_json(e, r, name, connect_members, connect_body);
}

/* From a network that is gone. true: it was answered. */
static bool forgotten(struct http_req *r, struct container *c, const char *network, bool force)
{
	int err = container_net_forget(c, network, force);

	if (err == -ENOENT)
		return false;
	if (err)
		api_errno(r, err, "Cannot disconnect container %s from network %s", c->id, network);
	else
		api_empty(r, 200);
	return true;
}

static void disconnect_body(struct engine *e, struct http_req *r, const char *name, yyjson_val *root)
{
	struct container *c =
		shaped(r, root, disconnect_members)
			? container_or_404(
				  e, r, json_str(root, "Container") ? json_str(root, "Container") : "")
			: NULL;
	struct network *n;
	cleanup(freep) char *msg = NULL;
	int err;

	if (!c || forgotten(r, c, name, json_bool(root, "Force")))
		return;
	n = network_or_404(e, r, name);
	if (!n)
		return;
	err = container_net_disconnect(c, n, &msg);

	if (err) {
		api_error(r, status_of(err), "%s", msg ? msg : errno_text(-err));
		return;
	}
	struct event_attribute at[] = {
		{"container", c->id}, {"name", n->name}, {"type", network_driver_name(n->driver)}};

	events_emit(e, "network", "disconnect", n->id, at, 3);
	api_empty(r, 200);
}

static void disconnect(struct engine *e, struct http_req *r, const char *name)
{
	api_body_json(e, r, name, disconnect_members, disconnect_body);
}

const struct api_route network_routes[] = {
	{HTTP_GET_, "networks", list},
	{HTTP_GET_, "networks/", list},
	{HTTP_POST_, "networks/create", create},
	{HTTP_POST_, "networks/prune", prune},
	{HTTP_POST_, "networks/**/connect", connect_},
	{HTTP_POST_, "networks/**/disconnect", disconnect},
	{HTTP_GET_, "networks/**", inspect},
	{HTTP_DELETE_, "networks/**", delete},
	{0},
};

/* SPDX-License-Identifier: Apache-2.0 */

/* Networks and endpoints as JSON files. They are our own, but a disk may have changed them: everything is
 * checked. */

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <yyjson.h>

#include "engine/network_int.h"
#include "lib/file.h"
#include "lib/json.h"
#include "lib/log.h"

enum { FILE_MAX = 1 << 20, PAIRS_MAX = 1024 };

static const char *const drivers[] = {
	[NETWORK_BRIDGE] = "bridge",
	[NETWORK_HOST] = "host",
	[NETWORK_NONE] = "null",
};

typedef yyjson_mut_val *out_val;

/* ---- writing */

static const char *address(struct in_addr a, char out[INET_ADDRSTRLEN])
{
	return inet_ntop(AF_INET, &a, out, INET_ADDRSTRLEN);
}

static void put_address(yyjson_mut_doc *d, out_val o, const char *key, struct in_addr a)
{
	char text[INET_ADDRSTRLEN];

	yyjson_mut_obj_add_strcpy(d, o, key, address(a, text));
}

static void put_pairs(yyjson_mut_doc *d, out_val o, const char *key, const struct network_pair *p, size_t n)
{
	out_val map = yyjson_mut_obj_add_obj(d, o, key);

	for (size_t i = 0; i < n; i++)
		yyjson_mut_obj_add_str(d, map, p[i].key, p[i].value);
}

static int write_doc(yyjson_mut_doc *d, int dir, const char *id)
{
	char name[NETWORK_ID_LEN + 8];
	cleanup(freep) char *text = NULL;
	size_t len;
	int r;

	snprintf(name, sizeof(name), "%s.json", id);
	text = yyjson_mut_write(d, YYJSON_WRITE_NEWLINE_AT_END, &len);
	yyjson_mut_doc_free(d);
	if (!text)
		return log_errno(ENOMEM, "op=write file=%s", name);
	r = file_replace(dir, name, text, len, 0600);
	return r < 0 ? log_errno(-r, "op=write file=%s", name) : 0;
}

int network_save(struct networks *ns, const struct network *n)
{
	yyjson_mut_doc *d = yyjson_mut_doc_new(NULL);
	out_val o = yyjson_mut_obj(d);

	if (!d)
		return log_errno(ENOMEM, "network=%s op=save", n->name);
	yyjson_mut_doc_set_root(d, o);
	yyjson_mut_obj_add_str(d, o, "id", n->id);
	yyjson_mut_obj_add_str(d, o, "name", n->name);
	yyjson_mut_obj_add_str(d, o, "driver", drivers[n->driver]);
	yyjson_mut_obj_add_sint(d, o, "created", n->created_ns);
	yyjson_mut_obj_add_bool(d, o, "internal", n->internal);
	yyjson_mut_obj_add_bool(d, o, "attachable", n->attachable);
	yyjson_mut_obj_add_bool(d, o, "icc", n->icc);
	yyjson_mut_obj_add_bool(d, o, "masquerade", n->masquerade);
	yyjson_mut_obj_add_uint(d, o, "mtu", n->mtu);
	if (n->driver == NETWORK_BRIDGE) {
		yyjson_mut_obj_add_str(d, o, "bridge", n->bridge);
		put_address(d, o, "subnet", n->subnet);
		yyjson_mut_obj_add_uint(d, o, "prefix", n->prefix);
		put_address(d, o, "gateway", n->gateway);
		put_address(d, o, "range", n->range);
		yyjson_mut_obj_add_uint(d, o, "range_prefix", n->range_prefix);
		yyjson_mut_obj_add_bool(d, o, "subnet_given", n->subnet_given);
		yyjson_mut_obj_add_bool(d, o, "gateway_given", n->gateway_given);
		yyjson_mut_obj_add_bool(d, o, "range_given", n->range_given);
	}
	put_pairs(d, o, "labels", n->labels, n->n_labels);
	put_pairs(d, o, "options", n->options, n->n_options);
	return write_doc(d, ns->dir, n->id);
}

int network_endpoint_save(struct networks *ns, const struct network_endpoint *e)
{
	yyjson_mut_doc *d = yyjson_mut_doc_new(NULL);
	out_val o = yyjson_mut_obj(d), list;
	char mac[18];

	if (!d)
		return log_errno(ENOMEM, "endpoint=%s op=save", e->id);
	yyjson_mut_doc_set_root(d, o);
	yyjson_mut_obj_add_str(d, o, "id", e->id);
	yyjson_mut_obj_add_str(d, o, "container", e->container);
	yyjson_mut_obj_add_str(d, o, "name", e->name);
	yyjson_mut_obj_add_str(d, o, "network", e->network->id);
	yyjson_mut_obj_add_str(d, o, "ifname", e->ifname);
	yyjson_mut_obj_add_str(d, o, "peer", e->peer);
	put_address(d, o, "ip", e->ip);
	snprintf(mac, sizeof(mac), "%02x:%02x:%02x:%02x:%02x:%02x", e->mac[0], e->mac[1], e->mac[2],
		e->mac[3], e->mac[4], e->mac[5]);
	yyjson_mut_obj_add_strcpy(d, o, "mac", mac);
	list = yyjson_mut_obj_add_arr(d, o, "aliases");
	for (size_t i = 0; i < e->n_aliases; i++)
		yyjson_mut_arr_add_str(d, list, e->aliases[i]);
	list = yyjson_mut_obj_add_arr(d, o, "dns");
	for (size_t i = 0; i < e->n_dns; i++)
		yyjson_mut_arr_add_str(d, list, e->dns[i]);
	list = yyjson_mut_obj_add_arr(d, o, "ports");
	for (size_t i = 0; i < e->n_ports; i++) {
		out_val p = yyjson_mut_arr_add_obj(d, list);

		yyjson_mut_obj_add_str(d, p, "proto", network_proto_name(e->ports[i].proto));
		yyjson_mut_obj_add_uint(d, p, "container_port", e->ports[i].container_port);
		put_address(d, p, "host_ip", e->ports[i].host_ip);
		yyjson_mut_obj_add_uint(d, p, "host_port", e->ports[i].host_port);
	}
	return write_doc(d, ns->run, e->id);
}

static void forget(int dir, const char *id)
{
	char name[NETWORK_ID_LEN + 8];

	snprintf(name, sizeof(name), "%s.json", id);
	if (unlinkat(dir, name, 0) < 0 && errno != ENOENT)
		log_errno(errno, "op=unlink file=%s", name);
}

void network_forget(struct networks *ns, const struct network *n)
{
	forget(ns->dir, n->id);
}

void network_endpoint_forget(struct networks *ns, const struct network_endpoint *e)
{
	forget(ns->run, e->id);
}

/* ---- reading */

static bool get_str(yyjson_val *o, const char *key, char *out, size_t size)
{
	yyjson_val *v = yyjson_obj_get(o, key);
	const char *s = yyjson_get_str(v);

	if (!s || yyjson_get_len(v) >= size || strlen(s) != yyjson_get_len(v))
		return false;
	memcpy(out, s, strlen(s) + 1);
	return true;
}

static bool id_valid(const char *id)
{
	return strlen(id) == NETWORK_ID_LEN && strspn(id, "0123456789abcdef") == NETWORK_ID_LEN;
}

static bool get_address(yyjson_val *o, const char *key, struct in_addr *out)
{
	const char *s = yyjson_get_str(yyjson_obj_get(o, key));

	return s && inet_pton(AF_INET, s, out) == 1;
}

static int get_pairs(yyjson_val *map, struct network_pair **out, size_t *n)
{
	yyjson_val *k, *v;
	size_t idx, max;

	if (yyjson_obj_size(map) > PAIRS_MAX)
		return -EINVAL;
	if (!yyjson_obj_size(map))
		return 0;
	*out = calloc(yyjson_obj_size(map), sizeof(**out));
	if (!*out)
		return -ENOMEM;
	json_obj_foreach (map, idx, max, k, v) {
		if (!yyjson_is_str(v))
			return -EINVAL;
		(*out)[*n].key = strdup(yyjson_get_str(k));
		(*out)[*n].value = strdup(yyjson_get_str(v));
		(*n)++;
		if (!(*out)[*n - 1].key || !(*out)[*n - 1].value)
			return -ENOMEM;
	}
	return 0;
}

static uint32_t mask_of(uint8_t prefix)
{
	return prefix ? htonl(0xffffffffU << (32 - prefix)) : 0;
}

/* The addresses of a bridge network must fit each other. */
static bool addresses_fit(const struct network *n)
{
	uint32_t mask = mask_of(n->prefix);

	return n->prefix >= 1 && n->prefix <= 30 && n->range_prefix >= n->prefix && n->range_prefix <= 32 &&
	       !(n->subnet.s_addr & ~mask) && (n->gateway.s_addr & mask) == n->subnet.s_addr &&
	       (n->range.s_addr & mask) == n->subnet.s_addr && !(n->range.s_addr & ~mask_of(n->range_prefix));
}

static int read_network(yyjson_val *o, struct network *n)
{
	char driver[16];
	uint64_t prefix = yyjson_get_uint(yyjson_obj_get(o, "prefix"));
	uint64_t range_prefix = yyjson_get_uint(yyjson_obj_get(o, "range_prefix"));
	size_t i = 0;
	int r;

	if (!get_str(o, "id", n->id, sizeof(n->id)) || !id_valid(n->id) ||
		!get_str(o, "name", n->name, sizeof(n->name)) || !n->name[0] ||
		!get_str(o, "driver", driver, sizeof(driver)))
		return -EINVAL;
	while (i < array_len(drivers) && strcmp(drivers[i], driver) != 0)
		i++;
	if (i == array_len(drivers))
		return -EINVAL;
	n->driver = (enum network_driver)i;
	n->created_ns = yyjson_get_sint(yyjson_obj_get(o, "created"));
	n->internal = yyjson_get_bool(yyjson_obj_get(o, "internal"));
	n->attachable = yyjson_get_bool(yyjson_obj_get(o, "attachable"));
	n->icc = yyjson_get_bool(yyjson_obj_get(o, "icc"));
	n->masquerade = yyjson_get_bool(yyjson_obj_get(o, "masquerade"));
	n->mtu = (uint32_t)yyjson_get_uint(yyjson_obj_get(o, "mtu"));
	n->subnet_given = yyjson_get_bool(yyjson_obj_get(o, "subnet_given"));
	n->gateway_given = yyjson_get_bool(yyjson_obj_get(o, "gateway_given"));
	n->range_given = yyjson_get_bool(yyjson_obj_get(o, "range_given"));
	if (n->driver == NETWORK_BRIDGE) {
		if (prefix > 32 || range_prefix > 32)
			return -EINVAL;
		n->prefix = (uint8_t)prefix;
		n->range_prefix = (uint8_t)range_prefix;
		if (!get_str(o, "bridge", n->bridge, sizeof(n->bridge)) || !link_name_valid(n->bridge) ||
			!get_address(o, "subnet", &n->subnet) || !get_address(o, "gateway", &n->gateway) ||
			!get_address(o, "range", &n->range) || !addresses_fit(n))
			return -EINVAL;
	}
	r = get_pairs(yyjson_obj_get(o, "labels"), &n->labels, &n->n_labels);
	if (!r)
		r = get_pairs(yyjson_obj_get(o, "options"), &n->options, &n->n_options);
	return r ? r : network_ipam_init(n);
}

int network_parse(struct network **out, const char *json, size_t len)
{
	yyjson_doc *d = yyjson_read(json, len, 0);
	struct network *n = calloc(1, sizeof(*n));
	int r = !n ? -ENOMEM : !d ? -EINVAL : read_network(yyjson_doc_get_root(d), n);

	yyjson_doc_free(d);
	if (r < 0) {
		network_free(n);
		return r;
	}
	*out = n;
	return 0;
}

static int read_ports(yyjson_val *list, struct network_endpoint *e)
{
	yyjson_val *v;
	size_t idx, max;

	if (yyjson_arr_size(list) > NETWORK_PORTS_MAX)
		return -EINVAL;
	e->ports = calloc(yyjson_arr_size(list) + 1, sizeof(*e->ports));
	if (!e->ports)
		return -ENOMEM;
	yyjson_arr_foreach (list, idx, max, v) {
		struct network_port *p = &e->ports[e->n_ports];
		const char *proto = yyjson_get_str(yyjson_obj_get(v, "proto"));
		uint64_t inside = yyjson_get_uint(yyjson_obj_get(v, "container_port"));
		uint64_t outside = yyjson_get_uint(yyjson_obj_get(v, "host_port"));

		if (!proto || !inside || inside > 65535 || !outside || outside > 65535 ||
			!get_address(v, "host_ip", &p->host_ip))
			return -EINVAL;
		p->proto = !strcmp(proto, "udp") ? IPPROTO_UDP : IPPROTO_TCP;
		p->container_port = (uint16_t)inside;
		p->host_port = (uint16_t)outside;
		p->held = -1;
		e->n_ports++;
	}
	return 0;
}

static int read_aliases(yyjson_val *list, struct network_endpoint *e)
{
	yyjson_val *v;
	size_t idx, max;

	if (yyjson_arr_size(list) > NETWORK_ALIASES_MAX)
		return -EINVAL;
	e->aliases = calloc(yyjson_arr_size(list) + 1, sizeof(*e->aliases));
	if (!e->aliases)
		return -ENOMEM;
	yyjson_arr_foreach (list, idx, max, v) {
		if (!yyjson_is_str(v))
			return -EINVAL;
		e->aliases[e->n_aliases] = strdup(yyjson_get_str(v));
		if (!e->aliases[e->n_aliases])
			return -ENOMEM;
		e->n_aliases++;
	}
	return 0;
}

static void read_dns(yyjson_val *list, struct network_endpoint *e)
{
	yyjson_val *v;
	size_t idx, max;

	yyjson_arr_foreach (list, idx, max, v)
		if (yyjson_is_str(v) && yyjson_get_len(v) < INET6_ADDRSTRLEN && e->n_dns < NETWORK_DNS_MAX)
			snprintf(e->dns[e->n_dns++], INET6_ADDRSTRLEN, "%s", yyjson_get_str(v));
}

static int read_endpoint(struct networks *ns, yyjson_val *o, struct network_endpoint *e)
{
	char network[NETWORK_ID_LEN + 1], mac[18];
	unsigned m[LINK_MAC_LEN];
	int r;

	if (!get_str(o, "id", e->id, sizeof(e->id)) || !id_valid(e->id) ||
		!get_str(o, "container", e->container, sizeof(e->container)) || !e->container[0] ||
		!get_str(o, "name", e->name, sizeof(e->name)) ||
		!get_str(o, "network", network, sizeof(network)) ||
		!get_str(o, "ifname", e->ifname, sizeof(e->ifname)) ||
		!get_str(o, "peer", e->peer, sizeof(e->peer)) || !get_address(o, "ip", &e->ip) ||
		!get_str(o, "mac", mac, sizeof(mac)) ||
		sscanf(mac, "%2x:%2x:%2x:%2x:%2x:%2x", &m[0], &m[1], &m[2], &m[3], &m[4], &m[5]) != 6)
		return -EINVAL;
	for (size_t i = 0; i < LINK_MAC_LEN; i++)
		e->mac[i] = (uint8_t)m[i];
	for (e->network = ns->list; e->network && strcmp(e->network->id, network) != 0;)
		e->network = e->network->next;
	if (!e->network)
		return -EINVAL;
	if (e->network->driver == NETWORK_BRIDGE) {
		if (!link_name_valid(e->peer) || !link_name_valid(e->ifname))
			return -EINVAL;
		e->prefix = e->network->prefix;
		e->gateway = e->network->gateway;
	}
	read_dns(yyjson_obj_get(o, "dns"), e);
	r = read_ports(yyjson_obj_get(o, "ports"), e);
	if (!r)
		r = read_aliases(yyjson_obj_get(o, "aliases"), e);
	/* Last, because from here on the address is taken. */
	if (!r && e->network->driver == NETWORK_BRIDGE)
		r = network_ipam_take(e->network, e->ip);
	return r;
}

int network_endpoint_parse(struct networks *ns, struct network_endpoint **out, const char *json, size_t len)
{
	yyjson_doc *d = yyjson_read(json, len, 0);
	struct network_endpoint *e = calloc(1, sizeof(*e));
	int r = !e ? -ENOMEM : !d ? -EINVAL : read_endpoint(ns, yyjson_doc_get_root(d), e);

	yyjson_doc_free(d);
	if (r < 0) {
		network_endpoint_free(e);
		return r;
	}
	*out = e;
	return 0;
}

/* Oldest first, as they are listed. */
static void insert(struct network **list, struct network *n)
{
	while (*list && (*list)->created_ns <= n->created_ns)
		list = &(*list)->next;
	n->next = *list;
	*list = n;
}

static int load_one(struct networks *ns, int dir, const char *name)
{
	cleanup(freep) char *json = NULL;
	struct network_endpoint *e;
	struct network *n;
	size_t len;
	int r = file_read(dir, name, FILE_MAX, &json, &len);

	if (r < 0)
		return r;
	if (dir == ns->dir) {
		r = network_parse(&n, json, len);
		if (!r)
			insert(&ns->list, n);
		return r;
	}
	r = network_endpoint_parse(ns, &e, json, len);
	if (!r) {
		e->next = ns->endpoints;
		ns->endpoints = e;
	}
	return r;
}

static int load_dir(struct networks *ns, int dir)
{
	int fd = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), r = 0;
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *de;

	if (!d) {
		r = log_errno(errno, "op=read-networks");
		closep(&fd);
		return r;
	}
	while ((de = readdir(d))) {
		const char *dot = strrchr(de->d_name, '.');
		char aside[300];

		if (!dot || strcmp(dot, ".json") != 0)
			continue;
		r = load_one(ns, dir, de->d_name);
		if (r == -ENOMEM)
			break;
		if (r == 0)
			continue;
		/* Not deleted: somebody may want to see what was in it. */
		snprintf(aside, sizeof(aside), "%s.bad", de->d_name);
		log_errno(-r, "op=load file=%s msg=\"cannot be used; set aside as %s\"", de->d_name, aside);
		if (renameat(dir, de->d_name, dir, aside) < 0)
			log_errno(errno, "op=rename file=%s", de->d_name);
		r = 0;
	}
	closedir(d);
	return r;
}

int network_load_all(struct networks *ns)
{
	return load_dir(ns, ns->dir);
}

int network_endpoint_load_all(struct networks *ns)
{
	return load_dir(ns, ns->run);
}

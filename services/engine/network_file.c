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

typedef yyjson_mut_val *out_val;

/* ---- writing */

static void put_address(yyjson_mut_doc *d, out_val o, const char *key, const struct ipaddr *a, bool prefix)
{
	char text[IPADDR_TEXT_MAX];

	if (a->family)
		yyjson_mut_obj_add_strcpy(d, o, key, ipaddr_format(a, prefix, text));
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

static void put_pools(
	yyjson_mut_doc *d, out_val o, const char *key, const struct network_pool *pools, size_t n)
{
	out_val list = yyjson_mut_obj_add_arr(d, o, key);

	for (size_t i = 0; i < n; i++) {
		const struct network_pool *p = &pools[i];
		out_val v = yyjson_mut_arr_add_obj(d, list);

		put_address(d, v, "subnet", &p->subnet, true);
		put_address(d, v, "gateway", &p->gateway, false);
		put_address(d, v, "range", &p->range, true);
		if (p->chosen)
			yyjson_mut_obj_add_bool(d, v, "chosen", true);
		yyjson_mut_obj_add_bool(d, v, "gateway_given", p->gateway_given);
		yyjson_mut_obj_add_bool(d, v, "range_given", p->range_given);
		put_pairs(d, v, "aux", p->aux, p->n_aux);
	}
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
	yyjson_mut_obj_add_str(d, o, "driver", network_driver_name(n->driver));
	yyjson_mut_obj_add_sint(d, o, "created", n->created_ns);
	yyjson_mut_obj_add_bool(d, o, "internal", n->internal);
	yyjson_mut_obj_add_bool(d, o, "attachable", n->attachable);
	yyjson_mut_obj_add_bool(d, o, "ipv4", n->ipv4);
	yyjson_mut_obj_add_bool(d, o, "ipv6", n->ipv6);
	/* What the options say is not here: they are read again. */
	if (network_has_link(n)) {
		yyjson_mut_obj_add_str(d, o, "device", n->bridge);
		yyjson_mut_obj_add_bool(d, o, "own_parent", n->own_parent);
	}
	put_pools(d, o, "pools", n->pools, n->n_pools);
	if (n->n_unused)
		put_pools(d, o, "unused", n->unused, n->n_unused);
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
	put_address(d, o, "ipv4", &e->ip[NETWORK_V4], false);
	put_address(d, o, "ipv6", &e->ip[NETWORK_V6], false);
	yyjson_mut_obj_add_sint(d, o, "gw_priority", e->gw_priority);
	yyjson_mut_obj_add_uint(d, o, "rank", e->rank);
	snprintf(mac, sizeof(mac), "%02x:%02x:%02x:%02x:%02x:%02x", e->mac[0], e->mac[1], e->mac[2],
		e->mac[3], e->mac[4], e->mac[5]);
	yyjson_mut_obj_add_strcpy(d, o, "mac", mac);
	list = yyjson_mut_obj_add_arr(d, o, "aliases");
	for (size_t i = 0; i < e->n_aliases; i++)
		yyjson_mut_arr_add_str(d, list, e->aliases[i]);
	list = yyjson_mut_obj_add_arr(d, o, "links");
	for (size_t i = 0; i < e->n_links; i++)
		yyjson_mut_arr_add_str(d, list, e->links[i]);
	list = yyjson_mut_obj_add_arr(d, o, "dns");
	for (size_t i = 0; i < e->n_dns; i++)
		yyjson_mut_arr_add_str(d, list, e->dns[i]);
	list = yyjson_mut_obj_add_arr(d, o, "ports");
	for (size_t i = 0; i < e->n_ports; i++) {
		out_val p = yyjson_mut_arr_add_obj(d, list);

		yyjson_mut_obj_add_str(d, p, "proto", network_proto_name(e->ports[i].proto));
		yyjson_mut_obj_add_uint(d, p, "container_port", e->ports[i].container_port);
		put_address(d, p, "host_ip", &e->ports[i].host_ip, false);
		yyjson_mut_obj_add_uint(d, p, "host_port", e->ports[i].host_port);
		yyjson_mut_obj_add_bool(d, p, "twin", e->ports[i].twin);
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

static bool get_address(yyjson_val *o, const char *key, struct ipaddr *out)
{
	const char *s = yyjson_get_str(yyjson_obj_get(o, key));

	return s && ipaddr_parse(s, out) == 0;
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

/* Of a gateway and a range that are not there the family is 0. What is read is the caller's to free, also after a failure. */
static int read_pool(yyjson_val *v, struct network_pool *p)
{
	if (!get_address(v, "subnet", &p->subnet) ||
		(yyjson_obj_get(v, "gateway") && !get_address(v, "gateway", &p->gateway)) ||
		(yyjson_obj_get(v, "range") && !get_address(v, "range", &p->range)))
		return -EINVAL;
	/* Older engines did not say who chose it: then an address in it can be asked for, as theirs could. */
	p->chosen = yyjson_get_bool(yyjson_obj_get(v, "chosen"));
	p->gateway_given = yyjson_get_bool(yyjson_obj_get(v, "gateway_given"));
	p->range_given = yyjson_get_bool(yyjson_obj_get(v, "range_given"));
	return get_pairs(yyjson_obj_get(v, "aux"), &p->aux, &p->n_aux);
}

static int read_pools(yyjson_val *list, struct network *n)
{
	yyjson_val *v;
	size_t idx, max;

	if (yyjson_arr_size(list) > NETWORK_POOLS_MAX || (!yyjson_arr_size(list) && (n->ipv4 || n->ipv6)))
		return -EINVAL;
	yyjson_arr_foreach (list, idx, max, v) {
		struct network_pool *p = &n->pools[n->n_pools++];
		int r = read_pool(v, p);

		if (!r && ((!p->gateway.family && network_node_is_in(n, network_family_of(&p->subnet))) ||
				  !network_pool_sound(p)))
			r = -EINVAL;
		if (!r)
			r = network_ipam_init(p);
		if (r < 0)
			return r;
	}
	return 0;
}

static int read_unused(yyjson_val *list, struct network *n)
{
	yyjson_val *v;
	size_t idx, max;
	int r = yyjson_arr_size(list) > NETWORK_POOLS_MAX ? -EINVAL : 0;

	yyjson_arr_foreach (list, idx, max, v)
		if (!r)
			r = read_pool(v, &n->unused[n->n_unused++]);
	return r;
}

static int read_network(yyjson_val *o, struct network *n)
{
	char driver[16];
	int r;

	if (!get_str(o, "id", n->id, sizeof(n->id)) || !id_valid(n->id) ||
		!get_str(o, "name", n->name, sizeof(n->name)) || !n->name[0] ||
		!get_str(o, "driver", driver, sizeof(driver)))
		return -EINVAL;
	while (strcmp(network_driver_name(n->driver), driver) != 0)
		if (n->driver++ == NETWORK_IPVLAN)
			return -EINVAL;
	n->created_ns = yyjson_get_sint(yyjson_obj_get(o, "created"));
	n->internal = yyjson_get_bool(yyjson_obj_get(o, "internal"));
	n->attachable = yyjson_get_bool(yyjson_obj_get(o, "attachable"));
	n->ipv4 = yyjson_get_bool(yyjson_obj_get(o, "ipv4"));
	n->ipv6 = yyjson_get_bool(yyjson_obj_get(o, "ipv6"));
	r = get_pairs(yyjson_obj_get(o, "labels"), &n->labels, &n->n_labels);
	if (!r)
		r = get_pairs(yyjson_obj_get(o, "options"), &n->options, &n->n_options);
	network_defaults(n);
	for (size_t i = 0; i < n->n_options && !r; i++)
		r = network_option_apply(n, &n->options[i], NULL);
	if (r < 0 || !network_has_link(n))
		return r;
	n->own_parent = yyjson_get_bool(yyjson_obj_get(o, "own_parent"));
	if (!get_str(o, "device", n->bridge, sizeof(n->bridge)) || !link_name_valid(n->bridge))
		return -EINVAL;
	r = read_pools(yyjson_obj_get(o, "pools"), n);
	return r ? r : read_unused(yyjson_obj_get(o, "unused"), n);
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

		if (!proto || !inside || inside > 65535 || outside > 65535 ||
			!get_address(v, "host_ip", &p->host_ip) ||
			!e->ip[network_family_of(&p->host_ip)].family)
			return -EINVAL;
		p->twin = yyjson_get_bool(yyjson_obj_get(v, "twin"));
		p->proto = !strcmp(proto, "udp") ? IPPROTO_UDP : IPPROTO_TCP;
		p->container_port = (uint16_t)inside;
		p->host_port = (uint16_t)outside;
		p->held = -1;
		e->n_ports++;
	}
	return 0;
}

static int read_texts(yyjson_val *list, char ***out, size_t *n)
{
	yyjson_val *v;
	size_t idx, max;

	if (yyjson_arr_size(list) > NETWORK_ALIASES_MAX)
		return -EINVAL;
	*out = calloc(yyjson_arr_size(list) + 1, sizeof(**out));
	if (!*out)
		return -ENOMEM;
	yyjson_arr_foreach (list, idx, max, v) {
		if (!yyjson_is_str(v))
			return -EINVAL;
		(*out)[*n] = strdup(yyjson_get_str(v));
		if (!(*out)[*n])
			return -ENOMEM;
		++*n;
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

/* Its addresses, which are taken from here on. */
static int read_addresses(yyjson_val *o, struct network_endpoint *e)
{
	static const char *const keys[NETWORK_FAMILIES] = {"ipv4", "ipv6"};
	bool any = false;

	for (enum network_family f = NETWORK_V4; f < NETWORK_FAMILIES; f++) {
		struct ipaddr a;
		int r;

		if (!yyjson_obj_get(o, keys[f]))
			continue;
		if (!get_address(o, keys[f], &a) || network_family_of(&a) != f)
			return -EINVAL;
		r = network_ipam_take(e->network, &a, &e->gateway[f]);
		if (r < 0)
			return r;
		e->ip[f] = a;
		any = true;
	}
	return any || !(e->network->ipv4 || e->network->ipv6) ? 0 : -EINVAL;
}

static void give_back(struct network_endpoint *e)
{
	for (enum network_family f = NETWORK_V4; f < NETWORK_FAMILIES; f++)
		if (e->ip[f].family)
			network_ipam_release(e->network, &e->ip[f]);
}

static int read_endpoint(struct networks *ns, yyjson_val *o, struct network_endpoint *e)
{
	char network[NETWORK_ID_LEN + 1], mac[18];
	unsigned m[LINK_MAC_LEN];
	int r = 0;

	if (!get_str(o, "id", e->id, sizeof(e->id)) || !id_valid(e->id) ||
		!get_str(o, "container", e->container, sizeof(e->container)) || !e->container[0] ||
		!get_str(o, "name", e->name, sizeof(e->name)) ||
		!get_str(o, "network", network, sizeof(network)) ||
		!get_str(o, "ifname", e->ifname, sizeof(e->ifname)) ||
		!get_str(o, "peer", e->peer, sizeof(e->peer)) || !get_str(o, "mac", mac, sizeof(mac)) ||
		sscanf(mac, "%2x:%2x:%2x:%2x:%2x:%2x", &m[0], &m[1], &m[2], &m[3], &m[4], &m[5]) != 6)
		return -EINVAL;
	for (size_t i = 0; i < LINK_MAC_LEN; i++)
		e->mac[i] = (uint8_t)m[i];
	e->gw_priority = (int32_t)yyjson_get_sint(yyjson_obj_get(o, "gw_priority"));
	e->rank = (uint8_t)yyjson_get_uint(yyjson_obj_get(o, "rank"));
	for (e->network = ns->list; e->network && strcmp(e->network->id, network) != 0;)
		e->network = e->network->next;
	if (!e->network)
		return -EINVAL;
	if (network_has_link(e->network)) {
		if ((e->network->driver == NETWORK_BRIDGE && !link_name_valid(e->peer)) ||
			!link_name_valid(e->ifname))
			return -EINVAL;
		r = read_addresses(o, e);
	}
	read_dns(yyjson_obj_get(o, "dns"), e);
	if (!r)
		r = read_ports(yyjson_obj_get(o, "ports"), e);
	if (!r)
		r = read_texts(yyjson_obj_get(o, "aliases"), &e->aliases, &e->n_aliases);
	if (!r)
		r = read_texts(yyjson_obj_get(o, "links"), &e->links, &e->n_links);
	if (r < 0)
		give_back(e);
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

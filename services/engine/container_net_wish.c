/* SPDX-License-Identifier: Apache-2.0 */

/*
 * What a container asks of networks: "Networks" of its configuration, endpoint settings by the network's name. It is made at
 * create out of HostConfig.NetworkMode and NetworkingConfig, connect and disconnect change it, and a start attaches to what is
 * in it: NetworkMode says no more than where it began.
 */

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "engine/container.h"
#include "engine/container_net_int.h"
#include "engine/engine.h"
#include "engine/files.h"
#include "engine/network.h"
#include "lib/json.h"
#include "lib/link.h"

/* ---- checks */

int container_net_parse_mac(const char *s, uint8_t mac[6])
{
	int used = 0;

	return sscanf(s, "%2hhx:%2hhx:%2hhx:%2hhx:%2hhx:%2hhx%n", &mac[0], &mac[1], &mac[2], &mac[3], &mac[4],
		       &mac[5], &used) == 6 &&
			       used == 17 && !s[17]
		       ? 0
		       : -EINVAL;
}

/* Clients put the links of a new container into the settings of its endpoint, too. */
static bool says_again(yyjson_val *links, yyjson_val *made_with)
{
	size_t i, n;
	yyjson_val *v;

	yyjson_arr_foreach (links, i, n, v) {
		size_t j, m, found = 0;
		yyjson_val *w;

		yyjson_arr_foreach (made_with, j, m, w)
			found += yyjson_equals(v, w);
		if (!found)
			return false;
	}
	return true;
}

int container_net_check_links(yyjson_val *links, yyjson_val *made_with, const struct network *net, char **msg)
{
	size_t i, n;
	yyjson_val *v;

	if (net && !network_names_served(net) && !says_again(links, made_with)) {
		*msg = text_make(
			"links (--link) need a network of your own, or are made with a container on the default bridge "
			"(HostConfig.Links): %s has no names for containers",
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

/* Addresses and aliases that are asked for; the sentences are Docker's. */
static int check_address(yyjson_val *ipam, const struct network *net, enum network_family f, char **msg)
{
	const char *wanted = json_text(ipam, f == NETWORK_V4 ? "IPv4Address" : "IPv6Address");
	struct network_error err = {0};

	if (!wanted)
		return 0;
	if (net && !network_names_served(net))
		*msg = text_make("invalid endpoint settings:\nuser specified IP address is supported on user "
				 "defined networks only");
	else if (network_address_check(net, f, wanted, &err))
		*msg = text_make("invalid endpoint settings:\n%s", err.text);
	else
		return 0;
	return -EINVAL;
}

static int check_aliases(yyjson_val *aliases, const struct network *net, char **msg)
{
	if (yyjson_arr_size(aliases) > CONTAINER_NET_LIST_MAX)
		*msg = text_make("more than %d aliases on a network", CONTAINER_NET_LIST_MAX);
	else if (net && yyjson_arr_size(aliases) && !network_names_served(net))
		*msg = text_make("invalid endpoint settings:\nnetwork-scoped aliases are only supported for "
				 "user-defined networks");
	else
		return 0;
	return -EINVAL;
}

static int check_link_local(yyjson_val *list, char **msg)
{
	size_t i, n;
	yyjson_val *v;

	if (yyjson_arr_size(list) > CONTAINER_NET_LIST_MAX) {
		*msg = text_make("more than %d link-local addresses on a network", CONTAINER_NET_LIST_MAX);
		return -EINVAL;
	}
	yyjson_arr_foreach (list, i, n, v) {
		struct ipaddr a;

		if (!network_link_local_parse(yyjson_get_str(v), &a))
			continue;
		*msg = text_make("invalid link-local IP address \"%.64s\"", yyjson_get_str(v));
		return -EINVAL;
	}
	return 0;
}

int container_net_check_wish(yyjson_val *ep, yyjson_val *made_with, const struct network *net, char **msg)
{
	const char *m = json_text(ep, "MacAddress"), *v;
	yyjson_val *ipam = json_obj(ep, "IPAMConfig");
	uint8_t mac[6];
	size_t i, n;
	yyjson_val *key, *val;

	if (m && container_net_parse_mac(m, mac)) {
		*msg = text_make("invalid MAC address \"%s\"", m);
		return -EINVAL;
	}
	if (check_aliases(json_arr(ep, "Aliases"), net, msg) ||
		container_net_check_links(json_arr(ep, "Links"), made_with, net, msg) ||
		check_address(ipam, net, NETWORK_V4, msg) || check_address(ipam, net, NETWORK_V6, msg) ||
		check_link_local(json_arr(ipam, "LinkLocalIPs"), msg))
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

/* ---- at create */

/* The network of that name, id, or beginning of one. NULL: there is none; or @ns is NULL, and nobody knows. */
static struct network *known(struct networks *ns, const char *name)
{
	struct network *n = NULL;

	return ns && !networks_find(ns, name, &n, NULL) ? n : NULL;
}

/* Clients name a network as they like: by its name, its id, or the beginning of that. */
static bool same(struct networks *ns, const char *a, const char *b)
{
	return !strcmp(a, b) || (known(ns, a) && known(ns, a) == known(ns, b));
}

yyjson_val *container_net_own(struct networks *ns, yyjson_val *host, yyjson_val *networking)
{
	yyjson_val *all = json_obj(networking, "EndpointsConfig"), *key, *ep;
	size_t i, n;

	json_obj_foreach (all, i, n, key, ep)
		if (same(ns, yyjson_get_str(key), container_net_mode_of(host)))
			return ep;
	return yyjson_obj_get(all, "default");
}

/* Where the wish itself says nothing. */
static void put_default(yyjson_mut_doc *doc, yyjson_mut_val *wish, const char *key, yyjson_val *value)
{
	if (!json_blank(value) && !yyjson_mut_get_len(yyjson_mut_obj_get(wish, key)))
		yyjson_mut_obj_put(wish, yyjson_mut_strcpy(doc, key), yyjson_val_mut_copy(doc, value));
}

/* @n: NULL when it is not known. */
static yyjson_mut_val *put(
	yyjson_mut_doc *doc, yyjson_mut_val *all, const char *name, const struct network *n, yyjson_val *ep)
{
	yyjson_mut_val *wish = yyjson_is_obj(ep) ? yyjson_val_mut_copy(doc, ep) : yyjson_mut_obj(doc);

	/* clients send back whatever they were told */
	yyjson_mut_obj_remove_key(wish, "NetworkID");
	if (n)
		yyjson_mut_obj_add_strcpy(doc, wish, "NetworkID", n->id);
	yyjson_mut_obj_put(all, yyjson_mut_strcpy(doc, n ? n->name : name), wish);
	return wish;
}

yyjson_mut_val *container_net_wanted(struct networks *ns, yyjson_mut_doc *doc, yyjson_val *config,
	yyjson_val *host, yyjson_val *networking)
{
	yyjson_val *all = json_obj(networking, "EndpointsConfig"), *own, *key, *ep;
	const char *mode = container_net_mode_of(host);
	yyjson_mut_val *o = yyjson_mut_obj(doc), *wish;
	size_t i, n;

	if (!strncmp(mode, "container:", 10))
		return o;
	own = container_net_own(ns, host, networking);
	/* Its interface is the first. Older engines put a container into this network whatever else was named. */
	if (own || !ns || json_blank(all)) {
		wish = put(doc, o, mode, known(ns, mode), own);
		put_default(doc, wish, "MacAddress", yyjson_obj_get(config, "MacAddress"));
		/* Clients put those of the first network in both places, or only here. The default bridge has its own:
		 * container_links.h. */
		if (strcmp(mode, "bridge") != 0)
			put_default(doc, wish, "Links", yyjson_obj_get(host, "Links"));
	}
	json_obj_foreach (all, i, n, key, ep)
		if (!same(ns, yyjson_get_str(key), mode) && strcmp(yyjson_get_str(key), "default") != 0)
			put(doc, o, yyjson_get_str(key), known(ns, yyjson_get_str(key)), ep);
	return o;
}

yyjson_doc *container_net_of_old(yyjson_val *config, yyjson_val *host, yyjson_val *networking)
{
	cleanup(json_mut_docp) yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);

	if (!doc)
		return NULL;
	yyjson_mut_doc_set_root(doc, container_net_wanted(NULL, doc, config, host, networking));
	return yyjson_mut_doc_imut_copy(doc, NULL);
}

/* ---- while it is there */

int container_net_find(struct networks *ns, const char *name, yyjson_val *wish, struct network **out,
	struct network_error *err)
{
	/* one that was known is kept by its name, and no other is meant whose id begins so */
	return json_text(wish, "NetworkID") ? networks_find_whole(ns, name, out, err)
					    : networks_find(ns, name, out, err);
}

struct network *container_net_of_wish(struct networks *ns, const char *name, yyjson_val *wish)
{
	struct network *n = NULL;

	return container_net_find(ns, name, wish, &n, NULL) ? NULL : n;
}

yyjson_val *container_net_wish(const struct container *c, const struct network *net, const char **name)
{
	size_t i, n;
	yyjson_val *key, *ep;

	json_obj_foreach (c->net_wishes, i, n, key, ep) {
		if (container_net_of_wish(c->e->networks, yyjson_get_str(key), ep) != net)
			continue;
		if (name)
			*name = yyjson_get_str(key);
		return ep;
	}
	return NULL;
}

const char *container_net_mac(const struct container *c)
{
	const struct network *own = known(c->e->networks, container_net_mode(c));

	return own ? json_text(container_net_wish(c, own, NULL), "MacAddress") : NULL;
}

static size_t add_name(const char **names, size_t n, const char *name)
{
	for (size_t i = 0; i < n; i++)
		if (!strcmp(names[i], name))
			return n;
	names[n] = name;
	return n + 1;
}

size_t container_net_names(const struct container *c, yyjson_val *wish, char short_id[13],
	const char *out[CONTAINER_NET_NAMES_MAX])
{
	const char *aliases[CONTAINER_NET_LIST_MAX], *hostname = json_text(c->config, "Hostname");
	size_t n_aliases = container_net_strings(json_arr(wish, "Aliases"), aliases, CONTAINER_NET_LIST_MAX);
	size_t n = add_name(out, 0, c->name);

	for (size_t i = 0; i < n_aliases; i++)
		n = add_name(out, n, aliases[i]);
	snprintf(short_id, 13, "%.12s", c->id);
	n = add_name(out, n, short_id);
	return hostname ? add_name(out, n, hostname) : n;
}

bool container_net_is_alone(const struct container *c)
{
	size_t i, n;
	yyjson_val *key, *ep;

	json_obj_foreach (c->net_wishes, i, n, key, ep) {
		const struct network *net = container_net_of_wish(c->e->networks, yyjson_get_str(key), ep);

		if (net && container_net_stands_alone(net))
			return true;
	}
	return false;
}

/* Writes the wishes without the one called @without (NULL: all stay), and with @ep for @net (NULL: none is added). */
static int save(struct container *c, const char *without, const struct network *net, yyjson_val *ep)
{
	cleanup(json_mut_docp) yyjson_mut_doc *doc = container_config_copy(c);
	yyjson_mut_val *root = doc ? yyjson_mut_doc_get_root(doc) : NULL,
		       *all = root ? yyjson_val_mut_copy(doc, c->net_wishes) : NULL;

	if (!all)
		return -ENOMEM;
	if (without)
		yyjson_mut_obj_remove_key(all, without);
	if (net)
		put(doc, all, net->name, net, ep);
	yyjson_mut_obj_put(root, yyjson_mut_str(doc, "Networks"), all);
	/* of an older engine, which kept what it was made with in its place */
	yyjson_mut_obj_remove_key(root, "NetworkingConfig");
	return container_save_config(c, doc);
}

int container_net_keep(struct container *c, const struct network *net, yyjson_val *ep)
{
	const char *old = NULL;

	(void)container_net_wish(c, net, &old);
	return save(c, old, net, ep);
}

int container_net_drop(struct container *c, const char *name)
{
	return save(c, name, NULL, NULL);
}

int container_net_forget(struct container *c, const char *name, bool force)
{
	yyjson_val *wish = yyjson_obj_get(c->net_wishes, name);

	if (!wish || container_net_of_wish(c->e->networks, name, wish) || (container_is_up(c) && !force))
		return -ENOENT;
	return container_net_drop(c, name);
}

/* SPDX-License-Identifier: Apache-2.0 */

#include <errno.h>
#include <net/if_arp.h>
#include <stdio.h>
#include <string.h>
#include <yyjson.h>

#include "init/network/netcfg.h"

const struct netcfg_interface netcfg_default = {.dhcp = true, .ipv6 = true};

/* Names as in the kernel's bonding driver; the place is the mode's number. */
static const char *const bond_modes[] = {
	"balance-rr",
	"active-backup",
	"balance-xor",
	"broadcast",
	"802.3ad",
	"balance-tlb",
	"balance-alb",
};

static int refuse(char why[256], const char *key, const char *value)
{
	snprintf(why, 256, "network: %s: not usable: %.128s", key, value ? value : "(missing)");
	return -EINVAL;
}

/* Copies a string member; absent leaves @out as it is. */
static int get_text(yyjson_val *obj, const char *key, char *out, size_t size, char why[256])
{
	yyjson_val *v = yyjson_obj_get(obj, key);
	size_t len = yyjson_get_len(v);

	if (!v)
		return 0;
	if (!yyjson_is_str(v) || len >= size || memchr(yyjson_get_str(v), '\0', len))
		return refuse(why, key, yyjson_get_str(v));
	memcpy(out, yyjson_get_str(v), len + 1);
	return 0;
}

static int get_name(yyjson_val *obj, const char *key, char out[IFNAMSIZ], char why[256])
{
	int r = get_text(obj, key, out, IFNAMSIZ, why);

	if (!r && out[0] && !link_name_valid(out))
		return refuse(why, key, out);
	return r;
}

static int get_address(yyjson_val *obj, const char *key, uint8_t family, struct ipaddr *out, char why[256])
{
	const char *text = yyjson_get_str(yyjson_obj_get(obj, key));

	if (!yyjson_obj_get(obj, key))
		return 0;
	if (!text || strchr(text, '/') || ipaddr_parse(text, out) < 0 || out->family != family)
		return refuse(why, key, text);
	return 0;
}

static int get_mac(yyjson_val *obj, struct netcfg_interface *i, char why[256])
{
	const char *text = yyjson_get_str(yyjson_obj_get(obj, "mac"));
	unsigned b[LINK_MAC_LEN];
	char end;

	if (!yyjson_obj_get(obj, "mac"))
		return 0;
	if (!text || strlen(text) != 17 ||
		sscanf(text, "%2x:%2x:%2x:%2x:%2x:%2x%c", &b[0], &b[1], &b[2], &b[3], &b[4], &b[5], &end) !=
			6)
		return refuse(why, "mac", text);
	for (size_t n = 0; n < LINK_MAC_LEN; n++)
		i->mac[n] = (uint8_t)b[n];
	i->has_mac = true;
	return 0;
}

static int get_bond(yyjson_val *bond, struct netcfg_interface *i, char why[256])
{
	const char *mode = yyjson_get_str(yyjson_obj_get(bond, "mode"));
	yyjson_val *member;
	size_t idx, max;

	i->bond_mode = 1;
	if (mode) {
		size_t n = 0;

		while (n < array_len(bond_modes) && strcmp(bond_modes[n], mode) != 0)
			n++;
		if (n == array_len(bond_modes))
			return refuse(why, "bond.mode", mode);
		i->bond_mode = (uint8_t)n;
	}
	yyjson_arr_foreach (yyjson_obj_get(bond, "members"), idx, max, member) {
		const char *name = yyjson_get_str(member);

		if (!name || !link_name_valid(name) || i->n_members == NETCFG_MEMBERS_MAX)
			return refuse(why, "bond.members", name);
		memcpy(i->members[i->n_members++], name, strlen(name) + 1);
	}
	if (!i->n_members)
		return refuse(why, "bond.members", NULL);
	return 0;
}

static int get_interface(yyjson_val *obj, struct netcfg_interface *i, char why[256])
{
	yyjson_val *vlan = yyjson_obj_get(obj, "vlan"), *bond = yyjson_obj_get(obj, "bond"), *v;
	char ipv6[8] = "auto";
	bool fixed4 = false;
	size_t idx, max;
	int r;

	if ((r = get_name(obj, "name", i->name, why)) || (r = get_mac(obj, i, why)) ||
		(r = get_text(obj, "ipv6", ipv6, sizeof(ipv6), why)) ||
		(r = get_address(obj, "gateway", AF_INET, &i->gateways[0], why)) ||
		(r = get_address(obj, "gateway6", AF_INET6, &i->gateways[1], why)))
		return r;
	if (strcmp(ipv6, "auto") != 0 && strcmp(ipv6, "off") != 0)
		return refuse(why, "ipv6", ipv6);
	i->ipv6 = !strcmp(ipv6, "auto");
	yyjson_arr_foreach (yyjson_obj_get(obj, "addresses"), idx, max, v) {
		const char *text = yyjson_get_str(v);
		struct ipaddr *a = &i->addresses[i->n_addresses];

		if (i->n_addresses == NETCFG_ADDRESSES_MAX || !text || ipaddr_parse(text, a) < 0)
			return refuse(why, "addresses", text);
		fixed4 |= a->family == AF_INET;
		i->n_addresses++;
	}
	v = yyjson_obj_get(obj, "dhcp");
	i->dhcp = v ? yyjson_get_bool(v) : !fixed4;
	i->mtu = (uint32_t)yyjson_get_uint(yyjson_obj_get(obj, "mtu"));
	if (vlan) {
		uint64_t id = yyjson_get_uint(yyjson_obj_get(vlan, "id"));

		if (id < 1 || id > 4094)
			return refuse(why, "vlan.id", NULL);
		i->vlan_id = (uint16_t)id;
		r = get_name(vlan, "parent", i->parent, why);
		if (r)
			return r;
		if (!i->parent[0])
			return refuse(why, "vlan.parent", NULL);
	}
	if (bond && (r = get_bond(bond, i, why)))
		return r;
	if ((vlan || bond) && !i->name[0])
		return refuse(why, "name", NULL);
	if (!i->name[0] && !i->has_mac)
		return refuse(why, "interfaces: neither name nor mac", NULL);
	return 0;
}

static int get_lists(struct netcfg *c, yyjson_val *network, char why[256])
{
	yyjson_val *v;
	size_t idx, max;

	yyjson_arr_foreach (yyjson_obj_get(network, "nameservers"), idx, max, v) {
		const char *text = yyjson_get_str(v);
		struct ipaddr a;

		if (c->n_nameservers == NETCFG_SERVERS_MAX || !text || strchr(text, '/') ||
			ipaddr_parse(text, &a) < 0)
			return refuse(why, "nameservers", text);
		ipaddr_format(&a, false, c->nameservers[c->n_nameservers++]);
	}
	yyjson_arr_foreach (yyjson_obj_get(network, "search"), idx, max, v) {
		const char *text = yyjson_get_str(v);

		if (c->n_search == NETCFG_SEARCH_MAX || !text || strlen(text) >= NETCFG_NAME_MAX)
			return refuse(why, "search", text);
		memcpy(c->search[c->n_search++], text, strlen(text) + 1);
	}
	return 0;
}

int netcfg_parse(struct netcfg *out, const char *json, size_t len, char why[256])
{
	yyjson_doc *doc = yyjson_read(json, len, 0);
	yyjson_val *network = yyjson_obj_get(yyjson_doc_get_root(doc), "network");
	yyjson_val *list = yyjson_obj_get(network, "interfaces"), *v;
	struct netcfg c = {};
	size_t idx, max;
	int r = 0;

	why[0] = '\0';
	if (!doc)
		return refuse(why, "configuration is not JSON", "");
	if (yyjson_arr_size(list) > NETCFG_INTERFACES_MAX)
		r = refuse(why, "interfaces", "too many");
	else if (yyjson_arr_size(list)) {
		c.interfaces = calloc(yyjson_arr_size(list), sizeof(*c.interfaces));
		if (!c.interfaces)
			r = -ENOMEM;
	}
	if (!r)
		yyjson_arr_foreach (list, idx, max, v) {
			r = get_interface(v, &c.interfaces[c.n_interfaces++], why);
			if (r)
				break;
		}
	if (!r)
		r = get_lists(&c, network, why);
	yyjson_doc_free(doc);
	if (r) {
		netcfg_fini(&c);
		return r;
	}
	*out = c;
	return 0;
}

void netcfg_fini(struct netcfg *c)
{
	free(c->interfaces);
	*c = (struct netcfg){};
}

const struct netcfg_interface *netcfg_bond_of(const struct netcfg *c, const char *name)
{
	for (size_t i = 0; i < c->n_interfaces; i++)
		for (size_t m = 0; m < c->interfaces[i].n_members; m++)
			if (!strcmp(c->interfaces[i].members[m], name))
				return &c->interfaces[i];
	return NULL;
}

/* A card that has the name of a VLAN or bond is not that. */
static bool is_kind(const struct netcfg_interface *i, const char *kind)
{
	return i->vlan_id ? !strcmp(kind, "vlan") : i->n_members ? !strcmp(kind, "bond") : true;
}

const struct netcfg_interface *netcfg_match(const struct netcfg *c, const struct link *l)
{
	/* The address that is burnt in, because a bond gives its own to its members. */
	const uint8_t *mac = l->has_permanent_mac ? l->permanent_mac : l->has_mac ? l->mac : NULL;
	bool hardware = !l->kind[0] && l->arp_type == ARPHRD_ETHER;

	for (size_t i = 0; i < c->n_interfaces && hardware && mac; i++)
		if (c->interfaces[i].has_mac && !memcmp(c->interfaces[i].mac, mac, LINK_MAC_LEN))
			return &c->interfaces[i];
	for (size_t i = 0; i < c->n_interfaces; i++)
		if (!c->interfaces[i].has_mac && !strcmp(c->interfaces[i].name, l->name) &&
			is_kind(&c->interfaces[i], l->kind))
			return &c->interfaces[i];
	/* Only hardware is taken unasked: bridges and pairs belong to whoever made them. */
	return !c->n_interfaces && hardware ? &netcfg_default : NULL;
}

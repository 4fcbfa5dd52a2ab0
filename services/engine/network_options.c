/* SPDX-License-Identifier: Apache-2.0 */

/* Options of network drivers (docker network create -o): a table of what is known, and of what is refused
 * why. */

#include <errno.h>
#include <linux/if_link.h>
#include <stdio.h>
#include <string.h>

#include "engine/network_int.h"

enum { BRIDGE = 1 << NETWORK_BRIDGE, MACVLAN = 1 << NETWORK_MACVLAN, IPVLAN = 1 << NETWORK_IPVLAN };

struct word {
	const char *word;
	uint32_t value;
};

static int pick(const struct word *words, const char *s, uint32_t *out)
{
	for (; words->word; words++)
		if (!strcmp(words->word, s)) {
			*out = words->value;
			return 0;
		}
	return -EINVAL;
}

static int read_bool(const char *s, bool *out)
{
	static const struct word words[] = {
		{"true", 1}, {"1", 1}, {"t", 1}, {"false", 0}, {"0", 0}, {"f", 0}, {0}};
	uint32_t v = 0;
	int r = pick(words, s, &v);

	*out = v;
	return r;
}

static int device_name(struct network *n, const char *s)
{
	if (!link_name_valid(s))
		return -EINVAL;
	snprintf(n->bridge, sizeof(n->bridge), "%s", s);
	return 0;
}

static int icc(struct network *n, const char *s)
{
	return read_bool(s, &n->icc);
}

static int masquerade_v4(struct network *n, const char *s)
{
	return read_bool(s, &n->masquerade[NETWORK_V4]);
}

static int masquerade_v6(struct network *n, const char *s)
{
	return read_bool(s, &n->masquerade[NETWORK_V6]);
}

static int gateway_mode(struct network *n, enum network_family f, const char *s)
{
	static const struct word words[] = {{"nat", NETWORK_NAT},
		{"nat-unprotected", NETWORK_NAT_UNPROTECTED}, {"routed", NETWORK_ROUTED},
		{"isolated", NETWORK_ISOLATED}, {0}};
	uint32_t v = 0;
	int r = pick(words, s, &v);

	n->mode[f] = (enum network_gateway_mode)v;
	return r;
}

static int gateway_mode_v4(struct network *n, const char *s)
{
	return gateway_mode(n, NETWORK_V4, s);
}

static int gateway_mode_v6(struct network *n, const char *s)
{
	return gateway_mode(n, NETWORK_V6, s);
}

static int inhibit_ipv4(struct network *n, const char *s)
{
	return read_bool(s, &n->inhibit_ipv4);
}

static int binding(struct network *n, const char *s)
{
	return strchr(s, '/') || ipaddr_parse(s, &n->binding) < 0 || n->binding.family != AF_INET ? -EINVAL
												  : 0;
}

static int mtu(struct network *n, const char *s)
{
	char *end;
	unsigned long v = strtoul(s, &end, 10);

	if (*s < '0' || *s > '9' || *end || v < 68 || v > 65535)
		return -EINVAL;
	n->mtu = (uint32_t)v;
	return 0;
}

static int ifprefix(struct network *n, const char *s)
{
	if (!link_name_valid(s) || strlen(s) >= sizeof(n->ifprefix))
		return -EINVAL;
	snprintf(n->ifprefix, sizeof(n->ifprefix), "%s", s);
	return 0;
}

static int macvlan_mode(struct network *n, const char *s)
{
	static const struct word words[] = {{"bridge", MACVLAN_MODE_BRIDGE},
		{"private", MACVLAN_MODE_PRIVATE}, {"vepa", MACVLAN_MODE_VEPA},
		{"passthru", MACVLAN_MODE_PASSTHRU}, {0}};

	return pick(words, s, &n->link_mode);
}

static int ipvlan_mode(struct network *n, const char *s)
{
	static const struct word words[] = {
		{"l2", IPVLAN_MODE_L2}, {"l3", IPVLAN_MODE_L3}, {"l3s", IPVLAN_MODE_L3S}, {0}};

	return pick(words, s, &n->link_mode);
}

static int ipvlan_flag(struct network *n, const char *s)
{
	return strcmp(s, "bridge") ? -EINVAL : 0;
}

static const struct option {
	const char *key;
	unsigned drivers;
	int (*apply)(struct network *n, const char *value);
	const char *values; /* for the sentence */
} options[] = {
	{"com.docker.network.bridge.name", BRIDGE, device_name, "a device name"},
	{"com.docker.network.bridge.enable_icc", BRIDGE, icc, "true or false"},
	{"com.docker.network.bridge.enable_ip_masquerade", BRIDGE, masquerade_v4, "true or false"},
	{"com.docker.network.bridge.enable_ip6_masquerade", BRIDGE, masquerade_v6, "true or false"},
	{"com.docker.network.bridge.gateway_mode_ipv4", BRIDGE, gateway_mode_v4,
		"nat, nat-unprotected, routed or isolated"},
	{"com.docker.network.bridge.gateway_mode_ipv6", BRIDGE, gateway_mode_v6,
		"nat, nat-unprotected, routed or isolated"},
	{"com.docker.network.bridge.inhibit_ipv4", BRIDGE, inhibit_ipv4, "true or false"},
	{"com.docker.network.bridge.host_binding_ipv4", BRIDGE, binding, "an IPv4 address"},
	{"com.docker.network.container_iface_prefix", BRIDGE | MACVLAN | IPVLAN, ifprefix,
		"a device name of at most 11 bytes"},
	{"com.docker.network.driver.mtu", BRIDGE | MACVLAN | IPVLAN, mtu, "68 to 65535"},
	{"parent", MACVLAN | IPVLAN, device_name, "a device name"},
	{"macvlan_mode", MACVLAN, macvlan_mode, "bridge, private, vepa or passthru"},
	{"ipvlan_mode", IPVLAN, ipvlan_mode, "l2, l3 or l3s"},
	{"ipvlan_flag", IPVLAN, ipvlan_flag, "bridge"},
};

void network_defaults(struct network *n)
{
	n->icc = n->masquerade[NETWORK_V4] = n->masquerade[NETWORK_V6] = true;
	snprintf(n->ifprefix, sizeof(n->ifprefix), "eth");
}

int network_option_apply(struct network *n, const struct network_pair *option, struct network_error *err)
{
	for (size_t i = 0; i < array_len(options); i++) {
		const struct option *o = &options[i];

		if (strcmp(o->key, option->key) != 0 || !(o->drivers >> n->driver & 1))
			continue;
		return o->apply(n, option->value) < 0
			       ? network_fail(err, -EINVAL,
					 "invalid value %s for network option %s: %s is needed",
					 option->value, option->key, o->values)
			       : 0;
	}
	return network_fail(err, -EINVAL,
		"network option %s is not supported by the driver %s of this engine", option->key,
		network_driver_name(n->driver));
}

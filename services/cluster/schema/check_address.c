/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Addresses and their ranges as objects: written in one way only, so that two names never mean one address. And where traffic may
 * not be sent by somebody's word: to this machine itself, or to what only the link knows.
 */

#include <arpa/inet.h>
#include <string.h>

#include "cluster/schema/check_int.h"
#include "cluster/schema/meta.h"
#include "lib/ipconf.h"

schema_check check_ip_address, check_service_cidr, check_endpoint_ip;

enum { RANGES_MAX = 2 };

#define KEPT "field is immutable"

/* @family of what was read; AF_UNSPEC: it is no range or address, which is said at @where. */
static int check_canonical(struct check *c, yyjson_mut_val *v, int format, const char *where)
{
	const char *text = yyjson_mut_get_str(v) ?: "", *why = validate_format(format, text, strlen(text));
	bool range = format == SCHEMA_CIDR;
	char usual[IPADDR_TEXT_MAX];
	struct ipaddr a = {0};

	if (why || ipaddr_parse(text, &a)) {
		check_error(c, FIELD_INVALID, v, where, "%s", why ?: "must be an address");
		return AF_UNSPEC;
	}
	if (range)
		a = ipaddr_network(&a);
	if (a.family == AF_INET6 && IN6_IS_ADDR_V4MAPPED(&a.v6))
		check_error(c, FIELD_INVALID, v, where, "must not be an IPv4-mapped IPv6 address");
	else if (strcmp(ipaddr_format(&a, range, usual), text) != 0)
		check_error(c, FIELD_INVALID, v, where, "must be in canonical form (\"%s\")", usual);
	return a.family;
}

void check_ip_address(struct check *c, yyjson_mut_val *o, yyjson_mut_val *old)
{
	yyjson_mut_val *name = meta_mut_get(o, "metadata", "name", NULL);
	const char *text = yyjson_mut_get_str(name) ?: "";

	/* that it is no address at all has been said of the name's format */
	if (!validate_format(SCHEMA_IP, text, strlen(text)))
		check_canonical(c, name, SCHEMA_IP, ".metadata.name");
}

static void check_ranges(struct check *c, yyjson_mut_val *list)
{
	int families[RANGES_MAX] = {AF_UNSPEC, AF_UNSPEC};
	size_t i, n;
	yyjson_mut_val *v;

	if (!yyjson_mut_arr_size(list)) {
		check_error(c, FIELD_REQUIRED, NULL, ".cidrs", "at least one CIDR required");
		return;
	}
	if (yyjson_mut_arr_size(list) > RANGES_MAX) {
		check_error(c, FIELD_INVALID, list, ".cidrs", "may only hold up to 2 values");
		return;
	}
	yyjson_mut_arr_foreach(list, i, n, v) families[i] =
		check_canonical(c, v, SCHEMA_CIDR, REL(".cidrs[%zu]", i));
	if (families[0] != AF_UNSPEC && families[0] == families[1])
		check_error(c, FIELD_INVALID, list, ".cidrs",
			"may specify no more than one IP for each IP family, i.e 192.168.0.0/24 and 2001:db8::/64");
}

/* Once made it keeps its range; it may get one of the other family beside it. */
void check_service_cidr(struct check *c, yyjson_mut_val *o, yyjson_mut_val *old)
{
	yyjson_mut_val *list = yyjson_mut_obj_get(o, "cidrs"), *was = yyjson_mut_obj_get(old, "cidrs"), *v;
	size_t i, n, had = yyjson_mut_arr_size(was);

	if (!old) {
		check_ranges(c, list);
		return;
	}
	if (yyjson_mut_arr_size(list) != had && !(had == 1 && yyjson_mut_arr_size(list) == RANGES_MAX)) {
		check_error(c, FIELD_INVALID, list, ".cidrs", KEPT);
		return;
	}
	yyjson_mut_arr_foreach(was, i, n, v) if (!meta_equal(v, yyjson_mut_arr_get(list, i)))
		check_error(c, FIELD_INVALID, yyjson_mut_arr_get(list, i), REL(".cidrs[%zu]", i), KEPT);
	if (yyjson_mut_arr_size(list) != had)
		check_ranges(c, list);
}

/* ---- where traffic may go */

void check_reachable(struct check *c, yyjson_mut_val *v, const char *where)
{
	struct ipaddr a;
	uint32_t n = 0;

	if (ipaddr_parse(yyjson_mut_get_str(v) ?: "", &a))
		return; /* that it is no address is said elsewhere */
	if (a.family == AF_INET || IN6_IS_ADDR_V4MAPPED(&a.v6))
		memcpy(&n, a.family == AF_INET ? a.bytes : a.bytes + 12, sizeof(n));
	n = ntohl(n);

	const bool six = a.family == AF_INET6 && !IN6_IS_ADDR_V4MAPPED(&a.v6);
	const struct {
		bool is;
		const char *why;
	} special[] = {
		{six ? IN6_IS_ADDR_UNSPECIFIED(&a.v6) : !n, "may not be unspecified (0.0.0.0 or ::)"},
		{six ? IN6_IS_ADDR_LOOPBACK(&a.v6) : n >> 24 == 127,
			"may not be in the loopback range (127.0.0.0/8, ::1/128)"},
		{six ? IN6_IS_ADDR_LINKLOCAL(&a.v6) : n >> 16 == 0xa9fe,
			"may not be in the link-local range (169.254.0.0/16, fe80::/10)"},
		{six ? IN6_IS_ADDR_MC_LINKLOCAL(&a.v6) : n >> 8 == 0xe00000,
			"may not be in the link-local multicast range (224.0.0.0/24, ff02::/10)"},
	};

	for (size_t i = 0; i < array_len(special); i++)
		if (special[i].is)
			check_error(c, FIELD_INVALID, v, where, "%s", special[i].why);
}

void check_endpoint_ip(struct check *c, yyjson_mut_val *v, yyjson_mut_val *old)
{
	check_reachable(c, v, "");
}

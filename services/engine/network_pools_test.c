/* SPDX-License-Identifier: Apache-2.0 */

/* The subnets of a network, against the kernel: several of them, such as are refused, and such as are not used. And addresses
 * beside them. */

#include <unistd.h>

#include "engine/network_testing.h"

static void test_several_subnets(void **state)
{
	struct network_pair aux = {.key = (char[]){"printer"}, .value = (char[]){"10.2.0.2"}};
	struct network_pool_config pools[] = {
		{.subnet = "10.2.0.0/30", .aux = &aux, .n_aux = 1}, {.subnet = "10.2.1.0/30"}};
	struct network_config c = {.name = "two", .pools = pools, .n_pools = 2};
	struct network_error err = {};
	struct networks *ns;
	struct network *n, *m;
	struct network_endpoint *e;
	int ca;

	NEED_NETNS();
	ns = open_networks();
	n = make(ns, &c);
	assert_int_equal(network_netns_new(&ca), 0);
	/* the first has a gateway and a printer: full */
	e = attach(ns, n, id_a, "a", ca, NULL, 0);
	assert_true(at_ip(e, "10.2.1.2"));
	assert_true(is(&e->gateway[NETWORK_V4], "10.2.1.1"));
	network_detach_all(ns, id_a);
	c.name = "three";
	pools[0].subnet = "10.3.0.0/24";
	pools[1].subnet = "10.3.0.0/16";
	pools[0].n_aux = 0;
	assert_int_equal(network_create(ns, &c, &m, &err), -EINVAL);
	assert_non_null(strstr(err.text, "overlap"));
	networks_close(ns);
	ns = open_networks();
	n = find(ns, "two");
	assert_int_equal(n->n_pools, 2);
	assert_int_equal(n->pools[0].n_aux, 1);
	assert_int_equal(network_delete(ns, n, &err), 0);
	networks_close(ns);
	close(ca);
}

/* Of a family that is not on a subnet is kept as it was given, has no effect, and an address in it is not had. */
static void test_unused_subnet(void **state)
{
	struct network_pair aux = {.key = (char[]){"printer"}, .value = (char[]){"2001:db8:9::9"}};
	const struct network_pool_config pools[] = {{.subnet = "2001:db8:9::1/64", .aux = &aux, .n_aux = 1},
		{.subnet = "2001:db8:9::/48", .gateway = "2001:db8:9::3", .ip_range = "2001:db8:9::/80"}};
	const struct network_config c = {.name = "four", .pools = pools, .n_pools = 2};
	struct network_attach a = {.container = id_a, .name = "a", .ip[NETWORK_V6] = "2001:db8:9::7"};
	struct network_error err = {};
	struct networks *ns;
	struct network *n;
	struct network_endpoint *e;

	NEED_NETNS();
	ns = open_networks();
	make(ns, &c);
	networks_close(ns);
	ns = open_networks();
	n = find(ns, "four");
	assert_int_equal(n->n_pools, 1);
	assert_int_equal(network_family_of(&n->pools[0].subnet), NETWORK_V4);
	assert_int_equal(n->n_unused, 2);
	assert_true(is(&n->unused[0].subnet, "2001:db8:9::1/64"));
	assert_string_equal(n->unused[0].aux[0].value, "2001:db8:9::9");
	assert_int_equal(n->unused[0].gateway.family, AF_UNSPEC);
	assert_true(n->unused[1].gateway_given && is(&n->unused[1].gateway, "2001:db8:9::3"));
	assert_true(n->unused[1].range_given && is(&n->unused[1].range, "2001:db8:9::/80"));
	assert_int_equal(network_netns_new(&a.netns), 0);
	assert_int_equal(network_attach(ns, n, &a, &e, &err), 0);
	assert_int_equal(e->ip[NETWORK_V4].family, AF_INET);
	assert_int_equal(e->ip[NETWORK_V6].family, AF_UNSPEC);
	network_detach_all(ns, id_a);
	a.ip[NETWORK_V6] = "2001:db8:a::7";
	assert_int_equal(network_attach(ns, n, &a, &e, &err), -EINVAL);
	assert_non_null(strstr(err.text, "no configured subnet or ip-range contain the IP address"));
	assert_int_equal(network_delete(ns, n, &err), 0);
	networks_close(ns);
	close(a.netns);
}

static void test_link_local(void **state)
{
	static const struct {
		const char *text;
		uint8_t prefix; /* 0: refused */
	} rows[] = {{"169.254.0.1", 16}, {"fe80::1", 64}, {"febf::1", 64}, {"169.253.0.1", 0}, {"fec0::1", 0},
		{"169.254.0.1/16", 0}, {"", 0}};
	static const char *const addresses[] = {"169.254.8.8", "fe80::8"}, *const wrong[] = {"10.0.0.1"};
	const struct network_config c = {.name = "near"};
	struct network_attach a = {
		.container = id_a, .name = "a", .link_local = addresses, .n_link_local = 2, .netns = -1};
	struct network_error err = {};
	struct networks *ns;
	struct network *n;
	struct network_endpoint *e;
	struct ipaddr ip;

	for (size_t i = 0; i < array_len(rows); i++) {
		assert_int_equal(!network_link_local_parse(rows[i].text, &ip), !!rows[i].prefix);
		if (rows[i].prefix)
			assert_int_equal(ip.prefix, rows[i].prefix);
	}
	NEED_NETNS();
	ns = open_networks();
	n = make(ns, &c);
	assert_int_equal(network_netns_new(&a.netns), 0);
	if (network_attach(ns, n, &a, &e, &err) < 0)
		fail_msg("%s", err.text);
	/* whoever has an address can bind to it */
	close(server_on(a.netns, "169.254.8.8", SOCK_STREAM, 80));
	network_detach_all(ns, id_a);
	a.link_local = wrong;
	a.n_link_local = 1;
	assert_int_equal(network_attach(ns, n, &a, &e, &err), -EINVAL);
	assert_non_null(strstr(err.text, "10.0.0.1"));
	assert_null(networks_endpoints(ns));
	assert_int_equal(network_delete(ns, n, &err), 0);
	networks_close(ns);
	close(a.netns);
}

/* Only what a client has named can be asked for; what was chosen here may be another one tomorrow. */
static void test_what_can_be_asked_for(void **state)
{
	static const char none_named[] =
		"user specified IP address is supported only when connecting to networks with user configured subnets",
			  not_inside[] = "no configured subnet or ip-range contain the IP address ";
	static const struct {
		enum network_family family;
		const char *wanted, *said; /* NULL: it can */
	} rows[] = {
		{NETWORK_V4, "10.9.1.7", NULL},
		{NETWORK_V4, "10.9.0.7", not_inside},
		{NETWORK_V4, "10.9.1", "invalid IPv4 address: 10.9.1"},
		{NETWORK_V4, "10.9.1.7/24", "invalid IPv4 address: 10.9.1.7/24"},
		{NETWORK_V4, "2001:db8::1", "invalid IPv4 address: 2001:db8::1"},
		{NETWORK_V6, "10.9.1.7", "invalid IPv6 address: 10.9.1.7"},
		{NETWORK_V6, "fd00::7", none_named},
	};
	struct network n = {.ipv4 = true, .ipv6 = true, .n_pools = 3};
	struct network_error err;

	assert_int_equal(ipaddr_parse("10.9.0.0/24", &n.pools[0].subnet), 0);
	assert_int_equal(ipaddr_parse("10.9.1.0/24", &n.pools[1].subnet), 0);
	assert_int_equal(ipaddr_parse("fd00::/64", &n.pools[2].subnet), 0);
	n.pools[0].chosen = n.pools[2].chosen = true;
	for (size_t i = 0; i < array_len(rows); i++) {
		assert_int_equal(
			!network_address_check(&n, rows[i].family, rows[i].wanted, &err), !rows[i].said);
		if (rows[i].said)
			assert_non_null(strstr(err.text, rows[i].said));
	}
	/* one that is not there yet may have it, if it is one */
	assert_int_equal(network_address_check(NULL, NETWORK_V6, "fd00::7", &err), 0);
	assert_int_equal(network_address_check(NULL, NETWORK_V4, "fd00::7", &err), -EINVAL);
	/* one that is not used is named all the same */
	n.n_unused = 1;
	assert_int_equal(ipaddr_parse("fd01::1/64", &n.unused[0].subnet), 0);
	assert_int_equal(network_address_check(&n, NETWORK_V6, "fd01::7", &err), 0);
	assert_int_equal(network_address_check(&n, NETWORK_V6, "fd00::7", &err), -EINVAL);
	assert_non_null(strstr(err.text, not_inside));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_several_subnets),
		cmocka_unit_test(test_unused_subnet),
		cmocka_unit_test(test_link_local),
		cmocka_unit_test(test_what_can_be_asked_for),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}

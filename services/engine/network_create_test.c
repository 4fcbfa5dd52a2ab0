/* SPDX-License-Identifier: Apache-2.0 */

/* What a new network may be: its name, its families, whether it has a gateway. */

#include <linux/if_link.h>
#include <unistd.h>

#include "engine/network_testing.h"

static void test_names_of_networks(void **state)
{
	static const char *const good[] = {"test@#$", "kiwl$%^", "a b", "../x", "-", "Bridge", "container"};
	static const struct {
		const char *name;
		int r;
		const char *said;
	} bad[] = {
		{"", -EINVAL, "invalid network name \"\""},
		{"  ", -EINVAL, "invalid network name \"  \""},
		{"two\nlines", -EINVAL, "invalid network name"},
		{"bridge", -EPERM, "operation is not permitted on predefined bridge network "},
		{"host", -EPERM, "operation is not permitted on predefined host network "},
		{"none", -EPERM, "operation is not permitted on predefined none network "},
		{"default", -EPERM, "operation is not permitted on predefined default network "},
		{"container:c", -EPERM, "operation is not permitted on predefined container:c network "},
	};
	char longest[NETWORK_NAME_MAX + 2];
	struct network_config c = {.name = longest};
	struct network_error err = {};
	struct networks *ns;
	struct network *n;

	NEED_NETNS();
	ns = open_networks();
	for (size_t i = 0; i < array_len(bad); i++) {
		c.name = bad[i].name;
		assert_int_equal(network_create(ns, &c, &n, &err), bad[i].r);
		assert_non_null(strstr(err.text, bad[i].said));
	}
	memset(longest, 'x', sizeof(longest));
	longest[sizeof(longest) - 1] = '\0';
	c.name = longest;
	assert_int_equal(network_create(ns, &c, &n, &err), -EINVAL);
	for (size_t i = 0; i < array_len(good); i++) {
		c.name = good[i];
		make(ns, &c);
	}
	networks_close(ns);
	ns = open_networks();
	for (size_t i = 0; i < array_len(good); i++)
		assert_int_equal(network_delete(ns, find(ns, good[i]), &err), 0);
	networks_close(ns);
}

/* The node has no address where a network is isolated: a pair of addresses is one of containers. */
static void test_isolated(void **state)
{
	static const struct {
		const char *option, *value;
	} ways[] = {
		{"com.docker.network.bridge.gateway_mode_ipv4", "isolated"},
		{"com.docker.network.bridge.inhibit_ipv4", "true"},
	};
	const struct network_pool_config pool = {.subnet = "10.9.0.0/31"};
	struct network_error err = {};

	NEED_NETNS();
	for (size_t i = 0; i < array_len(ways); i++) {
		const struct network_pair option = {
			(char *)(uintptr_t)ways[i].option, (char *)(uintptr_t)ways[i].value};
		const struct network_config c = {.name = "pair",
			.internal = true,
			.pools = &pool,
			.n_pools = 1,
			.options = &option,
			.n_options = 1};
		struct networks *ns = open_networks();
		struct network *n = make(ns, &c);
		struct network_endpoint *a, *b;
		char seen[INET6_ADDRSTRLEN];
		int ca, cb, s;

		assert_int_equal(n->pools[0].gateway.family, AF_UNSPEC);
		networks_close(ns);
		ns = open_networks();
		n = find(ns, "pair");
		assert_int_equal(network_netns_new(&ca), 0);
		assert_int_equal(network_netns_new(&cb), 0);
		a = attach(ns, n, id_a, "a", ca, NULL, 0);
		b = attach(ns, n, id_b, "b", cb, NULL, 0);
		assert_true(at_ip(a, "10.9.0.0") && at_ip(b, "10.9.0.1"));
		assert_int_equal(a->gateway[NETWORK_V4].family, AF_UNSPEC);
		s = server(cb, SOCK_STREAM, 80);
		assert_true(reaches(ca, "10.9.0.1", 80, s, seen));
		assert_string_equal(seen, "10.9.0.0");
		assert_false(reaches(-1, "10.9.0.1", 80, s, NULL));
		network_detach_all(ns, id_a);
		network_detach_all(ns, id_b);
		assert_int_equal(network_delete(ns, n, &err), 0);
		networks_close(ns);
		close(ca);
		close(cb);
		close(s);
	}
}

static void test_gateways(void **state)
{
	static const char mode4[] = "com.docker.network.bridge.gateway_mode_ipv4",
			  mode6[] = "com.docker.network.bridge.gateway_mode_ipv6",
			  inhibit[] = "com.docker.network.bridge.inhibit_ipv4";
	static const struct {
		const char *option, *value;
		bool internal;
		const char *gateway[NETWORK_FAMILIES], *said; /* NULL: it can be made */
	} rows[] = {
		{mode4, "nat", false, {"10.9.0.0", "2001:db8:9::1"}, NULL},
		{mode4, "nat", true, {"10.9.0.0", "2001:db8:9::1"}, NULL},
		{mode4, "isolated", true, {"", "2001:db8:9::1"}, NULL},
		{mode6, "isolated", true, {"10.9.0.0", ""}, NULL},
		{inhibit, "true", false, {"10.9.0.0", "2001:db8:9::1"}, NULL},
		{inhibit, "true", true, {"", "2001:db8:9::1"}, NULL},
		{inhibit, "perhaps", true, {}, "invalid value perhaps"},
		{mode4, "isolated", false, {},
			"gateway mode 'isolated' can only be used for an internal network"},
		{mode6, "isolated", false, {},
			"gateway mode 'isolated' can only be used for an internal network"},
		{mode4, "closed", true, {}, "nat, nat-unprotected, routed or isolated is needed"},
	};
	const struct network_pool_config pools[] = {{.subnet = "10.9.0.0/31"}, {.subnet = "2001:db8:9::/64"}};
	struct network_error err = {};
	struct networks *ns;

	NEED_NETNS();
	ns = open_networks();
	for (size_t i = 0; i < array_len(rows); i++) {
		const struct network_pair option = {
			(char *)(uintptr_t)rows[i].option, (char *)(uintptr_t)rows[i].value};
		const struct network_config c = {.name = "gated",
			.internal = rows[i].internal,
			.ipv6 = true,
			.pools = pools,
			.n_pools = array_len(pools),
			.options = &option,
			.n_options = 1};
		struct network *n = NULL;
		char text[IPADDR_TEXT_MAX];

		assert_int_equal(!network_create(ns, &c, &n, &err), !rows[i].said);
		if (rows[i].said) {
			assert_non_null(strstr(err.text, rows[i].said));
			continue;
		}
		for (enum network_family f = NETWORK_V4; f < NETWORK_FAMILIES; f++)
			assert_string_equal(
				ipaddr_format(&n->pools[f].gateway, false, text), rows[i].gateway[f]);
		assert_int_equal(network_delete(ns, n, &err), 0);
	}
	networks_close(ns);
}

/* An interface and nothing more, which its programs set up themselves. */
static void test_no_family(void **state)
{
	const struct network_config bare = {.name = "bare", .driver = "macvlan", .no_ipv4 = true},
				    bridge = {.name = "bare", .no_ipv4 = true};
	struct network_error err = {};
	struct networks *ns;
	struct network *n;
	struct network_attach a = {.container = id_a, .name = "a"};
	struct network_endpoint *e;
	int ca, r;

	NEED_NETNS();
	ns = open_networks();
	assert_int_equal(network_create(ns, &bridge, &n, &err), -EINVAL);
	assert_non_null(strstr(err.text, "neither IPv4 nor IPv6 is enabled"));
	if (network_create(ns, &bare, &n, &err) == -EOPNOTSUPP) {
		fprintf(stderr, "SKIPPED: this kernel has no dummy devices\n");
		networks_close(ns);
		skip();
	}
	assert_int_equal(n->n_pools, 0);
	networks_close(ns);
	ns = open_networks();
	n = find(ns, "bare");
	assert_int_equal(network_netns_new(&ca), 0);
	a.netns = ca;
	r = network_attach(ns, n, &a, &e, &err);
	if (r == -EOPNOTSUPP) {
		fprintf(stderr, "SKIPPED: this kernel has no macvlan devices\n");
		assert_int_equal(network_delete(ns, n, &err), 0);
		networks_close(ns);
		close(ca);
		skip();
	}
	if (r < 0)
		fail_msg("attach: %s", err.text);
	assert_int_equal(e->ip[NETWORK_V4].family, AF_UNSPEC);
	assert_int_equal(e->ip[NETWORK_V6].family, AF_UNSPEC);
	assert_int_equal(e->mac[0] & 3, 2);
	networks_close(ns);
	ns = open_networks();
	assert_string_equal(network_endpoint_of(ns, id_a, NULL)->ifname, "eth0");
	network_detach_all(ns, id_a);
	assert_int_equal(network_delete(ns, find(ns, "bare"), &err), 0);
	networks_close(ns);
	close(ca);
}

static void test_where_routes_lead(void **state)
{
	static const struct {
		struct network network;
		bool address, gateway, leads;
	} rows[] = {
		{{.driver = NETWORK_BRIDGE}, true, true, true},
		{{.driver = NETWORK_BRIDGE, .internal = true}, true, true, false},
		{{.driver = NETWORK_BRIDGE}, false, true, false},
		{{.driver = NETWORK_HOST}, false, false, false},
		{{.driver = NETWORK_MACVLAN, .bridge = "eth0"}, true, true, true},
		{{.driver = NETWORK_MACVLAN, .bridge = "eth0"}, true, false, false},
		{{.driver = NETWORK_MACVLAN, .bridge = "eth0.5", .own_parent = true}, true, true, true},
		{{.driver = NETWORK_MACVLAN, .bridge = "dm-0", .own_parent = true}, true, true, false},
		{{.driver = NETWORK_IPVLAN, .bridge = "eth0", .link_mode = IPVLAN_MODE_L2}, true, false,
			false},
		{{.driver = NETWORK_IPVLAN, .bridge = "eth0", .link_mode = IPVLAN_MODE_L3}, true, false,
			true},
	};

	for (size_t i = 0; i < array_len(rows); i++) {
		struct network n = rows[i].network;
		struct network_endpoint e = {.network = &n};

		e.ip[NETWORK_V4].family = rows[i].address ? AF_INET : AF_UNSPEC;
		e.gateway[NETWORK_V4].family = rows[i].gateway ? AF_INET : AF_UNSPEC;
		assert_int_equal(network_has_route(&e, NETWORK_V4), rows[i].leads);
		assert_false(network_has_route(&e, NETWORK_V6));
	}
}

static void test_what_a_file_may_lack(void **state)
{
	static const char isolated[] = "\"com.docker.network.bridge.gateway_mode_ipv4\":\"isolated\"",
			  subnet[] = "{\"subnet\":\"10.9.0.0/31\",\"range\":\"10.9.0.0/31\"}";
	static const struct {
		const char *driver, *ipv4, *options, *pools;
		int r;
	} rows[] = {
		{"macvlan", "false", "", "", 0},
		{"macvlan", "true", "", "", -EINVAL},
		{"macvlan", "true", "", subnet, 0},
		{"bridge", "true", "", subnet, -EINVAL},
		{"bridge", "true", isolated, subnet, 0},
	};

	for (size_t i = 0; i < array_len(rows); i++) {
		struct network *n = NULL;
		char text[512];
		int len = snprintf(text, sizeof(text),
			"{\"id\":\"%064d\",\"name\":\"n\",\"driver\":\"%s\",\"internal\":true,\"ipv4\":%s,\"ipv6\":false,"
			"\"device\":\"d\",\"options\":{%s},\"pools\":[%s]}",
			0, rows[i].driver, rows[i].ipv4, rows[i].options, rows[i].pools);

		assert_int_equal(network_parse(&n, text, (size_t)len), rows[i].r);
		network_free(n);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names_of_networks),
		cmocka_unit_test(test_isolated),
		cmocka_unit_test(test_gateways),
		cmocka_unit_test(test_no_family),
		cmocka_unit_test(test_where_routes_lead),
		cmocka_unit_test(test_what_a_file_may_lack),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}

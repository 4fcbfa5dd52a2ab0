/* SPDX-License-Identifier: Apache-2.0 */

#include <arpa/inet.h>
#include <errno.h>
#include <net/if_arp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "init/network/netcfg.h"
#include "init/network/resolv.h"

static int parse(struct netcfg *c, const char *json, char why[256])
{
	return netcfg_parse(c, json, strlen(json), why);
}

static void test_everything(void **state)
{
	static const char json[] =
		"{\"version\":1,\"network\":{\"interfaces\":["
		"{\"name\":\"lan\",\"mac\":\"52:54:00:12:34:56\",\"dhcp\":false,\"addresses\":[\"192.0.2.9/24\",\"2001:db8::9/64\"],"
		"\"gateway\":\"192.0.2.1\",\"gateway6\":\"fe80::1\",\"ipv6\":\"auto\",\"mtu\":9000},"
		"{\"name\":\"v5\",\"dhcp\":true,\"ipv6\":\"off\",\"vlan\":{\"id\":5,\"parent\":\"lan\"}},"
		"{\"name\":\"bond0\",\"bond\":{\"mode\":\"802.3ad\",\"members\":[\"eth1\",\"eth2\"]}}],"
		"\"nameservers\":[\"192.0.2.53\",\"2001:db8::53\"],\"search\":[\"example.org\"]}}";
	struct link l = {.name = "eth0",
		.arp_type = ARPHRD_ETHER,
		.has_mac = true,
		.mac = {0x52, 0x54, 0, 0x12, 0x34, 0x56}};
	struct netcfg c;
	char why[256];

	assert_int_equal(parse(&c, json, why), 0);
	assert_int_equal(c.n_interfaces, 3);
	assert_int_equal(c.interfaces[0].n_addresses, 2);
	assert_false(c.interfaces[0].dhcp);
	assert_int_equal(c.interfaces[0].mtu, 9000);
	assert_int_equal(c.interfaces[1].vlan_id, 5);
	assert_false(c.interfaces[1].ipv6);
	assert_int_equal(c.interfaces[2].bond_mode, 4);
	assert_int_equal(c.interfaces[2].n_members, 2);
	assert_true(c.interfaces[2].dhcp);

	assert_ptr_equal(netcfg_match(&c, &l), &c.interfaces[0]);
	l.has_permanent_mac =
		true; /* the address of a bond member is the bond's; what counts is the burnt-in one */
	assert_null(netcfg_match(&c, &l));
	l.has_permanent_mac = false;
	snprintf(l.kind, sizeof(l.kind), "vlan"); /* a VLAN has its parent's address and is not the parent */
	assert_null(netcfg_match(&c, &l));
	snprintf(l.name, sizeof(l.name), "v5");
	assert_ptr_equal(netcfg_match(&c, &l), &c.interfaces[1]);
	l.kind[0] = '\0'; /* a card that happens to be called like the VLAN */
	l.mac[5]++;
	assert_null(netcfg_match(&c, &l));
	assert_ptr_equal(netcfg_bond_of(&c, "eth2"), &c.interfaces[2]);
	assert_null(netcfg_bond_of(&c, "eth3"));
	netcfg_fini(&c);
}

static void test_nothing(void **state)
{
	struct link eth = {.name = "eth0", .arp_type = ARPHRD_ETHER},
		    bridge = {.name = "docker0", .kind = "bridge"};
	struct link lo = {.name = "lo", .arp_type = ARPHRD_LOOPBACK};
	struct netcfg c;
	char why[256];

	assert_int_equal(parse(&c, "{\"version\":1,\"network\":{\"interfaces\":[]}}", why), 0);
	assert_ptr_equal(netcfg_match(&c, &eth), &netcfg_default);
	assert_null(netcfg_match(&c, &bridge));
	assert_null(netcfg_match(&c, &lo));
	netcfg_fini(&c);
}

static void test_refused(void **state)
{
	static const char *const bad[] = {
		"not json",
		"{\"network\":{\"interfaces\":[{\"name\":\"a/b\"}]}}",
		"{\"network\":{\"interfaces\":[{\"name\":\"sixteen-letters-\"}]}}",
		"{\"network\":{\"interfaces\":[{\"mac\":\"52:54:00:12:34\"}]}}",
		"{\"network\":{\"interfaces\":[{\"mac\":\"52:54:00:12:34:5g\"}]}}",
		"{\"network\":{\"interfaces\":[{}]}}",
		"{\"network\":{\"interfaces\":[7]}}",
		"{\"network\":{\"interfaces\":[{\"name\":\"e\",\"gateway\":\"fe80::1\"}]}}",
		"{\"network\":{\"interfaces\":[{\"name\":\"e\",\"addresses\":[\"10.0.0.1/40\"]}]}}",
		"{\"network\":{\"interfaces\":[{\"name\":\"e\",\"ipv6\":\"maybe\"}]}}",
		"{\"network\":{\"interfaces\":[{\"name\":\"e\",\"vlan\":{\"id\":4095,\"parent\":\"x\"}}]}}",
		"{\"network\":{\"interfaces\":[{\"name\":\"e\",\"bond\":{\"members\":[]}}]}}",
		"{\"network\":{\"interfaces\":[{\"name\":\"e\",\"bond\":{\"mode\":\"x\",\"members\":[\"a\"]}}]}}",
		"{\"network\":{\"nameservers\":[\"dns.example\"]}}",
	};
	struct netcfg c;
	char why[256];

	for (size_t i = 0; i < array_len(bad); i++) {
		assert_int_equal(parse(&c, bad[i], why), -EINVAL);
		assert_true(strlen(why) > 9);
	}
}

static void test_resolv(void **state)
{
	struct lease a = {.n_dns = 1, .n_search = 1, .search = {"lan"}}, b = {.n_dns = 1, .n_ntp = 1};
	const struct lease *leases[] = {&a, &b};
	struct netcfg c = {.n_nameservers = 1,
		.nameservers = {"2001:db8::53"},
		.n_search = 1,
		.search = {"example.org"}};
	char *text;

	a.dns[0].s_addr = htonl(0x0a000203);
	b.dns[0].s_addr = htonl(0x0a000303);
	b.ntp[0].s_addr = htonl(0x0a000304);
	text = resolv_text(&c, leases, 2);
	assert_non_null(strstr(text,
		"search example.org lan\nnameserver 2001:db8::53\nnameserver 10.0.2.3\nnameserver 10.0.3.3\n"));
	free(text);
	text = ntp_text(leases, 2);
	assert_string_equal(text, "10.0.3.4\n");
	free(text);
	text = hosts_text("node-1");
	assert_non_null(strstr(text, "127.0.0.1\tlocalhost node-1\n"));
	free(text);
	text = resolv_text(&(struct netcfg){}, NULL, 0);
	assert_null(strstr(text, "nameserver"));
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_everything),
		cmocka_unit_test(test_nothing),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_resolv),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

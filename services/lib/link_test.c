/* SPDX-License-Identifier: Apache-2.0 */

/* Links, addresses and routes against the kernel, in a network namespace of the test's own. */

#include <errno.h>
#include <fcntl.h>
#include <linux/rtnetlink.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "lib/ipconf.h"
#include "lib/link.h"
#include "lib/netns_testing.h"

static const uint8_t mac_a[] = {0x02, 0x42, 0xac, 0x11, 0x00, 0x02};

/* A second namespace, made by stepping out and back. */
static int new_netns(void)
{
	int home = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC), fd;

	assert_true(home >= 0);
	assert_int_equal(unshare(CLONE_NEWNET), 0);
	fd = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	assert_int_equal(setns(home, CLONE_NEWNET), 0);
	close(home);
	return fd;
}

static struct ipaddr ip(const char *text)
{
	struct ipaddr a;

	assert_int_equal(ipaddr_parse(text, &a), 0);
	return a;
}

static void test_names(void **state)
{
	assert_true(link_name_valid("eth0"));
	assert_true(link_name_valid("abcdefghijklmno"));
	assert_false(link_name_valid("abcdefghijklmnop"));
	assert_false(link_name_valid(""));
	assert_false(link_name_valid(".."));
	assert_false(link_name_valid("a/b"));
	assert_false(link_name_valid("a b"));
	assert_false(link_name_valid("a:b"));
}

static void test_ipaddr(void **state)
{
	struct ipaddr a, b;
	char text[IPADDR_TEXT_MAX];

	assert_int_equal(ipaddr_parse("192.0.2.77/20", &a), 0);
	assert_string_equal(ipaddr_format(&a, true, text), "192.0.2.77/20");
	b = ipaddr_network(&a);
	assert_string_equal(ipaddr_format(&b, true, text), "192.0.0.0/20");
	assert_int_equal(ipaddr_parse("2001:db8::1/33", &a), 0);
	b = ipaddr_network(&a);
	assert_string_equal(ipaddr_format(&b, true, text), "2001:db8::/33");
	assert_int_equal(ipaddr_parse("10.0.0.1", &a), 0);
	assert_int_equal(a.prefix, 32);
	assert_int_equal(ipaddr_parse("10.0.0.1/33", &a), -EINVAL);
	assert_int_equal(ipaddr_parse("10.0.0.1/", &a), -EINVAL);
	assert_int_equal(ipaddr_parse("10.0.0.1/-1", &a), -EINVAL);
	assert_int_equal(ipaddr_parse("10.0.0", &a), -EINVAL);
	assert_int_equal(ipaddr_parse("10.0.0.1/99999999999999", &a), -EINVAL);
	a = ip("172.16.0.0/12");
	b = ip("172.17.5.0/24");
	assert_true(ipaddr_overlap(&a, &b));
	assert_true(ipaddr_overlap(&b, &a));
	b = ip("172.32.0.0/16");
	assert_false(ipaddr_overlap(&a, &b));
	a = ip("0.0.0.0/0");
	assert_true(ipaddr_overlap(&a, &b));
}

/* `ip link add v0 address .. master 7 mtu 1400 type veth peer name v1 netns 9`, every byte of it. */
static void test_veth_bytes(void **state)
{
	static const uint8_t want[] = {
		132, 0, 0, 0, 16, 0, 0, 6, 0, 0, 0, 0, 0, 0, 0, 0, /* RTM_NEWLINK, EXCL | CREATE */
		0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0,	   /* ifinfomsg: up */
		7, 0, 3, 0, 'v', '0', 0, 0,			   /* IFLA_IFNAME */
		8, 0, 4, 0, 0x78, 5, 0, 0,			   /* IFLA_MTU */
		10, 0, 1, 0, 0x02, 0x42, 0xac, 0x11, 0, 2, 0, 0,   /* IFLA_ADDRESS */
		8, 0, 10, 0, 7, 0, 0, 0,			   /* IFLA_MASTER */
		64, 0, 18, 0x80,				   /* IFLA_LINKINFO */
		9, 0, 1, 0, 'v', 'e', 't', 'h', 0, 0, 0, 0,	   /* IFLA_INFO_KIND */
		48, 0, 2, 0x80,					   /* IFLA_INFO_DATA */
		44, 0, 1, 0x80,					   /* VETH_INFO_PEER */
		0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,	   /* ifinfomsg: down */
		7, 0, 3, 0, 'v', '1', 0, 0,			   /* IFLA_IFNAME */
		8, 0, 4, 0, 0x78, 5, 0, 0,			   /* IFLA_MTU */
		8, 0, 28, 0, 9, 0, 0, 0,			   /* IFLA_NET_NS_FD */
	};
	cleanup(nlmsg_fini) struct nlmsg m = {};
	const struct link_new n = {
		.kind = "veth",
		.name = "v0",
		.mtu = 1400,
		.mac = mac_a,
		.master = 7,
		.up = true,
		.peer = {.name = "v1", .netns_fd = 9},
	};

	link_build_add(&m, &n);
	assert_int_equal(m.err, 0);
	assert_int_equal(m.len, sizeof(want));
	assert_memory_equal(m.buf, want, sizeof(want));
}

static void test_links(void **state)
{
	struct netlink nl = NETLINK_CLOSED, inside = NETLINK_CLOSED;
	struct link_new bridge = {.kind = "bridge", .name = "br9", .mac = mac_a, .up = true};
	struct link_new pair = {.kind = "veth",
		.name = "v0",
		.mtu = 1400,
		.up = true,
		.peer = {.name = "eth0", .netns_fd = -1}};
	struct link_change change = LINK_NO_CHANGE;
	struct link l;
	struct link *all = NULL;
	ssize_t n;
	int other;

	NEED_NETNS();
	other = new_netns();
	assert_int_equal(netlink_open(&nl, NETLINK_ROUTE, -1), 0);
	assert_int_equal(netlink_open(&inside, NETLINK_ROUTE, other), 0);
	assert_int_equal(link_add(&nl, &bridge), 0);
	assert_int_equal(link_add(&nl, &bridge), -EEXIST);
	assert_int_equal(link_get(&nl, "br9", &l), 0);
	assert_string_equal(l.kind, "bridge");
	assert_memory_equal(l.mac, mac_a, 6);

	pair.master = l.index;
	pair.peer.netns_fd = other;
	pair.peer.mac = mac_a;
	assert_int_equal(link_add(&nl, &pair), 0);
	assert_int_equal(link_get(&nl, "v0", &l), 0);
	assert_int_equal(l.master, pair.master);
	assert_int_equal(l.mtu, 1400);
	assert_int_equal(l.parent, 0); /* the peer is elsewhere */
	assert_int_equal(link_port_isolate(&nl, l.index, true), 0);
	assert_int_equal(link_get(&nl, "eth0", &l), -ENODEV);
	assert_int_equal(link_get(&inside, "eth0", &l), 0);
	assert_memory_equal(l.mac, mac_a, 6);
	assert_false(l.flags & IFF_UP);
	change.up = 1;
	assert_int_equal(link_set(&inside, l.index, &change), 0);
	assert_int_equal(link_get(&inside, "eth0", &l), 0);
	assert_true(l.flags & IFF_UP);

	change.up = 0;
	change.name = "renamed";
	assert_int_equal(link_set(&inside, l.index, &change), 0);
	assert_int_equal(link_get_index(&inside, l.index, &l), 0);
	assert_string_equal(l.name, "renamed");
	assert_false(l.flags & IFF_UP);

	n = link_list(&nl, &all);
	assert_int_equal(n, 3); /* lo br9 v0 */
	free(all);

	assert_int_equal(link_get(&nl, "br9", &l), 0);
	assert_int_equal(link_del(&nl, l.index), 0);
	assert_int_equal(link_del(&nl, l.index), -ENODEV);
	/* closing the namespace takes both ends */
	netlink_close(&inside);
	close(other);
	netlink_close(&nl);
}

static void test_addresses_and_routes(void **state)
{
	struct netlink nl = NETLINK_CLOSED;
	struct link_new pair = {
		.kind = "veth", .name = "w0", .up = true, .peer = {.name = "w1", .netns_fd = -1}};
	struct link_addr a = {.addr = ip("10.9.0.1/24")};
	struct link_addr *addrs = NULL;
	struct route r = {.dst = ip("0.0.0.0/0"), .gateway = ip("10.9.0.254"), .metric = 7};
	struct route bad = {.dst = ip("10.20.0.0/16"), .gateway = ip("192.168.77.1")};
	struct route *routes = NULL;
	struct iprule rule = {.family = AF_INET, .src = ip("10.9.0.0/24"), .priority = 100, .table = 1234};
	struct ipaddr neighbour = ip("10.9.0.77");
	struct link_change change = LINK_NO_CHANGE;
	struct link l;
	bool found = false;
	ssize_t n;

	NEED_NETNS();
	assert_int_equal(netlink_open(&nl, NETLINK_ROUTE, -1), 0);
	assert_int_equal(link_add(&nl, &pair), 0);
	assert_int_equal(link_get(&nl, "w1", &l), 0);
	change.up = 1;
	assert_int_equal(link_set(&nl, l.index, &change), 0);
	assert_int_equal(link_get(&nl, "w0", &l), 0);
	assert_int_not_equal(l.parent, 0);
	a.index = r.index = l.index;
	assert_int_equal(addr_set(&nl, &a), 0);
	assert_int_equal(addr_set(&nl, &a), 0); /* as often as you like */
	n = addr_list(&nl, &addrs);
	assert_true(n > 0);
	for (ssize_t i = 0; i < n; i++)
		found |= addrs[i].index == l.index && ipaddr_equal(&addrs[i].addr, &a.addr);
	assert_true(found);
	free(addrs);

	assert_int_equal(route_set(&nl, &r), 0);
	assert_int_equal(route_set(&nl, &r), 0);
	found = false;
	n = route_list(&nl, &routes);
	for (ssize_t i = 0; i < n; i++)
		found |= routes[i].dst.family == AF_INET && routes[i].dst.prefix == 0 &&
			 routes[i].index == l.index && routes[i].metric == 7 &&
			 ipaddr_equal(&routes[i].gateway, &r.gateway);
	assert_true(found);
	free(routes);
	assert_int_equal(route_set(&nl, &bad), -ENETUNREACH);
	assert_string_equal(nl.text, "Nexthop has invalid gateway");
	assert_int_equal(route_del(&nl, &r), 0);
	assert_int_equal(route_del(&nl, &r), -ESRCH);

	assert_int_equal(iprule_add(&nl, &rule), 0);
	assert_int_equal(iprule_add(&nl, &rule), -EEXIST);
	assert_int_equal(iprule_del(&nl, &rule), 0);
	assert_int_equal(neigh_set(&nl, l.index, &neighbour, mac_a), 0);
	assert_int_equal(neigh_del(&nl, l.index, &neighbour), 0);

	a.addr = ip("2001:db8::5/64");
	assert_int_equal(addr_set(&nl, &a), 0);
	assert_int_equal(addr_del(&nl, &a), 0);
	assert_int_equal(link_del(&nl, l.index), 0);
	netlink_close(&nl);
}

/* A batch of two of which the first fails: the failure is what is returned, at once. */
static void test_batch_failure(void **state)
{
	struct netlink nl = NETLINK_CLOSED;
	cleanup(nlmsg_fini) struct nlmsg m = {};
	struct link_change change = LINK_NO_CHANGE;

	NEED_NETNS();
	change.up = 1;
	assert_int_equal(netlink_open(&nl, NETLINK_ROUTE, -1), 0);
	link_build_set(&m, 4711, &change);
	link_build_set(&m, 1, &change);
	assert_int_equal(netlink_request(&nl, &m), -ENODEV);
	/* and the socket is usable afterwards */
	link_build_set(&m, 1, &change);
	assert_int_equal(netlink_request(&nl, &m), 0);
	netlink_close(&nl);
}

static int count_events(const struct nlmsg_view *v, void *arg)
{
	struct link l;

	if (v->type == RTM_NEWLINK && link_parse(v, &l) == 0 && !strcmp(l.name, "ev0"))
		++*(int *)arg;
	return 0;
}

static void test_events(void **state)
{
	struct netlink nl = NETLINK_CLOSED, events = NETLINK_CLOSED;
	struct link_new bridge = {.kind = "bridge", .name = "ev0"};
	struct link l;
	int seen = 0;

	NEED_NETNS();
	assert_int_equal(netlink_open(&nl, NETLINK_ROUTE, -1), 0);
	assert_int_equal(netlink_open(&events, NETLINK_ROUTE, -1), 0);
	assert_int_equal(netlink_join(&events, RTNLGRP_LINK), 0);
	assert_int_equal(netlink_events(&events, count_events, &seen), 0);
	assert_int_equal(seen, 0);
	assert_int_equal(link_add(&nl, &bridge), 0);
	assert_int_equal(netlink_events(&events, count_events, &seen), 0);
	assert_true(seen > 0);
	assert_int_equal(link_get(&nl, "ev0", &l), 0);
	assert_int_equal(link_del(&nl, l.index), 0);
	netlink_close(&nl);
	netlink_close(&events);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_ipaddr),
		cmocka_unit_test(test_veth_bytes),
		cmocka_unit_test(test_links),
		cmocka_unit_test(test_addresses_and_routes),
		cmocka_unit_test(test_batch_failure),
		cmocka_unit_test(test_events),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */

/* Docker networks against the kernel: IPv6, routed networks, several networks a container,
 * macvlan and ipvlan, and names over TCP. */

#include <linux/if_link.h>
#include <sys/wait.h>
#include <unistd.h>

#include "engine/network_testing.h"
#include "lib/fault.h"
#include "lib/netns.h"

static int outside = -1; /* a namespace on a wire to the node */
static struct netlink out_nl = NETLINK_CLOSED;

static void add_address(struct netlink *nl, int index, const char *text)
{
	struct link_addr a = {.index = index, .flags = 2 /* no duplicate detection */};

	assert_int_equal(ipaddr_parse(text, &a.addr), 0);
	if (a.addr.family == AF_INET)
		a.flags = 0;
	assert_int_equal(addr_set(nl, &a), 0);
}

static void add_route(struct netlink *nl, int index, const char *dst, const char *gateway)
{
	struct route r = {.index = index};

	assert_int_equal(ipaddr_parse(dst, &r.dst), 0);
	assert_int_equal(ipaddr_parse(gateway, &r.gateway), 0);
	assert_int_equal(route_set(nl, &r), 0);
}

/* 192.0.2.0/24 and 2001:db8:f::/64 between the node (.1) and the outside (.2). */
static void wire_up(struct networks *ns)
{
	struct link_new wire = {.kind = "veth", .name = "wan0", .up = true, .peer = {.name = "out0"}};
	struct link_change up = LINK_NO_CHANGE;
	struct link l;

	up.up = 1;
	assert_int_equal(link_set(&ns->route, 1, &up), 0);
	assert_int_equal(netns_sysctl(-1, "/proc/sys/net/ipv6/conf/all/forwarding", "1"), 0);
	assert_int_equal(network_netns_new(&outside), 0);
	assert_int_equal(netns_sysctl(outside, "/proc/sys/net/ipv6/conf/default/disable_ipv6", "0"), 0);
	wire.peer.netns_fd = outside;
	assert_int_equal(link_add(&ns->route, &wire), 0);
	assert_int_equal(link_get(&ns->route, "wan0", &l), 0);
	add_address(&ns->route, l.index, "192.0.2.1/24");
	add_address(&ns->route, l.index, "2001:db8:f::1/64");
	assert_int_equal(netlink_open(&out_nl, NETLINK_ROUTE, outside), 0);
	assert_int_equal(link_get(&out_nl, "out0", &l), 0);
	add_address(&out_nl, l.index, "192.0.2.2/24");
	add_address(&out_nl, l.index, "2001:db8:f::2/64");
	assert_int_equal(link_set(&out_nl, l.index, &up), 0);
	add_route(&out_nl, l.index, "10.0.0.0/8", "192.0.2.1");
	add_route(&out_nl, l.index, "2001:db8::/32", "2001:db8:f::1");
}

static void wire_down(struct networks *ns)
{
	struct link l;

	assert_int_equal(link_get(&ns->route, "wan0", &l), 0);
	assert_int_equal(link_del(&ns->route, l.index), 0);
	netlink_close(&out_nl);
	close(outside);
}

static void test_dual_stack(void **state)
{
	const struct network_pool_config pools[] = {
		{.subnet = "10.1.0.0/24"}, {.subnet = "2001:db8:1::/64", .gateway = "2001:db8:1::fe"}};
	const struct network_config c = {.name = "dual", .ipv6 = true, .pools = pools, .n_pools = 2};
	const struct network_port ports[] = {
		{.proto = IPPROTO_TCP, .container_port = 80, .host_port = 8080},
		{.proto = IPPROTO_TCP, .container_port = 81},
		{.proto = IPPROTO_TCP,
			.container_port = 82,
			.host_port = 8082,
			.host_ip = {.family = AF_INET6, .prefix = 128, .v6 = IN6ADDR_LOOPBACK_INIT}},
	};
	const struct network_port impossible = {
		.proto = IPPROTO_TCP, .container_port = 80, .host_ip = {.family = AF_INET6, .prefix = 128}};
	struct network_attach v4_only = {.container = id_b, .name = "b", .ports = &impossible, .n_ports = 1};
	struct network_error err = {};
	struct networks *ns;
	struct network *n;
	struct network_endpoint *e, *b;
	char seen[INET6_ADDRSTRLEN];
	int ca, cb, s4, s6, s6b, so, blocker;

	NEED_NETNS();
	ns = open_networks();
	wire_up(ns);
	n = make(ns, &c);
	assert_int_equal(network_netns_new(&ca), 0);
	assert_int_equal(network_netns_new(&cb), 0);
	e = attach(ns, n, id_a, "a", ca, ports, array_len(ports));
	assert_true(at_ip(e, "10.1.0.2"));
	assert_true(at_ip(e, "2001:db8:1::1"));
	assert_true(is(&e->gateway[NETWORK_V6], "2001:db8:1::fe"));
	/* one number for both families */
	assert_int_equal(e->n_ports, 5);
	assert_int_equal(e->ports[2].host_port, e->ports[3].host_port);
	s4 = server_on(ca, "0.0.0.0", SOCK_STREAM, 80);
	s6 = server_on(ca, "::", SOCK_STREAM, 80);
	so = server_on(outside, "::", SOCK_STREAM, 7);

	assert_true(reaches(outside, "192.0.2.1", 8080, s4, seen));
	assert_string_equal(seen, "192.0.2.2");
	assert_true(reaches(outside, "2001:db8:f::1", 8080, s6, seen));
	assert_string_equal(seen, "2001:db8:f::2");
	assert_true(reaches(-1, "2001:db8:f::1", 8080, s6, seen));
	assert_true(reaches(-1, "::1", 8080, s6, seen));
	assert_true(reaches(ca, "2001:db8:f::1", 8080, s6, seen)); /* its own published port */
	/* not past the published port, though there is a route */
	assert_false(reaches(outside, "2001:db8:1::1", 80, s6, NULL));
	/* out, under the node's address */
	assert_true(reaches(ca, "2001:db8:f::2", 7, so, seen));
	assert_string_equal(seen, "2001:db8:f::1");
	/* published on loopback: for the node alone */
	s6b = server_on(ca, "::", SOCK_STREAM, 82);
	assert_true(reaches(-1, "::1", 8082, s6b, seen));
	assert_false(reaches(outside, "2001:db8:f::1", 8082, s6b, NULL));

	/* a range: past the number that is taken in one family only */
	{
		const struct network_port range = {.proto = IPPROTO_TCP,
			.container_port = 80,
			.host_port = 9000,
			.host_port_last = 9003};

		blocker = server_on(-1, "::", SOCK_STREAM, 9000);
		b = attach(ns, n, id_b, "b", cb, &range, 1);
		assert_int_equal(b->n_ports, 2);
		assert_int_equal(b->ports[0].host_port, 9001);
		assert_int_equal(b->ports[1].host_port, 9001);
		close(blocker);
		network_detach_all(ns, id_b);
	}

	/* no translation between families */
	v4_only.netns = cb;
	assert_int_equal(network_attach(ns, find(ns, "bridge"), &v4_only, &b, &err), -EINVAL);
	assert_non_null(strstr(err.text, "it has no IPv6 address in network bridge"));
	v4_only.n_ports = 0;
	v4_only.ip[NETWORK_V6] = "2001:db8:1::9";
	assert_int_equal(network_attach(ns, find(ns, "bridge"), &v4_only, &b, &err), -EINVAL);
	assert_int_equal(network_attach(ns, n, &v4_only, &b, &err), 0);
	assert_true(at_ip(b, "2001:db8:1::9"));
	assert_true(reaches(cb, "2001:db8:1::1", 80, s6, seen));
	assert_string_equal(seen, "2001:db8:1::9");

	/* the engine ends; everything goes on */
	networks_close(ns);
	assert_true(reaches(outside, "2001:db8:f::1", 8080, s6, seen));
	ns = open_networks();
	e = network_endpoint_of(ns, id_a, NULL);
	assert_true(at_ip(e, "2001:db8:1::1"));
	assert_int_equal(e->n_ports, 5);
	assert_true(reaches(outside, "2001:db8:f::1", 8080, s6, seen));
	network_detach_all(ns, id_a);
	network_detach_all(ns, id_b);
	assert_int_equal(network_delete(ns, find(ns, "dual"), &err), 0);
	wire_down(ns);
	networks_close(ns);
	close(ca);
	close(cb);
	close(s4);
	close(s6);
	close(s6b);
	close(so);
}

static void test_only_ipv6(void **state)
{
	const struct network_config c = {.name = "six", .no_ipv4 = true, .ipv6 = true};
	struct network_names names = {.hostname = "box"};
	struct network_error err = {};
	struct networks *ns;
	struct network *n;
	struct network_endpoint *e;
	char *text, want[IPADDR_TEXT_MAX];
	int ca;

	NEED_NETNS();
	ns = open_networks();
	n = make(ns, &c);
	assert_int_equal(n->n_pools, 1);
	assert_int_equal(n->pools[0].subnet.bytes[0], 0xfd);
	assert_int_equal(network_netns_new(&ca), 0);
	e = attach(ns, n, id_a, "a", ca, NULL, 0);
	assert_int_equal(e->ip[NETWORK_V4].family, AF_UNSPEC);
	assert_int_equal(network_hosts(ns, id_a, &names, &text, &err), 0);
	assert_non_null(strstr(text, ipaddr_format(&e->ip[NETWORK_V6], false, want)));
	free(text);
	network_detach_all(ns, id_a);
	assert_int_equal(network_delete(ns, n, &err), 0);
	networks_close(ns);
	close(ca);
}

static void test_routed(void **state)
{
	const struct network_pair options[] = {
		{(char[]){"com.docker.network.bridge.gateway_mode_ipv4"}, (char[]){"nat-unprotected"}},
		{(char[]){"com.docker.network.bridge.gateway_mode_ipv6"}, (char[]){"routed"}}};
	const struct network_pool_config pools[] = {{.subnet = "10.4.0.0/24"}, {.subnet = "2001:db8:4::/64"}};
	const struct network_config c = {.name = "open",
		.ipv6 = true,
		.pools = pools,
		.n_pools = 2,
		.options = options,
		.n_options = 2};
	const struct network_port port = {.proto = IPPROTO_TCP, .container_port = 80, .host_port = 8080};
	struct network_error err = {};
	struct networks *ns;
	struct network *n;
	char seen[INET6_ADDRSTRLEN];
	int ca, s4, s6, s81, so;

	NEED_NETNS();
	ns = open_networks();
	wire_up(ns);
	n = make(ns, &c);
	assert_int_equal(network_netns_new(&ca), 0);
	attach(ns, n, id_a, "a", ca, &port, 1);
	s4 = server_on(ca, "0.0.0.0", SOCK_STREAM, 80);
	s6 = server_on(ca, "::", SOCK_STREAM, 80);
	s81 = server_on(ca, "::", SOCK_STREAM, 81);
	so = server_on(outside, "::", SOCK_STREAM, 7);
	/* unprotected: any port at its own address, and the published one */
	assert_true(reaches(outside, "10.4.0.2", 80, s4, seen));
	assert_true(reaches(outside, "192.0.2.1", 8080, s4, seen));
	/* routed: the published port at its own address, nothing else; and out under its own address */
	assert_true(reaches(outside, "2001:db8:4::2", 80, s6, seen));
	assert_string_equal(seen, "2001:db8:f::2");
	assert_false(reaches(outside, "2001:db8:4::2", 81, s81, NULL));
	assert_false(reaches(outside, "2001:db8:f::1", 8080, s6, NULL));
	assert_true(reaches(ca, "2001:db8:f::2", 7, so, seen));
	assert_string_equal(seen, "2001:db8:4::2");
	network_detach_all(ns, id_a);
	assert_int_equal(network_delete(ns, n, &err), 0);
	wire_down(ns);
	networks_close(ns);
	close(ca);
	close(s4);
	close(s6);
	close(s81);
	close(so);
}

static void test_republish(void **state)
{
	const struct network_port first[] = {
		{.proto = IPPROTO_TCP, .container_port = 80, .host_port = 8080},
		{.proto = IPPROTO_TCP, .container_port = 80, .host_port = 8081},
	};
	const struct network_port second[] = {
		{.proto = IPPROTO_TCP, .container_port = 80, .host_port = 8080},
		{.proto = IPPROTO_TCP, .container_port = 80, .host_port = 8082},
	};
	struct network_error err = {};
	struct networks *ns;
	struct network_endpoint *e;
	char seen[INET6_ADDRSTRLEN];
	int ca, s80, taken;

	NEED_NETNS();
	ns = open_networks();
	wire_up(ns);
	assert_int_equal(network_netns_new(&ca), 0);
	e = attach(ns, find(ns, "bridge"), id_a, "a", ca, first, 2);
	s80 = server(ca, SOCK_STREAM, 80);
	assert_true(reaches(outside, "192.0.2.1", 8081, s80, seen));
	/* one of the new ones is taken: everything as before */
	taken = server(-1, SOCK_STREAM, 8082);
	assert_int_equal(network_republish(ns, e, second, 2, &err), -EADDRINUSE);
	close(taken);
	assert_true(reaches(outside, "192.0.2.1", 8080, s80, seen));
	assert_true(reaches(outside, "192.0.2.1", 8081, s80, seen));
	assert_int_equal(network_republish(ns, e, second, 2, &err), 0);
	assert_true(reaches(outside, "192.0.2.1", 8080, s80, seen));
	assert_true(reaches(outside, "192.0.2.1", 8082, s80, seen));
	assert_false(reaches(outside, "192.0.2.1", 8081, s80, NULL));
	/* what it had is free for others */
	taken = server(-1, SOCK_STREAM, 8081);
	close(taken);
	assert_int_equal(network_republish(ns, e, NULL, 0, &err), 0);
	assert_false(reaches(outside, "192.0.2.1", 8080, s80, NULL));
	network_detach_all(ns, id_a);
	wire_down(ns);
	networks_close(ns);
	close(ca);
	close(s80);
}

/* The gateway of the default route with the lowest metric. */
static struct ipaddr way_out(int netns)
{
	struct netlink nl = NETLINK_CLOSED;
	struct ipaddr best = {};
	struct route *routes;
	uint32_t metric = UINT32_MAX;
	ssize_t n;

	assert_int_equal(netlink_open(&nl, NETLINK_ROUTE, netns), 0);
	n = route_list(&nl, &routes);
	assert_true(n >= 0);
	for (ssize_t i = 0; i < n; i++)
		if (!routes[i].dst.prefix && routes[i].dst.family == AF_INET && routes[i].metric < metric) {
			metric = routes[i].metric;
			best = routes[i].gateway;
		}
	free(routes);
	netlink_close(&nl);
	return best;
}

static void test_way_out(void **state)
{
	const struct network_pool_config pools[] = {
		{.subnet = "10.5.0.0/24"}, {.subnet = "10.6.0.0/24"}, {.subnet = "10.7.0.0/24"}};
	struct network_attach a = {.container = id_a, .name = "a"};
	static const char *const sysctls[] = {"net.ipv4.conf.IFNAME.log_martians=1"},
				 *const wrong[] = {"net.ipv4.ip_forward=1"};
	struct network_error err = {};
	struct network_endpoint *e;
	struct networks *ns;
	struct network *b, *c, *shut;
	struct ipaddr gw;
	int ca;

	NEED_NETNS();
	ns = open_networks();
	b = make(ns, &(struct network_config){.name = "b", .pools = &pools[0], .n_pools = 1});
	c = make(ns, &(struct network_config){.name = "c", .pools = &pools[1], .n_pools = 1});
	shut = make(ns,
		&(struct network_config){.name = "a", .internal = true, .pools = &pools[2], .n_pools = 1});
	assert_int_equal(network_netns_new(&a.netns), 0);
	ca = a.netns;
	/* an internal network is no way out, whatever its name */
	assert_int_equal(network_attach(ns, shut, &a, &e, &err), 0);
	assert_int_equal(way_out(ca).family, AF_UNSPEC);
	assert_int_equal(network_attach(ns, c, &a, &e, &err), 0);
	gw = way_out(ca);
	assert_true(is(&gw, "10.6.0.1"));
	/* the name decides */
	assert_int_equal(network_attach(ns, b, &a, &e, &err), 0);
	gw = way_out(ca);
	assert_true(is(&gw, "10.5.0.1"));
	assert_ptr_equal(network_endpoint_of(ns, id_a, NULL)->network, b);
	network_detach(ns, e);
	gw = way_out(ca);
	assert_true(is(&gw, "10.6.0.1"));
	/* unless there is a priority */
	a.gw_priority = -1;
	a.ifname = "wan7";
	a.sysctls = sysctls;
	a.n_sysctls = 1;
	assert_int_equal(network_attach(ns, b, &a, &e, &err), 0);
	assert_string_equal(e->ifname, "wan7");
	gw = way_out(ca);
	assert_true(is(&gw, "10.6.0.1"));
	network_detach(ns, e);
	a.sysctls = wrong;
	assert_int_equal(network_attach(ns, b, &a, &e, &err), -EINVAL);
	assert_non_null(strstr(err.text, "net.ipv4.ip_forward"));
	a.n_sysctls = 0;
	a.ifname = "lo";
	assert_int_equal(network_attach(ns, b, &a, &e, &err), -EEXIST);
	network_detach_all(ns, id_a);
	assert_int_equal(network_delete(ns, b, &err), 0);
	assert_int_equal(network_delete(ns, c, &err), 0);
	assert_int_equal(network_delete(ns, shut, &err), 0);
	networks_close(ns);
	close(ca);
}

static int of_a(const char *container, void *arg)
{
	return strcmp(container, id_a) == 0 ? fcntl(*(int *)arg, F_DUPFD_CLOEXEC, 3) : -1;
}

/* A container beside the node on its own wire, with an address of that wire. */
static void beside(const char *driver)
{
	const struct network_pair parent = {(char[]){"parent"}, (char[]){"wan0"}};
	const struct network_pool_config pool = {.subnet = "192.0.2.0/24", .gateway = "192.0.2.2"};
	const struct network_config c = {.name = "lan",
		.driver = driver,
		.pools = &pool,
		.n_pools = 1,
		.options = &parent,
		.n_options = 1};
	struct network_attach a = {.container = id_a, .name = "a", .ip = {"192.0.2.77"}};
	struct network_error err = {};
	struct netlink inside = NETLINK_CLOSED;
	struct network_endpoint *e;
	struct networks *ns;
	struct network *n;
	struct link l;
	char seen[INET6_ADDRSTRLEN];
	int ca, so, s80;

	ns = open_networks();
	wire_up(ns);
	n = make(ns, &c);
	assert_int_equal(network_netns_new(&ca), 0);
	assert_int_equal(networks_restore(ns, of_a, &ca), 0);
	a.netns = ca;
	if (network_attach(ns, n, &a, &e, &err) < 0)
		fail_msg("%s: %s", driver, err.text);
	so = server(outside, SOCK_STREAM, 7);
	s80 = server(ca, SOCK_STREAM, 80);
	assert_true(reaches(ca, "192.0.2.2", 7, so, seen));
	assert_string_equal(seen, "192.0.2.77");
	assert_true(reaches(outside, "192.0.2.77", 80, s80, seen));
	/* leaving takes the interface out of a container that runs on */
	assert_int_equal(netlink_open(&inside, NETLINK_ROUTE, ca), 0);
	assert_int_equal(link_get(&inside, e->ifname, &l), 0);
	network_detach(ns, e);
	assert_int_equal(link_get(&inside, l.name, &l), -ENODEV);
	netlink_close(&inside);
	assert_int_equal(network_delete(ns, n, &err), 0);
	assert_int_equal(link_get(&ns->route, "wan0", &l), 0); /* not the network's own */
	wire_down(ns);
	networks_close(ns);
	close(ca);
	close(so);
	close(s80);
}

/* Kernels of build machines have not every kind of device; the node's has (tests/vm). */
static bool kernel_has(const char *kind)
{
	struct link_new pair = {.kind = "veth", .name = "probe0", .peer = {.name = "probe1", .netns_fd = -1}};
	struct link_new l = {.kind = kind, .name = "probe2"};
	struct netlink nl = NETLINK_CLOSED;
	struct link found;
	int r;

	assert_int_equal(netlink_open(&nl, NETLINK_ROUTE, -1), 0);
	assert_int_equal(link_add(&nl, &pair), 0);
	assert_int_equal(link_get(&nl, "probe0", &found), 0);
	l.parent = strcmp(kind, "dummy") ? found.index : 0;
	r = link_add(&nl, &l);
	assert_int_equal(link_del(&nl, found.index), 0);
	if (!r && link_get(&nl, "probe2", &found) == 0)
		assert_int_equal(link_del(&nl, found.index), 0);
	netlink_close(&nl);
	if (r == -EOPNOTSUPP)
		fprintf(stderr, "SKIPPED: this kernel has no %s devices\n", kind);
	else
		assert_int_equal(r, 0);
	return !r;
}

static void test_macvlan(void **state)
{
	const struct network_config alone = {.name = "alone", .driver = "macvlan"};
	struct network_error err = {};
	struct networks *ns;
	struct network *n;
	struct link l;
	char device[IFNAMSIZ];

	NEED_NETNS();
	if (!kernel_has("macvlan"))
		skip();
	beside("macvlan");
	if (!kernel_has("dummy"))
		skip();
	/* without a parent: a device that leads nowhere, and goes with the network */
	ns = open_networks();
	n = make(ns, &alone);
	assert_int_equal(link_get(&ns->route, n->bridge, &l), 0);
	assert_string_equal(l.kind, "dummy");
	memcpy(device, n->bridge, sizeof(device));
	assert_int_equal(network_delete(ns, n, &err), 0);
	assert_int_equal(link_get(&ns->route, device, &l), -ENODEV);
	networks_close(ns);
}

static void test_ipvlan(void **state)
{
	NEED_NETNS();
	if (!kernel_has("ipvlan"))
		skip();
	beside("ipvlan");
}

/* ---- killed between two steps */

static const char *fatal_point;

static void die_there(const char *point)
{
	if (!strcmp(point, fatal_point))
		_exit(9);
}

/* A network with a container in it and a published port comes and goes, in a process that ends at @point. */
static void live_and_die(const char *point, int netns)
{
	const struct network_port port = {.proto = IPPROTO_TCP, .container_port = 80, .host_port = 8088};
	const struct network_attach a = {
		.container = id_a, .name = "a", .netns = netns, .ports = &port, .n_ports = 1};
	struct network_error err = {};
	struct network_endpoint *e;
	struct networks *ns = open_networks();
	struct network *n;

	fatal_point = point;
	fault_hook = die_there;
	if (network_create(ns, &(struct network_config){.name = "cut"}, &n, &err) < 0 ||
		network_attach(ns, n, &a, &e, &err) < 0)
		_exit(1);
	network_detach(ns, e);
	if (network_delete(ns, n, &err) < 0)
		_exit(1);
	_exit(0);
}

static size_t count_links(struct networks *ns, const char *kind)
{
	cleanup(freep) struct link *links = NULL;
	ssize_t n = link_list(&ns->route, &links);
	size_t count = 0;

	for (ssize_t i = 0; i < n; i++)
		count += !strcmp(links[i].kind, kind);
	return count;
}

static int nobody(const char *container, void *arg)
{
	return -1;
}

/* Whatever the moment: the next engine has the network whole or not at all, and nothing hangs about. */
static void test_killed(void **state)
{
	static const char *const points[] = {"network-saved", "network-device", "endpoint-linked",
		"endpoint-published", "endpoint-forgotten", "network-forgotten"};
	struct network_error err = {};
	struct networks *ns;
	struct network *n;

	NEED_NETNS();
	for (size_t i = 0; i < array_len(points); i++) {
		int status, ca, taken;
		pid_t pid;

		assert_int_equal(network_netns_new(&ca), 0);
		pid = fork();
		assert_true(pid >= 0);
		if (!pid)
			live_and_die(points[i], ca);
		assert_int_equal(waitpid(pid, &status, 0), pid);
		if (!WIFEXITED(status) || WEXITSTATUS(status) != 9)
			fail_msg("%s: ended with %x", points[i], (unsigned)status);
		ns = open_networks();
		assert_int_equal(networks_restore(ns, nobody, NULL), 0);
		assert_null(networks_endpoints(ns));
		assert_int_equal(count_links(ns, "veth"), 0);
		/* the port is free */
		taken = server(-1, SOCK_STREAM, 8088);
		close(taken);
		if (networks_find(ns, "cut", &n, &err) == 0)
			assert_int_equal(network_delete(ns, n, &err), 0);
		assert_int_equal(count_links(ns, "bridge"), 1);
		networks_close(ns);
		close(ca);
	}
}

/* ---- names over TCP */

static void end_turn(struct loop_timer *t)
{
	loop_quit(loop, 0);
}

static void turn(void)
{
	struct loop_timer stop = {0};

	assert_int_equal(loop_timer_set(loop, &stop, loop_now_ms(loop) + 5, end_turn), 0);
	assert_int_equal(loop_run(loop), 0);
}

/* A query with its length before it. */
static size_t build_query(const char *name, uint16_t type, uint8_t out[80])
{
	size_t n = 14;

	memset(out, 0, 80);
	memcpy(out + 2, "\xab\xcd\x01\0\0\x01", 6);
	while (*name) {
		size_t label = strcspn(name, ".");

		out[n++] = (uint8_t)label;
		memcpy(out + n, name, label);
		n += label;
		name += label + (name[label] == '.');
	}
	n++;
	out[n++] = (uint8_t)(type >> 8);
	out[n++] = (uint8_t)type;
	out[n + 1] = 1;
	n += 2;
	out[1] = (uint8_t)(n - 2);
	return n;
}

/* Reads what comes back until @want bytes are there. */
static size_t collect(int fd, uint8_t *out, size_t want)
{
	size_t got = 0;

	for (int i = 0; i < 600 && got < want; i++) {
		ssize_t n;

		turn();
		n = recv(fd, out + got, want - got, MSG_DONTWAIT);
		if (n > 0)
			got += (size_t)n;
	}
	return got;
}

static int tcp_to_resolver(int netns)
{
	struct sockaddr_in sa = at("127.0.0.11", 53);
	int fd = socket_in(netns, SOCK_STREAM);

	assert_int_equal(connect(fd, (struct sockaddr *)&sa, sizeof(sa)), 0);
	return fd;
}

static void test_names_over_tcp(void **state)
{
	static const char upstream[] = "nameserver 127.0.0.1\n";
	const struct network_config c = {.name = "talk", .ipv6 = true};
	struct link_change up = LINK_NO_CHANGE;
	struct network_error err = {};
	struct networks *ns;
	struct network *n;
	struct network_endpoint *e;
	uint8_t q[80], out[512];
	char path[128];
	size_t len;
	int ca, fd, file, up_fd, conn;

	NEED_NETNS();
	ns = open_networks();
	snprintf(path, sizeof(path), "%s/resolv-tcp", base);
	file = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	assert_int_equal(write(file, upstream, strlen(upstream)), strlen(upstream));
	close(file);
	ns->host_resolv = path;
	up.up = 1;
	assert_int_equal(link_set(&ns->route, 1, &up), 0);
	n = make(ns, &c);
	assert_int_equal(network_netns_new(&ca), 0);
	e = attach(ns, n, id_a, "web", ca, NULL, 0);
	fd = tcp_to_resolver(ca);
	/* two questions at once, in pieces: an AAAA and an A */
	len = build_query("web", 28, q);
	assert_int_equal(send(fd, q, 3, 0), 3);
	turn();
	assert_int_equal(send(fd, q + 3, len - 3, 0), len - 3);
	assert_int_equal(collect(fd, out, len + 28), len + 28);
	assert_memory_equal(out + len + 12, e->ip[NETWORK_V6].bytes, 16);
	len = build_query("web", 1, q);
	assert_int_equal(send(fd, q, len, 0), len);
	assert_int_equal(collect(fd, out, len + 16), len + 16);
	assert_memory_equal(out + len + 12, e->ip[NETWORK_V4].bytes, 4);

	/* somebody else's name: the nameserver is asked over TCP, too; nobody is there: said at once */
	len = build_query("example.org", 1, q);
	assert_int_equal(send(fd, q, len, 0), len);
	assert_int_equal(collect(fd, out, len), len);
	assert_int_equal(out[5] & 15, 2);
	up_fd = server_on(-1, "127.0.0.1", SOCK_STREAM, 53);
	assert_int_equal(send(fd, q, len, 0), len);
	turn();
	conn = accept(up_fd, NULL, NULL);
	assert_true(conn >= 0);
	assert_int_equal(collect(conn, out, len), len);
	out[4] |= 0x80;
	out[5] = 5;
	assert_int_equal(send(conn, out, len, 0), len);
	assert_int_equal(collect(fd, out, len), len);
	assert_int_equal(out[5] & 15, 5);
	assert_memory_equal(out + 2, "\xab\xcd", 2);
	close(conn);
	/* the client hangs up while its question is under way */
	assert_int_equal(send(fd, q, len, 0), len);
	turn();
	close(fd);
	turn();
	turn();
	/* more connections than one container may have: the others are turned away, and it goes on */
	{
		int many[24];

		for (size_t i = 0; i < array_len(many); i++) {
			many[i] = tcp_to_resolver(ca);
			turn();
		}
		for (size_t i = 0; i < array_len(many); i++)
			close(many[i]);
		turn();
	}
	fd = tcp_to_resolver(ca);
	len = build_query("web", 1, q);
	assert_int_equal(send(fd, q, len, 0), len);
	assert_int_equal(collect(fd, out, len + 16), len + 16);
	network_detach_all(ns, id_a);
	assert_null(ns->resolvers);
	assert_int_equal(network_delete(ns, n, &err), 0);
	networks_close(ns);
	close(fd);
	close(up_fd);
	close(ca);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_dual_stack),
		cmocka_unit_test(test_only_ipv6),
		cmocka_unit_test(test_routed),
		cmocka_unit_test(test_republish),
		cmocka_unit_test(test_way_out),
		cmocka_unit_test(test_macvlan),
		cmocka_unit_test(test_ipvlan),
		cmocka_unit_test(test_names_over_tcp),
		cmocka_unit_test(test_killed),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}

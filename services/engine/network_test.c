/* SPDX-License-Identifier: Apache-2.0 */

/* Docker networks against the kernel: IPv4, published ports, names. */

#include "engine/network_testing.h"

static int upstream_fd = -1; /* plays a nameserver that refuses everything */

static void end_turn(struct loop_timer *t)
{
	uint8_t m[512];
	struct sockaddr_in from;
	socklen_t len = sizeof(from);
	ssize_t n = upstream_fd < 0 ? -1
				    : recvfrom(upstream_fd, m, sizeof(m), MSG_DONTWAIT,
					      (struct sockaddr *)&from, &len);

	if (n > 12) {
		m[2] |= 0x80;
		m[3] = 5;
		/* first somebody who guesses: another id */
		m[0] ^= 1;
		assert_int_equal(sendto(upstream_fd, m, (size_t)n, 0, (struct sockaddr *)&from, len), n);
		m[0] ^= 1;
		assert_int_equal(sendto(upstream_fd, m, (size_t)n, 0, (struct sockaddr *)&from, len), n);
	}
	loop_quit(loop, 0);
}

static void test_defaults(void **state)
{
	struct networks *ns;
	struct network *n;
	struct network_error err;
	struct link l;

	NEED_NETNS();
	ns = open_networks();
	n = networks_first(ns);
	assert_string_equal(n->name, "bridge");
	assert_string_equal(n->bridge, "docker0");
	assert_int_equal(n->n_pools, 1);
	assert_true(is(&n->pools[0].subnet, "172.17.0.0/16"));
	assert_true(is(&n->pools[0].gateway, "172.17.0.1"));
	assert_int_equal(find(ns, "host")->driver, NETWORK_HOST);
	assert_int_equal(find(ns, "none")->driver, NETWORK_NONE);
	assert_int_equal(link_get(&ns->route, "docker0", &l), 0);
	assert_int_equal(networks_find(ns, "nope", &n, &err), -ENOENT);
	assert_string_equal(err.text, "network nope not found");
	assert_int_equal(network_delete(ns, find(ns, "bridge"), &err), -EPERM);
	networks_close(ns);
	/* again: the same networks, not new ones */
	ns = open_networks();
	assert_non_null(networks_first(ns)->next->next);
	assert_null(networks_first(ns)->next->next->next);
	networks_close(ns);
}

static void test_create_delete(void **state)
{
	static const char *const reserved[] = {"10.71.5.0/24", "10.64.0.0/13", "10.0.0.0/8"};
	const struct network_pair bad_option = {.key = (char[]){"com.example.x"}, .value = (char[]){"1"}};
	struct network_config c = {.name = "web"};
	struct network_pool_config pool = {};
	struct network_error err;
	struct networks *ns;
	struct network *n, *m;
	struct link l;
	char bridge[IFNAMSIZ];

	NEED_NETNS();
	ns = open_networks();
	assert_int_equal(network_create(ns, &c, &n, &err), 0);
	assert_true(is(&n->pools[0].subnet, "172.18.0.0/16"));
	snprintf(bridge, sizeof(bridge), "%s", n->bridge);
	assert_int_equal(link_get(&ns->route, bridge, &l), 0);
	assert_int_equal(network_create(ns, &c, &m, &err), -EEXIST);
	assert_string_equal(err.text, "network with name web already exists");
	c.name = "second";
	c.pools = &pool;
	c.n_pools = 1;
	pool.subnet = "172.18.5.0/24";
	assert_int_equal(network_create(ns, &c, &m, &err), -EPERM);
	assert_non_null(strstr(err.text, "Pool overlaps"));
	networks_reserve(ns, "10.64.0.0/13", "somebody else");
	for (size_t i = 0; i < array_len(reserved); i++) {
		pool.subnet = reserved[i];
		assert_int_equal(network_create(ns, &c, &m, &err), -EPERM);
		assert_string_equal(err.text,
			"Pool overlaps with other one on this address space: 10.64.0.0/13 is the range of somebody else");
	}
	/* What is chosen here keeps off it, too. */
	networks_reserve(ns, "172.19.0.0/16", "another one");
	c = (struct network_config){.name = "chosen"};
	assert_int_equal(network_create(ns, &c, &m, &err), 0);
	assert_true(is(&m->pools[0].subnet, "172.20.0.0/16"));
	assert_int_equal(network_delete(ns, m, &err), 0);
	c = (struct network_config){.name = "second", .pools = &pool, .n_pools = 1};
	pool.subnet = "10.77.0.0/24";
	pool.gateway = "10.77.0.254";
	pool.ip_range = "10.77.0.128/25";
	assert_int_equal(network_create(ns, &c, &m, &err), 0);
	assert_true(is(&m->pools[0].gateway, "10.77.0.254"));
	pool = (struct network_pool_config){.subnet = "10.78.0.1/24"};
	c.name = "x";
	assert_int_equal(network_create(ns, &c, &m, &err), -EINVAL);
	c = (struct network_config){.name = "x", .driver = "overlay"};
	assert_int_equal(network_create(ns, &c, &m, &err), -ENOENT);
	c = (struct network_config){.name = "x", .no_ipv4 = true};
	assert_int_equal(network_create(ns, &c, &m, &err), -EINVAL);
	c = (struct network_config){.name = "x", .options = &bad_option, .n_options = 1};
	assert_int_equal(network_create(ns, &c, &m, &err), -EINVAL);
	networks_close(ns);

	/* from the files */
	ns = open_networks();
	n = find(ns, "second");
	assert_true(is(&n->pools[0].range, "10.77.0.128/25"));
	assert_true(n->pools[0].gateway_given && n->pools[0].range_given);
	assert_int_equal(network_delete(ns, n, &err), 0);
	assert_int_equal(network_delete(ns, find(ns, "web"), &err), 0);
	assert_int_equal(link_get(&ns->route, bridge, &l), -ENODEV);
	networks_close(ns);
}

static void test_connections(void **state)
{
	const struct network_port ports[] = {
		{.proto = IPPROTO_TCP, .container_port = 80, .host_port = 8080},
		{.proto = IPPROTO_TCP,
			.container_port = 81,
			.host_port = 8081,
			.host_ip = {.family = AF_INET, .prefix = 32, .v4 = {htonl(INADDR_LOOPBACK)}}},
		{.proto = IPPROTO_UDP, .container_port = 53, .host_port = 0},
		{.proto = IPPROTO_TCP, .container_port = 80, .host_port = 9000, .host_port_last = 9005},
	};
	struct link_new wire = {.kind = "veth", .name = "wan0", .up = true, .peer = {.name = "out0"}};
	struct link_addr wan = {}, out_addr = {};
	struct link_change up = LINK_NO_CHANGE;
	struct netlink out_nl = NETLINK_CLOSED;
	struct network_config second = {.name = "apart"};
	struct networks *ns;
	struct network_endpoint *a, *b;
	struct network_error err;
	struct network *apart;
	struct route way = {.dst = {.family = AF_INET}};
	char seen[INET6_ADDRSTRLEN];
	int ca, cb, cc, outside, s80, s81, so, taken, r;
	struct link l;

	NEED_NETNS();
	ns = open_networks();
	assert_int_equal(network_netns_new(&ca), 0);
	assert_int_equal(network_netns_new(&cb), 0);
	assert_int_equal(network_netns_new(&cc), 0);
	assert_int_equal(network_netns_new(&outside), 0);

	up.up = 1;
	assert_int_equal(link_set(&ns->route, 1, &up), 0); /* the node's loopback */
	/* the outside: 192.0.2.0/24 on a wire to the node; it knows no way to containers but through the node
	 */
	wire.peer.netns_fd = outside;
	assert_int_equal(link_add(&ns->route, &wire), 0);
	assert_int_equal(link_get(&ns->route, "wan0", &l), 0);
	wan.index = l.index;
	assert_int_equal(ipaddr_parse("192.0.2.1/24", &wan.addr), 0);
	assert_int_equal(addr_set(&ns->route, &wan), 0);
	assert_int_equal(netlink_open(&out_nl, NETLINK_ROUTE, outside), 0);
	assert_int_equal(link_get(&out_nl, "out0", &l), 0);
	assert_int_equal(link_set(&out_nl, l.index, &up), 0);
	out_addr.index = way.index = l.index;
	assert_int_equal(ipaddr_parse("192.0.2.2/24", &out_addr.addr), 0);
	assert_int_equal(addr_set(&out_nl, &out_addr), 0);
	assert_int_equal(ipaddr_parse("192.0.2.1", &way.gateway), 0);
	assert_int_equal(route_set(&out_nl, &way), 0);

	a = attach(ns, find(ns, "bridge"), id_a, "web", ca, ports, array_len(ports));
	assert_true(at_ip(a, "172.17.0.2"));
	assert_string_equal(a->ifname, "eth0");
	assert_int_equal(a->ports[0].host_port, 8080);
	assert_true(a->ports[2].host_port >= 1024);
	assert_int_equal(a->ports[3].host_port, 9000);
	b = attach(ns, find(ns, "bridge"), id_b, "other", cb, NULL, 0);
	assert_true(at_ip(b, "172.17.0.3"));
	s80 = server(ca, SOCK_STREAM, 80);
	s81 = server(ca, SOCK_STREAM, 81);
	so = server(outside, SOCK_STREAM, 7);

	/* the node itself, by address, by published port, and over loopback */
	assert_true(reaches(-1, "172.17.0.2", 80, s80, seen));
	assert_true(reaches(-1, "192.0.2.1", 8080, s80, seen));
	assert_true(reaches(-1, "127.0.0.1", 8080, s80, seen));
	assert_string_equal(seen, "172.17.0.1");
	assert_true(reaches(-1, "127.0.0.1", 8081, s81, seen));
	/* from outside: the published port, and the client's own address is what the container sees */
	assert_true(reaches(outside, "192.0.2.1", 8080, s80, seen));
	assert_string_equal(seen, "192.0.2.2");
	assert_true(reaches(outside, "192.0.2.1", 9000, s80, seen));
	/* but neither the container's address nor what is published on loopback only */
	assert_false(reaches(outside, "172.17.0.2", 80, s80, NULL));
	assert_false(reaches(outside, "192.0.2.1", 8081, s81, NULL));
	/* container to container, directly and through the published port */
	assert_true(reaches(cb, "172.17.0.2", 80, s80, seen));
	assert_string_equal(seen, "172.17.0.3");
	assert_true(reaches(cb, "192.0.2.1", 8080, s80, seen));
	/* a container to its own published port */
	assert_true(reaches(ca, "192.0.2.1", 8080, s80, seen));
	/* outbound, under the node's address */
	assert_true(reaches(ca, "192.0.2.2", 7, so, seen));
	assert_string_equal(seen, "192.0.2.1");

	/* networks are apart */
	assert_int_equal(network_create(ns, &second, &apart, &err), 0);
	attach(ns, apart, id_c, "third", cc, NULL, 0);
	assert_false(reaches(cc, "172.17.0.2", 80, s80, NULL));
	assert_true(reaches(cc, "192.0.2.1", 8080, s80, seen));
	assert_true(reaches(cc, "192.0.2.2", 7, so, seen));

	/* a port that is taken, by another container and by a program of the node */
	{
		const struct network_port again[] = {
			{.proto = IPPROTO_TCP, .container_port = 1, .host_port = 8080}};
		const struct network_port third[] = {
			{.proto = IPPROTO_TCP, .container_port = 1, .host_port = 9100}};
		struct network_attach att = {
			.container = id_c, .name = "three", .netns = cc, .ports = again, .n_ports = 1};
		struct network_endpoint *e = NULL;

		assert_int_equal(network_attach(ns, find(ns, "bridge"), &att, &e, &err), -EADDRINUSE);
		assert_non_null(strstr(err.text, "Bind for 0.0.0.0:8080 failed: port is already allocated"));
		taken = server(-1, SOCK_STREAM, 9100);
		att.ports = third;
		assert_int_equal(network_attach(ns, find(ns, "bridge"), &att, &e, &err), -EADDRINUSE);
		assert_non_null(strstr(err.text, "address already in use"));
		close(taken);
		/* and the one that has it still does */
		assert_true(reaches(outside, "192.0.2.1", 8080, s80, seen));
		/* nothing was left behind: the next address is the third */
		att.ports = NULL;
		att.n_ports = 0;
		assert_int_equal(network_attach(ns, find(ns, "bridge"), &att, &e, &err), 0);
		assert_true(at_ip(e, "172.17.0.4"));
		assert_string_equal(e->ifname, "eth1"); /* cc has eth0 in `apart` */
		network_detach(ns, e);
		att.ip[NETWORK_V4] = "172.17.0.2";
		assert_int_equal(network_attach(ns, find(ns, "bridge"), &att, &e, &err), -EADDRINUSE);
		att.ip[NETWORK_V4] = "172.18.0.2";
		assert_int_equal(network_attach(ns, find(ns, "bridge"), &att, &e, &err), -EINVAL);
		att.ip[NETWORK_V4] = "172.17.9.9";
		assert_int_equal(network_attach(ns, find(ns, "bridge"), &att, &e, &err), 0);
		assert_true(at_ip(e, "172.17.9.9"));
		network_detach(ns, e);
	}

	/* the engine ends; everything goes on */
	networks_close(ns);
	assert_true(reaches(outside, "192.0.2.1", 8080, s80, seen));
	ns = open_networks();
	a = network_endpoint_of(ns, id_a, NULL);
	assert_non_null(a);
	assert_int_equal(a->n_ports, 4);
	assert_true(reaches(outside, "192.0.2.1", 8080, s80, seen));
	assert_true(reaches(-1, "127.0.0.1", 8081, s81, seen));
	r = network_delete(ns, find(ns, "apart"), &err);
	assert_int_equal(r, -EBUSY);

	network_detach_all(ns, id_a);
	assert_false(reaches(outside, "192.0.2.1", 8080, s80, NULL));
	network_detach_all(ns, id_b);
	network_detach_all(ns, id_c);
	assert_null(networks_endpoints(ns));
	assert_int_equal(network_delete(ns, find(ns, "apart"), &err), 0);
	assert_int_equal(link_get(&ns->route, "wan0", &l), 0);
	assert_int_equal(link_del(&ns->route, l.index), 0);
	networks_close(ns);
	close(s80);
	close(s81);
	close(so);
	netlink_close(&out_nl);
	close(ca);
	close(cb);
	close(cc);
	close(outside);
}

/* Whether datagrams sent from @c arrive at @s. A bridge forwards a moment after its port is there: more than one. */
static bool arrives(int c, int s)
{
	struct pollfd p = {.fd = s, .events = POLLIN};
	char m[8];

	for (int i = 0; i < 10; i++) {
		assert_int_equal(send(c, "x", 1, 0), 1);
		if (poll(&p, 1, REFUSED_MS) == 1)
			return recv(s, m, sizeof(m), 0) == 1;
	}
	return false;
}

/* A client that goes on sending from the same port reaches whoever has the published port now. */
static void test_udp_moves(void **state)
{
	const struct network_port ports[] = {{.proto = IPPROTO_UDP, .container_port = 53, .host_port = 5300}};
	struct network_endpoint *b;
	struct networks *ns;
	struct sockaddr_in sa = at("172.17.0.1", 5300);
	int ca, cb, s1, s2, c;

	NEED_NETNS();
	ns = open_networks();
	assert_int_equal(network_netns_new(&ca), 0);
	assert_int_equal(network_netns_new(&cb), 0);
	attach(ns, find(ns, "bridge"), id_a, "a", ca, ports, 1);
	s1 = server(ca, SOCK_DGRAM, 53);
	c = socket_in(-1, SOCK_DGRAM);
	assert_int_equal(connect(c, (struct sockaddr *)&sa, sizeof(sa)), 0);
	assert_true(arrives(c, s1));
	/* the other one gets another address */
	b = attach(ns, find(ns, "bridge"), id_b, "b", cb, NULL, 0);
	assert_false(at_ip(b, "172.17.0.2"));
	network_detach_all(ns, id_b);
	attach(ns, find(ns, "bridge"), "holder", "holder", cb, NULL, 0);
	network_detach_all(ns, id_a);
	attach(ns, find(ns, "bridge"), "filler", "filler", ca, NULL, 0);
	network_detach_all(ns, "holder");
	b = attach(ns, find(ns, "bridge"), id_b, "b", cb, ports, 1);
	assert_true(at_ip(b, "172.17.0.3"));
	s2 = server(cb, SOCK_DGRAM, 53);
	assert_true(arrives(c, s2));
	network_detach_all(ns, id_b);
	network_detach_all(ns, "filler");
	networks_close(ns);
	close(s1);
	close(s2);
	close(c);
	close(ca);
	close(cb);
}

static int only_a(const char *container, void *arg)
{
	return strcmp(container, id_a) == 0 ? fcntl(*(int *)arg, F_DUPFD_CLOEXEC, 3) : -1;
}

static void test_restore(void **state)
{
	const struct network_port ports[] = {{.proto = IPPROTO_TCP, .container_port = 80, .host_port = 8090}};
	struct network_attach again = {.container = "c", .name = "c", .ports = ports, .n_ports = 1};
	struct network_endpoint *e;
	struct network_error err;
	struct networks *ns;
	int ca, cb;

	NEED_NETNS();
	ns = open_networks();
	assert_int_equal(network_netns_new(&ca), 0);
	assert_int_equal(network_netns_new(&cb), 0);
	attach(ns, find(ns, "bridge"), id_a, "a", ca, ports, 1);
	attach(ns, find(ns, "bridge"), id_b, "b", cb, NULL, 0);
	networks_close(ns);
	ns = open_networks();
	assert_int_equal(networks_restore(ns, only_a, &ca), 0);
	assert_non_null(network_endpoint_of(ns, id_a, NULL));
	assert_null(network_endpoint_of(ns, id_b, NULL));
	again.netns = cb;
	assert_int_equal(network_attach(ns, find(ns, "bridge"), &again, &e, &err), -EADDRINUSE);
	network_detach_all(ns, id_a);
	networks_close(ns);
	close(ca);
	close(cb);
}

/* A file that a disk has spoilt is set aside, and the rest is there. */
static void test_spoilt(void **state)
{
	char path[128];
	struct networks *ns;
	struct stat st;
	int fd;

	NEED_NETNS();
	snprintf(path, sizeof(path), "%s/0000.json", dir);
	fd = open(path, O_WRONLY | O_CREAT, 0600);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, "{\"id\":", 6), 6);
	close(fd);
	ns = open_networks();
	assert_non_null(find(ns, "bridge"));
	networks_close(ns);
	assert_int_equal(stat(path, &st), -1);
	snprintf(path, sizeof(path), "%s/0000.json.bad", dir);
	assert_int_equal(stat(path, &st), 0);
}

static void test_names(void **state)
{
	static const char host[] =
		"# x\nsearch lan\nnameserver 127.0.0.1\nnameserver 10.0.2.3\nnameserver fe80::1\n";
	const char *const dns[] = {"9.9.9.9"}, *const extra[] = {"db:10.1.1.1", "gw:host-gateway"},
			  *const bad[] = {"x:y\nz"};
	struct network_names names = {.hostname = "box"};
	struct network_error err;
	struct networks *ns;
	char path[128], *text;
	int ca, fd;

	NEED_NETNS();
	snprintf(path, sizeof(path), "%s/resolv", base);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	assert_int_equal(write(fd, host, strlen(host)), strlen(host));
	close(fd);
	ns = open_networks();
	ns->host_resolv = path;
	assert_int_equal(network_netns_new(&ca), 0);
	attach(ns, find(ns, "bridge"), id_a, "a", ca, NULL, 0);
	assert_int_equal(network_resolv_conf(ns, id_a, &names, &text), 0);
	assert_non_null(strstr(text, "search lan\nnameserver 10.0.2.3\n"));
	assert_null(strstr(text, "127.0.0.1"));
	assert_null(strstr(text, "fe80"));
	free(text);
	names.dns = dns;
	names.n_dns = 1;
	assert_int_equal(network_resolv_conf(ns, id_a, &names, &text), 0);
	assert_non_null(strstr(text, "nameserver 9.9.9.9\n"));
	assert_null(strstr(text, "10.0.2.3"));
	free(text);
	names.extra_hosts = extra;
	names.n_extra_hosts = 2;
	assert_int_equal(network_hosts(ns, id_a, &names, &text, &err), 0);
	assert_non_null(strstr(text, "10.1.1.1\tdb\n172.17.0.1\tgw\n172.17.0.2\tbox\n"));
	free(text);
	names.domainname = "lan.example";
	assert_int_equal(network_hosts(ns, id_a, &names, &text, &err), 0);
	assert_non_null(strstr(text, "172.17.0.2\tbox.lan.example box\n"));
	free(text);
	names.hostname = "box.lan.example";
	names.domainname = "";
	assert_int_equal(network_hosts(ns, id_a, &names, &text, &err), 0);
	assert_non_null(strstr(text, "172.17.0.2\tbox.lan.example box\n"));
	free(text);
	names.extra_hosts = bad;
	names.n_extra_hosts = 1;
	assert_int_equal(network_hosts(ns, id_a, &names, &text, &err), -EINVAL);
	network_detach_all(ns, id_a);
	networks_close(ns);
	close(ca);
}

/* Asks 127.0.0.11 from inside @netns and runs the engine's loop until there is an answer. Return: its length.
 */
static ssize_t ask(int netns, const char *host, uint8_t out[512])
{
	struct sockaddr_in sa = at("127.0.0.11", 53);
	uint8_t q[64] = {0xab, 0xcd, 1, 0, 0, 1};
	size_t n = 12;
	int fd = socket_in(netns, SOCK_DGRAM);
	ssize_t got = -1;

	while (*host) {
		size_t label = strcspn(host, ".");

		q[n++] = (uint8_t)label;
		memcpy(q + n, host, label);
		n += label;
		host += label + (host[label] == '.');
	}
	memcpy(q + n, "\0\0\1\0\1", 5);
	assert_int_equal(connect(fd, (struct sockaddr *)&sa, sizeof(sa)), 0);
	assert_int_equal(send(fd, q, n + 5, 0), (ssize_t)n + 5);
	for (int i = 0; i < 700 && got < 0; i++) {
		struct loop_timer stop = {0};

		assert_int_equal(loop_timer_set(loop, &stop, loop_now_ms(loop) + 10, end_turn), 0);
		assert_int_equal(loop_run(loop), 0);
		got = recv(fd, out, 512, MSG_DONTWAIT);
	}
	close(fd);
	assert_true(got >= 12);
	assert_memory_equal(out, "\xab\xcd", 2);
	return got;
}

static void test_resolver(void **state)
{
	static const char nobody[] = "nameserver 127.0.0.99\n", upstream[] = "nameserver 127.0.0.1\n";
	const char *const aliases[] = {"database"};
	const char *const links[] = {
		"DB:store", "web:me", "secret:hidden", "db:web", "ccc:none", "db", "database:held"};
	struct network_names names = {.hostname = "box"};
	struct link_change up = LINK_NO_CHANGE;
	struct network_config c = {.name = "backend"}, shut = {.name = "shut", .internal = true};
	struct network_attach a = {.container = id_a,
				      .name = "Web",
				      .links = links,
				      .n_links = array_len(links)},
			      b = {.container = id_b, .name = "db", .aliases = aliases, .n_aliases = 1};
	struct network_endpoint *e;
	struct network_error err;
	struct network *n, *internal;
	struct networks *ns;
	uint8_t out[512];
	char path[128], *text;
	int ca, cb, cc, fd, up_fd;
	struct sockaddr_in sa = at("127.0.0.1", 53);

	NEED_NETNS();
	snprintf(path, sizeof(path), "%s/resolv2", base);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	assert_int_equal(write(fd, nobody, strlen(nobody)), strlen(nobody));
	ns = open_networks();
	ns->host_resolv = path;
	up.up = 1;
	assert_int_equal(link_set(&ns->route, 1, &up), 0);
	assert_int_equal(network_create(ns, &c, &n, &err), 0);
	assert_int_equal(network_create(ns, &shut, &internal, &err), 0);
	assert_int_equal(network_netns_new(&ca), 0);
	assert_int_equal(network_netns_new(&cb), 0);
	assert_int_equal(network_netns_new(&cc), 0);
	a.netns = ca;
	b.netns = cb;
	assert_int_equal(network_attach(ns, n, &a, &e, &err), 0);
	assert_int_equal(network_attach(ns, n, &b, &e, &err), 0);
	b.container = "c3";
	b.name = "secret";
	b.netns = cc;
	assert_int_equal(network_attach(ns, internal, &b, &e, &err), 0);
	assert_int_equal(network_resolv_conf(ns, id_a, &names, &text), 0);
	assert_non_null(strstr(text, "nameserver 127.0.0.11\n"));
	assert_non_null(strstr(text, "options ndots:0\n"));
	assert_null(strstr(text, "127.0.0.99"));
	free(text);

	/* by name, by alias, with the network's name, in any case; its own name too */
	assert_int_equal(ask(ca, "db", out), 12 + 4 + 4 + 16);
	assert_memory_equal(out + 32, "\xac\x12\0\3", 4);
	assert_int_equal(out[7], 1);
	ask(ca, "DataBase", out);
	assert_int_equal(out[7], 1);
	ask(cb, "web.backend", out);
	assert_int_equal(out[7], 1);
	ask(ca, "web", out);
	assert_int_equal(out[7], 1);
	/* a link is its container's alone, comes before what others are called, and leads to no other network */
	ask(ca, "Store", out);
	assert_int_equal(out[7], 1);
	assert_memory_equal(out + 12 + 7 + 4 + 12, "\xac\x12\0\3", 4);
	ask(ca, "web", out);
	assert_memory_equal(out + 12 + 5 + 4 + 12, "\xac\x12\0\3", 4);
	ask(ca, "db", out);
	assert_int_equal(out[7], 1);
	/* it may call its container as others do */
	ask(ca, "held", out);
	assert_int_equal(out[7], 1);
	ask(cb, "store", out);
	assert_int_equal(out[3] & 15, 2);
	ask(ca, "hidden", out);
	assert_int_equal(out[3] & 15, 2);
	ask(ca, "none", out);
	assert_int_equal(out[3] & 15, 2);
	/* not in another network, and from an internal one nothing goes out */
	ask(cc, "web", out);
	assert_int_equal(out[3] & 15, 3);
	ask(cc, "secret", out);
	assert_int_equal(out[7], 1);
	/* nobody to ask: said at once */
	ask(ca, "example.org", out);
	assert_int_equal(out[3] & 15, 2);

	/* a nameserver of the node's */
	assert_int_equal(pwrite(fd, upstream, strlen(upstream), 0), strlen(upstream));
	assert_int_equal(ftruncate(fd, (off_t)strlen(upstream)), 0);
	up_fd = socket_in(-1, SOCK_DGRAM);
	assert_int_equal(bind(up_fd, (struct sockaddr *)&sa, sizeof(sa)), 0);
	upstream_fd = up_fd;
	ask(ca, "example.org", out);
	assert_int_equal(out[3] & 15, 5); /* what the nameserver said */
	upstream_fd = -1;

	/* after a restart of the engine */
	networks_close(ns);
	ns = open_networks();
	ns->host_resolv = path;
	assert_int_equal(networks_restore(ns, only_a, &ca), 0);
	ask(ca, "web.backend", out);
	assert_int_equal(out[7], 1);
	ask(ca, "me", out);
	assert_int_equal(out[7], 1);
	network_detach_all(ns, id_a);
	assert_null(ns->resolvers);
	assert_int_equal(network_delete(ns, find(ns, "backend"), &err), 0);
	assert_int_equal(network_delete(ns, find(ns, "shut"), &err), 0);
	networks_close(ns);
	close(ca);
	close(cb);
	close(cc);
	close(fd);
	close(up_fd);
}

static void test_pools(void **state)
{
	struct ipaddr used[64], a;
	size_t n = 0;
	char text[IPADDR_TEXT_MAX];

	for (; network_pool_v4(used, n, &a) == 0; n++)
		used[n] = a;
	assert_int_equal(n, 15 + 16);
	assert_string_equal(ipaddr_format(&used[0], true, text), "172.17.0.0/16");
	assert_string_equal(ipaddr_format(&used[15], true, text), "192.168.0.0/20");
	assert_string_equal(ipaddr_format(&used[30], true, text), "192.168.240.0/20");
}

static struct network one_pool(const char *subnet, const char *gateway, const char *range)
{
	struct network n = {.driver = NETWORK_BRIDGE, .n_pools = 1};

	assert_int_equal(ipaddr_parse(subnet, &n.pools[0].subnet), 0);
	assert_int_equal(ipaddr_parse(gateway, &n.pools[0].gateway), 0);
	assert_int_equal(ipaddr_parse(range, &n.pools[0].range), 0);
	assert_int_equal(network_ipam_init(&n.pools[0]), 0);
	return n;
}

static int take_one(struct network *n, const char *text)
{
	struct ipaddr a, gateway;

	assert_int_equal(ipaddr_parse(text, &a), 0);
	return network_ipam_take(n, &a, &gateway);
}

static void test_ipam(void **state)
{
	struct network n = one_pool("10.0.0.0/29", "10.0.0.1", "10.0.0.0/29");
	struct ipaddr a, gateway;
	char want[16];

	for (unsigned i = 2; i <= 6; i++) {
		assert_int_equal(network_ipam_any(&n, NETWORK_V4, &a, &gateway), 0);
		snprintf(want, sizeof(want), "10.0.0.%u/29", i);
		assert_true(is(&a, want));
		assert_true(is(&gateway, "10.0.0.1"));
	}
	assert_int_equal(network_ipam_any(&n, NETWORK_V4, &a, &gateway), -ENOSPC);
	assert_int_equal(network_ipam_any(&n, NETWORK_V6, &a, &gateway), -ENOSPC);
	assert_int_equal(take_one(&n, "10.0.0.4"), -EADDRINUSE);
	assert_int_equal(ipaddr_parse("10.0.0.4/29", &a), 0);
	network_ipam_release(&n, &a);
	assert_int_equal(take_one(&n, "10.0.0.4"), 0);
	assert_int_equal(take_one(&n, "10.0.0.7"), -EINVAL); /* broadcast */
	assert_int_equal(take_one(&n, "10.0.0.0"), -EINVAL);
	assert_int_equal(take_one(&n, "10.0.0.8"), -EINVAL);
	assert_int_equal(take_one(&n, "fd00::2"), -EINVAL);
	free(n.pools[0].ipam);
}

static void test_ipam_v6(void **state)
{
	struct network n = one_pool("2001:db8::/64", "2001:db8::1", "2001:db8::1:0/112");
	struct network_pair aux = {.key = (char[]){"router"}, .value = (char[]){"2001:db8::1:0"}};
	struct ipaddr a, gateway;

	n.pools[0].aux = &aux;
	n.pools[0].n_aux = 1;
	assert_int_equal(network_ipam_any(&n, NETWORK_V6, &a, &gateway), 0);
	assert_true(is(&a, "2001:db8::1:1/64"));
	assert_true(is(&gateway, "2001:db8::1"));
	assert_int_equal(take_one(&n, "2001:db8::1:1"), -EADDRINUSE);
	assert_int_equal(take_one(&n, "2001:db8::1:2"), 0);
	assert_int_equal(network_ipam_any(&n, NETWORK_V6, &a, &gateway), 0);
	assert_true(is(&a, "2001:db8::1:3/64"));
	/* beyond the range: nothing to remember, the caller looks at the endpoints */
	assert_int_equal(take_one(&n, "2001:db8::ffff:0:1"), 0);
	assert_int_equal(take_one(&n, "2001:db8:0:1::1"), -EINVAL);
	free(n.pools[0].ipam);
}

static void test_pools_v6(void **state)
{
	struct ipaddr a, b, c;

	assert_int_equal(network_pool_v6("node", NULL, 0, &a), 0);
	assert_int_equal(a.prefix, 64);
	assert_int_equal(a.bytes[0], 0xfd);
	assert_int_equal(network_pool_v6("node", &a, 1, &b), 0);
	assert_memory_equal(a.bytes, b.bytes, 6);
	assert_false(ipaddr_overlap(&a, &b));
	assert_int_equal(network_pool_v6("another node", NULL, 0, &c), 0);
	assert_true(memcmp(a.bytes, c.bytes, 6) != 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_pools),
		cmocka_unit_test(test_pools_v6),
		cmocka_unit_test(test_ipam),
		cmocka_unit_test(test_ipam_v6),
		cmocka_unit_test(test_defaults),
		cmocka_unit_test(test_create_delete),
		cmocka_unit_test(test_connections),
		cmocka_unit_test(test_restore),
		cmocka_unit_test(test_spoilt),
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_resolver),
		cmocka_unit_test(test_udp_moves),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}

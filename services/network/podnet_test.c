/* SPDX-License-Identifier: Apache-2.0 */

/* Pods against the kernel: one namespace plays the node, one the outside, and two are pods'. */

#include "lib/link.h"
#include "lib/netns.h"
#include "lib/netns_testing.h"
#include "network/podnet_int.h"

#define UID_A "0b6e9e0c-6a0d-4f1b-8f3c-2d5a9c3f4a11"
#define UID_B "b"

static const struct podnet_options options = {.cluster_range = "10.244.0.0/16"};
static int outside = -1, a = -1, b = -1;

static void address(struct netlink *nl, const char *name, const char *text)
{
	struct link_change up = LINK_NO_CHANGE;
	struct link_addr addr = {0};
	struct link l;

	assert_int_equal(link_get(nl, name, &l), 0);
	assert_int_equal(ipaddr_parse(text, &addr.addr), 0);
	addr.index = l.index;
	assert_int_equal(addr_set(nl, &addr), 0);
	up.up = 1;
	assert_int_equal(link_set(nl, l.index, &up), 0);
}

static void up(int netns, const char *name)
{
	struct netlink nl = NETLINK_CLOSED;
	struct link_change change = LINK_NO_CHANGE;
	struct link l;

	change.up = 1;
	assert_int_equal(netlink_open(&nl, NETLINK_ROUTE, netns), 0);
	assert_int_equal(link_get(&nl, name, &l), 0);
	assert_int_equal(link_set(&nl, l.index, &change), 0);
	netlink_close(&nl);
}

/* The node has a wire to the outside, which knows no way to pods. */
static void make_world(void)
{
	struct netlink nl = NETLINK_CLOSED, there = NETLINK_CLOSED;
	struct link_new wire = {.kind = "veth", .name = "wire", .mtu = 1400, .peer = {.name = "wire"}};
	struct route out = {.dst = {.family = AF_INET}};
	struct link l;

	if (outside >= 0)
		return;
	outside = netns_testing_new();
	a = netns_testing_new();
	b = netns_testing_new();
	up(-1, "lo");
	assert_int_equal(netns_sysctl(-1, "/proc/sys/net/ipv4/ip_forward", "1"), 0);
	wire.peer.netns_fd = outside;
	assert_int_equal(netlink_open(&nl, NETLINK_ROUTE, -1), 0);
	assert_int_equal(netlink_open(&there, NETLINK_ROUTE, outside), 0);
	assert_int_equal(link_add(&nl, &wire), 0);
	address(&nl, "wire", "192.0.2.1/24");
	address(&there, "wire", "192.0.2.2/24");
	assert_int_equal(link_get(&nl, "wire", &l), 0);
	out.index = l.index;
	assert_int_equal(ipaddr_parse("192.0.2.2", &out.gateway), 0);
	assert_int_equal(route_set(&nl, &out), 0);
	netlink_close(&nl);
	netlink_close(&there);
}

static struct podnet *open_pods(const char *range)
{
	struct podnet *p = NULL;
	struct ipaddr r;

	make_world();
	assert_int_equal(podnet_open(&p, &options), 0);
	if (range) {
		assert_int_equal(ipaddr_parse(range, &r), 0);
		podnet_set_range(p, &r);
	}
	return p;
}

static int put(
	struct podnet *p, const char *uid, int netns, char ip[IPADDR_TEXT_MAX], struct podnet_error *err)
{
	const struct pod *pod;
	char path[64];
	int r;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", netns);
	r = podnet_put(p, uid, "shop", "web-0", path, &pod, err);
	if (!r)
		ipaddr_format(&pod->ip, false, ip);
	return r;
}

static void put_is(struct podnet *p, const char *uid, int netns, const char *want)
{
	char ip[IPADDR_TEXT_MAX];
	struct podnet_error err = {0};

	if (put(p, uid, netns, ip, &err) < 0)
		fail_msg("%s", err.text);
	assert_string_equal(ip, want);
}

static bool sees(int from, const char *ip, int listener, const char *want)
{
	char seen[INET6_ADDRSTRLEN] = "";

	return reaches(from, ip, 80, listener, seen) && !strcmp(seen, want);
}

static void test_life(void **state)
{
	struct podnet *p;
	struct netlink nl = NETLINK_CLOSED;
	struct link l;
	int at_a, at_b, at_node, at_outside;

	NEED_NETNS();
	p = open_pods("10.244.3.0/24");
	put_is(p, UID_A, a, "10.244.3.2");
	put_is(p, UID_A, a, "10.244.3.2");
	put_is(p, UID_B, b, "10.244.3.3");
	assert_int_equal(netlink_open(&nl, NETLINK_ROUTE, a), 0);
	assert_int_equal(link_get(&nl, "eth0", &l), 0);
	assert_int_equal(l.mtu, 1400);
	netlink_close(&nl);

	at_a = server(a, SOCK_STREAM, 80);
	at_b = server(b, SOCK_STREAM, 80);
	at_node = server(-1, SOCK_STREAM, 80);
	at_outside = server(outside, SOCK_STREAM, 80);
	assert_true(sees(a, "10.244.3.3", at_b, "10.244.3.2"));
	assert_true(sees(b, "10.244.3.2", at_a, "10.244.3.3"));
	assert_true(sees(-1, "10.244.3.2", at_a, "192.0.2.1"));
	assert_true(sees(a, "192.0.2.1", at_node, "10.244.3.2"));
	/* out under the node's address */
	assert_true(sees(a, "192.0.2.2", at_outside, "192.0.2.1"));

	/* another service finds what there is */
	podnet_close(p);
	p = open_pods(NULL);
	assert_true(sees(a, "10.244.3.3", at_b, "10.244.3.2"));
	assert_non_null(podnet_list(p)->next);
	assert_null(podnet_list(p)->next->next);
	for (const struct pod *pod = podnet_list(p); pod; pod = pod->next) {
		assert_true(!strcmp(pod->uid, UID_A) || !strcmp(pod->uid, UID_B));
		assert_string_equal(pod->ns, "shop");
		assert_string_equal(pod->name, "web-0");
	}
	put_is(p, UID_A, a, "10.244.3.2");

	/* the pod was started again: a new namespace, the same address */
	close(at_a);
	close(a);
	a = netns_testing_new();
	put_is(p, UID_A, a, "10.244.3.2");
	at_a = server(a, SOCK_STREAM, 80);
	assert_true(sees(b, "10.244.3.2", at_a, "10.244.3.3"));

	podnet_delete(p, UID_A);
	podnet_delete(p, UID_A);
	podnet_delete(p, UID_B);
	assert_null(podnet_list(p));
	assert_false(reaches(-1, "10.244.3.3", 80, at_b, NULL));
	assert_int_equal(netlink_open(&nl, NETLINK_ROUTE, b), 0);
	assert_int_equal(link_get(&nl, "eth0", &l), -ENODEV);
	netlink_close(&nl);
	podnet_close(p);
	close(at_a);
	close(at_b);
	close(at_node);
	close(at_outside);
}

static bool sees_port(int from, const char *ip, uint16_t port, int listener, const char *want)
{
	char seen[INET6_ADDRSTRLEN] = "";

	return reaches(from, ip, port, listener, seen) && !strcmp(seen, want);
}

static void ports_are(struct podnet *p, const char *uid, const struct host_port *ports, size_t n, int want)
{
	struct podnet_error err = {0};
	const struct pod *pod = p->list;

	while (strcmp(pod->uid, uid) != 0)
		pod = pod->next;
	assert_int_equal(podnet_host_ports(p, pod, ports, n, &err), want);
	assert_int_equal(*err.text != 0, want != 0);
}

static void test_host_ports(void **state)
{
	struct host_port ports[] = {{.proto = IPPROTO_TCP, .host = 8080, .container = 8000},
		{.proto = IPPROTO_TCP, .host = 8081, .container = 8000},
		{.proto = IPPROTO_UDP, .host = 8080, .container = 8000}};
	struct podnet *p;
	int at_a, at_b;

	NEED_NETNS();
	p = open_pods("10.244.4.0/24");
	put_is(p, UID_A, a, "10.244.4.2");
	put_is(p, UID_B, b, "10.244.4.3");
	at_a = server(a, SOCK_STREAM, 8000);
	at_b = server(b, SOCK_STREAM, 8000);
	assert_int_equal(inet_pton(AF_INET, "192.0.2.1", &ports[1].ip), 1);
	ports_are(p, UID_A, ports, 3, 0);
	ports_are(p, UID_A, ports, 3, 0);
	/* who comes from outside is seen as who it is */
	assert_true(sees_port(outside, "192.0.2.1", 8080, at_a, "192.0.2.2"));
	assert_true(sees_port(outside, "192.0.2.1", 8081, at_a, "192.0.2.2"));
	assert_true(sees_port(-1, "192.0.2.1", 8080, at_a, "192.0.2.1"));
	assert_true(sees_port(b, "192.0.2.1", 8080, at_a, "10.244.4.3"));
	/* the pod itself, by way of the node */
	assert_true(reaches(a, "192.0.2.1", 8080, at_a, NULL));
	assert_false(reaches(outside, "192.0.2.1", 8082, at_a, NULL));
	/* a port has one pod */
	ports_are(p, UID_B, ports, 1, -EEXIST);

	/* another service finds what there is; what is not wanted any more goes */
	podnet_close(p);
	p = open_pods("10.244.4.0/24");
	assert_true(sees_port(outside, "192.0.2.1", 8080, at_a, "192.0.2.2"));
	ports_are(p, UID_A, &ports[1], 1, 0);
	assert_false(reaches(outside, "192.0.2.1", 8080, at_a, NULL));
	assert_true(sees_port(outside, "192.0.2.1", 8081, at_a, "192.0.2.2"));
	ports_are(p, UID_B, ports, 1, 0);
	assert_true(sees_port(outside, "192.0.2.1", 8080, at_b, "192.0.2.2"));

	podnet_delete(p, UID_B);
	assert_false(reaches(outside, "192.0.2.1", 8080, at_b, NULL));
	put_is(p, UID_B, b, "10.244.4.4");
	ports_are(p, UID_B, ports, 1, 0);
	podnet_delete(p, UID_A);
	podnet_delete(p, UID_B);
	podnet_close(p);
	close(at_a);
	close(at_b);
}

/* Ports of the loopback device: for the node, and for nobody else. */
static void test_loopback_ports(void **state)
{
	struct host_port ports[] = {{.proto = IPPROTO_TCP, .host = 8090, .container = 8100},
		{.proto = IPPROTO_TCP, .host = 8091, .container = 8100},
		{.proto = IPPROTO_TCP, .host = 8091, .container = 8100}};
	struct netlink nl = NETLINK_CLOSED;
	struct route all = {.dst = {.family = AF_INET, .prefix = 8, .bytes = {127}}};
	struct podnet *p;
	struct link l;
	int at_a, at_b, at_node;

	NEED_NETNS();
	p = open_pods("10.244.5.0/24");
	put_is(p, UID_A, a, "10.244.5.2");
	put_is(p, UID_B, b, "10.244.5.3");
	at_a = server(a, SOCK_STREAM, 8100);
	at_b = server(b, SOCK_STREAM, 8100);
	at_node = server(-1, SOCK_STREAM, 8092);
	assert_int_equal(inet_pton(AF_INET, "127.0.0.1", &ports[1].ip), 1);
	assert_int_equal(inet_pton(AF_INET, "192.0.2.1", &ports[2].ip), 1);
	ports_are(p, UID_A, ports, 2, 0);
	/* the same port, of another address, is another's */
	ports_are(p, UID_B, &ports[2], 1, 0);
	assert_true(sees_port(-1, "127.0.0.1", 8091, at_a, "192.0.2.1"));
	assert_true(sees_port(-1, "127.0.0.1", 8090, at_a, "192.0.2.1"));
	assert_true(sees_port(-1, "192.0.2.1", 8091, at_b, "192.0.2.1"));
	assert_true(sees_port(outside, "192.0.2.1", 8091, at_b, "192.0.2.2"));
	assert_false(reaches(-1, "127.0.0.2", 8091, at_a, NULL));

	/* a pod that sends what it has for 127.0.0.1 to the node is not heard there */
	assert_true(reaches(-1, "127.0.0.1", 8092, at_node, NULL));
	assert_int_equal(netns_sysctl(b, "/proc/sys/net/ipv4/conf/all/route_localnet", "1"), 0);
	assert_int_equal(netlink_open(&nl, NETLINK_ROUTE, b), 0);
	assert_int_equal(link_get(&nl, "eth0", &l), 0);
	assert_int_equal(ipaddr_parse("169.254.1.1", &all.gateway), 0);
	all.index = l.index;
	all.onlink = true;
	assert_int_equal(route_set(&nl, &all), 0);
	netlink_close(&nl);
	assert_false(reaches(b, "127.0.0.1", 8092, at_node, NULL));
	assert_false(reaches(b, "127.0.0.1", 8091, at_a, NULL));

	podnet_delete(p, UID_A);
	podnet_delete(p, UID_B);
	podnet_close(p);
	close(at_a);
	close(at_b);
	close(at_node);
}

static void test_half_made(void **state)
{
	struct link_new pair = {
		.kind = "veth", .name = POD_LINK_PREFIX "0123456789a", .peer = {.name = "eth0"}};
	struct netlink nl = NETLINK_CLOSED;
	struct podnet *p;
	struct link l;

	NEED_NETNS();
	make_world();
	pair.peer.netns_fd = b;
	assert_int_equal(netlink_open(&nl, NETLINK_ROUTE, -1), 0);
	assert_int_equal(link_add(&nl, &pair), 0);
	p = open_pods("10.244.3.0/24");
	assert_int_equal(link_get(&nl, pair.name, &l), -ENODEV);
	put_is(p, UID_B, b, "10.244.3.2");
	podnet_delete(p, UID_B);
	podnet_close(p);
	netlink_close(&nl);
}

static void test_refused(void **state)
{
	static const struct {
		const char *uid, *ns, *name, *netns, *why;
	} cases[] = {
		{"", "n", "p", "/dev/null", "a pod's uid is 1 to 63"},
		{"A", "n", "p", "/dev/null", "a pod's uid is 1 to 63"},
		{"../x", "n", "p", "/dev/null", "a pod's uid is 1 to 63"},
		{"a", NULL, "p", "/dev/null", "Namespace and Name are"},
		{"a", "n", "p/q", "/dev/null", "Namespace and Name are"},
		{"a", "n", "p", NULL, "NetworkNamespace is the absolute path"},
		{"a", "n", "p", "netns", "NetworkNamespace is the absolute path"},
		{"a", "n", "p", "/nothing/here", "cannot be opened: No such file"},
		{"a", "n", "p", "/dev/null", "is no network namespace"},
		{"a", "n", "p", "/proc/self/ns/uts", "is no network namespace"},
		{"a", "n", "p", "/proc/self/ns/net", "is the node's own network namespace"},
	};
	char ip[IPADDR_TEXT_MAX];
	struct podnet_error err;
	const struct pod *pod;
	struct podnet *p;

	NEED_NETNS();
	p = open_pods(NULL);
	assert_int_equal(put(p, UID_A, a, ip, &err), -EAGAIN);
	assert_non_null(strstr(err.text, "no range of pod addresses yet"));
	for (size_t i = 0; i < array_len(cases); i++) {
		assert_int_equal(
			podnet_put(p, cases[i].uid, cases[i].ns, cases[i].name, cases[i].netns, &pod, &err),
			-EINVAL);
		if (!strstr(err.text, cases[i].why))
			fail_msg("%zu: %s", i, err.text);
	}
	assert_null(podnet_list(p));
	podnet_close(p);
}

static void test_full(void **state)
{
	char uid[] = "p0", ip[IPADDR_TEXT_MAX];
	int made[8], n = 0;
	struct podnet_error err;
	struct podnet *p;

	NEED_NETNS();
	p = open_pods("10.244.9.0/29");
	for (;; n++) {
		int r;

		made[n] = netns_testing_new();
		uid[1] = (char)('0' + n);
		r = put(p, uid, made[n], ip, &err);
		if (r < 0) {
			assert_int_equal(r, -ENOSPC);
			break;
		}
	}
	assert_int_equal(n, 5);
	assert_string_equal(err.text, "all addresses of 10.244.9.0/29 are in use");
	/* one whose namespace is gone has made room, though nobody said so; the kernel needs a moment */
	close(made[2]);
	for (int tries = 0; put(p, uid, made[n], ip, &err) < 0 && tries < 100; tries++)
		usleep(50000);
	assert_string_equal(ip, "10.244.9.4");
	for (int i = 0; i <= n; i++) {
		uid[1] = (char)('0' + i);
		podnet_delete(p, uid);
		if (i != 2)
			close(made[i]);
	}
	podnet_close(p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_half_made),
		cmocka_unit_test(test_life),
		cmocka_unit_test(test_full),
		cmocka_unit_test(test_host_ports),
		cmocka_unit_test(test_loopback_ports),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

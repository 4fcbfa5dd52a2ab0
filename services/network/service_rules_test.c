/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Services against the kernel: two pods serve, a third asks, and so does the node. What the API would say is written here as it
 * would write it.
 */

#include <linux/netfilter/nfnetlink.h>
#include <time.h>

#include "lib/json.h"
#include "lib/link.h"
#include "lib/loop.h"
#include "lib/netns.h"
#include "lib/netns_testing.h"
#include "network/catalog.h"
#include "network/host.h"
#include "network/podnet_int.h"
#include "network/service_nets.h"
#include "network/service_rules.h"
#include "network/service_rules_int.h"

enum { PODS = 3 };

static const struct podnet_options pod_options = {.cluster_range = "10.244.0.0/16"};
static struct service_nets nets = {.n = 1};
static struct loop *loop;
static struct podnet *pods;
static struct service_rules_table *table;
static struct service service; /* the only one */
static int netns[PODS] = {-1, -1, -1}, tcp[PODS], udp[PODS];
static struct netlink filter = NETLINK_CLOSED;

static void up(const char *name, const char *text)
{
	struct netlink nl = NETLINK_CLOSED;
	struct link_change change = LINK_NO_CHANGE;
	struct link_addr a = {0};
	struct link l;

	change.up = 1;
	assert_int_equal(netlink_open(&nl, NETLINK_ROUTE, -1), 0);
	assert_int_equal(link_get(&nl, name, &l), 0);
	assert_int_equal(link_set(&nl, l.index, &change), 0);
	a.index = l.index;
	if (text) {
		assert_int_equal(ipaddr_parse(text, &a.addr), 0);
		assert_int_equal(addr_set(&nl, &a), 0);
	}
	netlink_close(&nl);
}

/* Pods 10.244.0.2, .3 and .4, each serving on port 8080. */
static void make_world(void)
{
	const struct service_rules_options options = {
		.loop = loop, .nets = &nets, .dns_address = "10.96.0.10"};
	struct netlink nl = NETLINK_CLOSED;
	struct link_new wire = {.kind = "veth", .name = "wire", .peer = {.name = "wire-end", .netns_fd = -1}};
	struct ipaddr range;
	struct podnet_error err;

	if (pods)
		return;
	up("lo", NULL);
	assert_int_equal(netns_sysctl(-1, "/proc/sys/net/ipv4/ip_forward", "1"), 0);
	assert_int_equal(netlink_open(&nl, NETLINK_ROUTE, -1), 0);
	assert_int_equal(link_add(&nl, &wire), 0);
	netlink_close(&nl);
	up("wire", "192.0.2.1/24");
	up("wire-end", NULL);
	/* No default route: services are found all the same. */
	assert_int_equal(host_prepare("10.96.0.0/12", "10.96.0.10"), 0);
	assert_int_equal(ipaddr_parse("10.96.0.0/12", &nets.items[0]), 0);
	assert_int_equal(podnet_open(&pods, &pod_options), 0);
	assert_int_equal(ipaddr_parse("10.244.0.0/24", &range), 0);
	podnet_set_range(pods, &range);
	for (int i = 0; i < PODS; i++) {
		char path[64], uid[] = {(char)('a' + i), 0};
		const struct pod *pod;

		netns[i] = netns_testing_new();
		snprintf(path, sizeof(path), "/proc/self/fd/%d", netns[i]);
		if (podnet_put(pods, uid, "default", uid, path, &pod, &err) < 0)
			fail_msg("%s", err.text);
		tcp[i] = server(netns[i], SOCK_STREAM, 8080);
		udp[i] = server(netns[i], SOCK_DGRAM, 8080);
	}
	assert_int_equal(netlink_open(&filter, NETLINK_NETFILTER, -1), 0);
	assert_int_equal(service_rules_new(&table, &options), 0);
}

/* ---- what the API says */

static void set_service(const char *spec)
{
	yyjson_doc *doc;
	char text[1024];

	snprintf(text, sizeof(text),
		"{\"metadata\":{\"name\":\"web\",\"namespace\":\"default\"},\"spec\":{%s}}", spec);
	doc = yyjson_read(text, strlen(text), 0);
	assert_non_null(doc);
	service.ns = (char *)(uintptr_t)"default";
	service.name = (char *)(uintptr_t)"web";
	assert_int_equal(catalog_service_read(&service, yyjson_doc_get_root(doc)), 0);
	yyjson_doc_free(doc);
}

/* @endpoints: a JSON array's content */
static void set_endpoints(const char *endpoints)
{
	static struct slice slice;
	yyjson_doc *doc;
	char text[2048];

	snprintf(text, sizeof(text),
		"{\"metadata\":{\"name\":\"web-x\"},\"addressType\":\"IPv4\",\"endpoints\":[%s],\"ports\":["
		"{\"name\":\"\",\"port\":8080,\"protocol\":\"TCP\"},{\"name\":\"u\",\"port\":8080,\"protocol\":\"UDP\"}]}",
		endpoints);
	doc = yyjson_read(text, strlen(text), 0);
	assert_non_null(doc);
	assert_int_equal(catalog_slice_read(&slice, yyjson_doc_get_root(doc), "n1"), 0);
	yyjson_doc_free(doc);
	service.slices = &slice;
}

#define READY(ip)	"{\"addresses\":[\"" ip "\"],\"conditions\":{\"ready\":true},\"nodeName\":\"n1\"}"
#define READY_THERE(ip) "{\"addresses\":[\"" ip "\"],\"conditions\":{\"ready\":true},\"nodeName\":\"n2\"}"
#define NOT_READY(ip)	"{\"addresses\":[\"" ip "\"],\"conditions\":{\"ready\":false},\"nodeName\":\"n1\"}"
#define ENDING(ip)                                                                                           \
	"{\"addresses\":[\"" ip                                                                              \
	"\"],\"conditions\":{\"ready\":false,\"serving\":true,\"terminating\":true},"                        \
	"\"nodeName\":\"n1\"}"

static void apply(void)
{
	service_rules_change(table, &service);
	service_rules_settled(table, NULL);
}

#define PORT "\"ports\":[{\"port\":80,\"protocol\":\"TCP\"}]"

/* ---- who answers */

enum { REFUSED = -1, SILENT = -2 };

/* The pod that takes a connection to @ip:@port, REFUSED or SILENT. */
static int asks(int from, const char *ip, uint16_t port)
{
	struct sockaddr_in sa = at(ip, port);
	struct pollfd p[PODS + 1];
	int c = socket_in(from, SOCK_STREAM), err = 0, found = SILENT;
	socklen_t len = sizeof(err);

	assert_int_equal(fcntl(c, F_SETFL, O_NONBLOCK), 0);
	if (connect(c, (struct sockaddr *)&sa, sizeof(sa)) < 0 && errno != EINPROGRESS) {
		err = errno;
		close(c);
		return err == ECONNREFUSED ? REFUSED : SILENT;
	}
	p[PODS] = (struct pollfd){.fd = c, .events = POLLOUT};
	if (poll(&p[PODS], 1, 1000) == 1) {
		assert_int_equal(getsockopt(c, SOL_SOCKET, SO_ERROR, &err, &len), 0);
		found = err ? REFUSED : SILENT;
	}
	for (int i = 0; i < PODS; i++)
		p[i] = (struct pollfd){.fd = tcp[i], .events = POLLIN};
	if (!err && poll(p, PODS, 1000) > 0)
		for (int i = 0; i < PODS; i++)
			if (p[i].revents & POLLIN) {
				close(accept(tcp[i], NULL, NULL));
				found = i;
			}
	close(c);
	return found;
}

/* Which of them answer, as bits, in @tries connections. */
static unsigned who(int from, const char *ip, uint16_t port, int tries)
{
	unsigned seen = 0;

	for (int i = 0; i < tries; i++) {
		int n = asks(from, ip, port);

		if (n < 0)
			fail_msg("%s:%u: %s", ip, port, n == REFUSED ? "refused" : "nobody");
		seen |= 1U << n;
	}
	return seen;
}

/* ---- scenarios */

static void test_spread(void **state)
{
	NEED_NETNS();
	make_world();
	set_service("\"clusterIP\":\"10.96.7.7\"," PORT);
	set_endpoints(READY("10.244.0.2") "," READY("10.244.0.3") "," NOT_READY("10.244.0.4"));
	apply();
	assert_int_equal(who(netns[2], "10.96.7.7", 80, 40), 3);
	assert_int_equal(who(-1, "10.96.7.7", 80, 40), 3);
	/* a pod that serves reaches itself too */
	assert_int_equal(who(netns[0], "10.96.7.7", 80, 40), 3);
	assert_int_equal(asks(netns[2], "10.96.7.7", 81), REFUSED);
	assert_int_equal(asks(-1, "10.96.9.9", 80), REFUSED);

	set_endpoints(READY("10.244.0.3") "," READY("10.244.0.4"));
	apply();
	assert_int_equal(who(netns[2], "10.96.7.7", 80, 40), 6);
	set_endpoints(READY("10.244.0.4"));
	apply();
	assert_int_equal(who(netns[2], "10.96.7.7", 80, 10), 4);
	/* those that end serve on while there is nobody else */
	set_endpoints(ENDING("10.244.0.2") "," NOT_READY("10.244.0.3"));
	apply();
	assert_int_equal(who(netns[2], "10.96.7.7", 80, 10), 1);
	set_endpoints("");
	apply();
	assert_int_equal(asks(netns[2], "10.96.7.7", 80), REFUSED);
	assert_int_equal(asks(-1, "10.96.7.7", 80), REFUSED);
}

static void follow(size_t n)
{
	static struct host_routes routes;

	nets.n = n;
	host_follow(&routes, &nets);
	assert_true(routes.there);
	service_rules_nets(table);
}

static void test_added_range(void **state)
{
	NEED_NETNS();
	make_world();
	assert_int_equal(ipaddr_parse("198.51.100.0/24", &nets.items[1]), 0);
	assert_int_equal(ipaddr_parse("203.0.113.0/24", &nets.items[2]), 0);
	set_service("\"clusterIP\":\"198.51.100.7\"," PORT);
	set_endpoints(READY("10.244.0.2"));
	apply();
	/* pods send everything to the node; the node itself knows no way there yet */
	assert_int_equal(asks(netns[2], "198.51.100.7", 80), 0);
	assert_int_equal(asks(-1, "198.51.100.7", 80), SILENT);
	follow(3);
	assert_int_equal(asks(-1, "198.51.100.7", 80), 0);
	assert_int_equal(asks(-1, "198.51.100.9", 80), REFUSED);
	assert_int_equal(asks(netns[2], "198.51.100.7", 81), REFUSED);
	assert_int_equal(asks(-1, "203.0.113.1", 80), REFUSED);
	assert_int_equal(asks(-1, "10.96.9.9", 80), REFUSED);
	follow(2);
	assert_int_equal(asks(-1, "203.0.113.1", 80), SILENT);
	assert_int_equal(asks(-1, "198.51.100.9", 80), REFUSED);
	follow(1);
	assert_int_equal(asks(-1, "198.51.100.7", 80), SILENT);
	assert_int_equal(asks(-1, "10.96.9.9", 80), REFUSED);
}

static void test_outside_ways(void **state)
{
	NEED_NETNS();
	make_world();
	set_service("\"type\":\"NodePort\",\"clusterIP\":\"10.96.7.7\",\"externalIPs\":[\"192.0.2.7\"],"
		    "\"ports\":[{\"port\":80,\"nodePort\":30080,\"protocol\":\"TCP\"}]");
	set_endpoints(READY("10.244.0.2"));
	apply();
	assert_int_equal(asks(netns[2], "192.0.2.1", 30080), 0);
	assert_int_equal(asks(-1, "192.0.2.1", 30080), 0);
	assert_int_equal(asks(netns[2], "192.0.2.7", 80), 0);
	assert_int_equal(asks(netns[0], "192.0.2.1", 30080), 0); /* itself */
	set_endpoints("");
	apply();
	assert_int_equal(asks(netns[2], "192.0.2.1", 30080), REFUSED);
	assert_int_equal(asks(netns[2], "192.0.2.7", 80), REFUSED);
}

static void test_local(void **state)
{
	NEED_NETNS();
	make_world();
	set_service("\"type\":\"NodePort\",\"clusterIP\":\"10.96.7.7\",\"internalTrafficPolicy\":\"Local\","
		    "\"ports\":[{\"port\":80,\"nodePort\":30080,\"protocol\":\"TCP\"}]");
	set_endpoints(READY("10.244.0.2") "," READY_THERE("10.244.0.3"));
	apply();
	assert_int_equal(who(netns[2], "10.96.7.7", 80, 20), 1);
	assert_int_equal(who(netns[2], "192.0.2.1", 30080, 40), 3);
	set_endpoints(READY_THERE("10.244.0.3"));
	apply();
	assert_int_equal(asks(netns[2], "10.96.7.7", 80), SILENT);
	assert_int_equal(who(netns[2], "192.0.2.1", 30080, 10), 2);
}

static void test_affinity(void **state)
{
	int first;

	NEED_NETNS();
	make_world();
	set_service("\"clusterIP\":\"10.96.7.7\",\"sessionAffinity\":\"ClientIP\"," PORT);
	set_endpoints(READY("10.244.0.2") "," READY("10.244.0.3"));
	apply();
	first = asks(netns[2], "10.96.7.7", 80);
	assert_in_range(first, 0, 1);
	assert_int_equal(who(netns[2], "10.96.7.7", 80, 20), 1U << first);
	/* another process: the table is written anew, and clients stay */
	for (int i = 0; i < 4; i++) {
		const struct service_rules_options options = {
			.loop = loop, .nets = &nets, .dns_address = "10.96.0.10"};

		service_plan_fini(service.rules);
		free(service.rules);
		service.rules = NULL;
		service_rules_free(table);
		assert_int_equal(service_rules_new(&table, &options), 0);
		apply();
		assert_int_equal(who(netns[2], "10.96.7.7", 80, 4), 1U << first);
	}
	/* another joins: clients stay */
	set_endpoints(READY("10.244.0.2") "," READY("10.244.0.3") "," READY("10.244.0.4"));
	apply();
	assert_int_equal(who(netns[2], "10.96.7.7", 80, 20), 1U << first);
	/* theirs leaves: another one, and then that */
	set_endpoints(first ? READY("10.244.0.2") "," READY("10.244.0.4")
			    : READY("10.244.0.3") "," READY("10.244.0.4"));
	apply();
	first = asks(netns[2], "10.96.7.7", 80);
	assert_true(first >= 0);
	assert_int_equal(who(netns[2], "10.96.7.7", 80, 20), 1U << first);
}

/* The pod that gets a datagram, or SILENT. */
static int sends(int c)
{
	struct pollfd p[PODS];
	char byte = 'x';
	int found = SILENT;

	(void)!send(c, &byte, 1, MSG_NOSIGNAL);
	for (int i = 0; i < PODS; i++)
		p[i] = (struct pollfd){.fd = udp[i], .events = POLLIN};
	if (poll(p, PODS, 1000) > 0)
		for (int i = 0; i < PODS; i++)
			if (p[i].revents & POLLIN) {
				assert_int_equal(recv(udp[i], &byte, 1, 0), 1);
				found = i;
			}
	return found;
}

/* A client that goes on sending is led to who serves now. */
static void test_udp_moves(void **state)
{
	struct sockaddr_in sa = at("10.96.7.7", 53);
	int c;

	NEED_NETNS();
	make_world();
	set_service(
		"\"clusterIP\":\"10.96.7.7\",\"ports\":[{\"name\":\"u\",\"port\":53,\"protocol\":\"UDP\"}]");
	set_endpoints(READY("10.244.0.2"));
	apply();
	c = socket_in(netns[2], SOCK_DGRAM);
	assert_int_equal(connect(c, (struct sockaddr *)&sa, sizeof(sa)), 0);
	assert_int_equal(sends(c), 0);
	assert_int_equal(sends(c), 0);
	set_endpoints(READY("10.244.0.3"));
	apply();
	assert_int_equal(sends(c), 1);
	close(c);
}

/* ---- what is left */

static int count_one(const struct nlmsg_view *v, void *arg)
{
	int *n = arg;

	*n = v ? *n + 1 : 0;
	return 0;
}

static int count_elements(const struct nlmsg_view *v, void *arg)
{
	struct nla t[NFTA_SET_ELEM_LIST_ELEMENTS + 1], each;
	int *n = arg;

	if (!v) {
		*n = 0;
		return 0;
	}
	assert_int_equal(nlmsg_attrs(v, sizeof(struct nfgenmsg), t, array_len(t)), 0);
	if (t[NFTA_SET_ELEM_LIST_ELEMENTS].data)
		for (struct nla_cursor c = {t[NFTA_SET_ELEM_LIST_ELEMENTS].data,
			     t[NFTA_SET_ELEM_LIST_ELEMENTS].len};
			nla_next(&c, &each) == 1;)
			++*n;
	return 0;
}

static int dump_count(uint16_t type, uint16_t table_attr)
{
	const struct nfgenmsg head = {.nfgen_family = NFPROTO_IPV4};
	cleanup(nlmsg_fini) struct nlmsg m = {};
	int n = 0;

	nlmsg_begin(&m, (uint16_t)(NFNL_SUBSYS_NFTABLES << 8 | type), 0, &head, sizeof(head));
	nlmsg_put_str(&m, table_attr, SERVICES_TABLE);
	if (type == NFT_MSG_GETSETELEM)
		nlmsg_put_str(&m, NFTA_SET_ELEM_LIST_SET, "backends");
	nlmsg_end(&m);
	assert_int_equal(
		netlink_dump(&filter, &m, type == NFT_MSG_GETSETELEM ? count_elements : count_one, &n), 0);
	return n;
}

static int rules(void)
{
	return dump_count(NFT_MSG_GETRULE, NFTA_RULE_TABLE);
}

static int backends(void)
{
	return dump_count(NFT_MSG_GETSETELEM, NFTA_SET_ELEM_LIST_TABLE);
}

/* Classes have their rules for good; of a service nothing is left, and it has no rules of its own. */
static void test_nothing_left(void **state)
{
	int before = -1;

	NEED_NETNS();
	make_world();
	for (int i = 0; i < 3; i++) {
		set_service(
			"\"type\":\"NodePort\",\"clusterIP\":\"10.96.7.7\",\"sessionAffinity\":\"ClientIP\","
			"\"externalTrafficPolicy\":\"Local\",\"externalIPs\":[\"198.51.100.7\"],"
			"\"ports\":[{\"port\":80,\"nodePort\":30080,\"protocol\":\"TCP\"}]");
		set_endpoints(READY("10.244.0.2") "," READY_THERE("10.244.0.3"));
		apply();
		assert_int_equal(backends(), 3);
		set_endpoints(READY_THERE("10.244.0.3"));
		apply();
		assert_int_equal(backends(), 1);
		catalog_service_clear(&service);
		service.slices = NULL;
		apply();
		assert_null(service.rules);
		assert_int_equal(backends(), 0);
		assert_int_equal(i ? rules() : before, before);
		before = rules();
	}
}

/* ---- many */

enum { MANY = 1000, CHANGES = 51 };

static int by_number(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return x < y ? -1 : x > y;
}

static int64_t now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * INT64_C(1000000) + t.tv_nsec / 1000;
}

/* What one change of an endpoint costs when there are @n services: bytes written, and how long. */
static size_t cost_among(int n)
{
	struct service *all = calloc((size_t)n, sizeof(*all)), *one = &all[n / 2];
	struct service_port port = {.proto = IPPROTO_TCP, .port = 80};
	struct slice_port to = {.proto = IPPROTO_TCP, .port = 8080};
	struct ipaddr a[2];
	struct endpoint two[] = {{.addresses = &a[0], .n_addresses = 1, .ready = true},
		{.addresses = &a[1], .n_addresses = 1, .ready = true}};
	struct slice slice = {.ports = &to, .n_ports = 1, .endpoints = two, .n_endpoints = 2};
	int64_t began = now_us(), whole, us[CHANGES];
	char name[16];
	size_t bytes = 0;

	assert_int_equal(ipaddr_parse("10.244.0.2", &a[0]), 0);
	assert_int_equal(ipaddr_parse("10.244.0.3", &a[1]), 0);
	for (int i = 0; i < n; i++) {
		snprintf(name, sizeof(name), "s%d", i);
		all[i] = (struct service){.ns = (char *)(uintptr_t)"default",
			.name = strdup(name),
			.there = true,
			.ip = {.family = AF_INET, .prefix = 32, .v4 = {htonl(0x0a600100 + (uint32_t)i)}},
			.ports = &port,
			.n_ports = 1,
			.slices = &slice};
		service_rules_change(table, &all[i]);
	}
	service_rules_settled(table, NULL);
	whole = now_us() - began;
	assert_false(table->failed);
	assert_int_equal(who(netns[2], "10.96.1.3", 80, 20), 3);
	for (int i = 0; i < CHANGES; i++) {
		two[1].ready = i % 2;
		began = now_us();
		service_rules_change(table, one);
		bytes = table->batch.m.len;
		service_rules_settled(table, NULL);
		us[i] = now_us() - began;
	}
	qsort(us, CHANGES, sizeof(*us), by_number);
	print_message(
		"%d services: written in %lld us, one endpoint changed in %lld us (median of %d, least %lld)\n",
		n, (long long)whole, (long long)us[CHANGES / 2], CHANGES, (long long)us[0]);
	for (int i = 0; i < n; i++) {
		all[i].there = false;
		all[i].slices = NULL;
		service_rules_change(table, &all[i]);
		free(all[i].name);
	}
	service_rules_settled(table, NULL);
	assert_false(table->failed);
	free(all);
	return bytes;
}

static void test_many(void **state)
{
	size_t bytes;
	int before;

	NEED_NETNS();
	make_world();
	bytes = cost_among(10);
	before = rules();
	assert_in_range(cost_among(MANY), 1, bytes + 64); /* but for the length of names */
	assert_int_equal(rules(), before);
	assert_int_equal(backends(), 0);
}

static int setup(void **state)
{
	return loop_new(&loop);
}

static int teardown(void **state)
{
	service_rules_free(table);
	podnet_close(pods);
	netlink_close(&filter);
	catalog_service_clear(&service);
	if (service.slices)
		catalog_slice_clear(service.slices);
	loop_free(loop);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_spread),
		cmocka_unit_test(test_added_range),
		cmocka_unit_test(test_outside_ways),
		cmocka_unit_test(test_local),
		cmocka_unit_test(test_affinity),
		cmocka_unit_test(test_udp_moves),
		cmocka_unit_test(test_nothing_left),
		cmocka_unit_test(test_many),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}

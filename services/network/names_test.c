/* SPDX-License-Identifier: Apache-2.0 */

/* What is asked and what is answered, as text; and the server with nameservers that answer, refuse and are silent. */

#include <stdlib.h>
#include <time.h>

#include "lib/dns_server.h"
#include "lib/ipconf.h"
#include "lib/json.h"
#include "lib/link.h"
#include "lib/loop.h"
#include "lib/netns_testing.h"
#include "network/catalog_int.h"
#include "network/cluster_dns.h"
#include "network/names.h"
#include "network/service_nets.h"

static struct service_nets nets = {.n = 2};
static struct loop *loop;
static struct catalog *catalog;
static struct names names;
static uint8_t query[512], answer[DNS_MESSAGE_MAX];
static char said[8192];

/* ---- the cluster */

static const char *const services[] = {
	"{\"metadata\":{\"name\":\"web\",\"namespace\":\"shop\"},\"spec\":{\"clusterIP\":\"10.96.1.2\",\"ports\":["
	"{\"name\":\"http\",\"port\":80,\"protocol\":\"TCP\"},{\"name\":\"dns\",\"port\":53,\"protocol\":\"UDP\"}]}}",
	"{\"metadata\":{\"name\":\"db\",\"namespace\":\"shop\"},\"spec\":{\"clusterIP\":\"None\",\"ports\":["
	"{\"name\":\"sql\",\"port\":5432,\"protocol\":\"TCP\"}]}}",
	"{\"metadata\":{\"name\":\"empty\",\"namespace\":\"shop\"},\"spec\":{\"clusterIP\":\"None\"}}",
	"{\"metadata\":{\"name\":\"far\",\"namespace\":\"shop\"},\"spec\":{\"type\":\"ExternalName\",\"externalName\":\"db.example.com\"}}",
	"{\"metadata\":{\"name\":\"near\",\"namespace\":\"shop\"},\"spec\":{\"type\":\"ExternalName\",\"externalName\":"
	"\"web.shop.svc.cluster.local\"}}",
};
static const char *const slices[] = {
	"{\"metadata\":{\"name\":\"db-1\",\"namespace\":\"shop\",\"labels\":{\"kubernetes.io/service-name\":\"db\"}},"
	"\"addressType\":\"IPv4\",\"ports\":[{\"name\":\"sql\",\"port\":5433,\"protocol\":\"TCP\"}],\"endpoints\":["
	"{\"addresses\":[\"10.244.0.7\"],\"hostname\":\"db-0\",\"conditions\":{\"ready\":true}},"
	"{\"addresses\":[\"10.244.0.8\"],\"conditions\":{\"ready\":true}},"
	"{\"addresses\":[\"10.244.0.9\"],\"hostname\":\"db-2\",\"conditions\":{\"ready\":false}}]}",
	"{\"metadata\":{\"name\":\"web-1\",\"namespace\":\"shop\",\"labels\":{\"kubernetes.io/service-name\":\"web\"}},"
	"\"addressType\":\"IPv4\",\"ports\":[{\"name\":\"http\",\"port\":8080,\"protocol\":\"TCP\"}],\"endpoints\":["
	"{\"addresses\":[\"10.244.0.5\"],\"conditions\":{}}]}",
};

static void tell(enum catalog_kind kind, enum kube_change change, const char *text)
{
	yyjson_doc *doc = yyjson_read(text, strlen(text), 0);

	assert_non_null(doc);
	catalog_reflections[kind].change(change, yyjson_doc_get_root(doc), catalog);
	yyjson_doc_free(doc);
}

static void ignore_change(struct service *s, void *arg) {}

static void ignore_settled(void *arg) {}

static int setup(void **state)
{
	static const struct catalog_events events = {ignore_change, ignore_settled};

	if (loop_new(&loop) < 0 || catalog_new(&catalog, loop, "n1", &events, NULL) < 0)
		return -1;
	names = (struct names){.catalog = catalog, .domain = "cluster.local", .services = &nets};
	assert_int_equal(ipaddr_parse("10.96.0.10", &names.dns), 0);
	assert_int_equal(ipaddr_parse("10.96.0.0/12", &nets.items[0]), 0);
	assert_int_equal(ipaddr_parse("198.51.100.0/24", &nets.items[1]), 0);
	assert_int_equal(ipaddr_parse("10.244.0.0/16", &names.pods), 0);
	return 0;
}

static void fill(void)
{
	for (size_t i = 0; i < array_len(services); i++)
		tell(CATALOG_SERVICES, KUBE_ADDED, services[i]);
	for (size_t i = 0; i < array_len(slices); i++)
		tell(CATALOG_SLICES, KUBE_ADDED, slices[i]);
	for (size_t i = 0; i < CATALOG_KINDS; i++)
		catalog_reflections[i].synced(catalog);
}

static int teardown(void **state)
{
	catalog_free(catalog);
	loop_free(loop);
	return 0;
}

/* ---- an answer as text: "NXDOMAIN; name TYPE data; ..." */

static size_t read_name(const uint8_t *m, size_t at, char *out)
{
	size_t end = 0;

	*out = '\0';
	while (m[at]) {
		if (m[at] >= 0xc0) {
			end = end ? end : at + 2;
			at = (size_t)(m[at] & 0x3f) << 8 | m[at + 1];
			continue;
		}
		sprintf(out + strlen(out), "%s%.*s", *out ? "." : "", m[at], (const char *)m + at + 1);
		at += 1 + (size_t)m[at];
	}
	return end ? end : at + 1;
}

static unsigned get16(const uint8_t *p)
{
	return (unsigned)p[0] << 8 | p[1];
}

static const char *show(const uint8_t *m)
{
	char name[512], target[512], *out = said;
	unsigned n = get16(m + 6) + get16(m + 8) + get16(m + 10);
	size_t at = read_name(m, DNS_HEADER, name) + 4;

	out += sprintf(out, "%s%s",
		dns_rcode(m) == DNS_NXDOMAIN ? "NXDOMAIN"
		: dns_rcode(m)		     ? "FAIL"
					     : "OK",
		m[2] & 2 ? " cut" : "");
	for (unsigned i = 0; i < n; i++) {
		unsigned type, len;
		const uint8_t *d;

		at = read_name(m, at, name);
		type = get16(m + at);
		len = get16(m + at + 8);
		d = m + at + 10;
		if (type == DNS_TYPE_A)
			out += sprintf(out, "; %s A %u.%u.%u.%u", name, d[0], d[1], d[2], d[3]);
		else if (type == DNS_TYPE_SRV)
			read_name(m, at + 16, target), out += sprintf(out, "; %s SRV %u %u %u %s", name,
							       get16(d), get16(d + 2), get16(d + 4), target);
		else if (type == DNS_TYPE_CNAME || type == DNS_TYPE_PTR || type == DNS_TYPE_NS ||
			 type == DNS_TYPE_SOA)
			read_name(m, at + 10, target), out += sprintf(out, "; %s %s %s", name,
							       type == DNS_TYPE_CNAME ? "CNAME"
							       : type == DNS_TYPE_PTR ? "PTR"
							       : type == DNS_TYPE_NS  ? "NS"
										      : "SOA",
							       target);
		else if (type == DNS_TYPE_TXT)
			out += sprintf(out, "; %s TXT %.*s", name, d[0], (const char *)d + 1);
		else if (type == DNS_TYPE_OPT)
			out += sprintf(out, "; OPT %u", get16(m + at + 2));
		at += 10 + len;
	}
	return said;
}

static const char *ask(const char *name, uint16_t type)
{
	size_t len = dns_query(query, sizeof(query), 7, name, type);
	struct dns_question q;
	struct dns_writer w;
	const char *alias = NULL;

	assert_int_equal(dns_question(&q, query, len), 0);
	dns_begin(&w, answer, DNS_UDP_MAX, query, &q, DNS_OK, false);
	switch (names_answer(&names, &w, &q, &alias)) {
	case NAMES_ELSEWHERE:
		return "elsewhere";
	case NAMES_LATER:
		return "later";
	case NAMES_ALIAS:
		dns_end(&w);
		sprintf(said, "alias of %s", alias);
		return said;
	case NAMES_HERE:
		break;
	}
	assert_true(dns_end(&w) <= DNS_UDP_MAX);
	return show(answer);
}

#define SOA	  "; cluster.local SOA ns.dns.cluster.local"
#define ASK(n, t) ask(n, DNS_TYPE_##t)

static void test_before(void **state)
{
	assert_string_equal(ASK("web.shop.svc.cluster.local", A), "later");
	assert_string_equal(ASK("2.1.96.10.in-addr.arpa", PTR), "later");
	assert_string_equal(ASK("1.100.51.198.in-addr.arpa", PTR), "later");
	assert_string_equal(ASK("example.com", A), "elsewhere");
	assert_string_equal(ASK("1.2.0.192.in-addr.arpa", PTR), "elsewhere");
}

static void test_services(void **state)
{
	fill();
	assert_string_equal(
		ASK("web.shop.svc.cluster.local", A), "OK; web.shop.svc.cluster.local A 10.96.1.2");
	assert_string_equal(
		ASK("WEB.shop.svc.cluster.local", A), "OK; WEB.shop.svc.cluster.local A 10.96.1.2");
	assert_string_equal(ASK("web.shop.svc.cluster.local", AAAA), "OK" SOA);
	assert_string_equal(ASK("nope.shop.svc.cluster.local", A), "NXDOMAIN" SOA);
	assert_string_equal(ASK("web.other.svc.cluster.local", A), "NXDOMAIN" SOA);
	assert_string_equal(ASK("shop.svc.cluster.local", A), "OK" SOA);
	assert_string_equal(ASK("other.svc.cluster.local", A), "NXDOMAIN" SOA);
	assert_string_equal(ASK("svc.cluster.local", A), "OK" SOA);
	assert_string_equal(ASK("web.shop.cluster.local", A), "NXDOMAIN" SOA);
	assert_string_equal(ASK("example.com.shop.svc.cluster.local", A), "NXDOMAIN" SOA);
	assert_string_equal(ASK("a.b.c.d.web.shop.svc.cluster.local", A), "NXDOMAIN" SOA);
	assert_string_equal(ASK("notcluster.local", A), "elsewhere");
	assert_string_equal(ASK("_http._tcp.web.shop.svc.cluster.local", SRV),
		"OK; _http._tcp.web.shop.svc.cluster.local SRV 0 100 80 web.shop.svc.cluster.local"
		"; web.shop.svc.cluster.local A 10.96.1.2");
	assert_string_equal(ASK("_http._udp.web.shop.svc.cluster.local", SRV), "NXDOMAIN" SOA);
	assert_string_equal(ASK("_tcp.web.shop.svc.cluster.local", SRV), "OK" SOA);
	assert_string_equal(ASK("10-244-0-5.web.shop.svc.cluster.local", A),
		"OK; 10-244-0-5.web.shop.svc.cluster.local A 10.244.0.5");
	assert_string_equal(ASK("2.1.96.10.in-addr.arpa", PTR),
		"OK; 2.1.96.10.in-addr.arpa PTR web.shop.svc.cluster.local");
	assert_string_equal(
		ASK("3.1.96.10.in-addr.arpa", PTR), "NXDOMAIN; in-addr.arpa SOA ns.dns.cluster.local");
	assert_string_equal(
		ASK("1.100.51.198.in-addr.arpa", PTR), "NXDOMAIN; in-addr.arpa SOA ns.dns.cluster.local");
}

static void test_headless(void **state)
{
	const char *text = ASK("db.shop.svc.cluster.local", A);

	assert_non_null(strstr(text, "A 10.244.0.7"));
	assert_non_null(strstr(text, "A 10.244.0.8"));
	assert_null(strstr(text, "10.244.0.9"));
	assert_string_equal(ASK("db.shop.svc.cluster.local", AAAA), "OK" SOA);
	assert_string_equal(ASK("empty.shop.svc.cluster.local", A), "NXDOMAIN" SOA);
	assert_string_equal(
		ASK("db-0.db.shop.svc.cluster.local", A), "OK; db-0.db.shop.svc.cluster.local A 10.244.0.7");
	assert_string_equal(ASK("db-2.db.shop.svc.cluster.local", A), "NXDOMAIN" SOA);
	assert_string_equal(ASK("_sql._tcp.db.shop.svc.cluster.local", SRV),
		"OK; _sql._tcp.db.shop.svc.cluster.local SRV 0 100 5433 db-0.db.shop.svc.cluster.local"
		"; _sql._tcp.db.shop.svc.cluster.local SRV 0 100 5433 10-244-0-8.db.shop.svc.cluster.local"
		"; db-0.db.shop.svc.cluster.local A 10.244.0.7; 10-244-0-8.db.shop.svc.cluster.local A 10.244.0.8");
	assert_string_equal(ASK("7.0.244.10.in-addr.arpa", PTR),
		"OK; 7.0.244.10.in-addr.arpa PTR db-0.db.shop.svc.cluster.local");
}

static void test_others(void **state)
{
	assert_string_equal(ASK("far.shop.svc.cluster.local", A), "alias of db.example.com");
	assert_string_equal(ASK("far.shop.svc.cluster.local", CNAME),
		"OK; far.shop.svc.cluster.local CNAME db.example.com");
	assert_string_equal(ASK("near.shop.svc.cluster.local", A),
		"OK; near.shop.svc.cluster.local CNAME web.shop.svc.cluster.local; web.shop.svc.cluster.local A 10.96.1.2");
	assert_string_equal(ASK("10-244-3-4.shop.pod.cluster.local", A),
		"OK; 10-244-3-4.shop.pod.cluster.local A 10.244.3.4");
	assert_string_equal(ASK("10-244-3.shop.pod.cluster.local", A), "NXDOMAIN" SOA);
	assert_string_equal(ASK("10-244-3-4-5-6-7-8-9.shop.pod.cluster.local", A), "NXDOMAIN" SOA);
	assert_string_equal(ASK("cluster.local", SOA), "OK" SOA);
	assert_string_equal(ASK("cluster.local", NS),
		"OK; cluster.local NS ns.dns.cluster.local; ns.dns.cluster.local A 10.96.0.10");
	assert_string_equal(ASK("dns-version.cluster.local", TXT), "OK; dns-version.cluster.local TXT 1.1.0");
	/* gone, and what was left of it */
	tell(CATALOG_SERVICES, KUBE_DELETED, services[0]);
	assert_string_equal(ASK("web.shop.svc.cluster.local", A), "NXDOMAIN" SOA);
	tell(CATALOG_SERVICES, KUBE_ADDED, services[0]);
	assert_string_equal(
		ASK("web.shop.svc.cluster.local", A), "OK; web.shop.svc.cluster.local A 10.96.1.2");
}

/* ---- the server */

enum { UPSTREAM_TEST_PORT = 53, PORT = 5353 };

static int upstream = -1;
static bool upstream_answers;

static void end_turn(struct loop_timer *t)
{
	uint8_t m[512];
	struct sockaddr_in from;
	socklen_t len = sizeof(from);
	ssize_t n = upstream < 0
			    ? -1
			    : recvfrom(upstream, m, sizeof(m), MSG_DONTWAIT, (struct sockaddr *)&from, &len);

	if (n > 12 && upstream_answers) {
		struct ipaddr a[2];
		struct dns_question q;
		uint8_t out[512];

		assert_int_equal(dns_question(&q, m, (size_t)n), 0);
		assert_int_equal(ipaddr_parse("192.0.2.7", &a[0]), 0);
		assert_int_equal(ipaddr_parse("192.0.2.8", &a[1]), 0);
		n = (ssize_t)dns_answer_addresses(out, sizeof(out), m, &q, a, 2, 60);
		assert_int_equal(sendto(upstream, out, (size_t)n, 0, (struct sockaddr *)&from, len), n);
	}
	loop_quit(loop, 0);
}

/* The answer as text, within @ms; "silence" otherwise. */
static const char *ask_server(int type, const char *name, uint16_t rr, bool edns, int ms)
{
	struct sockaddr_in to = at("127.0.0.1", PORT);
	uint8_t prefixed[600];
	size_t len = dns_query(prefixed + 2, sizeof(prefixed) - 2 - 11, 7, name, rr);
	int c = socket_in(-1, type);
	struct loop_timer turn = {0};
	ssize_t got = -1;

	if (edns) {
		static const uint8_t opt[11] = {0, 0, 41, 0x10, 0};

		memcpy(prefixed + 2 + len, opt, sizeof(opt));
		prefixed[2 + 11] = 1;
		len += sizeof(opt);
	}
	prefixed[0] = (uint8_t)(len >> 8);
	prefixed[1] = (uint8_t)len;
	assert_int_equal(connect(c, (struct sockaddr *)&to, sizeof(to)), 0);
	if (type == SOCK_STREAM)
		assert_int_equal(send(c, prefixed, len + 2, 0), len + 2);
	else
		assert_int_equal(send(c, prefixed + 2, len, 0), len);
	for (; ms > 0 && got < 0; ms -= 10) {
		assert_int_equal(loop_timer_set(loop, &turn, loop_now_ms(loop) + 10, end_turn), 0);
		assert_int_equal(loop_run(loop), 0);
		got = recv(c, answer, sizeof(answer), MSG_DONTWAIT);
	}
	loop_timer_del(&turn);
	close(c);
	return got < 0 ? "silence" : show(answer + (type == SOCK_STREAM ? 2 : 0));
}

static void test_server(void **state)
{
	char path[] = "/tmp/names_test.XXXXXX", many[64 * 64] = "", text[sizeof(many) + 512];
	int fd = mkstemp(path);
	struct cluster_dns_options o = {.loop = loop,
		.catalog = catalog,
		.address = "127.0.0.1",
		.port = PORT,
		.domain = "cluster.local",
		.services = &nets,
		.pod_range = "10.244.0.0/16",
		.resolv_conf = path};
	struct netlink nl = NETLINK_CLOSED;
	struct link_change up = LINK_NO_CHANGE;
	struct cluster_dns *d = NULL;
	time_t began;

	assert_true(fd >= 0);
	dprintf(fd, "nameserver 127.0.0.1\nnameserver 127.0.0.2\n"); /* the first is this server itself */
	close(fd);
	if (!netns_testing_enter()) {
		unlink(path);
		skip();
	}
	assert_int_equal(netlink_open(&nl, NETLINK_ROUTE, -1), 0);
	up.up = 1;
	assert_int_equal(link_set(&nl, 1, &up), 0);
	netlink_close(&nl);
	assert_int_equal(cluster_dns_open(&d, &o), 0);

	assert_string_equal(ask_server(SOCK_DGRAM, "web.shop.svc.cluster.local", DNS_TYPE_A, false, 5000),
		"OK; web.shop.svc.cluster.local A 10.96.1.2");
	assert_string_equal(ask_server(SOCK_STREAM, "web.shop.svc.cluster.local", DNS_TYPE_A, true, 5000),
		"OK; web.shop.svc.cluster.local A 10.96.1.2; OPT 1232");
	/* refused at once by a node on which nobody serves */
	assert_string_equal(ask_server(SOCK_DGRAM, "example.com", DNS_TYPE_A, false, 1000), "FAIL");

	upstream = server_on(-1, "127.0.0.2", SOCK_DGRAM, UPSTREAM_TEST_PORT);
	upstream_answers = true;
	assert_string_equal(ask_server(SOCK_DGRAM, "example.com", DNS_TYPE_A, false, 5000),
		"OK; example.com A 192.0.2.7; example.com A 192.0.2.8");
	assert_string_equal(ask_server(SOCK_DGRAM, "far.shop.svc.cluster.local", DNS_TYPE_A, false, 5000),
		"OK; far.shop.svc.cluster.local CNAME db.example.com; db.example.com A 192.0.2.7; db.example.com A 192.0.2.8");

	/* silent: the first waits, then nobody else; names of the cluster never */
	upstream_answers = false;
	began = time(NULL);
	assert_string_equal(ask_server(SOCK_DGRAM, "example.com", DNS_TYPE_A, false, 20000), "FAIL");
	assert_true(time(NULL) - began >= 3);
	assert_string_equal(
		ask_server(SOCK_DGRAM, "example.com", DNS_TYPE_A, false, 100), "silence"); /* finds out */
	assert_string_equal(ask_server(SOCK_DGRAM, "example.org", DNS_TYPE_A, false, 1000), "FAIL");
	assert_string_equal(ask_server(SOCK_DGRAM, "web.shop.svc.cluster.local", DNS_TYPE_A, false, 1000),
		"OK; web.shop.svc.cluster.local A 10.96.1.2");

	/* more than a datagram holds */
	for (int i = 0; i < 60; i++)
		sprintf(many + strlen(many), "%s{\"addresses\":[\"10.244.1.%d\"]}", i ? "," : "", i + 1);
	snprintf(text, sizeof(text),
		"{\"metadata\":{\"name\":\"empty-1\",\"namespace\":\"shop\",\"labels\":{\"kubernetes.io/service-name\":\"empty\"}},"
		"\"addressType\":\"IPv4\",\"endpoints\":[%s]}",
		many);
	tell(CATALOG_SLICES, KUBE_ADDED, text);
	assert_non_null(strstr(
		ask_server(SOCK_DGRAM, "empty.shop.svc.cluster.local", DNS_TYPE_A, false, 5000), "OK cut"));
	assert_null(strstr(
		ask_server(SOCK_DGRAM, "empty.shop.svc.cluster.local", DNS_TYPE_A, true, 5000), "cut"));
	assert_null(strstr(
		ask_server(SOCK_STREAM, "empty.shop.svc.cluster.local", DNS_TYPE_A, false, 5000), "cut"));

	cluster_dns_close(d);
	close(upstream);
	unlink(path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_before),
		cmocka_unit_test(test_services),
		cmocka_unit_test(test_headless),
		cmocka_unit_test(test_others),
		cmocka_unit_test(test_server),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}

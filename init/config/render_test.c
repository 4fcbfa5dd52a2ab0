/* SPDX-License-Identifier: Apache-2.0 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include <yyjson.h>

#include "init/config/isolate.h"
#include "init/config/render.h"
#include "init/config/testdata.h"

#define CLUSTER_CA "version: 1\ncluster:\n  ca:\n    cert: |\n" TEST_CERT "    key: |\n"
#define TLS	   "version: 1\nengine:\n  tls:\n    ca: |\n" TEST_CERT "    cert: |\n" TEST_CERT "    key: |\n"

/* What is refused: where, and words of the reason. */
static const struct {
	const char *yaml;
	unsigned line, column;
	const char *says;
} refused[] = {
	{"", 1, 1, "the file is empty"},
	{"version: 1\nhostnam: a\n", 2, 1, "unknown key \"hostnam\"; did you mean \"hostname\"?"},
	{"version: 1\nnetwrok:\n  nameservers: []\n", 2, 1, "did you mean \"network\"?"},
	{"version: 1\nzzz: 1\n", 2, 1, "the keys here are version, hostname, network, time"},
	{"version: 1\nnetwork:\n  interfaces:\n  - name: eth0\n    adresses: []\n", 5, 5,
		"unknown key \"adresses\" in network.interfaces[0]; did you mean \"addresses\"?"},
	{"version: 1\nversion: 1\n", 2, 1, "key \"version\" is given twice, first on line 1"},
	{"hostname: a\n", 1, 1, "version is missing"},
	{"version: 2\n", 1, 10, "version: expected 1, found \"2\""},
	{"version: \"1\"\n", 1, 10, "version: expected 1"},
	{"version: 01\n", 1, 10, "version: expected 1"},
	{"version:\n", 1, 9, "found nothing"},
	{"- version\n", 1, 1, "expected a mapping, found a list"},
	{"version: 1\nhostname: [a, b]\n", 2, 11, "hostname: expected letters"},
	{"version: 1\nhostname: -a\n", 2, 11, "found \"-a\""},
	{"version: 1\nhostname: \"open\n", 3, 1, "quoted scalar begun on line 2"},
	{"version: 1\nhostname: \"open\nengine:\n  listen: [\"0.0.0.0:1\"]\n", 4, 13,
		"quoted on line 2: is that quote closed?"},
	{"version: 1\nhostname: \"a\\0b\"\n", 2, 11, "control characters"},
	{"version: 1\nhostname: a\xff\n", 2, 12, "not UTF-8"},
	{"version: 1\nnetwork:\n", 2, 9, "network: expected a mapping, found nothing"},
	{"version: &a 1\n", 1, 10, "anchors"},
	{"version: 1\ntime: {servers: *a}\n", 2, 17, "aliases"},
	{"version: !!int 1\n", 1, 10, "tags"},
	{"version: 1\n---\nversion: 1\n", 2, 1, "only one document"},
	{"version: 1\n? [a]\n: b\n", 2, 3, "a key must be a word"},
	{"version: 1\ntime: [[[[[[[[[[[[[[1]]]]]]]]]]]]]]\n", 2, 0, "nested too deeply"},
	{"version: 1\nnetwork: {interfaces: [{name: eth0, mtu: 99}]}\n", 2, 42,
		"from 1280 to 65535, found \"99\""},
	{"version: 1\nnetwork: {interfaces: [{name: eth0, dhcp: yes}]}\n", 2, 43,
		"expected true or false, found \"yes\""},
	{"version: 1\nnetwork: {interfaces: [{name: eth0, addresses: [10.0.0.1]}]}\n", 2, 49,
		"network.interfaces[0].addresses[0]: expected an address with its prefix length"},
	{"version: 1\nnetwork: {interfaces: [{name: eth0, addresses: [10.0.0.1/33]}]}\n", 2, 49,
		"expected an address"},
	{"version: 1\nnetwork: {interfaces: [{dhcp: true}]}\n", 2, 24, "needs a name or a mac"},
	{"version: 1\nnetwork: {interfaces: [{name: a/b}]}\n", 2, 31, "an interface name"},
	{"version: 1\nnetwork: {interfaces: [{mac: \"01:00:5e:00:00:01\"}]}\n", 2, 30, "unicast"},
	{"version: 1\nnetwork: {interfaces: [{name: eth0, gateway: 10.0.0.1}]}\n", 2, 46,
		"needs an IPv4 address"},
	{"version: 1\nnetwork: {interfaces: [{name: eth0, ipv6: off, addresses: [\"fd00::1/64\"]}]}\n", 2, 60,
		"ipv6: auto"},
	{"version: 1\nnetwork: {interfaces: [{name: eth0}, {name: eth0}]}\n", 2, 45,
		"name \"eth0\" is given twice"},
	{"version: 1\nnetwork: {interfaces: [{name: v, vlan: {id: 4095, parent: eth0}}]}\n", 2, 45,
		"from 1 to 4094"},
	{"version: 1\nnetwork: {interfaces: [{name: v, vlan: {id: 5}}]}\n", 2, 40, "vlan.parent is missing"},
	{"version: 1\nnetwork: {interfaces: [{name: b, bond: {members: []}}]}\n", 2, 50,
		"at least one member"},
	{"version: 1\nnetwork: {interfaces: [{name: b, bond: {mode: fast, members: [eth0]}}]}\n", 2, 47,
		"active-backup"},
	{"version: 1\nnetwork: {nameservers: [one.one]}\n", 2, 25, "an IPv4 or IPv6 address"},
	{"version: 1\ntime: {servers: [300.1.1.1]}\n", 2, 18, "a DNS name or an address"},
	{"version: 1\nstorage: {wipe: true}\n", 2, 17, "needs storage.disk"},
	{"version: 1\nstorage: {disk: /dev/../x}\n", 2, 17, "/dev/NAME"},
	{"version: 1\nstorage: {data_size: 10MB}\n", 2, 22, "rest, or a size"},
	{"version: 1\nstorage: {data_size: 99999999999999999999GiB}\n", 2, 22, "rest, or a size"},
	{"version: 1\nssh: {authorized_keys: [ssh-rsa AAAA]}\n", 2, 25, "OpenSSH public key"},
	{"version: 1\nssh:\n  authorized_keys:\n  - \"a b\\nc\"\n", 4, 5, "OpenSSH public key"},
	{"version: 1\nengine: {listen: [0.0.0.0:2376]}\n", 2, 18, "never served in the clear"},
	{"version: 1\nengine: {listen: [2376]}\n", 2, 19, "address:port"},
	{TLS "      nonsense\n", 26, 10, "engine.tls.key: expected PEM text with a private key"},
	{TLS OTHER_KEY, 26, 10, "is not the key of engine.tls.cert"},
	{CLUSTER_CA OTHER_KEY, 15, 10, "is not the key of cluster.ca.cert"},
	{"version: 1\ncluster: {enabled: maybe}\n", 2, 20, "true or false"},
	{"version: 1\ncluster: {service_range: 10.96.0.0}\n", 2, 26, "a prefix of 12 to 24"},
	{"version: 1\ncluster: {service_range: 10.96.0.1/24}\n", 2, 26, "a prefix of 12 to 24"},
	{"version: 1\ncluster: {service_range: 10.0.0.0/8}\n", 2, 26, "a prefix of 12 to 24"},
	{"version: 1\ncluster: {service_range: \"fd00::/108\"}\n", 2, 26, "a range of IPv4"},
	{"version: 1\ncluster: {pod_range: 10.0.0.0/25}\n", 2, 22, "a prefix of 8 to 24"},
	{"version: 1\ncluster: {pod_range: 10.96.0.0/16}\n", 2, 22, "addresses in common"},
	{"version: 1\ncluster: {service_range: 10.244.8.0/24}\n", 2, 26, "addresses in common"},
	{"version: 1\ncluster: {dns_address: 10.97.0.0.1}\n", 2, 24, "an IPv4 address"},
	{"version: 1\ncluster: {dns_address: 10.96.0.1}\n", 2, 24, "not its first"},
	{"version: 1\ncluster: {dns_address: 10.244.0.10}\n", 2, 24, "an address of cluster.service_range"},
	{"version: 1\ncluster: {service_range: 10.4.5.0/24, dns_address: 10.4.5.255}\n", 2, 52,
		"nor its last"},
	{"version: 1\ncluster: {domain: Example.org}\n", 2, 19, "in lower case"},
	{"version: 1\ncluster: {domain: a..b}\n", 2, 19, "a DNS name"},
	{"version: 1\nnetwork: {interfaces: [{name: eth0, addresses: [10.4.5.6/24]}]}\ncluster: {service_range: 10.4.0.0/16}\n",
		3, 26, "the machine's own network 10.4.5.6/24"},
	{"version: 1\nengine: {userns: keep-id}\n", 2, 18, "host or private"},
	{"version: 1\nengine: {registries: [{host: \"a b\"}]}\n", 2, 30, "host or host:port"},
	{"version: 1\nengine: {registries: [{host: a, ca: x}]}\n", 2, 37, "PEM text"},
	{"version: 1\nengine: {registries: [{host: a}, {host: A}]}\n", 2, 41, "given twice"},
	{"version: 1\nengine: {proxy: {credentials: {username: 'a:b', password: c}}}\n", 2, 42,
		"without a colon"},
	{"version: 1\nengine: {proxy: {credentials: {username: a, password: \"b\\nc\"}}}\n", 2, 55,
		"on one line"},
	{"version: 1\nengine: {proxy: {credentials: {username: a}}}\n", 2, 31, "password is missing"},
};

static void refusals_name_place_and_reason(void **state)
{
	for (size_t i = 0; i < array_len(refused); i++) {
		struct config_error err;
		char *json = NULL;
		int rc = config_render(&json, refused[i].yaml, strlen(refused[i].yaml), "h", &err);

		if (rc != CONFIG_REFUSED || err.line != refused[i].line ||
			(refused[i].column && err.column != refused[i].column) ||
			!strstr(err.text, refused[i].says))
			fail_msg("%s\nrc %d, %u:%u: %s; expected %u:%u: %s", refused[i].yaml, rc, err.line,
				err.column, err.text, refused[i].line, refused[i].column, refused[i].says);
		assert_null(json);
	}
}

static void a_secret_is_never_quoted(void **state)
{
	static const char yaml[] = TLS "      hunter2\n";
	struct config_error err;
	char *json = NULL;

	assert_int_equal(config_render(&json, yaml, sizeof(yaml) - 1, "h", &err), CONFIG_REFUSED);
	assert_null(strstr(err.text, "hunter2"));
}

static void same(const char *yaml, const char *expected)
{
	struct config_error err;
	cleanup(freep) char *json = NULL;
	yyjson_doc *a, *b;
	int rc = config_render(&json, yaml, strlen(yaml), "wherry-abcdef", &err);

	if (rc)
		fail_msg("refused: %u:%u: %s", err.line, err.column, err.text);
	a = yyjson_read(json, strlen(json), 0);
	b = yyjson_read(expected, strlen(expected), 0);
	assert_non_null(a);
	assert_non_null(b);
	if (!yyjson_equals(yyjson_doc_get_root(a), yyjson_doc_get_root(b)))
		fail_msg("%s\nis not\n%s", json, expected);
	yyjson_doc_free(a);
	yyjson_doc_free(b);
}

static void defaults_are_filled_in(void **state)
{
	same("version: 1\n",
		"{\"version\":1,\"hostname\":\"wherry-abcdef\","
		"\"network\":{\"interfaces\":[],\"nameservers\":[],\"search\":[]},"
		"\"time\":{\"servers\":[\"0.pool.ntp.org\",\"1.pool.ntp.org\",\"2.pool.ntp.org\"]},"
		"\"storage\":{\"data_size\":\"rest\",\"wipe\":false},\"ssh\":{\"authorized_keys\":[]},"
		"\"engine\":{\"listen\":[],\"registries\":[],\"userns\":\"host\",\"proxy\":{\"except\":[]}},"
		"\"cluster\":{\"enabled\":true,\"names\":[],\"service_range\":\"10.96.0.0/12\",\"pod_range\":\"10.244.0.0/16\","
		"\"domain\":\"cluster.local\",\"eviction\":{\"disk\":\"10%\",\"inodes\":\"5%\","
		"\"images\":\"15%\",\"pids\":\"5%\",\"transitionSeconds\":300}}}");
}

static void everything_given(void **state)
{
	same("version: 1\nhostname: n1.example\nnetwork:\n  interfaces:\n"
	     "  - {name: eth0, addresses: [192.0.2.10/24, \"2001:db8::10/64\"], gateway: 192.0.2.1, mtu: 9000}\n"
	     "  - {mac: 52:54:00:12:34:56, ipv6: \"off\"}\n"
	     "  - {name: v5, addresses: [\"2001:db8::5/64\"], gateway6: fe80::1, vlan: {id: 5, parent: eth0}}\n"
	     "  - {name: b0, dhcp: false, bond: {members: [eth1, eth2]}}\n"
	     "  nameservers: [192.0.2.53, \"2001:db8::53\"]\n  search: [example.org]\n"
	     "time: {servers: []}\nstorage: {disk: 'serial:abc', data_size: 10GiB, wipe: true}\n"
	     "ssh:\n  authorized_keys: [" TEST_SSH_KEY "]\n"
	     "engine: {registries: [{host: 'reg:5000', insecure: true, mirrors: ['https://m:443', n]}],\n"
	     "  userns: private, proxy: {https: 'http://proxy:3128', except: [.example],\n"
	     "  credentials: {username: node, password: 'a: b'}}}\n",
		"{\"version\":1,\"hostname\":\"n1.example\",\"network\":{\"interfaces\":["
		"{\"name\":\"eth0\",\"addresses\":[\"192.0.2.10/24\",\"2001:db8::10/64\"],\"gateway\":\"192.0.2.1\","
		"\"ipv6\":\"auto\",\"mtu\":9000,\"dhcp\":false},"
		"{\"mac\":\"52:54:00:12:34:56\",\"addresses\":[],\"ipv6\":\"off\",\"dhcp\":true},"
		"{\"name\":\"v5\",\"addresses\":[\"2001:db8::5/64\"],\"gateway6\":\"fe80::1\",\"ipv6\":\"auto\","
		"\"vlan\":{\"id\":5,\"parent\":\"eth0\"},\"dhcp\":true},"
		"{\"name\":\"b0\",\"addresses\":[],\"ipv6\":\"auto\",\"dhcp\":false,"
		"\"bond\":{\"mode\":\"active-backup\",\"members\":[\"eth1\",\"eth2\"]}}],"
		"\"nameservers\":[\"192.0.2.53\",\"2001:db8::53\"],\"search\":[\"example.org\"]},"
		"\"time\":{\"servers\":[]},\"storage\":{\"disk\":\"serial:abc\",\"data_size\":\"10GiB\",\"wipe\":true},"
		"\"ssh\":{\"authorized_keys\":[\"" TEST_SSH_KEY "\"]},"
		"\"engine\":{\"listen\":[],\"registries\":[{\"host\":\"reg:5000\",\"insecure\":true,"
		"\"mirrors\":[\"https://m:443\",\"n\"]}],"
		"\"userns\":\"private\",\"proxy\":{\"https\":\"http://proxy:3128\",\"except\":[\".example\"],"
		"\"credentials\":{\"username\":\"node\",\"password\":\"a: b\"}}},"
		"\"cluster\":{\"enabled\":true,\"names\":[],\"service_range\":\"10.96.0.0/12\",\"pod_range\":\"10.244.0.0/16\","
		"\"domain\":\"cluster.local\",\"eviction\":{\"disk\":\"10%\",\"inodes\":\"5%\","
		"\"images\":\"15%\",\"pids\":\"5%\",\"transitionSeconds\":300}}}");
}

static void tls_opens_the_port(void **state)
{
	static const char yaml[] = TLS TEST_KEY;
	struct config_error err;
	cleanup(freep) char *json = NULL;

	assert_int_equal(config_render(&json, yaml, sizeof(yaml) - 1, "h", &err), CONFIG_OK);
	assert_non_null(strstr(json, "\"0.0.0.0:2376\""));
	assert_non_null(strstr(json, "BEGIN EC PRIVATE KEY"));
}

static void too_large(void **state)
{
	cleanup(freep) char *text = malloc(CONFIG_SIZE_MAX + 1);
	struct config_error err;
	char *json = NULL;

	memset(text, '#', CONFIG_SIZE_MAX + 1);
	assert_int_equal(config_render(&json, text, CONFIG_SIZE_MAX + 1, "h", &err), CONFIG_REFUSED);
	assert_non_null(strstr(err.text, "larger than"));
}

static void too_many_values(void **state)
{
	size_t len = 0, n = YAML_NODES_MAX + 10;
	cleanup(freep) char *text = malloc(n * 3 + 64);
	struct config_error err;
	char *json = NULL;

	len += (size_t)sprintf(text, "version: 1\ntime:\n  servers: [");
	for (size_t i = 0; i < n; i++)
		len += (size_t)sprintf(text + len, "a,");
	len += (size_t)sprintf(text + len, "]\n");
	assert_int_equal(config_render(&json, text, len, "h", &err), CONFIG_REFUSED);
	assert_non_null(strstr(err.text, "too many values"));
}

/* The confined child gives the same answers: all it needs is allowed, the matching of keys included. */
static void isolated(void **state)
{
	static const char good[] = TLS TEST_KEY, wrong[] = TLS OTHER_KEY;
	struct config_error err;
	cleanup(freep) char *json = NULL;

	assert_int_equal(
		config_render_isolated(&json, good, sizeof(good) - 1, "from-outside", &err), CONFIG_OK);
	assert_non_null(strstr(json, "from-outside"));
	freep(&json);
	json = NULL;
	assert_int_equal(config_render_isolated(&json, wrong, sizeof(wrong) - 1, "h", &err), CONFIG_REFUSED);
	assert_int_equal(err.line, 26);
	assert_non_null(strstr(err.text, "is not the key"));
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(refusals_name_place_and_reason),
		cmocka_unit_test(a_secret_is_never_quoted),
		cmocka_unit_test(defaults_are_filled_in),
		cmocka_unit_test(everything_given),
		cmocka_unit_test(tls_opens_the_port),
		cmocka_unit_test(too_large),
		cmocka_unit_test(too_many_values),
		cmocka_unit_test(isolated),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

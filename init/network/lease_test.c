/* SPDX-License-Identifier: Apache-2.0 */

#include <arpa/inet.h>
#include <errno.h>
#include <linux/rtnetlink.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "init/network/lease.h"
#include "init/network/netif.h"

static int parse(struct lease *l, const char *msg)
{
	return lease_parse(l, msg, strlen(msg));
}

static void test_whole(void **state)
{
	const char *env[] = {
		"PATH=/bin",
		"interface=eth0",
		"ip=10.0.2.15",
		"subnet=255.255.255.0",
		"router=10.0.2.2",
		"dns=10.0.2.3 8.8.8.8",
		"ntpsrv=10.0.2.4",
		"domain=example.org",
		"hostname=node-7",
		"lease=86400",
		"mtu=1400",
		NULL,
	};
	char msg[LEASE_MESSAGE_MAX], text[IPADDR_TEXT_MAX];
	struct lease l;
	ssize_t n = lease_message("bound", env, msg);

	assert_true(n > 0);
	assert_null(memmem(msg, (size_t)n, "PATH", 4));
	assert_null(memmem(msg, (size_t)n, "node-7", 6)); /* a name is the node's own */
	assert_int_equal(lease_parse(&l, msg, (size_t)n), 0);
	assert_int_equal(l.event, LEASE_BOUND);
	assert_string_equal(ipaddr_format(&l.address, true, text), "10.0.2.15/24");
	assert_int_equal(l.n_routes, 1);
	assert_int_equal(l.routes[0].dst.prefix, 0);
	assert_string_equal(ipaddr_format(&l.routes[0].gateway, false, text), "10.0.2.2");
	assert_int_equal(l.n_dns, 2);
	assert_int_equal(l.n_ntp, 1);
	assert_string_equal(l.search[0], "example.org");
	assert_int_equal(l.seconds, 86400);
	assert_int_equal(l.mtu, 1400);
}

static void test_events(void **state)
{
	struct lease l;

	assert_int_equal(parse(&l, "event=deconfig\n"), 0);
	assert_int_equal(l.event, LEASE_DECONFIG);
	assert_int_equal(parse(&l, "event=leasefail\nip=1.2.3.4\n"), 0);
	assert_int_equal(l.address.family, 0);
	assert_int_equal(parse(&l, "event=surprise\nip=1.2.3.4\n"), -EINVAL);
	assert_int_equal(parse(&l, ""), -EINVAL);
	assert_int_equal(lease_parse(&l, "event=nak\0", 10), -EINVAL);
}

static void test_hostile(void **state)
{
	struct lease l;

	/* no address, one nobody can have, a mask with a hole */
	assert_int_equal(parse(&l, "event=bound\nsubnet=255.255.255.0\n"), -EINVAL);
	assert_int_equal(parse(&l, "event=bound\nip=127.0.0.1\nsubnet=255.0.0.0\n"), -EINVAL);
	assert_int_equal(parse(&l, "event=bound\nip=224.0.0.1\nsubnet=255.0.0.0\n"), -EINVAL);
	assert_int_equal(parse(&l, "event=bound\nip=10.0.0.1\nsubnet=255.0.255.0\n"), -EINVAL);
	/* what is wrong beside the address is left out */
	assert_int_equal(
		parse(&l, "event=bound\nip=10.0.0.1\nrouter=127.0.0.1 ; reboot\ndns=$(id) 9.9.9.9 ::1\n"
			  "domain=a..b\nsearch=ok.example bad_;x -y good.example.\nmtu=99999999999\n"
			  "ntpsrv=0.0.0.0\n"),
		0);
	assert_int_equal(l.address.prefix, 32);
	assert_int_equal(l.n_routes, 0);
	assert_int_equal(l.n_dns, 1);
	assert_int_equal(l.n_ntp, 0);
	assert_int_equal(l.n_search, 2);
	assert_string_equal(l.search[1], "good.example");
	assert_int_equal(l.mtu, 65535);
}

static void test_config_url(void **state)
{
	static const struct {
		const char *hex, *url;
	} cases[] = {
		{"687474703a2f2f612f62", "http://a/b"},
		{"68747470733a2f2f61", "https://a"},
		{"68747470733a2f2f6100", "https://a"}, /* with the NUL that some servers send */
		{"", ""},
		{"00", ""},
		{"6874", ""},
		{"6674703a2f2f61", ""},		/* ftp */
		{"687474703a2f2f61206200", ""}, /* a blank */
		{"687474703a2f2f610a62", ""},	/* a line in a line */
		{"687474703a2f2f61c3", ""},
		{"687474703a2f2f6100623d", ""}, /* a NUL in it */
		{"687474703a2f2f616", ""},	/* half a byte */
		{"687474703a2f2f6g", ""},
	};
	char text[2048];
	struct lease l;

	for (size_t i = 0; i < array_len(cases); i++) {
		snprintf(text, sizeof(text), "event=bound\nip=10.0.0.1\nopt239=%s\n", cases[i].hex);
		assert_int_equal(parse(&l, text), 0);
		assert_string_equal(l.config_url, cases[i].url);
	}
	/* as long as can be, and one more */
	for (int len = LEASE_URL_MAX - 1; len <= LEASE_URL_MAX; len++) {
		int n = snprintf(text, sizeof(text), "event=bound\nip=10.0.0.1\nopt239=687474703a2f2f");

		for (int i = 7; i < len; i++)
			n += snprintf(text + n, sizeof(text) - (size_t)n, "61");
		assert_int_equal(parse(&l, text), 0);
		assert_int_equal(strlen(l.config_url), len < LEASE_URL_MAX ? len : 0);
	}
}

static void test_newline_is_no_key(void **state)
{
	const char *env[] = {"ip=10.0.0.9", "domain=x\nip=10.6.6.6", NULL};
	char msg[LEASE_MESSAGE_MAX], text[IPADDR_TEXT_MAX];
	struct lease l;
	ssize_t n = lease_message("bound", env, msg);

	assert_true(n > 0);
	assert_int_equal(lease_parse(&l, msg, (size_t)n), 0);
	assert_string_equal(ipaddr_format(&l.address, false, text), "10.0.0.9");
	assert_int_equal(lease_message("bound\nip=1.1.1.1", env, msg), -EINVAL);
}

static void test_long_values(void **state)
{
	static char big[20000] = "dns=";
	const char *env[] = {big, "ip=10.0.0.9", NULL};
	char msg[LEASE_MESSAGE_MAX];
	struct lease l;
	ssize_t n;

	memset(big + 4, '1', sizeof(big) - 5);
	n = lease_message("renew", env, msg);
	assert_true(n > 0);
	assert_int_equal(lease_parse(&l, msg, (size_t)n), 0);
	assert_int_equal(l.n_dns, 0);
}

static void test_classless_routes(void **state)
{
	struct route out[LEASE_ROUTES_MAX];
	struct lease l;

	assert_int_equal(
		parse(&l,
			"event=bound\nip=10.0.0.9\nsubnet=255.255.255.0\nrouter=10.0.0.1\n"
			"staticroutes=0.0.0.0/0 10.0.0.2 192.168.0.0/16 172.16.0.1 10.9.0.0/16 0.0.0.0 junk x\n"),
		0);
	assert_int_equal(l.n_routes, 3); /* and not the router's */
	netif_lease_routes(&l, 3, 1, out);
	assert_false(out[0].onlink);
	assert_true(out[1].onlink); /* its gateway is outside of 10.0.0.0/24 */
	assert_int_equal(out[2].gateway.family, 0);
	assert_int_equal(out[0].index, 3);
	assert_int_equal(out[0].metric, 301);
	assert_int_equal(out[0].protocol, RTPROT_DHCP);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_whole),
		cmocka_unit_test(test_events),
		cmocka_unit_test(test_hostile),
		cmocka_unit_test(test_config_url),
		cmocka_unit_test(test_newline_is_no_key),
		cmocka_unit_test(test_long_values),
		cmocka_unit_test(test_classless_routes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */

/* Batches as bytes and against the kernel; what a reader of `nft list ruleset` sees, where nft is installed.
 */

#include <arpa/inet.h>
#include <errno.h>
#include <linux/netfilter/nfnetlink.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "lib/netns_testing.h"
#include "lib/nft.h"

/* `add rule ip t pre fib daddr type local goto pub comment "hello"`, as nft itself sends it. */
static void test_rule_bytes(void **state)
{
	static const uint8_t want[] = {
		192, 0, 0, 0, 6, 10, 0, 0x0c, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, /* NEWRULE, ip */
		6, 0, 1, 0, 't', 0, 0, 0,					  /* table */
		8, 0, 2, 0, 'p', 'r', 'e', 0,					  /* chain */
		144, 0, 4, 0x80,						  /* expressions */
		40, 0, 1, 0x80, 8, 0, 1, 0, 'f', 'i', 'b', 0, 28, 0, 2, 0x80,	  /* fib */
		8, 0, 3, 0, 0, 0, 0, 2, 8, 0, 2, 0, 0, 0, 0, 3, 8, 0, 1, 0, 0, 0, 0, 1, 44, 0, 1, 0x80, 8, 0,
		1, 0, 'c', 'm', 'p', 0, 32, 0, 2, 0x80, /* cmp */
		8, 0, 1, 0, 0, 0, 0, 1, 8, 0, 2, 0, 0, 0, 0, 0, 12, 0, 3, 0x80, 8, 0, 1, 0, 2, 0, 0, 0, 56, 0,
		1, 0x80, 14, 0, 1, 0, 'i', 'm', 'm', 'e', 'd', 'i', 'a', 't', 'e', 0, 0, 0, 36, 0, 2, 0x80, 8,
		0, 1, 0, 0, 0, 0, 0, 24, 0, 2, 0x80, 20, 0, 2, 0x80, 8, 0, 1, 0, 0xff, 0xff, 0xff, 0xfc, 8, 0,
		2, 0, 'p', 'u', 'b', 0,			       /* goto pub */
		12, 0, 7, 0, 0, 6, 'h', 'e', 'l', 'l', 'o', 0, /* comment */
	};
	struct nft b = {};
	size_t skip;

	nft_begin(&b, NFPROTO_IPV4, "t");
	skip = b.m.len;
	nft_rule_begin(&b, "pre");
	nft_match_local_destination(&b);
	nft_verdict(&b, NFT_GOTO, "pub");
	nft_rule_end(&b, "hello");
	assert_int_equal(b.m.err, 0);
	assert_int_equal(b.m.len - skip, sizeof(want));
	assert_memory_equal(b.m.buf + skip, want, sizeof(want));
	nft_fini(&b);
}

static const struct nft_set targets = {
	.name = "published",
	.key_type = NFT_CONCAT(NFT_TYPE_INET_PROTO, NFT_TYPE_INET_SERVICE),
	.key_len = 8,
	.data_type = NFT_CONCAT(NFT_TYPE_IPV4_ADDR, NFT_TYPE_INET_SERVICE),
	.data_len = 8,
	.comment = "ports and who serves them",
};

struct port_key {
	uint8_t proto;
	uint8_t pad[3];
	uint16_t port;
	uint16_t pad2;
};
struct port_target {
	struct in_addr addr;
	uint16_t port;
	uint16_t pad;
};

static void build_table(struct nft *b)
{
	static const struct nft_hook prerouting = {"nat", NF_INET_PRE_ROUTING, NFT_PRIO_DSTNAT, NF_ACCEPT};
	static const struct nft_hook postrouting = {"nat", NF_INET_POST_ROUTING, NFT_PRIO_SRCNAT, NF_ACCEPT};
	static const struct nft_hook forward = {"filter", NF_INET_FORWARD, NFT_PRIO_FILTER, NF_ACCEPT};
	const struct nft_set subnets = {
		.name = "subnets",
		.key_type = NFT_TYPE_IPV4_ADDR,
		.key_len = 4,
		.flags = NFT_SET_INTERVAL,
		.comment = "networks behind the node",
	};
	const struct nft_set bridges = {.name = "bridges", .key_type = NFT_TYPE_IFNAME, .key_len = IFNAMSIZ};
	const struct nft_set verdicts = {.name = "by-interface",
		.key_type = NFT_TYPE_IFNAME,
		.key_len = IFNAMSIZ,
		.data_type = NFT_DATA_VERDICT};

	nft_table_replace(b, "a test");
	nft_set_add(b, &subnets);
	nft_set_add(b, &bridges);
	nft_set_add(b, &targets);
	nft_set_add(b, &verdicts);
	nft_chain_add(b, "publish", NULL, "where published ports go");
	nft_chain_add(b, "prerouting", &prerouting, NULL);
	nft_chain_add(b, "postrouting", &postrouting, NULL);
	nft_chain_add(b, "forward", &forward, NULL);

	nft_rule_begin(b, "publish");
	nft_meta(b, NFT_META_L4PROTO, NFT_WORD(0));
	nft_payload(b, NFT_PAYLOAD_TRANSPORT_HEADER, 2, 2, NFT_WORD(1));
	nft_lookup_map(b, NFT_WORD(0), "published", NFT_WORD(0));
	nft_nat(b, NFT_NAT_DNAT, NFT_WORD(0), NFT_WORD(1));
	nft_rule_end(b, NULL);

	nft_rule_begin(b, "prerouting");
	nft_match_local_destination(b);
	nft_verdict(b, NFT_GOTO, "publish");
	nft_rule_end(b, "to this node");

	nft_rule_begin(b, "postrouting");
	nft_payload(b, NFT_PAYLOAD_NETWORK_HEADER, 12, 4, NFT_REG_1);
	nft_lookup(b, NFT_REG_1, "subnets", false);
	nft_match_in_set(b, NFT_META_OIFNAME, false, "bridges");
	nft_masquerade(b);
	nft_rule_end(b, "outbound");

	nft_rule_begin(b, "forward");
	nft_match_ct_state(b, 6);
	nft_counter(b);
	nft_verdict(b, NF_ACCEPT, NULL);
	nft_rule_end(b, "known connections");
	nft_rule_begin(b, "forward");
	nft_meta(b, NFT_META_IIFNAME, NFT_REG_1);
	nft_lookup_map(b, NFT_REG_1, "by-interface", NFT_REG_VERDICT);
	nft_rule_end(b, NULL);
	nft_rule_begin(b, "forward");
	nft_match_l4proto(b, IPPROTO_UDP);
	nft_match_dport(b, 5353);
	nft_verdict(b, NF_DROP, NULL);
	nft_rule_end(b, NULL);
}

static void add_elements(struct nft *b)
{
	const struct in_addr first = {htonl(0xac110000)}, end = {htonl(0xac120000)};
	const struct nft_ifname docker0 = nft_ifname("docker0");
	const struct port_key key = {.proto = IPPROTO_TCP, .port = htons(8080)};
	const struct port_target target = {.addr = {htonl(0xac110002)}, .port = htons(80)};

	nft_elem_add_interval(b, "subnets", &first, &end, 4);
	nft_elem_add(b, "bridges", &docker0, sizeof(docker0), NULL, 0);
	nft_elem_add(b, "published", &key, sizeof(key), &target, sizeof(target));
	nft_elem_add_verdict(b, "by-interface", &docker0, sizeof(docker0), NF_DROP, NULL);
}

static void read_listing(char *out, size_t size)
{
	FILE *p = popen("nft list ruleset 2>/dev/null", "r");
	size_t n;

	assert_non_null(p);
	n = fread(out, 1, size - 1, p);
	out[n] = '\0';
	pclose(p);
}

static void expect(const char *listing, const char *line, bool there)
{
	if (!strstr(listing, line) == there)
		fail_msg("%s in the listing: %s\n%s", there ? "missing" : "unexpected", line, listing);
}

static void test_kernel(void **state)
{
	static char listing[16384];
	struct netlink nl = NETLINK_CLOSED;
	struct nft b = {};

	NEED_NETNS();
	assert_int_equal(netlink_open(&nl, NETLINK_NETFILTER, -1), 0);
	/* twice: the second replaces the first */
	for (int i = 0; i < 2; i++) {
		nft_begin(&b, NFPROTO_IPV4, "wherry-test");
		build_table(&b);
		add_elements(&b);
		assert_int_equal(nft_commit(&nl, &b), 0);
	}
	/* an element that is there, and one that is not */
	nft_begin(&b, NFPROTO_IPV4, "wherry-test");
	add_elements(&b);
	nft_elem_destroy(&b, "bridges", &(struct nft_ifname){"nothing"}, IFNAMSIZ);
	assert_int_equal(nft_commit(&nl, &b), 0);

	if (access("/usr/sbin/nft", X_OK) == 0) {
		read_listing(listing, sizeof(listing));
		expect(listing, "table ip wherry-test {", true);
		expect(listing, "comment \"a test\"", true);
		expect(listing, "comment \"ports and who serves them\"", true);
		expect(listing, "elements = { tcp . 8080 : 172.17.0.2 . 80 }", true);
		expect(listing, "elements = { 172.17.0.0/16 }", true);
		expect(listing, "comment \"networks behind the node\"", true);
		expect(listing, "elements = { \"docker0\" }", true);
		expect(listing, "elements = { \"docker0\" : drop }", true);
		expect(listing, "dnat ip to meta l4proto . th dport map @published", true);
		expect(listing, "fib daddr type local goto publish comment \"to this node\"", true);
		expect(listing, "ip saddr @subnets oifname != @bridges masquerade comment \"outbound\"",
			true);
		expect(listing, "ct state established,related counter packets 0 bytes 0 accept", true);
		expect(listing, "iifname vmap @by-interface", true);
		expect(listing, "udp dport 5353 drop", true);
	} else {
		print_message("SKIPPED: no /usr/sbin/nft, the listing is not read\n");
	}
	nft_fini(&b);
	netlink_close(&nl);
}

static void test_removal(void **state)
{
	static char listing[16384];
	const struct in_addr first = {htonl(0xac110000)}, end = {htonl(0xac120000)};
	const struct port_key key = {.proto = IPPROTO_TCP, .port = htons(8080)};
	struct netlink nl = NETLINK_CLOSED;
	struct nft b = {};

	NEED_NETNS();
	assert_int_equal(netlink_open(&nl, NETLINK_NETFILTER, -1), 0);
	nft_begin(&b, NFPROTO_IPV4, "wherry-test");
	build_table(&b);
	add_elements(&b);
	assert_int_equal(nft_commit(&nl, &b), 0);
	nft_begin(&b, NFPROTO_IPV4, "wherry-test");
	nft_elem_destroy_interval(&b, "subnets", &first, &end, 4);
	nft_elem_destroy(&b, "published", &key, sizeof(key));
	nft_chain_flush(&b, "forward");
	assert_int_equal(nft_commit(&nl, &b), 0);
	nft_begin(&b, NFPROTO_IPV4, "wherry-test");
	nft_chain_destroy(&b, "forward");
	nft_chain_destroy(&b, "forward");
	assert_int_equal(nft_commit(&nl, &b), 0);
	if (access("/usr/sbin/nft", X_OK) == 0) {
		read_listing(listing, sizeof(listing));
		expect(listing, "172.17.0.", false);
		expect(listing, "forward", false);
		expect(listing, "\"docker0\"", true);
	}
	nft_begin(&b, NFPROTO_IPV4, "wherry-test");
	nft_table_destroy(&b);
	nft_table_destroy(&b);
	assert_int_equal(nft_commit(&nl, &b), 0);
	nft_fini(&b);
	netlink_close(&nl);
}

/* All or nothing: the first half of a batch whose second half is refused has not happened. */
static void test_atomic(void **state)
{
	static char listing[16384];
	struct netlink nl = NETLINK_CLOSED;
	struct nft b = {};

	NEED_NETNS();
	assert_int_equal(netlink_open(&nl, NETLINK_NETFILTER, -1), 0);
	nft_begin(&b, NFPROTO_IPV4, "wherry-atomic");
	nft_table_replace(&b, NULL);
	nft_rule_begin(&b, "no-such-chain");
	nft_counter(&b);
	nft_rule_end(&b, NULL);
	assert_int_equal(nft_commit(&nl, &b), -ENOENT);
	if (access("/usr/sbin/nft", X_OK) == 0) {
		read_listing(listing, sizeof(listing));
		expect(listing, "wherry-atomic", false);
	}
	/* and the next batch works */
	nft_begin(&b, NFPROTO_IPV4, "wherry-atomic");
	nft_table_replace(&b, NULL);
	nft_table_destroy(&b);
	assert_int_equal(nft_commit(&nl, &b), 0);
	nft_fini(&b);
	netlink_close(&nl);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rule_bytes),
		cmocka_unit_test(test_kernel),
		cmocka_unit_test(test_removal),
		cmocka_unit_test(test_atomic),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

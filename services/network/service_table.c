/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The table, as `nft list table ip wherry-services` shows it:
 *
 *	map services	address . protocol . port -> id . class
 *	map node-ports	protocol . port -> id . class, for every address of the node
 *	map service-classes, port-classes	class -> goto a chain that chooses
 *	map backends	id . number -> address . port
 *	map clients	client's address . id -> address . port it had last, with a time limit (session affinity)
 *	set members	id . address . port: who may still be had that way
 *	set refused, refused-node-ports	addresses without anybody behind them
 *
 * A class says of how many backends one is chosen, and has a chain that takes a number by chance and looks it up. So a service is
 * nothing but elements of maps: chains, rules and maps of verdicts, which the kernel follows from end to end after
 * each change, stay as they are. (A chain looks the id up once more: registers do not outlive a rule.) What was sent into
 * the ranges of services and led nowhere is refused (chain ranges).
 */

#include <arpa/inet.h>
#include <linux/netfilter/nf_tables.h>
#include <stdio.h>
#include <string.h>

#include "network/podnet.h"
#include "network/service_nets.h"
#include "network/service_rules_int.h"

enum { WORD = 4, SOURCE = 12, DESTINATION = 16, PORT_DESTINATION = 2, ID_LEN = 8, CHOICE_LEN = 12 };

#define TYPE_ID	    NFT_CONCAT(NFT_TYPE_MARK, NFT_TYPE_MARK)
#define TYPE_CHOICE NFT_CONCAT(TYPE_ID, NFT_TYPE_MARK)
#define TYPE_TARGET NFT_CONCAT(NFT_TYPE_IPV4_ADDR, NFT_TYPE_INET_SERVICE)

static const struct nft_set sets[] = {
	{.name = "services",
		.key_type = NFT_CONCAT(
			NFT_CONCAT(NFT_TYPE_IPV4_ADDR, NFT_TYPE_INET_PROTO), NFT_TYPE_INET_SERVICE),
		.key_len = 3 * WORD,
		.data_type = TYPE_CHOICE,
		.data_len = CHOICE_LEN,
		.comment = "addresses of services"},
	{.name = "node-ports",
		.key_type = NFT_CONCAT(NFT_TYPE_INET_PROTO, NFT_TYPE_INET_SERVICE),
		.key_len = 2 * WORD,
		.data_type = TYPE_CHOICE,
		.data_len = CHOICE_LEN,
		.comment = "ports of the node that lead to services"},
	{.name = "service-classes",
		.key_type = NFT_TYPE_MARK,
		.key_len = WORD,
		.data_type = NFT_DATA_VERDICT,
		.comment = "how one of the backends is chosen"},
	{.name = "port-classes",
		.key_type = NFT_TYPE_MARK,
		.key_len = WORD,
		.data_type = NFT_DATA_VERDICT,
		.comment = "the same for ports of the node"},
	{.name = "refused",
		.key_type = NFT_CONCAT(
			NFT_CONCAT(NFT_TYPE_IPV4_ADDR, NFT_TYPE_INET_PROTO), NFT_TYPE_INET_SERVICE),
		.key_len = 3 * WORD,
		.comment = "services without endpoints"},
	{.name = "refused-node-ports",
		.key_type = NFT_CONCAT(NFT_TYPE_INET_PROTO, NFT_TYPE_INET_SERVICE),
		.key_len = 2 * WORD,
		.comment = "ports of services without endpoints"},
	{.name = "backends",
		.key_type = NFT_CONCAT(TYPE_ID, NFT_TYPE_MARK),
		.key_len = ID_LEN + WORD,
		.data_type = TYPE_TARGET,
		.data_len = 2 * WORD,
		.comment = "endpoints, numbered within their service's port"},
	{.name = "members",
		.key_type = NFT_CONCAT(NFT_CONCAT(TYPE_ID, NFT_TYPE_IPV4_ADDR), NFT_TYPE_INET_SERVICE),
		.key_len = ID_LEN + 2 * WORD,
		.comment = "endpoints of services with session affinity"},
	{.name = SERVICES_CLIENTS,
		.key_type = NFT_CONCAT(NFT_TYPE_IPV4_ADDR, TYPE_ID),
		.key_len = WORD + ID_LEN,
		.data_type = TYPE_TARGET,
		.data_len = 2 * WORD,
		.dynamic = true,
		.comment = "session affinity: the endpoint a client had last"},
};

/* ---- the table */

/* The key of a map, from word @at on. */
static void load_key(struct nft *b, enum plan_map map, uint32_t at)
{
	if (map == PLAN_SERVICE)
		nft_payload(b, NFT_PAYLOAD_NETWORK_HEADER, DESTINATION, WORD, NFT_WORD(at++));
	nft_meta(b, NFT_META_L4PROTO, NFT_WORD(at++));
	nft_payload(b, NFT_PAYLOAD_TRANSPORT_HEADER, PORT_DESTINATION, 2, NFT_WORD(at));
}

static const char *const maps[PLAN_MAPS] = {[PLAN_SERVICE] = "services", [PLAN_NODE_PORT] = "node-ports"};
static const char *const classes[PLAN_MAPS] = {
	[PLAN_SERVICE] = "service-classes", [PLAN_NODE_PORT] = "port-classes"};
static const char *const refused[PLAN_MAPS] = {
	[PLAN_SERVICE] = "refused", [PLAN_NODE_PORT] = "refused-node-ports"};

/* Id and class of where this packet goes, in the three words from @at on; the rule ends when it goes nowhere. */
static void look_up(struct nft *b, enum plan_map map, uint32_t at)
{
	load_key(b, map, at);
	nft_lookup_map(b, NFT_WORD(at), maps[map], NFT_WORD(at));
}

static void match_address(struct nft *b, bool equal, const void *address)
{
	nft_payload(b, NFT_PAYLOAD_NETWORK_HEADER, DESTINATION, WORD, NFT_REG_1);
	nft_cmp(b, NFT_REG_1, equal ? NFT_CMP_EQ : NFT_CMP_NEQ, address, WORD);
}

static void match_range(struct nft *b, const struct ipaddr *range)
{
	const struct ipaddr all = {.family = AF_INET, .prefix = range->prefix, .bytes = {255, 255, 255, 255}};
	const struct ipaddr mask = ipaddr_network(&all), network = ipaddr_network(range);

	nft_payload(b, NFT_PAYLOAD_NETWORK_HEADER, DESTINATION, WORD, NFT_REG_1);
	nft_mask(b, NFT_REG_1, mask.bytes, WORD);
	nft_cmp(b, NFT_REG_1, NFT_CMP_EQ, network.bytes, WORD);
}

static void put_dispatch(struct nft *b)
{
	static const struct nft_hook prerouting = {"nat", NF_INET_PRE_ROUTING, NFT_PRIO_DSTNAT, NF_ACCEPT};
	static const struct nft_hook output = {"nat", NF_INET_LOCAL_OUT, NFT_PRIO_DSTNAT, NF_ACCEPT};
	static const char *const hooked[] = {"prerouting", "output"};
	const uint8_t loopback = 127;

	nft_chain_add(b, "dispatch", NULL, NULL);
	nft_chain_add(b, "prerouting", &prerouting, NULL);
	nft_chain_add(b, "output", &output, NULL);
	for (size_t i = 0; i < array_len(hooked); i++) {
		nft_rule_begin(b, hooked[i]);
		nft_verdict(b, NFT_GOTO, "dispatch");
		nft_rule_end(b, i ? "from the node itself" : "from pods and from the wire");
	}
	nft_rule_begin(b, "dispatch");
	look_up(b, PLAN_SERVICE, 0);
	nft_lookup_map(b, NFT_WORD(2), classes[PLAN_SERVICE], NFT_REG_VERDICT);
	nft_rule_end(b, NULL);
	nft_rule_begin(b, "dispatch");
	nft_payload(b, NFT_PAYLOAD_NETWORK_HEADER, DESTINATION, 1, NFT_REG_1);
	nft_cmp(b, NFT_REG_1, NFT_CMP_NEQ, &loopback, sizeof(loopback));
	nft_match_local_destination(b);
	look_up(b, PLAN_NODE_PORT, 0);
	nft_lookup_map(b, NFT_WORD(2), classes[PLAN_NODE_PORT], NFT_REG_VERDICT);
	nft_rule_end(b, NULL);
}

void service_nets_put(struct nft *b, const struct service_nets *nets, const struct ipaddr *dns)
{
	for (size_t i = 0; i < nets->n; i++) {
		nft_rule_begin(b, SERVICES_RANGES);
		match_range(b, &nets->items[i]);
		match_address(b, false, dns->bytes);
		nft_verdict(b, NFT_GOTO, "refuse");
		nft_rule_end(b, "no such service, no such port, or nobody behind it");
	}
}

static void put_refuse(struct nft *b, const struct service_nets *nets, const struct ipaddr *dns)
{
	nft_chain_add(b, "refuse", NULL, NULL);
	nft_rule_begin(b, "refuse");
	nft_match_l4proto(b, IPPROTO_TCP);
	nft_reject(b, true);
	nft_rule_end(b, NULL);
	nft_rule_begin(b, "refuse");
	nft_reject(b, false);
	nft_rule_end(b, NULL);

	nft_chain_add(b, SERVICES_RANGES, NULL, NULL);
	service_nets_put(b, nets, dns);

	nft_chain_add(b, "check", NULL, NULL);
	nft_rule_begin(b, "check");
	nft_verdict(b, NFT_JUMP, SERVICES_RANGES);
	nft_rule_end(b, NULL);
	nft_rule_begin(b, "check");
	load_key(b, PLAN_SERVICE, 0);
	nft_lookup(b, NFT_WORD(0), refused[PLAN_SERVICE], false);
	nft_verdict(b, NFT_GOTO, "refuse");
	nft_rule_end(b, NULL);
	nft_rule_begin(b, "check");
	nft_match_local_destination(b);
	load_key(b, PLAN_NODE_PORT, 0);
	nft_lookup(b, NFT_WORD(0), refused[PLAN_NODE_PORT], false);
	nft_verdict(b, NFT_GOTO, "refuse");
	nft_rule_end(b, NULL);
}

static void put_filters(struct nft *b, const struct ipaddr *dns)
{
	static const struct {
		const char *chain;
		struct nft_hook hook;
	} filters[] = {
		{"filter-input", {"filter", NF_INET_LOCAL_IN, NFT_PRIO_FILTER, NF_ACCEPT}},
		{"filter-forward", {"filter", NF_INET_FORWARD, NFT_PRIO_FILTER, NF_ACCEPT}},
		{"filter-output", {"filter", NF_INET_LOCAL_OUT, NFT_PRIO_FILTER, NF_ACCEPT}},
	};

	for (size_t i = 0; i < array_len(filters); i++)
		nft_chain_add(b, filters[i].chain, &filters[i].hook, NULL);
	nft_rule_begin(b, "filter-input");
	match_address(b, true, dns->bytes);
	nft_match_ifname(b, NFT_META_IIFNAME, false, "lo");
	nft_match_ifname_prefix(b, NFT_META_IIFNAME, false, POD_LINK_PREFIX);
	nft_counter(b);
	nft_verdict(b, NF_DROP, NULL);
	nft_rule_end(b, "cluster DNS is for pods and the node itself");
	for (size_t i = 0; i < array_len(filters); i++) {
		nft_rule_begin(b, filters[i].chain);
		nft_verdict(b, NFT_JUMP, "check");
		nft_rule_end(b, NULL);
	}
}

void service_table_put(struct nft *b, const struct service_nets *nets, const struct ipaddr *dns)
{
	nft_table_replace(b, "services of the cluster; kept by the network service");
	for (size_t i = 0; i < array_len(sets); i++)
		nft_set_add(b, &sets[i]);
	put_dispatch(b);
	put_refuse(b, nets, dns);
	put_filters(b, dns);
}

/* ---- classes */

static void translate(struct nft *b, uint32_t word)
{
	nft_nat(b, NFT_NAT_DNAT, NFT_WORD(word), NFT_WORD(word + 1));
}

static void load_client(struct nft *b, uint32_t at)
{
	nft_payload(b, NFT_PAYLOAD_NETWORK_HEADER, SOURCE, WORD, NFT_WORD(at));
}

/* A client that has been here goes where it was, if that is still there. Words: client, id, id, address, port. */
static void put_sticky(struct nft *b, const char *chain, enum plan_map map, uint64_t ms)
{
	nft_rule_begin(b, chain);
	look_up(b, map, 1);
	load_client(b, 0);
	nft_lookup_map(b, NFT_WORD(0), SERVICES_CLIENTS, NFT_WORD(3));
	nft_lookup(b, NFT_WORD(1), "members", false);
	nft_dynset(b, SERVICES_CLIENTS, NFT_DYNSET_OP_UPDATE, NFT_WORD(0), NFT_WORD(3), ms);
	translate(b, 3);
	nft_rule_end(b, "where the client was before");
}

/* Words: id, id, number, address, port; client, id, id, class. */
static void put_choice(struct nft *b, const char *chain, enum plan_map map, uint32_t n, uint64_t ms)
{
	nft_rule_begin(b, chain);
	look_up(b, map, 0);
	nft_random(b, n, NFT_WORD(2));
	nft_lookup_map(b, NFT_WORD(0), "backends", NFT_WORD(3));
	if (ms) {
		look_up(b, map, 6);
		load_client(b, 5);
		/* What it had may be somebody who is gone; updating would keep that. */
		nft_dynset(b, SERVICES_CLIENTS, NFT_DYNSET_OP_DELETE, NFT_WORD(5), NFT_WORD(3), 0);
		nft_dynset(b, SERVICES_CLIENTS, NFT_DYNSET_OP_UPDATE, NFT_WORD(5), NFT_WORD(3), ms);
	}
	translate(b, 3);
	nft_rule_end(b, NULL);
}

void service_class_put(struct nft *b, uint32_t class)
{
	static const char *const prefix[PLAN_MAPS] = {[PLAN_SERVICE] = "service", [PLAN_NODE_PORT] = "port"};
	const uint64_t ms = CLASS_AFFINITY_S(class) * UINT64_C(1000);
	char chain[64];

	for (enum plan_map map = 0; map < PLAN_MAPS; map++) {
		if (!class) {
			nft_elem_add_verdict(b, classes[map], &class, sizeof(class), NF_DROP, NULL);
			continue;
		}
		snprintf(chain, sizeof(chain), "%s-one-of-%u%s", prefix[map], CLASS_COUNT(class),
			ms ? "-for-" : "");
		if (ms)
			snprintf(chain + strlen(chain), sizeof(chain) - strlen(chain), "%us",
				CLASS_AFFINITY_S(class));
		nft_chain_add(b, chain, NULL, NULL);
		if (ms)
			put_sticky(b, chain, map, ms);
		put_choice(b, chain, map, CLASS_COUNT(class), ms);
		nft_elem_add_verdict(b, classes[map], &class, sizeof(class), NFT_GOTO, chain);
	}
}

/* ---- elements */

void service_target_put(struct nft *b, const struct group *g, size_t i, bool add)
{
	const uint32_t number = (uint32_t)i;
	uint8_t key[ID_LEN + WORD];

	memcpy(key, &g->id, ID_LEN);
	memcpy(key + ID_LEN, &number, WORD);
	if (add)
		nft_elem_add(b, "backends", key, sizeof(key), &g->targets[i], sizeof(g->targets[i]));
	else
		nft_elem_destroy(b, "backends", key, sizeof(key));
}

void service_member_put(struct nft *b, const struct group *g, const struct target *t, bool add)
{
	uint8_t key[ID_LEN + sizeof(*t)];

	memcpy(key, &g->id, ID_LEN);
	memcpy(key + ID_LEN, t, sizeof(*t));
	if (add)
		nft_elem_add(b, "members", key, sizeof(key), NULL, 0);
	else
		nft_elem_destroy(b, "members", key, sizeof(key));
}

void service_front_put(struct nft *b, const struct front *f, bool add, const char *comment)
{
	const char *set = f->refused ? refused[f->map] : maps[f->map];
	uint8_t key[3 * WORD] = {0}, choice[CHOICE_LEN];
	size_t len = 0;

	if (f->map == PLAN_SERVICE) {
		memcpy(key, &f->ip, WORD);
		len = WORD;
	}
	key[len] = f->proto;
	memcpy(key + len + WORD, &f->port, sizeof(f->port));
	len += 2 * (size_t)WORD;
	memcpy(choice, &f->id, ID_LEN);
	memcpy(choice + ID_LEN, &f->class, WORD);
	if (add)
		nft_elem_add_commented(b, set, key, len, f->refused ? NULL : choice, sizeof(choice), comment);
	else
		nft_elem_destroy(b, set, key, len);
}

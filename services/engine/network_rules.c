/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The engine's nftables table. Its rules are written once and look into sets and maps; a network or a
 * published port is an element. It decides only about traffic of Docker networks: what it accepts can still
 * be dropped by others' tables, and what is not its own passes through untouched.
 *
 * A published port is destination NAT, so the container sees its client's real address. Only the node's own
 * connections to a loopback address and connections from containers are masqueraded, because their answers
 * would otherwise take another way back.
 */

#include <arpa/inet.h>
#include <errno.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <string.h>

#include "engine/network_int.h"
#include "lib/log.h"

#define TABLE "wherry-engine"

enum { IP_SOURCE = 12, IP_DESTINATION = 16, PORT_DESTINATION = 2 }; /* offsets in the headers */

struct port_key {
	uint8_t proto, pad[3];
	uint16_t port, pad2;
};
struct address_port_key {
	struct in_addr addr;
	struct port_key port;
};
struct target {
	struct in_addr addr;
	uint16_t port, pad;
};

static void add_sets(struct nft *b)
{
	const struct nft_set sets[] = {
		{.name = "bridges",
			.key_type = NFT_TYPE_IFNAME,
			.key_len = IFNAMSIZ,
			.comment = "devices of Docker networks"},
		{.name = "internal",
			.key_type = NFT_TYPE_IFNAME,
			.key_len = IFNAMSIZ,
			.comment = "networks without a way out"},
		{.name = "subnets",
			.key_type = NFT_TYPE_IPV4_ADDR,
			.key_len = 4,
			.flags = NFT_SET_INTERVAL,
			.comment = "networks whose containers go out under the node's address"},
		{.name = "ports",
			.key_type = NFT_CONCAT(NFT_TYPE_INET_PROTO, NFT_TYPE_INET_SERVICE),
			.key_len = 8,
			.data_type = NFT_CONCAT(NFT_TYPE_IPV4_ADDR, NFT_TYPE_INET_SERVICE),
			.data_len = 8,
			.comment = "published on every address of the node"},
		{.name = "address-ports",
			.key_type = NFT_CONCAT(
				NFT_CONCAT(NFT_TYPE_IPV4_ADDR, NFT_TYPE_INET_PROTO), NFT_TYPE_INET_SERVICE),
			.key_len = 12,
			.data_type = NFT_CONCAT(NFT_TYPE_IPV4_ADDR, NFT_TYPE_INET_SERVICE),
			.data_len = 8,
			.comment = "published on one address"},
	};

	for (size_t i = 0; i < array_len(sets); i++)
		nft_set_add(b, &sets[i]);
}

static void match_loopback(struct nft *b, uint32_t offset)
{
	const uint8_t net = 127;

	nft_payload(b, NFT_PAYLOAD_NETWORK_HEADER, offset, 1, NFT_REG_1);
	nft_cmp(b, NFT_REG_1, NFT_CMP_EQ, &net, sizeof(net));
}

static void match_subnet_source(struct nft *b)
{
	nft_payload(b, NFT_PAYLOAD_NETWORK_HEADER, IP_SOURCE, 4, NFT_REG_1);
	nft_lookup(b, NFT_REG_1, "subnets", false);
}

static void add_raw(struct nft *b)
{
	static const struct nft_hook hook = {"filter", NF_INET_PRE_ROUTING, NFT_PRIO_RAW, NF_ACCEPT};

	nft_chain_add(b, "guard", &hook, NULL);
	/* Bridges route loopback addresses (below); nobody outside may use that or a port published on
	 * loopback. */
	nft_rule_begin(b, "guard");
	nft_match_ifname(b, NFT_META_IIFNAME, false, "lo");
	match_loopback(b, IP_DESTINATION);
	nft_counter(b);
	nft_verdict(b, NF_DROP, NULL);
	nft_rule_end(b, "loopback addresses are for the node itself");
}

static void add_publish(struct nft *b)
{
	static const struct nft_hook prerouting = {"nat", NF_INET_PRE_ROUTING, NFT_PRIO_DSTNAT, NF_ACCEPT};
	static const struct nft_hook output = {"nat", NF_INET_LOCAL_OUT, NFT_PRIO_DSTNAT, NF_ACCEPT};

	nft_chain_add(b, "publish", NULL, NULL);
	nft_chain_add(b, "prerouting", &prerouting, NULL);
	nft_chain_add(b, "output", &output, NULL);

	nft_rule_begin(b, "publish");
	nft_payload(b, NFT_PAYLOAD_NETWORK_HEADER, IP_DESTINATION, 4, NFT_WORD(0));
	nft_meta(b, NFT_META_L4PROTO, NFT_WORD(1));
	nft_payload(b, NFT_PAYLOAD_TRANSPORT_HEADER, PORT_DESTINATION, 2, NFT_WORD(2));
	nft_lookup_map(b, NFT_WORD(0), "address-ports", NFT_WORD(0));
	nft_nat(b, NFT_NAT_DNAT, NFT_WORD(0), NFT_WORD(1));
	nft_rule_end(b, NULL);

	nft_rule_begin(b, "publish");
	nft_meta(b, NFT_META_L4PROTO, NFT_WORD(0));
	nft_payload(b, NFT_PAYLOAD_TRANSPORT_HEADER, PORT_DESTINATION, 2, NFT_WORD(1));
	nft_lookup_map(b, NFT_WORD(0), "ports", NFT_WORD(0));
	nft_nat(b, NFT_NAT_DNAT, NFT_WORD(0), NFT_WORD(1));
	nft_rule_end(b, NULL);

	nft_rule_begin(b, "prerouting");
	nft_match_local_destination(b);
	nft_verdict(b, NFT_GOTO, "publish");
	nft_rule_end(b, "from the wire and from containers");

	nft_rule_begin(b, "output");
	nft_match_local_destination(b);
	nft_verdict(b, NFT_GOTO, "publish");
	nft_rule_end(b, "from the node itself");
}

static void add_masquerade(struct nft *b)
{
	static const struct nft_hook postrouting = {"nat", NF_INET_POST_ROUTING, NFT_PRIO_SRCNAT, NF_ACCEPT};

	nft_chain_add(b, "postrouting", &postrouting, NULL);

	nft_rule_begin(b, "postrouting");
	match_subnet_source(b);
	nft_match_in_set(b, NFT_META_OIFNAME, false, "bridges");
	nft_masquerade(b);
	nft_rule_end(b, "outbound");

	nft_rule_begin(b, "postrouting");
	match_loopback(b, IP_SOURCE);
	nft_match_in_set(b, NFT_META_OIFNAME, true, "bridges");
	nft_masquerade(b);
	nft_rule_end(b, "the node's own connections over loopback");

	nft_rule_begin(b, "postrouting");
	match_subnet_source(b);
	nft_match_in_set(b, NFT_META_OIFNAME, true, "bridges");
	nft_match_ct_status(b, IPS_DST_NAT);
	nft_masquerade(b);
	nft_rule_end(b, "containers to a published port: the answer must come back this way");
}

static void add_forward(struct nft *b)
{
	static const struct nft_hook forward = {"filter", NF_INET_FORWARD, NFT_PRIO_FILTER, NF_ACCEPT};

	nft_chain_add(b, "to-containers", NULL, NULL);
	nft_chain_add(b, "forward", &forward, NULL);

	nft_rule_begin(b, "forward");
	nft_match_in_set(b, NFT_META_IIFNAME, true, "internal");
	nft_counter(b);
	nft_verdict(b, NF_DROP, NULL);
	nft_rule_end(b, "no way out of an internal network");
	nft_rule_begin(b, "forward");
	nft_match_in_set(b, NFT_META_OIFNAME, true, "bridges");
	nft_verdict(b, NFT_GOTO, "to-containers");
	nft_rule_end(b, NULL);

	nft_rule_begin(b, "to-containers");
	nft_match_in_set(b, NFT_META_OIFNAME, true, "internal");
	nft_counter(b);
	nft_verdict(b, NF_DROP, NULL);
	nft_rule_end(b, "no way into an internal network");
	nft_rule_begin(b, "to-containers");
	nft_match_ct_state(b, NF_CT_STATE_BIT(IP_CT_ESTABLISHED) | NF_CT_STATE_BIT(IP_CT_RELATED));
	nft_verdict(b, NF_ACCEPT, NULL);
	nft_rule_end(b, "answers");
	nft_rule_begin(b, "to-containers");
	nft_match_ct_status(b, IPS_DST_NAT);
	nft_verdict(b, NF_ACCEPT, NULL);
	nft_rule_end(b, "published ports");
	nft_rule_begin(b, "to-containers");
	nft_counter(b);
	nft_verdict(b, NF_DROP, NULL);
	nft_rule_end(b, "networks are apart from each other and from the outside");
}

/* First address behind the subnet, or false when it ends where addresses end. */
static bool subnet_end(const struct network *n, struct in_addr *end)
{
	uint64_t next = (uint64_t)ntohl(n->subnet.s_addr) + (1ULL << (32 - n->prefix));

	end->s_addr = htonl((uint32_t)next);
	return next <= UINT32_MAX;
}

static void put_network(struct nft *b, const struct network *n, bool add)
{
	struct nft_ifname name = nft_ifname(n->bridge);
	struct in_addr end;
	bool has_end = subnet_end(n, &end);

	if (n->driver != NETWORK_BRIDGE)
		return;
	if (add)
		nft_elem_add(b, "bridges", &name, sizeof(name), NULL, 0);
	else
		nft_elem_destroy(b, "bridges", &name, sizeof(name));
	if (n->internal && add)
		nft_elem_add(b, "internal", &name, sizeof(name), NULL, 0);
	else if (n->internal)
		nft_elem_destroy(b, "internal", &name, sizeof(name));
	else if (n->masquerade && add)
		nft_elem_add_interval(b, "subnets", &n->subnet, has_end ? &end : NULL, sizeof(end));
	else if (n->masquerade)
		nft_elem_destroy_interval(b, "subnets", &n->subnet, has_end ? &end : NULL, sizeof(end));
}

static void put_ports(struct nft *b, const struct network_endpoint *e, bool add)
{
	if (e->network->internal)
		return;
	for (size_t i = 0; i < e->n_ports; i++) {
		const struct network_port *p = &e->ports[i];
		const struct address_port_key key = {
			.addr = p->host_ip,
			.port = {.proto = p->proto, .port = htons(p->host_port)},
		};
		const struct target target = {.addr = e->ip, .port = htons(p->container_port)};
		bool any = !p->host_ip.s_addr;
		const char *map = any ? "ports" : "address-ports";
		const void *k = any ? (const void *)&key.port : &key;
		size_t len = any ? sizeof(key.port) : sizeof(key);

		if (add)
			nft_elem_add(b, map, k, len, &target, sizeof(target));
		else
			nft_elem_destroy(b, map, k, len);
	}
}

static int commit(struct networks *ns, struct nft *b, const char *op, const char *what)
{
	int r = nft_commit(&ns->filter, b);

	nft_fini(b);
	if (r < 0)
		log_errno(-r, "op=%s what=%s kernel=\"%s\"", op, what, ns->filter.text);
	return r;
}

int network_rules_install(struct networks *ns)
{
	struct nft b = {};

	nft_begin(&b, NFPROTO_IPV4, TABLE);
	nft_table_replace(&b, "Docker networks of this node; kept by the engine");
	add_sets(&b);
	add_raw(&b);
	add_publish(&b);
	add_masquerade(&b);
	add_forward(&b);
	for (const struct network *n = ns->list; n; n = n->next)
		put_network(&b, n, true);
	for (struct network_endpoint *e = ns->endpoints; e; e = e->next) {
		put_ports(&b, e, true);
		e->published = e->n_ports > 0;
	}
	return commit(ns, &b, "rules-install", TABLE);
}

int network_rules_add(struct networks *ns, const struct network *n)
{
	struct nft b = {};

	nft_begin(&b, NFPROTO_IPV4, TABLE);
	put_network(&b, n, true);
	return commit(ns, &b, "rules-add", n->name);
}

void network_rules_remove(struct networks *ns, const struct network *n)
{
	struct nft b = {};

	nft_begin(&b, NFPROTO_IPV4, TABLE);
	put_network(&b, n, false);
	(void)!commit(ns, &b, "rules-remove", n->name);
}

int network_rules_publish(struct networks *ns, struct network_endpoint *e)
{
	struct nft b = {};
	int r;

	if (!e->n_ports)
		return 0;
	nft_begin(&b, NFPROTO_IPV4, TABLE);
	put_ports(&b, e, true);
	r = commit(ns, &b, "publish", e->container);
	e->published = !r;
	return r;
}

void network_rules_unpublish(struct networks *ns, struct network_endpoint *e)
{
	struct nft b = {};

	/* What was never published may be somebody else's. */
	if (!e->published)
		return;
	e->published = false;
	nft_begin(&b, NFPROTO_IPV4, TABLE);
	put_ports(&b, e, false);
	(void)!commit(ns, &b, "unpublish", e->container);
}

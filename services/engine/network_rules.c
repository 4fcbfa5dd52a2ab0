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

/* The table is there twice, once a family, and the same in both. */
static const struct family {
	uint8_t nfproto;
	uint32_t type, len;	      /* of an address */
	uint32_t source, destination; /* offsets in the header */
} families[NETWORK_FAMILIES] = {
	[NETWORK_V4] = {NFPROTO_IPV4, NFT_TYPE_IPV4_ADDR, 4, 12, 16},
	[NETWORK_V6] = {NFPROTO_IPV6, NFT_TYPE_IPV6_ADDR, 16, 8, 24},
};

enum { PORT_DESTINATION = 2, WORD = 4, KEY_MAX = 16 + 2 * WORD };

/* A concatenation as the kernel wants it: every part padded to words. */
struct key {
	uint8_t bytes[KEY_MAX];
	size_t len;
};

static void key_add(struct key *k, const void *data, size_t len)
{
	memcpy(k->bytes + k->len, data, len);
	k->len += (len + WORD - 1) / WORD * WORD;
}

static void key_add_port(struct key *k, uint16_t port)
{
	const uint16_t be = htons(port);

	key_add(k, &be, sizeof(be));
}

static void add_sets(struct nft *b, const struct family *f)
{
	const uint32_t port = NFT_CONCAT(NFT_TYPE_INET_PROTO, NFT_TYPE_INET_SERVICE);
	const uint32_t address_port =
		NFT_CONCAT(NFT_CONCAT(f->type, NFT_TYPE_INET_PROTO), NFT_TYPE_INET_SERVICE);
	const uint32_t target = NFT_CONCAT(f->type, NFT_TYPE_INET_SERVICE);
	const struct nft_set sets[] = {
		{.name = "bridges",
			.key_type = NFT_TYPE_IFNAME,
			.key_len = IFNAMSIZ,
			.comment = "devices of Docker networks"},
		{.name = "internal",
			.key_type = NFT_TYPE_IFNAME,
			.key_len = IFNAMSIZ,
			.comment = "networks without a way out"},
		{.name = "unprotected",
			.key_type = NFT_TYPE_IFNAME,
			.key_len = IFNAMSIZ,
			.comment = "networks whose containers anybody reaches who has a route to them"},
		{.name = "routed",
			.key_type = NFT_TYPE_IFNAME,
			.key_len = IFNAMSIZ,
			.comment = "networks that are reached at their containers' addresses"},
		{.name = "subnets",
			.key_type = f->type,
			.key_len = f->len,
			.flags = NFT_SET_INTERVAL,
			.comment = "networks whose containers go out under the node's address"},
		{.name = "ports",
			.key_type = port,
			.key_len = 2 * WORD,
			.data_type = target,
			.data_len = f->len + WORD,
			.comment = "published on every address of the node"},
		{.name = "address-ports",
			.key_type = address_port,
			.key_len = f->len + 2 * WORD,
			.data_type = target,
			.data_len = f->len + WORD,
			.comment = "published on one address"},
		{.name = "open-ports",
			.key_type = address_port,
			.key_len = f->len + 2 * WORD,
			.comment = "published at the container's own address"},
	};

	for (size_t i = 0; i < array_len(sets); i++)
		nft_set_add(b, &sets[i]);
}

static void match_loopback(struct nft *b, const struct family *f, uint32_t offset)
{
	const uint8_t net = 127;

	nft_payload(b, NFT_PAYLOAD_NETWORK_HEADER, offset, f->len == 4 ? 1 : f->len, NFT_REG_1);
	if (f->len == 4)
		nft_cmp(b, NFT_REG_1, NFT_CMP_EQ, &net, sizeof(net));
	else
		nft_cmp(b, NFT_REG_1, NFT_CMP_EQ, &in6addr_loopback, sizeof(in6addr_loopback));
}

static void match_subnet_source(struct nft *b, const struct family *f)
{
	nft_payload(b, NFT_PAYLOAD_NETWORK_HEADER, f->source, f->len, NFT_REG_1);
	nft_lookup(b, NFT_REG_1, "subnets", false);
}

/* Destination address, protocol and port from register word 0 on. */
static void load_address_port(struct nft *b, const struct family *f)
{
	nft_payload(b, NFT_PAYLOAD_NETWORK_HEADER, f->destination, f->len, NFT_WORD(0));
	nft_meta(b, NFT_META_L4PROTO, NFT_WORD(f->len / WORD));
	nft_payload(b, NFT_PAYLOAD_TRANSPORT_HEADER, PORT_DESTINATION, 2, NFT_WORD(f->len / WORD + 1));
}

static void add_raw(struct nft *b, const struct family *f)
{
	static const struct nft_hook hook = {"filter", NF_INET_PRE_ROUTING, NFT_PRIO_RAW, NF_ACCEPT};

	nft_chain_add(b, "guard", &hook, NULL);
	/* Bridges route loopback addresses (below); nobody outside may use that or a port published on
	 * loopback. */
	nft_rule_begin(b, "guard");
	nft_match_ifname(b, NFT_META_IIFNAME, false, "lo");
	match_loopback(b, f, f->destination);
	nft_counter(b);
	nft_verdict(b, NF_DROP, NULL);
	nft_rule_end(b, "loopback addresses are for the node itself");
}

static void add_publish(struct nft *b, const struct family *f)
{
	static const struct nft_hook prerouting = {"nat", NF_INET_PRE_ROUTING, NFT_PRIO_DSTNAT, NF_ACCEPT};
	static const struct nft_hook output = {"nat", NF_INET_LOCAL_OUT, NFT_PRIO_DSTNAT, NF_ACCEPT};

	nft_chain_add(b, "publish", NULL, NULL);
	nft_chain_add(b, "prerouting", &prerouting, NULL);
	nft_chain_add(b, "output", &output, NULL);

	nft_rule_begin(b, "publish");
	load_address_port(b, f);
	nft_lookup_map(b, NFT_WORD(0), "address-ports", NFT_WORD(0));
	nft_nat(b, NFT_NAT_DNAT, NFT_WORD(0), NFT_WORD(f->len / WORD));
	nft_rule_end(b, NULL);

	nft_rule_begin(b, "publish");
	nft_meta(b, NFT_META_L4PROTO, NFT_WORD(0));
	nft_payload(b, NFT_PAYLOAD_TRANSPORT_HEADER, PORT_DESTINATION, 2, NFT_WORD(1));
	nft_lookup_map(b, NFT_WORD(0), "ports", NFT_WORD(0));
	nft_nat(b, NFT_NAT_DNAT, NFT_WORD(0), NFT_WORD(f->len / WORD));
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

static void add_masquerade(struct nft *b, const struct family *f)
{
	static const struct nft_hook postrouting = {"nat", NF_INET_POST_ROUTING, NFT_PRIO_SRCNAT, NF_ACCEPT};

	nft_chain_add(b, "postrouting", &postrouting, NULL);

	nft_rule_begin(b, "postrouting");
	match_subnet_source(b, f);
	nft_match_in_set(b, NFT_META_OIFNAME, false, "bridges");
	nft_masquerade(b);
	nft_rule_end(b, "outbound");

	nft_rule_begin(b, "postrouting");
	match_loopback(b, f, f->source);
	nft_match_in_set(b, NFT_META_OIFNAME, true, "bridges");
	nft_masquerade(b);
	nft_rule_end(b, "the node's own connections over loopback");

	nft_rule_begin(b, "postrouting");
	match_subnet_source(b, f);
	nft_match_in_set(b, NFT_META_OIFNAME, true, "bridges");
	nft_match_ct_status(b, IPS_DST_NAT);
	nft_masquerade(b);
	nft_rule_end(b, "containers to a published port: the answer must come back this way");
}

static void add_forward(struct nft *b, const struct family *f)
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
	nft_match_in_set(b, NFT_META_OIFNAME, true, "unprotected");
	nft_verdict(b, NF_ACCEPT, NULL);
	nft_rule_end(b, "nothing is closed here");
	nft_rule_begin(b, "to-containers");
	load_address_port(b, f);
	nft_lookup(b, NFT_WORD(0), "open-ports", false);
	nft_verdict(b, NF_ACCEPT, NULL);
	nft_rule_end(b, "published ports of routed networks");
	nft_rule_begin(b, "to-containers");
	nft_match_in_set(b, NFT_META_OIFNAME, true, "routed");
	nft_match_l4proto(b, f->len == 4 ? IPPROTO_ICMP : IPPROTO_ICMPV6);
	nft_verdict(b, NF_ACCEPT, NULL);
	nft_rule_end(b, "routed networks answer ping");
	nft_rule_begin(b, "to-containers");
	nft_counter(b);
	nft_verdict(b, NF_DROP, NULL);
	nft_rule_end(b, "networks are apart from each other and from the outside");
}

/* First address behind the subnet, or false when it ends where addresses end. */
static bool subnet_end(const struct ipaddr *subnet, struct ipaddr *end)
{
	unsigned bit = subnet->prefix;

	*end = *subnet;
	while (bit-- > 0) {
		end->bytes[bit / 8] ^= (uint8_t)(0x80 >> bit % 8);
		if (end->bytes[bit / 8] & (0x80 >> bit % 8))
			return true;
	}
	return false;
}

static void put_name(struct nft *b, const char *set, const struct network *n, bool add)
{
	const struct nft_ifname name = nft_ifname(n->bridge);

	if (add)
		nft_elem_add(b, set, &name, sizeof(name), NULL, 0);
	else
		nft_elem_destroy(b, set, &name, sizeof(name));
}

static void put_subnet(struct nft *b, const struct ipaddr *subnet, bool add)
{
	struct ipaddr end;
	bool has_end = subnet_end(subnet, &end);

	if (add)
		nft_elem_add_interval(
			b, "subnets", subnet->bytes, has_end ? end.bytes : NULL, ipaddr_len(subnet));
	else
		nft_elem_destroy_interval(
			b, "subnets", subnet->bytes, has_end ? end.bytes : NULL, ipaddr_len(subnet));
}

static void put_network(struct nft *b, const struct network *n, bool add)
{
	for (enum network_family f = NETWORK_V4; f < NETWORK_FAMILIES && n->driver == NETWORK_BRIDGE; f++) {
		b->family = families[f].nfproto;
		put_name(b, "bridges", n, add);
		if (n->internal) {
			put_name(b, "internal", n, add);
			continue;
		}
		if (n->mode[f] == NETWORK_NAT_UNPROTECTED)
			put_name(b, "unprotected", n, add);
		if (n->mode[f] == NETWORK_ROUTED)
			put_name(b, "routed", n, add);
		for (size_t i = 0; i < n->n_pools; i++)
			if (network_family_of(&n->pools[i].subnet) == f && n->masquerade[f] &&
				n->mode[f] != NETWORK_ROUTED)
				put_subnet(b, &n->pools[i].subnet, add);
	}
}

static void put_port(struct nft *b, const struct network_endpoint *e, const struct network_port *p, bool add)
{
	static const uint8_t any[16];
	enum network_family f = network_family_of(&p->host_ip);
	bool everywhere = !memcmp(p->host_ip.bytes, any, ipaddr_len(&p->host_ip)), routed;
	const struct ipaddr *inside = &e->ip[f];
	struct key key = {}, target = {};
	const char *set = everywhere ? "ports" : "address-ports";

	b->family = families[f].nfproto;
	routed = e->network->mode[f] == NETWORK_ROUTED;
	if (routed) {
		set = "open-ports";
		key_add(&key, inside->bytes, ipaddr_len(inside));
	} else if (!everywhere) {
		key_add(&key, p->host_ip.bytes, ipaddr_len(&p->host_ip));
	}
	key_add(&key, &p->proto, sizeof(p->proto));
	key_add_port(&key, routed ? p->container_port : p->host_port);
	key_add(&target, inside->bytes, ipaddr_len(inside));
	key_add_port(&target, p->container_port);
	if (!add)
		nft_elem_destroy(b, set, key.bytes, key.len);
	else
		nft_elem_add(
			b, set, key.bytes, key.len, routed ? NULL : target.bytes, routed ? 0 : target.len);
}

static void put_ports(struct nft *b, const struct network_endpoint *e, bool add)
{
	for (size_t i = 0; i < e->n_ports; i++)
		put_port(b, e, &e->ports[i], add);
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
	for (size_t i = 0; i < array_len(families); i++) {
		const struct family *f = &families[i];

		b.family = f->nfproto;
		nft_table_replace(&b, "Docker networks of this node; kept by the engine");
		add_sets(&b, f);
		add_raw(&b, f);
		add_publish(&b, f);
		add_masquerade(&b, f);
		add_forward(&b, f);
	}
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

int network_rules_replace_ports(
	struct networks *ns, struct network_endpoint *e, const struct network_port *ports, size_t n_ports)
{
	struct nft b = {};
	int r;

	nft_begin(&b, NFPROTO_IPV4, TABLE);
	put_ports(&b, e, false);
	for (size_t i = 0; i < n_ports; i++)
		put_port(&b, e, &ports[i], true);
	r = commit(ns, &b, "republish", e->container);
	if (!r)
		e->published = n_ports > 0;
	return r;
}

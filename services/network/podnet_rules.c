/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Rules for pods whatever services there are: what leaves the cluster goes out under the node's address, and so does what
 * a pod sends to itself by way of a service, because the answer would otherwise not come back to the node.
 */

#include <arpa/inet.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <string.h>

#include "lib/log.h"
#include "lib/nft.h"
#include "network/podnet_int.h"

enum { SOURCE = 12, DESTINATION = 16, ADDRESS = 4 };

static void load_address(struct nft *b, uint32_t offset, uint32_t reg)
{
	nft_payload(b, NFT_PAYLOAD_NETWORK_HEADER, offset, ADDRESS, reg);
}

static void match_range(struct nft *b, uint32_t offset, bool inside, const struct ipaddr *range)
{
	const struct ipaddr all = {.family = AF_INET, .prefix = range->prefix, .bytes = {255, 255, 255, 255}};
	const struct ipaddr mask = ipaddr_network(&all), network = ipaddr_network(range);

	load_address(b, offset, NFT_REG_1);
	nft_mask(b, NFT_REG_1, mask.bytes, ADDRESS);
	nft_cmp(b, NFT_REG_1, inside ? NFT_CMP_EQ : NFT_CMP_NEQ, network.bytes, ADDRESS);
}

struct pair {
	uint8_t from[ADDRESS], to[ADDRESS];
};

static struct pair pair_of(const struct pod *pod)
{
	struct pair p;

	memcpy(p.from, pod->ip.bytes, ADDRESS);
	memcpy(p.to, pod->ip.bytes, ADDRESS);
	return p;
}

static void put_pod(struct nft *b, const struct pod *pod, bool add)
{
	const struct pair key = pair_of(pod);

	if (add)
		nft_elem_add(b, "itself", &key, sizeof(key), NULL, 0);
	else
		nft_elem_destroy(b, "itself", &key, sizeof(key));
}

static int commit(struct podnet *p, struct nft *b, const char *op)
{
	int r = nft_commit(&p->filter, b);

	nft_fini(b);
	return r < 0 ? log_errno(-r, "op=%s table=" PODNET_TABLE " kernel=\"%s\"", op, p->filter.text) : 0;
}

int podnet_rules_install(struct podnet *p)
{
	static const struct nft_hook postrouting = {"nat", NF_INET_POST_ROUTING, NFT_PRIO_SRCNAT, NF_ACCEPT};
	static const struct nft_set itself = {.name = "itself",
		.key_type = NFT_CONCAT(NFT_TYPE_IPV4_ADDR, NFT_TYPE_IPV4_ADDR),
		.key_len = 2 * ADDRESS,
		.comment = "a pod's address, twice"};
	const uint8_t loopback = 127;
	struct nft b = {};
	int r;

	nft_begin(&b, NFPROTO_IPV4, PODNET_TABLE);
	nft_table_replace(&b, "pods of this node; kept by the network service");
	nft_set_add(&b, &itself);
	nft_chain_add(&b, "postrouting", &postrouting, NULL);
	nft_rule_begin(&b, "postrouting");
	load_address(&b, SOURCE, NFT_WORD(0));
	load_address(&b, DESTINATION, NFT_WORD(1));
	nft_lookup(&b, NFT_WORD(0), "itself", false);
	nft_masquerade(&b);
	nft_rule_end(&b, "a pod to itself by way of a service: the answer must come back this way");
	nft_rule_begin(&b, "postrouting");
	match_range(&b, SOURCE, true, &p->cluster_range);
	match_range(&b, DESTINATION, false, &p->cluster_range);
	nft_match_ifname_prefix(&b, NFT_META_OIFNAME, false, POD_LINK_PREFIX);
	nft_masquerade(&b);
	nft_rule_end(&b, "pods to the outside");
	nft_rule_begin(&b, "postrouting");
	match_range(&b, SOURCE, false, &p->cluster_range);
	match_range(&b, DESTINATION, true, &p->cluster_range);
	nft_match_ct_status(&b, IPS_DST_NAT);
	nft_match_ifname_prefix(&b, NFT_META_OIFNAME, false, POD_LINK_PREFIX);
	nft_masquerade(&b);
	nft_rule_end(&b,
		"from outside to a service whose pod is on another node: the answer must come back this way");
	nft_rule_begin(&b, "postrouting");
	nft_payload(&b, NFT_PAYLOAD_NETWORK_HEADER, SOURCE, 1, NFT_REG_1);
	nft_cmp(&b, NFT_REG_1, NFT_CMP_EQ, &loopback, sizeof(loopback));
	nft_match_ifname_prefix(&b, NFT_META_OIFNAME, true, POD_LINK_PREFIX);
	nft_masquerade(&b);
	nft_rule_end(&b, "the node's own connections to a pod over loopback");
	for (const struct pod *pod = p->list; pod; pod = pod->next)
		put_pod(&b, pod, true);
	r = podnet_ports_keep(p, &b);
	if (!r)
		return commit(p, &b, "install");
	nft_fini(&b);
	return log_errno(-r, "op=read-host-ports table=" PODNET_TABLE " kernel=\"%s\"", p->filter.text);
}

int podnet_rules_add(struct podnet *p, const struct pod *pod)
{
	struct nft b = {};

	nft_begin(&b, NFPROTO_IPV4, PODNET_TABLE);
	put_pod(&b, pod, true);
	return commit(p, &b, "add");
}

void podnet_rules_remove(struct podnet *p, const struct pod *pod)
{
	struct nft b = {};

	nft_begin(&b, NFPROTO_IPV4, PODNET_TABLE);
	put_pod(&b, pod, false);
	(void)!commit(p, &b, "remove");
}

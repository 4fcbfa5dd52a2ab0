/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Ports of the node that lead to pods (hostPort): one map, from address, protocol and port of the node to address and port of the
 * pod; the address 0.0.0.0 stands for every one of the node. What the kernel has is the truth: whose an element
 * is says the address that it leads to, and a new table takes over what leads to pods that are there.
 *
 * Ports of a loopback address are for the node itself: pods' devices route such addresses (podnet_link.c), so what comes in by a
 * device for one of them is dropped first of all.
 */

#include <arpa/inet.h>
#include <errno.h>
#include <linux/netfilter/nf_tables.h>
#include <stdio.h>
#include <string.h>

#include "lib/nft.h"
#include "network/podnet_int.h"

enum { WORD = 4, DESTINATION = 16, PORT_DESTINATION = 2, KEEP_MAX = 4096 };

#define MAP "host-ports"

/* As the kernel has them: words, in network order. */
struct port_key {
	struct in_addr ip;
	uint8_t proto, zero[3];
	uint16_t port, zero2;
};
struct port_target {
	struct in_addr ip;
	uint16_t port, zero;
};
struct port_elem {
	struct port_key key;
	struct port_target target;
};

/* ---- the table */

/* The rest of the rule's key is there; it ends where no pod has this port. */
static void go(struct nft *b)
{
	nft_meta(b, NFT_META_L4PROTO, NFT_WORD(1));
	nft_payload(b, NFT_PAYLOAD_TRANSPORT_HEADER, PORT_DESTINATION, 2, NFT_WORD(2));
	nft_lookup_map(b, NFT_WORD(0), MAP, NFT_WORD(3));
	nft_nat(b, NFT_NAT_DNAT, NFT_WORD(3), NFT_WORD(4));
}

/* Only pods' devices are looked at: no other routes loopback addresses for our sake. */
static void put_guard(struct nft *b)
{
	static const struct nft_hook hook = {"filter", NF_INET_PRE_ROUTING, NFT_PRIO_RAW, NF_ACCEPT};
	const uint8_t loopback = 127;

	nft_chain_add(b, "guard", &hook, NULL);
	nft_rule_begin(b, "guard");
	nft_match_ifname_prefix(b, NFT_META_IIFNAME, true, POD_LINK_PREFIX);
	nft_payload(b, NFT_PAYLOAD_NETWORK_HEADER, DESTINATION, 1, NFT_REG_1);
	nft_cmp(b, NFT_REG_1, NFT_CMP_EQ, &loopback, sizeof(loopback));
	nft_verdict(b, NF_DROP, NULL);
	nft_rule_end(b, "loopback addresses of the node are not for pods");
}

static void put_table(struct nft *b)
{
	static const struct nft_hook prerouting = {"nat", NF_INET_PRE_ROUTING, NFT_PRIO_DSTNAT, NF_ACCEPT};
	static const struct nft_hook output = {"nat", NF_INET_LOCAL_OUT, NFT_PRIO_DSTNAT, NF_ACCEPT};
	static const struct nft_set map = {.name = MAP,
		.key_type = NFT_CONCAT(
			NFT_CONCAT(NFT_TYPE_IPV4_ADDR, NFT_TYPE_INET_PROTO), NFT_TYPE_INET_SERVICE),
		.key_len = sizeof(struct port_key),
		.data_type = NFT_CONCAT(NFT_TYPE_IPV4_ADDR, NFT_TYPE_INET_SERVICE),
		.data_len = sizeof(struct port_target),
		.comment = "ports of the node that lead to pods"};
	static const char *const hooked[] = {"prerouting", "output"};
	const struct in_addr every = {0};

	nft_set_add(b, &map);
	put_guard(b);
	nft_chain_add(b, "to-pods", NULL, NULL);
	nft_chain_add(b, "prerouting", &prerouting, NULL);
	nft_chain_add(b, "output", &output, NULL);
	for (size_t i = 0; i < array_len(hooked); i++) {
		nft_rule_begin(b, hooked[i]);
		nft_verdict(b, NFT_GOTO, "to-pods");
		nft_rule_end(b, NULL);
	}
	nft_rule_begin(b, "to-pods");
	nft_payload(b, NFT_PAYLOAD_NETWORK_HEADER, DESTINATION, WORD, NFT_WORD(0));
	go(b);
	nft_rule_end(b, "a port of one address of the node");
	nft_rule_begin(b, "to-pods");
	nft_match_local_destination(b);
	nft_immediate(b, NFT_WORD(0), &every, sizeof(every));
	go(b);
	nft_rule_end(b, "a port of all of them");
}

/* ---- what is there */

struct kept {
	struct port_elem *elems; /* owned, n */
	size_t n;
	bool failed;
};

static void keep(const struct nft_elem *e, void *arg)
{
	struct kept *k = arg;
	struct port_elem *more;

	if (e->key_len != sizeof(struct port_key) || e->data_len != sizeof(struct port_target) ||
		k->n == KEEP_MAX)
		return;
	more = reallocarray(k->elems, k->n + 1, sizeof(*more));
	if (!more) {
		k->failed = true;
		return;
	}
	k->elems = more;
	memcpy(&more[k->n].key, e->key, sizeof(more->key));
	memcpy(&more[k->n].target, e->data, sizeof(more->target));
	k->n++;
}

static int read_kept(struct podnet *p, struct kept *k)
{
	int r = nft_elem_each(&p->filter, NFPROTO_IPV4, PODNET_TABLE, MAP, keep, k);

	return r == -ENOENT ? 0 : !r && k->failed ? -ENOMEM : r;
}

static void add(struct nft *b, const struct port_elem *e)
{
	nft_elem_add(b, MAP, &e->key, sizeof(e->key), &e->target, sizeof(e->target));
}

int podnet_ports_keep(struct podnet *p, struct nft *b)
{
	struct kept k = {0};
	int r = read_kept(p, &k);

	put_table(b);
	for (size_t i = 0; !r && i < k.n; i++)
		for (const struct pod *pod = p->list; pod; pod = pod->next)
			if (pod->ip.v4.s_addr == k.elems[i].target.ip.s_addr)
				add(b, &k.elems[i]);
	free(k.elems);
	return r;
}

/* ---- of one pod */

static struct port_elem elem_of(const struct pod *pod, const struct host_port *port)
{
	return (struct port_elem){.key = {.ip = port->ip, .proto = port->proto, .port = htons(port->host)},
		.target = {.ip = pod->ip.v4, .port = htons(port->container)}};
}

static bool is_wanted(
	const struct port_elem *e, const struct pod *pod, const struct host_port *ports, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		const struct port_elem want = elem_of(pod, &ports[i]);

		if (!memcmp(&want, e, sizeof(want)))
			return true;
	}
	return false;
}

int podnet_host_ports(struct podnet *p, const struct pod *pod, const struct host_port *ports, size_t n,
	struct podnet_error *err)
{
	struct kept k = {0};
	struct nft b = {0};
	int r = read_kept(p, &k);

	nft_begin(&b, NFPROTO_IPV4, PODNET_TABLE);
	for (size_t i = 0; !r && i < k.n; i++)
		if (k.elems[i].target.ip.s_addr == pod->ip.v4.s_addr &&
			!is_wanted(&k.elems[i], pod, ports, n))
			nft_elem_destroy(&b, MAP, &k.elems[i].key, sizeof(k.elems[i].key));
	for (size_t i = 0; i < n; i++) {
		const struct port_elem e = elem_of(pod, &ports[i]);

		add(&b, &e);
	}
	if (!r)
		r = nft_commit(&p->filter, &b);
	nft_fini(&b);
	free(k.elems);
	if (r < 0 && err)
		snprintf(err->text, sizeof(err->text),
			"pod %.200s/%.200s: its host ports cannot be opened: %.60s", pod->ns, pod->name,
			r == -EEXIST ? "another pod of this node has one of them" : strerror(-r));
	return r;
}

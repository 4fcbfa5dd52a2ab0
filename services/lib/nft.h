/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LIB_NFT_H
#define LIB_NFT_H

/*
 * nftables without a library: a batch is built in memory and committed as one transaction, all of it or
 * nothing.
 *
 * The intended shape: rules that never change look into sets and maps; a change is an element. A table is
 * replaced as a whole (nft_table_replace()) only when its owner starts. Comments go in as userdata in the
 * form that `nft` shows.
 *
 * Registers: R1 to R4 are the 128-bit ones. A concatenated key is loaded into consecutive 32-bit words from
 * R1 on: NFT_WORD(0) is R1's first word. The same addresses the parts of a mapped value.
 */

#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <net/if.h>

#include "lib/netlink.h"

#define NFT_WORD(n) ((uint32_t)(NFT_REG32_00 + (n)))

/* nft's own numbers for types; the kernel keeps them for whoever lists the set. */
enum {
	NFT_TYPE_IPV4_ADDR = 7,
	NFT_TYPE_IPV6_ADDR = 8,
	NFT_TYPE_ETHER_ADDR = 9,
	NFT_TYPE_INET_PROTO = 12,
	NFT_TYPE_INET_SERVICE = 13,
	NFT_TYPE_MARK = 19,
	NFT_TYPE_IFNAME = 41,
};
/* A concatenation: NFT_CONCAT(NFT_CONCAT(a, b), c). Each part takes a multiple of 4 bytes of the key. */
#define NFT_CONCAT(a, b) ((a) << 6 | (b))

enum {
	NFT_PRIO_RAW = -300,
	NFT_PRIO_MANGLE = -150,
	NFT_PRIO_DSTNAT = -100,
	NFT_PRIO_FILTER = 0,
	NFT_PRIO_SRCNAT = 100
};

enum { NFT_COMMENT_MAX = 127 };

/* A batch. Carries its first error, like the builder in it. */
struct nft {
	struct nlmsg m;
	uint8_t family; /* NFPROTO_IPV4, _IPV6, _INET, _BRIDGE */
	const char *table;
	uint32_t set_id;
	size_t nest;
};

/* @table: borrowed until the commit. */
void nft_begin(struct nft *b, uint8_t family, const char *table);
/* Sends the batch and empties it. 0 or -errno; nl->text may have the kernel's words. */
must_check int nft_commit(struct netlink *nl, struct nft *b);
void nft_fini(struct nft *b); /* gives up what was not committed */

/* An empty table in the place of whatever had this name. */
void nft_table_replace(struct nft *b, const char *comment);
void nft_table_destroy(struct nft *b); /* there or not */

struct nft_hook {
	const char *type; /* "filter", "nat", "route" */
	uint32_t hook;	  /* NF_INET_* */
	int32_t priority;
	uint32_t policy; /* NF_ACCEPT or NF_DROP */
};
/* @hook: NULL for a chain that is only jumped to. */
void nft_chain_add(struct nft *b, const char *chain, const struct nft_hook *hook, const char *comment);
void nft_chain_flush(struct nft *b, const char *chain); /* removes its rules */
void nft_chain_destroy(struct nft *b, const char *chain);

struct nft_set {
	const char *name;
	uint32_t key_type;
	uint32_t key_len;
	uint32_t flags;	    /* NFT_SET_INTERVAL; NFT_SET_MAP is set when there is a data_len */
	uint32_t data_type; /* NFT_DATA_VERDICT for a verdict map */
	uint32_t data_len;  /* 0: a plain set; ignored for a verdict map */
	bool dynamic;	    /* rules add elements, each with a timeout (nft_dynset()) */
	const char *comment;
};
void nft_set_add(struct nft *b, const struct nft_set *s);

/* Elements. Adding one that is there with the same value is fine. */
void nft_elem_add(
	struct nft *b, const char *set, const void *key, size_t key_len, const void *data, size_t data_len);
void nft_elem_add_commented(struct nft *b, const char *set, const void *key, size_t key_len, const void *data,
	size_t data_len, const char *comment);
/* An element of a dynamic map that has @left_ms of its @timeout_ms left. */
void nft_elem_add_lasting(struct nft *b, const char *map, const void *key, size_t key_len, const void *data,
	size_t data_len, uint64_t timeout_ms, uint64_t left_ms);
void nft_elem_add_verdict(
	struct nft *b, const char *map, const void *key, size_t key_len, int32_t verdict, const char *chain);
/* [first, end) of an interval set; @end: the first key behind it, NULL when the interval goes to the last
 * key. */
void nft_elem_add_interval(
	struct nft *b, const char *set, const void *first, const void *end, size_t key_len);
/* What a set or map has. -ENOENT: there is no such table or set. */
struct nft_elem {
	const uint8_t *key, *data; /* valid during the call; data NULL: none */
	size_t key_len, data_len;
	uint64_t timeout_ms, left_ms; /* 0: for ever */
};
must_check int nft_elem_each(struct netlink *nl, uint8_t family, const char *table, const char *set,
	void (*fn)(const struct nft_elem *e, void *arg), void *arg);

/* Removal; an element that is not there is fine. */
void nft_elem_destroy(struct nft *b, const char *set, const void *key, size_t key_len);
void nft_elem_destroy_interval(
	struct nft *b, const char *set, const void *first, const void *end, size_t key_len);

/* A rule at the end of a chain: begin, expressions in order, end. @comment may be NULL. */
void nft_rule_begin(struct nft *b, const char *chain);
void nft_rule_end(struct nft *b, const char *comment);

void nft_meta(struct nft *b, uint32_t key, uint32_t reg); /* NFT_META_* */
void nft_payload(
	struct nft *b, uint32_t base, uint32_t offset, uint32_t len, uint32_t reg); /* NFT_PAYLOAD_* */
void nft_ct(struct nft *b, uint32_t key, uint32_t reg);				    /* NFT_CT_* */
void nft_cmp(
	struct nft *b, uint32_t reg, uint32_t op, const void *data, size_t len); /* NFT_CMP_EQ, _NEQ, ... */
void nft_mask(struct nft *b, uint32_t reg, const void *mask, size_t len);	 /* reg &= mask */
void nft_lookup(struct nft *b, uint32_t reg, const char *set, bool inverted);
void nft_lookup_map(
	struct nft *b, uint32_t reg, const char *map, uint32_t dreg); /* no entry: the rule ends */
void nft_immediate(struct nft *b, uint32_t reg, const void *data, size_t len);
void nft_verdict(struct nft *b, int32_t verdict,
	const char *chain); /* NF_ACCEPT, NF_DROP, NFT_JUMP, NFT_GOTO, NFT_RETURN */
void nft_counter(struct nft *b);
/* A number from 0 to @modulus - 1 in host order (NFT_TYPE_MARK as part of a key), another one each time. */
void nft_random(struct nft *b, uint32_t modulus, uint32_t reg);
/*
 * Changes an element of a map that is dynamic: NFT_DYNSET_OP_UPDATE adds it or gives it its whole time again (the data of
 * one that is there stays), _DELETE removes it.
 */
void nft_dynset(struct nft *b, const char *map, uint32_t op, uint32_t key_reg, uint32_t data_reg,
	uint64_t timeout_ms);
/* The sender is told at once: ICMP port unreachable, or with @reset a TCP reset. IPv4 only. */
void nft_reject(struct nft *b, bool reset);
void nft_masquerade(struct nft *b);
/* NFT_NAT_DNAT or _SNAT to the address in @addr_reg and, unless 0, the port in @port_reg. */
void nft_nat(struct nft *b, uint32_t type, uint32_t addr_reg, uint32_t port_reg);

/* Phrases that are more than one expression; they use R1. */
void nft_match_ifname(
	struct nft *b, uint32_t key, bool equal, const char *name); /* NFT_META_IIFNAME, _OIFNAME */
/* The interface name begins with @prefix. */
void nft_match_ifname_prefix(struct nft *b, uint32_t key, bool begins, const char *prefix);
void nft_match_in_set(
	struct nft *b, uint32_t key, bool inside, const char *set); /* the interface name in a set */
void nft_match_ct_state(struct nft *b, uint32_t states);	    /* any of NFT_CT_STATE_BIT(...) */
void nft_match_ct_status(struct nft *b, uint32_t bits);		    /* any of IPS_* */
void nft_match_local_destination(struct nft *b);		    /* fib daddr type local */
void nft_match_l4proto(struct nft *b, uint8_t proto);
void nft_match_dport(struct nft *b, uint16_t port);

/* An interface name as set key: padded with zeros. */
struct nft_ifname {
	char name[IFNAMSIZ];
};
struct nft_ifname nft_ifname(const char *name);

#endif

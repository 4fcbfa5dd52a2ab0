/* SPDX-License-Identifier: Apache-2.0 */

/* Rules: one expression a function, and the phrases made of them. Registers and types are as in nft.h. */

#include <endian.h>
#include <netinet/ip_icmp.h>
#include <linux/rtnetlink.h>
#include <string.h>

#include "lib/nft_int.h"

void nft_rule_begin(struct nft *b, const char *chain)
{
	nft_message(b, NFT_MSG_NEWRULE, NLM_F_CREATE | NLM_F_APPEND);
	nlmsg_put_str(&b->m, NFTA_RULE_TABLE, b->table);
	nlmsg_put_str(&b->m, NFTA_RULE_CHAIN, chain);
	b->nest = nlmsg_nest(&b->m, NFTA_RULE_EXPRESSIONS);
}

void nft_rule_end(struct nft *b, const char *comment)
{
	nlmsg_nest_end(&b->m, b->nest);
	nft_put_comment(b, NFTA_RULE_USERDATA, comment);
	nlmsg_end(&b->m);
}

/* Where an expression begins, for expr_end(). */
struct expr {
	size_t elem, data;
};

static struct expr expr(struct nft *b, const char *name)
{
	struct expr e = {.elem = nlmsg_nest(&b->m, NFTA_LIST_ELEM)};

	nlmsg_put_str(&b->m, NFTA_EXPR_NAME, name);
	e.data = nlmsg_nest(&b->m, NFTA_EXPR_DATA);
	return e;
}

static void expr_end(struct nft *b, struct expr e)
{
	nlmsg_nest_end(&b->m, e.data);
	nlmsg_nest_end(&b->m, e.elem);
}

void nft_meta(struct nft *b, uint32_t key, uint32_t reg)
{
	struct expr e = expr(b, "meta");

	nlmsg_put_be32(&b->m, NFTA_META_KEY, key);
	nlmsg_put_be32(&b->m, NFTA_META_DREG, reg);
	expr_end(b, e);
}

void nft_payload(struct nft *b, uint32_t base, uint32_t offset, uint32_t len, uint32_t reg)
{
	struct expr e = expr(b, "payload");

	nlmsg_put_be32(&b->m, NFTA_PAYLOAD_DREG, reg);
	nlmsg_put_be32(&b->m, NFTA_PAYLOAD_BASE, base);
	nlmsg_put_be32(&b->m, NFTA_PAYLOAD_OFFSET, offset);
	nlmsg_put_be32(&b->m, NFTA_PAYLOAD_LEN, len);
	expr_end(b, e);
}

void nft_ct(struct nft *b, uint32_t key, uint32_t reg)
{
	struct expr e = expr(b, "ct");

	nlmsg_put_be32(&b->m, NFTA_CT_KEY, key);
	nlmsg_put_be32(&b->m, NFTA_CT_DREG, reg);
	expr_end(b, e);
}

void nft_cmp(struct nft *b, uint32_t reg, uint32_t op, const void *data, size_t len)
{
	struct expr e = expr(b, "cmp");

	nlmsg_put_be32(&b->m, NFTA_CMP_SREG, reg);
	nlmsg_put_be32(&b->m, NFTA_CMP_OP, op);
	nft_put_value(b, NFTA_CMP_DATA, data, len);
	expr_end(b, e);
}

void nft_mask(struct nft *b, uint32_t reg, const void *mask, size_t len)
{
	static const uint8_t zero[16];
	struct expr e = expr(b, "bitwise");

	if (len > sizeof(zero))
		len = sizeof(zero);
	nlmsg_put_be32(&b->m, NFTA_BITWISE_SREG, reg);
	nlmsg_put_be32(&b->m, NFTA_BITWISE_DREG, reg);
	nlmsg_put_be32(&b->m, NFTA_BITWISE_LEN, (uint32_t)len);
	nft_put_value(b, NFTA_BITWISE_MASK, mask, len);
	nft_put_value(b, NFTA_BITWISE_XOR, zero, len);
	expr_end(b, e);
}

void nft_lookup(struct nft *b, uint32_t reg, const char *set, bool inverted)
{
	struct expr e = expr(b, "lookup");

	nlmsg_put_str(&b->m, NFTA_LOOKUP_SET, set);
	nlmsg_put_be32(&b->m, NFTA_LOOKUP_SREG, reg);
	if (inverted)
		nlmsg_put_be32(&b->m, NFTA_LOOKUP_FLAGS, NFT_LOOKUP_F_INV);
	expr_end(b, e);
}

void nft_lookup_map(struct nft *b, uint32_t reg, const char *map, uint32_t dreg)
{
	struct expr e = expr(b, "lookup");

	nlmsg_put_str(&b->m, NFTA_LOOKUP_SET, map);
	nlmsg_put_be32(&b->m, NFTA_LOOKUP_SREG, reg);
	nlmsg_put_be32(&b->m, NFTA_LOOKUP_DREG, dreg);
	expr_end(b, e);
}

void nft_immediate(struct nft *b, uint32_t reg, const void *data, size_t len)
{
	struct expr e = expr(b, "immediate");

	nlmsg_put_be32(&b->m, NFTA_IMMEDIATE_DREG, reg);
	nft_put_value(b, NFTA_IMMEDIATE_DATA, data, len);
	expr_end(b, e);
}

void nft_verdict(struct nft *b, int32_t verdict, const char *chain)
{
	struct expr e = expr(b, "immediate");

	nlmsg_put_be32(&b->m, NFTA_IMMEDIATE_DREG, NFT_REG_VERDICT);
	nft_put_verdict(b, NFTA_IMMEDIATE_DATA, verdict, chain);
	expr_end(b, e);
}

void nft_counter(struct nft *b)
{
	expr_end(b, expr(b, "counter"));
}

void nft_random(struct nft *b, uint32_t modulus, uint32_t reg)
{
	struct expr e = expr(b, "numgen");

	nlmsg_put_be32(&b->m, NFTA_NG_DREG, reg);
	nlmsg_put_be32(&b->m, NFTA_NG_MODULUS, modulus);
	nlmsg_put_be32(&b->m, NFTA_NG_TYPE, NFT_NG_RANDOM);
	expr_end(b, e);
}

void nft_dynset(
	struct nft *b, const char *map, uint32_t op, uint32_t key_reg, uint32_t data_reg, uint64_t timeout_ms)
{
	struct expr e = expr(b, "dynset");

	nlmsg_put_str(&b->m, NFTA_DYNSET_SET_NAME, map);
	nlmsg_put_be32(&b->m, NFTA_DYNSET_OP, op);
	nlmsg_put_be32(&b->m, NFTA_DYNSET_SREG_KEY, key_reg);
	nlmsg_put_be32(&b->m, NFTA_DYNSET_SREG_DATA, data_reg);
	if (timeout_ms)
		nlmsg_put_be64(&b->m, NFTA_DYNSET_TIMEOUT, timeout_ms);
	expr_end(b, e);
}

void nft_reject(struct nft *b, bool reset)
{
	struct expr e = expr(b, "reject");

	nlmsg_put_be32(&b->m, NFTA_REJECT_TYPE, reset ? NFT_REJECT_TCP_RST : NFT_REJECT_ICMP_UNREACH);
	nlmsg_put_u8(&b->m, NFTA_REJECT_ICMP_CODE, ICMP_UNREACH_PORT);
	expr_end(b, e);
}

void nft_masquerade(struct nft *b)
{
	expr_end(b, expr(b, "masq"));
}

void nft_nat(struct nft *b, uint32_t type, uint32_t addr_reg, uint32_t port_reg)
{
	struct expr e = expr(b, "nat");

	nlmsg_put_be32(&b->m, NFTA_NAT_TYPE, type);
	nlmsg_put_be32(&b->m, NFTA_NAT_FAMILY, b->family);
	nlmsg_put_be32(&b->m, NFTA_NAT_REG_ADDR_MIN, addr_reg);
	if (port_reg)
		nlmsg_put_be32(&b->m, NFTA_NAT_REG_PROTO_MIN, port_reg);
	expr_end(b, e);
}

/* ---- phrases */

void nft_match_ifname(struct nft *b, uint32_t key, bool equal, const char *name)
{
	struct nft_ifname n = nft_ifname(name);

	nft_meta(b, key, NFT_REG_1);
	nft_cmp(b, NFT_REG_1, equal ? NFT_CMP_EQ : NFT_CMP_NEQ, n.name, sizeof(n.name));
}

void nft_match_ifname_prefix(struct nft *b, uint32_t key, bool begins, const char *prefix)
{
	nft_meta(b, key, NFT_REG_1);
	nft_cmp(b, NFT_REG_1, begins ? NFT_CMP_EQ : NFT_CMP_NEQ, prefix, strnlen(prefix, IFNAMSIZ));
}

void nft_match_in_set(struct nft *b, uint32_t key, bool inside, const char *set)
{
	nft_meta(b, key, NFT_REG_1);
	nft_lookup(b, NFT_REG_1, set, !inside);
}

/* True when any of @bits is set in the 32-bit value of R1. */
static void match_any(struct nft *b, uint32_t bits)
{
	const uint32_t zero = 0;

	nft_mask(b, NFT_REG_1, &bits, sizeof(bits));
	nft_cmp(b, NFT_REG_1, NFT_CMP_NEQ, &zero, sizeof(zero));
}

void nft_match_ct_state(struct nft *b, uint32_t states)
{
	nft_ct(b, NFT_CT_STATE, NFT_REG_1);
	match_any(b, states);
}

void nft_match_ct_status(struct nft *b, uint32_t bits)
{
	nft_ct(b, NFT_CT_STATUS, NFT_REG_1);
	match_any(b, bits);
}

void nft_match_local_destination(struct nft *b)
{
	const uint32_t local = RTN_LOCAL;
	struct expr e = expr(b, "fib");

	nlmsg_put_be32(&b->m, NFTA_FIB_FLAGS, NFTA_FIB_F_DADDR);
	nlmsg_put_be32(&b->m, NFTA_FIB_RESULT, NFT_FIB_RESULT_ADDRTYPE);
	nlmsg_put_be32(&b->m, NFTA_FIB_DREG, NFT_REG_1);
	expr_end(b, e);
	nft_cmp(b, NFT_REG_1, NFT_CMP_EQ, &local, sizeof(local));
}

void nft_match_l4proto(struct nft *b, uint8_t proto)
{
	nft_meta(b, NFT_META_L4PROTO, NFT_REG_1);
	nft_cmp(b, NFT_REG_1, NFT_CMP_EQ, &proto, sizeof(proto));
}

void nft_match_dport(struct nft *b, uint16_t port)
{
	const uint16_t be = htobe16(port);

	nft_payload(b, NFT_PAYLOAD_TRANSPORT_HEADER, 2, sizeof(be), NFT_REG_1);
	nft_cmp(b, NFT_REG_1, NFT_CMP_EQ, &be, sizeof(be));
}

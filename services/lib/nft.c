/* SPDX-License-Identifier: Apache-2.0 */

/* Batches, tables, chains, sets and elements. Rules are in nft_rule.c. */

#include <arpa/inet.h>
#include <errno.h>
#include <linux/netfilter/nfnetlink.h>
#include <string.h>

#include "lib/nft_int.h"

/* Types of nft's userdata records; the same numbers for table, chain, rule and element comments. */
enum { UDATA_COMMENT = 0, UDATA_SET_KEY_BYTEORDER = 0, UDATA_SET_DATA_BYTEORDER = 1, UDATA_SET_COMMENT = 7 };
enum { BYTEORDER_MIXED = 0, BYTEORDER_HOST = 1, BYTEORDER_BIG = 2 };

struct udata {
	uint8_t bytes[2 + 4 + 2 + 4 + 2 + NFT_COMMENT_MAX + 1];
	size_t len;
};

static void udata_put(struct udata *u, uint8_t type, const void *value, size_t len)
{
	u->bytes[u->len++] = type;
	u->bytes[u->len++] = (uint8_t)len;
	memcpy(u->bytes + u->len, value, len);
	u->len += len;
}

static void udata_comment(struct udata *u, uint8_t type, const char *comment)
{
	char cut[NFT_COMMENT_MAX + 1];
	size_t len = strnlen(comment, NFT_COMMENT_MAX);

	memcpy(cut, comment, len);
	cut[len] = '\0';
	udata_put(u, type, cut, len + 1);
}

void nft_put_comment(struct nft *b, uint16_t attr, const char *comment)
{
	struct udata u = {};

	if (!comment)
		return;
	udata_comment(&u, UDATA_COMMENT, comment);
	nlmsg_put(&b->m, attr, u.bytes, u.len);
}

static void batch_edge(struct nlmsg *m, uint16_t type)
{
	const struct nfgenmsg head = {.nfgen_family = AF_UNSPEC, .res_id = htons(NFNL_SUBSYS_NFTABLES)};

	nlmsg_begin(m, type, 0, &head, sizeof(head));
	nlmsg_end(m);
}

void nft_begin(struct nft *b, uint8_t family, const char *table)
{
	*b = (struct nft){.m = b->m, .family = family, .table = table};
	b->m.len = b->m.start = 0;
	b->m.err = 0;
	batch_edge(&b->m, NFNL_MSG_BATCH_BEGIN);
}

int nft_commit(struct netlink *nl, struct nft *b)
{
	batch_edge(&b->m, NFNL_MSG_BATCH_END);
	return netlink_request(nl, &b->m);
}

void nft_fini(struct nft *b)
{
	nlmsg_fini(&b->m);
}

void nft_message(struct nft *b, uint16_t type, uint16_t flags)
{
	const struct nfgenmsg head = {.nfgen_family = b->family};

	nlmsg_begin(&b->m, (uint16_t)(NFNL_SUBSYS_NFTABLES << 8 | type), flags, &head, sizeof(head));
}

/* ---- tables and chains */

static void table(struct nft *b, uint16_t type, uint16_t flags, const char *comment)
{
	nft_message(b, type, flags);
	nlmsg_put_str(&b->m, NFTA_TABLE_NAME, b->table);
	nft_put_comment(b, NFTA_TABLE_USERDATA, comment);
	nlmsg_end(&b->m);
}

void nft_table_destroy(struct nft *b)
{
	table(b, NFT_MSG_DESTROYTABLE, 0, NULL);
}

void nft_table_replace(struct nft *b, const char *comment)
{
	nft_table_destroy(b);
	table(b, NFT_MSG_NEWTABLE, NLM_F_CREATE, comment);
}

void nft_chain_add(struct nft *b, const char *chain, const struct nft_hook *hook, const char *comment)
{
	nft_message(b, NFT_MSG_NEWCHAIN, NLM_F_CREATE);
	nlmsg_put_str(&b->m, NFTA_CHAIN_TABLE, b->table);
	nlmsg_put_str(&b->m, NFTA_CHAIN_NAME, chain);
	if (hook) {
		size_t nest = nlmsg_nest(&b->m, NFTA_CHAIN_HOOK);

		nlmsg_put_be32(&b->m, NFTA_HOOK_HOOKNUM, hook->hook);
		nlmsg_put_be32(&b->m, NFTA_HOOK_PRIORITY, (uint32_t)hook->priority);
		nlmsg_nest_end(&b->m, nest);
		nlmsg_put_be32(&b->m, NFTA_CHAIN_POLICY, hook->policy);
		nlmsg_put_str(&b->m, NFTA_CHAIN_TYPE, hook->type);
	}
	nft_put_comment(b, NFTA_CHAIN_USERDATA, comment);
	nlmsg_end(&b->m);
}

void nft_chain_flush(struct nft *b, const char *chain)
{
	nft_message(b, NFT_MSG_DELRULE, 0);
	nlmsg_put_str(&b->m, NFTA_RULE_TABLE, b->table);
	nlmsg_put_str(&b->m, NFTA_RULE_CHAIN, chain);
	nlmsg_end(&b->m);
}

void nft_chain_destroy(struct nft *b, const char *chain)
{
	nft_message(b, NFT_MSG_DESTROYCHAIN, 0);
	nlmsg_put_str(&b->m, NFTA_CHAIN_TABLE, b->table);
	nlmsg_put_str(&b->m, NFTA_CHAIN_NAME, chain);
	nlmsg_end(&b->m);
}

/* ---- sets and maps */

/* How nft is to read the bytes: names and marks are in host order, a concatenation has no order of its own.
 */
static uint32_t byteorder(uint32_t type)
{
	if (type >= 1 << 6)
		return BYTEORDER_MIXED;
	return type == NFT_TYPE_IFNAME || type == NFT_TYPE_MARK ? BYTEORDER_HOST : BYTEORDER_BIG;
}

void nft_set_add(struct nft *b, const struct nft_set *s)
{
	bool verdicts = s->data_type == NFT_DATA_VERDICT, map = verdicts || s->data_len;
	uint32_t flags =
		s->flags | (map ? NFT_SET_MAP : 0) | (s->dynamic ? NFT_SET_EVAL | NFT_SET_TIMEOUT : 0);
	uint32_t order = byteorder(s->key_type);
	struct udata u = {};

	nft_message(b, NFT_MSG_NEWSET, NLM_F_CREATE);
	nlmsg_put_str(&b->m, NFTA_SET_TABLE, b->table);
	nlmsg_put_str(&b->m, NFTA_SET_NAME, s->name);
	nlmsg_put_be32(&b->m, NFTA_SET_FLAGS, flags);
	nlmsg_put_be32(&b->m, NFTA_SET_KEY_TYPE, s->key_type);
	nlmsg_put_be32(&b->m, NFTA_SET_KEY_LEN, s->key_len);
	if (map) {
		nlmsg_put_be32(&b->m, NFTA_SET_DATA_TYPE, s->data_type);
		nlmsg_put_be32(&b->m, NFTA_SET_DATA_LEN, verdicts ? 0 : s->data_len);
	}
	nlmsg_put_be32(&b->m, NFTA_SET_ID, ++b->set_id);
	udata_put(&u, UDATA_SET_KEY_BYTEORDER, &order, sizeof(order));
	if (map && !verdicts) {
		order = byteorder(s->data_type);
		udata_put(&u, UDATA_SET_DATA_BYTEORDER, &order, sizeof(order));
	}
	if (s->comment)
		udata_comment(&u, UDATA_SET_COMMENT, s->comment);
	nlmsg_put(&b->m, NFTA_SET_USERDATA, u.bytes, u.len);
	nlmsg_end(&b->m);
}

void nft_put_value(struct nft *b, uint16_t attr, const void *data, size_t len)
{
	size_t nest = nlmsg_nest(&b->m, attr);

	nlmsg_put(&b->m, NFTA_DATA_VALUE, data, len);
	nlmsg_nest_end(&b->m, nest);
}

void nft_put_verdict(struct nft *b, uint16_t attr, int32_t verdict, const char *chain)
{
	size_t outer = nlmsg_nest(&b->m, attr), inner = nlmsg_nest(&b->m, NFTA_DATA_VERDICT);

	nlmsg_put_be32(&b->m, NFTA_VERDICT_CODE, (uint32_t)verdict);
	if (chain)
		nlmsg_put_str(&b->m, NFTA_VERDICT_CHAIN, chain);
	nlmsg_nest_end(&b->m, inner);
	nlmsg_nest_end(&b->m, outer);
}

static size_t elems_begin(struct nft *b, uint16_t type, const char *set)
{
	nft_message(b, type, type == NFT_MSG_NEWSETELEM ? NLM_F_CREATE : 0);
	nlmsg_put_str(&b->m, NFTA_SET_ELEM_LIST_TABLE, b->table);
	nlmsg_put_str(&b->m, NFTA_SET_ELEM_LIST_SET, set);
	return nlmsg_nest(&b->m, NFTA_SET_ELEM_LIST_ELEMENTS);
}

static void elems_end(struct nft *b, size_t list)
{
	nlmsg_nest_end(&b->m, list);
	nlmsg_end(&b->m);
}

static void put_key(struct nft *b, const void *key, size_t len, uint32_t flags)
{
	size_t nest = nlmsg_nest(&b->m, NFTA_LIST_ELEM);

	if (flags)
		nlmsg_put_be32(&b->m, NFTA_SET_ELEM_FLAGS, flags);
	nft_put_value(b, NFTA_SET_ELEM_KEY, key, len);
	nlmsg_nest_end(&b->m, nest);
}

void nft_elem_add_commented(struct nft *b, const char *set, const void *key, size_t key_len, const void *data,
	size_t data_len, const char *comment)
{
	size_t list = elems_begin(b, NFT_MSG_NEWSETELEM, set), elem = nlmsg_nest(&b->m, NFTA_LIST_ELEM);

	nft_put_value(b, NFTA_SET_ELEM_KEY, key, key_len);
	if (data)
		nft_put_value(b, NFTA_SET_ELEM_DATA, data, data_len);
	nft_put_comment(b, NFTA_SET_ELEM_USERDATA, comment);
	nlmsg_nest_end(&b->m, elem);
	elems_end(b, list);
}

void nft_elem_add_lasting(struct nft *b, const char *map, const void *key, size_t key_len, const void *data,
	size_t data_len, uint64_t timeout_ms, uint64_t left_ms)
{
	size_t list = elems_begin(b, NFT_MSG_NEWSETELEM, map), elem = nlmsg_nest(&b->m, NFTA_LIST_ELEM);

	nft_put_value(b, NFTA_SET_ELEM_KEY, key, key_len);
	nft_put_value(b, NFTA_SET_ELEM_DATA, data, data_len);
	nlmsg_put_be64(&b->m, NFTA_SET_ELEM_TIMEOUT, timeout_ms);
	nlmsg_put_be64(&b->m, NFTA_SET_ELEM_EXPIRATION, left_ms);
	nlmsg_nest_end(&b->m, elem);
	elems_end(b, list);
}

void nft_elem_add(
	struct nft *b, const char *set, const void *key, size_t key_len, const void *data, size_t data_len)
{
	nft_elem_add_commented(b, set, key, key_len, data, data_len, NULL);
}

void nft_elem_add_verdict(
	struct nft *b, const char *map, const void *key, size_t key_len, int32_t verdict, const char *chain)
{
	size_t list = elems_begin(b, NFT_MSG_NEWSETELEM, map), elem = nlmsg_nest(&b->m, NFTA_LIST_ELEM);

	nft_put_value(b, NFTA_SET_ELEM_KEY, key, key_len);
	nft_put_verdict(b, NFTA_SET_ELEM_DATA, verdict, chain);
	nlmsg_nest_end(&b->m, elem);
	elems_end(b, list);
}

static void interval(
	struct nft *b, uint16_t type, const char *set, const void *first, const void *end, size_t len)
{
	size_t list = elems_begin(b, type, set);

	put_key(b, first, len, 0);
	if (end)
		put_key(b, end, len, NFT_SET_ELEM_INTERVAL_END);
	elems_end(b, list);
}

void nft_elem_add_interval(struct nft *b, const char *set, const void *first, const void *end, size_t key_len)
{
	interval(b, NFT_MSG_NEWSETELEM, set, first, end, key_len);
}

void nft_elem_destroy(struct nft *b, const char *set, const void *key, size_t key_len)
{
	size_t list = elems_begin(b, NFT_MSG_DESTROYSETELEM, set);

	put_key(b, key, key_len, 0);
	elems_end(b, list);
}

void nft_elem_destroy_interval(
	struct nft *b, const char *set, const void *first, const void *end, size_t key_len)
{
	interval(b, NFT_MSG_DESTROYSETELEM, set, first, end, key_len);
}

/* ---- reading */

struct reading {
	void (*fn)(const struct nft_elem *e, void *arg);
	void *arg;
};

static void get_value(const struct nla *a, const uint8_t **bytes, size_t *len)
{
	struct nla value[NFTA_DATA_VALUE + 1];

	if (!a->data || nla_parse(value, array_len(value), a->data, a->len) < 0)
		return;
	*bytes = value[NFTA_DATA_VALUE].data;
	*len = value[NFTA_DATA_VALUE].len;
}

static int read_elements(const struct nlmsg_view *v, void *arg)
{
	struct nla list[NFTA_SET_ELEM_LIST_ELEMENTS + 1], t[NFTA_SET_ELEM_EXPIRATION + 1], each;
	struct reading *r = arg;
	struct nla_cursor c;

	/* A dump that starts again tells the same again, which is what a map wants. */
	if (!v || nlmsg_attrs(v, sizeof(struct nfgenmsg), list, array_len(list)) < 0 ||
		!list[NFTA_SET_ELEM_LIST_ELEMENTS].data)
		return 0;
	c = (struct nla_cursor){
		list[NFTA_SET_ELEM_LIST_ELEMENTS].data, list[NFTA_SET_ELEM_LIST_ELEMENTS].len};
	while (nla_next(&c, &each) == 1) {
		struct nft_elem e = {};

		if (nla_parse(t, array_len(t), each.data, each.len) < 0)
			continue;
		get_value(&t[NFTA_SET_ELEM_KEY], &e.key, &e.key_len);
		get_value(&t[NFTA_SET_ELEM_DATA], &e.data, &e.data_len);
		e.timeout_ms = nla_be64(&t[NFTA_SET_ELEM_TIMEOUT]);
		e.left_ms = nla_be64(&t[NFTA_SET_ELEM_EXPIRATION]);
		if (e.key)
			r->fn(&e, r->arg);
	}
	return 0;
}

int nft_elem_each(struct netlink *nl, uint8_t family, const char *table_name, const char *set,
	void (*fn)(const struct nft_elem *e, void *arg), void *arg)
{
	const struct nfgenmsg head = {.nfgen_family = family};
	cleanup(nlmsg_fini) struct nlmsg m = {};
	struct reading r = {fn, arg};

	nlmsg_begin(&m, NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_GETSETELEM, 0, &head, sizeof(head));
	nlmsg_put_str(&m, NFTA_SET_ELEM_LIST_TABLE, table_name);
	nlmsg_put_str(&m, NFTA_SET_ELEM_LIST_SET, set);
	nlmsg_end(&m);
	return netlink_dump(nl, &m, read_elements, &r);
}

struct nft_ifname nft_ifname(const char *name)
{
	struct nft_ifname n = {};

	memcpy(n.name, name, strnlen(name, IFNAMSIZ - 1));
	return n;
}

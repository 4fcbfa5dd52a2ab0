/* SPDX-License-Identifier: Apache-2.0 */

/* Building and reading netlink messages. Every length is checked against what is really there. */

#include <endian.h>
#include <errno.h>
#include <string.h>

#include "lib/nlmsg.h"

void nlmsg_fini(struct nlmsg *m)
{
	free(m->buf);
	*m = (struct nlmsg){};
}

/* Room for @len bytes rounded up to the netlink alignment; the padding is zero. NULL when the builder has
 * failed. */
static uint8_t *grow(struct nlmsg *m, size_t len)
{
	size_t padded = NLMSG_ALIGN(len);
	uint8_t *at;

	if (m->err)
		return NULL;
	if (len > NLMSG_BUF_MAX || m->len + padded > NLMSG_BUF_MAX) {
		m->err = -EMSGSIZE;
		return NULL;
	}
	if (m->len + padded > m->cap) {
		size_t cap = m->cap ? m->cap : 1024;
		uint8_t *bigger;

		while (cap < m->len + padded)
			cap *= 2;
		bigger = realloc(m->buf, cap);
		if (!bigger) {
			m->err = -ENOMEM;
			return NULL;
		}
		m->buf = bigger;
		m->cap = cap;
	}
	at = m->buf + m->len;
	memset(at, 0, padded);
	m->len += padded;
	return at;
}

void nlmsg_begin(struct nlmsg *m, uint16_t type, uint16_t flags, const void *head, size_t head_len)
{
	const struct nlmsghdr h = {.nlmsg_type = type, .nlmsg_flags = flags};
	size_t start = m->len;
	uint8_t *at = grow(m, sizeof(h) + head_len);

	if (!at)
		return;
	m->start = start;
	memcpy(at, &h, sizeof(h));
	if (head_len)
		memcpy(at + sizeof(h), head, head_len);
}

void nlmsg_end(struct nlmsg *m)
{
	uint32_t len = (uint32_t)(m->len - m->start);

	if (!m->err)
		memcpy(m->buf + m->start, &len, sizeof(len));
}

void nlmsg_put(struct nlmsg *m, uint16_t type, const void *data, size_t len)
{
	struct nlattr a = {.nla_type = type};
	uint8_t *at;

	if (len > UINT16_MAX - sizeof(a)) {
		if (!m->err)
			m->err = -EMSGSIZE;
		return;
	}
	a.nla_len = (uint16_t)(sizeof(a) + len);
	at = grow(m, sizeof(a) + len);
	if (!at)
		return;
	memcpy(at, &a, sizeof(a));
	if (len)
		memcpy(at + sizeof(a), data, len);
}

void nlmsg_put_u8(struct nlmsg *m, uint16_t type, uint8_t v)
{
	nlmsg_put(m, type, &v, sizeof(v));
}

void nlmsg_put_u16(struct nlmsg *m, uint16_t type, uint16_t v)
{
	nlmsg_put(m, type, &v, sizeof(v));
}

void nlmsg_put_u32(struct nlmsg *m, uint16_t type, uint32_t v)
{
	nlmsg_put(m, type, &v, sizeof(v));
}

void nlmsg_put_be16(struct nlmsg *m, uint16_t type, uint16_t v)
{
	v = htobe16(v);
	nlmsg_put(m, type, &v, sizeof(v));
}

void nlmsg_put_be32(struct nlmsg *m, uint16_t type, uint32_t v)
{
	v = htobe32(v);
	nlmsg_put(m, type, &v, sizeof(v));
}

void nlmsg_put_be64(struct nlmsg *m, uint16_t type, uint64_t v)
{
	v = htobe64(v);
	nlmsg_put(m, type, &v, sizeof(v));
}

void nlmsg_put_str(struct nlmsg *m, uint16_t type, const char *s)
{
	nlmsg_put(m, type, s, strlen(s) + 1);
}

void nlmsg_put_raw(struct nlmsg *m, const void *data, size_t len)
{
	uint8_t *at = grow(m, len);

	if (at && len)
		memcpy(at, data, len);
}

size_t nlmsg_nest(struct nlmsg *m, uint16_t type)
{
	size_t nest = m->len;

	nlmsg_put(m, type | NLA_F_NESTED, NULL, 0);
	return nest;
}

void nlmsg_nest_end(struct nlmsg *m, size_t nest)
{
	size_t len = m->len - nest;
	uint16_t len16 = (uint16_t)len;

	if (m->err)
		return;
	if (len > UINT16_MAX) {
		m->err = -EMSGSIZE;
		return;
	}
	memcpy(m->buf + nest, &len16, sizeof(len16));
}

int nla_next(struct nla_cursor *c, struct nla *out)
{
	struct nlattr a;
	size_t step;

	if (!c->left)
		return 0;
	if (c->left < sizeof(a))
		return -EBADMSG;
	memcpy(&a, c->p, sizeof(a));
	if (a.nla_len < sizeof(a) || a.nla_len > c->left)
		return -EBADMSG;
	out->type = a.nla_type & NLA_TYPE_MASK;
	out->len = (uint16_t)(a.nla_len - sizeof(a));
	out->data = c->p + sizeof(a);
	step = NLA_ALIGN(a.nla_len);
	/* The kernel may leave out the padding behind the last attribute. */
	if (step > c->left)
		step = c->left;
	c->p += step;
	c->left -= step;
	return 1;
}

int nla_parse(struct nla *table, size_t n_table, const void *data, size_t len)
{
	struct nla_cursor c = {data, len};
	struct nla a;
	int r;

	memset(table, 0, n_table * sizeof(*table));
	while ((r = nla_next(&c, &a)) > 0)
		if (a.type < n_table)
			table[a.type] = a;
	return r;
}

#define DEFINE_GET(fn, type_, convert)                                                                       \
	type_ fn(const struct nla *a)                                                                        \
	{                                                                                                    \
		type_ v;                                                                                     \
                                                                                                             \
		if (!a->data || a->len < sizeof(v))                                                          \
			return 0;                                                                            \
		memcpy(&v, a->data, sizeof(v));                                                              \
		return convert(v);                                                                           \
	}

DEFINE_GET(nla_u8, uint8_t, )
DEFINE_GET(nla_u16, uint16_t, )
DEFINE_GET(nla_u32, uint32_t, )
DEFINE_GET(nla_be32, uint32_t, be32toh)
DEFINE_GET(nla_be64, uint64_t, be64toh)

bool nla_str(const struct nla *a, char *out, size_t size)
{
	size_t len = a->data ? strnlen((const char *)a->data, a->len) : 0;

	if (len > size - 1)
		len = size - 1;
	if (len)
		memcpy(out, a->data, len);
	out[len] = '\0';
	return a->data != NULL;
}

int nlmsg_next(struct nla_cursor *c, struct nlmsg_view *out)
{
	struct nlmsghdr h;
	size_t step;

	if (!c->left)
		return 0;
	if (c->left < sizeof(h))
		return -EBADMSG;
	memcpy(&h, c->p, sizeof(h));
	if (h.nlmsg_len < sizeof(h) || h.nlmsg_len > c->left)
		return -EBADMSG;
	*out = (struct nlmsg_view){
		.type = h.nlmsg_type,
		.flags = h.nlmsg_flags,
		.seq = h.nlmsg_seq,
		.data = c->p + sizeof(h),
		.len = h.nlmsg_len - sizeof(h),
	};
	step = NLMSG_ALIGN((size_t)h.nlmsg_len);
	if (step > c->left)
		step = c->left;
	c->p += step;
	c->left -= step;
	return 1;
}

int nlmsg_attrs(const struct nlmsg_view *v, size_t head_len, struct nla *table, size_t n_table)
{
	head_len = NLMSG_ALIGN(head_len);
	if (v->len < head_len)
		return -EBADMSG;
	return nla_parse(table, n_table, v->data + head_len, v->len - head_len);
}

int nlmsg_error(const struct nlmsg_view *v, char *text, size_t size, uint32_t *offset)
{
	struct nla t[NLMSGERR_ATTR_OFFS + 1];
	struct nlmsgerr e;
	size_t skip = sizeof(e);

	text[0] = '\0';
	if (offset)
		*offset = 0;
	if (v->len < sizeof(e))
		return -EBADMSG;
	memcpy(&e, v->data, sizeof(e));
	if (e.error > 0 || e.error < -4095)
		return -EBADMSG;
	if (!(v->flags & NLM_F_ACK_TLVS))
		return e.error;
	/* The request is repeated in front of the attributes unless the kernel says that it was cut off. */
	if (!(v->flags & NLM_F_CAPPED)) {
		if (e.msg.nlmsg_len < sizeof(e.msg) || e.msg.nlmsg_len - sizeof(e.msg) > v->len - skip)
			return e.error ? e.error : -EBADMSG;
		skip += NLMSG_ALIGN(e.msg.nlmsg_len - sizeof(e.msg));
		if (skip > v->len)
			skip = v->len;
	}
	if (nla_parse(t, array_len(t), v->data + skip, v->len - skip) < 0)
		return e.error;
	nla_str(&t[NLMSGERR_ATTR_MSG], text, size);
	if (offset)
		*offset = nla_u32(&t[NLMSGERR_ATTR_OFFS]);
	return e.error;
}

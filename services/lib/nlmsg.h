/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LIB_NLMSG_H
#define LIB_NLMSG_H

/*
 * Netlink messages as bytes: built without overrun, read without trust. No socket here (netlink.h has it), so
 * everything can be compared byte by byte and fuzzed.
 *
 * A builder carries its first error: put as much as you like, look once at the end. Several messages in one
 * buffer make a batch.
 */

#include <linux/netlink.h>

#include "lib/util.h"

enum { NLMSG_BUF_MAX = 4 << 20 };

struct nlmsg {
	uint8_t *buf; /* owned; aligned as malloc aligns */
	size_t len;
	size_t cap;
	size_t start; /* of the message being built */
	int err;      /* the first failure, negative errno */
};

void nlmsg_fini(struct nlmsg *m);

/* Opens a message. @head is the family's fixed header, copied. Sequence and port are set when it is sent. */
void nlmsg_begin(struct nlmsg *m, uint16_t type, uint16_t flags, const void *head, size_t head_len);
void nlmsg_end(struct nlmsg *m);

/* Attributes of the open message. Numbers are in host order unless the name says be (big endian). */
void nlmsg_put(struct nlmsg *m, uint16_t type, const void *data, size_t len);
void nlmsg_put_u8(struct nlmsg *m, uint16_t type, uint8_t v);
void nlmsg_put_u16(struct nlmsg *m, uint16_t type, uint16_t v);
void nlmsg_put_u32(struct nlmsg *m, uint16_t type, uint32_t v);
void nlmsg_put_be16(struct nlmsg *m, uint16_t type, uint16_t v);
void nlmsg_put_be32(struct nlmsg *m, uint16_t type, uint32_t v);
void nlmsg_put_be64(struct nlmsg *m, uint16_t type, uint64_t v);
void nlmsg_put_str(struct nlmsg *m, uint16_t type, const char *s); /* with its NUL */
void nlmsg_put_raw(struct nlmsg *m, const void *data, size_t len); /* no attribute header, padded to 4 */

/* A nested attribute: what is put between the two calls is inside. */
must_check size_t nlmsg_nest(struct nlmsg *m, uint16_t type);
void nlmsg_nest_end(struct nlmsg *m, size_t nest);

/* One attribute that was received. */
struct nla {
	uint16_t type; /* without the flag bits */
	uint16_t len;  /* of data */
	const uint8_t *data;
};

/* What is left to read; start with {bytes, length}. */
struct nla_cursor {
	const uint8_t *p;
	size_t left;
};

/* Return: 1 and the next attribute, 0 at the end, -EBADMSG when the bytes lie about their lengths. */
must_check int nla_next(struct nla_cursor *c, struct nla *out);

/**
 * nla_parse() - attributes by type
 * @table:	n_table entries, cleared first; a type beyond it is ignored, the last of equal types wins
 *
 * Return: 0 or -EBADMSG.
 */
must_check int nla_parse(struct nla *table, size_t n_table, const void *data, size_t len);

/* The value, or 0 when the attribute is absent or too short. */
uint8_t nla_u8(const struct nla *a);
uint16_t nla_u16(const struct nla *a);
uint32_t nla_u32(const struct nla *a);
uint32_t nla_be32(const struct nla *a);
uint64_t nla_be64(const struct nla *a);
/* Copies a string, always terminated; cut to @size. Return: false when absent. */
bool nla_str(const struct nla *a, char *out, size_t size);

/* One received message: the family's header and what follows. */
struct nlmsg_view {
	uint16_t type;
	uint16_t flags;
	uint32_t seq;
	const uint8_t *data; /* after struct nlmsghdr */
	size_t len;
};

/* Return: 1 and the next message of a datagram, 0 at the end, -EBADMSG. */
must_check int nlmsg_next(struct nla_cursor *c, struct nlmsg_view *out);

/* The attributes behind a fixed header of @head_len bytes; -EBADMSG when the message is shorter than that. */
must_check int nlmsg_attrs(const struct nlmsg_view *v, size_t head_len, struct nla *table, size_t n_table);

/**
 * nlmsg_error() - read an NLMSG_ERROR message
 * @text:	receives the kernel's words (extended ack), "" when it has none
 * @offset:	receives the offset of the attribute at fault within the request, 0 when not said; may be NULL
 *
 * Return: the errno it carries (0 is an acknowledgement, else negative), or -EBADMSG.
 */
int nlmsg_error(const struct nlmsg_view *v, char *text, size_t size, uint32_t *offset);

#endif

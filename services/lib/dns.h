/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LIB_DNS_H
#define LIB_DNS_H

/*
 * DNS messages (RFC 1035, 2782, 6891), as little of them as answering for names of one's own takes: one question is
 * read, an answer to it is written, addresses in somebody else's answer are read. Everything else is passed on unread.
 * Queries come from containers: nothing in them is trusted.
 */

#include <netinet/in.h>

#include "lib/ipconf.h"
#include "lib/util.h"

enum { DNS_HEADER = 12, DNS_NAME_MAX = 255, DNS_LABEL_MAX = 63, DNS_UDP_MAX = 512, DNS_MESSAGE_MAX = 65535 };
enum {
	DNS_TYPE_A = 1,
	DNS_TYPE_NS = 2,
	DNS_TYPE_CNAME = 5,
	DNS_TYPE_SOA = 6,
	DNS_TYPE_PTR = 12,
	DNS_TYPE_TXT = 16,
	DNS_TYPE_AAAA = 28,
	DNS_TYPE_SRV = 33,
	DNS_TYPE_OPT = 41,
	DNS_TYPE_ANY = 255,
	DNS_CLASS_IN = 1
};
enum { DNS_OK = 0, DNS_FORMERR = 1, DNS_SERVFAIL = 2, DNS_NXDOMAIN = 3, DNS_NOTIMP = 4 };

struct dns_question {
	uint16_t id; /* as it is on the wire */
	char name[DNS_NAME_MAX +
		  1]; /* lower case, dots between labels; a dot or control character within one refuses it */
	uint16_t type, class;
	size_t end; /* offset behind the question */
};

/* Reads the one question of a query. 0, or -EBADMSG: not a query that can be answered or passed on. */
must_check int dns_question(struct dns_question *q, const uint8_t *msg, size_t len);

/*
 * The largest answer the client takes over UDP (EDNS, RFC 6891), DNS_UDP_MAX to 65535; 0: it does not say, and an answer has
 * no OPT record.
 */
uint16_t dns_udp_size(const uint8_t *msg, size_t len, const struct dns_question *q);

/* "4.3.2.1.in-addr.arpa" to 1.2.3.4, and 32 nibbles before ip6.arpa likewise (RFC 3596). */
bool dns_reverse(const char *name, struct ipaddr *out);

/* A query of our own, asking for recursion. @size: at least DNS_HEADER + DNS_NAME_MAX + 6. The length, or 0: no such name. */
size_t dns_query(uint8_t *out, size_t size, uint16_t id, const char *name, uint16_t type);

/* Whether @reply answers the question in @query: the same question, marked as a reply. Ids are not compared. */
bool dns_answers(const uint8_t *reply, size_t len, const struct dns_question *q);

/* The A or AAAA records of an answer, whatever their names: it may have followed aliases. Return: how many, at most @max. */
size_t dns_reply_addresses(const uint8_t *reply, size_t len, uint16_t type, struct ipaddr *out, size_t max);
unsigned dns_rcode(const uint8_t *reply); /* of DNS_HEADER bytes */

/*
 * An answer to @query, which has passed dns_question(), written record by record: those of the answer first, then of
 * the authority, then additional ones. What does not fit is left out and marked as truncated, unless it is additional.
 */
struct dns_writer {
	uint8_t *out; /* borrowed */
	size_t size, len;
	const struct dns_question *q;
	uint16_t counts[3];
	bool truncated;
	bool edns;
};

enum dns_section { DNS_ANSWER, DNS_AUTHORITY, DNS_ADDITIONAL };

/* @size: at least DNS_UDP_MAX. @edns: the answer gets an OPT record. */
void dns_begin(struct dns_writer *w, uint8_t *out, size_t size, const uint8_t *query,
	const struct dns_question *q, unsigned rcode, bool edns);
void dns_set_rcode(struct dns_writer *w, unsigned rcode);
size_t dns_end(struct dns_writer *w); /* the length */

/* Records; @name NULL: the question's. A name that cannot be one leaves the record out. */
void dns_put_address(
	struct dns_writer *w, enum dns_section s, const char *name, const struct ipaddr *a, uint32_t ttl_s);
void dns_put_name(/* CNAME, PTR, NS */
	struct dns_writer *w, enum dns_section s, const char *name, uint16_t type, const char *target,
	uint32_t ttl_s);
void dns_put_srv(struct dns_writer *w, const char *name, uint16_t weight, uint16_t port, const char *target,
	uint32_t ttl_s);						   /* priority 0 */
void dns_put_text(struct dns_writer *w, const char *text, uint32_t ttl_s); /* at most 255 bytes */
/* @ttl_s: also how long a client may remember that there was nothing. */
void dns_put_soa(struct dns_writer *w, enum dns_section s, const char *name, const char *server,
	const char *mail, uint32_t serial, uint32_t ttl_s);

/* Whole answers of one kind, without EDNS. @size: at least DNS_UDP_MAX. Return: the length. */
/* A and AAAA records, as the addresses' families are. */
size_t dns_answer_addresses(uint8_t *out, size_t size, const uint8_t *query, const struct dns_question *q,
	const struct ipaddr *a, size_t n, uint32_t ttl_s);
size_t dns_answer_ptr(uint8_t *out, size_t size, const uint8_t *query, const struct dns_question *q,
	const char *name, uint32_t ttl_s);
/* No records: DNS_OK says the name exists without any of this type. */
size_t dns_answer_none(
	uint8_t *out, size_t size, const uint8_t *query, const struct dns_question *q, unsigned rcode);

#endif

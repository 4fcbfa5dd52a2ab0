/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LIB_DNS_H
#define LIB_DNS_H

/*
 * DNS messages (RFC 1035), as little of them as answering for container names takes: one question is read, an
 * answer to it is written. Everything else is passed on unread. Queries come from containers: nothing in them
 * is trusted.
 */

#include <netinet/in.h>

#include "lib/ipconf.h"
#include "lib/util.h"

enum { DNS_HEADER = 12, DNS_NAME_MAX = 255, DNS_UDP_MAX = 512, DNS_MESSAGE_MAX = 65535 };
enum { DNS_TYPE_A = 1, DNS_TYPE_PTR = 12, DNS_TYPE_AAAA = 28, DNS_TYPE_ANY = 255, DNS_CLASS_IN = 1 };
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

/* "4.3.2.1.in-addr.arpa" to 1.2.3.4, and 32 nibbles before ip6.arpa likewise (RFC 3596). */
bool dns_reverse(const char *name, struct ipaddr *out);

/*
 * Answers to @query, which has passed dns_question(). @out has @size bytes, at least DNS_UDP_MAX. What does
 * not fit is left out, and the answer marked as truncated. Return: the length.
 */
/* A and AAAA records, as the addresses' families are. */
size_t dns_answer_addresses(uint8_t *out, size_t size, const uint8_t *query, const struct dns_question *q,
	const struct ipaddr *a, size_t n, uint32_t ttl_s);
size_t dns_answer_ptr(uint8_t *out, size_t size, const uint8_t *query, const struct dns_question *q,
	const char *name, uint32_t ttl_s);
/* No records: DNS_OK says the name exists without any of this type. */
size_t dns_answer_none(
	uint8_t *out, size_t size, const uint8_t *query, const struct dns_question *q, unsigned rcode);

/* Whether @reply answers the question in @query: the same question, marked as a reply. Ids are not compared.
 */
bool dns_answers(const uint8_t *reply, size_t len, const struct dns_question *q);

#endif

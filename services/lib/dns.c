/* SPDX-License-Identifier: Apache-2.0 */

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "lib/dns.h"

enum {
	FLAG_REPLY = 0x80,
	OPCODE_MASK = 0x78,
	FLAG_RECURSE = 0x01,
	FLAG_CAN_RECURSE = 0x80,
	FLAG_AUTHORITY = 0x04,
	FLAG_TRUNCATED = 0x02
};
enum { LABEL_MAX = 63, RECORD_HEAD = 12 }; /* name pointer, type, class, ttl, length */

static uint16_t get16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

static void put16(uint8_t *p, unsigned v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

/* Reads labels at @at; a question has no compression. Return: the offset behind them, 0 when they are not
 * sound. */
static size_t get_name(const uint8_t *msg, size_t len, size_t at, char out[DNS_NAME_MAX + 1])
{
	size_t n = 0;

	for (;;) {
		size_t label;

		if (at >= len)
			return 0;
		label = msg[at++];
		if (!label)
			break;
		if (label > LABEL_MAX || label > len - at || n + label + 1 > DNS_NAME_MAX)
			return 0;
		if (n)
			out[n++] = '.';
		for (size_t i = 0; i < label; i++) {
			uint8_t c = msg[at + i];

			if (c <= ' ' || c == '.' || c >= 0x7f)
				return 0;
			out[n++] = (char)tolower(c);
		}
		at += label;
	}
	out[n] = '\0';
	return at;
}

static int read_question(struct dns_question *q, const uint8_t *msg, size_t len)
{
	size_t at;

	if (len < DNS_HEADER || len > DNS_MESSAGE_MAX || get16(msg + 4) != 1)
		return -EBADMSG;
	memcpy(&q->id, msg, sizeof(q->id));
	at = get_name(msg, len, DNS_HEADER, q->name);
	if (!at || len - at < 4)
		return -EBADMSG;
	q->type = get16(msg + at);
	q->class = get16(msg + at + 2);
	q->end = at + 4;
	return 0;
}

int dns_question(struct dns_question *q, const uint8_t *msg, size_t len)
{
	if (len < DNS_HEADER || msg[2] & (FLAG_REPLY | OPCODE_MASK))
		return -EBADMSG;
	return read_question(q, msg, len);
}

bool dns_answers(const uint8_t *reply, size_t len, const struct dns_question *q)
{
	struct dns_question r;

	return len >= DNS_HEADER && reply[2] & FLAG_REPLY && read_question(&r, reply, len) == 0 &&
	       r.type == q->type && r.class == q->class && !strcmp(r.name, q->name);
}

static bool reverse_v4(const char *name, struct ipaddr *out)
{
	unsigned b[4];
	int used = 0;

	if (sscanf(name, "%3u.%3u.%3u.%3u.in-addr.arpa%n", &b[3], &b[2], &b[1], &b[0], &used) != 4 || !used ||
		name[used])
		return false;
	*out = (struct ipaddr){.family = AF_INET, .prefix = 32};
	for (size_t i = 0; i < 4; i++) {
		if (b[i] > 255)
			return false;
		out->bytes[i] = (uint8_t)b[i];
	}
	return true;
}

bool dns_reverse(const char *name, struct ipaddr *out)
{
	enum { NIBBLES = 32 };
	static const char hex[] = "0123456789abcdef";

	if (strlen(name) != 2 * NIBBLES + strlen("ip6.arpa") || strcmp(name + 2 * NIBBLES, "ip6.arpa") != 0)
		return reverse_v4(name, out);
	*out = (struct ipaddr){.family = AF_INET6, .prefix = 128};
	for (size_t i = 0; i < NIBBLES; i++) {
		const char *digit = memchr(hex, name[2 * i], sizeof(hex) - 1);
		size_t at = NIBBLES - 1 - i;

		if (!digit || name[2 * i + 1] != '.')
			return false;
		out->bytes[at / 2] |= (uint8_t)((digit - hex) << (at % 2 ? 0 : 4));
	}
	return true;
}

/* The head of an answer: the query's own id, question and wish for recursion. Return: its length. */
static size_t begin(
	uint8_t *out, size_t size, const uint8_t *query, const struct dns_question *q, unsigned rcode)
{
	size_t len = q->end <= size ? q->end : DNS_HEADER;

	memcpy(out, query, len);
	out[2] = (uint8_t)(FLAG_REPLY | FLAG_AUTHORITY | (query[2] & FLAG_RECURSE));
	out[3] = (uint8_t)(FLAG_CAN_RECURSE | rcode);
	memset(out + 4, 0, 8);
	if (len == q->end)
		put16(out + 4, 1);
	return len;
}

static size_t record(uint8_t *out, size_t at, unsigned type, uint32_t ttl_s, const void *data, size_t len)
{
	put16(out + at, 0xc000 | DNS_HEADER); /* the name is the question's */
	put16(out + at + 2, type);
	put16(out + at + 4, DNS_CLASS_IN);
	put16(out + at + 6, ttl_s >> 16);
	put16(out + at + 8, ttl_s & 0xffff);
	put16(out + at + 10, (unsigned)len);
	memcpy(out + at + RECORD_HEAD, data, len);
	return at + RECORD_HEAD + len;
}

size_t dns_answer_none(
	uint8_t *out, size_t size, const uint8_t *query, const struct dns_question *q, unsigned rcode)
{
	return begin(out, size, query, q, rcode);
}

size_t dns_answer_addresses(uint8_t *out, size_t size, const uint8_t *query, const struct dns_question *q,
	const struct ipaddr *a, size_t n, uint32_t ttl_s)
{
	size_t at = begin(out, size, query, q, DNS_OK);
	unsigned count = 0;

	for (; count < n && size - at >= RECORD_HEAD + ipaddr_len(&a[count]); count++)
		at = record(out, at, a[count].family == AF_INET6 ? DNS_TYPE_AAAA : DNS_TYPE_A, ttl_s,
			a[count].bytes, ipaddr_len(&a[count]));
	if (count < n)
		out[2] |= FLAG_TRUNCATED;
	put16(out + 6, count);
	return at;
}

size_t dns_answer_ptr(uint8_t *out, size_t size, const uint8_t *query, const struct dns_question *q,
	const char *name, uint32_t ttl_s)
{
	size_t at = begin(out, size, query, q, DNS_OK), n = 0;
	uint8_t wire[DNS_NAME_MAX + 2];

	while (*name) {
		size_t label = strcspn(name, ".");

		if (!label || label > LABEL_MAX || n + label + 2 > sizeof(wire))
			return at;
		wire[n++] = (uint8_t)label;
		memcpy(wire + n, name, label);
		n += label;
		name += label + (name[label] == '.');
	}
	wire[n++] = 0;
	if (size - at < RECORD_HEAD + n) {
		out[2] |= FLAG_TRUNCATED;
		return at;
	}
	put16(out + 6, 1);
	return record(out, at, DNS_TYPE_PTR, ttl_s, wire, n);
}

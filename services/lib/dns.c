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
enum {
	POINTER = 0xc0,
	RECORD_FIXED = 10, /* type, class, ttl, length */
	OPT_LEN = 11,
	EDNS_SIZE = 1232 /* what passes everywhere in one piece */
};

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
		if (label > DNS_LABEL_MAX || label > len - at || n + label + 1 > DNS_NAME_MAX)
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

/* ---- what is behind the question */

/* Steps over a name, which may end in a pointer. Return: the offset behind it, 0 when it is not sound. */
static size_t skip_name(const uint8_t *msg, size_t len, size_t at)
{
	while (at < len) {
		uint8_t n = msg[at];

		if (n >= POINTER)
			return at + 2 <= len ? at + 2 : 0;
		if (n > DNS_LABEL_MAX)
			return 0;
		at += 1 + (size_t)n;
		if (!n)
			return at <= len ? at : 0;
	}
	return 0;
}

struct record {
	uint16_t type, class;
	const uint8_t *data;
	size_t len, next;
};

static bool read_record(struct record *r, const uint8_t *msg, size_t len, size_t at)
{
	size_t head = skip_name(msg, len, at);

	if (!head || len - head < RECORD_FIXED)
		return false;
	r->type = get16(msg + head);
	r->class = get16(msg + head + 2);
	r->len = get16(msg + head + 8);
	r->data = msg + head + RECORD_FIXED;
	r->next = head + RECORD_FIXED + r->len;
	return r->next <= len;
}

uint16_t dns_udp_size(const uint8_t *msg, size_t len, const struct dns_question *q)
{
	unsigned n = get16(msg + 6) + get16(msg + 8) + get16(msg + 10);
	size_t at = q->end;
	struct record r;

	for (unsigned i = 0; i < n && read_record(&r, msg, len, at); i++) {
		/* In place of a class an OPT record has a size. */
		if (r.type == DNS_TYPE_OPT)
			return r.class < DNS_UDP_MAX ? DNS_UDP_MAX : r.class;
		at = r.next;
	}
	return 0;
}

size_t dns_reply_addresses(const uint8_t *reply, size_t len, uint16_t type, struct ipaddr *out, size_t max)
{
	struct dns_question q;
	struct record r;
	size_t at, n = 0;

	if (len < DNS_HEADER || read_question(&q, reply, len) < 0)
		return 0;
	at = q.end;
	for (unsigned i = 0; i < get16(reply + 6) && n < max && read_record(&r, reply, len, at); i++) {
		size_t want = type == DNS_TYPE_AAAA ? 16 : 4;

		at = r.next;
		if (r.type != type || r.class != DNS_CLASS_IN || r.len != want)
			continue;
		out[n] = (struct ipaddr){
			.family = type == DNS_TYPE_AAAA ? AF_INET6 : AF_INET, .prefix = (uint8_t)(8 * want)};
		memcpy(out[n++].bytes, r.data, want);
	}
	return n;
}

unsigned dns_rcode(const uint8_t *reply)
{
	return reply[3] & 0x0f;
}

/* ---- writing */

/*
 * @name as labels at @out. With @q, the longest ending that the question has too is a pointer to it: what is at place i of the
 * question's text has its length at DNS_HEADER + i. Return: the length, 0: no such name, or no room.
 */
static size_t write_name(uint8_t *out, size_t size, const char *name, const struct dns_question *q)
{
	size_t n = 0;

	if (strlen(name) > DNS_NAME_MAX - 2)
		return 0;
	while (*name) {
		size_t label = strcspn(name, "."), rest = strlen(name), all = q ? strlen(q->name) : 0;

		if (q && rest <= all && !strcmp(q->name + all - rest, name) &&
			(rest == all || q->name[all - rest - 1] == '.')) {
			if (size - n < 2)
				return 0;
			put16(out + n, (unsigned)(POINTER << 8 | (DNS_HEADER + all - rest)));
			return n + 2;
		}
		if (!label || label > DNS_LABEL_MAX || n + label + 2 > DNS_NAME_MAX + 1 ||
			n + label + 2 > size)
			return 0;
		out[n++] = (uint8_t)label;
		memcpy(out + n, name, label);
		n += label;
		name += label + (name[label] == '.');
	}
	if (n == size)
		return 0;
	out[n++] = 0;
	return n;
}

size_t dns_query(uint8_t *out, size_t size, uint16_t id, const char *name, uint16_t type)
{
	size_t n =
		size < DNS_HEADER + 4 ? 0 : write_name(out + DNS_HEADER, size - DNS_HEADER - 4, name, NULL);

	if (!n)
		return 0;
	memset(out, 0, DNS_HEADER);
	memcpy(out, &id, sizeof(id));
	out[2] = FLAG_RECURSE;
	put16(out + 4, 1);
	n += DNS_HEADER;
	put16(out + n, type);
	put16(out + n + 2, DNS_CLASS_IN);
	return n + 4;
}

/* The head of an answer: the query's own id, question and wish for recursion. */
void dns_begin(struct dns_writer *w, uint8_t *out, size_t size, const uint8_t *query,
	const struct dns_question *q, unsigned rcode, bool edns)
{
	*w = (struct dns_writer){.out = out, .size = size - (edns ? OPT_LEN : 0), .q = q, .edns = edns};
	w->len = q->end <= w->size ? q->end : DNS_HEADER;
	memcpy(out, query, w->len);
	out[2] = (uint8_t)(FLAG_REPLY | FLAG_AUTHORITY | (query[2] & FLAG_RECURSE));
	out[3] = (uint8_t)(FLAG_CAN_RECURSE | rcode);
	memset(out + 4, 0, 8);
	if (w->len == q->end)
		put16(out + 4, 1);
}

void dns_set_rcode(struct dns_writer *w, unsigned rcode)
{
	w->out[3] = (uint8_t)(FLAG_CAN_RECURSE | rcode);
}

size_t dns_end(struct dns_writer *w)
{
	static const uint8_t opt[OPT_LEN] = {0, 0, DNS_TYPE_OPT, EDNS_SIZE >> 8, EDNS_SIZE & 0xff};

	if (w->truncated)
		w->out[2] |= FLAG_TRUNCATED;
	for (size_t i = 0; i < array_len(w->counts); i++)
		put16(w->out + 6 + 2 * i, w->counts[i]);
	if (w->edns) {
		memcpy(w->out + w->len, opt, sizeof(opt));
		w->len += sizeof(opt);
		put16(w->out + 10, w->counts[DNS_ADDITIONAL] + 1U);
	}
	return w->len;
}

static void put_record(struct dns_writer *w, enum dns_section s, const char *name, uint16_t type,
	uint32_t ttl_s, const void *data, size_t len)
{
	uint8_t head[DNS_NAME_MAX + 1 + RECORD_FIXED];
	size_t n = write_name(head, DNS_NAME_MAX + 1, name ? name : w->q->name, w->q);

	if (!n || w->truncated)
		return;
	put16(head + n, type);
	put16(head + n + 2, DNS_CLASS_IN);
	put16(head + n + 4, ttl_s >> 16);
	put16(head + n + 6, ttl_s & 0xffff);
	put16(head + n + 8, (unsigned)len);
	n += RECORD_FIXED;
	if (w->size - w->len < n + len) {
		w->truncated = s != DNS_ADDITIONAL;
		return;
	}
	memcpy(w->out + w->len, head, n);
	memcpy(w->out + w->len + n, data, len);
	w->len += n + len;
	w->counts[s]++;
}

void dns_put_address(
	struct dns_writer *w, enum dns_section s, const char *name, const struct ipaddr *a, uint32_t ttl_s)
{
	put_record(w, s, name, a->family == AF_INET6 ? DNS_TYPE_AAAA : DNS_TYPE_A, ttl_s, a->bytes,
		ipaddr_len(a));
}

void dns_put_name(struct dns_writer *w, enum dns_section s, const char *name, uint16_t type,
	const char *target, uint32_t ttl_s)
{
	uint8_t wire[DNS_NAME_MAX + 1];
	size_t n = write_name(wire, sizeof(wire), target, w->q);

	if (n)
		put_record(w, s, name, type, ttl_s, wire, n);
}

/* A target is written in full (RFC 2782). */
void dns_put_srv(struct dns_writer *w, const char *name, uint16_t weight, uint16_t port, const char *target,
	uint32_t ttl_s)
{
	uint8_t data[6 + DNS_NAME_MAX + 1];
	size_t n = write_name(data + 6, sizeof(data) - 6, target, NULL);

	put16(data, 0);
	put16(data + 2, weight);
	put16(data + 4, port);
	if (n)
		put_record(w, DNS_ANSWER, name, DNS_TYPE_SRV, ttl_s, data, 6 + n);
}

void dns_put_text(struct dns_writer *w, const char *text, uint32_t ttl_s)
{
	uint8_t data[256];
	size_t n = strnlen(text, sizeof(data) - 1);

	data[0] = (uint8_t)n;
	memcpy(data + 1, text, n);
	put_record(w, DNS_ANSWER, NULL, DNS_TYPE_TXT, ttl_s, data, n + 1);
}

void dns_put_soa(struct dns_writer *w, enum dns_section s, const char *name, const char *server,
	const char *mail, uint32_t serial, uint32_t ttl_s)
{
	const uint32_t numbers[] = {serial, 7200, 1800, 86400, ttl_s}; /* refresh, retry, expire, minimum */
	uint8_t data[2 * (DNS_NAME_MAX + 1) + sizeof(numbers)];
	size_t n = write_name(data, DNS_NAME_MAX + 1, server, w->q);
	size_t m = n ? write_name(data + n, DNS_NAME_MAX + 1, mail, w->q) : 0;

	if (!m)
		return;
	n += m;
	for (size_t i = 0; i < array_len(numbers); i++, n += 4) {
		put16(data + n, numbers[i] >> 16);
		put16(data + n + 2, numbers[i] & 0xffff);
	}
	put_record(w, s, name, DNS_TYPE_SOA, ttl_s, data, n);
}

/* ---- whole answers */

size_t dns_answer_none(
	uint8_t *out, size_t size, const uint8_t *query, const struct dns_question *q, unsigned rcode)
{
	struct dns_writer w;

	dns_begin(&w, out, size, query, q, rcode, false);
	return dns_end(&w);
}

size_t dns_answer_addresses(uint8_t *out, size_t size, const uint8_t *query, const struct dns_question *q,
	const struct ipaddr *a, size_t n, uint32_t ttl_s)
{
	struct dns_writer w;

	dns_begin(&w, out, size, query, q, DNS_OK, false);
	for (size_t i = 0; i < n; i++)
		dns_put_address(&w, DNS_ANSWER, NULL, &a[i], ttl_s);
	return dns_end(&w);
}

size_t dns_answer_ptr(uint8_t *out, size_t size, const uint8_t *query, const struct dns_question *q,
	const char *name, uint32_t ttl_s)
{
	struct dns_writer w;

	dns_begin(&w, out, size, query, q, DNS_OK, false);
	dns_put_name(&w, DNS_ANSWER, NULL, DNS_TYPE_PTR, name, ttl_s);
	return dns_end(&w);
}

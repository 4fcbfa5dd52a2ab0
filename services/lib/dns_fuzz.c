/* SPDX-License-Identifier: Apache-2.0 */

/* Anything a container could send to its resolver, or somebody on the wire as an answer. */

#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "lib/dns.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Every kind of record, with names that end as the question does. */
static void everything(const uint8_t *data, const struct dns_question *q)
{
	uint8_t out[DNS_UDP_MAX];
	char name[2 * DNS_NAME_MAX];
	struct dns_writer w;
	size_t n;

	snprintf(name, sizeof(name), "web-0.%s", q->name);
	dns_begin(&w, out, sizeof(out), data, q, DNS_OK, true);
	dns_put_srv(&w, NULL, 1, 80, name, 5);
	dns_put_name(&w, DNS_ANSWER, name, DNS_TYPE_CNAME, strchr(q->name, '.') ?: "x", 5);
	dns_put_text(&w, q->name, 5);
	dns_put_soa(&w, DNS_AUTHORITY, q->name, name, "root.cluster.local", 1, 5);
	n = dns_end(&w);
	if (n > sizeof(out) || n < DNS_HEADER)
		__builtin_trap();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct ipaddr many[64], a;
	uint8_t out[DNS_UDP_MAX];
	struct dns_question q, again;

	if (dns_question(&q, data, size) < 0)
		return 0;
	if (q.end > size || strlen(q.name) > DNS_NAME_MAX)
		__builtin_trap();
	(void)dns_reverse(q.name, &a);
	(void)dns_udp_size(data, size, &q);
	if (dns_reply_addresses(data, size, q.type, many, array_len(many)) > array_len(many))
		__builtin_trap();
	for (size_t i = 0; i < array_len(many); i++)
		many[i] = (struct ipaddr){.family = i % 2 ? AF_INET6 : AF_INET};
	for (unsigned kind = 0; kind < 3; kind++) {
		size_t n = kind == 0   ? dns_answer_addresses(out, sizeof(out), data, &q, many, 64, 600)
			   : kind == 1 ? dns_answer_ptr(out, sizeof(out), data, &q, "web.net", 600)
				       : dns_answer_none(out, sizeof(out), data, &q, DNS_NXDOMAIN);

		if (n > sizeof(out) || n < DNS_HEADER)
			__builtin_trap();
		/* what we write answers what was asked, and is no query itself */
		if (!dns_answers(out, n, &q) || dns_question(&again, out, n) == 0)
			__builtin_trap();
	}
	everything(data, &q);
	return 0;
}

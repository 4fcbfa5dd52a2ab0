/* SPDX-License-Identifier: Apache-2.0 */

/* Anything a container could send to its resolver, or somebody on the wire as an answer. */

#include <string.h>
#include <sys/socket.h>

#include "lib/dns.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

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
	return 0;
}

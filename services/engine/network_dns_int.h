/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ENGINE_NETWORK_DNS_INT_H
#define ENGINE_NETWORK_DNS_INT_H

/* What the two halves of the resolver share: network_dns.c talks to containers, network_dns_ask.c to
 * nameservers. */

#include "engine/network_int.h"
#include "lib/dns_server.h"

struct network_query;

/* The resolver of one container. */
struct network_resolver {
	struct networks *ns;
	char container[NETWORK_ID_LEN + 1];
	struct dns_server *server; /* owned; its sockets are in the container's namespace */
	uint16_t udp_port, tcp_port;
	unsigned at_once;
	unsigned turn;		       /* which of several addresses comes first */
	struct network_query *queries; /* owned; on their way to nameservers */
	struct network_resolver *next;
};

/* Sends a query, which has passed dns_question(), to a nameserver over the client's own transport; the
 * answer, or that there is none, goes to the client. */
void network_dns_ask(struct network_resolver *r, const uint8_t *msg, size_t len, const struct dns_question *q,
	const struct dns_client *client);
/* Gives up all of its queries. */
void network_dns_forget(struct network_resolver *r);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ENGINE_NETWORK_DNS_INT_H
#define ENGINE_NETWORK_DNS_INT_H

/* What the two halves of the resolver share: network_dns.c talks to containers, network_dns_ask.c to
 * nameservers. */

#include <netinet/in.h>

#include "lib/dns.h"
#include "engine/network_int.h"
#include "lib/loop.h"
#include "lib/stream.h"

enum { DNS_QUERY_MAX = 4096 /* longer ones are dropped */, DNS_PREFIX = 2 /* over TCP: the length */ };

/* A client's connection; network_dns.c. */
struct network_dns_conn;

/* The resolver of one container. */
struct network_resolver {
	struct networks *ns;
	char container[NETWORK_ID_LEN + 1];
	int udp, tcp; /* owned; in the container's namespace */
	uint16_t udp_port, tcp_port;
	unsigned at_once;
	unsigned turn; /* which of several addresses comes first */
	struct loop_io udp_io, tcp_io;
	struct network_query *queries;	/* owned */
	struct network_dns_conn *conns; /* owned */
	unsigned n_conns;
	struct network_resolver *next;
};

/* Where an answer goes. */
struct network_dns_client {
	struct network_dns_conn *conn; /* over TCP; else */
	struct sockaddr_in from;
};

void network_dns_reply(
	struct network_resolver *r, const struct network_dns_client *to, const void *msg, size_t len);

/* Sends a query, which has passed dns_question(), to a nameserver over the client's own transport; the
 * answer, or that there is none, goes to the client. */
void network_dns_ask(struct network_resolver *r, const uint8_t *msg, size_t len, const struct dns_question *q,
	const struct network_dns_client *client);
bool network_dns_busy(const struct network_resolver *r, const struct network_dns_conn *conn);
/* Forgets the queries of a connection; all of them when it is NULL. */
void network_dns_forget(struct network_resolver *r, const struct network_dns_conn *conn);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LIB_DNS_SERVER_H
#define LIB_DNS_SERVER_H

/*
 * Queries taken over UDP and TCP (RFC 1035 4.2), each answered once, now or later. What is no query gets no answer, so that
 * nobody can be made to talk to himself.
 */

#include <sys/socket.h>

#include "lib/dns.h"

struct dns_conn;
struct dns_server;
struct loop;

enum { DNS_QUERY_MAX = 4096 /* longer ones are dropped */, DNS_CONNS_MAX = 64 };

/* Who asked, copied freely; valid until dns_server_reply(). */
struct dns_client {
	struct dns_server *server;
	struct dns_conn *conn; /* over TCP; else */
	struct sockaddr_in from;
};

/* Must call dns_server_reply() once for @client. */
typedef void dns_handler(const struct dns_client *client, const uint8_t *msg, size_t len,
	const struct dns_question *q, void *arg);

/* @udp, @tcp: bound sockets, @tcp listening; owned, also on failure. 0 or -errno. */
must_check int dns_server_new(
	struct dns_server **out, struct loop *l, int udp, int tcp, dns_handler *fn, void *arg);
/* Every query has been replied to before; accepts NULL. */
void dns_server_free(struct dns_server *s);

/* The longest answer this client takes; over UDP at most what passes in one piece. */
size_t dns_client_room(const struct dns_client *c, uint16_t udp_size);
/* @msg NULL: it gets none. What does not arrive is asked for again. */
void dns_server_reply(const struct dns_client *c, const void *msg, size_t len);

#endif

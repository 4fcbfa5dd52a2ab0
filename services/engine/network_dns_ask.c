/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Queries on their way to nameservers, from the node: those the container was given, else the node's. So many at once a
 * container; lib/dns_ask.h bounds the rest.
 */

#include <stdio.h>
#include <string.h>

#include "engine/network_dns_int.h"
#include "lib/dns_ask.h"

enum { AT_ONCE_CONTAINER = 64 };

_Static_assert(NETWORK_DNS_MAX <= (int)DNS_SERVERS_MAX, "a container's nameservers are all asked");

/* A query on its way to a nameserver. */
struct network_query {
	struct network_resolver *r;
	struct dns_client client;
	struct dns_question q;
	struct dns_ask *ask;
	struct network_query *next;
	uint8_t head[]; /* of the query, with its question */
};

/* Those the container was given, else the node's, as they are now. */
static size_t nameservers(
	const struct networks *ns, const char *container, struct ipaddr out[DNS_SERVERS_MAX])
{
	size_t n = 0;

	for (const struct network_endpoint *e = ns->endpoints; e && !n; e = e->next)
		for (size_t i = 0; i < e->n_dns && !strcmp(e->container, container); i++)
			if (ipaddr_parse(e->dns[i], &out[n]) == 0)
				n++;
	return n ? n : dns_servers_read(ns->host_resolv, NULL, out);
}

static void no_answer(const struct dns_client *client, const uint8_t *head, const struct dns_question *q)
{
	uint8_t out[DNS_UDP_MAX];

	dns_server_reply(client, out, dns_answer_none(out, sizeof(out), head, q, DNS_SERVFAIL));
}

static void end_query(struct network_query *p)
{
	struct network_query **at = &p->r->queries;

	while (*at && *at != p)
		at = &(*at)->next;
	if (*at)
		*at = p->next;
	p->r->at_once--;
	free(p);
}

static void on_answer(uint8_t *msg, size_t len, void *arg)
{
	struct network_query *p = arg;

	if (msg)
		dns_server_reply(&p->client, msg, len);
	else
		no_answer(&p->client, p->head, &p->q);
	end_query(p);
}

void network_dns_ask(struct network_resolver *r, const uint8_t *msg, size_t len, const struct dns_question *q,
	const struct dns_client *client)
{
	struct ipaddr servers[DNS_SERVERS_MAX];
	const struct dns_asking what = {.msg = msg,
		.len = len,
		.q = q,
		.tcp = client->conn,
		.servers = servers,
		.n_servers = nameservers(r->ns, r->container, servers)};
	struct network_query *p = r->at_once < AT_ONCE_CONTAINER ? calloc(1, sizeof(*p) + q->end) : NULL;

	if (!p || dns_ask(&p->ask, r->ns->asker, &what, on_answer, p) < 0) {
		no_answer(client, msg, q);
		free(p);
		return;
	}
	p->r = r;
	p->client = *client;
	p->q = *q;
	memcpy(p->head, msg, q->end);
	p->next = r->queries;
	r->queries = p;
	r->at_once++;
}

void network_dns_forget(struct network_resolver *r)
{
	while (r->queries) {
		struct network_query *p = r->queries;

		dns_ask_cancel(p->ask);
		dns_server_reply(&p->client, NULL, 0);
		end_query(p);
	}
}

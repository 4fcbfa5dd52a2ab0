/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Names for containers in networks of the user's making. Inside each such container 127.0.0.11:53 leads, by a
 * NAT rule in its namespace, to a socket of the engine: so port 53 stays the container's own. A query for a
 * container or an alias in a shared network is answered here, everything else is sent to the node's
 * nameservers, from the node.
 *
 * A query costs a bounded amount of everything: so many at once a container and in all, so many tries, so
 * much time. When no nameserver answers the client is told so; it never waits for longer than TRIES * TRY_MS.
 */

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/random.h>
#include <sys/socket.h>

#include "engine/dns_message.h"
#include "engine/network_int.h"
#include "lib/file.h"
#include "lib/log.h"
#include "lib/loop.h"
#include "lib/netns.h"

enum {
	TRIES = 3,
	TRY_MS = 1500,
	AT_ONCE_CONTAINER = 64,
	AT_ONCE_NODE = 1024,
	QUERY_MAX = 4096, /* longer ones are dropped */
	ADDRESSES_MAX = 32,
	SERVERS_MAX = NETWORK_DNS_MAX,
	RESOLV_MAX = 64 << 10,
	TTL_S = 60, /* a container that is made anew has another address */
};

/* The resolver of one container. */
struct network_resolver {
	struct networks *ns;
	char container[NETWORK_ID_LEN + 1];
	int udp; /* owned; in the container's namespace */
	uint16_t port;
	unsigned at_once;
	unsigned turn; /* which of several addresses comes first */
	struct loop_io io;
	struct network_query *queries; /* owned */
	struct network_resolver *next;
};

/* A query on its way to a nameserver. */
struct network_query {
	struct network_resolver *r;
	struct sockaddr_in client;
	struct dns_question q;
	uint8_t id[2]; /* of our own query: unguessable, as its port is */
	unsigned tries;
	int fd; /* owned; -1 */
	struct loop_io io;
	struct loop_timer timer;
	struct network_query *next;
	size_t len;
	uint8_t msg[];
};

static unsigned on_the_way; /* queries in all */

static void try_next(struct network_query *p);

static bool user_defined(const struct network *n)
{
	return n->driver == NETWORK_BRIDGE && strcmp(n->name, "bridge") != 0;
}

/* ---- names */

static bool is_name_of(const struct network_endpoint *e, const char *name)
{
	size_t dot;

	if (!strcasecmp(e->name, name))
		return true;
	for (size_t i = 0; i < e->n_aliases; i++)
		if (!strcasecmp(e->aliases[i], name))
			return true;
	/* NAME.NETWORK, for a name that several networks have */
	dot = strlen(e->name);
	return !strncasecmp(e->name, name, dot) && name[dot] == '.' &&
	       !strcasecmp(name + dot + 1, e->network->name);
}

static bool shares(struct network_resolver *r, const struct network_endpoint *e)
{
	return user_defined(e->network) && network_endpoint_of(r->ns, r->container, e->network);
}

static size_t addresses(struct network_resolver *r, const char *name, struct in_addr out[ADDRESSES_MAX])
{
	size_t n = 0;

	for (const struct network_endpoint *e = r->ns->endpoints; e && n < ADDRESSES_MAX; e = e->next)
		if (is_name_of(e, name) && shares(r, e))
			out[n++] = e->ip;
	return n;
}

/* Answers from what the engine knows. Return: the length, 0 when the question is not about a container. */
static size_t answer_here(struct network_resolver *r, const uint8_t *msg, const struct dns_question *q,
	uint8_t out[DNS_UDP_MAX])
{
	struct in_addr found[ADDRESSES_MAX], turned[ADDRESSES_MAX], a;
	char name[2 * NETWORK_NAME_MAX + 2];
	size_t n;

	if (q->class != DNS_CLASS_IN)
		return 0;
	if (q->type == DNS_TYPE_PTR && dns_reverse(q->name, &a)) {
		for (const struct network_endpoint *e = r->ns->endpoints; e; e = e->next) {
			if (e->ip.s_addr != a.s_addr || !shares(r, e))
				continue;
			snprintf(name, sizeof(name), "%s.%s", e->name, e->network->name);
			return dns_answer_ptr(out, DNS_UDP_MAX, msg, q, name, TTL_S);
		}
		return 0;
	}
	n = addresses(r, q->name, found);
	if (!n)
		return 0;
	if (q->type != DNS_TYPE_A && q->type != DNS_TYPE_ANY)
		return dns_answer_none(out, DNS_UDP_MAX, msg, q, DNS_OK);
	r->turn++;
	for (size_t i = 0; i < n; i++)
		turned[i] = found[(i + r->turn) % n];
	return dns_answer_a(out, DNS_UDP_MAX, msg, q, turned, n, TTL_S);
}

/* ---- asking others */

/* Those the container was given, else the node's, as they are now. */
static size_t nameservers(const struct networks *ns, const char *container, struct ipaddr out[SERVERS_MAX])
{
	cleanup(freep) char *text = NULL;
	char *at, *line;
	size_t len, n = 0;

	for (const struct network_endpoint *e = ns->endpoints; e && !n; e = e->next)
		for (size_t i = 0; i < e->n_dns && !strcmp(e->container, container); i++)
			if (ipaddr_parse(e->dns[i], &out[n]) == 0)
				n++;
	if (n)
		return n;
	if (file_read(AT_FDCWD, ns->host_resolv, RESOLV_MAX, &text, &len) < 0)
		return 0;
	at = text;
	while (n < SERVERS_MAX && (line = strsep(&at, "\n"))) {
		char server[INET6_ADDRSTRLEN + 8];

		if (sscanf(line, " nameserver %53s", server) == 1 && ipaddr_parse(server, &out[n]) == 0)
			n++;
	}
	return n;
}

static void end_query(struct network_query *p)
{
	struct network_query **at = &p->r->queries;

	while (*at && *at != p)
		at = &(*at)->next;
	if (*at)
		*at = p->next;
	p->r->at_once--;
	on_the_way--;
	loop_timer_del(&p->timer);
	loop_io_del(&p->io);
	closep(&p->fd);
	free(p);
}

/* What a client does not get it asks for again. */
static void reply(struct network_resolver *r, const struct sockaddr_in *client, const void *msg, size_t len)
{
	if (sendto(r->udp, msg, len, MSG_DONTWAIT | MSG_NOSIGNAL, (const struct sockaddr *)client,
		    sizeof(*client)) < 0 &&
		errno != EAGAIN && errno != ECONNREFUSED)
		log_errno(errno, "container=%.12s op=dns-reply", r->container);
}

static void give_up(struct network_query *p)
{
	uint8_t out[DNS_UDP_MAX];

	reply(p->r, &p->client, out, dns_answer_none(out, sizeof(out), p->msg, &p->q, DNS_SERVFAIL));
	end_query(p);
}

static void on_answer(struct loop_io *io, uint32_t events)
{
	struct network_query *p = container_of(io, struct network_query, io);
	uint8_t msg[DNS_MESSAGE_MAX];
	ssize_t n = recv(p->fd, msg, sizeof(msg), MSG_DONTWAIT);

	if (n < 0 && errno == EAGAIN)
		return;
	if (n < 0) { /* nobody is there: no reason to wait */
		try_next(p);
		return;
	}
	if (n < DNS_HEADER || memcmp(msg, p->id, sizeof(p->id)) != 0 || !dns_answers(msg, (size_t)n, &p->q))
		return;
	memcpy(msg, &p->q.id, sizeof(p->q.id));
	reply(p->r, &p->client, msg, (size_t)n);
	end_query(p);
}

static void on_silence(struct loop_timer *t)
{
	try_next(container_of(t, struct network_query, timer));
}

static int ask(struct network_query *p, const struct ipaddr *server)
{
	struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons(53), .sin_addr = server->v4};
	struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = htons(53), .sin6_addr = server->v6};
	bool is_v4 = server->family == AF_INET;

	p->fd = socket(server->family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (p->fd < 0 || connect(p->fd, is_v4 ? (struct sockaddr *)&v4 : (struct sockaddr *)&v6,
				 is_v4 ? sizeof(v4) : sizeof(v6)) < 0)
		return -errno;
	if (getrandom(p->id, sizeof(p->id), 0) != sizeof(p->id))
		return -EAGAIN;
	memcpy(p->msg, p->id, sizeof(p->id));
	if (send(p->fd, p->msg, p->len, MSG_NOSIGNAL) < 0)
		return -errno;
	return loop_io_add(p->r->ns->loop, &p->io, p->fd, EPOLLIN, on_answer);
}

static void try_next(struct network_query *p)
{
	struct loop *loop = p->r->ns->loop;
	struct ipaddr servers[SERVERS_MAX];
	size_t n = nameservers(p->r->ns, p->r->container, servers);

	while (n && p->tries < TRIES) {
		loop_io_del(&p->io);
		closep(&p->fd);
		if (ask(p, &servers[p->tries++ % n]) < 0)
			continue;
		if (loop_timer_set(loop, &p->timer, loop_now_ms(loop) + TRY_MS, on_silence) < 0)
			break;
		return;
	}
	/* The answer of last resort carries the client's id again. */
	memcpy(p->msg, &p->q.id, sizeof(p->q.id));
	give_up(p);
}

static bool has_way_out(struct network_resolver *r)
{
	for (const struct network_endpoint *e = r->ns->endpoints; e; e = e->next)
		if (!strcmp(e->container, r->container) && e->network->driver == NETWORK_BRIDGE &&
			!e->network->internal)
			return true;
	return false;
}

static void forward(struct network_resolver *r, const uint8_t *msg, size_t len, const struct dns_question *q,
	const struct sockaddr_in *client)
{
	struct network_query *p = NULL;
	uint8_t out[DNS_UDP_MAX];

	/* A name is a message too: an internal network sends none outside. */
	if (!has_way_out(r)) {
		reply(r, client, out, dns_answer_none(out, sizeof(out), msg, q, DNS_NXDOMAIN));
		return;
	}
	if (r->at_once < AT_ONCE_CONTAINER && on_the_way < AT_ONCE_NODE)
		p = calloc(1, sizeof(*p) + len);
	if (!p) {
		reply(r, client, out, dns_answer_none(out, sizeof(out), msg, q, DNS_SERVFAIL));
		return;
	}
	p->r = r;
	p->client = *client;
	p->q = *q;
	p->fd = -1;
	p->len = len;
	memcpy(p->msg, msg, len);
	p->next = r->queries;
	r->queries = p;
	r->at_once++;
	on_the_way++;
	try_next(p);
}

static void on_query(struct loop_io *io, uint32_t events)
{
	struct network_resolver *r = container_of(io, struct network_resolver, io);
	uint8_t msg[QUERY_MAX], out[DNS_UDP_MAX];
	struct sockaddr_in client;
	socklen_t size = sizeof(client);
	ssize_t len = recvfrom(
		r->udp, msg, sizeof(msg), MSG_DONTWAIT | MSG_TRUNC, (struct sockaddr *)&client, &size);
	struct dns_question q;
	size_t n;

	/* No answer to what is no question: nobody can be made to talk to himself. */
	if (len < 0 || len > (ssize_t)sizeof(msg) || size != sizeof(client) ||
		dns_question(&q, msg, (size_t)len) < 0)
		return;
	n = answer_here(r, msg, &q, out);
	if (n)
		reply(r, &client, out, n);
	else
		forward(r, msg, (size_t)len, &q, &client);
}

/* ---- coming and going */

static struct network_resolver *resolver_of(const struct networks *ns, const char *container)
{
	struct network_resolver *r = ns->resolvers;

	while (r && strcmp(r->container, container) != 0)
		r = r->next;
	return r;
}

bool network_dns_serves(const struct networks *ns, const char *container)
{
	return resolver_of(ns, container);
}

/* In the container: 127.0.0.11:53 is the resolver's port. */
static int add_rule(const struct network_resolver *r, int netns)
{
	static const struct nft_hook hook = {"nat", NF_INET_LOCAL_OUT, NFT_PRIO_DSTNAT, NF_ACCEPT};
	const uint32_t address = htonl(0x7f00000b);
	const uint16_t port = htons(r->port);
	struct netlink nl = NETLINK_CLOSED;
	struct nft b = {};
	int rc = netlink_open(&nl, NETLINK_NETFILTER, netns);

	if (rc < 0)
		return rc;
	nft_begin(&b, NFPROTO_IPV4, "wherry-dns");
	nft_table_replace(&b, "names of containers; kept by the node's engine");
	nft_chain_add(&b, "output", &hook, NULL);
	nft_rule_begin(&b, "output");
	nft_payload(&b, NFT_PAYLOAD_NETWORK_HEADER, 16, 4, NFT_REG_1);
	nft_cmp(&b, NFT_REG_1, NFT_CMP_EQ, &address, sizeof(address));
	nft_match_l4proto(&b, IPPROTO_UDP);
	nft_match_dport(&b, 53);
	nft_immediate(&b, NFT_REG_1, &address, sizeof(address));
	nft_immediate(&b, NFT_REG_2, &port, sizeof(port));
	nft_nat(&b, NFT_NAT_DNAT, NFT_REG_1, NFT_REG_2);
	nft_rule_end(&b, NULL);
	rc = nft_commit(&nl, &b);
	if (rc < 0)
		log_errno(-rc, "container=%.12s op=dns-rule kernel=\"%s\"", r->container, nl.text);
	nft_fini(&b);
	netlink_close(&nl);
	return rc;
}

static int listen_in(struct network_resolver *r, int netns)
{
	struct sockaddr_in sa = {.sin_family = AF_INET, .sin_addr = {htonl(0x7f00000b)}};
	socklen_t len = sizeof(sa);

	r->udp = netns_socket(netns, AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
	if (r->udp < 0)
		return r->udp;
	if (bind(r->udp, (struct sockaddr *)&sa, sizeof(sa)) < 0 ||
		getsockname(r->udp, (struct sockaddr *)&sa, &len) < 0)
		return -errno;
	r->port = ntohs(sa.sin_port);
	return loop_io_add(r->ns->loop, &r->io, r->udp, EPOLLIN, on_query);
}

static void free_resolver(struct network_resolver *r)
{
	while (r->queries)
		end_query(r->queries);
	loop_io_del(&r->io);
	closep(&r->udp);
	free(r);
}

int network_dns_join(struct networks *ns, const struct network_endpoint *e, int netns)
{
	struct network_resolver *r;
	int rc;

	if (!user_defined(e->network) || resolver_of(ns, e->container))
		return 0;
	r = calloc(1, sizeof(*r));
	if (!r)
		return -ENOMEM;
	r->ns = ns;
	r->udp = -1;
	memcpy(r->container, e->container, sizeof(r->container));
	rc = listen_in(r, netns);
	if (!rc)
		rc = add_rule(r, netns);
	if (rc < 0) {
		free_resolver(r);
		return log_errno(-rc, "container=%.12s op=dns-join", e->container);
	}
	r->next = ns->resolvers;
	ns->resolvers = r;
	return 0;
}

void network_dns_leave(struct networks *ns, const char *container)
{
	for (const struct network_endpoint *e = ns->endpoints; e; e = e->next)
		if (!strcmp(e->container, container) && user_defined(e->network))
			return;
	for (struct network_resolver **at = &ns->resolvers; *at; at = &(*at)->next)
		if (!strcmp((*at)->container, container)) {
			struct network_resolver *r = *at;

			*at = r->next;
			free_resolver(r);
			return;
		}
}

int network_dns_servers(struct networks *ns, const char *container, const char *const *servers, size_t n)
{
	int r = 0;

	for (size_t i = 0; i < n; i++) {
		struct ipaddr a;

		if (strchr(servers[i], '/') || ipaddr_parse(servers[i], &a) < 0)
			return -EINVAL;
	}
	for (struct network_endpoint *e = ns->endpoints; e && !r; e = e->next) {
		if (strcmp(e->container, container) != 0 || (!n && !e->n_dns))
			continue;
		e->n_dns = 0;
		for (size_t i = 0; i < n && i < NETWORK_DNS_MAX; i++)
			snprintf(e->dns[e->n_dns++], INET6_ADDRSTRLEN, "%s", servers[i]);
		r = network_endpoint_save(ns, e);
	}
	return r;
}

void network_dns_close(struct networks *ns)
{
	while (ns->resolvers) {
		struct network_resolver *r = ns->resolvers;

		ns->resolvers = r->next;
		free_resolver(r);
	}
}

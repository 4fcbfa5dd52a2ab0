/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Names for containers in networks of the user's making. Inside each such container 127.0.0.11:53 leads, by
 * NAT rules in its namespace, to sockets of the engine: so port 53 stays the container's own. A query for a
 * container or an alias in a shared network is answered here, everything else is asked of nameservers
 * (network_dns_ask.c).
 */

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>

#include "engine/network_dns_int.h"
#include "lib/log.h"
#include "lib/netns.h"

enum {
	ADDRESSES_MAX = 256,
	TTL_S = 60,	      /* a container that is made anew has another address */
	ANSWER_MAX = 8 << 10, /* room for ADDRESSES_MAX over TCP */
	BACKLOG = 16,
	LINK_ID_MIN = 12, /* as much of an ID as people are shown */
};

bool network_names_served(const struct network *n)
{
	return network_has_link(n) && strcmp(n->name, "bridge") != 0;
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

/* Does @mine call @e by this name? A link names its container as the network does, or by the beginning of its ID, up to the
 * colon. */
static bool is_link_to(
	const struct network_endpoint *mine, const struct network_endpoint *e, const char *name)
{
	for (size_t i = 0; i < mine->n_links; i++) {
		const char *link = mine->links[i], *colon = strchr(link, ':');
		size_t len = colon ? (size_t)(colon - link) : strlen(link);
		char whom[2 * NETWORK_NAME_MAX + 2];

		if (strcasecmp(colon ? colon + 1 : link, name) != 0)
			continue;
		snprintf(whom, sizeof(whom), "%.*s", (int)len, link);
		if (is_name_of(e, whom) || (len >= LINK_ID_MIN && !strncmp(e->container, link, len)))
			return true;
	}
	return false;
}

static bool shares(struct network_resolver *r, const struct network_endpoint *e)
{
	return network_names_served(e->network) && network_endpoint_of(r->ns, r->container, e->network);
}

static size_t add(const struct network_endpoint *e, const struct dns_question *q,
	struct ipaddr out[ADDRESSES_MAX], size_t n)
{
	for (enum network_family f = NETWORK_V4; f < NETWORK_FAMILIES && n < ADDRESSES_MAX; f++)
		if (e->ip[f].family && (q->type == DNS_TYPE_ANY ||
					       q->type == (f == NETWORK_V4 ? DNS_TYPE_A : DNS_TYPE_AAAA)))
			out[n++] = e->ip[f];
	return n;
}

/* What the container itself calls somebody. */
static size_t linked(struct network_resolver *r, const struct dns_question *q,
	struct ipaddr out[ADDRESSES_MAX], bool *known)
{
	size_t n = 0;

	for (const struct network_endpoint *mine = r->ns->endpoints; mine; mine = mine->next) {
		if (!mine->n_links || strcmp(mine->container, r->container) != 0 ||
			!network_names_served(mine->network))
			continue;
		for (const struct network_endpoint *e = r->ns->endpoints; e; e = e->next) {
			if (e->network != mine->network || !is_link_to(mine, e, q->name))
				continue;
			*known = true;
			n = add(e, q, out, n);
		}
	}
	return n;
}

/* Links come first, then what others are called. */
static size_t addresses(struct network_resolver *r, const struct dns_question *q,
	struct ipaddr out[ADDRESSES_MAX], bool *known)
{
	size_t n = linked(r, q, out, known);

	for (const struct network_endpoint *e = *known ? NULL : r->ns->endpoints; e; e = e->next) {
		if (!is_name_of(e, q->name) || !shares(r, e))
			continue;
		*known = true;
		n = add(e, q, out, n);
	}
	return n;
}

static const struct network_endpoint *owner_of(struct network_resolver *r, const struct ipaddr *a)
{
	for (const struct network_endpoint *e = r->ns->endpoints; e; e = e->next) {
		const struct ipaddr *ip = &e->ip[network_family_of(a)];

		if (ip->family == a->family && !memcmp(ip->bytes, a->bytes, ipaddr_len(a)) && shares(r, e))
			return e;
	}
	return NULL;
}

/* Answers from what the engine knows. Return: the length, 0 when the question is not about a container. */
static size_t answer_here(struct network_resolver *r, const uint8_t *msg, const struct dns_question *q,
	uint8_t *out, size_t size)
{
	struct ipaddr found[ADDRESSES_MAX], turned[ADDRESSES_MAX], a;
	const struct network_endpoint *e;
	char name[2 * NETWORK_NAME_MAX + 2];
	bool known = false;
	size_t n;

	if (q->class != DNS_CLASS_IN)
		return 0;
	if (q->type == DNS_TYPE_PTR && dns_reverse(q->name, &a)) {
		e = owner_of(r, &a);
		if (!e)
			return 0;
		snprintf(name, sizeof(name), "%s.%s", e->name, e->network->name);
		return dns_answer_ptr(out, size, msg, q, name, TTL_S);
	}
	n = addresses(r, q, found, &known);
	if (!known)
		return 0;
	if (!n)
		return dns_answer_none(out, size, msg, q, DNS_OK);
	r->turn++;
	for (size_t i = 0; i < n; i++)
		turned[i] = found[(i + r->turn) % n];
	return dns_answer_addresses(out, size, msg, q, turned, n, TTL_S);
}

static bool has_way_out(struct network_resolver *r)
{
	for (const struct network_endpoint *e = r->ns->endpoints; e; e = e->next)
		if (!strcmp(e->container, r->container) && network_has_link(e->network) &&
			!e->network->internal)
			return true;
	return false;
}

static void handle(const struct dns_client *client, const uint8_t *msg, size_t len,
	const struct dns_question *q, void *arg)
{
	struct network_resolver *r = arg;
	uint8_t out[ANSWER_MAX];
	size_t n = answer_here(r, msg, q, out, client->conn ? sizeof(out) : DNS_UDP_MAX);

	/* A name is a message too: an internal network sends none outside. */
	if (!n && !has_way_out(r))
		n = dns_answer_none(out, sizeof(out), msg, q, DNS_NXDOMAIN);
	if (n)
		dns_server_reply(client, out, n);
	else
		network_dns_ask(r, msg, len, q, client);
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
	const struct {
		uint8_t proto;
		uint16_t port;
	} ways[] = {{IPPROTO_UDP, htons(r->udp_port)}, {IPPROTO_TCP, htons(r->tcp_port)}};
	struct netlink nl = NETLINK_CLOSED;
	struct nft b = {};
	int rc = netlink_open(&nl, NETLINK_NETFILTER, netns);

	if (rc < 0)
		return rc;
	nft_begin(&b, NFPROTO_IPV4, "wherry-dns");
	nft_table_replace(&b, "names of containers; kept by the node's engine");
	nft_chain_add(&b, "output", &hook, NULL);
	for (size_t i = 0; i < array_len(ways); i++) {
		nft_rule_begin(&b, "output");
		nft_payload(&b, NFT_PAYLOAD_NETWORK_HEADER, 16, 4, NFT_REG_1);
		nft_cmp(&b, NFT_REG_1, NFT_CMP_EQ, &address, sizeof(address));
		nft_match_l4proto(&b, ways[i].proto);
		nft_match_dport(&b, 53);
		nft_immediate(&b, NFT_REG_1, &address, sizeof(address));
		nft_immediate(&b, NFT_REG_2, &ways[i].port, sizeof(ways[i].port));
		nft_nat(&b, NFT_NAT_DNAT, NFT_REG_1, NFT_REG_2);
		nft_rule_end(&b, NULL);
	}
	rc = nft_commit(&nl, &b);
	if (rc < 0)
		log_errno(-rc, "container=%.12s op=dns-rule kernel=\"%s\"", r->container, nl.text);
	nft_fini(&b);
	netlink_close(&nl);
	return rc;
}

/* A socket at 127.0.0.11 inside @netns, and its port. */
static int listen_in(int netns, int type, uint16_t *port)
{
	struct sockaddr_in sa = {.sin_family = AF_INET, .sin_addr = {htonl(0x7f00000b)}};
	socklen_t len = sizeof(sa);
	int r = netns_socket(netns, AF_INET, type | SOCK_NONBLOCK, 0);
	cleanup(closep) int fd = r;

	if (r < 0)
		return r;
	if (bind(fd, (struct sockaddr *)&sa, sizeof(sa)) < 0 ||
		(type == SOCK_STREAM && listen(fd, BACKLOG) < 0) ||
		getsockname(fd, (struct sockaddr *)&sa, &len) < 0)
		return -errno;
	*port = ntohs(sa.sin_port);
	return take_fd(fd);
}

static int open_resolver(struct network_resolver *r, int netns)
{
	int rc, tcp, udp = rc = listen_in(netns, SOCK_DGRAM, &r->udp_port);

	if (rc < 0)
		return rc;
	tcp = rc = listen_in(netns, SOCK_STREAM, &r->tcp_port);
	if (rc < 0) {
		close(udp);
		return rc;
	}
	rc = dns_server_new(&r->server, r->ns->loop, udp, tcp, handle, r);
	return rc ? rc : add_rule(r, netns);
}

static void free_resolver(struct network_resolver *r)
{
	network_dns_forget(r);
	dns_server_free(r->server);
	free(r);
}

int network_dns_join(struct networks *ns, const struct network_endpoint *e, int netns)
{
	struct network_resolver *r;
	int rc;

	if (!network_names_served(e->network) || resolver_of(ns, e->container))
		return 0;
	r = calloc(1, sizeof(*r));
	if (!r)
		return -ENOMEM;
	r->ns = ns;
	memcpy(r->container, e->container, sizeof(r->container));
	rc = open_resolver(r, netns);
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
		if (!strcmp(e->container, container) && network_names_served(e->network))
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

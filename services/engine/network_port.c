/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Ports of the node. A published port is held by a bound socket that never listens: the kernel itself then
 * keeps two programs from having the same one, chooses free ones, and answers what is not translated with a
 * reset.
 */

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "engine/network_int.h"
#include "lib/errno_text.h"
#include "lib/log.h"

enum { EPHEMERAL_TRIES = 64 };

const char *network_proto_name(uint8_t proto)
{
	return proto == IPPROTO_UDP ? "udp" : "tcp";
}

static int bind_port(const struct network_port *p, uint16_t port, uint16_t *got)
{
	struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_addr = p->host_ip.v4, .sin_port = htons(port)};
	struct sockaddr_in6 v6 = {
		.sin6_family = AF_INET6, .sin6_addr = p->host_ip.v6, .sin6_port = htons(port)};
	bool six = p->host_ip.family == AF_INET6;
	struct sockaddr *sa = six ? (struct sockaddr *)&v6 : (struct sockaddr *)&v4;
	socklen_t len = six ? sizeof(v6) : sizeof(v4);
	cleanup(closep) int fd = socket(
		p->host_ip.family, (p->proto == IPPROTO_UDP ? SOCK_DGRAM : SOCK_STREAM) | SOCK_CLOEXEC, 0);
	int one = 1;

	if (fd < 0)
		return -errno;
	/* The other family is a port of its own. The smallest buffer: nobody reads from it, and what comes
	 * past the translation must not pile up. */
	if ((six && setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof(one)) < 0) ||
		setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &one, sizeof(one)) < 0 || bind(fd, sa, len) < 0 ||
		getsockname(fd, sa, &len) < 0)
		return -errno;
	*got = ntohs(six ? v6.sin6_port : v4.sin_port);
	return take_fd(fd);
}

static bool is_any(const struct ipaddr *a)
{
	static const uint8_t zero[16];

	return !memcmp(a->bytes, zero, ipaddr_len(a));
}

static bool same_place(const struct network_port *a, const struct network_port *b, uint16_t port)
{
	return a->proto == b->proto && a->host_port == port && a->host_ip.family == b->host_ip.family &&
	       (is_any(&a->host_ip) || is_any(&b->host_ip) || ipaddr_equal(&a->host_ip, &b->host_ip));
}

static bool published(const struct networks *ns, const struct network_endpoint *self,
	const struct network_port *p, uint16_t port)
{
	for (const struct network_endpoint *e = ns->endpoints; e; e = e->next)
		for (size_t i = 0; e != self && i < e->n_ports; i++)
			if (same_place(&e->ports[i], p, port))
				return true;
	return false;
}

/* The wishes that have one number: a port and its twins. */
static size_t group_of(const struct network_port *ports, size_t n)
{
	size_t k = 1;

	while (k < n && ports[k].twin)
		k++;
	return k;
}

static void drop(struct network_port *p)
{
	closep(&p->held);
}

/* All of a group at @port, or any free one when that is 0. Return: 0, or -EADDRINUSE or another -errno with *at
 * the one that failed; *ours: another container has it. */
static int bind_group(struct networks *ns, const struct network_endpoint *e, struct network_port *g, size_t n,
	uint16_t port, size_t *at, bool *ours)
{
	uint16_t got = 0, number = port;
	uint64_t kept = 0; /* a group has a port a family */

	for (size_t i = 0; i < n; i++)
		if (g[i].held >= 0) {
			kept |= 1ULL << i;
			number = g[i].host_port;
		}
	for (*at = 0; *at < n; ++*at) {
		struct network_port *p = &g[*at];
		int fd;

		if (kept >> *at & 1)
			continue;
		*ours = number && published(ns, e, p, number);
		fd = *ours ? -EADDRINUSE : bind_port(p, number, &got);
		if (fd < 0) {
			for (size_t i = 0; i < *at; i++)
				if (!(kept >> i & 1))
					drop(&g[i]);
			return fd;
		}
		p->held = fd;
		number = got;
	}
	for (size_t i = 0; i < n; i++) {
		g[i].host_port = number;
		g[i].host_port_last = 0;
	}
	return 0;
}

/* Holds a group; the texts are those that Docker's clients know. */
static int hold(struct networks *ns, const struct network_endpoint *e, struct network_port *g, size_t n,
	struct network_error *err)
{
	unsigned first = g->host_port, last = g->host_port_last > first ? g->host_port_last : first;
	char on[IPADDR_TEXT_MAX], to[IPADDR_TEXT_MAX];
	size_t at = 0;
	bool ours = false, six;
	int r = -EADDRINUSE;

	/* What is free for one family may be taken for the other: another one, then. */
	for (unsigned i = 0; !first && i < EPHEMERAL_TRIES && r == -EADDRINUSE; i++)
		r = bind_group(ns, e, g, n, 0, &at, &ours);
	for (unsigned port = first; first && port <= last && r == -EADDRINUSE; port++)
		r = bind_group(ns, e, g, n, (uint16_t)port, &at, &ours);
	if (!r)
		return 0;
	six = g[at].host_ip.family == AF_INET6;
	ipaddr_format(&g[at].host_ip, false, on);
	ipaddr_format(&e->ip[network_family_of(&g[at].host_ip)], false, to);
	if (ours)
		return network_fail(err, r,
			"driver failed programming external connectivity on endpoint %s (%s): Bind for %s%s%s:%u failed: port is already allocated",
			e->name, e->id, six ? "[" : "", on, six ? "]" : "", last);
	return network_fail(err, r,
		"driver failed programming external connectivity on endpoint %s (%s): failed to bind host port for %s:%u:%s:%u/%s: %s",
		e->name, e->id, on, last, to, g[at].container_port, network_proto_name(g[at].proto),
		r == -EADDRINUSE ? "address already in use" : errno_text(-r));
}

static int add(struct network_port **out, size_t *n, const struct network_endpoint *e,
	const struct network_port *p, const struct ipaddr *on, bool twin, struct network_error *err)
{
	struct network_port *more;

	if (*n == NETWORK_PORTS_MAX)
		return network_fail(err, -EINVAL, "more than %d published ports", NETWORK_PORTS_MAX);
	more = realloc(*out, (*n + 1) * sizeof(*more));
	if (!more)
		return network_fail(err, -ENOMEM, "out of memory");
	*out = more;
	more[*n] = *p;
	more[*n].host_ip = *on;
	more[*n].twin = twin;
	if (e->network->mode[network_family_of(on)] == NETWORK_ROUTED)
		more[*n].host_port = more[*n].host_port_last = 0;
	more[(*n)++].held = -1;
	return 0;
}

static int add_wish(struct network_port **out, size_t *n, const struct network_endpoint *e,
	const struct network_port *p, struct network_error *err)
{
	static const struct ipaddr any[NETWORK_FAMILIES] = {
		{.family = AF_INET, .prefix = 32}, {.family = AF_INET6, .prefix = 128}};
	const struct ipaddr *binding = &e->network->binding;
	char on[IPADDR_TEXT_MAX];
	bool twin = false;
	int r = 0;

	if (!p->container_port || (p->proto != IPPROTO_TCP && p->proto != IPPROTO_UDP))
		return network_fail(err, -EINVAL,
			"container %s: only TCP and UDP ports from 1 to 65535 can be published", e->name);
	if (p->host_ip.family) {
		/* There is no translation from one family to the other. */
		if (!e->ip[network_family_of(&p->host_ip)].family)
			return network_fail(err, -EINVAL,
				"container %s: port %u cannot be published on %s: it has no %s address in network %s",
				e->name, p->container_port, ipaddr_format(&p->host_ip, false, on),
				p->host_ip.family == AF_INET ? "IPv4" : "IPv6", e->network->name);
		return add(out, n, e, p, &p->host_ip, false, err);
	}
	if (binding->family && e->ip[network_family_of(binding)].family)
		return add(out, n, e, p, binding, false, err);
	for (enum network_family f = NETWORK_V4; f < NETWORK_FAMILIES && !r; f++)
		if (e->ip[f].family) {
			r = add(out, n, e, p, &any[f], twin, err);
			/* What is routed takes no number that the other family would have to share. */
			twin = e->network->mode[f] != NETWORK_ROUTED &&
			       e->network->mode[NETWORK_V6] != NETWORK_ROUTED;
		}
	return r;
}

int network_ports_copy(struct network_port **out, size_t *n_out, const struct network_endpoint *e,
	const struct network_port *in, size_t n, struct network_error *err)
{
	*n_out = 0;
	/* Published to nowhere: an internal network has no way in. */
	for (size_t i = 0; i < n && !e->network->internal; i++) {
		int r = add_wish(out, n_out, e, &in[i], err);

		if (r < 0)
			return r;
	}
	return 0;
}

int network_ports_hold(struct networks *ns, const struct network_endpoint *e, struct network_port *ports,
	size_t n, struct network_error *err)
{
	for (size_t i = 0, k; i < n; i += k) {
		int r;

		k = group_of(ports + i, n - i);
		/* Reached at the container's address: nothing of the node's is taken. */
		if (e->network->mode[network_family_of(&ports[i].host_ip)] == NETWORK_ROUTED)
			continue;
		for (size_t other = 0; other < n; other++)
			if ((other < i || other >= i + k) && ports[i].host_port && ports[other].held >= 0 &&
				!ports[i].host_port_last &&
				same_place(&ports[other], &ports[i], ports[i].host_port))
				return network_fail(err, -EADDRINUSE,
					"driver failed programming external connectivity on endpoint %s (%s): Bind for port %u failed: port is already allocated",
					e->name, e->id, ports[i].host_port);
		r = hold(ns, e, ports + i, k, err);
		if (r < 0)
			return r;
	}
	return 0;
}

void network_ports_drop(struct network_port *ports, size_t n)
{
	for (size_t i = 0; i < n; i++)
		drop(&ports[i]);
}

void network_ports_resume(struct network_endpoint *e)
{
	for (size_t i = 0; i < e->n_ports; i++) {
		struct network_port *p = &e->ports[i];
		uint16_t got;
		int fd;

		if (!p->host_port)
			continue;
		fd = bind_port(p, p->host_port, &got);
		if (fd >= 0)
			p->held = fd;
		else
			log_errno(-fd,
				"op=hold-port container=%s port=%u/%s msg=\"stays published, but is not held\"",
				e->container, p->host_port, network_proto_name(p->proto));
	}
}

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
#include "lib/log.h"

const char *network_proto_name(uint8_t proto)
{
	return proto == IPPROTO_UDP ? "udp" : "tcp";
}

static int bind_port(const struct network_port *p, uint16_t port, uint16_t *got)
{
	struct sockaddr_in sa = {.sin_family = AF_INET, .sin_addr = p->host_ip, .sin_port = htons(port)};
	socklen_t len = sizeof(sa);
	cleanup(closep) int fd =
		socket(AF_INET, (p->proto == IPPROTO_UDP ? SOCK_DGRAM : SOCK_STREAM) | SOCK_CLOEXEC, 0);
	int smallest = 1;

	if (fd < 0)
		return -errno;
	/* Nobody reads from it: what comes past the translation must not pile up. */
	if (setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &smallest, sizeof(smallest)) < 0 ||
		bind(fd, (struct sockaddr *)&sa, sizeof(sa)) < 0 ||
		getsockname(fd, (struct sockaddr *)&sa, &len) < 0)
		return -errno;
	*got = ntohs(sa.sin_port);
	return take_fd(fd);
}

static bool same_place(const struct network_port *a, const struct network_port *b, uint16_t port)
{
	return a->proto == b->proto && a->host_port == port &&
	       (!a->host_ip.s_addr || !b->host_ip.s_addr || a->host_ip.s_addr == b->host_ip.s_addr);
}

static bool published(const struct networks *ns, const struct network_port *p, uint16_t port)
{
	for (const struct network_endpoint *e = ns->endpoints; e; e = e->next)
		for (size_t i = 0; i < e->n_ports; i++)
			if (same_place(&e->ports[i], p, port))
				return true;
	return false;
}

/* Holds one port; the texts are those that Docker's clients know. */
static int hold(struct networks *ns, const struct network_endpoint *e, struct network_port *p,
	struct network_error *err)
{
	unsigned last = p->host_port_last > p->host_port ? p->host_port_last : p->host_port;
	char on[INET_ADDRSTRLEN] = "", to[INET_ADDRSTRLEN] = "";
	int fd = -EADDRINUSE;
	bool ours = false;

	inet_ntop(AF_INET, &p->host_ip, on, sizeof(on));
	inet_ntop(AF_INET, &e->ip, to, sizeof(to));
	for (unsigned port = p->host_port; port <= last; port++) {
		uint16_t got = 0;

		ours = port && published(ns, p, (uint16_t)port);
		fd = ours ? -EADDRINUSE : bind_port(p, (uint16_t)port, &got);
		if (fd >= 0) {
			p->held = fd;
			p->host_port = got;
			p->host_port_last = 0;
			return 0;
		}
		if (fd != -EADDRINUSE)
			break;
	}
	if (ours)
		return network_fail(err, fd,
			"driver failed programming external connectivity on endpoint %s (%s): Bind for %s:%u failed: port is already allocated",
			e->name, e->id, on, last);
	return network_fail(err, fd,
		"driver failed programming external connectivity on endpoint %s (%s): failed to bind host port for %s:%u:%s:%u/%s: %s",
		e->name, e->id, on, last, to, p->container_port, network_proto_name(p->proto),
		fd == -EADDRINUSE ? "address already in use" : strerror(-fd));
}

int network_ports_hold(struct networks *ns, struct network_endpoint *e, struct network_error *err)
{
	/* Published to nowhere: an internal network has no way in. */
	if (e->network->internal) {
		e->n_ports = 0;
		return 0;
	}
	for (size_t i = 0; i < e->n_ports; i++) {
		int r;

		for (size_t k = 0; k < i; k++)
			if (e->ports[i].host_port &&
				same_place(&e->ports[k], &e->ports[i], e->ports[i].host_port) &&
				!e->ports[i].host_port_last)
				return network_fail(err, -EADDRINUSE,
					"driver failed programming external connectivity on endpoint %s (%s): Bind for port %u failed: port is already allocated",
					e->name, e->id, e->ports[i].host_port);
		r = hold(ns, e, &e->ports[i], err);
		if (r < 0)
			return r;
	}
	return 0;
}

void network_ports_drop(struct network_endpoint *e)
{
	for (size_t i = 0; i < e->n_ports; i++)
		closep(&e->ports[i].held);
}

void network_ports_resume(struct network_endpoint *e)
{
	for (size_t i = 0; i < e->n_ports; i++) {
		struct network_port *p = &e->ports[i];
		uint16_t got;
		int fd = bind_port(p, p->host_port, &got);

		if (fd >= 0)
			p->held = fd;
		else
			log_errno(-fd,
				"op=hold-port container=%s port=%u/%s msg=\"stays published, but is not held\"",
				e->container, p->host_port, network_proto_name(p->proto));
	}
}

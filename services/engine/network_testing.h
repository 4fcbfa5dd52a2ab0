/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ENGINE_NETWORK_TESTING_H
#define ENGINE_NETWORK_TESTING_H

/*
 * For tests of networks against the kernel: real bridges, rules and connections, in network namespaces of the
 * test's own. One namespace plays the node, one the outside, and containers get theirs from
 * network_netns_new().
 */

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <cmocka.h>

#include "engine/network_int.h"
#include "lib/loop.h"
#include "lib/netns_testing.h"

enum { PATIENCE_MS = 3000, REFUSED_MS = 300 };

static char base[] = "/tmp/network_test.XXXXXX";
static char dir[64], run[64];
static struct loop *loop;

__attribute__((unused)) static const char id_a[] =
	"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
__attribute__((unused)) static const char id_b[] =
	"bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb";

__attribute__((unused)) static const char id_c[] =
	"cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc";

static inline int socket_of(int netns, int family, int type)
{
	int home = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC), fd;

	assert_true(home >= 0);
	if (netns >= 0)
		assert_int_equal(setns(netns, CLONE_NEWNET), 0);
	fd = socket(family, type | SOCK_CLOEXEC, 0);
	assert_int_equal(setns(home, CLONE_NEWNET), 0);
	close(home);
	assert_true(fd >= 0);
	return fd;
}

static inline int socket_in(int netns, int type)
{
	return socket_of(netns, AF_INET, type);
}

static inline struct sockaddr_in at(const char *ip, uint16_t port)
{
	struct sockaddr_in sa = {.sin_family = AF_INET, .sin_port = htons(port)};

	assert_int_equal(inet_pton(AF_INET, ip, &sa.sin_addr), 1);
	return sa;
}

/* An address of either family for the socket calls. */
static inline socklen_t any_at(const char *ip, uint16_t port, struct sockaddr_storage *out)
{
	struct sockaddr_in6 six = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
	struct sockaddr_in four;

	if (strchr(ip, ':')) {
		assert_int_equal(inet_pton(AF_INET6, ip, &six.sin6_addr), 1);
		memcpy(out, &six, sizeof(six));
		return sizeof(six);
	}
	four = at(ip, port);
	memcpy(out, &four, sizeof(four));
	return sizeof(four);
}

static inline int server_on(int netns, const char *ip, int type, uint16_t port)
{
	struct sockaddr_storage sa;
	socklen_t len = any_at(ip, port, &sa);
	int fd = socket_of(netns, sa.ss_family, type), one = 1;

	if (sa.ss_family == AF_INET6)
		assert_int_equal(setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof(one)), 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&sa, len), 0);
	if (type == SOCK_STREAM)
		assert_int_equal(listen(fd, 8), 0);
	return fd;
}

static inline int server(int netns, int type, uint16_t port)
{
	return server_on(netns, "0.0.0.0", type, port);
}

/* Connects and accepts. Return: whether it worked; @seen gets the client's address as the server sees it. */
static inline bool reaches(int from, const char *ip, uint16_t port, int listener, char seen[INET6_ADDRSTRLEN])
{
	struct sockaddr_storage sa, peer;
	socklen_t sa_len = any_at(ip, port, &sa), len = sizeof(peer);
	int c = socket_of(from, sa.ss_family, SOCK_STREAM), s;
	struct pollfd p = {.fd = listener, .events = POLLIN};
	bool ok;

	assert_int_equal(fcntl(c, F_SETFL, O_NONBLOCK), 0);
	if (connect(c, (struct sockaddr *)&sa, sa_len) < 0 && errno != EINPROGRESS) {
		close(c);
		return false;
	}
	ok = poll(&p, 1, seen ? PATIENCE_MS : REFUSED_MS) == 1;
	if (ok) {
		s = accept(listener, (struct sockaddr *)&peer, &len);
		assert_true(s >= 0);
		if (seen && peer.ss_family == AF_INET)
			inet_ntop(AF_INET, &((struct sockaddr_in *)&peer)->sin_addr, seen, INET6_ADDRSTRLEN);
		else if (seen)
			inet_ntop(
				AF_INET6, &((struct sockaddr_in6 *)&peer)->sin6_addr, seen, INET6_ADDRSTRLEN);
		close(s);
	}
	close(c);
	return ok;
}

static inline bool is(const struct ipaddr *a, const char *text)
{
	struct ipaddr want;

	assert_int_equal(ipaddr_parse(text, &want), 0);
	return ipaddr_equal(a, &want);
}

static inline bool at_ip(const struct network_endpoint *e, const char *ip)
{
	char text[IPADDR_TEXT_MAX];

	return !strcmp(ipaddr_format(&e->ip[strchr(ip, ':') ? NETWORK_V6 : NETWORK_V4], false, text), ip);
}

static inline struct networks *open_networks(void)
{
	struct networks *ns = NULL;

	assert_int_equal(networks_open(&ns, loop, dir, run), 0);
	return ns;
}

static inline struct network *find(struct networks *ns, const char *name)
{
	struct network *n = NULL;
	struct network_error err;

	assert_int_equal(networks_find(ns, name, &n, &err), 0);
	return n;
}

static inline struct network_endpoint *attach(struct networks *ns, struct network *n, const char *id,
	const char *name, int netns, const struct network_port *ports, size_t n_ports)
{
	const struct network_attach a = {
		.container = id, .name = name, .netns = netns, .ports = ports, .n_ports = n_ports};
	struct network_endpoint *e = NULL;
	struct network_error err = {};

	if (network_attach(ns, n, &a, &e, &err) < 0)
		fail_msg("attach: %s", err.text);
	return e;
}

static inline int setup(void **state)
{
	if (!mkdtemp(base) || loop_new(&loop) < 0)
		return -1;
	snprintf(dir, sizeof(dir), "%s/networks", base);
	snprintf(run, sizeof(run), "%s/run/networks", base);
	return 0;
}

static inline int teardown(void **state)
{
	char cmd[128];

	loop_free(loop);
	snprintf(cmd, sizeof(cmd), "rm -rf %s", base);
	return system(cmd);
}

#endif

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

static char base[] = "/tmp/network_test.XXXXXX";
static char dir[64], run[64];
static struct loop *loop;

__attribute__((unused)) static const char id_a[] =
	"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
__attribute__((unused)) static const char id_b[] =
	"bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb";

__attribute__((unused)) static const char id_c[] =
	"cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc";

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

static inline struct network *make(struct networks *ns, const struct network_config *c)
{
	struct network_error err = {};
	struct network *n = NULL;

	if (network_create(ns, c, &n, &err) < 0)
		fail_msg("create: %s", err.text);
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

/* SPDX-License-Identifier: Apache-2.0 */

/* Network and endpoint files as a spoilt disk could give them back. */

#include <errno.h>
#include <string.h>

#include "engine/network_int.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char known[] =
	"{\"id\":\"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef\",\"name\":\"bridge\",\"driver\":\"bridge\","
	"\"device\":\"docker0\",\"ipv4\":true,\"ipv6\":true,\"pools\":[{\"subnet\":\"172.17.0.0/16\",\"gateway\":\"172.17.0.1\","
	"\"range\":\"172.17.0.0/16\"},{\"subnet\":\"fd00::/64\",\"gateway\":\"fd00::1\",\"range\":\"fd00::/64\"}]}";

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct networks ns = {.dir = -1, .run = -1, .route = NETLINK_CLOSED, .filter = NETLINK_CLOSED};
	struct network_endpoint *e = NULL;
	struct network *n = NULL;

	if (network_parse(&n, (const char *)data, size) == 0) {
		if (strlen(n->id) != NETWORK_ID_LEN || (network_has_link(n) && !link_name_valid(n->bridge)))
			__builtin_trap();
		/* an address that is given out lies in the network, and is not given out twice */
		for (enum network_family f = NETWORK_V4; f < NETWORK_FAMILIES; f++) {
			struct ipaddr a, gateway;

			if (network_ipam_any(n, f, &a, &gateway) < 0)
				continue;
			if (network_family_of(&a) != f || !network_pool_of(n, &a) ||
				network_ipam_take(n, &a, &gateway) != -EADDRINUSE)
				__builtin_trap();
		}
		if (n->n_pools > NETWORK_POOLS_MAX || n->n_unused > NETWORK_POOLS_MAX)
			__builtin_trap();
		network_free(n);
	}
	if (network_parse(&ns.list, known, strlen(known)) < 0)
		__builtin_trap();
	if (network_endpoint_parse(&ns, &e, (const char *)data, size) == 0) {
		if (strlen(e->id) != NETWORK_ID_LEN || e->n_ports > NETWORK_PORTS_MAX ||
			e->n_aliases > NETWORK_ALIASES_MAX || e->n_links > NETWORK_ALIASES_MAX)
			__builtin_trap();
		network_endpoint_free(e);
	}
	network_free(ns.list);
	return 0;
}

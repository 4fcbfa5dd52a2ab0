/* SPDX-License-Identifier: Apache-2.0 */

#include <linux/rtnetlink.h>

#include "lib/ipconf.h"
#include "lib/link.h"
#include "lib/log.h"
#include "network/host.h"

int host_prepare(const char *service_range, const char *dns_address)
{
	struct netlink nl = NETLINK_CLOSED;
	/* Of the node alone: never the source of what it sends elsewhere. */
	struct link_addr dns = {.scope = RT_SCOPE_HOST};
	struct route services = {0};
	struct link lo;
	int r = ipaddr_parse(service_range, &services.dst);

	if (!r)
		r = ipaddr_parse(dns_address, &dns.addr);
	if (!r)
		r = netlink_open(&nl, NETLINK_ROUTE, -1);
	if (!r)
		r = link_get(&nl, "lo", &lo);
	if (!r) {
		dns.index = services.index = lo.index;
		r = addr_set(&nl, &dns);
	}
	if (!r)
		r = route_set(&nl, &services);
	if (r < 0)
		log_errno(-r, "op=prepare services=%s dns=%s kernel=\"%s\"", service_range, dns_address,
			nl.text);
	netlink_close(&nl);
	return r;
}

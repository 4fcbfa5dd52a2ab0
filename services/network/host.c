/* SPDX-License-Identifier: Apache-2.0 */

#include <errno.h>
#include <linux/rtnetlink.h>

#include "lib/ipconf.h"
#include "lib/link.h"
#include "lib/log.h"
#include "network/host.h"

/*
 * Of routes to added ranges: they are told from others by it, and a route to the very network that the node is in comes before
 * them. A range that is a part of such a network has the longer prefix and comes first all the same.
 */
enum { ADDED_METRIC = 31000, AGAIN_MS = 1000 };

static int follow(struct netlink *nl, int lo, const struct service_nets *nets)
{
	struct route *list = NULL;
	ssize_t n = route_list(nl, &list);
	int r = n < 0 ? (int)n : 0;

	for (ssize_t i = 0; i < n && !r; i++) {
		struct service_nets without = *nets;

		/* one that can be added is not there */
		if (list[i].index != lo || list[i].metric != ADDED_METRIC ||
			(service_nets_add(&without, &list[i].dst) && without.n == nets->n))
			continue;
		r = route_del(nl, &list[i]);
		r = r == -ESRCH ? 0 : r;
	}
	free(list);
	for (size_t i = 1; i < nets->n && !r; i++)
		r = route_set(
			nl, &(struct route){.dst = nets->items[i], .index = lo, .metric = ADDED_METRIC});
	return r;
}

static int make_routes(const struct service_nets *nets)
{
	struct netlink nl = NETLINK_CLOSED;
	struct link lo;
	int r = netlink_open(&nl, NETLINK_ROUTE, -1);

	if (!r)
		r = link_get(&nl, "lo", &lo);
	if (!r)
		r = follow(&nl, lo.index, nets);
	if (r < 0)
		log_errno(-r, "op=follow-ranges kernel=\"%s\"", nl.text);
	netlink_close(&nl);
	return r;
}

static void try(struct host_routes *h);

static void on_again(struct loop_timer *timer)
{
	try(container_of(timer, struct host_routes, again));
}

static void try(struct host_routes *h)
{
	h->there = make_routes(&h->nets) == 0;
	if (h->there)
		loop_timer_del(&h->again);
	else if (loop_timer_set(h->loop, &h->again, loop_now_ms(h->loop) + AGAIN_MS, on_again) < 0)
		log_errno(ENOMEM, "op=follow-ranges");
}

void host_follow(struct host_routes *h, const struct service_nets *nets)
{
	if (h->there && service_nets_equal(nets, &h->nets))
		return;
	h->nets = *nets;
	try(h);
}

void host_unfollow(struct host_routes *h)
{
	loop_timer_del(&h->again);
}

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

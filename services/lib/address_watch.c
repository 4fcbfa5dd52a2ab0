/* SPDX-License-Identifier: Apache-2.0 */

#include <errno.h>
#include <linux/rtnetlink.h>
#include <sys/epoll.h>

#include "lib/address_watch.h"
#include "lib/log.h"

static int on_news(const struct nlmsg_view *v, void *arg)
{
	bool *changed = arg;

	*changed |= v->type == RTM_NEWADDR || v->type == RTM_DELADDR;
	return 0;
}

static void on_events(struct loop_io *io, uint32_t events)
{
	struct address_watch *w = container_of(io, struct address_watch, io);
	bool changed = false;
	int r = netlink_events(&w->nl, on_news, &changed);

	/* Too much at once: what was in it is not needed. */
	if (r == -ENOBUFS)
		changed = true;
	else if (r < 0)
		log_errno(-r, "op=address-events");
	if (changed)
		w->fn(w);
}

int address_watch_start(struct address_watch *w, struct loop *l, void (*fn)(struct address_watch *w))
{
	int r = netlink_open(&w->nl, NETLINK_ROUTE, -1);

	if (!r)
		r = netlink_join(&w->nl, RTNLGRP_IPV4_IFADDR);
	if (!r)
		r = netlink_join(&w->nl, RTNLGRP_IPV6_IFADDR);
	if (!r)
		r = loop_io_add(l, &w->io, w->nl.fd, EPOLLIN, on_events);
	w->fn = fn;
	if (r < 0)
		address_watch_stop(w);
	return r;
}

void address_watch_stop(struct address_watch *w)
{
	loop_io_del(&w->io);
	netlink_close(&w->nl);
}

/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The devices of network.h. They are dumped once, then RTM_NEWLINK and RTM_DELLINK are followed: a
 * device that appears an hour later is treated as one that was there at boot. It is ready when all that is
 * configured is up, or after a bounded wait, with a line about each thing that is missing; it never stops
 * trying.
 */

#include <errno.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/stat.h>

#include "init/network/netif.h"
#include "init/network/network.h"
#include "init/network/resolv.h"
#include "init/network/sysctl.h"
#include "lib/log.h"

#define NOTICE_FILE "/run/notice/network"

enum { READY_WAIT_MS = 6000, NETIFS_MAX = 1024, BOND_MIIMON_MS = 100 };

struct network {
	struct loop *loop;
	struct network_wanted wanted;
	struct netlink nl;     /* requests */
	struct netlink events; /* the kernel's news */
	struct loop_io events_io;
	struct loop_timer wait;
	struct netif *netifs;
	size_t n_netifs;
	bool started; /* every device that was there has been seen */
	bool ready;
};

bool network_linked(const struct network *w)
{
	for (const struct netif *n = w->netifs; n; n = n->next)
		if (n->carrier)
			return true;
	return false;
}

/* One thing that is missing: to the log once, and for people, as long as it is so. */
static void missing(FILE *notice, bool log, const char *ifname, const char *what)
{
	fprintf(notice, "%s: %s\n", ifname, what);
	if (log)
		log_warn("if=%s msg=\"%s; trying on\"", ifname, what);
}

static void say_what_is_missing(const struct network *w, bool log)
{
	char *text = NULL;
	size_t size = 0;
	FILE *f = open_memstream(&text, &size);

	if (!f) {
		log_errno(ENOMEM, "op=notice");
		return;
	}
	for (size_t i = 0; i < w->wanted.cfg.n_interfaces; i++) {
		const struct netcfg_interface *c = &w->wanted.cfg.interfaces[i];
		const struct netif *n = w->netifs;
		char mac[18];

		while (n && n->cfg != c)
			n = n->next;
		snprintf(mac, sizeof(mac), "%02x:%02x:%02x:%02x:%02x:%02x", c->mac[0], c->mac[1], c->mac[2],
			c->mac[3], c->mac[4], c->mac[5]);
		if (!n && (c->vlan_id || c->n_members) && if_nametoindex(c->name))
			missing(f, log, c->name,
				c->vlan_id ? "there is a device of this name and it is no VLAN"
					   : "there is a device of this name and it is no bond");
		else if (!n)
			missing(f, log, c->has_mac ? mac : c->name,
				"configured, but there is no such device");
	}
	for (const struct netif *n = w->netifs; n; n = n->next)
		if (!netif_settled(n) && (w->wanted.cfg.n_interfaces || n->carrier))
			missing(f, log, n->link.name,
				!n->configured ? "could not be set up"
				: !n->carrier  ? "no link: is the cable in?"
					       : "no DHCP server has answered");
	if (!w->netifs)
		missing(f, log, "network", "no network device to set up");
	else if (!network_linked(w))
		missing(f, log, "network", "no network device has a link");
	if (fclose(f) != 0)
		log_errno(ENOMEM, "op=notice");
	else if (size)
		resolv_write(NOTICE_FILE, text);
	else if (unlink(NOTICE_FILE) < 0 && errno != ENOENT)
		log_errno(errno, "op=unlink path=%s", NOTICE_FILE);
	if (!size)
		free(text);
}

bool network_settled(const struct network *w)
{
	for (size_t i = 0; i < w->wanted.cfg.n_interfaces; i++) {
		const struct netif *n = w->netifs;

		while (n && n->cfg != &w->wanted.cfg.interfaces[i])
			n = n->next;
		if (!n || !netif_settled(n))
			return false;
	}
	if (w->wanted.cfg.n_interfaces)
		return true;
	/* Nothing is configured: sockets without a cable are normal, but one should have come up. */
	for (const struct netif *n = w->netifs; n; n = n->next)
		if (n->carrier && !netif_settled(n))
			return false;
	return network_linked(w) || !w->netifs;
}

static void become_ready(struct network *w)
{
	if (w->ready)
		return;
	w->ready = true;
	loop_timer_del(&w->wait);
	w->wanted.ready(w->wanted.arg);
}

static void on_wait_over(struct loop_timer *t)
{
	struct network *w = container_of(t, struct network, wait);

	say_what_is_missing(w, true);
	become_ready(w);
}

static void check_ready(struct network *w)
{
	if (!w->started)
		return;
	if (!w->ready && network_settled(w)) {
		say_what_is_missing(w, true);
		become_ready(w);
	} else if (w->ready) {
		say_what_is_missing(w, false);
	}
}

/* Everything that is derived from leases. */
static void publish(struct network *w)
{
	const struct lease *leases[LEASE_LIST_MAX];
	char hostname[65] = "";
	size_t n = 0;

	for (unsigned order = 0; order < NETIFS_MAX && n < array_len(leases); order++)
		for (const struct netif *i = w->netifs; i && n < array_len(leases); i = i->next)
			if (i->order == order && i->leased)
				leases[n++] = &i->lease;
	if (gethostname(hostname, sizeof(hostname) - 1) < 0)
		hostname[0] = '\0';
	resolv_write("/run/resolv.conf", resolv_text(&w->wanted.cfg, leases, n));
	resolv_write("/run/hosts", hosts_text(hostname));
	resolv_write("/run/network/ntp-servers", ntp_text(leases, n));
}

static void on_changed(struct netif *n, void *arg)
{
	struct network *w = arg;

	publish(w);
	if (n->leased && w->wanted.leased)
		w->wanted.leased(&n->lease, w->wanted.arg);
	check_ready(w);
}

static int rename_link(struct network *w, struct link *l, const char *name)
{
	struct link_change c = LINK_NO_CHANGE;
	int r;

	/* A device that is up cannot be renamed on every kernel. */
	c.up = 0;
	r = link_set(&w->nl, l->index, &c);
	c.up = LINK_KEEP;
	c.name = name;
	if (!r)
		r = link_set(&w->nl, l->index, &c);
	if (r < 0)
		return log_errno(-r, "if=%s op=rename to=%s kernel=\"%s\"", l->name, name, w->nl.text);
	log_info("if=%s renamed=%s", l->name, name);
	snprintf(l->name, sizeof(l->name), "%s", name);
	return 0;
}

/* A kernel that was not told otherwise (kernel-config/cmdline) makes a bond0 of its own, in a mode of its own. */
static void mend_bond(struct network *w, const struct netcfg_interface *c, const struct link *l)
{
	struct link_change down = LINK_NO_CHANGE;
	int r;

	if (l->bond_mode == c->bond_mode && l->bond_miimon_ms == BOND_MIIMON_MS)
		return;
	down.up = 0;
	r = link_set(&w->nl, l->index, &down);
	if (!r)
		r = link_set_bond(&w->nl, l->index, c->bond_mode, BOND_MIIMON_MS);
	if (r < 0)
		log_errno(-r, "if=%s op=bond-mode kernel=\"%s\"", c->name, w->nl.text);
}

/* Makes a VLAN or bond that is configured and not there. What lacks its parent waits for it. */
static void make_device(struct network *w, const struct netcfg_interface *c)
{
	struct link_new n = {.kind = c->vlan_id ? "vlan" : "bond",
		.name = c->name,
		.vlan_id = c->vlan_id,
		.bond_mode = c->bond_mode,
		.bond_miimon_ms = c->n_members ? BOND_MIIMON_MS : 0};
	struct link l;
	int r;

	if (link_get(&w->nl, c->name, &l) == 0) {
		if (strcmp(l.kind, n.kind) != 0)
			log_error("if=%s msg=\"there is a device of this name and it is no %s\"", c->name,
				n.kind);
		else if (c->n_members)
			mend_bond(w, c, &l);
		return;
	}
	if (c->vlan_id) {
		if (link_get(&w->nl, c->parent, &l) < 0)
			return;
		n.parent = l.index;
	}
	r = link_add(&w->nl, &n);
	if (r < 0)
		log_errno(-r, "if=%s op=make kind=%s kernel=\"%s\"", c->name, n.kind, w->nl.text);
}

static void make_devices(struct network *w, const char *parent)
{
	for (size_t i = 0; i < w->wanted.cfg.n_interfaces; i++) {
		const struct netcfg_interface *c = &w->wanted.cfg.interfaces[i];

		if (!parent ? c->n_members > 0 : c->vlan_id && !strcmp(c->parent, parent))
			make_device(w, c);
	}
}

static struct netif *find_netif(struct network *w, int index)
{
	struct netif *n = w->netifs;

	while (n && n->link.index != index)
		n = n->next;
	return n;
}

static void adopt(struct network *w, struct link *l)
{
	const struct netcfg_interface *c = netcfg_match(&w->wanted.cfg, l), *bond;
	struct netif *n;
	struct link master = {};

	if (c && c->has_mac && c->name[0] && strcmp(c->name, l->name) != 0 && rename_link(w, l, c->name) < 0)
		log_warn("if=%s msg=\"goes on under its old name\"", l->name);
	bond = netcfg_bond_of(&w->wanted.cfg, l->name);
	if ((!c && !bond) || w->n_netifs == NETIFS_MAX)
		return;
	if (bond && link_get(&w->nl, bond->name, &master) < 0)
		log_warn("if=%s msg=\"its bond %s is not there\"", l->name, bond->name);
	n = netif_new(w->loop, c ? c : &netcfg_default, bond, l,
		c && w->wanted.cfg.n_interfaces ? (unsigned)(c - w->wanted.cfg.interfaces)
						: (unsigned)w->n_netifs,
		on_changed, w);
	if (!n)
		return;
	n->next = w->netifs;
	w->netifs = n;
	w->n_netifs++;
	if (netif_configure(n, &w->nl, master.index) < 0)
		log_warn("if=%s msg=\"not all of its configuration is in force\"", l->name);
	make_devices(w, l->name);
	if (link_get_index(&w->nl, n->link.index, l) == 0)
		netif_update(n, &w->nl, l);
}

static void forget(struct network *w, int index)
{
	for (struct netif **p = &w->netifs; *p; p = &(*p)->next)
		if ((*p)->link.index == index) {
			struct netif *n = *p;

			log_info("if=%s msg=\"device is gone\"", n->link.name);
			*p = n->next;
			w->n_netifs--;
			netif_free(n);
			publish(w);
			check_ready(w);
			return;
		}
}

static void on_link(struct network *w, struct link *l)
{
	struct netif *n = find_netif(w, l->index);

	/* News may be older than what we last asked for, so it only says that there is something to ask. */
	if (n && link_get_index(&w->nl, l->index, l) < 0)
		return;
	if (n)
		netif_update(n, &w->nl, l);
	else
		adopt(w, l);
	check_ready(w);
}

static int on_news(const struct nlmsg_view *v, void *arg)
{
	struct link l;

	/* One message that cannot be read does not end the service. */
	if ((v->type != RTM_NEWLINK && v->type != RTM_DELLINK) || v->len < 16 || v->data[0] != AF_UNSPEC ||
		link_parse(v, &l) < 0)
		return 0;
	if (v->type == RTM_NEWLINK)
		on_link(arg, &l);
	else
		forget(arg, l.index);
	return 0;
}

static int read_all_links(struct network *w)
{
	cleanup(freep) struct link *links = NULL;
	ssize_t n = link_list(&w->nl, &links);

	if (n < 0)
		return log_errno((int)-n, "op=list-links");
	for (ssize_t i = 0; i < n; i++)
		on_link(w, &links[i]);
	return 0;
}

static void on_events(struct loop_io *io, uint32_t events)
{
	struct network *w = container_of(io, struct network, events_io);
	int r = netlink_events(&w->events, on_news, w);

	/* Too much at once: nothing is lost when everything is read again. */
	if (r == -ENOBUFS)
		r = read_all_links(w);
	if (r < 0)
		log_errno(-r, "op=events");
}

static int loopback_up(struct network *w)
{
	struct link_change c = LINK_NO_CHANGE;
	struct link l;
	int r = link_get(&w->nl, "lo", &l);

	c.up = 1;
	if (!r)
		r = link_set(&w->nl, l.index, &c);
	return r < 0 ? log_errno(-r, "if=lo op=up") : 0;
}

static int start(struct network *w)
{
	int r;

	if (mkdir("/run/network", 0755) < 0 && errno != EEXIST)
		return log_errno(errno, "op=mkdir path=/run/network");
	if ((r = netlink_open(&w->nl, NETLINK_ROUTE, -1)) < 0 ||
		(r = netlink_open(&w->events, NETLINK_ROUTE, -1)) < 0 ||
		(r = netlink_join(&w->events, RTNLGRP_LINK)) < 0)
		return log_errno(-r, "op=netlink");
	r = loopback_up(w);
	if (r < 0)
		return r;
	sysctl_node();
	publish(w);
	r = loop_io_add(w->loop, &w->events_io, w->events.fd, EPOLLIN, on_events);
	if (!r)
		r = loop_timer_set(w->loop, &w->wait, loop_now_ms(w->loop) + READY_WAIT_MS, on_wait_over);
	if (r < 0)
		return log_errno(-r, "op=loop");
	make_devices(w, NULL);
	r = read_all_links(w);
	w->started = true;
	check_ready(w);
	return r;
}

int network_start(struct network **out, struct loop *loop, const struct network_wanted *wanted)
{
	struct network *w = calloc(1, sizeof(*w));
	int r;

	if (!w)
		return log_errno(ENOMEM, "op=network");
	*w = (struct network){
		.loop = loop, .wanted = *wanted, .nl = NETLINK_CLOSED, .events = NETLINK_CLOSED};
	r = start(w);
	if (r < 0)
		network_end(w);
	else
		*out = w;
	return r;
}

void network_end(struct network *w)
{
	if (!w)
		return;
	loop_timer_del(&w->wait);
	loop_io_del(&w->events_io);
	while (w->netifs) {
		struct netif *n = w->netifs;

		w->netifs = n->next;
		netif_forget_lease(n, &w->nl);
		sysctl_ipv6(n->link.name, false); /* whoever sets it up next says otherwise */
		netif_free(n);
	}
	publish(w);
	if (unlink(NOTICE_FILE) < 0 && errno != ENOENT)
		log_errno(errno, "op=unlink path=%s", NOTICE_FILE);
	netlink_close(&w->events);
	netlink_close(&w->nl);
	free(w);
}

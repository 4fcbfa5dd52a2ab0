/* SPDX-License-Identifier: Apache-2.0 */

/* The list of pods that have an address, and which address is free. */

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "lib/conntrack.h"
#include "lib/log.h"
#include "network/podnet_int.h"

static int fail(struct podnet_error *err, int r, const char *fmt, ...) printf_like(3, 4);

static int fail(struct podnet_error *err, int r, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(err->text, sizeof(err->text), fmt, ap);
	va_end(ap);
	return r;
}

/* ---- the list */

static struct pod **find(struct podnet *p, const char *uid)
{
	struct pod **at = &p->list;

	while (*at && strcmp((*at)->uid, uid) != 0)
		at = &(*at)->next;
	return at;
}

static void list_free(struct pod *list)
{
	while (list) {
		struct pod *next = list->next;

		free(list);
		list = next;
	}
}

static int refresh(struct podnet *p)
{
	struct pod *now = NULL;
	int r = podnet_links_read(p, &now);

	if (r < 0) {
		list_free(now);
		return log_errno(-r, "op=read-links kernel=\"%s\"", p->route.text);
	}
	list_free(p->list);
	p->list = now;
	for (; now; now = now->next)
		if (!p->last.family || ntohl(now->ip.v4.s_addr) > ntohl(p->last.v4.s_addr))
			p->last = now->ip;
	return 0;
}

const struct pod *podnet_list(struct podnet *p)
{
	(void)!refresh(p);
	return p->list;
}

/* ---- addresses */

void podnet_set_range(struct podnet *p, const struct ipaddr *range)
{
	char text[IPADDR_TEXT_MAX];

	if (ipaddr_equal(range, &p->range))
		return;
	p->range = *range;
	log_info("event=range pods=%s", ipaddr_format(range, true, text));
	if (p->on_range)
		p->on_range(p->on_range_arg);
}

const struct ipaddr *podnet_range(const struct podnet *p)
{
	return p->range.family ? &p->range : NULL;
}

void podnet_on_range(struct podnet *p, void (*fn)(void *arg), void *arg)
{
	p->on_range = fn;
	p->on_range_arg = arg;
}

static bool taken(const struct podnet *p, uint32_t address)
{
	for (const struct pod *pod = p->list; pod; pod = pod->next)
		if (ntohl(pod->ip.v4.s_addr) == address)
			return true;
	return false;
}

/* The first free one behind the last, so that an address rests before somebody else has it. */
static bool next_free(struct podnet *p, struct ipaddr *out)
{
	struct ipaddr network = ipaddr_network(&p->range);
	uint32_t base = ntohl(network.v4.s_addr),
		 size = p->range.prefix < 31 ? 1U << (32 - p->range.prefix) : 0;
	uint32_t last = p->last.family ? ntohl(p->last.v4.s_addr) - base : 0;

	if (last >= size)
		last = 0;
	for (uint32_t i = 1; i <= size; i++) {
		uint32_t at = (last + i) % size;

		/* Neither the network's nor the broadcast address, nor what is mostly the gateway's. */
		if (at < 2 || at == size - 1 || taken(p, base + at))
			continue;
		*out = (struct ipaddr){.family = AF_INET, .prefix = 32, .v4 = {htonl(base + at)}};
		return true;
	}
	return false;
}

static int allocate(struct podnet *p, struct ipaddr *out, struct podnet_error *err)
{
	char text[IPADDR_TEXT_MAX];

	if (!p->range.family)
		return fail(err, -EAGAIN,
			"this node has no range of pod addresses yet: its Node has no spec.podCIDR");
	if (!next_free(p, out) && (refresh(p) < 0 || !next_free(p, out)))
		return fail(
			err, -ENOSPC, "all addresses of %s are in use", ipaddr_format(&p->range, true, text));
	p->last = *out;
	return 0;
}

/* ---- coming and going */

static bool valid(const char *s, size_t max, const char *letters)
{
	size_t n = s ? strlen(s) : 0;

	return n > 0 && n <= max && strspn(s, letters) == n;
}

int podnet_put(struct podnet *p, const char *uid, const char *ns, const char *name, const char *netns,
	const struct pod **out, struct podnet_error *err)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyz0123456789-.";
	cleanup(closep) int fd = -1;
	char text[NETLINK_TEXT_MAX] = "";
	const char *op = "", *why;
	struct pod *pod, *made = NULL;
	int r;

	if (!valid(uid, POD_UID_MAX, letters) || strchr(uid, '.'))
		return fail(err, -EINVAL, "a pod's uid is 1 to %d of a-z, 0-9 and -", POD_UID_MAX);
	if (!valid(ns, POD_NAME_MAX, letters) || !valid(name, POD_NAME_MAX, letters))
		return fail(
			err, -EINVAL, "Namespace and Name are 1 to %d of a-z, 0-9, - and .", POD_NAME_MAX);
	if (!netns || *netns != '/')
		return fail(err, -EINVAL, "NetworkNamespace is the absolute path of a namespace");
	r = fd = podnet_netns_open(netns, &why);
	if (r < 0)
		return fail(err, -EINVAL, "%s %s: %s", netns, why, strerror(-r));
	pod = *find(p, uid);
	if (!pod) {
		struct ipaddr ip;

		r = allocate(p, &ip, err);
		if (r < 0)
			return r;
		pod = made = calloc(1, sizeof(*made));
		if (!made)
			return fail(err, -ENOMEM, "out of memory");
		made->ip = ip;
		snprintf(made->uid, sizeof(made->uid), "%s", uid);
		podnet_link_name(uid, made->ifname);
	}
	snprintf(pod->ns, sizeof(pod->ns), "%s", ns);
	snprintf(pod->name, sizeof(pod->name), "%s", name);
	r = podnet_link_up(p, pod, fd, &op, text);
	if (!r) {
		op = "write its rules";
		r = podnet_rules_add(p, pod);
	}
	if (r < 0) {
		log_errno(-r, "pod=%s/%s op=\"%s\" kernel=\"%s\"", ns, name, op, text);
		if (made)
			podnet_link_down(p, made);
		free(made);
		return fail(err, r, "pod %s/%s: cannot %s: %s%s%s", ns, name, op, strerror(-r),
			*text ? ": " : "", text);
	}
	if (made) {
		made->next = p->list;
		p->list = made;
	}
	*out = pod;
	return 0;
}

void podnet_delete(struct podnet *p, const char *uid)
{
	struct pod **at = find(p, uid), *pod = *at;
	struct podnet_error err = {0};

	if (!pod)
		return;
	*at = pod->next;
	if (podnet_host_ports(p, pod, NULL, 0, &err) < 0)
		log_warn("pod=%s/%s op=close-host-ports error=\"%s\"", pod->ns, pod->name, err.text);
	podnet_rules_remove(p, pod);
	podnet_link_down(p, pod);
	conntrack_forget_address(&p->filter, &pod->ip);
	free(pod);
}

int podnet_open(struct podnet **out, const struct podnet_options *o)
{
	struct podnet *p = calloc(1, sizeof(*p));
	int r;

	if (!p)
		return -ENOMEM;
	p->route = p->filter = NETLINK_CLOSED;
	r = ipaddr_parse(o->cluster_range, &p->cluster_range);
	if (!r && p->cluster_range.family != AF_INET)
		r = -EAFNOSUPPORT;
	if (!r)
		r = netlink_open(&p->route, NETLINK_ROUTE, -1);
	if (!r)
		r = netlink_open(&p->filter, NETLINK_NETFILTER, -1);
	if (!r)
		r = refresh(p);
	if (!r)
		r = podnet_rules_install(p);
	if (r < 0) {
		podnet_close(p);
		return log_errno(-r, "op=open-pods range=%s", o->cluster_range);
	}
	*out = p;
	return 0;
}

void podnet_close(struct podnet *p)
{
	if (!p)
		return;
	list_free(p->list);
	netlink_close(&p->route);
	netlink_close(&p->filter);
	free(p);
}

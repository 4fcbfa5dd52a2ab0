/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The device of a pod. Its gateway is an address that nobody has, with a permanent neighbour entry: whatever the pod sends
 * goes to the node, which asks for nothing. Every step may be repeated, so a half-made device is completed by the next call.
 */

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <linux/nsfs.h>
#include <linux/rtnetlink.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include "lib/link.h"
#include "lib/log.h"
#include "lib/netns.h"
#include "lib/sha256.h"
#include "network/podnet_int.h"

enum { MTU_DEFAULT = 1500 };

#define INSIDE "eth0"

static const struct ipaddr gateway = {.family = AF_INET, .prefix = 32, .bytes = {169, 254, 1, 1}};

void podnet_link_name(const char *uid, char out[IFNAMSIZ])
{
	uint8_t hash[SHA256_SIZE];
	size_t at = strlen(POD_LINK_PREFIX);

	memcpy(out, POD_LINK_PREFIX, at);
	sha256(uid, strlen(uid), hash);
	for (size_t i = 0; at < IFNAMSIZ - 1; i++, at++)
		out[at] = "0123456789abcdef"[hash[i / 2] >> (i % 2 ? 0 : 4) & 15];
	out[at] = '\0';
}

int podnet_netns_open(const char *path, const char **why)
{
	cleanup(closep) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	struct stat st, own;
	struct statfs fs;

	*why = "cannot be opened";
	if (fd < 0 || fstat(fd, &st) < 0 || fstatfs(fd, &fs) < 0 || stat("/proc/self/ns/net", &own) < 0)
		return -errno;
	*why = "is no network namespace";
	if (fs.f_type != NSFS_MAGIC || ioctl(fd, NS_GET_NSTYPE) != CLONE_NEWNET)
		return -EINVAL;
	*why = "is the node's own network namespace";
	if (st.st_dev == own.st_dev && st.st_ino == own.st_ino)
		return -EINVAL;
	return take_fd(fd);
}

/* Of the device that leads out. */
static uint32_t node_mtu(struct podnet *p)
{
	cleanup(freep) struct route *routes = NULL;
	ssize_t n = route_list(&p->route, &routes);
	const struct route *best = NULL;
	struct link l;

	for (ssize_t i = 0; i < n; i++)
		if (routes[i].dst.family == AF_INET && !routes[i].dst.prefix &&
			routes[i].table == RT_TABLE_MAIN && (!best || routes[i].metric < best->metric))
			best = &routes[i];
	return best && link_get_index(&p->route, best->index, &l) == 0 ? l.mtu : MTU_DEFAULT;
}

static void outside_sysctl(const char *ifname, const char *family, const char *key, const char *value)
{
	char path[128];
	int r;

	snprintf(path, sizeof(path), "/proc/sys/net/%s/conf/%s/%s", family, ifname, key);
	r = netns_sysctl(-1, path, value);
	if (r < 0 && r != -ENOENT)
		log_errno(-r, "op=sysctl path=%s", path);
}

static int make_pair(struct podnet *p, const struct pod *pod, int netns, struct link *out, const char **op)
{
	struct link_change note = LINK_NO_CHANGE;
	char alias[LINK_ALIAS_MAX];
	struct link_new pair = {
		.kind = "veth",
		.name = pod->ifname,
		.mtu = node_mtu(p),
		.up = true,
		.peer = {.name = INSIDE, .netns_fd = netns},
	};
	int r;

	*op = "make a veth pair";
	r = link_add(&p->route, &pair);
	if (!r)
		r = link_get(&p->route, pod->ifname, out);
	if (r < 0)
		return r;
	*op = "note whose it is";
	snprintf(alias, sizeof(alias), "%s %.63s/%.126s", pod->uid, pod->ns, pod->name);
	note.alias = alias;
	return link_set(&p->route, out->index, &note);
}

static int set_inside(struct netlink *nl, const struct pod *pod, const struct link *outside,
	struct link *eth0, const char **op)
{
	struct link_change up = LINK_NO_CHANGE;
	struct link_addr a = {.addr = pod->ip};
	struct route out = {.dst = {.family = AF_INET}, .gateway = gateway, .onlink = true};
	int r;

	*op = "find " INSIDE;
	r = link_get(nl, INSIDE, eth0);
	if (r < 0)
		return r;
	*op = "set the address";
	a.index = out.index = eth0->index;
	r = addr_set(nl, &a);
	up.up = 1;
	if (!r)
		r = link_set(nl, eth0->index, &up);
	if (r < 0)
		return r;
	*op = "set the way out";
	r = neigh_set(nl, eth0->index, &gateway, outside->mac);
	return r < 0 ? r : route_set(nl, &out);
}

static int set_outside(struct podnet *p, const struct pod *pod, const struct link *outside,
	const struct link *eth0, const char **op)
{
	struct route to = {.dst = pod->ip, .index = outside->index};
	int r;

	*op = "set the route to it";
	/* Who pretends to another address is not heard. */
	outside_sysctl(pod->ifname, "ipv4", "rp_filter", "1");
	outside_sysctl(pod->ifname, "ipv6", "disable_ipv6", "1");
	/* A host port of a loopback address leads here; podnet_ports.c keeps the pod from such addresses. */
	outside_sysctl(pod->ifname, "ipv4", "route_localnet", "1");
	r = neigh_set(&p->route, outside->index, &pod->ip, eth0->mac);
	return r < 0 ? r : route_set(&p->route, &to);
}

int podnet_link_up(
	struct podnet *p, const struct pod *pod, int netns, const char **op, char text[NETLINK_TEXT_MAX])
{
	struct netlink inside = NETLINK_CLOSED;
	struct link outside, eth0;
	int r, there;

	p->route.text[0] = '\0';
	*op = "enter its namespace";
	r = netlink_open(&inside, NETLINK_ROUTE, netns);
	if (r < 0)
		return r;
	*op = "look at its device";
	r = link_get(&p->route, pod->ifname, &outside);
	there = link_get(&inside, INSIDE, &eth0);
	if (!r && there < 0) {
		/* The other end is in a namespace of before. */
		*op = "remove its old device";
		r = link_del(&p->route, outside.index);
		r = r < 0 && r != -ENODEV ? r : -ENODEV;
	} else if (r == -ENODEV && !there) {
		*op = "make " INSIDE ", which is there already,";
		r = -EEXIST;
	}
	if (r == -ENODEV)
		r = make_pair(p, pod, netns, &outside, op);
	if (!r)
		r = set_inside(&inside, pod, &outside, &eth0, op);
	if (!r)
		r = set_outside(p, pod, &outside, &eth0, op);
	snprintf(text, NETLINK_TEXT_MAX, "%s", inside.text[0] ? inside.text : p->route.text);
	netlink_close(&inside);
	return r < 0 ? r : 0;
}

void podnet_link_down(struct podnet *p, const struct pod *pod)
{
	struct link l;
	int r = link_get(&p->route, pod->ifname, &l);

	/* Most of the time it has gone with the pod's namespace. */
	if (!r)
		r = link_del(&p->route, l.index);
	if (r < 0 && r != -ENODEV)
		log_errno(-r, "pod=%s/%s if=%s op=delete kernel=\"%s\"", pod->ns, pod->name, pod->ifname,
			p->route.text);
}

/* "UID NAMESPACE/NAME", as it was noted; the end may have been cut. */
static struct pod *read_alias(const struct link *l)
{
	struct pod *pod = calloc(1, sizeof(*pod));
	char name[IFNAMSIZ];

	if (!pod)
		return NULL;
	if (sscanf(l->alias, "%63[a-z0-9-] %253[^/]/%253s", pod->uid, pod->ns, pod->name) < 1) {
		free(pod);
		return NULL;
	}
	podnet_link_name(pod->uid, name);
	if (strcmp(name, l->name) != 0) {
		free(pod);
		return NULL;
	}
	memcpy(pod->ifname, l->name, sizeof(pod->ifname));
	return pod;
}

static const struct route *route_of(const struct route *routes, ssize_t n, int index)
{
	for (ssize_t i = 0; i < n; i++)
		if (routes[i].index == index && routes[i].dst.family == AF_INET &&
			routes[i].dst.prefix == 32 && routes[i].table == RT_TABLE_MAIN)
			return &routes[i];
	return NULL;
}

int podnet_links_read(struct podnet *p, struct pod **out)
{
	cleanup(freep) struct route *routes = NULL;
	cleanup(freep) struct link *links = NULL;
	ssize_t n = link_list(&p->route, &links), n_routes = route_list(&p->route, &routes);

	if (n < 0 || n_routes < 0)
		return (int)(n < 0 ? n : n_routes);
	for (ssize_t i = 0; i < n; i++) {
		const struct route *route = route_of(routes, n_routes, links[i].index);
		struct pod *pod;

		if (strncmp(links[i].name, POD_LINK_PREFIX, strlen(POD_LINK_PREFIX)) != 0 ||
			strcmp(links[i].kind, "veth") != 0)
			continue;
		pod = route ? read_alias(&links[i]) : NULL;
		if (!pod) {
			int r = link_del(&p->route, links[i].index);

			log_info("if=%s event=sweep msg=\"half made by a service that was killed\"",
				links[i].name);
			if (r < 0 && r != -ENODEV)
				log_errno(-r, "if=%s op=sweep kernel=\"%s\"", links[i].name, p->route.text);
			continue;
		}
		pod->ip = route->dst;
		pod->next = *out;
		*out = pod;
	}
	return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NETWORK_PODNET_H
#define NETWORK_PODNET_H

/*
 * Addresses of this node's pods. A pod has a veth pair: eth0 inside, with its address as /32 and the way out over a link-local
 * gateway; outside a device with a route to that address. There is no bridge: the node routes, so its rules see every packet.
 *
 * What the kernel shows is the truth: the device's alias says whose it is, its route which address. After a restart of this
 * service everything is found again, after a restart of the node everything is new.
 */

#include <net/if.h>

#include "lib/ipconf.h"
#include "lib/util.h"

enum { POD_UID_MAX = 63, POD_NAME_MAX = 253 };

/* What devices of pods are called: POD_LINK_PREFIX and 11 hexadecimal digits that follow from the uid. */
#define POD_LINK_PREFIX "pod-"

struct podnet;

struct pod {
	char uid[POD_UID_MAX + 1];
	char ns[POD_NAME_MAX + 1], name[POD_NAME_MAX + 1];
	char ifname[IFNAMSIZ];
	struct ipaddr ip;
	struct pod *next;
};

struct podnet_error {
	char text[512];
};

struct podnet_options {
	const char *cluster_range; /* of all pods of all nodes: what leaves it is masqueraded */
};

/* 0 or -errno; the rules are there, and the pods that the kernel shows. */
must_check int podnet_open(struct podnet **out, const struct podnet_options *o);
void podnet_close(struct podnet *p); /* nothing changes for the pods; accepts NULL */

/* The range of this node. Addresses that are outside of a new one stay until their pods go. */
void podnet_set_range(struct podnet *p, const struct ipaddr *range);
/* NULL: it is not known yet. */
const struct ipaddr *podnet_range(const struct podnet *p);
/* @fn after each change of the range; one at a time. */
void podnet_on_range(struct podnet *p, void (*fn)(void *arg), void *arg);

/**
 * podnet_put() - the pod has its address, or gets one
 * @netns:	the path of its network namespace
 *
 * May be repeated; a pod with a new namespace keeps its address. Return: 0, or with @err set -EINVAL: the request is wrong; -EAGAIN: this
 * node has no range yet; -ENOSPC: the range is used up; or another -errno.
 */
must_check int podnet_put(struct podnet *p, const char *uid, const char *ns, const char *name,
	const char *netns, const struct pod **out, struct podnet_error *err);
void podnet_delete(struct podnet *p, const char *uid); /* there or not */

/* A port of the node that leads to a pod. */
struct host_port {
	struct in_addr ip; /* of the node; 0: all of them */
	uint8_t proto;	   /* IPPROTO_TCP, IPPROTO_UDP */
	uint16_t host, container;
};

/**
 * podnet_host_ports() - the ports that lead to a pod are these, and no others
 * @pod:	of the list
 * @err:	may be NULL
 *
 * podnet_delete() takes them away. Return: 0; -EEXIST: another pod has one of them; or another -errno.
 */
must_check int podnet_host_ports(struct podnet *p, const struct pod *pod, const struct host_port *ports,
	size_t n, struct podnet_error *err);

/* Those that still have a device; the list is borrowed. */
const struct pod *podnet_list(struct podnet *p);

#endif

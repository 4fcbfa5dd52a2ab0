/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NETWORK_PODNET_INT_H
#define NETWORK_PODNET_INT_H

/* What the parts of a pod's address share: podnet.c keeps the list, podnet_link.c the devices, podnet_rules.c the rules. */

#include "lib/netlink.h"
#include "network/podnet.h"

struct nft;

struct podnet {
	struct netlink route, filter;
	struct ipaddr cluster_range;
	struct ipaddr range; /* AF_UNSPEC: not known yet */
	struct ipaddr last;  /* that was given out */
	struct pod *list;    /* owned */
	void (*on_range)(void *arg);
	void *on_range_arg;
};

/* ---- podnet_link.c */

void podnet_link_name(const char *uid, char out[IFNAMSIZ]);
/* A bound network namespace, not the node's own; a descriptor, or -errno with *why. */
must_check int podnet_netns_open(const char *path, const char **why);
/* Makes what is missing. 0, or -errno with *op: what could not be done, and the kernel's words in p->route or @text. */
must_check int podnet_link_up(
	struct podnet *p, const struct pod *pod, int netns, const char **op, char text[NETLINK_TEXT_MAX]);
void podnet_link_down(struct podnet *p, const struct pod *pod);
/* Reads the kernel's devices into a new list; what is half made goes. 0 or -errno. */
must_check int podnet_links_read(struct podnet *p, struct pod **out);

/* ---- podnet_rules.c */

#define PODNET_TABLE "wherry-pods"

must_check int podnet_rules_install(struct podnet *p);
must_check int podnet_rules_add(struct podnet *p, const struct pod *pod);
void podnet_rules_remove(struct podnet *p, const struct pod *pod);

/* ---- podnet_ports.c */

/* The part of the table that is for host ports, then the elements of before that lead to pods of the list. 0 or -errno. */
must_check int podnet_ports_keep(struct podnet *p, struct nft *b);

#endif

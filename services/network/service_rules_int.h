/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NETWORK_SERVICE_RULES_INT_H
#define NETWORK_SERVICE_RULES_INT_H

/* What a Service comes to in rules: service_plan.c computes it, service_rules.c makes it true, service_table.c has what is the same for all. */

#include "lib/conntrack.h"
#include "lib/loop.h"
#include "lib/nft.h"

struct catalog;
struct service;
struct service_nets;

#define SERVICES_TABLE	 "wherry-services"
#define SERVICES_CLIENTS "clients"
#define SERVICES_RANGES	 "ranges"

/* An address and a port as a part of an element: words, in network order. */
struct target {
	struct in_addr ip;
	uint16_t port, zero;
};

/* Where a connection goes that was sent to a service's port: one of the targets. */
struct group {
	uint64_t id; /* of NAMESPACE/NAME/PROTO/PORT: the same for the same name, always */
	uint8_t proto;
	uint32_t affinity_s;
	struct target *targets; /* owned */
	size_t n;
};

/* How one of the targets is chosen: how many there are, and how long a client keeps its own. 0: dropped. */
enum { CLASS_SHIFT = 15, TARGETS_MAX = (1 << CLASS_SHIFT) - 1 };
#define CLASS(affinity_s, n)	((uint32_t)(affinity_s) << CLASS_SHIFT | (uint32_t)(n))
#define CLASS_COUNT(class)	((class) & TARGETS_MAX)
#define CLASS_AFFINITY_S(class) ((class) >> CLASS_SHIFT)

/* What is looked up. */
enum plan_map { PLAN_SERVICE, PLAN_NODE_PORT, PLAN_MAPS };

struct front {
	enum plan_map map;
	struct in_addr ip; /* 0 for node ports */
	uint8_t proto;
	uint16_t port; /* network order */
	bool refused;  /* nobody is there; else */
	uint32_t class;
	uint64_t id; /* of the group */
};

/* Of one Service. */
struct service_rules {
	struct group *groups; /* owned */
	size_t n_groups;
	struct front *fronts; /* owned */
	size_t n_fronts;
};

/* What is waiting to be written, and where. */
enum { FORGET_MAX = 256 };

struct service_rules_table {
	struct loop *loop;
	struct netlink filter;
	const struct service_nets *nets; /* borrowed */
	struct ipaddr dns;
	struct nft batch;
	bool begun;	/* the batch has something */
	bool installed; /* what the kernel has is what `rules` of each Service say */
	bool failed;
	struct conntrack_tuple forget[FORGET_MAX]; /* once the batch is true */
	size_t n_forget;
	uint32_t *classes; /* owned; those that have a chain */
	size_t n_classes;
	struct loop_timer again;
	struct catalog *all; /* borrowed; for `again` */
};

/* Empty when it has no addresses, or is gone. 0 or -ENOMEM. */
must_check int service_plan_make(
	struct service_rules *out, const struct service *s, const struct ipaddr *not_this);
void service_plan_fini(struct service_rules *p);

/* ---- service_table.c */

/* The empty table, with chains and maps. */
void service_table_put(struct nft *b, const struct service_nets *nets, const struct ipaddr *dns);
/* The rules of the chain that knows the ranges, which is empty. */
void service_nets_put(struct nft *b, const struct service_nets *nets, const struct ipaddr *dns);
/* The chains of a class, one for each map, and the way to them. */
void service_class_put(struct nft *b, uint32_t class);
void service_target_put(struct nft *b, const struct group *g, size_t i, bool add);
void service_member_put(struct nft *b, const struct group *g, const struct target *t, bool add);
/* @comment: whose it is. */
void service_front_put(struct nft *b, const struct front *f, bool add, const char *comment);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NETWORK_SERVICE_RULES_INT_H
#define NETWORK_SERVICE_RULES_INT_H

/* What a Service comes to in rules: service_plan.c computes it, service_rules.c makes it true, service_table.c has what is the same for all. */

#include "lib/ipconf.h"
#include "lib/nft.h"

struct service;

#define SERVICES_TABLE "wherry-services"

enum { PLAN_CHAIN_MAX = 192 };

/* An address and a port as a part of an element: words, in network order. */
struct target {
	struct in_addr ip;
	uint16_t port, zero;
};

/* Where a connection goes that was sent to a service: one of the targets. */
struct plan_chain {
	char name[PLAN_CHAIN_MAX]; /* NAMESPACE/NAME/PROTO/PORT */
	uint64_t id;		   /* the same for the same name, always */
	uint8_t proto;
	uint32_t affinity_s;
	struct target *targets; /* owned */
	size_t n;
};

/* What is looked up. */
enum plan_map { PLAN_SERVICE, PLAN_NODE_PORT, PLAN_MAPS };
enum plan_verdict { PLAN_CHAIN, PLAN_DROP, PLAN_REFUSE };

struct front {
	enum plan_map map;
	struct in_addr ip; /* 0 for node ports */
	uint8_t proto;
	uint16_t port; /* network order */
	enum plan_verdict verdict;
	char chain[PLAN_CHAIN_MAX]; /* PLAN_CHAIN */
};

/* Of one Service. */
struct service_rules {
	struct plan_chain *chains; /* owned */
	size_t n_chains;
	struct front *fronts; /* owned */
	size_t n_fronts;
};

/* Empty when it has no addresses, or is gone. 0 or -ENOMEM. */
must_check int service_plan_make(
	struct service_rules *out, const struct service *s, const struct ipaddr *not_this);
void service_plan_fini(struct service_rules *p);

/* ---- service_table.c */

/* An element's key; words are padded with zeros. */
struct front_key {
	uint8_t bytes[12];
	size_t len;
};

struct front_key front_key(const struct front *f);
/* The empty table, with chains and maps. */
void service_table_put(struct nft *b, const struct ipaddr *range, const struct ipaddr *dns);
/* The rules of a chain of targets, which is empty. */
void service_chain_put(struct nft *b, const struct plan_chain *c);
void service_target_put(struct nft *b, const struct plan_chain *c, size_t i, bool add);
void service_member_put(struct nft *b, const struct plan_chain *c, const struct target *t, bool add);
void service_front_put(struct nft *b, const struct front *f, bool add);

#endif

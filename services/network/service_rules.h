/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NETWORK_SERVICE_RULES_H
#define NETWORK_SERVICE_RULES_H

/*
 * Service addresses as nftables: table `ip wherry-services`. Finding a service is one look into a map, however many there
 * are; a change touches the elements and the one chain that it is about. All changes of one turn are one transaction.
 */

#include "lib/util.h"

struct loop;
struct service;
struct service_nets;
struct service_rules_table;
struct catalog;

struct service_rules_options {
	struct loop *loop;
	const struct service_nets *nets; /* borrowed; what is not served there is refused at once */
	const char *dns_address;	 /* served by this node itself */
};

/*
 * 0 or -errno. Nothing changes in the kernel until the first service_rules_settled(): what another process has left
 * goes on working until everything is known.
 */
must_check int service_rules_new(struct service_rules_table **out, const struct service_rules_options *o);
/* Before the catalog it was told of. The kernel's tables stay; accepts NULL. */
void service_rules_free(struct service_rules_table *t);

/* The Service or its endpoints are others now, or gone. */
void service_rules_change(struct service_rules_table *t, struct service *s);
/* The ranges are others now. */
void service_rules_nets(struct service_rules_table *t);
/* Changes so far become true. @all: everything there is, in case it has to be written anew. */
void service_rules_settled(struct service_rules_table *t, struct catalog *all);

#endif

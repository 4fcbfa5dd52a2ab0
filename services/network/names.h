/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NETWORK_NAMES_H
#define NETWORK_NAMES_H

/*
 * Names of a cluster, as the specification of DNS-based service discovery 1.1.0 has them:
 *
 *	SERVICE.NS.svc.DOMAIN			A: the cluster address, or all endpoints of a headless one; CNAME: ExternalName
 *	_PORT._PROTO.SERVICE.NS.svc.DOMAIN	SRV
 *	HOST.SERVICE.NS.svc.DOMAIN		A: one endpoint; HOST is its hostname, or its address with dashes
 *	A-B-C-D.NS.pod.DOMAIN			A
 *	D.C.B.A.in-addr.arpa			PTR: a service's name, or an endpoint's
 */

#include "lib/dns.h"

struct catalog;
struct service_nets;

enum { NAMES_TTL_S = 5 };

struct names {
	const struct catalog *catalog; /* borrowed */
	const char *domain;	       /* "cluster.local" */
	struct ipaddr dns;	       /* who answers */
	const struct service_nets
		*services; /* borrowed; their addresses, and those of pods, are asked of nobody else */
	struct ipaddr pods;
	unsigned turn; /* which of several addresses comes first */
};

enum names_answer {
	NAMES_HERE,	 /* what was written is the answer */
	NAMES_ELSEWHERE, /* a name of somebody else's; nothing was written */
	NAMES_ALIAS, /* an alias was written; the addresses of @alias are still to be asked for and to follow */
	NAMES_LATER, /* nothing is known of the cluster yet */
};

/* @w: just begun with DNS_OK. @alias: borrowed from the catalog. */
enum names_answer names_answer(
	struct names *n, struct dns_writer *w, const struct dns_question *q, const char **alias);

#endif

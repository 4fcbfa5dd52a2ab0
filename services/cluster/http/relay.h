/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLUSTER_RELAY_H
#define CLUSTER_RELAY_H

/*
 * A request handed on to another server (a node's agent, a pod, a service) and its answer handed back: as HTTP, or, when
 * the other side agrees to an upgrade, as bytes both ways.
 */

#include "cluster/http/http_int.h"

struct relay_target {
	const char *address; /* of IP */
	int port;
	bool tls;	    /* with the API server's client certificate, the address verified */
	const char *target; /* path and query, encoded */
	const char *host;   /* of the Host header */
};

/* Answers, sooner or later. */
void relay_start(struct request *q, const struct relay_target *t);

#endif

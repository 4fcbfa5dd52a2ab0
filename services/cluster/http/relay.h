/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLUSTER_RELAY_H
#define CLUSTER_RELAY_H

/*
 * A request handed on to another server (a node's agent, a pod, a service) and its answer handed back: as HTTP, or, when
 * the other side agrees to an upgrade, as bytes both ways.
 */

#include "cluster/http/http_int.h"

struct websocket_plan;

struct relay_target {
	const char *address; /* of IP */
	int port;
	bool tls;	    /* with the API server's client certificate, the address verified */
	const char *target; /* path and query, encoded */
	const char *host;   /* of the Host header */
	const struct websocket_plan
		*messages; /* an answer of 200 becomes a WebSocket's; NULL: it stays as it is */
};

/* Answers, sooner or later. */
void relay_start(struct request *q, const struct relay_target *t);

#endif
